"""Run folders: what a run leaves, what it refuses, and that it can be killed at any moment."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from toy_model import tables
from typer.testing import CliRunner

from bayesmodels.cli import app
from bayesmodels.fitting.sampling import COMPILE
from bayesmodels.posterior.archive import load
from bayesmodels.run.check import checked
from bayesmodels.run.job import run

CONFIG = """
[study]
name = "Toy trial"
persons = "persons.csv"
visits = "visits.csv"
reference_group = "delayed"
curve_weeks = [0, 4, 8]

[model]
type = "toy_model:Toy"

[sampling]
draws = {draws}
tune = 200
chains = 3
cores = 1
{seed}
"""
FILES = {
    "config.toml", "manifest.json", "posterior.nc", "summary.json", "curves.csv", "ard.parquet", "ard.json",
    "report.html", "log.txt",
}  # fmt: skip


def environment():
    """The tests' folder is where `toy_model` is found."""
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])}


def command(*arguments):
    return [sys.executable, "-m", "bayesmodels.cli", *map(str, arguments)]


def call(*arguments, timeout=300):
    """The command line in a process of its own."""
    return subprocess.run(command(*arguments), env=environment(), capture_output=True, text=True, timeout=timeout)


def invoke(*arguments):
    """The command line in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def folder_in(out):
    folders = [entry for entry in out.iterdir() if entry.is_dir()]
    assert len(folders) == 1
    return folders[0]


def logged(folder):
    """The lines of a run's log, without the time."""
    return [line.split(" ", 1)[1] for line in (folder / "log.txt").read_text().splitlines()]


def write_trial(place, draws=800, seed="seed = 3"):
    place.mkdir(parents=True, exist_ok=True)
    for name, frame in tables().items():
        frame.to_csv(place / f"{name}.csv", index=False)
    (place / "trial.toml").write_text(CONFIG.format(draws=draws, seed=seed), encoding="utf-8")
    return place / "trial.toml"


def heed_interrupts():
    """A shell's background job, as tests may be, ignores SIGINT and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def kill_when(line, *arguments, sign=signal.SIGKILL, after=0.0):
    """Start a command and kill it when stderr says `line`; returns the exit code."""
    process = subprocess.Popen(
        command(*arguments), env=environment(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        preexec_fn=heed_interrupts,
    )  # fmt: skip
    watchdog = threading.Timer(300, process.kill)
    watchdog.start()
    for said in process.stderr:
        if line in said:
            time.sleep(after)
            process.send_signal(sign)
            break
    process.stderr.read()
    watchdog.cancel()
    return process.wait()


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A run without a seed, stopped by Ctrl-C, then killed in compile, sampling, writing and reporting, and resumed."""
    place = tmp_path_factory.mktemp("interrupted")
    config = write_trial(place, seed="")
    out = place / "runs"
    codes = [kill_when("build", "fit", config, "--out", out, sign=signal.SIGINT)]
    folder = folder_in(out)
    manifests = [json.loads((folder / "manifest.json").read_text())]
    manifests[0]["log"] = logged(folder)
    for line, after in (("compile", 0.5), ("chain 0", 0.0), ("save the posterior", 0.0), ("report", 0.2)):
        codes.append(kill_when(line, "fit", config, "--out", out, "--resume", after=after))
        manifests.append(json.loads((folder / "manifest.json").read_text()))
    without_resume = invoke("fit", config, "--out", out)
    last = call("fit", config, "--out", out, "--resume", "--json")
    return folder, codes, manifests, without_resume, last


@pytest.fixture(scope="module")
def finished(tmp_path_factory, interrupted):
    """The same run with the same seed, uninterrupted."""
    place = tmp_path_factory.mktemp("finished")
    config = write_trial(place, seed=f"seed = {interrupted[2][0]['seed']}")
    told = []
    result = run(config, place / "runs", tell=told.append)
    return config, result, told


