"""Inputs of a likelihood of normal vectors at posterior draws: every person's means, and the covariance matrices."""

from __future__ import annotations

from collections.abc import Iterator

import pymc as pm
import pytensor
import xarray as xr
from pytensor.graph.traversal import ancestors

from bayesmodels.errors import BayesmodelsError
from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.kernels.multivariate_normal.op import NormalByPatternLogp, NormalInputs


def normal_vectors(pm_model: pm.Model, draws: xr.Dataset) -> Iterator[tuple[int, int, NormalInputs]]:
    """Chain, draw and inputs of the likelihood at every draw of a dataset with the free variables.

    Parameters
    ----------
    pm_model : pm.Model
        With an observed variable made by `normal_by_pattern_variable`.
    draws : xr.Dataset
        Dims (chain, draw, ...).

    Raises
    ------
    BayesmodelsError
        The model has no such variable.
    """
    inputs = None
    for rv in pm_model.observed_RVs:
        density = pm.logp(rv, pm_model.rvs_to_values[rv], warn_rvs=False)
        for variable in ancestors([density]):
            if variable.owner is not None and isinstance(variable.owner.op, NormalByPatternLogp):
                inputs = variable.owner.inputs[1:]
    if inputs is None:
        raise BayesmodelsError("model: expected one of means by visit, whose visits are normal vectors; use VisitModel")
    needed = set(ancestors(inputs))
    free = [rv for rv in pm_model.free_RVs if rv in needed]
    function = pytensor.function(free, inputs, mode=python_mode())
    values = [draws[rv.name].transpose("chain", "draw", ...).to_numpy() for rv in free]
    for chain in range(draws.sizes["chain"]):
        for draw in range(draws.sizes["draw"]):
            yield chain, draw, NormalInputs(*function(*(value[chain, draw] for value in values)))
