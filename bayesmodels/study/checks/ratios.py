"""Ratios with 95 % limits in a table of trials: checked, and turned into log ratios with standard errors.

    effect = ln ratio,    SE = (ln upper - ln lower) / (2 x 1.959964)

Source: Cochrane Handbook for Systematic Reviews of Interventions, section 6.3.2 (log ratios from limits).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from bayesmodels.study.checks.cells import number
from bayesmodels.study.files import RawTable
from bayesmodels.study.measures import MEASURES, RATIOS
from bayesmodels.study.problem import Problem, plain, quoted

PARTS = ("ratio", "lower", "upper")

Z = 1.959963984540054
"""Upper 2.5 % point of the standard normal distribution."""

OFF_CENTRE = 0.05
"""Share of the limits' distance, both on the log scale, by which a ratio may lie off their middle beyond what rounding
explains: about a fifth of a standard error. Package default; a typing error moves it by far more."""


def ratio_columns(end: str) -> tuple[str, str, str]:
    """Names of the columns of an endpoint's ratio and its 95 % limits."""
    return f"{end}_ratio", f"{end}_lower", f"{end}_upper"


def with_log_ratios(raw: RawTable, measures: Mapping[str, str]) -> RawTable:
    """The table with effects and standard errors on the log scale where it gives ratios with 95 % limits.

    Parameters
    ----------
    raw : RawTable
    measures : mapping of str to str
        Effect measure of `surrogate` and of `outcome`.

    Returns
    -------
    RawTable
        Ratio columns stay; what is wrong with them is among its problems.
    """
    cells, found = raw.cells.copy(), list(raw.problems)
    for end, measure in measures.items():
        columns = ratio_columns(end)
        if columns[0] not in cells:
            continue
        if not MEASURES[measure].ratio:
            text = (
                f'column "{columns[0]}" holds ratios, but the effect measure of the {end} is {measure}; state '
                f"{end}_measure as one of {quoted(RATIOS)}, or give the column another name"
            )
            found.append(Problem(raw.file, text))
            continue
        absent = [column for column in columns if column not in cells]
        if absent:
            text = f'"{columns[0]}" comes with 95 % limits: expected the column {quoted(absent)} too; add it'
            found.append(Problem(raw.file, text))
        for name in (f"{end}_effect", f"{end}_se"):
            if name not in cells:
                cells[name] = pd.Series("", index=cells.index, dtype=object)
        if not absent:
            _convert(raw.file, cells, end, found)
    return replace(raw, cells=cells, problems=tuple(found))


def _convert(file: str, cells: pd.DataFrame, end: str, found: list[Problem]) -> None:
    """Fill effect and standard error of every row that gives a ratio."""
    effect, se = f"{end}_effect", f"{end}_se"
    for row in cells.index:
        given = dict(zip(PARTS, (cells.at[row, column] for column in ratio_columns(end)), strict=True))
        if all(cell == "" for cell in given.values()):
            continue
        if cells.at[row, effect] != "" or cells.at[row, se] != "":
            text = f"{end}_ratio or its limits and {effect} or {se} are both given; keep one of the two forms"
            found.append(Problem(file, text, row=row, kind=f"both forms {end}"))
            continue
        problem = _problem(given, end)
        if problem:
            found.append(Problem(file, problem, row=row, kind=f"ratio {end}"))
            continue
        logs = {part: math.log(value) for part in PARTS if (value := number(given[part])) is not None}
        cells.at[row, effect] = logs["ratio"]
        if "lower" in logs:
            cells.at[row, se] = (logs["upper"] - logs["lower"]) / (2 * Z)


def _problem(given: Mapping[str, object], end: str) -> str:
    """What is wrong with a ratio and its limits; blank where nothing is."""
    blank = [part for part in PARTS if given[part] == ""]
    if blank and blank != ["lower", "upper"]:
        return (
            f"expected {end}_ratio with both limits, or without any, found {quoted(f'{end}_{p}' for p in blank)} "
            "blank; fill in what was published"
        )
    values = {part: number(given[part]) for part in PARTS if part not in blank}
    for part, value in values.items():
        if value is None or not 0 < value < math.inf:
            return (
                f'expected a number above 0 as {end}_{part}, got "{plain(given[part])}"; ratios are not logarithms, '
                "and one rounded to 0 needs more digits"
            )
    if blank:
        return ""
    ratio, lower, upper = (float(values[part] or 0.0) for part in PARTS)
    remedy = f"; correct them, or leave them blank and give {end}_effect (natural log) and {end}_se"
    shown = f"{plain(given['ratio'])} ({plain(given['lower'])} to {plain(given['upper'])})"
    if not lower < upper or not lower <= ratio <= upper:
        return f"expected {end}_lower up to {end}_ratio up to {end}_upper, got {shown}{remedy}"
    half = 0.5 * 10.0 ** -max(_decimals(given[part]) for part in PARTS)
    rounding = half * (1 / ratio + 0.5 / lower + 0.5 / upper)
    middle = 0.5 * (math.log(lower) + math.log(upper))
    if abs(math.log(ratio) - middle) > rounding + OFF_CENTRE * math.log(upper / lower):
        return (
            f"the 95 % limits do not fit {end}_ratio: {shown}, but their middle on the log scale is "
            f"{math.exp(middle):.3g}{remedy}"
        )
    return ""


def _decimals(cell: object) -> int:
    """Digits after the point, as written."""
    mantissa, _, power = str(cell).strip().lower().partition("e")
    return max(len(mantissa.partition(".")[2]) - int(power or 0), 0)
