"""Draws of persons' random effects: skewed rates, correlated with baseline by a Gaussian copula."""

from __future__ import annotations

import numpy as np

from bayesmodels.errors import BadInput
from bayesmodels.simulation.course import PersonTerms
from bayesmodels.simulation.truth import RateDistribution, Truth

SCORE_RANGE = (0.0, 48.0)
"""Range of ALSFRS-R."""

BASELINE_SCORE_RANGE = (15.0, 48.0)
"""Persons are randomised with a score in this range (row y0: normal clipped 15-48)."""


FASTER_SHARE, CLASS_CV = 0.2, 0.5
"""Of the declines in `two_classes`: share of the faster class, and coefficient of variation within a class."""


def copula_correlation(truth: Truth) -> np.ndarray:
    """Correlation [4, 4] of the latent normals of log rate, baseline score, baseline log NfL and NfL drop.

    The truth gives each one's correlation with the log rate; given the rate they are independent of one another, so
    the correlation of any two is the product of theirs with the rate.
    """
    with_rate = np.array([1.0, truth.score_rate_correlation, truth.nfl_rate_correlation, truth.drop_rate_correlation])
    correlation = np.outer(with_rate, with_rate)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def lognormal_terms(mean: np.ndarray, sd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and SD of the logarithm of a lognormal variable with this mean and SD."""
    log_variance = np.log1p((sd / mean) ** 2)
    return np.log(mean) - log_variance / 2, np.sqrt(log_variance)


def declines(z: np.ndarray, mean: np.ndarray, sd: np.ndarray, distribution: RateDistribution) -> np.ndarray:
    """Positive declines [person] at the quantiles of standard normal numbers z, of this mean and SD.

    `two_classes`: one person in five is of a class whose mean is so many times the others' that the whole has the SD;
    within a class the decline is gamma with coefficient of variation `CLASS_CV`.
    """
    if distribution == "lognormal":
        log_mean, log_sd = lognormal_terms(mean, sd)
        return np.exp(log_mean + log_sd * z)
    found = np.empty(len(z))
    for m, s in np.unique(np.stack([mean, sd], axis=1), axis=0):
        here = (mean == m) & (sd == s)
        quantile = _gamma_quantiles if distribution == "gamma" else _two_class_quantiles
        found[here] = quantile(z[here], m, s)
    return found


def _gamma_quantiles(z: np.ndarray, mean: float, sd: float) -> np.ndarray:
    from scipy.special import gammaincinv, ndtr

    shape = (mean / sd) ** 2
    return gammaincinv(shape, ndtr(z)) * mean / shape


def _two_class_quantiles(z: np.ndarray, mean: float, sd: float) -> np.ndarray:
    """Inverse, on a grid, of the mixture's distribution function."""
    from scipy.special import gammainc, ndtr

    share, inner = FASTER_SHARE, 1.0 + CLASS_CV**2
    spread = (1.0 + (sd / mean) ** 2) / inner  # E[m^2] / E[m]^2 of the class means m
    if not 1.0 < spread < 1.0 / share:
        raise BadInput(
            f"two_classes: expected an SD of the decline between {CLASS_CV:g} and "
            f"{np.sqrt(inner / share - 1.0):.2g} times its mean plus shift, got {sd / mean:.2g} times"
        )
    away = np.sqrt((spread - 1.0) * (1.0 - share) / share)  # of the faster class's mean from the whole's, in means
    slow, fast = mean * (1.0 - away * share / (1.0 - share)), mean * (1.0 + away)
    shape = CLASS_CV**-2
    grid = np.linspace(0.0, fast * (1.0 + 12.0 * CLASS_CV), 200_001)
    below = (1.0 - share) * gammainc(shape, grid * shape / slow) + share * gammainc(shape, grid * shape / fast)
    return np.interp(ndtr(z), below, grid)


def draw_persons(stratum: np.ndarray, start_month: np.ndarray, truth: Truth, rng: np.random.Generator) -> PersonTerms:
    """Draw persons' random effects.

    Parameters
    ----------
    stratum : ndarray of str [person]
        ``faster`` or ``slower``.
    start_month : ndarray [person]
        Month at which each starts the drug; infinite for never.

    Returns
    -------
    PersonTerms

    Raises
    ------
    BadInput
        A rate whose mean plus shift is not positive: a lognormal cannot have it.
    """
    shift = truth.rate_shift.of(stratum)
    mean = truth.rate_mean.of(stratum) + shift
    if (mean <= 0).any():
        raise BadInput("rate_mean + rate_shift must be positive in every stratum: decline is lognormal minus the shift")
    size = len(stratum)
    weights = np.linalg.svd(copula_correlation(truth))
    root = weights.U * np.sqrt(weights.S)
    rate_z, score_z, nfl_z, drop_z = root @ rng.standard_normal((4, size))
    drift_z, elasticity_z = rng.standard_normal((2, size))
    rate_sd = truth.rate_sd.of(stratum)
    return PersonTerms(
        stratum=stratum,
        start_month=start_month,
        score=np.clip(truth.score_mean.of(stratum) + truth.score_sd * score_z, *BASELINE_SCORE_RANGE),
        rate=declines(rate_z, mean, rate_sd, truth.rate_distribution) - shift,
        elasticity=truth.elasticity * np.exp(truth.elasticity_log_sd * elasticity_z),
        log_nfl=truth.nfl_mean.of(stratum) + truth.nfl_sd * nfl_z,
        nfl_drift=truth.nfl_drift_mean.of(stratum) + truth.nfl_drift_sd.of(stratum) * drift_z,
        nfl_drop=np.maximum(truth.nfl_drop_mean.of(stratum) + truth.nfl_drop_sd * drop_z, 0.0),
    )
