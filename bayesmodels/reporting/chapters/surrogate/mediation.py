"""How much of the effect goes through the surrogate, over weeks, and if there is unmeasured confounding."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bayesmodels.posterior.estimand import OPEN_LABEL
from bayesmodels.posterior.wording import chance, fixed
from bayesmodels.reporting.chapter import Chapter, Layouts, Makers, Reading, Tables
from bayesmodels.reporting.drawing import COLOURS, add_title, new_panel, no_difference, switch_line
from bayesmodels.reporting.layout import Layout
from bayesmodels.reporting.page import Section, limits_cell
from bayesmodels.surrogacy.criteria.mediation import ASSUMPTION, exposure_arms, mediation_curve, sensitivity_table
from bayesmodels.surrogacy.declared import Declared


class Mediation(Chapter):
    """Effect through the surrogate."""

    name = "surrogate, mediation"
    shows = "surrogacy_mediation"

    def tables(self, reading: Reading) -> Tables:
        """`surrogacy_mediation`, and `surrogacy_sensitivity` unless the model makes the effect follow the surrogate."""
        evidence = reading.surrogate
        if evidence is None or evidence.courses is None or evidence.declared.contrast is None:
            return {}
        d, courses, chosen, level = evidence.declared, evidence.courses, evidence.settings, evidence.level
        names, contrast, lag = (d.surrogate.name, d.outcome.name), evidence.declared.contrast, chosen.mediation_lag
        exposure = exposure_arms(courses, *names, d.outcome_week, contrast, lag)
        gain = None if evidence.follows else exposure.gamma
        curve = mediation_curve(
            courses, *names, contrast, gain, lag, d.weeks, level, evidence.guard, evidence.design
        ).assign(estimand=np.where(d.weeks > d.switch_week, OPEN_LABEL, contrast.as_randomised))
        if evidence.follows:
            return {"surrogacy_mediation": curve}
        moved = sensitivity_table(exposure, chosen.confounding, level, evidence.guard, evidence.compared)
        return {"surrogacy_mediation": curve, "surrogacy_sensitivity": moved}

    def layouts(self, reading: Reading) -> Layouts:
        """One of them is by the correlation of errors."""
        return {"surrogacy_sensitivity": Layout(keys=("error_correlation",))}

    def figures(self, reading: Reading) -> Makers:
        """``surrogacy_mediation``."""
        table, d = reading.tables["surrogacy_mediation"], reading.evidence.declared
        return {"surrogacy_mediation": partial(mediation_figure, table, d)}

    def section(self, reading: Reading) -> Section:
        """By week, and by correlation of errors."""
        d, tables, label = reading.evidence.declared, reading.tables, reading.label
        table = tables["surrogacy_mediation"]
        every = max(1, math.ceil(len(table) / 7))
        spread = set(table["week"].iloc[::-1].iloc[::every])
        chosen = table[table["week"].isin(spread | {d.outcome_week})]
        rows = [
            {
                "Week": row["week"],
                f"Total ({label})": limits_cell(row, "total_"),
                "Through the surrogate": limits_cell(row, "indirect_"),
                "Direct": limits_cell(row, "direct_"),
                "Share through it": "withheld" if row["withheld"] else limits_cell(row, "share_"),
                "Comparison": row["estimand"],
            }
            for row in chosen.to_dict("records")
        ]
        shown = {f"{d.outcome.label}, {d.outcome.unit}": pd.DataFrame(rows)}
        if "surrogacy_sensitivity" in tables:
            shown[f"If unmeasured causes correlate the errors of both, week {d.outcome_week:g}"] = pd.DataFrame(
                [
                    {
                        "Error correlation": fixed(row["error_correlation"], 2),
                        f"Through the surrogate ({label})": limits_cell(row, "indirect_"),
                        "P(favours the drug)": chance(row["indirect_favours"]),
                        "Share through it": "withheld"
                        if math.isnan(row["share_median"])
                        else limits_cell(row, "share_"),
                    }
                    for row in tables["surrogacy_sensitivity"].to_dict("records")
                ]
            )
        text = (
            "Implied by the model: it makes the whole effect on the outcome follow the surrogate. Compare it with a "
            "fit whose effect is free before believing it."
            if reading.evidence.follows
            else f"Natural effects under: {ASSUMPTION}. Randomisation does not give this; the second table shows how "
            "the answer moves if it fails. The share is withheld where the total effect is not separated from zero."
        )
        return Section(
            "Surrogate: how much of the effect goes through it",
            [text, "Evidence for a mechanism; not, by itself, for using the surrogate in place of the outcome."],
            shown,
            reading.pictures(
                "surrogacy_mediation",
                "Total effect on the outcome over weeks, and its part via the surrogate.",
                f"Median and {label}.{_after(d)}",
            ),
        )


def _after(d: Declared) -> str:
    """What the comparison is after the switch, after a space; blank where it stays as randomised."""
    if d.contrast is None or not math.isfinite(d.switch_week):
        return ""
    return f" After week {d.switch_week:g}: {d.contrast.early} against {d.contrast.late} start, {OPEN_LABEL}."


def mediation_figure(table: pd.DataFrame, d: Declared) -> Figure:
    """Total and indirect effect over weeks."""
    assert d.contrast is not None
    figure, axes = new_panel()
    for name, label, colour in (("total", "total", COLOURS[5]), ("indirect", "through the surrogate", COLOURS[3])):
        axes.fill_between(
            table["week"], table[f"{name}_lower"], table[f"{name}_upper"], color=colour, alpha=0.18, linewidth=0
        )
        axes.plot(table["week"], table[f"{name}_median"], color=colour, linewidth=1.8, label=label)
    no_difference(axes)
    if d.switch_week < table["week"].max():
        switch_line(axes, d.switch_week)
    axes.set_xlabel("Weeks since randomisation")
    axes.set_ylabel(f"{d.contrast.early} minus {d.contrast.late}, {d.outcome.unit}")
    add_title(axes, d.outcome.label)
    return figure
