"""Likelihood of published means without a prior: its maximum, and what it costs to take visits as independent.

An analyst who takes the published standard errors as independent reports the covariance `C = (J' D^-1 J)^-1`; the
estimate's real covariance is `C J' D^-1 V D^-1 J C`, D the diagonal and V the whole covariance of the means, J the
derivative of the means by the parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, stats

from bayesmodels.demo.valor import means_log_likelihood
from bayesmodels.models.published_means.courses import courses_of
from bayesmodels.models.published_means.covariance import row_covariance
from bayesmodels.models.published_means.layout import arms_of, cells_of, rows_of
from bayesmodels.models.published_means.model import PublishedMeansModel
from bayesmodels.models.published_means.outcome import MeansOutcome
from bayesmodels.parts.priors import LogNormal
from bayesmodels.study.means import MeansTable

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Maximum:
    """Largest log-likelihood, and where: free parameters by name, shape (1,) or (stratum,)."""

    log_likelihood: float
    parameters: dict[str, Array]


def maximum_likelihood(model: PublishedMeansModel, data: MeansTable) -> Maximum:
    """Largest log-likelihood over the free parameters, from the prior's medians (positive ones in logs)."""
    arms = arms_of(data)
    parameters = list(courses_of(model.outcomes))
    log_likelihood = means_log_likelihood(model, data)
    logged = [isinstance(p.prior, LogNormal) for p in parameters]
    centre = [np.median(p.draws(arms.strata, 2001, np.random.default_rng(0)), axis=0).ravel() for p in parameters]
    start = [np.log(c) if log else c for c, log in zip(centre, logged, strict=True)]
    edges = np.cumsum([0, *(len(part) for part in start)])

    def unpacked(point: Array) -> dict[str, Array]:
        parts = [point[a:b] for a, b in pairwise(edges)]
        return {
            p.name: np.exp(np.clip(part, -20, 20)) if log else part
            for p, part, log in zip(parameters, parts, logged, strict=True)
        }

    def loss(point: Array) -> float:
        values = {name: part[None, :] for name, part in unpacked(point).items()}
        return -float(log_likelihood(values)[0])

    point = np.concatenate(start)
    for _ in range(3):  # the lag has kinks at the visits: simplex search, restarted
        found = optimize.minimize(loss, point, method="Nelder-Mead", options={"maxfev": 4000, "fatol": 1e-6})
        point = found.x
    return Maximum(-float(found.fun), unpacked(found.x))


def coverage_if_independent(outcome: MeansOutcome, data: MeansTable, values: dict[str, Array]) -> pd.DataFrame:
    """Real coverage of nominal 95 % intervals of the population means when visits are taken as independent.

    Parameters
    ----------
    outcome : MeansOutcome
        Whose parameters the means identify without a prior.
    data : MeansTable
    values : dict of str to array
        Where to linearise: free parameters, (1, 1) or (1, stratum).

    Returns
    -------
    DataFrame
        stratum, start_group, week, coverage.
    """
    frame = data.frame[data.frame["outcome"] == outcome.name]
    arms = arms_of(data)
    rows = rows_of(frame, arms, "common")
    covariance, _ = row_covariance(outcome.spread, rows)
    mean = courses_of((outcome,)).function(outcome.name, cells_of(rows, arms, arms.started))
    columns = []
    for name, value in values.items():
        for place in range(value.shape[1]):
            step = np.zeros_like(value)
            step[0, place] = 1e-5
            up, down = (mean(values | {name: value + sign * step}) for sign in (1, -1))
            columns.append((up - down)[0] / 2e-5)
    jacobian = np.array(columns).T
    precision = np.diag(1 / np.diag(covariance))
    claimed = np.linalg.inv(jacobian.T @ precision @ jacobian)
    gain = claimed @ jacobian.T @ precision
    real = gain @ covariance @ gain.T
    moving = np.abs(jacobian).max(axis=1) > 1e-9  # before the lag the mean of NfL is hardly moved by anything
    ratio = np.sqrt(_variances(jacobian, claimed)[moving] / _variances(jacobian, real)[moving])
    found = frame.loc[moving, ["stratum", "start_group", "week"]].reset_index(drop=True)
    return found.assign(coverage=2 * stats.norm.cdf(stats.norm.ppf(0.975) * ratio) - 1)


def _variances(jacobian: Array, covariance: Array) -> Array:
    return np.einsum("ri,ij,rj->r", jacobian, covariance, jacobian)
