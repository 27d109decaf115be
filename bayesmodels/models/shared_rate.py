"""`SharedRateModel`: one rate ratio on the slope of ALSFRS-R and on the hazard of death, with shared controls.

    Y_ij = a_rt + c_i - b_i exp(theta_t + x_i' d + rho_block + eta_r) m_j + e_ij,    hazard_i = h0 exp(theta_t)

of person i in regimen r and arm t, m_j = 12/52 times the week of visit j. DRR_t = exp(theta_t), 1 for the control. The
person terms (c_i, b_i) are integrated out exactly: given theta, d, rho and eta the model is linear in them.

Source: models.md, section 7, after the HEALEY ALS platform trial's master protocol (shared-parameter model).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveFloat
from scipy.special import gammaln

from bayesmodels.kernels.linear_mixed_op import Inputs, Layout
from bayesmodels.kernels.linear_mixed_variable import linear_mixed
from bayesmodels.kernels.spread import spread
from bayesmodels.models.publish import publish
from bayesmodels.models.shared_rate_design import SOURCE_MONTHS, RateLayout, rate_arrays, rate_layout
from bayesmodels.study import Study
from bayesmodels.vocabulary import ALL, months

Pair = tuple[FiniteFloat, PositiveFloat]
Gamma = tuple[PositiveFloat, PositiveFloat]

KNOWN_TO = 0.1
"""Typical standard error of a block's or regimen's log rate: sets the sampler's scale, not the model."""


FOLLOWS = 1.5
"""Log odds by which the ratios' coordinates follow a point a month of mean decline: the sampler's scale, again."""


