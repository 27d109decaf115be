"""Log-likelihood by person, for PSIS-LOO by person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from bayesmodels.fitting.evaluate import evaluate, labelled

if TYPE_CHECKING:
    import pymc as pm


def person_log_likelihood(pm_model: pm.Model, draws: xr.Dataset) -> xr.Dataset:
    """Evaluate the log-likelihood of every person at every draw.

    Parameters
    ----------
    pm_model : pm.Model
        Its observed variables whose first dim is `person` and whose log-density has that dim alone are evaluated.
    draws : xr.Dataset
        Free variables, dims (chain, draw, ...).

    Returns
    -------
    xr.Dataset
        One variable an observed variable, dims (chain, draw, person), persons numbered from 0; empty if there is none.
    """
    import pymc as pm

    graphs = {}
    for rv in pm_model.observed_RVs:
        if tuple(pm_model.named_vars_to_dims.get(rv.name) or ())[:1] != ("person",):
            continue
        density = pm.logp(rv, pm_model.rvs_to_values[rv], warn_rvs=False)
        if density.ndim == 1:
            graphs[rv.name] = density
    values = evaluate(pm_model, graphs, draws)
    return labelled(pm_model, values, {name: ("person",) for name in graphs})
