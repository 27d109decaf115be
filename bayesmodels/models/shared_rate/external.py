"""External persons of a shared-rate model: untreated persons of other trials, who inform our untreated decline.

    Y_ij = a_e + c_i - b_i exp(x_i' d) m_j + e_ij,    b_i ~ Normal(mu exp(delta_e), s_e)

of person i of external trial e; c_i and d as of our persons, mu our control's mean decline, delta_e (the drift) with
the prior of the model's way of borrowing. An external trial is like an arm: a_e (unless common), s_e and the SD of
its errors are its own. Were s_e the control's times exp(delta_e), the external ratio of SD to mean would inform our
mean decline whatever the drift. Our decline that theirs is compared with is the one at the mean of our covariates, in
our first calendar block and an average regimen.

Their visits are an observed variable of their own, `external_visits` (external_person, external_slot). Their exits are
in no likelihood: the ratio that acts on decline and hazard is the drug's, and nothing says that trials with another
decline have another hazard by the same ratio. What is published of persons, and every analysis over persons, is of our
trial's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesmodels.models.other_trials import PREFIX
from bayesmodels.models.publish import publish
from bayesmodels.models.shared_rate.design import SOURCE_MONTHS, RateLayout
from bayesmodels.models.shared_rate.lines import Lines, declining
from bayesmodels.parts.borrowing import Drift
from bayesmodels.study.checks.trial_column import VISITS_OF_A_RATE


@dataclass(frozen=True)
class Untreated:
    """What untreated persons of our trial are like, as tensors of the current PyMC model.

    Parameters
    ----------
    decline : scalar
        Mean decline of the control in the first block, points a month of 52/12 weeks.
    level, level_sd : scalar
        Mean level of our persons and SD of levels, points.
    slope : (covariate,) or None
        Log rate per unit of a covariate.
    """

    decline: Any
    level: Any
    level_sd: Any
    slope: Any


def borrow(model: Any, layout: RateLayout, values: dict[str, Any], own: Untreated) -> None:
    """Add the external persons to the current PyMC model, and publish what was borrowed.

    Parameters
    ----------
    model : SharedRateModel
        With `borrowing`.
    layout : RateLayout
    values : dict of str to tensor
        Data of `rate_arrays`.
    own : Untreated
    """
    prior, trials = model.priors, len(layout.external)
    observed = values[f"{PREFIX}visits_observed"].get_value()
    pm.modelcontext(None).add_coords(
        {
            f"{PREFIX}person": range(observed.shape[0]),
            f"{PREFIX}slot": range(observed.shape[1]),
            f"{PREFIX}trial": layout.external,
        }
    )
    own_level = model.borrowing.level == "own"
    drift = model.borrowing.drift((model.outcome,), np.array([[prior.external_log_rate_unit]]), trials)
    level = pt.zeros(trials) + own.level
    if own_level:
        level = pm.Normal("external_mean_level", *prior.level, dims=(f"{PREFIX}trial",), shape=(trials,))
    decline_sd, residual_sd = (
        pm.Uniform(f"{PREFIX}{name}", 0.0, upper, dims=(f"{PREFIX}trial",), shape=(trials,))
        for name, upper in (("rate_sd", prior.rate_sd_upper), ("error_sd", prior.residual_sd_upper))
    )
    trial = values[f"{PREFIX}person_stratum"]
    acting = pt.zeros(trial.shape[0])
    if own.slope is not None:
        acting = (values[f"{PREFIX}centred_covariates"] * own.slope).sum(axis=1)
    lines = Lines(level, own.decline * pt.exp(drift.value[0, 0]), own.level_sd, decline_sd, residual_sd)
    declining(model.outcome, values, acting, lines, 1, PREFIX)
    informs = pt.ge(values[f"{PREFIX}visit_count"][:, 0], VISITS_OF_A_RATE)
    informs = informs[:, None] & pt.eq(trial[:, None], np.arange(trials))
    _publish(drift, own, pt.switch(informs.any(axis=0), 0.0, np.nan), level if own_level else None)


def _publish(drift: Drift, own: Untreated, known: Any, level: Any) -> None:
    """Drift on both scales, what its prior says, and levels; `known` (trial,) is undefined where nobody informs."""
    log_rate = drift.value[0, 0] + known
    publish("external_log_rate", log_rate)
    publish("reference_rate", (-SOURCE_MONTHS * own.decline)[None, None])
    publish("trial_drift", (-SOURCE_MONTHS * own.decline * pt.expm1(log_rate))[None, None])
    if drift.sd is not None:
        publish("external_log_rate_sd", drift.sd[0, 0])
    if drift.narrow is not None:
        publish("narrow_drift_probability", drift.narrow + known)
    if level is not None:
        publish("external_level", (level + known)[None, None])
