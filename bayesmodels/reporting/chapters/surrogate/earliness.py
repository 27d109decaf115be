"""How early: every metric by the visit at which the surrogate is read."""

from __future__ import annotations

import math
from functools import partial

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayesmodels.posterior.wording import chance
from bayesmodels.reporting.chapter import Chapter, Layouts, Makers, Reading, Tables
from bayesmodels.reporting.drawing import COLOURS, add_title, new_panel
from bayesmodels.reporting.layout import Layout, Statistic
from bayesmodels.reporting.page import Section, limits_cell
from bayesmodels.surrogacy.declared import Declared
from bayesmodels.surrogacy.earliness import earliest, earliness_table


class Earliness(Chapter):
    """Every measure by the surrogate's visit."""

    name = "surrogate, how early"
    shows = "surrogacy_earliness"

    def tables(self, reading: Reading) -> Tables:
        """`surrogacy_earliness`."""
        evidence = reading.surrogate
        if evidence is None or evidence.courses is None or evidence.declared.contrast is None:
            return {}
        d, contrast = evidence.declared, evidence.declared.contrast
        weeks = d.weeks[d.weeks <= d.outcome_week]
        return {
            "surrogacy_earliness": earliness_table(
                evidence.courses, d.surrogate.name, d.outcome.name, weeks, d.outcome_week, contrast, d.regions,
                evidence.settings, evidence.level, evidence.compared,
            )
        }  # fmt: skip

    def layouts(self, reading: Reading) -> Layouts:
        """By the surrogate's visit."""
        edges = ("median", "lower", "upper")
        columns = {
            f"explained_{edge}": Statistic(edge, of="explained", withheld="explained_withheld") for edge in edges
        }
        columns |= {
            "r2_fair": Statistic("prob", of="r2", event="fair"),
            "prentice_joint": Statistic("prob", of="prentice", event="joint"),
        }
        return {"surrogacy_earliness": Layout(columns=columns)}

    def figures(self, reading: Reading) -> Makers:
        """``surrogacy_earliness``."""
        table, d = reading.tables["surrogacy_earliness"], reading.evidence.declared
        return {"surrogacy_earliness": partial(earliness_figure, table, d)}

    def section(self, reading: Reading) -> Section:
        """By visit, and from when on effect and association are shown."""
        d, label = reading.evidence.declared, reading.label
        rows = [
            {
                "Week": row["week"],
                f"Effect on the surrogate ({label})": limits_cell(row, "effect_"),
                "P(favours)": chance(row["effect_favours"]),
                "R2, true values": limits_cell(row, "r2_"),
                "R2, as measured": limits_cell(row, "r2_observed_"),
                "Relative effect": "unbounded"
                if math.isnan(row["relative_effect_median"])
                else limits_cell(row, "relative_effect_"),
                "Proportion explained": "withheld" if row["explained_withheld"] else limits_cell(row, "explained_"),
                "All four criteria": "not assessable"
                if math.isnan(row["prentice_joint"])
                else chance(row["prentice_joint"]),
                "Causal association, no assumption": limits_cell(row, "causal_"),
            }
            for row in reading.tables["surrogacy_earliness"].to_dict("records")
        ]
        return Section(
            "Surrogate: how early",
            [
                f"The surrogate read at each visit, {d.outcome.label} always to week {d.outcome_week:g}. "
                f"{_earliest_said(reading)}",
                "The model gives the effect one onset and persons straight or decelerating courses, so that "
                "neighbouring visits share their evidence: this is when the model lets it be seen, not a separate test "
                "at each visit.",
            ],
            {"Measures by the week at which the surrogate is read": pd.DataFrame(rows)},
            reading.pictures(
                "surrogacy_earliness",
                "R2 within arms by the week at which the surrogate is read.",
                f"Median and {label}; blue: true values, orange: as measured.",
            ),
        )


def earliness_figure(table: pd.DataFrame, d: Declared) -> Figure:
    """R2 within arms by the surrogate's visit: true values and as measured."""
    figure, axes = new_panel()
    _line(axes, table, "r2", "true values", COLOURS[0])
    _line(axes, table, "r2_observed", "as measured", COLOURS[1])
    axes.set_ylim(0, 1)
    axes.set_xlim(left=0)
    axes.set_xlabel("Week at which the surrogate is read")
    axes.set_ylabel(f"R2 within arms, {d.outcome.label}\nto week {d.outcome_week:g}")
    add_title(axes, d.surrogate.label)
    return figure


def _line(axes: Axes, table: pd.DataFrame, name: str, label: str, colour: str) -> None:
    middle = table[f"{name}_median"]
    bars = [middle - table[f"{name}_lower"], table[f"{name}_upper"] - middle]
    axes.errorbar(table["week"], middle, yerr=bars, fmt="o-", color=colour, markersize=4, linewidth=1.5, label=label)


def _earliest_said(reading: Reading) -> str:
    """From which randomised visit the effect, and the association, are shown; a rung not assessable is not asked."""
    evidence, d = reading.evidence, reading.evidence.declared
    table = reading.tables["surrogacy_earliness"]
    first = earliest(table, d.switch_week, evidence.settings.cut_offs, evidence.verdicts)
    said = []
    if "effect" in first:
        said.append(
            "At no randomised visit is the drug's effect on the surrogate shown."
            if math.isnan(first["effect"])
            else f"The drug's effect on {d.surrogate.label} is shown from week {first['effect']:g} on."
        )
    if "individual" in first:
        said.append(
            "At no randomised visit does its change go with the outcome at least fairly, by the cut-off above."
            if math.isnan(first["individual"])
            else f"From week {first['individual']:g} on its change goes with the outcome at least fairly, by the "
            "cut-off above."
        )
    if evidence.verdicts[1].answer == "not assessable":
        said.append(
            "How its change goes with the outcome is not assessable; what rests on it below is mostly the prior."
        )
    return " ".join(said)
