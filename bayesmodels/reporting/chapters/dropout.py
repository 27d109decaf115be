"""Sensitivity of the comparison to assumptions about persons who left: tables, figures and the section.

Reads the group `dropout_sensitivity`, which is of one outcome and week.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from bayesmodels.posterior.context import Contrast, FitContext, Outcome, stratum_label
from bayesmodels.posterior.estimand import open_label, withheld
from bayesmodels.posterior.intervals import flat, probability, summarise
from bayesmodels.posterior.wording import cell, chance_of, estimate, signed
from bayesmodels.reporting.chapter import Chapter, Layouts, Makers, Needs, Reading, Tables
from bayesmodels.reporting.drawing import COLOURS, add_title, interval_rows, new_panel
from bayesmodels.reporting.layout import Layout, Statistic
from bayesmodels.reporting.page import Picture, Section
from bayesmodels.vocabulary import ALL

GROUP = "dropout_sensitivity"

TITLES = {
    "missing_at_random": "Missing at random",
    "jump_to_reference": "Jump to reference",
    "copy_increments": "Copy increments in reference",
    "copy_reference": "Copy reference",
}
"""Strategies as readers know them (Carpenter, Roger and Kenward, 2013, doi:10.1080/10543406.2013.834911)."""

AS_MODELLED = "As modelled, exits included"
"""The first of them where the model lets exits depend on the course."""

PATHS = {
    "group_only": "in {group} only",
    "reference_only": "in {reference} only",
    "both_groups": "in both groups alike",
}
"""Where delta grows."""

WITHOUT_LIMITS = "Without limits (latent)"
"""Column of what is said of courses that know no limits."""

SHARES = {"share_missing": "Left", "share_dead": "Died", "share_ended": "Not seen, not left"}
"""What became of persons before the week."""


class Dropout(Chapter):
    """Dropout sensitivity of one outcome at one week."""

    name = "dropout sensitivity"
    needs = Needs(groups=(GROUP,))
    shows = "dropout_strategies"

    def tables(self, reading: Reading) -> Tables:
        """`dropout_strategies`, `dropout_tipping`, `dropout_missing`, of means by visit `dropout_pooled`.

        `dropout_strategies`: `outcome`, `week`, `strategy`, `supposes`, `contrast`, `stratum`, `unit`, `mean`, `sd`,
        `median`, `lower`, `upper`, `probability_favours` (the earlier start; NaN where withheld), `direction`,
        `withheld` (why: too few are still observed at the week); of an outcome with limits `latent_median`,
        `latent_lower`, `latent_upper`, of courses that know none. `dropout_tipping`: `outcome`, `week`, `contrast`,
        `stratum`, `delta_path`, `tipping_point`, `unit`, `status`, `latent_tipping_point`, `latent_status`.
        `dropout_missing`: shares of persons by start group and stratum. `dropout_pooled`: `difference`, `se`, `lower`,
        `upper` of multiple imputation with Rubin's rules by `strategy` and `contrast`, with `outcome`, `week`, `unit`,
        `direction`.
        """
        data, outcome = _data(reading)
        week, shares = _week(data), [name for name in data.data_vars if str(name).startswith("share_")]
        about = {"outcome": outcome.name, "week": week}
        words = dict(zip(data["strategy"].values.tolist(), _in_words(data), strict=True))
        strategies = []
        for contrast, stratum in _cells(data, reading.context):
            sign = contrast.sign(outcome)
            reason = withheld(reading.observed, outcome.name, contrast, stratum, week)
            silent = bool(reason) or math.isnan(sign)
            for strategy in data["strategy"].values.tolist():
                where = {"strategy": strategy, "contrast": contrast.label, "stratum": stratum}
                draws = flat(data["difference"].sel(where))
                strategies.append(
                    {
                        **about,
                        "strategy": strategy,
                        "supposes": words[strategy],
                        "contrast": contrast.label,
                        "stratum": stratum,
                        "unit": outcome.unit,
                        **{name: float(value) for name, value in summarise(draws, reading.prob).items()},
                        "probability_favours": math.nan if silent else probability(sign * draws > 0),
                        "direction": contrast.direction(outcome),
                        "withheld": reason,
                        **_latent(data, where, reading.prob),
                    }
                )
        found = {"dropout_strategies": pd.DataFrame(strategies)}
        if "pooled_difference" in data:
            found["dropout_pooled"] = _pooled(data, reading.context, outcome)
        if "tipping_point" in data:
            own = ("tipping_point", "tipping_status")
            names = [name for name in (*own, *(f"latent_{name}" for name in own)) if name in data]
            found["dropout_tipping"] = (
                data[names].reset_coords(drop=True).to_dataframe().reset_index()
                .rename(columns=lambda name: str(name).replace("tipping_status", "status"))
                .assign(**about, unit=data.attrs.get("delta_unit", ""))
            )  # fmt: skip
        if shares:
            frame = data[shares].reset_coords(drop=True).to_dataframe().reset_index()
            found["dropout_missing"] = frame.assign(**about)
        return found

    def layouts(self, reading: Reading) -> Layouts:
        """Strategies are draws; pooled differences are of multiple imputation; shares are of the data."""
        data, _ = _data(reading)
        level = str(data.attrs.get("interval", "")).partition(" ")[0]
        shares = [str(name) for name in data.data_vars if str(name).startswith("share_")]
        return {
            "dropout_strategies": Layout(
                "difference",
                left_out=("supposes",),
                columns={
                    f"latent_{name}": Statistic(name, of="latent_difference") for name in ("median", "lower", "upper")
                },
            ),
            "dropout_tipping": Layout(
                columns={
                    "tipping_point": Statistic("estimate", withheld="status"),
                    "latent_tipping_point": Statistic("estimate", of="latent_tipping_point", withheld="latent_status"),
                }
            ),
            "dropout_missing": Layout(columns={name: Statistic("share", of=name) for name in shares}, context="data"),
            "dropout_pooled": Layout(
                columns={"difference": Statistic("estimate", of="difference")}
                | {name: Statistic(name, of="difference") for name in ("se", "lower", "upper")},
                context="imputed",
                interval=("ci", float(level) if level else None),
            ),
        }

    def figures(self, reading: Reading) -> Makers:
        """``dropout_<outcome>_<stratum>`` and ``tipping_<outcome>_<stratum>``, with the group where several.

        The latter show probabilities: there are none where these are withheld.
        """
        makers: dict[str, Callable[[], Figure]] = {}
        context, (data, outcome) = reading.context, _data(reading)
        for contrast, stratum in _cells(data, context):
            end = f"{outcome.name}_{stratum}" + (f"_{contrast.group}" if len(context.contrasts) > 1 else "")
            makers[f"dropout_{end}"] = partial(strategy_figure, reading, contrast, stratum)
            known = not withheld(reading.observed, outcome.name, contrast, stratum, _week(data))
            if known and "delta_difference" in data:
                makers[f"tipping_{end}"] = partial(tipping_figure, reading, contrast, stratum)
        return makers

    def section(self, reading: Reading) -> Section:
        """Strategies, tipping points and shares missing."""
        context, tables, label = reading.context, reading.tables, reading.label
        data, _ = _data(reading)
        shown = {f"Difference under each supposition: median and {label}": _strategy_rows(context, tables, label)}
        if "dropout_pooled" in tables:
            level = str(data.attrs.get("interval", "")).partition(" ")[0]
            anchored = f"{float(level):.0%} confidence interval" if level else "interval"
            caption = "Information-anchored difference: multiple imputation by each supposition, Rubin's rules"
            shown[caption] = _pooled_rows(context, tables["dropout_pooled"], anchored)
        if "dropout_tipping" in tables:
            level = f" ({data.attrs['interval']})" if data.attrs.get("interval") else ""
            caption = (
                f"Tipping point: the smallest delta at which the interval{level} reaches no difference, or has "
                "passed it"
            )
            shown[caption] = _tipping_rows(context, tables["dropout_tipping"])
        if "dropout_missing" in tables:
            frame = tables["dropout_missing"]
            rows = frame[["start_group", "stratum", *[name for name in frame if str(name).startswith("share_")]]]
            rows = rows.assign(stratum=[stratum_label(str(s)) for s in rows["stratum"]])
            names = SHARES | {"start_group": context.arm.capitalize()}
            rows = rows.rename(columns=lambda name: names.get(name, str(name).capitalize()))
            shown["Shares of persons by what became of them before the week"] = rows
        assumed = "How exits depend on the unseen course" if context.exits_follow_course else "Missing at random"
        paragraphs = [f"{assumed} cannot be tested by these data. Below, those who left are supposed to do otherwise."]
        paragraphs += [f"{lead}: {data.attrs[name]}." for name, lead in _LEADS.items() if data.attrs.get(name)]
        reasons = dict.fromkeys(reason for reason in tables["dropout_strategies"]["withheld"] if reason)
        paragraphs += [f"Probabilities are {reason}." for reason in reasons]
        words = {"label": label, "arm": context.arm, "first": context.sides[0]}
        pictures = [
            Picture(reading.figures.maker(name), *(text.format(**words) for text in _PICTURES[kind]))
            for name in reading.figures
            if (kind := name.partition("_")[0]) in _PICTURES
        ]
        return Section(
            "If those who left did otherwise", list(dict.fromkeys(paragraphs)), shown, pictures, open_label(context)
        )


def strategy_figure(reading: Reading, contrast: Contrast, stratum: str) -> Figure:
    """Difference between start groups under each strategy."""
    data, outcome = _data(reading)
    names = data["strategy"].values.tolist()
    figure, axes = new_panel(height=1.5 + 0.36 * len(names))
    draws = data["difference"].reset_coords(drop=True).sel(contrast=contrast.label, stratum=stratum)
    numbers = summarise(flat(draws.transpose("strategy", ...)), reading.prob)
    labels = [_title(name, reading.context).replace(" in ", "\nin ") for name in names]
    interval_rows(axes, numbers, labels, COLOURS[3])
    side = signed(contrast.direction(outcome))
    axes.set_xlabel(f"{contrast.group} minus {contrast.reference}, {outcome.unit}\n{side}")
    add_title(axes, f"{outcome.label}: {stratum_label(stratum)}")
    return figure


def tipping_figure(reading: Reading, contrast: Contrast, stratum: str) -> Figure:
    """Probability that the earlier start is favoured, over delta in both groups, and where the interval meets zero."""
    data, outcome = _data(reading)
    figure, axes = new_panel()
    draws = data["delta_difference"].reset_coords(drop=True).sel(contrast=contrast.label, stratum=stratum)
    values = flat(draws.transpose("delta_group", "delta_reference", ...))
    across, up = (data[name].to_numpy().astype(float) for name in ("delta_reference", "delta_group"))
    favoured = (contrast.sign(outcome) * values > 0).mean(axis=-1)
    mesh = axes.pcolormesh(across, up, favoured, cmap="RdBu", vmin=0.0, vmax=1.0, shading="nearest")
    numbers = summarise(values, reading.prob)
    open_ = ((numbers["lower"] <= 0) & (numbers["upper"] >= 0)).astype(float)
    if 0 < open_.mean() < 1:
        axes.contour(across, up, open_, levels=[0.5], colors="black", linewidths=1.4)
    for x, y in np.argwhere(open_.T > 0):
        axes.plot(across[x], up[y], ".", color="black", markersize=2.5)
    axes.plot(0.0, 0.0, "s", color="black", markerfacecolor="none", markersize=8, clip_on=False)
    figure.colorbar(mesh, ax=axes, label=f"Probability that it favours {contrast.early}")
    unit = data.attrs.get("delta_unit", outcome.unit)
    axes.set_xlabel(f"Delta in {contrast.reference}, {unit} worse")
    axes.set_ylabel(f"Delta in {contrast.group}, {unit} worse")
    axes.set_title(f"{outcome.label}: {stratum_label(stratum)}", loc="left", fontweight="bold", fontsize=10.5)
    return figure


_LEADS = {
    "limits_in_words": "Limits",
    "reference_in_words": "Reference-based strategies",
    "delta_in_words": "Delta",
    "deaths": "Deaths",
    "events_in_words": "Events",
    "ends_in_words": "Not seen, not left",
    "variance": "Intervals",
    "baseline_in_words": "Baseline",
    "pooled_in_words": "Information-anchored intervals",
}

_PICTURES = {
    "dropout": (
        "Difference between {arm}s under each supposition about those who left, with intervals.",
        "Median and {label}. Line at zero: no difference.",
    ),
    "tipping": (
        "Probability that {first} is favoured, over delta in either {arm}, with the region in which "
        "the interval includes no difference.",
        "Dots, inside the black line: the {label} includes no difference. Square: delta 0.",
    ),
}
"""Kind of figure to its alternative text and caption."""


def _title(strategy: str, context: FitContext) -> str:
    if strategy == "missing_at_random" and context.exits_follow_course:
        return AS_MODELLED
    return TITLES.get(strategy, strategy.replace("_", " "))


def _latent(data: xr.Dataset, where: dict[str, str], prob: float) -> dict[str, float]:
    """Difference of latent means: nothing of an outcome without limits."""
    if "latent_difference" not in data:
        return {}
    numbers = summarise(flat(data["latent_difference"].sel(where)), prob)
    return {f"latent_{name}": float(numbers[name]) for name in ("median", "lower", "upper")}


def _strategy_rows(context: FitContext, tables: dict[str, pd.DataFrame], label: str) -> pd.DataFrame:
    latent = "latent_median" in tables["dropout_strategies"]
    return pd.DataFrame(
        {
            "Supposition": _title(row.strategy, context),
            "What it says": row.supposes,
            "Outcome": f"{context.outcomes[row.outcome].label}, {stratum_label(row.stratum)}, week {row.week:g}",
            "Contrast": row.contrast.replace(" - ", " minus "),
            f"Difference ({label})": estimate(row.median, row.lower, row.upper),
            "Unit": row.unit,
            f"P(favours {context.sides[0]})": "withheld"
            if row.withheld
            else chance_of(row.probability_favours, row.direction),
            **({WITHOUT_LIMITS: estimate(row.latent_median, row.latent_lower, row.latent_upper)} if latent else {}),
        }
        for row in tables["dropout_strategies"].itertuples()
    )


def _pooled(data: xr.Dataset, context: FitContext, outcome: Outcome) -> pd.DataFrame:
    """Differences of multiple imputation by strategy and contrast, all persons together."""
    fields = ("difference", "se", "lower", "upper")
    return pd.DataFrame(
        {
            "outcome": outcome.name,
            "week": _week(data),
            "strategy": strategy,
            "contrast": contrast.label,
            "unit": outcome.unit,
            **{k: float(data[f"pooled_{k}"].sel(strategy=strategy, contrast=contrast.label)) for k in fields},
            "direction": contrast.direction(outcome),
        }
        for contrast in context.contrasts
        if contrast.label in data["contrast"].values
        for strategy in data["strategy"].values.tolist()
    )


def _pooled_rows(context: FitContext, table: pd.DataFrame, level: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Supposition": _title(row.strategy, context),
            "Outcome": f"{context.outcomes[row.outcome].label}, all persons, week {row.week:g}",
            "Contrast": row.contrast.replace(" - ", " minus "),
            f"Difference ({level})": estimate(row.difference, row.lower, row.upper),
            "SE": cell(row.se),
            "Unit": row.unit,
            "Direction": signed(row.direction),
        }
        for row in table.itertuples()
    )


def _tipping_rows(context: FitContext, table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for row in table.to_dict("records"):
        point, (group, _, reference) = row["tipping_point"], str(row["contrast"]).partition(" - ")
        path = PATHS.get(str(row.get("delta_path", "group_only")), "{group}").format(group=group, reference=reference)
        rows.append(
            {
                "Delta grows": path,
                "Outcome": f"{context.outcomes[row['outcome']].label}, {stratum_label(row['stratum'])}",
                "Contrast": str(row["contrast"]).replace(" - ", " minus "),
                "Tipping point": _point(point, row["unit"], row.get("status", "none")),
                **(
                    {WITHOUT_LIMITS: _point(row["latent_tipping_point"], row["unit"], row["latent_status"])}
                    if "latent_tipping_point" in row
                    else {}
                ),
            }
        )
    return pd.DataFrame(rows)


def _point(point: float, unit: str, status: str) -> str:
    """A tipping point, or why there is none."""
    return status if math.isnan(point) else f"{cell(float(point))} {unit}"


def _data(reading: Reading) -> tuple[xr.Dataset, Outcome]:
    data = reading.tree[GROUP].to_dataset()
    return data, reading.context.outcomes[str(data.attrs["outcome"])]


def _cells(data: xr.Dataset, context: FitContext) -> Iterator[tuple[Contrast, str]]:
    strata = sorted((str(s) for s in data["stratum"].values), key=lambda label: label != ALL)
    for contrast in context.contrasts:
        if contrast.label in data["contrast"].values:
            yield from ((contrast, stratum) for stratum in strata)


def _week(data: xr.Dataset) -> float:
    return float(data.attrs.get("week", math.nan))


def _in_words(data: xr.Dataset) -> list[str]:
    if "strategy_in_words" in data.coords:
        return [str(text) for text in data["strategy_in_words"].values]
    return [""] * data.sizes["strategy"]
