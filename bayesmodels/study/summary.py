"""Summary of a study in numbers, without identifiers: a nested dict, a plain table, an HTML table."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from html import escape

import numpy as np
import pandas as pd

from bayesmodels.html_tables import html_table
from bayesmodels.study import schedule
from bayesmodels.study.checks.event_words import NONE, family
from bayesmodels.vocabulary import ALL


def count(
    persons: pd.DataFrame,
    visits: pd.DataFrame,
    events: pd.DataFrame | None,
    start_groups: Sequence[str],
    strata: Sequence[str],
    outcomes: Sequence[str],
    curve_weeks: Sequence[float],
) -> dict:
    """Numbers that describe a study, for manifests and posteriors.

    Returns
    -------
    dict
        ``persons`` {start group: {stratum: n}} with "all" among the strata; ``switch_weeks`` {start group: median
        week, None for never}; ``visits`` and ``censored`` {outcome: n}; ``expected_visits`` and ``missing_visits``
        {outcome: n} against the nominal weeks; ``nominal_weeks``; ``follow_up`` in weeks (median, shortest, longest);
        ``events`` {event: n} and ``deaths`` {start group: n}, None without an events table; ``observed`` {start
        group: {stratum: {outcome: {week: n}}}}, persons whose last visit is at that
        week or later, at nominal and curve weeks.
    """
    labels = list(dict.fromkeys([*strata, ALL]))
    switch = persons.groupby("start_group")["drug_start_week"].median()
    followed = schedule.follow_up(visits, events)
    exits = followed["exit"]
    nominal = schedule.nominal_weeks(visits)
    missing = schedule.missing_visits(visits, followed, nominal).set_index("outcome")
    censored = visits.loc[visits["censoring"] != "", "outcome"].value_counts()
    made = visits["outcome"].value_counts()
    return {
        "n_persons": len(persons),
        "n_visits": len(visits),
        "persons": {g: {s: _size(persons, g, s) for s in labels} for g in start_groups},
        "switch_weeks": {g: float(switch[g]) if np.isfinite(switch[g]) else None for g in start_groups},
        "visits": {k: int(made[k]) for k in outcomes},
        "censored": {k: int(censored.get(k, 0)) for k in outcomes},
        "expected_visits": {k: int(missing.at[k, "expected"]) for k in outcomes},
        "missing_visits": {k: int(missing.at[k, "missing"]) for k in outcomes},
        "nominal_weeks": [float(week) for week in nominal],
        "follow_up": {"median": float(exits.median()), "shortest": float(exits.min()), "longest": float(exits.max())},
        "events": None if events is None else {str(k): int(n) for k, n in events["event"].value_counts().items()},
        "deaths": None if events is None else _deaths(persons, events, start_groups),
        "observed": _observed(persons, visits, outcomes, sorted({*nominal.tolist(), *curve_weeks})),
    }


def group_table(persons: pd.DataFrame, visits: pd.DataFrame, events: pd.DataFrame | None, groups: Sequence[str],
                strata: Sequence[str]) -> pd.DataFrame:  # fmt: skip
    """One row per start group and stratum: persons, drug start, follow-up, deaths; of one person alone, no values."""
    exits = schedule.follow_up(visits, events)["exit"]
    fate = None if events is None else events.set_index("person")["event"].map(_is_death)
    rows = []
    for group in groups:
        for stratum in strata:
            members = _members(persons, group, stratum)
            weeks = exits.reindex(members["person"])
            rows.append(
                {
                    "start group": group,
                    "stratum": stratum,
                    "persons": len(members),
                    "drug from week": _of_several(members, _switch(members["drug_start_week"])),
                    "follow-up, weeks": _of_several(
                        weeks, f"{weeks.median():.0f} ({weeks.min():.0f} to {weeks.max():.0f})"
                    ),
                    "deaths": "" if fate is None else _of_several(weeks, int(fate.reindex(members["person"]).sum())),
                }
            )
    return pd.DataFrame(rows)


def outcome_table(counts: dict, visits: pd.DataFrame) -> pd.DataFrame:
    """One row per outcome: visits made, the weeks they gather around, missing and censored."""
    nominal = np.array(counts["nominal_weeks"])
    weeks = {
        outcome: np.unique(schedule.nearest_week(own["week"].to_numpy(float), nominal))
        for outcome, own in visits.groupby("outcome")
    }
    return pd.DataFrame(
        [
            {
                "outcome": outcome,
                "visits": made,
                "weeks": _span(weeks[outcome]),
                "missing": _share(counts["missing_visits"][outcome], counts["expected_visits"][outcome]),
                "censored": counts["censored"][outcome],
            }
            for outcome, made in counts["visits"].items()
        ]
    )


def event_table(persons: pd.DataFrame, events: pd.DataFrame | None, groups: Sequence[str]) -> pd.DataFrame:
    """One row per event, "none" last: persons of each start group whose follow-up it ended; empty without a table.

    Start groups of one person are left out, and counted nowhere in it.
    """
    if events is None:
        return pd.DataFrame()
    group = persons.set_index("person")["start_group"].reindex(events["person"]).to_numpy()
    several = [name for name in groups if (persons["start_group"] == name).sum() > 1]
    counted = pd.crosstab(events["event"].to_numpy(), group).reindex(columns=several, fill_value=0)
    counted = counted[counted.sum(axis=1) > 0]
    order = sorted(counted.index, key=lambda event: (event == NONE, event))
    table = counted.loc[order].rename_axis(index=None, columns=None)
    table.insert(len(table.columns), "persons", table.sum(axis=1), allow_duplicates=True)
    table.insert(0, "end of follow-up", table.index, allow_duplicates=True)
    return table.reset_index(drop=True)


def heading(
    name: str, counts: dict, controlled_week: float | None, reference_group: str | None, new_persons: bool = False
) -> str:
    """The line above the tables."""
    weeks = ", ".join(f"{week:g}" for week in counts["nominal_weeks"][:20])
    more = ", ..." if len(counts["nominal_weeks"]) > 20 else ""
    parts = [
        f"Study {name}: {counts['n_persons']:,} persons, {counts['n_visits']:,} visits",
        f"controlled to week {controlled_week:g}" if controlled_week is not None else "no switch to the drug",
        f"reference group {reference_group}" if reference_group else "one start group",
    ]
    if new_persons:
        parts[1:] = ["new persons, to predict"]
    return "; ".join(parts) + f"\nvisits near weeks {weeks}{more}"


ONE = "–"
"""In place of what would be a single person's value."""

