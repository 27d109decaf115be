"""Average rates per start group and period, and the differences between start groups in them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.posterior.context import stratum_label, units
from bayesmodels.posterior.estimand import all_persons, no_effect_yet, withheld
from bayesmodels.posterior.intervals import NOTHING, PRIOR_COLUMNS, STATISTICS, beside_prior, flat, probability
from bayesmodels.posterior.monte_carlo import ERROR, shown_with_errors, with_errors
from bayesmodels.posterior.wording import estimate, places
from bayesmodels.reporting.chapter import Chapter, Layouts, Needs, Reading, Tables
from bayesmodels.reporting.layout import Layout
from bayesmodels.reporting.page import Section, chance_or_why

PERIODS = {"before_switch": "before the switch", "after_switch": "after the switch", "last_year": "last year"}

CONTROLLED = {
    "before_switch": "controlled period",
    "after_switch": "after the controlled period",
    "last_year": "last year",
}
"""The same where no start group starts late."""


class PeriodRates(Chapter):
    """Average rates by period."""

    name = "period rates"
    needs = Needs(("period_rate",))
    shows = "period_rates"

    def tables(self, reading: Reading) -> Tables:
        """`period_rates`."""
        return {"period_rates": period_rate_table(reading)}

    def layouts(self, reading: Reading) -> Layouts:
        """All are of average rates."""
        return {"period_rates": Layout("period_rate")}

    def section(self, reading: Reading) -> Section:
        """Rates of start groups, and their differences."""
        context, label = reading.context, reading.label
        periods = PERIODS if context.staggered else CONTROLLED
        table = reading.tables["period_rates"].sort_values(["outcome", "stratum", "period"], key=places, kind="stable")
        rows = [
            {
                "Outcome": f"{context.outcomes[row['outcome']].label}, {stratum_label(row['stratum'])}",
                "Period": periods.get(row["period"], row["period"]),
                context.arm.capitalize(): row["start_group"] or row["contrast"].replace(" - ", " minus "),
                f"Average rate ({label})": estimate(row["median"], row["lower"], row["upper"]),
                "Unit": row["unit"],
                f"P(favours {context.sides[0]})": chance_or_why(row) if row["contrast"] else "",
            }
            for row in table.to_dict("records")
        ]
        return Section(
            "Average rates by period",
            (),
            {f"Median and {label} per month": pd.DataFrame(shown_with_errors(rows, table[ERROR], "Average rate"))},
            (),
            f"Average change of the mean curve from the period's first to its last week; {all_persons(context)}. "
            f"{reading.comparison}",
        )


def period_rate_table(reading: Reading) -> pd.DataFrame:
    """Average rate per start group and period, and the difference between start groups in it.

    Columns: `outcome`, `start_group`, `contrast` (one of the two is blank), `stratum`, `period`, `unit`, `mean`, `sd`,
    `median`, `lower`, `upper`, `prior_median`, `prior_sd`, `prior_lower`, `prior_upper`, `width_ratio`,
    `probability_favours` (the earlier start, contrasts only, by a better rate; NaN where withheld), `direction`,
    `withheld` (why: the period ends past the last week at which half of each group is still observed),
    `monte_carlo_error`.
    """
    context, prob = reading.context, reading.prob
    rates, prior = reading.posterior("period_rate"), reading.prior("period_rate")
    own = with_errors(beside_prior(rates, prior, prob), {"rate": rates}, context, "rate")
    frames = [own.assign(contrast="", direction="", withheld="", probability_favours=math.nan)]
    for contrast in context.contrasts:
        between = _between(rates, contrast.groups)
        frame = beside_prior(between, None if prior is None else _between(prior, contrast.groups), prob)
        signs = [contrast.sign(context.outcomes[name]) for name in frame["outcome"]]
        frame["withheld"] = [
            withheld(reading.observed, row.outcome, contrast, row.stratum, _period_end(reading, row.period))
            or (no_effect_yet(_draws_of(between, row)) if row.sd > NOTHING else "")
            for row in frame.itertuples()
        ]
        frame["probability_favours"] = [
            probability(sign * _draws_of(between, row) > 0)
            if not math.isnan(sign) and row.sd > NOTHING and not row.withheld
            else math.nan
            for sign, row in zip(signs, frame.itertuples(), strict=True)
        ]
        frame["direction"] = [contrast.direction(context.outcomes[name]) for name in frame["outcome"]]
        frame = with_errors(frame, {"rate": between}, context, "rate")
        frames.append(frame.assign(start_group="", contrast=contrast.label))
    table = pd.concat(frames, ignore_index=True)
    table["unit"] = units("period_rate", table, context.outcomes)
    labels = ["outcome", "start_group", "contrast", "stratum", "period", "unit"]
    numbers = [*STATISTICS, *PRIOR_COLUMNS, "probability_favours", "direction", "withheld", ERROR]
    return table[[*labels, *numbers]]


def _between(rates: xr.DataArray, groups: tuple[str, str]) -> xr.DataArray:
    return rates.sel(start_group=groups[0], drop=True) - rates.sel(start_group=groups[1], drop=True)


def _draws_of(between: xr.DataArray, row: Any) -> np.ndarray:
    """Draws of one row's difference."""
    return flat(between.sel(outcome=row.outcome, stratum=row.stratum, period=row.period))


def _period_end(reading: Reading, period: str) -> float:
    """Last week of a period: the switch, or the end of the curves."""
    end = reading.context.controlled_week or reading.context.switch_week
    if period == "before_switch" and end is not None:
        return end
    draws = reading.tree["posterior"]
    return float(draws["week"].max()) if "week" in draws.coords else -math.inf
