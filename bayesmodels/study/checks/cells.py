"""Parsing of cells into numbers and labels; ambiguous cells are refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from numbers import Integral, Real
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayesmodels.study.checks.advice import dates_remedy, is_date
from bayesmodels.study.problem import Problem, plain

NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
COMMA = re.compile(r"[+-]?[0-9]{1,3}([.,' ][0-9]{3})*[.,][0-9]+|[+-]?[0-9]+,[0-9]+")
BOUND = re.compile(r"([<>])\s*=?\s*(.*)")
INFINITE = ("inf", "+inf", "-inf", "infinity", "+infinity", "-infinity")
LIMIT = re.compile(r"[<>]?\s*(below|above|blq|bql|bloq|alq|uloq|lloq|loq|lod|llod)\b.*", re.IGNORECASE)
"""Words for a value beyond a limit of the assay that is not named: ``<LLOQ``, ``BLQ``, ``below LLOQ``."""
MISSING = ("na", "n/a", "nan", "null", "none", ".", "-", "missing", "nd")

NEAR = 1e-6
"""A week or effect nearer to 0 than this is 0, two weeks nearer to each other are one: differences that rounding makes.
A zero of SAS reaches pandas as 5.397605e-79."""

TINY = 1e-30
"""No measured number is nearer to 0 in any unit: it is 0."""

ABSENT = object()
"""Cell of a required column that is not there: no value, and no problem of its own."""

Locate = Callable[[int], dict]
"""Row to the arguments `person` and `week` of its problem."""


def nowhere(row: int) -> dict:
    """No person and no week."""
    return {}


def number(cell: object) -> float | None:
    """The number in a cell; None if it holds none. Infinity is a number here; numbers within `TINY` of 0 become 0."""
    value = _number(cell)
    return 0.0 if value is not None and abs(value) < TINY else value


def _number(cell: object) -> float | None:
    if isinstance(cell, bool | np.bool_):
        return None
    if isinstance(cell, Real | Decimal):
        try:
            return float(cell)
        except (OverflowError, ValueError):
            return float("inf")
    if isinstance(cell, str):
        word = cell.strip()
        if NUMBER.fullmatch(word) or word.lower() in INFINITE:
            return float(word)
    return None


def week_of(value: float) -> float:
    """A week, rounded to the nearest whole week if that is within `NEAR`."""
    whole = np.floor(value + 0.5)
    return float(whole) + 0.0 if abs(value - whole) < NEAR else value


def as_one_week(*columns: npt.ArrayLike) -> list[np.ndarray]:
    """Columns of weeks in which weeks within `NEAR` of each other are replaced by the earliest of them."""
    arrays = [np.array(column, float) for column in columns]
    weeks = np.unique(np.concatenate(arrays))
    weeks = weeks[np.isfinite(weeks)]
    apart = np.diff(weeks, prepend=-np.inf) >= NEAR
    if apart.all():
        return arrays
    first = weeks[apart][np.cumsum(apart) - 1]
    for array in arrays:
        known = np.isfinite(array)
        array[known] = first[np.searchsorted(weeks, array[known])]
    return arrays


def label(cell: object) -> str | None:
    """The label in a cell, whole numbers as text; None if the cell holds none."""
    if isinstance(cell, str):
        return cell if cell == cell.strip() and cell.isprintable() else None
    if isinstance(cell, Integral) and not isinstance(cell, bool | np.bool_):
        return str(int(cell))
    return None


def numbers(
    file: str,
    cells: pd.Series,
    found: list[Problem],
    locate: Locate = nowhere,
    *,
    blank: float | None = None,
    infinite: bool = False,
    censor: bool = False,
    near: Literal["", "zero", "week"] = "",
    table: str = "",
    randomised: str | None = None,
) -> np.ndarray:
    """A column as numbers, NaN where the cell was refused.

    Parameters
    ----------
    file : str
        Name for the problems.
    cells : pandas.Series
        Cells by row.
    found : list of Problem
        Gets the problems.
    locate : callable
        Row to the `person` and `week` of its problem.
    blank : float, optional
        What a blank cell stands for. Without it a blank is a problem.
    infinite : bool
        Whether plus infinity is a number here.
    censor : bool
        Whether the table has a place to say that a value is below or above a limit.
    near : {"", "zero", "week"}
        Numbers within `NEAR` of 0 are 0; weeks within it of a whole week are that week.
    table : str
        persons, visits or events, for a column of weeks: dates in it have one problem together.
    randomised : str, optional
        Column of persons with the date of randomisation.
    """
    values = np.full(len(cells), np.nan)
    dated = [row for row, cell in cells.items() if is_date(cell)] if str(cells.name).endswith("week") else []
    if dated:
        found.append(_dates(file, cells, dated, locate, table, randomised))
    dates = set(dated)
    for k, (row, cell) in enumerate(cells.items()):
        if cell is ABSENT or row in dates:
            continue
        if _is_blank(cell):
            if blank is None:
                found.append(Problem(file, f"{cells.name} is blank; {_fill(cells.name)}", row=row, **locate(row)))
            else:
                values[k] = blank
            continue
        value = number(cell)
        if value is None:
            text = f"expected a number as {cells.name}, got {_shown(cell)}; {_remedy(cell, blank, censor)}"
        elif np.isfinite(value) or (infinite and value > 0):
            if near == "week" and np.isfinite(value):
                value = week_of(value)
            elif near == "zero" and abs(value) < NEAR:
                value = 0.0
            values[k] = value + 0.0  # -0.0 becomes 0.0
            continue
        else:
            text = f"expected a finite number as {cells.name}, got {_shown(cell)}; correct it"
        found.append(Problem(file, text, row=row, kind=f"number {cells.name}", **locate(row)))
    return values


def _dates(file: str, cells: pd.Series, rows: list, locate: Locate, table: str, randomised: str | None) -> Problem:
    """The dates of a column of weeks: one problem, whatever their number."""
    came = f"expected a number as {cells.name}, got {_shown(cells[rows[0]])}"
    given = [cell for cell in cells if cell is not ABSENT and not _is_blank(cell)]
    remedy = dates_remedy(table, str(cells.name), given, randomised)
    kind = f"dates {cells.name}"
    if len(rows) == 1:
        return Problem(file, f"{came}, a date; {remedy}", row=rows[0], kind=kind, **locate(rows[0]))
    return Problem(file, f"{came} in row {rows[0]} and dates in {len(rows) - 1:,} more rows; {remedy}", kind=kind)


def labels(
    file: str, cells: pd.Series, found: list[Problem], locate: Locate = nowhere, *, blank: str | None = None
) -> list[str]:
    """A column as labels, "" where the cell was refused; whole numbers become text. `found` gets the problems."""
    values = []
    for row, cell in cells.items():
        if cell is ABSENT:
            values.append("")
            continue
        if _is_blank(cell):
            if blank is None:
                found.append(Problem(file, f"{cells.name} is blank; {_fill(cells.name)}", row=row, **locate(row)))
            values.append(blank or "")
            continue
        value = label(cell)
        if value is None:
            found.append(Problem(file, _bad_label(cells, cell), row=row, kind=f"label {cells.name}", **locate(row)))
        values.append(value or "")
    return values


def covariate(cells: pd.Series) -> pd.Series:
    """A further column of the persons table: float where every cell that is not blank holds a number, else text.

    Blank cells become NaN in a column of numbers and None in a column of text.
    """
    blank = [_is_blank(cell) for cell in cells]
    values = [None if empty else number(cell) for cell, empty in zip(cells, blank, strict=True)]
    if all(empty or value is not None for value, empty in zip(values, blank, strict=True)):
        return pd.Series([np.nan if value is None else value + 0.0 for value in values], index=cells.index, dtype=float)
    text = [None if empty else _as_text(cell) for cell, empty in zip(cells, blank, strict=True)]
    return pd.Series(text, index=cells.index, dtype=object)


def _as_text(cell: object) -> str:
    whole = label(cell)
    return str(cell) if whole is None else whole


def _is_blank(cell: object) -> bool:
    return isinstance(cell, str) and not cell.strip()


def _shown(cell: object) -> str:
    """A cell in a message: text in quotes, anything else with its type."""
    if isinstance(cell, str):
        return f'"{plain(cell)}"'
    return f"{plain(cell)} ({type(cell).__name__})"


def _bad_label(cells: pd.Series, cell: object) -> str:
    name = cells.name
    if not isinstance(cell, str):
        kind = type(cell).__name__
        given = [other for other in cells if not _is_blank(other)]
        whole = all(isinstance(other, Real) and float(other).is_integer() for other in given)
        code = 'astype("Int64").astype(str)' if whole and not isinstance(cell, bool | np.bool_) else "astype(str)"
        return f"expected text as {name}, got a {kind}; convert the column to text ({code}) before it comes here"
    if cell != cell.strip():
        return f"{name} has a space before or after it; remove the space"
    return f"{name} has characters that cannot be printed; remove them"


def _fill(name: object) -> str:
    """What to do about a blank cell of this column."""
    remedies = {
        "value": "a measurement that was not made has no row: delete the row",
        "event": 'fill it in, or write "none" if nothing happened until that week',
        "stratum": "fill it in, or set strata = false",
    }
    return remedies.get(str(name), "fill it in")


def _remedy(cell: object, blank: float | None, censor: bool) -> str:
    """What to do about a cell that is not a number."""
    if not isinstance(cell, str):
        return "write a number"
    word = cell.strip()
    bound = BOUND.fullmatch(word)
    if censor and bound and NUMBER.fullmatch(bound[2].strip()):
        side = "left" if bound[1] == "<" else "right"
        return f'write {bound[2].strip()} and put "{side}" in the column censoring'
    if censor and LIMIT.fullmatch(word):
        side = "right" if word.startswith(">") or word.lower().startswith(("above", "alq", "uloq")) else "left"
        return f'write the limit itself, a number, and put "{side}" in the column censoring'
    if blank == np.inf and word.lower() == "never":
        return "leave the cell blank, or write inf"
    if COMMA.fullmatch(word):
        return "write decimals with a point and thousands without a separator (1234.5)"
    if word.lower() in MISSING:
        if blank is not None:
            return "leave the cell blank instead"
        return "a measurement that was not made has no row: delete the row" if censor else "fill it in"
    return "correct it"
