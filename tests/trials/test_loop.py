"""The loop over trials goes on where it was stopped."""

import json

import pytest

from bayesmodels.trials.loop import run_study


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
