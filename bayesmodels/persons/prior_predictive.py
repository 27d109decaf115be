"""Prior predictive draws of a model's published variables and of the visit means of replicated trials."""

from __future__ import annotations

from typing import Any

import xarray as xr

from bayesmodels.errors import BadInput, expect_whole
from bayesmodels.fitting.prior import prior_draws, prior_of_free_variables
from bayesmodels.persons.summaries.visits import visit_summaries
from bayesmodels.study import Study


def prior_predictive(model: Any, data: Study, *, seed: int, draws: int = 1000) -> xr.DataTree:
    """Draws of the published variables and of the visit means of replicated trials, from the prior.

    Parameters
    ----------
    model : LongitudinalModel
    data : Study
        Its persons, strata, start groups and visit weeks are used; its values are not.
    seed : int
    draws : int

    Returns
    -------
    xr.DataTree
        Groups `prior` (published variables, dims chain, draw, ...) and `prior_predictive` (visit means by outcome,
        start_group, stratum and week, modelling scale), where the likelihood is collapsed.
    """
    if not callable(getattr(model, "build", None)):
        came = type(model).__name__
        raise BadInput(f"model: expected one with a method build, got {came}; write prior_predictive(model, data, ...)")
    expect_whole(seed, "seed")
    expect_whole(draws, "draws", 1)
    pm_model = model.build(data)
    groups = {"prior": prior_draws(pm_model, seed, draws)}
    found = visit_summaries(model, pm_model, data, prior_of_free_variables(pm_model, seed, draws), seed)
    if "predictive_summary" in found:
        groups["prior_predictive"] = found["predictive_summary"]
    return xr.DataTree.from_dict(groups)
