"""Studies of the trial-level models: truths against the models' priors, tables from NumPy, the comparison of cells."""

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from scipy import stats
from validation.calibration import one_stage as one_stage_calibration
from validation.calibration import trial_level as trial_level_calibration
from validation.calibration.one_stage import correlate
from validation.few_trials import study as few_trials
from validation.few_trials.study import SOURCE, comparison


def agree(truths, pm_model, draws=1500):
    """Every free variable's distribution at the truths is the model's prior."""
    with pm_model:
        names = [rv.name for rv in pm_model.free_RVs]
        prior = pm.draw([pm_model[name] for name in names], draws=draws, random_seed=2, mode="FAST_COMPILE")
    assert set(names) == set(truths[0])
    p = []
    for name, drawn in zip(names, prior, strict=True):
        own = np.stack([np.asarray(truth[name]) for truth in truths])
        assert own.shape == drawn.shape, name
        flat = zip(own.reshape(len(own), -1).T, drawn.reshape(len(drawn), -1).T, strict=True)
        p += [stats.ks_2samp(a, b).pvalue for a, b in flat]
    assert min(p) > 0.01 / len(p)


@pytest.mark.parametrize("variant", ["normal", "general"])
def test_truths_of_the_trial_level_calibration_come_from_the_models_prior(variant):
    rng = np.random.default_rng(1)
    truths = [trial_level_calibration.draw_truth(variant, rng) for _ in range(1500)]
    table = trial_level_calibration.simulate_table(variant, truths[0], 12, rng)
    agree(truths, trial_level_calibration.the_model(variant).build(table))


def test_truths_of_the_one_stage_calibration_come_from_the_models_prior():
    rng = np.random.default_rng(1)
    truths = [one_stage_calibration.draw_truth(rng) for _ in range(1500)]
    table = one_stage_calibration.simulate_table(truths[0], 4, 5, rng)
    agree(truths, one_stage_calibration.the_model().build(table))


def test_simulated_trials_have_the_truths_moments():
    rng = np.random.default_rng(2)
    truth = trial_level_calibration.draw_truth("general", rng)
    frame = trial_level_calibration.simulate_table("general", truth, 6000, rng).rows
    kinds = frame["surrogate_kind"].value_counts(normalize=True)
    assert kinds["none"] == pytest.approx(1 / 6, abs=0.01)
    assert (frame["outcome_kind"] == "none").mean() == pytest.approx(1 / 6, abs=0.01)
    assert np.isnan(frame["within_correlation"]).all()
    seen = frame.loc[frame["outcome_kind"] == "estimate"]
    assert np.median(seen["outcome_effect"]) == pytest.approx(truth["mu"][1], abs=0.03)


def test_canonical_partial_correlations_become_columns():
    partial = np.array([0.7, -0.3, 0.2, 0.4, -0.5, 0.6])
    x = correlate(np.random.default_rng(3).standard_normal((200_000, 4)), partial)
    r = np.corrcoef(x.T)
    given_0 = (r[1, 2] - r[0, 1] * r[0, 2]) / np.sqrt((1 - r[0, 1] ** 2) * (1 - r[0, 2] ** 2))
    precision = np.linalg.inv(r)
    last = -precision[2, 3] / np.sqrt(precision[2, 2] * precision[3, 3])  # given the first two
    np.testing.assert_allclose([r[0, 1], r[0, 2], given_0, r[0, 3], last], [0.7, -0.3, 0.2, 0.4, 0.6], atol=0.01)
    np.testing.assert_allclose(x.std(axis=0), 1, rtol=0.01)


def test_design_calculation_has_the_sources_truth():
    truth = few_trials.truth_of(0.8)
    assert truth.standard_errors(50) == pytest.approx((0.10, 0.15))
    frame = few_trials.observed(truth, 50_000, np.random.default_rng(4))
    assert frame["surrogate_se"].iloc[0] == pytest.approx(0.10)
    covariance = np.cov(frame[["surrogate_effect", "outcome_effect"]].T)
    expected = np.sqrt(0.8) * 0.3 * 0.25 + 0.2 * 0.1 * 0.15
    np.testing.assert_allclose(covariance, [[0.1, expected], [expected, 0.085]], rtol=0.03)


@pytest.fixture
def as_the_source():
    """Replicates whose means are the source's, but for one cell."""
    rng = np.random.default_rng(5)
    rows = []
    for k in range(100 * len(few_trials.CELLS)):
        trials, r2 = few_trials.CELLS[k % len(few_trials.CELLS)]
        low, middle, high = (q + rng.normal(0, 0.05) for q in SOURCE[trials][r2])
        low = {20: 0.9 if k // 21 < 23 else 0.0, 40: 0.9 if k // 21 < 82 else 0.0}.get(trials, low)
        naive = {0.2: {2: 1.0, 3: 0.56, 5: 0.29, 8: 0.28, 12: 0.19, 20: 0.21, 40: 0.15}}.get(r2, {}).get(trials)
        naive = naive or {2: 1.0, 3: 0.65, 5: 0.67, 8: 0.66, 12: 0.66, 20: 0.64, 40: 0.68}[trials]
        judged = {"max_rhat": 1.0, "min_ess_bulk": 500.0, "min_ess_tail": 500.0, "divergences": 0, "min_ebfmi": 0.9}
        rows.append(
            {"trial": k, "cpu_seconds": 0.1, "process": 1, "trials": trials, "true_r2": r2, "q25": low, "q500": middle,
             "q975": high + (0.2 if (trials, r2) == (5, 0.2) else 0.0), "naive_r2": naive, **judged}
        )  # fmt: skip
    return rows


def test_the_comparison_finds_the_cell_that_differs(as_the_source, tmp_path):
    table = comparison(pd.DataFrame(as_the_source)).set_index(["trials", "true_r2", "quantity"])
    assert len(table) == 7 * (3 * 3 + 1 + 2)
    assert not table.at[(5, 0.2, "q975"), "agrees"]
    assert table.at[(5, 0.2, "q500"), "agrees"]
    expected = np.sqrt(0.05**2 * (1 / 100 + 1 / 40) + 0.01**2 / 12)
    assert table.at[(8, 0.8, "q975"), "error"] == pytest.approx(expected, rel=0.2)
    assert table.at[(40, 0.95, "lower_above_half"), "agrees"]
    said = few_trials.STUDY.write(as_the_source, few_trials.STUDY.variant().spec, tmp_path, 2100)
    assert "q975 at 5 trials, R2 0.2" in said
    assert (tmp_path / "README.md").read_text().count("| 40 |") == 1
