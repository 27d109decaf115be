"""From a data set by visit to the visits of a study, with the reason of every row that is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from bayesmodels.study.adam.cells import (
    as_toml,
    column,
    counted,
    dates_of,
    in_quotes,
    meets,
    numbers_of,
    texts,
    toml_text,
    wanted_values,
)
from bayesmodels.study.adam.datasets import DataSet
from bayesmodels.study.adam.mapping import AdamMapping, Visits
from bayesmodels.study.adam.persons import AdslPersons, flags
from bayesmodels.study.checks.cells import NEAR, week_of
from bayesmodels.study.problem import Problem, plain, quoted, row_ranges

ANALYSIS_FLAG = r"ANL\d\dFL"
UNSCHEDULED = "unsch"


class Kept(NamedTuple):
    """Visits of one data set, and the reasons of the rows that are left out.

    Parameters
    ----------
    visits : pandas.DataFrame
        person, week, outcome, value. Index: row.
    reasons : pandas.Series
        Row to reason; "" where the row is kept.
    """

    visits: pd.DataFrame
    reasons: pd.Series


def visits_of(
    mapping: AdamMapping, data: DataSet, chosen: Sequence[Visits], persons: AdslPersons, found: list[Problem]
) -> Kept:
    """Choose the rows of a data set and give each its week.

    Parameters
    ----------
    mapping : AdamMapping
    data : DataSet
    chosen : sequence of Visits
        The sections of the mapping that are about this data set.
    persons : AdslPersons
    found : list of Problem
        Gets every problem.
    """
    index = data.cells.index
    reasons = pd.Series("", index=index, dtype=object)
    nothing = Kept(pd.DataFrame(columns=["person", "week", "outcome", "value"]), reasons)
    who = column(data, mapping.persons.id, "[persons] id", found)
    codes = column(data, "PARAMCD", "[[visits]] paramcd", found)
    if who is None or codes is None:
        return nothing
    label, code = texts(who), texts(codes)
    for entry in chosen:
        if not (code == entry.paramcd).any():
            text = (
                f'no row has PARAMCD = "{plain(entry.paramcd)}" (outcome {plain(entry.outcome)}); found {counted(code)}'
            )
            found.append(Problem(data.file, text))
    reasons[~code.isin([entry.paramcd for entry in chosen])] = "PARAMCD is not in the mapping"
    strangers(mapping, data, label, persons, reasons, found)
    parts = []
    for entry in chosen:
        mine = code == entry.paramcd
        own = reasons[mine].copy()
        rows = replace(data, cells=data.cells[mine])
        parts.append(_outcome(mapping, rows, entry, label[mine], persons, own, found))
        reasons[mine] = own
    visits = pd.concat(parts) if parts else nothing.visits
    return Kept(visits[["person", "week", "outcome", "value"]], reasons)


def strangers(
    mapping: AdamMapping,
    data: DataSet,
    label: pd.Series,
    persons: AdslPersons,
    reasons: pd.Series,
    found: list[Problem],
) -> None:
    """Give rows of persons who are not in ADSL, or are left out, a reason; or a problem.

    Parameters
    ----------
    mapping : AdamMapping
    data : DataSet
    label : pandas.Series
        Row to the person's label.
    persons : AdslPersons
    reasons : pandas.Series
        Is filled in.
    found : list of Problem
    """
    rows = persons.row_of
    foreign = (reasons == "") & ~label.isin(list(rows))
    if mapping.persons.not_in_adsl == "leave_out":
        reasons[foreign] = "person is not in ADSL"
    else:
        for name, group in label[foreign].groupby(label[foreign], sort=False):
            more = f" ({len(group):,} rows: {plain(row_ranges(group.index), 60)})" if len(group) > 1 else ""
            text = (
                f"this person is not in the data set adsl{more}; is it written the same in both (text or number, zeros "
                'before it)? Otherwise write not_in_adsl = "leave_out" under [persons]'
            )
            found.append(Problem(data.file, text, row=int(group.index[0]), person=str(name), kind="not in ADSL"))
    left = {who: persons.reasons[row] for who, row in rows.items() if persons.reasons[row]}
    out = (reasons == "") & label.isin(list(left))
    reasons[out] = [f"person is left out: {left[who]}" for who in label[out]]


def _outcome(
    mapping: AdamMapping,
    data: DataSet,
    entry: Visits,
    label: pd.Series,
    persons: AdslPersons,
    reasons: pd.Series,
    found: list[Problem],
) -> pd.DataFrame:
    """Of the rows of one outcome those that are kept: person, week, outcome, value."""
    key = f"[[visits]] {plain(entry.outcome)}"

    def open_rows() -> pd.Series:
        return reasons == ""

    _analysis(data, entry, key, reasons, found)
    for rule in entry.leave_out:
        out = meets(data, rule.where, f"{key}, leave_out", found) & open_rows()
        reasons[out] = rule.reason
    _derived(data, entry, key, open_rows(), reasons, found)
    aval = column(data, "AVAL", f"{key}, value", found)
    if aval is None:
        return pd.DataFrame(columns=["person", "week", "outcome", "value"])
    missing = open_rows() & texts(aval).eq("")
    reasons[missing] = "AVAL is blank"
    _units(data, entry, key, open_rows(), found)
    _unscheduled(data, entry, key, open_rows(), reasons, found)
    rows = open_rows()
    weeks = _weeks(mapping, data, entry, key, rows, label, persons, reasons, found)
    rows = open_rows() & weeks.notna()
    weeks = _baseline(data, entry, key, weeks, rows, label, reasons, found)
    rows = open_rows() & weeks.notna()
    value = numbers_of(data, aval[rows], "AVAL", found, lambda row: label[row])
    visits = pd.DataFrame({"person": label[rows], "week": weeks[rows], "outcome": entry.outcome, "value": value})
    return _once(data, entry, visits, reasons, found)


def _analysis(data: DataSet, entry: Visits, key: str, reasons: pd.Series, found: list[Problem]) -> None:
    if entry.analysis is None:
        there = flags(data, ANALYSIS_FLAG)
        if there:
            counts = "; ".join(f"{name}: {counted(texts(data.cells[name]))}" for name in there)
            text = (
                f'{key}: which rows are for the analysis? Write analysis = {{{there[0]} = "Y"}}, or analysis = '
                f"{{}} for all "
                f"({counts})"
            )
            found.append(Problem("mapping", text))
        return
    meets(data, entry.analysis, f"{key}, analysis", found)
    for name, wanted in entry.analysis.items():
        if name in data.cells:
            out = (reasons == "") & ~texts(data.cells[name]).isin(wanted_values(wanted))
            if entry.baseline_exempt and "ABLFL" in data.cells:
                out &= texts(data.cells["ABLFL"]) != "Y"
            reasons[out] = f"{name} is not {quoted(wanted_values(wanted))}".replace(", ", " or ")


def _derived(data: DataSet, entry: Visits, key: str, rows: pd.Series, reasons: pd.Series, found: list[Problem]) -> None:
    if "DTYPE" not in data.cells:
        return
    kinds = texts(data.cells["DTYPE"])
    derived = rows & (kinds != "")
    if not derived.any() or entry.derived == "keep":
        return
    if entry.derived is None:
        text = (
            f'{key}: are derived records measurements? Write derived = "leave_out", "keep", or a list of the DTYPE '
            f"to keep "
            f"(DTYPE: {counted(kinds[derived])})"
        )
        found.append(Problem("mapping", text))
        return
    kept = entry.derived if isinstance(entry.derived, tuple) else ()
    out = derived & ~kinds.isin(list(kept))
    reasons[out] = [f'derived record: DTYPE is "{kind}"' for kind in kinds[out]]


def _units(data: DataSet, entry: Visits, key: str, rows: pd.Series, found: list[Problem]) -> None:
    """AVALU and PARAM must say what the mapping says, and the mapping must say what one of them must say."""
    for name, wanted, field in (("AVALU", entry.unit, "unit"), ("PARAM", entry.param, "param")):
        there = texts(data.cells[name])[rows] if name in data.cells else None
        filled = there is not None and bool((there != "").any())
        if there is None or not filled:
            if wanted is not None and rows.any():
                text = f"{key}: {field} = {toml_text(wanted)} cannot be checked: {data.file} has no {name}; delete it"
                found.append(Problem("mapping", text))
            continue
        if wanted is None:
            if name == "AVALU" or entry.unit is None:
                text = (
                    f"{key}: what must {name} be? Write {field} = {toml_text(there.mode().iloc[0])} if that is it "
                    f"({name}: "
                )
                found.append(Problem("mapping", f"{text}{counted(there)})"))
            continue
        if there.nunique() == 1 and there.iloc[0] != wanted:
            text = (
                f"{key}: {field} = {toml_text(wanted)}, but {name} is {toml_text(there.iloc[0])} in all {len(there):,} "
                f"rows; if that is right, write {field} = {toml_text(there.iloc[0])}"
            )
            found.append(Problem("mapping", text))
            continue
        for row in there.index[there != wanted]:
            text = f"expected {name} {toml_text(wanted)}, got {toml_text(there[row])}; bring all rows to one unit"
            found.append(Problem(data.file, text, row=int(row), kind=f"{name} of {entry.outcome}"))


def _unscheduled(
    data: DataSet, entry: Visits, key: str, rows: pd.Series, reasons: pd.Series, found: list[Problem]
) -> None:
    words = texts(data.cells["AVISIT"]) if "AVISIT" in data.cells else None
    given = texts(data.cells["AVISITN"]) if "AVISITN" in data.cells else None
    out = pd.Series(False, index=rows.index)
    if words is not None:
        out |= words.str.lower().str.startswith(UNSCHEDULED)
    if given is not None:
        numeric = pd.to_numeric(given, errors="coerce")
        out |= numeric.notna() & (numeric != numeric.round())
    if words is not None and given is not None:
        out |= (words == "") & (given == "")
    out &= rows
    if not out.any() or entry.unscheduled == "keep":
        return
    if entry.unscheduled == "leave_out":
        reasons[out] = "unscheduled visit"
        return
    shown = (words if words is not None else given)[out]  # type: ignore[index]
    text = f'{key}: what of unscheduled visits? Write unscheduled = "leave_out" or "keep" (rows: {int(out.sum()):,}: '
    found.append(Problem("mapping", f"{text}{counted(shown)})"))


def _weeks(
    mapping: AdamMapping,
    data: DataSet,
    entry: Visits,
    key: str,
    rows: pd.Series,
    label: pd.Series,
    persons: AdslPersons,
    reasons: pd.Series,
    found: list[Problem],
) -> pd.Series:
    """Week of every row that is open, NaN elsewhere; negative before day 1."""
    weeks = pd.Series(np.nan, index=rows.index)
    if entry.time is None:
        there = [name for name in ("ADY", "ADT", "AVISITN", "AVISIT") if name in data.cells]
        text = (
            f'{key}: when is a visit? Write time = "ADY" (day, without a day 0), "ADT" (date), or "AVISITN" or '
            f'"AVISIT" '
            f"with weeks (there: {quoted(there)})"
        )
        found.append(Problem("mapping", text))
        return weeks
    here = column(data, entry.time, f"{key}, time", found)
    if here is None:
        return weeks
    if isinstance(entry.weeks, dict):
        return _planned(data, entry, key, texts(here), rows, reasons, found)
    blank = rows & texts(here).eq("")
    for row in blank.index[blank]:
        text = (
            f"{entry.time} is blank, so the row has no week; fill it in, or leave such rows out: "
            f"[[visits.leave_out]] with "
            f'where = {{{entry.time} = ""}} and a reason'
        )
        found.append(Problem(data.file, text, row=int(row), person=label[row], kind=f"no {entry.time}"))
    filled = rows & ~blank
    start = label[filled].map({who: persons.day_1[row] for who, row in persons.row_of.items()})
    numeric = data.sas_dates or mapping.clock.numeric_dates == "sas"
    if entry.time == "ADT":
        days = dates_of(data, here[filled], "ADT", numeric, found, lambda row: label[row]) - start
        weeks[filled] = days / 7
    elif entry.time == "ADY":
        study_day = numbers_of(data, here[filled], "ADY", found, lambda row: label[row])
        for row in study_day.index[study_day == 0]:
            text = "ADY is 0, and there is no day 0: day 1 is the first, day -1 the one before; correct it, or use ADT"
            found.append(Problem(data.file, text, row=int(row), person=label[row], kind="day 0"))
        days = study_day.where(study_day < 0, study_day - 1)
        weeks[filled] = days / 7
        same_clock(mapping, data, "ADY", days, start, numeric, label, found)
    else:
        weeks[filled] = numbers_of(data, here[filled], entry.time, found, lambda row: label[row])
    return weeks.map(week_of, na_action="ignore")


def same_clock(
    mapping: AdamMapping,
    data: DataSet,
    name: str,
    days: pd.Series,
    start: pd.Series,
    numeric: bool,
    label: pd.Series,
    found: list[Problem],
) -> None:
    """Where there is a date too, a variable in days must count from day 1 of the mapping.

    Parameters
    ----------
    mapping : AdamMapping
    data : DataSet
    name : str
        Of the variable.
    days : pandas.Series
        Days after day 1 by this variable.
    start : pandas.Series
        Day 1 of the same rows, as an ordinal.
    numeric : bool
        Whether numbers are SAS dates.
    label : pandas.Series
        Row to the person's label.
    found : list of Problem
    """
    if "ADT" not in data.cells:
        return
    unread: list[Problem] = []
    by_date = dates_of(data, data.cells.loc[days.index, "ADT"], "ADT", numeric, unread) - start
    apart = by_date.notna() & days.notna() & (by_date != days)
    if apart.any():
        row = int(apart.index[apart][0])
        text = (
            f"{name} does not count from {mapping.clock.day_1} ([clock] day_1) in {int(apart.sum()):,} of "
            f"{len(days):,} rows: "
            f"here day {days[row]:g} after it, by ADT {by_date[row]:g}; name the date that {name} counts from as "
            f"day_1, or "
            'write time = "ADT"'
        )
        found.append(Problem(data.file, text, row=row, person=label[row], kind=f"clock {name}"))


def _planned(
    data: DataSet, entry: Visits, key: str, visit: pd.Series, rows: pd.Series, reasons: pd.Series, found: list[Problem]
) -> pd.Series:
    """Weeks by planned visit."""
    given = entry.weeks if isinstance(entry.weeks, dict) else {}
    known = {name.strip(): week_of(float(week)) for name, week in given.items()}
    other = rows & ~visit.isin(list(known))
    if entry.other_visits == "leave_out":
        reasons[other] = [f"{entry.time} is {in_quotes(name)}, which weeks does not name" for name in visit[other]]
    elif other.any():
        each = dict.fromkeys(visit[other])
        text = (
            f"{entry.time} has values without a week ({key}): {counted(visit[other])}; add them, such as weeks = "
            f'{as_toml(each, "...")}, or write other_visits = "leave_out"'
        )
        found.append(Problem(data.file, text, kind=f"weeks {entry.outcome}"))
    absent = [name for name in known if name not in set(visit[rows])]
    if absent and entry.other_visits == "leave_out":
        text = f"{key}: weeks names {quoted(absent)}, which no row has as {entry.time}; found {counted(visit[rows])}"
        found.append(Problem("mapping", text))
    return visit.where(rows).map(known)


def _baseline(
    data: DataSet,
    entry: Visits,
    key: str,
    weeks: pd.Series,
    rows: pd.Series,
    label: pd.Series,
    reasons: pd.Series,
    found: list[Problem],
) -> pd.Series:
    """The weeks with the baseline at 0; what else is on day 1 or before, or before the baseline, gets a reason."""
    before = rows & (weeks <= 0)
    if entry.baseline is None:
        there = f"ABLFL: {counted(texts(data.cells['ABLFL']))}" if "ABLFL" in data.cells else "no ABLFL there"
        text = (
            f'{key}: what is the baseline, at week 0? Write baseline = "ABLFL" ({there}), "last_before" (the last '
            f"row on "
            'day 1 or before), or "as_timed" (the rows of day 1)'
        )
        found.append(Problem("mapping", text))
        return weeks
    if entry.baseline == "as_timed":
        reasons[rows & (weeks < 0)] = "before day 1"
        return weeks.where(~(rows & (weeks < 0)))
    if entry.baseline == "last_before":
        last = weeks[before].groupby(label[before]).max()
        chosen = before & (weeks == label.map(last))
    else:
        flag = column(data, "ABLFL", f"{key}, baseline", found)
        if flag is None:
            return weeks
        flagged = texts(flag).eq("Y")
        chosen = rows & flagged
        if flagged.any() and rows.any() and not chosen.any():
            text = (
                f'{key}: none of the {int(flagged.sum()):,} rows with ABLFL = "Y" is kept '
                f"({counted(reasons[flagged])}); "
                "write baseline_exempt = true to keep them whatever analysis says, or change what leaves them out"
            )
            found.append(Problem("mapping", text))
        limit = (entry.baseline_last_day - 1) / 7
        for row in chosen.index[chosen & (weeks > limit + NEAR)]:
            day = round(weeks[row] * 7) + 1
            text = (
                f'ABLFL is "Y" on day {day}, after day {entry.baseline_last_day}; correct it, or allow it under {key}: '
                f"baseline_last_day = {day}"
            )
            found.append(Problem(data.file, text, row=int(row), person=label[row], kind=f"late baseline {key}"))
    others = before & ~chosen
    reasons[others] = "on day 1 or before, and not the baseline"
    by_person = weeks[chosen].groupby(label[chosen])
    measured = label.map(by_person.last() if entry.duplicates == "last" else by_person.first())
    earlier = rows & ~others & ~chosen & (weeks < measured - NEAR)
    reasons[earlier] = "before the baseline"
    same_day = rows & ~others & ~chosen & ~earlier & (weeks <= measured + NEAR)
    reasons[same_day] = "on the day of the baseline, and not the baseline"
    return weeks.where(~chosen, 0.0).where(~(others | earlier | same_day))


def _once(data: DataSet, entry: Visits, visits: pd.DataFrame, reasons: pd.Series, found: list[Problem]) -> pd.DataFrame:
    """One row per person and week."""
    keys = ["person", "week"]
    if entry.duplicates != "refuse":
        again = visits.duplicated(keys, keep=entry.duplicates)
        reasons[again.index[again]] = f"another record of this visit is kept (the {entry.duplicates})"
        return visits[~again]
    again = visits.duplicated(keys, keep="first")
    first = visits.drop_duplicates(keys).reset_index(names="first").set_index(keys)["first"] if again.any() else None
    for row, who, week in visits.loc[again, keys].itertuples(name=None):
        assert first is not None
        text = (
            f"a second {plain(entry.outcome)} of this person and week; the first is in row {first[who, week]}; "
            f"choose by "
            'analysis = {...} or [[visits.leave_out]], or write duplicates = "first" or "last"'
        )
        found.append(Problem(data.file, text, row=int(row), person=who, week=week, kind="second record"))
    return visits