class SharedRatePriors(BaseModel):
    """Priors of models.md, section 7. Months are of 52/12 weeks, rates are positive for a decline.

    Parameters
    ----------
    ratio_upper : float
        DRR ~ Uniform(0, ratio_upper).
    level : (mean, sd)
        a ~ Normal, points, one for each regimen and arm.
    level_sd_upper : float
        SD of c ~ Uniform(0, level_sd_upper), points.
    rate : (mean, sd)
        mu_b ~ Normal, points a month: mean decline of the control in the first block at mean covariates.
    rate_sd_upper : float
        SD of b ~ Uniform(0, rate_sd_upper), points a month, one for each arm.
    residual_sd_upper : float
        Residual SD ~ Uniform(0, residual_sd_upper), points, one for each regimen and arm.
    regimen_precision : (shape, rate)
        1 / s_eta^2 ~ Gamma; eta_r ~ Normal(0, s_eta), log rate. Without effect in a single regimen, which has no eta.
    drift_sd_upper : float
        SD of the random walk's steps between calendar blocks ~ Uniform(0, drift_sd_upper), log rate.
    covariate_sd : float
        d ~ Normal(0, covariate_sd), log rate per unit of the covariate.
    hazard : (shape, rate)
        h0 ~ Gamma, per month. The default, Gamma(.01, 1), is close to flat in log h0: without a single event the
        posterior is as wide as the prior.
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


class SharedRateModel(BaseModel):
    """Shared-parameter model of a platform trial: decline and death share one rate ratio for each active arm.

    Start groups are arms: the study's reference group is the control, shared by the regimens, and never starts the
    drug; every other start group has its own rate ratio from week 0 on. Visits after death or permanent ventilation
    are excluded: a study refuses visits after the exit week.

    Parameters
    ----------
    outcome : str
        Outcome that declines, in points.
    regimen_column : str, optional
        Column of the persons table that says the regimen; None: one regimen.
    calendar_column : str, optional
        Column with the day of randomisation, in days since any fixed day; None: no drift.
    block_days : float
        Length of a calendar block; the first one begins with the first randomisation.
    covariates : tuple of str
        Columns of the persons table on the log rate, centred at their mean.
    events : tuple of str
        Labels of the events table that are the hazard's event.
    other_exits : tuple of str
        Labels that end follow-up without an event, beside "none".
    priors : SharedRatePriors
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["shared_rate"] = "shared_rate"
    outcome: str = "alsfrs_r"
    regimen_column: str | None = None
    calendar_column: str | None = None
    block_days: PositiveFloat = 90.0
    covariates: tuple[str, ...] = ()
    events: tuple[str, ...] = Field(("death", "ventilation"), min_length=1)
    other_exits: tuple[str, ...] = ("withdrawal", "withdrawal_progression")
    priors: SharedRatePriors = SharedRatePriors()

    def arrays(self, data: Study, layout: RateLayout | None = None) -> dict[str, np.ndarray]:
        """The data of a compiled model for another study (`rate_arrays`)."""
        return rate_arrays(self, data, layout)

    def build(self, data: Study) -> pm.Model:
        """The PyMC model of a study.

        Observed are `visits` (person, slot) and `exits` (person, exit), each with a log-likelihood by person. The data
        may be replaced by those of other persons without compiling again (`arrays`).

        Raises
        ------
        BadInput
            The study is not of this design: see `rate_layout`.
        """
        layout, prior = rate_layout(self, data), self.priors
        with pm.Model(coords=_coords(self, data, layout)) as model:
            values = {name: pm.Data(name, array) for name, array in self.arrays(data, layout).items()}
            model.add_coords({"slot": range(values["visits_observed"].get_value().shape[1])})
            mean_rate = pm.Normal("mean_rate", *prior.rate)
            ratio = _uniform("ratio_score", prior.ratio_upper, -FOLLOWS * mean_rate, "active")
            log_ratio = (values["arm"] * pt.log(ratio)).sum(axis=1)
            log_rate, parts = _other_log_rates(self, layout, values["rate_design"])
            level = pm.Normal("level", *prior.level, dims=("cell",))
            level_sd = pm.Uniform("level_sd", 0.0, prior.level_sd_upper)
            own_log_ratio = pt.concatenate([pt.log(ratio), pt.zeros(1)])
            rate_sd = _uniform("rate_sd_score", prior.rate_sd_upper, -own_log_ratio, "start_group")
            residual_sd = pm.Uniform("error_sd", 0.0, prior.residual_sd_upper, dims=("cell",))
            log_hazard = _log_gamma("log_hazard", *prior.hazard)

            cells = len(layout.cells)
            present = spread(pt.ones_like(values[f"{self.outcome}:months"]), values[f"{self.outcome}:point"])
            time = spread(values[f"{self.outcome}:months"] * SOURCE_MONTHS, values[f"{self.outcome}:point"])
            sd_by_cell = (layout.arm_of_cell * rate_sd).sum(axis=1)
            linear_mixed(
                "visits",
                Layout((0, 0), (0, 1), (0, 1), (), (False, True), 2),
                Inputs(
                    values["visits_elapsed"], values["visit_count"], values["person_stratum"], values["person_cell"],
                    values["person_covariates"], pt.stack([level, pt.zeros(cells) + mean_rate]),
                    pt.zeros((0, len(layout.start_groups))), pt.zeros((0, 2)),
                    pt.stack([pt.zeros(cells) + level_sd, sd_by_cell], axis=1), pt.zeros(1), residual_sd[:, None],
                    pt.zeros((1, 1)),
                ),
                [present, -pt.exp(log_ratio + log_rate) * time],
                values["visits_observed"],
                ("person", "slot"),
            )  # fmt: skip
            _exits(values, log_hazard + log_ratio)
            untreated = pt.exp(log_rate).mean()
            _publish_rates(self, layout, parts, ratio, mean_rate * untreated, log_hazard)
            _publish_spreads(self, layout, level, level_sd, rate_sd, residual_sd)
            share = pt.eq(values["person_stratum"][:, None], np.arange(cells)).mean(axis=0)
            _publish_courses(data, layout, (share * level).sum(), mean_rate * untreated, ratio)
        return model


