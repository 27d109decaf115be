"""Work side by side: order, results, and that whatever ends the loop ends the processes; locks between processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial

import pytest

from bayesmodels.processes import one_at_a_time, side_by_side


def _squared(number: int) -> tuple[int, int]:
    return number**2, os.getpid()


def _slow(number: int, seconds: float) -> int:
    if number == 0:
        raise ValueError("the first one fails")
    time.sleep(seconds)
    return number


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_with_their_places(workers):
    found = dict(side_by_side(_squared, [3, 5, 7], workers))
    assert {place: square for place, (square, _) in found.items()} == {0: 9, 1: 25, 2: 49}
    assert (os.getpid() in {process for _, process in found.values()}) == (workers == 1)


def test_a_failure_ends_the_others():
    began = time.monotonic()
    with pytest.raises(ValueError, match="the first one fails"):
        list(side_by_side(partial(_slow, seconds=120.0), [0, 1], 2))
    assert time.monotonic() - began < 60


def test_one_process_at_a_time(tmp_path):
    """A second process waits until the first, which holds the lock, is through."""
    code = (
        "import pathlib, sys, time\n"
        "from bayesmodels.processes import one_at_a_time\n"
        f"with one_at_a_time(pathlib.Path({str(tmp_path / 'lock')!r})):\n"
        "    print(time.monotonic(), flush=True)\n"
    )
    with one_at_a_time(tmp_path / "lock"):
        other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        time.sleep(1.5)
        assert other.poll() is None
        through = time.monotonic()
    said, _ = other.communicate(timeout=60)
    assert float(said) >= through


def test_where_no_lock_can_be_made_nothing_is_waited_for(tmp_path):
    with one_at_a_time(tmp_path / "no folder" / "lock"):
        pass
    assert not (tmp_path / "no folder").exists()
