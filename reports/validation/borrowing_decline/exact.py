"""Posterior of a small shared-rate model that borrows, in NumPy: sums over grids of every parameter, no sampler.

Everyone has the same visits, so that a person's visits are as good as their least-squares level and decline b_i and
residual sum of squares. Of a group with mean decline m, b_i ~ Normal((a, m), C), C = diag(s_c^2, s^2) + sigma^2
(X'X)^-1, and RSS_i ~ sigma^2 chi^2. A group's mean level a is integrated in closed form, its sigma on a grid, so that a
table of (s_c, s, m) is left. The groups share s_c; the control's m is mu, that of the drug mu r, of external persons
mu exp(d). r is summed over 200 cells, the drift d over values of the external decline, mu and s_c over grids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

LEVEL, DECLINE = (38.0, 10.0), (1.0, 1.0)
"""Mean and SD of the priors of a group's mean level and of our untreated decline."""

LEVEL_SD_UPPER, DECLINE_SD_UPPER, ERROR_SD_UPPER, RATIO_UPPER = 10.0, 2.0, 4.0, 2.0
"""Of the uniform priors."""

HAZARD = (0.01, 1.0)
"""Shape and rate of the prior of the hazard, per month."""

CELL = 0.05
"""Width of the cells of SDs of declines, points a month."""

RATIOS = (np.arange(200) + 0.5) * RATIO_UPPER / 200
"""Middles of the cells of the ratio."""

KNOWN = 0.003
"""SD of the drift below which the external decline is ours."""


@dataclass(frozen=True)
class Group:
    """Sufficient statistics of a group.

    Parameters
    ----------
    size : int
    mean : (2,)
        Of persons' least-squares level and decline.
    scatter : (2, 2)
        Of these about the mean, summed.
    residual : float
        Residual sum of squares about persons' lines.
    """

    size: int
    mean: np.ndarray
    scatter: np.ndarray
    residual: float


def group_of(y: np.ndarray, months: np.ndarray) -> Group:
    """Sufficient statistics of visits (person, visit)."""
    x = np.stack([np.ones_like(months), -months], axis=1)
    lines = np.linalg.lstsq(x, y.T, rcond=None)[0].T
    apart = lines - lines.mean(axis=0)
    return Group(len(y), lines.mean(axis=0), apart.T @ apart, float(((y - lines @ x.T) ** 2).sum()))


