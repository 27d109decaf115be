"""Single-trial criteria: hand calculations, identities, brute force."""

import math

import numpy as np
import pytest
from oracles.single_trial import delta_limits, fieller, positive_definite_grid
from scipy import stats

from bayesmodels.surrogacy.criteria.arms import Arms, correlation
from bayesmodels.surrogacy.criteria.causal_association import (
    causal_association,
    cross_world,
    effect_covariance,
    principal_strata,
)
from bayesmodels.surrogacy.criteria.mediation import confounded_gain, sensitivity_table
from bayesmodels.surrogacy.criteria.prentice import Regions, prentice
from bayesmodels.surrogacy.criteria.proportion_explained import proportion_explained
from bayesmodels.surrogacy.criteria.relative_effect import relative_effect
from bayesmodels.surrogacy.single_trial import likelihood_reduction, mutual_information

RNG = np.random.default_rng(11)


def random_arms(draws=200, alpha=(-1.0, 0.1), beta=(2.0, 0.2), good=(-1.0, 1.0), rng=RNG):
    factors = rng.normal(size=(draws, 2, 2, 2))
    covariance = factors @ np.swapaxes(factors, -1, -2) + 0.1 * np.eye(2)
    mean = rng.normal(size=(draws, 2, 2))
    mean[:, 1] = mean[:, 0] + np.stack([rng.normal(*alpha, draws), rng.normal(*beta, draws)], axis=-1)
    return Arms(mean, covariance, np.array([0.4, 0.6]), np.array(good))


def fixed_arms(alpha, beta, sigma, draws=4, good=(1.0, 1.0), cross=None):
    mean = np.zeros((draws, 2, 2))
    mean[:, 1] = (alpha, beta)
    covariance = np.broadcast_to(np.asarray(sigma, float), (draws, 2, 2, 2))
    return Arms(mean, covariance, np.array([0.5, 0.5]), np.array(good), cross)


def test_pooled_quantities_by_hand():
    sigma = np.array([[[1.0, 0.2], [0.2, 4.0]], [[2.0, 1.4], [1.4, 8.0]]])
    arms = fixed_arms(-1.0, 3.0, sigma)
    assert arms.gamma[0] == pytest.approx(0.8 / 1.5)
    assert arms.adjusted_association[0] == pytest.approx(0.8 / math.sqrt(1.5 * 6.0))
    assert arms.arm_association[0] == pytest.approx([0.1, 0.35])
    assert arms.residual_effect[0] == pytest.approx(3.0 + 0.8 / 1.5)
    # E(T | S = s, Z = z) = mean_T + gamma_z (s - mean_S): at s = 0 (control's mean) and s = -1 (the active arm's)
    assert arms.arm_residual_effect[0] == pytest.approx([3.0 + 0.7, 3.0 + 0.2])


def test_likelihood_reduction_is_r2_for_normals():
    arms = random_arms()
    np.testing.assert_allclose(likelihood_reduction(arms), arms.adjusted_association**2, rtol=1e-9)
    by_arm = 1 - np.exp(-2 * mutual_information(arms.covariance, 1))
    np.testing.assert_allclose(by_arm, arms.arm_association**2, rtol=1e-9, atol=1e-12)


def test_proportion_explained_is_gamma_over_the_relative_effect():
    arms = random_arms()
    explained, ratio = proportion_explained(arms), relative_effect(arms)
    np.testing.assert_allclose(explained.draws, arms.gamma / ratio.draws, rtol=1e-9)
    np.testing.assert_allclose(explained.draws, arms.gamma * arms.alpha / arms.beta, rtol=1e-9)
    assert explained.withheld == ""
    assert explained.median == pytest.approx(np.median(arms.gamma * arms.alpha / arms.beta), abs=0.02)


def test_proportion_explained_is_withheld_without_an_effect_on_the_outcome():
    found = proportion_explained(random_arms(beta=(0.3, 0.4)))
    assert "denominator not separated from 0" in found.withheld
    assert math.isnan(found.median)
    assert "withheld" in found.sentence()
    harmful = proportion_explained(random_arms(beta=(-2.0, 0.1)))
    assert harmful.probability_favours == 0
    assert harmful.withheld


def test_draws_in_which_a_lag_still_holds_both_effects_at_zero():
    """0 / 0 is no share and no ratio: such draws are left out, others keep their place."""
    arms = random_arms(400)
    mean = arms.mean.copy()
    mean[:5, 1] = mean[:5, 0]
    lagging = Arms(mean, arms.covariance, arms.share, arms.good)
    kept = Arms(mean[5:], arms.covariance[5:], arms.share, arms.good)
    first, second = proportion_explained(lagging), proportion_explained(kept)
    assert (first.median, first.lower, first.upper) == (second.median, second.lower, second.upper)
    assert relative_effect(lagging).median == relative_effect(kept).median


def test_ratio_sets():
    assert relative_effect(random_arms()).set.kind == "interval"
    unbounded = relative_effect(random_arms(alpha=(-0.1, 1.0)))
    assert (unbounded.set.kind, unbounded.set.bounded) == ("everything", False)
    assert "unbounded" in unbounded.sentence()


