"""Bayesian longitudinal models of biomarkers and clinical outcomes in delayed-start trials.

Nothing heavy is imported until a name is used.
"""

from __future__ import annotations

from bayesmodels.lazy import lazy_names

_HOME = {
    "Association": "parts.associations",
    "ClusterTable": "study",
    "Dropout": "analyses.dropout.analysis",
    "Event": "models.visits.event",
    "Evidence": "study.evidence",
    "LeaveOneOut": "analyses.leave_one_out",
    "LeavingRule": "study.leaving",
    "JointEventModel": "models.joint_event",
    "LongitudinalModel": "models.longitudinal",
    "MeansTable": "study",
    "ModelSensitivity": "analyses.model_sensitivity",
    "NutsSettings": "fitting",
    "OneStageModel": "models.trial_level.one_stage",
    "Outcome": "models.outcome",
    "PersonArchive": "analyses.person_archive",
    "PublishedMeansModel": "models.published_means.model",
    "Ranks": "analyses.ranks.analysis",
    "ReportSettings": "reporting.settings",
    "SharedRateModel": "models.shared_rate.model",
    "Study": "study",
    "TrialLevelModel": "models.trial_level.model",
    "TrialTable": "study",
    "VisitModel": "models.visit_means.model",
    "alsaq5": "models.presets",
    "alsfrs_r": "models.presets",
    "convergence": "posterior.convergence",
    "dropout_sensitivity": "analyses.dropout.sensitivity",
    "eq5d5l": "models.presets",
    "fit": "fitted",
    "hhd": "models.presets",
    "load": "posterior.archive",
    "nfl_plasma": "models.presets",
    "draw_person_terms": "persons.random_effects",
    "plan_trial": "planning.job",
    "predict": "persons.prediction.predict",
    "predict_events": "persons.prediction.predict_events",
    "prior_predictive": "persons.prior_predictive",
    "prior_table": "models.prior_table",
    "publish": "models.publish",
    "rank_analyses": "analyses.ranks.observed",
    "read_clusters": "study",
    "read_config": "run.config",
    "read_means": "study",
    "read_study": "study",
    "read_trials": "study",
    "replaced": "models.presets",
    "report": "reporting",
    "require": "posterior.archive",
    "sample": "fitting",
    "save": "posterior.archive",
    "simulate": "simulation",
    "simulate_trials": "trials.job",
    "single_trial": "surrogacy.person_level",
    "sod1_csf": "models.presets",
    "svc": "models.presets",
    "two_stage": "surrogacy.two_stage",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOME)
