"""From ADSL to the end of each person's follow-up, and from ADTTE to times of events for statistics of survival."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bayesmodels.study.adam.cells import as_toml, column, counted, dates_of, first_filled, numbers_of, texts
from bayesmodels.study.adam.datasets import DataSet
from bayesmodels.study.adam.mapping import AdamMapping, Events, TimeToEvent
from bayesmodels.study.adam.persons import AdslPersons
from bayesmodels.study.adam.visits import same_clock, strangers
from bayesmodels.study.checks.cells import NEAR, week_of
from bayesmodels.study.checks.event_words import NONE
from bayesmodels.study.problem import Problem, plain, quoted

ENDS = ("EOSDT", "RFENDT", "RFPENDTC", "LSTALVDT", "TRTEDT")
REASONS = ("DCSREAS", "DCREASCD", "EOSSTT")


def no_section(adsl: DataSet) -> Problem:
    """The problem of a mapping that does not say what ends follow-up.

    Parameters
    ----------
    adsl : DataSet
    """
    ends = [name for name in ENDS if name in adsl.cells]
    reasons = {name: counted(texts(adsl.cells[name])) for name in REASONS if name in adsl.cells}
    there = "; ".join(
        [f"dates: {quoted(ends) or 'none of the usual names'}", *(f"{k}: {v}" for k, v in reasons.items())]
    )
    text = (
        'what ends follow-up? Write a section [events] with end, reason and labels, or events = "none" at the top '
        "of the "
        f"file, above the first section ({there})"
    )
    return Problem("mapping", text)


def events_of(mapping: AdamMapping, adsl: DataSet, persons: AdslPersons, found: list[Problem]) -> pd.DataFrame | None:
    """The end of follow-up of everyone who is kept.

    Parameters
    ----------
    mapping : AdamMapping
    adsl : DataSet
    persons : AdslPersons
    found : list of Problem

    Returns
    -------
    pandas.DataFrame or None
        person, week, event, dated (a death at its own date). Index: row of ADSL. None where the mapping has none, or it
        cannot be made.
    """
    said = mapping.events
    if said is None:
        found.append(no_section(adsl))
    if not isinstance(said, Events):
        return None
    kept = persons.reasons == ""
    numeric = adsl.sas_dates or mapping.clock.numeric_dates == "sas"

    def who(row: int) -> str:
        return str(persons.label[row])

    ends = _columns(adsl, said.end, "[events] end", found)
    reasons = _columns(adsl, said.reason, "[events] reason", found)
    if not ends or not reasons:
        return None
    days = first_filled([dates_of(adsl, here[kept], str(here.name), numeric, found, who) for here in ends])
    reason = first_filled([texts(here[kept]) for here in reasons])
    labels = said.labels or {}
    unknown = ~reason.isin(list(labels))
    if unknown.any():
        text = (
            f"the reason has values without an event ([events] labels): {counted(reason[unknown])}; write what "
            f"each is, "
            f'"none" where nothing happened: labels = {as_toml(dict.fromkeys(reason[unknown]), "...")}'
        )
        found.append(Problem(adsl.file, text, kind="reasons"))
    event = reason.map(labels).fillna("")
    days, event, dated = _deaths(said, adsl, kept, numeric, days, event, persons, found)
    for row in days.index[days.isna()]:
        text = (
            f"the end of follow-up is blank ({quoted(str(here.name) for here in ends)}); fill it in, or name a further "
            f"variable"
        )
        found.append(Problem(adsl.file, text, row=int(row), person=who(row), kind="no end"))
    weeks = (days - persons.day_1[kept]) / 7
    for row in weeks.index[weeks < 0]:
        text = f"the end of follow-up is before {mapping.clock.day_1}, day 1; correct one of the dates"
        found.append(Problem(adsl.file, text, row=int(row), person=who(row), kind="early end"))
    weeks = weeks.map(week_of, na_action="ignore")
    return pd.DataFrame({"person": persons.label[kept], "week": weeks, "event": event, "dated": dated})


def _columns(adsl: DataSet, names: str | Sequence[str], key: str, found: list[Problem]) -> list[pd.Series]:
    wanted = (names,) if isinstance(names, str) else tuple(names)
    return [here for name in wanted if (here := column(adsl, name, key, found)) is not None]


def _deaths(
    said: Events,
    adsl: DataSet,
    kept: pd.Series,
    numeric: bool,
    days: pd.Series,
    event: pd.Series,
    persons: AdslPersons,
    found: list[Problem],
) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Days and events with deaths at their dates, and which are such deaths."""
    none = pd.Series(False, index=days.index)
    if said.death is None:
        return days, event, none
    here = column(adsl, said.death.date, "[events.death] date", found)
    if here is None:
        return days, event, none
    died = dates_of(adsl, here[kept], said.death.date, numeric, found, lambda row: str(persons.label[row]))
    later = died - days
    limit = said.death.days_after_end
    if limit is None and (later > 0).any():
        text = (
            f"{int((later > 0).sum()):,} deaths ({said.death.date}) are after the end of follow-up, at most "
            f"{later.max():g} "
            "days; until how many days after it does a death count? Write days_after_end under [events.death]"
        )
        found.append(Problem("mapping", text))
    seen = died.notna() & ~(later > (0 if limit is None else limit))
    unseen = died.notna() & ~seen & (event == said.death.event) & (limit is not None)
    names = quoted((said.end,) if isinstance(said.end, str) else said.end)
    for row in unseen.index[unseen]:
        text = (
            f"the reason at the end of follow-up ({names}) is a death, and {said.death.date} is {later[row]:g} days "
            f"after that end, more than days_after_end = {limit}; correct one of the dates or the reason, or write "
            f"days_after_end = {later[row]:g} or more under [events.death]"
        )
        found.append(Problem(adsl.file, text, row=int(row), person=str(persons.label[row]), kind="late death"))
    return days.where(~seen, died), event.where(~seen, said.death.event), seen


