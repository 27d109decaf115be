"""Outcomes of published means ready to use: VALOR's and CNM-Au8's, with plug-in spreads and priors.

Source of VALOR's numbers: trial fits to the published visit-level means, by a program not kept with the package. The
spreads, the start of the delayed group's drug and the deceleration were chosen with later data in view: predictions
of later visits are not a pure held-out test. CNM-Au8's spreads are those that the trial's analysis plan took from an
earlier database, and no effect of its own went into its priors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel

from bayesmodels.errors import BadConfig
from bayesmodels.models.presets import replaced
from bayesmodels.models.published_means.covariance import MeansSpread, StratumSpread
from bayesmodels.models.published_means.outcome import MeansOutcome
from bayesmodels.parts.effects import DeceleratingSlope, NoEffect, Plateau, ProportionalSlowing, SlopeChange
from bayesmodels.parts.links import DropGain, RatioPower
from bayesmodels.parts.priors import LogNormal, Normal
from bayesmodels.parts.trajectories import Decelerating, Linear
from bayesmodels.study.problem import plain

FunctionEffect = Literal["proportional_slowing", "absolute_change", "none", "ratio_power", "drop_gain"]

SOURCE = "aggregate fits of VALOR's published means"
FUNCTION_LAG = LogNormal(median=2.5, sigma=0.6, source="not learned from VALOR")
DECELERATION = LogNormal(median=0.04, sigma=0.8, source="half-life about 17 months, wide")

NFL_SPREAD = MeansSpread(
    strata=(
        StratumSpread(stratum="faster", rate_sd=0.08, random_walk_sd=0.164, residual_sd=0.06, visit_shock_sd=0.03),
        StratumSpread(stratum="slower", rate_sd=0.02, random_walk_sd=0.115, residual_sd=0.125, visit_shock_sd=0.06),
    ),
    reading_error=0.015,
    source=SOURCE,
)
ALSFRS_R_SPREAD = MeansSpread(
    strata=(
        StratumSpread(stratum="faster", rate_sd=1.19, random_walk_sd=1.43, residual_sd=1.09, visit_shock_sd=0.4),
        StratumSpread(stratum="slower", rate_sd=0.22, random_walk_sd=1.40, residual_sd=1.12, visit_shock_sd=0.25),
    ),
    reading_error=0.05,
    source=SOURCE,
)
HEALEY_ALSFRS_R_SPREAD = MeansSpread(
    strata=(StratumSpread(stratum="all", rate_sd=0.76, random_walk_sd=0.0, residual_sd=1.77),),
    reading_error=0.04,
    baseline_share=1.0,
    source="PRO-ACT placebo, n 2175, HEALEY SAP appendix I (als_population_parameters); means are printed to .1",
)


def _by_stratum(faster: tuple[float, float], slower: tuple[float, float], source: str) -> dict[str, Normal]:
    return {
        label: Normal(mean=mean, sd=sd, source=source) for label, (mean, sd) in (("faster", faster), ("slower", slower))
    }


def valor_nfl(drift_on_drug: Literal["stops", "continues"] = "stops", extension_shift_sd: float = 0.0) -> MeansOutcome:
    """Plasma NfL, log ratio to baseline: a lagged plateau over an untreated drift.

    Parameters
    ----------
    drift_on_drug : {"stops", "continues"}
        Week 148 refutes `continues`.
    extension_shift_sd : float
        SD of the shift common to both groups in the extension, ln; 0 for none (0.2 in trial fits).
    """
    return MeansOutcome(
        name="nfl_plasma",
        unit="ln",
        scale="log",
        good_direction="down",
        rate=_by_stratum((0.0, 0.03), (0.0, 0.03), "placebo flat to x1.2 in 28 weeks"),
        course=Linear(),
        effect=Plateau(
            size=_by_stratum((-0.7, 0.5), (-0.7, 0.5), SOURCE),
            lag=LogNormal(median=1.0, sigma=0.5, source="pharmacology: effect within 0.3 to 4 months; wide"),
            time_constant=LogNormal(median=1.2, sigma=0.6, source="pharmacology; wide"),
            drift_on_drug=drift_on_drug,
        ),
        extension_shift_sd=extension_shift_sd,
        spread=NFL_SPREAD,
    )


def valor_alsfrs_r(
    effect: FunctionEffect = "proportional_slowing",
    course: Literal["linear", "decelerating"] = "decelerating",
    lag: LogNormal = FUNCTION_LAG,
) -> MeansOutcome:
    """ALSFRS-R, change from baseline in points.

    Parameters
    ----------
    effect : {"proportional_slowing", "absolute_change", "none", "ratio_power", "drop_gain"}
        The last two follow NfL and need it among the model's outcomes.
    course : {"linear", "decelerating"}
        The untreated course. Linear courses over-predict the decline at week 148 by 7 to 11 points.
    lag : LogNormal
        From the drug's start (or its NfL response) to its effect on the rate, months.
    """
    return MeansOutcome(
        name="alsfrs_r",
        unit="points",
        scale="identity",
        good_direction="up",
        rate=_by_stratum((-1.0, 0.7), (-0.5, 0.5), "natural history by stratum; wide"),
        course=Decelerating(rho=DECELERATION) if course == "decelerating" else Linear(),
        effect=_function_effect(effect, course, lag),
        spread=ALSFRS_R_SPREAD,
    )


def cnm_au8_alsfrs_r(
    effect: Literal["slope_change", "proportional_slowing", "none"] = "slope_change",
) -> MeansOutcome:
    """ALSFRS-R of CNM-Au8 in HEALEY, change from baseline in points over 24 weeks (`evidence.cnm_au8_means`).

    Parameters
    ----------
    effect : {"slope_change", "proportional_slowing", "none"}
        From the first dose on, without a lag: a change of the slope in points a month, as the trial reports it; the
        share of the decline that the drug removes; or nothing.
    """
    effects: dict[str, BaseModel] = {
        "slope_change": SlopeChange(
            size=Normal(mean=0, sd=0.5, source="half the natural decline of about 1 point a month")
        ),
        "proportional_slowing": ProportionalSlowing(
            share=Normal(mean=0, sd=0.5, source="as likely harm as benefit, wide"), correlation=1.0, group_sd=0.0
        ),
        "none": NoEffect(),
    }
    if effect not in effects:
        raise BadConfig(f"effect of CNM-Au8: expected {', '.join(effects)}, got {plain(repr(effect))}")
    return MeansOutcome(
        name="alsfrs_r",
        unit="points",
        scale="identity",
        good_direction="up",
        rate=Normal(mean=-1.0, sd=0.5, source="PRO-ACT placebo -1.03 a month; wide"),
        course=Linear(),
        effect=effects[effect],
        spread=HEALEY_ALSFRS_R_SPREAD,
    )


def _function_effect(effect: FunctionEffect, course: str, lag: LogNormal) -> BaseModel:
    match effect:
        case "proportional_slowing":
            share = Normal(mean=0.2, sd=0.5, source="centred on a small benefit, wide")
            return ProportionalSlowing(share=share, correlation=1.0, group_sd=0.0, lag=lag)
        case "absolute_change":
            return DeceleratingSlope(lag=lag) if course == "decelerating" else SlopeChange(lag=lag)
        case "ratio_power":
            given = "package default, by judgement: between 0 (none) and 1 (in proportion to NfL)"
            return RatioPower(exponent=Normal(mean=0.3, sd=0.5, source=given), lag=lag)
        case "drop_gain":
            return DropGain(gain=Normal(mean=0, sd=0.5, source="cohort slope .46 points a month per ln"), lag=lag)
        case "none":
            return NoEffect()


MEANS_PRESETS: dict[str, Callable[[], MeansOutcome]] = {
    "valor_nfl_plasma": valor_nfl,
    "valor_alsfrs_r": valor_alsfrs_r,
    "cnm_au8_alsfrs_r": cnm_au8_alsfrs_r,
}
"""Outcomes by the name that a configuration gives as `preset`."""


def means_outcome_from(value: Any) -> Any:
    """An outcome as it is, or a preset by name, or a table of fields with or without a `preset` to change.

    Parameters
    ----------
    value : MeansOutcome, str or dict

    Raises
    ------
    ValueError
        No preset of that name.
    """
    fields = {"preset": value} if isinstance(value, str) else value
    if not isinstance(fields, dict) or "preset" not in fields:
        return value
    name = fields["preset"]
    if not isinstance(name, str) or name not in MEANS_PRESETS:
        raise ValueError(f"no preset {plain(repr(name))} of published means; known: {', '.join(MEANS_PRESETS)}")
    return replaced(MEANS_PRESETS[name](), {key: given for key, given in fields.items() if key != "preset"})
