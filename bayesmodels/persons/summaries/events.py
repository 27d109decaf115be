"""Survival, incidence and means that count death, for the trial's population under a joint model.

Each of the study's persons is put in each start group, with the group's median drug start, keeping stratum and
covariates; random effects are new, drawn from the population and the same for all groups. Within a stratum curves are
the mean over its persons, whose covariates may differ from the trial's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from bayesmodels.fitting.progress import counted
from bayesmodels.persons.collapsed import thinned
from bayesmodels.persons.prepared import event_names
from bayesmodels.persons.summaries.event_population import GroupFuture, Population, population
from bayesmodels.statistics.observed import observed_event_curves
from bayesmodels.statistics.ranks.wins import weighted_wins
from bayesmodels.study import Study
from bayesmodels.vocabulary import ALL, EVENT_GROUPS

CURVE_DRAWS, POPULATION = 200, 1000
"""Posterior draws, and new persons at each of them."""

NO_TERMINAL = (
    "no event of the model is terminal, so survival, means among the living and composites with death are not defined; "
    "name the terminal ones: [[model.events]] terminal = true"
)


@dataclass(frozen=True)
class Worst:
    """How an outcome's states compare: the sign that makes more better, its limits, and what death is worth."""

    sign: float
    low: float
    high: float

    @property
    def death(self) -> float:
        """Worst possible value, NaN without limits, modelling scale."""
        value = self.low if self.sign > 0 else self.high
        return value if np.isfinite(value) else np.nan


def event_curves(
    model: Any, posterior: xr.Dataset, study: Study, *, seed: int, draws: int = CURVE_DRAWS, persons: int = POPULATION
) -> xr.Dataset:
    """Curves of a model with events, at the study's curve weeks.

    Parameters
    ----------
    model : JointEventModel
    posterior : Dataset
        Free variables, dims (chain, draw, ...).
    study : Study
        What it was fitted to.
    seed : int
    draws, persons : int
        About how many posterior draws, evenly spaced, and new persons at each.

    Returns
    -------
    xr.Dataset
        The variables of `vocabulary.EVENT_GROUPS["event_curves"]`, dims (chain, draw, ...). `survival` and `rmst`
        (months) count terminal events only, as if nobody withdrew; `cumulative_incidence` has all events compete.
        `mean_alive` is the mean true value of those whom no terminal event has reached, nobody withdrawing, modelling
        scale. True values, with their random walk, are held within the outcome's limits; death scores the worse limit
        in `mean_composite`, and is worse than any course in `win_probability`.
        Without terminal event only the incidence, and the attribute `note` says why.
    """
    weeks = np.asarray(study.curve_weeks, float)
    people = population(model, study, weeks, persons)
    chosen = thinned(posterior, draws)
    strata = [*study.stratum_labels, ALL] if len(study.stratum_labels) > 1 else list(study.stratum_labels)
    members = _members(people, len(study.stratum_labels))
    terminal = np.array([event.terminal for event in model.events])
    worst = [_worst(outcome) for outcome in model.outcomes]
    groups = len(study.start_groups)
    found: dict[str, list[np.ndarray]] = {}
    points = chosen.sizes["chain"] * chosen.sizes["draw"]
    for _, futures in counted(people.futures(chosen, seed), points, "survival and incidence, draws"):
        values = _of_draw(people, futures, members, terminal, worst)
        for name, value in values.items():
            found.setdefault(name, []).append(value)
    lead = (chosen.sizes["chain"], chosen.sizes["draw"])
    dims = {name: variable.dims for name, variable in EVENT_GROUPS["event_curves"].items()}
    coords = {
        "chain": np.asarray(chosen["chain"]),
        "draw": np.asarray(chosen["draw"]),
        "outcome": [k.name for k in model.outcomes],
        "event": [event.name for event in model.events],
        "terminal": ("event", terminal.astype(float)),
        "start_group": list(study.start_groups),
        "contrast": list(study.coords["contrast"]),
        "stratum": strata,
        "week": weeks,
    }
    if groups == 1:
        found.pop("win_probability", None)
        coords.pop("contrast")
    variables = {
        name: (("chain", "draw", *dims[name]), np.array(rows).reshape((*lead, *rows[0].shape)))
        for name, rows in found.items()
    }
    attrs = {"persons": len(people.stratum)} | ({} if terminal.any() else {"note": NO_TERMINAL})
    if not terminal.any():
        coords = {name: value for name, value in coords.items() if name not in ("outcome", "contrast")}
    return xr.Dataset(variables, coords=coords, attrs=attrs)


def event_data(model: Any, study: Study) -> xr.Dataset:
    """Kaplan-Meier and Aalen-Johansen curves of the study at its curve weeks, under the model's events.

    Returns
    -------
    xr.Dataset
        The variables of `vocabulary.EVENT_GROUPS["event_data"]`; no person is in it. Exits that are no event of the
        model are censored. Without terminal event no survival. Attribute `entered_late`: persons with delayed entry.
    """
    strata = [*study.stratum_labels, ALL] if len(study.stratum_labels) > 1 else list(study.stratum_labels)
    names = [event.name for event in model.events]
    events = study.events
    assert events is not None  # the model was fitted
    events["event"] = event_names(model, events["event"])
    terminal = [event.name for event in model.events if event.terminal]
    weeks = [float(week) for week in study.curve_weeks]
    found = observed_event_curves(
        study.persons,
        events,
        terminal=terminal,
        weeks=weeks,
        start_groups=study.start_groups,
        strata=strata,
        kinds=names,
    )
    if not terminal:
        found = {name: value for name, value in found.items() if not name.startswith("observed_survival")}
    coords = {"event": names, "start_group": list(study.start_groups), "stratum": strata, "week": weeks}
    late = int((events["entry_week"].fillna(0.0) > 0).sum())
    attrs = {"interval": "confidence interval, 0.95, log-log", "entered_late": late}
    return xr.Dataset(found, coords=coords, attrs=attrs)


