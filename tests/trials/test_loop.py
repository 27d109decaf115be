"""The loop over trials goes on where it was stopped, and runs again what was lost."""

import json
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest

from bayesmodels.trials.loop import WorkerLost, run_study


def count_calls(spec, number):
    """A task that leaves a trace of every call."""
    with open(spec, "a", encoding="utf-8") as file:
        file.write(f"{number}\n")
    return {"square": number**2}


def test_a_killed_study_goes_on_after_the_last_whole_record(tmp_path):
    log, calls = tmp_path / "log.jsonl", tmp_path / "calls"
    run_study(count_calls, str(calls), 2, log)
    with log.open("a", encoding="utf-8") as file:
        file.write('{"trial": 2, "squ')
    records = run_study(count_calls, str(calls), 4, log)
    assert [r["square"] for r in records] == [0, 1, 4, 9]
    assert calls.read_text().split() == ["0", "1", "2", "3"]
    assert all(json.loads(line) for line in log.read_text().splitlines())
    with pytest.raises(ValueError, match="other settings"):
        run_study(count_calls, str(tmp_path / "else"), 4, log)


def dies(spec, number, when=2):
    """A task that ends its process at one trial, as often as `spec`, a folder, has files for it."""
    left = sorted(Path(spec).glob("death*"))
    if number == when and left:
        left[0].unlink()
        os._exit(1)
    return {"square": number**2}


def deaths(folder, n):
    for k in range(n):
        (folder / f"death{k}").touch()
    return str(folder)


def squares(records):
    return [r.get("square", r.get("lost")) for r in records]


def test_trials_of_a_process_that_ended_are_run_again(tmp_path):
    records = run_study(dies, deaths(tmp_path, 2), 5, tmp_path / "log", workers=2)
    assert squares(records) == [0, 1, 4, 9, 16]


def test_a_trial_that_ends_every_process_is_told_apart(tmp_path):
    lost = partial(dict, lost="ended")
    records = run_study(
        dies, deaths(tmp_path, 99), 5, tmp_path / "log", workers=2, lost=lambda number: lost(trial=number)
    )
    assert squares(records)[2] == "ended"
    with pytest.raises(WorkerLost, match="its process ended"):
        run_study(dies, str(tmp_path), 5, tmp_path / "another", workers=2)


def test_an_executor_that_broke_is_not_opened_again_and_what_was_done_is_kept(tmp_path):
    spec, log = deaths(tmp_path, 1), tmp_path / "log"
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor, pytest.raises(WorkerLost, match="log"):
        run_study(dies, spec, 5, log, executor=executor)
    done = [json.loads(line)["trial"] for line in log.read_text().splitlines()[1:]]
    assert set(done) <= {0, 1}
    assert squares(run_study(dies, spec, 5, log)) == [0, 1, 4, 9, 16]


def test_chosen_trials_and_a_time_that_is_up(tmp_path):
    log = tmp_path / "log"
    assert [r["trial"] for r in run_study(dies, str(tmp_path), 2, log, numbers=[1, 4])] == [1, 4]
    assert [r["trial"] for r in run_study(dies, str(tmp_path), 6, log, max_seconds=0.0)] == [1, 4]
    assert [r["trial"] for r in run_study(dies, str(tmp_path), 6, log, workers=2, max_seconds=0.0)] == [1, 4]
