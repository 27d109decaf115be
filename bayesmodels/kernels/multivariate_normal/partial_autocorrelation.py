"""Correlation matrices of ordered variables from their partial autocorrelations, with gradient.

The parameter of variables s < t is their partial correlation given those between them; any values in (-1, 1) make a
correlation matrix. With a_st the coefficients that predict x_t from x_s .. x_{t-1}, b_st those that predict x_s from
x_{s+1} .. x_t, and f_st, g_st the variances left, variables further apart follow from nearer ones by

    r_st = a_{s+1,t}' r_{s,s+1..t-1} + p_st sqrt(f_{s+1,t} g_{s,t-1})
    a_st = (p q, a_{s+1,t} - p q b_{s,t-1}),   b_st = (b_{s,t-1} - p / q a_{s+1,t}, p / q)
    f_st = f_{s+1,t} (1 - p^2),   g_st = g_{s,t-1} (1 - p^2),   q = sqrt(f_{s+1,t} / g_{s,t-1})

which is the Durbin-Levinson recursion where p depends on t - s only (a stationary series).

References
----------
Joe (2006), Journal of Multivariate Analysis 97, 2177-2189, doi:10.1016/j.jmva.2005.05.010 (the parametrisation);
Daniels and Pourahmadi (2009), Journal of Multivariate Analysis 100, 2352-2363, doi:10.1016/j.jmva.2009.04.015.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from bayesmodels.kernels.compiled import FAST, VERSION, array, by_name, kernel


def pairs(size: int) -> tuple[np.ndarray, np.ndarray]:
    """First and second variable of every partial autocorrelation, in the kernel's order: row by row above the diagonal.

    Parameters
    ----------
    size : int
    """
    return np.triu_indices(size, 1)


@kernel(FAST)
def correlations(partial, size):
    """Correlation matrices (block, size, size) from partial autocorrelations (block, pair)."""
    blocks = partial.shape[0]
    out = np.empty((blocks, size, size))
    for k in range(blocks):
        _levinson(partial[k], out[k], np.empty((size, size, size)), np.empty((size, size, size)),
                  np.empty((size, size)), np.empty((size, size)))  # fmt: skip
    return out


@kernel(FAST)
def correlations_gradient(partial, d_out):
    """Gradient by the partial autocorrelations (block, pair) from that by the matrices (block, size, size)."""
    blocks, size = d_out.shape[0], d_out.shape[1]
    found = np.zeros_like(partial)
    matrix = np.empty((size, size))
    ahead, back = np.empty((size, size, size)), np.empty((size, size, size))
    f, g = np.empty((size, size)), np.empty((size, size))
    for k in range(blocks):
        _levinson(partial[k], matrix, ahead, back, f, g)
        d_matrix = np.zeros((size, size))
        d_ahead, d_back = np.zeros((size, size, size)), np.zeros((size, size, size))
        d_f, d_g = np.zeros((size, size)), np.zeros((size, size))
        for s in range(size):
            for t in range(s + 1, size):
                d_matrix[s, t] = d_out[k, s, t] + d_out[k, t, s]
        for lag in range(size - 1, 0, -1):
            for s in range(size - lag):
                t = s + lag
                at = s * size - s * (s + 1) // 2 + t - s - 1
                p, far, near = partial[k, at], f[s + 1, t], g[s, t - 1]
                q, root = math.sqrt(far / near), math.sqrt(far * near)
                d_p = -2.0 * p * (d_f[s, t] * far + d_g[s, t] * near)
                d_far, d_near = d_f[s, t] * (1.0 - p * p), d_g[s, t] * (1.0 - p * p)
                forward, backward = d_ahead[s, t, s], d_back[s, t, t]  # by p q and by p / q
                for j in range(s + 1, t):
                    forward -= d_ahead[s, t, j] * back[s, t - 1, j]
                    backward -= d_back[s, t, j] * ahead[s + 1, t, j]
                    d_ahead[s + 1, t, j] += d_ahead[s, t, j] - p / q * d_back[s, t, j]
                    d_back[s, t - 1, j] += d_back[s, t, j] - p * q * d_ahead[s, t, j]
                    d_ahead[s + 1, t, j] += d_matrix[s, t] * matrix[s, j]
                    d_matrix[s, j] += d_matrix[s, t] * ahead[s + 1, t, j]
                d_p += q * forward + backward / q + d_matrix[s, t] * root
                d_q = p * forward - p / (q * q) * backward
                d_root = d_matrix[s, t] * p
                d_far += 0.5 * d_q * q / far + 0.5 * d_root * root / far
                d_near += -0.5 * d_q * q / near + 0.5 * d_root * root / near
                d_f[s + 1, t] += d_far
                d_g[s, t - 1] += d_near
                found[k, at] = d_p
    return found


@kernel(FAST)
def _levinson(partial, matrix, ahead, back, f, g):
    """One correlation matrix into `matrix`; coefficients [s, t, j] of x_j and variances left into the others."""
    size = matrix.shape[0]
    for s in range(size):
        matrix[s, s] = f[s, s] = g[s, s] = 1.0
    for lag in range(1, size):
        for s in range(size - lag):
            t = s + lag
            p = partial[s * size - s * (s + 1) // 2 + t - s - 1]
            far, near = f[s + 1, t], g[s, t - 1]
            q = math.sqrt(far / near)
            total = p * math.sqrt(far * near)
            for j in range(s + 1, t):
                total += ahead[s + 1, t, j] * matrix[s, j]
                ahead[s, t, j] = ahead[s + 1, t, j] - p * q * back[s, t - 1, j]
                back[s, t, j] = back[s, t - 1, j] - p / q * ahead[s + 1, t, j]
            matrix[s, t] = matrix[t, s] = total
            ahead[s, t, s] = p * q
            back[s, t, t] = p / q
            f[s, t] = far * (1.0 - p * p)
            g[s, t] = near * (1.0 - p * p)


class CorrelationFromPartial(Op):
    """Correlation matrices (block, size, size) from partial autocorrelations (block, pair)."""

    __props__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size

    def make_node(self, partial: Any) -> Apply:
        """Partial autocorrelations (block, size (size - 1) / 2), in the order of `pairs`."""
        return Apply(self, [pt.as_tensor_variable(partial)], [pt.tensor3(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Evaluate in Python, over the same kernel."""
        output_storage[0][0] = correlations(np.ascontiguousarray(inputs[0], float), self.size)

    def infer_shape(self, node: Apply, input_shapes: Sequence[Any]) -> list[Any]:
        """One matrix per block."""
        return [(input_shapes[0][0], self.size, self.size)]

    def pullback(self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        """Gradient by the partial autocorrelations."""
        return [CorrelationFromPartialGradient()(inputs[0], cotangents[0])]


class CorrelationFromPartialGradient(Op):
    """Gradient by partial autocorrelations (block, pair), from that by the matrices."""

    __props__ = ()

    def make_node(self, partial: Any, d_out: Any) -> Apply:
        """Partial autocorrelations (block, pair) and gradient (block, size, size)."""
        tensors = [pt.as_tensor_variable(partial), pt.as_tensor_variable(d_out)]
        return Apply(self, tensors, [pt.matrix(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Evaluate in Python, over the same kernel."""
        output_storage[0][0] = correlations_gradient(*(np.ascontiguousarray(v, float) for v in inputs))

    def infer_shape(self, node: Apply, input_shapes: Sequence[Any]) -> list[Any]:
        """As the partial autocorrelations."""
        return [input_shapes[0]]


@register_funcify_default_op_cache_key(CorrelationFromPartial)
def _compile(op: Any, node: Apply, **_: Any) -> Any:
    from numba import types

    kernel, size = by_name(correlations, (array(2), types.int64)), op.size

    @numba_njit
    def matrices(partial):
        return kernel(partial.copy(), size)

    return matrices, VERSION


@register_funcify_default_op_cache_key(CorrelationFromPartialGradient)
def _compile_gradient(op: Any, node: Apply, **_: Any) -> Any:
    kernel = by_name(correlations_gradient, (array(2), array(3)))

    @numba_njit
    def gradient(partial, d_out):
        return kernel(partial.copy(), d_out.copy())

    return gradient, VERSION
