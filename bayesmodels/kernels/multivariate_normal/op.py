"""PyTensor Ops over the kernel of normal vectors with missing entries, and the random variable made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from numba import types
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from bayesmodels.kernels.compiled import VERSION, array, by_name
from bayesmodels.kernels.multivariate_normal.likelihood import normal_by_pattern
from bayesmodels.kernels.value_from_gradient import share_value


class NormalInputs(NamedTuple):
    """Inputs of the density besides y, in the order the Ops take them.

    pattern (person,) int; seen (pattern, slot), 1 where a pattern has an entry; block (pattern,) int, its covariance
    matrix; mean (person, slot); covariance (block, slot, slot).
    """

    pattern: Any
    seen: Any
    block: Any
    mean: Any
    covariance: Any


_NDIM = NormalInputs(1, 2, 1, 2, 3)
_TYPES = (
    array(2), array(1, types.int64), array(2), array(1, types.int64), array(2), array(3), array(1), types.boolean,
)  # fmt: skip


class NormalByPatternLogp(Op):
    """Log density of each person, (person,), from y (person, slot) and `NormalInputs`."""

    __props__ = ()

    def make_node(self, y: Any, *inputs: Any) -> Apply:
        """Inputs in the order y, *NormalInputs."""
        return Apply(self, [pt.as_tensor_variable(v) for v in (y, *inputs)], [pt.vector(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Evaluate in Python, over the same kernel."""
        output_storage[0][0] = normal_by_pattern(*_plain(inputs), np.ones(len(inputs[0])), False)[0]

    def infer_shape(self, node: Apply, input_shapes: Sequence[Any]) -> list[Any]:
        """One number per person."""
        return [(input_shapes[0][0],)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Data carry no gradient."""
        return [[False]] * 4 + [[True]] * 2

    def pullback(self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        """Gradient by mean and covariance."""
        _, *gradients = NormalByPatternGradient()(*inputs, cotangents[0])
        return [*(DisconnectedType()() for _ in range(4)), *gradients]


class NormalByPatternGradient(Op):
    """The same log density, then the gradient of its sum, weighted by the last input (person,)."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        """Inputs as of `NormalByPatternLogp`, then the weights."""
        outputs = [pt.tensor(dtype="float64", shape=(None,) * d) for d in (1, *_NDIM[3:])]
        return Apply(self, [pt.as_tensor_variable(v) for v in inputs], outputs)

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Evaluate in Python, over the same kernel."""
        results = normal_by_pattern(*_plain(inputs[:-1]), np.ascontiguousarray(inputs[-1], float), True)
        for storage, result in zip(output_storage, results, strict=True):
            storage[0] = result

    def infer_shape(self, node: Apply, input_shapes: Sequence[Any]) -> list[Any]:
        """As the inputs they are gradients of."""
        return [(input_shapes[0][0],), *input_shapes[4:6]]


def _plain(inputs: Any) -> list[Any]:
    """Inputs as the kernel takes them."""
    kinds = (np.float64, np.int64, np.float64, np.int64, np.float64, np.float64)
    return [np.ascontiguousarray(v, dtype=kind) for v, kind in zip(inputs, kinds, strict=True)]


@register_funcify_default_op_cache_key(NormalByPatternLogp)
def _compile_logp(op: Any, node: Apply, **_: Any) -> Any:
    kernel = by_name(normal_by_pattern, _TYPES)

    @numba_njit
    def logp(y, pattern, seen, block, mean, covariance):
        return kernel(
            y.copy(), pattern.astype(np.int64), seen.copy(), block.astype(np.int64), mean.copy(), covariance.copy(),
            np.ones(y.shape[0]), False,
        )[0]  # fmt: skip

    return logp, VERSION


@register_funcify_default_op_cache_key(NormalByPatternGradient)
def _compile_gradient(op: Any, node: Apply, **_: Any) -> Any:
    kernel = by_name(normal_by_pattern, _TYPES)

    @numba_njit
    def gradient(y, pattern, seen, block, mean, covariance, weight):
        return kernel(
            y.copy(), pattern.astype(np.int64), seen.copy(), block.astype(np.int64), mean.copy(), covariance.copy(),
            weight.copy(), True,
        )  # fmt: skip

    return gradient, VERSION


share_value("normal_by_pattern_value_from_gradient", NormalByPatternLogp, NormalByPatternGradient)


def simulate(rng: np.random.Generator, inputs: NormalInputs) -> np.ndarray:
    """One replicate of y (person, slot), written without the kernel; zeros where there is no entry."""
    roots = np.linalg.cholesky(inputs.covariance)
    z = rng.standard_normal(np.shape(inputs.mean))
    of_person = np.asarray(inputs.block, int)[np.asarray(inputs.pattern, int)]
    drawn = inputs.mean + np.einsum("nij,nj->ni", roots[of_person], z)
    return np.where(np.asarray(inputs.seen)[np.asarray(inputs.pattern, int)] > 0, drawn, 0.0)


def normal_by_pattern_variable(name: str, inputs: NormalInputs, observed: Any, dims: tuple[str, str]) -> Any:
    """Observed random variable `name` whose logp is per person.

    Parameters
    ----------
    name : str
    inputs : NormalInputs of tensors
    observed : tensor (person, slot), zero where there is no entry
    dims : names of the two dims
    """
    ndims = (1, *_NDIM)
    axes = ["slot", *(",".join(f"p{j}a{axis}" for axis in range(d)) for j, d in enumerate(_NDIM))]
    signature = f"{','.join(f'({a})' for a in axes)}->(slot)"

    def strip(parameters):
        """Undo the batch axis that a batched random variable puts before its parameters."""
        return [p if p.ndim == d else p[0] for p, d in zip(parameters, ndims, strict=True)][1:]

    def logp(value, *parameters):
        return NormalByPatternLogp()(value, *strip(parameters))

    def random(*parameters, rng=None, size=None):
        return simulate(rng, NormalInputs(*strip(parameters)))

    slots = pt.zeros((observed.shape[1],))  # says how long a replicate is
    return pm.CustomDist(
        name, slots, *(pt.as_tensor_variable(p) for p in inputs), logp=logp, random=random, signature=signature,
        class_name="NormalByPattern", dims=dims, observed=observed,
    )  # fmt: skip
