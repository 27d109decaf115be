"""Draws of persons' random effects: skewed rates, correlated with baseline by a Gaussian copula."""

from __future__ import annotations

import numpy as np

from bayesmodels.errors import BadInput
from bayesmodels.simulation.course import PersonTerms
from bayesmodels.simulation.truth import Truth

SCORE_RANGE = (0.0, 48.0)
"""Range of ALSFRS-R."""

BASELINE_SCORE_RANGE = (15.0, 48.0)
"""Persons are randomised with a score in this range (row y0: normal clipped 15-48)."""


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
    log_mean, log_sd = lognormal_terms(mean, truth.rate_sd.of(stratum))
    return PersonTerms(
        stratum=stratum,
        start_month=start_month,
        score=np.clip(truth.score_mean.of(stratum) + truth.score_sd * score_z, *BASELINE_SCORE_RANGE),
        rate=np.exp(log_mean + log_sd * rate_z) - shift,
        elasticity=truth.elasticity * np.exp(truth.elasticity_log_sd * elasticity_z),
        log_nfl=truth.nfl_mean.of(stratum) + truth.nfl_sd * nfl_z,
        nfl_drift=truth.nfl_drift_mean.of(stratum) + truth.nfl_drift_sd.of(stratum) * drift_z,
        nfl_drop=np.maximum(truth.nfl_drop_mean.of(stratum) + truth.nfl_drop_sd * drop_z, 0.0),
    )
