"""Log-likelihood by person, or by trial, for PSIS-LOO."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from bayesmodels.fitting.evaluate import evaluate, labelled

if TYPE_CHECKING:
    import pymc as pm

    from bayesmodels.fitting.collapsed import Collapsed

JOINT_DRAWS = 1000
"""Draws at which the likelihood of visits and exit is integrated over the person terms.

Thinned draws are nearly independent: pass `reff=1` to `arviz_stats.loo`, which would else take the efficiency of all
draws for that of the kept ones.
"""


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
        is none. Of a model with events, person terms integrated out (`fitting.exit_terms`), at about `JOINT_DRAWS`
        draws, evenly spaced.
    """
    import pymc as pm

    from bayesmodels.fitting.collapsed import collapsed

    likelihood = collapsed(pm_model)
    if likelihood is not None and likelihood.hazards is not None:
        (name,) = (rv.name for rv in pm_model.observed_RVs)
        return _with_exits(name, likelihood, draws)
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


def _with_exits(name: str, likelihood: Collapsed, draws: xr.Dataset) -> xr.Dataset:
    """Log-likelihood of visits and exit by person."""
    from bayesmodels.fitting.collapsed import thinned
    from bayesmodels.fitting.exit_terms import tilted
    from bayesmodels.kernels.linear_mixed_variable import likelihood_and_terms

    chosen = thinned(draws, JOINT_DRAWS)
    rows = []
    for point in likelihood.at(chosen):
        visits, gaussian = likelihood_and_terms(likelihood.layout, point.y, point.inputs, point.bases)
        rows.append(visits + tilted(likelihood, point, gaussian).log_likelihood())
    values = np.array(rows).reshape((chosen.sizes["chain"], chosen.sizes["draw"], -1))
    coords = {"chain": chosen["chain"], "draw": chosen["draw"], "person": np.arange(values.shape[2])}
    return xr.Dataset(
        {name: (("chain", "draw", "person"), values)}, coords={k: np.asarray(v) for k, v in coords.items()}
    )
