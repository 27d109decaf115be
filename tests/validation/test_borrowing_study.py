"""The exact posterior of the borrowing study: against the package's own density, closed forms, and its sampler."""

from __future__ import annotations

import numpy as np
import pytensor
import pytest
from scipy.stats import invgamma, invwishart, multivariate_normal, norm
from validation.borrowing import exact, study

from bayesmodels.fitting.evaluate import python_mode

MONTHS = np.array(study.WEEKS) / study.MONTH_IN_WEEKS


def groups(drift=1.0):
    return study.drifted(study.visits_of(np.random.default_rng(3), 0.3), drift)


def at_one_covariance(c, data, **drift):
    """The posterior at one covariance, taken as known."""
    spread = exact.Spread(np.ones(1), np.asarray(c)[None], np.zeros(1))
    return exact.posterior(data, spread, *(exact.drift_sds(**drift) if drift else ()))


def test_given_the_covariance_the_effect_is_the_normal_regression_of_all_visits():
    sigma, between = 2.0, np.array([[36.0, 0.6], [0.6, 0.5]])
    x = np.stack([np.ones(4), MONTHS], axis=1)
    v = x @ between @ x.T + sigma**2 * np.eye(4)
    y = groups()
    fixed = 0.4
    prior = np.diag(np.square([6.0, 0.5, 2.0, 6.0, 0.5 * fixed]))
    precision, linear = np.linalg.inv(prior), np.linalg.inv(prior) @ [37.0, -1.0, 0.0, 37.0, 0.0]
    rate, none = x[:, 1], np.zeros(4)
    for k, design in enumerate(
        ([x[:, 0], rate, rate, none, none], [x[:, 0], rate, none, none, none], [none, rate, none, x[:, 0], rate])
    ):
        a = np.stack(design, axis=1)
        for row in y[k]:
            precision = precision + a.T @ np.linalg.solve(v, a)
            linear = linear + a.T @ np.linalg.solve(v, row)
    cov = np.linalg.inv(precision)
    data = exact.summary_of(y, MONTHS)
    found = at_one_covariance(between + sigma**2 * data.inverse, data, fixed=fixed)
    assert found["mean"] == pytest.approx((cov @ linear)[2], rel=1e-8)
    assert found["sd"] == pytest.approx(np.sqrt(cov[2, 2]), rel=1e-8)
    assert found["above_zero"] == pytest.approx(norm.cdf((cov @ linear)[2] / np.sqrt(cov[2, 2])), rel=1e-8)
    assert found["share_used"] == pytest.approx(1 + cov[1, 4] / cov[1, 1], rel=1e-8)


def test_components_are_weighted_by_their_marginal_density():
    data = exact.summary_of(groups(), MONTHS)
    c = np.array([[40.0, 0.0], [0.0, 0.9]])
    found = at_one_covariance(c, data, mixture=(0.7, 0.1, 1.0))
    loadings = np.array([[1, 0, 0, 0], [0, 1, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]], float)
    noise = np.kron(np.diag(1.0 / data.size), c)
    prior = np.diag(np.square([6.0, 0.5, 2.0, 6.0]))  # level, rate, effect, external level
    density = []
    for s in (0.05, 0.5):
        whole = loadings @ prior @ loadings.T + noise
        whole[5, 5] += s**2
        density.append(multivariate_normal.pdf(data.mean.ravel(), loadings @ [37, -1, 0, 37], whole))
    weights = np.array([0.7, 0.3]) * density
    np.testing.assert_allclose(found["of_sd"], weights / weights.sum(), rtol=1e-8)


def covariance_of(sd, rho, sigma, data):
    """Of persons' least-squares level and slope."""
    off = rho * sd[0] * sd[1]
    return np.array([[sd[0] ** 2, off], [off, sd[1] ** 2]]) + sigma**2 * data.inverse


