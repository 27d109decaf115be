"""Interim analyses of a platform trial: the study as it was known on a day, and what the rule said then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.errors import BadInput
from bayesmodels.fitting import NutsSettings
from bayesmodels.fitting.refit import judged, refit_of, stacked
from bayesmodels.fitting.samplers import default_target_accept
from bayesmodels.fitting.settings import resolved
from bayesmodels.html_tables import html_table
from bayesmodels.models.shared_rate.design import rate_layout
from bayesmodels.models.shared_rate.model import SharedRateModel
from bayesmodels.reporting.chapters.disease_rate import HEALEY_RULE, Decision, DecisionRule
from bayesmodels.study import Study
from bayesmodels.study.checks.tables import Tables

WEEK = 7.0
"""Days."""


@dataclass(frozen=True)
class Look:
    """One analysis of a trial while it runs, or the final one.

    Attributes
    ----------
    day : float
        In the calendar of the study's randomisation days; inf for the final analysis.
    persons : int
        Randomised before that day.
    decisions : dict of str to Decision
        By active arm. Every arm is analysed at every look, also after an earlier one stopped it.
    convergence : dict
        Of the fit: see `refit.judged`.
    """

    day: float
    persons: int
    decisions: dict[str, Decision]
    convergence: dict[str, Any]


@dataclass(frozen=True)
class InterimAnalyses:
    """The looks at a trial, in order of time."""

    looks: tuple[Look, ...]

    @property
    def stopped(self) -> dict[str, float]:
        """Day of the first look that said futility, by arm; arms never stopped are left out."""
        found: dict[str, float] = {}
        for look in self.looks:
            for arm, decision in look.decisions.items():
                if decision.verdict == "futility":
                    found.setdefault(arm, look.day)
        return found

    @property
    def table(self) -> pd.DataFrame:
        """One row per look and arm: the decision, whether an earlier one stopped the arm, whether the fit converged."""
        stopped = self.stopped
        rows = [
            (look.day, look.persons, arm, d.verdict, d.below_success, d.below_futility, d.mean,
             stopped.get(arm, np.inf) < look.day, look.convergence["converged"])
            for look in self.looks
            for arm, d in look.decisions.items()
        ]  # fmt: skip
        columns = ["day", "persons", "start_group", "verdict", "below_success", "below_futility", "mean"]
        return pd.DataFrame(rows, columns=[*columns, "stopped_before", "converged"])

    def sentence(self) -> str:
        """The decisions in words, one line per look and arm, none after an arm was stopped; doubtful fits say so."""
        lines = []
        for look in self.looks:
            when = "final analysis" if np.isinf(look.day) else f"day {look.day:.0f}"
            if not look.convergence["converged"]:
                when += " (the fit did not converge: do not act on it)"
            for arm, decision in look.decisions.items():
                if self.stopped.get(arm, np.inf) >= look.day:
                    lines.append(f"{when}, {look.persons} persons, {arm}: {decision.sentence()}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.sentence()

    def _repr_html_(self) -> str:
        return html_table(self.table, "{:.3g}")


def as_of(study: Study, day: float, calendar_column: str) -> Study:
    """The study as it was known on a day: persons randomised before it, their visits and events up to it.

    Follow-up of those still followed ends that day, without an event. A person whose first visit came later is left
    out. External persons (`SharedRateModel.borrowing`) have no day, and are there in full: they have to be from before
    the trial.

    Parameters
    ----------
    study : Study
        With events.
    day : float
        In the calendar of `calendar_column`.
    calendar_column : str
        Column of the persons table with the day of randomisation.

    Raises
    ------
    BadInput
        No such column, no events, or nobody randomised and seen before that day.
    """
    persons, events = study.persons, study.events
    if calendar_column not in persons or events is None:
        raise BadInput(f"expected an events table and a persons column {calendar_column!r} to cut a study at a day")
    weeks = pd.Series((day - persons[calendar_column].to_numpy(float)) / WEEK, index=persons["person"])
    visits = study.visits
    visits = visits[visits["week"].to_numpy() <= visits["person"].map(weeks).to_numpy()]
    known = set(visits["person"]) & set(weeks.index[weeks > 0])
    if not known:
        raise BadInput(f"day {day:g}: expected persons randomised and seen before it, found none; take a later day")
    persons = persons[persons["person"].isin(known)].reset_index(drop=True)
    visits = visits[visits["person"].isin(known)].reset_index(drop=True)
    events = events[events["person"].isin(known)].reset_index(drop=True)
    limit = events["person"].map(weeks)
    still = events["week"] > limit
    events = events.assign(week=events["week"].where(~still, limit), event=events["event"].where(~still, "none"))
    return replace(study, tables=Tables(persons, visits, events, study.tables.files, ()))


def look_days(
    study: Study,
    calendar_column: str,
    regimen_column: str | None = None,
    *,
    persons: int = 40,
    opportunity_weeks: float = 24.0,
    every_weeks: float = 12.0,
) -> tuple[float, ...]:
    """Days of the interim looks: the first once enough persons could have completed, then at equal distances.

    Parameters
    ----------
    study : Study
    calendar_column : str
        Day of randomisation.
    regimen_column : str, optional
        The first look waits for every regimen to have enough.
    persons : int
        Randomised `opportunity_weeks` ago or earlier, by regimen.
    opportunity_weeks : float
        Also the length of follow-up: there is no interim look once the last person could have completed it.
    every_weeks : float
        Between two looks.

    Returns
    -------
    tuple of float
        Empty where the first look would come after the last person's completion, or a regimen has too few.
    """
    table = study.persons
    by_regimen = [table] if regimen_column is None else [own for _, own in table.groupby(regimen_column)]
    if min(len(own) for own in by_regimen) < persons:
        return ()
    reached = max(float(np.sort(own[calendar_column].to_numpy(float))[persons - 1]) for own in by_regimen)
    first = reached + opportunity_weeks * WEEK
    last = float(table[calendar_column].max()) + opportunity_weeks * WEEK
    return tuple(np.arange(first, last, every_weeks * WEEK).tolist())


def interim_analyses(
    model: SharedRateModel,
    study: Study,
    settings: NutsSettings,
    days: Sequence[float],
    rule: DecisionRule = HEALEY_RULE,
) -> InterimAnalyses:
    """Fit a trial as it was known on given days, and at its end, and apply a rule to every active arm.

    The model is compiled once; an arm or calendar block that nobody is in yet keeps its prior.

    Parameters
    ----------
    model : SharedRateModel
        With a `calendar_column`.
    study : Study
        The whole trial.
    settings : NutsSettings
    days : sequence of float
        Interim looks, for example from `look_days`; the final analysis is added.
    rule : DecisionRule

    Raises
    ------
    BadInput
        The model has no calendar column, or is not one for this study; or see `as_of`.
    """
    if model.calendar_column is None:
        raise BadInput("model: expected a calendar_column, which says when each person was randomised, got none")
    layout = rate_layout(model, study)
    refit = refit_of(model, study, ("disease_rate_ratio", "untreated_hazard", "population_rate"))
    settings = resolved(settings, default_target_accept(refit.pm_model))
    looks = []
    for day in (*sorted(days), np.inf):
        known = study if np.isinf(day) else as_of(study, day, model.calendar_column)
        arrays = model.arrays(known, layout)
        refit.use(arrays)
        tree = refit.sample(arrays, settings)
        found = refit.published(stacked(tree["posterior"].to_dataset(), refit.names))
        draws = zip(layout.active, found["disease_rate_ratio"].T, strict=False)  # the control has none
        decisions = {arm: rule.decide(ratio, final=bool(np.isinf(day))) for arm, ratio in draws}
        looks.append(Look(day, len(known.persons), decisions, judged(tree, refit, found)))
    return InterimAnalyses(tuple(looks))
