"""Trials from the model with NumPy against the model's own graph; coverage limits."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats
from scipy.linalg import block_diag
from validation.recovery.coverage import QUANTILES, binomial_limits, coverage_table, is_prior_dominated
from validation.recovery.study import STUDY
from validation.simulated import model_trials, model_visits
from validation.simulated.model_trials import OUTCOMES, draw_truth, two_strata

from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.visits.design import as_data, design_of
from bayesmodels.study import Study
from bayesmodels.vocabulary import VARIABLES

LAYOUT = two_strata(persons=((4, 3), (3, 2)), weeks=(0.0, 12.0, 28.0, 52.0, 148.0))
MODEL = LongitudinalModel(outcomes=OUTCOMES)
WALKS = model_visits.the_model(model_visits.CORRELATED_WALKS)
COMMITTED = [v for v in STUDY.variants if (Path(__file__).parents[2] / v.folder / "manifest.json").exists()]


@pytest.fixture
def truth():
    return draw_truth(MODEL, np.random.default_rng(3))


@pytest.mark.parametrize("model", [MODEL, WALKS], ids=["default", "correlated walks"])
def test_truth_equals_what_the_model_publishes_and_its_likelihood(model):
    import pymc as pm
    import pytensor
    from scipy.stats import multivariate_normal

    from bayesmodels.fitting.evaluate import python_mode

    truth = draw_truth(model, np.random.default_rng(3))
    pm_model = model.build(model_visits.template_study(LAYOUT))
    free = model_trials.free_variables(truth)
    refitted = [name for name, row in VARIABLES.items() if row.refitted and name in pm_model.named_vars]
    outputs = [pm_model[name] for name in refitted]
    density = pm.logp(pm_model["visits"], pm_model.rvs_to_values[pm_model["visits"]], warn_rvs=False)
    design = model_visits.simulate_visits(truth, LAYOUT, np.random.default_rng(4))
    for name, array in as_data(design, OUTCOMES).items():
        if name in pm_model.named_vars:
            pm_model[name].set_value(array.astype(pm_model[name].dtype))
    function = pytensor.function(pm_model.free_RVs, [*outputs, density], mode=python_mode(), on_unused_input="ignore")
    *values, by_person = function(*(free[rv.name] for rv in pm_model.free_RVs))
    expected = model_trials.published(truth, LAYOUT.weeks, LAYOUT.shares)
    assert set(refitted) == set(expected)
    for name, value in zip(refitted, values, strict=True):
        integrated = 5e-5 if name in ("curve", "difference") else 1e-9  # bounded means: 49 nodes against 701
        np.testing.assert_allclose(value, expected[name], rtol=1e-9, atol=integrated, err_msg=name)

    z = np.linspace(-8.0, 8.0, 4_001)
    stratum, group = LAYOUT.cells
    for i in range(len(stratum)):
        f, g = stratum[i], group[i]
        sd, onto = truth.person_sd[f], truth.correlation[0]
        given = (truth.correlation - np.outer(onto, onto)) * np.outer(sd, sd)  # of the terms, given z of the first
        moved = sd * onto * z[:, None]
        moved[:, 0] = sd[0] * model_trials.skewed(truth, z)
        means, loadings, errors, y = [], [], [], []
        for k, outcome in enumerate(design.outcomes):
            there = outcome.present[:, i] == 1
            t = outcome.months[there, i]

            def course(own, k=k, t=t, f=f, g=g):
                at = np.full(len(own), f), np.full(len(own), g)
                return model_trials.person_courses(truth, k, *at, own, np.broadcast_to(t, (len(own), len(t))))

            means.append(course(moved))
            loadings.append((course(np.eye(5)) - course(np.zeros((5, 5)))).T)
            own_months = model_trials.path_months(truth, k, t)
            path = truth.random_walk_sd[k, f] ** 2 * np.minimum.outer(own_months, own_months)
            errors.append(path + truth.residual_sd[k, f] ** 2 * np.eye(len(t)))
            y += list(outcome.values[i, there])
        own, covariance = np.vstack(loadings), block_diag(*errors)
        first, second = (outcome.months[outcome.present[:, i] == 1, i] for outcome in design.outcomes)
        common = [[path_covariance(truth, f, min(s, t)) for t in second] for s in first]
        covariance[: len(first), len(first) :] = common
        covariance[len(first) :, : len(first)] = np.transpose(common)
        spread = multivariate_normal(np.zeros(len(y)), own @ given @ own.T + covariance)
        log = spread.logpdf(np.array(y) - np.hstack(means)) + stats.norm.logpdf(z)
        reference = log.max() + np.log(np.exp(log - log.max()).sum() * (z[1] - z[0]))
        np.testing.assert_allclose(by_person[i], reference, rtol=1e-6)


def path_covariance(truth, f, t):
    """Covariance of both outcomes' paths up to month t: the integral of the product of their SDs and correlation."""
    product, _ = integrate.quad(lambda s: np.exp(-s / truth.walk_time_constant), 0.0, t)
    return truth.walk_correlation * truth.random_walk_sd[0, f] * truth.random_walk_sd[1, f] * product


