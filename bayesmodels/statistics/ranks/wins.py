"""Wins and losses between two groups: as U-statistics with their large-sample covariance, and of weighted values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logit

from bayesmodels.errors import BadInput
from bayesmodels.statistics.followup import Array, Mask
from bayesmodels.statistics.ranks.pairs import Pairs

ROUNDING = 1e-20
"""A variance of shares no larger is 0: persons then do not differ, and nothing tells of it."""


@dataclass(frozen=True)
class Wins:
    """Shares of pairs won and lost by the group, strata weighted, and their covariance.

    Parameters
    ----------
    share : array (2,)
        Won and lost.
    covariance : array (2, 2)
        Of the shares.
    pairs, won, lost : float
        Numbers of pairs over all strata.
    """

    share: Array
    covariance: Array
    pairs: float
    won: float
    lost: float

    @property
    def net_benefit(self) -> tuple[float, float]:
        """Share won minus share lost, with its SE; NaN where persons do not differ in their shares."""
        return float(self.share[0] - self.share[1]), self._se(np.array([1.0, -1.0]))

    @property
    def log_ratio(self) -> tuple[float, float]:
        """Log of won over lost, with its SE: infinite where one of them is 0, without SE; NaN where both are."""
        with np.errstate(divide="ignore", invalid="ignore"):
            value = float(np.log(self.share[0]) - np.log(self.share[1]))
        return value, self._se(np.array([1.0, -1.0]) / self.share) if np.isfinite(value) else float("nan")

    @property
    def log_odds(self) -> tuple[float, float]:
        """Log odds of the win probability, with its SE: infinite where every pair is won or lost, without SE."""
        benefit, se = self.net_benefit
        p = (1 + benefit) / 2
        return float(logit(p)), se / 2 / (p * (1 - p)) if 0 < p < 1 else float("nan")

    def _se(self, gradient: Array) -> float:
        variance = float(gradient @ self.covariance @ gradient)
        return float(np.sqrt(variance)) if variance > ROUNDING else float("nan")


def wins(pairs: Pairs, in_group: Mask, strata: npt.NDArray, by_pairs: bool = False) -> Wins:
    """Compare the groups within strata.

    In a stratum with n1 and n0 persons, the covariance of (won, lost) is S1 / n1 + S0 / n0, where S1 is the sample
    covariance, over the group's persons, of their own shares won and lost, and S0 that over the reference's. Strata are
    weighted by n1 n0 / (n1 + n0), or by their pairs n1 n0.

    Parameters
    ----------
    pairs : Pairs
    in_group : array (person,) of bool
        In the group, else in the reference.
    strata : array (person,)
    by_pairs : bool
        Whether a stratum weighs as many as its pairs.

    Raises
    ------
    BadInput
        Fewer than two persons of a group in a stratum.
    """
    shares, covariances, weights = [], [], []
    counted = np.zeros(3)
    for label in np.unique(strata):
        here = strata == label
        a, b = np.flatnonzero(here & in_group), np.flatnonzero(here & ~in_group)
        if min(len(a), len(b)) < 2:
            where = "" if len(np.unique(strata)) == 1 else f" in stratum {label}"
            raise BadInput(f"expected two persons or more of each group{where}, got {len(a)} and {len(b)}")
        block = pairs.scores[np.ix_(a, b)]
        outcome = np.stack([block > 0, block < 0]).astype(float)
        by_a, by_b = outcome.mean(axis=2), outcome.mean(axis=1)
        shares.append(outcome.mean(axis=(1, 2)))
        covariances.append(np.cov(by_a) / len(a) + np.cov(by_b) / len(b))
        weights.append(len(a) * len(b) / (1 if by_pairs else len(a) + len(b)))
        counted += np.array([block.size, outcome[0].sum(), outcome[1].sum()])
    w = np.array(weights) / np.sum(weights)
    share = np.average(shares, axis=0, weights=weights)  # exactly 1 where every stratum's is
    covariance = np.tensordot(w**2, np.array(covariances), axes=1)
    n, won, lost = counted.tolist()
    return Wins(share, covariance, n, won, lost)


def weighted_wins(own: Array, own_weight: Array, other: Array, other_weight: Array) -> float:
    """Weight of the pairs in which the own value is the higher, ties half; over that of all pairs it is a share.

    Parameters
    ----------
    own, own_weight : array (own,)
    other, other_weight : array (other,)
        A pair weighs the product of its two weights. Values without NaN.

    Returns
    -------
    float
        Sum of own_weight[i] other_weight[j] (1 if own[i] > other[j], 1/2 if equal) over all i and j.
    """
    order = np.argsort(other)
    running = np.concatenate([[0.0], np.cumsum(other_weight[order])])
    below, up_to = (running[np.searchsorted(other[order], own, side=side)] for side in ("left", "right"))
    return float(own_weight @ (below + up_to) / 2)
