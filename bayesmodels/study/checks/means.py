"""Checks of a table of visit-level means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from bayesmodels.errors import BadInput, in_full
from bayesmodels.study.checks.cells import as_one_week, labels, number, numbers, week_of
from bayesmodels.study.checks.labels import DIFFER, LabelColumn, alike, spelling_problems, spelt
from bayesmodels.study.checks.rows import LONGEST, missing_columns, row_problems
from bayesmodels.study.checks.settings import check_distinct
from bayesmodels.study.files import RawTable
from bayesmodels.study.problem import Problem, in_order, nearest, plain, quoted
from bayesmodels.vocabulary import ALL

NUMBERS = ("week", "estimate", "se", "n", "reading_error")
COLUMNS = (
    "series", "stratum", "start_group", "week", "outcome", "estimate", "se", "n", "scale", "unit", "certainty",
    "source", "reading_error",
)  # fmt: skip
REQUIRED = COLUMNS[:-1]
SPELT = ("series", "stratum", "start_group", "outcome")
"""Columns of labels."""

SCALES = ("change_from_baseline", "log_ratio_to_baseline")


def check_means(
    raw: RawTable, drug_start_week: object, reference_group: object, distinct_labels: object = ()
) -> tuple[pd.DataFrame, dict[str, float]]:
    """The rows of a table of means in order, and the drug start of each start group.

    Raises
    ------
    BadInput
        With every problem found.
    """
    found = list(raw.problems)
    here = list(raw.cells.columns)
    missing = [column for column in REQUIRED if column not in here]
    unknown = [column for column in here if column not in COLUMNS]
    if not raw.problems or here:
        found += missing_columns(raw.file, here, REQUIRED)
        for column in unknown:
            near = nearest(column, missing)
            remedy = f'rename it to "{near}" if that is it, or delete it' if near else "delete it"
            found.append(Problem(raw.file, f'column "{plain(column)}" is unknown (known: {quoted(COLUMNS)}); {remedy}'))
    if missing or unknown or not here:
        raise BadInput(in_order(found))
    rows = _parsed(raw, found)
    distinct = check_distinct(distinct_labels, found)
    found += spelling_problems([LabelColumn(raw.file, name, rows[name]) for name in SPELT], distinct, "data")
    starts = _drug_starts(drug_start_week, rows, found)
    if not isinstance(reference_group, str) or reference_group not in starts:
        text = f'reference_group "{plain(reference_group)}" is not a start group (groups: {quoted(starts)})'
        found.append(Problem(raw.file, text + spelt(reference_group, starts, "reference_group = {}")))
    found += _row_problems(raw.file, rows)
    found += overlaps(raw.file, rows)
    if not len(rows) and not raw.problems:
        found.append(Problem(raw.file, "the table has no rows; expected one a mean"))
    if found:
        raise BadInput(in_order(found))
    return _in_table_order(rows), starts


def _parsed(raw: RawTable, found: list[Problem]) -> pd.DataFrame:
    columns: dict[str, object] = {}
    blank = {"se": np.nan, "reading_error": 0.0}
    for column in COLUMNS:
        if column not in raw.cells:
            columns[column] = np.zeros(len(raw.cells))
            continue
        cells = raw.cells[column]
        if column in NUMBERS:
            near: Literal["", "week"] = "week" if column == "week" else ""
            columns[column] = numbers(raw.file, cells, found, blank=blank.get(column), near=near)
        else:
            columns[column] = labels(raw.file, cells, found)
    rows = pd.DataFrame(columns, index=raw.cells.index)
    (rows["week"],) = as_one_week(rows["week"])
    return rows


def _drug_starts(given: object, rows: pd.DataFrame, found: list[Problem]) -> dict[str, float]:
    groups = [group for group in rows["start_group"].unique() if group]
    starts = dict(given) if isinstance(given, Mapping) else {}
    good = {}
    for group in groups:
        week = starts.get(group)
        value = None if isinstance(week, str) else number(week)
        if value is not None and value >= 0:
            good[group] = week_of(value) if np.isfinite(value) else value
        else:
            came = "nothing" if week is None else plain(week)
            text = f"expected a week of 0 or later, or inf, for start group {quoted([group])}, got {came}"
            respelt = _respelt(group, [name for name in starts if name not in groups])
            found.append(Problem("drug_start_week", text + respelt))
            good[group] = np.inf
    for group in starts:
        if group not in groups:
            text = f"{quoted([group])} is not a start group of the table (groups: {quoted(groups)})"
            found.append(Problem("drug_start_week", text))
    return good


def _respelt(group: str, given: Sequence[object]) -> str:
    """What to do where `drug_start_week` spells a start group otherwise than the table."""
    same = alike(group, [name for name in given if isinstance(name, str)])
    return f"; it has {quoted([same])}, which differs only by {DIFFER}: write it as the table does" if same else ""


def _row_problems(file: str, rows: pd.DataFrame) -> list[Problem]:
    rules = (
        (
            rows["week"] <= 0,
            "expected a week above 0, since these are changes since week 0, got {week:g}; delete the row",
        ),
        (
            rows["se"] <= 0,
            "expected a standard error above 0, or a blank where none was published, got {se:g}; correct it",
        ),
        (
            (rows["n"] < 1) | (rows["n"] % 1 > 0),
            "expected n as a whole number of persons of 1 or more, got {n:g}; correct it",
        ),
        (rows["reading_error"] < 0, "expected a reading_error of 0 or more, got {reading_error:g}; correct it"),
        (~rows["scale"].isin([*SCALES, ""]), f'expected scale {" or ".join(SCALES)}, got "{{scale}}"; correct it'),
    )
    found = row_problems(file, rows, rules, LONGEST)
    for outcome, part in rows.groupby("outcome", sort=False):
        for column in ("scale", "unit"):
            if part[column].nunique() > 1:
                given = quoted(part[column].unique())
                found.append(
                    Problem(file, f"expected one {column} for {plain(outcome)}, got {given}; convert the rows to one")
                )
    return found


def overlaps(file: str, rows: pd.DataFrame) -> list[Problem]:
    """Rows that are about the same people, outcome and week, or strata beside all of the same people."""
    found = []
    keys = ["outcome", "stratum", "start_group", "week"]
    known = rows[(rows[keys].notna() & (rows[keys] != "")).all(axis=1)]
    for (outcome, stratum), part in known.groupby(["outcome", "stratum"], sort=False):
        twice = part[part.duplicated(keys, keep=False)]
        if len(twice):
            weeks = ", ".join(in_full(week) for week in sorted(twice["week"].unique()))
            given = list(twice["series"].unique())
            remedy = (
                "take each series over weeks of its own" if len(given) > 1 else "keep one row per start group and week"
            )
            text = (
                f"two rows or more about the same people: {plain(outcome)}, stratum {plain(stratum)}, week {weeks}, "
                f"from series {quoted(given)}; {remedy}"
            )
            found.append(Problem(file, text, kind="overlap"))
    strata = [label for label in known["stratum"].unique() if label]
    if ALL in strata and len(strata) > 1:
        whole = quoted(known.loc[known["stratum"] == ALL, "series"].unique())
        parts = quoted(known.loc[known["stratum"] != ALL, "series"].unique())
        text = (
            f'rows of stratum "all" (series {whole}) and of single strata (series {parts}) are about the same people; '
            "take one or the other"
        )
        found.append(Problem(file, text, kind="strata beside all"))
    return found


def _in_table_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows by outcome (as they first come), stratum, start group and week; a flag for published SEs."""
    place = {outcome: k for k, outcome in enumerate(rows["outcome"].unique())}
    order = rows.assign(place=rows["outcome"].map(place)).sort_values(["place", "stratum", "start_group", "week"])
    table = order.drop(columns="place").reset_index(drop=True)
    table["n"] = table["n"].astype(int)
    table["se_published"] = table["se"].notna()
    return table
