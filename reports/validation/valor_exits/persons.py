"""Persons behind VALOR's published means: courses with the model's own covariance, given the arms' fitted means.

A published mean fixes the mean and the covariance of persons' changes, not their shape beyond week 76 or the skewness
of their rates. Three person models share mean and covariance at the fitted visits, as far as these say anything:

    straight, normal       the model's own: mean course + b_i t + Brownian path, b_i normal
    flattening, normal     b_i G(t) in place of b_i t, G the decelerated time of the untreated mean course
    flattening, skewed     the same, b_i a shifted lognormal with the same SD, as in the simulator's truth

An arm that ran low stays low: the mean of its b_i and of its paths is drawn given its residuals at the fitted visits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from bayesmodels.models.published_means.courses import Values, courses_of
from bayesmodels.models.published_means.covariance import MeansRows, StratumSpread, row_covariance
from bayesmodels.models.published_means.layout import Arms, Mixture, arms_of, cells_of, grid_rows, rows_of
from bayesmodels.models.published_means.outcome import MeansOutcome
from bayesmodels.study import MeansTable
from bayesmodels.study.evidence import load
from bayesmodels.vocabulary import months

Array = npt.NDArray[np.float64]
PersonModel = Literal["straight, normal", "flattening, normal", "flattening, skewed"]

WEEKS = np.arange(0.0, 149.0, 4.0)
"""Grid of courses and hazards; holds weeks 28, 52 and 148."""

MONTHS = months(WEEKS)
NEARLY_LINEAR = 1e-9
"""Flattening of a linear course, per month: linear to 1 part in 10 million over 15 years, in the same formula."""

TIGHTEST = 0.1
"""Least mean of a skewed rate above its lower end, points a month: keeps the lognormal proper in rare draws."""


@dataclass(frozen=True)
class ArmCourse:
    """One start group of one stratum at every draw.

    Parameters
    ----------
    stratum, start_group : str
    persons : int
        Randomised.
    mean : (draw, time)
        Population mean change; `fall` its rate, per month.
    slope, path : (draw,), (draw, time)
        Drawn mean of the arm's b_i and of its paths, given its fitted means.
    stretch, stretch_rate : (draw, time)
        What multiplies b_i, and its derivative.
    skew : (draw,)
        SD of the lognormal's logarithm; 0 for normal slopes.
    spread : StratumSpread
    """

    stratum: str
    start_group: str
    persons: int
    mean: Array
    fall: Array
    slope: Array
    path: Array
    stretch: Array
    stretch_rate: Array
    skew: Array
    spread: StratumSpread

    def changes(self, draw: int, own: Array, paths: Array) -> tuple[Array, Array]:
        """True change since randomisation and its rate per month, without the path's, each (person, time).

        Parameters
        ----------
        own : (person,)
            Slopes about the arm's, in SDs (`own_slopes`).
        paths : (person, time)
            Standard Brownian paths about the arm's, at `MONTHS`.
        """
        b = self.slope[draw] + self.spread.rate_sd * own
        smooth = self.mean[draw] + self.path[draw] + b[:, None] * self.stretch[draw]
        rate = self.fall[draw] + b[:, None] * self.stretch_rate[draw]
        return smooth + self.spread.random_walk_sd * paths, rate


def own_slopes(deviates: Array, sigma: float) -> Array:
    """Slopes of mean 0 and SD 1: normal, or minus a standardised lognormal (a few fall very fast)."""
    if sigma == 0:
        return deviates
    return -(np.exp(-sigma * deviates - sigma**2 / 2) - 1) / np.sqrt(np.expm1(sigma**2))


def brownian(normals: Array) -> Array:
    """Standard Brownian paths at `MONTHS` from standard normals (..., time - 1); 0 at randomisation."""
    steps = np.sqrt(np.diff(MONTHS)) * normals
    return np.concatenate([np.zeros((*steps.shape[:-1], 1)), np.cumsum(steps, axis=-1)], axis=-1)


def arm_courses(
    outcome: MeansOutcome,
    data: MeansTable,
    values: Values,
    person_model: PersonModel,
    mixture: Mixture,
    rng: np.random.Generator,
) -> list[ArmCourse]:
    """Every arm of an outcome, start groups in order, strata within; see `ArmCourse`.

    Parameters
    ----------
    outcome : MeansOutcome
    data : MeansTable
        The fitted means.
    values : mapping of str to array
        Free parameters by draw (`published_means.prediction.parameter_draws`).
    person_model : str
    mixture : str
        Of the model.
    rng : Generator
    """
    arms = arms_of(data)
    mean = _mean(outcome, grid_rows(arms, tuple(WEEKS)), arms, values)
    draws = max(len(value) for value in values.values())
    mean = np.broadcast_to(mean, (draws, mean.shape[-1])).reshape(draws, len(arms.start_groups), len(arms.strata), -1)
    slope, path = _arm_deviations(outcome, data, values, arms, mixture, rng)
    stretch, stretch_rate = _stretch(outcome, values, draws, person_model)
    found = []
    for g, group in enumerate(arms.start_groups):
        for f, stratum in enumerate(arms.strata):
            spread = outcome.spread.stratum(stratum)
            course = mean[:, g, f]
            found.append(
                ArmCourse(
                    stratum,
                    group,
                    int(arms.persons[stratum, group]),
                    course,
                    np.gradient(course, MONTHS, axis=1),
                    slope[stratum, group],
                    path[stratum, group],
                    stretch,
                    stretch_rate,
                    _skew(outcome, values, f, stratum, spread, draws, person_model),
                    spread,
                )
            )
    return found


def _mean(outcome: MeansOutcome, rows: MeansRows, arms: Arms, values: Values) -> Array:
    """Mean change since randomisation over the rows' cells, (draw, cell)."""
    return courses_of((outcome,)).function(outcome.name, cells_of(rows, arms, arms.started))(values)