@pytest.mark.parametrize(("alpha", "beta"), [(3.0, 2.0), (1.0, 4.0), (0.5, 0.5), (-2.5, 1.0)])
def test_fieller_is_the_set_of_ratios_not_rejected(alpha, beta):
    variance = np.array([[1.0, 0.3], [0.3, 0.5]])
    found = fieller(alpha, beta, variance)
    ratios = np.linspace(-400, 400, 80_001)
    z = (beta - ratios * alpha) / np.sqrt(variance[1, 1] - 2 * ratios * variance[0, 1] + ratios**2 * variance[0, 0])
    kept = np.abs(z) <= stats.norm.ppf(0.975)
    inside = {
        "interval": (ratios >= found.lower) & (ratios <= found.upper),
        "outside": (ratios <= found.lower) | (ratios >= found.upper),
        "everything": np.ones_like(kept),
    }[found.kind]
    np.testing.assert_array_equal(kept, inside)
    assert {3.0: "interval", 1.0: "outside", 0.5: "everything", -2.5: "interval"}[alpha] == found.kind


def test_delta_limits_agree_with_simulation_where_alpha_is_far_from_zero():
    variance = np.array([[1.0, 0.4], [0.4, 2.0]]) * 1e-4
    lower, upper = delta_limits(2.0, 3.0, variance)
    ratio = np.divide(*np.random.default_rng(1).multivariate_normal([2.0, 3.0], variance, 400_000).T[::-1])
    assert (lower, upper) == pytest.approx(np.quantile(ratio, [0.025, 0.975]), abs=2e-4)


def test_prentice_probabilities_by_counting():
    arms = random_arms(400, beta=(2.0, 0.8))
    found = prentice(arms, Regions(0.9, 0.1, 1.5))
    alpha, beta, left = -arms.alpha, arms.beta, arms.residual_effect
    conditions = [alpha > 0.9, beta > 0.1, -arms.gamma > 0, np.abs(left) < 1.5]
    for name, condition in zip(("C1", "C2", "C3", "C4"), conditions, strict=True):
        assert found.probabilities[name] == pytest.approx(condition.mean())
    assert found.probabilities["joint"] == pytest.approx(np.logical_and.reduce(conditions).mean())
    assert found.probabilities["harm"] == pytest.approx((left < -1.5).mean())
    slopes = arms.covariance[:, :, 0, 1] / arms.covariance[:, :, 0, 0]
    both = [np.abs(arms.beta - slopes[:, z] * arms.alpha) < 1.5 for z in (0, 1)]
    assert found.probabilities["C4, a slope for each arm"] == pytest.approx((both[0] & both[1]).mean())


def test_a_missed_outcome_is_not_assessable_and_no_failure():
    """As VALOR at week 28: the surrogate moved, the outcome was missed."""
    found = prentice(random_arms(alpha=(-1.0, 0.1), beta=(0.6, 0.6)), Regions(residual=1.0))
    assert not found.assessable
    assert "no failure of the surrogate" in found.sentence()
    undeclared = prentice(random_arms(), Regions())
    assert not undeclared.assessable
    assert "no region was declared" in undeclared.reason
    assert math.isnan(undeclared.probabilities["joint"])


def test_criteria_cannot_be_met_by_an_effect_as_small_as_the_residual_region():
    """An effect of .8 inside a region of 1: nothing need go through the surrogate for C4 to hold."""
    found = prentice(random_arms(alpha=(-0.5, 0.05), beta=(0.8, 0.1)), Regions(residual=1.0))
    assert found.probabilities["C2"] > 0.975
    assert not found.assessable
    assert "not shown to exceed the 1 inside which" in found.reason
    assert prentice(random_arms(alpha=(-0.5, 0.05), beta=(3.0, 0.1)), Regions(residual=1.0)).assessable


def test_what_the_design_cannot_say_is_neither_a_criterion_nor_a_share():
    arms = random_arms(beta=(3.0, 0.1))
    assert prentice(arms, Regions(residual=1.0)).assessable
    assert not proportion_explained(arms).withheld
    design = "the chains did not converge"
    assert prentice(arms, Regions(residual=1.0), design=design).sentence() == f"not assessable: {design}"
    explained = proportion_explained(arms, design=design)
    assert explained.withheld == design
    assert math.isnan(explained.median)
    assert sensitivity_table(arms, (0.0,), 0.95, design=design)["share_median"].isna().all()


