"""The direction of the association, against simulated trials; what it does to the verdict of the trial rung."""

import numpy as np
import pytest

from bayesmodels.surrogacy.trial_level.direction import direction
from bayesmodels.surrogacy.trial_level.draws import TrialDraws
from bayesmodels.surrogacy.trial_level.prior_information import prior_information
from bayesmodels.surrogacy.trial_level.verdict import trial_verdict


def draws(mean_t: float, rho: float, n: int = 2000) -> TrialDraws:
    """A sharp posterior: lower is good for the surrogate (mean -.3), higher for the outcome; spreads .3 and .25."""
    rng = np.random.default_rng(1)
    same = [np.full(n, v) for v in (-0.3, mean_t, 0.3, 0.25)]
    return TrialDraws(*same, np.tanh(np.arctanh(rho) + 0.05 * rng.standard_normal(n)))


def answer(found: TrialDraws, programmes: int = 20, stated: bool = True):
    way = direction(found, "down", "up") if stated else None
    return trial_verdict(found, prior_information(found.rho), programmes, direction=way)


def test_direction_against_simulation():
    found = draws(0.1, -0.5)
    rng = np.random.default_rng(2)
    z = rng.standard_normal((400_000, 2))
    s = -0.3 + 0.3 * z[:, 0]
    t = 0.1 + 0.25 * (-0.5 * z[:, 0] + np.sqrt(0.75) * z[:, 1])
    way = direction(found, "down", "up")
    assert way.harm == pytest.approx((t[s < 0] < 0).mean(), abs=0.01)
    assert way.right == 1.0
    assert direction(found, "up", "up").right == 0.0
    assert direction(found, None, "up") is None


def test_the_right_sign_is_supported_and_the_wrong_sign_is_not():
    assert answer(draws(0.2, -0.97)).verdict == "supported"
    wrong = answer(draws(-0.2, 0.97))
    assert (wrong.verdict, wrong.iqwig) == ("not supported", "not valid")
    assert wrong.reasons[0].startswith("Better effects on the surrogate go with worse effects on the outcome")


def test_a_drug_that_harms_besides_is_not_supported_though_effects_go_together():
    found = answer(draws(-0.3, -0.97))
    assert found.verdict == "not supported"
    assert "good for the surrogate harms with probability 0.8" in found.reasons[0]


def test_without_stated_directions_the_sign_is_not_judged_and_said_so():
    found = answer(draws(-0.2, 0.97), stated=False)
    assert found.verdict == "supported"
    assert found.reasons[-1].startswith("Good directions were not stated")


def test_a_weak_association_needs_no_direction():
    assert answer(draws(0.0, 0.0)).verdict == "not supported"
    assert answer(draws(0.2, -0.97), programmes=8).verdict == "uncertain"
    assert answer(draws(0.2, -0.97), programmes=5).verdict == "not assessable"
