"""The groups of a posterior that only a model with events has."""

from __future__ import annotations

from typing import Any

import xarray as xr

from bayesmodels.fitting.settings import EVENT_STREAM, PREDICTION_STREAM, stream_seed


def event_groups(model: Any, data: Any, posterior: xr.DataTree) -> dict[str, xr.Dataset]:
    """Curves, data and predictions of a model with events; nothing for another model.

    Parameters
    ----------
    model : Model
    data : Study
        What it was fitted to.
    posterior : DataTree
        With the group `posterior` and the attribute `seed`.

    Returns
    -------
    dict of str to xr.Dataset
        `event_curves`, `event_data`, `dynamic_prediction` (without examples of persons); the last is left out where
        visits are known only to lie beyond a limit, since part of them cannot be predicted from.
    """
    from bayesmodels.persons.prepared import has_events

    if not has_events(model):
        return {}
    from bayesmodels.analyses.dynamic_prediction import dynamic_prediction
    from bayesmodels.persons.summaries.events import event_curves, event_data

    seed = int(posterior.attrs["seed"])
    draws = posterior["posterior"].to_dataset()
    found = {
        "event_curves": event_curves(model, draws, data, seed=stream_seed(seed, EVENT_STREAM)),
        "event_data": event_data(model, data),
    }
    if not any(name.endswith("_excess") for name in draws.data_vars):
        own = stream_seed(seed, PREDICTION_STREAM)
        found["dynamic_prediction"] = dynamic_prediction(model, posterior, data, seed=own)
    return found
