"""Turns of the scenarios, and the table of operating characteristics."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from validation.platform_trials.characteristics import normal_scores, scenario_table, short_chains
from validation.platform_trials.study import SCENARIOS, SPEC, STUDY


def test_scenarios_take_turns():
    spec = SPEC
    places = [spec.place(number) for number in range(spec.trials)]
    assert len(set(places)) == spec.trials == sum(s.trials for s in SCENARIOS)
    first = [scenario for scenario in SCENARIOS if scenario.turn == 1]
    size = sum(scenario.trials for scenario in first)
    half = [scenario.name for scenario, _ in places[: size // 2]]
    for scenario in first:
        assert half.count(scenario.name) == pytest.approx(scenario.trials / 2, abs=1)
    assert {scenario.turn for scenario, _ in places[size:]} == {2}


def _analysis(mean, slower, worthwhile):
    numbers = {"mean": mean, "slower": slower, "worthwhile": worthwhile}
    return {**numbers, "divergences": 0, "ess": 300.0, "rhat": 1.0}


def test_results_by_hand(tmp_path):
    early = {"day": 1.0, "persons": 3, **_analysis([1.4, 1.0, 1.0], [0.1, 0.5, 0.5], [0.01, 0.4, 0.06])}
    late = {"day": 2.0, "persons": 4, **_analysis([1.3, 1.1, 0.9], [0.1, 0.5, 0.5], [0.2, 0.04, 0.3])}
    end = _analysis([1.0, 1.2, 0.8], [0.5, 0.98, 0.99], [0.2, 0.2, 0.8])
    records = [
        {"scenario": "no effect", "final": end, "looks": [early, late]},
        {"scenario": "no effect", "final": _analysis([1.1, 1.1, 1.1], [0.1, 0.2, 0.3], [0.1, 0.1, 0.1])},
    ]  # fmt: skip
    records[1]["long"] = _analysis([1.1, 1.1, 1.1], [0.1, 0.98, 0.97], [0.1, 0.1, 0.1])
    records = [{"trial": k, "cpu_seconds": 1.0, **record} for k, record in enumerate(records)]
    table = scenario_table(records).set_index("scenario")
    assert table.loc["no effect", "success"] == pytest.approx(2 / 6)
    assert table.loc["no effect", "success_error"] == pytest.approx(np.std([2 / 3, 0], ddof=1) / np.sqrt(2))
    assert table.loc["no effect", "mean_ratio"] == pytest.approx(np.mean([1.0, 1.1]))
    stopped = table.loc["no effect, stopped for futility"]  # A at the first look, B at the second, C at the end
    assert stopped["success"] == pytest.approx(1 / 3)
    assert stopped["mean_ratio"] == pytest.approx(np.mean([1.4, 1.1, 0.8]))
    assert stopped["stopped"] == pytest.approx(2 / 3)
    short = short_chains(records)
    assert (short["disagree"], short["success_short"], short["success_long"], short["near_threshold"]) == (1, 0, 1, 2)
    said = STUDY.write(records, SPEC, tmp_path, 2)
    assert "too few to tell" in said
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["fits"] == 5
    assert f"2 of {SPEC.trials} planned trials" in (tmp_path / "README.md").read_text()
    assert len(pd.read_csv(tmp_path / "trials.csv")) == 15


def test_normal_scores_of_exact_posteriors_give_the_rules_level():
    rng = np.random.default_rng(2)
    records = [
        {"scenario": "no effect", "final": {"slower": (rng.binomial(400, rng.uniform(size=3)) / 400).tolist()}}
        for _ in range(4000)
    ]
    found = normal_scores(records, 400)["no effect"]
    assert found["sd"] == pytest.approx(1.0, abs=0.02)
    assert found["implied_success"] == pytest.approx(0.021, abs=0.002)
    assert 0 < found["error"] < 0.002
