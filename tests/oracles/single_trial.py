"""Classical criteria of one trial: least squares, limits of a ratio, and the grid of cross-world correlations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import stats

from bayesmodels.study import ClusterTable
from bayesmodels.surrogacy.criteria.relative_effect import RatioSet


@dataclass(frozen=True)
class LeastSquares:
    """Closed forms of a single trial; effects are active minus control.

    Parameters
    ----------
    alpha, alpha_se, beta, beta_se : float
        Effects with standard errors.
    gamma, gamma_given_arm : float
        Slope of the outcome on the surrogate, ignoring the arm (Prentice's third criterion) and given it.
    residual_effect, residual_p : float
        Effect on the outcome given the surrogate, and its two-sided p (the fourth criterion as a test).
    relative_effect : float
    delta_interval : (float, float)
    fieller_set : RatioSet
    adjusted_association : float
        rho_Z, within arms.
    proportion_explained : float
        1 - residual_effect / beta.
    likelihood_reduction : float
        1 - exp(-G2 / n), maximum likelihood with and without the surrogate.
    arm_association : (float, float)
        Correlation in control and active.
    arm_variance : (arm, endpoint)
    """

    alpha: float
    alpha_se: float
    beta: float
    beta_se: float
    gamma: float
    gamma_given_arm: float
    residual_effect: float
    residual_p: float
    relative_effect: float
    delta_interval: tuple[float, float]
    fieller_set: RatioSet
    adjusted_association: float
    proportion_explained: float
    likelihood_reduction: float
    arm_association: tuple[float, float]
    arm_variance: np.ndarray


def least_squares(table: ClusterTable, level: float = 0.95) -> LeastSquares:
    """The classical single-trial criteria (Prentice 1989; Freedman 1992; Buyse and Molenberghs 1998).

    Parameters
    ----------
    table : ClusterTable
        Clusters are ignored.
    level : float
        Confidence level of the relative effect's limits: the delta method and Fieller's set, normal quantiles.
    """
    s, t = table.values.T
    arm = table.treatment + 0.5
    one = np.ones_like(arm)
    (_, alpha), residual_s, _ = _regression(s, one, arm)
    (_, beta), residual_t, spread = _regression(t, one, arm)
    (_, gamma), _, _ = _regression(t, one, s)
    (_, given, slope), residual_ts, inverse = _regression(t, one, arm, s)
    n = len(s)
    sigma = np.cov(residual_s, residual_t, ddof=0) * n / (n - 2)
    variance = sigma * spread[1, 1]  # of (alpha, beta)
    given_se = math.sqrt(residual_ts @ residual_ts / (n - 3) * inverse[1, 1])
    return LeastSquares(
        alpha=alpha,
        alpha_se=math.sqrt(variance[0, 0]),
        beta=beta,
        beta_se=math.sqrt(variance[1, 1]),
        gamma=gamma,
        gamma_given_arm=slope,
        residual_effect=given,
        residual_p=float(2 * stats.t.sf(abs(given / given_se), n - 3)),
        relative_effect=beta / alpha,
        delta_interval=delta_limits(alpha, beta, variance, level),
        fieller_set=fieller(alpha, beta, variance, level),
        adjusted_association=float(sigma[0, 1] / math.sqrt(sigma[0, 0] * sigma[1, 1])),
        proportion_explained=1 - given / beta,
        likelihood_reduction=1 - math.exp(-_deviance(residual_t, residual_ts) / n),
        arm_association=(_correlation(table, False), _correlation(table, True)),
        arm_variance=np.array([table.values[(table.treatment > 0) == z].var(axis=0, ddof=1) for z in (False, True)]),
    )


def _correlation(table: ClusterTable, active: bool) -> float:
    return float(np.corrcoef(table.values[(table.treatment > 0) == active].T)[0, 1])


def _regression(y: np.ndarray, *columns: np.ndarray) -> tuple[list[float], np.ndarray, np.ndarray]:
    """Least-squares coefficients, residuals, and the inverse of X'X."""
    x = np.column_stack(columns)
    inverse = np.linalg.inv(x.T @ x)
    found = inverse @ (x.T @ y)
    return found.tolist(), y - x @ found, inverse


def _deviance(without: np.ndarray, with_surrogate: np.ndarray) -> float:
    """G2, twice the gain in the maximised normal log-likelihood."""
    return len(without) * math.log((without @ without) / (with_surrogate @ with_surrogate))


def delta_limits(alpha: float, beta: float, variance: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Delta-method limits of beta / alpha; `variance` is the 2 x 2 covariance of (alpha, beta)."""
    ratio = beta / alpha
    gradient = np.array([-ratio / alpha, 1 / alpha])
    half = stats.norm.ppf(0.5 + level / 2) * math.sqrt(gradient @ variance @ gradient)
    return float(ratio - half), float(ratio + half)


def fieller(alpha: float, beta: float, variance: np.ndarray, level: float = 0.95) -> RatioSet:
    """Fieller's set: every r for which beta - r alpha is within z standard errors of zero.

    Solves (alpha^2 - z^2 v_aa) r^2 - 2 (alpha beta - z^2 v_ab) r + (beta^2 - z^2 v_bb) <= 0.
    """
    z2 = stats.norm.ppf(0.5 + level / 2) ** 2
    a = alpha**2 - z2 * variance[0, 0]
    b = alpha * beta - z2 * variance[0, 1]
    c = beta**2 - z2 * variance[1, 1]
    discriminant = b * b - a * c
    if a == 0 or (a < 0 and discriminant <= 0):
        return RatioSet("everything", math.nan, math.nan)
    lower, upper = sorted(float((b + side * math.sqrt(discriminant)) / a) for side in (-1, 1))
    return RatioSet("interval" if a > 0 else "outside", lower, upper)


def positive_definite_grid(r0: float, r1: float, step: float = 0.2) -> np.ndarray:
    """All cross-world correlations on a grid of -1, -1 + step, ..., 1 that make the matrix positive definite.

    The classical presentation; `cross_world` draws instead.

    Returns
    -------
    ndarray (set, 6)
        Order as `cross_world`.
    """
    values = np.round(np.arange(-1, 1 + step / 2, step), 10)
    free = np.array(list(product(values, repeat=4)))
    sets = np.column_stack([np.full(len(free), r0), np.full(len(free), r1), free])
    return sets[np.linalg.eigvalsh(_matrices(sets)).min(axis=-1) > 0]


def _matrices(r: np.ndarray) -> np.ndarray:
    """Correlation matrices of (S0, T0, S1, T1)."""
    m = np.ones((*r.shape[:-1], 4, 4))
    for place, (i, j) in enumerate([(0, 1), (2, 3), (0, 2), (1, 3), (0, 3), (1, 2)]):
        m[..., i, j] = m[..., j, i] = r[..., place]
    return m
