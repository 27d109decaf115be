"""The skewed random effect: its function against SciPy's log-normal, its integral and its draws against dense grids."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_designs import design, layout, moments, rows, shifted_lognormal
from scipy.stats import kstest, norm

from bayesmodels.kernels.linear_mixed.skewed import (
    DROP,
    INNER,
    MOMENTS,
    SERIES_BELOW,
    WORK,
    integral,
    skewed,
    skewed_nodes,
)
from bayesmodels.kernels.linear_mixed.variable import person_terms, simulate_terms, unseen_terms

FORM = layout([(0, 0), (0, 1), (1, 2)], random=(1, 0, 2), skewed=-1)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("k", [0.02, 0.3, 0.85, 2.0])
def test_function_is_the_shifted_log_normals_with_its_derivatives(k, sign):
    z = np.linspace(-4, 4, 41)
    g, by_k = np.empty(41), np.empty(41)
    skewed_nodes(z, k, float(sign), g, by_k)
    np.testing.assert_allclose(g, shifted_lognormal(z, k, sign), rtol=1e-9, atol=1e-11)
    near = 1e-4 * k
    change = (shifted_lognormal(z, k + near, sign) - shifted_lognormal(z, k - near, sign)) / (2 * near)
    np.testing.assert_allclose(by_k, change, rtol=1e-6, atol=1e-6)
    for j in (0, 13, 40):
        value, slope, of_k = skewed(z[j], k, float(sign))
        assert (value, of_k) == pytest.approx((g[j], by_k[j]), rel=1e-10)
        moved = [skewed(z[j] + step, k, sign)[0] for step in (-1e-5, 1e-5)]
        assert slope == pytest.approx((moved[1] - moved[0]) / 2e-5, rel=1e-7)


def test_series_near_zero_meets_the_function():
    for z in (-3.0, 0.4, 5.0):
        below, above = (np.array(skewed(z, SERIES_BELOW * share, 1.0)) for share in (1 - 1e-6, 1 + 1e-6))
        np.testing.assert_allclose(below, above, rtol=2e-7, atol=1e-7)
    assert skewed(2.5, 0.0, -1.0) == pytest.approx((2.5, 1.0, -(2.5**2 - 1) / 2))


def test_mean_is_zero_and_sd_one():
    node, weight = np.polynomial.hermite_e.hermegauss(120)
    weight = weight / weight.sum()
    g, by_k = np.empty(120), np.empty(120)
    skewed_nodes(node, 0.85, -1.0, g, by_k)
    assert weight @ g == pytest.approx(0.0, abs=1e-9)
    assert weight @ g**2 == pytest.approx(1.0, abs=1e-8)
    assert weight @ g**3 < -3  # the long tail is below


@pytest.mark.parametrize("k", [0.3, 0.87, 1.2])
def test_integral_and_moments_are_those_of_a_dense_grid_where_z_is_known_to_a_few_hundredths(k):
    rng = np.random.default_rng(5)
    z = np.linspace(-10, 10, 400_001)
    g, by_k = np.empty_like(z), np.empty_like(z)
    skewed_nodes(z, k, -1.0, g, by_k)
    narrowest = np.inf
    for _ in range(40):
        n = int(rng.integers(1, 30))
        months = np.sort(rng.uniform(0, 30, n))
        a, c, true = months / 1.2, np.full(n, 0.3), rng.normal()
        y = 1.4 * shifted_lognormal(true, k, -1) * a + true * c + rng.normal(size=n)
        inner = np.array([a @ a, c @ c, y @ a, y @ c, a @ c])
        found = np.empty(MOMENTS)
        value, _ = integral(1.4, k, -1.0, inner, DROP, found, np.empty((6, WORK)))
        u = 1.4 * g
        log = u * inner[2] + z * inner[3] - (u**2 * inner[0] + z**2 * inner[1]) / 2 - u * z * inner[4] + norm.logpdf(z)
        share = np.exp(log - log.max())
        assert value == pytest.approx(log.max() + np.log(share.sum() * (z[1] - z[0])), abs=1e-6)
        share /= share.sum()
        expected = [share @ v for v in (g, z, g * g, g * z, z * z, by_k, g * by_k, z * by_k)]
        np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)
        narrowest = min(narrowest, np.sqrt(share @ z**2 - (share @ z) ** 2))
    assert narrowest < 0.06


def test_draws_given_visits_have_the_distribution_of_weighted_prior_draws():
    d = design(np.random.default_rng(3), 12, FORM, [3, 2], count=np.array([[3, 2], [1, 1], [0, 0]] * 4), skew=0.85)
    terms = person_terms(d.layout, d.y, d.inputs, d.bases)
    rng = np.random.default_rng(0)
    draws = np.array([terms.draw(rng) for _ in range(6000)])
    for i in (1, 4, 2):
        values, x, errors = rows(d, i)
        mean, covariance = moments(d, i)
        sd = np.sqrt(np.diag(covariance))
        z = rng.standard_normal((400_000, 3)) @ np.linalg.cholesky(covariance / np.outer(sd, sd)).T
        prior = z * sd
        prior[:, 0] = sd[0] * shifted_lognormal(z[:, 0], 0.85, -1)
        log = np.zeros(len(prior))
        if len(values):
            left = values - x @ mean - prior @ x[:, list(d.layout.random_terms)].T
            log = -0.5 * np.einsum("na,ab,nb->n", left, np.linalg.inv(errors), left)
        weight = np.exp(log - log.max())
        weight /= weight.sum()
        size = 1 / (weight**2).sum()
        assert size > 3000
        expected, spread = weight @ prior, np.sqrt(weight @ (prior - weight @ prior) ** 2)
        error = spread * np.sqrt(1 / size + 1 / len(draws))
        assert (np.abs(draws[:, i].mean(axis=0) - expected) < 4.5 * error).all()
        np.testing.assert_allclose(draws[:, i].std(axis=0), spread, rtol=0.15)


def test_draws_without_visits_are_those_of_new_persons():
    d = design(np.random.default_rng(8), 1, FORM, [1, 1], count=[[0, 0]], skew=0.9)
    rng = np.random.default_rng(1)
    terms = unseen_terms(d.layout, d.inputs)
    assert (terms.inner == np.zeros((1, INNER))).all()
    drawn = np.array([terms.draw(rng)[0] for _ in range(4000)])
    new = np.array([simulate_terms(d.layout, rng, d.inputs)[0] for _ in range(4000)])
    for p in range(3):
        assert kstest(drawn[:, p], new[:, p]).pvalue > 1e-3
    assert np.corrcoef(drawn.T) == pytest.approx(np.corrcoef(new.T), abs=0.08)
