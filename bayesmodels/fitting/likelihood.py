"""Log-likelihood by person, or by trial, for PSIS-LOO."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from bayesmodels.fitting.evaluate import evaluate, labelled

if TYPE_CHECKING:
    import pymc as pm


def person_log_likelihood(pm_model: pm.Model, draws: xr.Dataset) -> xr.Dataset:
    """Evaluate the log-likelihood of every person, or of every trial of a trial-level model, at every draw.

    Parameters
    ----------
    pm_model : pm.Model
        Its observed variables whose first dim is `person` or `trial` and whose log-density has that dim alone are
        evaluated.
    draws : xr.Dataset
        Free variables, dims (chain, draw, ...).

    Returns
    -------
    xr.Dataset
        One variable an observed variable, dims (chain, draw, person or trial), persons numbered from 0; empty if there
        is none.
    """
    import pymc as pm

    graphs, units = {}, {}
    for rv in pm_model.observed_RVs:
        unit = tuple(pm_model.named_vars_to_dims.get(rv.name) or ())[:1]
        if unit not in (("person",), ("trial",)):
            continue
        density = pm.logp(rv, pm_model.rvs_to_values[rv], warn_rvs=False)
        if density.ndim == 1:
            graphs[rv.name], units[rv.name] = density, unit
    values = evaluate(pm_model, graphs, draws)
    return labelled(pm_model, values, units)
