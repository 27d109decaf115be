"""Exact draws and criteria of a two-arm table of persons, and refusals."""

import numpy as np
import pandas as pd
import pytest
from oracles.single_trial import least_squares
from scipy import stats

from bayesmodels.errors import BadInput
from bayesmodels.study import ClusterTable, Endpoint
from bayesmodels.surrogacy.person_level import posterior_arms, single_trial
from bayesmodels.surrogacy.settings import SurrogacySettings


def frame(n=(30, 50), seed=4):
    rng = np.random.default_rng(seed)
    arm = np.repeat([0, 1], n)
    s = rng.normal(size=sum(n)) + 0.5 * arm
    outcome = 0.8 * s + rng.normal(size=sum(n)) + 0.3 * arm
    return pd.DataFrame({"treatment": arm, "surrogate": s, "outcome": outcome})


def read(data, **options):
    return ClusterTable.from_frame(data, active=1, clustered=False, name="persons", **options)


def test_draws_have_the_moments_of_the_inverse_wishart_posterior():
    data = read(frame())
    draws = 40_000
    s = [data.values[(data.treatment > 0) == z] for z in (False, True)]
    scatter = sum((v - v.mean(axis=0)).T @ (v - v.mean(axis=0)) for v in s)
    common = posterior_arms(data, draws=draws, seed=1, covariance="common")
    mean = scatter / (80 - 2 - 2 - 1)  # E of an inverse Wishart: scatter / (df - p - 1)
    np.testing.assert_allclose(common.pooled.mean(axis=0), mean, rtol=0.02)
    np.testing.assert_allclose(common.beta.std(), np.sqrt(mean[1, 1] * (1 / 30 + 1 / 50)), rtol=0.02)
    assert common.beta.mean() == pytest.approx(s[1][:, 1].mean() - s[0][:, 1].mean(), abs=0.01)
    by_arm = posterior_arms(data, draws=draws, seed=1)
    for z, values in enumerate(s):
        own = np.cov(values.T) * (len(values) - 1) / (len(values) - 1 - 2 - 1)
        np.testing.assert_allclose(by_arm.covariance[:, z].mean(axis=0), own, rtol=0.03)


def test_the_slope_within_arms_has_the_t_distribution_of_regression():
    """gamma given data is t about the least-squares slope: df n - 2 - 1 under this prior."""
    data = read(frame())
    exact = least_squares(data)
    gamma = posterior_arms(data, draws=20_000, seed=2, covariance="common").gamma
    x = np.column_stack([np.ones(80), data.treatment > 0, data.values[:, 0]])
    left = data.values[:, 1] - x @ np.linalg.lstsq(x, data.values[:, 1])[0]
    spread = np.sqrt(left @ left / 77 * np.linalg.inv(x.T @ x)[2, 2])
    assert stats.kstest((gamma - exact.gamma_given_arm) / spread, stats.t(77).cdf).pvalue > 0.001


def test_likelihood_reduction_is_the_squared_partial_correlation():
    data = read(frame())
    exact = least_squares(data)
    assert exact.likelihood_reduction == pytest.approx(exact.adjusted_association**2, rel=1e-12)


GOOD = {"surrogate": Endpoint("surrogate", "ln", "up"), "outcome": Endpoint("outcome", "points", "up")}


def test_the_criteria_of_a_table_are_those_of_its_draws():
    data = read(frame((60, 60)), **GOOD)
    found = single_trial(data, SurrogacySettings(seed=3), draws=2000)
    exact = least_squares(data)
    rows = found.table.set_index("quantity")
    for name, value, error in (("alpha", exact.alpha, exact.alpha_se), ("beta", exact.beta, exact.beta_se)):
        assert rows.at[name, "median"] == pytest.approx(value, abs=0.1 * error)
        assert rows.at[name, "upper"] - rows.at[name, "lower"] == pytest.approx(2 * 1.98 * error, rel=0.1)
    assert rows.at["adjusted_association", "median"] == pytest.approx(exact.adjusted_association, abs=0.02)
    again = single_trial(data, SurrogacySettings(seed=3), draws=2000)
    pd.testing.assert_frame_equal(found.table, again.table)
    assert found.table["median"].tolist() != single_trial(data, SurrogacySettings(seed=4)).table["median"].tolist()


def test_one_trial_gives_no_verdict_on_the_trial_level():
    found = single_trial(read(frame((60, 60)), **GOOD))
    assert [verdict.rung for verdict in found.verdicts] == ["response", "individual", "trial"]
    assert found.verdicts[2].answer == "not assessable"
    assert not [name for name in found.table["quantity"] if "trial" in name]
    assert "trial: not assessable" in found.sentence()
    assert "in persons, 1 against 0" in found.verdicts[0].reasons[0]


def test_an_important_difference_makes_the_fourth_criterion_judged():
    data = read(frame((60, 60)), **GOOD)
    assert np.isnan(single_trial(data).prentice.probabilities["C4"])
    half = single_trial(data, important_difference=1.0).prentice.probabilities
    assert half == single_trial(data, SurrogacySettings(residual_region=0.5)).prentice.probabilities
    assert 0 < half["C4"] < 1


def _kept(table, same):
    """The surrogate of the arm 1, and the same value for everyone in the other."""
    return table["surrogate"].where(table["treatment"].astype(str) == "1", same)


def test_refusals():
    with pytest.raises(BadInput, match=r'expected the good direction of the surrogate, "up" or "down", got none'):
        single_trial(read(frame()))
    with pytest.raises(BadInput, match="expected four persons or more in the arm 1, found 1"):
        single_trial(read(frame((10, 1)), **GOOD))
    with pytest.raises(BadInput, match="in the arm 0 the surrogate is the same for everyone"):
        single_trial(read(frame().assign(surrogate=lambda f: f["surrogate"] * f["treatment"]), **GOOD))
    for same in (0.1, 3.3, 1 / 3):  # whose mean is another number, by rounding
        with pytest.raises(BadInput, match="in the arm 0 the surrogate is the same for everyone"):
            single_trial(read(frame((7, 11)).assign(surrogate=lambda f, same=same: _kept(f, same)), **GOOD))
    with pytest.raises(BadInput, match="in the arm 1 the outcome is a straight line of the surrogate"):
        single_trial(read(frame().assign(outcome=lambda f: 3 - 2 * f["surrogate"]), **GOOD))
    for wrong in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(BadInput, match=f"important_difference: expected a finite number above 0, got {wrong:g}"):
            single_trial(read(frame(), **GOOD), important_difference=wrong)
    with pytest.raises(BadInput, match="table: expected ClusterTable, got DataFrame"):
        single_trial(frame())
    with pytest.raises(BadInput, match="draws: expected a whole number of 100 or more"):
        single_trial(read(frame(), **GOOD), draws=10)
