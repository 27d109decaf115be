"""A small valid study, and what becomes of it when a message's pandas call is followed to the letter."""

from __future__ import annotations

import re

import pandas as pd

from bayesmodels.errors import BadInput
from bayesmodels.study import Study

WEEKS = (0, 4, 8, 26)


def tables(**labels: str) -> dict[str, pd.DataFrame]:
    """Eight persons of two start groups with four visits each; `labels` renames persons P1 to P8."""
    names = [labels.get(f"P{k}", f"P{k}") for k in range(1, 9)]
    persons = pd.DataFrame(
        {"person": names, "start_group": ["early", "delayed"] * 4, "drug_start_week": [0.0, 8.0] * 4},
    )
    visits = pd.DataFrame(
        [(name, week, "alsfrs_r", 40.0 - week / 4 - k / 2) for k, name in enumerate(names) for week in WEEKS],
        columns=["person", "week", "outcome", "value"],
    )
    events = pd.DataFrame({"person": names, "week": 26.0, "event": "none"})
    return {"persons": persons, "visits": visits, "events": events}


def study(given: dict[str, pd.DataFrame]) -> Study:
    return Study.from_frames(**given, reference_group="delayed")


def refused(given: dict[str, pd.DataFrame]) -> list[str]:
    """The lines that the tables are refused with; none where they are taken."""
    try:
        study(given)
    except BadInput as error:
        return list(error.problems)
    return []


def followed(line: str, given: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables after the pandas call of a line."""
    call = re.search(r'((?:persons|visits|events)(?:\["\w+"\])? = .*?)(?:; |, where persons|, and name|$)', line)
    assert call, line
    named = {"pd": pd, **{name: frame.copy() for name, frame in given.items()}}
    exec(call[1], named)
    return {name: named[name] for name in given}
