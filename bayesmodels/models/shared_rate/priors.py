"""Priors of the shared-rate model, and its random variables on scales that suit the sampler; the priors stay exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pydantic import BaseModel, ConfigDict, FiniteFloat, PositiveFloat

from bayesmodels.parts.priors import STATED, PriorRow, labelled_rows

Pair = tuple[FiniteFloat, PositiveFloat]
Gamma = tuple[PositiveFloat, PositiveFloat]

KNOWN_TO = 0.1
"""Typical standard error of a block's or regimen's log rate: sets the sampler's scale, not the model."""

SOURCE = "HEALEY ALS Platform Trial master protocol, recommended analysis"
"""Of the model and of its default priors."""

UNIT = 0.5
"""Log rate that the drift of external trials is measured in."""

UNIT_SOURCE = (
    "assumption: SD over mean of the prior of alsfrs_r's rate, -1 (SD .5) points a month, from PRO-ACT placebo"
)
"""Of `UNIT`."""

FOLLOWS = 1.5
"""Log odds by which the ratios' coordinates follow a point a month of mean decline: the sampler's scale, again."""


MONTH = "month of 52/12 weeks"
"""As units say it."""

LABELS = ("parameter", "prior", "unit", "source")
"""Columns of a table of priors."""

OF_LOGARITHM = {"external rate minus our rate (drift)": "log of external rate over ours (drift)"}
"""Names of rows of `parts.borrowing` where the drift is of the rate's logarithm."""


