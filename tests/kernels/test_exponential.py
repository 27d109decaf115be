"""Vectorised exponentials against NumPy's."""

from __future__ import annotations

import numpy as np

from bayesmodels.kernels.exponential import LARGEST, SMALLEST, exponentials


def test_exponentials_are_numpys_to_the_last_bit_but_one():
    rng = np.random.default_rng(1)
    edges = np.array([SMALLEST, LARGEST, 0.0, -0.0, 1e-300, -1e-17, np.log(2) / 2, -np.log(2) / 2])
    x = np.concatenate([rng.uniform(SMALLEST, LARGEST, 100_000), rng.normal(-4, 3, 100_000), edges])
    out = np.empty_like(x)
    exponentials(x, out)
    np.testing.assert_allclose(out, np.exp(x), rtol=4e-16)


def test_beyond_the_limits_and_not_a_number():
    x = np.array([np.nan, -np.inf, np.inf, -1e4, 1e4])
    out = np.empty_like(x)
    exponentials(x, out)
    assert np.isnan(out[0])
    np.testing.assert_allclose(out[1:], np.exp([SMALLEST, LARGEST, SMALLEST, LARGEST]), rtol=4e-16)
