"""Figures of a report, one panel each: mean curves with data, differences, predictive checks, prior beside posterior.

Past the last week at which half of every start group is observed, curves are dashed. Intervals are equal-tailed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bayesmodels.posterior.context import Contrast, FitContext, Outcome, stratum_label
from bayesmodels.posterior.intervals import flat, summarise
from bayesmodels.posterior.observed import ObservedPersons
from bayesmodels.reporting.chapters.checks import predictive_cells
from bayesmodels.reporting.drawing import COLOURS, MARKERS, add_title, new_panel


def curve_figure(
    tree: xr.DataTree, context: FitContext, outcome: Outcome, stratum: str, prob: float, observed: ObservedPersons
) -> Figure:
    """Mean course per start group with observed means, the switch, and persons still observed under the axis.

    Log outcomes are drawn as geometric means, or ratios to baseline, on a log axis.
    """
    name = curve_variable(tree)
    figure, axes = new_panel()
    curves = tree["posterior"][name].reset_coords(drop=True).sel(outcome=outcome.name, stratum=stratum)
    weeks = curves["week"].to_numpy().astype(float)
    last = observed.last_well_observed(outcome.name, context.start_groups, stratum)
    for j, group in enumerate(context.start_groups):
        numbers = summarise(flat(curves.sel(start_group=group).transpose("week", ...)), prob)
        if np.isnan(numbers["median"]).all():
            continue
        shown = {key: _natural(value, outcome) for key, value in numbers.items() if key != "sd"}
        _band(axes, weeks, shown, last, COLOURS[j % len(COLOURS)], group)
        _observed_means(axes, tree, outcome, group, stratum, j, level=name == "curve")
    _week_axis(axes, context, weeks)
    axes.set_ylabel(_axis_label(outcome, change=name == "curve_change"))
    if outcome.scale == "log":
        _log_axis(axes)
    add_title(axes, f"{outcome.label}: {stratum_label(stratum)}")
    _persons_under_axis(axes, context, outcome, stratum, weeks, observed)
    return figure


def difference_figure(
    tree: xr.DataTree,
    context: FitContext,
    outcome: Outcome,
    contrast: Contrast,
    stratum: str,
    prob: float,
    observed: ObservedPersons,
) -> Figure:
    """Difference between two start groups over weeks, with the side that favours the earlier start named."""
    figure, axes = new_panel(height=3.1)
    where = {"outcome": outcome.name, "contrast": contrast.label, "stratum": stratum}
    draws = tree["posterior"]["difference"].reset_coords(drop=True).sel(where).transpose("week", ...)
    weeks = draws["week"].to_numpy().astype(float)
    last = observed.last_well_observed(outcome.name, contrast.groups, stratum)
    _band(axes, weeks, summarise(flat(draws), prob), last, COLOURS[3], "")
    axes.axhline(0, color="#444444", linewidth=0.8)
    _week_axis(axes, context, weeks)
    axes.set_ylabel(f"{contrast.group} minus {contrast.reference}, {outcome.unit}")
    add_title(axes, f"{outcome.label}: {stratum_label(stratum)}")
    axes.margins(y=0.15)
    sign = contrast.sign(outcome)
    if not math.isnan(sign):
        up, down = (contrast.early, contrast.late) if sign > 0 else (contrast.late, contrast.early)
        for y, align, text in ((0.99, "top", f"↑ favours {up}"), (0.01, "bottom", f"↓ favours {down}")):
            axes.text(0.99, y, text, transform=axes.transAxes, ha="right", va=align, fontsize=8.5, color="#333333")
    return figure


def check_figure(tree: xr.DataTree, context: FitContext, outcome: Outcome, stratum: str, prob: float) -> Figure:
    """Observed visit means minus predictive medians, with predictive intervals; hollow where a mean falls outside."""
    figure, axes = new_panel(height=3.1)
    cells = predictive_cells(tree, prob)
    cells = cells[(cells["outcome"] == outcome.name) & (cells["stratum"] == stratum)]
    shift = 0.006 * max(cells["week"].max(), 1.0)
    for j, group in enumerate(context.start_groups):
        own = cells[cells["start_group"] == group]
        x = own["week"] + shift * (2 * j - len(context.start_groups) + 1)
        low, gap, high = (own[name] - own["predicted"] for name in ("lower", "observed", "upper"))
        colour, marker = COLOURS[j % len(COLOURS)], MARKERS[j % len(MARKERS)]
        axes.vlines(x, low, high, color=colour, alpha=0.35, linewidth=3.5)
        for chosen, fill, label in ((own["inside"], colour, group), (~own["inside"], "white", f"{group}, outside")):
            if chosen.any():
                axes.plot(x[chosen], gap[chosen], marker, color=colour, markerfacecolor=fill, markersize=5, label=label)
    axes.axhline(0, color="#444444", linewidth=0.8)
    axes.set_xlabel("Weeks since randomisation")
    axes.set_ylabel(f"Observed minus predicted, {outcome.unit}")
    add_title(axes, f"{outcome.label}: {stratum_label(stratum)}")
    return figure


def effect_figure(effects: pd.DataFrame, outcome: Outcome) -> Figure:
    """Effects of the drug on one outcome, posterior (coloured) over prior (grey)."""
    rows = effects[(effects["outcome"] == outcome.name) & (effects["unit"] == outcome.effect_unit)]
    rows = rows[rows["name"] != "group_effect_sd"].reset_index(drop=True)
    figure, axes = new_panel(height=1.0 + 0.36 * max(len(rows), 2))
    y = -np.arange(len(rows), dtype=float)
    axes.hlines(y, rows["prior_lower"], rows["prior_upper"], color="#b5bbc2", linewidth=7, label="prior")
    axes.hlines(y, rows["lower"], rows["upper"], color=COLOURS[0], linewidth=2.5, label="posterior")
    axes.plot(rows["median"], y, "o", color=COLOURS[0], markersize=5)
    axes.axvline(0, color="#444444", linewidth=0.8)
    axes.set_yticks(y, [_effect_label(row) for row in rows.itertuples()])
    axes.set_ylim(y.min(initial=0.0) - 0.6, 0.6)
    axes.set_xlabel(outcome.effect_unit)
    add_title(axes, outcome.label)
    return figure


def curve_variable(tree: xr.DataTree) -> str:
    """`curve` where it is published, else `curve_change`."""
    return "curve" if "curve" in tree["posterior"].data_vars else "curve_change"


def _natural(values: np.ndarray, outcome: Outcome) -> np.ndarray:
    return np.exp(values) if outcome.scale == "log" else values


def _band(axes: Axes, weeks: np.ndarray, numbers: dict[str, np.ndarray], last: float, colour: str, label: str) -> None:
    """Median and interval, solid while half of each group is observed, dashed and paler after."""
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


def _observed_means(
    axes: Axes, tree: xr.DataTree, outcome: Outcome, group: str, stratum: str, j: int, level: bool
) -> None:
    """Observed-case means with 95 % intervals, if the archive has them for this cell and quantity."""
    if "observed_summary" not in tree.children:
        return
    data = tree["observed_summary"].to_dataset().reset_coords(drop=True)
    if data.attrs.get("quantity", "level" if level else "change") != ("level" if level else "change"):
        return
    if not {outcome.name} <= set(data["outcome"].values) or stratum not in data["stratum"].values:
        return
    cell = data.sel(outcome=outcome.name, start_group=group, stratum=stratum)
    mean, se = cell["mean"].to_numpy(), np.nan_to_num(cell["se"].to_numpy())
    low, middle, high = (_natural(mean + z * se, outcome) for z in (-1.96, 0.0, 1.96))
    axes.errorbar(
        cell["week"].to_numpy(), middle, yerr=[middle - low, high - middle], fmt=MARKERS[j % len(MARKERS)],
        color=COLOURS[j % len(COLOURS)], markersize=4, elinewidth=0.8, markerfacecolor="white",
    )  # fmt: skip


def _week_axis(axes: Axes, context: FitContext, weeks: np.ndarray) -> None:
    axes.set_xlim(weeks.min() - 0.02 * np.ptp(weeks), weeks.max() + 0.02 * np.ptp(weeks))
    axes.set_xlabel("Weeks since randomisation")
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    if context.switch_week is not None and context.switch_week < weeks.max():
        axes.axvline(context.switch_week, color="#777777", linestyle=":", linewidth=1.2)
        axes.text(
            context.switch_week, 0.99, f" switch, week {context.switch_week:g}", transform=axes.get_xaxis_transform(),
            fontsize=8, color="#555555", va="top", ha="left",
        )  # fmt: skip


def _log_axis(axes: Axes) -> None:
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    ticks = [t * 10.0**p for p in range(-4, 7) for t in (1, 1.5, 2, 3, 4, 5, 7) if low <= t * 10.0**p <= high]
    axes.set_yticks(ticks)
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _axis_label(outcome: Outcome, change: bool) -> str:
    if outcome.scale == "log":
        unit = f", {outcome.natural_unit}" if outcome.natural_unit not in ("", "ln") else ""
        return "Ratio to baseline (geometric means)" if change else f"Geometric mean{unit}"
    return f"{'Mean change' if change else 'Mean'}, {outcome.unit}"


def _persons_under_axis(
    axes: Axes, context: FitContext, outcome: Outcome, stratum: str, weeks: np.ndarray, observed: ObservedPersons
) -> None:
    """One line of counts a start group, at about six weeks."""
    if math.isnan(observed.at(outcome.name, context.start_groups[0], stratum, 0.0)):
        return
    targets = np.linspace(weeks.min(), weeks.max(), 6)
    chosen = sorted({float(weeks[np.abs(weeks - target).argmin()]) for target in targets})
    style: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "fontsize": 8, "va": "top"}
    axes.text(weeks.min(), -0.20, "Still observed:", ha="left", color="#333333", **style)
    for j, group in enumerate(context.start_groups):
        height = -0.265 - 0.06 * j
        colour = COLOURS[j % len(COLOURS)]
        axes.text(-0.02, height, group, ha="right", color=colour, **{**style, "transform": axes.transAxes})
        for week in chosen:
            n = observed.at(outcome.name, group, stratum, week)
            axes.text(week, height, "–" if math.isnan(n) else f"{n:.0f}", ha="center", color=colour, **style)


def _effect_label(row: Any) -> str:
    stratum = "" if row.stratum in ("", "all") else f", {row.stratum}"
    if row.name == "group_drug_effect":
        return f"{row.start_group} start{stratum}"
    if row.name == "group_effect_contrast":
        return f"{row.contrast}{stratum}"
    return f"{'slowing' if row.name == 'proportional_slowing' else 'all starts'}{stratum}"