FOOTNOTE = (
    "Weeks: those the visits gather around. Follow-up: median (range), to the exit week, or to the last visit where "
    "there is no events table. Missing: visits not made, of those expected at these weeks from a person's entry to the "
    "end of follow-up. –: of a single person."
)


def as_text(title: str, tables: Sequence[pd.DataFrame]) -> str:
    """Title, tables and footnote as plain text."""
    blocks = [title, *(table.to_string(index=False) for table in tables), FOOTNOTE]
    return "\n\n".join(blocks)


def as_html(title: str, tables: Sequence[pd.DataFrame]) -> str:
    """Title, tables and footnote as HTML, every label escaped."""
    first, *others = (escape(line) for line in title.splitlines())
    lines = "<br>".join([f"<b>{first}</b>", *others])
    body = "".join(html_table(table) for table in tables)
    return f"<div><p>{lines}</p>{body}<p><small>{escape(FOOTNOTE)}</small></p></div>"


def _members(persons: pd.DataFrame, group: str, stratum: str) -> pd.DataFrame:
    chosen = persons[persons["start_group"] == group]
    return chosen if stratum == ALL else chosen[chosen["stratum"] == stratum]


def _size(persons: pd.DataFrame, group: str, stratum: str) -> int:
    return len(_members(persons, group, stratum))


def _switch(weeks: pd.Series) -> str:
    """When a group starts the drug: one week, a range, never."""
    started = weeks[np.isfinite(weeks)]
    if not len(started):
        return "never" if len(weeks) else ""
    low, high = started.min(), started.max()
    span = f"{low:g}" if low == high else f"{started.median():g} ({low:g} to {high:g})"
    never = len(weeks) - len(started)
    return f"{span}; {never} never" if never else span


def _of_several[Shown](persons: Sized, value: Shown) -> Shown | str:
    """A value, unless it is of nobody, or a single person's."""
    return ("", ONE)[len(persons)] if len(persons) < 2 else value


def _span(weeks: np.ndarray) -> str:
    """First and last of some weeks, and how many there are."""
    return f"{weeks[0]:g}" if len(weeks) == 1 else f"{len(weeks)}, from {weeks[0]:g} to {weeks[-1]:g}"


def _share(missing: int, expected: int) -> str:
    return f"{missing:,} of {expected:,} ({100 * missing / expected:.0f} %)" if expected else "0"


def _deaths(persons: pd.DataFrame, events: pd.DataFrame, groups: Sequence[str]) -> dict[str, int]:
    died = events.loc[events["event"].map(_is_death), "person"]
    died_in = persons.set_index("person").loc[died, "start_group"].value_counts()
    return {group: int(died_in.get(group, 0)) for group in groups}


def _observed(persons: pd.DataFrame, visits: pd.DataFrame, outcomes: Sequence[str], weeks: Sequence[float]) -> dict:
    table = schedule.observed(persons, visits, outcomes, weeks)
    nested: dict = {}
    for group, stratum, outcome, week, n in table[["start_group", "stratum", "outcome", "week", "observed"]].itertuples(
        index=False, name=None
    ):
        nested.setdefault(group, {}).setdefault(stratum, {}).setdefault(outcome, {})[f"{week:g}"] = int(n)
    return nested


def _is_death(event: str) -> bool:
    return family(event) == "death"
