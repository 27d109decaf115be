"""What every figure shares: size, colours, axes of weeks, and how it becomes bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from textwrap import wrap
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

COLOURS = ("#0b5fa5", "#c8500a", "#3a7d44", "#7a3e9d", "#8a6d00", "#555555")
"""One colour per start group; blue and orange stay apart for colour-blind readers and in grey print."""

MARKERS = ("o", "s", "^", "D", "v", "P")

SIZE = (4.8, 3.7)
"""Inches; one panel per figure, so that a page can set them side by side or one below the other."""

STYLE = {
    "svg.fonttype": "path",
    "svg.hashsalt": "bayesmodels",
    "pdf.fonttype": 42,
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
    """A figure with one panel, outside pyplot, so that nothing is kept open and no screen is needed.

    Parameters
    ----------
    height : float
        Inches.

    Returns
    -------
    Figure, Axes
        One panel as wide as a page's column.
    """
    with matplotlib.rc_context(STYLE):
        figure = NotebookFigure(figsize=(SIZE[0], height), layout="constrained")
        return figure, figure.subplots()


def add_title(axes: Axes, title: str) -> None:
    """Title at the left, legend at the right of the same line; below the title where both have no room (`laid_out`).

    Parameters
    ----------
    axes : Axes
    title : str
    """
    axes.set_title(title, loc="left", fontweight="bold", fontsize=10.5)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        _legend(axes, handles, labels, len(handles))


def _legend(axes: Axes, handles: Sequence[Any], labels: Sequence[str], columns: int) -> None:
    """A legend right above the axes, in the title's room: with its own it would narrow the panel where it is wide."""
    legend = axes.legend(
        handles, labels, loc="lower right", bbox_to_anchor=(1.01, 0.99), ncols=columns, frameon=False,
        fontsize=8.5, borderpad=0.3, columnspacing=1.0, handlelength=1.4, handletextpad=0.5,
    )  # fmt: skip
    legend.set_in_layout(False)


def no_difference(axes: Axes, vertical: bool = False) -> None:
    """A line at zero."""
    (axes.axvline if vertical else axes.axhline)(0, color="#444444", linewidth=0.8)


def week_axis(axes: Axes, weeks: np.ndarray, switch_week: float | None, labelled: bool = False) -> None:
    """Weeks since randomisation as the axis, with a line at the switch (None, inf: never), labelled if asked for."""
    axes.set_xlim(weeks.min() - 0.02 * np.ptp(weeks), weeks.max() + 0.02 * np.ptp(weeks))
    axes.set_xlabel("Weeks since randomisation")
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    if switch_week is not None and switch_week < weeks.max():
        switch_line(axes, switch_week, labelled)


def interval_rows(
    axes: Axes, numbers: Mapping[str, np.ndarray], labels: Sequence[str], colour: str, label: str = ""
) -> None:
    """Intervals with their medians, one row per label from the top, and a line at no difference.

    Parameters
    ----------
    numbers : mapping of str to ndarray (row,)
        `median`, `lower`, `upper`.
    """
    y = -np.arange(len(labels), dtype=float)
    axes.hlines(y, numbers["lower"], numbers["upper"], color=colour, linewidth=2.5, label=label)
    axes.plot(numbers["median"], y, "o", color=colour, markersize=5)
    no_difference(axes, vertical=True)
    axes.set_yticks(y, labels)
    axes.set_ylim(y.min(initial=0.0) - 0.6, 0.6)


def switch_line(axes: Axes, week: float, labelled: bool = True) -> None:
    """A line at the week of the switch."""
    axes.axvline(week, color="#777777", linestyle=":", linewidth=1.2)
    if labelled:
        first, last = axes.get_xlim()
        late = week - first > LATE * (last - first)
        axes.text(
            week, 0.99, f" switch, week {week:g} ", transform=axes.get_xaxis_transform(), fontsize=8, color="#555555",
            va="top", ha="right" if late else "left",
        )  # fmt: skip


