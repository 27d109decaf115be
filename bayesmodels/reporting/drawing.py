"""What every figure shares: size, colours, and how it becomes bytes."""

from __future__ import annotations

from io import BytesIO

import matplotlib
from matplotlib.figure import Figure

COLOURS = ("#0b5fa5", "#c8500a", "#3a7d44", "#7a3e9d", "#8a6d00", "#555555")
"""One colour a start group; blue and orange stay apart for colour-blind readers and in grey print."""

MARKERS = ("o", "s", "^", "D", "v", "P")

SIZE = (5.4, 4.0)
"""Inches; one panel a figure, so that a page can set them side by side or one below the other."""

STYLE = {
    "svg.fonttype": "path",
    "svg.hashsalt": "bayesmodels",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def new_figure(width: float = SIZE[0], height: float = SIZE[1]) -> Figure:
    """An empty figure, outside pyplot, so that nothing is kept open and no screen is needed."""
    with matplotlib.rc_context(STYLE):
        return Figure(figsize=(width, height), layout="constrained")


def svg_bytes(figure: Figure) -> bytes:
    """The figure as SVG, text as outlines: the same on every machine, no font needed."""
    return _saved(figure, "svg", metadata={"Date": None})


def png_bytes(figure: Figure, dpi: int = 200) -> bytes:
    """The figure as PNG."""
    return _saved(figure, "png", dpi=dpi)


def _saved(figure: Figure, kind: str, **options) -> bytes:
    buffer = BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()