def of_the_spread(sd, rho, sigma, data):
    """Log density of the scatter within groups, the residuals and the priors, but for a constant."""
    c, n = covariance_of(sd, rho, sigma, data), data.size.sum()
    log = -0.5 * (n - len(data.size)) * np.linalg.slogdet(c)[1] - 0.5 * np.trace(np.linalg.solve(c, data.scatter))
    log += -0.5 * data.residual / sigma**2 - n * (len(data.months) - 2) * np.log(sigma)
    return log - 0.5 * (sigma / 2.5) ** 2 - 0.5 * (sd[0] / 6) ** 2 - 0.5 * sd[1] ** 2 + np.log1p(-(rho**2))


@pytest.mark.slow
def test_sufficient_statistics_and_priors_have_the_density_of_the_package():
    """Differences of log density between two values of the SDs, means at their posterior given each: free of "
    "constants."""
    y = groups()
    pm_model = study.the_model("pooled").build(study.study_of(y))
    free = {rv.name: pm_model.rvs_to_values[rv] for rv in pm_model.free_RVs}
    density = pm_model.logp(jacobian=False)
    function = pytensor.function(list(free.values()), density, mode=python_mode())
    data = exact.summary_of(y, MONTHS)

    def package(sd, rho, sigma):
        transforms = {rv.name: pm_model.rvs_to_transforms[rv] for rv in pm_model.free_RVs}
        values = {
            "term_mean": np.array([[37.0], [-1.0], [0.0]]), "external_drift_score": np.zeros((1, 1, 1)),
            "external_mean_level": np.full((1, 1, 1), 37.0), "term_sd": np.array([sd]), "error_sd": np.array([[sigma]]),
            "partial_correlation": np.array([(rho + 1) / 2]),
        }  # fmt: skip
        moved = [
            values[n] if transforms[n] is None else transforms[n].forward(values[n], *pm_model[n].owner.inputs)
            for n in free
        ]
        return float(function(*[v.eval() if hasattr(v, "eval") else v for v in moved]))

    def by_hand(sd, rho, sigma):
        apart = data.mean - np.array([37.0, -1.0])
        c = covariance_of(sd, rho, sigma, data)
        log = -0.5 * len(data.size) * np.linalg.slogdet(c)[1]
        log -= 0.5 * np.einsum("g,ga,ab,gb->", data.size, apart, np.linalg.inv(c), apart)
        return log + of_the_spread(sd, rho, sigma, data)

    first, second = ((6.0, 0.8), 0.1, 2.0), ((5.0, 1.1), -0.4, 2.3)
    assert package(*first) - package(*second) == pytest.approx(by_hand(*first) - by_hand(*second), rel=1e-8)


def test_weights_of_the_spread_are_density_over_proposal_in_variance_and_covariance():
    """40 persons: the density by SDs and correlation, over a numerical Jacobian and the proposal's density by SciPy."""
    data = exact.summary_of(groups()[:2], MONTHS)
    n, visits = data.size.sum(), len(MONTHS)
    spread = exact.spread_of(data, 50, np.random.default_rng(6))

    def moved(x):  # of sigma, SDs, correlation: variance and C
        c = covariance_of(x[1:3], x[3], x[0], data)
        return np.array([x[0] ** 2, c[0, 0], c[1, 1], c[0, 1]])

    expected = []
    for variance, c in zip(spread.variance, spread.covariance, strict=True):
        between = c - variance * data.inverse
        if (np.linalg.eigvalsh(between) <= 0).any():
            expected.append(-np.inf)
            continue
        sd = np.sqrt(np.diag(between))
        x = np.array([np.sqrt(variance), *sd, between[0, 1] / sd.prod()])
        np.testing.assert_allclose(moved(x), [variance, c[0, 0], c[1, 1], c[0, 1]])
        steps = np.diag(1e-6 * np.maximum(np.abs(x), 0.1))
        jacobian = np.stack([(moved(x + h) - moved(x - h)) / (2 * h.sum()) for h in steps], axis=1)
        log = of_the_spread(x[1:3], x[3], x[0], data) - np.linalg.slogdet(jacobian)[1]
        log -= invgamma.logpdf(variance, n * (visits - 2) / 2, scale=data.residual / 2)
        expected.append(log - invwishart.logpdf(c, n - 2, data.scatter))
    inside = np.isfinite(expected)
    assert inside.sum() > 40
    np.testing.assert_array_equal(np.isfinite(spread.log_weight), inside)
    difference = spread.log_weight[inside] - np.array(expected)[inside]
    np.testing.assert_allclose(difference, difference[0], atol=1e-5)


