"""`TrialLevelModel`: its likelihood against SciPy, its gradient against differences, its posterior against a grid."""

from itertools import pairwise

import numpy as np
import pymc as pm
import pytest
from arviz_stats.base import array_stats
from pydantic import ValidationError
from scipy import integrate, stats
from small_trials import SCALE, daniels_hughes, eight_frame, eight_trials
from trial_grid import grid_posterior

from bayesmodels.errors import BadInput
from bayesmodels.fitted import fit
from bayesmodels.fitting import NutsSettings
from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.models import model_from_spec
from bayesmodels.models.trial_level.model import TrialLevelModel

MODEL = TrialLevelModel(surrogate_scale=SCALE[0], outcome_scale=SCALE[1], within_correlation=0.15)
FIELDS = {"surrogate_scale": SCALE[0], "outcome_scale": SCALE[1]}
TAU = np.array([0.4, 0.3])
EDGES = (0, 1e-4, 1e-2, 0.1, 0.5, 2, 8, 60)
POINT = {
    "mu": np.array([-0.2, 0.1]),
    "tau_score": stats.norm.ppf(stats.halfnorm.cdf(TAU, scale=SCALE)),
    "rho_score": np.array(-0.9),
}


def row_densities(model, table, point):
    """Log density of every row at a point, by the model."""
    built = model.build(table)
    observed = built["trials"]
    density = pm.logp(observed, built.rvs_to_values[observed])
    inputs = [built[name] for name in point]
    import pytensor

    function = pytensor.function(inputs, density, mode=python_mode(), on_unused_input="ignore")
    return function(*point.values())


def between(point, g=1.0):
    rho = 2 * stats.norm.cdf(point["rho_score"]) - 1
    s, t = TAU
    return np.array([[s**2, rho * s * t], [rho * s * t, t**2]]) / g


def total(point, row, g=1.0, within=0.15):
    r = within if np.isnan(row["within_correlation"]) else row["within_correlation"]
    s, t = row["surrogate_se"], row["outcome_se"]
    return between(point, g) + np.array([[s**2, r * s * t], [r * s * t, t**2]])


def test_the_likelihood_of_a_row_is_the_bivariate_normal_of_scipy():
    table = eight_trials()
    expected = [
        stats.multivariate_normal(POINT["mu"], total(POINT, row)).logpdf(
            [row["surrogate_effect"], row["outcome_effect"]]
        )
        for row in table.frame.to_dict("records")
    ]
    assert row_densities(MODEL, table, POINT) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("nu", [3.0, 4.0, 10.0])
def test_the_likelihood_with_t_effects_is_the_scale_mixture(nu):
    model = TrialLevelModel(**FIELDS, within_correlation=0.15, random_effects="t", degrees_of_freedom=nu)
    frame = eight_frame()
    frame.loc[0, "surrogate_effect"] = -3.0  # seven standard deviations out
    table = type(eight_trials()).from_frame(frame)

    found = row_densities(model, table, POINT)
    gamma = stats.gamma(nu / 2, scale=2 / nu)
    for k in (0, 1, 4):
        row = table.frame.iloc[k].to_dict()
        error = np.array([row["surrogate_effect"], row["outcome_effect"]]) - POINT["mu"]

        def at(g, row=row, error=error):
            v = total(POINT, row, g)
            distance = error @ np.linalg.solve(v, error)
            return np.exp(-distance / 2 + gamma.logpdf(g)) / (2 * np.pi * np.sqrt(np.linalg.det(v)))

        exact = sum(integrate.quad(at, *ends, epsabs=0, epsrel=1e-8)[0] for ends in pairwise(EDGES))
        assert found[k] == pytest.approx(np.log(exact), abs=1e-5)


