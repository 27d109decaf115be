"""Values at distinct points in time, copied to the visits made then: a trial has thousands of visits at a few weeks.

`spread` is indexing with a mark for "no visit", and its gradient sums over the visits. As Ops of their own they compile
in a fraction of PyTensor's advanced indexing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numba import njit
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import register_funcify_default_op_cache_key

from bayesmodels.kernels.compiled import VERSION, kernel


@kernel(False)
def _spread(values, index):
    """values[index], zero where the index is negative."""
    out = np.zeros(index.shape)
    for j in range(index.shape[0]):
        for i in range(index.shape[1]):
            if index[j, i] >= 0:
                out[j, i] = values[index[j, i]]
    return out


@kernel(False)
def _collect(values, index, size):
    """Sum of the values at every index, (size,)."""
    out = np.zeros(size)
    for j in range(index.shape[0]):
        for i in range(index.shape[1]):
            if index[j, i] >= 0:
                out[index[j, i]] += values[j, i]
    return out


class Spread(Op):
    """Values (point,) and index (slot, person) to values at visits (slot, person); a negative index gives 0."""

    __props__ = ()

    def make_node(self, values: Any, index: Any) -> Apply:
        """A vector of floats and a matrix of ints."""
        inputs = [pt.as_tensor_variable(values), pt.as_tensor_variable(index)]
        return Apply(self, inputs, [pt.matrix(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Evaluate in Python, over the same kernel."""
        output_storage[0][0] = _spread(*inputs)

    def infer_shape(self, node: Apply, input_shapes: Sequence[Any]) -> list[Any]:
        """As the index."""
        return [input_shapes[1]]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """The index carries no gradient."""
        return [[True], [False]]

    def pullback(self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        """Sum over the visits of every point."""
        values, index = inputs
        return [Collect()(cotangents[0], index, values.shape[0]), DisconnectedType()()]


class Collect(Op):
    """Values (slot, person), their index and the number of points to the sum at every point (point,). No gradient."""

    __props__ = ()

    def make_node(self, values: Any, index: Any, size: int) -> Apply:
        """A matrix of floats, a matrix of ints, an int."""
        inputs = [pt.as_tensor_variable(values), pt.as_tensor_variable(index), pt.as_tensor_variable(size)]
        return Apply(self, inputs, [pt.vector(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Evaluate in Python, over the same kernel."""
        values, index, size = inputs
        output_storage[0][0] = _collect(values, index, int(size))

    def infer_shape(self, node: Apply, input_shapes: Sequence[Any]) -> list[Any]:
        """As many as points."""
        return [(node.inputs[2],)]


@register_funcify_default_op_cache_key(Spread)
def _compile_spread(op: Any, node: Apply, **_: Any) -> Any:
    return _spread, VERSION


@register_funcify_default_op_cache_key(Collect)
def _compile_collect(op: Any, node: Apply, **_: Any) -> Any:
    @njit(error_model="numpy")
    def collect(values, index, size):
        return _collect(values, index, size.item())

    return collect, VERSION


spread = Spread()
