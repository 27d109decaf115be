"""Checks of a table of trial-level effects, and which of its rows can be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from bayesmodels.errors import BadInput
from bayesmodels.study.checks.cells import labels, numbers
from bayesmodels.study.checks.labels import LabelColumn, spelling_problems
from bayesmodels.study.checks.ratios import ratio_columns
from bayesmodels.study.checks.rows import CENSORING, LONGEST, Rule, missing_columns, row_problems
from bayesmodels.study.checks.settings import check_distinct
from bayesmodels.study.files import RawTable
from bayesmodels.study.problem import Problem, in_order, nearest, plain, quoted

OneSided = Literal["unused", "used"]

ENDPOINTS = ("surrogate", "outcome")
REQUIRED = ("trial", "surrogate_effect", "surrogate_se", "outcome_effect", "outcome_se")
NUMBERS = (*REQUIRED[1:], "within_correlation")
LABELS = (
    "overlap_group", "part_of", "treatment_class", "surrogate_censoring", "outcome_censoring", "certainty", "source",
)  # fmt: skip
COLUMNS = (*REQUIRED, "within_correlation", *LABELS)
SPELT = ("trial", "overlap_group", "part_of", "treatment_class")
"""Columns of labels."""


def check_trials(raw: RawTable, one_sided: OneSided, distinct_labels: object = ()) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that enter a likelihood, and the rows that do not, with the reason.

    Returns
    -------
    used : DataFrame
        `COLUMNS`, then the table's further columns, in the order of the file. `surrogate_kind` and `outcome_kind` say
        what of each effect is known: "estimate", "left", "right" or "none".
    unused : DataFrame
        row (of the file), trial, reason.

    Raises
    ------
    BadInput
        With every problem found.
    """
    found = list(raw.problems)
    here = list(raw.cells.columns)
    if not raw.problems or here:
        found += _column_problems(raw.file, here)
    if any(column not in here for column in REQUIRED):
        raise BadInput(in_order(found))
    if one_sided not in ("unused", "used"):
        raise BadInput(f'one_sided: expected "unused" or "used", got "{plain(one_sided)}"')
    distinct = check_distinct(distinct_labels, found)
    rows = _parsed(raw, found)
    found += spelling_problems([LabelColumn(raw.file, name, rows[name]) for name in SPELT], distinct, "data")
    found += _row_problems(raw.file, rows)
    kinds, reasons = _kinds(rows), _reasons(rows, one_sided)
    rows = rows.assign(**kinds)
    used = rows[reasons == ""]
    found += overlaps(raw.file, used)
    if not len(used) and not found:
        first = f" (row {rows.index[0]}: {reasons.iloc[0]})" if len(rows) else ""
        found.append(Problem(raw.file, f"no row has both effects with their standard errors{first}; add one"))
    if found:
        raise BadInput(in_order(found))
    left = reasons[reasons != ""]
    unused = pd.DataFrame({"row": left.index, "trial": rows.loc[left.index, "trial"].to_list(), "reason": left.array})
    return used.reset_index(drop=True), unused


def overlaps(file: str, rows: pd.DataFrame) -> list[Problem]:
    """Rows that share people: of one overlap group only rows with one and the same `part_of` may enter together."""
    found = []
    grouped = rows[rows["overlap_group"] != ""]
    for group, part in grouped.groupby("overlap_group", sort=False):
        given = list(part["part_of"].unique())
        if len(part) == 1 or (len(given) == 1 and given[0]):
            continue
        where = ", ".join(f"row {row} ({plain(trial)})" for row, trial in part["trial"].items())
        parts = quoted(label for label in given if label)
        came = f"part_of {parts}{' and blank' if '' in given else ''}" if parts else "no part_of"
        text = (
            f'rows of overlap_group "{plain(group)}" share people: {where}, with {came}; keep one of them, or only '
            "disjoint parts that all have the same part_of"
        )
        found.append(Problem(file, text, kind="overlap"))
    return found


