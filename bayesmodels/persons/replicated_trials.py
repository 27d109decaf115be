"""Trials replicated by a fitted model, as tables, on which an analysis made for data can be checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.errors import BadInput
from bayesmodels.fitting.progress import counted
from bayesmodels.kernels.linear_mixed.variable import simulate
from bayesmodels.persons.collapsed import collapsed_or_error
from bayesmodels.study import Study

if TYPE_CHECKING:
    import pymc as pm

VISITS_IN_WORDS = (
    "Replicated trials have new persons of the same start groups, strata and covariates, seen at the same weeks; "
    "values are kept within the outcome's limits, and whole where all those observed are."
)
EXITS_AS_OBSERVED = (
    "Who died or left, and when, is as observed: the model has no events, so in replicates a death does not go with "
    "the person's course as it may in the data."
)


@dataclass(frozen=True)
class Place:
    """Where an outcome's values are: rows of the visits table, and the same values in the likelihood's (person, slot).

    `whole`: all those observed are whole numbers.
    """

    row: np.ndarray
    person: np.ndarray
    slot: np.ndarray
    whole: bool


def replicated_visits(
    model: Any,
    posterior: xr.DataTree,
    study: Study,
    *,
    seed: int,
    number: int = 100,
    pm_model: pm.Model | None = None,
) -> Iterator[pd.DataFrame]:
    """Visits of new persons like the study's, each trial at another posterior draw.

    Parameters
    ----------
    model : LongitudinalModel
        The model that was fitted.
    posterior : DataTree
        From `fit`.
    study : Study
        What the model was fitted to.
    seed : int
    number : int
        Trials, at most the posterior's draws, which are taken evenly spaced.
    pm_model : pm.Model, optional
        What ``model.build(study)`` returned: spares building it again.

    Yields
    ------
    DataFrame
        The study's visits of the model's outcomes, with values replicated: natural unit, within the outcome's limits,
        whole numbers where all the observed are. Exits are not replicated.

    Raises
    ------
    BadInput
        Visits censored at an assay's limit, whose limits elsewhere are not known; fewer draws than trials.
    BayesmodelsError
        The model's likelihood is not collapsed.
    """
    check_replicable(model, study)
    visits = study.visits[study.visits["outcome"].isin([k.name for k in model.outcomes])].reset_index(drop=True)
    likelihood = collapsed_or_error(model.build(study) if pm_model is None else pm_model)
    places = [place_of(visits, study, outcome.name) for outcome in model.outcomes]
    rng = np.random.default_rng(seed)
    for draw in counted(chosen_draws(posterior, number), number, "replicated trials"):
        (point,) = likelihood.at(draw)
        y = simulate(likelihood.layout, rng, point.inputs, point.bases)
        value = np.empty(len(visits))
        for k, (outcome, place) in enumerate(zip(model.outcomes, places, strict=True)):
            drawn = y[place.person, point.slots(likelihood.layout, k).start + place.slot]
            value[place.row] = natural(drawn, outcome, place.whole)
        yield visits.assign(value=value)


def check_replicable(model: Any, study: Study) -> None:
    """Refuse a study with visits censored at an assay's limit, as `replicated_visits`."""
    used = study.visits["outcome"].isin([k.name for k in model.outcomes])
    limited = sorted(set(study.visits.loc[used & (study.visits["censoring"] != ""), "outcome"]))
    if limited:
        raise BadInput(
            f"visits: expected measured values to replicate a trial, found some beyond an assay's limit of "
            f"{', '.join(limited)}; the limits of the other visits are not in the table"
        )


def chosen_draws(posterior: xr.DataTree, number: int) -> Iterator[xr.Dataset]:
    """So many draws, one a dataset, evenly spaced over all chains.

    Raises
    ------
    BadInput
        More than there are.
    """
    draws = posterior["posterior"].to_dataset()
    shape = draws.sizes["chain"], draws.sizes["draw"]
    most = shape[0] * shape[1]
    if not 1 <= number <= most:
        raise BadInput(f"number: expected 1 to {most}, the posterior's draws, got {number}")
    chosen = np.linspace(0, most - 1, number).astype(int)
    for chain, draw in zip(*np.unravel_index(chosen, shape), strict=True):
        yield draws.isel(chain=[int(chain)], draw=[int(draw)])


def place_of(visits: pd.DataFrame, study: Study, outcome: str) -> Place:
    """Where an outcome's visits are, in a table with rows numbered from 0.

    Persons in the order of their table, each one's visits by week: as `models.visits.design` lays them out. Whether
    all are whole numbers is read from the study's own.
    """
    number = pd.Series(np.arange(len(study.persons)), index=study.persons["person"])
    rows = visits[visits["outcome"] == outcome]
    rows = rows.assign(number=number[rows["person"]].to_numpy()).sort_values(["number", "week"], kind="stable")
    value = study.visits.loc[study.visits["outcome"] == outcome, "value"].to_numpy(float)
    return Place(
        rows.index.to_numpy(),
        rows["number"].to_numpy(),
        rows.groupby("number").cumcount().to_numpy(),
        bool((value == np.round(value)).all()),
    )


def natural(drawn: np.ndarray, outcome: Any, whole: bool) -> np.ndarray:
    """From the modelling scale to a value that could have been observed."""
    value = np.exp(drawn) if outcome.scale == "log" else drawn
    value = np.round(value) if whole else value
    return value if outcome.limits is None else np.clip(value, *outcome.limits)
