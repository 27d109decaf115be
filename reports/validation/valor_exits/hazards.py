"""Exits of VALOR's participants: hazards that depend on score and decline, with levels that fit the published counts.

Two kinds of exit, each with a level of its own in every start group:

    informative   level x exp(a (30 - score) / 10 + b (decline - 0.5)), score in 0 to 48, decline in points a month:
                  death, permanent ventilation, withdrawal for progression
    other         constant

Counts of a start group of n: c had an informative exit by July 2021, d completed week 148, n - c - d neither; a
multinomial. Follow-up at July 2021 is uniform on 7 to 28 months (row `entry` of the simulator's truth). Nobody is
counted twice: who had an informative exit is taken not to have completed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline
from scipy.special import logsumexp, xlog1py, xlogy

from bayesmodels.study.evidence import load
from validation.valor_exits.persons import MONTHS

Array = npt.NDArray[np.float64]

REFERENCE_SCORE, REFERENCE_DECLINE = 30.0, 0.5
"""Where the informative hazard is its level (row `h0` of the simulator's truth)."""

LOCK_MONTHS = (7.0, 28.0)
"""Shortest and longest follow-up at July 2021."""

PER_10_POINTS, PER_DECLINE = (1.0, 0.3), (0.4, 0.2)
"""Prior mean and SD of the associations, log hazard ratio per 10 points lower and per point a month faster; negative
draws are taken as 0. Rows `by` and `br` of the simulator's truth: their priors; a withdrawal's .9 and .4 lie within."""

LEVEL_MEDIAN, LEVEL_LOG_SD = 0.01, 1.5
"""Prior of either level, per month: log-normal, as the default level of a joint model's hazards (`parts.hazards`)."""

_COARSE = np.linspace(np.log(LEVEL_MEDIAN) - 6.0, np.log(LEVEL_MEDIAN) + 3.0, 19)
_FINE = np.linspace(_COARSE[0], _COARSE[-1], 181)
_OTHER = np.linspace(np.log(LEVEL_MEDIAN) - 4.5, np.log(LEVEL_MEDIAN) + 2.5, 71)


@dataclass(frozen=True)
class Counts:
    """Published counts of a start group: randomised, informative exits by July 2021, completers of week 148."""

    randomised: int
    informative: int
    completed: int


def published_counts() -> dict[str, Counts]:
    """Counts by start group, from `valor_counts`."""
    table = load("valor_counts").table

    def count(group: str, what: str) -> int:
        rows = table[(table["stratum"] == "all") & (table["start_group"] == group) & (table["what"] == what)]
        return int(rows["count"].iloc[0])

    informative = "death_or_PV_or_progression_withdrawal"
    return {
        group: Counts(count(group, "randomised"), count(group, informative), count(group, "completed_OLE"))
        for group in ("early", "delayed")
    }


def relative_hazard(score: Array, decline: Array, per_10_points: float, per_decline: float) -> Array:
    """Informative hazard over its level."""
    return np.exp(per_10_points * (REFERENCE_SCORE - score) / 10.0 + per_decline * (decline - REFERENCE_DECLINE))


def accrued(relative: Array, months: Array = MONTHS) -> Array:
    """Trapezium integral of a hazard (person, time) over months, 0 at the first time."""
    steps = (relative[:, 1:] + relative[:, :-1]) / 2 * np.diff(months)
    return np.concatenate([np.zeros((len(relative), 1)), np.cumsum(steps, axis=1)], axis=1)


def followed_at_lock(months: Array) -> Array:
    """Share of persons whose follow-up possible at July 2021 is longer than so many months."""
    first, last = LOCK_MONTHS
    return np.clip((last - months) / (last - first), 0.0, 1.0)


def exit_probabilities(staying: Array, other: Array) -> tuple[Array, Array]:
    """Probability of an informative exit by July 2021, and of completing week 148.

    Parameters
    ----------
    staying : (level, time)
        Share without informative exit at `MONTHS`, had nobody another.
    other : (other level,)
        Hazard of other exits, per month.

    Returns
    -------
    tuple of ndarray
        Each (level, other level).
    """
    middle = (MONTHS[1:] + MONTHS[:-1]) / 2
    weight = np.exp(-np.outer(middle, other)) * _mean_followed(MONTHS)[:, None]
    return -np.diff(staying, axis=1) @ weight, staying[:, [-1]] * np.exp(-other * MONTHS[-1])


def _mean_followed(months: Array) -> Array:
    """Mean of `followed_at_lock` over every step of the grid, whose corners it may hold."""
    fine = months[:-1, None] + np.diff(months)[:, None] * (np.arange(20) + 0.5) / 20
    return followed_at_lock(fine).mean(axis=1)


@dataclass(frozen=True)
class Levels:
    """Levels of a start group at one draw, per month, and the expected counts they give per person."""

    informative: float
    other: float
    exits: float
    completed: float


def draw_levels(cumulative: Array, weights: Array, counts: Counts, rng: np.random.Generator) -> Levels:
    """One draw of the two levels from their posterior given the counts and the persons' courses.

    The share staying is worked out at 19 levels and interpolated by a cubic spline to 181; the posterior is then
    evaluated on a grid of 181 x 71 levels and drawn from.

    Parameters
    ----------
    cumulative : (person, time)
        Relative informative hazard, integrated to `MONTHS`.
    weights : (person,)
        Adding to 1.
    counts : Counts
    rng : Generator
    """
    level = np.exp(_COARSE)
    log_staying = np.log(np.stack([weights @ np.exp(-v * cumulative) for v in level]) + 1e-300)
    staying = np.exp(np.minimum(CubicSpline(_COARSE, log_staying, axis=0)(_FINE), 0.0))
    exits, completed = exit_probabilities(staying, np.exp(_OTHER))
    neither = counts.randomised - counts.informative - counts.completed
    log_density = (
        xlogy(counts.informative, np.maximum(exits, 1e-300))
        + xlogy(counts.completed, np.maximum(completed, 1e-300))
        + xlog1py(neither, -np.minimum(exits + completed, 1 - 1e-12))
    )
    log_density = log_density + _log_prior(_FINE)[:, None] + _log_prior(_OTHER)
    flat = np.exp(log_density - logsumexp(log_density)).ravel()
    j, k = np.unravel_index(rng.choice(len(flat), p=flat / flat.sum()), log_density.shape)
    return Levels(float(np.exp(_FINE[j])), float(np.exp(_OTHER[k])), float(exits[j, k]), float(completed[j, k]))


def _log_prior(log_level: Array) -> Array:
    return -0.5 * ((log_level - np.log(LEVEL_MEDIAN)) / LEVEL_LOG_SD) ** 2
