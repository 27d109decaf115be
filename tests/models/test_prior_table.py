"""The public table of priors: a row for every free variable, whatever the model."""

import pytest
from joint_small import model, study
from small_trials import eight_trials

from bayesmodels.errors import BadInput
from bayesmodels.models.joint_event import PERSON_DRAWS
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.presets import PRESETS, alsfrs_r, replaced
from bayesmodels.models.prior_table import prior_table
from bayesmodels.models.shared_rate.model import SharedRateModel
from bayesmodels.models.trial_level.model import TrialLevelModel
from bayesmodels.parts.effects import SlopeChange
from bayesmodels.parts.priors import Normal
from bayesmodels.parts.trajectories import Decelerating

COURSE = {
    "term_mean": ("mean level", "mean rate", "mean effect"),
    "effect_group_sd": ("SD of effect between start groups",),
    "scaled_effect_contrast": ("SD of effect between start groups",),
    "term_sd": ("person SD of level", "person SD of rate"),
    "partial_correlation": ("correlations of random effects",),
    "error_sd": ("residual SD",),
    "score_deceleration": ("trajectory rho",),
    "hazard_ratio": ("death: log hazard ratio of age", "death: log hazard ratio of start_group: early"),
    "death_on_drug": ("death: log hazard ratio on the drug",),
    "left_log_hazard": ("left: log baseline hazard",),
    "left_random_walk_sd": ("left: SD of the log baseline hazard's random walk, first piece to last",),
    "left_step": ("left: SD of the log baseline hazard's random walk, first piece to last",),
    "death_log_hazard": ("death: log baseline hazard",),
}
SPLINE = {
    "death_trend": ("death: change of the log baseline hazard, week 0 to the last",),
    "death_roughness": ("death: SD of the baseline's second differences",),
    "death_bend": ("death: SD of the baseline's second differences",),
    "hazard_association": ("death: association with terms, level", "death: association with terms, rate"),
}
WEIBULL = {
    "death_log_shape": ("death: log shape of the baseline hazard",),
    "hazard_association": tuple(f"death: association with {form}" for form in ("value", "rate", "area")),
}


@pytest.mark.parametrize(
    ("baseline", "forms", "own"), [("weibull", ("value", "rate", "area"), WEIBULL), ("spline", ("terms",), SPLINE)]
)
def test_every_free_variable_of_a_joint_model_has_its_rows_and_no_row_is_of_nothing(baseline, forms, own):
    joint, data = model(baseline, forms), study()
    table, rows = prior_table(joint, data), COURSE | own
    assert {rv.name for rv in joint.build(data).free_RVs} - {PERSON_DRAWS} == set(rows)
    assert set(table["parameter"]) == {name for names in rows.values() for name in names}
    assert (table["source"] != "").all()
    of = table.set_index("parameter")
    assert of.loc["death: log baseline hazard", "prior"] == "Normal(-4.61, 1.5)"
    assert of.loc["death: log hazard ratio of age", "unit"] == "per SD"


def test_priors_of_associations_are_one_per_typical_sd_unless_stated():
    of = prior_table(model("weibull", ("value", "area")), study()).set_index("parameter")
    assert of.loc["death: association with value", "prior"] == "Normal(0, 0.167)"  # a spread of 6 points
    assert of.loc["death: association with area", "prior"] == "Normal(0, 0.0139)"  # the same held for 12 months
    assert of.loc["death: association with area", "unit"] == "log hazard ratio per points x months"
    stated = {"outcome": "score", "prior": Normal(mean=-0.1, sd=0.05, source="a cohort")}
    joint = model(forms=()).model_dump() | {"events": [{"name": "death", "associations": [stated]}]}
    row = (
        prior_table(type(model()).model_validate(joint), study())
        .set_index("parameter")
        .loc["death: association with value"]
    )
    assert (row["prior"], row["source"]) == ("Normal(-0.1, 0.05)", "a cohort")


def test_trial_level_priors_say_what_is_between_classes():
    fields = {"surrogate_scale": 0.5, "outcome_scale": 2.0, "within_correlation": 0.0}
    one = prior_table(TrialLevelModel(**fields), eight_trials())["parameter"]
    between = prior_table(TrialLevelModel(**fields, classes="exchangeable"), eight_trials())
    assert len(between) == len(one) + 3
    assert "HalfNormal(0.25)" in between["prior"].tolist()


def test_what_a_part_takes_as_known_stands_among_the_priors():
    outcome = replaced(alsfrs_r(), {"trajectory": Decelerating(rho=1 / 8), "effect": SlopeChange(lag=2.0)})
    of = prior_table(LongitudinalModel(outcomes=({**outcome.model_dump(), "name": "score"},)), study())
    of = of.set_index("parameter")
    for parameter, number, unit in (("trajectory rho", "0.125", "per month"), ("effect lag", "2", "months")):
        row = of.loc[parameter, ["prior", "unit", "source"]].tolist()
        assert row == [f"fixed at {number}", unit, "taken as known"]


@pytest.mark.parametrize("preset", PRESETS)
def test_every_prior_of_a_preset_says_where_it_is_from(preset):
    outcome = PRESETS[preset]()
    priors = (outcome.level_prior, outcome.rate_prior, outcome.level_sd_prior, outcome.rate_sd_prior)
    for source in {prior.source for prior in (*priors, outcome.residual_sd_prior)}:
        assert source.startswith("assumption") or "data/evidence/als_population_parameters.csv" in source


def test_every_prior_of_the_shared_rate_model_has_a_unit():
    table = prior_table(SharedRateModel(), None)
    assert (table["unit"] != "").all()


def test_another_model_is_refused():
    with pytest.raises(BadInput, match=r"expected a model with a method prior_rows\(data\), got Normal"):
        prior_table(Normal(mean=0.0, sd=1.0), None)
