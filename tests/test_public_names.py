import pytest

import bayesmodels

NAMES = (
    "Association",
    "ClusterTable",
    "Dropout",
    "Event",
    "Evidence",
    "JointEventModel",
    "LeaveOneOut",
    "LeavingRule",
    "LongitudinalModel",
    "MeansTable",
    "ModelSensitivity",
    "NutsSettings",
    "OneStageModel",
    "Outcome",
    "PersonArchive",
    "PublishedMeansModel",
    "Ranks",
    "ReportSettings",
    "SharedRateModel",
    "Study",
    "TrialLevelModel",
    "TrialTable",
    "VisitModel",
    "alsaq5",
    "alsfrs_r",
    "analysis_results",
    "convergence",
    "copula_association",
    "draw_person_terms",
    "dropout_sensitivity",
    "eq5d5l",
    "fit",
    "hhd",
    "likelihood_reduction",
    "load",
    "make_dossier",
    "nfl_plasma",
    "plan_trial",
    "predict",
    "predict_events",
    "predict_trial",
    "prior_predictive",
    "prior_table",
    "publish",
    "rank_analyses",
    "read_adam",
    "read_clusters",
    "read_config",
    "read_means",
    "read_pro_act",
    "read_study",
    "read_trials",
    "read_wide",
    "replaced",
    "report",
    "require",
    "sample",
    "save",
    "simulate",
    "simulate_trials",
    "single_trial",
    "sod1_csf",
    "svc",
    "two_stage",
)


def test_the_public_names_are_these():
    assert tuple(bayesmodels.__all__) == NAMES, "a name made public or taken away: change NAMES and the CHANGELOG, too"
    assert dir(bayesmodels) == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_there_and_documented(name):
    found = getattr(bayesmodels, name)
    assert callable(found)
    assert found.__doc__


def test_another_name_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        bayesmodels.nonsense  # noqa: B018
