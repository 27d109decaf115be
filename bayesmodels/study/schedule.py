"""Visit schedule derived from the data: nominal weeks, persons still observed, missing visits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bayesmodels.vocabulary import ALL

WINDOW = 0.07
"""Half-width of a visit's window, as a share of its week; never below one week."""

SHADOWS = ((0.5, 1), (1, 2), (2, 5))
"""Windows within which a week with so many times as many persons takes another in."""

WIDER = (0.15, 0.25, 0.4)
"""Wider windows, within which every busier week takes another in: for visits that follow no common schedule."""

MOST = 30
"""More nominal weeks than this are taken for the absence of a common schedule."""

MEASURED = 0.25
"""An outcome is on the schedule at a nominal week if this share of the persons still followed has it."""


def nominal_weeks(visits: pd.DataFrame) -> np.ndarray:
    """Nominal weeks: whole weeks around which the visits cluster, rising.

    Weeks are taken in order of the number of persons seen. A week becomes nominal unless it is in the shadow of a
    busier one: within half its window (`WINDOW`), within a window of one with twice as many persons, or within two
    windows of one with five times as many. If that leaves more than `MOST` weeks, the windows are widened (`WIDER`).

    Parameters
    ----------
    visits : pandas.DataFrame
        Columns person and week.

    Returns
    -------
    numpy.ndarray
        Weeks since randomisation.
    """
    whole = np.floor(visits["week"].to_numpy(float) + 0.5)
    seen = pd.DataFrame({"person": visits["person"].to_numpy(), "week": whole}).drop_duplicates()
    counts = {float(week): int(n) for week, n in seen["week"].value_counts().items()}
    weeks = _gathered(counts, WINDOW, SHADOWS)
    for window in WIDER:
        if len(weeks) <= MOST:
            break
        weeks = _gathered(counts, window, ((1, 1),))
    return np.array(sorted(weeks))


def _gathered(counts: dict[float, int], share: float, shadows: tuple[tuple[float, int], ...]) -> list[float]:
    """The weeks that no busier one takes in, busiest first."""
    accepted: list[float] = []
    for week in sorted(counts, key=lambda week: (-counts[week], week)):
        window = max(1.0, share * week)
        shadowed = any(
            abs(other - week) <= reach * window and counts[other] >= times * counts[week]
            for other in accepted
            for reach, times in shadows
        )
        if not shadowed:
            accepted.append(week)
    return accepted


def nearest_week(weeks: np.ndarray, nominal: np.ndarray) -> np.ndarray:
    """The nominal week nearest to each week; the earlier one of two equally near."""
    nominal = np.asarray(nominal, float)
    edges = (nominal[1:] + nominal[:-1]) / 2
    return nominal[np.searchsorted(edges, np.asarray(weeks, float), side="left")]


def planned(weeks: np.ndarray, nominal: np.ndarray) -> np.ndarray:
    """Nearest nominal weeks, where the visits lie within their windows; NaN elsewhere."""
    known = np.isfinite(weeks)
    nearest = np.full(len(weeks), np.nan)
    nearest[known] = nearest_week(weeks[known], nominal)
    return np.where(np.abs(weeks - nearest) <= np.maximum(1.0, WINDOW * nearest), nearest, np.nan)


def observed(
    persons: pd.DataFrame, visits: pd.DataFrame, outcomes: Sequence[str], weeks: Sequence[float]
) -> pd.DataFrame:
    """Persons still observed: whose last visit with the outcome is at that week or later.

    A visit within the window (`WINDOW`) before a nominal week counts as made then: a person seen at day 251 is observed
    at week 36.

    Returns
    -------
    pandas.DataFrame
        Columns start_group, stratum (each, and "all"), outcome, week, observed, persons, share.
    """
    nominal = nominal_weeks(visits)
    last = visits.groupby(["outcome", "person"])["week"].max()
    rows = []
    for stratum in dict.fromkeys([*persons["stratum"].unique(), ALL]):
        chosen = persons if stratum == ALL else persons[persons["stratum"] == stratum]
        for group, members in chosen.groupby("start_group", sort=False):
            for outcome in outcomes:
                final = last[outcome].reindex(members["person"]).to_numpy()
                final = np.fmax(final, planned(final, nominal))
                rows += [
                    (group, stratum, outcome, float(week), int((final >= week).sum()), len(members)) for week in weeks
                ]
    table = pd.DataFrame(rows, columns=["start_group", "stratum", "outcome", "week", "observed", "persons"])
    return table.assign(share=table["observed"] / table["persons"])


def follow_up(visits: pd.DataFrame, events: pd.DataFrame | None) -> pd.DataFrame:
    """First and last week of each person's follow-up.

    Returns
    -------
    pandas.DataFrame
        Index person; columns entry (0 but for delayed entry) and exit (the last visit where there is no events table).
    """
    if events is None:
        return visits.groupby("person")["week"].max().to_frame("exit").assign(entry=0.0)
    by_person = events.set_index("person")
    return pd.DataFrame({"entry": by_person["entry_week"].fillna(0.0), "exit": by_person["week"]})


def missing_visits(visits: pd.DataFrame, followed: pd.DataFrame, nominal: np.ndarray) -> pd.DataFrame:
    """Visits expected by the nominal schedule while a person was followed, and how many of them are missing.

    Parameters
    ----------
    visits : pandas.DataFrame
    followed : pandas.DataFrame
        From `follow_up`: nominal weeks from a person's entry to the exit, both included, are expected.
    nominal : numpy.ndarray
        Nominal weeks.

    Returns
    -------
    pandas.DataFrame
        One row per outcome: expected, missing.
    """
    entry, end = (followed[name].to_numpy(float)[:, None] for name in ("entry", "exit"))
    inside = (entry <= nominal) & (nominal <= end)
    binned = pd.DataFrame(
        {
            "outcome": visits["outcome"].to_numpy(),
            "person": followed.index.get_indexer(visits["person"]),
            "week": np.searchsorted(nominal, nearest_week(visits["week"].to_numpy(), nominal)),
        }
    )
    rows = []
    for outcome, seen in binned.groupby("outcome", sort=False):
        done = np.zeros_like(inside)
        done[seen["person"], seen["week"]] = True
        scheduled = (done & inside).sum(axis=0) >= MEASURED * np.maximum(inside.sum(axis=0), 1)
        expected = inside & scheduled
        rows.append({"outcome": outcome, "expected": int(expected.sum()), "missing": int((expected & ~done).sum())})
    return pd.DataFrame(rows)
