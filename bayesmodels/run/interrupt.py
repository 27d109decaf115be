"""Interrupts of a run: Ctrl-C and SIGTERM, raised again at the next phase where Python dropped them."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


def terminate(number: int, frame: FrameType | None) -> NoReturn:
    """Handle SIGTERM as Ctrl-C."""
    raise KeyboardInterrupt


@contextmanager
def heeded_interrupts() -> Iterator[Callable[[], None]]:
    """Remember Ctrl-C and SIGTERM where Python would print and drop them, in finalizers and callbacks from C.

    The traceback that Python would print is left out.

    Yields
    ------
    callable
        Raises KeyboardInterrupt if there was one. Without effect outside the main thread, and where the program handles
        a signal in a way of its own.
    """
    seen = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal seen
        seen = True
        raise KeyboardInterrupt

    def raise_again() -> None:
        if seen:
            raise KeyboardInterrupt

    def show(dropped: sys.UnraisableHookArgs) -> None:
        if not isinstance(dropped.exc_value, KeyboardInterrupt):
            shown_before(dropped)

    shown_before = sys.unraisablehook
    usual = {signal.SIGINT: (signal.default_int_handler,), signal.SIGTERM: (signal.SIG_DFL, terminate)}
    before = {number: signal.getsignal(number) for number in usual}
    if threading.current_thread() is not threading.main_thread():
        before = {}
    heeded = {number: handler for number, handler in before.items() if handler in usual[number]}
    for number in heeded:
        signal.signal(number, remember)
    if heeded:
        sys.unraisablehook = show
    try:
        yield raise_again
    finally:
        sys.unraisablehook = shown_before
        for number, handler in heeded.items():
            signal.signal(number, handler)
