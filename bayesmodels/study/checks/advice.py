"""Advice on wide tables, dates and text covariates: the pandas call that puts the table into the expected shape."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from bayesmodels.study.checks.limits import LIMITS
from bayesmodels.study.problem import Problem, nearest, plain, quoted

_BASELINE = "bl|base|baseline|screening"
_UNIT = "weeks?|wk|w|months?|mon|mo|m|days?|d"
_VISIT = re.compile(
    rf"(?P<outcome>.*?)[ _.-]*(?:(?P<unit>{_UNIT}|visit|vis|v|t)?[ _.-]*[0-9]+(?:\.[0-9]+)?|(?P<first>{_BASELINE}))",
    re.IGNORECASE,
)
_WEEKS = {"w": "", "m": " * 365.25 / 12 / 7", "d": " / 7"}
"""First letter of a unit of time to what makes weeks of it."""

_DATES = (
    (re.compile(r"[0-9]{4}([-/.])[0-9]{1,2}\1[0-9]{1,2}([T ].*)?"), ""),
    (re.compile(r"[0-9]{1,2}\.[0-9]{1,2}\.([0-9]{4}|[0-9]{2})"), ", dayfirst=True"),
    (re.compile(r"[0-9]{1,2}[-/][0-9]{1,2}[-/]([0-9]{4}|[0-9]{2})"), "?"),
    (re.compile(r"[0-9]{1,2}[- ]?[A-Za-z]{3,9}[- ]?([0-9]{4}|[0-9]{2})"), ', format="mixed"'),
    (re.compile(r"[A-Za-z]{3,9} [0-9]{1,2},? [0-9]{4}"), ', format="mixed"'),
)
"""How dates are written, with what `pandas.to_datetime` must be told of each; "?": the numbers decide."""

LEVELS = 8
"""Levels of a text column that a message names, and above which one column per level is not advised."""


def wide_table(file: str, cells: pd.DataFrame, known: Sequence[str]) -> Problem | None:
    """Problem of a wide visits table, with one column per visit or per outcome; None where the table is long.

    Parameters
    ----------
    file : str
    cells : pandas.DataFrame
        As they come.
    known : sequence of str
        Names of the columns of a long table.
    """
    here = [str(name) for name in cells.columns]
    person = "person" if "person" in here else next((name for name in here if nearest(name, ["person"])), None)
    if person is None or "value" in here:
        return None
    further = [name for name in here if name not in known and name != person and _is_measured(cells[name])]
    if "week" in here:
        if "outcome" in here or any(nearest(name, ["outcome", "value"]) for name in further):
            return None
        return _wide(file, here, person, further, "outcome") if further else None
    visits = [name for name in further if name not in LIMITS and _VISIT.fullmatch(name)]
    return _wide(file, here, person, visits, "visit") if len(visits) > 1 else None


def _wide(file: str, here: list[str], person: str, wide: list[str], each: str) -> Problem:
    some = f"{quoted(wide[:3])}{', ...' if len(wide) > 3 else ''}"
    text = f"the table has one column for each {each} ({some}); expected one row for each measurement"
    found = [_VISIT.fullmatch(name) for name in wide] if each == "visit" else []
    units = {(match["unit"] or "w")[0].lower() for match in found if match and not match["first"]}
    if units and not units <= set(_WEEKS):
        text += (
            ". The columns count visits: first rename each to the week of its visit, as in ALSFRS_V2 to ALSFRS_W4; "
            "then check again to be told how the table becomes long"
        )
        return Problem(file, text, kind="wide")
    if len(units) > 1:
        text += ". The columns count weeks, months or days: first rename all to weeks, as in ALSFRS_M6 to ALSFRS_W26"
        return Problem(file, text, kind="wide")
    keep = ["person", *(name for name in ("week", "outcome") if name in here)]
    call = "visits" if person == "person" else f"visits.rename(columns={{{person!r}: 'person'}})"
    others = [name for name in here if name not in (person, *keep, *wide)]
    columns = ""
    if others and len(str(others)) < len(str(wide)):
        call += f".drop(columns={others})"
    elif others:
        columns = f", {wide}"
    if each == "outcome":
        call += f'.melt({keep}{columns}, var_name="outcome").dropna(subset="value")'
    else:
        to_weeks = _WEEKS[units.pop() if units else "w"]
        week = f't["variable"].astype(str).str.extract(r"(\\d+\\.?\\d*)$")[0].fillna("0").astype(float){to_weeks}'
        outcome = "" if "outcome" in here else f"outcome={_outcome(found)}, "
        call += f'.melt({keep}{columns}).dropna(subset="value").assign({outcome}week=lambda t: {week})'
        call += '[["person", "week", "outcome", "value"]]'
    text += f". With pandas, where visits is this table: visits = {call}"
    if any(match and not match["outcome"] for match in found) and "outcome" not in here:
        text += '; the columns do not say of which outcome they are: write its name for "outcome"'
    return Problem(file, text, kind="wide")


def _outcome(found: Sequence[re.Match | None]) -> str:
    """The label of the outcome, or what takes it from the columns' names where there are several."""
    given = list(dict.fromkeys(match["outcome"] for match in found if match))
    labels = {name: nearest(name, LIMITS) or name or "outcome" for name in given}
    if len(given) == 1:
        return f'"{labels[given[0]]}"'
    pattern = rf"(?i)[ _.-]*(({_UNIT})?[ _.-]*[0-9]+(\.[0-9]+)?|{_BASELINE})$"
    other = {name: label for name, label in labels.items() if name != label}
    renamed = f".replace({other})" if other else ""
    return f'lambda t: t["variable"].str.replace(r"{pattern}", "", regex=True){renamed}'


