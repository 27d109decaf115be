"""Metrics of the trial rung against closed forms, SciPy and simulation."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats
from small_trials import daniels_hughes
from trial_grid import grid_posterior

from bayesmodels.surrogacy.trial_level.cuts import SOURCES, TrialVerdictSettings
from bayesmodels.surrogacy.trial_level.draws import TrialDraws
from bayesmodels.surrogacy.trial_level.paradox import paradox_probability
from bayesmodels.surrogacy.trial_level.prior_information import prior_information
from bayesmodels.surrogacy.trial_level.threshold import LEVELS, benefit_curve, threshold, threshold_table
from bayesmodels.surrogacy.trial_level.verdict import bses3_inputs, trial_verdict


def certain(mean_s=-0.3, mean_t=0.2, sd_s=0.3, sd_t=0.25, rho=-0.9, n=3, nu=np.inf):
    """A posterior without uncertainty: closed forms hold."""
    return TrialDraws(*(np.full(n, value) for value in (mean_s, mean_t, sd_s, sd_t, rho)), nu)


def uncertain(n=4000, nu=np.inf):
    rng = np.random.default_rng(5)
    return TrialDraws(
        rng.normal(-0.3, 0.1, n),
        rng.normal(0.2, 0.1, n),
        0.3 * np.exp(rng.normal(0, 0.3, n)),
        0.25 * np.exp(rng.normal(0, 0.3, n)),
        -rng.beta(9, 1.5, n),
        nu,
    )


@pytest.mark.parametrize("se", [0.0, 0.1])
@pytest.mark.parametrize("margin", [0.0, 0.1])
@pytest.mark.parametrize("level", LEVELS)
def test_the_threshold_of_a_known_regression_is_its_closed_form(level, margin, se):
    """Solve intercept + slope a - z sd = margin, sd with the effect's error times the slope."""
    draws = certain()
    slope, sd = -0.9 * 0.25 / 0.3, 0.25 * np.sqrt(1 - 0.81)
    intercept = 0.2 - slope * -0.3
    spread = np.hypot(sd, slope * se)
    expected = (margin + stats.norm.ppf(level) * spread - intercept) / slope
    found = threshold(draws, level, "down", "up", margin=margin, se=se)
    assert found.surrogate_effect == pytest.approx(expected, abs=1e-6)
    assert found.ranges == ((pytest.approx(-expected, abs=1e-6), np.inf),)


def test_thresholds_grow_with_the_level_and_the_margin():
    table = threshold_table(uncertain(), "down", "up", margins=(0.0, 0.1))
    for _, part in table.groupby("margin"):
        sizes = part.sort_values("level")["surrogate_effect"].abs()
        assert (sizes.diff().dropna() > 0).all()
    zero, above = (table[table["margin"] == m]["surrogate_effect"].abs().to_numpy() for m in (0.0, 0.1))
    assert (above > zero).all()


def test_mirrored_directions_give_mirrored_thresholds():
    d = uncertain()
    mirrored = TrialDraws(-d.mean_s, -d.mean_t, d.sd_s, d.sd_t, d.rho)
    a = threshold(d, 0.9, "down", "up").surrogate_effect
    assert threshold(mirrored, 0.9, "up", "down").surrogate_effect == pytest.approx(-a, abs=1e-9)


def test_a_threshold_that_does_not_exist_says_why():
    d = uncertain()
    flat = TrialDraws(d.mean_s, d.mean_t, d.sd_s, d.sd_t, np.random.default_rng(1).uniform(-1, 1, len(d.rho)))
    found = threshold(flat, 0.975, "down", "up")
    assert found.surrogate_effect is None
    assert found.reason.startswith("the probability that a larger effect on the surrogate goes with a better outcome")
    assert "no surrogate threshold effect" in found.sentence()
    beyond = threshold(certain(), 0.975, "down", "up", margin=50.0)
    assert beyond.surrogate_effect is None
    assert "where the search ends" in beyond.reason


def test_a_probability_that_rises_and_falls_has_a_bounded_range_and_no_threshold():
    """One draw in two has the wrong sign of a small slope: benefit is likely for small effects only."""
    half = np.array([1.0, -1.0])
    draws = TrialDraws(np.zeros(2), np.full(2, 0.3), np.full(2, 1.0), np.full(2, 0.2), half * 0.5)
    found = threshold(draws, 0.8, "up", "up")
    assert found.surrogate_effect is None
    ((low, high),) = found.ranges
    assert low == 0.0
    assert benefit_curve(draws, np.array([high]), "up")[0] == pytest.approx(0.8, abs=1e-6)