def _arm_deviations(
    outcome: MeansOutcome, data: MeansTable, values: Values, arms: Arms, mixture: Mixture, rng: np.random.Generator
) -> tuple[Mapping[tuple[str, str], Array], Mapping[tuple[str, str], Array]]:
    """Means of slopes and paths over an arm's persons, drawn given its residuals at the fitted visits."""
    frame = data.frame[data.frame["outcome"] == outcome.name]
    rows = rows_of(frame, arms, mixture)
    covariance, used = row_covariance(outcome.spread, rows)
    residual = frame["estimate"].to_numpy(float) - _mean(outcome, rows, arms, values)
    slopes, paths = {}, {}
    for (stratum, group), n in arms.persons.items():
        spread = outcome.spread.stratum(stratum)
        here = np.array([(f, g) == (stratum, group) for f, g in zip(rows.stratum, rows.start_group, strict=True)])
        own = np.diag(outcome.spread.person_covariance(stratum, rows.months, rows.months)) / n
        scale = np.where(here, used / np.sqrt(own), 0.0)
        across = np.concatenate(
            [
                spread.rate_sd**2 * rows.months[None, :],
                spread.random_walk_sd**2 * np.minimum(MONTHS[:, None], rows.months[None, :]),
            ]
        ) * (scale / n)
        prior = np.zeros((1 + len(MONTHS), 1 + len(MONTHS)))
        prior[0, 0] = spread.rate_sd**2 / n
        prior[1:, 1:] = spread.random_walk_sd**2 * np.minimum.outer(MONTHS, MONTHS) / n
        gain = np.linalg.solve(covariance, across.T).T
        size, axes = np.linalg.eigh(prior - gain @ across.T)
        noise = rng.standard_normal((len(residual), len(size))) * np.sqrt(np.maximum(size, 0.0))
        drawn = residual @ gain.T + noise @ axes.T
        slopes[stratum, group], paths[stratum, group] = drawn[:, 0], drawn[:, 1:]
    return slopes, paths


def _stretch(outcome: MeansOutcome, values: Values, draws: int, person_model: PersonModel) -> tuple[Array, Array]:
    """What multiplies a person's own slope, and its derivative, (draw, time)."""
    t = np.broadcast_to(MONTHS, (draws, len(MONTHS)))
    if person_model == "straight, normal":
        return t, np.ones_like(t)
    rho = np.broadcast_to(values.get(f"{outcome.name}_deceleration", NEARLY_LINEAR), (draws, 1))
    return -np.expm1(-rho * t) / rho, np.exp(-rho * t)


def _skew(
    outcome: MeansOutcome, values: Values, f: int, stratum: str, spread: StratumSpread, draws: int, model: PersonModel
) -> Array:
    """SD of the logarithm of (decline + shift), from the draw's mean decline and the plug-in SD.

    The shift, how far below zero a rate of decline may lie, is a row of the simulator's truth.
    """
    if model != "flattening, skewed":
        return np.zeros(draws)
    mean = np.maximum(-values[f"{outcome.name}_rate"][:, f] + by_stratum("shift")[stratum], TIGHTEST)
    return np.sqrt(np.log1p((spread.rate_sd / mean) ** 2))


@cache
def by_stratum(symbol: str) -> dict[str, float]:
    """Values by stratum of a row of the simulator's truth; a row for both strata gives both the same."""
    table = load("valor_simulator_truth").table
    row = table[table["symbol"] == symbol].iloc[0]
    parts = [float(value) for value in str(row["value"]).split(";")]
    return dict(zip(("faster", "slower"), parts * (3 - len(parts)), strict=True))
