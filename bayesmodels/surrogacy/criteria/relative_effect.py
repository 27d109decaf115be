"""Relative effect beta / alpha of one trial (Buyse and Molenberghs 1998), with sets that may be unbounded.

It predicts the effect on the outcome of a new trial only if effects on both endpoints are proportional across trials,
with a line through the origin: an assumption that one trial cannot test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bayesmodels.posterior.intervals import probability
from bayesmodels.surrogacy.criteria.arms import Arms


@dataclass(frozen=True)
class RatioSet:
    """A confidence or credible set of a ratio.

    Parameters
    ----------
    kind : {"interval", "outside", "everything"}
        "outside": all ratios except those between the limits; "everything": the real line. Both are unbounded.
    lower, upper : float
        Limits; NaN where there are none.
    """

    kind: Literal["interval", "outside", "everything"]
    lower: float
    upper: float

    @property
    def bounded(self) -> bool:
        """Whether the set is an interval."""
        return self.kind == "interval"

    def sentence(self) -> str:
        """The set in words."""
        if self.bounded:
            return f"{self.lower:.3g} to {self.upper:.3g}"
        if self.kind == "outside":
            return f"unbounded: below {self.lower:.3g} or above {self.upper:.3g}"
        return "unbounded: no ratio is excluded"


@dataclass(frozen=True)
class RelativeEffect:
    """Draws of beta / alpha, outcome units per surrogate unit.

    Parameters
    ----------
    draws : (draw,)
    median : float
    set : RatioSet
        Equal-tailed credible set; "everything" where the sign of alpha is not known.
    probability_alpha_sign : float
        Probability of the likelier sign of alpha.
    """

    draws: np.ndarray
    median: float
    set: RatioSet
    probability_alpha_sign: float

    def sentence(self) -> str:
        """Median and set in words."""
        return f"relative effect {self.median:.3g} ({self.set.sentence()})"


def relative_effect(arms: Arms, level: float = 0.95, sign_probability: float = 0.975) -> RelativeEffect:
    """Relative effect of a trial, from draws.

    Parameters
    ----------
    arms : Arms
    level : float
        Probability of the equal-tailed set.
    sign_probability : float
        Below this probability of the likelier sign of alpha the set is reported as unbounded, as
        Fieller's is where the denominator may be 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = arms.beta / arms.alpha
    sign = max(probability(arms.alpha > 0), probability(arms.alpha < 0))
    tail = (1 - level) / 2
    defined = ratio[~np.isnan(ratio)]  # 0 / 0 while a lag holds both effects at zero
    edges = [tail, 0.5, 1 - tail]
    limits = np.quantile(defined, edges, method="inverted_cdf") if len(defined) else np.full(3, math.nan)
    lower, median, upper = limits.tolist()
    known = sign >= sign_probability
    found = RatioSet("interval", lower, upper) if known else RatioSet("everything", math.nan, math.nan)
    return RelativeEffect(ratio, median, found, sign)
