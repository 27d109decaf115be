"""Priors: drawn, against theory; made from typical values, against the rules that `Outcome` states."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError
from small_study import study

import bayesmodels
from bayesmodels.fitting.prior import prior_draws
from bayesmodels.models import model_from_spec
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.outcome import Outcome, Typical
from bayesmodels.models.presets import PRESETS, alsfrs_r, outcome_from, replaced
from bayesmodels.parts.effects import SlopeChange
from bayesmodels.parts.priors import HalfNormal, Normal
from bayesmodels.parts.trajectories import Linear
from bayesmodels.posterior.context import LABELS
from bayesmodels.study.checks.limits import LIMITS

DRAWS = 1500
GROUPS = (("early", 0.0), ("middle", 12.0), ("delayed", 28.0))
S = {"faster": 0.6, "slower": 0.25}
SCORE = replaced(
    alsfrs_r(),
    {
        "trajectory": Linear(),
        "effect": SlopeChange(size={k: Normal(mean=0.1, sd=sd) for k, sd in S.items()}),
        "level_sd": HalfNormal(sd=6.0),
        "rate_skewness": None,
        "limits": None,
    },
)


def close_to(draws, sd):
    """Sample SD within 4.5 standard errors, allowing for tails."""
    kurtosis = ((draws - draws.mean()) ** 4).mean() / draws.var() ** 2
    assert draws.std() == pytest.approx(sd, rel=4.5 * np.sqrt((kurtosis - 1) / 4 / len(draws)))


@pytest.mark.parametrize("pooling", ["partial", "complete", "none"])
def test_prior_of_the_drug_effect_under_each_pooling(pooling):
    """delta_g ~ Normal(delta, tau^2), tau ~ HalfNormal(half the mean of the strata's s), delta ~ Normal(.1, s^2).

    The published effect is the mean over the 3 groups: s^2 + E(tau^2) / 3, s^2, or s^2 / 3 under no pooling.
    """
    pm_model = LongitudinalModel(outcomes=(SCORE,), pooling=pooling).build(study(groups=GROUPS))
    prior = prior_draws(pm_model, seed=2, draws=DRAWS)
    between = {"partial": (np.mean(list(S.values())) / 2) ** 2, "complete": 0.0, "none": 0.0}[pooling]
    for stratum, s in S.items():
        effect = prior["drug_effect"].sel(stratum=stratum).to_numpy().ravel()
        groups = prior["group_drug_effect"].sel(stratum=stratum).to_numpy().reshape(DRAWS, 3)
        close_to(effect, np.sqrt((s**2 / 3) if pooling == "none" else s**2 + between / 3))
        assert effect.mean() == pytest.approx(0.1, abs=4.5 * s / np.sqrt(DRAWS))
        for g in range(3):
            close_to(groups[:, g], np.sqrt(s**2 + between))
        expected = {"partial": s**2 / (s**2 + between), "complete": 1.0, "none": 0.0}[pooling]
        found = np.corrcoef(groups.T)[np.tril_indices(3, -1)]
        np.testing.assert_allclose(found, expected, atol=0.12)
    if pooling == "partial":
        tau = prior["group_effect_sd"].to_numpy().ravel()
        assert np.sqrt((tau**2).mean()) == pytest.approx(np.sqrt(between), rel=0.1)
    else:
        assert "group_effect_sd" not in prior


def test_other_priors_as_drawn():
    pm_model = LongitudinalModel(
        outcomes=(SCORE,), baseline="free", covariates={"level": ("age",), "rate": ("age",), "effect": ("age",)}
    ).build(study())
    prior = prior_draws(pm_model, seed=3, draws=DRAWS)
    close_to(prior["covariate_level"].to_numpy().ravel(), 3.0)  # half the person SD's prior
    close_to(prior["covariate_rate"].to_numpy().ravel(), 0.5)
    close_to(prior["covariate_effect"].to_numpy().ravel(), np.mean(list(S.values())) / 2)
    rate = prior["population_rate"].sel(stratum="faster").to_numpy().ravel()
    close_to(rate, 0.5)
    assert rate.mean() == pytest.approx(-1.0, abs=0.06)
    for variable, sd in (("residual_sd", 2.5), ("person_sd", 6.0)):
        draws = prior[variable].isel({prior[variable].dims[2]: 0}).sel(stratum="faster").to_numpy()
        assert np.sqrt((draws**2).mean()) == pytest.approx(sd, rel=0.1)
    difference = prior["difference"].sel(stratum="faster", week=0).to_numpy().ravel()
    close_to(difference, 3.0)  # the early group's level is free about the delayed group's
    correlation = prior["person_correlation"].to_numpy().reshape(DRAWS, 2, 2)[:, 0, 1]
    close_to(correlation, np.sqrt(1 / 5))  # LKJ(2) of two terms: (1 + r) / 2 ~ Beta(2, 2)


def test_typical_values_give_the_priors_of_custom_outcomes():
    typical = Typical(level=3.5, spread=0.5, rate=-0.02)
    plain = Outcome(name="albumin", unit="g/dL", good_direction="up", typical=typical)
    assert (plain.level_prior.mean, plain.level_prior.sd) == (3.5, 0.5)
    assert plain.level_sd_prior.sd == 0.5
    assert (plain.rate_prior.mean, plain.rate_prior.sd) == (0.0, 0.04)
    assert plain.rate_sd_prior.sd == 0.02
    assert plain.residual_sd_prior.sd == 0.25
    assert (plain.effect_on_rate.mean, plain.effect_on_rate.sd) == (0.0, 0.01)
    assert (plain.effect_on_level.mean, plain.effect_on_level.sd) == (0.0, 0.5)
    log = replaced(plain, {"scale": "log"})
    assert log.level_prior.mean == pytest.approx(1.252762968)  # natural log of 3.5
    assert log.level_prior.sd == 0.5
    assert log.modelling_unit == "ln"


def test_a_prior_given_replaces_the_one_made():
    given = Normal(mean=3.0, sd=0.1)
    outcome = Outcome(
        name="x", good_direction="up", typical=Typical(level=3.5, spread=0.5, rate=1.0), level=given, rate=given
    )
    assert outcome.level_prior is given
    assert outcome.effect_on_rate.sd == 1.5  # half the rate's prior mean
    assert outcome.level_sd_prior.sd == 0.5


def test_effect_on_rate_by_stratum_is_half_each_natural_rate():
    rates = {"faster": Normal(mean=-1.2, sd=0.5), "slower": Normal(mean=0.0, sd=0.3)}
    found = replaced(alsfrs_r(), {"rate": rates}).effect_on_rate
    assert {k: (p.mean, p.sd) for k, p in found.items()} == {"faster": (0.0, 0.6), "slower": (0.0, 0.15)}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "expected typical = {level, spread, rate} .* or the priors level, rate, level_sd, rate_sd, residual_sd"),
        ({"level": Normal(mean=1.0, sd=1.0)}, "or the priors rate, level_sd, rate_sd, residual_sd"),
        ({"typical": {"level": 0.0, "spread": 1.0, "rate": 1.0}, "scale": "log"}, "typical level above 0"),
        ({"typical": {"level": 1.0, "spread": 0.0, "rate": 1.0}}, "greater than 0"),
        ({"typical": {"level": 1.0, "spread": 1.0, "rate": 0.0}}, "a rate other than 0"),
        ({"typical": {"level": 1.0, "spread": 1.0, "rate": 1.0}, "censor_at_limits": True}, "expected limits with cen"),
        ({"typical": {"level": 1.0, "spread": 1.0, "rate": 1.0}, "limits": (48, 0)}, "low below high, got .48.0, 0.0."),
        ({"typical": {"level": 1.0, "spread": 1.0, "rate": 1.0}, "limits": (3, 3)}, "low below high"),
        ({"typical": {"level": 1.0, "spread": 1.0, "rate": 1.0}, "limits": (math.nan, 30)}, "finite"),
        ({"typical": {"level": 1.0, "spread": 1.0, "rate": 1.0}, "limits": (0, math.inf)}, "finite"),
        ({"typical": {"level": 1.0, "spread": 1.0, "rate": 1.0}, "name": "a:b"}, "name"),
        ({"typical": {"level": 1.0, "spread": 1.0, "rate": 1.0}, "good_direction": "left"}, "'up' or 'down'"),
    ],
)
def test_an_outcome_that_makes_no_sense_is_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        Outcome(**({"name": "x", "good_direction": "up"} | fields))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_known_to_checks_pages_and_the_package(name):
    """What would otherwise fail silently: its values are not checked, and a page shows its name with an underscore."""
    assert name in LIMITS, "add its limits to study/checks/limits.py"
    assert name in LABELS, "add its name for readers to posterior/context.py"
    assert name in bayesmodels.__all__, "add it to _HOME of bayesmodels/__init__.py"
    outcome = PRESETS[name]()
    assert outcome.name == name
    assert outcome.limits in (None, LIMITS[name][:2])


@pytest.mark.parametrize("name", PRESETS)
def test_presets_by_name_and_with_fields_changed(name):
    assert outcome_from(name) == PRESETS[name]() == outcome_from({"preset": name})
    renamed = outcome_from({"preset": name, "name": "other", "effect": {"type": "none"}})
    assert (renamed.name, renamed.effect.type, renamed.unit) == ("other", "none", PRESETS[name]().unit)
    with pytest.raises(ValidationError, match="sprad"):
        outcome_from({"preset": name, "sprad": 1.0})


MODELS = [
    LongitudinalModel(outcomes=tuple(PRESETS)),
    LongitudinalModel(
        outcomes=(
            "nfl_plasma",
            {"preset": "alsfrs_r", "effect": {"type": "follows", "outcome": "nfl_plasma"}, "censor_at_limits": True},
        ),
        pooling="none",
        baseline="free",
        covariates={"level": ("age",)},
        person_sd="by_stratum",
        correlation_shape=1.5,
    ),
    LongitudinalModel(outcomes=(SCORE,)),
    LongitudinalModel(
        outcomes=({"name": "x", "good_direction": "up", "typical": {"level": 0.1, "spread": 0.2, "rate": 0.1 + 0.2}},)
    ),
]


@pytest.mark.parametrize("model", MODELS, ids=range(len(MODELS)))
def test_models_survive_json_exactly(model):
    import json

    spec = json.loads(json.dumps(model.model_dump(mode="json")))
    assert spec["type"] == "longitudinal"
    again = model_from_spec(spec)
    assert again == model
    assert again.model_dump(mode="json") == spec
    assert LongitudinalModel.model_validate_json(model.model_dump_json()) == model
