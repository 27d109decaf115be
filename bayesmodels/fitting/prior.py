"""Draws of the published variables from the prior: forward simulation, no sampler."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from bayesmodels.fitting.coordinates import with_descriptions
from bayesmodels.fitting.evaluate import labelled, python_mode
from bayesmodels.fitting.sampling import deterministics

if TYPE_CHECKING:
    import pymc as pm

PRIOR_DRAWS = 1000


def prior_draws(pm_model: pm.Model, seed: int, draws: int = PRIOR_DRAWS) -> xr.Dataset:
    """Draw the free variables from their prior, then evaluate the published ones.

    Parameters
    ----------
    pm_model : pm.Model
    seed : int
    draws : int

    Returns
    -------
    xr.Dataset
        Published variables, dims (chain = 1, draw, ...).
    """
    free = prior_of_free_variables(pm_model, seed, draws)
    return with_descriptions(pm_model, deterministics(pm_model, free))


def prior_of_free_variables(pm_model: pm.Model, seed: int, draws: int = PRIOR_DRAWS) -> xr.Dataset:
    """Draw the free variables from their prior; dims (chain = 1, draw, ...).

    Parameters
    ----------
    pm_model : pymc.Model
    seed : int
    draws : int
    """
    import pymc as pm

    variables = pm_model.free_RVs
    values = pm.draw(variables, draws=draws, mode=python_mode(), random_seed=seed)
    if draws == 1:  # PyMC leaves out the axis of draws
        values = [np.asarray(value)[None] for value in values]
    named = {rv.name: np.asarray(value)[None] for rv, value in zip(variables, values, strict=True)}
    return labelled(pm_model, named, pm_model.named_vars_to_dims)
