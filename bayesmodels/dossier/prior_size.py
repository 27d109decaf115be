"""How much a prior says, counted in persons of the trial: its effective sample size, from draws alone.

Of a quantity with prior variance v0 and posterior variance v1 after n persons, the precision that the persons gave is
1 / v1 - 1 / v0. One person gave the n-th part of it, and the prior is worth

    (1 / v0) / ((1 / v1 - 1 / v0) / n) = n v1 / (v0 - v1)

persons. This is the precision ratio of Neuenschwander, Weber, Schmidli and O'Hagan (2020, Biometrics 76:578-587):
prior precision over the information of one person, the latter taken from the fit. Where prior and likelihood are normal
it equals the expected local-information-ratio (ELIR) of the same paper and the size of Morita, Thall and Müller (2008,
Biometrics 64:595-602); for a conjugate normal prior Normal(m, s^2 / n0) it is n0. Elsewhere it is an approximation by
normal distributions with the same variances.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

LEVEL = 0.95
"""Of the interval whose width stands for the SD in `PriorSize.by_width`."""


@dataclass(frozen=True)
class PriorSize:
    """Effective sample size of a prior for one quantity.

    Parameters
    ----------
    persons : float
        From the two variances; NaN where the posterior is not narrower than the prior.
    error : float
        Its Monte-Carlo standard error.
    by_width : float
        The same with SDs from the widths of 95 % equal-tailed intervals. Where it is far from `persons` the prior or
        the posterior is far from normal, and neither is to be trusted.
    variance_ratio : float
        Posterior over prior variance.
    """

    persons: float
    error: float
    by_width: float
    variance_ratio: float


def prior_size(prior: np.ndarray, posterior: np.ndarray, persons: float, effective: float = math.nan) -> PriorSize:
    """Effective sample size of the prior of a quantity, in persons of the trial.

    The persons' information about the quantity is what its posterior says beyond its prior. Priors of other parameters
    that inform it are counted with the persons, so that the size is of this quantity's own prior and no more.

    Parameters
    ----------
    prior, posterior : ndarray (draw,)
        Independent draws of the prior; draws of the posterior. Undefined ones are left out.
    persons : float
        Whom the posterior is from.
    effective : float
        Effective number of the posterior's draws; default all of them.

    Returns
    -------
    PriorSize
    """
    before, after = (values[np.isfinite(values)] for values in (np.asarray(prior, float), np.asarray(posterior, float)))
    if len(before) < 2 or len(after) < 2 or not persons > 0:
        return PriorSize(math.nan, math.nan, math.nan, math.nan)
    ratio = float(after.var(ddof=1) / before.var(ddof=1)) if np.ptp(before) > 0 else math.nan
    widths = [np.diff(np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))[0] for values in (before, after)]
    scaled = [width / (2 * NormalDist().inv_cdf((1 + LEVEL) / 2)) for width in widths]
    by_width = float((scaled[1] / scaled[0]) ** 2) if scaled[0] > 0 else math.nan
    n = effective if math.isfinite(effective) else len(after)
    of_ratio = ratio * math.sqrt(_relative_variance(before, len(before)) + _relative_variance(after, n))
    error = persons * of_ratio / (1 - ratio) ** 2 if ratio < 1 else math.nan
    return PriorSize(_size(ratio, persons), error, _size(by_width, persons), ratio)


def _size(ratio: float, persons: float) -> float:
    return persons * ratio / (1 - ratio) if ratio < 1 else math.nan


def _relative_variance(values: np.ndarray, n: float) -> float:
    """Variance of the logarithm of a sample variance: (kurtosis - 1) / n (delta method)."""
    away = values - values.mean()
    spread = (away**2).mean()
    return float(((away**4).mean() / spread**2 - 1) / n) if spread > 0 else math.nan
