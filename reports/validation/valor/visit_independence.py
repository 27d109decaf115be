"""What it costs to treat the visits of one arm as independent: coverage of population means, by linearisation.

An analyst who takes the published standard errors as independent reports the covariance `C = (J' D^-1 J)^-1`; the
estimate's real covariance is `C J' D^-1 V D^-1 J C`, D the diagonal and V the whole covariance of the means, J the
derivative of the means by the parameters.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from bayesmodels.models.published_means.covariance import row_covariance
from bayesmodels.models.published_means.layout import arms_of, cells_of, rows_of
from bayesmodels.models.published_means.outcome import MeansOutcome
from bayesmodels.study import MeansTable

Array = npt.NDArray[np.float64]


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
    cells = cells_of(rows, arms, arms.started)
    columns = []
    for name, value in values.items():
        for place in range(value.shape[1]):
            step = np.zeros_like(value)
            step[0, place] = 1e-5
            up, down = (outcome.mean(np, cells, values | {name: value + sign * step}) for sign in (1, -1))
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
