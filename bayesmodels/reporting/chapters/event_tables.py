"""Events in numbers: hazard ratios, associations with the course, curves, and how many events there were.

A hazard ratio of an association is given per step of the outcome in its bad direction, so that a ratio above 1 means
that the worse a person is, the more events. Intervals are equal-tailed.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.posterior.context import FitContext, Outcome, units
from bayesmodels.posterior.intervals import beside_prior, flat, long_table, probability
from bayesmodels.vocabulary import EVENT_GROUPS

YEAR = 12.0
"""Months for which a step is held, in the hazard ratio of an area."""

HIGHER, LOWER = math.log(1.1), math.log(0.9)
"""Steps of the rate of an outcome on the log scale: 10 % a month."""


def event_tables(tree: xr.DataTree, context: FitContext, prob: float) -> dict[str, pd.DataFrame]:
    """Tables `associations`, `hazard_effects`, `event_curves`, `event_counts`; those there are variables for."""
    found = {}
    variables = tree["posterior"].data_vars
    if "association" in variables:
        found["associations"] = association_table(tree, context, prob)
    if "hazard_effect" in variables:
        found["hazard_effects"] = hazard_table(tree, context, prob)
    if "event_curves" in tree.children:
        found["event_curves"] = event_curve_table(tree, context, prob)
    if "event_data" in tree.children and "n_events" in tree["event_data"].data_vars:
        counts = tree["event_data"]["n_events"].reset_coords(drop=True).to_dataframe("events").reset_index()
        found["event_counts"] = counts
    return found


def association_table(tree: xr.DataTree, context: FitContext, prob: float) -> pd.DataFrame:
    """Associations of the course with the hazards, one row each.

    Columns: `event`, `outcome`, `form`, `unit`, `mean`, `sd`, `median`, `lower`, `upper` (log hazard ratio per unit),
    the columns of the prior, `per` (the step of the hazard ratio, in words), `hazard_ratio`, `ratio_lower`,
    `ratio_upper`, `probability_harmful` (that the hazard is higher where the outcome is worse; NaN where the good
    direction is not stated), `direction`.
    """
    draws, prior = _with_prior(tree, "association")
    table = beside_prior(draws, prior, prob)
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
    or halving on the log scale; rates: one unit a month, or 10 % a month; areas: the step of a value, held for a year.
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


def hazard_table(tree: xr.DataTree, context: FitContext, prob: float) -> pd.DataFrame:
    """Hazard ratios of covariates, start groups, strata and the drug, one row each.

    Columns: `event`, `hazard_covariate`, `unit`, statistics of the log hazard ratio, those of the prior,
    `hazard_ratio`, `ratio_lower`, `ratio_upper`, `probability_below_one`, `direction` (blank but for start groups and
    being on the drug, where a ratio below 1 means fewer events).
    """
    draws, prior = _with_prior(tree, "hazard_effect")
    table = beside_prior(draws, prior, prob)
    table["unit"] = units("hazard_effect", table, context.outcomes, context.hazard_units)
    for new, old in (("hazard_ratio", "median"), ("ratio_lower", "lower"), ("ratio_upper", "upper")):
        table[new] = np.exp(table[old])
    table["probability_below_one"] = [
        probability(flat(draws.sel(event=row.event, hazard_covariate=row.hazard_covariate)) < 0)
        for row in table.itertuples()
    ]
    table["direction"] = [_who_is_spared(str(label)) for label in table["hazard_covariate"]]
    return table


def event_curve_table(tree: xr.DataTree, context: FitContext, prob: float) -> pd.DataFrame:
    """Every variable of the group `event_curves`: `name`, labels of its dims, `unit`, statistics, `meaning`."""
    group = tree["event_curves"].to_dataset()
    frames = []
    for name, variable in EVENT_GROUPS["event_curves"].items():
        if name not in group:
            continue
        frame = long_table(group[name], prob)
        named = (
            [context.outcomes[label].unit for label in frame["outcome"]] if "outcome" in frame else [""] * len(frame)
        )
        unit = [variable.unit.format(unit=own) for own in named]
        frames.append(frame.assign(name=name, unit=unit, meaning=variable.meaning))
    labels = ("event", "outcome", "start_group", "contrast", "stratum", "week")
    table = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["name"])
    there = [label for label in labels if label in table]
    table[there] = table[there].astype(object).fillna("")
    return table[["name", *there, *[column for column in table if column not in ("name", *there)]]]


def is_terminal(tree: xr.DataTree, event: str) -> bool:
    """Whether an event is terminal: after it the outcome does not exist. False where it is not recorded."""
    draws = tree["posterior"].to_dataset()
    if "terminal" not in draws.coords or "event" not in draws.coords or event not in draws["event"].values:
        return False
    return bool(draws["terminal"].sel(event=event))


def _with_prior(tree: xr.DataTree, name: str) -> tuple[xr.DataArray, xr.DataArray | None]:
    draws = tree["posterior"][name].reset_coords(drop=True)
    has_prior = "prior" in tree.children and name in tree["prior"].data_vars
    return draws, tree["prior"][name].reset_coords(drop=True) if has_prior else None


def _who_is_spared(label: str) -> str:
    if label == "on_drug":
        return "below 1: fewer events on the drug than before it"
    kind, _, group = label.partition(": ")
    return f"below 1 favours {group}" if kind == "start_group" else ""


def _one(unit: str) -> str:
    """One of a unit: "points" is "point"."""
    return unit[:-1] if unit.endswith("s") and len(unit) > 2 else unit or "unit"
