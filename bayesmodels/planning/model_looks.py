"""Interim looks with a fitted model: the trial as known on a day, and the rows of the model fitted to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bayesmodels.planning.endpoint import PlannedEndpoint
from bayesmodels.planning.grid import ENTRY, entry_weeks
from bayesmodels.planning.looks import InterimLooks, Look, look_row, looks_at
from bayesmodels.simulation import SimulatedTrial
from bayesmodels.trials.kept import fit_rows
from bayesmodels.trials.plan import Plan, reason

CONVERGENCE_OF_LOOK = (
    "why", "compiled", "verdict", "converged", "max_rhat", "min_ess_bulk", "min_ess_tail", "divergences", "min_ebfmi",
)  # fmt: skip
"""What the row of a look says of its own fit, in columns that other rows have of the final one."""

FEWEST_PERSONS = {"start_group": 2, "stratum": 1}
"""Persons of each that have to be randomised before a look: of a start group as many as a study asks for."""


def entered(trial: SimulatedTrial) -> np.ndarray:
    """Calendar weeks from the first person's entry into a cell's trial to each person's.

    Parameters
    ----------
    trial : SimulatedTrial
    """
    return entry_weeks(trial.hidden[f"follow_up_{ENTRY}"].to_numpy(float))


def known_at(trial: SimulatedTrial, calendar_weeks: float) -> SimulatedTrial:
    """A cell's trial as known so long after the first person's entry.

    Persons randomised by then, their visits and exits until then; the others are still followed.

    Parameters
    ----------
    trial : SimulatedTrial
    calendar_weeks : float
    """
    return trial.followed(np.round(calendar_weeks - entered(trial), 2))


def model_look_rows(
    plan: Plan,
    trial: SimulatedTrial,
    endpoints: Sequence[PlannedEndpoint],
    period: int,
    interim: InterimLooks,
    seeds: Sequence[int],
    final: tuple[Sequence[Mapping[str, Any]], Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """A row for each look, the final analysis included, and endpoint that is looked at, as of `fast.look_rows`.

    The model is fitted to what is known at the look (`known_at`). A look at which a start group or a stratum has too
    few persons (`FEWEST_PERSONS`), or whose fit fails, has no numbers and stops nothing; `why` says it. The final
    analysis is that of the whole trial, after the last week of any endpoint, since the model reads every visit.

    Parameters
    ----------
    plan : Plan
        Of the trial's cell; its model is compiled.
    trial : SimulatedTrial
        To its end.
    endpoints : sequence of PlannedEndpoint
    period : int
        Weeks.
    interim : InterimLooks
    seeds : sequence of int
        Of each look's chains.
    final : tuple of sequence of mapping and mapping
        Rows and convergence of the final analysis.
    """
    own = [endpoint for endpoint in endpoints if endpoint.name in interim.endpoints]
    due, end = (period + max(endpoint.weeks_after for endpoint in each) for each in (own, endpoints))
    *looks, last = looks_at(entered(trial), interim, due, end)
    rules = tuple(rule for rule in plan.rules if rule.name in interim.endpoints)
    of_looks = replace(plan, rules=rules)
    analysed = [_analysed(of_looks, trial, look, seed) for look, seed in zip(looks, seeds, strict=True)]
    rows = []
    for look, (found, facts) in zip((*looks, last), (*analysed, final), strict=True):
        numbers = {row["rule"]: {name: row[name] for name in ("mean", "sd", "probability")} for row in found}
        for endpoint in own:
            row = look_row(look, endpoint, period) | {name: facts.get(name) for name in CONVERGENCE_OF_LOOK}
            if endpoint.name in numbers:
                row |= {"analysed": look.enrolled, **numbers[endpoint.name]}
            rows.append(row)
    return rows


def _analysed(plan: Plan, trial: SimulatedTrial, look: Look, seed: int) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Rows and convergence of the model fitted at a look; no rows, and why, where that cannot be done."""
    source, known = plan.source.source, known_at(trial, look.calendar_weeks)
    for column, least in FEWEST_PERSONS.items():
        counts = known.persons[column].value_counts().reindex(sorted(set(trial.persons[column])), fill_value=0)
        few = counts.index[counts < least]
        if len(few) and (column != "stratum" or source.reading.strata):
            return (), {"why": f"expected {least} person{'s' * (least > 1)} or more of {column} {few[0]}, got fewer"}
    try:
        settings = plan.settings.model_copy(update={"seed": seed, "cores": 1, "progress": False})
        draws, facts = plan.fits.fit(source.read(known), settings)
        return fit_rows(draws, (), plan.rules, {}, plan.interval), facts
    except Exception as error:  # whatever a model does with few data: the trial goes on to its next look
        return (), {"why": reason(error)}
