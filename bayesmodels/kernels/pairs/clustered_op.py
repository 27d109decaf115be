"""PyTensor Ops over the kernel of pairs in clusters, and the observed random variable made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from bayesmodels.kernels.compiled import VERSION
from bayesmodels.kernels.correlation import correlation_factor
from bayesmodels.kernels.pairs.clustered import ARMS, SLOTS, marginal
from bayesmodels.kernels.value_from_gradient import share_value

_NDIM = (2, 1, 1, 1, 1, 0)
"""Of size (cluster, 2), mean (4,), sd (4,), partial (6,), residual_sd (2,), residual_correlation ()."""


class ClusteredPairsLogp(Op):
    """Log density of every cluster (cluster,), from value (cluster, 7), size and the parameters."""

    __props__ = ()

    def make_node(self, value: Any, *inputs: Any) -> Apply:
        """Value, size, mean, sd, partial, residual_sd, residual_correlation."""
        tensors = [pt.as_tensor_variable(v) for v in (value, *inputs)]
        return Apply(self, tensors, [pt.vector(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Evaluate in Python, over the same kernel."""
        output_storage[0][0] = marginal(*_plain(inputs), np.ones(len(inputs[0])), False)[0]

    def infer_shape(self, node: Apply, input_shapes: Sequence[Any]) -> list[Any]:
        """One number per cluster."""
        return [(input_shapes[0][0],)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Data carry no gradient."""
        return [[False], [False]] + [[True]] * 5

    def pullback(self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        """Gradient by every parameter."""
        _, *gradients = ClusteredPairsGradient()(*inputs, cotangents[0])
        return [DisconnectedType()(), DisconnectedType()(), *gradients]


class ClusteredPairsGradient(Op):
    """The same log density, then the gradient of its sum weighted by the last input (cluster,)."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        """Inputs as of `ClusteredPairsLogp`, then the weights."""
        tensors = [pt.as_tensor_variable(v) for v in inputs]
        ndims = (1, *_NDIM[1:])
        return Apply(self, tensors, [pt.tensor(dtype="float64", shape=(None,) * d) for d in ndims])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Evaluate in Python, over the same kernel."""
        results = marginal(*_plain(inputs[:-1]), np.asarray(inputs[-1], float), True)
        for storage, result in zip(output_storage, results, strict=True):
            storage[0] = np.asarray(result)

    def infer_shape(self, node: Apply, input_shapes: Sequence[Any]) -> list[Any]:
        """As the inputs they are gradients of."""
        return [(input_shapes[0][0],), *input_shapes[2:7]]


def _plain(inputs: Any) -> list[Any]:
    """Inputs as the kernel takes them."""
    value, size, *vectors, correlation = inputs
    arrays = [np.ascontiguousarray(v, dtype=np.float64) for v in (value, *vectors)]
    return [arrays[0], np.ascontiguousarray(size, dtype=np.int64), *arrays[1:], float(correlation)]


@register_funcify_default_op_cache_key(ClusteredPairsLogp)
def _compile_logp(op: Any, node: Apply, **_: Any) -> Any:
    @numba_njit
    def logp(value, size, mean, sd, partial, residual_sd, correlation):
        return marginal(
            value.copy(), size.astype(np.int64), mean.copy(), sd.copy(), partial.copy(), residual_sd.copy(),
            correlation.item(), np.ones(value.shape[0]), False,
        )[0]  # fmt: skip

    return logp, VERSION


@register_funcify_default_op_cache_key(ClusteredPairsGradient)
def _compile_gradient(op: Any, node: Apply, **_: Any) -> Any:
    @numba_njit
    def gradient(value, size, mean, sd, partial, residual_sd, correlation, weight):
        logp, d_mean, d_sd, d_partial, d_residual_sd, d_correlation = marginal(
            value.copy(), size.astype(np.int64), mean.copy(), sd.copy(), partial.copy(), residual_sd.copy(),
            correlation.item(), weight.copy(), True,
        )  # fmt: skip
        return logp, d_mean, d_sd, d_partial, d_residual_sd, np.asarray(d_correlation)

    return gradient, VERSION


share_value("clustered_pairs_value_from_gradient", ClusteredPairsLogp, ClusteredPairsGradient)


def summarise(values: np.ndarray, group: np.ndarray, cluster: np.ndarray, n_clusters: int) -> tuple[Any, Any]:
    """Sufficient statistics of pairs: value (cluster, 7) and size (cluster, 2), as the kernel takes them.

    Parameters
    ----------
    values : (pair, 2)
    group : (pair,) int, 0 or 1
    cluster : (pair,) int
    n_clusters : int
    """
    cell = 2 * cluster + group
    size = np.bincount(cell, minlength=2 * n_clusters)
    sums = np.stack([np.bincount(cell, values[:, k], minlength=2 * n_clusters) for k in range(2)], axis=1)
    means = sums / np.maximum(size, 1)[:, None]
    off = values - means[cell]
    scatter = [np.bincount(cluster, off[:, j] * off[:, k], minlength=n_clusters) for j, k in ((0, 0), (0, 1), (1, 1))]
    return np.column_stack([means.reshape(n_clusters, 4), *scatter]), size.reshape(n_clusters, 2)


def simulate(
    rng: np.random.Generator, size: Any, mean: Any, sd: Any, partial: Any, residual_sd: Any, residual_correlation: Any
) -> np.ndarray:
    """One replicate of value (cluster, 7), drawn pair by pair without the kernel."""
    n_clusters = len(size)
    factor = np.zeros((4, 4))
    correlation_factor.py_func(np.asarray(partial, float), factor)
    terms = mean + sd * (rng.standard_normal((n_clusters, 4)) @ factor.T)
    expected = (terms @ ARMS.T).reshape(2 * n_clusters, 2)
    cell = np.repeat(np.arange(2 * n_clusters), np.asarray(size, int).ravel())
    z = rng.standard_normal((len(cell), 2))
    r = float(residual_correlation)
    residual = np.column_stack([z[:, 0], r * z[:, 0] + np.sqrt(1 - r**2) * z[:, 1]]) * residual_sd
    return summarise(expected[cell] + residual, cell % 2, cell // 2, n_clusters)[0]


def clustered_pairs(name: str, parameters: tuple[Any, ...], observed: Any, dims: tuple[str, str]) -> Any:
    """Observed random variable `name` whose logp is per cluster.

    Parameters
    ----------
    parameters : tuple of tensor
        size (cluster, 2), mean (4,), sd (4,), partial (6,), residual_sd (2,), residual_correlation ().
    observed : tensor (cluster, 7)
    dims : names of the two dims
    """
    ndims = (1, *_NDIM)
    axes = ["slot", *(",".join(f"p{j}a{axis}" for axis in range(d)) for j, d in enumerate(_NDIM))]
    signature = f"{','.join(f'({a})' for a in axes)}->(slot)"

    def strip(parameters):
        """Undo the batch axis that a batched random variable puts before its parameters."""
        return [p if p.ndim == d else p[0] for p, d in zip(parameters, ndims, strict=True)][1:]

    def logp(value, *parameters):
        return ClusteredPairsLogp()(value, *strip(parameters))

    def random(*parameters, rng=None, size=None):
        return simulate(rng, *strip(parameters))

    return pm.CustomDist(
        name, pt.zeros((SLOTS,)), *(pt.as_tensor_variable(p) for p in parameters), logp=logp, random=random,
        signature=signature, class_name="ClusteredPairs", dims=dims, observed=observed,
    )  # fmt: skip
