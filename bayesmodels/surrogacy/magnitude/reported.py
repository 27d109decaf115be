"""A trial's own line from the origin by its two reported effects, with Fieller's limits in closed form.

With the effects a on the surrogate and b on the outcome, normal with known variances v_a and v_b and covariance c,
Fieller's set of the ratio of the true effects holds every r for which b - r a lies within z standard errors of 0:

    (a^2 - z^2 v_a) r^2 - 2 (a b - z^2 c) r + b^2 - z^2 v_b <= 0

It is an interval only where a lies more than z standard errors from 0. Otherwise it is all ratios but an interval, or
every ratio. Quantiles of draws of the ratio are near these limits only where the sign of a is certain. Source: Fieller
1954, J R Stat Soc B 16: 175-185.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from bayesmodels.surrogacy.criteria.relative_effect import RatioSet


@dataclass(frozen=True)
class ReportedEffects:
    """A trial's effects on surrogate (ln) and outcome as reported, and what they imply in proportion.

    Parameters
    ----------
    surrogate, outcome : float
        Estimates.
    surrogate_se, outcome_se : float
        Standard errors.
    within : float
        Correlation of the two estimates.
    """

    surrogate: float
    surrogate_se: float
    outcome: float
    outcome_se: float
    within: float = 0.0

    @classmethod
    def of(cls, row: Mapping[Hashable, Any]) -> ReportedEffects:
        """From a row of a table of trials; a correlation that is not stated is taken as 0."""
        within = float(row["within_correlation"])
        return cls(
            surrogate=float(row["surrogate_estimate"]),
            surrogate_se=float(row["surrogate_se"]),
            outcome=float(row["outcome_estimate"]),
            outcome_se=float(row["outcome_se"]),
            within=within if math.isfinite(within) else 0.0,
        )

    @property
    def ratio(self) -> float:
        """Effect on the outcome for each ln of effect on the surrogate."""
        return self.outcome / self.surrogate

    def fieller(self, prob: float) -> RatioSet:
        """Fieller's set of the ratio.

        Parameters
        ----------
        prob : float
            Confidence level.
        """
        z2 = NormalDist().inv_cdf((1 + prob) / 2) ** 2
        square = self.surrogate**2 - z2 * self.surrogate_se**2
        half = self.surrogate * self.outcome - z2 * self._covariance
        root = half**2 - square * (self.outcome**2 - z2 * self.outcome_se**2)
        if square == 0 or root <= 0:
            return RatioSet("everything", math.nan, math.nan)
        lower, upper = sorted((half + side * math.sqrt(root)) / square for side in (-1, 1))
        return RatioSet("interval" if square > 0 else "outside", lower, upper)

    def limits(self, effect: float, prob: float) -> tuple[float, float, float]:
        """Ratio of the estimates and Fieller's limits, times an effect on the surrogate; NaN where unbounded."""
        found = self.fieller(prob)
        if not found.bounded:
            return self.ratio * effect, math.nan, math.nan
        lower, upper = sorted((found.lower * effect, found.upper * effect))
        return self.ratio * effect, lower, upper

    def beyond(self, effect: float, margin: float, good: float) -> float:
        """One-sided confidence that the effect on the outcome, turned so that + is good, exceeds a margin.

        It reaches (1 + prob) / 2 where Fieller's interval at `prob` leaves the margin out. good b effect / a > margin
        is good b effect > margin a, turned where a is below 0.
        """
        sign, k = math.copysign(1.0, self.surrogate), good * effect
        mean = sign * (k * self.outcome - margin * self.surrogate)
        variance = (k * self.outcome_se) ** 2 + (margin * self.surrogate_se) ** 2 - 2 * k * margin * self._covariance
        return NormalDist().cdf(mean / math.sqrt(variance))

    @property
    def _covariance(self) -> float:
        return self.within * self.surrogate_se * self.outcome_se
