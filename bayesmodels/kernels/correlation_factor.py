"""Cholesky factor of a correlation matrix from its canonical partial correlations, and back for the gradient."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

COMPILE = {"cache": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "arcp", "nsz"}}
"""How every kernel of the likelihood is compiled."""


@njit(**COMPILE)
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


@njit(**COMPILE)
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
