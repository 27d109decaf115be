"""Survival and cumulative incidence per start group with the data's, and how many events there were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayesmodels.posterior.context import stratum_label
from bayesmodels.posterior.intervals import flat, long_table, summarise
from bayesmodels.reporting.chapter import Chapter, Layouts, Makers, Needs, Reading, Tables
from bayesmodels.reporting.drawing import COLOURS, MARKERS, add_title, counts_under_axis, new_panel, week_axis
from bayesmodels.reporting.layout import Layout, Statistic
from bayesmodels.reporting.page import Picture, Section
from bayesmodels.vocabulary import ALL, EVENT_GROUPS

ENOUGH_FOR_STEPS = 60
"""Weeks from which on a curve of the data is drawn as steps."""

ENTERED_LATE = (
    "Persons who entered after randomisation: {n}. The model counts them from then on and takes their own levels and "
    "rates to be like everyone's: where those who decline faster die sooner and many entered late, survivors pass for "
    "the population. The data's curves of a group begin at its first entry, given no event until then, and end where "
    "nobody is at risk before others enter."
)


class Survival(Chapter):
    """Survival and other events."""

    name = "survival"
    needs = Needs(groups=("event_curves",))

    def tables(self, reading: Reading) -> Tables:
        """`event_curves`, `event_counts`."""
        tree, found = reading.tree, {"event_curves": event_curve_table(reading)}
        if "event_data" in tree.children and "n_events" in tree["event_data"].data_vars:
            counts = tree["event_data"]["n_events"].reset_coords(drop=True)
            found["event_counts"] = counts.to_dataframe("events").reset_index()
        return found

    def layouts(self, reading: Reading) -> Layouts:
        """Counts are of the data."""
        return {
            "event_curves": Layout(left_out=("meaning",)),
            "event_counts": Layout(columns={"events": Statistic("n", of="events")}),
        }

    def figures(self, reading: Reading) -> Makers:
        """``survival_<stratum>`` and ``incidence_<event>_<stratum>``."""
        return {
            name: partial(survival_figure, reading, stratum)
            if event is None
            else partial(incidence_figure, reading, event, stratum)
            for name, event, stratum in _cells(reading)
        }

    def section(self, reading: Reading) -> Section:
        """The figures, and counts of events."""
        label = reading.label
        data = reading.tree.children.get("event_data")
        about = {} if data is None else data.attrs
        limits = str(about.get("interval", "confidence limits of a level that is not recorded"))
        pictures = []
        for name, event, stratum in _cells(reading):
            maker = reading.figures.maker(name)
            if event is None:
                alt = f"Survival over weeks by {reading.context.arm}, {stratum_label(stratum)}, with Kaplan-Meier."
                caption = f"Median and {label}. Steps or markers: Kaplan-Meier, {limits}.{reading.after_switch}"
            else:
                which = f"{event}_{stratum}".replace("_", " ")
                alt = f"Cumulative incidence over weeks by {reading.context.arm}, {which}, with Aalen-Johansen."
                caption = (
                    f"Median and {label}, all events competing. Steps or markers: Aalen-Johansen.{reading.after_switch}"
                )
            pictures.append(Picture(maker, alt, caption))
        shown = {}
        if "event_counts" in reading.tables:
            counts = reading.tables["event_counts"]
            wide = counts.pivot_table(index=["start_group", "stratum"], columns="event", values="events", sort=False)
            wide = wide.reset_index().rename(
                columns={"start_group": reading.context.arm.capitalize(), "stratum": "Stratum"}
            )
            wide["Stratum"] = [stratum_label(str(s)) for s in wide["Stratum"]]
            shown["Persons who had each event"] = wide.rename_axis(columns=None)
        late = int(about.get("entered_late", 0))
        return Section(
            "Survival and other events",
            [
                "Survival is without a terminal event, had nobody withdrawn. Cumulative incidence is of an event while "
                "all events compete, as it happened.",
                *([ENTERED_LATE.format(n=late)] if late else []),
            ],
            shown,
            pictures,
            "Model and data part where the hazards' shapes do not fit, and in survival where leaving depends on the "
            "course: Kaplan-Meier takes it for independent. All curves are in tables/event_curves.csv.",
        )


def event_curve_table(reading: Reading) -> pd.DataFrame:
    """Every variable of the group `event_curves`: `name`, labels of its dims, `unit`, statistics, `meaning`."""
    context = reading.context
    group = reading.tree["event_curves"].to_dataset()
    frames = []
    for name, variable in EVENT_GROUPS["event_curves"].items():
        if name not in group:
            continue
        frame = long_table(group[name], reading.prob)
        named = (
            [context.outcomes[label].unit for label in frame["outcome"]] if "outcome" in frame else [""] * len(frame)
        )
        unit = [variable.unit.format(unit=own) for own in named]
        frames.append(frame.assign(name=name, unit=unit, meaning=variable.meaning))
    labels = ("event", "outcome", "start_group", "contrast", "stratum", "week")
    table = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["name"])
    there = [label for label in labels if label in table]
    table[there] = table[there].astype(object).fillna("")
    return table[["name", *there, *[column for column in table if column not in ("name", *there)]]]


def survival_figure(reading: Reading, stratum: str) -> Figure:
    """Survival per start group with intervals; Kaplan-Meier with its limits; persons at risk under the axis."""
    figure, axes = new_panel()
    draws = reading.tree["event_curves"]["survival"].reset_coords(drop=True).sel(stratum=stratum)
    _bands(axes, reading, draws)
    if _data(reading, "observed_survival", stratum) is not None:
        data = reading.tree["event_data"].to_dataset().reset_coords(drop=True).sel(stratum=stratum)
        for j, group in enumerate(reading.context.start_groups):
            own = data.sel(start_group=group)
            limits = [own.get(f"observed_survival_{edge}") for edge in ("lower", "upper")]
            _observed(axes, own["observed_survival"], limits, j)
    axes.set_ylim(min(0.98, max(0.0, axes.get_ylim()[0])), 1.0)
    axes.set_ylabel("Without a terminal event")
    _finish(axes, reading, draws, f"Survival: {stratum_label(stratum)}", stratum)
    return figure


def incidence_figure(reading: Reading, event: str, stratum: str) -> Figure:
    """Cumulative incidence of one event per start group, all events competing, with Aalen-Johansen."""
    figure, axes = new_panel()
    draws = reading.tree["event_curves"]["cumulative_incidence"].reset_coords(drop=True)
    draws = draws.sel(stratum=stratum, event=event)
    _bands(axes, reading, draws)
    data = _data(reading, "observed_incidence", stratum)
    if data is not None and event in data["event"].values:
        for j, group in enumerate(reading.context.start_groups):
            _observed(axes, data.sel(event=event, start_group=group), [], j)
    axes.set_ylim(0.0, max(0.02, axes.get_ylim()[1]))
    axes.set_ylabel(f"Had {event}")
    _finish(axes, reading, draws, f"{event}: {stratum_label(stratum)}", stratum)
    return figure


def _bands(axes: Axes, reading: Reading, draws: xr.DataArray) -> None:
    weeks = draws["week"].to_numpy().astype(float)
    for j, group in enumerate(reading.context.start_groups):
        numbers = summarise(flat(draws.sel(start_group=group).transpose("week", ...)), reading.prob)
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


def _data(reading: Reading, name: str, stratum: str) -> xr.DataArray | None:
    """A variable of the group `event_data` in a stratum; None where it is not archived."""
    tree = reading.tree
    if "event_data" not in tree.children or name not in tree["event_data"].data_vars:
        return None
    found = tree["event_data"][name].reset_coords(drop=True)
    return found.sel(stratum=stratum) if stratum in found["stratum"].values else None


def _finish(axes: Axes, reading: Reading, draws: xr.DataArray, title: str, stratum: str) -> None:
    weeks = draws["week"].to_numpy().astype(float)
    week_axis(axes, weeks, reading.context.delayed_week)
    add_title(axes, title)
    at_risk = _data(reading, "at_risk", stratum)
    if at_risk is not None:
        counts_under_axis(
            axes, "Still followed:", reading.context.start_groups, weeks, at_risk["week"].to_numpy().astype(float),
            lambda group, week: float(at_risk.sel(start_group=group, week=week)),
        )  # fmt: skip


def _cells(reading: Reading) -> Iterator[tuple[str, str | None, str]]:
    """Name of the figure, event (None: survival) and stratum of every curve; all persons first."""
    group = reading.tree["event_curves"].to_dataset()
    strata = sorted((str(s) for s in group["stratum"].values), key=lambda label: label != ALL)
    if "survival" in group:
        yield from ((f"survival_{stratum}", None, stratum) for stratum in strata)
    if "cumulative_incidence" in group:
        for event in group["event"].values.tolist():
            yield from ((f"incidence_{event}_{stratum}", event, stratum) for stratum in strata)
