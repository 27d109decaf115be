"""Wins and losses between two groups: as U-statistics with their large-sample covariance, and of weighted values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bayesmodels.errors import BadInput
from bayesmodels.events.followup import Array, Mask
from bayesmodels.events.pairs import Pairs


@dataclass(frozen=True)
class Wins:
    """Shares of pairs won and lost by the group, strata weighted, and their covariance.

    Attributes
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
        """Share won minus share lost, with its SE."""
        return _linear(np.array([1.0, -1.0]), self.share, self.covariance)

    @property
    def log_ratio(self) -> tuple[float, float]:
        """Log of won over lost, with its SE; NaN where nothing was won or nothing lost."""
        if (self.share == 0).any():
            return float("nan"), float("nan")
        gradient = np.array([1.0, -1.0]) / self.share
        value = float(np.log(self.share[0] / self.share[1]))
        return value, float(np.sqrt(gradient @ self.covariance @ gradient))

    @property
    def log_odds(self) -> tuple[float, float]:
        """Log odds of the win probability, with its SE; NaN where the group wins or loses every pair."""
        benefit, se = self.net_benefit
        p = (1 + benefit) / 2
        if not 0 < p < 1:
            return float("nan"), float("nan")
        return float(np.log(p / (1 - p))), se / 2 / (p * (1 - p))


def wins(pairs: Pairs, in_group: Mask, strata: npt.NDArray, by_pairs: bool = False) -> Wins:
    """Compare the groups within strata.

    In a stratum with n1 and n0 persons, the covariance of (won, lost) is S1 / n1 + S0 / n0, where S1 is the sample
    covariance, over the group's persons, of their own shares won and lost, and S0 that over the reference's. Strata are
    weighted by n1 n0 / (n1 + n0), or by their pairs n1 n0.

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
    share = w @ np.array(shares)
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


def _linear(gradient: Array, value: Array, covariance: Array) -> tuple[float, float]:
    return float(gradient @ value), float(np.sqrt(np.maximum(gradient @ covariance @ gradient, 0.0)))
