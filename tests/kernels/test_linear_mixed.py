"""The likelihood against SciPy's multivariate normal, and its gradients against central differences."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_designs import design, layout, moments, rows, skewed_textbook, textbook
from pytensor.compile.mode import Mode

from bayesmodels.kernels.linear_mixed.op import Inputs, Layout, LinearMixedGradient, LinearMixedLogp
from bayesmodels.kernels.linear_mixed.variable import linear_mixed, person_terms, simulate

PYTHON = Mode(linker="py", optimizer="fast_run")
PARAMETERS = ("mean", "shift", "slope", "sd", "partial", "sigma", "random_walk", "walk_partial", "decay", "skew")

ONE = layout([(0, 0), (0, 1)], random=(0, 1))
TWO = layout([(0, 0), (0, 1), (0, 2), (1, 3), (1, 4), (1, 5)], random=(0, 1, 3, 4), shifting=(2, 5))
FOLLOWS = layout([(0, 0), (0, 1), (0, 2), (1, 2), (1, 3), (1, 4)], random=(4, 0, 2, 1, 3), shifting=(2,))
NO_RANDOM = layout([(0, 0), (0, 1), (1, 2)], random=(), shifting=(1,))
RANDOM_WALKS = layout(
    [(0, 0), (0, 1), (0, 2), (1, 2), (1, 3), (1, 4), (2, 5)], random=(4, 0, 2, 1, 3), shifting=(2,), random_walks=(1,)
)
BOTH_WALK = layout([(0, 0), (0, 1), (1, 2), (1, 3)], random=(0, 1, 2), random_walks=(0, 1), varying=(True,) * 4)
CORRELATED = replace(BOTH_WALK, correlated_walks=True)
THREE_CORRELATED = layout(
    [(0, 0), (0, 1), (0, 2), (1, 2), (1, 3), (2, 4), (2, 5)], random=(4, 0, 2, 1, 3), shifting=(2, 5),
    random_walks=(0, 1, 2), correlated_walks=True,
)  # fmt: skip
TWO_OF_THREE = replace(THREE_CORRELATED, random_walks=(0, 2))
SKEWED = layout(
    [(0, 0), (0, 1), (0, 2), (1, 3), (1, 4)],
    random=(1, 0, 3, 4),
    shifting=(2,),
    random_walks=(1,),
    varying=(True,) * 5,
    skewed=-1,
)
SKEWED_ALONE = layout([(0, 0), (0, 1)], random=(1,), skewed=1)
SKEWED_SHARED = layout([(0, 0), (0, 1), (1, 1), (1, 2)], random=(1, 2, 0), skewed=1)
TWELVE = layout([(k, 3 * k + j) for k in range(4) for j in range(3)], random=range(12))


def rng(seed=0):
    return np.random.default_rng(seed)


def cases():
    one_visit = np.ones((20, 2), int)
    some = rng().integers(0, 5, (30, 2))
    some[:5, 0], some[5:10, 1], some[10:13] = 0, 0, 0
    yield "one visit of each outcome", design(rng(1), 20, TWO, [1, 1], count=one_visit)
    yield "an outcome missing, or all visits", design(rng(2), 30, TWO, [4, 4], count=some)
    yield "one outcome", design(rng(3), 9, ONE, [6])
    yield "one person", design(rng(4), 1, TWO, [3, 2], count=[[3, 1]])
    yield "nobody has a visit", design(rng(5), 3, TWO, [2, 2], count=np.zeros((3, 2), int))
    yield "twelve random effects", design(rng(6), 25, TWELVE, [5, 5, 4, 6])
    yield "no random effect", design(rng(7), 12, NO_RANDOM, [3, 4], covariates=1)
    yield (
        "strata share the SDs",
        design(rng(8), 40, TWO, [3, 4], strata=3, groups=6, covariates=2),
    )
    yield (
        "SDs by stratum",
        design(rng(9), 40, TWO, [3, 4], strata=3, groups=6, covariates=2, sd_rows=3, sigma_rows=3),
    )
    yield "a term shared by two outcomes", design(rng(10), 30, FOLLOWS, [4, 3], strata=2, sd_rows=2, covariates=1)
    yield "a Brownian path", design(rng(31), 30, RANDOM_WALKS, [4, 9, 2], strata=2, sigma_rows=2, covariates=1)
    both = design(rng(32), 70, BOTH_WALK, [5, 17], strata=3, sigma_rows=1)
    yield "two Brownian paths", both
    yield "no random walk", both.with_inputs(random_walk=np.zeros((1, 2)))
    yield "shrinking steps", both.with_inputs(decay=np.array([0.08, 0.0]))
    yield "correlated paths", replace(both, layout=CORRELATED)
    yield "correlated paths, shrinking", replace(both, layout=CORRELATED).with_inputs(decay=np.array([0.08, 0.0]))
    three = design(rng(33), 130, THREE_CORRELATED, [4, 9, 2], strata=2, sd_rows=2, sigma_rows=2, covariates=1)
    yield "three correlated paths", three.with_inputs(decay=np.array([0.0, 0.1, 0.3]))
    yield (
        "two correlated paths of three outcomes",
        replace(three, layout=TWO_OF_THREE).with_inputs(walk_partial=np.array([0.8])),
    )
    for n in (63, 64, 65, 130):
        yield f"{n} persons", design(rng(n), n, FOLLOWS, [3, 3], covariates=1)
    base = design(rng(11), 30, TWO, [4, 4])
    sd = base.inputs.sd.copy()
    sd[0, 1] = 0.0
    yield "an SD of zero", base.with_inputs(sd=sd)
    sd = sd.copy()
    sd[0, 1] = 1e-9
    yield "an SD of 1e-9", base.with_inputs(sd=sd)
    yield "all SDs zero", base.with_inputs(sd=np.zeros((1, 4)))
    for k in (0.0, 2e-4, 0.05, 0.85, 1.6):
        yield (
            f"skewed, {k}",
            design(rng(40), 40, SKEWED, [4, 7], strata=2, sd_rows=2, sigma_rows=2, skew=k, covariates=1),
        )
    yield "skewed, alone", design(rng(41), 70, SKEWED_ALONE, [5], skew=0.9)
    together = replace(SKEWED, random_walks=(0, 1), correlated_walks=True)
    both = design(rng(46), 40, together, [4, 7], strata=2, sd_rows=2, sigma_rows=2, skew=0.8, covariates=1)
    yield "skewed, correlated paths", both.with_inputs(decay=np.array([0.2, 0.0]))
    yield "skewed, in two outcomes", design(rng(42), 30, SKEWED_SHARED, [3, 4], skew=0.7)
    known = design(rng(43), 30, SKEWED_ALONE, [30], skew=0.9)
    yield "skewed, known to .03", known.with_inputs(sigma=np.full((1, 1), 0.1), sd=np.full((1, 1), 1.5))
    yield "correlations of .999999", base.with_inputs(partial=np.full(6, 0.999999))
    yield "correlations of -.999999", base.with_inputs(partial=np.full(6, -0.999999))


CASES = dict(cases())


def logp(d) -> np.ndarray:
    """Through the Op's own Python route."""
    op = LinearMixedLogp(d.layout)
    storage = [[None]]
    op.perform(None, [d.y, *d.inputs, *d.bases], storage)
    return storage[0][0]


