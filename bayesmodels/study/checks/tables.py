"""Parsing and checking of a trial's three tables; every problem is collected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from bayesmodels.study.checks import links
from bayesmodels.study.checks.advice import date_column, wide_table
from bayesmodels.study.checks.cells import ABSENT, NEAR, Locate, as_one_week, covariate, labels, number, numbers
from bayesmodels.study.checks.doubtful import study_warnings
from bayesmodels.study.checks.event_words import NONE, absent_labels, doubtful_events, event_spellings
from bayesmodels.study.checks.labels import LabelColumn, label_key, spelling_problems
from bayesmodels.study.checks.limits import Limits, limits_of
from bayesmodels.study.checks.rows import event_rules, person_rules, row_problems, visit_rules
from bayesmodels.study.checks.settings import Settings
from bayesmodels.study.files import RawTable
from bayesmodels.study.problem import Problem, nearest, plain, quoted

PERSON_COLUMNS = ("person", "start_group", "drug_start_week")
VISIT_COLUMNS = ("person", "week", "outcome", "value")
EVENT_COLUMNS = ("person", "week", "event")

NEVER = float("inf")
"""`drug_start_week` of a person who never starts the drug."""


@dataclass(frozen=True)
class Tables:
    """The three tables, parsed, with all their problems; usable only if there are none.

    Parameters
    ----------
    persons : pandas.DataFrame
        person, start_group, drug_start_week (inf: never), stratum if given, then further columns. Index: row.
    visits : pandas.DataFrame
        person, week, outcome, value, censoring. Index: row.
    events : pandas.DataFrame or None
        person, week, event, entry_week. Index: row.
    files : dict of str to str
        Names of the three files, for messages.
    problems : tuple of Problem
    warnings : tuple of Problem
        What is legitimate but doubtful; see `doubtful`.
    """

    persons: pd.DataFrame
    visits: pd.DataFrame
    events: pd.DataFrame | None
    files: dict[str, str]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()


def check_tables(persons: RawTable, visits: RawTable, events: RawTable | None, settings: Settings) -> Tables:
    """Parse the tables and check every cell, row and link between them.

    Parameters
    ----------
    persons, visits, events : RawTable
    settings : Settings
        Strata, further limits, what was said of labels, and whether these are persons to predict.
    """
    found: list[Problem] = []
    distinct, event_labels = settings.distinct_labels, settings.event_labels
    person_table = _persons(persons, settings, found)
    randomised = date_column(persons.cells)
    visit_table = _visits(visits, settings.extra_limits, found, randomised)
    event_table = None if events is None else _events(events, event_labels, found, randomised)
    _one_time(person_table, visit_table, event_table)
    spellings = list(_label_columns(persons.file, person_table))
    spellings.append(LabelColumn(visits.file, "outcome", visit_table["outcome"], visit_table["person"]))
    if events is not None and event_table is not None:
        found += event_spellings(events.file, event_table, distinct, event_labels)
        known = event_table["event"].where(event_table["event"].map(label_key) != NONE, "")
        spellings.append(LabelColumn(events.file, "event", known, event_table["person"]))
    elif event_labels:
        found.append(
            Problem("events", "event_labels needs an events table, and there is none; add it, or delete the key")
        )
    found += spelling_problems(spellings, distinct)
    if len(person_table):
        found += links.duplicates(persons.file, person_table, *links.OF_PERSONS)
        if not settings.new_persons:
            found += links.single_person_groups(persons.file, person_table, distinct)
    if len(visit_table):
        found += links.duplicates(visits.file, visit_table, *links.OF_VISITS)
    if _has_persons(person_table) and _has_persons(visit_table):
        found += links.unknown_persons(visits.file, visit_table, persons.file, person_table)
        if not settings.new_persons:
            found += links.persons_without(persons.file, person_table, visit_table, links.no_visits(visits.file))
    if events is not None and event_table is not None and len(event_table):
        found += links.duplicates(events.file, event_table, *links.OF_EVENTS)
        found += links.visits_after_exit(visits.file, visit_table, events.file, event_table)
        if _has_persons(person_table) and _has_persons(event_table):
            found += links.unknown_persons(events.file, event_table, persons.file, person_table)
            found += links.persons_without(persons.file, person_table, event_table, links.no_exit(events.file))
    files = {"persons": persons.file, "visits": visits.file, "events": events.file if events else "events"}
    limits = limits_of(visit_table["outcome"].unique(), settings.extra_limits)
    doubtful = study_warnings(files, person_table, visit_table, event_table, limits)
    if event_table is not None:
        doubtful += tuple(doubtful_events(files["events"], event_table, event_labels))
    return Tables(person_table, visit_table, event_table, files, tuple(found), doubtful)


def _persons(raw: RawTable, settings: Settings, found: list[Problem]) -> pd.DataFrame:
    strata = settings.strata
    cells, file = _structure(raw, PERSON_COLUMNS, None, found, optional=("stratum",)), raw.file
    locate = _locate(cells, week=False)
    columns: dict[str, object] = {name: labels(file, cells[name], found, locate) for name in PERSON_COLUMNS[:2]}
    columns["drug_start_week"] = numbers(
        file, cells["drug_start_week"], found, locate, blank=NEVER, infinite=True, near="week", table="persons",
        randomised=date_column(cells),
    )  # fmt: skip
    if "stratum" in cells:
        columns["stratum"] = labels(file, cells["stratum"], found, locate, blank=None if strata else "")
    elif strata:
        near = nearest("stratum", [c for c in cells if c not in PERSON_COLUMNS])
        hint = (
            f'rename "{plain(near)}" if that is it, or set strata = false' if near else "add it, or set strata = false"
        )
        found.append(Problem(file, f'strata = true needs a column "stratum", which is missing; {hint}'))
    table = pd.DataFrame(columns, index=cells.index)
    if strata and "stratum" in cells:
        found += _stratum_labels(file, table, settings.new_persons)
    found += row_problems(file, table, person_rules(table))
    further = [name for name in cells if name not in table]
    found += [
        Problem(file, f'column "{plain(name)}" has a name with spaces around it or unprintable characters; rename it')
        for name in further
        if name != name.strip() or not name.isprintable()
    ]
    return pd.concat([table, *(covariate(cells[name]).rename(name) for name in further)], axis=1)


def _stratum_labels(file: str, table: pd.DataFrame, new_persons: bool) -> list[Problem]:
    given = [label for label in table["stratum"].unique() if label]
    problems = [
        Problem(file, 'the stratum label "all" is kept for the mixture of strata; use another label', row=row,
                person=table["person"][row], kind="stratum all")
        for row in table.index[table["stratum"] == "all"]
    ]  # fmt: skip
    if len(given) == 1 and not new_persons:
        problems.append(
            Problem(file, f"strata = true needs two strata or more, got only {quoted(given)}; set strata = false")
        )
    return problems


def _label_columns(file: str, persons: pd.DataFrame) -> Iterator[LabelColumn]:
    """Columns of labels of the persons table; `trial` where it holds text."""
    for name in ("start_group", "stratum", "trial"):
        if name in persons and not pd.api.types.is_numeric_dtype(persons[name].dtype):
            cells = persons[name].map(lambda cell: cell if isinstance(cell, str) else "")
            yield LabelColumn(file, name, cells, persons["person"])


def _one_time(persons: pd.DataFrame, visits: pd.DataFrame, events: pd.DataFrame | None) -> None:
    """Make weeks of the three tables one where they are no further apart than rounding takes them."""
    columns = [(persons, "drug_start_week"), (visits, "week")]
    columns += [] if events is None else [(events, "week"), (events, "entry_week")]
    for (table, name), weeks in zip(columns, as_one_week(*(t[name] for t, name in columns)), strict=True):
        table[name] = weeks


def _visits(
    raw: RawTable, extra_limits: Mapping[str, Limits], found: list[Problem], randomised: str | None
) -> pd.DataFrame:
    wide = wide_table(raw.file, raw.cells, (*VISIT_COLUMNS, "censoring"))
    if wide is not None:
        raw = RawTable(raw.file, problems=(*raw.problems, wide))
    cells, file = _structure(raw, VISIT_COLUMNS, ("censoring",), found), raw.file
    by_person, of_whom, locate = _locate(cells, week=False), _locate(cells, person=False), _locate(cells)
    columns: dict[str, object] = {
        "person": labels(file, cells["person"], found, of_whom),
        "week": numbers(file, cells["week"], found, by_person, near="week", table="visits", randomised=randomised),
        "outcome": labels(file, cells["outcome"], found, locate),
        "value": numbers(file, cells["value"], found, locate, censor=True),
        "censoring": labels(file, cells["censoring"], found, locate, blank="") if "censoring" in cells else "",
    }
    table = pd.DataFrame(columns, index=cells.index)
    limits = limits_of(table["outcome"].unique(), extra_limits)
    zero = table["outcome"].isin(list(limits_of(limits, {}))) & (table["value"].abs() < NEAR)  # of known unit
    table["value"] = table["value"].where(~zero, 0.0)
    found += row_problems(file, table, visit_rules(table, limits))
    return table


def _events(
    raw: RawTable, event_labels: Mapping[str, str], found: list[Problem], randomised: str | None
) -> pd.DataFrame:
    cells, file = _structure(raw, EVENT_COLUMNS, ("entry_week",), found), raw.file
    by_person, of_whom, locate = _locate(cells, week=False), _locate(cells, person=False), _locate(cells)
    person = labels(file, cells["person"], found, of_whom)
    week = numbers(file, cells["week"], found, by_person, near="week", table="events", randomised=randomised)
    written = labels(file, cells["event"], found, locate)
    found += absent_labels(file, written, event_labels)
    event = [event_labels.get(label, label) for label in written]
    entry = numbers(file, cells["entry_week"], found, locate, blank=0.0, near="week") if "entry_week" in cells else 0.0
    columns = {"person": person, "week": week, "event": event, "entry_week": entry}
    table = pd.DataFrame(columns, index=cells.index)
    found += row_problems(file, table, event_rules(table))
    return table


def _structure(
    raw: RawTable,
    required: tuple[str, ...],
    further: tuple[str, ...] | None,
    found: list[Problem],
    optional: tuple[str, ...] = (),
) -> pd.DataFrame:
    """The cells, with `ABSENT` in required columns that are missing; missing and unknown columns go to `found`.

    `further` are the other columns allowed; None allows any. `optional` ones are never taken for a misspelt one.
    """
    found += raw.problems
    here = list(raw.cells.columns)
    if not here and raw.problems:
        return pd.DataFrame({name: pd.Series(dtype=object) for name in required})
    known = (*required, *(further or ()))
    unknown = [name for name in here if name not in known and name not in optional]
    misspelt = set()
    missing = [name for name in required if name not in here]
    for name in missing:
        near = next((other for other in unknown if nearest(other, missing) == name and other not in misspelt), None)
        if near is not None:
            misspelt.add(near)
            remedy = f'rename the column "{plain(near)}" if that is it'
        else:
            remedy = f"add it (columns found: {quoted(here)})" if here else "add it"
        found.append(Problem(raw.file, f'expected a column "{name}", which is missing; {remedy}'))
    for name in unknown if further is not None else ():
        if name in misspelt:
            continue
        near = nearest(name, [k for k in known if k not in here])
        remedy = f'rename it to "{near}" if that is it, or delete it' if near else "delete it"
        found.append(Problem(raw.file, f'column "{plain(name)}" is unknown (known: {quoted(known)}); {remedy}'))
    if not len(raw.cells) and not raw.problems:
        found.append(Problem(raw.file, "the table has no rows below the header; add them"))
    return raw.cells.assign(**{name: pd.Series(ABSENT, index=raw.cells.index, dtype=object) for name in missing})


def _has_persons(table: pd.DataFrame) -> bool:
    return bool((table["person"] != "").any())


def _locate(cells: pd.DataFrame, *, week: bool = True, person: bool = True) -> Locate:
    """Who and when a row is about, for the problems of its other cells."""

    def locate(row: int) -> dict:
        about: dict = {}
        if person and "person" in cells and cells.at[row, "person"] is not ABSENT:
            about["person"] = plain(cells.at[row, "person"])
        if week and "week" in cells:
            about["week"] = number(cells.at[row, "week"])
        return about

    return locate
