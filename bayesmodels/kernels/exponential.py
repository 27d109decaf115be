"""Exponentials of an array, compiled to vectors."""

from __future__ import annotations

import math

import numpy as np

from bayesmodels.kernels.compiled import kernel

LOG2_HIGH, LOG2_LOW = float.fromhex("0x1.62e42feep-1"), 1.9082149292705878e-10
"""log 2 in two parts: n x LOG2_HIGH is exact."""
ROUND = 1.5 * 2.0**52
PER_LOG2 = 1.0 / math.log(2.0)
SMALLEST, LARGEST = -708.0, 709.0
"""Beyond these the value is that at the limit: exp(-708) = 3e-308, exp(709) = 8e307."""
C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12 = (1.0 / math.factorial(k) for k in range(2, 13))


@kernel({"contract"})  # sums in another order would undo the rounding
def exponentials(values, out):
    """exp(values) into `out`; NaN stays NaN.

    Numba calls the C library for each number; this loop is compiled to vectors. exp(x) = 2^n exp(r) with n the integer
    nearest x / log 2 and |r| <= log(2) / 2, where the Taylor polynomial of degree 12 errs by less than 2e-16. Adding
    1.5 x 2^52 rounds to n and leaves it in the last bits, from where it is added to the exponent of the polynomial.
    """
    for j in range(values.shape[0]):
        x = values[j]
        x = LARGEST if x > LARGEST else x
        x = SMALLEST if x < SMALLEST else x
        shifted = x * PER_LOG2 + ROUND
        n = shifted - ROUND
        r = (x - n * LOG2_HIGH) - n * LOG2_LOW
        p = C12
        p = p * r + C11
        p = p * r + C10
        p = p * r + C9
        p = p * r + C8
        p = p * r + C7
        p = p * r + C6
        p = p * r + C5
        p = p * r + C4
        p = p * r + C3
        p = p * r + C2
        p = p * r + 1.0
        p = p * r + 1.0
        bits = np.float64(p).view(np.int64) + (np.float64(shifted).view(np.int64) << 52)
        out[j] = np.int64(bits).view(np.float64)
