"""From analysis data sets and a mapping to the tables of a study: a row is kept, left out with a reason, or refused."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bayesmodels.errors import BadInput
from bayesmodels.study.adam.datasets import DataSet, read_data_set
from bayesmodels.study.adam.events import after_end, events_of, times_of
from bayesmodels.study.adam.mapping import ADSL, AdamMapping, Events
from bayesmodels.study.adam.persons import AdslPersons, persons_of, undated_starts, without_visits
from bayesmodels.study.adam.visits import visits_of
from bayesmodels.study.converted import ConvertedTables, Source, checked_tables, left_out_table
from bayesmodels.study.problem import Problem, in_order, quoted


def convert(mapping: AdamMapping, folder: Path) -> ConvertedTables:
    """Convert the data sets of a mapping.

    Parameters
    ----------
    mapping : AdamMapping
    folder : Path
        Where relative paths of the mapping begin.

    Returns
    -------
    ConvertedTables

    Raises
    ------
    BadInput
        Every problem of the data sets and every choice that the mapping leaves open, with what to write.
    """
    found: list[Problem] = []
    data = {name: read_data_set(name, source, folder, found) for name, source in mapping.data.items()}
    adsl = data[ADSL]
    if adsl is None:
        raise BadInput(in_order(found))
    if not len(adsl.cells):
        found.append(Problem(adsl.file, "the data set has no rows"))
    unused = [name for name in data if name not in _used(mapping)]
    if unused:
        text = f"[data] names {quoted(unused)}, which no [[visits]] or [[time_to_event]] uses; delete it, or use it"
        found.append(Problem("mapping", text))
    if not mapping.visits:
        found.append(Problem("mapping", "expected a section [[visits]] for each outcome, found none; add one"))
    persons = persons_of(mapping, adsl, found)
    reasons: dict[str, pd.Series] = {}
    tables, origin = [], []
    for name, each in data.items():
        chosen = [entry for entry in mapping.visits if entry.data == name]
        if each is not None and chosen:
            kept = visits_of(mapping, each, chosen, persons, found)
            reasons[name] = kept.reasons
            tables.append(kept.visits.reset_index(names="row"))
            origin += [name] * len(kept.visits)
    columns = ["row", "person", "week", "outcome", "value"]
    visits = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    visits["data_set"] = origin
    files = {name: each.file for name, each in data.items() if each is not None}
    events = events_of(mapping, adsl, persons, found)
    notes: list[str] = []
    if events is not None and len(visits):
        late, events, notes = after_end(mapping, files, visits, events, found)
        extended = isinstance(mapping.events, Events) and mapping.events.visits_after_end == "extend"
        for name, rows in visits[late].groupby("data_set")["row"]:
            reasons[str(name)][list(rows)] = "after death" if extended else "after the end of follow-up"
        visits = visits[~late]
    if mapping.visits and not found:
        without_visits(mapping, adsl, persons, set(visits["person"]), found)
    times, time_reasons = _times(mapping, data, persons, found)
    if found:
        raise BadInput(in_order(found))
    ends = visits.groupby("person")["week"].max() if events is None else events.set_index("person")["week"]
    notes += undated_starts(persons, ends)
    notes += _without_baseline(visits)
    reasons = {ADSL: persons.reasons} | reasons | time_reasons
    kept_persons = persons.table[persons.reasons == ""]
    if events is not None:
        events = events.loc[events["person"].isin(kept_persons["person"]), ["person", "week", "event"]]
    places = {
        "persons": [(adsl.file, int(row)) for row in kept_persons.index],
        "visits": [
            (files[name], int(row)) for name, row in visits[["data_set", "row"]].itertuples(index=False, name=None)
        ],
        "events": [] if events is None else [(adsl.file, int(row)) for row in events.index],
    }
    return checked_tables(
        ConvertedTables(
            name=mapping.name,
            persons=kept_persons.reset_index(drop=True),
            visits=visits[columns[1:]].reset_index(drop=True),
            events=None if events is None else events.reset_index(drop=True),
            time_to_event=times,
            left_out=left_out_table(reasons),
            sources=tuple(
                Source(name, each.file, each.sha256, len(each.cells), int((reasons[name] == "").sum()))
                for name, each in data.items()
                if each is not None
            ),
            notes=tuple(notes),
        ),
        places,
    )


def _without_baseline(visits: pd.DataFrame) -> list[str]:
    """How many persons with an outcome have no value of it at week 0."""
    notes = []
    for outcome, rows in visits.groupby("outcome", sort=False):
        alone = rows["person"].nunique() - rows.loc[rows["week"] == 0, "person"].nunique()
        if alone:
            notes.append(f"{alone:,} of {rows['person'].nunique():,} persons have no {outcome} at week 0")
    return notes


def _used(mapping: AdamMapping) -> set[str]:
    return {ADSL, *(entry.data for entry in mapping.visits), *(entry.data for entry in mapping.time_to_event)}


def _times(
    mapping: AdamMapping, data: dict[str, DataSet | None], persons: AdslPersons, found: list[Problem]
) -> tuple[pd.DataFrame | None, dict[str, pd.Series]]:
    """Times of events of all data sets, and the reasons by data set."""
    tables, reasons = [], {}
    for name, each in data.items():
        chosen = [entry for entry in mapping.time_to_event if entry.data == name]
        if each is not None and chosen:
            if any(entry.data == name for entry in mapping.visits):
                found.append(Problem("mapping", f'[[time_to_event]]: "{name}" is used by [[visits]] already; give it a '
                                     "second name under [data]"))  # fmt: skip
                continue
            table, reasons[name] = times_of(mapping, each, chosen, persons, found)
            tables.append(table)
    return (pd.concat(tables, ignore_index=True) if tables else None), reasons
