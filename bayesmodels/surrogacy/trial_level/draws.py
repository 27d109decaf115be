"""Draws of a trial-level posterior, and what they predict for a trial whose effect on the surrogate is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import optimize, special, stats

from bayesmodels.posterior.archive import require

Array = npt.NDArray[np.float64]

VARIABLES = ("trial_mean", "trial_sd", "trial_correlation")
SCALES = 48
"""Points of the scale mixture of t-distributed effects, equally spaced in log g between a draw's own extremes."""

TAIL = 1e-9
"""Probability of g left out at either end."""


@dataclass(frozen=True)
class Mixture:
    """A mixture of normals: the predictive distribution of an effect over posterior draws.

    Attributes
    ----------
    mean, sd, weight : array (component,)
        Weights sum to one.
    """

    mean: Array
    sd: Array
    weight: Array

    def cdf(self, value: float) -> float:
        """Probability below a value."""
        return float(self.weight @ stats.norm.cdf((value - self.mean) / self.sd))

    def quantile(self, probability: float) -> float:
        """Value with this probability below."""
        reach = 12 * self.sd.max()
        low, high = self.mean.min() - reach, self.mean.max() + reach
        return float(optimize.brentq(lambda value: self.cdf(value) - probability, low, high, xtol=1e-9))

    def interval(self, prob: float) -> tuple[float, float, float]:
        """Median and equal-tailed limits."""
        tail = (1 - prob) / 2
        return self.quantile(0.5), self.quantile(tail), self.quantile(1 - tail)


