"""Resumable loop over the trials of a study, in one process or many, on one machine or many.

A study's task is a function of a frozen specification and a trial's number. Records are appended to a log as they come,
so that a study that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from bayesmodels.errors import BadInput, BayesmodelsError
from bayesmodels.processes import process_pool

Record = dict[str, Any]
Task = Callable[[Any, int], Record]

MOST_LOSSES = 3
"""Processes that may end under one trial before it counts as lost."""

UNKNOWN_WIDTH = 500
"""Workers supposed of an executor that does not say how many it has."""

POLL = 1.0
"""Seconds between looks at how many workers a cluster has."""


GOES_ON = "what was done is in the log, and the same again goes on from there"


class WorkerLost(BayesmodelsError):
    """A process that ended in the middle of a trial, time and again."""


def run_study(
    task: Task,
    spec: Any,
    trials: int,
    log: Path,
    *,
    numbers: Sequence[int] | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    executor: Executor | None = None,
    max_seconds: float | None = None,
    lost: Callable[[int], Record] | None = None,
) -> list[Record]:
    """Records of trials 0 to `trials - 1`, in order; those already in `log` are not run again.

    Records do not depend on which of the doors (`workers`, `scheduler`, `executor`) they came through. Where a process
    or a machine is lost, the trials that it held are run again.

    Parameters
    ----------
    task : callable
        ``task(spec, number)``, a module's function; its record is JSON-able.
    spec : frozen dataclass
        Everything the records depend on besides the number.
    trials : int
    log : Path
        JSON lines, the first one names the specification; a record is appended as soon as it is there.
    numbers : sequence of int, optional
        Of the trials to run, instead of all.
    workers : int
        Processes on this machine; 1 runs in this one.
    scheduler : str, optional
        Address of a Dask scheduler, used instead of processes.
    executor : concurrent.futures.Executor, optional
        Used instead of processes; it is not shut down.
    max_seconds : float, optional
        After which no trial is begun; those begun are waited for.
    lost : callable, optional
        ``lost(number)``: the record of a trial under which `MOST_LOSSES` processes ended; without it, `WorkerLost`.

    Returns
    -------
    list of dict
        Fewer than asked for where `max_seconds` ended the loop.

    Raises
    ------
    ValueError
        The log is of another specification.
    BadInput
        No scheduler answers at the address.
    WorkerLost
        See `lost`; or `executor` broke.
    """
    wanted = range(trials) if numbers is None else numbers
    records = _resume(log, spec)
    waiting = [number for number in wanted if number not in records]
    timed, late = partial(_timed, task, spec), _clock(max_seconds)
    with log.open("a", encoding="utf-8") as file, _progress(len(wanted), len(wanted) - len(waiting)) as advance:
        for record in _records(timed, waiting, workers, scheduler, executor, late, lost):
            records[record["trial"]] = record
            file.write(json.dumps(record) + "\n")
            file.flush()
            advance()
    return [records[number] for number in wanted if number in records]


def _clock(max_seconds: float | None) -> Callable[[], bool]:
    """Whether the time is up, from now on."""
    if max_seconds is None:
        return lambda: False
    end = time.monotonic() + max_seconds
    return lambda: time.monotonic() >= end


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


def _records(
    timed: Callable[[int], Record],
    numbers: Sequence[int],
    workers: int,
    scheduler: str | None,
    executor: Executor | None,
    late: Callable[[], bool],
    lost: Callable[[int], Record] | None,
) -> Iterator[Record]:
    """Records as they are finished."""
    if executor is not None:
        width = 2 * getattr(executor, "_max_workers", UNKNOWN_WIDTH)
        yield from _handed_out(timed, numbers, lambda: nullcontext(executor), lambda: width, late, lost, again=False)
    elif scheduler is not None:
        with _client(scheduler) as client:
            dask: Executor = client.get_executor()
            yield from _handed_out(
                timed, numbers, lambda: nullcontext(dask), lambda: 2 * sum(client.nthreads().values()), late, lost
            )
    elif workers == 1 or len(numbers) < 2:
        for number in numbers:
            if late():
                return
            yield timed(number)
    else:
        size = min(workers, len(numbers))
        yield from _handed_out(timed, numbers, lambda: process_pool(size), lambda: size, late, lost)


def _client(scheduler: str) -> Any:
    from distributed import Client

    try:
        return Client(scheduler)
    except (OSError, ValueError) as error:
        raise BadInput(
            f"scheduler: expected the address of a Dask scheduler that answers, such as tcp://host:8786, got "
            f"{scheduler!r} ({type(error).__name__}); start one with `dask scheduler`"
        ) from error


def _handed_out(
    timed: Callable[[int], Record],
    numbers: Sequence[int],
    opened: Callable[[], AbstractContextManager[Executor]],
    width: Callable[[], int],
    late: Callable[[], bool],
    lost: Callable[[int], Record] | None,
    *,
    again: bool = True,
) -> Iterator[Record]:
    """Records as an executor finishes them; no more trials are in its hands than it has places, so few can be lost.

    `again`: whether an executor that broke can be opened once more.
    """
    waiting, losses = deque(numbers), Counter[int]()
    while waiting and not late():
        with opened() as executor:
            running: dict[Future[Record], int] = {}
            broken = False
            while (waiting and not late() and not broken) or running:
                while waiting and len(running) < max(width(), 1) and not late() and not broken:
                    number = waiting.popleft()
                    try:
                        running[executor.submit(timed, number)] = number
                    except BrokenExecutor:
                        waiting.appendleft(number)
                        broken = True
                for future in wait(running, timeout=POLL, return_when=FIRST_COMPLETED).done:
                    number = running.pop(future)
                    if future.cancelled():
                        raise WorkerLost(f"trial {number}: given up by its executor or cluster; {GOES_ON}")
                    error = future.exception()
                    if error is None:
                        yield future.result()
                        continue
                    if not _ended_under(error):
                        raise error
                    broken |= isinstance(error, BrokenExecutor)
                    losses[number] += 1
                    if losses[number] < MOST_LOSSES and (again or not broken):
                        waiting.appendleft(number)
                    elif lost is not None and again:
                        yield lost(number)
                    else:
                        raise WorkerLost(f"trial {number}: its process ended ({error}); {GOES_ON}")


def _ended_under(error: BaseException) -> bool:
    """Whether an error says that a process or machine ended, rather than what went wrong in the trial."""
    return (
        isinstance(error, BrokenExecutor) or type(error).__name__ == "KilledWorker"
    )  # distributed's, not imported here


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
