"""Surrogate paradox: the treatment is good for the surrogate and harms.

Source: VanderWeele (2013), doi:10.1111/biom.12071; here in its trial-level form, over the distribution of true effects.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from bayesmodels.surrogacy.trial_level.draws import TrialDraws
from bayesmodels.surrogacy.trial_level.threshold import SIGNS


def paradox_probability(draws: TrialDraws, surrogate_good: str, outcome_good: str) -> dict[str, float]:
    """Probability of the paradox in a new trial of the same kind.

    Returns
    -------
    dict
        ``joint``: surrogate effect good and outcome effect harmful; ``given_good_surrogate``: harmful given good.
        Normal orthant probabilities, averaged over draws; with t effects they are those of the normal, since both are
        elliptical only where the means are zero: a number between draws of g, taken at g = 1.
    """
    a = SIGNS[surrogate_good] * draws.mean_s / draws.sd_s
    b = SIGNS[outcome_good] * draws.mean_t / draws.sd_t
    rho = SIGNS[surrogate_good] * SIGNS[outcome_good] * draws.rho
    good = stats.norm.cdf(a)
    both = _upper(a, b, rho)
    joint = float(np.mean(good - both))
    return {"joint": joint, "given_good_surrogate": joint / float(np.mean(good))}


def _upper(a: np.ndarray, b: np.ndarray, rho: np.ndarray) -> np.ndarray:
    """P(X < a, Y < b) of a standard bivariate normal, by Gauss-Legendre over the correlation's angle.

    Source: Drezner and Wesolowsky (1990), doi:10.1080/00949659008811236, in the angle's form of Genz (2004).
    """
    nodes, weights = np.polynomial.legendre.leggauss(40)
    angle = np.arcsin(np.clip(rho, -1, 1))
    theta = angle[:, None] * (nodes + 1) / 2
    sine = np.sin(theta)
    exponent = -(a[:, None] ** 2 + b[:, None] ** 2 - 2 * a[:, None] * b[:, None] * sine) / (2 * np.cos(theta) ** 2)
    integral = (np.exp(exponent) * weights).sum(axis=1) * angle / 2
    return stats.norm.cdf(a) * stats.norm.cdf(b) + integral / (2 * np.pi)
