"""Ctrl-C that is heeded, also where Python drops it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def heeded_interrupts() -> Iterator[Callable[[], None]]:
    """Remember Ctrl-C: where it arrives in a finalizer or a callback from C, Python prints the exception and goes on.

    Yields
    ------
    callable
        Raises KeyboardInterrupt if there was a Ctrl-C. Without effect outside the main thread, and where the program
        handles SIGINT in a way of its own.
    """
    seen = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal seen
        seen = True
        signal.default_int_handler(number, frame)

    def raise_again() -> None:
        if seen:
            raise KeyboardInterrupt

    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield raise_again
        return
    signal.signal(signal.SIGINT, remember)
    try:
        yield raise_again
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
