"""Persons of one trial among those of several: the column `trial` of a persons table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.study.checks.labels import alike, as_toml
from bayesmodels.study.checks.links import single_person_groups
from bayesmodels.study.checks.settings import PLACE, Settings
from bayesmodels.study.checks.tables import Tables
from bayesmodels.study.problem import Problem, nearest, plain, quoted

COLUMN = "trial"
"""Of the persons table: the trial that a person is of."""

VISITS_OF_A_RATE = 2
"""Visits from which on a person whose level is not known says something of a rate."""


def trial_labels(persons: pd.DataFrame) -> pd.Series:
    """The trial of every person as text, blank where the table does not say; a number without a superfluous point.

    Parameters
    ----------
    persons : DataFrame
        With the column `trial`.
    """
    cells = persons[COLUMN]
    if pd.api.types.is_numeric_dtype(cells.dtype):
        return cells.map(lambda cell: "" if pd.isna(cell) else f"{cell:g}")
    return cells.map(lambda cell: cell.strip() if isinstance(cell, str) else "")


def of_trial(tables: Tables, trial: str) -> Tables:
    """The rows of one trial's persons, with their index; nobody's where the table has no such column.

    Parameters
    ----------
    tables : Tables
    trial : str
    """
    if COLUMN not in tables.persons:
        return tables
    own = tables.persons[trial_labels(tables.persons) == trial]
    labels = set(own["person"])
    visits = tables.visits[tables.visits["person"].isin(labels)]
    events = None if tables.events is None else tables.events[tables.events["person"].isin(labels)]
    return replace(tables, persons=own, visits=visits, events=events)


def informs_rate(persons: pd.DataFrame, visits: pd.DataFrame, outcome: str) -> np.ndarray:
    """Whether each person has visits enough of an outcome to say something of its rate, (person,) bool.

    Parameters
    ----------
    persons, visits : DataFrame
        As in a study.
    outcome : str
    """
    made = visits.loc[visits["outcome"] == outcome, "person"].value_counts()
    return (persons["person"].map(made).fillna(0) >= VISITS_OF_A_RATE).to_numpy()


def external_counts(persons: pd.DataFrame, visits: pd.DataFrame, trial: str | None) -> dict[str, Any]:
    """Numbers of persons of every other trial, in alphabetical order.

    Parameters
    ----------
    persons, visits : DataFrame
        Of all trials, as in a study.
    trial : str
        Whose persons are not counted.

    Returns
    -------
    dict
        By trial ``persons`` and ``informative`` {outcome: {stratum: persons}} (`informs_rate`).
    """
    labels = trial_labels(persons)
    outcomes = {name: informs_rate(persons, visits, name) for name in visits["outcome"].unique()}
    found: dict[str, Any] = {}
    for label in sorted(set(labels) - {trial}):
        own = (labels == label).to_numpy()
        found[label] = {
            "persons": int(own.sum()),
            "informative": {
                name: {str(k): int(n) for k, n in persons.loc[own & enough, "stratum"].value_counts().items()}
                for name, enough in outcomes.items()
            },
        }
    return found


def trial_problems(file: str, persons: pd.DataFrame, settings: Settings) -> list[Problem]:
    """Why a persons table does not say who is of a trial, and who of another.

    Parameters
    ----------
    file : str
    persons : DataFrame
        Of all trials, its index the rows of the file.
    settings : Settings
        With the trial's label.
    """
    trial = settings.trial
    if trial is None or not len(persons):
        return []
    wanted = f"trial = {as_toml(trial)} says whose persons the study is of"
    if COLUMN not in persons:
        near = nearest(COLUMN, list(persons.columns[3:]))
        hint = f'rename "{plain(near)}" if that is it' if near else "add it"
        return [Problem(file, f'expected a column "{COLUMN}", since {wanted}, found none; {hint}')]
    labels = trial_labels(persons)
    found = [
        Problem(file, f"expected the person's trial, since {wanted}, got a blank; fill it in", row=int(row),
                person=persons["person"][row], kind="blank trial")
        for row in persons.index[labels == ""]
    ]  # fmt: skip
    there = sorted(set(labels) - {""})
    if trial not in there:
        same = alike(trial, there)
        remedy = f"write trial = {as_toml(same)}" if same else "give one of these, or correct the table"
        found.append(Problem(PLACE, f'trial "{plain(trial)}" is no label of {file} ({quoted(there)}); {remedy}'))
        return found
    if len(there) == 1:
        text = (
            f'expected persons of other trials beside "{plain(trial)}" in {file}, found none; add them, or leave out '
        )
        found.append(Problem(PLACE, f"{text}trial, and what borrows from them"))
    own = persons[labels == trial]
    if persons["start_group"].value_counts().min() > 1:  # else said of the whole table
        found += single_person_groups(file, own, settings.distinct_labels)
    return found
