"""Pandera schemas of the three tables: what every single row must satisfy.

The `error` of a check is the text of its problem; names in braces are columns of the row that fails. Each schema is
applied to parsed columns (`tables.parsed`), where a cell that could not be parsed is NaN or "" and has its own problem
already, so the checks here let those through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import pandera.pandas as pa

from bayesmodels.study.cells import NEAR
from bayesmodels.study.limits import Limits
from bayesmodels.study.problem import Problem, plain

PERSON_COLUMNS = ("person", "start_group", "drug_start_week")
VISIT_COLUMNS = ("person", "week", "outcome", "value")
EVENT_COLUMNS = ("person", "week", "event")
CENSORING = ("", "left", "right")

_SCREENING = (
    "weeks count from randomisation: give the measurement that serves as baseline week 0 and leave out what came before"
)

PERSONS = pa.DataFrameSchema(
    {
        "person": pa.Column(),
        "start_group": pa.Column(),
        "drug_start_week": pa.Column(
            float,
            pa.Check.ge(
                0,
                error="expected drug_start_week 0 or later, got {drug_start_week:g}; weeks count from randomisation, "
                "and a person on the drug before it has no untreated course: leave such persons out",
            ),
            nullable=True,
        ),
    }
)
"""One row a person. Blank `drug_start_week` has become infinity: never."""

EVENTS = pa.DataFrameSchema(
    {
        "person": pa.Column(),
        "week": pa.Column(
            float,
            pa.Check.ge(0, error="expected an exit week of 0 or later, got {week:g}; weeks count from randomisation"),
            nullable=True,
        ),
        "event": pa.Column(),
        "entry_week": pa.Column(
            float,
            pa.Check.ge(0, error="expected entry_week 0 or later, got {entry_week:g}; weeks count from randomisation"),
            nullable=True,
        ),
    },
    checks=pa.Check(
        lambda t: ~(t["entry_week"] > t["week"] + NEAR),
        error="entry_week {entry_week:.10g} is after the exit week {week:.10g}; correct one of them",
    ),
)
"""One row a person, at the end of follow-up."""


def visits_schema(limits: Mapping[str, Limits]) -> pa.DataFrameSchema:
    """One row a measurement: person, week, outcome, value, censoring; values inside the limits of their outcome."""
    return pa.DataFrameSchema(
        {
            "person": pa.Column(),
            "week": pa.Column(
                float,
                pa.Check.ge(0, error="expected a week of 0 or later, got {week:g}; " + _SCREENING),
                nullable=True,
            ),
            "outcome": pa.Column(),
            "value": pa.Column(float, nullable=True),
            "censoring": pa.Column(
                checks=pa.Check.isin(
                    CENSORING, error='expected censoring left, right or blank, got "{censoring}"; correct it'
                )
            ),
        },
        checks=[check for outcome, limit in limits.items() for check in _limit_checks(outcome, limit)],
    )


def _limit_checks(outcome: str, limits: Limits) -> list[pa.Check]:
    """The checks of one outcome's values."""

    def above_zero(censored: bool) -> Callable[[pd.DataFrame], pd.Series]:
        def check(t: pd.DataFrame) -> pd.Series:
            flagged = t["censoring"] != ""
            return ~((t["outcome"] == outcome) & (t["value"] <= 0) & (flagged == censored))

        return check

    def inside(t: pd.DataFrame) -> pd.Series:
        return ~((t["outcome"] == outcome) & ((t["value"] < limits.low) | (t["value"] > limits.high)))

    checks = []
    if limits.positive:
        checks.append(
            pa.Check(
                above_zero(censored=False),
                error="expected {outcome} above 0, got {value:g}; correct it, delete the row if nothing was measured, "
                'or write the assay\'s limit as value and "left" as censoring',
            )
        )
        checks.append(
            pa.Check(
                above_zero(censored=True),
                error="expected the assay's limit, above 0, as the value of a censored {outcome}, got {value:g}; write "
                "the limit",
            )
        )
    if np.isfinite(limits.low) or np.isfinite(limits.high):
        checks.append(
            pa.Check(
                inside,
                error=f"expected {{outcome}} {_range(limits)}, got {{value:g}}; correct it",
            )
        )
    return checks


def _range(limits: Limits) -> str:
    if np.isfinite(limits.low) and np.isfinite(limits.high):
        return f"from {limits.low:g} to {limits.high:g}"
    return f"of {limits.low:g} or more" if np.isfinite(limits.low) else f"of {limits.high:g} or less"


def row_problems(file: str, table: pd.DataFrame, schema: pa.DataFrameSchema) -> list[Problem]:
    """Every row that fails a check of the schema, check by check."""
    try:
        schema.validate(table, lazy=True)
    except pa.errors.SchemaErrors as failure:
        problems = []
        for error in failure.schema_errors:
            template = error.check.error
            rows = sorted(set(error.failure_cases["index"]))
            for row, cells in zip(rows, table.loc[rows].to_dict("records"), strict=True):
                short = {name: plain(cell) if isinstance(cell, str) else cell for name, cell in cells.items()}
                text = template.format(**short)
                where = {"person": cells.get("person", ""), "week": cells.get("week")}
                problems.append(Problem(file, text, row=row, kind=template, **where))
        return problems
    return []
