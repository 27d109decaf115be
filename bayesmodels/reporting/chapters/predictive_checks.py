"""Can the model make data like these: observed visit means beside their predictive intervals."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from bayesmodels.posterior.archive import require
from bayesmodels.posterior.context import Outcome, stratum_label
from bayesmodels.posterior.intervals import flat
from bayesmodels.reporting.chapter import Chapter, Layouts, Makers, Needs, Reading, Tables
from bayesmodels.reporting.drawing import COLOURS, MARKERS, add_title, new_panel, no_difference
from bayesmodels.reporting.layout import Layout, Statistic
from bayesmodels.reporting.page import Picture, Section


class PredictiveChecks(Chapter):
    """Observed visit means inside their predictive intervals."""

    name = "predictive checks"
    needs = Needs(groups=("observed_summary", "predictive_summary"))
    shows = "predictive_coverage"

    def tables(self, reading: Reading) -> Tables:
        """`predictive_checks`, `predictive_coverage`."""
        if "outcome" not in reading.tree["observed_summary"].dims:
            return {}
        return {
            "predictive_checks": predictive_cells(reading.tree, reading.prob),
            "predictive_coverage": coverage_table(reading.tree, reading.prob),
        }

    def layouts(self, reading: Reading) -> Layouts:
        """Observed means are data, predicted ones are what the model draws."""
        cells = {
            "observed": Statistic("mean", of="observed", context="data"),
            "se": Statistic("se", of="observed", context="data"),
            "predicted": Statistic("median", of="predicted", context="predictive"),
            "lower": Statistic("lower", of="predicted", context="predictive"),
            "upper": Statistic("upper", of="predicted", context="predictive"),
            "position": Statistic("share", of="predicted", event="below the observed", context="predictive"),
        }
        within = ("inside", "inside_50")
        counts = {"cells": Statistic("n", of="cells")} | {name: Statistic("n", of=name) for name in within}
        shares = {name: Statistic("share", of=of) for name, of in zip(("share", "share_50"), within, strict=True)}
        return {
            "predictive_checks": Layout(columns=cells, context="data"),
            "predictive_coverage": Layout(columns=counts | shares, context="predictive"),
        }

    def figures(self, reading: Reading) -> Makers:
        """``check_<outcome>_<stratum>``."""
        return {name: partial(check_figure, reading, outcome, stratum) for name, outcome, stratum in _cells(reading)}

    def section(self, reading: Reading) -> Section:
        """Shares inside, and figures."""
        label, prob = reading.label, reading.prob
        rows = [
            {
                "Outcome": reading.context.outcomes[row.outcome].label,
                "Stratum": stratum_label(row.stratum),
                reading.context.arm.capitalize(): row.start_group,
                "Visit means": row.cells,
                f"Inside {100 * prob:g} % interval": f"{row.inside} ({100 * row.share:.0f} %)",
                "Inside 50 % interval": f"{row.inside_50} ({100 * row.share_50:.0f} %)",
            }
            for row in reading.tables["predictive_coverage"].itertuples()
        ]
        pictures = [
            Picture(
                reading.figures.maker(name),
                f"Observed minus predicted visit means of {outcome.label}, {stratum_label(stratum)}, by week.",
                f"Bars: predictive {label} about its median. Filled markers lie inside, hollow ones outside.",
            )
            for name, outcome, stratum in _cells(reading)
        ]
        return Section(
            "Predictive checks",
            ["Can the fitted model make visit means like those observed? The same persons and visits are drawn again."],
            {"Observed visit means inside their predictive intervals": pd.DataFrame(rows)},
            pictures,
            "The means of one group are correlated over visits, so the shares vary more than those of independent "
            "means.",
        )


def predictive_cells(tree: xr.DataTree, prob: float) -> pd.DataFrame:
    """Observed mean of every cell beside its predictive interval.

    Columns: `outcome`, `start_group`, `stratum`, `week`, `n`, `observed`, `se`, `predicted` (median), `lower`, `upper`,
    `inside`, `position` (share of predictive draws below the observed mean; uniform on 0 to 1 if the model is right).

    Raises
    ------
    MissingVariable
        The archive has no `observed_summary` or no `predictive_summary`.
    """
    require(tree, groups=["observed_summary", "predictive_summary"])
    order = ("outcome", "start_group", "stratum", "week")
    observed = tree["observed_summary"].to_dataset().reset_coords(drop=True).transpose(*order)
    drawn = flat(tree["predictive_summary"]["mean"].reset_coords(drop=True).transpose(*order, ...))
    means = observed["mean"].to_numpy()
    tail = (1 - prob) / 2
    lower, median, upper = np.quantile(drawn, [tail, 0.5, 1 - tail], axis=-1)
    cells = observed[["n", "mean", "se"]].rename(mean="observed")
    cells = cells.assign(
        predicted=(order, median),
        lower=(order, lower),
        upper=(order, upper),
        position=(order, np.mean(drawn < means[..., None], axis=-1)),
    )
    frame = cells.to_dataframe(dim_order=list(order)).reset_index()
    frame = frame[frame["observed"].notna() & frame["predicted"].notna()].reset_index(drop=True)
    frame["inside"] = (frame["observed"] >= frame["lower"]) & (frame["observed"] <= frame["upper"])
    return frame


def coverage_table(tree: xr.DataTree, prob: float) -> pd.DataFrame:
    """Share of observed means inside their predictive intervals, by outcome, stratum and start group.

    Columns: `outcome`, `stratum`, `start_group`, `cells`, `inside`, `share`, `inside_50` (intervals of probability one
    half), `share_50`. Cells of one group are correlated: the shares vary more than those of independent cells.
    """
    labels = ["outcome", "stratum", "start_group"]
    wide = predictive_cells(tree, prob)
    wide["inside_50"] = predictive_cells(tree, 0.5)["inside"]
    table = wide.groupby(labels, sort=False, as_index=False).agg(
        cells=("inside", "size"), inside=("inside", "sum"), inside_50=("inside_50", "sum")
    )
    table["share"] = table["inside"] / table["cells"]
    table["share_50"] = table["inside_50"] / table["cells"]
    return table[[*labels, "cells", "inside", "share", "inside_50", "share_50"]]


def check_figure(reading: Reading, outcome: Outcome, stratum: str) -> Figure:
    """Observed visit means minus predictive medians, with predictive intervals; hollow where a mean falls outside."""
    figure, axes = new_panel(height=3.1)
    cells, groups = reading.tables["predictive_checks"], reading.context.start_groups
    cells = cells[(cells["outcome"] == outcome.name) & (cells["stratum"] == stratum)]
    shift = 0.006 * max(cells["week"].max(), 1.0)
    for j, group in enumerate(groups):
        own = cells[cells["start_group"] == group]
        x = own["week"] + shift * (2 * j - len(groups) + 1)
        low, gap, high = (own[name] - own["predicted"] for name in ("lower", "observed", "upper"))
        colour, marker = COLOURS[j % len(COLOURS)], MARKERS[j % len(MARKERS)]
        axes.vlines(x, low, high, color=colour, alpha=0.35, linewidth=3.5)
        for chosen, fill, label in ((own["inside"], colour, group), (~own["inside"], "white", f"{group}, outside")):
            if chosen.any():
                axes.plot(x[chosen], gap[chosen], marker, color=colour, markerfacecolor=fill, markersize=5, label=label)
    no_difference(axes)
    axes.set_xlabel("Weeks since randomisation")
    axes.set_ylabel(f"Observed minus predicted, {outcome.unit}")
    add_title(axes, f"{outcome.label}: {stratum_label(stratum)}")
    return figure


def _cells(reading: Reading) -> Iterator[tuple[str, Outcome, str]]:
    """Name of the figure, outcome and stratum of every check."""
    cells = reading.tables["predictive_checks"]
    for outcome in reading.context.outcomes.values():
        for stratum in cells.loc[cells["outcome"] == outcome.name, "stratum"].unique():
            yield f"check_{outcome.name}_{stratum}", outcome, stratum