def test_cross_world_draws_are_uniform_over_the_positive_definite_sets():
    r0, r1 = 0.5, -0.3
    rng = np.random.default_rng(5)
    drawn = cross_world(r0, r1, (20_000,), rng)
    cube = rng.uniform(-1, 1, (200_000, 4))
    everything = np.column_stack([np.full(len(cube), r0), np.full(len(cube), r1), cube])
    matrix = np.ones((len(cube), 4, 4))
    for place, (i, j) in enumerate([(0, 1), (2, 3), (0, 2), (1, 3), (0, 3), (1, 2)]):
        matrix[:, i, j] = matrix[:, j, i] = everything[:, place]
    kept = everything[np.linalg.eigvalsh(matrix).min(axis=1) > 0]
    for place in range(2, 6):
        assert stats.ks_2samp(drawn[:, place], kept[:, place]).pvalue > 0.001
    assert stats.ks_2samp(drawn[:, 2] * drawn[:, 3], kept[:, 2] * kept[:, 3]).pvalue > 0.001
    np.testing.assert_allclose(drawn[:, :2], np.tile([r0, r1], (len(drawn), 1)))


def test_the_covariance_of_effects_by_simulation():
    sets = positive_definite_grid(0.6, 0.4, 0.5)
    r = sets[len(sets) // 3]
    sd = np.array([1.0, 2.0, 1.5, 0.5])  # S0, T0, S1, T1
    full = np.eye(4)
    for place, (i, j) in enumerate([(0, 1), (2, 3), (0, 2), (1, 3), (0, 3), (1, 2)]):
        full[i, j] = full[j, i] = r[place]
    full = full * sd[:, None] * sd
    contrast = np.array([[-1.0, 0.0, 1.0, 0.0], [0.0, -1.0, 0.0, 1.0]])
    by_arm = np.array([np.diag(sd[:2] ** 2), np.diag(sd[2:] ** 2)])
    np.testing.assert_allclose(effect_covariance(r, by_arm), contrast @ full @ contrast.T, rtol=1e-12)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_causal_association_is_one_where_the_outcome_is_the_surrogate(sign):
    """T = 2 S in both worlds: correlations +-1 within arms leave no room, whatever the cross-world ones."""
    sigma = np.array([[1.0, sign * 2.0 * (1 - 1e-9)], [sign * 2.0 * (1 - 1e-9), 4.0]])
    arms = fixed_arms(1.0, 2.0 * sign, [sigma, 1.7 * sigma], draws=50, good=(1.0, 1.0))
    found = causal_association(arms, ("none",), seed=1)
    np.testing.assert_allclose(found.draws["none"], sign, atol=1e-3)
    strata = principal_strata(found, arms).iloc[0]
    assert strata["g1_median"] == pytest.approx(2.0 * sign, rel=1e-3)
    assert strata["g0_median"] == pytest.approx(0.0, abs=1e-3)


def test_the_bridge_gives_the_correlation_of_the_effects_it_implies():
    rng = np.random.default_rng(2)
    loading = rng.normal(size=(4, 3))  # S0, T0, S1, T1 on three person terms
    full = loading @ loading.T
    arms = fixed_arms(1.0, 1.0, [full[:2, :2], full[2:, 2:]], draws=3, cross=np.broadcast_to(full[:2, 2:], (3, 2, 2)))
    difference = (loading[2:] - loading[:2]) @ (loading[2:] - loading[:2]).T
    found = causal_association(arms).draws["delayed-start bridge"]
    np.testing.assert_allclose(found, correlation(difference), rtol=1e-9)
    same = loading.copy()
    same[3] = same[1]  # everyone has the same effect on the outcome
    full = same @ same.T
    flat = fixed_arms(1.0, 1.0, [full[:2, :2], full[2:, 2:]], draws=3, cross=np.broadcast_to(full[:2, 2:], (3, 2, 2)))
    assert np.isnan(causal_association(flat).draws["delayed-start bridge"]).all()


def test_assumptions_narrow_the_sets_and_turn_with_the_good_direction():
    rng = np.random.default_rng(8)
    arms = random_arms(300, rng=rng)
    turned = Arms(arms.mean * [-1, 1], arms.covariance * [[1, -1], [-1, 1]], arms.share, np.array([1.0, 1.0]))
    first, second = (causal_association(a, seed=4) for a in (arms, turned))
    for name in first.draws:
        np.testing.assert_allclose(first.draws[name], second.draws[name], rtol=1e-9)
    share = first.table.set_index("assumption")["share"]
    assert 1.0 == share["none"] > share["ranks kept"] > share["monotone"] > 0
    np.testing.assert_allclose(first.strata["none"][:, 1], -second.strata["none"][:, 1], rtol=1e-9)


@pytest.mark.parametrize("rho", [-0.4, 0.0, 0.3])
def test_the_gain_under_confounding_undoes_it(rho):
    """M = a Z + e2, T = c Z + g M + e3 with corr(e2, e3) = rho: the formula recovers g from what is observed."""
    g, s2, s3 = 0.7, 1.3, 0.9
    mm = s2**2
    mt = g * s2**2 + rho * s2 * s3
    tt = g**2 * s2**2 + 2 * g * rho * s2 * s3 + s3**2
    arms = fixed_arms(1.0, 1.0, np.array([[mm, mt], [mt, tt]]))
    assert confounded_gain(arms, rho)[0] == pytest.approx(g, rel=1e-12)
    assert confounded_gain(arms, 0.0)[0] == pytest.approx(arms.gamma[0])
