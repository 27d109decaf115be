"""Posterior of the bivariate random-effects model on a grid over tau_S, tau_T, rho, the means in closed form.

Written from the formulas, with NumPy alone: an independent route to what `TrialLevelModel` samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Grid:
    """Cells of the grid with their posterior weights, and the means' posterior moments in each."""

    tau_s: np.ndarray
    tau_t: np.ndarray
    rho: np.ndarray
    weight: np.ndarray
    mean: np.ndarray  # (cell, 2)

    def quantile(self, values, at):
        order = np.argsort(values)
        cumulative = np.cumsum(self.weight[order])
        return np.interp(at, cumulative, values[order])

    def expected(self, values):
        return np.tensordot(self.weight, values, 1)


def normal_scores(n):
    """Midpoints of n cells of equal probability of a standard normal variable, as probabilities."""
    return (np.arange(n) + 0.5) / n


def grid_posterior(effects, se, within, scale, cells=(50, 50, 120)):
    """The posterior on cells of equal prior probability.

    Parameters
    ----------
    effects, se : array (trial, 2)
    within : array (trial,)
    scale : (s_S, s_T)
    """
    from scipy import stats

    u_s, u_t, u_r = (normal_scores(n) for n in cells)
    tau_s, tau_t, rho = (
        a.ravel()
        for a in np.meshgrid(
            stats.halfnorm.ppf(u_s, scale=scale[0]), stats.halfnorm.ppf(u_t, scale=scale[1]), 2 * u_r - 1, indexing="ij"
        )
    )
    a = np.full_like(rho, 1 / (2 * scale[0]) ** 2)  # precision of the means: prior, then every trial's
    d = np.full_like(rho, 1 / (2 * scale[1]) ** 2)
    b = np.zeros_like(rho)
    first, second, log_density = np.zeros_like(rho), np.zeros_like(rho), np.zeros_like(rho)
    for y, s, r in zip(effects, se, within, strict=True):
        v_s, v_t = tau_s**2 + s[0] ** 2, tau_t**2 + s[1] ** 2
        c = rho * tau_s * tau_t + r * s[0] * s[1]
        det = v_s * v_t - c**2
        p_s, p_t, p_c = v_t / det, v_s / det, -c / det
        a, d, b = a + p_s, d + p_t, b + p_c
        w_s, w_t = p_s * y[0] + p_c * y[1], p_c * y[0] + p_t * y[1]
        first, second = first + w_s, second + w_t
        log_density += -0.5 * (np.log(det) + y[0] * w_s + y[1] * w_t)
    det = a * d - b**2
    mean = np.stack([(d * first - b * second) / det, (a * second - b * first) / det], axis=1)
    log_density += -0.5 * np.log(det) + 0.5 * (mean[:, 0] * first + mean[:, 1] * second)
    weight = np.exp(log_density - log_density.max())
    return Grid(tau_s, tau_t, rho, weight / weight.sum(), mean)
