"""The study's analyses against other routes, and the study's files."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from validation.generator import study as generator
from validation.generator.published_analyses import adjusted_means, group_means, imputed, log_hazard_ratio, wide

from bayesmodels.simulation import published_truth, simulate_trial, valor_design, without_exits


def test_ancova_on_a_balanced_hand_example():
    delayed = np.array([False, False, True, True])
    baseline = np.array([[1.0], [3.0], [1.0], [3.0]])
    early, late = adjusted_means(np.array([2.0, 4.0, 5.0, 7.0]), delayed, baseline)
    assert (early, late) == pytest.approx((3.0, 6.0))


def test_imputation_keeps_what_was_seen_and_follows_an_exact_course():
    rng = np.random.default_rng(1)
    level, slope = rng.normal(40, 5, 60), rng.normal(-1, 0.5, 60)
    values = level[:, None] + slope[:, None] * np.arange(5.0)
    missing = values.copy()
    missing[:20, 3:] = np.nan
    filled = imputed(missing, np.ones((60, 1)))
    np.testing.assert_allclose(filled, values, atol=1e-8)


def test_log_hazard_ratio_maximises_the_partial_likelihood():
    rng = np.random.default_rng(2)
    group = np.repeat([0.0, 1.0], 60)
    time = np.ceil(rng.exponential(1 / np.exp(0.7 * group)) * 10)  # with ties
    event = rng.random(120) < 0.8

    def loss(beta: float) -> float:
        risk = np.exp(beta * group)
        return -sum(beta * group[i] - np.log(risk[time >= time[i]].sum()) for i in np.flatnonzero(event))

    assert log_hazard_ratio(time, event, group[:, None]) == pytest.approx(minimize_scalar(loss).x, abs=1e-4)


def test_observed_group_means_are_plain_means_of_the_change():
    truth = without_exits(published_truth())
    design = valor_design()
    design = design.model_validate({**design.model_dump(), "missed_visits": 0.0})
    trial = simulate_trial(design, truth, 3)
    plain = group_means(trial, "alsfrs_r", "faster", impute=False)
    values = wide(trial, "alsfrs_r")
    chosen = ((trial.persons["stratum"] == "faster") & (trial.persons["start_group"] == "early")).to_numpy()
    assert design.visit_weeks[10] == 52
    assert plain.loc[52, "early"] == pytest.approx((values[chosen, 10] - values[chosen, 0]).mean())


def test_core_rows_number_54_and_every_row_is_analysed():
    rows = generator.published_rows()
    assert rows["core"].sum() == 54
    assert not rows.duplicated(generator.KEY).any()
    numbers = generator.analyse(simulate_trial(valor_design(), published_truth(), 1))
    assert {tuple(key) for key in rows[generator.KEY].to_numpy()} <= set(numbers)


def test_compare_marks_the_rows_inside():
    rows = pd.DataFrame([["t", "s", "all", "early", "28", "x"]] * 2, columns=generator.KEY)
    rows["what"] = ["x", "y"]
    rows["published"] = [0.0, 9.0]
    numbers = pd.DataFrame(np.random.default_rng(1).normal(size=(400, 2)))
    numbers.columns = pd.Index([tuple(key) for key in rows[generator.KEY].to_numpy()], tupleize_cols=False)
    compared = generator.compare(rows, numbers)
    assert compared["inside"].tolist() == [True, False]
    assert compared["share_below"].tolist() == [pytest.approx(0.5, abs=0.1), 1.0]


def test_study_writes_its_files(tmp_path):
    places = ["--log", str(tmp_path / "log"), "--out", str(tmp_path)]
    assert generator.STUDY.main(["--trials", "3", "--seed", "2", *places]) == 0
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert manifest["core_rows"] == 54
    assert manifest["all_rows_inside"] == rows["inside"].sum()
    text = (tmp_path / "README.md").read_text()
    assert "Simulated trials are not data" in text
    assert f"**{manifest['core_rows_inside']} of 54**" in text