def test_one_sided_and_censored_effects():
    frame = eight_frame(surrogate_censoring="", outcome_censoring="")
    frame.loc[0, ["outcome_effect", "outcome_se"]] = np.nan
    frame.loc[1, ["surrogate_effect", "surrogate_se"]] = np.nan
    frame.loc[2, "surrogate_censoring"] = "left"
    frame.loc[3, "outcome_censoring"] = "right"
    frame.loc[4, ["outcome_effect", "outcome_se"]] = np.nan
    frame.loc[4, "surrogate_censoring"] = "right"
    frame.loc[5, ["surrogate_effect", "surrogate_censoring"]] = [8.0, "right"]  # far out: P = 1e-60 or so
    table = type(eight_trials()).from_frame(frame, one_sided="used")
    rows = table.frame.to_dict("records")
    found = row_densities(MODEL, table, POINT)
    covariances = [total(POINT, row) for row in rows]
    mu = POINT["mu"]

    def marginal(k, e):
        return stats.norm(mu[e], np.sqrt(covariances[k][e, e]))

    def conditional(k, e):
        """Of endpoint e given the other's estimate."""
        v, o = covariances[k], 1 - e
        y = rows[k][("surrogate_effect", "outcome_effect")[o]]
        mean = mu[e] + v[0, 1] / v[o, o] * (y - mu[o])
        return stats.norm(mean, np.sqrt(v[e, e] - v[0, 1] ** 2 / v[o, o]))

    expected = [
        marginal(0, 0).logpdf(rows[0]["surrogate_effect"]),
        marginal(1, 1).logpdf(rows[1]["outcome_effect"]),
        marginal(2, 1).logpdf(rows[2]["outcome_effect"]) + conditional(2, 0).logcdf(rows[2]["surrogate_effect"]),
        marginal(3, 0).logpdf(rows[3]["surrogate_effect"]) + conditional(3, 1).logsf(rows[3]["outcome_effect"]),
        marginal(4, 0).logsf(rows[4]["surrogate_effect"]),
        marginal(5, 1).logpdf(rows[5]["outcome_effect"]) + conditional(5, 0).logsf(8.0),
    ]
    assert found[:6] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    "model",
    [
        MODEL,
        pytest.param(TrialLevelModel(**FIELDS, random_effects="t"), marks=pytest.mark.slow),
        TrialLevelModel(**FIELDS, within_correlation=(0.0, 1.0)),
        TrialLevelModel(**FIELDS, classes="exchangeable"),
        TrialLevelModel(**FIELDS, classes="specific", target_class="antisense"),
    ],
    ids=["normal", "t", "within unknown", "classes exchangeable", "classes specific"],
)
def test_the_gradient_is_that_of_finite_differences(model):
    table = eight_trials(
        treatment_class=["antisense", "other"] * 4,
        outcome_censoring=["left", *[""] * 7],
    )
    built = model.build(table)
    function = built.compile_fn(built.logp(), mode=python_mode())
    gradient = built.compile_fn(built.dlogp(), mode=python_mode())
    start = built.initial_point(random_seed=1)
    rng = np.random.default_rng(3)
    start = {name: value + 0.3 * rng.standard_normal(np.shape(value)) for name, value in start.items()}
    step, differences = 1e-6, []
    for v in built.value_vars:
        for place in np.ndindex(start[v.name].shape):
            up, down = ({k: np.array(x, float) for k, x in start.items()} for _ in range(2))
            up[v.name][place] += step
            down[v.name][place] -= step
            differences.append((function(up) - function(down)) / (2 * step))
    assert gradient(start) == pytest.approx(differences, rel=1e-5, abs=1e-5)


def test_replicates_have_the_moments_of_the_model():
    built = MODEL.build(eight_trials())
    fixed = pm.do(built, {name: value for name, value in POINT.items()})
    draws = pm.draw(fixed["trials"], draws=20_000, mode=python_mode(), random_seed=2)
    rows = eight_trials().frame.to_dict("records")
    for k in (0, 6):
        assert draws[:, k].mean(axis=0) == pytest.approx(POINT["mu"], abs=4 * 0.45 / np.sqrt(20_000))
        assert np.cov(draws[:, k].T) == pytest.approx(total(POINT, rows[k]), rel=0.06)


@pytest.fixture(scope="module")
def eight_posterior():
    return fit(MODEL, eight_trials(), NutsSettings(draws=1500, tune=500, chains=4, seed=4, progress=False))


def test_the_posterior_is_that_of_a_grid(eight_posterior):
    frame = eight_trials().frame
    exact = grid_posterior(
        frame[["surrogate_effect", "outcome_effect"]].to_numpy(),
        frame[["surrogate_se", "outcome_se"]].to_numpy(),
        frame["within_correlation"].fillna(0.15).to_numpy(),
        SCALE,
        cells=(40, 40, 400),
    )
    draws = eight_posterior["posterior"].to_dataset()
    at = np.array([0.025, 0.25, 0.5, 0.75, 0.975])
    pairs = [
        (draws["trial_correlation"], exact.rho),
        (draws["trial_r2"], exact.rho**2),
        (draws["trial_sd"].sel(endpoint="surrogate"), exact.tau_s),
        (draws["trial_sd"].sel(endpoint="outcome"), exact.tau_t),
        (draws["trial_slope"], exact.rho * exact.tau_t / exact.tau_s),
    ]
    for sampled, cells in pairs:
        values = sampled.to_numpy()
        for p in at:
            error = float(array_stats.mcse(values, chain_axis=0, draw_axis=1, method="quantile", prob=p))
            cell = 0.01 * values.std()
            assert np.quantile(values, p) == pytest.approx(exact.quantile(cells, p), abs=4 * error + cell), sampled.name
    assert draws["trial_mean"].mean(("chain", "draw")).to_numpy() == pytest.approx(exact.expected(exact.mean), abs=0.01)


