"""Resumable loop over the trials of a study, in one or several processes.

A study's task is a function of a frozen specification and a trial's number. Records are appended to a log as they come,
so that a study that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bayesmodels.processes import side_by_side

Record = dict[str, Any]
Task = Callable[[Any, int], Record]


def run_study(
    task: Task,
    spec: Any,
    trials: int,
    log: Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
) -> list[Record]:
    """Records of trials 0 to `trials - 1`, in order; those already in `log` are not run again.

    Parameters
    ----------
    task : callable
        ``task(spec, number)``, a module's function; its record is JSON-able.
    spec : frozen dataclass
        Everything the records depend on besides the number.
    trials : int
    log : Path
        JSON lines, the first one names the specification; a record is appended as soon as it is there.
    workers : int
        Processes on this machine; 1 runs in this one.
    scheduler : str, optional
        Address of a Dask scheduler, used instead of processes.

    Raises
    ------
    ValueError
        The log is of another specification.
    """
    records = _resume(log, spec)
    waiting = [number for number in range(trials) if number not in records]
    with log.open("a", encoding="utf-8") as file, _progress(trials, len(records)) as advance:
        for record in _records(task, spec, waiting, workers, scheduler):
            records[record["trial"]] = record
            file.write(json.dumps(record) + "\n")
            file.flush()
            advance()
    return [records[number] for number in range(trials)]


def _resume(log: Path, spec: Any) -> dict[int, Record]:
    """Records of the log by trial; a last line cut short by a kill is dropped from the file."""
    head = json.dumps({"spec": repr(spec)})
    if not log.exists() or not log.read_text(encoding="utf-8").strip():
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(head + "\n", encoding="utf-8")
        return {}
    text = log.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    lines = whole.splitlines()
    if not lines or lines[0] != head:
        raise ValueError(f"{log} belongs to a study with other settings; remove it or give another place")
    if whole != text:
        log.write_text(whole, encoding="utf-8")
    return {record["trial"]: record for record in map(json.loads, lines[1:])}


def _records(task: Task, spec: Any, numbers: Sequence[int], workers: int, scheduler: str | None) -> Iterator[Record]:
    """Records as they are finished."""
    timed = partial(_timed, task, spec)
    if scheduler is None:
        yield from (record for _, record in side_by_side(timed, numbers, workers))
        return
    from distributed import Client

    with Client(scheduler) as client:
        executor = client.get_executor()
        for future in as_completed([executor.submit(timed, number) for number in numbers]):
            yield future.result()


def _timed(task: Task, spec: Any, number: int) -> Record:
    """The task's record with its number and CPU seconds (compilation falls on the first trial of each process)."""
    began = time.process_time()
    record = task(spec, number)
    return {"trial": number, "cpu_seconds": round(time.process_time() - began, 2), "process": os.getpid(), **record}


@contextmanager
def _progress(total: int, done: int) -> Iterator[Callable[[], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("trials", total=total, completed=done)
        yield lambda: progress.advance(bar)
