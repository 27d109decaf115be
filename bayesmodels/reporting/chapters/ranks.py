"""Rank analyses of the study's own data beside those of replicated trials: table, figures and the section.

Reads the group `rank_analyses`.
"""

from __future__ import annotations

import json
import math
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from bayesmodels.posterior.context import Outcome
from bayesmodels.posterior.wording import cell, chance, estimate, signed
from bayesmodels.reporting.chapter import Chapter, Layouts, Makers, Needs, Reading, Tables
from bayesmodels.reporting.drawing import COLOURS, add_title, new_panel
from bayesmodels.reporting.layout import Layout, Statistic
from bayesmodels.reporting.page import Picture, Section

GROUP = "rank_analyses"

TITLES = {
    "joint rank": "Joint rank test",
    "CAFS": "CAFS",
    "win ratio": "Win ratio",
    "win odds": "Win odds",
    "ANCOVA": "ANCOVA, those seen at the week",
    "ANCOVA, imputed": "ANCOVA, missing values imputed by the model",
}
"""Analyses as readers know them."""

DRAWN = ("joint rank", "ANCOVA")
"""Analyses with a figure: function and survival together, and function alone."""


class Ranks(Chapter):
    """Rank analyses of these data."""

    name = "ranks"
    needs = Needs(groups=(GROUP,))
    shows = GROUP

    def tables(self, reading: Reading) -> Tables:
        """`rank_analyses`."""
        return {GROUP: rank_table(reading)}

    def layouts(self, reading: Reading) -> Layouts:
        """Estimates are of the data; replicated ones are what the model draws."""
        level = float(reading.tree[GROUP].attrs["level"])
        columns = {
            "replicates": Statistic("n", of="replicates", context="predictive"),
            "share_below": Statistic("share", event="below the observed", context="predictive"),
        }
        return {GROUP: Layout(named_by="quantity", columns=columns, context="data", interval=("ci", level))}

    def figures(self, reading: Reading) -> Makers:
        """``rank_joint_rank`` and ``rank_ancova``: replicated estimates and the observed one."""
        data = reading.tree[GROUP].to_dataset()
        outcome = reading.context.outcomes[str(data.attrs["outcome"])]
        return {
            f"rank_{analysis.lower().replace(' ', '_')}": partial(rank_figure, data, analysis, outcome)
            for analysis in DRAWN
            if analysis in data["analysis"].values and len(_replicates(data, analysis))
        }

    def section(self, reading: Reading) -> Section:
        """Observed beside replicated, with what each analysis says and does not."""
        attrs, table, prob = reading.tree[GROUP].attrs, reading.tables["rank_analyses"], reading.prob
        outcome = reading.context.outcomes[str(attrs["outcome"])]
        level = 100 * float(attrs["level"])
        rows = pd.DataFrame(
            {
                "Analysis": TITLES.get(row.analysis, row.analysis),
                "Quantity": f"{row.quantity}, {row.unit}" if row.unit else row.quantity,
                f"Observed ({level:g} % confidence interval)": estimate(row.estimate, row.lower, row.upper),
                "p": "–" if math.isnan(row.p_value) else "< 0.001" if row.p_value < 0.001 else f"{row.p_value:.3f}",
                "Direction": signed(row.favours),
                "Persons": cell(row.n),
                f"Replicated (median and {100 * prob:g} % of trials)": "–"
                if not row.replicates
                else estimate(row.predictive_median, row.predictive_lower, row.predictive_upper),
                "Replicated below observed": chance(row.share_below),
            }
            for row in table.itertuples()
        )
        pictures = [
            Picture(
                reading.figures.maker(name),
                "Estimates in replicated trials, and the observed one: "
                f"{name.removeprefix('rank_').replace('_', ' ')}.",
                "Bars: trials replicated by the model. Thick line: these data. Thin line: no difference.",
            )
            for name in reading.figures
            if name.startswith("rank_")
        ]
        caption = f"{outcome.label} to week {float(attrs['week']):g}, {attrs['group']} against {attrs['reference']}"
        return Section(
            "Rank analyses of these data",
            [
                "Reference analyses that need no model, beside the same analyses of trials that the model replicates. "
                "A share of replicated trials near 0 or 1 says that the model does not bring about what these data "
                "show; it is no p-value of the drug.",
                " ".join([str(attrs["replicates"]), *_without_estimate(table)]),
            ],
            {caption: rows},
            pictures,
            " ".join(json.loads(str(attrs["notes"]))),
        )


