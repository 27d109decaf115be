"""Back from a posterior to the persons that a collapsed likelihood integrated out.

The likelihood's own inputs (means, SDs, bases) are found in the built model and evaluated at posterior draws, so a
model needs no second method for persons, replicates or predictions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import xarray as xr
from pytensor.graph.traversal import ancestors

from bayesmodels.errors import BayesmodelsError
from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.kernels.linear_mixed_op import Inputs, Layout, LinearMixedLogp


@dataclass(frozen=True)
class Draw:
    """A collapsed likelihood's inputs at one posterior draw.

    Parameters
    ----------
    chain, draw : int
        Position among the draws asked for.
    y : (person, slot)
    inputs : Inputs of arrays
    bases : list of (slot of the outcome, person)
    """

    chain: int
    draw: int
    y: np.ndarray
    inputs: Inputs
    bases: list[np.ndarray]

    def person_means(self, layout: Layout) -> np.ndarray:
        """Mean of every term for persons like this one, (person, term)."""
        terms = self.inputs.mean[:, self.inputs.stratum].T + self.inputs.covariates @ self.inputs.slope
        terms[:, list(layout.shifting_terms)] += self.inputs.shift[:, self.inputs.group].T
        return terms


@dataclass(frozen=True)
class Collapsed:
    """The collapsed likelihood of a built model: its layout and a function of the free variables to its inputs."""

    layout: Layout
    names: tuple[str, ...]
    function: Any

    def at(self, draws: xr.Dataset) -> Iterator[Draw]:
        """Inputs at every draw of a dataset with the free variables, dims (chain, draw, ...)."""
        values = [draws[name].transpose("chain", "draw", ...).to_numpy() for name in self.names]
        for chain in range(draws.sizes["chain"]):
            for draw in range(draws.sizes["draw"]):
                y, *rest = self.function(*(value[chain, draw] for value in values))
                split = len(Inputs._fields)
                yield Draw(chain, draw, y, Inputs(*rest[:split]), rest[split:])


def collapsed(pm_model: pm.Model) -> Collapsed | None:
    """The collapsed likelihood of a built model; None if it has none."""
    for rv in pm_model.observed_RVs:
        density = pm.logp(rv, pm_model.rvs_to_values[rv], warn_rvs=False)
        for variable in ancestors([density]):
            node = variable.owner
            if node is not None and isinstance(node.op, LinearMixedLogp):
                free = list(pm_model.free_RVs)
                function = pytensor.function(free, node.inputs, mode=python_mode(), on_unused_input="ignore")
                return Collapsed(node.op.layout, tuple(v.name for v in free), function)
    return None


def collapsed_or_error(pm_model: pm.Model) -> Collapsed:
    """The collapsed likelihood of a built model.

    Raises
    ------
    BayesmodelsError
        It has none.
    """
    found = collapsed(pm_model)
    if found is None:
        raise BayesmodelsError(
            "this model has no collapsed likelihood, so its persons' terms are not integrated out and cannot be drawn "
            "back; person terms and predictions need a LongitudinalModel, or a model built on linear_mixed"
        )
    return found


def thinned(posterior: xr.Dataset, size: int) -> xr.Dataset:
    """About `size` draws, evenly spaced in every chain."""
    per_chain = max(1, size // posterior.sizes["chain"])
    step = max(1, posterior.sizes["draw"] // per_chain)
    return posterior.isel(draw=slice(None, None, step))


def labels_of(pm_model: pm.Model, terms: Sequence[int]) -> list[str]:
    """Names of terms by position."""
    names = pm_model.coords["any_term"]
    return [str(names[p]) for p in terms]
