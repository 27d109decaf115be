"""Values of graph variables at many draws, in a Python-linked mode: nothing is compiled to machine code.

The graph is vectorised over draws and evaluated in chunks; where an operation cannot be vectorised, draw by draw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayesmodels.errors import BayesmodelsError

if TYPE_CHECKING:
    import pymc as pm
    from pytensor.tensor import TensorVariable

CHUNK = 250
"""Draws evaluated at once, unless a caller asks for fewer: bounds the memory of intermediate results."""


def python_mode() -> Any:
    """Return the PyTensor mode that calls each operation's own NumPy code; fused operations would loop in Python."""
    from pytensor.compile.mode import Mode

    return Mode(linker="py", optimizer="fast_run").excluding("fusion", "inplace", "BlasOpt")


def evaluate(
    pm_model: pm.Model, variables: Mapping[str, TensorVariable], draws: xr.Dataset, chunk: int = CHUNK
) -> dict[str, np.ndarray]:
    """Evaluate variables of a model at draws of its free variables.

    Parameters
    ----------
    pm_model : pm.Model
    variables : mapping of str to TensorVariable
        Graphs of the model's free variables.
    draws : xr.Dataset
        Free variables, each with dims (chain, draw, ...).
    chunk : int
        Draws evaluated at once.

    Returns
    -------
    dict of str to ndarray
        Arrays (chain, draw, ...).

    Raises
    ------
    BayesmodelsError
        A variable depends on a free variable that the draws lack.
    """
    from pytensor.graph.traversal import ancestors

    if not variables:
        return {}
    inputs = [rv for rv in pm_model.free_RVs if rv.name in draws]
    used = set(ancestors(list(variables.values()), blockers=inputs))
    expect_draws([rv for rv in pm_model.free_RVs if rv in used], draws)
    n_chains, n_draws = draws.sizes["chain"], draws.sizes["draw"]
    function = over_draws(inputs, list(variables.values()), chunk)
    stacked = function([_flat(draws[rv.name], rv.type.dtype) for rv in inputs])
    return {
        name: block.reshape((n_chains, n_draws, *block.shape[1:]))
        for name, block in zip(variables, stacked, strict=True)
    }


def expect_draws(free: Sequence[TensorVariable], draws: xr.Dataset) -> None:
    """Check that a posterior has draws of free variables.

    Parameters
    ----------
    free : sequence of TensorVariable
    draws : xr.Dataset

    Raises
    ------
    BayesmodelsError
        It lacks one.
    """
    absent = [variable.name for variable in free if variable.name not in draws]
    if absent:
        raise BayesmodelsError(
            f"posterior: expected draws of {', '.join(absent)}, found none: it is of another model, or of an earlier "
            "version; fit the model again"
        )


def over_draws(
    inputs: Sequence[TensorVariable], outputs: Sequence[TensorVariable], chunk: int = CHUNK
) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
    """Return a function that evaluates graphs at many draws.

    Parameters
    ----------
    inputs, outputs : sequence of TensorVariable
        Of one draw.
    chunk : int
        Draws evaluated at once.

    Returns
    -------
    callable
        Arrays (draw, ...), one an input, to arrays (draw, ...), one an output.
    """
    made: list[Callable[..., list[np.ndarray]]] = []

    def evaluated(values: Sequence[np.ndarray]) -> list[np.ndarray]:
        if made:
            return made[0](values)
        try:
            function = _vectorised(inputs, outputs, chunk)
            stacked = function(values)
        except (NotImplementedError, ValueError, TypeError):
            function = _draw_by_draw(inputs, outputs)
            stacked = function(values)
        made.append(function)
        return stacked

    return evaluated


def labelled(pm_model: pm.Model, values: Mapping[str, np.ndarray], dims: Mapping[str, Sequence[str]]) -> xr.Dataset:
    """Give arrays (chain, draw, ...) the model's dims and coordinates.

    Parameters
    ----------
    pm_model : pm.Model
    values : mapping of str to ndarray
    dims : mapping of str to sequence of str
        Dims after chain and draw; a variable that is not listed gets numbered dims.

    Returns
    -------
    xr.Dataset
        Dims (chain, draw, ...).
    """
    arrays: dict[str, xr.DataArray] = {}
    for name, value in values.items():
        own = tuple(dims.get(name) or (f"{name}_dim_{j}" for j in range(value.ndim - 2)))
        coords: dict[str, Any] = {"chain": np.arange(value.shape[0]), "draw": np.arange(value.shape[1])}
        for dim, size in zip(own, value.shape[2:], strict=True):
            known = None if dim == "person" else pm_model.coords.get(dim)  # persons are relabelled 0..n-1
            coords[dim] = np.asarray(known) if known is not None else np.arange(size)
        arrays[name] = xr.DataArray(value, dims=("chain", "draw", *own), coords=coords)
    return xr.Dataset(arrays)


def _flat(array: xr.DataArray, dtype: str) -> np.ndarray:
    """Merge (chain, draw) into one leading axis."""
    values = array.transpose("chain", "draw", ...).to_numpy()
    return np.ascontiguousarray(values.reshape((-1, *values.shape[2:])), dtype=dtype)


def _vectorised(
    inputs: Sequence[TensorVariable], outputs: Sequence[TensorVariable], chunk: int
) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
    import pytensor
    from pytensor.graph.replace import vectorize_graph
    from pytensor.tensor import TensorType, broadcast_to, shape

    batched = [TensorType(rv.type.dtype, shape=(None, *rv.type.shape))(name=rv.name) for rv in inputs]
    vectors = vectorize_graph(list(outputs), replace=dict(zip(inputs, batched, strict=True)))
    n = shape(batched[0])[0]
    # An output that depends on no input has no draw axis yet.
    vectors = [
        v if v.ndim > out.ndim else broadcast_to(v, (n, *shape(v))) for v, out in zip(vectors, outputs, strict=True)
    ]
    function = pytensor.function(batched, vectors, mode=python_mode(), on_unused_input="ignore", trust_input=True)

    def evaluated(values: Sequence[np.ndarray]) -> list[np.ndarray]:
        chunks = [slice(at, at + chunk) for at in range(0, len(values[0]), chunk)]
        blocks = [[np.array(b) for b in function(*(v[at] for v in values))] for at in chunks]
        return [np.concatenate(parts) for parts in zip(*blocks, strict=True)]

    return evaluated


def _draw_by_draw(
    inputs: Sequence[TensorVariable], outputs: Sequence[TensorVariable]
) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
    import pytensor

    function = pytensor.function(list(inputs), list(outputs), mode=python_mode(), on_unused_input="ignore")

    def evaluated(values: Sequence[np.ndarray]) -> list[np.ndarray]:
        rows = [[np.array(out) for out in function(*draw)] for draw in zip(*values, strict=True)]
        return [np.stack(column) for column in zip(*rows, strict=True)]

    return evaluated
