"""`Magnitude`: what a stated reduction of the surrogate implies for an outcome, a row per level of evidence.

A reduction x of a surrogate on the log scale is the effect ln(1 - x). Levels are kept apart: trials predict a new
trial; one trial, and a link that a model assumes, give a number only under an assumption that one trial cannot test;
persons of an arm give an association, which is no effect of any drug.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayesmodels.html_tables import html_table
from bayesmodels.posterior.wording import chance, estimate
from bayesmodels.surrogacy.trial_level.draws import TrialDraws, limits

Array = npt.NDArray[np.float64]
Name = Literal["trials", "one trial", "link", "persons"]
IntervalKind = Literal["eti", "eti_predictive", "ci"]

NOT_ASKED = "not asked: an association, no effect"
"""Of the smallest reduction that would suffice, on the individual level."""

LARGEST = 0.99
"""Reduction up to which a sufficient one is looked for."""

SEARCHED = np.concatenate([[0.001], np.arange(2, 99, 2) / 100, [LARGEST]])
"""Reductions at which the probability is looked at before the place where it is reached is found by halving."""


def ln_effect(reduction: float) -> float:
    """Effect on the log scale of a reduction given as a fraction: ln(1 - x).

    >>> round(ln_effect(0.6), 4)
    -0.9163
    """
    return math.log1p(-reduction)


def reduction_of(effect: float) -> float:
    """Reduction, as a fraction, of an effect on the log scale: 1 - exp(effect); below 0 for a rise."""
    return -math.expm1(effect)


class Implied(Protocol):
    """Distribution of the effect on an outcome, given an effect on the surrogate."""

    def limits(self, effect: float, prob: float) -> tuple[float, float, float]:
        """Median and equal-tailed limits at an effect on the surrogate (ln)."""
        ...

    def beyond(self, effect: float, margin: float, good: float) -> float:
        """Probability that the effect on the outcome, turned so that + is good (`good` +1 or -1), exceeds a margin.

        Of reported effects the one-sided confidence.
        """
        ...


@dataclass(frozen=True)
class DrawnEffect:
    """Draws of the effect on the outcome as a function of the effect on the surrogate.

    Parameters
    ----------
    at : callable
        Effect on the surrogate (ln) to draws (draw,) of that on the outcome.
    """

    at: Callable[[float], Array]

    def limits(self, effect: float, prob: float) -> tuple[float, float, float]:
        """Median and equal-tailed limits over the draws."""
        return limits(self.at(effect), prob)

    def beyond(self, effect: float, margin: float, good: float) -> float:
        """Share of the draws beyond the margin."""
        return float(np.mean(good * self.at(effect) > margin))


@dataclass(frozen=True)
class NewTrial:
    """True effect in a new trial of the kind in a table of trials, its effect on the surrogate known.

    Parameters
    ----------
    draws : TrialDraws
    """

    draws: TrialDraws

    def limits(self, effect: float, prob: float) -> tuple[float, float, float]:
        """Median and prediction limits: errors of the line and spread of trials about it."""
        return self.draws.predicted(effect).interval(prob)

    def beyond(self, effect: float, margin: float, good: float) -> float:
        """Probability that a new trial's effect is beyond the margin."""
        return self.draws.beyond(effect, margin, good)


@dataclass(frozen=True)
class Sufficient:
    """The smallest reduction from which on the interval leaves out a margin, or why there is none.

    Parameters
    ----------
    margin : float
        Of the outcome, in its good direction; 0: any benefit.
    probability : float
        Of a benefit beyond the margin that is asked for: the limit of an equal-tailed interval.
    reduction : float or None
        Smallest reduction such that it, and every larger one, has that probability. 0: every reduction, however small.
        None: does not exist.
    extrapolated : bool
        It lies beyond every reduction observed.
    reason : str
        Why it does not exist; blank where it does.
    """

    margin: float
    probability: float
    reduction: float | None
    extrapolated: bool = False
    reason: str = ""

    @property
    def words(self) -> str:
        """The reduction in percent, "any reduction", or "does not exist"."""
        if self.reduction is None:
            return "does not exist"
        if self.reduction == 0:
            return "any reduction"
        return f"{100 * self.reduction:.0f} %{' (extrapolated)' if self.extrapolated else ''}"


