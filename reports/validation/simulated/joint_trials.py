"""Trials simulated from `JointEventModel` itself, with NumPy from the formulas of its docstrings.

Priors are read from the model's fields; courses, pooling, correlations, hazards and exits are written out in
`joint_truth` and here, without the model's parts or kernels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.models.outcome import Outcome
from bayesmodels.models.visits.event import Event
from bayesmodels.parts.associations import Association
from bayesmodels.parts.hazards import PiecewiseConstant, Weibull
from bayesmodels.parts.priors import Normal
from bayesmodels.study import Study
from bayesmodels.vocabulary import months
from validation.simulated.joint_truth import (
    Array,
    EventTruth,
    JointTruth,
    Link,
    OutcomeTruth,
    People,
    coefficients,
    course,
    cumulative_hazards,
    log_hazard,
    time_grid,
)
from validation.simulated.layout import Layout, random_effects
from validation.simulated.model_trials import lkj_onion, positive

WEEKS_A_MONTH = 365.25 / 12 / 7
CELLS = 600
"""Cells of the grid on which the cumulative hazard is inverted: 1.7 days in three years."""


@dataclass(frozen=True)
class JointTrial:
    """A simulated trial, with what the analyst does not see.

    Parameters
    ----------
    people : People
    terms : (person, term)
        Persons' deviations from the mean terms.
    exit : (person,)
        Months.
    code : (person,) int
        0 for administrative censoring, e + 1 for event e.
    took_place : (person, planned visit) bool
    values : (person, planned visit, outcome)
        Modelling scale; of planned visits, whether they took place or not.
    """

    people: People
    terms: Array
    exit: Array
    code: npt.NDArray[np.int64]
    took_place: npt.NDArray[np.bool_]
    values: Array


def draw_people(layout: Layout, rng: np.random.Generator) -> People:
    """Persons with a covariate of mean 0 and SD 1, zero without one."""
    stratum, group = layout.cells
    raw = rng.standard_normal(len(group))
    covariate = (raw - raw.mean()) / raw.std() if layout.covariate else np.zeros(len(group))
    return People(stratum, group, covariate, layout.starts[group])


def draw_truth(model: JointEventModel, layout: Layout, rng: np.random.Generator) -> JointTruth:
    """A draw of every parameter from the model's prior.

    Outcomes have a linear course and no effect, a change of slope or a plateau; hazards are Weibull or piecewise
    constant with stated knots and end: the priors of a spline depend on the persons at risk, and cannot be drawn
    beforehand.
    """
    strata, groups = len(layout.strata), len(layout.groups)
    outcomes, effect_sd = [], []
    for outcome in model.outcomes:
        found, sd = _draw_outcome(model, outcome, strata, groups, rng)
        outcomes.append(found)
        effect_sd += [] if sd is None else [sd]
    spreads = [prior.sd for k in model.outcomes for prior in (k.level_sd_prior, k.rate_sd_prior)]
    return JointTruth(
        outcomes=tuple(outcomes),
        events=tuple(_draw_event(event, model, strata, groups, rng) for event in model.events),
        person_sd=np.abs(rng.normal(0.0, spreads)),
        correlation=lkj_onion(len(spreads), model.correlation_shape, rng),
        effect_sd=np.array(effect_sd),
    )


def _draw_outcome(model: JointEventModel, k: Outcome, strata: int, groups: int, rng: np.random.Generator):
    """An outcome's parameters and the SD of its effect between start groups, None where it has no effect."""

    def normal(prior: Normal, *shape: int) -> Array:
        return rng.normal(prior.mean, prior.sd, shape)

    def drawn(field: str) -> float:
        prior = getattr(k.effect, field, None)
        return 0.0 if prior is None else positive(prior, rng)

    shape = k.effect.type
    effect, sd = np.zeros((strata, groups)), None
    if shape != "none":
        prior = k.effect_on_rate if shape == "slope_change" else k.effect_on_level
        sd = abs(rng.normal(0.0, prior.sd / 2))
        effect = normal(prior, strata)[:, None] + sd * rng.standard_normal((strata, groups))
    spreads = (k.level_sd_prior.sd, k.rate_sd_prior.sd)
    used = ("level", "rate")
    slopes = [rng.normal(0.0, s / 2) * bool(getattr(model.covariates, n)) for s, n in zip(spreads, used, strict=True)]
    truth = OutcomeTruth(
        level=normal(k.level_prior, strata),
        rate=normal(k.rate_prior, strata),
        on_covariate=np.array(slopes),
        effect=effect,
        shape=shape,
        lag=drawn("lag"),
        time_constant=drawn("time_constant"),
        residual_sd=abs(rng.normal(0.0, k.residual_sd_prior.sd)),
    )
    return truth, sd


def _draw_event(event: Event, model: JointEventModel, strata: int, groups: int, rng: np.random.Generator) -> EventTruth:
    baseline, names = event.baseline, [k.name for k in model.outcomes]
    log_shape = None
    if isinstance(baseline, Weibull):
        log_shape = rng.normal(baseline.log_shape.mean, baseline.log_shape.sd)

    def ratio(used: bool) -> float:
        return rng.normal(event.effect_prior.mean, event.effect_prior.sd) if used else 0.0

    links, terms = [], np.zeros(2 * len(names))
    for association in event.associations:
        k = names.index(association.outcome)
        outcome = model.outcomes[k]
        if association.form == "terms":
            for j, kind in enumerate(("value", "rate")):
                terms[2 * k + j] = rng.normal(*_association_prior(association, outcome, kind))
            continue
        size = rng.normal(*_association_prior(association, outcome, association.form))
        links.append(Link(k, association.form, size, stated_at(outcome, association.form)))
    return EventTruth(
        name=event.name,
        knots=() if log_shape is not None else tuple(months(week) for week in baseline.knot_weeks),
        log_hazard=rng.normal(baseline.level.mean, baseline.level.sd) + _draw_walk(baseline, rng),
        log_shape=log_shape,
        covariate=ratio(bool(event.covariates)),
        on_drug=ratio(event.on_drug),
        start_group=np.array([*(ratio(event.start_group) for _ in range(groups - 1)), 0.0]),
        stratum=np.array([0.0, *(ratio(event.stratum) for _ in range(strata - 1))]),
        links=tuple(links),
        terms=terms,
    )


