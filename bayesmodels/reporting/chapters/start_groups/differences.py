"""Delayed-start summaries: differences between start groups, and whether an early advantage lasts.

Delta is the raw difference, group minus reference. Probabilities use Delta times the sign that favours the earlier
start. Delta_1 is at the last curve week up to the switch; Delta_2 at a declared week, by default the last visit at
which both groups have data. Past the last week at which half of each group is observed, probabilities are withheld.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayesmodels.posterior.context import Contrast, Outcome
from bayesmodels.posterior.differences import at_randomisation, differences
from bayesmodels.posterior.estimand import estimand, no_effect_yet, withheld
from bayesmodels.posterior.intervals import NOTHING, STATISTICS, flat, long_table, probability, summarise
from bayesmodels.posterior.monte_carlo import with_errors
from bayesmodels.reporting.chapter import Reading

NO_CHANGE_YET = "no change yet at week 0"


@dataclass(frozen=True)
class DifferenceCell:
    """One outcome, contrast and stratum: draws of the difference over weeks, posterior and prior.

    Parameters
    ----------
    weeks : ndarray (week,)
    draws, prior : ndarray (week, sample)
        Group minus reference, outcome's modelling unit; `prior` has no samples where it is not archived.
    sign : float
        Sign of a difference that favours the earlier start; NaN where the good direction is not stated.
    """

    outcome: Outcome
    contrast: Contrast
    stratum: str
    weeks: np.ndarray
    draws: np.ndarray
    prior: np.ndarray

    @property
    def sign(self) -> float:
        """Sign of a difference that favours the earlier start."""
        return self.contrast.sign(self.outcome)

    @property
    def labels(self) -> dict[str, str]:
        """Outcome, contrast and stratum, for a table's row."""
        return {"outcome": self.outcome.name, "contrast": self.contrast.label, "stratum": self.stratum}

    def at(self, week: float, prior: bool = False) -> np.ndarray:
        """Draws of the difference at a curve week."""
        return (self.prior if prior else self.draws)[int(np.flatnonzero(self.weeks == week)[0])]

    def up_to(self, week: float) -> float:
        """Last curve week that is not after `week`; NaN if there is none."""
        return float(self.weeks[self.weeks <= week].max(initial=-math.inf)) if np.any(self.weeks <= week) else math.nan


def difference_cells(reading: Reading) -> Iterator[DifferenceCell]:
    """Each outcome, contrast and stratum of the published `difference` that is defined."""
    order = ("outcome", "contrast", "stratum", "week", "chain", "draw")
    context, prior = reading.context, reading.difference("prior")
    posterior = differences(reading.tree, context).transpose(*order)
    prior = None if prior is None else prior.transpose(*order)
    weeks = posterior["week"].to_numpy().astype(float)
    for name, outcome in context.outcomes.items():
        for contrast in context.contrasts:
            for stratum in posterior["stratum"].values.tolist():
                where = {"outcome": name, "contrast": contrast.label, "stratum": stratum}
                draws = flat(posterior.sel(where))
                if np.isnan(draws).all():
                    continue
                before = np.empty((len(weeks), 0)) if prior is None else flat(prior.sel(where))
                yield DifferenceCell(outcome, contrast, str(stratum), weeks, draws, before)


def difference_table(reading: Reading) -> pd.DataFrame:
    """Differences at the report's weeks, one row each.

    Columns: `outcome`, `contrast`, `stratum`, `week`, `unit`, `mean`, `sd`, `median`, `lower`, `upper` (raw),
    `prior_median`, `prior_sd`, `width_ratio` (posterior over prior width), `probability_favours` (the earlier start;
    NaN where withheld, or where the difference is zero by design or in most draws), `probability_important` (that it
    favours the earlier start by more than the declared important difference), `direction`, `observed_group`,
    `observed_reference` (persons), `withheld` (why), `estimand`, `monte_carlo_error`.
    """
    rows = []
    for cell in difference_cells(reading):
        wanted = reading.settings.contrast_weeks or tuple(cell.weeks)
        rows += [difference_row(cell, week, reading) for week in wanted]
    return _with_errors(rows, reading)


def difference_row(cell: DifferenceCell, week: float, reading: Reading) -> dict[str, object]:
    """One row of `difference_table`."""
    settings, observed = reading.settings, reading.observed
    draws = cell.at(week)
    numbers = {name: float(value) for name, value in summarise(draws, settings.interval).items()}
    prior = summarise(cell.at(week, prior=True), settings.interval) if cell.prior.size else {}
    prior_width = float(prior["upper"] - prior["lower"]) if prior else math.nan
    outcome, contrast, stratum = cell.outcome, cell.contrast, cell.stratum
    reason = withheld(observed, outcome.name, contrast, stratum, week)
    if not reason and np.ptp(draws) < NOTHING:
        reason = NO_CHANGE_YET if reading.context.free_baseline and week == 0 else "the same in both groups by design"
    reason = reason or no_effect_yet(draws)
    important = settings.important_difference.get(outcome.name, math.nan)
    gain = cell.sign * draws
    silent = bool(reason) or math.isnan(cell.sign)
    return {
        **cell.labels,
        "week": float(week),
        "unit": outcome.unit,
        **numbers,
        "prior_median": float(prior.get("median", math.nan)),
        "prior_sd": float(prior.get("sd", math.nan)),
        "width_ratio": (numbers["upper"] - numbers["lower"]) / prior_width if prior_width > NOTHING else math.nan,
        "probability_favours": math.nan if silent else probability(gain > 0),
        "probability_important": math.nan if silent or math.isnan(important) else probability(gain > important),
        "direction": contrast.direction(outcome),
        "observed_group": observed.at(outcome.name, contrast.group, stratum, week),
        "observed_reference": observed.at(outcome.name, contrast.reference, stratum, week),
        "withheld": reason,
        "estimand": estimand(reading.context, contrast, week),
    }


