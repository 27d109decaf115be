"""With `--json` stdout is one JSON document however a command ends, and the exit code stands in it."""

import json

import pytest
from test_cli import written_posterior
from test_run import invoke, write_trial

from bayesmodels.demo import job as demo
from bayesmodels.errors import BayesmodelsError, MissingVariable
from bayesmodels.run import check
from bayesmodels.run import job as run
from bayesmodels.run.job import RunResult


def document(*arguments):
    """Exit code and the one document on stdout."""
    done = invoke(*arguments, "--json")
    return done.exit_code, json.loads(done.stdout)


def raising(error):
    def instead(*_, **__):
        print("said on the way")
        raise error

    return instead


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["fit"], "Missing argument"),
        (["fit", "a.toml", "--fast"], "No such option: --fast"),
        (["fit", "a.toml", "--resume", "--again"], "give --resume to go on or --again to start afresh, not both"),
        (["simulate", "--out", "x", "--trials", "none"], "Invalid value for '--trials'"),
        (["simulate", "--out", "x", "--trials", 0], "Invalid value for '--trials'"),
        (["nonsense"], "No such command 'nonsense'"),
        (["demo", "--outt", "x"], "No such option: --outt"),
        (["check"], "Missing argument"),
        (["report", "--config"], "Missing argument"),  # --json is taken for the file of --config
        ([], "No such option: --json"),
    ],
)
def test_wrong_usage(arguments, problem):
    code, said = document(*arguments)
    assert (code, said["error"], said["exit"], set(said)) == (2, "usage", 2, {"error", "problems", "exit"})
    assert problem.replace(":", "") in said["problems"][0].replace(":", "")


@pytest.mark.parametrize("command", ["fit", "check", "report"])
def test_a_file_that_is_not_there(tmp_path, command):
    code, said = document(command, tmp_path / "nothing.toml")
    assert code == 2
    assert len(said["problems"]) == 1
    assert "nothing.toml" in said["problems"][0]
    assert said.get("error") == {"fit": "bad_config", "report": "bad_input"}.get(command)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (KeyboardInterrupt(), "interrupted", 130),
        (BayesmodelsError("the sampler stopped"), "bayesmodels_error", 1),
        (MissingVariable("no group 'posterior'"), "missing_variable", 1),
        (ZeroDivisionError("a mistake of ours"), "internal", 1),
    ],
)
def test_every_ending_of_every_command_is_one_document(tmp_path, monkeypatch, error, kind, code):
    monkeypatch.setattr(run, "run", raising(error))
    monkeypatch.setattr(run, "report_again", raising(error))
    monkeypatch.setattr(demo, "run_demo", raising(error))
    monkeypatch.setattr(check, "checked_data", raising(error))
    monkeypatch.setattr("bayesmodels.simulation.simulate", raising(error))
    monkeypatch.setattr("bayesmodels.run.trial_level.run_trial_level", raising(error))
    monkeypatch.setattr("bayesmodels.run.person_level.read_persons", raising(error))
    for arguments in (
        ["fit", "a.toml"], ["report", "x"], ["demo", "--out", tmp_path], ["check", "a.toml"],
        ["simulate", "--out", tmp_path], ["trial-level", "als", "--out", tmp_path],
        ["person-level", "persons.csv", "--out", tmp_path],
    ):  # fmt: skip
        done, said = document(*arguments)
        assert (done, said["error"], said["exit"], len(said["problems"])) == (code, kind, code, 1)


def test_what_is_printed_on_the_way_goes_to_stderr(tmp_path, monkeypatch):
    def chatty(*_, **__):
        print("said on the way")
        return RunResult(tmp_path, {"verdict": "ok", "reasons": []}, ("values of -99",))

    monkeypatch.setattr(run, "run", chatty)
    done = invoke("fit", "a.toml", "--json")
    assert json.loads(done.stdout) == {
        "run": str(tmp_path), "verdict": "ok", "reasons": [], "warnings": ["values of -99"], "exit": 0,
    }  # fmt: skip
    assert "said on the way" in done.stderr


def test_check_has_its_own_document_and_exit_code(tmp_path):
    config = write_trial(tmp_path)
    assert document("check", config) == (0, {"source": str(config), "problems": [], "warnings": []})
    config.write_text(config.read_text().replace("tune = 200", "tune = []"))
    code, said = document("check", config)
    assert (code, set(said)) == (2, {"source", "problems", "warnings"})
    assert said["problems"] == ["trial.toml: [sampling] tune: input should be a valid integer; got []"]


def test_a_report_that_has_no_place(tmp_path):
    (tmp_path / "file").write_text("")
    code, said = document("report", written_posterior(tmp_path), "--out", tmp_path / "file" / "out")
    assert (code, said["error"]) == (2, "bad_input")


def test_a_seed_that_was_drawn_is_in_the_document_of_simulate(tmp_path):
    code, said = document("simulate", "--out", tmp_path, "--n-early", 4, "--n-delayed", 3)
    assert code == 0
    assert isinstance(said["seed"], int)
