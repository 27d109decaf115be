"""Prediction of later published means, given the earlier means of the same arms.

An arm that ran low stays low: its residuals and those to come are jointly normal (shared persons, visit shocks), so
later means are drawn from the conditional normal, one draw of the parameters at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from bayesmodels.errors import BadInput
from bayesmodels.models.published_means.courses import Values, courses_of
from bayesmodels.models.published_means.covariance import row_covariance
from bayesmodels.models.published_means.layout import Arms, Mixture, arms_of, cells_of, rows_of
from bayesmodels.models.published_means.model import PublishedMeansModel
from bayesmodels.study.means import MeansTable

Array = npt.NDArray[np.float64]

NOISE_PER_DRAW = 8
"""Predictive draws a posterior draw: sampling error is cheap, and steadies the ends of an interval."""


@dataclass(frozen=True)
class MeansPrediction:
    """Predictive draws of later published means.

    Parameters
    ----------
    rows : DataFrame
        One row per mean: outcome, stratum, start_group, week, series, unit, published, standard_error (used),
        se_published (False: implied by the plug-ins), mixture ("common" or "own" weights of the strata; blank for one
        stratum).
    draws : array (draw, row)
        Predictive draws, with sampling error and visit shocks.
    """

    rows: pd.DataFrame
    draws: Array

    def table(self, interval: float = 0.95) -> pd.DataFrame:
        """Rows with predictive median, lower, upper (equal-tailed) and whether the published mean lies inside."""
        tail = (1 - interval) / 2
        median, lower, upper = np.quantile(self.draws, [0.5, tail, 1 - tail], axis=0)
        published = self.rows["published"].to_numpy()
        inside = (published >= lower) & (published <= upper)
        return self.rows.assign(median=median, lower=lower, upper=upper, inside=inside)

    def difference(self, of: dict[str, object], minus: dict[str, object]) -> Array:
        """Draws of one row minus another, each given by the columns that single it out; shape (draw,)."""
        return self.draws[:, self._row(of)] - self.draws[:, self._row(minus)]

    def _row(self, wanted: dict[str, object]) -> int:
        here = np.logical_and.reduce([self.rows[column] == value for column, value in wanted.items()])
        if here.sum() != 1:
            raise BadInput(f"{wanted} singles out {here.sum()} predicted means, not one.")
        return int(np.flatnonzero(here)[0])


def parameter_draws(model: PublishedMeansModel, posterior: xr.DataTree) -> Values:
    """Free parameters by name: (draw, 1), or (draw, stratum) where there is one per stratum."""
    draws = posterior["posterior"].to_dataset().stack(sample=("chain", "draw")).transpose("sample", ...)
    return {p.name: _two_axes(draws[p.name].to_numpy()) for p in courses_of(model.outcomes)}


def _two_axes(values: Array) -> Array:
    return values[:, None] if values.ndim == 1 else values


def predictive_draws(
    model: PublishedMeansModel,
    posterior: xr.DataTree,
    data: MeansTable,
    later: MeansTable,
    *,
    seed: int,
    mixture: Mixture | None = None,
) -> MeansPrediction:
    """Draw later published means given the fitted ones.

    Parameters
    ----------
    model : PublishedMeansModel
    posterior : DataTree
        Of `model` fitted to `data`.
    data : MeansTable
        The fitted means; its start groups, strata and drug starts hold.
    later : MeansTable
        Means to predict, of the same people, no row of them fitted. Estimates are only kept for comparison; a missing
        standard error is implied by the plug-ins.
    seed : int
    mixture : {"common", "own"}, optional
        Weights of the strata in rows of all randomised; the model's where not given.

    Returns
    -------
    MeansPrediction
    """
    arms, mixture = arms_of(data), mixture or model.mixture
    courses, values = courses_of(model.outcomes), parameter_draws(model, posterior)
    rng = np.random.default_rng(seed)
    rows, draws = [], []
    for outcome in model.outcomes:
        fitted = data.frame[lambda f, name=outcome.name: f["outcome"] == name]
        wanted = later.frame[lambda f, name=outcome.name: f["outcome"] == name]
        if wanted.empty:
            continue
        both = pd.concat([fitted, wanted], ignore_index=True)
        layout = rows_of(both, arms, mixture)
        covariance, used = row_covariance(outcome.spread, layout)
        means = courses.function(outcome.name, cells_of(layout, arms, arms.started))(values) @ layout.weights.T
        residuals = fitted["estimate"].to_numpy(dtype=float) - means[:, : len(fitted)]
        shift, conditional = condition(covariance, residuals)
        centre = np.repeat(means[:, len(fitted) :] + shift, NOISE_PER_DRAW, axis=0)
        draws.append(centre + rng.standard_normal(centre.shape) @ np.linalg.cholesky(conditional).T)
        rows.append(_described(wanted, used[len(fitted) :], mixture, arms))
    if not rows:
        raise BadInput("none of the means to predict is of an outcome of the model.")
    return MeansPrediction(pd.concat(rows, ignore_index=True), np.concatenate(draws, axis=1))


def predict_means(
    model: PublishedMeansModel,
    posterior: xr.DataTree,
    data: MeansTable,
    later: MeansTable,
    *,
    seed: int,
    interval: float = 0.95,
) -> pd.DataFrame:
    """Table of `predictive_draws`: median, equal-tailed interval, and whether each published mean lies inside."""
    return predictive_draws(model, posterior, data, later, seed=seed).table(interval)


def condition(covariance: Array, residuals: Array) -> tuple[Array, Array]:
    """Normal residuals to come, given the first ones.

    Parameters
    ----------
    covariance : array (row, row)
        Joint, the given rows first.
    residuals : array (draw, given)

    Returns
    -------
    mean : array (draw, later)
    covariance : array (later, later)
    """
    given = residuals.shape[-1]
    across, own = covariance[given:, :given], covariance[given:, given:]
    gain = np.linalg.solve(covariance[:given, :given], across.T).T
    return residuals @ gain.T, own - gain @ across.T


def _described(frame: pd.DataFrame, used: Array, mixture: Mixture, arms: Arms) -> pd.DataFrame:
    whole = ~frame["stratum"].isin(arms.strata)
    columns = ["outcome", "stratum", "start_group", "week", "series", "unit"]
    return frame[columns].assign(
        published=frame["estimate"].to_numpy(dtype=float),
        standard_error=used,
        se_published=frame["se"].notna().to_numpy(),
        mixture=np.where(whole, mixture, ""),
    )
