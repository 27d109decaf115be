"""Checks that need more than one row: duplicates, persons across tables, exits, start groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from bayesmodels.errors import in_full
from bayesmodels.study.checks.event_words import NONE, family
from bayesmodels.study.checks.labels import DistinctLabels, label_key, one_spelling_or_more, probable, respelling
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


OF_PERSONS = (("person",), "expected one row per person; this person has row {first} already; keep one")
OF_VISITS = (
    ("person", "week", "outcome"),
    "a second {outcome} of this person and week; the first is in row {first}; keep one, or one row with the mean "
    "of the two; if they are of two days, give each its week as a fraction (days since randomisation / 7)",
)
OF_EVENTS = (
    ("person",),
    "expected one row per person, at the end of follow-up; this person has row {first} already; keep one",
)
"""Columns of which a table holds each combination once, and what `duplicates` says of a second row."""


def unknown_persons(file: str, table: pd.DataFrame, persons_file: str, persons: pd.DataFrame) -> Iterator[Problem]:
    """Rows of visits or events whose person is not in persons; one problem per person, with who is probably meant."""
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


def persons_without(
    file: str, persons: pd.DataFrame, table: pd.DataFrame, text_and_kind: tuple[str, str]
) -> Iterator[Problem]:
    """Persons with no row in another table under their label or one nearly the same (`unknown_persons`)."""
    lonely = persons[(persons["person"] != "") & ~persons["person"].isin(table["person"])]
    strangers = table.loc[(table["person"] != "") & ~table["person"].isin(persons["person"]), "person"].unique()
    near, (text, kind) = probable(lonely["person"], strangers), text_and_kind
    for row, person in lonely["person"].items():
        if person not in near:
            yield Problem(file, text, row=row, person=person, kind=kind)


def no_visits(file: str) -> tuple[str, str]:
    """Text and kind for persons without visits in `file`."""
    return f"this person has no row in {file}; add the visits, or leave the person out of the study", "no visits"


def no_exit(file: str) -> tuple[str, str]:
    """Text and kind for persons without a row of events in `file`."""
    text = (
        f"this person has no row in {file}; add one, with the last week of follow-up and event "
        '"none" if nothing happened'
    )
    return text, "no exit"


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
    """Start groups of one person, where there are two or more groups, unless another spelling explains them."""
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
