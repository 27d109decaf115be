"""Published means beside replicates of the same rows: the predictive check of a model of published means."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from bayesmodels.fitting.evaluate import python_mode

if TYPE_CHECKING:
    import pymc as pm

    from bayesmodels.study import MeansTable

DIMS = ("outcome", "start_group", "stratum", "week")
DRAWS_PER_CHAIN = 250
"""Posterior draws replicated, evenly spaced."""


def means_summaries(pm_model: pm.Model, data: MeansTable, posterior: xr.Dataset, seed: int) -> dict[str, xr.Dataset]:
    """Published means, and replicates of them under the posterior.

    Parameters
    ----------
    pm_model : pm.Model
        Built on `data`; its observed variables are `means_<outcome>`, in the table's order.
    data : MeansTable
    posterior : xr.Dataset
        Free variables, dims (chain, draw, ...).
    seed : int

    Returns
    -------
    dict of str to xr.Dataset
        `observed_summary` (n, mean, se; NaN where the table has no row) and `predictive_summary` (mean, with chain and
        draw): new means of new persons at the same visits, with sampling error and visit shocks.
    """
    frame = data.frame
    coords = {dim: list(labels) for dim, labels in data.coords.items() if dim in DIMS}
    place = tuple(np.array([coords[dim].index(label) for label in frame[dim]], dtype=int) for dim in DIMS)
    shape = tuple(len(coords[dim]) for dim in DIMS)
    observed = xr.Dataset(
        {
            name: (DIMS, _placed(frame[column].to_numpy(dtype=float), place, shape))
            for name, column in (("n", "n"), ("mean", "estimate"), ("se", "se"))
        },
        coords=coords,
    )
    drawn = _replicates(pm_model, posterior, seed)
    names = list(dict.fromkeys(frame["outcome"]))
    values = np.concatenate([drawn[f"means_{name}"] for name in names], axis=-1)
    predicted = xr.DataArray(_placed(values, place, shape), dims=("chain", "draw", *DIMS), coords=coords, name="mean")
    return {"observed_summary": observed, "predictive_summary": predicted.to_dataset()}


def _placed(values: np.ndarray, place: tuple[np.ndarray, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Rows (..., row) laid over cells (..., outcome, start_group, stratum, week), NaN elsewhere."""
    outcome, start_group, stratum, week = place
    cells = np.full((*values.shape[:-1], *shape), np.nan)
    cells[..., outcome, start_group, stratum, week] = values
    return cells


def _replicates(pm_model: pm.Model, posterior: xr.Dataset, seed: int) -> dict[str, np.ndarray]:
    import pymc as pm

    free = posterior[[rv.name for rv in pm_model.free_RVs]]
    step = max(1, free.sizes["draw"] // DRAWS_PER_CHAIN)
    with pm_model, _without_announcement():
        tree = pm.sample_posterior_predictive(
            free.isel(draw=slice(None, None, step)).reset_coords(drop=True),
            var_names=[rv.name for rv in pm_model.observed_RVs],
            freeze_vars=[rv.name for rv in pm_model.free_RVs],
            random_seed=seed,
            progressbar=False,
            compile_kwargs={"mode": python_mode()},
        )
    return {name: array.to_numpy() for name, array in tree["posterior_predictive"].data_vars.items()}


@contextmanager
def _without_announcement() -> Iterator[None]:
    """Keep PyMC from listing on stderr what it samples."""
    logger = logging.getLogger("pymc.sampling.forward")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