class SharedRatePriors(BaseModel):
    """Priors; by default those of the HEALEY ALS Platform Trial's recommended analysis (`SOURCE`).

    Months are of 52/12 weeks, rates are positive for a decline.

    Parameters
    ----------
    ratio_upper : float
        DRR ~ Uniform(0, ratio_upper).
    level : (mean, sd)
        a ~ Normal, points, one for each regimen and arm, and for each external trial.
    level_sd_upper : float
        SD of c ~ Uniform(0, level_sd_upper), points.
    rate : (mean, sd)
        mu_b ~ Normal, points a month: mean decline of the control in the first block at mean covariates.
    rate_sd_upper : float
        SD of b ~ Uniform(0, rate_sd_upper), points a month, one for each arm and external trial.
    residual_sd_upper : float
        Residual SD ~ Uniform(0, residual_sd_upper), points, one for each regimen and arm, and for each external trial.
    regimen_precision : (shape, rate)
        1 / s_eta^2 ~ Gamma; eta_r ~ Normal(0, s_eta), log rate. Without effect in a single regimen, which has no eta.
    drift_sd_upper : float
        SD of the random walk's steps between calendar blocks ~ Uniform(0, drift_sd_upper), log rate.
    covariate_sd : float
        d ~ Normal(0, covariate_sd), log rate per unit of the covariate.
    hazard : (shape, rate)
        h0 ~ Gamma, per month. The default, Gamma(.01, 1), is close to flat in log h0: without a single event the
        posterior is as wide as the prior.
    external_log_rate_unit : float
        Of a model that borrows: the log rate of which `tau`, `narrow` and `wide` are multiples (`parts.borrowing`). Not
        of the protocol, which borrows nothing, but the package's assumption (`UNIT_SOURCE`): .5, as the longitudinal
        model's unit is .5 points a month of a mean decline of 1. Not the SD of `rate` over its mean: an SD as large as
        the mean says that little is assumed of our decline, not that trials differ so much.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ratio_upper: PositiveFloat = 2.0
    level: Pair = (38.0, 10.0)
    level_sd_upper: PositiveFloat = 10.0
    rate: Pair = (1.0, 1.0)
    rate_sd_upper: PositiveFloat = 2.0
    residual_sd_upper: PositiveFloat = 4.0
    regimen_precision: Gamma = (1.0, 0.0025)
    drift_sd_upper: PositiveFloat = 2.0
    covariate_sd: PositiveFloat = 1.0
    hazard: Gamma = (0.01, 1.0)
    external_log_rate_unit: PositiveFloat = UNIT


def uniform(name: str, upper: float, shift: Any, dim: str, size: int) -> Any:
    """Uniform(0, upper) variables over `dim`, sampled as their log odds less `shift`.

    The log odds of a uniform variable are logistic; the shift follows another parameter, so that what the data know
    (the decline on the drug and its SD, rather than ratios of them) is sampled about independently of it.
    """
    return upper * pt.sigmoid(pm.Logistic(name, -shift, 1.0, dims=(dim,), shape=(size,)) + shift)


def deviations(name: str, sd: Any, size: int) -> Any:
    """`size` independent Normal(0, sd) log rates, sampled on a scale that fits a small `sd` and a large one.

    What a deviation would be known to without its prior is taken as `KNOWN_TO`: in units of its posterior SD, then,
    ``sd KNOWN_TO / sqrt(sd^2 + KNOWN_TO^2)``, it neither funnels into a small `sd` nor tightens as `sd` grows.
    """
    stretch = pt.sqrt(1.0 + (sd / KNOWN_TO) ** 2)
    return sd / stretch * pm.Normal(name, 0.0, stretch, shape=(size,))


def log_gamma(name: str, shape: float, rate: float) -> Any:
    """The logarithm of a Gamma(shape, rate) variable: sampled as it is, since draws of a tiny shape underflow.

    Its density at x is that of the Gamma variable at exp(x) times exp(x). Random draws: log Gamma(a) has the
    distribution of log Gamma(a + 1) + log(U) / a, U uniform (Marsaglia and Tsang 2000, section 6).
    """

    def logp(x, shape, rate):
        return shape * pt.log(rate) - pt.gammaln(shape) + shape * x - rate * pt.exp(x)

    def random(shape, rate, rng=None, size=None):
        uniform = 1.0 - rng.uniform(size=size)
        return np.log(rng.gamma(shape + 1.0, size=size)) + np.log(uniform) / shape - np.log(rate)

    def near(rv, size, shape, rate):
        return pt.log(shape / rate)

    return pm.CustomDist(name, shape, rate, logp=logp, random=random, support_point=near, class_name="LogGamma")


def shared_rate_rows(p: SharedRatePriors) -> list[PriorRow]:
    """Every prior of a `SharedRateModel`: parameter, prior, unit, source."""
    rows = [
        ("disease rate ratio, active arm", f"Uniform(0, {p.ratio_upper:g})", "ratio"),
        ("level, regimen and arm", f"Normal({p.level[0]:g}, {p.level[1]:g})", "points"),
        ("person SD of level", f"Uniform(0, {p.level_sd_upper:g})", "points"),
        ("mean decline", f"Normal({p.rate[0]:g}, {p.rate[1]:g})", f"points per {MONTH}"),
        ("person SD of decline, arm", f"Uniform(0, {p.rate_sd_upper:g})", f"points per {MONTH}"),
        ("residual SD, regimen and arm", f"Uniform(0, {p.residual_sd_upper:g})", "points"),
        (
            "1 / s^2 of regimens",
            f"Gamma({p.regimen_precision[0]:g}, {p.regimen_precision[1]:g})",
            "per squared log rate",
        ),
        ("SD of a step of the drift", f"Uniform(0, {p.drift_sd_upper:g})", "log rate"),
        ("covariate", f"Normal(0, {p.covariate_sd:g})", "log rate per unit"),
        ("untreated hazard", f"Gamma({p.hazard[0]:g}, {p.hazard[1]:g})", f"per {MONTH}"),
    ]
    return labelled_rows(LABELS, [(*row, _source(p)) for row in rows])


def external_rows(p: SharedRatePriors, borrowing: Any) -> list[PriorRow]:
    """Priors of what is borrowed from external persons.

    Parameters
    ----------
    p : SharedRatePriors
    borrowing : Commensurate, RobustMixture or one's own
        Its drift is of the logarithm of the rate.
    """
    unit = p.external_log_rate_unit
    why = f"in place of the rate's prior SD {unit:g} of log rate ({UNIT_SOURCE if unit == UNIT else STATED})"
    texts = borrowing.prior_texts(unit) if hasattr(borrowing, "prior_texts") else []
    rows = [(OF_LOGARITHM.get(name, name), text, "log rate", f"{source}; {why}") for name, text, source in texts]
    if borrowing.level == "own":
        text = f"Normal({p.level[0]:g}, {p.level[1]:g})"
        rows.append(("mean level of an external trial", text, "points", _source(p)))
    sd = f"Uniform(0, {p.rate_sd_upper:g})"
    rows.append(("person SD of decline, external trial", sd, f"points per {MONTH}", _source(p)))
    rows.append(("residual SD, external trial", f"Uniform(0, {p.residual_sd_upper:g})", "points", _source(p)))
    return labelled_rows(LABELS, rows)


def _source(p: SharedRatePriors) -> str:
    """Where the priors are from, that of external rates apart, which the protocol does not have."""
    apart = {"external_log_rate_unit"}
    changed = p.model_dump(exclude=apart) != SharedRatePriors().model_dump(exclude=apart)
    return f"{SOURCE}, with changes by the user" if changed else SOURCE