def rank_table(reading: Reading) -> pd.DataFrame:
    """One row per analysis.

    Columns: `analysis`, `quantity`, `outcome`, `week`, `group`, `reference`, `estimate`, `lower`, `upper` (confidence
    limits), `p_value`, `n`, `unit`, `favours`, `no_difference`; `predictive_median`, `predictive_lower`,
    `predictive_upper` (equal-tailed, over replicated trials), `replicates` (those with an estimate, infinite ones too),
    and `share_below`, the share of replicated trials whose estimate is below the observed one, ties half; NaN without
    replicates.
    """
    data = reading.tree[GROUP].to_dataset()
    about = {"outcome": str(data.attrs["outcome"]), "week": float(data.attrs["week"])}
    about |= {name: str(data.attrs[name]) for name in ("group", "reference")}
    rows = []
    for analysis in data["analysis"].values.tolist():
        one = data.sel(analysis=analysis)
        row = {"analysis": analysis, "quantity": str(one["quantity"].item()), **about}
        row |= {name: float(one[name]) for name in ("estimate", "lower", "upper", "p_value", "n", "no_difference")}
        row |= {name: str(one[name].item()) for name in ("unit", "favours")}
        drawn = _replicates(data, analysis)
        row |= _predictive(drawn, reading.prob)
        row["replicates"] = len(drawn)
        row["share_below"] = _share_below(drawn, row["estimate"])
        rows.append(row)
    return pd.DataFrame(rows)


def rank_figure(data: xr.Dataset, analysis: str, outcome: Outcome) -> Figure:
    """Estimates in replicated trials, with the observed one and no difference."""
    figure, axes = new_panel(height=2.9)
    one = data.sel(analysis=analysis)
    axes.hist(_replicates(data, analysis), bins=15, color=COLOURS[5], alpha=0.45, label="Replicated")
    axes.axvline(float(one["estimate"]), color=COLOURS[3], linewidth=2.2, label="Observed")
    axes.axvline(float(one["no_difference"]), color="#444444", linewidth=0.8)
    unit = f", {one['unit'].item()}" if one["unit"].item() else ""
    axes.set_xlabel(f"{str(one['quantity'].item()).capitalize()}{unit}\n{signed(str(one['favours'].item()))}")
    axes.set_ylabel("Replicated trials")
    add_title(axes, f"{outcome.label}: {'ANCOVA' if analysis == 'ANCOVA' else TITLES[analysis].lower()}")
    return figure


def _replicates(data: xr.Dataset, analysis: str) -> np.ndarray:
    """Estimates of the replicated trials that have one; a win ratio may be infinite."""
    if "predictive_estimate" not in data:
        return np.empty(0)
    drawn = data["predictive_estimate"].sel(analysis=analysis).to_numpy()
    return drawn[~np.isnan(drawn)]


def _predictive(drawn: np.ndarray, prob: float) -> dict[str, float]:
    """Median and equal-tailed limits; those of whole trials where some are infinite."""
    tail = (1 - prob) / 2
    found = np.full(3, np.nan)
    if len(drawn):
        found = np.quantile(
            drawn, [0.5, tail, 1 - tail], method="linear" if np.isfinite(drawn).all() else "inverted_cdf"
        )
    return {f"predictive_{edge}": float(v) for edge, v in zip(("median", "lower", "upper"), found, strict=True)}


def _without_estimate(table: pd.DataFrame) -> list[str]:
    """A sentence for each analysis that some replicated trials have no estimate of."""
    most = table["replicates"].max()
    some = table[(table["replicates"] > 0) & (table["replicates"] < most)]
    return [
        f"{TITLES.get(row.analysis, row.analysis)}: {most - row.replicates} of {most} have no estimate."
        for row in some.itertuples()
    ]


def _share_below(drawn: np.ndarray, observed: float) -> float:
    if not len(drawn) or math.isnan(observed):
        return math.nan
    return float((drawn < observed).mean() + (drawn == observed).mean() / 2)
