"""Progress of the chains: a bar in a terminal, a small table in Jupyter (no ipywidgets needed), nothing in batch."""

from __future__ import annotations

import html
import sys
import time
from dataclasses import dataclass
from typing import Any, Protocol, Self


@dataclass(frozen=True)
class ChainState:
    """How far a chain is."""

    chain: int
    finished: int
    total: int
    divergences: int = 0

    @property
    def share(self) -> float:
        """Finished share of the chain's draws, 0 to 1."""
        return self.finished / self.total


class Progress(Protocol):
    """Something that shows chain states while it is entered."""

    def __enter__(self) -> Self:
        """Start the display."""
        ...

    def __exit__(self, *exception: object) -> None:
        """End the display."""
        ...

    def update(self, state: ChainState) -> None:
        """Show a chain's new state."""
        ...


class Quiet:
    """Shows nothing."""

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Do nothing."""

    def update(self, state: ChainState) -> None:
        """Do nothing."""


class TerminalBars:
    """One bar a chain, by rich, on stderr."""

    def __init__(self) -> None:
        """Lay out the bars."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._bars = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[divergences]} divergent"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True, force_jupyter=False),
        )
        self._tasks: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Start the bars."""
        self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the bars as they are."""
        self._bars.stop()

    def update(self, state: ChainState) -> None:
        """Move a chain's bar."""
        if state.chain not in self._tasks:
            self._tasks[state.chain] = self._bars.add_task(f"chain {state.chain + 1}", total=state.total, divergences=0)
        self._bars.update(self._tasks[state.chain], completed=state.finished, divergences=state.divergences)


class NotebookTable:
    """A table that is drawn again in place, by IPython's own display."""

    def __init__(self) -> None:
        """Begin with no chain."""
        self._states: dict[int, ChainState] = {}
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

    def update(self, state: ChainState) -> None:
        """Remember a chain's state; draw the table at most four times a second."""
        self._states[state.chain] = state
        if time.monotonic() - self._shown > 0.25:
            self._draw()

    def markup(self) -> str:
        """Return the table as HTML."""
        if not self._states:
            return "<em>preparing the chains …</em>"
        rows = "".join(
            f"<tr><td>chain {s.chain + 1}</td><td><progress max='1' value='{s.share:.3f}'></progress></td>"
            f"<td>{s.finished} of {s.total} draws</td><td>{s.divergences} divergent</td></tr>"
            for s in sorted(self._states.values(), key=lambda s: s.chain)
        )
        return f"<table aria-label='{html.escape('progress of the chains')}'>{rows}</table>"

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
