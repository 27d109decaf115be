"""Checks that need more than one row: duplicates, persons across tables, exits, start groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from bayesmodels.errors import in_full
from bayesmodels.study.event_words import NONE, family
from bayesmodels.study.labels import DistinctLabels, label_key, one_spelling_or_more
from bayesmodels.study.person_labels import probable, respelling
from bayesmodels.study.problem import Problem, plain, quoted


def duplicates(file: str, table: pd.DataFrame, keys: Sequence[str], text: str) -> Iterator[Problem]:
    """Rows with the same keys as an earlier row; `text` may name the earlier one as {first}."""
    known = table[(table[list(keys)].notna() & (table[list(keys)] != "")).all(axis=1)]
    repeated = known.duplicated(list(keys), keep="first")
    if not repeated.any():
        return
    first: dict[tuple, int] = {}
    for row, key in zip(known.index, known[list(keys)].itertuples(index=False, name=None), strict=True):
        first.setdefault(key, row)
    again = known[repeated]
    for row, cells in zip(again.index, again.to_dict("records"), strict=True):
        week = cells["week"] if "week" in keys else None
        short = {name: plain(cell) if isinstance(cell, str) else cell for name, cell in cells.items()}
        here = text.format_map(short | {"first": first[tuple(cells[key] for key in keys)]})  # a column may be "first"
        yield Problem(file, here, row=row, person=cells["person"], week=week, kind=text)


def duplicate_persons(file: str, persons: pd.DataFrame) -> Iterator[Problem]:
    """A person with more than one row in persons."""
    yield from duplicates(
        file, persons, ["person"], "expected one row a person; this person has row {first} already; keep one"
    )


def duplicate_visits(file: str, visits: pd.DataFrame) -> Iterator[Problem]:
    """More than one value of a person, week and outcome."""
    text = (
        "a second {outcome} of this person and week; the first is in row {first}; keep one, or one row with the mean "
        "of the two; if they are of two days, give each its week as a fraction (days since randomisation / 7)"
    )
    yield from duplicates(file, visits, ["person", "week", "outcome"], text)


def duplicate_events(file: str, events: pd.DataFrame) -> Iterator[Problem]:
    """A person with more than one row in events."""
    text = "expected one row a person, at the end of follow-up; this person has row {first} already; keep one"
    yield from duplicates(file, events, ["person"], text)


def unknown_persons(file: str, table: pd.DataFrame, persons_file: str, persons: pd.DataFrame) -> Iterator[Problem]:
    """Rows of visits or events whose person is not in persons; one problem a person, with whom it probably is."""
    strangers = table[(table["person"] != "") & ~table["person"].isin(persons["person"])]
    near = probable(strangers["person"].unique(), persons.loc[persons["person"] != "", "person"].unique())
    remedy = _alike(table, {label: meant[0] for label, meant in near.items() if len(meant) == 1}) if near else ""
    for person, rows in strangers.groupby("person", sort=False):
        where = {"row": rows.index[0], "person": str(person), "week": rows["week"].iloc[0]}
        text = f"this person is not in {persons_file}{_and_more(rows)}"
        if person in near:
            meant = quoted(near[str(person)][:3])
            text, log = (
                f"{text}, where {whose} has nearly the same label; if that is the person, {remedy}"
                for whose in (meant, "another")
            )
            yield Problem(file, text, kind="nearly in persons", in_log=log, **where)
        else:
            text += "; add the person there, or delete the rows here"
            yield Problem(file, text, kind="not in persons", **where)


def _alike(table: pd.DataFrame, meant: Mapping[str, str]) -> str:
    """How to write the persons of a table as those meant."""
    name = "events" if "event" in table else "visits"
    code = respelling(table.loc[table["person"] != "", "person"], meant)
    if code is None:
        return "write the label as it is there"
    column = f'{name}["person"]'
    text = f"write it as there, with pandas {column} = {column}.astype(str){code}"
    if any(label.removesuffix(".0").isdigit() for label in meant):
        text += '; ids read as numbers lose their zeros: read every table with dtype={"person": str}'
    return text


def persons_without_visits(
    file: str, persons: pd.DataFrame, visits_file: str, visits: pd.DataFrame
) -> Iterator[Problem]:
    """Persons with no row in visits, nor one under nearly the same label (`unknown_persons`)."""
    lonely = _without(persons, visits)
    for row, person in lonely["person"].items():
        text = f"this person has no row in {visits_file}; add the visits, or leave the person out of the study"
        yield Problem(file, text, row=row, person=person, kind="no visits")


def _without(persons: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Rows of persons who are not in another table under their label or one nearly the same."""
    lonely = persons[(persons["person"] != "") & ~persons["person"].isin(table["person"])]
    strangers = table.loc[(table["person"] != "") & ~table["person"].isin(persons["person"]), "person"].unique()
    return lonely[~lonely["person"].isin(list(probable(lonely["person"], strangers)))]


def persons_without_exit(file: str, persons: pd.DataFrame, events_file: str, events: pd.DataFrame) -> Iterator[Problem]:
    """Persons with no row in events, nor one under nearly the same label (`unknown_persons`)."""
    lonely = _without(persons, events)
    for row, person in lonely["person"].items():
        text = (
            f"this person has no row in {events_file}; add one, with the last week of follow-up and event "
            '"none" if nothing happened'
        )
        yield Problem(file, text, row=row, person=person, kind="no exit")


def visits_after_exit(file: str, visits: pd.DataFrame, events_file: str, events: pd.DataFrame) -> Iterator[Problem]:
    """Visits later than the person's row in events."""
    exits = events[events["person"] != ""].drop_duplicates("person").set_index("person")
    last = visits.groupby("person")["week"].max()
    dated = visits[["person", "week"]].assign(
        exit_week=visits["person"].map(exits["week"]), event=visits["person"].map(exits["event"])
    )
    for row, person, week, exit_week, event in dated[dated["week"] > dated["exit_week"]].itertuples(name=None):
        text = f"the visit is after the exit week {in_full(exit_week)} in {events_file}, which is the end of follow-up"
        until = f"the last week of follow-up ({in_full(last[person])} or later)"
        if label_key(event) == NONE:
            text += f"; write {until} there, or correct the week of the visit"
        elif family(event) == "death":
            text += f" (event {quoted([event])}); correct one of the two weeks"
        else:
            text += (
                f" (event {quoted([event])}); correct the week that is wrong; if follow-up went on after the event, "
                f'write event "{NONE}" and {until} there, or leave out the visits after the event'
            )
        yield Problem(file, text, row=row, person=person, week=week, kind="after exit")


def single_person_groups(file: str, persons: pd.DataFrame, distinct: DistinctLabels = ()) -> Iterator[Problem]:
    """Start groups of one person, where there are two or more groups; not those that another spelling explains."""
    respelt = {label for labels in one_spelling_or_more(persons["start_group"], distinct) for label in labels}
    groups = persons[persons["start_group"] != ""].groupby("start_group", sort=False)
    if groups.ngroups < 2:
        return
    for group, rows in groups:
        if len(rows) == 1 and group not in respelt:
            text = (
                f"expected two persons or more in each start group, got one in {quoted([group])}; correct the label, "
                f"or leave the person out (groups: {quoted(groups.groups)})"
            )
            yield Problem(file, text, row=rows.index[0], person=rows["person"].iloc[0], kind="single")


def _and_more(rows: pd.DataFrame) -> str:
    return f" ({len(rows):,} rows)" if len(rows) > 1 else ""
