"""Figures: the implied effect against the reduction, one a level; and the responder trap by scenario."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bayesmodels.reporting.drawing import COLOURS, add_title, new_panel, no_difference
from bayesmodels.simulation.responder_trap import RANDOMISED, RESPONDERS, ResponderTrap
from bayesmodels.surrogacy.magnitude.result import Implied, Level, Magnitude, NewTrial, ln_effect

BLUE, ORANGE, GREEN, PURPLE, _, GREY = COLOURS
LEVEL_COLOURS = {"trials": BLUE, "one trial": ORANGE, "link": PURPLE, "persons": GREEN}
FURTHEST = 0.8
"""Largest reduction drawn, unless a larger one is shown in the tables."""

POINTS = 25
DRAWS = 1500
"""Draws behind a prediction band."""


def level_figure(found: Magnitude, level: Level) -> Figure:
    """Implied effect with its interval against the reduction; grey where reductions were observed."""
    assert level.effect is not None
    figure, axes = new_panel()
    last = min(max(FURTHEST, *found.reductions), 0.95)
    grid = np.linspace(0.005, last, POINTS)
    colour = LEVEL_COLOURS[level.name]
    low, high = (float(np.clip(edge, 0.0, last)) for edge in level.observed)
    if np.isfinite(level.observed).all() and high > low:
        axes.axvspan(100 * low, 100 * high, color=GREY, alpha=0.12, linewidth=0, label="observed")
    band = _band(_fewer(level.effect), level, grid, found.prob)
    axes.fill_between(100 * grid, band[1], band[2], color=colour, alpha=0.18, linewidth=0)
    axes.plot(100 * grid, band[0], color=colour, linewidth=1.8)
    if level.line is not None:
        line = _band(level.line, level, grid, found.prob)
        axes.fill_between(100 * grid, line[1], line[2], color=colour, alpha=0.28, linewidth=0, label="mean of trials")
    axes.axhline(1.0 if level.ratio else 0.0, color="#444444", linewidth=0.8)
    if level.important and not level.ratio:
        axes.axhline(level.good * level.important, color=GREY, linestyle=":", linewidth=1.3, label="important")
    for each in level.sufficient[:1]:
        if each.reduction and each.reduction <= last:
            axes.axvline(100 * each.reduction, color=GREEN, linestyle="--", linewidth=1.3, label="suffices")
    if level.ratio:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlim(0, 100 * last)
    axes.set_xlabel(f"Reduction of {found.surrogate}, %")
    axes.set_ylabel(f"{_broken(level.endpoint)},\n{level.shown_unit}")
    axes.set_title(_short(level.title), loc="left", fontweight="bold", fontsize=10.5)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best", frameon=False, fontsize=8.5)
    return figure


def trap_figure(traps: Sequence[tuple[str, ResponderTrap]]) -> Figure:
    """Mean and range over simulated trials of both comparisons, a pair of lines per scenario."""
    figure, axes = new_panel(height=1.3 + 0.34 * len(traps))
    places = -np.arange(len(traps), dtype=float)
    for name, colour, shift, label in (
        (RESPONDERS, ORANGE, 0.13, "responders"),
        (RANDOMISED, BLUE, -0.13, "as randomised"),
    ):
        rows = [trap.table.set_index("comparison").loc[name] for _, trap in traps]
        middle, lower, upper = (np.array([row[edge] for row in rows], float) for edge in ("mean", "lower", "upper"))
        axes.hlines(places + shift, lower, upper, color=colour, linewidth=2.2, label=label)
        axes.plot(middle, places + shift, "o", color=colour, markersize=4.5)
    no_difference(axes, vertical=True)
    axes.set_yticks(places, [_scenario(name, trap) for name, trap in traps], fontsize=8)
    axes.set_ylim(places.min() - 0.6, 0.6)
    axes.set_xlabel("Difference in slope, points a month\n(simulated; + favours the drug; the truth is 0)")
    add_title(axes, "Slope by scenario")
    return figure


def _scenario(name: str, trap: ResponderTrap) -> str:
    short = (
        "this fit's persons"
        if "this fit" in name
        else name.removeprefix("Drug ").replace("does nothing to", "no effect on")
    )
    return f"{short}, r {trap.correlation:.2f}".replace("-", "−")


def _band(implied: Implied, level: Level, grid: np.ndarray, prob: float) -> np.ndarray:
    """Median and limits as they are shown, (3, reduction)."""
    return np.array([level.shown(implied.limits(ln_effect(float(x)), prob)) for x in grid]).T


def _fewer(implied: Implied) -> Implied:
    return replace(implied, draws=implied.draws.thinned(DRAWS)) if isinstance(implied, NewTrial) else implied


def _short(title: str, longest: int = 44) -> str:
    return title if len(title) <= longest else f"{title[: longest - 1]}…"


def _broken(text: str, longest: int = 34) -> str:
    """A long label on two lines."""
    if len(text) <= longest or ", " not in text:
        return text
    return text.replace(", ", ",\n", 1)
