"""Prediction for a person from the history so far: accuracy, calibration, and examples where they are archived.

Reads the group `dynamic_prediction`. Accuracy and calibration are computed at the fit (`bayesmodels.statistics`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayesmodels.posterior.context import Outcome
from bayesmodels.posterior.intervals import flat, summarise
from bayesmodels.posterior.wording import estimate, fixed
from bayesmodels.reporting.chapter import Chapter, Layouts, Makers, Needs, Reading, Tables
from bayesmodels.reporting.drawing import COLOURS, add_title, new_panel, week_axis
from bayesmodels.reporting.layout import Layout, Statistic
from bayesmodels.reporting.page import Section

GROUP = "dynamic_prediction"

CASES = (
    "A case has the event between the landmark and the horizon; everyone else at risk at the landmark is a control, "
    "competing events among them (Blanche et al., 2015, doi:10.1111/biom.12232). Persons censored in between are "
    "weighted out by the Kaplan-Meier curve of censoring, which assumes censoring independent of the event."
)

NO_FOLLOW_UP = "no follow-up to the horizon"

NOT_RECORDED = (
    "Whether the persons predicted were among those fitted is not recorded; if they were, accuracy is overstated."
)


class Prediction(Chapter):
    """Prediction for a person, updated visit by visit."""

    name = "prediction for a person"
    needs = Needs(groups=(GROUP,), made_by='[model] type = "joint_event"')

    def tables(self, reading: Reading) -> Tables:
        """`prediction_accuracy`, `prediction_calibration`.

        `prediction_accuracy`: `event`, `landmark`, `horizon` (weeks; the horizon counts from the landmark), `quantity`
        (auc, brier, brier_reference, scaled_brier: 1 - brier / brier_reference), `median`, `lower`, `upper` over draws;
        undefined quantities are left out, but for the Brier score of a window without follow-up to its horizon, NaN.
        `prediction_calibration`: `event`, `landmark`, `horizon`, `risk_group`, `predicted` with its limits over draws,
        `observed`.
        """
        data, prob = reading.tree[GROUP].to_dataset().reset_coords(drop=True), reading.prob
        found = {name: data[name] for name in ("auc", "brier", "brier_reference") if name in data}
        if {"brier", "brier_reference"} <= set(found):
            reference = found["brier_reference"]  # 0 where nobody had the event: nothing to scale by
            found["scaled_brier"] = 1 - found["brier"] / reference.where(reference > 0)
        frames = [_limits(draws, prob).assign(quantity=name) for name, draws in found.items()]
        accuracy = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
        if len(accuracy):
            accuracy = accuracy[accuracy["median"].notna() | (accuracy["quantity"] == "brier")]
        tables = {"prediction_accuracy": accuracy}
        if {"predicted_risk", "observed_risk"} <= set(data):
            predicted = _limits(data["predicted_risk"], prob).rename(columns={"median": "predicted"})
            predicted = predicted.rename(columns={"lower": "predicted_lower", "upper": "predicted_upper"})
            observed = _limits(data["observed_risk"], prob).rename(columns={"median": "observed"})
            labels = ["event", "landmark", "horizon", "risk_group"]
            table = predicted.merge(observed[[*labels, "observed"]], on=labels)
            tables["prediction_calibration"] = table.dropna(subset="predicted").reset_index(drop=True)
        return tables

    def layouts(self, reading: Reading) -> Layouts:
        """Of risks: predicted by the model, observed in the data."""
        risks = {
            "predicted": Statistic("median", of="predicted_risk"),
            "predicted_lower": Statistic("lower", of="predicted_risk"),
            "predicted_upper": Statistic("upper", of="predicted_risk"),
            "observed": Statistic("estimate", of="observed_risk", context="data"),
        }
        return {
            "prediction_accuracy": Layout(named_by="quantity"),
            "prediction_calibration": Layout(columns=risks),
        }

    def figures(self, reading: Reading) -> Makers:
        """``calibration_<event>_<landmark>`` and, where archived, ``example_<number>_<outcome or survival>``."""
        makers: dict[str, Callable[[], Figure]] = {}
        if "prediction_calibration" in reading.tables:
            calibration = reading.tables["prediction_calibration"]
            for (event, landmark), rows in calibration.groupby(["event", "landmark"], sort=False):
                makers[f"calibration_{event}_{landmark:g}"] = partial(
                    calibration_figure, rows, str(event), float(landmark)
                )
        data = reading.tree[GROUP].to_dataset()
        for number in data["example"].values.tolist() if "example" in data.dims else ():
            for name in data["outcome"].values.tolist() if "example_course" in data else ():
                outcome = reading.context.outcomes[name]
                makers[f"example_{number}_{name}"] = partial(course_figure, reading, outcome, number)
            if "example_survival" in data:
                makers[f"example_{number}_survival"] = partial(person_survival_figure, reading, number)
        return makers

    def section(self, reading: Reading) -> Section | tuple[()]:
        """Accuracy, calibration and examples."""
        tables, label = reading.tables, reading.label
        if not {"prediction_accuracy", "prediction_calibration"} & set(tables):
            return ()
        shown = {}
        if "prediction_accuracy" in tables:
            shown[f"Accuracy: median and {label} over draws"] = pd.DataFrame(
                _accuracy_rows(tables["prediction_accuracy"], label)
            )
        pictures = reading.pictures(
            "calibration_",
            "Observed over predicted risk, by groups of persons with like predictions, for each horizon.",
            f"Points on the line: right on average. Bars: {label}.",
        ) + reading.pictures(
            "example_",
            "What was predicted for one person at each landmark, with an interval, beside what was then seen.",
            f"Median and {label} at each landmark. Filled: known at the first landmark. Hollow: seen later.",
        )
        whose = str(reading.tree[GROUP].attrs.get("validation", NOT_RECORDED))
        return Section(
            "Prediction for a person, updated visit by visit",
            [
                "At each landmark, persons still followed have their risk over the next weeks predicted from their "
                "visits so far. AUC: 0.5 is chance, 1 perfect order of persons by risk. Brier score: mean squared "
                "error of the risk, lower is better; scaled, 0 is no better than giving everyone the same risk.",
                whose,
            ],
            shown,
            pictures,
            f"{CASES} Intervals are of the predictions for these persons; they hold no sampling error of the persons.",
        )


def calibration_figure(rows: pd.DataFrame, event: str, landmark: float) -> Figure:
    """Observed over predicted risk by risk group, a mark for each horizon; on the line they agree."""
    figure, axes = new_panel()
    top = 1.08 * float(np.nanmax(rows[["predicted_upper", "predicted", "observed"]].to_numpy(), initial=0.01))
    axes.plot([0, top], [0, top], color="#777777", linewidth=0.8)
    for j, (horizon, own) in enumerate(rows.groupby("horizon")):
        colour = COLOURS[j % len(COLOURS)]
        axes.hlines(own["observed"], own["predicted_lower"], own["predicted_upper"], color=colour, alpha=0.5)
        axes.plot(own["predicted"], own["observed"], "o-", color=colour, markersize=5, linewidth=0.8,
                  label=f"{horizon:g} weeks")  # fmt: skip
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    axes.set_xlabel("Predicted risk")
    axes.set_ylabel("Observed risk")
    add_title(axes, f"{event} after week {landmark:g}")
    return figure


def course_figure(reading: Reading, outcome: Outcome, number: int) -> Figure:
    """A person's course as predicted at each landmark, with the visits: hollow after the first landmark."""
    figure, axes = new_panel(height=3.1)
    data = reading.tree[GROUP].to_dataset()
    draws = data["example_course"].reset_coords(drop=True).sel(outcome=outcome.name, example=number)
    _predicted(axes, draws, reading.prob)
    first = float(draws["landmark"].min())
    if {"example_visit_week", "example_visit_value"} <= set(data):
        own = data[["example_visit_week", "example_visit_value"]].reset_coords(drop=True).sel(example=number)
        own = own.sel(outcome=outcome.name) if "outcome" in own.dims else own
        weeks, values = (own[name].to_numpy() for name in ("example_visit_week", "example_visit_value"))
        for chosen, fill in ((weeks <= first, "black"), (weeks > first, "white")):
            axes.plot(weeks[chosen], values[chosen], "o", color="black", markerfacecolor=fill, markersize=4)
    week_axis(axes, draws["week"].to_numpy().astype(float), reading.context.delayed_week)
    axes.set_ylabel(f"{outcome.label}, {outcome.natural_unit or outcome.unit}")
    add_title(axes, f"Example {number + 1}")
    return figure


