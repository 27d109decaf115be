"""Restricted mean survival time: the mean time without the event up to a given time.

The area under Kaplan-Meier's curve, with the variance sum of (area after t)^2 d / (n (n - d)) (Royston and Parmar,
2013, BMC Medical Research Methodology 13:152).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from bayesmodels.errors import BadInput, in_full
from bayesmodels.statistics.comparison import Comparison, limits_in_words, row
from bayesmodels.statistics.followup import check_level, event_mask, follow_up
from bayesmodels.statistics.nonparametric import counts


@dataclass(frozen=True)
class RestrictedMean:
    """Mean time without the event up to `until`.

    Parameters
    ----------
    estimate, se, lower, upper : float
        In the unit of time; normal interval. SE and limits are NaN where no event tells of the variance.
    until : float
    level : float
    persons, events : int
        `events` up to `until`.
    """

    estimate: float
    se: float
    lower: float
    upper: float
    until: float
    level: float
    persons: int
    events: int

    @property
    def table(self) -> pd.DataFrame:
        """One row of the fields."""
        return pd.DataFrame([vars(self)])

    def sentence(self) -> str:
        """Estimate with interval."""
        return (
            f"Mean time without the event up to {self.until:g}: {self.estimate:.3f} "
            f"({limits_in_words(self.lower, self.upper, self.level)}); {self.events} events in {self.persons} persons."
        )

    def __repr__(self) -> str:
        return self.sentence()

    def _repr_html_(self) -> str:
        return f"<p>{self.sentence()}</p>"


def restricted_mean(
    time: npt.ArrayLike, event: npt.ArrayLike, until: float, entry: npt.ArrayLike | None = None, *, level: float = 0.95
) -> RestrictedMean:
    """Restricted mean survival time.

    Parameters
    ----------
    time, event, entry, level
        As `nonparametric.kaplan_meier`.
    until : float
        Upper limit of the mean, at most the last exit unless nobody is left without the event by then.

    Returns
    -------
    RestrictedMean
        With its standard error and interval, from the Kaplan-Meier curve.

    Raises
    ------
    BadInput
        `until` is not positive or infinite, or past the last exit while the curve is above 0, or past an exit that
        leaves nobody at risk while others enter later; nobody is followed from time 0; a level outside 0 to 1.
    """
    check_level(level)
    if not 0 < until < np.inf:
        raise BadInput(f"until: expected a time above 0, got {until:g}; give the time up to which the mean is wanted")
    happened = event_mask(event)
    who = follow_up(time, entry, happened)
    t, n, d, _ = counts(who, happened, happened)
    early = t <= until
    t, n, d = t[early], n[early], d[early]
    survival = np.cumprod(1 - d / n)
    left = survival[-1] if len(survival) else 1.0
    span = who.span(happened)
    if span.start > 0:
        raise BadInput(
            f"entry: expected somebody followed from time 0, got a first entry at {span.start:g}; survival until then "
            "is unknown; take that time from all times for the mean of those without the event by then"
        )
    if span.note and until > span.end:
        raise BadInput(f"until: expected at most {in_full(span.end)}, got {in_full(until)}. {span.note}")
    if until > who.time.max() and left > 0:
        raise BadInput(
            f"until: expected at most the last exit, {in_full(who.time.max())}, got {in_full(until)}; "
            "survival beyond it is unknown"
        )
    edges = np.concatenate([[0.0], t, [until]])
    areas = np.concatenate([[1.0], survival]) * np.diff(edges)
    after = areas[::-1].cumsum()[::-1][1:]  # from each event time to `until`
    spread = np.divide(d, n * (n - d), out=np.zeros_like(d), where=n > d)
    estimate, variance = float(areas.sum()), float((after**2 * spread).sum())
    se = float(np.sqrt(variance)) if variance > 0 else float("nan")
    z = norm.ppf((1 + level) / 2)
    return RestrictedMean(
        estimate, se, estimate - z * se, estimate + z * se, float(until), level, len(who.time), int(d.sum())
    )


def restricted_mean_difference(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    in_group: npt.ArrayLike,
    until: float,
    entry: npt.ArrayLike | None = None,
    *,
    group: str = "group",
    reference: str = "reference",
    unit: str = "",
    level: float = 0.95,
) -> Comparison:
    """Difference of restricted means, group minus reference; positive favours the group.

    Parameters
    ----------
    time, event, until, entry, level
        As `restricted_mean`.
    in_group : array (person,) of bool
        In the group, else in the reference.
    group, reference, unit : str
        For the words of the result.

    Returns
    -------
    Comparison
        One row: the difference with interval and p-value.
    """
    t, happened, mine = np.asarray(time, float), event_mask(event), event_mask(in_group, "in_group")
    e = np.zeros_like(t) if entry is None else np.asarray(entry, float)
    a, b = (restricted_mean(t[w], happened[w], until, e[w], level=level) for w in (mine, ~mine))
    gap, se = a.estimate - b.estimate, float(np.hypot(a.se, b.se))
    z = norm.ppf((1 + level) / 2)
    p = float(2 * norm.sf(abs(gap) / se)) if se > 0 else float("nan")
    title = f"difference of restricted means up to {until:g}"
    found = row(title, gap, se, (gap - z * se, gap + z * se), p, f"+ favours {group}", unit)
    return Comparison(
        f"Restricted mean survival up to {until:g}", group, reference, pd.DataFrame([found]), level,
        {f"mean, {group}": a.estimate, f"mean, {reference}": b.estimate, f"events, {group}": a.events,
         f"events, {reference}": b.events},
    )  # fmt: skip
