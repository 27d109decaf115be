"""Random effects, drawn from their distribution given the data at every posterior draw: exactly given visits, and by
sampling importance resampling given visits and exit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayesmodels.errors import expect, expect_whole
from bayesmodels.fitting.progress import counted
from bayesmodels.kernels.linear_mixed.variable import person_terms as terms_given_visits
from bayesmodels.persons.collapsed import Collapsed, Draw, collapsed_or_error, labels_of, thinned
from bayesmodels.persons.given_exits import CANDIDATES, tilted
from bayesmodels.posterior.archive import FROM_FIT, require

if TYPE_CHECKING:
    import pymc as pm

FEW = 8.0
"""Candidates' worth below which draws given an exit are said to be rough."""


def draw_deviations(
    likelihood: Collapsed, point: Draw, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray | None]:
    """Draw the random terms' deviations (person, random term) given visits and, in a model with events, exits.

    The second result is of a model with events: how many equally good candidates each person's draw was chosen among.
    """
    gaussian = terms_given_visits(likelihood.layout, point.y, point.inputs, point.bases)
    if likelihood.hazards is None:
        return gaussian.draw(rng), None
    return tilted(likelihood, point, gaussian).draw(rng)


def draw_person_terms(
    model: Any,
    posterior: xr.DataTree,
    data: Any,
    *,
    seed: int,
    draws: int = 500,
    pm_model: pm.Model | None = None,
) -> xr.Dataset:
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
    pm_model : pm.Model, optional
        What ``model.build(data)`` returned: spares building it again.

    Returns
    -------
    xr.Dataset
        `person_term` with dims (chain, draw, person, term); persons numbered in the order of the persons table, terms
        on the modelling scale. A posterior of persons' data: store it as you would the data. Of a model with events,
        attributes say among how many effective candidates the draws were chosen at worst (`persons.given_exits`).

    Raises
    ------
    BayesmodelsError
        The model's likelihood is not collapsed.
    """
    expect(posterior, xr.DataTree, "posterior", FROM_FIT)
    require(posterior, groups=["posterior"])
    expect_whole(seed, "seed")
    expect_whole(draws, "draws", 1)
    pm_model = model.build(data) if pm_model is None else pm_model
    likelihood = collapsed_or_error(pm_model)
    chosen = thinned(posterior["posterior"].to_dataset(), draws)
    rng = np.random.default_rng(seed)
    random = list(likelihood.layout.random_terms)
    out, fewest = None, np.inf
    for point in counted(likelihood.at(chosen), chosen.sizes["chain"] * chosen.sizes["draw"], "random effects, draws"):
        deviations, worth = draw_deviations(likelihood, point, rng)
        fewest = fewest if worth is None else min(fewest, float(worth.min()))
        if out is None:
            out = np.empty((chosen.sizes["chain"], chosen.sizes["draw"], *deviations.shape))
        out[point.chain, point.draw] = point.person_means(likelihood.layout)[:, random] + deviations
    assert out is not None  # a posterior has draws
    dims = ("chain", "draw", "person", "term")
    coords = {"term": labels_of(pm_model, random), "person": np.arange(out.shape[2])}
    found = xr.Dataset({"person_term": (dims, out)}, coords=coords)
    if likelihood.hazards is not None:
        found.attrs = {"given": "visits and exit", "candidates": CANDIDATES, "fewest_effective_candidates": fewest}
        if fewest < FEW:
            found.attrs["note"] = f"some draws were chosen among fewer than {FEW:g} effective candidates: rough tails"
    return found
