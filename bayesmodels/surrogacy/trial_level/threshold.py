"""Surrogate threshold effect: the effect on the surrogate from which on an effect on the outcome is predicted.

STE at level q: the smallest effect on the surrogate, in its good direction, such that for it and every larger one
P(outcome effect of a new trial better than the margin) >= q. Source: Burzykowski and Buyse (2006), doi:10.1002/pst.207;
from posterior draws, so that the uncertainty of the regression enters besides the spread about it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, stats

from bayesmodels.surrogacy.trial_level.draws import TrialDraws

LEVELS = (0.975, 0.95, 0.90, 0.80)
"""One-sided probabilities; .975 is the limit of a 95 % interval (IQWiG: proof), .90 of an 80 % interval (hint)."""

POINTS = 160
REACH = 20.0
"""Effects are searched up to so many times the larger of the trials' typical effect and spread on the surrogate."""

MOST_DRAWS = {"normal": 20_000, "t": 1_000}
ZERO = "the threshold is 0: benefit is predicted even without an effect on the surrogate"
SIGNS = {"up": 1.0, "down": -1.0}


@dataclass(frozen=True)
class Threshold:
    """Surrogate threshold effect at one level and margin.

    Attributes
    ----------
    level, margin : float
        Probability, and the minimal important difference in the outcome's unit (good direction).
    surrogate_effect_known : bool
    surrogate_se : float
        Standard error of the new trial's surrogate effect; 0 where it is known.
    surrogate_effect : float or None
        With its sign; None where no threshold exists.
    ranges : tuple of (float, float)
        All ranges of surrogate effects, in the good direction, over which the probability is at least the level; more
        than one where the probability crosses the level more than twice; the last may be open (inf).
    limit : float
        Probability that ever larger surrogate effects approach (`limit_of`); no threshold exists where it is below
        the level.
    reason : str
        Why there is none; blank where there is.
    """

    level: float
    margin: float
    surrogate_effect_known: bool
    surrogate_se: float
    surrogate_effect: float | None
    ranges: tuple[tuple[float, float], ...]
    limit: float
    reason: str = ""

    def sentence(self) -> str:
        """Say the threshold, or that there is none and why."""
        if self.surrogate_effect is None:
            return f"At {self.level:.1%} there is no surrogate threshold effect: {self.reason}."
        if self.surrogate_effect == 0:
            return f"At {self.level:.1%} {ZERO}."
        return f"At {self.level:.1%} the surrogate threshold effect is {self.surrogate_effect:.3g}."


def benefit_curve(
    draws: TrialDraws, effects: np.ndarray, outcome_good: str, margin: float = 0.0, se: float = 0.0
) -> np.ndarray:
    """P(outcome effect of a new trial better than the margin), by its surrogate effect.

    Parameters
    ----------
    draws : TrialDraws
    effects : array (effect,)
    outcome_good : {"up", "down"}
    margin : float
        In the good direction, 0 or more.
    se : float
        Standard error of the surrogate effects; 0 where known.
    """
    sign = SIGNS[outcome_good]
    return np.array([draws.beyond(float(effect), margin, sign, se) for effect in effects])


def threshold(
    draws: TrialDraws,
    level: float,
    surrogate_good: str,
    outcome_good: str,
    *,
    margin: float = 0.0,
    se: float = 0.0,
) -> Threshold:
    """Surrogate threshold effect.

    Parameters
    ----------
    draws : TrialDraws
    level : float
        Probability of benefit that is asked for.
    surrogate_good, outcome_good : {"up", "down"}
    margin : float
        Minimal important difference, in the good direction of the outcome.
    se : float
        Standard error of the new trial's surrogate effect; 0: known.
    """
    few = draws.thinned(MOST_DRAWS["normal" if np.isinf(draws.degrees_of_freedom) else "t"])
    sign_s, sign_t = SIGNS[surrogate_good], SIGNS[outcome_good]
    limit = limit_of(draws, sign_s * sign_t)
    typical = max(float(np.median(np.abs(draws.mean_s))), float(np.median(draws.sd_s)))
    sizes = np.concatenate([[0.0], np.geomspace(typical * 1e-3, typical * REACH, POINTS)])

    def excess(size: float) -> float:
        return few.beyond(sign_s * size, margin, sign_t, se) - level

    values = np.array([excess(size) for size in sizes])
    ranges = _ranges(sizes, values, excess)
    if ranges and np.isinf(ranges[-1][1]) and limit < level:  # it holds as far as was searched, not for ever
        ranges = (*ranges[:-1], (ranges[-1][0], float(sizes[-1])))
    found = None if not ranges or np.isfinite(ranges[-1][1]) else ranges[-1][0]
    reason = "" if found is not None else _reason(limit, level, margin, sizes[-1])
    effect = None if found is None else sign_s * found + 0.0
    return Threshold(level, margin, se == 0, se, effect, ranges, limit, reason)


def limit_of(draws: TrialDraws, sign: float) -> float:
    """P(outcome effect is good) as a known surrogate effect grows without end; `sign` of a slope that helps.

    Of normal effects, that of a slope of the right sign. Of t effects the spread about the line grows with the effect:
    the mean over draws of P(T < sqrt(nu + 1) rho / sqrt(1 - rho^2)), T a t with nu + 1 degrees of freedom.
    """
    nu = draws.degrees_of_freedom
    if np.isinf(nu):
        return float(np.mean(sign * draws.slope > 0))
    return float(stats.t(nu + 1).cdf(np.sqrt(nu + 1) * sign * draws.rho / np.sqrt(1 - draws.r2)).mean())


def threshold_table(
    draws: TrialDraws,
    surrogate_good: str,
    outcome_good: str,
    *,
    margins: tuple[float, ...] = (0.0,),
    ses: tuple[float, ...] = (0.0,),
    levels: tuple[float, ...] = LEVELS,
) -> pd.DataFrame:
    """Thresholds over levels, margins and standard errors of the surrogate effect; one row each (`Threshold`)."""
    rows = [
        threshold(draws, level, surrogate_good, outcome_good, margin=margin, se=se)
        for se in ses
        for margin in margins
        for level in levels
    ]
    return pd.DataFrame(
        [{k: getattr(row, k) for k in Threshold.__dataclass_fields__} for row in rows],
        columns=list(Threshold.__dataclass_fields__),
    )


def _ranges(sizes: np.ndarray, values: np.ndarray, excess: Callable[[float], float]) -> tuple[tuple[float, float], ...]:
    """Where the excess is not negative, ends by bisection; the last is open if it holds at the end of the search."""
    inside = values >= 0
    edges = []
    for k in np.flatnonzero(inside[1:] != inside[:-1]):
        edges.append(float(optimize.brentq(excess, sizes[k], sizes[k + 1], xtol=1e-9)))
    if inside[0]:
        edges.insert(0, 0.0)
    if inside[-1]:
        edges.append(np.inf)
    return tuple(zip(edges[::2], edges[1::2], strict=True))


def _reason(limit: float, level: float, margin: float, last: float) -> str:
    if limit < level:
        return (
            f"the probability that a larger effect on the surrogate goes with a better outcome at all is {limit:.3f}, "
            f"below {level:g}, however large the effect"
        )
    what = f"a benefit above {margin:g}" if margin else "benefit"
    return f"the probability of {what} is below {level:g} at an effect of {last:.3g}, where the search ends"
