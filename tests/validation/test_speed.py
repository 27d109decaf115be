"""The study of speed: its arithmetic by hand, its page of made-up numbers, and the sum over parts of a registry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from validation.speed import study
from validation.speed.figure import growth_figure
from validation.speed.machine import description, is_quiet
from validation.speed.page import number, page

from bayesmodels.trials.results import Results, write_results

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FIT = {
    "design": "light", "persons": 10_000, "chains": 2, "draws": 200, "tune": 300, "kept_gradients": 4_000,
    "all_gradients": 10_000.0, "gradients_a_draw": 10.0, "ess": 100.0, "rhat": 1.01,
}  # fmt: skip


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def growth(design: str, persons: int, ns: float) -> dict[str, float | str]:
    return {
        "design": design, "persons": persons, "gradient_s": ns * persons * 1e-9, "ns_a_person": ns, "two_over_one": 2.0,
        "both_at_once": 0.99, "page_faults": 10, "processors": 1.9, "ready_cpu_s": 36.0, "peak_mb": 512.0,
    }  # fmt: skip


def test_gradients_that_a_posterior_needs(benchmarks):
    from registry import gradients_needed

    # tuning took 6,000 gradients of 600 draws
    needed = gradients_needed(FIT)
    assert needed["default"] == pytest.approx(4 * (1000 * 10 + 1000 * 10))
    assert needed["enough"] == pytest.approx(6_000 + 4_000 * 400 / 100)


def test_a_fit_that_has_not_converged_says_nothing_of_the_draws_needed(benchmarks):
    from registry import posterior_rows

    (row,) = posterior_rows([growth("light", 10_000, 500.0)], [FIT | {"rhat": 1.2}])
    assert row["hours_enough"] is None
    assert row["hours_default"] > 0


def test_hours_are_of_two_chains_at_once(benchmarks):
    from registry import hours, posterior_rows

    assert hours(7_200, 1.0, 2.0) == pytest.approx(1.0)
    assert hours(7_200, 1.0, 2.8) == pytest.approx(1.0)
    assert hours(7_200, 1.0, 1.0) == pytest.approx(2.0)
    one, other = posterior_rows([growth("light", 10_000, 500.0), growth("light", 100_000, 500.0)], [FIT])
    assert one["hours_enough"] == pytest.approx(22_000 * 5e-3 / 2 / 3600)
    assert other["hours_enough"] == pytest.approx(10 * one["hours_enough"])
    assert (one["extrapolated"], other["extrapolated"]) == ("from draws", "from draws and size")


def test_time_of_two_calls_at_once(benchmarks):
    from registry import under_way

    one, other = [(0.0, 2.0), (3.0, 5.0)], [(1.0, 4.0), (4.5, 6.0)]
    assert under_way(one, other) == pytest.approx(1.0 + 1.0 + 0.5)
    assert under_way(other, one) == under_way(one, other)
    assert under_way([(0.0, 1.0), (2.0, 3.0)], [(1.0, 2.0), (3.0, 4.0)]) == 0.0


def test_registries_hold_what_their_design_says(benchmarks):
    from registries import model_of, study_of, tables

    for design, groups in {"light": ("all",), "default": ("early", "delayed")}.items():
        made = study_of(design, *tables(design, 12, visits=3))
        assert made.start_groups == groups
        assert made.counts["n_persons"] == 12
        assert len(made.visits) == 12 * 3 * 2
        assert made.outcomes == tuple(k.name for k in model_of(design).outcomes)


def test_parts_add_up_to_the_whole_with_the_prior_counted_once(benchmarks):
    from registries import model_of, study_of, tables
    from spread_over_workers import CLOSE, added_up, density_of, difference, shares

    design, parts = "light", 3
    people, visits = tables(design, 12, visits=4)
    models = [model_of(design).build(study_of(design, *share)) for share in shares(people, visits, parts)]
    whole = model_of(design).build(study_of(design, people, visits))
    prior = density_of(whole, whole.free_RVs)
    size = sum(int(np.prod(value.shape)) for value in whole.initial_point().values())
    vector = np.random.default_rng(1).normal(0, 0.1, size)
    found = added_up([density_of(model, model.basic_RVs)(vector) for model in models], prior(vector))
    assert difference(found, density_of(whole, whole.basic_RVs)(vector)) < CLOSE


def test_a_part_left_out_is_noticed(benchmarks):
    from spread_over_workers import CLOSE, added_up, difference

    parts, prior = [(-3.0, np.array([1.0, 2.0])), (-4.0, np.array([0.5, -1.0]))], (-1.0, np.array([0.1, 0.2]))
    whole = (-6.0, np.array([1.4, 0.8]))
    assert difference(added_up(parts, prior), whole) < CLOSE
    assert difference(added_up(parts[:1], prior), whole) > 0.1


def test_goals_are_met_on_their_better_side():
    assert [study.met(v, 10.0, "less") for v in (9.0, 10.0, 11.0, np.nan)] == ["yes", "yes", "no", ""]
    assert [study.met(v, 10.0, "more") for v in (9.0, 10.0, 11.0)] == ["no", "yes", "yes"]


def test_a_machine_is_quiet_that_does_nothing_else():
    assert is_quiet(0.2, [2.0, 4.1], own=4.0)
    assert not is_quiet(0.9, [2.0], own=4.0)
    assert not is_quiet(0.2, [2.0, 5.0], own=4.0)
    assert description()["cores"] >= 1


def found() -> dict:
    """What the scripts write, made up."""
    designs = ("light", "default")
    sizes = [growth(design, persons, 500.0) for design in designs for persons in (1_000, 100_000)]
    fit = FIT | {
        "worst": "person_sd[0]", "divergences": 0, "sampling_cpu_s": 50.0, "after_cpu_s": 5.0,
        "peak_mb": 600.0, "file_mb": 4.0, "variables_by_person": [],
    }  # fmt: skip
    hours = {"hours_default": 2.0, "hours_enough": 0.5, "gradients_default": 8e4, "gradients_enough": 2e4}
    peer = {"data": "linear", "caches": "warm", "cpu_s": 20.0, "ess": 1000.0, "worst": "b", "ess_a_cpu_s": 50.0}
    return {
        "first_draw": [
            {"caches": "cold", "ready": 60.0, "gradient": 1e-3}, {"caches": "warm", "ready": 9.0, "gradient": 1e-3}
        ],
        "trial": [{"caches": "warm", "ess": 1500.0, "seconds": {"sample": 25.0}, "total": 50.0}],
        "refits": [
            {"what": "54 persons, 1 x (500 + 600)", "an_hour": 2000.0},
            {"what": "108 persons, 2 x (400 + 400)", "an_hour": 500.0},
        ],
        "peers": [
            peer | {"peer": "ours", "sampling_cpu_s": 10.0},
            {"data": "linear", "peer": "rstanarm", "caches": "", "cpu_s": None, "ess": None, "worst": "",
             "ess_a_cpu_s": None, "skipped": "no Rscript"},
        ],
        "registry": {
            "growth": sizes,
            "visits": [{"design": d, "persons": 1_000, "visits": v, "gradient_s": v * 1e-4} for d in designs
                       for v in (5, 80)],
            "fits": [fit, fit | {"design": "default"}],
            "after": [{"design": d, "persons": 100_000, "draws": 100, "after_cpu_s": 36.0, "peak_mb": 2048.0,
                       "groups_mb": 2.0} for d in designs],
            "posterior": [hours | {"design": d, "persons": 100_000, "extrapolated": "from draws and size"}
                          for d in designs],
        },
        "workers": {"design": "light", "persons": 2_000, "workers": 2, "largest_relative_difference": 1e-15,
                    "whole_s": 2e-3, "slowest_part_s": 1e-3, "round_trip_s": 4e-3, "round_trip_without_work_s": 3e-3},
    }  # fmt: skip


def test_what_the_scripts_write_becomes_the_goals_rows():
    table = study.tables_of(found())["rows"].set_index("what")
    assert table.loc["warm, process start to first draw", "measured"] == 9.0
    assert table.loc["worst bulk ESS per sampling CPU s, default model, 108 persons", "measured"] == 60.0
    assert table.loc["worst bulk ESS per CPU s, everything counted, warm", "measured"] == 30.0
    assert table.loc["refits per CPU hour, 108 persons, 2 x (400 + 400)", "met"] == "no"
    assert table.loc["memory, 100,000 persons", "measured"] == 2.0
    assert table.loc["pbcseq, worst bulk ESS per sampling CPU s", "met"] == ""
    # half an hour of sampling, 36 s before it and 360 s after it
    hours = table.loc["posterior of 100,000 persons, light design, worst ESS of 400", "measured"]
    assert hours == pytest.approx(0.5 + 396 / 3600)


def test_hours_that_are_not_known_are_no_goal_met():
    unknown = found()
    for row in unknown["registry"]["posterior"]:
        row["hours_enough"] = None
    table = study.tables_of(unknown)["rows"].set_index("what")
    assert table.loc["posterior of 100,000 persons, light design, worst ESS of 400", "met"] == ""


@pytest.mark.parametrize("quiet", [True, False])
def test_the_page_says_whether_the_machine_was_quiet(tmp_path, quiet):
    tables = study.tables_of(found())
    manifest = {
        "command": study.COMMAND, "machine": description(), "load_before": 0.1, "load_after_each": {"registry": 2.0},
        "quiet": quiet, "goals_met": 9, "seconds": 900,
    }  # fmt: skip
    picture = growth_figure(tables["growth"], tables["visits"])
    write_results(tmp_path, Results(tables, manifest, {"growth": picture}), page)
    text = (tmp_path / "README.md").read_text()
    assert ("busy with other work" in text) is not quiet
    assert "extrapolated from draws and size" in text
    assert "linear, rstanarm: left out; no Rscript" in text
    assert "not measured" in text


def test_numbers_are_shown_with_three_digits():
    assert [number(v) for v in (12345.6, 0.123456, None, np.nan)] == ["12,346", "0.123", "-", "-"]


def test_every_script_of_the_study_is_there():
    assert all((BENCHMARKS / script).exists() for script, *_ in study.SCRIPTS.values())