def test_benefit_by_simulation():
    d = uncertain()
    rng = np.random.default_rng(2)
    a, se = -0.5, 0.1
    alpha = a + se * rng.standard_normal((50, len(d.rho)))
    beta = d.intercept + d.slope * alpha + d.conditional_sd * rng.standard_normal(alpha.shape)
    error = np.sqrt(0.25 / beta.size) * 4
    assert d.beyond(a, 0.05, 1.0, se) == pytest.approx((beta > 0.05).mean(), abs=error)
    assert d.predicted(a, se).quantile(0.1) == pytest.approx(np.quantile(beta, 0.1), abs=0.01)


def test_t_effects_given_a_known_surrogate_effect_are_the_conditional_t():
    """beta | alpha = a is t with nu + 1 degrees of freedom, scale s sqrt((nu + d^2) / (nu + 1))."""
    nu, a = 4.0, -1.2
    draws = certain(nu=nu)
    slope, sd = -0.9 * 0.25 / 0.3, 0.25 * np.sqrt(1 - 0.81)
    distance = (a + 0.3) / 0.3
    exact = stats.t(nu + 1, 0.2 + slope * (a + 0.3), sd * np.sqrt((nu + distance**2) / (nu + 1)))
    found = draws.predicted(a)
    for p in (0.1, 0.5, 0.9):
        assert found.quantile(p) == pytest.approx(exact.ppf(p), abs=0.01 * exact.std())


@pytest.mark.parametrize("nu", [3.0, 4.0])
@pytest.mark.parametrize("effect", [0.5, 10.0, 20.0, 200.0])
def test_t_effects_far_from_the_trials_keep_their_tails(nu, effect):
    """The same closed form, ten and more scales away, where only small g explain the effect."""
    draws = certain(mean_s=0.0, mean_t=0.0, sd_s=1.0, sd_t=1.0, rho=0.8, nu=nu)
    exact = stats.t(nu + 1, 0.8 * effect, 0.6 * np.sqrt((nu + effect**2) / (nu + 1)))
    assert draws.beyond(effect, 0.0, 1.0) == pytest.approx(exact.sf(0.0), abs=1e-5)
    found = draws.predicted(effect)
    for p in (0.025, 0.5, 0.975):
        assert found.quantile(p) == pytest.approx(exact.ppf(p), abs=1e-4 * exact.std())


def test_a_far_estimate_under_t_effects_by_quadrature():
    """P(beta < b | estimate), summed over the true effect on a grid, without the mixture."""
    nu, rho, se, estimate = 4.0, 0.5, 0.2, 10.0
    draws = certain(mean_s=0.0, mean_t=0.0, sd_s=1.0, sd_t=1.0, rho=rho, nu=nu)
    alpha = np.linspace(estimate - 10 * se, estimate + 10 * se, 4001)
    weight = stats.t(nu).pdf(alpha) * stats.norm.pdf(estimate, alpha, se)
    given = stats.t(nu + 1, rho * alpha, np.sqrt((1 - rho**2) * (nu + alpha**2) / (nu + 1)))
    for b in (-4.0, 5.0, 16.0):
        expected = (weight @ given.cdf(b)) / weight.sum()
        assert draws.of_a_trial(estimate, se).cdf(b) == pytest.approx(expected, abs=1e-5)


def test_with_t_effects_no_threshold_is_claimed_above_the_limit():
    draws = certain(mean_s=0.0, mean_t=0.0, sd_s=1.0, sd_t=1.0, rho=0.8, nu=3.0)
    found = threshold(draws, 0.975, "up", "up")
    assert found.limit == pytest.approx(stats.t(4).cdf(2 * 0.8 / 0.6))
    assert found.limit < 0.975
    assert found.surrogate_effect is None
    assert threshold(draws, 0.95, "up", "up").surrogate_effect is not None


def test_a_range_that_holds_as_far_as_was_searched_is_no_threshold():
    """Four draws in a hundred have the wrong slope, so small that the search does not see it."""
    n = 100
    rho = np.where(np.arange(n) < 96, -0.9, 0.01)
    draws = TrialDraws(np.full(n, -0.3), np.full(n, 0.9), np.full(n, 0.3), np.full(n, 0.25), rho)
    found = threshold(draws, 0.975, "down", "up")
    assert found.limit == pytest.approx(0.96)
    assert found.surrogate_effect is None
    assert np.isfinite(found.ranges[-1][1])
    assert "0.960" in found.reason