def _column_problems(file: str, here: Sequence[str]) -> list[Problem]:
    found = missing_columns(file, here, REQUIRED)
    absent = [column for column in COLUMNS if column not in here]
    for column in here:
        known = (*COLUMNS, *ratio_columns("surrogate"), *ratio_columns("outcome"))
        near = nearest(column, absent) if column not in known else None
        if near:
            text = f'column "{plain(column)}" is unknown; rename it to "{near}" if that is it, or give it another name'
            found.append(Problem(file, text))
    return found


def _parsed(raw: RawTable, found: list[Problem]) -> pd.DataFrame:
    blank = pd.Series("", index=raw.cells.index, dtype=object)
    columns: dict[str, object] = {}
    for column in COLUMNS:
        cells = raw.cells[column] if column in raw.cells else blank.rename(column)
        if column in NUMBERS:
            columns[column] = numbers(raw.file, cells, found, blank=np.nan, near="zero")
        else:
            columns[column] = labels(raw.file, cells, found, blank=None if column == "trial" else "")
    further = {column: raw.cells[column].map(str) for column in raw.cells if column not in COLUMNS}
    return pd.DataFrame(columns | further, index=raw.cells.index)


def _row_problems(file: str, rows: pd.DataFrame) -> list[Problem]:
    censored = {end: rows[f"{end}_censoring"].isin(["left", "right"]) for end in ENDPOINTS}
    rules: list[Rule] = [
        (
            rows["within_correlation"].abs() >= 1,
            "expected a within_correlation between -1 and 1, got {within_correlation:g}; correct it",
        ),
        (
            censored["surrogate"] & censored["outcome"],
            "both effects are censored; expected one at most: estimate the other, or leave it blank",
        ),
    ]
    for end in ENDPOINTS:
        effect, se, censoring = f"{end}_effect", f"{end}_se", f"{end}_censoring"
        rules += [
            (
                rows[se] <= 0,
                f"expected {se} above 0, or a blank where it is not known, got {{{se}:g}}; correct it",
            ),
            (
                ~rows[censoring].isin(CENSORING),
                f'expected {censoring} left (known to be below {effect}), right (above) or blank, got "{{{censoring}}}"'
                "; correct it",
            ),
            (
                censored[end] & (rows[effect].isna() | rows[se].isna()),
                f"{censoring} is {{{censoring}}} but {effect} or {se} is blank; give the bound as {effect} and the "
                f"standard error that the estimate would have as {se}",
            ),
        ]
    found = row_problems(file, rows[list(COLUMNS)], rules, LONGEST)
    named = rows[rows["trial"] != ""]
    for trial, part in named[named["trial"].duplicated(keep=False)].groupby("trial", sort=False):
        where = ", ".join(str(row) for row in part.index)
        found.append(
            Problem(file, f'trial "{plain(trial)}" is in rows {where}; give each row a name of its own', kind="twice")
        )
    return found


def _kinds(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    kinds = {}
    for end in ENDPOINTS:
        known = (rows[f"{end}_effect"].notna() & rows[f"{end}_se"].notna()).to_numpy()
        censoring = rows[f"{end}_censoring"].to_numpy()
        kinds[f"{end}_kind"] = np.where(known, np.where(censoring == "", "estimate", censoring), "none")
    return kinds


def _reasons(rows: pd.DataFrame, one_sided: OneSided) -> pd.Series:
    """Why a row is not used; blank where it is."""
    reasons = []
    for row in rows.to_dict("records"):
        lacking = {end: _lacking(row, end) for end in ENDPOINTS}
        enough = any(not text for text in lacking.values()) if one_sided == "used" else not any(lacking.values())
        reasons.append("" if enough else "; ".join(text for text in lacking.values() if text))
    return pd.Series(reasons, index=rows.index, dtype=object)


def _lacking(row: dict, end: str) -> str:
    if np.isnan(row[f"{end}_effect"]):
        return f"no {end} effect"
    return f"no standard error of the {end} effect" if np.isnan(row[f"{end}_se"]) else ""
