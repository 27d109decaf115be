import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from test_run import invoke, write_trial

from bayesmodels.demo import job as demo
from bayesmodels.posterior.archive import save
from bayesmodels.run.job import RunResult


def test_help_lists_the_commands():
    done = invoke("--help")
    assert done.exit_code == 0
    assert all(word in done.stdout for word in ("fit", "report", "simulate", "check", "demo", "130"))


@pytest.mark.parametrize("arguments", [["fit"], ["nonsense"], ["fit", "a.toml", "--resume", "--again"]])
def test_wrong_usage_exits_2(arguments):
    assert invoke(*arguments).exit_code == 2


def test_a_good_study_has_no_problems(tmp_path):
    write_trial(tmp_path)
    done = invoke("check", tmp_path)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "no problems" in done.stdout


def test_check_lists_every_problem_of_the_tables_at_once(tmp_path):
    write_trial(tmp_path)
    with (tmp_path / "visits.csv").open("a") as file:
        file.write("Secret-0,12,alsfrs_r,99\nnobody,0,alsfrs_r,30\n")
    done = invoke("check", tmp_path)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 2
    assert "Traceback" not in done.stderr


def test_check_lists_problems_of_config_and_tables_together(tmp_path):
    config = write_trial(tmp_path)
    config.write_text(config.read_text().replace("tune = 200", "tunes = 200"))
    with (tmp_path / "visits.csv").open("a") as file:
        file.write("nobody,0,alsfrs_r,30\n")
    done = invoke("check", config, "--json")
    assert done.exit_code == 2
    found = json.loads(done.stdout)["problems"]
    assert found[0] == "trial.toml: [sampling] tunes: unknown key; did you mean 'tune'?"
    assert any("nobody" in line for line in found[1:])


def test_check_of_a_good_config(tmp_path):
    done = invoke("check", write_trial(tmp_path))
    assert (done.exit_code, done.stderr) == (0, "note: this configuration imports and runs code: toy_model:Toy\n")


def test_check_reports_what_only_the_settings_get_wrong(tmp_path):
    config = write_trial(tmp_path)
    config.write_text(config.read_text().replace('"delayed"', '"delaid"'))
    done = invoke("check", config)
    assert done.exit_code == 2
    assert "delaid" in done.stderr


def test_fit_of_bad_input_leaves_no_folder(tmp_path):
    config = write_trial(tmp_path)
    with (tmp_path / "visits.csv").open("a") as file:
        file.write("nobody,0,alsfrs_r,30\n")
    done = invoke("fit", config, "--out", tmp_path / "runs")
    assert done.exit_code == 2
    assert "nobody" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_source_that_is_not_there_could_be_a_folder_or_a_file(tmp_path):
    done = invoke("check", tmp_path / "nothing")
    assert done.exit_code == 2
    assert done.stderr.strip().endswith(
        "nothing: expected a folder with persons, visits and events, or a TOML file; found neither"
    )


@pytest.mark.parametrize("command", ["simulate", "fit", "demo", "report"])
def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, command):
    (tmp_path / "file").write_text("")
    sources = {"fit": [write_trial(tmp_path)], "report": [written_posterior(tmp_path)]}
    done = invoke(command, *sources.get(command, []), "--out", tmp_path / "file" / "runs")
    assert done.exit_code == 2
    (line,) = [line for line in done.stderr.splitlines() if line]
    assert "expected a folder that can be made, got: Not a directory; choose another" in line


def written_posterior(place):
    draws = xr.Dataset({"population_level": (("chain", "draw", "outcome", "stratum"), np.ones((1, 4, 1, 1)))})
    tree = xr.DataTree.from_dict({"posterior": draws})
    tree.attrs["convergence"] = json.dumps({"verdict": "ok"})
    return save(tree, place / "posterior.nc")


def test_a_demo_that_did_not_converge_says_so_and_exits_3(tmp_path, monkeypatch):
    reasons = ["simulated trial: 3 divergent draws"]
    verdicts = {True: {"verdict": "ok", "reasons": []}, False: {"verdict": "not_converged", "reasons": reasons}}
    for converged, verdict in verdicts.items():
        monkeypatch.setattr(demo, "run_demo", lambda out, quiet, verdict=verdict: RunResult(out / "demo", verdict))
        done = invoke("demo", "--out", tmp_path)
        assert done.exit_code == (0 if converged else 3)
        assert ("3 divergent draws" in done.stdout) is not converged
        answer = json.loads(invoke("demo", "--out", tmp_path, "--json").stdout)
        assert answer == {
            "run": str(tmp_path / "demo"), "verdict": verdict["verdict"], "reasons": verdict["reasons"],
            "warnings": [], "exit": done.exit_code,
        }  # fmt: skip


def test_short_chains_are_said_and_exit_0(tmp_path, monkeypatch):
    found = {"verdict": "short", "reasons": ["tail ESS below 400 in 2 of 26 scalars (x)"]}
    monkeypatch.setattr(demo, "run_demo", lambda out, quiet: RunResult(out / "demo", found))
    done = invoke("demo", "--out", tmp_path)
    assert done.exit_code == 0
    assert "the chains are short (tail ESS below 400 in 2 of 26 scalars (x))" in done.stdout
    assert json.loads(invoke("demo", "--out", tmp_path, "--json").stdout)["verdict"] == "short"


def test_a_posterior_without_the_samplers_statistics_is_said_not_to_be_known():
    said = RunResult(Path("x"), {"verdict": None, "reasons": []})
    assert "not known" in said.sentence()


def test_help_says_what_json_prints_and_keeps_names_in_brackets():
    told = {name: " ".join(invoke(name, "--help").stdout.split()) for name in ("demo", "fit", "simulate", "check")}
    for name, printed in (
        ("demo", "folder, verdict, reasons and warnings"), ("fit", "folder, verdict, reasons and warnings"),
        ("simulate", "folder, number of trials and seed"), ("check", "source, problems and warnings"),
    ):  # fmt: skip
        assert f"Print {printed} as JSON" in told[name]
    assert "whose [report] is used" in invoke("report", "--help").stdout


def test_report_of_nothing_exits_2(tmp_path):
    done = invoke("report", tmp_path / "nothing.nc")
    assert done.exit_code == 2
    assert "no such file" in done.stderr


def test_simulate_writes_trials_and_says_the_seed(tmp_path):
    done = invoke("simulate", "--out", tmp_path, "--n-early", 8, "--n-delayed", 6, "--trials", 2, "--seed", 4, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == {"out": str(tmp_path), "trials": 2, "seed": 4, "exit": 0}
    for trial in ("trial-001", "trial-002"):
        assert {f"{name}.csv" for name in ("persons", "visits", "events", "truth")} <= {
            file.name for file in (tmp_path / trial).iterdir()
        }
