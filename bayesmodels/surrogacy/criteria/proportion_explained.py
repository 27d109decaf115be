"""Proportion of the effect on the outcome that the surrogate explains (Freedman 1992): 1 - beta_S / beta.

A ratio, not a proportion: values outside 0 to 1 occur, its mean does not exist, and with beta near zero it says
nothing, so it is withheld unless the outcome's effect is separated from zero. Without draws of true values, measurement
error in the surrogate pulls it towards zero; latent scales correct that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bayesmodels.posterior.intervals import probability
from bayesmodels.surrogacy.criteria.arms import Arms


@dataclass(frozen=True)
class ProportionExplained:
    """Draws of the proportion explained, or why it is withheld.

    Parameters
    ----------
    draws : (draw,)
        Always there, for audit; not to be read where `withheld`.
    withheld : str
        Blank where it is given.
    median, lower, upper : float
        Equal-tailed interval; NaN where withheld.
    shortest : (float, float)
        Highest-density interval of the same probability.
    above_half, inside_unit : float
        P(PE > 0.5), P(0 < PE < 1).
    probability_favours : float
        That the effect on the outcome favours the drug: the guard of the denominator.
    """

    draws: np.ndarray
    withheld: str
    median: float
    lower: float
    upper: float
    shortest: tuple[float, float]
    above_half: float
    inside_unit: float
    probability_favours: float

    def note(self, level: float) -> str:
        """Shortest interval and probabilities, or why it is withheld; for a table."""
        if self.withheld:
            return f"withheld: {self.withheld}"
        low, high = self.shortest
        return (
            f"shortest {100 * level:g} % interval {low:.2f} to {high:.2f}; P(above 0.5) {self.above_half:.2f}, "
            f"P(0 to 1) {self.inside_unit:.2f}"
        )

    def sentence(self) -> str:
        """Median and interval, or why they are withheld."""
        if self.withheld:
            return f"proportion explained withheld: {self.withheld}"
        return f"proportion explained {self.median:.2f} ({self.lower:.2f} to {self.upper:.2f})"


def proportion_explained(
    arms: Arms, level: float = 0.95, guard: float = 0.975, design: str = ""
) -> ProportionExplained:
    """Proportion explained, with its denominator guarded.

    Parameters
    ----------
    arms : Arms
    level : float
        Probability of the intervals.
    guard : float
        Withheld below this probability that the outcome's effect favours the drug: the ratio is unstable where
        that may be 0.
    design : str
        Why the design or the fit cannot say, which withholds it too; blank where it can.
    """
    return guarded_share(arms.beta - arms.residual_effect, arms.beta, float(arms.good[1]), level, guard, design)


def guarded_share(
    part: np.ndarray, whole: np.ndarray, sign: float, level: float, guard: float, design: str = ""
) -> ProportionExplained:
    """part / whole by draw, withheld where the whole is not separated from zero or the design cannot say.

    `sign` turns it so that + is good.
    """
    nan, favours = math.nan, probability(sign * whole > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = part / whole
    if design or favours < guard:
        why = design or (
            f"denominator not separated from 0, the effect on the outcome favours the drug with probability "
            f"{favours:.2f}, needed {guard:g}"
        )
        return ProportionExplained(share, why, nan, nan, nan, (nan, nan), nan, nan, favours)
    known = share[~np.isnan(share)]  # 0 / 0 while a lag holds both effects at zero
    if not len(known):
        return ProportionExplained(share, "persons do not vary", nan, nan, nan, (nan, nan), nan, nan, favours)
    tail = (1 - level) / 2
    lower, median, upper = np.quantile(known, [tail, 0.5, 1 - tail], method="inverted_cdf").tolist()
    inside = probability((known > 0) & (known < 1))
    return ProportionExplained(
        share, "", median, lower, upper, shortest(known, level), probability(known > 0.5), inside, favours
    )


def shortest(values: np.ndarray, level: float) -> tuple[float, float]:
    """Shortest interval that holds a share `level` of the draws."""
    import arviz_stats  # late: 1 s

    lower, upper = arviz_stats.hdi(values[np.isfinite(values)], prob=level)
    return float(lower), float(upper)
