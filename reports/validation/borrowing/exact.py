"""Exact posterior of a small borrowing model, in NumPy: means integrated in closed form, SDs by importance sampling.

Everyone has the same visits, so that a person's visits are as good as their least-squares level and slope b_i and
residual sum of squares: b_i ~ Normal(mean of the group, C), C = Sigma + sigma^2 (X'X)^-1, and RSS_i ~ sigma^2 chi^2.
Given sigma, C and the SD s of the drift the five means are normal. sigma^2 and C are drawn from what scatter within
groups and residuals say of them (scaled inverse chi-square, inverse Wishart), and weighted by prior and by the density
of the groups' means. s is summed over its values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import halfnorm, invwishart, norm

LEVEL, RATE, EFFECT = (37.0, 6.0), (-1.0, 0.5), (0.0, 2.0)
"""Mean and SD of the priors of levels, of our untreated rate and of the effect on the rate."""

LEVEL_SD, RATE_SD, ERROR_SD = 6.0, 1.0, 2.5
"""SDs of half-normal priors: of persons' levels and rates, and of visits' errors."""

CORRELATION_SHAPE = 2.0
"""Of the LKJ prior of the correlation of level and rate."""

POINTS = 16
"""Equally probable values of a half-normal SD that it is summed over."""


@dataclass(frozen=True)
class Summary:
    """Sufficient statistics of groups of persons with the same visits.

    Parameters
    ----------
    size : (group,) int
    mean : (group, 2)
        Of persons' least-squares level and slope.
    scatter : (2, 2)
        Of these about the groups' means, summed.
    residual : float
        Residual sum of squares about persons' lines.
    months : (visit,)
    """

    size: np.ndarray
    mean: np.ndarray
    scatter: np.ndarray
    residual: float
    months: np.ndarray

    @property
    def inverse(self) -> np.ndarray:
        """(X'X)^-1 of a person's visits, (2, 2)."""
        x = np.stack([np.ones_like(self.months), self.months], axis=1)
        return np.linalg.inv(x.T @ x)


def summary_of(groups: Sequence[np.ndarray], months: np.ndarray) -> Summary:
    """Sufficient statistics of visits by group, each (person, visit)."""
    x = np.stack([np.ones_like(months), months], axis=1)
    lines = [np.linalg.lstsq(x, y.T, rcond=None)[0].T for y in groups]
    left = [y - line @ x.T for y, line in zip(groups, lines, strict=True)]
    means = np.stack([line.mean(axis=0) for line in lines])
    apart = [line - mean for line, mean in zip(lines, means, strict=True)]
    scatter = sum((part.T @ part for part in apart), np.zeros((2, 2)))
    residual = float(sum((part**2).sum() for part in left))
    return Summary(np.array([len(y) for y in groups]), means, scatter, residual, months)


def drift_sds(tau: float | None = None, fixed: float | None = None, mixture: tuple[float, float, float] | None = None):
    """Values of the drift's SD, in SDs of the prior of the rate, and their prior weights.

    Parameters
    ----------
    tau : float, optional
        SD of a half-normal prior of it.
    fixed : float, optional
        Its known value.
    mixture : tuple of float, optional
        Weight and SD of the narrow component, and SD of the wide one.
    """
    if mixture is not None:
        weight, narrow, wide = mixture
        return np.array([narrow, wide]), np.array([weight, 1.0 - weight])
    if fixed is not None:
        return np.array([fixed]), np.ones(1)
    return halfnorm.ppf((np.arange(POINTS) + 0.5) / POINTS, scale=tau), np.full(POINTS, 1.0 / POINTS)


@dataclass(frozen=True)
class Spread:
    """Draws of what varies between persons and visits, from the scatter alone.

    Parameters
    ----------
    variance : (draw,)
        Of visits' errors, sigma^2.
    covariance : (draw, 2, 2)
        Of persons' least-squares level and slope, C.
    log_weight : (draw,)
        Log of prior over what the proposal takes for it; minus infinity where C leaves no room for visits' errors.
    """

    variance: np.ndarray
    covariance: np.ndarray
    log_weight: np.ndarray


def spread_of(data: Summary, draws: int, rng: np.random.Generator) -> Spread:
    """Draws of C with their weights; priors of sigma, SDs and correlation as those of the package's model."""
    persons, groups = int(data.size.sum()), len(data.size)
    variance = data.residual / rng.chisquare(persons * (len(data.months) - 2), draws)
    c = np.atleast_3d(invwishart.rvs(persons - groups, data.scatter, size=draws, random_state=rng))
    sigma = c - variance[:, None, None] * data.inverse
    sd = np.sqrt(np.maximum(sigma[:, [0, 1], [0, 1]], 1e-300))
    correlation = sigma[:, 0, 1] / sd.prod(axis=1)
    inside = (sigma[:, [0, 1], [0, 1]] > 0).all(axis=1) & (np.abs(correlation) < 1)
    prior = halfnorm.logpdf(np.sqrt(variance), scale=ERROR_SD) - 0.5 * np.log(variance)
    # density by SDs and correlation over 4 s1^2 s2^2, the Jacobian of (s1, s2, rho) -> (S11, S22, S12)
    prior += halfnorm.logpdf(sd, scale=[LEVEL_SD, RATE_SD]).sum(axis=1) - 2 * np.log(sd).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        prior += (CORRELATION_SHAPE - 1) * np.log1p(-(correlation**2))
    proposal = -np.log(variance) - 1.5 * np.linalg.slogdet(c)[1]
    return Spread(variance, c, np.where(inside, prior - proposal, -np.inf))


def posterior(data: Summary, spread: Spread, sds: np.ndarray | None = None, weights: np.ndarray | None = None) -> dict:
    """Posterior of the effect on the rate, and of what was borrowed.

    Parameters
    ----------
    data : Summary
        Active, control and, where there is borrowing, external persons.
    spread : Spread
        Of these data.
    sds, weights : (value,), optional
        Of the drift (`drift_sds`).

    Returns
    -------
    dict
        above_zero, mean, sd of the effect; `cdf`, a function of a value; share_used and, of every value of the drift's
        SD, `of_sd` (posterior probabilities); ess of the importance weights.
    """
    external = len(data.size) == 3
    s = RATE[1] * np.asarray(sds, float) if external else np.ones(1)
    log_w = np.log(weights) if external else np.zeros(1)
    loadings = np.zeros((3, 2, 5))  # means of (level, rate, effect, external level, drift)
    loadings[0, 0, 0] = loadings[1, 0, 0] = loadings[2, 0, 3] = 1.0
    loadings[:, 1, 1] = loadings[0, 1, 2] = loadings[2, 1, 4] = 1.0
    p = 5 if external else 3
    precision = np.linalg.inv(spread.covariance)
    information, h = np.zeros((len(precision), p, p)), np.zeros((len(precision), p))
    fit = np.zeros(len(precision))
    for n, mean, a in zip(data.size, data.mean, loadings[: len(data.size), :, :p], strict=True):
        information += n * np.einsum("ja,mjk,kb->mab", a, precision, a)
        h += n * np.einsum("ja,mjk,k->ma", a, precision, mean)
        fit += n * np.einsum("j,mjk,k->m", mean, precision, mean)
    centre = np.array([LEVEL[0], RATE[0], EFFECT[0], LEVEL[0], 0.0])[:p]
    scale = np.array([LEVEL[1], RATE[1], EFFECT[1], LEVEL[1], 1.0])[:p] * np.ones((len(s), p))
    if external:
        scale[:, 4] = s
    own = scale**-2.0  # (value, p)
    whole = information[:, None] + own[None, :, :, None] * np.eye(p)
    linear = h[:, None] + (own * centre)[None]
    covariance = np.linalg.inv(whole)
    mean = np.einsum("msab,msb->msa", covariance, linear)
    log_density = -0.5 * len(data.size) * np.linalg.slogdet(spread.covariance)[1][:, None]
    log_density = log_density - np.log(scale).sum(axis=1) - 0.5 * np.linalg.slogdet(whole)[1]
    log_density += 0.5 * (np.einsum("msa,msa->ms", linear, mean) - fit[:, None] - (own * centre**2).sum(axis=1))
    total = spread.log_weight[:, None] + log_w + log_density
    w = np.exp(total - total.max())
    w /= w.sum()
    effect, spread_of_effect = mean[..., 2], np.sqrt(covariance[..., 2, 2])
    middle = float((w * effect).sum())

    def cdf(value: float) -> float:
        return float((w * norm.cdf(value, effect, spread_of_effect)).sum())

    found = {
        "above_zero": 1.0 - cdf(0.0), "mean": middle, "cdf": cdf, "ess": float(1.0 / (w.sum(axis=1) ** 2).sum()),
        "sd": float(np.sqrt((w * (spread_of_effect**2 + (effect - middle) ** 2)).sum())),
    }  # fmt: skip
    if external:
        rate, theirs = mean[..., 1], mean[..., 1] + mean[..., 4]
        average = (w * rate).sum()
        variance = (w * (covariance[..., 1, 1] + (rate - average) ** 2)).sum()
        shared = covariance[..., 1, 1] + covariance[..., 1, 4] + (rate - average) * theirs
        found |= {"share_used": float((w * shared).sum() / variance), "of_sd": w.sum(axis=0)}
    return found


def rounded(row: Mapping[str, float]) -> dict[str, float]:
    """Five significant digits."""
    return {name: float(f"{value:.5g}") for name, value in row.items()}
