"""Runs that are killed at random moments and resumed: the draws are those of an uninterrupted run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bayesmodels.posterior.archive import load
from bayesmodels.run.job import run

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
GROUPS = ("posterior", "sample_stats", "prior", "log_likelihood")


def heed_interrupts():
    """A shell's background job, as tests may be, ignores SIGINT and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def started(config, out):
    tests = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tests), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "bayesmodels.cli", "fit", str(config), "--out", str(out), "--resume"]
    return subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        preexec_fn=heed_interrupts,
    )  # fmt: skip


def killed(config, out, sign, after):
    """Resume a run and send a signal after some seconds; the exit code, and what was printed."""
    process = started(config, out)
    try:
        _, said = process.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        process.send_signal(sign)
        _, said = process.communicate(timeout=300)
    return process.returncode, said


def kill_until_finished(finished, out, sign, rng, kills, longest):
    """Kill runs at random moments; each that gets to its end is compared with the uninterrupted one."""
    config, folder = finished
    whole = load(folder / "posterior.nc")
    hit, compared, number = 0, 0, 0
    while hit < kills or not compared:
        left = out / str(number) / folder.name
        code, said = killed(config, left.parent, sign, rng.uniform(0.3, longest) if hit < kills else 600.0)
        told = [line for line in said.splitlines() if re.match(r"\d\d:\d\d:\d\d ", line)]  # phases of this process
        status = json.loads((left / "manifest.json").read_text())["status"] if (left / "manifest.json").exists() else ""
        assert "Traceback" not in said, said
        if code != 0:
            hit += 1
            if sign == signal.SIGKILL:
                assert (code, status) in {(-sign, ""), (-sign, "running"), (-sign, "finished")}, said
            elif told:  # else the signal came while Python was starting, or the run had its last file
                assert code == 130, said
                assert status in {"interrupted", "finished"}, said
            else:
                assert code in {130, -sign}, said
        if status == "finished":
            again = load(left / "posterior.nc")
            assert all(again[group].equals(whole[group]) for group in GROUPS)
            compared, number = compared + 1, number + 1
        else:
            assert code != 0, said
    return hit, compared


def test_a_run_ended_by_sigterm_says_so(tmp_path):
    from finished_run import write_trial

    def tell(phase):
        if phase == "build":
            signal.raise_signal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        run(write_trial(tmp_path), tmp_path / "runs", tell=tell)
    (folder,) = (tmp_path / "runs").iterdir()
    assert json.loads((folder / "manifest.json").read_text())["status"] == "interrupted"
    assert (folder / "log.txt").read_text().endswith("interrupted; --resume goes on from here\n")
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.slow
def test_a_run_ended_by_sigterm_says_so_and_goes_on(finished, tmp_path):
    config, folder = finished
    process = started(config, tmp_path)
    for line in process.stderr:
        if "sample" in line:
            process.send_signal(signal.SIGTERM)
            break
    said = process.stderr.read()
    assert process.wait(timeout=120) == 130
    assert "interrupted; the run goes on with --resume" in said
    left = tmp_path / folder.name
    assert json.loads((left / "manifest.json").read_text())["status"] == "interrupted"
    assert (left / "log.txt").read_text().endswith("interrupted; --resume goes on from here\n")
    assert not [entry for entry in left.rglob("*") if "partial" in entry.name]
    code, said = killed(config, tmp_path, signal.SIGTERM, 600.0)
    assert code == 0, said
    one, other = load(left / "posterior.nc"), load(folder / "posterior.nc")
    assert all(one[group].equals(other[group]) for group in GROUPS)


@pytest.mark.slow
@pytest.mark.parametrize("sign", SIGNALS)
def test_kills_at_random_moments(finished, tmp_path, sign):
    hit, compared = kill_until_finished(finished, tmp_path, sign, np.random.default_rng(int(sign)), 14, 14.0)
    print(sign.name, {"killed": hit, "finished and bit-equal": compared})
