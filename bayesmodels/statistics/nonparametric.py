"""Nonparametric survival and cumulative incidence: Kaplan-Meier and Aalen-Johansen, with delayed entry.

Sources: Kaplan and Meier (1958); Greenwood's variance, interval on the log(-log) scale (Kalbfleisch and Prentice, 2002,
chapter 1); Aalen and Johansen (1978), with the delta-method variance that becomes Greenwood's where there is one kind
of event (Dinse and Larson, 1986, Biometrika 73:379-386). At a tied time events come before censoring.

With delayed entry a curve is known only where somebody is at risk. Where nobody is followed from time 0 it begins at
the first entry and is conditional on no event until then. It ends where nobody is left at risk while others enter
later: what happens in between is unknown, and if events took the last at risk, those who enter refute a survival of 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from bayesmodels.statistics.comparison import as_html, limits_in_words
from bayesmodels.statistics.followup import (
    CENSORED,
    Array,
    FollowUp,
    Mask,
    Span,
    check_level,
    event_mask,
    follow_up,
    labels_of,
)

ROUNDING = 1e-12
"""An estimate this near to 0 or 1 is 0 or 1."""


@dataclass(frozen=True)
class StepCurve:
    """A step function with pointwise intervals.

    Parameters
    ----------
    quantity : str
        What it is, in words.
    table : DataFrame
        One row per step, a row at `start` first: `time`, `at_risk`, `events` (of interest), `estimate`, `se`, `lower`,
        `upper`. SE and limits are NaN where the estimate is 0 or 1, as before the first event: nothing then tells of
        its variance. All four are NaN from where the curve is unknown.
    level : float
        Of the intervals.
    last : float
        Last exit; or, if earlier, the exit that leaves nobody at risk while others enter later.
    complete : bool
        Whether nobody was left without an event at the last exit; if so the curve stays where it is, else it is unknown
        from then on.
    start : float
        0, or the first entry where nobody is followed from 0: the curve is then conditional on no event until there.
    note : str
        Why the curve ends before the last exit; blank where it does not.
    """

    quantity: str
    table: pd.DataFrame
    level: float
    last: float
    complete: bool
    start: float = 0.0
    note: str = ""

    def at(self, times: npt.ArrayLike) -> pd.DataFrame:
        """`time`, `estimate`, `se`, `lower`, `upper` at given times; NaN where the curve is unknown.

        Parameters
        ----------
        times : array (time,)
            Unit of the curve.

        Returns
        -------
        pandas.DataFrame
            One row per time.
        """
        t = np.atleast_1d(np.asarray(times, float))
        row = np.maximum(np.searchsorted(self.table["time"].to_numpy(), t, side="right") - 1, 0)
        columns = ["estimate", "se", "lower", "upper"]
        found = self.table[columns].iloc[row].reset_index(drop=True)
        found = found.mask(pd.Series((t < self.start) | ((t > self.last) & (not self.complete))))
        found.insert(0, "time", t)
        return found

    def sentence(self) -> str:
        """The last estimate, and why there is none later if that is before the last exit."""
        known = self.table[self.table["estimate"].notna()].iloc[-1]
        when = known["time"] if self.at(self.last)["estimate"].isna().item() else self.last
        limits = limits_in_words(known["lower"], known["upper"], self.level)
        return (
            f"{self.quantity} at time {when:g}: {known['estimate']:.3f} ({limits}); "
            f"{int(self.table['events'].sum())} events.{' ' * bool(self.note)}{self.note}"
        )

    def __repr__(self) -> str:
        return self.sentence()

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.sentence())}</p>{as_html(self.table)}"


def kaplan_meier(
    time: npt.ArrayLike, event: npt.ArrayLike, entry: npt.ArrayLike | None = None, *, level: float = 0.95
) -> StepCurve:
    """Probability of no event up to and including each time.

    Parameters
    ----------
    time : array (person,)
        Exit, any unit.
    event : array (person,) of bool
        Whether the event happened then; else censored.
    entry : array (person,), optional
        Delayed entry; 0 or left out: followed from the origin.
    level : float
        Of the pointwise interval, Greenwood's on the log(-log) scale.

    Returns
    -------
    StepCurve
        From the first time of follow-up to the last exit.
    """
    happened = event_mask(event)
    who = follow_up(time, entry, happened)
    t, n, d, _ = counts(who, happened, happened)
    survival = np.cumprod(1 - d / n)
    with np.errstate(invalid="ignore"):
        variance = survival**2 * greenwood(n, d)
    return _curve("Survival", who, who.span(happened), (t, n, d), survival, variance, level, survival)


def aalen_johansen(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    of: str | tuple[str, ...],
    entry: npt.ArrayLike | None = None,
    *,
    censored: tuple[str, ...] = CENSORED,
    level: float = 0.95,
) -> StepCurve:
    """Probability that an event of a kind has happened, where other kinds may come first.

    Parameters
    ----------
    time : array (person,)
        Exit, any unit.
    event : array (person,) of str
        What happened then.
    of : str or tuple of str
        The kind of interest; several are one composite.
    censored : tuple of str
        Labels of exits without an event; every other label competes.
    entry, level
        As `kaplan_meier`; the interval is on the log(-log) scale of one minus the incidence.
    """
    anything, wanted = labels_of(event, of, censored)
    who = follow_up(time, entry, anything)
    t, n, d, k = counts(who, anything, wanted)
    survival = np.cumprod(1 - d / n)
    before = np.concatenate([[1.0], survival[:-1]])
    incidence = np.cumsum(before * k / n)
    named = of if isinstance(of, str) else " or ".join(of)
    variance = incidence_variance(n, d, k, before, incidence)
    span = who.span(anything)
    return _curve(f"Cumulative incidence of {named}", who, span, (t, n, k), incidence, variance, level, survival)


def counts(who: FollowUp, happened: Mask, wanted: Mask) -> tuple[Array, Array, Array, Array]:
    """Times of any event, persons at risk, events, and events of interest then; each (time,).

    Parameters
    ----------
    who : FollowUp
    happened, wanted : array (person,) of bool
        Any event, and the event of interest, at the exit.
    """
    t = np.unique(who.time[happened])
    n = who.at_risk(t)
    d, k = (np.bincount(np.searchsorted(t, who.time[mask]), minlength=len(t))[: len(t)] for mask in (happened, wanted))
    return t, n, d.astype(float), k.astype(float)


def greenwood(n: Array, d: Array) -> Array:
    """Running sum of d / (n (n - d)); infinite once nobody is left.

    Parameters
    ----------
    n, d : array (time,)
        Persons at risk, and events, at each time of an event.
    """
    with np.errstate(divide="ignore"):
        return np.cumsum(d / (n * (n - d)))


def incidence_variance(n: Array, d: Array, k: Array, before: Array, incidence: Array) -> Array:
    """Delta-method variance of the cumulative incidence at each step (Dinse and Larson, 1986).

    Parameters
    ----------
    n, d, k : array (time,)
        At risk, events, events of interest.
    before, incidence : array (time,)
        Survival just before each time; incidence at it.
    """
    spread = np.divide(d, n * (n - d), out=np.zeros_like(d), where=n > d)
    own, cross = before**2 * k * (n - k) / n**3, before * k / n**2
    # sum over j <= t of (F_t - F_j)^2 spread_j - 2 (F_t - F_j) cross_j + own_j, expanded into running sums
    f = incidence
    squares = f**2 * np.cumsum(spread) - 2 * f * np.cumsum(f * spread) + np.cumsum(f**2 * spread)
    return np.maximum(squares - 2 * (f * np.cumsum(cross) - np.cumsum(f * cross)) + np.cumsum(own), 0.0)


def _curve(
    quantity: str,
    who: FollowUp,
    span: Span,
    steps: tuple[Array, Array, Array],
    estimate: Array,
    variance: Array,
    level: float,
    without_event: Array,
) -> StepCurve:
    """Rows with intervals on the log(-log) scale of the survival, or of one minus the incidence.

    `steps` are times, persons at risk and events. `without_event` is the survival from all events; where it is the
    estimate itself, the curve is one of survival.
    """
    check_level(level)
    of_survival = estimate is without_event
    t, n, d = steps
    survival = estimate if of_survival else 1 - estimate
    inside = (survival > ROUNDING) & (survival < 1 - ROUNDING)
    se = np.sqrt(np.where(inside, variance, np.nan))
    z = norm.ppf((1 + level) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        step = z * se / (survival * np.abs(np.log(survival)))
        low, high = (np.where(inside, survival ** np.exp(sign * step), np.nan) for sign in (1, -1))
    lower, upper = (low, high) if of_survival else (1 - high, 1 - low)
    from_start = (who.entry <= span.start) & ((who.time > span.start) | (span.start == 0))
    head = {"time": span.start, "at_risk": float(from_start.sum()), "events": 0.0}
    head |= {"estimate": float(of_survival), "se": np.nan, "lower": np.nan, "upper": np.nan}
    rows = {"time": t, "at_risk": n, "events": d, "estimate": estimate, "se": se, "lower": lower, "upper": upper}
    table = pd.DataFrame({name: np.concatenate([[head[name]], values]) for name, values in rows.items()})
    unknown = (table["time"] >= span.end) if span.used_up else (table["time"] > span.end)
    unknown.iloc[0] = False  # before the first step it is 1 or 0 whatever follows
    table.loc[unknown, ["estimate", "se", "lower", "upper"]] = np.nan
    complete = bool(not span.note and len(t) and t[-1] == span.end and without_event[-1] == 0)
    given = f", given no event until {span.start:g}" if span.start > 0 else ""
    return StepCurve(quantity + given, table, level, span.end, complete, span.start, span.note)
