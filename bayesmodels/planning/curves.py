"""Power as a curve over sizes, and the size at which it reaches a target; nothing beyond the sizes simulated.

    probit(power at n persons) = e + r s(n),  s(n) = (sqrt(n) - sqrt(first)) / (sqrt(last) - sqrt(first)),  r >= 0
    e ~ Normal(0, 2.5),  r ~ HalfNormal(5)

e is the probit at the smallest size, r the rise to the largest. For a test of a normal mean with a known variance the
curve is exact. The posterior of e and r, given the binomial counts, is computed on a grid; there is no sampler.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from bayesmodels.errors import BadInput

START_SD, RISE_SD = 2.5, 5.0
"""Of the priors, in probits: .5 and nearly any power at the smallest size; a rise of up to 10."""

CELLS = 101
"""Of the grid in each direction."""

ROUNDS = 5
"""Each narrows the grid to where the posterior is."""

NEGLIGIBLE = 1e-8
"""Share of the highest density below which a cell of the grid does not matter."""


@dataclass(frozen=True)
class PowerCurve:
    """Posterior of a power curve on a grid of its two coefficients.

    Attributes
    ----------
    start, rise : array (cell,)
    weight : array (cell,)
        Posterior probability; sums to 1.
    first, last : float
        Smallest and largest size simulated.
    """

    start: np.ndarray
    rise: np.ndarray
    weight: np.ndarray
    first: float
    last: float

    def power(self, persons: float, level: float = 0.95) -> tuple[float, float, float]:
        """Posterior median and equal-tailed limits of the power at a size.

        Parameters
        ----------
        persons : float
            Within the sizes simulated.
        level : float

        Raises
        ------
        BadInput
            A size beyond those simulated.
        """
        if not self.first <= persons <= self.last:
            raise BadInput(f"persons: expected {self.first:g} to {self.last:g}, the sizes simulated, got {persons:g}")
        tail = (1 - level) / 2
        value = ndtr(self.start + self.rise * self._place(persons))
        median, lower, upper = self._quantiles(value, (0.5, tail, 1 - tail))
        return median, lower, upper

    def size(self, target: float, level: float = 0.95) -> tuple[float, float, float]:
        """Posterior median and equal-tailed limits of the size at which the power reaches a target.

        Parameters
        ----------
        target : float
            Power, such as .8.
        level : float

        Returns
        -------
        tuple of float
            Whole persons, rounded up; -inf where the power is there at the smallest size already, inf where it is not
            reached at the largest.
        """
        tail = (1 - level) / 2
        gap = ndtri(target) - self.start
        with np.errstate(divide="ignore", invalid="ignore"):
            place = np.where(gap <= 0, -np.inf, gap / self.rise)
        place = np.where(place > 1, np.inf, place)
        root = np.sqrt(self.first) + place * (np.sqrt(self.last) - np.sqrt(self.first))
        size = np.where(np.isfinite(place), np.where(place < 0, -np.inf, root**2), place)
        found = self._quantiles(size, (0.5, tail, 1 - tail))
        median, lower, upper = (float(np.ceil(value - 1e-9)) if np.isfinite(value) else value for value in found)
        return median, lower, upper

    def _place(self, persons: float) -> float:
        return (np.sqrt(persons) - np.sqrt(self.first)) / (np.sqrt(self.last) - np.sqrt(self.first))

    def _quantiles(self, value: np.ndarray, levels: Sequence[float]) -> list[float]:
        order = np.argsort(value)
        cumulative = np.cumsum(self.weight[order])
        if np.isfinite(value).all():
            middles = cumulative - self.weight[order] / 2
            return [float(found) for found in np.interp(levels, middles, value[order])]
        places = np.minimum(np.searchsorted(cumulative, levels), len(order) - 1)
        return [float(value[order[place]]) for place in places]


def power_curve(persons: Sequence[float], successes: Sequence[int], trials: Sequence[int]) -> PowerCurve:
    """Fit the curve to the successes of several sizes.

    Parameters
    ----------
    persons : sequence of float
        Sizes, two different ones at least.
    successes, trials : sequence of int
        Of each size.

    Raises
    ------
    BadInput
        Fewer than two sizes.
    """
    n, k, m = (np.asarray(values, float) for values in (persons, successes, trials))
    first, last = float(n.min()), float(n.max())
    if not first < last:
        raise BadInput(f"expected two sizes or more for a power curve, got {len(set(n.tolist()))}")
    place = (np.sqrt(n) - np.sqrt(first)) / (np.sqrt(last) - np.sqrt(first))
    start_range, rise_range = (-4 * START_SD, 4 * START_SD), (0.0, 4 * RISE_SD)
    for _ in range(ROUNDS):
        start, rise = np.meshgrid(np.linspace(*start_range, CELLS), np.linspace(*rise_range, CELLS), indexing="ij")
        log_density = -0.5 * (start / START_SD) ** 2 - 0.5 * (rise / RISE_SD) ** 2
        for s, successes_there, trials_there in zip(place, k, m, strict=True):
            eta = start + rise * s
            log_density += successes_there * log_ndtr(eta) + (trials_there - successes_there) * log_ndtr(-eta)
        density = np.exp(log_density - log_density.max())
        density[:, 0] *= 0.5  # the trapezium rule at the edge r = 0
        matters = density > NEGLIGIBLE
        start_range = _narrowed(start[:, 0], matters.any(axis=1), start_range)
        rise_range = _narrowed(rise[0], matters.any(axis=0), rise_range)
    weight = density / density.sum()
    return PowerCurve(start.ravel(), rise.ravel(), weight.ravel(), first, last)


def _narrowed(axis: np.ndarray, matters: np.ndarray, limits: tuple[float, float]) -> tuple[float, float]:
    step = axis[1] - axis[0]
    there = axis[matters]
    return max(limits[0], float(there[0] - step)), min(limits[1], float(there[-1] + step))