def counts_under_axis(
    axes: Axes, heading: str, groups: Iterable[str], weeks: np.ndarray, known: np.ndarray,
    count: Callable[[str, float], float],
) -> None:  # fmt: skip
    """One line of numbers of persons a start group under the axis, at about six of the weeks at which they are known.

    Parameters
    ----------
    weeks, known : ndarray (week,)
        Of the axis, and those with counts.
    count : callable
        Persons of a start group at a week; NaN where unknown.
    """
    targets = np.linspace(weeks.min(), weeks.max(), 6)
    chosen = sorted({float(known[np.abs(known - target).argmin()]) for target in targets})
    style: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "fontsize": 8, "va": "top"}
    axes.text(weeks.min(), -0.20, heading, ha="left", color="#333333", **style)
    for j, group in enumerate(groups):
        height, colour = -0.265 - 0.06 * j, COLOURS[j % len(COLOURS)]
        axes.text(-0.02, height, group, ha="right", color=colour, **{**style, "transform": axes.transAxes})
        for week in chosen:
            n = count(group, week)
            axes.text(week, height, "–" if math.isnan(n) else f"{n:.0f}", ha="center", color=colour, **style)


def median_and_band(
    axes: Axes, weeks: np.ndarray, numbers: Mapping[str, np.ndarray], colour: str, last: float, label: str = ""
) -> None:
    """Median and interval, solid up to a last week (NaN: throughout), dashed and paler after.

    Parameters
    ----------
    weeks : ndarray (week,)
    numbers : mapping of str to ndarray (week,)
        `median`, `lower`, `upper`.
    """
    solid = np.ones(len(weeks), bool) if math.isnan(last) else weeks <= last
    dashed = ~solid
    dashed[np.flatnonzero(solid)[-1:]] = dashed.any()
    for part, style, alpha in ((solid, "-", 0.22), (dashed, "--", 0.09)):
        if part.any():
            axes.fill_between(
                weeks[part], numbers["lower"][part], numbers["upper"][part], color=colour, alpha=alpha, linewidth=0
            )
            named = label if label and style == "-" else None
            axes.plot(weeks[part], numbers["median"][part], style, color=colour, linewidth=1.8, label=named)


def laid_out(figure: Figure) -> Figure:
    """The figure with its panels laid out, once and for all, so that nothing it says is covered or cut off.

    Where a title and a legend have no room on one line the legend goes below the title, in as many lines as it needs;
    an axis label that would run off the figure is moved inside it, and broken into lines where it is too long.

    Parameters
    ----------
    figure : Figure

    Returns
    -------
    Figure
        The same.
    """
    if figure.get_layout_engine() is None or isinstance(figure.get_layout_engine(), PlaceHolderLayoutEngine):
        return figure
    for _ in range(MOST_CHANGES):
        figure.draw_without_rendering()
        if not any([_made_to_fit(axes, figure) for axes in figure.axes]):
            break
    if any(not axes.bbox.contains(*_centre(text)) for axes in figure.axes for text in axes.texts):
        figure.draw_without_rendering()  # text beside a panel moves with it: the layout settles at the second time
    figure.set_layout_engine("none")
    return figure


MOST_CHANGES = 8
"""Changes to one figure: each moves or breaks what did not fit after the one before."""

LATE = 0.6
"""Share of an axis of weeks from which on the label of the switch stands before it."""

GAP = 4.0
"""Points between what must not touch."""


def _made_to_fit(axes: Axes, figure: Figure) -> bool:
    """Make the first thing fit that does not; whether there was one."""
    fits = (_legend_fits, _across_fits, _up_fits, _notes_fit)
    return any(fit(axes, figure) for fit in fits)


def _legend_fits(axes: Axes, figure: Figure) -> bool:
    """Move a legend that touches the title below it, and then give it fewer columns."""
    legend, title = axes.get_legend(), axes._left_title  # type: ignore[attr-defined]
    pixels, page = figure.dpi / 72, figure.bbox
    heading = title.get_window_extent()
    if heading.x1 > page.x1:
        return _broken(title, heading.width, page.x1 - heading.x0 - GAP * pixels)
    if legend is None:
        return False
    box = legend.get_window_extent()
    if legend._ncols > 1 and (box.x0 < page.x0 or box.width > page.width):  # type: ignore[attr-defined]
        _legend_below(axes, max(legend._ncols - 1, 1))  # type: ignore[attr-defined]
        return True
    beside = box.x0 >= heading.x1 + GAP * pixels
    if beside or heading.y0 >= box.y1 - pixels:
        return False
    _legend_below(axes, legend._ncols)  # type: ignore[attr-defined]
    return True


