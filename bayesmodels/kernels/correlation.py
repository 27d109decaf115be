"""Correlation matrices from canonical partial correlations: Cholesky factor, its gradient, matrix, LKJ prior."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.tensor.blockwise import Blockwise

from bayesmodels.kernels.compiled import FAST, kernel


@kernel(FAST)
def correlation_factor(partial, out):
    """Cholesky factor of a correlation matrix from its canonical partial correlations, row by row, into `out`."""
    position = 0
    for i in range(out.shape[0]):
        rest = 1.0
        for j in range(i):
            z = partial[position]
            out[i, j] = z * math.sqrt(rest)
            rest *= 1.0 - z * z
            position += 1
        out[i, i] = math.sqrt(rest)


@kernel(FAST)
def correlation_factor_gradient(partial, d_factor, out):
    """Gradient by the partial correlations into `out`, from the gradient by their Cholesky factor."""
    q = d_factor.shape[0]
    rests = np.empty(q + 1)
    rests[0] = 1.0
    start = 0
    for i in range(q):
        for j in range(i):
            z = partial[start + j]
            rests[j + 1] = rests[j] * (1.0 - z * z)
        d_rest = d_factor[i, i] * 0.5 / math.sqrt(rests[i])
        for j in range(i - 1, -1, -1):
            z, root = partial[start + j], math.sqrt(rests[j])
            out[start + j] = d_factor[i, j] * root - 2.0 * z * rests[j] * d_rest
            d_rest = d_rest * (1.0 - z * z) + d_factor[i, j] * z * 0.5 / root
        start += i


class CorrelationMatrix(Op):
    """Correlation matrix (q, q) from q (q - 1) / 2 canonical partial correlations, row by row. No gradient."""

    __props__ = ("q",)

    def __init__(self, q: int) -> None:
        self.q = q
        self.gufunc_signature = "(p)->(q,q)"

    def make_node(self, partial: Any) -> Apply:
        """Partial correlations (q (q - 1) / 2,)."""
        return Apply(self, [pt.as_tensor_variable(partial)], [pt.matrix(dtype="float64", shape=(self.q, self.q))])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Factor, times its transpose."""
        factor = np.zeros((self.q, self.q))
        correlation_factor(np.ascontiguousarray(inputs[0], float), factor)
        output_storage[0][0] = factor @ factor.T


def correlation_matrix(partial: Any, q: int) -> Any:
    """Correlation matrices (..., q, q) of a tensor of partial correlations (..., q (q - 1) / 2)."""
    return Blockwise(CorrelationMatrix(q))(partial)


def lkj_shapes(q: int, eta: float) -> np.ndarray:
    """Beta shape of (1 + partial correlation) / 2 under LKJ(eta), row by row (Lewandowski, Kurowicka and Joe 2009)."""
    return np.array([eta + (q - 2 - j) / 2 for i in range(q) for j in range(i)])
