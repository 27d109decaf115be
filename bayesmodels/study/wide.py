"""Tables with one row per person and one column per visit, to the three tables of a study."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bayesmodels.errors import BadInput, expect
from bayesmodels.files import file_sha256
from bayesmodels.study.checks.cells import number, week_of
from bayesmodels.study.checks.labels import DIFFER, alike
from bayesmodels.study.checks.tables import NEVER
from bayesmodels.study.converted import ConvertedTables, Source, checked_tables
from bayesmodels.study.files import from_frame, read_table
from bayesmodels.study.problem import Problem, in_order, plain, quoted

SHOWN = 40
"""Columns that a note names."""


def read_wide(
    source: str | Path | pd.DataFrame,
    *,
    person: str,
    start_group: str,
    drug_start_week: Mapping[str, float | None],
    outcomes: Mapping[str, Mapping[str, float]] | None = None,
    pattern: str | None = None,
    stratum: str | None = None,
    covariates: Sequence[str] = (),
    name: str = "study",
) -> ConvertedTables:
    """The tables of a study from a table with a row per person and a column per visit.

    Parameters
    ----------
    source : path or pandas.DataFrame
        A .csv or .parquet file, or a DataFrame.
    person, start_group : str
        Columns with the person's label and the start group.
    drug_start_week : mapping
        Start group to the week since randomisation in which the drug starts; None: never.
    outcomes : mapping, optional
        Outcome to its columns, each with its week: ``{"alsfrs_r": {"frs_bl": 0, "frs_w4": 4}}``.
    pattern : str, optional
        Instead of `outcomes`: a regular expression for whole names of columns, with the groups `outcome` and `week`,
        such as ``(?P<outcome>alsfrs_r|svc)_w(?P<week>\\d+)``.
    stratum : str, optional
        Column.
    covariates : sequence of str
        Columns to keep.
    name : str
        For titles.

    Returns
    -------
    ConvertedTables
        A blank cell is a visit that was not made. Of a person without any value the row is left out, with its reason.
        A note names the columns that are not used.

    Raises
    ------
    BadInput
        Every problem: a column that is not there, a cell that is no number, a start group without a start of the drug.
    """
    expect(source, (str, Path, pd.DataFrame), "source", "give the path of a .csv or .parquet file, or a DataFrame")
    if (outcomes is None) == (pattern is None):
        raise BadInput(
            'outcomes, pattern: expected one of the two: outcomes = {"alsfrs_r": {"frs_bl": 0, "frs_w4": 4}}, or '
            r'pattern = r"(?P<outcome>alsfrs_r)_w(?P<week>\d+)"'
        )
    expect(drug_start_week, Mapping, "drug_start_week", 'give each start group its week: {"early": 0, "delayed": 28}')
    for given, what in ((person, "person"), (start_group, "start_group")):
        expect(given, str, what, "give the name of a column")
    is_frame = isinstance(source, pd.DataFrame)
    raw = from_frame(source, "wide table") if is_frame else read_table(Path(source))
    found: list[Problem] = list(raw.problems)
    cells, file = raw.cells, raw.file
    here = [str(each) for each in cells.columns]
    columns = _by_pattern(pattern, here) if pattern is not None else _by_name(outcomes)
    wanted = [person, start_group, *([stratum] if stratum else []), *covariates, *(c for c, _, _ in columns)]
    absent = [each for each in dict.fromkeys(wanted) if each not in cells]
    if not columns:
        found.append(
            Problem(file, f"no column of a visit is named by outcomes or pattern; columns there: {quoted(here)}")
        )
    found += [
        Problem(file, f'expected a column "{plain(c)}", found none; columns there: {quoted(here)}') for c in absent
    ]
    if found:
        raise BadInput(in_order(found))
    groups = cells[start_group].map(str)
    unknown = list(dict.fromkeys(groups[~groups.isin(list(drug_start_week))]))
    if unknown:
        texts = [name for name in drug_start_week if isinstance(name, str)]
        near = {label: alike(label, texts) for label in unknown}
        same = [f"{quoted([label])} for {quoted([name])}" for label, name in near.items() if name is not None]
        parts = [f"drug_start_week has no week for {quoted(unknown)}"]
        if same:
            parts.append(f"{', '.join(same)} differ{'s' * (len(same) == 1)} only by {DIFFER}: write one way in both")
        if len(texts) < len(drug_start_week):
            parts.append('write start groups as text, "1" for 1')
        if len(same) < len(unknown):
            parts.append(f"add each{' of the others' if same else ''}, None where the drug is never started")
        found.append(Problem(file, "; ".join(parts)))
    rows: list[tuple[object, float, str, float]] = []
    row_of: list[int] = []
    for each, outcome, week in columns:
        for row, cell in cells[each].items():
            if isinstance(cell, str) and not cell.strip():
                continue
            value = number(cell)
            if value is None:
                text = f"expected a number in {plain(each)}, got {quoted([cell])}; correct it, or leave the cell blank"
                found.append(
                    Problem(file, text, row=int(str(row)), person=str(cells.at[row, person]), kind=f"cell {each}")
                )
                continue
            rows.append((cells.at[row, person], week, outcome, value))
            row_of.append(int(str(row)))
    if found:
        raise BadInput(in_order(found))
    kept = cells.index.isin(row_of)
    weeks = {group: NEVER if week is None else float(week) for group, week in drug_start_week.items()}
    persons = pd.DataFrame(
        {"person": cells[person], "start_group": groups, "drug_start_week": groups.map(weeks)}
        | ({"stratum": cells[stratum]} if stratum else {})
        | {each: cells[each] for each in covariates}
    )
    left = pd.DataFrame({"data_set": "wide", "row": cells.index[~kept], "reason": "no visit has a value"})
    unused = [each for each in here if each not in wanted]
    digest = "" if is_frame else file_sha256(Path(source))  # type: ignore[arg-type]
    return checked_tables(
        ConvertedTables(
            name=name,
            persons=persons[kept].reset_index(drop=True),
            visits=pd.DataFrame(rows, columns=["person", "week", "outcome", "value"]),
            events=None,
            time_to_event=None,
            left_out=left,
            sources=(Source("wide", file, digest, len(cells), int(np.sum(kept))),),
            notes=(f"columns not used: {_listed(unused)}",) if unused else (),
        ),
        {
            "persons": [(file, int(str(row))) for row in persons.index[kept]],
            "visits": [(file, row) for row in row_of],
        },
    )


def _listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - SHOWN
    return quoted(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _by_name(outcomes: Mapping[str, Mapping[str, float]] | None) -> list[tuple[str, str, float]]:
    """column, outcome, week of every column that is named."""
    expect(outcomes, Mapping, "outcomes", 'give each outcome its columns: {"alsfrs_r": {"frs_bl": 0, "frs_w4": 4}}')
    assert outcomes is not None
    found = []
    for outcome, columns in outcomes.items():
        expect(columns, Mapping, f"outcomes, {plain(outcome)}", 'give each column its week: {"frs_bl": 0, "frs_w4": 4}')
        for each, week in columns.items():
            value = number(week)
            if value is None:
                raise BadInput(f"outcomes, {plain(outcome)}: expected the week of {plain(each)}, got {quoted([week])}")
            found.append((str(each), str(outcome), week_of(value)))
    return found


def _by_pattern(pattern: object, here: Sequence[str]) -> list[tuple[str, str, float]]:
    """column, outcome, week of every column that fits the pattern."""
    try:
        compiled = re.compile(pattern)  # type: ignore[call-overload]
    except (re.error, TypeError) as error:
        raise BadInput(f"pattern: expected a regular expression, got {quoted([pattern])} ({plain(error)})") from error
    if not {"outcome", "week"} <= set(compiled.groupindex):
        raise BadInput(
            r'pattern: expected the groups outcome and week, such as r"(?P<outcome>alsfrs_r)_w(?P<week>\d+)", got '
            f"{quoted([pattern])}"
        )
    found = []
    for each in here:
        match = compiled.fullmatch(each)
        if match is not None:
            value = number(match["week"])
            if value is None:
                raise BadInput(f"pattern: the week of column {plain(each)} is {quoted([match['week']])}, not a number")
            found.append((each, match["outcome"], week_of(value)))
    return found