def test_a_benefit_without_any_effect_on_the_surrogate_is_said():
    draws = certain(mean_s=0.0, mean_t=5.0)
    found = threshold(draws, 0.975, "down", "up")
    assert found.surrogate_effect == 0
    assert "even without an effect on the surrogate" in found.sentence()
    assert bses3_inputs(0.7, 0.0, np.array([-1.0, 0.0]), "down")["step"] is None


@pytest.mark.parametrize("nu", [np.inf, 4.0])
def test_prediction_of_a_left_out_trial_by_simulation(nu):
    """Accept simulated trials whose estimated surrogate effect is the one seen."""
    draws = certain(nu=nu)
    rng = np.random.default_rng(3)
    n, se, error, within = 2_000_000, 0.2, 0.15, 0.3
    g = np.ones(n) if np.isinf(nu) else rng.gamma(nu / 2, 2 / nu, n)
    z = rng.standard_normal((4, n))
    alpha = -0.3 + 0.3 * z[0] / np.sqrt(g)
    beta = 0.2 + 0.25 * (-0.9 * z[0] + np.sqrt(0.19) * z[1]) / np.sqrt(g)
    seen = alpha + se * z[2]
    estimate = beta + error * (within * z[2] + np.sqrt(1 - within**2) * z[3])
    near = np.abs(seen + 0.8) < 0.01
    for values, mixture in (
        (beta, draws.of_a_trial(-0.8, se)),
        (estimate, draws.of_a_trial(-0.8, se, outcome_se=error, within=within)),
    ):
        assert near.sum() > 3000
        for p in (0.025, 0.5, 0.975):
            at = mixture.quantile(p)
            density = (mixture.cdf(at + 0.01) - mixture.cdf(at - 0.01)) / 0.02
            monte_carlo = 4 * np.sqrt(p * (1 - p) / near.sum()) / density
            assert at == pytest.approx(np.quantile(values[near], p), abs=monte_carlo)


def test_paradox_by_scipy():
    draws = certain()
    both = stats.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]])  # good: alpha < 0 and beta > 0
    good = stats.norm.cdf(0.3 / 0.3)
    expected = good - both.cdf([0.3 / 0.3, 0.2 / 0.25])
    found = paradox_probability(draws, "down", "up")
    assert found["joint"] == pytest.approx(expected, abs=1e-5)
    assert found["given_good_surrogate"] == pytest.approx(expected / good, abs=1e-5)


@pytest.mark.parametrize("rho", [-0.999, -0.5, 0.0, 0.7, 0.999])
def test_orthant_probabilities(rho):
    """P(X < 0, Y < 0) = 1/4 + arcsin(rho) / (2 pi): with zero means the paradox is the rest of a half."""
    draws = certain(mean_s=0.0, mean_t=0.0, rho=rho)
    expected = 0.5 - (0.25 + np.arcsin(rho) / (2 * np.pi))
    assert paradox_probability(draws, "up", "up")["joint"] == pytest.approx(expected, abs=1e-6)


def test_information_of_a_known_density():
    """rho with density 1 + rho on (-1, 1), over 2: KL from uniform in bits by integration."""
    u = (np.arange(400_000) + 0.5) / 400_000
    rho = 2 * np.sqrt(u) - 1
    exact = integrate.quad(lambda r: (1 + r) / 2 * np.log2(1 + r), -1, 1)[0]
    found = prior_information(rho)
    assert found.bits == pytest.approx(exact, abs=2e-3)  # bins see a little less than the density
    limits = 2 * np.sqrt([0.025, 0.975]) - 1
    assert found.rho_width_ratio == pytest.approx(np.diff(limits)[0] / 1.9, abs=1e-3)


@pytest.mark.parametrize("copies", [1, 5])
def test_bits_are_less_their_monte_carlo_bias(copies):
    """On average over short chains the bits are those of the density, also where every draw stands there five times."""
    n, replicates = 600, 300
    edges = np.linspace(-1, 1, 51)
    share = np.diff((1 + edges) ** 2 / 4)
    exact = np.sum(share * np.log2(share * 50))
    draws = 2 * np.sqrt(np.random.default_rng(6).random((replicates, n))) - 1
    found = [prior_information(np.repeat(rho, copies), ess=n) for rho in draws]
    bits = np.array([one.bits for one in found])
    error = bits.std() / np.sqrt(replicates)
    assert found[0].bits_bias == pytest.approx(49 / (2 * n * np.log(2)))
    assert found[0].bits_bias > 10 * error  # the bias is seen at this size
    assert bits.mean() == pytest.approx(exact, abs=4 * error)


