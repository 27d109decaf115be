"""Person terms drawn from standard normal numbers: against dense algebra, and gradients against differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from kernel_designs import moments, rows
from pytensor.compile.mode import Mode
from test_linear_mixed import CASES, PARAMETERS, central_difference, logp, rng, some_elements

from bayesmodels.kernels.linear_mixed.drawn_terms_op import LinearMixedTerms, LinearMixedTermsGradient

PYTHON = Mode(linker="py", optimizer="fast_run")
EXTREME = ("correlations of .999999", "correlations of -.999999")
SOME = [name for name, d in CASES.items() if name not in EXTREME and not d.layout.skewed]


def drawn(d, z) -> tuple[np.ndarray, np.ndarray]:
    storage = [[None], [None]]
    LinearMixedTerms(d.layout).perform(None, [d.y, z, *d.inputs, *d.bases], storage)
    return storage[0][0], storage[1][0]


def by_hand(d, z) -> np.ndarray:
    """Terms, then deviations, by dense algebra: M = I + L'Z'WZL = GG', u = L G^-T (G^-1 L'Z'Wr + z)."""
    random = list(d.layout.random_terms)
    found = []
    for i in range(len(d.y)):
        y, design, noise = rows(d, i)
        mean, covariance = moments(d, i)
        factor = np.linalg.cholesky(covariance)
        precision = np.linalg.inv(noise)
        system = np.eye(len(random)) + factor.T @ design[:, random].T @ precision @ design[:, random] @ factor
        root = np.linalg.cholesky(system)
        score = factor.T @ design[:, random].T @ precision @ (y - design @ mean)
        u = factor @ np.linalg.solve(root.T, np.linalg.solve(root, score) + z[i])
        terms = mean.copy()
        terms[random] += u
        found.append(np.concatenate([terms, u]))
    return np.array(found)


