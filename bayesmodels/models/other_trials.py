"""Persons of other trials than a study's own: who they are, and what of them a model that borrows refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.errors import BadInput
from bayesmodels.study import Study
from bayesmodels.study.checks.labels import as_toml, counted
from bayesmodels.study.checks.trial_column import COLUMN, trial_labels
from bayesmodels.study.problem import FIRST_ROW, Problem, plain, quoted

PREFIX = "external_"
"""Begins the names of the data of external persons."""


@dataclass(frozen=True)
class OtherPersons:
    """Persons of other trials than ours, and their visits of a model's outcomes.

    Parameters
    ----------
    persons, visits : DataFrame
        As in a study, persons numbered from 0.
    rows : (person of every trial,) bool
        Which rows of the persons table they are.
    trials : tuple of str
        Their trials, in alphabetical order.
    trial : (person,) int
        Place among `trials`.
    """

    persons: pd.DataFrame
    visits: pd.DataFrame
    rows: np.ndarray
    trials: tuple[str, ...]
    trial: np.ndarray


def checked_trial(model: Any, data: Study) -> Study:
    """The study with the persons of every trial, of a study of the model's own trial.

    Parameters
    ----------
    model : LongitudinalModel or SharedRateModel
        With `borrowing`.
    data : Study

    Raises
    ------
    BadInput
        The study does not say which of its persons are of our trial, or says another.
    """
    trial = model.borrowing.trial
    if data.whole is None:
        raise BadInput(
            f"study: expected the study of the trial {trial!r}, from which external persons are told, got one in which "
            f"everyone is of the trial; give read_study(...) or Study.from_frames(...) trial = {as_toml(trial)}"
        )
    if data.trial != trial:
        raise BadInput(
            f"study: expected that of the trial {trial!r}, as [model] borrowing says, got that of {data.trial!r}; give "
            "both the same label"
        )
    return data.whole


def other_persons(whole: Study, data: Study, outcomes: Sequence[str]) -> tuple[OtherPersons, list[Problem]]:
    """Persons of other trials, and why they cannot be borrowed from.

    Parameters
    ----------
    whole : Study
        From `checked_trial`.
    data : Study
        Of our trial.
    outcomes : sequence of str
        Of the model.

    Returns
    -------
    tuple of OtherPersons and list of Problem
        A problem each for a person who starts the drug, and one where nobody has visits of an outcome.
    """
    table, labels = whole.persons, trial_labels(whole.persons)
    outside = (labels != data.trial).to_numpy()
    problems = [
        Problem(
            data.tables.files["persons"],
            f"expected external persons (of another trial than {plain(data.trial or '')}) who never start the drug, "
            f"got a start in week {row.drug_start_week:g}; leave out the person, or leave drug_start_week blank and "
            "end the visits before the start",
            row=FIRST_ROW + row.Index, person=row.person, kind="external persons on the drug",
        )
        for row in table[outside & np.isfinite(table["drug_start_week"].to_numpy(float))].itertuples()
    ]  # fmt: skip
    persons, visits = table[outside].reset_index(drop=True), whole.visits
    visits = visits[visits["person"].isin(persons["person"]) & visits["outcome"].isin(list(outcomes))]
    if not len(visits):
        text = f"expected visits of external persons of an outcome of the model ({quoted(outcomes)}), found none"
        problems.append(Problem(data.tables.files["visits"], f"{text}; add them, or leave out borrowing"))
    trials = tuple(sorted(set(labels[outside])))
    place = labels[outside].map({label: e for e, label in enumerate(trials)}).to_numpy(np.int64)
    return OtherPersons(persons, visits, outside, trials, place), problems


def uninformative() -> BadInput:
    """The error where no external person has visits enough of an outcome to inform its rate."""
    return BadInput(
        "borrowing: expected external persons with two visits or more of an outcome, got none; leave out borrowing"
    )


def trial_warnings(model: Any, data: Study) -> list[Problem]:
    """That persons of several trials are taken for those of one, or that external persons are left out.

    Parameters
    ----------
    model : LongitudinalModel or SharedRateModel
    data : Study
    """
    if model.borrowing is not None:
        return []
    file = data.tables.files["persons"]
    if data.whole is not None:
        n = sum(each["persons"] for each in data.counts["external"].values())
        text = f"{n:,} persons of other trials than {plain(data.trial or '')} take no part: the model borrows nothing"
        return [Problem(file, text, kind="external persons left out")]
    if COLUMN not in data.persons:
        return []
    counts = trial_labels(data.persons).value_counts()
    if len(counts) < 2:
        return []
    text = (
        f"persons of {len(counts)} trials ({counted({str(k): int(n) for k, n in counts.items()})} in the column "
        "trial) are analysed as if of one; if only one is yours, borrowing under [model] says how the others enter"
    )
    return [Problem(file, text, kind="trials as one")]
