"""Likelihood reduction factor (Alonso and Molenberghs 2007): 1 - exp(-2 I(S; T | Z)), the information S gives about T.

For normal endpoints it is R2_indiv, the squared correlation within arms.
"""

from __future__ import annotations

import numpy as np

from bayesmodels.surrogacy.arms import Arms


def likelihood_reduction(arms: Arms) -> np.ndarray:
    """Factor with the pooled within-arm covariance, (draw,)."""
    return 1 - np.exp(-2 * mutual_information(arms.pooled, 1))


def mutual_information(covariance: np.ndarray, first: int) -> np.ndarray:
    """I = (log|S_SS| + log|S_TT| - log|S|) / 2 of a normal's first `first` components and the others.

    Parameters
    ----------
    covariance : (..., n, n)
    first : int

    Returns
    -------
    ndarray (...)
        Infinite where a combination of one is a combination of the other.
    """
    parts = (covariance[..., :first, :first], covariance[..., first:, first:], covariance)
    with np.errstate(invalid="ignore"):  # without persons: NaN
        own, other, both = (np.linalg.slogdet(part)[1] for part in parts)
    return (own + other - both) / 2