def test_steps_of_simulated_paths_have_the_covariance_of_the_paths():
    truth, t = draw_truth(WALKS, np.random.default_rng(8)), np.array([0.0, 0.0, 2.0, 9.0, 30.0])
    correlation = model_trials.step_correlations(truth, t)
    variances = [np.diff(model_trials.path_months(truth, k, t), prepend=0.0) for k in range(2)]
    covariance = np.cumsum(correlation * np.sqrt(variances[0] * variances[1]))
    sds = truth.random_walk_sd[0, 0] * truth.random_walk_sd[1, 0]
    np.testing.assert_allclose(covariance * sds, [path_covariance(truth, 0, end) for end in t], rtol=1e-8)
    assert np.all(np.abs(correlation) <= abs(truth.walk_correlation) + 1e-12)


def test_nfl_drift_accrues_over_the_integral_of_what_the_drug_has_not_reached(truth):
    start, t = 6.9, 14.0

    def not_reached(u):
        return np.exp(-max(u - start - truth.nfl_lag, 0.0) / truth.time_constant)

    time, _ = integrate.quad(not_reached, 0.0, t, points=[start + truth.nfl_lag])
    rho = truth.nfl_deceleration
    rate, reached = model_trials.nfl_bases(truth, np.array(t), np.array(start))
    np.testing.assert_allclose(rate, (1 - np.exp(-rho * time)) / rho, rtol=1e-8)
    np.testing.assert_allclose(reached, 1 - not_reached(t))


def test_onion_draws_have_the_marginal_of_lkj():
    rng = np.random.default_rng(5)
    draws = np.array([model_trials.lkj_onion(5, 2.0, rng)[np.tril_indices(5, -1)] for _ in range(2_000)])
    a = 2.0 + (5 - 2) / 2
    p = [stats.kstest((draws[:, j] + 1) / 2, stats.beta(a, a).cdf).pvalue for j in range(10)]
    assert min(p) > 0.001


def test_simulated_arrays_equal_those_of_a_study_with_the_same_visits(truth):
    design = model_visits.simulate_visits(truth, LAYOUT, np.random.default_rng(6))
    template = model_visits.template_study(LAYOUT)
    rows = []
    for k, name in enumerate(OUTCOMES):
        d = design.outcomes[k]
        for slot, i in zip(*np.nonzero(d.present), strict=True):
            rows.append((template.persons["person"].iloc[i], d.months[slot, i] * 365.25 / 84, name, d.values[i, slot]))
    visits = pd.DataFrame(rows, columns=["person", "week", "outcome", "value"])
    is_nfl = visits["outcome"] == "nfl_plasma"
    visits["value"] = np.where(is_nfl, np.exp(visits["value"]), np.clip(visits["value"], 0, 48))
    study = Study.from_frames(
        template.persons, visits, name="again", reference_group="delayed", strata=True, curve_weeks=LAYOUT.weeks
    )
    again = design_of(study, MODEL.outcomes, ())
    for name in ("count", "stratum", "cell", "start_weeks", "shares"):
        np.testing.assert_array_equal(getattr(design, name), getattr(again, name))
    for mine, theirs in zip(design.outcomes, again.outcomes, strict=True):
        width = len(theirs.present)
        there = theirs.present == 1
        np.testing.assert_array_equal(mine.present[:width], theirs.present)
        np.testing.assert_allclose(mine.months[:width][there], theirs.months[there], atol=1e-9)
        np.testing.assert_allclose(mine.on_drug[:width][there], theirs.on_drug[there], atol=1e-9)
    nfl = again.outcomes[0].values
    np.testing.assert_allclose(design.outcomes[0].values[:, : nfl.shape[1]], nfl, atol=1e-9)


def test_plausible_judges_every_group_stratum_and_week():
    curves = np.zeros((2, 2, 3, 4))
    curves[1] = 30.0
    assert model_trials.plausible(curves)
    low, ratio = curves.copy(), curves.copy()
    low[1, 1, 0, 3] = -0.1
    ratio[0, 0, 1, 2] = -np.log(10.1)
    assert not model_trials.plausible(low)
    assert not model_trials.plausible(ratio)


def test_limits_hold_for_all_statements_together():
    low, high = binomial_limits(100, 0.95, 120)
    inside = stats.binom.cdf(high, 100, 0.95) - stats.binom.cdf(low - 1, 100, 0.95)
    assert 1 - inside <= 0.05 / 120
    assert stats.binom.cdf(low, 100, 0.95) > 0.05 / 240  # a wider limit would not be needed


