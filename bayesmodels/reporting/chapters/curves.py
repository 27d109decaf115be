"""Mean curves per start group with the data, the switch, and persons still observed: the content of ``curves.csv``.

Past the last week at which half of every start group is observed, curves are dashed. Intervals are equal-tailed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bayesmodels.posterior.context import FitContext, Outcome, stratum_label, units
from bayesmodels.posterior.differences import differences
from bayesmodels.posterior.estimand import CHANGES, OPEN_LABEL, all_persons, compared, missing_data
from bayesmodels.posterior.intervals import STATISTICS, blank_labels, flat, long_table, summarise
from bayesmodels.reporting.chapter import Chapter, Layouts, Makers, Needs, Reading, Tables
from bayesmodels.reporting.drawing import (
    COLOURS,
    MARKERS,
    add_title,
    counts_under_axis,
    median_and_band,
    new_panel,
    week_axis,
)
from bayesmodels.reporting.layout import Layout, Statistic
from bayesmodels.reporting.page import Picture, Section
from bayesmodels.vocabulary import ALL, VARIABLES

CURVES = tuple(name for name, variable in VARIABLES.items() if variable.level == "curve")

LABELS = ("outcome", "start_group", "contrast", "stratum", "week", "period")


class Curves(Chapter):
    """Every curve over weeks as a table, and those of start groups as figures."""

    name = "curves"
    needs = Needs(CURVES)
    shows = "curves"

    def tables(self, reading: Reading) -> Tables:
        """`curves`."""
        return {"curves": curve_table(reading)}

    def layouts(self, reading: Reading) -> Layouts:
        """`observed` is of persons."""
        return {"curves": Layout(columns={"observed": Statistic("n", of="observed")})}

    def figures(self, reading: Reading) -> Makers:
        """``curve_<outcome>_<stratum>``."""
        return {name: partial(curve_figure, reading, outcome, stratum) for name, outcome, stratum in _cells(reading)}

    def section(self, reading: Reading) -> Section | tuple[()]:
        """The figures, with what stands behind them."""
        arm = reading.context.arm
        pictures = [
            Picture(
                reading.figures.maker(name),
                f"Mean {outcome.label} over weeks since randomisation by {arm}, {stratum_label(stratum)}, with "
                "intervals, observed means and numbers still observed.",
                _caption(reading, outcome, stratum),
            )
            for name, outcome, stratum in _cells(reading)
        ]
        if not pictures:
            return ()
        return Section(
            f"Mean curves per {arm}",
            [
                missing_data(reading.context),
                f"Curves are solid while half of every {arm} is still observed and dashed after. Observed means "
                f"({_markers(reading)}) are of those still followed, the curves of everyone; they may part where "
                "persons leave.",
            ],
            {},
            pictures,
            "All curves are in curves.csv.",
        )


def _markers(reading: Reading) -> str:
    """What the marks of observed means are; of published means standard errors may not be known."""
    if "observed_summary" not in reading.tree.children:
        return "markers"
    errors = reading.tree["observed_summary"]["se"].where(reading.tree["observed_summary"]["mean"].notnull())
    known = bool(errors.notnull().any())
    return f"markers, {'with 95 % confidence intervals' if known else 'whose standard errors are not known'}"


def curve_table(reading: Reading) -> pd.DataFrame:
    """Every curve of the vocabulary over weeks and periods: the content of ``curves.csv``.

    Columns: `name` (curve, curve_change, difference, period_rate, baseline_hazard), `outcome`, `start_group`,
    `contrast`, `stratum`, `week`, `period`, `event` (only where a baseline hazard is published), `unit`, `mean`, `sd`,
    `median`, `lower`, `upper`, `observed` (persons of the start group, or the smaller of a contrast's two groups, still
    observed; NaN where not recorded), `estimand`. With a free baseline `difference` is of changes since randomisation.
    """
    context, observed = reading.context, reading.observed
    frames = []
    for name in CURVES:
        if reading.publishes(name):
            draws = differences(reading.tree, context) if name == "difference" else reading.posterior(name)
            frame = long_table(draws, reading.prob)
            frames.append(frame.assign(name=name, unit=units(name, frame, context.outcomes)))
    by_event = any("event" in frame for frame in frames)
    columns = ["name", *LABELS, *(["event"] if by_event else []), "unit", *STATISTICS]
    if not frames:
        return pd.DataFrame(columns=[*columns, "observed", "estimand"])
    table = pd.concat(frames, ignore_index=True).reindex(columns=columns)
    blank = ("start_group", "contrast", "period", *(("outcome", "stratum", "event") if by_event else ()))
    table = blank_labels(table, blank)
    groups = {contrast.label: contrast.groups for contrast in context.contrasts}
    table["observed"] = [
        math.nan
        if math.isnan(row.week)
        else min(
            observed.at(row.outcome, group, row.stratum, row.week)
            for group in groups.get(row.contrast, (row.start_group,))
        )
        for row in table.itertuples()
    ]
    table["estimand"] = [_estimand(context, row) for row in table.itertuples()]
    table.loc[table["name"] == "baseline_hazard", "estimand"] = VARIABLES["baseline_hazard"].meaning
    return table


def _estimand(context: FitContext, row: Any) -> str:
    """Whom a row describes; of a contrast how it compares, of a curve whether it may be compared as randomised."""
    contrast = next((c for c in context.contrasts if c.label == row.contrast), None)
    if contrast is not None:
        changes = f"; {CHANGES}" if context.free_baseline and row.name == "difference" else ""
        return f"{all_persons(context)}{changes}; {compared(contrast, row.week)}"
    after = [
        other
        for c in context.contrasts
        if row.start_group in c.groups and _is_after(c.switch_week, row)
        for other in c.groups
        if other != row.start_group
    ]
    return f"{all_persons(context)}{f'; against {" and ".join(after)}: {OPEN_LABEL}' if after else ''}"


def _is_after(switch_week: float, row: Any) -> bool:
    late = row.period in ("after_switch", "last_year") and math.isfinite(switch_week)
    return late or row.week > switch_week


def curve_figure(reading: Reading, outcome: Outcome, stratum: str) -> Figure:
    """Mean course per start group with observed means, the switch, and persons still observed under the axis.

    Log outcomes are drawn as geometric means, or ratios to baseline, on a log axis.
    """
    name, context, observed = curve_variable(reading), reading.context, reading.observed
    figure, axes = new_panel()
    curves = reading.posterior(name).sel(outcome=outcome.name, stratum=stratum)
    weeks = curves["week"].to_numpy().astype(float)
    last = observed.last_well_observed(outcome.name, context.start_groups, stratum)
    for j, group in enumerate(context.start_groups):
        numbers = summarise(flat(curves.sel(start_group=group).transpose("week", ...)), reading.prob)
        if np.isnan(numbers["median"]).all():
            continue
        shown = {key: _natural(value, outcome) for key, value in numbers.items() if key != "sd"}
        median_and_band(axes, weeks, shown, COLOURS[j % len(COLOURS)], last, group)
        _observed_means(axes, reading, outcome, group, stratum, j)
    week_axis(axes, weeks, context.delayed_week, labelled=True)
    axes.set_ylabel(_axis_label(outcome, change=name == "curve_change"))
    if outcome.scale == "log":
        _log_axis(axes)
    add_title(axes, f"{outcome.label}: {stratum_label(stratum)}")
    if not math.isnan(observed.at(outcome.name, context.start_groups[0], stratum, 0.0)):
        counts_under_axis(
            axes, "Still observed:", context.start_groups, weeks, weeks,
            lambda group, week: observed.at(outcome.name, group, stratum, week),
        )  # fmt: skip
    return figure


def curve_variable(reading: Reading) -> str:
    """`curve` where it is published, else `curve_change`."""
    return "curve" if reading.publishes("curve") else "curve_change"


def _cells(reading: Reading) -> Iterator[tuple[str, Outcome, str]]:
    """Name of the figure, outcome and stratum of every mean curve; all persons first."""
    curves = reading.tables["curves"]
    for outcome in reading.context.outcomes.values():
        own = curves[(curves["name"] == curve_variable(reading)) & (curves["outcome"] == outcome.name)]
        for stratum in sorted(own["stratum"].unique(), key=lambda label: label != ALL):
            yield f"curve_{outcome.name}_{stratum}", outcome, stratum


def _caption(reading: Reading, outcome: Outcome, stratum: str) -> str:
    context, groups = reading.context, reading.context.start_groups
    last_week = float(reading.tree["posterior"]["week"].max())
    counts = reading.observed.sentence(outcome.name, groups, stratum, last_week)
    limit = reading.observed.last_well_observed(outcome.name, groups, stratum)
    dashed = "" if math.isnan(limit) or limit >= last_week else f" Dashed past week {limit:g}."
    good = {"up": "Up is good.", "down": "Down is good."}.get(outcome.good_direction, "")
    return (
        f"{good} Median and {reading.label}: {all_persons(context)}.{reading.after_switch} "
        f"{counts[0].upper()}{counts[1:]}.{dashed}"
    )


def _natural(values: np.ndarray, outcome: Outcome) -> np.ndarray:
    return np.exp(values) if outcome.scale == "log" else values


def _observed_means(axes: Axes, reading: Reading, outcome: Outcome, group: str, stratum: str, j: int) -> None:
    """Observed-case means with 95 % intervals, if the archive has them for this cell and quantity."""
    if "observed_summary" not in reading.tree.children:
        return
    data = reading.tree["observed_summary"].to_dataset().reset_coords(drop=True)
    shown = "level" if curve_variable(reading) == "curve" else "change"
    if data.attrs.get("quantity", shown) != shown:
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
