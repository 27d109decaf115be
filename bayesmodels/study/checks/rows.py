"""What every single row of a table must satisfy, and the problems of the rows that do not.

A rule is a pair: which rows break it, and the text of their problem, where names in braces are columns of the row.
Rules are applied to parsed columns, where a cell that could not be parsed is NaN or "" and has its own problem already:
they let those through.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from bayesmodels.study.checks.cells import NEAR
from bayesmodels.study.checks.limits import Limits
from bayesmodels.study.problem import Problem, plain, quoted

Rule = tuple[pd.Series, str]

CENSORING = ("", "left", "right")

LONGEST = 10_000
"""More characters than a cell's label has in a message that shows it whole."""

_SCREENING = (
    "weeks count from randomisation: give the measurement that serves as baseline week 0 and leave out what came before"
)


def missing_columns(file: str, here: Sequence[str], required: Sequence[str]) -> list[Problem]:
    """A problem for each required column that is not there."""
    there = f"add it (columns found: {quoted(here)})"
    absent = [column for column in required if column not in here]
    return [Problem(file, f'expected a column "{column}", which is missing; {there}') for column in absent]


def row_problems(file: str, table: pd.DataFrame, rules: Iterable[Rule], longest: int = 60) -> list[Problem]:
    """Every row that breaks a rule, rule by rule; labels are cut at `longest` characters."""
    found = []
    for broken, text in rules:
        rows = table.index[broken]
        for row, cells in zip(rows, table.loc[rows].to_dict("records"), strict=True):
            shown = {name: plain(cell, longest) if isinstance(cell, str) else cell for name, cell in cells.items()}
            where = {"person": cells.get("person", ""), "week": cells.get("week")}
            found.append(Problem(file, text.format(**shown), row=int(row), kind=text, **where))
    return found


def person_rules(persons: pd.DataFrame) -> list[Rule]:
    """Of one row per person; a blank `drug_start_week` has become infinity: never."""
    text = (
        "expected drug_start_week 0 or later, got {drug_start_week:g}; weeks count from randomisation, and a person on "
        "the drug before it has no untreated course: leave such persons out"
    )
    return [(persons["drug_start_week"] < 0, text)]


def event_rules(events: pd.DataFrame) -> list[Rule]:
    """Of one row per person, at the end of follow-up."""
    week, entry = events["week"], events["entry_week"]
    return [
        (week < 0, "expected an exit week of 0 or later, got {week:g}; weeks count from randomisation"),
        (entry < 0, "expected entry_week 0 or later, got {entry_week:g}; weeks count from randomisation"),
        (
            entry > week + NEAR,
            "entry_week {entry_week:.10g} is after the exit week {week:.10g}; correct one of them",
        ),
    ]


def visit_rules(visits: pd.DataFrame, limits: Mapping[str, Limits]) -> list[Rule]:
    """Of one row per measurement, values inside the limits of their outcome."""
    value, censoring = visits["value"], visits["censoring"]
    rules = [
        (visits["week"] < 0, "expected a week of 0 or later, got {week:g}; " + _SCREENING),
        (~censoring.isin(CENSORING), 'expected censoring left, right or blank, got "{censoring}"; correct it'),
    ]
    for outcome, (low, high, positive) in limits.items():
        mine = visits["outcome"] == outcome
        if positive:
            rules += [
                (
                    mine & (value <= 0) & (censoring == ""),
                    "expected {outcome} above 0, got {value:g}; correct it, delete the row if nothing was measured, or "
                    'write the assay\'s limit as value and "left" as censoring',
                ),
                (
                    mine & (value <= 0) & (censoring != ""),
                    "expected the assay's limit, above 0, as the value of a censored {outcome}, got {value:g}; write "
                    "the limit",
                ),
            ]
        outside = mine & ((value < low) | (value > high))
        rules.append((outside, f"expected {{outcome}} {_range(low, high)}, got {{value:g}}; correct it"))
    return rules


def _range(low: float, high: float) -> str:
    if np.isfinite(low) and np.isfinite(high):
        return f"from {low:g} to {high:g}"
    return f"of {low:g} or more" if np.isfinite(low) else f"of {high:g} or less"
