"""Log-likelihood by person, or by trial, for PSIS-LOO."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from bayesmodels.fitting.evaluate import evaluate, labelled

if TYPE_CHECKING:
    import pymc as pm

    from bayesmodels.persons.collapsed import Collapsed

COSTLY_DRAWS = 1000
"""Draws at which the likelihood is integrated outside the kernels: of visits and exit, or of visits beyond a limit.

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
        is none. Where there are several, as visits and exits of a `SharedRateModel`, a person's is their sum.

        Random effects are integrated out, and so are the values of censored visits
        (`fitting.beyond_limits`). With such visits, and of a model with events (`fitting.exit_terms`), at about
        `COSTLY_DRAWS` draws, evenly spaced; with both, persons who have such visits are left out, and the attribute
        `note` counts them.
    """
    import pymc as pm

    from bayesmodels.persons.collapsed import collapsed

    likelihood = collapsed(pm_model)
    if likelihood is not None and (likelihood.hazards is not None or likelihood.has_latent_values):
        (name,) = (rv.name for rv in pm_model.observed_RVs)
        return _integrated(name, likelihood, draws, pm_model)
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


def _integrated(name: str, likelihood: Collapsed, draws: xr.Dataset, pm_model: pm.Model) -> xr.Dataset:
    """Log-likelihood by person where kernels leave something to integrate: exits, or values beyond limits."""
    from bayesmodels.fitting.progress import counted
    from bayesmodels.kernels.linear_mixed.variable import likelihood_and_terms
    from bayesmodels.persons.censored import log_likelihood_beyond
    from bayesmodels.persons.collapsed import thinned
    from bayesmodels.persons.given_exits import tilted

    chosen = thinned(draws, COSTLY_DRAWS)
    rows, beyond = [], np.zeros(0, bool)
    for point in counted(likelihood.at(chosen), chosen.sizes["chain"] * chosen.sizes["draw"], "log-likelihood, draws"):
        by_person, gaussian = likelihood_and_terms(likelihood.layout, point.y, point.inputs, point.bases)
        beyond = point.beyond.any(axis=1)
        if likelihood.hazards is not None:
            by_person += tilted(likelihood, point, gaussian).log_likelihood()
        else:
            limits = pm_model["visits_limit"].get_value()
            by_person[beyond] = log_likelihood_beyond(likelihood.layout, point, limits)
        rows.append(by_person)
    values = np.array(rows).reshape((chosen.sizes["chain"], chosen.sizes["draw"], -1))
    coords = {"chain": chosen["chain"], "draw": chosen["draw"], "person": np.arange(values.shape[2])}
    found = xr.Dataset(
        {name: (("chain", "draw", "person"), values)}, coords={k: np.asarray(v) for k, v in coords.items()}
    )
    if likelihood.hazards is None or not beyond.any():
        return found
    note = f"{beyond.sum()} persons with censored visits are left out"
    return found.isel(person=~beyond).assign_attrs(note=note)