@dataclass(frozen=True)
class Level:
    """What one level of evidence says.

    Parameters
    ----------
    name : {"trials", "one trial", "link", "persons"}
    title : str
        For readers; of one trial of a table with the trial's label.
    endpoint, unit : str
        Of the effect on the outcome, on the scale that it is modelled on.
    good : float
        +1 where a larger effect is good, -1 where a smaller is.
    interval : str
        Kind of the interval, and of what.
    says, assumes : str
        What the number is, and the assumption it stands on.
    interval_kind : {"eti", "eti_predictive", "ci"}
        Equal-tailed of a posterior, equal-tailed of what is predicted, or a confidence interval.
    important : float or None
        Difference in the outcome that would matter, in the good direction; None: not declared, or not asked.
    effect : Implied or None
        None where the level gives no number.
    why_not : str
        Why not; blank where it does.
    observed : (float, float)
        Smallest and largest reduction observed; NaN where there is none.
    observed_words : str
        What they are reductions of.
    line, prior : Implied or None
        Mean of new trials (trial level only); the same distribution before the data.
    ratio : bool
        The effect is the logarithm of a ratio, of hazards or of values, and is shown as a ratio.
    sufficient : tuple of Sufficient
        For any benefit, and for the important difference where it is declared; of "persons" none.
    """

    name: Name
    title: str
    endpoint: str
    unit: str
    good: float
    interval: str
    says: str
    assumes: str
    interval_kind: IntervalKind = "eti"
    important: float | None = None
    effect: Implied | None = None
    why_not: str = ""
    observed: tuple[float, float] = (math.nan, math.nan)
    observed_words: str = ""
    line: Implied | None = None
    prior: Implied | None = None
    ratio: bool = False
    sufficient: tuple[Sufficient, ...] = ()

    @property
    def direction(self) -> str:
        """Which sign favours the drug, or on the individual level the person whose surrogate is lower."""
        whom = "the person with the reduction" if self.name == "persons" else "the drug"
        if self.ratio:
            return f"{'above' if self.good > 0 else 'below'} 1 favours {whom}"
        return f"{'+' if self.good > 0 else '-'} favours {whom}"

    @property
    def shown_unit(self) -> str:
        """Unit of the numbers as they are shown."""
        if not self.ratio:
            return self.unit
        return "hazard ratio" if "hazard" in self.unit or "HR" in self.unit else "ratio"

    def seen(self, reduction: float) -> bool:
        """Whether a reduction lies within those observed; False where these are not known."""
        low, high = self.observed
        return bool(low - 1e-9 <= reduction <= high + 1e-9)

    def extrapolated(self, reduction: float) -> bool:
        """Whether a reduction lies outside those observed; False where these are not known."""
        return not math.isnan(self.observed[1]) and not self.seen(reduction)

    def shown(self, values: tuple[float, float, float]) -> tuple[float, float, float]:
        """Median and limits as they are read: hazard ratios, not their logarithms."""
        return (math.exp(values[0]), math.exp(values[1]), math.exp(values[2])) if self.ratio else values


