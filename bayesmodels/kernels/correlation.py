"""Correlation matrices from canonical partial correlations, for what is published after sampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.tensor.blockwise import Blockwise

from bayesmodels.kernels.correlation_factor import correlation_factor


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