@pytest.mark.parametrize("name", [name for name in SOME if "SD" not in name or name == "SDs by stratum"])
def test_terms_are_those_of_dense_algebra(name):
    d = CASES[name]
    z = rng(5).normal(size=(len(d.y), len(d.layout.random_terms)))
    value, terms = drawn(d, z)
    np.testing.assert_allclose(value, logp(d), rtol=1e-12)
    np.testing.assert_allclose(terms, by_hand(d, z), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", SOME)
def test_gradients_are_those_of_central_differences(name):
    d = CASES[name]
    generator = rng(98)
    q = len(d.layout.random_terms)
    z = generator.normal(size=(len(d.y), q))
    weight = generator.uniform(0.5, 2.0, len(d.y)) * generator.choice([-1, 1], len(d.y))
    by_terms = generator.normal(size=(len(d.y), d.layout.n_terms + q))

    def objective(case, at):
        value, terms = drawn(case, at)
        return weight @ value + (by_terms * terms).sum()

    storage = [[None] for _ in range(1 + len(PARAMETERS) + sum(d.layout.varying))]
    given = [d.y, z, *d.inputs, *d.bases, weight, by_terms]
    LinearMixedTermsGradient(d.layout).perform(None, given, storage)
    by_z, *found = [cell[0] for cell in storage]
    for element in some_elements(generator, z.shape):
        expected = central_difference(lambda moved: objective(d, moved), z, element, 1e-3)
        assert abs(by_z[element] - expected) < 1e-6 * max(1.0, np.abs(by_z).max())
    for field, gradient in zip(PARAMETERS, found, strict=False):
        at = getattr(d.inputs, field)
        assert gradient.shape == at.shape
        for element in some_elements(generator, at.shape):
            step = 1e-3
            if field == "partial":
                step *= 1 - abs(at[element])
            elif field == "sigma":
                step *= at[element]
            expected = central_difference(
                lambda moved, field=field: objective(d.with_inputs(**{field: moved}), z), at, element, step
            )
            scale = max(1.0, np.abs(gradient).max()) / (1 - abs(at[element]) if field == "partial" else 1)
            assert abs(gradient[element] - expected) < 1e-6 * scale, (field, element)
    varying = [m for m, v in enumerate(d.layout.varying) if v]
    for m, gradient in zip(varying, found[len(PARAMETERS) :], strict=True):
        present = np.arange(len(d.bases[m]))[:, None] < d.inputs.count[:, d.layout.outcome_of[m]]
        for element in [e for e in some_elements(generator, d.bases[m].shape, 20) if present[e]][:5]:

            def moved_basis(moved, m=m):
                return objective(replace(d, bases=(*d.bases[:m], moved, *d.bases[m + 1 :])), z)

            expected = central_difference(moved_basis, d.bases[m], element, 1e-4)
            assert abs(gradient[element] - expected) < 1e-6 * max(1.0, np.abs(gradient).max()), (m, element)


def test_through_a_graph_value_and_gradient_agree():
    """A nonlinear function of value and terms: PyTensor's chain rule over the Op against differences."""
    d = CASES["SDs by stratum"]
    op = LinearMixedTerms(d.layout)
    z, sd = pt.matrix("z"), pt.matrix("sd")
    value, terms = op(d.y, z, *d.inputs._replace(sd=sd), *d.bases)
    objective = value.sum() - pt.exp(0.3 * terms).sum()
    function = pytensor.function([z, sd], [objective, *pytensor.grad(objective, [z, sd])], mode=PYTHON)
    at_z, at_sd = rng(6).normal(size=(len(d.y), 4)), d.inputs.sd
    _, by_z, by_sd = function(at_z, at_sd)
    for element in [(0, 0), (7, 2), (20, 3)]:
        expected = central_difference(lambda moved: function(moved, at_sd)[0], at_z, element, 1e-3)
        assert by_z[element] == pytest.approx(expected, rel=1e-6, abs=1e-6)
    for element in np.ndindex(*at_sd.shape):
        expected = central_difference(lambda moved: function(at_z, moved)[0], at_sd, element, 1e-3)
        assert by_sd[element] == pytest.approx(expected, rel=1e-6, abs=1e-5)


def test_drawn_terms_have_the_conditional_distribution():
    """Over standard normal z, mean and covariance are those of the terms given y (normal conditioning, dense)."""
    d = CASES["two Brownian paths"]
    random = list(d.layout.random_terms)
    generator = rng(7)
    draws = np.array([drawn(d, generator.normal(size=(len(d.y), len(random))))[1] for _ in range(4000)])
    deviations = draws[:, :, d.layout.n_terms :]
    for i in (0, 33):
        y, design, noise = rows(d, i)
        mean, covariance = moments(d, i)
        loadings = design[:, random]
        gain = covariance @ loadings.T @ np.linalg.inv(loadings @ covariance @ loadings.T + noise)
        left = covariance - gain @ loadings @ covariance
        np.testing.assert_allclose(deviations[:, i].mean(axis=0), gain @ (y - design @ mean), atol=0.07)
        np.testing.assert_allclose(np.cov(deviations[:, i].T), left, atol=0.08)


def test_compiled_by_numba_as_in_python():
    d = CASES["a Brownian path"]
    q = len(d.layout.random_terms)
    z = pt.matrix("z")
    value, terms = LinearMixedTerms(d.layout)(d.y, z, *d.inputs, *d.bases)
    objective = value.sum() + (terms**2).sum()
    at = rng(8).normal(size=(len(d.y), q))
    outputs = [value, terms, pytensor.grad(objective, z)]
    fast = pytensor.function([z], outputs, mode="NUMBA")(at)
    slow = pytensor.function([z], outputs, mode=PYTHON)(at)
    for one, other in zip(fast, slow, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10)


def test_a_function_of_the_terms_alone_has_its_own_gradient():
    d = CASES["one outcome"]
    op = LinearMixedTerms(d.layout)
    z, sigma = rng(9).normal(size=(len(d.y), 2)), pt.matrix("sigma")
    objective = (op(d.y, z, *d.inputs._replace(sigma=sigma), *d.bases)[1] ** 2).sum()
    function = pytensor.function([sigma], [objective, pytensor.grad(objective, sigma)], mode=PYTHON)
    expected = central_difference(lambda moved: function(moved)[0], d.inputs.sigma, (0, 0), 1e-3)
    assert function(d.inputs.sigma)[1][0, 0] == pytest.approx(expected, rel=1e-6)