def _draw_walk(baseline: Weibull | PiecewiseConstant, rng: np.random.Generator) -> Array:
    """Log hazards of the pieces less their mean: a random walk over the midpoints, of SD tau from first to last."""
    if isinstance(baseline, Weibull):
        return np.zeros(1)
    assert isinstance(baseline, PiecewiseConstant)
    assert baseline.knot_weeks is not None
    assert baseline.until_week is not None
    edges = np.array([0.0, *baseline.knot_weeks, baseline.until_week])
    midpoints = (edges[1:] + edges[:-1]) / 2
    tau = abs(rng.normal(0.0, baseline.random_walk_sd.sd))
    steps = rng.normal(0.0, tau * np.sqrt(np.diff(midpoints) / (midpoints[-1] - midpoints[0])))
    walk = np.array([0.0, *np.cumsum(steps)])
    return walk - walk.mean()


def _association_prior(association: Association, outcome: Outcome, kind: str) -> tuple[float, float]:
    """Mean and SD: as stated, or Normal(0, 1) per typical SD of the level, the rate or the level held for a year."""
    if association.prior is not None:
        return association.prior.mean, association.prior.sd
    level, rate = outcome.level_sd_prior.sd, outcome.rate_sd_prior.sd
    return 0.0, 1.0 / {"value": level, "rate": rate, "area": 12.0 * level}[kind]


def stated_at(outcome: Outcome, form: str) -> float:
    """Value of a feature at which the baseline hazard is stated: the prior mean of level or rate."""
    return float((outcome.rate_prior if form == "rate" else outcome.level_prior).mean)


def simulate_trial(truth: JointTruth, layout: Layout, rng: np.random.Generator) -> JointTrial:
    """Persons, exits by inversion of the summed cumulative hazard, and visits up to the exit."""
    people = draw_people(layout, rng)
    n = len(people.start)
    terms = random_effects(truth.person_sd, truth.correlation, n, rng)
    lock = months(rng.uniform(layout.shortest_weeks, layout.longest_weeks, n))
    exit_, code = simulate_exits(truth, people, terms, lock, rng)
    weeks = np.array(layout.weeks)
    t = np.broadcast_to(months(weeks), (n, len(weeks)))
    own = coefficients(truth, people, terms)
    values = np.stack([course(k, "value", own[:, j], t, people.start) for j, k in enumerate(truth.outcomes)], axis=2)
    values += np.array([k.residual_sd for k in truth.outcomes]) * rng.standard_normal(values.shape)
    took_place = (t <= exit_[:, None]) & (rng.random(t.shape) >= layout.missed)
    took_place[:, 0] = True
    return JointTrial(people, terms, exit_, code, took_place, values)


def simulate_exits(
    truth: JointTruth, people: People, terms: Array, lock: Array, rng: np.random.Generator
) -> tuple[Array, npt.NDArray[np.int64]]:
    """Months and codes of exits: the earliest event, or the lock; the cumulative hazard is linear within a cell."""
    edges = time_grid(truth, people.start, float(lock.max()), CELLS)
    total = cumulative_hazards(truth, truth.events, people, terms, edges)
    reached = rng.exponential(size=len(lock))
    at = np.array([np.interp(r, h, edges) if r < h[-1] else np.inf for r, h in zip(reached, total, strict=True)])
    happened = at < lock
    exit_ = np.where(happened, at, lock)
    rates = np.exp([log_hazard(truth, event, people, terms, exit_[:, None])[:, 0] for event in truth.events])
    share = np.cumsum(rates, axis=0) / rates.sum(axis=0)
    which = (rng.random(len(lock)) >= share).sum(axis=0)
    return exit_, np.where(happened, which + 1, 0)


def study_of(trial: JointTrial, model: JointEventModel, layout: Layout) -> Study:
    """The tables that an analyst would have; curves at the planned visits."""
    persons = layout.table
    labels = persons["person"].to_numpy()
    if layout.covariate:
        persons[layout.covariate] = trial.people.covariate
    person, visit = np.nonzero(trial.took_place)
    visits = pd.concat(
        pd.DataFrame(
            {
                "person": labels[person],
                "week": np.array(layout.weeks)[visit],
                "outcome": outcome.name,
                "value": np.exp(v) if outcome.scale == "log" else v,
            }
        )
        for outcome, v in zip(model.outcomes, trial.values[person, visit].T, strict=True)
    )
    names = np.array(["none", *(event.name for event in model.events)])
    events = pd.DataFrame({"person": labels, "week": trial.exit * WEEKS_A_MONTH, "event": names[trial.code]})
    return Study.from_frames(
        persons, visits, events, name="simulated", reference_group=layout.groups[-1], strata=len(layout.strata) > 1,
        curve_weeks=layout.weeks,
    )  # fmt: skip