@dataclass(frozen=True)
class Magnitude:
    """What reductions of a surrogate imply, level by level.

    Parameters
    ----------
    surrogate, outcome : str
        For readers.
    reductions : tuple of float
        As fractions.
    prob : float
        Probability of the intervals.
    levels : tuple of Level
    """

    surrogate: str
    outcome: str
    reductions: tuple[float, ...]
    prob: float
    levels: tuple[Level, ...]

    @property
    def shown(self) -> tuple[Level, ...]:
        """Levels that give a number."""
        return tuple(level for level in self.levels if level.effect is not None)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per level and reduction.

        Columns `level`, `title`, `endpoint`, `reduction`, `surrogate_effect` (ln), `median`, `lower`, `upper`,
        `line_median`, `line_lower`, `line_upper` (mean of new trials; trial level only), `prior_median`, `prior_lower`,
        `prior_upper`, `probability_benefit` (of reported effects the one-sided confidence; NaN of persons, an
        association), `observed` (whether such reductions were), `interval`, `interval_kind`, `unit`, `direction`.
        Hazard ratios are ratios; of reported effects `median` is the ratio of the estimates.
        """
        return pd.DataFrame([self._row(level, x) for level in self.shown for x in self.reductions])

    @cached_property
    def sufficient(self) -> pd.DataFrame:
        """One row per level and question, those without a number among them.

        Columns `level`, `title`, `endpoint`, `margin` (0: any benefit), `probability`, `reduction` (NaN: does not
        exist, or was not asked; 0: every one), `extrapolated`, `reason`, `unit`.
        """
        rows = []
        for level in self.levels:
            none = Sufficient(0.0, (1 + self.prob) / 2, None, reason=level.why_not or NOT_ASKED)
            asked = level.sufficient or (none,)
            for found in asked:
                rows.append(
                    {
                        "level": level.name,
                        "title": level.title,
                        "endpoint": level.endpoint,
                        "margin": found.margin,
                        "probability": found.probability,
                        "reduction": math.nan if found.reduction is None else found.reduction,
                        "extrapolated": found.extrapolated,
                        "reason": found.reason,
                        "unit": level.unit,
                    }
                )
        return pd.DataFrame(rows)

    def sentence(self) -> str:
        """One line per level: the middle reduction, and the smallest that would suffice."""
        return "\n".join(self.line(level) for level in self.levels)

    def line(self, level: Level) -> str:
        """What a level says of the middle one of the reductions, and of the smallest that would suffice."""
        if level.effect is None:
            return f"{level.title}, {level.endpoint}: not shown. {_sentence(level.why_not)}"
        x = sorted(self.reductions)[len(self.reductions) // 2]
        numbers = estimate(*level.shown(level.effect.limits(ln_effect(x), self.prob)))
        smallest = "; ".join(f"{_asked(level, found)}: {found.words}" for found in level.sufficient)
        return (
            f"{level.title}, {100 * x:g} % lower {self.surrogate}: {level.endpoint} {numbers} {level.shown_unit} "
            f"({level.interval}; {level.direction}). Smallest reduction that would suffice"
            + (f" for {smallest}." if level.sufficient else f": {NOT_ASKED}.")
        )

    def _row(self, level: Level, x: float) -> dict[str, object]:
        assert level.effect is not None
        effect = ln_effect(x)
        row: dict[str, float] = {}
        for prefix, implied in (("", level.effect), ("line_", level.line), ("prior_", level.prior)):
            three = (math.nan,) * 3 if implied is None else level.shown(implied.limits(effect, self.prob))
            row |= dict(zip((f"{prefix}median", f"{prefix}lower", f"{prefix}upper"), three, strict=True))
        return {
            "level": level.name,
            "title": level.title,
            "endpoint": level.endpoint,
            "reduction": x,
            "surrogate_effect": effect,
            **row,
            "probability_benefit": math.nan
            if level.name == "persons"
            else level.effect.beyond(effect, 0.0, level.good),
            "observed": level.seen(x),
            "interval": level.interval,
            "interval_kind": level.interval_kind,
            "unit": level.shown_unit,
            "direction": level.direction,
        }

    def _repr_html_(self) -> str:
        from html import escape

        lines = "".join(f"<p>{escape(line)}</p>" for line in self.sentence().splitlines())
        return lines + html_table(self.table, "{:.3g}")


def smallest_reduction(implied: Implied, margin: float, probability: float, good: float) -> float | None:
    """Smallest reduction such that it, and every larger one up to `LARGEST`, has the probability; 0: every one.

    Looked for at `SEARCHED`, then by halving to a hundred-thousandth.

    Parameters
    ----------
    implied : Implied
    margin : float
        In the good direction.
    probability : float
    good : float
    """

    def holds(x: float) -> bool:
        return implied.beyond(ln_effect(x), margin, good) >= probability

    enough = np.array([holds(float(x)) for x in SEARCHED])
    if not enough[-1]:
        return None
    if enough.all():
        return 0.0
    last = int(np.flatnonzero(~enough)[-1])
    low, high = float(SEARCHED[last]), float(SEARCHED[last + 1])
    while high - low > 1e-5:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def sufficient(level: Level, prob: float) -> tuple[Sufficient, ...]:
    """For any benefit, and for the level's important difference where it is declared; of "persons" none is asked for.

    Parameters
    ----------
    level : Level
        With an effect.
    prob : float
        Of the interval that must leave the margin out.
    """
    assert level.effect is not None
    if level.name == "persons":
        return ()
    probability = (1 + prob) / 2
    margins = (0.0, level.important) if level.important else (0.0,)
    found = []
    for margin in margins:
        x = smallest_reduction(level.effect, margin, probability, level.good)
        reason = "" if x is not None else why_none(level, margin, probability)
        found.append(Sufficient(margin, probability, x, beyond_observed(level, x), reason))
    return tuple(found)


def beyond_observed(level: Level, reduction: float | None) -> bool:
    """Whether a sufficient reduction is larger than every one observed."""
    return reduction is not None and reduction > level.observed[1] + 1e-9


def why_none(level: Level, margin: float, probability: float) -> str:
    """Why no reduction suffices: the probability at the largest observed reduction, and at the largest searched."""
    assert level.effect is not None
    what = f"a benefit above {margin:g} {level.unit}" if margin else "benefit"
    points = [(x, words) for x, words in ((level.observed[1], ", the largest observed"), (LARGEST, "")) if x > 0]
    parts = [
        f"{chance(level.effect.beyond(ln_effect(x), margin, level.good))} at {100 * x:.0f} %{w}" for x, w in points
    ]
    return f"the probability of {what} is {', and '.join(parts)}, not {probability:g}"


def _asked(level: Level, found: Sufficient) -> str:
    return f"a benefit of {found.margin:g} {level.unit}" if found.margin else "any benefit"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""
