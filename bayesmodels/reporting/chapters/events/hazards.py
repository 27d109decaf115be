"""Hazard ratios of covariates, start groups, strata and the drug."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayesmodels.posterior.context import units
from bayesmodels.posterior.estimand import open_label
from bayesmodels.posterior.intervals import beside_prior, flat, probability
from bayesmodels.posterior.wording import chance, estimate
from bayesmodels.reporting.chapter import Chapter, Layouts, Needs, Reading, Tables
from bayesmodels.reporting.layout import Layout, Statistic
from bayesmodels.reporting.page import Section


class Hazards(Chapter):
    """Hazard ratios beside the associations with the course."""

    name = "hazard ratios"
    needs = Needs(("hazard_effect",))
    shows = "hazard_effects"

    def tables(self, reading: Reading) -> Tables:
        """`hazard_effects`."""
        return {"hazard_effects": hazard_table(reading)}

    def layouts(self, reading: Reading) -> Layouts:
        """Of the log hazard ratio, and of the hazard ratio."""
        columns = {
            "hazard_ratio": Statistic("median", of="hazard_ratio", unit="ratio"),
            "ratio_lower": Statistic("lower", of="hazard_ratio", unit="ratio"),
            "ratio_upper": Statistic("upper", of="hazard_ratio", unit="ratio"),
        }
        return {"hazard_effects": Layout("hazard_effect", columns=columns)}

    def section(self, reading: Reading) -> Section:
        """Cause-specific hazard ratios."""
        label = reading.label
        rows = [
            {
                "Event": row["event"],
                "Of": row["hazard_covariate"].replace("start_group", reading.context.arm).replace("_", " "),
                "Against": row["unit"].removeprefix("log hazard ratio "),
                f"Hazard ratio ({label})": estimate(row["hazard_ratio"], row["ratio_lower"], row["ratio_upper"]),
                "P(ratio below 1)": chance(row["probability_below_one"]),
                "Direction": row["direction"],
            }
            for row in reading.tables["hazard_effects"].to_dict("records")
        ]
        between_groups = any(row["Of"].startswith(reading.context.arm) for row in rows)
        arm = reading.context.arm
        an = f"{'a' if reading.context.staggered else 'an'} {arm}"
        return Section(
            f"Hazard ratios of covariates and {arm}s",
            [
                f"Cause-specific hazard ratios, given the associations with the course: of {an}, what is left "
                "beside the drug's effect by way of the course."
            ],
            {f"Hazard ratios: median and {label}": pd.DataFrame(rows)},
            (),
            open_label(reading.context) if between_groups else "",
        )


def hazard_table(reading: Reading) -> pd.DataFrame:
    """Hazard ratios of covariates, start groups, strata and the drug, one row each.

    Columns: `event`, `hazard_covariate`, `unit`, statistics of the log hazard ratio, those of the prior,
    `hazard_ratio`, `ratio_lower`, `ratio_upper`, `probability_below_one`, `direction` (blank but for start groups and
    being on the drug, where a ratio below 1 means fewer events).
    """
    context, draws = reading.context, reading.posterior("hazard_effect")
    table = beside_prior(draws, reading.prior("hazard_effect"), reading.prob)
    table["unit"] = units("hazard_effect", table, context.outcomes, context.hazard_units)
    for new, old in (("hazard_ratio", "median"), ("ratio_lower", "lower"), ("ratio_upper", "upper")):
        table[new] = np.exp(table[old])
    table["probability_below_one"] = [
        probability(flat(draws.sel(event=row.event, hazard_covariate=row.hazard_covariate)) < 0)
        for row in table.itertuples()
    ]
    table["direction"] = [_who_is_spared(str(label)) for label in table["hazard_covariate"]]
    return table


def _who_is_spared(label: str) -> str:
    if label == "on_drug":
        return "below 1: fewer events on the drug than before it"
    kind, _, group = label.partition(": ")
    return f"below 1 favours {group}" if kind == "start_group" else ""
