"""Random effects drawn where the first is skewed: density and effects against dense grids of z given visits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from kernel_designs import design, layout, moments, rows, shifted_lognormal, skewed_textbook, textbook
from scipy.special import logsumexp
from scipy.stats import norm
from test_drawn_terms import drawn
from test_linear_mixed import CASES, central_difference, some_elements

from bayesmodels.kernels.linear_mixed.drawn_terms_op import LinearMixedTermsGradient
from bayesmodels.kernels.linear_mixed.op import N_PARAMETERS, PARAMETERS, Inputs, LinearMixedGradient

FORM = layout([(0, 0), (0, 1), (1, 2)], random=(1, 0, 2), skewed=-1)
CHECKED = (
    "skewed, 0.05",
    "skewed, 0.85",
    "skewed, correlated paths",
    "skewed, in two outcomes",
    "skewed, known to .03",
)


def by_hand(d, i: int, z: np.ndarray, points: int = 8001) -> tuple[float, np.ndarray]:
    """Log density of y and the drawn z against a standard normal, and the deviations, by dense normal conditioning."""
    random = list(d.layout.random_terms)
    k, sign = float(d.inputs.skew[0]), d.layout.skewed
    y, x, errors = rows(d, i)
    mean, covariance = moments(d, i)
    sd = np.sqrt(covariance[0, 0])
    onto = covariance[1:, 0] / sd
    given = covariance[1:, 1:] - np.outer(onto, onto)
    own = x[:, random]
    spread = own[:, 1:] @ given @ own[:, 1:].T + errors

    def log_joint(at):
        center = x @ mean + np.outer(sd * shifted_lognormal(at, k, sign), own[:, 0]) + np.outer(at, own[:, 1:] @ onto)
        white = np.linalg.solve(np.linalg.cholesky(spread), (y - center).T)
        return -0.5 * (white**2).sum(axis=0) - 0.5 * np.linalg.slogdet(2 * np.pi * spread)[1] + norm.logpdf(at)

    grid = np.linspace(-12.0, 12.0, points)
    log = log_joint(grid)
    share = np.exp(log - logsumexp(log))
    place = share @ grid
    width = np.sqrt(share @ (grid - place) ** 2)
    at = np.array([place + width * z[0]])
    value = log_joint(at)[0] + np.log(width) - norm.logpdf(z[0])
    first = sd * shifted_lognormal(at, k, sign)[0]
    noise = np.linalg.inv(errors)
    factor = np.linalg.cholesky(given)
    system = np.eye(len(factor)) + factor.T @ own[:, 1:].T @ noise @ own[:, 1:] @ factor
    root = np.linalg.cholesky(system)
    score = own[:, 1:].T @ noise @ (y - x @ mean - own[:, 0] * first - own[:, 1:] @ onto * at[0])
    others = onto * at[0] + factor @ np.linalg.solve(root.T, np.linalg.solve(root, factor.T @ score) + z[1:])
    return value, np.concatenate([[first], others])


@pytest.mark.parametrize("name", CHECKED)
def test_density_and_effects_are_those_of_a_dense_grid(name):
    d = CASES[name]
    z = np.random.default_rng(11).normal(size=(len(d.y), len(d.layout.random_terms)))
    value, terms = drawn(d, z)
    with_visits = np.flatnonzero(d.inputs.count.sum(axis=1))[:12]
    for i in with_visits:
        expected, deviations = by_hand(d, i, z[i])
        assert value[i] == pytest.approx(expected, abs=1e-6)
        np.testing.assert_allclose(terms[i, d.layout.n_terms :], deviations, rtol=1e-6, atol=1e-6)
        mean = moments(d, i)[0]
        mean[list(d.layout.random_terms)] += deviations
        np.testing.assert_allclose(terms[i, : d.layout.n_terms], mean, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["skewed, 0.85", "skewed, 1.6", "skewed, known to .03", "skewed, alone"])
def test_density_of_the_drawn_z_integrates_to_the_marginal_likelihood(name):
    """Whatever place and width the numbers give z, by persons: those with two modes too."""
    d = CASES[name]
    expected = skewed_textbook(d, 20_001)
    grid = np.linspace(-40.0, 40.0, 6001)
    z = np.zeros((len(d.y), len(d.layout.random_terms)))
    found = []
    for at in grid:
        z[:, 0] = at
        found.append(drawn(d, z)[0] + norm.logpdf(at))
    total = logsumexp(found, axis=0) + np.log(grid[1] - grid[0])
    np.testing.assert_allclose(total, expected, atol=1e-6)


def test_without_skewness_the_density_is_the_normal_models_and_the_effects_have_its_moments():
    d = CASES["skewed, 0.0"]
    q = len(d.layout.random_terms)
    generator = np.random.default_rng(3)
    np.testing.assert_allclose(drawn(d, generator.normal(size=(len(d.y), q)))[0], textbook(d), atol=1e-7)
    normal = replace(d, layout=replace(d.layout, skewed=0))
    centre, of_normal = (drawn(each, np.zeros((len(d.y), q)))[1] for each in (d, normal))
    np.testing.assert_allclose(centre, of_normal, atol=1e-7)
    n = d.layout.n_terms
    spreads = []
    for each in (d, normal):  # the effects are linear in the numbers: their covariance, from one number at a time
        columns = [drawn(each, np.tile(np.eye(q)[a], (len(d.y), 1)))[1][:, n:] - centre[:, n:] for a in range(q)]
        spreads.append(np.einsum("ani,anj->nij", columns, columns))
    np.testing.assert_allclose(spreads[0], spreads[1], atol=1e-6)


@pytest.mark.parametrize("name", CHECKED)
def test_gradients_are_those_of_central_differences_of_the_dense_grid(name):
    """By every parameter, varying basis and number, of three persons at a time."""
    whole = CASES[name]
    generator = np.random.default_rng(21)
    q, n_terms = len(whole.layout.random_terms), whole.layout.n_terms
    some = generator.choice(np.flatnonzero(whole.inputs.count.sum(axis=1)), 3, replace=False)
    z = generator.normal(size=(len(whole.y), q))
    weight = np.zeros(len(whole.y))
    weight[some] = generator.uniform(0.5, 2.0, 3) * generator.choice([-1, 1], 3)
    by_terms = generator.normal(size=(len(whole.y), n_terms + q))

    def objective(d, at):
        total = 0.0
        for i in some:
            value, deviations = by_hand(d, i, at[i])
            terms = moments(d, i)[0]
            terms[list(d.layout.random_terms)] += deviations
            total += weight[i] * value + by_terms[i] @ np.concatenate([terms, deviations])
        return total

    kept = np.zeros_like(by_terms)
    kept[some] = by_terms[some]
    storage = [[None] for _ in range(1 + N_PARAMETERS + sum(whole.layout.varying))]
    given = [whole.y, z, *whole.inputs, *whole.bases, weight, kept]
    LinearMixedTermsGradient(whole.layout).perform(None, given, storage)
    by_z, *found = [cell[0] for cell in storage]
    for element in [(some[0], 0), (some[1], 0), (some[2], q - 1)]:
        expected = central_difference(lambda moved: objective(whole, moved), z, element, 1e-3)
        assert by_z[element] == pytest.approx(expected, rel=1e-5, abs=1e-5 * np.abs(by_z).max())
    for field, gradient in zip(Inputs._fields[PARAMETERS], found, strict=False):
        at = getattr(whole.inputs, field)
        for element in some_elements(generator, at.shape, 3):
            step = 1e-3 * (at[element] if field in ("sigma", "skew") else 1.0)
            expected = central_difference(
                lambda moved, field=field: objective(whole.with_inputs(**{field: moved}), z), at, element, step
            )
            scale = max(1.0, np.abs(gradient).max()) / (1 - abs(at[element]) if field == "partial" else 1)
            assert abs(gradient[element] - expected) < 1e-5 * scale, (field, element)
    varying = [m for m, v in enumerate(whole.layout.varying) if v]
    for m, gradient in zip(varying, found[N_PARAMETERS:], strict=True):
        person = next((i for i in some if whole.inputs.count[i, whole.layout.outcome_of[m]]), None)
        if person is None:
            continue

        def moved_basis(moved, m=m):
            return objective(replace(whole, bases=(*whole.bases[:m], moved, *whole.bases[m + 1 :])), z)

        expected = central_difference(moved_basis, whole.bases[m], (0, person), 1e-4)
        assert abs(gradient[0, person] - expected) < 1e-5 * max(1.0, np.abs(gradient).max()), m


@pytest.mark.parametrize("name", ["skewed, 0.05", "skewed, in two outcomes"])
def test_gradient_averages_to_that_of_the_marginal_likelihood(name):
    """Over zeta given y, the mean gradient by the parameters is the marginal likelihood's (Fisher's identity)."""
    d = CASES[name]
    q, n = len(d.layout.random_terms), len(d.y)
    given, weight = [d.y, *d.inputs, *d.bases], np.ones(n)
    expected = [[None] for _ in range(1 + N_PARAMETERS + sum(d.layout.varying))]
    LinearMixedGradient(d.layout).perform(None, [*given, weight], expected)
    grid = np.linspace(-9.0, 9.0, 181)
    z, none = np.zeros((n, q)), np.zeros((n, d.layout.n_terms + q))
    densities = []
    for at in grid:
        z[:, 0] = at
        densities.append(drawn(d, z)[0] + norm.logpdf(at))
    shares = np.exp(np.array(densities) - logsumexp(densities, axis=0))
    shares[shares < 1e-30] = 0.0
    total = None
    for at, share in zip(grid, shares, strict=True):
        z[:, 0] = at
        found = [[None] for _ in range(1 + N_PARAMETERS + sum(d.layout.varying))]
        LinearMixedTermsGradient(d.layout).perform(None, [d.y, z, *d.inputs, *d.bases, share, none], found)
        values = [cell[0] for cell in found[1:]]
        total = values if total is None else [a + b for a, b in zip(total, values, strict=True)]
    for one, (other,) in zip(total, expected[1:], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_a_person_without_visits_is_drawn_from_the_population():
    d = design(np.random.default_rng(8), 2, FORM, [1, 1], count=[[0, 0], [1, 1]], skew=0.9)
    z = np.array([[0.7, -0.2, 1.1]] * 2)
    value, terms = drawn(d, z)
    assert value[0] == pytest.approx(0.0, abs=1e-7)
    covariance = moments(d, 0)[1]
    deviations = np.linalg.cholesky(covariance) @ z[0]
    deviations[0] = np.sqrt(covariance[0, 0]) * shifted_lognormal(z[0, :1], 0.9, -1)[0]
    np.testing.assert_allclose(terms[0, d.layout.n_terms :], deviations, atol=1e-6)
