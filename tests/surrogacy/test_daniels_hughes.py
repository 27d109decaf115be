"""Daniels-Hughes on a grid against a Gibbs sampler that keeps every trial's true effects."""

import numpy as np
import pandas as pd
import pytest
from oracles.daniels_hughes import daniels_hughes, tau_sensitivity
from scipy.stats import norm

from bayesmodels.errors import BadInput

CHAINS = 200


@pytest.fixture(scope="module")
def trials():
    rng = np.random.default_rng(11)
    alpha = rng.normal(-0.3, 0.3, 9)
    beta = 0.05 + 0.8 * alpha + rng.normal(0, 0.1, 9)
    s_se, t_se, r = rng.uniform(0.08, 0.15, 9), rng.uniform(0.1, 0.2, 9), np.full(9, 0.4)
    noise = rng.standard_normal((2, 9))
    return pd.DataFrame(
        {
            "surrogate_effect": alpha + s_se * noise[0],
            "surrogate_se": s_se,
            "outcome_effect": beta + t_se * (r * noise[0] + np.sqrt(1 - r**2) * noise[1]),
            "outcome_se": t_se,
            "within_correlation": r,
        }
    )


def gibbs(t: pd.DataFrame, surrogate_scale: float, outcome_scale: float) -> dict[str, np.ndarray]:
    """Draws (iteration, chain) from the model as written, true effects and all; tau by its conditional on a grid."""
    rng = np.random.default_rng(12)
    seen = t[["surrogate_effect", "outcome_effect"]].to_numpy()
    covariance = np.zeros((len(t), 2, 2))
    covariance[:, 0, 0], covariance[:, 1, 1] = t["surrogate_se"] ** 2, t["outcome_se"] ** 2
    covariance[:, 0, 1] = covariance[:, 1, 0] = t["within_correlation"] * t["surrogate_se"] * t["outcome_se"]
    precision = np.linalg.inv(covariance)
    data_term = np.einsum("nab,nb->na", precision, seen)
    prior_precision = np.diag([1 / (5 * outcome_scale) ** 2, (surrogate_scale / (5 * outcome_scale)) ** 2])
    grid = np.linspace(0.0005, 2.5, 800) * outcome_scale
    l0, l1, tau = np.zeros(CHAINS), np.ones(CHAINS), np.full(CHAINS, outcome_scale / 2)
    kept = {"intercept": [], "slope": [], "conditional_sd": []}
    for step in range(500):
        line = np.stack([-l1, np.ones(CHAINS)])  # (beta - l1 alpha - l0) / tau is standard normal
        p = precision[None] + np.einsum("ac,bc->cab", line, line)[:, None] / tau[:, None, None, None] ** 2
        right = data_term[None] + (line.T * (l0 / tau**2)[:, None])[:, None]
        root = np.linalg.cholesky(np.linalg.inv(p))
        mean = np.linalg.solve(p, right[..., None])[..., 0]
        alpha, beta = np.moveaxis(mean + np.einsum("cnab,cnb->cna", root, rng.standard_normal(mean.shape)), -1, 0)
        design = np.stack([np.ones_like(alpha), alpha], axis=-1)
        p = prior_precision + np.einsum("cna,cnb->cab", design, design) / tau[:, None, None] ** 2
        mean = np.linalg.solve(p, np.einsum("cna,cn->ca", design, beta)[..., None] / tau[:, None, None] ** 2)[..., 0]
        root = np.linalg.cholesky(np.linalg.inv(p))
        l0, l1 = (mean + np.einsum("cab,cb->ca", root, rng.standard_normal(mean.shape))).T
        squares = ((beta - l0[:, None] - l1[:, None] * alpha) ** 2).sum(axis=1)
        log_p = -len(t) * np.log(grid) - 0.5 * squares[:, None] / grid**2 - 0.5 * (grid / outcome_scale) ** 2
        p = np.exp(log_p - log_p.max(axis=1, keepdims=True)).cumsum(axis=1)
        tau = grid[(p < rng.random((CHAINS, 1)) * p[:, -1:]).sum(axis=1)]
        if step >= 150:
            for name, value in zip(kept, (l0, l1, tau), strict=True):
                kept[name].append(value)
    return {name: np.array(values) for name, values in kept.items()}