@dataclass(frozen=True)
class TrialDraws:
    """Draws of the distribution of true effects over trials.

    Attributes
    ----------
    mean_s, mean_t, sd_s, sd_t, rho : array (draw,)
        Means, SDs (scales where the effects are t) and correlation; s surrogate, t outcome.
    degrees_of_freedom : float
        inf where the effects are normal.
    """

    mean_s: Array
    mean_t: Array
    sd_s: Array
    sd_t: Array
    rho: Array
    degrees_of_freedom: float = np.inf

    @classmethod
    def of(cls, tree: xr.DataTree, group: str = "posterior") -> TrialDraws:
        """The draws of an archive's posterior, or of its prior.

        Raises
        ------
        MissingVariable
            The posterior is not of a trial-level model.
        """
        require(tree, VARIABLES)
        return cls.from_dataset(tree[group].to_dataset())

    @classmethod
    def from_dataset(cls, draws: xr.Dataset) -> TrialDraws:
        """From published variables with dims (chain, draw, ...)."""
        nu = float(draws["trial_degrees_of_freedom"].max()) if "trial_degrees_of_freedom" in draws else np.inf

        def flat(name: str, endpoint: str | None = None) -> Array:
            chosen = draws[name] if endpoint is None else draws[name].sel(endpoint=endpoint)
            return chosen.transpose("chain", "draw").to_numpy().ravel()

        return cls(
            flat("trial_mean", "surrogate"),
            flat("trial_mean", "outcome"),
            flat("trial_sd", "surrogate"),
            flat("trial_sd", "outcome"),
            flat("trial_correlation"),
            nu,
        )

    @property
    def r2(self) -> Array:
        """Squared correlation of the true effects."""
        return self.rho**2

    @property
    def slope(self) -> Array:
        """Effect on the outcome per effect on the surrogate."""
        return self.rho * self.sd_t / self.sd_s

    @property
    def intercept(self) -> Array:
        """Effect on the outcome without one on the surrogate."""
        return self.mean_t - self.slope * self.mean_s

    @property
    def conditional_sd(self) -> Array:
        """SD (scale) of the effect on the outcome given that on the surrogate."""
        return self.sd_t * np.sqrt(1 - self.r2)

    def thinned(self, most: int) -> TrialDraws:
        """At most so many draws, evenly spaced."""
        step = max(1, -(-len(self.rho) // most))
        return self.chosen(np.arange(0, len(self.rho), step))

    def chosen(self, places: npt.NDArray[np.intp]) -> TrialDraws:
        """The draws at these places."""
        return TrialDraws(
            self.mean_s[places],
            self.mean_t[places],
            self.sd_s[places],
            self.sd_t[places],
            self.rho[places],
            self.degrees_of_freedom,
        )

    def beyond(self, surrogate_effect: float, limit: float, sign: float, se: float = 0.0) -> float:
        """Probability that a new trial's true outcome effect lies beyond a limit, given its surrogate effect.

        Parameters
        ----------
        surrogate_effect : float
            Taken at its face value, not shrunken towards the mean of the trials: what a threshold effect is about.
        limit : float
            In the good direction of the outcome.
        sign : {1, -1}
            Sign of an outcome effect that is good: P(sign * beta > limit).
        se : float
            Standard error of the surrogate effect; 0 where it is known.
        """
        return 1.0 - self._predicted(surrogate_effect, se, sign).cdf(limit)

    def predicted(self, surrogate_effect: float, se: float = 0.0) -> Mixture:
        """Distribution of a new trial's true outcome effect, given its surrogate effect at face value."""
        return self._predicted(surrogate_effect, se, 1.0)

    def _predicted(self, effect: float, se: float, sign: float) -> Mixture:
        centre = sign * (self.intercept + self.slope * effect)
        error = (self.slope * se) ** 2
        if np.isinf(self.degrees_of_freedom):
            return _even(centre, np.sqrt(self.conditional_sd**2 + error))
        g, weight = self._scales(effect, 0.0)
        sd = np.sqrt(self.conditional_sd[:, None] ** 2 / g + error[:, None])
        return Mixture(np.broadcast_to(centre[:, None], sd.shape).ravel(), sd.ravel(), weight.ravel())

    def of_a_trial(
        self,
        surrogate_effect: float,
        surrogate_se: float,
        outcome_se: float | None = None,
        within: float | Array = 0.0,
    ) -> Mixture:
        """Distribution of the outcome effect of a trial like these, given its estimated surrogate effect.

        Parameters
        ----------
        surrogate_effect, surrogate_se : float
            Estimate; the true effect is shrunken towards the trials' mean, since the trial is one of their kind.
        outcome_se : float, optional
            Given: of the estimate that such a trial would find; else of its true effect.
        within : float or array (draw,)
            Correlation of the two estimates.
        """
        if np.isinf(self.degrees_of_freedom):
            g, weight = np.ones(1), np.full((len(self.rho), 1), 1 / len(self.rho))
        else:
            g, weight = self._scales(surrogate_effect, surrogate_se)
        error = 0.0 if outcome_se is None else np.atleast_1d(within)[:, None] * surrogate_se * outcome_se
        extra = 0.0 if outcome_se is None else outcome_se**2
        variance_s = self.sd_s[:, None] ** 2 / g + surrogate_se**2
        covariance = (self.rho * self.sd_s * self.sd_t)[:, None] / g + error
        mean = self.mean_t[:, None] + covariance / variance_s * (surrogate_effect - self.mean_s[:, None])
        variance = self.sd_t[:, None] ** 2 / g + extra - covariance**2 / variance_s
        return Mixture(mean.ravel(), np.sqrt(np.maximum(variance, 1e-300)).ravel(), weight.ravel())

    def log_density(self, surrogate_effect: float, surrogate_se: float) -> Array:
        """Log density of a further trial's estimate of its surrogate effect under every draw, (draw,).

        Parameters
        ----------
        surrogate_effect, surrogate_se : float
        """
        if np.isinf(self.degrees_of_freedom):
            sd = np.sqrt(self.sd_s**2 + surrogate_se**2)
            return np.asarray(stats.norm.logpdf(surrogate_effect, self.mean_s, sd))
        g, log_weight = self._log_scales(surrogate_effect, surrogate_se)
        step = np.log(g[:, 1] / g[:, 0])
        return np.asarray(special.logsumexp(log_weight, axis=1) + np.log(step))

    def _scales(self, effect: float, se: float) -> tuple[Array, Array]:
        """Values of g (draw, scale) and their weights given a surrogate effect, estimated with error or known."""
        g, log_weight = self._log_scales(effect, se)
        weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
        return g, weight / weight.sum(axis=1, keepdims=True) / len(g)

    def _log_scales(self, effect: float, se: float) -> tuple[Array, Array]:
        """Values of g (draw, scale) and the log of their joint density with the surrogate effect, by log g.

        The trapezoidal rule in log g over each draw's own range: given a known effect d scales away, g is
        Gamma((nu + 1) / 2, rate (nu + d^2) / 2), so far trials live at small g.
        """
        nu = self.degrees_of_freedom
        distance = np.abs(effect - self.mean_s) / self.sd_s
        given = stats.gamma((nu + 1) / 2, scale=2 / (nu + distance**2))
        prior = stats.gamma(nu / 2, scale=2 / nu)
        low, high = np.minimum(given.ppf(TAIL), prior.ppf(TAIL)), np.maximum(given.isf(TAIL), prior.isf(TAIL))
        g = np.exp(np.linspace(np.log(low), np.log(high), SCALES, axis=1))
        sd = np.sqrt(self.sd_s[:, None] ** 2 / g + se**2)
        return g, prior.logpdf(g) + np.log(g) + stats.norm.logpdf(effect, self.mean_s[:, None], sd)


def limits(values: Array, prob: float) -> tuple[float, float, float]:
    """Median and equal-tailed limits of draws."""
    tail = (1 - prob) / 2
    median, lower, upper = np.quantile(values, [0.5, tail, 1 - tail])
    return float(median), float(lower), float(upper)


def _even(mean: Array, sd: Array) -> Mixture:
    return Mixture(mean, np.maximum(sd, 1e-150), np.full(len(mean), 1 / len(mean)))
