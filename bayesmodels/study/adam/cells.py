"""Cells of analysis data sets: as text, as dates, and whether they meet a condition."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from numbers import Real

import numpy as np
import pandas as pd

from bayesmodels.study.adam.datasets import DataSet
from bayesmodels.study.checks.cells import number
from bayesmodels.study.problem import Problem, nearest, plain, quoted

SAS_DAY_0 = date(1960, 1, 1).toordinal()
"""Day from which SAS counts dates."""

FIRST_DATE, LAST_DATE = date(1900, 1, 1).toordinal(), date(2100, 12, 31).toordinal()
"""Dates of a trial lie between these; a number that would be another day is no date (a SAS datetime counts seconds)."""

SHOWN = 12
"""Values of a variable that a message counts."""

_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)\.0+")
_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})([T ].*)?")
_DATE9 = re.compile(r"(\d{1,2})([A-Za-z]{3})(\d{4})(:.*)?")
"""As SAS prints dates and datetimes: ``31MAR2023``, ``31MAR2023:08:30:00``."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def text_of(cell: object) -> str:
    """A cell as text without spaces around it; whole numbers without decimals (8.0 is "8"), blank cells as ""."""
    if isinstance(cell, str):
        word = cell.strip()
        return word.partition(".")[0] if _WHOLE.fullmatch(word) else word
    if isinstance(cell, bool | np.bool_):
        return str(bool(cell))
    if isinstance(cell, Real):
        value = float(cell)
        return str(int(value)) if value.is_integer() else repr(value)
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def texts(cells: pd.Series) -> pd.Series:
    """A column as text, by row."""
    return pd.Series([text_of(cell) for cell in cells], index=cells.index, dtype=object)


def in_quotes(value: str) -> str:
    """A value in a reason: in quotes, or the word blank."""
    return f'"{plain(value)}"' if value else "blank"


def counted(values: Iterable[str], limit: int = SHOWN) -> str:
    """Values with the number of rows that have each, commonest first: ``"Y" 254, "N" 20``."""
    counts = pd.Series(list(values), dtype=object).value_counts()
    said = ", ".join(f'"{plain(value)}" {n:,}' for value, n in counts.head(limit).items())
    return said + (f" and {len(counts) - limit:,} more" if len(counts) > limit else "")


def column(data: DataSet, name: str, key: str, found: list[Problem]) -> pd.Series | None:
    """A variable of a data set; None, and a problem, where it has none of that name.

    Parameters
    ----------
    data : DataSet
    name : str
    key : str
        Key of the mapping that names it.
    found : list of Problem
    """
    cells = data.cells
    if name in cells:
        return cells[name]
    here = [str(each) for each in cells.columns]
    near = next((each for each in here if each.upper() == name.upper()), None) or nearest(name, here)
    remedy = f'is it "{plain(near)}"?' if near else f"variables there: {quoted(here[:60])}"
    text = f'expected a variable "{plain(name)}" ({key}), found none; {remedy}'
    found.append(Problem(data.file, text, kind=f"variable {name} {key}"))
    return None


def wanted_values(wanted: object) -> list[str]:
    """The values of a condition as text."""
    return [text_of(value) for value in (wanted if isinstance(wanted, tuple | list) else (wanted,))]


def meets(data: DataSet, condition: Mapping[str, object], key: str, found: list[Problem]) -> pd.Series:
    """Which rows meet a condition; a problem for a variable that is not there, or that has none of the values."""
    cells = data.cells
    mask = pd.Series(True, index=cells.index)
    for name, wanted in condition.items():
        here = column(data, name, key, found)
        if here is None:
            continue
        values, words = texts(here), wanted_values(wanted)
        mask &= values.isin(words)
        if len(values) and not values.isin(words).any():
            said = f"no row has {name} = {quoted(words)} ({key}); found {counted(values)}; correct the mapping"
            found.append(Problem(data.file, said, kind=f"values {name} {key}"))
    return mask


