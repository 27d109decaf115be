"""Correlations from partial autocorrelations, and normal vectors with missing entries: SciPy, and gradients."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from scipy import linalg, stats

from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.kernels.multivariate_normal.likelihood import normal_by_pattern
from bayesmodels.kernels.multivariate_normal.op import NormalByPatternLogp, NormalInputs, normal_by_pattern_variable
from bayesmodels.kernels.multivariate_normal.partial_autocorrelation import (
    CorrelationFromPartial,
    correlations,
    correlations_gradient,
    pairs,
)

SLOTS = 6


def partials(seed, blocks=2, size=SLOTS, most=0.85):
    return np.random.default_rng(seed).uniform(-most, most, (blocks, size * (size - 1) // 2))


@pytest.mark.parametrize("seed", range(5))
def test_partial_autocorrelations_are_those_of_the_matrix(seed):
    """The correlation of two variables given those between, from the inverse of the matrix of all of them."""
    given = partials(seed)
    found = correlations(given, SLOTS)
    first, second = pairs(SLOTS)
    for k in range(len(given)):
        np.testing.assert_allclose(np.diag(found[k]), 1.0)
        assert np.linalg.eigvalsh(found[k]).min() > 0
        for at, (s, t) in enumerate(zip(first, second, strict=True)):
            precision = np.linalg.inv(found[k][s : t + 1, s : t + 1])
            partial = -precision[0, -1] / np.sqrt(precision[0, 0] * precision[-1, -1])
            assert partial == pytest.approx(given[k, at], abs=1e-9)


def test_equal_within_lags_they_are_durbin_and_levinsons():
    """Autocorrelations by solving the Yule-Walker equations of every order, on Toeplitz matrices of SciPy."""
    by_lag = np.array([0.7, -0.3, 0.2, 0.5, -0.1])
    series = [1.0, by_lag[0]]
    for lag in range(2, SLOTS):
        known = linalg.toeplitz(series[:lag])
        # the last Yule-Walker coefficient of order `lag` is the partial autocorrelation, linear in the new entry
        last = [np.linalg.solve(known, np.array([*series[1:lag], new]))[-1] for new in (0.0, 1.0)]
        series.append((by_lag[lag - 1] - last[0]) / (last[1] - last[0]))
    first, second = pairs(SLOTS)
    found = correlations(by_lag[second - first - 1][None], SLOTS)[0]
    np.testing.assert_allclose(found, linalg.toeplitz(series), atol=1e-12)
    assert np.linalg.eigvalsh(found).min() > 0


@pytest.mark.parametrize("size", [2, 3, SLOTS, 12])
def test_gradient_of_the_correlations(size):
    given = partials(7, size=size, most=0.7)
    weight = np.random.default_rng(8).standard_normal((2, size, size))
    found = correlations_gradient(given, weight)
    step = 1e-6
    for k, j in np.ndindex(*given.shape):
        up, down = given.copy(), given.copy()
        up[k, j] += step
        down[k, j] -= step
        numeric = ((correlations(up, size) - correlations(down, size)) * weight).sum() / (2 * step)
        assert found[k, j] == pytest.approx(numeric, rel=1e-6, abs=1e-7)


def vectors(seed, persons=40):
    """Persons of four patterns and two covariance matrices, one of them without any entry."""
    rng = np.random.default_rng(seed)
    seen = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [1, 0, 1, 1, 0, 1], [0, 1, 0, 0, 0, 0], [0] * 6], float)
    sd = rng.uniform(0.5, 20.0, (2, SLOTS))
    covariance = correlations(partials(seed), SLOTS) * sd[:, :, None] * sd[:, None, :]
    inputs = NormalInputs(
        rng.integers(0, len(seen), persons), seen, np.array([0, 1, 0, 1, 0]),
        rng.normal(30, 10, (persons, SLOTS)), covariance,
    )  # fmt: skip
    return rng.normal(30, 10, (persons, SLOTS)), inputs, rng.uniform(0.5, 2.0, persons)


@pytest.mark.parametrize("seed", range(4))
def test_density_is_scipys_person_by_person(seed):
    y, inputs, weight = vectors(seed)
    found, *_ = normal_by_pattern(y, *inputs, weight, False)
    for n, c in enumerate(inputs.pattern):
        at = inputs.seen[c] > 0
        expected = 0.0
        if at.any():
            block = inputs.covariance[inputs.block[c]][np.ix_(at, at)]
            expected = stats.multivariate_normal(inputs.mean[n][at], block).logpdf(y[n][at])
        assert found[n] == pytest.approx(expected, rel=1e-10, abs=1e-10)


def test_gradient_of_the_density():
    y, inputs, weight = vectors(3)
    _, d_mean, d_covariance = normal_by_pattern(y, *inputs, weight, True)

    def total(mean, covariance):
        return (normal_by_pattern(y, *inputs[:3], mean, covariance, weight, False)[0] * weight).sum()

    rng = np.random.default_rng(4)
    for _ in range(60):
        n, i, j, k = rng.integers(len(y)), *rng.integers(SLOTS, size=2), rng.integers(2)
        step, by = 1e-5, np.zeros_like(inputs.mean)
        by[n, i] = step
        numeric = (total(inputs.mean + by, inputs.covariance) - total(inputs.mean - by, inputs.covariance)) / (2 * step)
        assert d_mean[n, i] == pytest.approx(numeric, rel=1e-5, abs=1e-7)
        by = np.zeros_like(inputs.covariance)
        by[k, i, j] += step / 2
        by[k, j, i] += step / 2
        numeric = (total(inputs.mean, inputs.covariance + by) - total(inputs.mean, inputs.covariance - by)) / (2 * step)
        analytic = (d_covariance[k, i, j] + d_covariance[k, j, i]) / 2
        assert analytic == pytest.approx(numeric, rel=1e-5, abs=1e-7)


def test_what_is_no_covariance_has_no_density():
    y, inputs, weight = vectors(1)
    wrong = inputs.covariance.copy()
    wrong[0, 0, 0] = -1.0
    found, d_mean, d_covariance = normal_by_pattern(y, *inputs._replace(covariance=wrong), weight, True)
    touched = (inputs.block[inputs.pattern] == 0) & (inputs.seen[inputs.pattern, 0] > 0)
    assert touched.any()
    assert np.isneginf(found[touched]).all()
    assert np.isfinite(found[~touched]).all()
    assert np.isfinite(d_mean).all()
    assert np.isfinite(d_covariance).all()


@pytest.mark.parametrize("mode", ["numba", "python"])
def test_graph_has_the_kernels_value_and_gradient(mode):
    """Of both Ops, compiled and in Python: by partial autocorrelations through the density."""
    y, inputs, _ = vectors(5)
    given = partials(5)
    partial, mean = pt.matrix("partial"), pt.matrix("mean")
    covariance = CorrelationFromPartial(SLOTS)(partial) * 9.0
    logp = NormalByPatternLogp()(y, *inputs[:3], mean, covariance).sum()
    outputs = [logp, *pytensor.grad(logp, [partial, mean])]
    function = pytensor.function([partial, mean], outputs, mode="NUMBA" if mode == "numba" else python_mode())

    def value(p, m):
        return normal_by_pattern(y, *inputs[:3], m, correlations(p, SLOTS) * 9.0, np.ones(len(y)), False)[0].sum()

    found, by_partial, by_mean = function(given, inputs.mean)
    assert found == pytest.approx(value(given, inputs.mean), rel=1e-12)
    rng, step = np.random.default_rng(6), 1e-6
    for _ in range(10):
        e = np.zeros_like(given)
        e[rng.integers(2), rng.integers(given.shape[1])] = step
        numeric = (value(given + e, inputs.mean) - value(given - e, inputs.mean)) / (2 * step)
        assert (by_partial * e).sum() / step == pytest.approx(numeric, rel=1e-4, abs=1e-4)
        e = np.zeros_like(inputs.mean)
        e[rng.integers(len(y)), rng.integers(SLOTS)] = step
        numeric = (value(given, inputs.mean + e) - value(given, inputs.mean - e)) / (2 * step)
        assert (by_mean * e).sum() / step == pytest.approx(numeric, rel=1e-4, abs=1e-4)


def test_replicates_have_the_moments_of_the_model():
    _, inputs, _ = vectors(2, persons=5)
    many = inputs._replace(pattern=np.zeros(20000, int), mean=np.tile(inputs.mean[:1], (20000, 1)))
    with pm.Model(coords={"person": range(20000), "slot": range(SLOTS)}):
        rv = normal_by_pattern_variable("y", many, pt.zeros((20000, SLOTS)), ("person", "slot"))
        drawn = pm.draw(rv, random_seed=1, mode=python_mode())
    covariance = inputs.covariance[0]
    sd = np.sqrt(np.diag(covariance))
    assert np.abs((drawn.mean(axis=0) - inputs.mean[0]) / sd).max() < 4.5 / np.sqrt(20000)
    difference = np.cov(drawn.T) - covariance
    error = np.sqrt((covariance**2 + np.outer(sd, sd) ** 2) / 20000)
    assert np.abs(difference / error).max() < 4.5
