"""The responder trap against its closed form, quadrature and the true effect, which is 0."""

import numpy as np
import pytest
from scipy import integrate, stats

from bayesmodels.errors import BadInput
from bayesmodels.simulation.responder_trap import RANDOMISED, RESPONDERS, responder_trap


def row_of(trap, name):
    return trap.table.set_index("comparison").loc[name]


@pytest.mark.parametrize(("effect", "correlation", "reduction"), [
    (0.0, -0.4, 0.2), (-0.5, -0.2, 0.2), (-0.9, -0.6, 0.6), (0.0, 0.3, 0.1), (0.0, 0.0, 0.2),
])  # fmt: skip
def test_the_spurious_benefit_is_the_mean_of_a_truncated_normal(effect, correlation, reduction):
    """By quadrature: E(T | S <= c) with T | S normal about the line, less the controls' mean."""
    sd, slope_mean, slope_sd, drift = 0.3, -1.1, 0.8, 0.05
    trap = responder_trap(
        reduction, surrogate_effect=effect, correlation=correlation, surrogate_sd=sd, slope_mean=slope_mean,
        slope_sd=slope_sd, drift=drift, trials=4000, seed=3,
    )  # fmt: skip
    change = stats.norm(drift + effect, sd)
    cut = np.log(1 - reduction)
    line = lambda s: slope_mean + correlation * slope_sd / sd * (s - drift - effect)  # noqa: E731
    low = drift + effect - 10 * sd
    above = integrate.quad(lambda s: line(s) * change.pdf(s), low, cut)[0]
    by_hand = above / change.cdf(cut) - slope_mean
    assert trap.expected == pytest.approx(by_hand, abs=1e-7)
    assert trap.share == pytest.approx(change.cdf(cut))
    found = row_of(trap, RESPONDERS)
    assert found["mean"] == pytest.approx(by_hand, abs=4 * found["monte_carlo_se"])
    assert np.sign(round(by_hand, 6)) == -np.sign(correlation)


def test_as_randomised_there_is_nothing():
    trap = responder_trap(0.2, surrogate_effect=-0.5, correlation=-0.4, trials=4000, seed=5)
    right, wrong = row_of(trap, RANDOMISED), row_of(trap, RESPONDERS)
    assert right["mean"] == pytest.approx(0, abs=4 * right["monte_carlo_se"])
    error = 4 * np.sqrt(0.025 * 0.975 / 4000)
    assert right["favours_drug"] == pytest.approx(0.025, abs=error)
    assert right["favours_control"] == pytest.approx(0.025, abs=error)
    assert wrong["favours_drug"] > 2 * 0.025
    assert (trap.table["true_effect"] == 0).all()
    assert "Simulated, not data" in trap.sentence()
    assert "the true effect is 0" in trap._repr_html_()


def test_two_persons_are_compared_as_scipy_does():
    trap = responder_trap(0.5, treated=5, controls=4, trials=3, seed=2, level=0.9)
    rng = np.random.default_rng(2)
    first, second = rng.standard_normal((2, 3, 5))
    slopes = -1.012 + 0.9 * (-0.3 * first + np.sqrt(1 - 0.09) * second)
    controls = -1.012 + 0.9 * rng.standard_normal((3, 4))
    for k in range(3):
        welch = stats.ttest_ind(slopes[k], controls[k], equal_var=False).confidence_interval(0.9)
        np.testing.assert_allclose(trap.limits[RANDOMISED][k], welch)


def test_trials_without_two_responders_are_counted():
    trap = responder_trap(0.6, surrogate_sd=0.3, treated=10, trials=300, seed=1)
    row = row_of(trap, RESPONDERS)
    assert row["without"] == np.isnan(trap.estimates[RESPONDERS]).sum() > 200
    assert row["trials"] + row["without"] == 300
    none = responder_trap(0.9, surrogate_sd=0.01, trials=20)
    assert np.isnan(row_of(none, RESPONDERS)["mean"])
    assert np.isfinite(none.expected)


def test_the_seed_decides_and_every_wrong_argument_is_named():
    first, again, other = (responder_trap(trials=50, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.estimates[RESPONDERS], again.estimates[RESPONDERS])
    assert (first.estimates[RANDOMISED] != other.estimates[RANDOMISED]).any()
    with pytest.raises(BadInput) as caught:
        responder_trap(20, correlation=-1, surrogate_sd=0, slope_sd=np.nan, treated=1, controls=0, trials=0, level=95)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "reduction", "correlation", "surrogate_sd", "slope_sd", "treated", "controls", "trials", "level",
    ]  # fmt: skip
    with pytest.raises(BadInput, match="trials: expected 185,185 or fewer of this size"):
        responder_trap(trials=10**6)
