"""Observed visit means beside the same means predicted: what a predictive check compares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xarray as xr

if TYPE_CHECKING:
    import pymc as pm


def summaries(model: Any, pm_model: pm.Model, data: Any, posterior: xr.Dataset, seed: int) -> dict[str, xr.Dataset]:
    """Summarise the data by visit, and draw the same summaries from the posterior.

    Parameters
    ----------
    model : Model
    pm_model : pm.Model
        Built on the data.
    data : Study or other
    posterior : xr.Dataset
        Free and published variables, dims (chain, draw, ...).
    seed : int

    Returns
    -------
    dict of str to xr.Dataset
        `observed_summary` (n, mean, se by outcome, start_group, stratum, week) and `predictive_summary` (mean, with
        chain and draw besides); of a table of trials see `trial_summaries`; empty for data of a kind that has no such
        summary.
    """
    from bayesmodels.study import MeansTable, Study, TrialTable

    if isinstance(data, TrialTable):
        from bayesmodels.persons.summaries.trials import trial_summaries

        return trial_summaries(pm_model, data, posterior, seed)
    if isinstance(data, MeansTable):
        from bayesmodels.persons.summaries.means import means_summaries

        return means_summaries(pm_model, data, posterior, seed)
    if isinstance(data, Study):
        from bayesmodels.persons.summaries.visits import visit_summaries

        return visit_summaries(model, pm_model, data, posterior, seed)
    return {}