def person_survival_figure(reading: Reading, number: int) -> Figure:
    """A person's survival as predicted at each landmark."""
    figure, axes = new_panel(height=3.1)
    data = reading.tree[GROUP].to_dataset()
    draws = data["example_survival"].reset_coords(drop=True).sel(example=number)
    _predicted(axes, draws, reading.prob)
    week_axis(axes, draws["week"].to_numpy().astype(float), reading.context.delayed_week)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("Without a terminal event")
    add_title(axes, f"Example {number + 1}")
    return figure


def _accuracy_rows(table: pd.DataFrame, label: str) -> Iterator[dict[str, object]]:
    titles = {"auc": "AUC", "brier": "Brier score", "scaled_brier": "Scaled Brier score"}
    columns = {name: f"{title} ({label})" for name, title in titles.items() if (table["quantity"] == name).any()}
    for (event, landmark, horizon), rows in table.groupby(["event", "landmark", "horizon"], sort=False):
        own = rows.set_index("quantity")
        found = {"Event": event, "Landmark, week": landmark, "Horizon, weeks": horizon}
        found |= dict.fromkeys(columns.values(), "–")
        for name, column in columns.items():
            if name in own.index:
                r = own.loc[name]
                known = np.isfinite(r["lower"])
                text = estimate(r["median"], r["lower"], r["upper"]) if known else fixed(r["median"], 3)
                found[column] = NO_FOLLOW_UP if np.isnan(r["median"]) else text
        yield found


def _predicted(axes: Axes, draws: xr.DataArray, prob: float) -> None:
    """Bands from each landmark on."""
    weeks = draws["week"].to_numpy().astype(float)
    for j, landmark in enumerate(draws["landmark"].values.astype(float)):
        numbers = summarise(flat(draws.sel(landmark=landmark).transpose("week", ...)), prob)
        after = (weeks >= landmark) & np.isfinite(numbers["median"])
        colour = COLOURS[j % len(COLOURS)]
        axes.fill_between(weeks[after], numbers["lower"][after], numbers["upper"][after], color=colour, alpha=0.15)
        axes.plot(weeks[after], numbers["median"][after], color=colour, linewidth=1.6, label=f"week {landmark:g}")


def _limits(values: xr.DataArray, prob: float) -> pd.DataFrame:
    """Long table of medians with limits over draws; limits are NaN where there are no draws."""
    if "chain" in values.dims:
        numbers = summarise(flat(values), prob)
        bare = values.isel(chain=0, draw=0, drop=True)
        columns = {name: (bare.dims, numbers[name]) for name in ("median", "lower", "upper")}
        return xr.Dataset(columns, coords=bare.coords).to_dataframe().reset_index()
    return values.to_dataframe("median").reset_index().assign(lower=np.nan, upper=np.nan)