def test_the_grid_agrees_with_gibbs(trials):
    found = daniels_hughes(trials, surrogate_scale=0.3, outcome_scale=0.25).table.set_index("quantity")
    drawn = gibbs(trials, 0.3, 0.25)
    for name, values in drawn.items():
        by_chain = np.array([values.mean(axis=0), (values < found.at[name, "lower"]).mean(axis=0),
                             (values < found.at[name, "median"]).mean(axis=0),
                             (values < found.at[name, "upper"]).mean(axis=0)])  # fmt: skip
        expected = [found.at[name, "mean"], 0.025, 0.5, 0.975]
        error = by_chain.std(axis=1, ddof=1) / np.sqrt(CHAINS)
        assert np.all(np.abs(by_chain.mean(axis=1) - expected) < 4 * error + 1e-4), name
        assert values.std() == pytest.approx(found.at[name, "sd"], rel=0.05)


def test_prediction_for_a_new_trial_is_the_mixture(trials):
    found = daniels_hughes(trials, surrogate_scale=0.3, outcome_scale=0.25)
    rng = np.random.default_rng(3)
    at = rng.choice(len(found.weight), 200_000, p=found.weight)
    l0 = rng.normal(found.intercept_mean[at], found.intercept_sd[at])
    new = l0 + found.slope[at] * -0.5 + found.tau[at] * rng.standard_normal(len(at))
    assert found.probability_above(-0.5, -0.1) == pytest.approx((new > -0.1).mean(), abs=0.004)


def test_without_errors_and_spread_it_is_least_squares():
    x = np.linspace(-1, 1, 12)
    y = 0.2 + 1.5 * x + 0.1 * np.cos(7 * x)
    t = pd.DataFrame({"surrogate_effect": x, "surrogate_se": 1e-4, "outcome_effect": y, "outcome_se": 1e-4})
    found = daniels_hughes(t, surrogate_scale=1, outcome_scale=100, tau_prior="uniform").table.set_index("quantity")
    slope, intercept = np.polyfit(x, y, 1)
    assert found.at["slope", "mean"] == pytest.approx(slope, abs=1e-4)
    assert found.at["intercept", "mean"] == pytest.approx(intercept, abs=1e-4)
    residual = y - intercept - slope * x
    # flat prior of tau: tau^2 | y is inverse gamma with 9 degrees of freedom
    assert found.at["conditional_sd", "median"] == pytest.approx(
        np.sqrt((residual**2).sum() / 8.3427),
        rel=2e-3,  # median of chi-square(9)
    )


def test_sensitivity_to_the_prior_of_tau(trials):
    table = tau_sensitivity(trials, surrogate_scale=0.3, outcome_scale=0.25)
    upper = table[table["quantity"] == "conditional_sd"].set_index(["tau_prior", "outcome_scale"])["upper"]
    assert len(upper) == 5
    assert upper["half_normal", 0.125] < upper["half_normal", 0.25] < upper["uniform", 0.25]


def test_bad_rows_are_named(trials):
    bad = trials.copy()
    bad.loc[0, "outcome_se"] = 0.0
    bad.loc[3, "surrogate_effect"] = np.nan
    with pytest.raises(BadInput) as caught:
        daniels_hughes(bad, surrogate_scale=0.3, outcome_scale=0.25)
    assert caught.value.problems == (
        "row 5: surrogate_effect cannot be used; correct it or leave the trial out",
        "row 2: outcome_se cannot be used; correct it or leave the trial out",
    )


def test_probability_falls_where_it_must(trials):
    found = daniels_hughes(trials, surrogate_scale=0.3, outcome_scale=0.25)
    falling = [found.probability_above(a) for a in (0.5, 0.0, -0.5, -1.0)]
    assert falling == sorted(falling, reverse=True)
    assert norm.sf(0) > falling[-1]
