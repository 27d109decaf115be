"""Person terms, drawn exactly from their distribution given the data at every posterior draw."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from bayesmodels.fitting.collapsed import collapsed_or_error, labels_of, thinned
from bayesmodels.kernels.linear_mixed_variable import person_terms as terms_given_data


def draw_person_terms(model: Any, posterior: xr.DataTree, data: Any, *, seed: int, draws: int = 500) -> xr.Dataset:
    """Draw every person's level, rate and drug response.

    Parameters
    ----------
    model : LongitudinalModel, or another whose likelihood is collapsed
    posterior : DataTree
        From `fit`.
    data : Study
        What the model was fitted to.
    seed : int
    draws : int
        About how many posterior draws to use, evenly spaced.

    Returns
    -------
    xr.Dataset
        `person_term` with dims (chain, draw, person, term); persons numbered in the order of the persons table, terms
        on the modelling scale. A posterior of persons' data: store it as you would the data.

    Raises
    ------
    BayesmodelsError
        The model's likelihood is not collapsed.
    """
    pm_model = model.build(data)
    likelihood = collapsed_or_error(pm_model)
    chosen = thinned(posterior["posterior"].to_dataset(), draws)
    rng = np.random.default_rng(seed)
    random = list(likelihood.layout.random_terms)
    out = None
    for point in likelihood.at(chosen):
        deviations = terms_given_data(likelihood.layout, point.y, point.inputs, point.bases).draw(rng)
        if out is None:
            out = np.empty((chosen.sizes["chain"], chosen.sizes["draw"], *deviations.shape))
        out[point.chain, point.draw] = point.person_means(likelihood.layout)[:, random] + deviations
    assert out is not None  # a posterior has draws
    dims = ("chain", "draw", "person", "term")
    coords = {"term": labels_of(pm_model, random), "person": np.arange(out.shape[2])}
    return xr.Dataset({"person_term": (dims, out)}, coords=coords)
