"""Trials replicated by a joint model: visits of new persons, and their exits by cause."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.errors import BadInput
from bayesmodels.fitting.progress import counted
from bayesmodels.kernels.hazards.follow_up import simulate_exits
from bayesmodels.kernels.linear_mixed.op import Layout
from bayesmodels.kernels.linear_mixed.variable import person_means, simulate_terms, simulate_visits
from bayesmodels.models.visits.hazard_terms import hazard_scale
from bayesmodels.persons.collapsed import Draw, collapsed_or_error
from bayesmodels.persons.prepared import event_persons, possible_value
from bayesmodels.persons.replicated_trials import check_replicable, chosen_draws, natural, place_of
from bayesmodels.study import Study
from bayesmodels.study.schedule import nominal_weeks
from bayesmodels.vocabulary import MONTH_IN_WEEKS

EXITS_IN_WORDS = (
    "Who has one of the model's events, and when, is replicated too, along the replicated courses; whoever had one is "
    "watched until week {until:g} instead, seen at the trial's weeks, and every other person until the observed exit."
)


def replicated_trials(
    model: Any, posterior: xr.DataTree, study: Study, until: float, *, seed: int, number: int = 100
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Visits and exits of new persons like the study's, each trial at another posterior draw.

    Parameters
    ----------
    model : JointEventModel
        The model that was fitted.
    posterior : DataTree
        From `fit`.
    study : Study
        What the model was fitted to.
    until : float
        Week to which a person who had one of the model's events is watched, whose follow-up without it is not known.
        Others are watched to their observed exit, which is taken as independent of the course.
    seed : int
    number : int
        Trials, at most the posterior's draws, which are taken evenly spaced.

    Yields
    ------
    tuple of DataFrame
        Visits up to the replicated exit (person, week, outcome, value, censoring; values as `replicated_visits`), and
        exits (person, week, event). A composite event is one of its labels, drawn with the shares of those observed.

    Raises
    ------
    BadInput
        As `replicated_visits`; persons who enter after randomisation.
    """
    check_replicable(model, study)
    assert study.events is not None  # a joint model was fitted to the study
    events = study.events.set_index("person").loc[study.persons["person"]].reset_index()
    if (events["entry_week"] > 0).any():
        raise BadInput("events: expected persons followed from randomisation; delayed entry is not replicated")
    watched = _watched(model, events, until)
    visits = _visits(model, study, watched)
    people = event_persons(model, study, study.persons, visits, watched, hazard_scale(model, study))
    likelihood = collapsed_or_error(model.build(people))
    assert likelihood.hazards is not None  # a joint model has events
    places = [place_of(visits, study, outcome.name) for outcome in model.outcomes]
    labels = _labels(model, events)
    end = pd.Series(watched["week"].to_numpy(float), index=watched["person"])
    rng = np.random.default_rng(seed)
    for draw in counted(chosen_draws(posterior, number), number, "replicated trials"):
        (point,) = likelihood.at(draw)
        terms, deviations = _terms(likelihood.layout, rng, point)
        y = simulate_visits(likelihood.layout, rng, point.inputs, point.bases, terms)
        value = np.empty(len(visits))
        for k, (outcome, place) in enumerate(zip(model.outcomes, places, strict=True)):
            drawn = y[place.person, point.slots(likelihood.layout, k).start + place.slot]
            value[place.row] = natural(drawn, outcome, place.whole)
        assert point.exits is not None
        exits = point.exits._replace(terms=np.concatenate([terms, deviations], axis=1))
        code, month = simulate_exits(likelihood.hazards, rng, exits, point.features)
        happened = code > 0
        left = np.where(happened, month * MONTH_IN_WEEKS, end.to_numpy())
        label = watched["event"].to_numpy(object).copy()
        label[happened] = [rng.choice(names, p=share) for names, share in (labels[int(e) - 1] for e in code[happened])]
        leaving = pd.Series(left, index=watched["person"])
        seen = visits["week"].to_numpy(float) <= leaving.loc[visits["person"]].to_numpy()
        yield visits.assign(value=value)[seen], watched.assign(week=left, event=label)


def _terms(layout: Layout, rng: np.random.Generator, point: Draw) -> tuple[np.ndarray, np.ndarray]:
    """Terms of new persons (person, term) and their deviations (person, random term)."""
    deviations = simulate_terms(layout, rng, point.inputs)
    terms = person_means(layout, point.inputs)
    terms[:, list(layout.random_terms)] += deviations
    return terms, deviations


def _watched(model: Any, events: pd.DataFrame, until: float) -> pd.DataFrame:
    """Ends of watching: at `until` or later for those who had an event of the model, else at the observed exit."""
    known = [label for event in model.events for label in event.labels]
    had = events["event"].isin(known).to_numpy()
    return pd.DataFrame(
        {
            "person": events["person"],
            "week": np.where(had, np.maximum(events["week"], until), events["week"]),
            "event": np.where(had, "none", events["event"]),
            "entry_week": 0.0,
        }
    )


def _visits(model: Any, study: Study, watched: pd.DataFrame) -> pd.DataFrame:
    """The study's visits, and after an observed exit the weeks its outcome gathers around, to the end of watching."""
    observed = study.visits[study.visits["outcome"].isin([k.name for k in model.outcomes])]
    assert study.events is not None
    left = study.events.set_index("person")["week"].loc[watched["person"]].to_numpy(float)
    parts = [observed]
    for outcome in model.outcomes:
        rows = observed[observed["outcome"] == outcome.name]
        for week in nominal_weeks(rows):
            more = (left < week) & (week <= watched["week"].to_numpy(float))
            parts.append(
                pd.DataFrame(
                    {
                        "person": watched["person"].to_numpy()[more],
                        "week": float(week),
                        "outcome": outcome.name,
                        "value": possible_value(outcome),
                        "censoring": "",
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def _labels(model: Any, events: pd.DataFrame) -> list[tuple[list[str], np.ndarray]]:
    """Labels of every event of the model, with their shares among those observed."""
    found = []
    for event in model.events:
        counts = np.array([(events["event"] == label).sum() for label in event.labels], float)
        found.append((list(event.labels), counts / counts.sum()))
    return found