def test_ctrl_c_ends_with_130_and_a_kill_leaves_an_unfinished_run(interrupted):
    _, codes, manifests, without_resume, last = interrupted
    assert codes == [130] + [-signal.SIGKILL] * 4
    assert [manifest["status"] for manifest in manifests] == ["interrupted"] + ["running"] * 4
    # a model of two numbers is built at once, so that the signal may come when the next phase has begun
    assert manifests[0]["phase"] in {"interrupted during build", f"interrupted during {COMPILE}"}
    assert manifests[0]["log"][-1] == "interrupted; --resume goes on from here"
    assert without_resume.exit_code == 2
    assert "--resume" in without_resume.stderr
    assert last.returncode == 0, last.stderr


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_that_a_finalizer_drops_is_heeded_at_the_next_phase(tmp_path):
    """Python prints an exception of a finalizer or of a callback from C, and goes on."""

    class Finalized:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    def tell(phase):
        told.append(phase)
        if phase == "build":
            Finalized()

    told, before = [], signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            run(write_trial(tmp_path), tmp_path / "runs", tell=tell)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert told == ["build"]
    manifest = json.loads((folder_in(tmp_path / "runs") / "manifest.json").read_text())
    assert (manifest["status"], manifest["phase"]) == ("interrupted", "interrupted during build")


def test_a_seed_that_was_not_given_is_drawn_once_and_kept(interrupted):
    folder, _, manifests, _, _ = interrupted
    assert len({manifest["seed"] for manifest in manifests}) == 1
    assert load(folder / "posterior.nc").attrs["seed"] == str(manifests[0]["seed"])


def test_json_gives_folder_and_verdict_and_stderr_one_line_a_phase(interrupted):
    folder, _, _, _, last = interrupted
    assert json.loads(last.stdout) == {"run": str(folder), "verdict": "ok", "reasons": [], "warnings": [], "exit": 0}
    assert [line.split(" ", 1)[1] for line in last.stderr.splitlines()] == ["posterior found", "report"]


def test_nothing_finished_is_done_again(interrupted):
    lines = logged(interrupted[0])
    assert sum(line.startswith("chain 0") for line in lines) == 1
    assert lines[-3:] == ["posterior found", "report", "finished: ok"]


def test_killed_and_resumed_gives_the_same_draws_and_files(interrupted, finished):
    one, other = interrupted[0], finished[1].folder
    left, right = load(one / "posterior.nc"), load(other / "posterior.nc")
    for group in ("posterior", "sample_stats", "prior", "log_likelihood"):
        assert left[group].equals(right[group]), group
    assert {f.name for f in one.iterdir()} == {f.name for f in other.iterdir()}
    assert (one / "curves.csv").read_bytes() == (other / "curves.csv").read_bytes()


def test_seconds_of_earlier_parts_are_added(interrupted):
    folder, _, manifests, _, _ = interrupted
    cpu = [manifest["seconds"]["cpu"] for manifest in manifests]
    assert cpu == sorted(cpu)
    assert json.loads((folder / "summary.json").read_text())["seconds"]["cpu"] > cpu[-1] > 0


def test_a_run_leaves_these_files(finished):
    folder = finished[1].folder
    assert {entry.name for entry in folder.iterdir()} == FILES | {"chains", "figures", "tables", ".lock"}
    assert {entry.name for entry in (folder / "chains").iterdir()} == {"0.nc", "1.nc", "2.nc"}
    assert not list(folder.rglob("*.tmp")) + list(folder.rglob("*.partial"))
    assert re.fullmatch(r"toy-trial-[0-9a-f]{8}", folder.name)


def test_each_phase_is_told_once(finished):
    told = finished[2]
    assert told[:3] == ["build", COMPILE, "sample"]
    assert told[-1] == "report"
    assert len(told) == len(set(told))


def test_the_manifest_says_what_was_done(finished):
    config, result, _ = finished
    manifest = json.loads((result.folder / "manifest.json").read_text())
    assert manifest["status"] == "finished"
    assert manifest["convergence"] == result.convergence
    assert result.verdict == "ok"
    assert (result.folder / "config.toml").read_text() == config.read_text()