def around(centre: float, relative: float, upper: float, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Values of an SD, five relative SDs to either side in its logarithm, and the weights of a uniform prior."""
    values = centre * np.exp(relative * np.linspace(-5, 5, points))
    return values, np.where(values < upper, values, 0.0)


def log_table(
    group: Group, months: np.ndarray, level_sds: np.ndarray, sds: np.ndarray, declines: np.ndarray
) -> np.ndarray:
    """Log-likelihood of a group by SD of levels, SD of declines and mean decline, mean level and errors integrated.

    Parameters
    ----------
    group : Group
    months : (visit,)
    level_sds, sds, declines : arrays of one axis
    """
    x = np.stack([np.ones_like(months), -months], axis=1)
    inverse, n = np.linalg.inv(x.T @ x), group.size
    freedom = n * (len(months) - 2)
    sigma, weight = around(np.sqrt(group.residual / freedom), np.sqrt(0.5 / freedom), ERROR_SD_UPPER, 15)
    c00 = level_sds[:, None, None, None] ** 2 + sigma[:, None] ** 2 * inverse[0, 0]
    c11 = sds[:, None, None] ** 2 + sigma[:, None] ** 2 * inverse[1, 1]
    c01 = sigma[:, None] ** 2 * inverse[0, 1]
    det, w = c00 * c11 - c01**2, group.scatter
    log = -0.5 * (n - 1) * np.log(det) - 0.5 * (c11 * w[0, 0] - 2 * c01 * w[0, 1] + c00 * w[1, 1]) / det
    with np.errstate(divide="ignore"):
        log += np.log(weight)[:, None] - (freedom * np.log(sigma) + 0.5 * group.residual / sigma**2)[:, None]
    v00, v11, v01 = c00 / n + LEVEL[1] ** 2, c11 / n, c01 / n
    v, e0, e1 = v00 * v11 - v01**2, group.mean[0] - LEVEL[0], group.mean[1] - declines
    log = log - 0.5 * np.log(v) - 0.5 * (v11 * e0**2 - 2 * v01 * e0 * e1 + v00 * e1**2) / v
    return np.logaddexp.reduce(log, axis=2)


def _density(log: np.ndarray) -> np.ndarray:
    return np.exp(log - log.max())


def _grid(group: Group, points: int) -> np.ndarray:
    error = np.sqrt(group.scatter[1, 1] / (group.size - 1) / group.size)
    return group.mean[1] + 7 * error * np.linspace(-1, 1, points)


@dataclass(frozen=True)
class Likelihood:
    """Likelihood of groups on grids; SDs of declines and errors and mean levels integrated over their priors.

    Parameters
    ----------
    weight : (level_sd,)
        Prior of the SD of levels.
    decline : (mu,)
        Ours, untreated.
    control : (level_sd, mu)
    active : (level_sd, mu, ratio)
    external_decline : (nu,)
        Empty without external persons, as `external`.
    external : (level_sd, nu)
    """

    weight: np.ndarray
    decline: np.ndarray
    control: np.ndarray
    active: np.ndarray
    external_decline: np.ndarray
    external: np.ndarray


def likelihood_of(groups: Sequence[Group], months: np.ndarray) -> Likelihood:
    """Tables of active, control and, where there are some, external persons."""
    persons = sum(group.size for group in groups) - len(groups)
    x = np.stack([np.ones_like(months), -months], axis=1)
    error = sum(g.residual for g in groups) / (sum(g.size for g in groups) * (len(months) - 2))
    spread = sum(g.scatter[0, 0] for g in groups) / persons - error * np.linalg.inv(x.T @ x)[0, 0]
    level_sds, weight = around(np.sqrt(spread), np.sqrt(0.5 / persons) * 1.1, LEVEL_SD_UPPER, 13)
    narrow = np.arange(CELL / 2, DECLINE_SD_UPPER, CELL)
    wide = np.arange(CELL / 2, RATIO_UPPER * DECLINE_SD_UPPER, CELL)
    active, control = groups[:2]
    mu, m = _grid(control, 141), _grid(active, 141)
    of_control = _density(log_table(control, months, level_sds, narrow, mu)).sum(axis=1)
    below = np.cumsum(_density(log_table(active, months, level_sds, wide, m)), axis=1)
    below = np.concatenate([np.zeros_like(below[:, :1]), below], axis=1)  # SD of declines up to an edge of its cells
    of_active = np.empty((len(level_sds), len(mu), len(RATIOS)))
    for j, ratio in enumerate(RATIOS):
        place = ratio * DECLINE_SD_UPPER / CELL
        edge = min(int(place), below.shape[1] - 2)
        up_to = below[:, edge] + (place - edge) * (below[:, edge + 1] - below[:, edge])
        for k in range(len(level_sds)):
            of_active[k, :, j] = np.interp(mu * ratio, m, up_to[k], left=0.0, right=0.0) / ratio
    nu, of_external = np.empty(0), np.empty((len(level_sds), 0))
    if len(groups) == 3:
        nu = _grid(groups[2], 281)
        of_external = _density(log_table(groups[2], months, level_sds, narrow, nu)).sum(axis=1)
    return Likelihood(weight, mu, of_control, of_active, nu, of_external)


def posterior(
    data: Likelihood,
    followed: tuple[float, float],
    truth: float,
    sds: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    faster: float = 0.0,
) -> dict[str, float]:
    """Posterior of the share of the decline that the drug removes, 1 minus the disease rate ratio.

    Parameters
    ----------
    data : Likelihood
    followed : (float, float)
        Months of follow-up of all active and of all control persons, without an event.
    truth : float
        True share.
    sds, weights : (value,), optional
        SDs of the drift, log rate, and their prior weights; without them external persons take no part.
    faster : float
        Points a month by which the external decline is faster than in the data.

    Returns
    -------
    dict
        above_zero, mean, sd, below_truth of the share; share_used and, of a mixture, `narrow`: the posterior
        probability of the first SD.
    """
    mu = data.decline
    own = data.weight[:, None] * data.control * norm.pdf(mu, *DECLINE)
    narrow, drift = np.zeros(len(mu)), np.zeros(len(mu))
    by_sd = []
    if sds is None or weights is None:
        w = own
    else:
        nu = data.external_decline + faster
        parts, moments = zip(*(_drifted(mu, nu, data.external, sd) for sd in sds), strict=True)
        w = own * np.einsum("s,skm->km", weights, np.stack(parts))
        drift = own * np.einsum("s,skm->km", weights, np.stack(moments))
        by_sd = [weight * own * part for weight, part in zip(weights, parts, strict=True)]
    exits = (HAZARD[1] + followed[1] + RATIOS * followed[0]) ** -HAZARD[0]
    joint = np.einsum("km,kmr,r->mr", w, data.active, exits)
    total = joint.sum()
    ratio = joint.sum(axis=0) / total
    middle = float(ratio @ (1 - RATIOS))
    found = {
        "above_zero": float(ratio[RATIOS < 1].sum()), "mean": middle,
        "sd": float(np.sqrt(ratio @ (1 - RATIOS - middle) ** 2)),
        "below_truth": float(ratio[truth > 1 - RATIOS].sum()),
    }  # fmt: skip
    if by_sd:
        of_active = np.einsum("kmr,r->km", data.active, exits)
        log_mu, rate = np.log(np.where(mu > 0, mu, 1.0)), np.where(mu > 0, joint.sum(axis=1) / total, 0.0)
        average = rate @ log_mu
        moment = (drift * of_active).sum(axis=0) / total  # E(d; mu)
        covariance = (log_mu - average) @ moment
        narrow = float((by_sd[0] * of_active).sum() / total)
        found |= {"share_used": float(1 + covariance / (rate @ (log_mu - average) ** 2)), "narrow": narrow}
    return found


def _drifted(mu: np.ndarray, nu: np.ndarray, external: np.ndarray, sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Likelihood of external persons and the same times the drift, integrated over drift ~ Normal(0, sd), (k, mu)."""
    if sd < KNOWN:
        return np.stack([np.interp(mu, nu, row, left=0.0, right=0.0) for row in external]), np.zeros(
            (len(external), len(mu))
        )
    usable = (mu[:, None] > 0) & (nu > 0)
    log_ratio = np.log(np.where(usable, nu, 1.0) / np.where(usable, mu[:, None], 1.0))
    weight = np.where(usable, norm.pdf(log_ratio, 0.0, sd) / np.where(usable, nu, 1.0), 0.0) * (nu[1] - nu[0])
    return external @ weight.T, external @ (weight * log_ratio).T