def test_information_of_the_prior_itself_is_none():
    n = 8000
    found = prior_information(np.random.default_rng(4).uniform(-1, 1, n))
    assert 0 <= found.bits < 0.003
    assert found.width_ratio == pytest.approx(1, abs=0.02)
    assert found.rho_width_ratio == pytest.approx(1, abs=0.02)
    assert found.prior_r2 == pytest.approx((0.25, 0.000625, 0.950625))
    own = np.random.default_rng(5).beta(3, 2, 20_000)
    assert prior_information(own, own).bits == 0
    rng = np.random.default_rng(8)  # a prior known by draws: their error counts too
    both = [prior_information(rng.beta(3, 2, 4000), rng.beta(3, 2, 1000)) for _ in range(60)]
    assert both[0].bits_bias == pytest.approx(49 / (2 * np.log(2)) * (1 / 4000 + 1 / 1000))
    assert np.mean([one.bits > 0 for one in both]) == pytest.approx(0.5, abs=0.25)


def judged(rho, programmes, width=0.3):
    """The verdict with this width of rho over the prior's; that of R2 is as the prior's, and not read."""
    draws = TrialDraws(*(np.zeros(len(rho)) for _ in range(2)), *(np.ones(len(rho)) for _ in range(2)), rho)
    return trial_verdict(draws, replace(prior_information(rho), width_ratio=1.0, rho_width_ratio=width), programmes)


@pytest.mark.parametrize(
    ("low", "high", "programmes", "width", "verdict", "iqwig"),
    [
        (0.90, 0.99, 12, 0.3, "supported", "valid"),
        (0.90, 0.99, 9, 0.3, "uncertain", "valid"),
        (0.90, 0.99, 5, 0.3, "not assessable", "not assessable"),
        (0.90, 0.99, 12, 0.9, "not assessable", "not assessable"),
        (0.10, 0.65, 12, 0.3, "not supported", "not valid"),
        (0.10, 0.65, 6, 0.3, "not supported", "not valid"),
        (0.50, 0.95, 40, 0.3, "uncertain", "unclear"),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_verdicts_by_the_stated_cut_offs(low, high, programmes, width, verdict, iqwig, sign):
    found = judged(sign * np.linspace(low, high, 1001), programmes, width)
    assert (found.verdict, found.iqwig) == (verdict, iqwig)
    assert found.sentence().startswith(f"Trial level: {verdict}. ")


def test_the_verdict_of_few_programmes_counts_them():
    assert judged(np.linspace(-1, 1, 1001), 2, 1.0).reasons[0] == (
        "Two independent contrasts with both effects and standard errors; at least 6 are needed to assess the trial "
        "level."
    )


def exact_verdict(table, se_times=1.0):
    """Verdict and information of the model's posterior of rho on a grid, without a sampler."""
    frame = table.frame
    se = se_times * frame[["surrogate_se", "outcome_se"]].to_numpy(float)
    effects = frame[["surrogate_effect", "outcome_effect"]].to_numpy(float)
    grid = grid_posterior(effects, se, np.zeros(len(frame)), (20.0, 0.5), cells=(30, 30, 200))
    rho = grid.quantile(grid.rho, (np.arange(20_000) + 0.5) / 20_000)
    information = prior_information(rho)
    zero, one = np.zeros(len(rho)), np.ones(len(rho))
    return trial_verdict(TrialDraws(zero, zero, one, one, rho), information, len(frame)), information


def test_daniels_hughes_is_better_known_than_before_though_the_interval_of_r2_is_as_wide_as_its_prior():
    found, information = exact_verdict(daniels_hughes())
    assert information.width_ratio > 0.8
    assert information.rho_width_ratio < 0.5
    assert information.bits > 1
    assert found.verdict == "uncertain"
    assert "hardly known" not in found.sentence()


def test_the_same_effects_with_large_errors_leave_the_correlation_as_it_was():
    found, information = exact_verdict(daniels_hughes(), se_times=10)
    assert information.rho_width_ratio > 0.9
    assert (found.verdict, found.iqwig) == ("not assessable", "not assessable")
    assert found.reasons[0].endswith("the correlation is hardly known better than before these data.")


def test_every_cut_off_has_a_source():
    assert set(TrialVerdictSettings.model_fields) <= set(SOURCES)


def test_bses3_share_of_effects_beyond_the_threshold():
    effects = np.array([-1.0, 0.0])
    found = bses3_inputs(0.7, -0.6, effects, "down")
    assert found["step"] == pytest.approx(0.4)
    assert found["rank"] == "excellent"
    assert bses3_inputs(0.7, -0.85, effects, "down")["rank"] == "fair"
    assert bses3_inputs(0.7, None, effects, "down") == {
        "r2_trial": 0.7, "step": None, "r2_individual": None, "rank": "none",
    }  # fmt: skip
