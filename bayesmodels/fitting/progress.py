"""Progress of chains and loops: bars in a terminal, a table in Jupyter (no ipywidgets needed), nothing in batch."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol, Self

PATIENCE = 2.0
"""Seconds that a loop may take before its progress is shown."""

_wanted: ContextVar[bool | None] = ContextVar("wanted", default=None)


@dataclass(frozen=True)
class State:
    """How far something is.

    Parameters
    ----------
    label : str
        What is in progress.
    finished, total : int
        Draws, or items of a loop.
    note : str
        Shown behind it.
    """

    label: str
    finished: int
    total: int
    note: str = ""

    @property
    def share(self) -> float:
        """Finished share, 0 to 1."""
        return self.finished / self.total


def chain_state(chain: int, finished: int, tune: int, draws: int, divergences: int = 0) -> State:
    """How far a chain is, and whether it is tuning or sampling; chains are numbered from 0.

    Parameters
    ----------
    chain : int
        From 0.
    finished : int
        Draws, tuning included.
    tune, draws : int
        Draws of each phase.
    divergences : int
        So far.
    """
    note = "tuning" if finished < tune else f"sampling, {divergences} divergent"
    return State(f"chain {chain + 1}", finished, tune + draws, note)


class Progress(Protocol):
    """Something that shows states while it is entered."""

    def __enter__(self) -> Self:
        """Start the display."""
        ...

    def __exit__(self, *exception: object) -> None:
        """End the display."""
        ...

    def update(self, state: State) -> None:
        """Show a new state, in place of the one with the same label.

        Parameters
        ----------
        state : State
        """
        ...


class Quiet:
    """Shows nothing."""

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Do nothing."""

    def update(self, state: State) -> None:
        """Do nothing.

        Parameters
        ----------
        state : State
        """


class TerminalBars:
    """One bar per label, by rich, on stderr."""

    def __init__(self) -> None:
        """Lay out the bars."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._bars = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True, force_jupyter=False),
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Self:
        """Start the bars."""
        self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the bars as they are."""
        self._bars.stop()

    def update(self, state: State) -> None:
        """Move a bar.

        Parameters
        ----------
        state : State
        """
        if state.label not in self._tasks:
            self._tasks[state.label] = self._bars.add_task(state.label, total=state.total, note="")
        self._bars.update(self._tasks[state.label], completed=state.finished, note=state.note)


class NotebookTable:
    """A table that is drawn again in place, by IPython's own display."""

    def __init__(self) -> None:
        """Begin with no state."""
        self._states: dict[str, State] = {}
        self._shown = 0.0
        self._handle: Any = None

    def __enter__(self) -> Self:
        """Show an empty table."""
        from IPython.display import HTML, display

        self._handle = display(HTML(self.markup()), display_id=True)
        return self

    def __exit__(self, *exception: object) -> None:
        """Show the last state."""
        self._draw()

    def update(self, state: State) -> None:
        """Remember a state; draw the table at most four times a second.

        Parameters
        ----------
        state : State
        """
        self._states[state.label] = state
        if time.monotonic() - self._shown > 0.25:
            self._draw()

    def markup(self) -> str:
        """Return the table as HTML."""
        if not self._states:
            return "<em>preparing …</em>"
        left = "style='text-align: left'"
        rows = "".join(
            f"<tr><td {left}>{html.escape(s.label)}</td>"
            f"<td><progress max='1' value='{s.share:.3f}'></progress></td>"
            f"<td>{s.finished} of {s.total}</td><td {left}>{html.escape(s.note)}</td></tr>"
            for s in sorted(self._states.values(), key=lambda s: (len(s.label), s.label))
        )
        return f"<table aria-label='progress'>{rows}</table>"

    def _draw(self) -> None:
        from IPython.display import HTML

        self._shown = time.monotonic()
        self._handle.update(HTML(self.markup()))


def in_notebook() -> bool:
    """Say whether this process is a Jupyter kernel."""
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"


def progress_display(wanted: bool | None) -> Progress:
    """Choose the display.

    Parameters
    ----------
    wanted : bool, optional
        None: shown in Jupyter and where stderr is a terminal.
    """
    if wanted is False:
        return Quiet()
    if in_notebook():
        return NotebookTable()
    if wanted or sys.stderr.isatty():
        return TerminalBars()
    return Quiet()


@contextmanager
def progress_wanted(wanted: bool | None) -> Iterator[None]:
    """Within, loops show their progress as settings ask (`progress_display`).

    Parameters
    ----------
    wanted : bool or None
        As of `NutsSettings.progress`.

    Yields
    ------
    None
        Within, `counted` does as asked.
    """
    before = _wanted.set(wanted)
    try:
        yield
    finally:
        _wanted.reset(before)


def counted[Item](items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """Items of a loop, whose progress is shown, in Jupyter and in a terminal, once it has lasted `PATIENCE` seconds.

    Parameters
    ----------
    items : iterable
    total : int
        How many there are.
    what : str
        The label.

    Yields
    ------
    Item
        The items, in order.
    """
    began, display = time.monotonic(), None
    with ExitStack() as stack:
        for done, item in enumerate(items, start=1):
            yield item
            if display is None and time.monotonic() - began > PATIENCE:
                display = stack.enter_context(progress_display(_wanted.get()))
            if display is not None:
                display.update(State(what, done, total))