def _other_log_rates(model: SharedRateModel, layout: RateLayout, design) -> tuple[Any, dict[str, Any]]:
    """x'd + rho + eta of every person, and its parts: drift by block, regimens, covariates, and their SDs."""
    prior, found, columns = model.priors, {}, []
    if layout.blocks > 1:
        found["drift_sd"] = pm.Uniform("drift_sd", 0.0, prior.drift_sd_upper)
        step = _deviations("drift_step", found["drift_sd"], layout.blocks - 1)
        found["drift"] = pt.concatenate([pt.zeros(1), pt.cumsum(step)])
        columns.append(step)
    if len(layout.regimens) > 1:
        shape, rate = prior.regimen_precision
        found["regimen_sd"] = 1.0 / pt.sqrt(pm.Gamma("regimen_precision", shape, rate))
        found["regimen"] = _deviations("regimen_deviation", found["regimen_sd"], len(layout.regimens))
        columns.append(found["regimen"])
    if model.covariates:
        found["covariate"] = pm.Normal("covariate_slope", 0.0, prior.covariate_sd, dims=("covariate",))
        columns.append(found["covariate"])
    if not columns:
        return pt.zeros(design.shape[0]), found
    coefficients = columns[0] if len(columns) == 1 else pt.concatenate(columns)
    return (design * coefficients).sum(axis=1), found


def _uniform(name: str, upper: float, shift, dim: str):
    """Uniform(0, upper) variables, sampled as their log odds less `shift`.

    The log odds of a uniform variable are logistic; the shift follows another parameter, so that what the data know
    (the decline on the drug and its SD, rather than ratios of them) is sampled about independently of it.
    """
    return upper * pt.sigmoid(pm.Logistic(name, -shift, 1.0, dims=(dim,)) + shift)


def _deviations(name: str, sd, size: int):
    """`size` independent Normal(0, sd) log rates, sampled on a scale that fits a small `sd` and a large one.

    What a deviation would be known to without its prior is taken as `KNOWN_TO`: in units of its posterior SD, then,
    ``sd KNOWN_TO / sqrt(sd^2 + KNOWN_TO^2)``, it neither funnels into a small `sd` nor tightens as `sd` grows.
    """
    stretch = pt.sqrt(1.0 + (sd / KNOWN_TO) ** 2)
    return sd / stretch * pm.Normal(name, 0.0, stretch, shape=(size,))


def _log_gamma(name: str, shape: float, rate: float):
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


def _exits(values: dict[str, Any], log_hazard) -> None:
    """Observed variable `exits`: months followed and 1 for an event, with an exponential time to it."""

    def logp(value, log_hazard, limit, _):
        return value[..., 1] * log_hazard - value[..., 0] * pt.exp(log_hazard)

    def random(log_hazard, limit, _, rng=None, size=None):
        shape = size if size is not None else np.broadcast_shapes(np.shape(log_hazard), np.shape(limit))
        with np.errstate(over="ignore"):
            months_to_event = rng.standard_exponential(shape) * np.exp(-np.asarray(log_hazard))
        return np.stack([np.minimum(months_to_event, limit), months_to_event < limit], axis=-1)

    pm.CustomDist(
        "exits",
        log_hazard,
        values["exit_limit"],
        pt.zeros(2),
        logp=logp,
        random=random,
        signature="(),(),(exit)->(exit)",
        class_name="ExponentialExit",
        dims=("person", "exit"),
        observed=values["exits_observed"],
    )


