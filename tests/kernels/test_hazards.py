"""The likelihood of exits against SciPy's integration, and its gradient against central differences."""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from scipy.integrate import quad

from bayesmodels.kernels.hazards.follow_up import log_hazards, simulate_exits
from bayesmodels.kernels.hazards.op import Exits, ExitsGradient, ExitsLogp, HazardLayout

PYTHON = Mode(linker="py", optimizer="fast_run")
PARAMETERS = ("terms", "coefficient", "gamma", "alpha")
NODE, SHARE = np.polynomial.legendre.leggauss(20)

LAYOUT = HazardLayout(
    columns=((True, True, False), (True, False, True)),
    uses=((True, False), (True, True)),
    predictor_of=(0, 0, 1),
    term_of=(0, 1, 2),
    varying=(False, True, False),
)
"""Two events; a value with level and rate acting on both, a person's own deviation on the second."""


def case(seed=0, persons=7):
    """Random hazards: entry at 0 to 1, exit 1 to 9; columns 1, t and t^2."""
    rng = np.random.default_rng(seed)
    entry, end = rng.uniform(0, 1, persons), rng.uniform(1, 9, persons)
    t = [np.append(a + (b - a) * (NODE + 1) / 2, b) for a, b in zip(entry, end, strict=True)]
    weight = [np.append((b - a) * SHARE / 2, 0.0) for a, b in zip(entry, end, strict=True)]
    flat = np.concatenate(t)
    exits = Exits(
        code=rng.integers(0, 3, persons),
        first=np.arange(persons + 1) * 21,
        weight=np.concatenate(weight),
        design=np.stack([np.ones_like(flat), flat, flat**2]),
        offset=np.stack([0.3 * flat, np.full_like(flat, -0.2)]),
        covariates=rng.normal(size=(persons, 2)),
        terms=rng.normal(0, 0.4, (persons, 3)),
        coefficient=rng.normal(-1, 0.1, (2, 3)) * [1.0, 0.1, 0.01],
        gamma=rng.normal(0, 0.3, (2, 2)),
        alpha=rng.normal(0, 0.5, (2, 2)),
    )
    bases = [np.ones_like(flat), flat, np.ones_like(flat)]
    return exits, bases, entry, end


def logp(exits, bases) -> np.ndarray:
    storage = [[None]]
    ExitsLogp(LAYOUT).perform(None, [*exits, *bases], storage)
    return storage[0][0]


def hazard_by_hand(exits, i, e, t) -> float:
    """Event e's hazard of person i at month t, from the formula."""
    value = exits.terms[i, 0] + exits.terms[i, 1] * t - 0.3 * t
    own = exits.terms[i, 2] + 0.2
    columns = ([1, t, 0], [1, 0, t**2])[e]
    features = (exits.alpha[0, 0] * value, exits.alpha[1, 0] * value + exits.alpha[1, 1] * own)[e]
    return float(np.exp(exits.coefficient[e] @ columns + exits.gamma[e] @ exits.covariates[i] + features))


def test_log_likelihood_is_that_of_numerical_integration():
    exits, bases, entry, end = case()
    for i, found in enumerate(logp(exits, bases)):
        expected = -sum(quad(lambda t, e=e, i=i: hazard_by_hand(exits, i, e, t), entry[i], end[i])[0] for e in (0, 1))
        if exits.code[i]:
            expected += np.log(hazard_by_hand(exits, i, exits.code[i] - 1, end[i]))
        assert found == pytest.approx(expected, rel=1e-10)


def test_log_hazards_by_another_route():
    exits, bases, _, end = case(1)
    found = log_hazards(LAYOUT, exits, bases)[:, exits.first[1:] - 1]
    expected = [[np.log(hazard_by_hand(exits, i, e, end[i])) for i in range(len(end))] for e in (0, 1)]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_gradients_are_those_of_central_differences():
    exits, bases, *_ = case(2)
    rng = np.random.default_rng(3)
    weight = rng.normal(size=len(exits.code))
    storage = [[None] for _ in range(6)]
    ExitsGradient(LAYOUT).perform(None, [*exits, *bases, weight], storage)
    value, *gradients, by_basis = (cell[0] for cell in storage)
    np.testing.assert_allclose(value, logp(exits, bases), rtol=1e-12)

    def difference(objective, at, element, step=1e-3):
        moved = [at.copy() for _ in range(4)]
        for array, shift in zip(moved, (-2, -1, 1, 2), strict=True):
            array[element] += shift * step
        low, lower, upper, high = (objective(array) for array in moved)
        return (low - 8 * lower + 8 * upper - high) / (12 * step)

    for field, gradient in zip(PARAMETERS, gradients, strict=True):
        for element in np.ndindex(*gradient.shape):
            expected = difference(
                lambda at, field=field: weight @ logp(exits._replace(**{field: at}), bases),
                getattr(exits, field),
                element,
            )
            assert gradient[element] == pytest.approx(expected, rel=1e-7, abs=1e-7), (field, element)
    for element in [(0,), (20,), (40,), (146,)]:
        expected = difference(lambda at: weight @ logp(exits, [bases[0], at, bases[2]]), bases[1], element)
        assert by_basis[element] == pytest.approx(expected, rel=1e-7, abs=1e-7)


def test_compiled_by_numba_as_in_python():
    exits, bases, *_ = case(4)
    alpha = pt.matrix("alpha")
    value = ExitsLogp(LAYOUT)(*exits._replace(alpha=alpha), *bases)
    outputs = [value, pytensor.grad(value.sum(), alpha)]
    fast = pytensor.function([alpha], outputs, mode="NUMBA")(exits.alpha)
    slow = pytensor.function([alpha], outputs, mode=PYTHON)(exits.alpha)
    for one, other in zip(fast, slow, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10)


def test_replicated_exits_have_the_hazards_distribution():
    """Shares of each exit, and the mean month, against integrals by SciPy; 3.5 standard errors of 4,000 replicates."""
    exits, bases, entry, end = case(5, persons=2)
    rng = np.random.default_rng(6)
    draws = [simulate_exits(LAYOUT, rng, exits, bases) for _ in range(4000)]
    code, month = np.array([d[0] for d in draws]), np.array([d[1] for d in draws])

    def survival(i, t):
        return np.exp(-sum(quad(lambda s, e=e: hazard_by_hand(exits, i, e, s), entry[i], t)[0] for e in (0, 1)))

    for i in (0, 1):
        shares = [
            quad(lambda t, e=e, i=i: hazard_by_hand(exits, i, e, t) * survival(i, t), entry[i], end[i])[0]
            for e in (0, 1)
        ]
        assert sum(shares) + survival(i, end[i]) == pytest.approx(1.0, abs=1e-8)  # competing risks sum to one
        for e, share in enumerate(shares):
            error = np.sqrt(share * (1 - share) / 4000)
            assert abs((code[:, i] == e + 1).mean() - share) < 3.5 * error + 1e-3
        mean = quad(lambda t, i=i: survival(i, t), entry[i], end[i])[0]  # of min(exit, end) after entry
        assert abs(month[:, i].mean() - mean) < 3.5 * month[:, i].std() / np.sqrt(4000) + 0.02