def test_draws_of_the_spread_are_right_in_a_case_with_many_persons():
    """With many persons SDs are known: weights even out and draws gather about the truth."""
    rng = np.random.default_rng(1)
    months = np.arange(6.0)
    level, rate = 37 + 6 * rng.normal(size=4000), -1 + 0.8 * rng.normal(size=4000)
    y = level[:, None] + rate[:, None] * months + 2 * rng.normal(size=(4000, 6))
    data = exact.summary_of([y[:2000], y[2000:]], months)
    spread = exact.spread_of(data, 300, rng)
    w = np.exp(spread.log_weight - spread.log_weight.max())
    c = np.einsum("m,mab->ab", w / w.sum(), spread.covariance)
    np.testing.assert_allclose(c, np.diag([36.0, 0.64]) + 4 * data.inverse, atol=1.0)
    assert w.sum() ** 2 / (w**2).sum() > 250


@pytest.mark.slow
@pytest.mark.parametrize("method", list(study.METHODS)[:3])
def test_the_exact_posterior_is_that_of_the_package(method):
    from bayesmodels.fitting import NutsSettings, sample
    from bayesmodels.statistics.borrowing import share_used

    y = groups()
    own = y if study.METHODS[method] is not None else y[:2]
    data = exact.summary_of(own, MONTHS)
    spread = exact.spread_of(data, 4000, np.random.default_rng(2))
    expected = exact.posterior(data, spread, *(study.sds_of(method) if len(own) == 3 else ()))
    pm_model = study.the_model(method).build(study.study_of(y))
    tree = sample(pm_model, NutsSettings(draws=2000, tune=1000, chains=2, seed=4, progress=False))
    effect = tree["posterior"]["drug_effect"].to_numpy().ravel()
    assert effect.mean() == pytest.approx(expected["mean"], abs=0.03 * expected["sd"] + 0.01)
    assert effect.std() == pytest.approx(expected["sd"], rel=0.06)
    assert (effect > 0).mean() == pytest.approx(expected["above_zero"], abs=0.02)
    if len(own) == 3:
        rate = tree["posterior"]["population_rate"].to_numpy().ravel()
        used = share_used(rate, rate + tree["posterior"]["trial_drift"].to_numpy().ravel())
        assert used == pytest.approx(expected["share_used"], abs=0.08)


def test_the_page_and_the_table_are_of_the_records(tmp_path):
    spec = study.BorrowingSpec(variant="no_effect", draws=100)
    records = [{"trial": n, "cpu_seconds": 0.1, **study.analyse(spec, n)} for n in range(3)]
    said = study.STUDY.write(records, spec, tmp_path, 3)
    assert "A drug that does nothing is found to help in" in said
    table = study.results(records, spec).tables["characteristics"]
    assert len(table) == 13
    rows = [row for record in records for row in record["rows"] if row["method"] == "pooled" and row["drift"] == 1.0]
    (row,) = table[(table["method"] == "pooled") & (table["drift"] == 1.0)].to_dict("records")
    assert row["helped"] == sum(r["above_zero"] > 0.975 for r in rows)
    assert row["bias"] == pytest.approx(np.mean([r["mean"] for r in rows]))
    assert all(r["share_used"] > 0.99 for r in rows)
