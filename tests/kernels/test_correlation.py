"""Correlation matrices from partial correlations, and the LKJ prior on them."""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from kernel_designs import correlation_by_regression
from pytensor.compile.mode import Mode
from scipy.stats import beta

from bayesmodels.kernels.correlation import (
    correlation_factor,
    correlation_factor_gradient,
    correlation_matrix,
    lkj_shapes,
)

PYTHON = Mode(linker="py", optimizer="fast_run")


def correlations(partial, q) -> np.ndarray:
    factor = np.zeros((q, q))
    correlation_factor(np.asarray(partial, float), factor)
    return factor @ factor.T


def below(matrix) -> np.ndarray:
    """Correlations row by row."""
    return matrix[np.tril_indices(len(matrix), -1)]


@pytest.mark.parametrize("q", [1, 2, 4, 12])
def test_factor_gives_the_matrix_with_those_partial_correlations(q):
    partial = np.random.default_rng(q).uniform(-0.9, 0.9, q * (q - 1) // 2)
    np.testing.assert_allclose(correlations(partial, q), correlation_by_regression(partial, q), atol=1e-12)


def test_factor_is_lower_triangular_with_unit_rows():
    factor = np.zeros((5, 5))
    correlation_factor(np.random.default_rng(0).uniform(-1, 1, 10), factor)
    assert (np.triu(factor, 1) == 0).all()
    np.testing.assert_allclose((factor**2).sum(axis=1), 1.0)


@pytest.mark.parametrize("extreme", [0.0, 0.999999, -0.999999])
def test_gradient_of_the_factor(extreme):
    q = 5
    generator = np.random.default_rng(1)
    partial = generator.uniform(-0.8, 0.8, 10)
    partial[3] = extreme
    cotangent = np.tril(generator.normal(size=(q, q)))
    found = np.zeros(10)
    correlation_factor_gradient(partial, cotangent, found)

    def value(p):
        factor = np.zeros((q, q))
        correlation_factor(p, factor)
        return (cotangent * factor).sum()

    for e in range(10):
        step = 1e-4 * (1 - abs(partial[e]))
        up, down = partial.copy(), partial.copy()
        up[e] += step
        down[e] -= step
        expected = (value(up) - value(down)) / (2 * step)
        assert found[e] == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_matrices_of_many_draws_at_once():
    draws = np.random.default_rng(2).uniform(-0.9, 0.9, (2, 3, 6))
    partial = pt.tensor3()
    found = pytensor.function([partial], correlation_matrix(partial, 4), mode=PYTHON)(draws)
    assert found.shape == (2, 3, 4, 4)
    for index in np.ndindex(2, 3):
        np.testing.assert_allclose(found[index], correlation_by_regression(draws[index], 4), atol=1e-12)


@pytest.mark.parametrize(("q", "eta"), [(2, 1.0), (3, 2.0), (4, 0.7), (5, 2.0)])
def test_prior_of_the_partial_correlations_is_lkj(q, eta):
    """log p(C) = log p(partial) - log |dC / dpartial| is (eta - 1) log det C and a constant, the Jacobian by
    differences."""
    shapes, size = lkj_shapes(q, eta), q * (q - 1) // 2
    generator = np.random.default_rng(3)
    constants = []
    for _ in range(6):
        partial = generator.uniform(-0.85, 0.85, size)
        jacobian = np.zeros((size, size))
        for e in range(size):
            up, down = partial.copy(), partial.copy()
            up[e] += 1e-5
            down[e] -= 1e-5
            jacobian[:, e] = (below(correlations(up, q)) - below(correlations(down, q))) / 2e-5
        density = beta(shapes, shapes).logpdf((1 + partial) / 2).sum() - np.linalg.slogdet(jacobian)[1]
        constants.append(density - (eta - 1) * np.linalg.slogdet(correlations(partial, q))[1])
    np.testing.assert_allclose(constants, constants[0], atol=1e-6)


def test_each_correlation_has_the_marginal_of_lkj():
    """Under LKJ(eta), (1 + corr) / 2 ~ Beta(a, a) with a = eta - 1 + q / 2, whichever pair."""
    q, eta = 4, 2.0
    shapes = lkj_shapes(q, eta)
    generator = np.random.default_rng(4)
    draws = 2 * generator.beta(shapes, shapes, size=(4000, 6)) - 1
    found = np.array([below(correlations(p, q)) for p in draws])
    a = eta - 1 + q / 2
    variance = 1 / (2 * a + 1)
    assert (np.abs(found.mean(axis=0)) < 4.5 * np.sqrt(variance / 4000)).all()
    np.testing.assert_allclose(found.var(axis=0), variance, rtol=0.1)
