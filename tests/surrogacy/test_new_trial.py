"""Prediction for a new trial against importance sampling from the prior, and numerical integration of t effects."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy import integrate, stats

from bayesmodels import predict_trial
from bayesmodels.errors import BayesmodelsError
from bayesmodels.surrogacy.trial_level.draws import TrialDraws
from bayesmodels.surrogacy.trial_level.new_trial import weighted

TRIALS = np.array([(-0.9, 0.10, 0.45, 0.15), (-0.2, 0.12, 0.05, 0.12), (0.1, 0.08, 0.02, 0.10)])
"""Surrogate effect and SE, outcome effect and SE."""

NEW = (-2.5, 0.1)
SCALE = 0.5


def prior_draws(n, seed):
    rng = np.random.default_rng(seed)
    mean = rng.normal(0, 2 * SCALE, (2, n))
    sd = np.abs(rng.normal(0, SCALE, (2, n)))
    return TrialDraws(mean[0], mean[1], sd[0], sd[1], rng.uniform(-1, 1, n))


def log_likelihood(theta, trials):
    """Of the trials' pairs of estimates, by the bivariate normal density written out."""
    total = np.zeros(len(theta.rho))
    for a, se_a, b, se_b in trials:
        v_s, v_t = theta.sd_s**2 + se_a**2, theta.sd_t**2 + se_b**2
        c = theta.rho * theta.sd_s * theta.sd_t
        x, y = a - theta.mean_s, b - theta.mean_t
        det = v_s * v_t - c**2
        total += -0.5 * (np.log(det) + (v_t * x**2 - 2 * c * x * y + v_s * y**2) / det)
    return total


@pytest.fixture(scope="module")
def posterior():
    """Draws given the three trials alone, by importance resampling from the prior."""
    theta = prior_draws(1_500_000, 1)
    weight = np.exp((log := log_likelihood(theta, TRIALS)) - log.max())
    assert 1 / np.sum((weight / weight.sum()) ** 2) > 3000
    at = np.random.default_rng(2).choice(len(weight), 20_000, p=weight / weight.sum())
    return TrialDraws(*(getattr(theta, name)[at] for name in ("mean_s", "mean_t", "sd_s", "sd_t", "rho")))


def test_the_prediction_is_that_of_a_further_row_with_the_surrogate_alone(posterior):
    theta, rng = prior_draws(1_500_000, 3), np.random.default_rng(4)
    effect, se = NEW
    spread = theta.sd_s**2 + se**2
    log = log_likelihood(theta, TRIALS) - 0.5 * (np.log(spread) + (effect - theta.mean_s) ** 2 / spread)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    at = rng.choice(len(weight), 40_000, p=weight)
    # The new trial's true effects: alpha given its estimate, then beta given alpha.
    shrink = theta.sd_s[at] ** 2 / spread[at]
    alpha = rng.normal(theta.mean_s[at] + shrink * (effect - theta.mean_s[at]), np.sqrt(shrink) * se)
    beta = rng.normal(theta.intercept[at] + theta.slope[at] * alpha, theta.conditional_sd[at])
    mixture, effective = weighted(posterior, effect, se)
    lower, middle, upper = np.quantile(beta, [0.25, 0.5, 0.75])
    assert mixture.interval(0.5) == pytest.approx((middle, lower, upper), abs=0.05)
    assert effective > 1000
    # An estimate so far from the three trials' does inform the draws: without the weights the answer is another one.
    ignored = posterior.of_a_trial(effect, se).interval(0.5)
    assert ignored[0] - middle > 0.12


def test_an_estimate_without_information_changes_no_draw(posterior):
    vague, effective = weighted(posterior, 0.0, 1e4)
    assert effective == pytest.approx(20_000, rel=1e-6)
    plain = posterior.of_a_trial(0.0, 1e4)
    assert vague.interval(0.9) == pytest.approx(plain.interval(0.9), abs=1e-6)


@pytest.mark.parametrize("degrees_of_freedom", [np.inf, 4.0])
def test_few_draws_are_spent_where_the_weights_are(posterior, degrees_of_freedom):
    """A thousand draws by weight are less than half as far from all 20,000 as a thousand evenly spaced, by median."""
    draws = replace(posterior, degrees_of_freedom=degrees_of_freedom)
    every, effective = weighted(draws, *NEW)
    few, of_all = weighted(draws, *NEW, most=1000)
    assert of_all == min(effective, 1000)
    limits, off = np.array(every.interval(0.8)), []
    for start in range(5):
        even, of_even = weighted(draws.chosen(np.arange(start, 20_000, 20)), *NEW)
        assert len(few.mean) <= len(even.mean)
        assert of_even < effective / 10
        off.append(np.abs(even.interval(0.8) - limits).max())
    assert np.abs(few.interval(0.8) - limits).max() < 0.5 * np.median(off)


def test_the_density_of_an_estimate_under_t_effects_is_the_integral_over_their_scale():
    draws = TrialDraws(
        np.array([0.2, -0.5]), np.zeros(2), np.array([0.3, 0.8]), np.ones(2), np.zeros(2), degrees_of_freedom=4.0
    )
    for k, (mean, sd) in enumerate(((0.2, 0.3), (-0.5, 0.8))):
        # t(4) convolved with Normal(0, .25), over the true effect.
        exact, _ = integrate.quad(
            lambda true, mean=mean, sd=sd: stats.t(4, mean, sd).pdf(true) * stats.norm(true, 0.25).pdf(-1.1), -30, 30,
            points=[-1.1, mean], limit=400,
        )  # fmt: skip
        assert draws.log_density(-1.1, 0.25)[k] == pytest.approx(np.log(exact), abs=1e-4)


def test_another_posterior_is_refused():
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"x": (("chain", "draw"), np.zeros((2, 5)))})})
    with pytest.raises(BayesmodelsError, match="trial_level"):
        predict_trial(tree, -0.3, 0.1)
