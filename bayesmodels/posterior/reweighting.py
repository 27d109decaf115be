"""Draws reweighted to another prior: Pareto-smoothed importance sampling, and whether its answer can be relied on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

K_LIMIT = 0.7
"""Pareto k above which a reweighted answer is not relied on (Vehtari et al. 2024, J Mach Learn Res 25(72):1-58)."""

FEWEST = 25
"""Draws of which a fifth are the five largest weights that Pareto k takes at least."""


def k_limit(draws: int) -> float:
    """Limit of Pareto k for so many draws: .7, with fewer than 2,155 draws 1 - 1 / log10(draws) (same source).

    Parameters
    ----------
    draws : int
    """
    return min(1.0 - 1.0 / math.log10(draws), K_LIMIT) if draws > 10 else 0.0


@dataclass(frozen=True)
class Reweighted:
    """Weights that turn draws under one prior into draws under another.

    Parameters
    ----------
    weights : ndarray (draw,)
        Sum to 1; draws of all chains in one axis, as `intervals.flat` has them.
    pareto_k : float
        Shape of the largest weights' distribution; infinite where it cannot be found.
    effective_draws : float
        Independent draws from the other posterior that would be as good.
    """

    weights: np.ndarray
    pareto_k: float
    effective_draws: float

    @property
    def reliable(self) -> bool:
        """Whether Pareto k is within the limit."""
        return self.pareto_k <= k_limit(len(self.weights))

    def limits(self, values: np.ndarray, prob: float) -> dict[str, float]:
        """Median and equal-tailed interval, as `median`, `lower`, `upper`.

        Parameters
        ----------
        values : ndarray (draw,)
        prob : float
            Probability of the interval.
        """
        tail = (1 - prob) / 2
        found = np.quantile(values, [0.5, tail, 1 - tail], weights=self.weights, method="inverted_cdf")
        return dict(zip(("median", "lower", "upper"), map(float, found), strict=True))

    def probability(self, condition: np.ndarray) -> float:
        """Weight of the draws in which a condition holds.

        Parameters
        ----------
        condition : ndarray (draw,) of bool
        """
        return float(self.weights[condition].sum())


def reweighted(log_ratio: np.ndarray) -> Reweighted:
    """Pareto-smoothed weights of draws.

    Parameters
    ----------
    log_ratio : ndarray (chain, draw)
        Log density of the other prior less that of the fitted one, up to a constant.

    Returns
    -------
    Reweighted
    """
    from arviz_stats.base import array_stats  # late: 1 s

    raw = np.exp(log_ratio - log_ratio.max())
    raw_only = Reweighted(raw.ravel() / raw.sum(), math.inf, math.nan)
    if raw.size < FEWEST:
        return raw_only
    efficiency = min(float(array_stats.ess(raw, chain_axis=0, draw_axis=1, method="mean")) / raw.size, 1.0)
    try:
        log_weights, k = array_stats.psislw(-log_ratio.ravel(), r_eff=efficiency)  # takes minus the log ratio
    except ValueError:  # the largest weights are all the same
        return raw_only
    weights = np.exp(log_weights)
    return Reweighted(weights, float(k) if np.isfinite(k) else math.inf, efficiency / float((weights**2).sum()))
