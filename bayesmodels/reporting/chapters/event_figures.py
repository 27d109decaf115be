"""Figures of events, one panel each: survival and cumulative incidence per start group, with the data's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bayesmodels.posterior.context import FitContext, stratum_label
from bayesmodels.posterior.intervals import flat, summarise
from bayesmodels.reporting.drawing import COLOURS, MARKERS, add_title, new_panel
from bayesmodels.vocabulary import ALL

ENOUGH_FOR_STEPS = 60
"""Weeks from which on a curve of the data is drawn as steps."""


def event_figures(tree: xr.DataTree, context: FitContext, prob: float) -> dict[str, Callable[[], Figure]]:
    """Makers of ``survival_<stratum>`` and ``incidence_<event>_<stratum>``."""
    if "event_curves" not in tree.children:
        return {}
    group = tree["event_curves"].to_dataset()
    strata = sorted((str(s) for s in group["stratum"].values), key=lambda label: label != ALL)
    makers: dict[str, Callable[[], Figure]] = {}
    if "survival" in group:
        makers |= {f"survival_{s}": partial(survival_figure, tree, context, s, prob) for s in strata}
    if "cumulative_incidence" in group:
        for event in group["event"].values.tolist():
            makers |= {
                f"incidence_{event}_{s}": partial(incidence_figure, tree, context, event, s, prob) for s in strata
            }
    return makers


def survival_figure(tree: xr.DataTree, context: FitContext, stratum: str, prob: float) -> Figure:
    """Survival per start group with intervals; Kaplan-Meier with its limits; persons at risk under the axis."""
    figure, axes = new_panel()
    draws = tree["event_curves"]["survival"].reset_coords(drop=True).sel(stratum=stratum)
    _bands(axes, context, draws, prob)
    if _data(tree, "observed_survival", stratum) is not None:
        data = tree["event_data"].to_dataset().reset_coords(drop=True).sel(stratum=stratum)
        for j, group in enumerate(context.start_groups):
            own = data.sel(start_group=group)
            limits = [own.get(f"observed_survival_{edge}") for edge in ("lower", "upper")]
            _observed(axes, own["observed_survival"], limits, j)
    axes.set_ylim(min(0.98, max(0.0, axes.get_ylim()[0])), 1.0)
    axes.set_ylabel("Without a terminal event")
    _finish(axes, tree, context, draws, f"Survival: {stratum_label(stratum)}", stratum)
    return figure


def incidence_figure(tree: xr.DataTree, context: FitContext, event: str, stratum: str, prob: float) -> Figure:
    """Cumulative incidence of one event per start group, all events competing, with Aalen-Johansen."""
    figure, axes = new_panel()
    draws = tree["event_curves"]["cumulative_incidence"].reset_coords(drop=True).sel(stratum=stratum, event=event)
    _bands(axes, context, draws, prob)
    data = _data(tree, "observed_incidence", stratum)
    if data is not None and event in data["event"].values:
        for j, group in enumerate(context.start_groups):
            _observed(axes, data.sel(event=event, start_group=group), [], j)
    axes.set_ylim(0.0, max(0.02, axes.get_ylim()[1]))
    axes.set_ylabel(f"Had {event}")
    _finish(axes, tree, context, draws, f"{event}: {stratum_label(stratum)}", stratum)
    return figure


def week_axis(axes: Axes, context: FitContext, weeks: np.ndarray) -> None:
    """Weeks since randomisation, with the switch."""
    axes.set_xlim(weeks.min() - 0.02 * np.ptp(weeks), weeks.max() + 0.02 * np.ptp(weeks))
    axes.set_xlabel("Weeks since randomisation")
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    if context.switch_week is not None and context.switch_week < weeks.max():
        axes.axvline(context.switch_week, color="#777777", linestyle=":", linewidth=1.2)


def _bands(axes: Axes, context: FitContext, draws: xr.DataArray, prob: float) -> None:
    weeks = draws["week"].to_numpy().astype(float)
    for j, group in enumerate(context.start_groups):
        numbers = summarise(flat(draws.sel(start_group=group).transpose("week", ...)), prob)
        colour = COLOURS[j % len(COLOURS)]
        axes.fill_between(weeks, numbers["lower"], numbers["upper"], color=colour, alpha=0.2, linewidth=0)
        axes.plot(weeks, numbers["median"], color=colour, linewidth=1.8, label=group)


def _observed(axes: Axes, curve: xr.DataArray, limits: Sequence[xr.DataArray | None], j: int) -> None:
    """A step curve of the data, limits dotted; markers where it is known at few weeks, between which it may step."""
    weeks, colour = curve["week"].to_numpy().astype(float), COLOURS[j % len(COLOURS)]
    known = [limit.to_numpy() for limit in limits if limit is not None]
    if len(weeks) >= ENOUGH_FOR_STEPS:
        axes.step(weeks, curve, where="post", color=colour, linewidth=1.0)
        for limit in known:
            axes.step(weeks, limit, where="post", color=colour, linewidth=0.7, linestyle=":")
        return
    axes.plot(weeks, curve, MARKERS[j % len(MARKERS)], color=colour, markersize=4, markerfacecolor="white")
    if len(known) == 2:
        axes.vlines(weeks, known[0], known[1], color=colour, linewidth=0.8)


def _data(tree: xr.DataTree, name: str, stratum: str) -> xr.DataArray | None:
    """A variable of the group `event_data` in a stratum; None where it is not archived."""
    if "event_data" not in tree.children or name not in tree["event_data"].data_vars:
        return None
    found = tree["event_data"][name].reset_coords(drop=True)
    return found.sel(stratum=stratum) if stratum in found["stratum"].values else None


def _finish(axes: Axes, tree: xr.DataTree, context: FitContext, draws: xr.DataArray, title: str, stratum: str) -> None:
    weeks = draws["week"].to_numpy().astype(float)
    week_axis(axes, context, weeks)
    add_title(axes, title)
    at_risk = _data(tree, "at_risk", stratum)
    if at_risk is None:
        return
    shown = at_risk["week"].to_numpy().astype(float)
    targets = np.linspace(weeks.min(), weeks.max(), 6)
    chosen = sorted({float(shown[np.abs(shown - target).argmin()]) for target in targets})
    style: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "fontsize": 8, "va": "top"}
    axes.text(weeks.min(), -0.20, "Still followed:", ha="left", color="#333333", **style)
    for j, group in enumerate(context.start_groups):
        height, colour = -0.265 - 0.06 * j, COLOURS[j % len(COLOURS)]
        axes.text(-0.02, height, group, ha="right", color=colour, **{**style, "transform": axes.transAxes})
        for week in chosen:
            n = float(at_risk.sel(start_group=group, week=week))
            axes.text(week, height, f"{n:.0f}", ha="center", color=colour, **style)