def _legend_below(axes: Axes, columns: int) -> None:
    """The legend in so many columns right above the axes, the title above it, whose room is the legend's as well."""
    handles, labels = axes.get_legend_handles_labels()
    _legend(axes, handles, labels, columns)
    rows = math.ceil(len(labels) / columns)
    axes.set_title(axes.get_title("left"), loc="left", fontweight="bold", fontsize=10.5, pad=8.0 + 13.5 * rows)


def _across_fits(axes: Axes, figure: Figure) -> bool:
    """Move a label of the horizontal axis that runs off the figure to the axis's right end, and then break it."""
    label, room, page = axes.xaxis.label, GAP * figure.dpi / 72, figure.bbox
    box, moved = label.get_window_extent(), label.get_horizontalalignment() == "right"
    if not label.get_text() or (box.x0 >= page.x0 + room / 2 and (moved or box.x1 <= page.x1 - room / 2)):
        return False
    if not moved:
        axes.set_xlabel(label.get_text(), loc="right")
        return True
    return _broken(label, box.width, axes.bbox.x1 - page.x0 - room)


def _up_fits(axes: Axes, figure: Figure) -> bool:
    """Break a label of the vertical axis that runs off the figure."""
    label, pixels, page = axes.yaxis.label, figure.dpi / 72, figure.bbox
    box = label.get_window_extent()
    if not label.get_text() or (box.y0 >= page.y0 and box.y1 <= page.y1):
        return False
    middle = (axes.bbox.y0 + axes.bbox.y1) / 2
    return _broken(label, box.height, 2 * min(middle - page.y0, page.y1 - middle) - GAP * pixels)


def _notes_fit(axes: Axes, figure: Figure) -> bool:
    """Move a note inside the panel off the one that it covers, away from the edge that both stand at."""
    notes = [
        text
        for text in axes.texts
        if axes.bbox.contains(*_centre(text)) and text.get_verticalalignment() in ("top", "bottom")
    ]
    for place, note in enumerate(notes):
        box = note.get_window_extent()
        others = [other.get_window_extent() for other in notes[:place]]
        covered = [other for other in others if box.overlaps(other)]
        if covered:
            step = max(other.height for other in covered) * (1.1 if note.get_verticalalignment() == "bottom" else -1.1)
            note.set_transform(note.get_transform() + ScaledTranslation(0, step / figure.dpi, figure.dpi_scale_trans))
            return True
    return False


def _centre(text: Text) -> tuple[float, float]:
    box = text.get_window_extent()
    return (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2


def _broken(text: Text, length: float, room: float) -> bool:
    """Break a text into lines that have room; whether that changed it."""
    before = text.get_text()
    longest = max(map(len, before.split("\n")))
    width = max(int(longest * room / length), 8)
    lines = [part for line in before.split("\n") for part in wrap(line, width, break_long_words=False)]
    text.set_text("\n".join(lines))
    return text.get_text() != before


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

    def add(self, makers: Mapping[str, Callable[[], Figure]]) -> None:
        """Have further figures."""
        self._makers |= makers

    def __getitem__(self, name: str) -> Figure:
        """Return the figure, drawing it the first time."""
        if name not in self._makers:
            raise KeyError(f"no figure {name!r}; there are {', '.join(self._makers) or 'none'}")
        if name not in self._made:
            self._made[name] = laid_out(self._makers[name]())
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


def pdf_bytes(figure: Figure) -> bytes:
    """The figure as PDF, its fonts inside."""
    return _saved(figure, "pdf", metadata={"CreationDate": None})


def _saved(figure: Figure, kind: str, **options: Any) -> bytes:
    buffer = BytesIO()
    with matplotlib.rc_context(STYLE):
        laid_out(figure).savefig(buffer, format=kind, **options)
    return buffer.getvalue()
