"""Mean curves, ratios to baseline, and average rates per period: tables of what the model says over weeks."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.posterior.context import FitContext, units
from bayesmodels.posterior.estimand import OPEN_LABEL, all_persons, withheld
from bayesmodels.posterior.intervals import (
    NOTHING,
    PRIOR_COLUMNS,
    STATISTICS,
    beside_prior,
    blank_labels,
    flat,
    long_table,
    probability,
)
from bayesmodels.posterior.monte_carlo import ERROR, with_errors
from bayesmodels.posterior.observed import ObservedPersons
from bayesmodels.vocabulary import VARIABLES

LABELS = ("outcome", "start_group", "contrast", "stratum", "week", "period")


def curve_table(tree: xr.DataTree, context: FitContext, prob: float, observed: ObservedPersons) -> pd.DataFrame:
    """Every curve of the vocabulary over weeks and periods: the content of ``curves.csv``.

    Columns: `name` (curve, curve_change, difference, period_rate, baseline_hazard), `outcome`, `start_group`,
    `contrast`, `stratum`, `week`, `period`, `event` (only where a baseline hazard is published), `unit`, `mean`, `sd`,
    `median`, `lower`, `upper`, `observed` (persons of the start group, or the smaller of a contrast's two groups, still
    observed; NaN where not recorded), `estimand`.
    """
    frames = []
    for name, variable in VARIABLES.items():
        if variable.level == "curve" and name in tree["posterior"].data_vars:
            frame = long_table(tree["posterior"][name], prob)
            frames.append(frame.assign(name=name, unit=units(name, frame, context.outcomes)))
    by_event = any("event" in frame for frame in frames)
    columns = ["name", *LABELS, *(["event"] if by_event else []), "unit", *STATISTICS]
    if not frames:
        return pd.DataFrame(columns=[*columns, "observed", "estimand"])
    table = pd.concat(frames, ignore_index=True).reindex(columns=columns)
    blank = ("start_group", "contrast", "period", *(("outcome", "stratum", "event") if by_event else ()))
    table = blank_labels(table, blank)
    groups = {contrast.label: contrast.groups for contrast in context.contrasts}
    table["observed"] = [
        math.nan
        if math.isnan(row.week)
        else min(
            observed.at(row.outcome, group, row.stratum, row.week)
            for group in groups.get(row.contrast, (row.start_group,))
        )
        for row in table.itertuples()
    ]
    switch = math.inf if context.switch_week is None else context.switch_week
    after = (table["week"] > switch) | table["period"].isin(("after_switch", "last_year"))
    table["estimand"] = np.where(after, f"{all_persons(context)}; {OPEN_LABEL}", all_persons(context))
    table.loc[table["name"] == "baseline_hazard", "estimand"] = VARIABLES["baseline_hazard"].meaning
    return table


def ratio_table(tree: xr.DataTree, context: FitContext, prob: float) -> pd.DataFrame:
    """Ratio to baseline, with percent, of the outcomes on the log scale.

    Columns: `outcome`, `start_group`, `stratum`, `week`, `ratio`, `ratio_lower`, `ratio_upper`, `percent`,
    `percent_lower`, `percent_upper` (change from baseline), `monte_carlo_error` (of the ratio). Posterior medians and
    equal-tailed intervals.
    """
    logs = [name for name, outcome in context.outcomes.items() if outcome.scale == "log"]
    if not logs or "curve_change" not in tree["posterior"].data_vars:
        return pd.DataFrame()
    changes = tree["posterior"]["curve_change"].sel(outcome=logs)
    table = with_errors(long_table(changes, prob), {"ratio": np.exp(changes)}, context, "ratio")
    for new, old in (("ratio", "median"), ("ratio_lower", "lower"), ("ratio_upper", "upper")):
        table[new] = np.exp(table[old])
        table[new.replace("ratio", "percent")] = 100 * (np.exp(table[old]) - 1)
    bounds = ["", "_lower", "_upper"]
    numbers = [f"{kind}{b}" for kind in ("ratio", "percent") for b in bounds]
    return table[["outcome", "start_group", "stratum", "week", *numbers, ERROR]]


def period_rate_table(tree: xr.DataTree, context: FitContext, prob: float, observed: ObservedPersons) -> pd.DataFrame:
    """Average rate per start group and period, and the difference between start groups in it.

    Columns: `outcome`, `start_group`, `contrast` (one of the two is blank), `stratum`, `period`, `unit`, `mean`, `sd`,
    `median`, `lower`, `upper`, `prior_median`, `prior_sd`, `prior_lower`, `prior_upper`, `width_ratio`,
    `probability_favours` (the earlier start, contrasts only, by a better rate; NaN where withheld), `direction`,
    `withheld` (why: the period ends past the last week at which half of each group is still observed),
    `monte_carlo_error`.
    """
    if "period_rate" not in tree["posterior"].data_vars:
        return pd.DataFrame()
    rates = tree["posterior"]["period_rate"].reset_coords(drop=True)
    has_prior = "prior" in tree.children and "period_rate" in tree["prior"].data_vars
    prior = tree["prior"]["period_rate"].reset_coords(drop=True) if has_prior else None
    own = with_errors(beside_prior(rates, prior, prob), {"rate": rates}, context, "rate")
    frames = [own.assign(contrast="", direction="", withheld="", probability_favours=math.nan)]
    for contrast in context.contrasts:
        between = _between(rates, contrast.groups)
        frame = beside_prior(between, None if prior is None else _between(prior, contrast.groups), prob)
        signs = [contrast.sign(context.outcomes[name]) for name in frame["outcome"]]
        frame["withheld"] = [
            withheld(observed, row.outcome, contrast, row.stratum, _period_end(tree, context, row.period))
            for row in frame.itertuples()
        ]
        frame["probability_favours"] = [
            probability(sign * flat(between.sel(outcome=row.outcome, stratum=row.stratum, period=row.period)) > 0)
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


def _period_end(tree: xr.DataTree, context: FitContext, period: str) -> float:
    """Last week of a period: the switch, or the end of the curves."""
    if period == "before_switch" and context.switch_week is not None:
        return context.switch_week
    return float(tree["posterior"]["week"].max()) if "week" in tree["posterior"].coords else -math.inf
