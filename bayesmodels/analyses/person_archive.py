"""What `[archive] persons = true` adds to a posterior: person terms and visit rows, persons numbered from 0.

A posterior with these groups is patient data, and is to be kept as such.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import xarray as xr

from bayesmodels.fitting.settings import EXAMPLE_STREAM, PERSON_STREAM, stream_seed

if TYPE_CHECKING:
    from bayesmodels.study import Study


def person_groups(model: Any, posterior: xr.DataTree, data: Study) -> dict[str, xr.Dataset]:
    """Draw the person terms, and list the visits.

    Parameters
    ----------
    model : LongitudinalModel or other
        A model whose likelihood is not collapsed has no `random_effects` group.
    posterior : xr.DataTree
        From `fit`.
    data : Study

    Returns
    -------
    dict of str to xr.Dataset
        `random_effects` (chain, draw, person, term; thinned) and `visit_rows` (visit: person, week, outcome, value,
        censoring); of a model with events `dynamic_prediction` with examples of persons added.
    """
    from bayesmodels.persons.collapsed import collapsed
    from bayesmodels.persons.random_effects import draw_person_terms

    groups = {"visit_rows": visit_rows(data)}
    if collapsed(model.build(data)) is not None:
        seed = stream_seed(int(posterior.attrs["seed"]), PERSON_STREAM)
        groups["random_effects"] = draw_person_terms(model, posterior, data, seed=seed)
    if "dynamic_prediction" in posterior.children:
        from bayesmodels.analyses.dynamic_prediction import example_predictions

        seed = stream_seed(int(posterior.attrs["seed"]), EXAMPLE_STREAM)
        both = (posterior["dynamic_prediction"].to_dataset(), example_predictions(model, posterior, data, seed=seed))
        groups["dynamic_prediction"] = xr.merge(both, combine_attrs="override", compat="override", join="outer")
    return groups


def visit_rows(data: Study) -> xr.Dataset:
    """List the visits with persons numbered in the order of the persons table; dim `visit`."""
    number = pd.Series(range(len(data.persons)), index=data.persons["person"])
    columns = {
        "person": number.loc[data.visits["person"]].to_numpy(),
        "week": data.visits["week"].to_numpy(dtype=float),
        "outcome": data.visits["outcome"].to_numpy(dtype=str),
        "value": data.visits["value"].to_numpy(dtype=float),
        "censoring": data.visits["censoring"].to_numpy(dtype=str),
    }
    return xr.Dataset({name: ("visit", values) for name, values in columns.items()})
