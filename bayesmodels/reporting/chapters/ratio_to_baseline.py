"""Ratio to baseline, with percent, of the outcomes on the log scale."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayesmodels.posterior.context import stratum_label
from bayesmodels.posterior.estimand import all_persons
from bayesmodels.posterior.intervals import long_table
from bayesmodels.posterior.monte_carlo import ERROR, shown_with_errors, with_errors
from bayesmodels.posterior.wording import estimate
from bayesmodels.reporting.chapter import Chapter, Layouts, Needs, Reading, Tables
from bayesmodels.reporting.layout import Layout, Statistic
from bayesmodels.reporting.page import Section


class RatioToBaseline(Chapter):
    """Ratios to baseline at the weeks of the differences."""

    name = "ratio to baseline"
    needs = Needs(("curve_change",))
    shows = "ratio_to_baseline"

    def tables(self, reading: Reading) -> Tables:
        """`ratio_to_baseline`."""
        return {"ratio_to_baseline": ratio_table(reading)}

    def layouts(self, reading: Reading) -> Layouts:
        """Of the ratio, and of the change in percent."""
        columns = {"monte_carlo_error": Statistic("mcse_median", of="ratio")}
        for kind in ("ratio", "percent"):
            for end, name in (("", "median"), ("_lower", "lower"), ("_upper", "upper")):
                columns[f"{kind}{end}"] = Statistic(name, of=kind, unit=kind)
        return {"ratio_to_baseline": Layout(columns=columns)}

    def section(self, reading: Reading) -> Section:
        """Ratio and percent."""
        context, label = reading.context, reading.label
        table = reading.tables["ratio_to_baseline"]
        table = table[table["week"].isin(_weeks(reading))]
        rows = [
            {
                "Outcome": context.outcomes[row.outcome].label,
                "Stratum": stratum_label(row.stratum),
                reading.context.arm.capitalize(): row.start_group,
                "Week": row.week,
                f"Ratio to baseline ({label})": estimate(row.ratio, row.ratio_lower, row.ratio_upper),
                f"Change, % ({label})": estimate(row.percent, row.percent_lower, row.percent_upper),
                "Still observed": reading.observed.at(row.outcome, row.start_group, row.stratum, row.week),
            }
            for row in table.itertuples()
        ]
        note = f"Ratio of geometric means, {all_persons(context)}; below 1 is a fall.{reading.after_switch}"
        shown = pd.DataFrame(shown_with_errors(rows, table[ERROR], "Ratio to baseline"))
        return Section("Ratio to baseline", (), {f"Median and {label}": shown}, (), note)


def ratio_table(reading: Reading) -> pd.DataFrame:
    """Ratio to baseline, with percent, of the outcomes on the log scale.

    Columns: `outcome`, `start_group`, `stratum`, `week`, `ratio`, `ratio_lower`, `ratio_upper`, `percent`,
    `percent_lower`, `percent_upper` (change from baseline), `monte_carlo_error` (of the ratio). Posterior medians and
    equal-tailed intervals.
    """
    context = reading.context
    logs = [name for name, outcome in context.outcomes.items() if outcome.scale == "log"]
    if not logs:
        return pd.DataFrame()
    changes = reading.posterior("curve_change").sel(outcome=logs)
    table = with_errors(long_table(changes, reading.prob), {"ratio": np.exp(changes)}, context, "ratio")
    for new, old in (("ratio", "median"), ("ratio_lower", "lower"), ("ratio_upper", "upper")):
        table[new] = np.exp(table[old])
        table[new.replace("ratio", "percent")] = 100 * (np.exp(table[old]) - 1)
    bounds = ["", "_lower", "_upper"]
    numbers = [f"{kind}{b}" for kind in ("ratio", "percent") for b in bounds]
    return table[["outcome", "start_group", "stratum", "week", *numbers, ERROR]]


def _weeks(reading: Reading) -> list[float]:
    """Weeks of the differences on the page; without differences about five of the curve weeks."""
    if "deltas" in reading.tables:
        return sorted(set(reading.tables["deltas"]["week"]))
    weeks = sorted(set(reading.tables["ratio_to_baseline"]["week"]))
    return weeks[:: max(1, len(weeks) // 5)]
