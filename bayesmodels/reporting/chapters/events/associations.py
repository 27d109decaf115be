"""What of the course goes with events: associations with the hazards.

A hazard ratio is given per step of the outcome in its bad direction, so that a ratio above 1 means that the worse a
person is, the more events. Intervals are equal-tailed.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from bayesmodels.posterior.context import Outcome, units
from bayesmodels.posterior.intervals import beside_prior, flat, probability
from bayesmodels.posterior.wording import chance, estimate, places
from bayesmodels.reporting.chapter import Chapter, Layouts, Needs, Reading, Tables
from bayesmodels.reporting.first_screen import how_learned
from bayesmodels.reporting.layout import Layout, Statistic
from bayesmodels.reporting.page import Section

YEAR = 12.0
"""Months for which a step is held, in the hazard ratio of an area."""

HIGHER, LOWER = math.log(1.1), math.log(0.9)
"""Steps of the rate of an outcome on the log scale: 10 % a month."""


class Associations(Chapter):
    """Associations of the error-free course with the hazards."""

    name = "associations"
    needs = Needs(("association",))
    shows = "associations"

    def tables(self, reading: Reading) -> Tables:
        """`associations`."""
        return {"associations": association_table(reading)}

    def layouts(self, reading: Reading) -> Layouts:
        """Of the log hazard ratio, and of the hazard ratio per step."""
        columns = {
            "hazard_ratio": Statistic("median", of="hazard_ratio", unit="ratio"),
            "ratio_lower": Statistic("lower", of="hazard_ratio", unit="ratio"),
            "ratio_upper": Statistic("upper", of="hazard_ratio", unit="ratio"),
        }
        return {"associations": Layout("association", columns=columns)}

    def section(self, reading: Reading) -> Section:
        """Hazard ratios per step towards the worse."""
        context, label = reading.context, reading.label
        rows = [
            {
                "Event": row["event"],
                "Step": row["per"],
                f"Hazard ratio ({label})": estimate(row["hazard_ratio"], row["ratio_lower"], row["ratio_upper"]),
                "P(the worse, the more events)": chance(row["probability_harmful"]),
                f"Log hazard ratio per unit ({label})": estimate(row["median"], row["lower"], row["upper"]),
                "Unit": row["unit"].removeprefix("log hazard ratio "),
                "Posterior / prior width": "–"
                if pd.isna(row["width_ratio"])
                else f"{row['width_ratio']:.2f}: {how_learned(row['width_ratio'])}",
            }
            for row in reading.tables["associations"].sort_values("event", key=places, kind="stable").to_dict("records")
        ]
        bad = [
            f"{outcome.label}: {'lower' if outcome.sign > 0 else 'higher'} is worse"
            for outcome in context.outcomes.values()
            if outcome.good_direction
        ]
        return Section(
            "What of the course goes with events",
            [
                "Hazard ratios are per step towards the worse: above 1, the worse a person is the more events. "
                f"{'; '.join(bad)}. An association is not an effect: changing the outcome need not change the hazard."
            ],
            {f"Associations of the error-free course with the hazards: median and {label}": pd.DataFrame(rows)},
        )


def association_table(reading: Reading) -> pd.DataFrame:
    """Associations of the course with the hazards, one row each.

    Columns: `event`, `outcome`, `form`, `unit`, `mean`, `sd`, `median`, `lower`, `upper` (log hazard ratio per unit),
    the columns of the prior, `per` (the step of the hazard ratio, in words), `hazard_ratio`, `ratio_lower`,
    `ratio_upper`, `probability_harmful` (that the hazard is higher where the outcome is worse; NaN where the good
    direction is not stated), `direction`.
    """
    context, draws = reading.context, reading.posterior("association")
    table = beside_prior(draws, reading.prior("association"), reading.prob)
    table["unit"] = units("association", table, context.outcomes)
    rows = []
    for row in table.itertuples():
        outcome = context.outcomes[row.outcome]
        step, words = harmful_step(outcome, row.form)
        own = flat(draws.sel(event=row.event, outcome=row.outcome, form=row.form))
        ratio = np.exp(np.sort(step * np.array([row.lower, row.upper])))
        rows.append(
            {
                "per": words,
                "hazard_ratio": math.exp(step * row.median),
                "ratio_lower": ratio[0],
                "ratio_upper": ratio[1],
                "probability_harmful": math.nan if math.isnan(outcome.sign) else probability(step * own > 0),
                "direction": "good direction not stated"
                if math.isnan(outcome.sign)
                else f"above 1: the worse {outcome.label}, the more {row.event}",
            }
        )
    return pd.concat([table, pd.DataFrame(rows, index=table.index)], axis=1)


def harmful_step(outcome: Outcome, form: str) -> tuple[float, str]:
    """Step of an outcome's feature in its bad direction, modelling scale, and its words.

    Upwards where the good direction is not stated. Values and person-level terms of the level: one unit, or a doubling
    or halving on the log scale; rates: one unit per month, or 10 % per month; areas: the step of a value, for a year.
    """
    down = outcome.sign > 0
    sign = -1.0 if down else 1.0
    own, kind = form.startswith("terms:"), form.removeprefix("terms:")
    whose = f"own {kind} of {outcome.label}" if own else outcome.label
    side = "lower" if down else "higher"
    if kind == "effect":
        return sign, f"per {outcome.effect_unit or 'unit'} {side}, {whose}"
    if kind == "rate":
        rate = "" if own else "current rate of "
        if outcome.scale == "log":
            return LOWER if down else HIGHER, f"per 10 % a month {side}, {rate}{whose}"
        return sign, f"per {_one(outcome.unit)} a month {side}, {rate}{whose}"
    held = ", held for a year" if kind == "area" else ""
    length = YEAR if kind == "area" else 1.0
    if outcome.scale == "log":
        return sign * length * math.log(2), f"per {'halving' if down else 'doubling'} of {whose}{held}"
    return sign * length, f"per {_one(outcome.unit)} {side} {whose}{held}"


def _one(unit: str) -> str:
    """One of a unit: "points" is "point"."""
    return unit[:-1] if unit.endswith("s") and len(unit) > 2 else unit or "unit"