def _coords(model: SharedRateModel, data: Study, layout: RateLayout) -> dict[str, Any]:
    start = data.persons.groupby("start_group")["drug_start_week"].median()
    coords = {
        **data.coords,
        "outcome": [model.outcome],
        "outcome:unit": ["points"],
        "outcome:scale": ["identity"],
        "outcome:good_direction": ["up"],
        "outcome:effect_type": ["shared_rate"],
        "outcome:effect_unit": ["ratio"],
        "start_group": layout.start_groups,
        "start_group:drug_start_week": [float(start[group]) for group in layout.start_groups],
        "active": layout.active,
        "regimen": layout.regimens,
        "cell": [f"{regimen}, {group}" for regimen, group in layout.cells],
        "calendar_block": range(layout.blocks),
        "exit": ("months", "event"),
        "term": [f"{model.outcome}:level"],
    }
    return coords | ({"covariate": model.covariates} if model.covariates else {})


def _publish_rates(model: SharedRateModel, layout: RateLayout, parts: dict[str, Any], ratio, decline, log_hazard):
    publish("disease_rate_ratio", pt.concatenate([ratio, pt.full((1,), np.nan)]))
    publish("untreated_hazard", SOURCE_MONTHS * pt.exp(log_hazard))
    publish("population_rate", (-SOURCE_MONTHS * decline)[None, None])
    named = {
        "drift": "calendar_log_rate", "drift_sd": "calendar_log_rate_sd", "regimen": "regimen_log_rate",
        "regimen_sd": "regimen_log_rate_sd", "covariate": "covariate_log_rate",
    }  # fmt: skip
    for part, name in named.items():
        if part in parts:
            publish(name, parts[part])


def _publish_spreads(model: SharedRateModel, layout: RateLayout, level, level_sd, rate_sd, residual_sd) -> None:
    place = layout.place()
    absent = np.where(place < 0, np.nan, 0.0)
    publish("arm_level", level[np.maximum(place, 0)] + absent)
    publish("arm_residual_sd", residual_sd[np.maximum(place, 0)] + absent)
    publish("arm_rate_sd", SOURCE_MONTHS * rate_sd)
    publish("person_sd", level_sd[None, None])


def _publish_courses(data: Study, layout: RateLayout, level, decline, ratio) -> None:
    """Mean courses of all persons under each arm, from their common mean level: arms differ by the rate ratio only."""
    time = months(np.array(data.curve_weeks)) * SOURCE_MONTHS

    def courses(multiple):
        return -(decline * multiple)[None, :, None, None] * time

    change = courses(pt.concatenate([ratio, pt.ones(1)]))
    publish("population_level", level[None, None])
    publish("curve", level + change)
    publish("curve_change", change)
    publish("difference", courses(ratio - 1.0))


def prior_table(model: SharedRateModel) -> pd.DataFrame:
    """The whole prior: parameter, prior, unit, source."""
    p, month = model.priors, "month of 52/12 weeks"
    rows = [
        ("disease rate ratio, active arm", f"Uniform(0, {p.ratio_upper:g})", "ratio"),
        ("level, regimen and arm", f"Normal({p.level[0]:g}, {p.level[1]:g})", "points"),
        ("person SD of level", f"Uniform(0, {p.level_sd_upper:g})", "points"),
        ("mean decline", f"Normal({p.rate[0]:g}, {p.rate[1]:g})", f"points per {month}"),
        ("person SD of decline, arm", f"Uniform(0, {p.rate_sd_upper:g})", f"points per {month}"),
        ("residual SD, regimen and arm", f"Uniform(0, {p.residual_sd_upper:g})", "points"),
        ("1 / s^2 of regimens", f"Gamma({p.regimen_precision[0]:g}, {p.regimen_precision[1]:g})", ""),
        ("SD of a step of the drift", f"Uniform(0, {p.drift_sd_upper:g})", "log rate"),
        ("covariate", f"Normal(0, {p.covariate_sd:g})", "log rate per unit"),
        ("untreated hazard", f"Gamma({p.hazard[0]:g}, {p.hazard[1]:g})", f"per {month}"),
    ]
    given = "models.md, section 7" if p == SharedRatePriors() else "models.md, section 7, with changes by the user"
    return pd.DataFrame([(*row, given) for row in rows], columns=["parameter", "prior", "unit", "source"])
