"""What every figure shares: size, colours, and how it becomes bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = ("#0b5fa5", "#c8500a", "#3a7d44", "#7a3e9d", "#8a6d00", "#555555")
"""One colour a start group; blue and orange stay apart for colour-blind readers and in grey print."""

MARKERS = ("o", "s", "^", "D", "v", "P")

SIZE = (4.8, 3.7)
"""Inches; one panel a figure, so that a page can set them side by side or one below the other."""

STYLE = {
    "svg.fonttype": "path",
    "svg.hashsalt": "bayesmodels",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


class NotebookFigure(Figure):
    """A Matplotlib figure that Jupyter shows as it is, without `%matplotlib inline`."""

    def _repr_png_(self) -> bytes:
        return png_bytes(self, dpi=110)


def new_panel(height: float = SIZE[1]) -> tuple[Figure, Axes]:
    """A figure with one panel, outside pyplot, so that nothing is kept open and no screen is needed."""
    with matplotlib.rc_context(STYLE):
        figure = NotebookFigure(figsize=(SIZE[0], height), layout="constrained")
        return figure, figure.subplots()


def add_title(axes: Axes, title: str) -> None:
    """Title at the left, legend at the right of the same line."""
    axes.set_title(title, loc="left", fontweight="bold", fontsize=10.5)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(
            handles, labels, loc="lower right", bbox_to_anchor=(1.01, 0.99), ncols=len(handles), frameon=False,
            fontsize=8.5, borderpad=0.3, columnspacing=1.0, handlelength=1.4, handletextpad=0.5,
        )  # fmt: skip


class LazyFigures(Mapping[str, Figure]):
    """Figures by name, each made when it is first asked for.

    Parameters
    ----------
    makers : mapping of str to callable
        Name to a function that makes the figure.
    """

    def __init__(self, makers: Mapping[str, Callable[[], Figure]]):
        """Keep the makers; nothing is drawn."""
        self._makers = dict(makers)
        self._made: dict[str, Figure] = {}
        self._svg: dict[str, bytes] = {}

    def __getitem__(self, name: str) -> Figure:
        """Return the figure, drawing it the first time."""
        if name not in self._made:
            figure = self._makers[name]()
            figure.draw_without_rendering()
            figure.set_layout_engine("none")  # laid out once, not again at each saving
            self._made[name] = figure
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        """Names, in the order of the page."""
        return iter(self._makers)

    def __len__(self) -> int:
        """Return the number of figures."""
        return len(self._makers)

    def svg(self, name: str) -> bytes:
        """Return the figure as SVG, drawn once for page and file."""
        if name not in self._svg:
            self._svg[name] = svg_bytes(self[name])
        return self._svg[name]

    def maker(self, name: str) -> Callable[[], bytes]:
        """Return a function that gives the SVG, for a page made later."""
        return lambda: self.svg(name)

    def __repr__(self) -> str:
        """Names only."""
        return f"figures: {', '.join(self._makers)}"


def svg_bytes(figure: Figure) -> bytes:
    """The figure as SVG, text as outlines: the same on every machine, no font needed."""
    return _saved(figure, "svg", metadata={"Date": None})


def png_bytes(figure: Figure, dpi: int = 150) -> bytes:
    """The figure as PNG."""
    return _saved(figure, "png", dpi=dpi)


def _saved(figure: Figure, kind: str, **options: Any) -> bytes:
    buffer = BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()