def test_no_file_names_a_person(finished):
    for file in finished[1].folder.rglob("*"):
        if file.is_file():
            assert b"Secret" not in file.read_bytes(), file.name


def test_a_finished_run_is_not_touched(finished):
    config, result, _ = finished
    before = {file: file.stat().st_mtime_ns for file in result.folder.rglob("*")}
    for option in ([], ["--resume"]):
        done = invoke("fit", config, "--out", result.folder.parent, *option)
        assert done.exit_code == 2
        assert "--again" in done.stderr
        assert f"bayesmodels report {result.folder}" in done.stderr
    assert {file: file.stat().st_mtime_ns for file in result.folder.rglob("*")} == before


def test_the_report_can_be_made_again(finished, tmp_path):
    alone = tmp_path / "alone.nc"
    alone.write_bytes((finished[1].folder / "posterior.nc").read_bytes())
    done = invoke("report", alone, "--quiet")
    assert (done.exit_code, done.output) == (0, "")
    assert (tmp_path / "alone-report" / "report.html").stat().st_size > 1000
    assert (tmp_path / "alone-report" / "summary.json").exists()


def test_few_draws_are_not_converged_and_again_replaces(tmp_path):
    config = write_trial(tmp_path, draws=20)
    first = run(config, tmp_path / "runs", tell=str)
    assert first.verdict == "not_converged"
    assert "NOT converge" in first.sentence()
    assert {entry.name for entry in first.folder.iterdir()} >= FILES
    (first.folder / "stray.txt").write_text("left by hand")
    done = invoke("fit", config, "--out", tmp_path / "runs", "--again", "--quiet", "--json")
    assert done.exit_code == 3
    said = json.loads(done.stdout)
    assert (said["run"], said["verdict"], said["exit"]) == (str(first.folder), "not_converged", 3)
    assert said["reasons"]
    assert (first.folder / "stray.txt").read_text() == "left by hand"


def test_two_processes_cannot_work_in_one_folder(tmp_path):
    from bayesmodels.errors import RunExists
    from bayesmodels.run.folder import RunFolder

    hold = "import sys; from bayesmodels.run.folder import RunFolder; from pathlib import Path\n"
    hold += "with RunFolder(Path(sys.argv[1])).locked():\n    print('held', flush=True)\n    sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path / "run")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    with pytest.raises(RunExists, match=f"process {process.pid} is at work here"), RunFolder(tmp_path / "run").locked():
        pass
    process.kill()
    process.communicate()
    with RunFolder(tmp_path / "run").locked():  # the lock went with the process
        assert (tmp_path / "run" / ".lock").read_text() == str(os.getpid())


def test_a_model_of_ones_own_that_cannot_be_built_fails_in_its_folder(tmp_path):
    config = write_trial(tmp_path)
    config.write_text(config.read_text().replace("toy_model:Toy", "toy_model:Broken"))
    assert checked(config)[0] == [
        "trial.toml: [model]: cannot be built with these data: ValueError: no start for Secret-0"
    ]
    done = invoke("fit", config, "--out", tmp_path / "runs")
    assert (done.exit_code, done.stderr.splitlines()[-1][:43]) == (1, "error: ValueError: no start for Secret-0 (w")
    log = (folder_in(tmp_path / "runs") / "log.txt").read_text()
    assert "failed during build" in log
    assert "toy_model.py" in log
    assert "Secret" not in log


def test_a_failure_is_told_in_one_line_and_in_the_log_and_can_be_resumed(tmp_path):
    config = write_trial(tmp_path)
    config.write_text(config.read_text().replace("[sampling]", "[sampling]\nsampler = 'numpyro'"))
    done = invoke("fit", config, "--out", tmp_path / "runs")
    folder = folder_in(tmp_path / "runs")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1].startswith("error: sampler = 'numpyro' needs")
    assert "Traceback" not in done.stderr
    assert (manifest["status"], manifest["error"]) == ("failed", "BayesmodelsError")
    assert "samplers.py" in (folder / "log.txt").read_text()
    assert "--resume" in invoke("fit", config, "--out", tmp_path / "runs").stderr