def gradients(d, weight) -> list[np.ndarray]:
    """Log-likelihood of every person, gradient by `PARAMETERS`, then by the varying bases."""
    n_varying = sum(d.layout.varying)
    storage = [[None] for _ in range(1 + len(PARAMETERS) + n_varying)]
    LinearMixedGradient(d.layout).perform(None, [d.y, *d.inputs, *d.bases, weight], storage)
    return [cell[0] for cell in storage]


def central_difference(function, at, element, step):
    """Five-point formula, error of order step^4."""
    values = []
    for shift in (-2, -1, 1, 2):
        moved = at.copy()
        moved[element] += shift * step
        values.append(function(moved))
    return (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)


def some_elements(generator, shape, at_most=6):
    every = list(np.ndindex(*shape))
    chosen = generator.permutation(len(every))[:at_most]
    return [every[c] for c in chosen]


@pytest.mark.parametrize("name", CASES)
def test_log_likelihood_is_the_multivariate_normals(name):
    d = CASES[name]
    if d.layout.skewed:
        np.testing.assert_allclose(logp(d), skewed_textbook(d), atol=1e-6)
    else:
        np.testing.assert_allclose(logp(d), textbook(d), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_central_differences(name):
    d = CASES[name]
    generator = rng(99)
    weight = generator.normal(size=len(d.y))
    value, *found = gradients(d, weight)
    np.testing.assert_allclose(value, logp(d), rtol=1e-12)
    for field, gradient in zip(PARAMETERS, found, strict=False):
        at = getattr(d.inputs, field)
        assert gradient.shape == at.shape
        for element in some_elements(generator, at.shape):
            step = 1e-3
            if field in ("partial", "walk_partial"):
                step *= 1 - abs(at[element])
            elif field == "sigma":
                step *= at[element]
            elif field == "decay":
                step *= 0.1  # through 0: steps that grow
            expected = central_difference(
                lambda moved, field=field: weight @ logp(d.with_inputs(**{field: moved})), at, element, step
            )
            scale = max(1.0, np.abs(gradient).max()) / (1 - abs(at[element]) if field == "partial" else 1)
            assert abs(gradient[element] - expected) < 1e-6 * scale, (field, element)
    varying = [m for m, v in enumerate(d.layout.varying) if v]
    for m, gradient in zip(varying, found[len(PARAMETERS) :], strict=True):
        present = np.arange(len(d.bases[m]))[:, None] < d.inputs.count[:, d.layout.outcome_of[m]]
        assert (gradient[~present] == 0).all()
        inside = [e for e in some_elements(generator, d.bases[m].shape, 20) if present[e]][:5]
        for element in inside:
            expected = central_difference(
                lambda moved, m=m: weight @ logp(_with_basis(d, m, moved)), d.bases[m], element, 1e-4
            )
            assert abs(gradient[element] - expected) < 1e-6 * max(1.0, np.abs(gradient).max()), (m, element)


def test_wide_person_terms_and_a_small_error_cost_no_accuracy():
    """Against rational arithmetic: SciPy itself is off by 1e-3 here."""
    base = CASES["an outcome missing, or all visits"]
    d = base.with_inputs(sd=np.full((1, 4), 30.0), sigma=np.full((1, 2), 1e-2), partial=np.zeros(6))
    found = logp(d)
    for i in range(13, 18):
        assert found[i] == pytest.approx(exact(d, i), rel=1e-11)


def exact(d, i) -> float:
    """Log-density of a person's values by elimination over fractions."""
    values, x, errors = rows(d, i)
    mean, covariance = moments(d, i)
    noise = np.sqrt(np.diag(errors))
    x, noise, sd = _fractions(x), _fractions([noise])[0], _fractions([np.sqrt(np.diag(covariance))])[0]
    z = [[row[p] * s for p, s in zip(d.layout.random_terms, sd, strict=True)] for row in x]
    n = len(values)
    system = [
        [sum(a * b for a, b in zip(z[i], z[j], strict=True)) + (noise[i] ** 2 if i == j else 0) for j in range(n)]
        + [Fraction(float(values[i])) - sum(a * Fraction(float(m)) for a, m in zip(x[i], mean, strict=True))]
        for i in range(n)
    ]
    quadratic = log_determinant = 0.0
    for k in range(n):
        quadratic += float(system[k][n] ** 2 / system[k][k])
        log_determinant += math.log(system[k][k])
        for j in range(k + 1, n):
            ratio = system[j][k] / system[k][k]
            system[j] = [a - ratio * b for a, b in zip(system[j], system[k], strict=True)]
    return -0.5 * (n * math.log(2 * math.pi) + log_determinant + quadratic)


def _fractions(rows_of_numbers):
    return [[Fraction(float(v)) for v in row] for row in rows_of_numbers]


def _with_basis(d, m, basis):
    return type(d)(d.layout, d.inputs, (*d.bases[:m], basis, *d.bases[m + 1 :]), d.y)


@st.composite
def random_designs(draw):
    """Any layout: outcomes, terms shared or not, which vary, strata, groups, covariates, visits."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    outcomes = draw(st.integers(1, 3))
    n_terms = draw(st.integers(outcomes, 6))
    loadings = {(k, k) for k in range(outcomes)} | {(int(generator.integers(outcomes)), p) for p in range(n_terms)}
    loadings |= {(int(generator.integers(outcomes)), int(generator.integers(n_terms))) for _ in range(2)}
    random = [int(p) for p in generator.permutation(n_terms)[: draw(st.integers(0, n_terms))]]
    shifting = [int(p) for p in generator.permutation(n_terms)[: draw(st.integers(0, n_terms))]]
    form = layout(sorted(loadings), random, shifting, tuple(bool(v) for v in generator.integers(0, 2, len(loadings))))
    random_walks = [k for k in range(outcomes) if generator.random() < 0.5]
    form = replace(form, random_walks=tuple(random_walks), correlated_walks=draw(st.booleans()))
    strata = draw(st.integers(1, 3))
    return design(
        generator, draw(st.integers(1, 70)), form, [draw(st.integers(1, 5)) for _ in range(outcomes)],
        strata=strata, groups=draw(st.integers(1, 4)), covariates=draw(st.integers(0, 2)),
        sd_rows=draw(st.sampled_from([1, strata])), sigma_rows=draw(st.sampled_from([1, strata])),
    )  # fmt: skip


@settings(max_examples=25, deadline=None, derandomize=True)
@given(random_designs())
def test_any_design(d):
    np.testing.assert_allclose(logp(d), textbook(d), rtol=1e-8, atol=1e-9)
    generator = rng(7)
    weight = generator.normal(size=len(d.y))
    for field, gradient in zip(PARAMETERS, gradients(d, weight)[1:], strict=False):
        at = getattr(d.inputs, field)
        if not at.size:
            continue
        direction = generator.normal(size=at.shape)
        step = 1e-4

        def along(s, field=field, at=at, direction=direction):
            return weight @ logp(d.with_inputs(**{field: at + s * direction}))

        expected = (along(-2 * step) - 8 * along(-step) + 8 * along(step) - along(2 * step)) / (12 * step)
        assert (gradient * direction).sum() == pytest.approx(expected, rel=1e-6, abs=1e-5), field


def graph(d):
    """Symbolic inputs of all but y, and the log-likelihood."""
    inputs = [pt.as_tensor_variable(value).type(name) for name, value in zip(Inputs._fields, d.inputs, strict=True)]
    bases = [pt.matrix(f"basis_{m}") for m in range(len(d.bases))]
    return inputs, bases, LinearMixedLogp(d.layout)(pt.as_tensor_variable(d.y), *inputs, *bases)


def kernels(function):
    return [
        type(node.op)
        for node in function.maker.fgraph.toposort()
        if isinstance(node.op, LinearMixedLogp | LinearMixedGradient)
    ]


def test_value_comes_from_the_gradient_where_both_are_asked_for():
    d = CASES["a term shared by two outcomes"]
    inputs, bases, value = graph(d)
    weight = rng(3).normal(size=len(d.y))
    by = [inputs[Inputs._fields.index(f)] for f in PARAMETERS]
    by += [b for b, v in zip(bases, d.layout.varying, strict=True) if v]
    total = (weight * value).sum()
    function = pytensor.function([*inputs, *bases], [value, *pt.grad(total, by)], mode=PYTHON)
    assert kernels(function) == [LinearMixedGradient]
    got, *found = function(*d.inputs, *d.bases)
    np.testing.assert_allclose(got, textbook(d), rtol=1e-9)
    for one, expected in zip(found, gradients(d, weight)[1:], strict=True):
        np.testing.assert_allclose(one, expected, rtol=1e-12)


def test_value_alone_does_not_compute_the_gradient():
    d = CASES["one outcome"]
    inputs, bases, value = graph(d)
    function = pytensor.function([*inputs, *bases], value, mode=PYTHON)
    assert kernels(function) == [LinearMixedLogp]
    np.testing.assert_allclose(function(*d.inputs, *d.bases), textbook(d), rtol=1e-9)


def test_a_nonlinear_function_of_the_values_keeps_both_and_is_right():
    """The cotangents depend on the value itself: the value cannot be taken from the gradient's own node."""
    d = CASES["one outcome"]
    inputs, bases, value = graph(d)
    mean = inputs[Inputs._fields.index("mean")]
    total = (value**2).sum()
    function = pytensor.function([*inputs, *bases], [total, pt.grad(total, mean)], mode=PYTHON)
    got, gradient = function(*d.inputs, *d.bases)
    expected = textbook(d)
    assert got == pytest.approx((expected**2).sum(), rel=1e-9)
    np.testing.assert_allclose(gradient, gradients(d, 2 * expected)[1], rtol=1e-9)


def test_data_have_no_gradient():
    d = CASES["one outcome"]
    inputs, bases, value = graph(d)
    with pytest.raises(pytensor.gradient.DisconnectedInputError):
        pt.grad(value.sum(), inputs[Inputs._fields.index("covariates")])
    fixed = bases[d.layout.varying.index(False)]
    with pytest.raises(pytensor.gradient.DisconnectedInputError):
        pt.grad(value.sum(), fixed)


def test_shapes_are_known_without_computing():
    d = CASES["SDs by stratum"]
    inputs, bases, value = graph(d)
    shapes = pytensor.function([*inputs, *bases], value.shape, mode=PYTHON, on_unused_input="ignore")
    assert kernels(shapes) == []
    assert list(shapes(*d.inputs, *d.bases)) == [40]


@pytest.mark.parametrize(
    "name", ["a term shared by two outcomes", "SDs by stratum", "an SD of zero", "a Brownian path", "65 persons"]
)
def test_person_terms_are_the_conditional_normal(name):
    """E(u | y) = D Z' V^-1 (y - X mu), Cov(u | y) = D - D Z' V^-1 Z D."""
    d = CASES[name]
    random = list(d.layout.random_terms)
    found = person_terms(d.layout, d.y, d.inputs, d.bases)
    for i in range(len(d.y)):
        values, x, errors = rows(d, i)
        mean, covariance = moments(d, i)
        z = x[:, random]
        gain = covariance @ z.T @ np.linalg.inv(z @ covariance @ z.T + errors)
        np.testing.assert_allclose(found.center[i], gain @ (values - x @ mean), atol=1e-9)
        np.testing.assert_allclose(found.root[i].T @ found.root[i], covariance - gain @ z @ covariance, atol=1e-9)


def test_person_terms_are_drawn_from_that_normal():
    d = CASES["one outcome"]
    terms = person_terms(d.layout, d.y, d.inputs, d.bases)
    generator = rng(4)
    draws = np.stack([terms.draw(generator) for _ in range(4000)])
    covariance = np.einsum("nab,nac->nbc", terms.root, terms.root)
    sd = np.sqrt(np.einsum("nbb->nb", covariance))
    assert (np.abs(draws.mean(axis=0) - terms.center) < 4.5 * sd / np.sqrt(4000)).all()
    np.testing.assert_allclose(np.cov(draws[:, 2].T), covariance[2], atol=0.1 * covariance[2].max())


def test_replicates_have_the_models_moments():
    """4,000 replicates of one person's visits, as 4,000 persons alike."""
    n, form = 4000, replace(FOLLOWS, random_walks=(0,))
    alike = design(rng(21), 1, form, [3, 2], count=[[3, 1]], covariates=1)
    repeated = Inputs(*(np.repeat(v, n, axis=0) for v in alike.inputs[:5]), *alike.inputs[5:])
    y = simulate(alike.layout, rng(22), repeated, [np.repeat(b, n, axis=1) for b in alike.bases])
    assert (y[:, 4] == 0).all()  # the second outcome's second slot has no visit
    _, x, errors = rows(alike, 0)
    mean, covariance = moments(alike, 0)
    z = x[:, list(alike.layout.random_terms)]
    expected = z @ covariance @ z.T + errors
    sd = np.sqrt(np.diag(expected))
    found = y[:, :4]
    assert (np.abs(found.mean(axis=0) - x @ mean) < 4.5 * sd / np.sqrt(n)).all()
    standard_error = np.sqrt((np.outer(sd, sd) ** 2 + expected**2) / n)
    assert (np.abs(np.cov(found.T) - expected) < 4.5 * standard_error).all()


def test_as_an_observed_variable():
    """`logp` by person, and replicates of the data's shape, through PyMC."""
    import pymc as pm

    d = CASES["a term shared by two outcomes"]
    coords = {"person": range(len(d.y)), "slot": range(d.y.shape[1])}
    with pm.Model(coords=coords) as model:
        y = linear_mixed("y", d.layout, Inputs(*map(pt.as_tensor_variable, d.inputs)), d.bases, d.y, ("person", "slot"))
    density = pytensor.function([], pm.logp(y, model.rvs_to_values[y]), mode=PYTHON)
    np.testing.assert_allclose(density(), textbook(d), rtol=1e-9)
    first, second = pm.draw(y, draws=2, mode=Mode(linker="py", optimizer=None), random_seed=1)
    assert first.shape == d.y.shape
    assert ((first == 0) == (d.y == 0)).all()  # no value where there is no visit
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("outcome_of", "term_of", "message"),
    [((1, 0), (0, 1), "sorted"), ((0, 0), (1, 1), "once"), ((0, 2), (0, 1), "every outcome")],
)
def test_a_layout_that_makes_no_sense_is_refused(outcome_of, term_of, message):
    with pytest.raises(ValueError, match=message):
        Layout(outcome_of, term_of, (0,), (), (False, False), 2)


def test_compiled_by_numba():
    """What the samplers run: the same numbers, and the kernel once."""
    d = CASES["a term shared by two outcomes"]
    inputs, bases, value = graph(d)
    weight = rng(3).normal(size=len(d.y))
    by = [inputs[Inputs._fields.index(f)] for f in PARAMETERS]
    by += [b for b, v in zip(bases, d.layout.varying, strict=True) if v]
    function = pytensor.function([*inputs, *bases], [value, *pt.grad((weight * value).sum(), by)], mode="NUMBA")
    assert kernels(function) == [LinearMixedGradient]
    for one, expected in zip(function(*d.inputs, *d.bases), gradients(d, weight), strict=True):
        np.testing.assert_allclose(one, expected, rtol=1e-10, atol=1e-12)
