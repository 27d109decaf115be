"""Outcomes of ALS trials, ready to use. Each is a function without arguments; change one with `replaced`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from bayesmodels.errors import expect
from bayesmodels.models.outcome import Outcome, Typical
from bayesmodels.parts.effects import Plateau, ProportionalSlowing, SlopeChange
from bayesmodels.parts.lookup import unknown
from bayesmodels.parts.priors import HalfNormal, LogNormal, Normal
from bayesmodels.parts.trajectories import Decelerating, Linear
from bayesmodels.study.checks.limits import LIMITS

TABLE = "data/evidence/als_population_parameters.csv"
GENERATOR = "data/evidence/valor_simulator_truth.csv"
PRO_ACT = f"PRO-ACT placebo, rate -1.03 (SD .76) points a month, residual SD 1.77 (HEALEY ALS SAP, appendix I; {TABLE})"
TRIALS = f"assumption about trial populations; HEALEY's shared placebo began at 35.1 (SD 6.7) points ({TABLE})"
NFL_COHORTS = f"baseline medians of 52 to 92 pg/mL, ln SD .52 to .62 (PRO-ACT, HEALEY regimen C; {TABLE})"
NFL_DRIFT = f"x1.20 in 28 weeks on VALOR's placebo, faster stratum; -.005 a month untreated (trehalose EAP; {TABLE})"
NFL_RATES = f"assumption, beside the random walk; without one VALOR's standard errors say .05 to .11 a month ({TABLE})"
NFL_ERROR = f"ln SD .08 to .18 from changes in VALOR and HEALEY regimen C ({TABLE})"
RANDOM_WALK = (
    "VALOR's published standard errors grow faster than a straight line's: {} per square root of a month "
    "(our decomposition, models/published_means/presets.py)"
)
DECLINE_FADES = (
    f"assumption, shared with the generator: within a person the decline halves in 28 months ({GENERATOR}); published "
    "means, of those still followed, say 17"
)
SKEWED = (
    "assumption: few decline several times as fast as most; a log SD of 0.8 has a 90 % point of 2.8 times the median"
)
SHRINKING = (
    f"assumption, shared with the generator of simulated trials: steps shrink to 1 / e in 20 months ({GENERATOR})"
)
LATE_NFL = (
    f"assumption: later decline on the drug is confounded with who stays; VALOR's week 148 suggests -.015 ({GENERATOR})"
)
WIDE = "assumption: wide on the scale of the measure"


def nfl_plasma() -> Outcome:
    """Plasma neurofilament light chain, pg/mL, modelled as ln: lagged fall to a plateau, drift that stops on drug.

    That the untreated drift fades at 1/8 a month is an assumption, shared with the generator of simulated trials
    (`data/evidence/valor_simulator_truth.csv`).
    """
    return Outcome(
        name="nfl_plasma",
        unit="pg/mL",
        scale="log",
        good_direction="down",
        trajectory=Decelerating(rho=1 / 8),
        effect=Plateau(
            drift_on_drug="stops",
            late_slope=Normal(mean=0.0, sd=0.02, source=LATE_NFL),
            person_sd=HalfNormal(sd=0.375, source="assumption: half the effect's prior SD"),
        ),
        level=Normal(mean=4.317, sd=0.5, source=f"{NFL_COHORTS}; ln 75"),
        level_sd=HalfNormal(sd=0.7, source=NFL_COHORTS),
        rate=Normal(mean=0.0, sd=0.03, source=NFL_DRIFT),
        rate_sd=HalfNormal(sd=0.06, source=NFL_RATES),
        residual_sd=HalfNormal(sd=0.2, source=NFL_ERROR),
        random_walk_sd=HalfNormal(sd=0.2, source=RANDOM_WALK.format("ln .12 to .16")),
        random_walk_time_constant=LogNormal(median=20.0, sigma=0.5, source=SHRINKING),
        effect_on_level_prior=Normal(mean=0.0, sd=0.75, source="assumption: centred at no effect; a halving is 0.9 SD"),
    )


def sod1_csf() -> Outcome:
    """SOD1 protein in cerebrospinal fluid, ng/mL, modelled as ln."""
    return Outcome(
        name="sod1_csf",
        unit="ng/mL",
        scale="log",
        good_direction="down",
        typical=Typical(level=100.0, spread=0.5, rate=0.02),
        trajectory=Linear(),
        effect=Plateau(),
        source=WIDE,
    )


def alsfrs_r() -> Outcome:
    """ALS Functional Rating Scale, revised: 0 to 48 points, a decelerating decline, of which the drug removes a share.

    Rates of decline differ between persons with a long tail of fast decline.
    """
    return Outcome(
        name="alsfrs_r",
        unit="points",
        good_direction="up",
        limits=LIMITS["alsfrs_r"][:2],
        trajectory=Decelerating(rho=LogNormal(median=0.025, sigma=0.8, source=DECLINE_FADES)),
        effect=ProportionalSlowing(),
        level=Normal(mean=37.0, sd=3.0, source=TRIALS),
        level_sd=HalfNormal(sd=6.0, source=TRIALS),
        rate=Normal(mean=-1.0, sd=0.5, source=PRO_ACT),
        rate_sd=HalfNormal(sd=1.0, source=PRO_ACT),
        rate_skewness=HalfNormal(sd=0.8, source=SKEWED),
        residual_sd=HalfNormal(sd=2.5, source=PRO_ACT),
        random_walk_sd=HalfNormal(sd=1.5, source=RANDOM_WALK.format("1.4 points")),
    )


def svc() -> Outcome:
    """Slow vital capacity, percent of predicted."""
    return Outcome(
        name="svc",
        unit="% predicted",
        good_direction="up",
        limits=LIMITS["svc"][:2],
        typical=Typical(level=80.0, spread=20.0, rate=-2.0),
        effect=SlopeChange(),
        source=WIDE,
    )


def hhd() -> Outcome:
    """Hand-held dynamometry megascore, z units."""
    return Outcome(
        name="hhd",
        unit="z",
        good_direction="up",
        typical=Typical(level=0.0, spread=0.7, rate=-0.03),
        effect=SlopeChange(),
        source=WIDE,
    )


def alsaq5() -> Outcome:
    """ALS Assessment Questionnaire, five items, 0 to 100, higher is worse."""
    return Outcome(
        name="alsaq5",
        unit="points",
        good_direction="down",
        limits=LIMITS["alsaq5"][:2],
        typical=Typical(level=40.0, spread=20.0, rate=1.0),
        effect=SlopeChange(),
        source=WIDE,
    )


def eq5d5l() -> Outcome:
    """EQ-5D-5L index, 1 is full health."""
    return Outcome(
        name="eq5d5l",
        unit="index",
        good_direction="up",
        limits=LIMITS["eq5d5l"][:2],
        typical=Typical(level=0.7, spread=0.2, rate=-0.01),
        effect=SlopeChange(),
        source=WIDE,
    )


PRESETS = {f.__name__: f for f in (nfl_plasma, alsfrs_r, svc, hhd, alsaq5, eq5d5l, sod1_csf)}


def replaced[Model: BaseModel](model: Model, changes: Mapping[str, Any]) -> Model:
    """A copy of a model or part with some fields changed, checked like a new one.

    Parameters
    ----------
    model : model, outcome or part
    changes : mapping of str to value
        Fields by name.

    Raises
    ------
    BadInput
        An argument of another kind.
    pydantic.ValidationError
        A field that does not exist, or a value that cannot be used.
    """
    expect(model, BaseModel, "model", "give a model, an outcome or a part")
    expect(changes, Mapping, "changes", 'give fields by name, such as {"unit": "points"}')
    fields = {name: getattr(model, name) for name in type(model).model_fields}
    return type(model).model_validate(fields | dict(changes))


def outcome_from(value: Any) -> Outcome:
    """An outcome as it is, or from its description: `preset` with fields to override, or all fields.

    Parameters
    ----------
    value : Outcome, str or mapping

    Raises
    ------
    ValueError, pydantic.ValidationError
    """
    if isinstance(value, Outcome):
        return value
    if isinstance(value, str):
        value = {"preset": value}
    if not isinstance(value, Mapping):
        raise ValueError(f"expected an outcome: a preset's name or a table of fields, got {type(value).__name__}")
    fields = dict(value)
    name = fields.pop("preset", None)
    if name is None:
        return Outcome.model_validate(fields)
    if not isinstance(name, str) or name not in PRESETS:
        raise ValueError(unknown("preset", name, PRESETS))
    return replaced(PRESETS[name](), fields)
