"""Work that is done side by side, in processes of this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from multiprocessing import active_children, get_context
from pathlib import Path


def usable_cores() -> int:
    """Count the processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def side_by_side[Item, Result](
    function: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Iterator[tuple[int, Result]]:
    """Apply a function to items in several processes; results come as they are finished, each with its item's place.

    Parameters
    ----------
    function : callable
        A module's function, or a partial of one.
    items : sequence
    workers : int
        Processes; with 1 everything is done in this one.

    Yields
    ------
    tuple of int and result
        Whatever ends the loop early, Ctrl-C included, ends the processes.
    """
    if workers == 1 or len(items) < 2:
        yield from enumerate(map(function, items))
        return
    with process_pool(min(workers, len(items))) as pool:
        places = {pool.submit(function, item): place for place, item in enumerate(items)}
        for future in as_completed(places):
            yield places[future], future.result()


@contextmanager
def process_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Pool of fresh processes that is ended with the block, at once where an exception ends it.

    Parameters
    ----------
    workers : int

    Yields
    ------
    ProcessPoolExecutor
        Its processes leave Ctrl-C to this one.
    """
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_left_to_parent)
    others = set(active_children())
    try:
        yield pool
    except BaseException:
        for process in set(active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def one_at_a_time(place: Path) -> Iterator[None]:
    """Wait until no other process of this machine is within, and hold the others back. POSIX only.

    Parameters
    ----------
    place : Path
        A file for the lock. Where it cannot be made or locked, nothing is waited for.

    Yields
    ------
    None
        The lock goes with the process, however it ends.
    """
    descriptor = None
    try:
        with suppress(ImportError, OSError):
            import fcntl

            descriptor = os.open(place, os.O_RDWR | os.O_CREAT, 0o666)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _left_to_parent() -> None:
    """A terminal's Ctrl-C goes to every process: the parent answers it, and ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
