"""Posterior of a difference from its estimate, standard error and degrees of freedom, with a normal prior; no sampler.

    estimate | difference ~ Student(df, difference, se),   difference ~ Normal(prior_mean, prior_sd)

The Student likelihood is what least squares leaves of a difference once the other coefficients (flat priors) and the
residual variance (prior 1 / variance) are integrated out; a flat prior of the difference gives Student's interval, a
known variance (df infinite) the conjugate normal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import optimize
from scipy.special import gammaincinv, gammaln, ndtr, ndtri, stdtr, stdtrit

from bayesmodels.statistics.followup import Array

SCALES = 64
"""Points of the scale mixture that a Student likelihood is, equally spaced in the logarithm of the precision."""

TAIL = 1e-12
"""Probability of the precision left out at either end."""


@dataclass(frozen=True)
class DifferencePosterior:
    """Posterior of a difference.

    Parameters
    ----------
    estimate, se : float
        Of the data alone; `se` above 0.
    df : float
        Degrees of freedom of `se`; inf where the variance is known.
    prior_mean, prior_sd : float
        Normal prior; `prior_sd` inf is a flat one.
    """

    estimate: float
    se: float
    df: float = np.inf
    prior_mean: float = 0.0
    prior_sd: float = np.inf

    @cached_property
    def _normals(self) -> tuple[Array, Array, Array]:
        """Weight, mean and SD of the normals whose mixture the posterior is, given a proper prior."""
        if np.isinf(self.df):
            g, log_weight = np.ones(1), np.zeros(1)
        else:  # Student is normal with precision g / se^2, g ~ Gamma(df / 2, rate df / 2)
            half = self.df / 2
            low, high = gammaincinv(half, [TAIL, 1 - TAIL]) / half
            g = np.exp(np.linspace(np.log(low), np.log(high), SCALES))
            log_weight = half * np.log(half) - gammaln(half) + half * np.log(g) - half * g
        variance = self.se**2 / g
        spread = variance + self.prior_sd**2
        log_weight = log_weight - 0.5 * np.log(spread) - 0.5 * (self.estimate - self.prior_mean) ** 2 / spread
        weight = np.exp(log_weight - log_weight.max())
        shrunken = self.prior_sd**2 / spread
        mean = self.prior_mean + shrunken * (self.estimate - self.prior_mean)
        return weight / weight.sum(), mean, np.sqrt(shrunken * variance)

    @property
    def mean(self) -> float:
        """Posterior mean; NaN where it does not exist (flat prior, one degree of freedom)."""
        if np.isinf(self.prior_sd):
            return self.estimate if self.df > 1 else float("nan")
        weight, mean, _ = self._normals
        return float(weight @ mean)

    @property
    def sd(self) -> float:
        """Posterior SD; NaN where it does not exist (flat prior, two degrees of freedom or fewer)."""
        if np.isinf(self.prior_sd):
            if np.isinf(self.df):
                return self.se
            return self.se * float(np.sqrt(self.df / (self.df - 2))) if self.df > 2 else float("nan")
        weight, mean, sd = self._normals
        return float(np.sqrt(weight @ (sd**2 + mean**2) - (weight @ mean) ** 2))

    def below(self, value: float) -> float:
        """Probability that the difference is below a value.

        Parameters
        ----------
        value : float
        """
        if np.isinf(self.prior_sd):
            z = (value - self.estimate) / self.se
            return float(ndtr(z) if np.isinf(self.df) else stdtr(self.df, z))
        weight, mean, sd = self._normals
        return float(weight @ ndtr((value - mean) / sd))

    def quantile(self, probability: float) -> float:
        """Value with this probability below.

        Parameters
        ----------
        probability : float
            Between 0 and 1.
        """
        if np.isinf(self.prior_sd):
            z = ndtri(probability) if np.isinf(self.df) else stdtrit(self.df, probability)
            return float(self.estimate + self.se * z)
        _, mean, sd = self._normals
        reach = (12 + abs(ndtri(probability))) * sd.max()
        return float(optimize.brentq(lambda v: self.below(v) - probability, mean.min() - reach, mean.max() + reach))


def predictive_probability(
    posterior: DifferencePosterior, fraction: float, *, beyond: float, sign: int, probability: float
) -> float:
    """Probability that the final analysis will succeed, given what an interim one knows; variances taken as known.

    The final posterior mean is Normal(mean now, variance now - final variance); success is P(difference beyond
    `beyond` in the good direction) > `probability`.

    Parameters
    ----------
    posterior : DifferencePosterior
        At the interim look.
    fraction : float
        Share of the final information that it rests on, above 0 and below 1.
    beyond : float
    sign : {1, -1}
        1 where a positive difference is good.
    probability : float
        Threshold of the final analysis.
    """
    prior = 0.0 if np.isinf(posterior.prior_sd) else posterior.prior_sd**-2
    now, final = 1 / (posterior.se**-2 + prior), 1 / (posterior.se**-2 / fraction + prior)
    mean = now * (posterior.estimate * posterior.se**-2 + posterior.prior_mean * prior)
    gap = sign * (mean - beyond) - ndtri(probability) * np.sqrt(final)
    return float(ndtr(gap / np.sqrt(now - final)))
