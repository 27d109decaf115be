"""Truths of simulated joint trials, and courses and hazards written out in NumPy.

Nothing here uses the model's parts or kernels, so that a refit checks those. Months since randomisation are t, months
since the drug's start t - s; a drug that is never started has s infinite.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from validation.simulated.layout import Array, Ints

Form = Literal["value", "rate", "area"]

GAUSS = np.polynomial.legendre.leggauss(4)
"""Nodes and weights on [-1, 1] of each cell of a time grid."""


@dataclass(frozen=True)
class People:
    """Persons of a trial, each array (person,).

    Parameters
    ----------
    stratum, group : int
        Index of the stratum and of the start group.
    covariate : float
        Standardised over the trial.
    start : float
        Month of the drug's start, infinite for never.
    """

    stratum: Ints
    group: Ints
    covariate: Array
    start: Array


@dataclass(frozen=True)
class OutcomeTruth:
    """Parameters of an outcome with a linear untreated course.

    Parameters
    ----------
    level, rate : (stratum,)
        Means at randomisation; rate a month.
    on_covariate : (2,)
        Change of level and of rate per SD of the covariate.
    effect : (stratum, start group)
    shape : {"none", "slope_change", "plateau"}
        effect x (t - s - lag)_+, or effect x (1 - exp(-(t - s - lag)_+ / time_constant)).
    lag, time_constant : float
        Months.
    residual_sd : float
    """

    level: Array
    rate: Array
    on_covariate: Array
    effect: Array
    shape: Literal["none", "slope_change", "plateau"]
    lag: float
    time_constant: float
    residual_sd: float


@dataclass(frozen=True)
class Link:
    """Association of a hazard with a feature of outcome `outcome`, less the value where the baseline is stated."""

    outcome: int
    form: Form
    size: float
    stated_at: float


@dataclass(frozen=True)
class EventTruth:
    """Parameters of a cause-specific hazard.

    Parameters
    ----------
    name : str
    knots : tuple of float
        Months between the pieces of a constant hazard; empty for a Weibull hazard.
    log_hazard : (piece,) or (1,)
        A month: of the pieces, or of a Weibull hazard at 12 months.
    log_shape : float or None
        Of a Weibull hazard; None for a piecewise constant one.
    covariate, on_drug : float
        Log hazard ratios per SD, and once the drug has started.
    start_group, stratum : (start group,), (stratum,)
        Log hazard ratios, zero for the reference.
    links : tuple of Link
    terms : (term,)
        Log hazard ratio per unit of the person's own deviations.
    """

    name: str
    knots: tuple[float, ...]
    log_hazard: Array
    log_shape: float | None
    covariate: float
    on_drug: float
    start_group: Array
    stratum: Array
    links: tuple[Link, ...]
    terms: Array


@dataclass(frozen=True)
class JointTruth:
    """One set of parameters of a joint model; persons' terms are level and rate of every outcome, in turn.

    Parameters
    ----------
    outcomes : tuple of OutcomeTruth
    events : tuple of EventTruth
    person_sd : (term,)
    correlation : (term, term)
    effect_sd : (outcome with an effect,)
        SD of the drug effect between start groups; NaN where it is not hierarchical.
    """

    outcomes: tuple[OutcomeTruth, ...]
    events: tuple[EventTruth, ...]
    person_sd: Array
    correlation: Array
    effect_sd: Array

    @property
    def covariance(self) -> Array:
        """Covariance of the random effects, (term, term)."""
        return self.correlation * np.outer(self.person_sd, self.person_sd)


def bases(outcome: OutcomeTruth, form: Form, t: Array, start: Array) -> Array:
    """What one unit of level, of rate and of effect add to a feature of the course, (3, *shape of t).

    Parameters
    ----------
    t, start : arrays that broadcast
        Months.
    """
    since = np.maximum(t - start - outcome.lag, 0.0)
    began = (since > 0).astype(float)
    one = np.ones_like(since)
    t = t * one
    if outcome.shape == "none":
        drug = {"value": 0 * one, "rate": 0 * one, "area": 0 * one}
    elif outcome.shape == "slope_change":
        drug = {"value": since, "rate": began, "area": since**2 / 2}
    else:
        left = np.exp(-since / outcome.time_constant)
        reached = 1 - left
        drug = {
            "value": reached,
            "rate": began * left / outcome.time_constant,
            "area": since - outcome.time_constant * reached,
        }
    own = {"value": (one, t), "rate": (0 * one, one), "area": (t, t**2 / 2)}
    return np.stack([*own[form], drug[form]])


def coefficients(truth: JointTruth, people: People, terms: Array) -> Array:
    """Level, rate and effect of persons' courses, (..., person, outcome, 3), for random effects (..., person, term)."""
    found = np.empty((*terms.shape[:-1], len(truth.outcomes), 3))
    for k, outcome in enumerate(truth.outcomes):
        for j, mean in enumerate((outcome.level, outcome.rate)):
            fixed = mean[people.stratum] + outcome.on_covariate[j] * people.covariate
            found[..., k, j] = fixed + terms[..., 2 * k + j]
        found[..., k, 2] = outcome.effect[people.stratum, people.group]
    return found


