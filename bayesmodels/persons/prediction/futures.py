"""Persons at risk at a landmark, with their courses and probabilities of events at every posterior draw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.errors import BadInput
from bayesmodels.kernels.linear_mixed.variable import person_terms
from bayesmodels.models.visits.hazard_terms import hazard_scale
from bayesmodels.persons.collapsed import Collapsed, Draw, collapsed_or_error
from bayesmodels.persons.given_exits import linear_hazards, tilted
from bayesmodels.persons.prediction.predict import courses_and_visits
from bayesmodels.persons.prepared import event_names, event_persons, every_visit, persons_and_visits
from bayesmodels.study import Study
from bayesmodels.vocabulary import months


@dataclass(frozen=True)
class KnownSoFar:
    """Data of persons up to a landmark, in the order of their table.

    Parameters
    ----------
    persons, visits : DataFrame
        As in a study; visits up to each person's `last` week.
    entry, last : (person,) float
        Weeks of entry, and up to which the person is known to be free of events.
    at_risk : (person,) bool
    """

    persons: pd.DataFrame
    visits: pd.DataFrame
    entry: np.ndarray
    last: np.ndarray
    at_risk: np.ndarray


def known_so_far(model: Any, study: Study, data: Study | pd.DataFrame, landmark: float | None) -> KnownSoFar:
    """Data of persons up to a landmark week, or to the last week at which they were known to be at risk.

    Raises
    ------
    BadInput
        A start group or stratum that the fitted study does not have, or nobody at risk.
    """
    persons, visits = persons_and_visits(model, data, study.start_groups, study.stratum_labels)
    n = len(persons)
    entry, happened = np.zeros(n), np.zeros(n, bool)
    seen = visits.groupby("person")["week"].max().reindex(persons["person"]).fillna(0.0).to_numpy(float)
    end = seen if landmark is None else np.full(n, np.inf)
    if isinstance(data, Study) and data.events is not None:
        exits = data.events.set_index("person").loc[persons["person"]]
        entry, end = exits["entry_week"].fillna(0.0).to_numpy(float), exits["week"].to_numpy(float)
        happened = (event_names(model, exits["event"]) != "none").to_numpy()
    at_risk = ~happened if landmark is None else (end > landmark) & (entry <= landmark)
    if not at_risk.any():
        raise BadInput(
            "events: expected persons free of the model's events at the end of their follow-up, found none; give a "
            "landmark before the events"
            if landmark is None
            else f"landmark: expected persons still at risk at week {landmark:g}, found none; take an earlier week"
        )
    last = end if landmark is None else np.full(n, float(landmark))
    until = pd.Series(last, index=persons["person"])
    visits = visits[visits["week"].to_numpy(float) <= until.loc[visits["person"]].to_numpy() + 1e-9]
    return KnownSoFar(persons, visits, np.minimum(entry, last), last, at_risk)


@dataclass(frozen=True)
class FutureDraw:
    """One posterior draw for the persons at risk.

    Parameters
    ----------
    past, later : Draw
        Up to the landmark; after it, with a visit at every week wanted.
    deviations : (person, random term)
        Drawn given the past.
    drawn, nodes : (node, person, acting term), (node, person)
        The acting deviations drawn, and nodes over their distribution, with weights that sum to one.
    fewest : float
        Effective candidates of the worst draw.
    """

    past: Draw
    later: Draw
    deviations: np.ndarray
    drawn: tuple[np.ndarray, np.ndarray]
    nodes: tuple[np.ndarray, np.ndarray]
    fewest: float


@dataclass(frozen=True)
class PersonFutures:
    """Likelihoods of the persons at risk up to the landmark and after it.

    Parameters
    ----------
    past, later : Collapsed
    before : (person, week) int
        Place, among all points after the landmark, of the first that lies beyond each week.
    first : (person + 1,) int
    """

    past: Collapsed
    later: Collapsed
    before: np.ndarray
    first: np.ndarray

    def at(self, draws: xr.Dataset, rng: np.random.Generator) -> Iterator[FutureDraw]:
        """Every draw, with random effects given visits so far and no event so far."""
        for past, later in zip(self.past.at(draws), self.later.at(draws), strict=True):
            given = tilted(self.past, past, person_terms(self.past.layout, past.y, past.inputs, past.bases))
            deviations, worth = given.draw(rng)
            drawn = deviations[None][:, :, given.acting], np.ones((1, len(deviations)))
            nodes, log_weight = given.nodes()
            share = np.exp(log_weight - log_weight.max(axis=0))
            yield FutureDraw(past, later, deviations, drawn, (nodes, share / share.sum(axis=0)), float(worth.min()))

    def chances(
        self, draw: FutureDraw, nodes: np.ndarray, share: np.ndarray, terminal: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Incidence (event, person, week) and survival (person, week), averaged over nodes with their shares."""
        hazards = linear_hazards(self.later, draw.later)
        incidence = np.zeros((len(terminal), *self.before.shape))
        survival = np.zeros(self.before.shape)
        for at, weight in zip(nodes, share, strict=True):
            rates = hazards.rates(at)
            total = rates.sum(axis=0)
            mass = self._so_far(total * hazards.weight)
            left = np.exp(total * hazards.weight - mass) - np.exp(-mass)
            by_event = np.divide(left, total, out=np.zeros_like(left), where=total > 0) * rates
            incidence += weight[:, None] * self._until(by_event)
            survival += weight[:, None] * np.exp(-self._until((rates[terminal].sum(axis=0) * hazards.weight)[None])[0])
        return incidence, survival

    def visits(self, draw: FutureDraw, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Courses and visits about them, (outcome, person, week), modelling scale."""
        return courses_and_visits(self.later.layout, draw.past, draw.later, draw.deviations, rng)

    def _until(self, values: np.ndarray) -> np.ndarray:
        """Sums (event, person, week) of values (event, point) over each person's points before every week."""
        sums = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
        return sums[:, self.before] - sums[:, self.first[:-1], None]

    def _so_far(self, values: np.ndarray) -> np.ndarray:
        """Running sums (point,) within each person."""
        sums = np.cumsum(values)
        start = np.concatenate([[0.0], sums])[self.first[:-1]]
        return sums - np.repeat(start, np.diff(self.first))


def person_futures(model: Any, study: Study, so_far: KnownSoFar, weeks: Sequence[float]) -> PersonFutures:
    """Build the likelihoods of the persons at risk before and after the landmark, on the scales of the fit.

    Raises
    ------
    BayesmodelsError
        The model has no collapsed likelihood, or visits of these persons are censored.
    """
    here = so_far.at_risk
    persons = so_far.persons[here].reset_index(drop=True)
    visits = so_far.visits[so_far.visits["person"].isin(persons["person"])]
    last, scale = so_far.last[here], hazard_scale(model, study)
    none = pd.DataFrame({"person": persons["person"], "event": "none"})
    before = none.assign(week=np.maximum(last, 1e-6), entry_week=so_far.entry[here])
    after = none.assign(week=np.maximum(max(weeks), last + 1e-6), entry_week=last)
    past = collapsed_or_error(model.build(event_persons(model, study, persons, visits, before, scale)))
    dummies = event_persons(model, study, persons, visits, after, scale.cut_at(weeks))
    pm_model = model.build(
        event_persons(model, study, persons, every_visit(model, dummies.persons, weeks), after, scale.cut_at(weeks))
    )
    first, t = pm_model["exit_first"].get_value(), pm_model["exit_months"].get_value()
    ends = months(np.asarray(weeks, float))
    place = [begin + np.searchsorted(t[begin:end], ends, side="right") for begin, end in pairwise(first)]
    return PersonFutures(past, collapsed_or_error(pm_model), np.array(place), first)
