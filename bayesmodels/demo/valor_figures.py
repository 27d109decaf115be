"""Figures of VALOR's published means: curves with means fitted and means published later, week 148, the trap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayesmodels.demo.valor import LAST_FITTED_WEEK, MAIN, MeansFit, ValorResults
from bayesmodels.demo.valor_lead import slowing_of
from bayesmodels.reporting.drawing import COLOURS, MARKERS, add_title, new_panel

LABELS = {"nfl_plasma": "NfL, ratio to baseline", "alsfrs_r": "ALSFRS-R, change in points"}
SHOWN_TO_WEEK = 80.0


def prediction_figure(results: ValorResults, outcome: str, stratum: str) -> Figure:
    """Fitted means, later means, the curve fitted to week 28 and predictive intervals of the later means."""
    fitted = results.fits[MAIN]
    figure, axes = new_panel()
    start = fitted.data.drug_start_week["delayed"]
    axes.axvline(LAST_FITTED_WEEK, color="0.4", lw=0.8, ls="--")
    axes.axvline(start, color="0.75", lw=0.8)
    for place, group in enumerate(fitted.data.start_groups):
        colour, marker = COLOURS[place], MARKERS[place]
        weeks, band = _curve(fitted, outcome, group, stratum)
        lower, median, upper = _natural(outcome, band)
        axes.fill_between(weeks, lower, upper, color=colour, alpha=0.15, lw=0)
        axes.plot(weeks, median, color=colour, lw=1.3, label=group)
        own = fitted.data.frame.query("outcome == @outcome and stratum == @stratum and start_group == @group")
        axes.plot(own["week"], _natural(outcome, own["estimate"]), marker, color=colour, ms=4.5)
        later = _later(results.strata, outcome, stratum, group)
        ends = _natural(outcome, later[["lower", "median", "upper"]].to_numpy().T)
        shift = 0.8 * (place - 0.5)
        axes.vlines(later["week"] + shift, ends[0], ends[2], color=colour, lw=1.6)
        filled = [colour if inside else "white" for inside in later["inside"]]
        axes.scatter(
            later["week"] + shift, _natural(outcome, later["published"]), marker=marker, s=30, zorder=3,
            c=filled, edgecolors=colour,
        )  # fmt: skip
    if outcome == "nfl_plasma":
        axes.set_yscale("log")
        axes.set_yticks([0.3, 0.5, 0.7, 1.0, 1.4], ["0.3", "0.5", "0.7", "1.0", "1.4"])
        axes.minorticks_off()
    axes.set_xlabel("Weeks since randomisation")
    axes.set_ylabel(LABELS[outcome])
    add_title(axes, f"{stratum.capitalize()} progression")
    return figure


def week_148_figure(results: ValorResults) -> Figure:
    """Predictive intervals of ALSFRS-R at week 148 of all randomised, by model of function, with published means."""
    table = results.whole.query("outcome == 'alsfrs_r' and week == 148")
    figure, axes = new_panel(3.4)
    models = list(dict.fromkeys(table["model"]))
    for place, group in enumerate(results.fits[MAIN].data.start_groups):
        own = table[table["start_group"] == group].set_index("model").loc[models]
        heights = np.arange(len(models)) + 0.16 * (1 - 2 * place)
        axes.hlines(heights, own["lower"], own["upper"], color=COLOURS[place], lw=2)
        axes.plot(own["median"], heights, MARKERS[place], color=COLOURS[place], ms=5, label=group)
        axes.axvline(own["published"].iloc[0], color=COLOURS[place], lw=1, ls="--")
    _name_rows(axes, models)
    axes.set_xlabel("Change in ALSFRS-R at week 148, points; dashed: published")
    add_title(axes, "Week 148, predicted from week 28")
    return figure


def trap_figure(results: ValorResults) -> Figure:
    """Slowing found by fits that include week 148, beside the fit to week 28."""
    to_28 = {label: slowing_of(results.fits[label]) for label in results.fits if label.startswith("slowing")}
    to_148 = results.trap.dropna(subset=["slowing"]).set_index("model")
    figure, axes = new_panel(2.8)
    labels = list(to_28)
    for height, label in enumerate(labels):
        for shift, colour, numbers, name in (
            (0.14, COLOURS[0], to_28[label], "fitted to week 28"),
            (-0.14, COLOURS[1], to_148.loc[label, ["slowing", "lower", "upper"]].to_numpy(float), "with week 148"),
        ):
            axes.hlines(height + shift, 100 * numbers[1], 100 * numbers[2], color=colour, lw=2)
            shown = name if height == 0 else None
            axes.plot(100 * numbers[0], height + shift, "o", color=colour, ms=5, label=shown)
    axes.axvline(0, color="0.6", lw=0.8)
    _name_rows(axes, labels)
    axes.set_xlabel("Share of the untreated decline removed, %")
    add_title(axes, "The trap")
    return figure


def _name_rows(axes: Axes, labels: list[str]) -> None:
    axes.set_yticks(np.arange(len(labels)), [label.replace(", ", ",\n") for label in labels])
    axes.set_ylim(len(labels) - 0.5, -0.5)


def _curve(fitted: MeansFit, outcome: str, group: str, stratum: str) -> tuple[np.ndarray, np.ndarray]:
    change = fitted.posterior["posterior"]["curve_change"].sel(outcome=outcome, start_group=group, stratum=stratum)
    change = change.sel(week=slice(0, SHOWN_TO_WEEK))
    return change["week"].to_numpy(), change.quantile([0.025, 0.5, 0.975], ("chain", "draw")).to_numpy()


def _later(table: pd.DataFrame, outcome: str, stratum: str, group: str) -> pd.DataFrame:
    own = (table["outcome"] == outcome) & (table["stratum"] == stratum) & (table["start_group"] == group)
    return table[own & (table["model"] == MAIN)]


def _natural(outcome: str, values: Any) -> Any:
    return np.exp(values) if outcome == "nfl_plasma" else values