def after_end(
    mapping: AdamMapping, files: Mapping[str, str], visits: pd.DataFrame, events: pd.DataFrame, found: list[Problem]
) -> tuple[pd.Series, pd.DataFrame, list[str]]:
    """What becomes of visits after the end of follow-up.

    Parameters
    ----------
    mapping : AdamMapping
    files : mapping of str to str
        Data set to its file.
    visits : pandas.DataFrame
        data_set, row, person, week.
    events : pandas.DataFrame
        person, week, event, dated.
    found : list of Problem

    Returns
    -------
    out : pandas.Series of bool
        Visits to leave out.
    events : pandas.DataFrame
        With later ends where the mapping says so.
    notes : list of str
        What was changed.
    """
    end = events.set_index("person")["week"]
    late = visits["week"] > visits["person"].map(end) + NEAR
    out = pd.Series(False, index=visits.index)
    said = mapping.events
    assert isinstance(said, Events)
    if not late.any():
        return out, events, []
    people = visits.loc[late, "person"].nunique()
    if said.visits_after_end is None:
        most = float((visits["week"] - visits["person"].map(end))[late].max())
        text = (
            f"{int(late.sum()):,} visits of {people:,} persons are after the end of their follow-up, at most "
            f"{most:.3g} weeks ({_by_week(visits[late])}); where these are planned weeks or numbers of visits made "
            'before, such as at early termination, write time = "ADY" or "ADT" under [[visits]], or leave them out by '
            'name: where = {AVISIT = "..."} and reason = "..." under [[visits.leave_out]]. Otherwise write '
            'visits_after_end = "leave_out", or "extend" (follow-up lasts until the last visit), under [events]'
        )
        found.append(Problem("mapping", text))
        return out, events, []
    if said.visits_after_end == "leave_out":
        note = (
            f"{int(late.sum()):,} visits of {people:,} persons after the end of their follow-up were left out "
            f"({_by_week(visits[late])})"
        )
        return late, events, [note]
    dead = late & visits["person"].isin(events.loc[events["dated"], "person"])
    if dead.any():
        assert said.death is not None
        if said.death.visits_after == "leave_out":
            out = dead
        else:
            for data_set, row, who, week in visits.loc[dead, ["data_set", "row", "person", "week"]].itertuples(False):
                text = (
                    f"the visit is after the death in week {end[who]:.4g} ({said.death.date}); correct one of the "
                    'dates; or, where it is a planned week of a visit made before, write time = "ADY" or "ADT" under '
                    '[[visits]]; or leave such visits out: visits_after = "leave_out" under [events.death]'
                )
                found.append(
                    Problem(files[data_set], text, row=int(row), person=who, week=week, kind="visit after death")
                )
    last = events["person"].map(visits.groupby("person")["week"].max())
    moved = (last > events["week"] + NEAR) & ~events["dated"]
    if not moved.any():
        return out, events, []
    by = (last - events["week"])[moved]
    named = events.loc[moved, "event"].value_counts()
    note = (
        f"follow-up of {int(moved.sum()):,} persons was extended to their last visit, by at most {by.max():.3g} weeks ("
        + ", ".join(f"{plain(name)} {n:,}" for name, n in named.items())
        + "); their event stands at that week"
    )
    return out, events.assign(week=events["week"].where(~moved, last)), [note]


DAY_UNITS = ("", "DAY", "DAYS")
"""AVALU of a time in days; blank says nothing."""


