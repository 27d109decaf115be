"""Ranks of a simulated truth among the draws of a refit: every published quantity, and the log-likelihood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bayesmodels.fitting.refit import Refit, judged, stacked
from validation.calibration.ranks import ranks_of


def ranked(
    tree: Any, refit: Refit, arrays: Mapping[str, np.ndarray], truth: Mapping[str, Any], kept: int
) -> dict[str, Any]:
    """Convergence of a refit, and the ranks of a truth's published quantities and log-likelihood.

    Parameters
    ----------
    tree : DataTree
        From `refit.sample`.
    arrays : dict
        The data refitted.
    truth : dict
        Every free variable.
    kept : int
    """
    refit.use(arrays)
    free = stacked(tree["posterior"].to_dataset(), refit.names)
    everything = refit.published(free)
    total = len(next(iter(free.values())))
    every = np.linspace(0, total, kept, endpoint=False).astype(int)
    own = {name: np.asarray(truth[name], float)[None] for name in refit.names}
    thinned = {name: values[every] for name, values in free.items()}
    drawn = {name: values[every] for name, values in everything.items()}
    true = refit.published(own)
    drawn["log_likelihood"], true["log_likelihood"] = refit.log_likelihoods(thinned), refit.log_likelihoods(own)
    ranks = {}
    for name, values in drawn.items():
        for at in np.ndindex(values.shape[1:]):
            entry = values[(slice(None), *at)]
            if np.isnan(entry).all() or (entry == true[name][(0, *at)]).all():
                continue  # undefined, or fixed by the model
            label = f"{name}[{_index(refit, name, at)}]" if at else name
            ranks[label] = int(ranks_of(np.atleast_1d(true[name][(0, *at)]), entry[None])[0])
    return {**judged(tree, refit, everything), "ranks": ranks}


def _index(refit: Refit, name: str, at: tuple[int, ...]) -> str:
    """An entry's labels along the dims of its variable."""
    model = refit.pm_model
    dims = model.named_vars_to_dims[name]
    return ", ".join(str(model.coords[dim][place]) for dim, place in zip(dims, at, strict=True))