def delta_weeks(cell: DifferenceCell, reading: Reading) -> dict[str, float]:
    """Weeks of Delta_1, of Delta_2, and the last at which half of each group is observed; NaN where there is none.

    Delta_1 is that of contrasts whose later group starts the drug too; others are as randomised to the end.
    """
    switch, settings, observed = cell.contrast.switch_week, reading.settings, reading.observed
    last = observed.last_visit(cell.outcome.name, cell.contrast.groups, cell.stratum)
    well = observed.last_well_observed(cell.outcome.name, cell.contrast.groups, cell.stratum)
    end = settings.end_week if settings.end_week is not None else (cell.weeks.max() if math.isnan(last) else last)
    return {
        "delta_1": cell.up_to(switch) if math.isfinite(switch) else math.nan,
        "well_observed": math.nan if math.isnan(well) else cell.up_to(well),
        "delta_2": cell.up_to(end),
    }


def delta_table(reading: Reading) -> pd.DataFrame:
    """Delta_1, the last well observed week, and Delta_2: `difference_table`'s columns after `point`."""
    rows = []
    for cell in difference_cells(reading):
        points = delta_weeks(cell, reading)
        if points["well_observed"] in (points["delta_1"], points["delta_2"]):
            points["well_observed"] = math.nan
        rows += [
            {"point": name, **difference_row(cell, week, reading)}
            for name, week in points.items()
            if not math.isnan(week)
        ]
    return _with_errors(rows, reading)


def randomisation_table(reading: Reading) -> pd.DataFrame:
    """What differed between start groups at week 0, where the model lets it: no effect, so without a probability.

    Columns: `outcome`, `contrast`, `stratum`, `unit`, `mean`, `sd`, `median`, `lower`, `upper` (raw); empty with a
    common baseline.
    """
    gap, context = at_randomisation(reading.tree, reading.context), reading.context
    if gap is None:
        return pd.DataFrame()
    table = long_table(gap, reading.prob)
    table["unit"] = [context.outcomes[name].unit for name in table["outcome"]]
    return table[["outcome", "contrast", "stratum", "unit", *STATISTICS]]


def persistence_table(reading: Reading) -> pd.DataFrame:
    """Whether the earlier start's advantage at the switch is kept, at the last well observed week and at Delta_2's.

    One row per statement: `statement`, `share` (f; NaN for P(Delta_2 > 0)), `week_1`, `week_2`, `probability`,
    `prior_probability`, `withheld`, `estimand`.
    """
    rows = []
    for cell in difference_cells(reading):
        points = delta_weeks(cell, reading)
        first = points["delta_1"]
        if math.isnan(first) or math.isnan(cell.sign):
            continue
        for second in sorted({week for week in (points["well_observed"], points["delta_2"]) if week > first}):
            reason = withheld(reading.observed, cell.outcome.name, cell.contrast, cell.stratum, second)
            reason = reason or no_effect_yet(cell.at(second))
            for share in (None, *reading.settings.shares):
                rows.append(
                    {
                        **cell.labels,
                        "statement": "Delta_2 > 0" if share is None else f"Delta_1 > 0 and Delta_2 > {share:g} Delta_1",
                        "share": math.nan if share is None else share,
                        "week_1": first,
                        "week_2": second,
                        "probability": math.nan if reason else _kept(cell, first, second, share, prior=False),
                        "prior_probability": _kept(cell, first, second, share, prior=True),
                        "withheld": reason,
                        "estimand": estimand(reading.context, cell.contrast, second),
                    }
                )
    return pd.DataFrame(rows)


def _with_errors(rows: list[dict[str, object]], reading: Reading) -> pd.DataFrame:
    draws = {"difference": differences(reading.tree, reading.context)}
    return with_errors(pd.DataFrame(rows), draws, reading.context, "difference")


def _kept(cell: DifferenceCell, first: float, second: float, share: float | None, prior: bool) -> float:
    """P(Delta_2 > 0), or P(Delta_1 > 0 and Delta_2 > share x Delta_1), in the direction of the earlier start."""
    if prior and not cell.prior.size:
        return math.nan
    delta_1, delta_2 = (cell.sign * cell.at(week, prior) for week in (first, second))
    if share is None:
        return probability(delta_2 > NOTHING)
    return probability((delta_1 > NOTHING) & (delta_2 - share * delta_1 > NOTHING))