def test_coverage_counts_by_hand():
    rows = pd.DataFrame({"trial": range(4), "parameter": "p", "truth": [0.0, 0.0, 0.0, 3.0]})
    for suffix in ("", "_kept"):
        for name, value in {"lower_95": -2, "lower_50": -1, "median": 0.5, "upper_50": 1, "upper_95": 2}.items():
            rows[name + suffix] = float(value)
    rows.loc[0, "lower_50"] = 0.1
    table = coverage_table(rows)
    assert table.loc[0, ["covered_95", "covered_50", "covered_50_kept"]].tolist() == [3, 2, 3]
    assert table.loc[0, "bias"] == pytest.approx(0.5 - 0.75)


def test_the_committed_page_of_the_generator_counts_as_its_manifest_and_tells_of_the_deceleration():
    folder = Path(__file__).parents[2] / "reports" / "validation" / "recovery" / "generator"
    table, manifest = pd.read_csv(folder / "coverage.csv"), json.loads((folder / "manifest.json").read_text())
    judged, apart = table[~table["prior_dominated"]], table[table["prior_dominated"]]
    assert table["prior_dominated"].tolist() == [is_prior_dominated(name) for name in table["parameter"]]
    cells = [f"{stratum}, {group}" for stratum in ("faster", "slower") for group in ("early", "delayed")]
    groups = [f"group_drug_effect[alsfrs_r, {cell}]" for cell in cells]
    assert sorted(apart["parameter"]) == sorted([*groups, "effect_lag[alsfrs_r]", "group_effect_sd[nfl_plasma]"])
    assert (manifest["judged"], manifest["inside"]) == (len(judged), judged["inside"].sum())
    text = (folder / "README.md").read_text()
    assert f"{manifest['inside']} of {manifest['judged']} parameters have coverage within" in text
    own = pd.read_csv(folder / "estimates.csv").query("parameter == 'deceleration[alsfrs_r]'")
    covered = ((own["lower_95"] <= own["truth"]) & (own["truth"] <= own["upper_95"])).sum()
    width = (own["upper_95"] - own["lower_95"]).mean()
    told = (
        f"truth {own['truth'].iloc[0]:g} a month, posterior medians "
        f"{own['median'].mean():.3f} on average, 95 % intervals {width:.3f} wide of "
        f"which {covered} cover"
    )
    assert told in text


def test_the_main_variants_are_committed():
    assert {"model", "generator", "no_effect"} <= {variant.spec.variant for variant in COMMITTED}


@pytest.mark.parametrize("variant", COMMITTED, ids=lambda variant: variant.spec.variant)
def test_committed_coverage_follows_from_the_committed_estimates(variant, tmp_path):
    """Records put together again from the committed tables, whose estimates have four digits."""
    folder = Path(__file__).parents[2] / variant.folder
    fits, estimates = pd.read_csv(folder / "fits.csv"), pd.read_csv(folder / "estimates.csv")
    numbers = ["truth", *QUANTILES, *QUANTILES]
    records = fits.drop(columns="converged").to_dict("records")
    for record, (_, own) in zip(records, estimates.groupby("trial"), strict=True):
        record["parameters"] = dict(zip(own["parameter"], own[numbers].to_numpy().tolist(), strict=True))
    said = STUDY.write(records, variant.spec, tmp_path, len(fits) + 20)
    made, kept = (pd.read_csv(place / "coverage.csv") for place in (tmp_path, folder))
    for name in ("parameter", "prior_dominated", "lowest_95", "highest_50", "inside"):
        assert made[name].tolist() == kept[name].tolist(), name
    for level in (95, 50):
        below, above = (
            side * (estimates["truth"] - estimates[f"{end}_{level}"]) for side, end in ((1, "lower"), (-1, "upper"))
        )
        digit = 1e-3 * estimates[["truth", f"lower_{level}", f"upper_{level}"]].abs().max(axis=1)
        least, most = (
            (np.minimum(below, above) >= by).groupby(estimates["parameter"], sort=False).sum() for by in (digit, -digit)
        )
        assert kept[f"covered_{level}"].between(least.to_numpy(), most.to_numpy()).all()
        assert made[f"covered_{level}"].between(least.to_numpy(), most.to_numpy()).all()
    np.testing.assert_allclose(made["width_95"], kept["width_95"], rtol=2e-3)
    digit = 1e-3 * estimates[["truth", "median"]].abs().max(axis=1).groupby(estimates["parameter"], sort=False).max()
    assert ((made["bias"] - kept["bias"]).abs().to_numpy() <= digit.to_numpy()).all()
    text = (tmp_path / "README.md").read_text()
    assert said in text
    assert said in (folder / "README.md").read_text()
    assert f"**Unfinished: {len(fits)} of {len(fits) + 20} fits.**" in text
    earlier = json.loads((folder / "manifest.json").read_text())
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    for name in ("judged", "inside", "limits_95", "rhat_above_1.01", "ess_below_100", "median_min_ess_bulk"):
        assert manifest[name] == earlier[name], name
