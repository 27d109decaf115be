"""Coordinates that describe a dim: unit, scale and good direction of an outcome, week at which a group starts the drug.

A model gives them as coordinates named ``<dim>:<name>``, one value per label, for example
``coords={"outcome": ("nfl_plasma",), "outcome:unit": ("ln pg/mL",), "start_group:drug_start_week": (0.0, 28.0)}``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from bayesmodels.errors import BayesmodelsError

if TYPE_CHECKING:
    import pymc as pm


def with_descriptions(pm_model: pm.Model, dataset: xr.Dataset) -> xr.Dataset:
    """Attach the model's ``<dim>:<name>`` coordinates to the dims that a dataset has.

    Parameters
    ----------
    pm_model : pymc.Model
    dataset : xr.Dataset

    Returns
    -------
    xr.Dataset
        With the coordinates of its dims.

    Raises
    ------
    BayesmodelsError
        A description has not one value per label.
    """
    found = {}
    for key, values in pm_model.coords.items():
        dim, _, name = str(key).partition(":")
        if not name or dim not in dataset.dims or values is None:
            continue
        if len(values) != dataset.sizes[dim]:
            raise BayesmodelsError(
                f"coordinate {key!r}: expected {dataset.sizes[dim]} values, one for each {dim}, got {len(values)}"
            )
        found[name] = (dim, np.asarray(values))
    return dataset.assign_coords(found)
