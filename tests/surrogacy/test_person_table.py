"""Exact draws of a two-arm person-level table, and refusals."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bayesmodels.errors import BadInput
from bayesmodels.surrogacy.person_table import least_squares, person_table, posterior_arms


def frame(n=(30, 50), seed=4):
    rng = np.random.default_rng(seed)
    arm = np.repeat([0, 1], n)
    s = rng.normal(size=sum(n)) + 0.5 * arm
    return pd.DataFrame({"arm": arm, "s": s, "t": 0.8 * s + rng.normal(size=sum(n)) + 0.3 * arm})


def read(data, **options):
    return person_table(data, surrogate="s", outcome="t", arm="arm", active=1, control=0, **options)


def test_draws_have_the_moments_of_the_inverse_wishart_posterior():
    data = read(frame())
    draws = 40_000
    s = [data.values[data.active == z] for z in (False, True)]
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
    x = np.column_stack([np.ones(80), data.active, data.values[:, 0]])
    left = data.values[:, 1] - x @ np.linalg.lstsq(x, data.values[:, 1])[0]
    spread = np.sqrt(left @ left / 77 * np.linalg.inv(x.T @ x)[2, 2])
    assert stats.kstest((gamma - exact.gamma_given_arm) / spread, stats.t(77).cdf).pvalue > 0.001


def test_likelihood_reduction_is_the_squared_partial_correlation():
    data = read(frame())
    exact = least_squares(data)
    assert exact.likelihood_reduction == pytest.approx(exact.adjusted_association**2, rel=1e-12)


def test_all_problems_are_listed_at_once():
    data = frame()
    data.loc[0, "arm"] = 2
    data.loc[3, "s"] = np.nan
    with pytest.raises(BadInput) as error:
        read(data)
    assert [str(p) for p in error.value.problems] == [
        "persons, row 1: column 'arm': expected 0 or 1, got 2",
        "persons, row 4: expected numbers in 's' and 't'; fill in, drop the row, or ask for complete_cases",
    ]
    with pytest.raises(BadInput, match="expected a column 't', found arm, s"):
        read(data[["arm", "s"]])
    with pytest.raises(BadInput, match="four persons or more in the active arm, found 1"):
        read(frame((10, 1)))
    assert read(frame().assign(s=lambda f: f["s"].where(f.index > 1)), complete_cases=True).dropped == 2