def test_the_archive_has_what_reports_need(eight_posterior):
    import json

    assert json.loads(eight_posterior.attrs["convergence"])["verdict"] == "ok"
    assert eight_posterior["log_likelihood"]["trials"].dims == ("chain", "draw", "trial")
    assert eight_posterior["prior"]["trial_r2"].sizes["draw"] == 1000
    # R2's prior is that of a squared uniform correlation: P(R2 < .25) = .5.
    assert float((eight_posterior["prior"]["trial_r2"] < 0.25).mean()) == pytest.approx(0.5, abs=0.05)
    assert json.loads(eight_posterior.attrs["data"])["counts"]["n_paired_programmes"] == 8
    assert model_from_spec(json.loads(eight_posterior.attrs["model"])) == MODEL


def test_the_published_variables_agree_with_each_other(eight_posterior):
    d = eight_posterior["posterior"].to_dataset()
    sd_s, sd_t = (d["trial_sd"].sel(endpoint=e) for e in ("surrogate", "outcome"))
    mean_s, mean_t = (d["trial_mean"].sel(endpoint=e) for e in ("surrogate", "outcome"))
    np.testing.assert_allclose(d["trial_r2"], d["trial_correlation"] ** 2)
    np.testing.assert_allclose(d["trial_slope"], d["trial_correlation"] * sd_t / sd_s)
    np.testing.assert_allclose(d["trial_intercept"], mean_t - d["trial_slope"] * mean_s)
    np.testing.assert_allclose(d["trial_conditional_sd"] ** 2, sd_t**2 - d["trial_slope"] ** 2 * sd_s**2, atol=1e-12)


def test_wrong_fields_are_refused():
    with pytest.raises(ValidationError, match="target_class: expected the class"):
        TrialLevelModel(**FIELDS, classes="specific")
    with pytest.raises(ValidationError, match=r"expected an interval inside -1 to 1, got 0\.5 to 0\.2"):
        TrialLevelModel(**FIELDS, within_correlation=(0.5, 0.2))
    with pytest.raises(ValidationError, match="outcome_scale"):
        TrialLevelModel(surrogate_scale=1.0)
    with pytest.raises(BadInput, match="expected a treatment_class of the table"):
        TrialLevelModel(**FIELDS, classes="specific", target_class="no such").build(eight_trials())


REFERENCE = {"mu": (17.41, -0.045), "rho": (-0.994, -0.85, -0.18), "r2": (0.05, 0.72, 0.99), "slope": -0.0086}
"""Daniels and Hughes' CD4 trials by numerical integration on a grid (shared/reference/README.md)."""


def test_the_grid_gives_the_reference_numbers():
    frame = daniels_hughes().frame
    effects = frame[["surrogate_effect", "outcome_effect"]].to_numpy()
    se = frame[["surrogate_se", "outcome_se"]].to_numpy()
    exact = grid_posterior(effects, se, np.zeros(len(frame)), (20.0, 0.5))
    at = [0.025, 0.5, 0.975]
    # Means: a fiftieth and a tenth of a posterior SD (4.6 cells, .06). Our grid is the same to four digits at 50, 100
    # and 600 cells, and the sampler agrees with it.
    assert exact.expected(exact.mean)[0] == pytest.approx(REFERENCE["mu"][0], abs=0.1)
    assert exact.expected(exact.mean)[1] == pytest.approx(REFERENCE["mu"][1], abs=0.006)
    assert exact.quantile(exact.rho, at) == pytest.approx(REFERENCE["rho"], abs=0.02)
    assert exact.quantile(exact.rho**2, at) == pytest.approx(REFERENCE["r2"], abs=0.02)
    slope = exact.rho * exact.tau_t / exact.tau_s
    assert exact.quantile(slope, [0.5])[0] == pytest.approx(REFERENCE["slope"], abs=0.0002)


@pytest.mark.slow
def test_daniels_hughes_at_four_times_two_thousand_draws():
    model = TrialLevelModel(surrogate_scale=20.0, outcome_scale=0.5)
    tree = fit(model, daniels_hughes(), NutsSettings(draws=2000, tune=1000, chains=4, seed=7, progress=False))
    draws = tree["posterior"].to_dataset()
    rho = np.quantile(draws["trial_correlation"], [0.025, 0.5, 0.975])
    r2 = np.quantile(draws["trial_r2"], [0.025, 0.5, 0.975])
    errors = [
        float(
            array_stats.mcse(
                draws["trial_correlation"].to_numpy(), chain_axis=0, draw_axis=1, method="quantile", prob=p
            )
        )
        for p in (0.025, 0.5, 0.975)
    ]
    print("rho", rho.round(4), "Monte-Carlo errors", np.round(errors, 4), "R2", r2.round(4))
    assert rho[:2] == pytest.approx(REFERENCE["rho"][:2], abs=0.03)
    assert rho[2] == pytest.approx(REFERENCE["rho"][2], abs=0.08)
    assert r2 == pytest.approx(REFERENCE["r2"], abs=0.03)
    assert float(np.median(draws["trial_slope"])) == pytest.approx(REFERENCE["slope"], abs=0.03)
    assert float(draws["trial_mean"].sel(endpoint="surrogate").mean()) == pytest.approx(17.41, abs=0.5)
