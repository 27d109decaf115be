import json

import pytest
from test_run import invoke, write_trial


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
    assert (done.exit_code, done.stderr) == (0, "")


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


def test_report_of_nothing_exits_2(tmp_path):
    done = invoke("report", tmp_path / "nothing.nc")
    assert done.exit_code == 2
    assert "no such file" in done.stderr


def test_simulate_writes_trials_and_says_the_seed(tmp_path):
    done = invoke("simulate", "--out", tmp_path, "--n-early", 8, "--n-delayed", 6, "--trials", 2, "--seed", 4, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == {"out": str(tmp_path), "trials": 2, "seed": 4}
    for trial in ("trial-001", "trial-002"):
        assert {f"{name}.csv" for name in ("persons", "visits", "events", "truth")} <= {
            file.name for file in (tmp_path / trial).iterdir()
        }