def _is_measured(column: pd.Series) -> bool:
    """Whether most cells that are not blank are numbers."""
    given = [cell for cell in column if not (isinstance(cell, str) and not cell.strip())]
    return bool(given) and sum(_is_number(cell) for cell in given) > 0.5 * len(given)


def _is_number(cell: object) -> bool:
    if isinstance(cell, bool | np.bool_):
        return False
    try:
        return isinstance(cell, str | int | float | np.number) and float(cell) == float(cell)
    except ValueError:
        return False


def is_date(cell: object) -> bool:
    """Whether a cell is a date, or written like one."""
    if isinstance(cell, date | np.datetime64):
        return True
    return isinstance(cell, str) and any(pattern.fullmatch(cell.strip()) for pattern, _ in _DATES)


def date_column(cells: pd.DataFrame) -> str | None:
    """The column of a persons table that holds dates of randomisation, by its name and cells."""
    for name in cells.columns:
        if re.search(r"rand|^rfst|baseline", str(name), re.IGNORECASE):
            given = [cell for cell in cells[name] if cell != ""]
            if given and all(is_date(cell) for cell in given):
                return str(name)
    return None


def dates_remedy(table: str, column: str, cells: Sequence[object], randomised: str | None) -> str:
    """The pandas call that turns the dates of a column into weeks since randomisation.

    Parameters
    ----------
    table : str
        persons, visits or events.
    column : str
    cells : sequence
        Those of the column that are not blank.
    randomised : str or None
        Column of persons with the date of randomisation, where there is one.
    """
    rule = "weeks since randomisation are (date - date of randomisation) / 7, dates in days"
    if not table or not all(is_date(cell) for cell in cells):
        return rule
    name = plain(randomised or "randomised")
    first = (
        f'persons["{name}"]' if table == "persons" else f'{table}["person"].map(persons.set_index("person")["{name}"])'
    )
    days = f'(pd.to_datetime({table}["{column}"]{_day_first(cells)}) - pd.to_datetime({first})).dt.days'
    where = "" if randomised else f', where persons has the date of randomisation in a column "{name}"'
    return f'{rule}; with pandas {table}["{column}"] = {days} / 7{where}'


def _day_first(cells: Sequence[object]) -> str:
    """What `pandas.to_datetime` must be told of dates as they are written in a column."""
    words = [cell.strip() for cell in cells if isinstance(cell, str)]
    hints = {next((hint for pattern, hint in _DATES if pattern.fullmatch(word)), "") for word in words}
    mixed = ', format="mixed"' if len(hints) > 1 or ', format="mixed"' in hints else ""
    if "?" in hints:
        days = [int(re.split("[-/]", word)[0]) for word in words if _DATES[2][0].fullmatch(word)]
        return f"{mixed}, dayfirst={max(days) > 12}"
    return mixed + (", dayfirst=True" if ", dayfirst=True" in hints else "")


def text_covariate(file: str, name: str, column: pd.Series) -> Problem | None:
    """The problem of a covariate that holds text; None where most of its cells are numbers or blank.

    Parameters
    ----------
    column : pandas.Series
        As the study keeps it: None or NaN where a cell is blank.
    """
    given = column.dropna()
    if not len(given) or _is_measured(given):
        return None
    counts = given.map(str).value_counts()
    levels = ", ".join(f"{quoted([level])} ({n:,})" for level, n in counts.head(LEVELS).items())
    text = f"covariate {plain(name)} is text: {levels}"
    blank = len(column) - len(given)
    if len(counts) > LEVELS:
        text += f" and {len(counts) - LEVELS:,} more; make fewer groups of them, or leave the covariate out"
    elif len(counts) == 1:
        text += " for everyone; leave it out"
    else:
        reference, *others = sorted(counts.index)
        columns = quoted(f"{name}_{level}" for level in others)
        text += (
            f"; code it as 0 and 1, one column for each level but {quoted([reference])}: with pandas persons = "
            f'pd.get_dummies(persons, columns=["{plain(name)}"], drop_first=True, dtype=int), and name {columns} as '
            "covariates"
        )
    if blank:
        text += f"; {blank:,} cells are blank: fill them in first"
    return Problem(file, text, kind=f"text covariate {name}")
