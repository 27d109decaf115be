"""The one-stage model: density from the patients, published quantities by matrix algebra, the prior of R2, recovery."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, multivariate_normal

from bayesmodels.errors import BadInput
from bayesmodels.fitted import fit
from bayesmodels.fitting import NutsSettings, prior_draws
from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.models.prior_table import prior_table
from bayesmodels.models.trial_level.one_stage import ClusteredEndpoint, OneStageModel, correlation_shapes
from bayesmodels.study import ClusterTable

MODEL = OneStageModel(
    surrogate=ClusteredEndpoint(effect_scale=1.0, patient_sd=2.0),
    outcome=ClusteredEndpoint(effect_scale=2.0, patient_sd=4.0, centre=-3.0),
)


def patients(rng, clusters, per_arm, mean, between, residual, *, exact=False) -> ClusterTable:
    """Patients from the model as written; `between` (4, 4) of effects then levels, `residual` (2, 2).

    `exact`: the clusters drawn have the mean and covariance themselves, so that no unlucky draw of clusters moves them.
    """
    terms = rng.multivariate_normal(mean, between, size=clusters)
    if exact:
        white = np.linalg.solve(np.linalg.cholesky(np.cov(terms.T)), (terms - terms.mean(axis=0)).T)
        terms = mean + (np.linalg.cholesky(between) @ white).T
    rows = []
    for i in range(clusters):
        for arm in (0, 1):
            for e in rng.multivariate_normal([0, 0], residual, size=per_arm):
                y = terms[i, 2:] + terms[i, :2] * (arm - 0.5) + e
                rows.append((f"c{i:03d}", arm, *y))
    return ClusterTable.from_frame(
        pd.DataFrame(rows, columns=["cluster", "treatment", "surrogate", "outcome"]), active=1
    )


@pytest.fixture(scope="module")
def small():
    return patients(np.random.default_rng(1), 3, 2, np.zeros(4), np.eye(4), np.eye(2))


@pytest.fixture(scope="module")
def prior(small):
    return prior_draws(MODEL.build(small), seed=4, draws=4000).isel(chain=0)


def correlation(partial):
    """Correlation matrix from canonical partial correlations, one by one from their definition."""
    r = np.eye(4)
    at = iter(partial)
    for i in range(1, 4):
        for j in range(i):
            given = list(range(j))
            block = r[np.ix_([*given, i, j], [*given, i, j])]
            left = block[:-2, -2:]
            inner = np.linalg.solve(block[:-2, :-2], left) if given else np.zeros((0, 2))
            known = left.T @ inner
            r[i, j] = r[j, i] = known[0, 1] + next(at) * np.sqrt((1 - known[0, 0]) * (1 - known[1, 1]))
    return r


def test_the_density_is_that_of_the_patients(small):
    pm_model = MODEL.build(small)
    rng = np.random.default_rng(2)
    partial = rng.uniform(-0.8, 0.8, 6)
    at = {
        "mean_effect": np.array([0.3, -1.0]), "mean_level": np.array([1.0, 0.5]), "effect_sd": np.array([0.7, 1.4]),
        "between_level_sd": np.array([1.1, 2.1]), "partial_correlation": (1 + partial) / 2,
        "residual": np.array([1.5, 3.0]), "residual_correlation": np.array(-0.4),
    }  # fmt: skip
    (observed,) = pm_model.observed_RVs
    import pymc as pm
    import pytensor

    density = pm.logp(observed, pm_model.rvs_to_values[observed], warn_rvs=False)
    function = pytensor.function(pm_model.free_RVs, density, mode=python_mode(), on_unused_input="ignore")
    found = function(*(at[rv.name] for rv in pm_model.free_RVs))
    sd = np.concatenate([at["effect_sd"], at["between_level_sd"]])
    d = np.outer(sd, sd) * correlation(partial)
    s = np.array([[1.5**2, -0.4 * 4.5], [-0.4 * 4.5, 9.0]])
    mean = np.concatenate([at["mean_effect"], at["mean_level"]])
    for i, own in enumerate(small.clusters):
        rows = small.rows[small.rows["cluster"] == own]
        load = np.concatenate([np.hstack([(a - 0.5) * np.eye(2), np.eye(2)]) for a in rows["active"].astype(int)])
        covariance = load @ d @ load.T + np.kron(np.eye(len(rows)), s)
        expected = multivariate_normal(load @ mean, covariance).logpdf(
            rows[["surrogate", "outcome"]].to_numpy().ravel()
        )
        assert found[i] == pytest.approx(expected, rel=1e-9)


def test_published_quantities_by_matrix_algebra(small, prior):
    from bayesmodels.fitting.prior import prior_of_free_variables

    free = prior_of_free_variables(MODEL.build(small), seed=4, draws=4000).isel(chain=0)
    for k in range(20):
        draw = free.isel(draw=k)
        r = correlation(2 * draw["partial_correlation"].to_numpy() - 1)
        sd = np.concatenate([draw["effect_sd"], draw["between_level_sd"]])
        d = np.outer(sd, sd) * r
        m = d[np.ix_([2, 0], [2, 0])]  # level and effect of the surrogate (Buyse et al. 2000)
        c = d[[2, 0], 1]
        got = prior.isel(draw=k)
        assert float(got["trial_r2_full"]) == pytest.approx(c @ np.linalg.solve(m, c) / d[1, 1], rel=1e-8)
        assert float(got["trial_r2"]) == pytest.approx(d[0, 1] ** 2 / (d[0, 0] * d[1, 1]), rel=1e-8)
        assert float(got["trial_slope"]) == pytest.approx(d[0, 1] / d[0, 0], rel=1e-8)
        assert float(got["trial_conditional_sd"]) ** 2 == pytest.approx(
            d[1, 1] - d[0, 1] ** 2 / d[0, 0], rel=1e-6, abs=1e-10
        )
        mean = draw["mean_effect"].to_numpy()
        assert float(got["trial_intercept"]) == pytest.approx(mean[1] - d[0, 1] / d[0, 0] * mean[0], rel=1e-8)
        s = draw["residual"].to_numpy()
        rho = float(draw["residual_correlation"])
        assert float(got["individual_slope"]) == pytest.approx(rho * s[0] * s[1] / s[0] ** 2)
        assert float(got["individual_r2"]) == pytest.approx(rho**2)


def test_the_prior_of_both_r2_is_known(prior):
    assert kstest(prior["trial_correlation"], "uniform", args=(-1, 2)).pvalue > 1e-3
    assert kstest(prior["individual_correlation"], "uniform", args=(-1, 2)).pvalue > 1e-3
    rho, other = prior["trial_correlation"].to_numpy(), correlation_shapes()[2]
    rng = np.random.default_rng(6)
    full = 1 - (1 - rng.uniform(-1, 1, 100_000) ** 2) * (1 - (2 * rng.beta(other, other, 100_000) - 1) ** 2)
    assert np.median(prior["trial_r2"]) == pytest.approx(0.25, abs=0.03)
    assert np.median(prior["trial_r2_full"]) == pytest.approx(np.median(full), abs=0.03)
    assert np.all(prior["trial_r2_full"] >= rho**2 - 1e-12)
    np.testing.assert_allclose(prior["trial_sd"].mean("draw"), np.sqrt(2 / np.pi) * np.array([1, 2]), rtol=0.06)


def test_prior_table_states_every_prior(small):
    table = prior_table(MODEL, small)
    assert len(table) == 13
    assert "Normal(-3, 20)" in set(table["prior"])


def test_other_data_are_refused():
    with pytest.raises(BadInput, match="takes a ClusterTable, got DataFrame; make one in Python"):
        MODEL.build(pd.DataFrame())


@pytest.mark.slow
def test_recovery_of_a_simulated_collection():
    """Forty trials of 2 x 60 patients: truths inside 99 % intervals, and R2_indiv as precise as its sampling error."""
    sd = np.array([1.0, 2.0, 1.5, 3.0])
    r = np.eye(4)
    r[0, 1] = r[1, 0] = 0.9
    r[2, 3] = r[3, 2] = 0.5
    residual = np.array([[4.0, 4.8], [4.8, 16.0]])
    mean = np.array([-1.0, 1.5, 0.0, -4.0])
    data = patients(np.random.default_rng(7), 40, 60, mean, np.outer(sd, sd) * r, residual, exact=True)
    tree = fit(MODEL, data, NutsSettings(draws=750, tune=750, chains=2, seed=8, progress=False))
    draws = tree["posterior"].to_dataset().stack(sample=("chain", "draw"))
    truth = {
        "trial_correlation": 0.9, "trial_slope": 1.8, "individual_correlation": 0.6, "individual_slope": 1.2,
        "trial_conditional_sd": 2 * np.sqrt(1 - 0.81),
    }  # fmt: skip
    for name, value in truth.items():
        lower, upper = np.quantile(draws[name], [0.005, 0.995])
        assert lower < value < upper, name
    for name, values in {
        "trial_mean": (-1.0, 1.5),
        "trial_sd": sd[:2],
        "level_sd": sd[2:],
        "patient_sd": (2, 4),
    }.items():
        lower, upper = np.quantile(draws[name], [0.005, 0.995], axis=draws[name].dims.index("sample"))
        assert np.all((lower < values) & (values < upper)), name
    assert float(draws["individual_correlation"].std()) == pytest.approx((1 - 0.36) / np.sqrt(40 * 120), rel=0.15)
    assert float(draws["trial_correlation"].std()) < 0.15