def numbers_of(
    data: DataSet, rows: pd.Series, name: str, found: list[Problem], person: Callable[[int], str] = lambda row: ""
) -> pd.Series:
    """Cells as numbers, NaN where blank; a problem for each that is text.

    Parameters
    ----------
    data : DataSet
    rows : pandas.Series
        Cells of the rows that are used.
    name : str
        Of the variable.
    found : list of Problem
    person : callable
        Row to the label of its person.
    """
    values = []
    for row, cell in rows.items():
        blank = isinstance(cell, str) and not cell.strip()
        value = np.nan if blank else number(cell)
        if value is None or np.isinf(value):
            kind = "text" if isinstance(cell, str) else type(cell).__name__
            text = (
                f"expected a number as {name}, got {kind} {quoted([cell])}; correct it, or name the numeric variable: "
                f"{name} is character here"
                if isinstance(cell, str)
                else f"expected a number as {name}, got {kind} {quoted([cell])}; correct it"
            )
            found.append(
                Problem(data.file, text, row=int(str(row)), person=person(int(str(row))), kind=f"number {name}")
            )
            value = np.nan
        values.append(value)
    return pd.Series(values, index=rows.index, dtype=float)


def dates_of(
    data: DataSet,
    rows: pd.Series,
    name: str,
    numeric: bool,
    found: list[Problem],
    person: Callable[[int], str] = lambda row: "",
) -> pd.Series:
    """Cells as days (proleptic Gregorian ordinals), NaN where blank; a problem for each that is no date.

    Parameters
    ----------
    data : DataSet
    rows : pandas.Series
    name : str
    numeric : bool
        Whether numbers are SAS dates.
    found : list of Problem
    person : callable
        Row to the label of its person.
    """
    values = []
    for row, cell in rows.items():
        day, wrong = _day(cell, numeric)
        if wrong:
            text = f"expected a date as {name}, got {wrong}"
            found.append(
                Problem(
                    data.file, text, row=int(str(row)), person=person(int(str(row))), kind=f"date {name} {wrong[-40:]}"
                )
            )
        values.append(day)
    return pd.Series(values, index=rows.index, dtype=float)


def _day(cell: object, numeric: bool) -> tuple[float, str]:
    """The ordinal of a date and "", or NaN and what is wrong with it."""
    if isinstance(cell, date):  # datetime is one
        return float(cell.date().toordinal() if isinstance(cell, datetime) else cell.toordinal()), ""
    if isinstance(cell, str) and not cell.strip():
        return np.nan, ""
    value = number(cell)
    if value is not None:
        if not numeric:
            return np.nan, (
                f'the number {value:.10g}; write numeric_dates = "sas" under [clock] if numbers are days since '
                f"1960-01-01"
                ", or write dates as 2024-03-31"
            )
        day = SAS_DAY_0 + np.floor(value)
        if FIRST_DATE <= day <= LAST_DATE:
            return float(day), ""
        return np.nan, (
            f"the number {value:.10g}, which is no SAS date (days since 1960-01-01) of 1900 to 2100; is it a "
            f"datetime, in "
            "seconds? Name the variable with the date (...DT)"
        )
    day = _written(str(cell).strip())
    if day is not None:
        return float(day.toordinal()), ""
    return (
        np.nan,
        f"{quoted([cell])}; write whole dates as 2024-03-31 or 31MAR2024, or name the imputed date variable (...DT)",
    )


def _written(word: str) -> date | None:
    """The date that a text is, in the order year, month, day or as SAS prints it; None where it is none."""
    whole, printed = _ISO.fullmatch(word), _DATE9.fullmatch(word)
    try:
        if whole is not None:
            return date.fromisoformat(whole[1])
        if printed is not None and printed[2].lower() in _MONTHS:
            return date(int(printed[3]), _MONTHS.index(printed[2].lower()) + 1, int(printed[1]))
    except ValueError:
        pass
    return None


def first_filled(columns: Sequence[pd.Series]) -> pd.Series:
    """The first value of each row that is not NaN and not blank."""
    result = columns[0].copy()
    for other in columns[1:]:
        blank = result.isna() | (result == "")
        result = result.where(~blank, other)
    return result


def as_toml(values: Mapping[str, object] | Iterable[str], each: str = "") -> str:
    """An inline table of TOML with quoted keys: ``{"Placebo" = ..., }``, each with the same text where one is given."""
    pairs = values.items() if isinstance(values, Mapping) else ((value, None) for value in values)
    said = ", ".join(f"{toml_text(name)} = {each if value is None else toml_value(value)}" for name, value in pairs)
    return f"{{{said}}}"


def toml_value(value: object) -> str:
    """A value in TOML."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(toml_value(each) for each in value)}]"
    return toml_text(value) if isinstance(value, str) else f"{value:g}"


def toml_text(value: object) -> str:
    """Text in TOML's double quotes."""
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text) + '"'