def _of_draw(
    people: Population, futures: list[GroupFuture], members: np.ndarray, terminal: np.ndarray, worst: list[Worst]
) -> dict[str, np.ndarray]:
    """Every curve at one draw, without chain and draw; `members` (stratum, person) weigh persons."""
    curves = [_incidence(people, future, g, members) for g, future in enumerate(futures)]
    found = {"cumulative_incidence": np.stack(curves, axis=1)}
    if not terminal.any():
        return found
    alive, spent = zip(*(_survival(people, f, g, terminal) for g, f in enumerate(futures)), strict=True)
    found["survival"] = np.stack([members @ s for s in alive])
    found["rmst"] = np.stack([members @ s for s in spent])
    share = found["survival"]
    states = [np.stack([np.clip(f.states[k], w.low, w.high) for k, w in enumerate(worst)]) for f in futures]
    limited = np.array([np.isfinite([w.low, w.high]).any() for w in worst])[:, None, None]
    true = [np.where(limited, y, f.courses) for y, f in zip(states, futures, strict=True)]
    found["mean_alive"] = np.stack(
        [members @ (y * s) / share[g] for g, (y, s) in enumerate(zip(true, alive, strict=True))], axis=1
    )
    death = np.array([w.death for w in worst])[:, None, None]
    found["mean_composite"] = np.stack(
        [members @ (y * s) + (1 - share[g]) * death for g, (y, s) in enumerate(zip(states, alive, strict=True))], axis=1
    )
    found["win_probability"] = np.array(
        [
            [
                [_wins(w.sign * states[g][k], alive[g], w.sign * states[-1][k], alive[-1], own) for own in members > 0]
                for g in range(len(futures) - 1)
            ]
            for k, w in enumerate(worst)
        ]
    )
    return found


def _members(people: Population, strata: int) -> np.ndarray:
    """Weights (stratum and, where there are several, all; person) that sum to one."""
    rows = [(people.stratum == f).astype(float) for f in range(strata)]
    if strata > 1:
        rows.append(np.ones(len(people.stratum)))
    return np.array([row / row.sum() for row in rows])


def _incidence(people: Population, future: GroupFuture, g: int, members: np.ndarray) -> np.ndarray:
    """Cumulative incidence (event, stratum, week) with all events competing."""
    weight, before = people.points(g)
    total = future.rates.sum(axis=0)
    alive = np.exp(-np.cumsum(total * weight, axis=1))
    left = -np.diff(alive, axis=1, prepend=1.0)
    share = np.divide(left, total, out=np.zeros_like(left), where=total > 0)
    by_point = np.cumsum(members @ (share * future.rates), axis=2)
    return np.concatenate([np.zeros((*by_point.shape[:2], 1)), by_point], axis=2)[:, :, before]


def _survival(people: Population, future: GroupFuture, g: int, terminal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probability of no terminal event and months without one up to every week, (person, week) each.

    The months' quadrature takes a node for the middle of its weight: short by 6 in 10,000 where the cumulative hazard
    between two weeks of the curve is .5, by 2 in 1,000 where it is 1.
    """
    weight, before = people.points(g)
    mass = future.rates[terminal].sum(axis=0) * weight
    hazard = np.cumsum(mass, axis=1)
    at_node = np.exp(mass / 2 - hazard)
    first = np.zeros((len(mass), 1))
    spent = np.concatenate([first, np.cumsum(at_node * weight, axis=1)], axis=1)
    return np.exp(-np.concatenate([first, hazard], axis=1))[:, before], spent[:, before]


def _wins(
    own: np.ndarray, alive: np.ndarray, other: np.ndarray, other_alive: np.ndarray, who: np.ndarray
) -> np.ndarray:
    """Probability (week,) that one of a group does better than one of the other: states and survival (person, week).

    A person, whom the groups share, meets himself too. Among independent persons that pair would be left out; Sobol
    points keep apart, and without it the error is as large on the other side: .0005 each way at 500 of a stratum.
    """
    found = np.empty(own.shape[1])
    n = who.sum()
    for j in range(own.shape[1]):
        better = weighted_wins(own[who, j], alive[who, j], other[who, j], other_alive[who, j])
        mine, theirs = alive[who, j].sum(), other_alive[who, j].sum()
        found[j] = (better + mine * (n - theirs) + (n - mine) * (n - theirs) / 2) / n**2
    return found


def _worst(outcome: Any) -> Worst:
    low, high = outcome.modelling_limits or (-np.inf, np.inf)
    return Worst(1.0 if outcome.good_direction == "up" else -1.0, low, high)
