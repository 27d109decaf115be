"""Spreading values over visits: NumPy indexing, and the gradient by central differences."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode

from bayesmodels.kernels.spread import spread

INDEX = np.array([[0, 2, -1], [1, 2, 0]])


@pytest.fixture(scope="module")
def function():
    values, weights = pt.vector("values"), pt.matrix("weights")
    out = spread(values, pt.constant(INDEX))
    gradient = pt.grad((weights * pt.exp(out)).sum(), values)
    return pytensor.function([values, weights], [out, gradient], mode=Mode(linker="py"), on_unused_input="ignore")


def test_values_are_indexed_and_no_visit_is_zero(function):
    out, _ = function([1.5, -2.0, 4.0], np.ones(INDEX.shape))
    np.testing.assert_array_equal(out, [[1.5, 4.0, 0.0], [-2.0, 4.0, 1.5]])


def test_gradient_sums_over_the_visits_of_a_point(function):
    values, weights = np.array([0.3, -0.2, 0.1]), np.array([[1.0, 2.0, 5.0], [0.5, -1.0, 3.0]])
    _, gradient = function(values, weights)

    def total(v):
        return (weights * np.exp(np.where(INDEX >= 0, v[INDEX], 0.0))).sum()

    step = 1e-6 * np.eye(3)
    expected = [(total(values + h) - total(values - h)) / 2e-6 for h in step]
    np.testing.assert_allclose(gradient, expected, rtol=1e-8)
