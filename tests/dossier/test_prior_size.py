"""Effective sample size of a prior: conjugate normal cases in which it is known, and its Monte-Carlo error."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import expon, norm

from bayesmodels.dossier.prior_size import prior_size

GRID = (np.arange(20_000) + 0.5) / 20_000


@pytest.mark.parametrize(("n0", "n"), [(1, 40), (5, 40), (40, 40), (80, 20)])
def test_a_conjugate_normal_prior_is_worth_its_own_persons(n0, n):
    """Prior Normal(1, s^2 / n0), n values of SD s: the posterior has variance s^2 / (n0 + n), whatever the values."""
    s = 4.0
    prior, posterior = norm.ppf(GRID, 1.0, s / math.sqrt(n0)), norm.ppf(GRID, -2.0, s / math.sqrt(n0 + n))
    found = prior_size(prior, posterior, n)
    assert found.persons == pytest.approx(n0, rel=1e-6)
    assert found.by_width == pytest.approx(n0, rel=1e-4)


def test_it_is_the_expected_local_information_ratio_of_a_normal_prior():
    """ELIR, the mean over the prior of minus its log density's second derivative over one person's information."""
    s, prior = 4.0, norm(1.0, 1.7)

    def curvature(x, h=1e-3):
        return -(prior.logpdf(x + h) - 2 * prior.logpdf(x) + prior.logpdf(x - h)) / h**2

    elir = quad(lambda x: prior.pdf(x) * curvature(x) * s**2, -9, 11)[0]
    n = 30
    after = 1 / (1 / 1.7**2 + n / s**2)
    found = prior_size(prior.ppf(GRID), norm.ppf(GRID, 0.0, math.sqrt(after)), n)
    assert found.persons == pytest.approx(elir, rel=1e-4)


def test_the_monte_carlo_error_is_the_spread_over_seeds():
    rng, n0, n = np.random.default_rng(2), 10, 50
    found = [
        prior_size(rng.normal(0, 1 / math.sqrt(n0), 500), rng.normal(0, 1 / math.sqrt(n0 + n), 800), n)
        for _ in range(600)
    ]
    spread = np.std([each.persons for each in found])
    assert np.mean([each.error for each in found]) == pytest.approx(spread, rel=0.12)


def test_fewer_effective_draws_make_a_larger_error():
    rng = np.random.default_rng(3)
    prior, posterior = rng.normal(size=1000), rng.normal(0, 0.3, 1000)
    assert prior_size(prior, posterior, 20, 100.0).error > 2 * prior_size(prior, posterior, 20).error


def test_what_the_data_did_not_teach_has_no_size():
    wide, narrow = norm.ppf(GRID), norm.ppf(GRID, 0, 0.9)
    found = prior_size(narrow, wide, 30)
    assert math.isnan(found.persons)
    assert found.variance_ratio > 1
    assert math.isnan(prior_size(np.zeros(50), wide, 30).persons)
    assert math.isnan(prior_size(np.array([]), wide, 30).persons)


def test_a_skewed_prior_shows_in_the_two_sizes():
    found = prior_size(expon.ppf(GRID) ** 3, norm.ppf(GRID, 1, 0.5), 30)
    assert found.by_width > 2 * found.persons
