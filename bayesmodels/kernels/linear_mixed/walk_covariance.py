"""Random walks of persons' outcomes as dense normal distributions, written without the filters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesmodels.kernels.correlation import correlation_factor
from bayesmodels.kernels.linear_mixed.op import Inputs, Layout

_NEARLY = 1 - 1e-12
"""Times a correlation, so that one of 1 has a Cholesky factor."""


def shrunk(months: np.ndarray, decay: np.ndarray | float) -> np.ndarray:
    """Integral of exp(-decay t) from randomisation to `months`: months where decay is 0."""
    a = np.asarray(decay, float)
    return np.where(a == 0.0, months, -np.expm1(-a * months) / np.where(a == 0.0, 1.0, a))


@dataclass(frozen=True)
class RandomWalks:
    """Brownian paths about persons' courses, from 0 at randomisation.

    The covariance of the paths of outcomes k and l at months t and t' is rho_kl sd_k sd_l times the integral of
    exp(-(decay_k + decay_l) s) over the months from 0 to min(t, t').

    Parameters
    ----------
    sd : (person, outcome)
        Of a path, per square root of a month at randomisation; 0 without a random walk.
    correlation : (outcome, outcome)
    decay : (outcome,)
        1 / the months in which steps shrink to 1 / e; 0 for steps of one size.
    """

    sd: np.ndarray
    correlation: np.ndarray
    decay: np.ndarray

    def of(self, persons: np.ndarray) -> RandomWalks:
        """Some persons, by position or as a mask."""
        return RandomWalks(self.sd[persons], self.correlation, self.decay)

    def among(self, outcomes: list[int]) -> RandomWalks:
        """The walks of some outcomes, renumbered."""
        return RandomWalks(self.sd[:, outcomes], self.correlation[np.ix_(outcomes, outcomes)], self.decay[outcomes])

    def covariance(
        self, outcome: np.ndarray, months: np.ndarray, other: np.ndarray, other_months: np.ndarray
    ) -> np.ndarray:
        """Covariance of paths of some outcomes (row,) at months (person, row) with those of others, by person.

        Returns
        -------
        ndarray
            (person, row, other row)
        """
        earlier = np.maximum(np.minimum(months[:, :, None], other_months[:, None, :]), 0.0)
        area = shrunk(earlier, self.decay[outcome][:, None] + self.decay[other])
        scale = self.sd[:, outcome][:, :, None] * self.sd[:, other][:, None, :]
        return self.correlation[np.ix_(outcome, other)] * scale * area

    def simulate(self, rng: np.random.Generator, outcome: np.ndarray, months: np.ndarray) -> np.ndarray:
        """One draw of the paths of outcomes (row,) at months (person, row)."""
        months = np.maximum(months, 0.0)
        order = np.argsort(months, axis=1, kind="stable")
        sorted_months = np.take_along_axis(months, order, axis=1)
        n, rows, outcomes = *months.shape, len(self.decay)
        decay = self.decay[:, None] + self.decay
        area = np.diff(shrunk(sorted_months[:, :, None, None], decay), axis=1, prepend=0.0)  # of each step
        own = np.sqrt(np.einsum("ijkk->ijk", area))
        across = own[..., :, None] * own[..., None, :]
        moving = across > 0
        like = np.where(moving, area / np.where(moving, across, 1.0), 0.0) * self.correlation * _NEARLY
        like[..., np.arange(outcomes), np.arange(outcomes)] = 1.0
        standard = np.linalg.cholesky(like) @ rng.standard_normal((n, rows, outcomes, 1))
        path = np.cumsum(own * standard[..., 0], axis=1)  # of every outcome at every one of the times
        place = np.empty_like(order)
        np.put_along_axis(place, order, np.broadcast_to(np.arange(rows), order.shape), axis=1)
        at_rows = np.take_along_axis(path, place[:, :, None], axis=1)[:, np.arange(rows), outcome]
        return at_rows * self.sd[:, outcome]


def random_walks_of(layout: Layout, inputs: Inputs) -> RandomWalks:
    """Random walks of the persons of a likelihood's inputs."""
    outcomes, walking = layout.n_outcomes, list(layout.random_walks)
    sd = np.zeros((len(inputs.stratum), outcomes))
    sd[:, walking] = np.asarray(inputs.random_walk)[np.minimum(inputs.stratum, len(inputs.random_walk) - 1)][:, walking]
    correlation = np.eye(outcomes)
    if layout.correlated_walks:
        factor = np.zeros((len(walking), len(walking)))
        correlation_factor(np.ascontiguousarray(inputs.walk_partial, float), factor)
        correlation[np.ix_(walking, walking)] = factor @ factor.T
    return RandomWalks(sd, correlation, np.asarray(inputs.decay, float))
