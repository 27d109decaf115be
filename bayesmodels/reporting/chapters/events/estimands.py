"""The same comparison of start groups under several estimands, side by side: what death does to each is said in words.

A difference is group minus reference. Probabilities are of the side that favours the earlier start.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.posterior.context import Contrast, Outcome, stratum_label
from bayesmodels.posterior.differences import differences
from bayesmodels.posterior.estimand import compared, no_effect_yet, withheld
from bayesmodels.posterior.intervals import NOTHING, flat, probability, summarise
from bayesmodels.posterior.wording import chance_of, estimate
from bayesmodels.reporting.chapter import Chapter, Layouts, Needs, Reading, Tables
from bayesmodels.reporting.layout import Layout
from bayesmodels.reporting.page import Section

NOBODY_DIED, LIVING, COMPOSITE, WINS = "had nobody died", "among the living", "composite", "win probability"
SURVIVAL, RMST = "survival", "restricted mean survival"


class Estimand(NamedTuple):
    """An estimand's title, ICH E9(R1)'s strategy for death, what it means, and what it does not."""

    title: str
    strategy: str
    meaning: str
    is_not: str


ESTIMANDS = {
    NOBODY_DIED: Estimand(
        "Had nobody died",
        "hypothetical",
        "Mean difference if everyone had lived and been followed to the week.",
        "A course that the dead never had: it does not describe what persons go through, and rests on the model for "
        "everyone who died or left.",
    ),
    LIVING: Estimand(
        "Among the living",
        "while alive",
        "Mean difference between those of each group who are alive at the week.",
        "Not a comparison of like with like: if the drug keeps frailer persons alive, its group looks worse. It is not "
        "an effect of the drug.",
    ),
    COMPOSITE: Estimand(
        "Composite: death as the worst value",
        "composite",
        "Mean difference with every death scored as the worst possible value: everyone randomised counts.",
        "Not a difference in function alone; how much a death weighs is set by the scale's end, not by the data.",
    ),
    WINS: Estimand(
        "Win probability",
        "composite",
        "Probability that a person of the first group does better than one of the reference group: alive beats dead, "
        "else the better value at the week, ties half.",
        "Not by how much, and not whether by survival or by function.",
    ),
    SURVIVAL: Estimand(
        "Difference in survival",
        "death is the outcome",
        "Difference in the probability of no terminal event up to the week, had nobody withdrawn.",
        "Not how persons fare while alive.",
    ),
    RMST: Estimand(
        "Difference in restricted mean survival, months",
        "death is the outcome",
        "Difference in the mean time without a terminal event up to the week.",
        "Nothing about what comes after the week, nor about the time's quality.",
    ),
}

AT_WEEK_0 = (
    "withheld: it is of values, not of changes since randomisation, and groups may differ at week 0 already "
    '(baseline = "free")'
)

TREATMENT = (
    "Strategies are those of ICH E9(R1) (2019). For stopping or switching the drug all are treatment policy: persons "
    "count in the group they were randomised to, whatever happened to their treatment. For withdrawal all are "
    "hypothetical: had nobody withdrawn."
)
"""Strategies for what else may happen to persons."""


class Estimands(Chapter):
    """Estimands side by side."""

    name = "estimands"
    needs = Needs(groups=("event_curves",))
    shows = "estimands"

    def tables(self, reading: Reading) -> Tables:
        """`estimands`."""
        return {"estimands": estimand_table(reading)}

    def layouts(self, reading: Reading) -> Layouts:
        """Named by estimand."""
        return {"estimands": Layout(named_by="estimand", left_out=("strategy", "meaning", "is_not"))}

    def section(self, reading: Reading) -> Section:
        """One row per comparison, one column per estimand."""
        label, table = reading.label, reading.tables["estimands"]
        shown: dict[str, pd.DataFrame] = {}
        for kind, rows in (("Outcomes", table[table["outcome"] != ""]), ("Survival", table[table["outcome"] == ""])):
            if len(rows):
                caption = f"{kind}: median, {label}, and probability that it favours {reading.context.sides[0]}"
                shown[caption] = _side_by_side(reading, rows)
        used = [about for name, about in ESTIMANDS.items() if name in set(table["estimand"])]
        shown["What each means, and does not"] = pd.DataFrame(
            used, columns=["Estimand", "Strategy for death", "It is", "It is not"]
        )
        note = f"Group minus reference group. Which sign favours whom stands before each probability. {TREATMENT}"
        note += reading.after_switch
        reasons = [text for text in dict.fromkeys(table["withheld"]) if text.startswith("withheld")]
        return Section(
            "Estimands side by side",
            ["Death can be treated in several ways, and each answers another question. None is the right one for all."],
            shown,
            (),
            " ".join([note, *(f"Probabilities {reason}." for reason in reasons)]),
        )


@dataclass(frozen=True)
class Cell:
    """Draws of one estimand in one contrast and stratum, over weeks.

    Parameters
    ----------
    outcome : Outcome or None
        None for survival.
    draws : ndarray (week, sample)
    null : float
        Value at which start groups do not differ.
    sign : float
        Sign of (draws - null) that favours the earlier start; NaN where the good direction is not stated.
    direction : str
        Which side favours whom.
    """

    estimand: str
    outcome: Outcome | None
    contrast: Contrast
    stratum: str
    unit: str
    weeks: np.ndarray
    draws: np.ndarray
    null: float
    sign: float
    direction: str


def estimand_table(reading: Reading) -> pd.DataFrame:
    """One row per estimand, contrast, stratum and week: the report's weeks that the group `event_curves` has.

    Returns
    -------
    DataFrame
        `estimand`, `outcome` (blank for survival), `contrast`, `stratum`, `week`, `unit`, `mean`, `sd`, `median`,
        `lower`, `upper`, `probability_favours` (the earlier start; NaN where withheld, or where groups are equal by
        design), `direction`, `withheld` (why), `strategy` (ICH E9(R1)'s, for death), `meaning`, `is_not`, `comparison`
        (as randomised, or open label).
    """
    weeks, rows = _weeks(reading), []
    for cell in _cells(reading):
        about = ESTIMANDS[cell.estimand]
        for week in weeks:
            where = np.flatnonzero(cell.weeks == week)
            if not len(where) or np.isnan(cell.draws[where[0]]).all():
                continue
            draws = cell.draws[where[0]]
            numbers = {name: float(value) for name, value in summarise(draws, reading.prob).items()}
            reason = _withheld(reading, cell, week)
            if not reason and np.ptp(draws) < NOTHING:
                reason = "the same in both groups by design"
            reason = reason or no_effect_yet(draws, cell.null)
            silent = bool(reason) or math.isnan(cell.sign)
            rows.append(
                {
                    "estimand": cell.estimand,
                    "outcome": cell.outcome.name if cell.outcome else "",
                    "contrast": cell.contrast.label,
                    "stratum": cell.stratum,
                    "week": float(week),
                    "unit": cell.unit,
                    **numbers,
                    "probability_favours": math.nan if silent else probability(cell.sign * (draws - cell.null) > 0),
                    "direction": cell.direction,
                    "withheld": reason,
                    "strategy": about.strategy,
                    "meaning": about.meaning,
                    "is_not": about.is_not,
                    "comparison": compared(cell.contrast, week),
                }
            )
    return pd.DataFrame(rows)


def _weeks(reading: Reading) -> list[float]:
    """The report's weeks, else those of Delta_1 and Delta_2; the last curve week where there are neither."""
    if reading.settings.contrast_weeks:
        return list(reading.settings.contrast_weeks)
    if "deltas" in reading.tables:
        return sorted(set(reading.tables["deltas"]["week"]))
    return [float(reading.tree["event_curves"]["week"].max())]


def _cells(reading: Reading) -> Iterator[Cell]:
    """Every estimand of every outcome, contrast and stratum."""
    context = reading.context
    curves = reading.tree["event_curves"].to_dataset().reset_coords(drop=True)
    for contrast in context.contrasts:
        early = 1.0 if contrast.early == contrast.group else -1.0
        for name, outcome in context.outcomes.items():
            if reading.publishes("difference"):
                draws = differences(reading.tree, context).sel(outcome=name, contrast=contrast.label)
                yield from _of_outcome(NOBODY_DIED, outcome, contrast, draws)
            for estimand, variable in ((LIVING, "mean_alive"), (COMPOSITE, "mean_composite")):
                if variable in curves and name in curves["outcome"].values:
                    yield from _of_outcome(
                        estimand, outcome, contrast, _gap(curves[variable].sel(outcome=name), contrast)
                    )
            if "win_probability" in curves and name in curves["outcome"].values:
                words = f"{'above' if early > 0 else 'below'} 0.5 favours {contrast.early}"
                draws = curves["win_probability"].sel(outcome=name, contrast=contrast.label)
                yield from _by_stratum(WINS, outcome, contrast, draws, "probability", 0.5, early, words)
        words = f"{'+' if early > 0 else '-'} favours {contrast.early}"
        for estimand, variable, unit in ((SURVIVAL, "survival", "probability"), (RMST, "rmst", "months")):
            if variable in curves:
                yield from _by_stratum(
                    estimand, None, contrast, _gap(curves[variable], contrast), unit, 0.0, early, words
                )


def _of_outcome(estimand: str, outcome: Outcome, contrast: Contrast, draws: xr.DataArray) -> Iterator[Cell]:
    sign, words = contrast.sign(outcome), contrast.direction(outcome)
    yield from _by_stratum(estimand, outcome, contrast, draws, outcome.unit, 0.0, sign, words)


def _by_stratum(
    estimand: str, outcome: Outcome | None, contrast: Contrast, draws: xr.DataArray, unit: str, null: float,
    sign: float, direction: str,
) -> Iterator[Cell]:  # fmt: skip
    weeks = draws["week"].to_numpy().astype(float)
    for stratum in draws["stratum"].values.tolist():
        own = flat(draws.sel(stratum=stratum).transpose("week", ...))
        yield Cell(estimand, outcome, contrast, str(stratum), unit, weeks, own, null, sign, direction)


def _gap(draws: xr.DataArray, contrast: Contrast) -> xr.DataArray:
    """Group minus reference."""
    return draws.sel(start_group=contrast.group, drop=True) - draws.sel(start_group=contrast.reference, drop=True)


def _withheld(reading: Reading, cell: Cell, week: float) -> str:
    """Why no probability is given: too few seen for an outcome, survival unknown in the data of a group."""
    if cell.outcome is not None and cell.estimand != NOBODY_DIED and reading.context.free_baseline:
        return AT_WEEK_0
    if cell.outcome is not None:
        return withheld(reading.observed, cell.outcome.name, cell.contrast, cell.stratum, week)
    tree = reading.tree
    if "event_data" not in tree.children or "observed_survival" not in tree["event_data"].data_vars:
        return ""
    seen = tree["event_data"]["observed_survival"]  # where everybody died it is known to be 0
    if week not in seen["week"].values or cell.stratum not in seen["stratum"].values:
        return ""
    here = seen.sel(stratum=cell.stratum, week=week)
    empty = [group for group in cell.contrast.groups if math.isnan(float(here.sel(start_group=group)))]
    return f"withheld: nobody of {' and '.join(empty)} is still followed at week {week:g}" if empty else ""


def _side_by_side(reading: Reading, table: pd.DataFrame) -> pd.DataFrame:
    """One row per outcome, contrast, stratum and week; one column per estimand."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in table.itertuples():
        key = (row.outcome, row.contrast, row.stratum, row.week)
        outcome = reading.context.outcomes.get(row.outcome)
        named = f"{outcome.label}, {outcome.unit}" if outcome else "Survival"
        found = rows.setdefault(
            key,
            {
                "Outcome": named,
                "Contrast": f"{row.contrast.replace(' - ', ' minus ')}, {stratum_label(row.stratum)}",
                "Week": row.week,
            },
        )
        chances = chance_of(row.probability_favours, row.direction)
        found[ESTIMANDS[row.estimand].title] = "; ".join(
            t for t in (estimate(row.median, row.lower, row.upper), chances) if t
        )
    shown = pd.DataFrame(list(rows.values())).fillna("–")
    estimands = [about.title for about in ESTIMANDS.values() if about.title in shown]
    return shown[["Outcome", "Contrast", "Week", *estimands]]