def _in_days_from_day_1(
    mapping: AdamMapping,
    data: DataSet,
    days: pd.Series,
    start: pd.Series,
    numeric: bool,
    label: pd.Series,
    found: list[Problem],
) -> None:
    """AVAL must be in days and count from day 1 of the mapping, as far as the data set says so."""
    here = data.cells.loc[days.index]
    instead = 'write time = "ADT"' if "ADT" in here else "give AVAL in days since day 1"
    units = texts(here["AVALU"]) if "AVALU" in here else pd.Series("", index=days.index)
    other = ~units.str.upper().isin(DAY_UNITS)
    if other.any():
        text = f"AVAL is in {quoted(dict.fromkeys(units[other]))} (AVALU), not in days; {instead}"
        found.append(Problem(data.file, text, row=int(other.index[other][0]), kind="AVALU"))
        return
    if "STARTDT" in here:
        unread: list[Problem] = []
        origin = dates_of(data, here["STARTDT"], "STARTDT", numeric, unread)
        apart = origin.notna() & start.notna() & (origin != start)
        if apart.any():
            row = int(apart.index[apart][0])
            text = (
                f"AVAL counts from STARTDT, which is not {mapping.clock.day_1} ([clock] day_1) in {int(apart.sum()):,} "
                f"of {len(days):,} rows: here {origin[row] - start[row]:+g} days; {instead}"
            )
            found.append(Problem(data.file, text, row=row, person=str(label[row]), kind="clock STARTDT"))
            return
    same_clock(mapping, data, "AVAL", days, start, numeric, label, found)


def times_of(
    mapping: AdamMapping, data: DataSet, chosen: Sequence[TimeToEvent], persons: AdslPersons, found: list[Problem]
) -> tuple[pd.DataFrame, pd.Series]:
    """Times of events of a data set such as ADTTE, for statistics of survival.

    Parameters
    ----------
    mapping : AdamMapping
    data : DataSet
    chosen : sequence of TimeToEvent
    persons : AdslPersons
    found : list of Problem

    Returns
    -------
    table : pandas.DataFrame
        person, parameter, week, event ("none": censored). Index: row.
    reasons : pandas.Series
        Row to why it is left out; "" where kept.
    """
    reasons = pd.Series("", index=data.cells.index, dtype=object)
    empty = pd.DataFrame(columns=["person", "parameter", "week", "event"])
    who = column(data, mapping.persons.id, "[persons] id", found)
    codes = column(data, "PARAMCD", "[[time_to_event]] paramcd", found)
    censoring = column(data, "CNSR", "[[time_to_event]]", found)
    if who is None or codes is None or censoring is None:
        return empty, reasons
    label, code = texts(who), texts(codes)
    reasons[~code.isin([entry.paramcd for entry in chosen])] = "PARAMCD is not in the mapping"
    strangers(mapping, data, label, persons, reasons, found)
    numeric = data.sas_dates or mapping.clock.numeric_dates == "sas"
    parts = [empty]
    for entry in chosen:
        mine = (code == entry.paramcd) & (reasons == "")
        if not (code == entry.paramcd).any():
            text = f'no row has PARAMCD = "{plain(entry.paramcd)}" (event {plain(entry.event)}); found {counted(code)}'
            found.append(Problem(data.file, text))
        here = column(data, entry.time, "[[time_to_event]] time", found)
        if here is None:
            continue
        blank = mine & texts(here).eq("")
        reasons[blank] = f"{entry.time} is blank"
        mine &= ~blank

        def name(row: int) -> str:
            return str(label[row])

        start = label[mine].map({each: persons.day_1[row] for each, row in persons.row_of.items()})
        if entry.time == "ADT":
            days = dates_of(data, here[mine], "ADT", numeric, found, name) - start
        else:
            days = numbers_of(data, here[mine], "AVAL", found, name) - (entry.start_value or 0)
            _in_days_from_day_1(mapping, data, days, start, numeric, label, found)
        for row in days.index[days < 0]:
            text = f"{entry.paramcd} is before day 1; correct it, or choose another day_1"
            found.append(Problem(data.file, text, row=int(row), person=name(row), kind="early time"))
        state = numbers_of(data, censoring[mine], "CNSR", found, name)
        for row in state.index[state.isna() & (texts(censoring[mine]) == "")]:
            text = "CNSR is blank; 0 is an event, 1 or more is censored: fill it in"
            found.append(Problem(data.file, text, row=int(row), person=name(row), kind="no CNSR"))
        twice = label[mine].duplicated()
        for row in twice.index[twice]:
            text = f"a second {entry.paramcd} of this person; keep one row"
            found.append(Problem(data.file, text, row=int(row), person=name(row), kind="second time"))
        parts.append(
            pd.DataFrame(
                {
                    "person": label[mine],
                    "parameter": entry.paramcd,
                    "week": (days / 7).map(week_of, na_action="ignore"),
                    "event": np.where(state == 0, entry.event, NONE),
                }
            )
        )
    return pd.concat(parts[1:] or parts), reasons


def _by_week(visits: pd.DataFrame) -> str:
    """The commonest weeks of visits with their numbers."""
    counts = visits["week"].round(1).value_counts()
    said = ", ".join(f"week {week:g}: {n:,}" for week, n in counts.head(3).items())
    return said + (f", and {len(counts) - 3:,} more weeks" if len(counts) > 3 else "")