def course(outcome: OutcomeTruth, form: Form, own: Array, t: Array, start: Array) -> Array:
    """A feature of courses, (..., person, point), for level, rate and effect (..., person, 3) at t (person, point)."""
    return np.einsum("...ij,jip->...ip", own, bases(outcome, form, t, start[:, None]))


def log_hazard(truth: JointTruth, event: EventTruth, people: People, terms: Array, t: Array) -> Array:
    """Log hazard of an event, (..., person, point), for random effects (..., person, term) at t (person, point)."""
    own = coefficients(truth, people, terms)
    if event.log_shape is None:
        baseline = event.log_hazard[np.searchsorted(np.array(event.knots), t, side="left")]
    else:
        baseline = event.log_hazard[0] + (np.exp(event.log_shape) - 1) * np.log(np.maximum(t, 1e-300) / 12)
    fixed = event.covariate * people.covariate + event.start_group[people.group] + event.stratum[people.stratum]
    found = baseline + fixed[:, None] + event.on_drug * (t > people.start[:, None])
    for link in event.links:
        centre = link.stated_at * (t if link.form == "area" else 1.0)
        feature = course(truth.outcomes[link.outcome], link.form, own[..., link.outcome, :], t, people.start)
        found = found + link.size * (feature - centre)
    return found + (terms @ event.terms)[..., None]


def time_grid(truth: JointTruth, starts: Array, until: float, cells: int) -> Array:
    """Rising months (edge,) from 0 to `until`: dense near 0 where a hazard may be infinite, and an edge at every kink.

    Kinks are the hazards' knots, the drug's starts and the starts plus each outcome's lag.
    """
    even = np.linspace(0, 1, cells + 1)
    bent = [event for event in truth.events if event.log_shape is not None]
    grid = until * np.concatenate([even, even**6] if bent else [even])
    begun = starts[np.isfinite(starts)]
    kinks = [np.array(event.knots) for event in truth.events] + [begun + k.lag for k in truth.outcomes] + [begun]
    edges = np.unique(np.concatenate([grid, *kinks]))
    return edges[(edges >= 0) & (edges <= until)]


def cumulative_hazards(
    truth: JointTruth, events: tuple[EventTruth, ...], people: People, terms: Array, edges: Array
) -> Array:
    """Summed cumulative hazard of some events at the edges of a time grid, (..., person, edge), zero at the first.

    Parameters
    ----------
    edges : (edge,) or (person, edge)
        Rising months; cells may be empty.
    """
    node, weight = GAUSS
    width = np.diff(edges, axis=-1)
    t = (edges[..., :-1, None] + width[..., None] * (node + 1) / 2).reshape((*width.shape[:-1], -1))
    t = np.broadcast_to(t, (len(people.start), t.shape[-1]))
    rate = sum(np.exp(log_hazard(truth, event, people, terms, t)) for event in events)
    cell = (rate.reshape((*rate.shape[:-1], -1, len(node))) * weight).sum(axis=-1) * width / 2
    return np.concatenate([np.zeros((*cell.shape[:-1], 1)), np.cumsum(cell, axis=-1)], axis=-1)
