"""Ranks of truths among posterior draws, and simultaneous bands for their empirical distribution.

In a calibrated model the rank of the truth among L about-independent posterior draws is uniform on 0..L. The band for
the ECDF of N such ranks is simultaneous over the points where it is drawn: pointwise binomial intervals, their level
lowered until the whole ECDF of uniform ranks stays inside with the stated probability. That probability is exact, by a
recursion over the points.

Source: Säilynoja, Bürkner and Vehtari (2022), Graphical test for discrete uniformity and its applications in
goodness-of-fit evaluation and multiple sample comparison, Statistics and Computing 32:32.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from scipy import optimize, stats

from bayesmodels.errors import BadInput

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

POINTS = 50
"""Points at which an ECDF is compared with its band, unless the draws are fewer."""

TITLE = 34
"""Characters of a line of a panel's title."""


@dataclass(frozen=True)
class Band:
    """Simultaneous band for the ECDF of uniform ranks.

    Attributes
    ----------
    points : array (point,)
        Probabilities at which the ECDF is compared, rising, below 1.
    lower, upper : array (point,)
        Smallest and largest ECDF inside.
    level : float
        Probability that the whole ECDF of uniform ranks is inside, at least.
    pointwise : float
        Level of each pointwise interval.
    """

    points: Array
    lower: Array
    upper: Array
    level: float
    pointwise: float


def ranks_of(truth: Array, draws: Array) -> Counts:
    """Rank of each truth among its draws.

    Parameters
    ----------
    truth : array (simulation,)
    draws : array (simulation, draw)
        About independent.

    Returns
    -------
    array (simulation,)
        Number of draws below the truth, 0 to the number of draws.
    """
    return (draws < np.asarray(truth)[:, None]).sum(axis=1)


def ecdf_points(n_draws: int) -> Array:
    """Probabilities (k + 1) / (L + 1) at which the ECDF of ranks on 0..L is compared, at most `POINTS` of them."""
    ends = np.unique(np.linspace(1, n_draws, min(POINTS, n_draws)).round())
    return ends / (n_draws + 1)


def ecdf(ranks: Counts, n_draws: int, points: Array) -> Array:
    """ECDF of ranks at points: the share of ranks below `point * (n_draws + 1)`."""
    return (np.asarray(ranks)[:, None] < np.round(points * (n_draws + 1))[None, :]).mean(axis=0)


def ecdf_band(n_ranks: int, points: Array, level: float = 0.95) -> Band:
    """Simultaneous band for the ECDF of uniform ranks.

    Parameters
    ----------
    n_ranks : int
        Number of simulations N.
    points : array (point,)
        Rising, between 0 and 1.
    level : float
        Probability that the whole ECDF stays inside.

    Raises
    ------
    BadInput
        The points do not rise between 0 and 1, or the level is not between 0 and 1.
    """
    points = np.asarray(points, float)
    if not (0 < level < 1) or points.min() <= 0 or points.max() >= 1 or np.any(np.diff(points) <= 0):
        raise BadInput("expected a level between 0 and 1 and points that rise between 0 and 1.")

    def excess(logit: float) -> float:
        return stays_inside(n_ranks, points, *_counts(n_ranks, points, 1 / (1 + np.exp(-logit)))) - level

    logit = optimize.brentq(excess, np.log(level / (1 - level)) - 0.01, 30.0, xtol=1e-4)
    pointwise = float(1 / (1 + np.exp(-logit)))
    lower, upper = _counts(n_ranks, points, pointwise)
    while stays_inside(n_ranks, points, lower, upper) < level:  # counts jump: step to the wider side
        logit += 1e-3
        pointwise = float(1 / (1 + np.exp(-logit)))
        lower, upper = _counts(n_ranks, points, pointwise)
    return Band(points, lower / n_ranks, upper / n_ranks, level, pointwise)


def _counts(n_ranks: int, points: Array, pointwise: float) -> tuple[Counts, Counts]:
    """Equal-tailed binomial interval of the count of ranks below each point."""
    tail = (1 - pointwise) / 2
    lower, upper = stats.binom.ppf(tail, n_ranks, points), stats.binom.isf(tail, n_ranks, points)
    return lower.astype(np.int64), upper.astype(np.int64)


def stays_inside(n_ranks: int, points: Array, lower: Counts, upper: Counts) -> float:
    """Probability that the counts of N uniform ranks below every point lie between two bounds, both included."""
    counts = np.arange(n_ranks + 1)
    state = np.zeros(n_ranks + 1)
    state[0] = 1.0
    before = 0.0
    for point, low, high in zip(points, lower, upper, strict=True):
        share = (point - before) / (1 - before)
        here = np.flatnonzero(state)
        step = stats.binom.pmf(counts[None, :] - here[:, None], n_ranks - here[:, None], share)
        state = state[here] @ step
        state[(counts < low) | (counts > high)] = 0.0
        before = point
    return float(state.sum())


def uniformity_table(ranks: pd.DataFrame, n_draws: int, level: float = 0.95) -> pd.DataFrame:
    """Compare the ranks of every parameter with bands that hold for all of them together (Bonferroni).

    Parameters
    ----------
    ranks : DataFrame
        One row per simulation, one column per parameter.
    n_draws : int
        Draws among which the truths were ranked.
    level : float
        Family-wise, over parameters and points.

    Returns
    -------
    DataFrame
        parameter, inside, largest (largest deviation of the ECDF from uniform), at (the point where it is),
        mean_rank (as a share of the draws; 0.5 without bias).
    """
    points = ecdf_points(n_draws)
    band = ecdf_band(len(ranks), points, bonferroni(level, ranks.shape[1]))
    rows = []
    for name in ranks.columns:
        found = ecdf(ranks[name].to_numpy(), n_draws, points)
        worst = int(np.argmax(np.abs(found - points)))
        rows.append(
            {
                "parameter": name,
                "inside": bool(np.all((found >= band.lower - 1e-12) & (found <= band.upper + 1e-12))),
                "largest": float(found[worst] - points[worst]),
                "at": float(points[worst]),
                "mean_rank": float(ranks[name].mean() / n_draws),
            }
        )
    return pd.DataFrame(rows)


def bonferroni(level: float, n: int) -> float:
    """Level of each of n statements so that all hold together with at least `level`."""
    return 1 - (1 - level) / n


def ecdf_figure(ranks: pd.DataFrame, n_draws: int, level: float = 0.95) -> Figure:
    """ECDF minus uniform of every parameter's ranks, one panel per parameter, with the simultaneous band."""
    points = ecdf_points(n_draws)
    band = ecdf_band(len(ranks), points, bonferroni(level, ranks.shape[1]))
    columns = 3
    rows = -(-ranks.shape[1] // columns)
    figure = Figure(figsize=(2.6 * columns, 2.1 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for panel in panels[ranks.shape[1] :]:
        panel.set_visible(False)
    for panel, name in zip(panels, ranks.columns, strict=False):
        panel.fill_between(points, band.lower - points, band.upper - points, color="0.85", lw=0)
        panel.plot(points, ecdf(ranks[name].to_numpy(), n_draws, points) - points, color="#0b5fa5", lw=1.2)
        panel.axhline(0, color="0.5", lw=0.6)
        panel.set_title("\n".join(textwrap.wrap(str(name), TITLE)), fontsize=8.5)
        panel.tick_params(labelsize=8)
    figure.supxlabel("Rank of the truth, as a share of the draws", fontsize=9)
    figure.supylabel("ECDF minus uniform", fontsize=9)
    return figure
