"""`predict`: a person's course and future visits, for persons with visits and for new persons without."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.errors import BadInput, expect, expect_numbers, expect_whole
from bayesmodels.fitting.progress import counted
from bayesmodels.kernels.linear_mixed.op import Layout
from bayesmodels.kernels.linear_mixed.walk_covariance import RandomWalks
from bayesmodels.persons.collapsed import Draw, collapsed_or_error, thinned
from bayesmodels.persons.gaussian import rows_of, spread_of
from bayesmodels.persons.prepared import every_visit, persons_of, without_events
from bayesmodels.persons.random_effects import draw_deviations
from bayesmodels.posterior.archive import FROM_FIT, require
from bayesmodels.study import Study

if TYPE_CHECKING:
    import pymc as pm


def predict(
    model: Any,
    posterior: xr.DataTree,
    data: Study | pd.DataFrame,
    weeks: Sequence[float],
    *,
    seed: int,
    draws: int = 1000,
    pm_model: pm.Model | None = None,
) -> xr.Dataset:
    """Predict courses and visits at given weeks.

    Parameters
    ----------
    model : LongitudinalModel, or another whose likelihood is collapsed
        The model that was fitted.
    posterior : DataTree
        From `fit`.
    data : Study or DataFrame
        Persons with their visits so far: the fitted study, or one of new persons, from one on and whatever their start
        groups (``Study.from_frames(persons, visits, new_persons=True)``). Or a persons table (person, start_group,
        drug_start_week, stratum where the fit had strata, the model's covariates) of persons without visits.
    weeks : sequence of float
        Weeks since randomisation, before or after the visits there are; returned in increasing order.
    seed : int
    draws : int
        About how many posterior draws to use, evenly spaced.
    pm_model : pm.Model, optional
        What ``model.build(data)`` returned: spares building it again, for persons of the fitted study.

    Returns
    -------
    xr.Dataset
        Dims (chain, draw, outcome, person, week), natural units: `trajectory`, the person's error-free course, with
        the Brownian path of an outcome with a random walk, and `observation`, a visit about it with residual error, not
        rounded. Both are held within an outcome's limits, as a score is, so that the mean over draws of `trajectory` is
        that of the bounded score; `latent_trajectory`, where any outcome has limits, is the course that knows none (NaN
        for outcomes without, whose `trajectory` it is). As if alive and followed. Persons are numbered in the order of
        their table. With a model of events, persons of the fitted study are predicted given visits and exit, others
        given their visits only; `predict_events` predicts the events of those still at risk.

    Raises
    ------
    BadInput
        Persons of a start group or stratum that the posterior does not know, or without a covariate.
    """
    expect_prediction(model, posterior, data, seed, draws)
    weeks = tuple(sorted(set(expect_numbers(weeks, "weeks"))))
    draws_used = thinned(posterior["posterior"].to_dataset(), draws)
    history = persons_of(model, draws_used, data)
    grid = replace(history, visits=every_visit(model, history.persons, weeks))
    course_model = without_events(model)
    own = isinstance(data, Study) and course_model is not model and fitted_digest(posterior) == data.digest
    if own:
        given = collapsed_or_error(model.build(data) if pm_model is None else pm_model)
    else:
        given = collapsed_or_error(course_model.build(history))
    wanted = collapsed_or_error(course_model.build(grid))
    rng = np.random.default_rng(seed)
    shape = (draws_used.sizes["chain"], draws_used.sizes["draw"], len(model.outcomes), len(history.persons), len(weeks))
    trajectory, observation = np.empty(shape), np.empty(shape)
    points = zip(given.at(draws_used), wanted.at(draws_used), strict=True)
    for past, future in counted(points, shape[0] * shape[1], "predicting, draws"):
        here = past.chain, past.draw
        deviations, _ = draw_deviations(given, past, rng)
        trajectory[here], observation[here] = courses_and_visits(wanted.layout, past, future, deviations, rng)
    dims = ("chain", "draw", "outcome", "person", "week")
    return xr.Dataset(
        {name: (dims, values) for name, values in in_natural_units(model.outcomes, trajectory, observation).items()},
        coords={
            "outcome": [k.name for k in model.outcomes],
            "unit": ("outcome", [k.unit for k in model.outcomes]),
            "person": np.arange(shape[3]),
            "week": list(weeks),
        },
    )


def expect_prediction(model: Any, posterior: Any, data: Any, seed: int, draws: int) -> None:
    """Refuse arguments of another kind than functions take that go from a posterior back to persons.

    Raises
    ------
    BadInput
        Says what was expected and what came.
    MissingVariable
        No group `posterior`.
    """
    expect(posterior, xr.DataTree, "posterior", FROM_FIT)
    require(posterior, groups=["posterior"])
    if not hasattr(model, "outcomes") or not callable(getattr(model, "build", None)):
        raise BadInput(f"model: expected the model that was fitted, got {type(model).__name__}")
    expect(data, (Study, pd.DataFrame), "data", "make one with read_study or Study.from_frames")
    expect_whole(seed, "seed")
    expect_whole(draws, "draws", 1)


def fitted_digest(posterior: xr.DataTree) -> str:
    """Digest of the fitted data; empty where the posterior does not say."""
    return str(json.loads(posterior.attrs.get("data", "{}")).get("digest", ""))


def in_natural_units(outcomes: Sequence[Any], trajectory: np.ndarray, observation: np.ndarray) -> dict[str, np.ndarray]:
    """Courses and visits (chain, draw, outcome, ...) as `predict` returns them, from the modelling scale, in place.

    `latent_trajectory` is added where an outcome has limits.
    """
    latent = np.full_like(trajectory, np.nan) if any(k.limits is not None for k in outcomes) else None
    for k, outcome in enumerate(outcomes):
        for values in (trajectory, observation):
            if outcome.scale == "log":
                values[:, :, k] = np.exp(values[:, :, k])
        if latent is not None and outcome.limits is not None:
            latent[:, :, k] = trajectory[:, :, k]
            for values in (trajectory, observation):
                values[:, :, k] = np.clip(values[:, :, k], *outcome.limits)
    found = {"trajectory": trajectory, "observation": observation}
    return found if latent is None else found | {"latent_trajectory": latent}


def courses_and_visits(
    layout: Layout, past: Draw, future: Draw, deviations: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Courses of persons with these deviations, and visits about them, (outcome, person, week), modelling scale.

    Parameters
    ----------
    layout : Layout
        Of past and future.
    past, future : Draw
        The visits so far, and one at every week wanted.
    deviations : (person, random term)
    rng : numpy.random.Generator
    """
    terms = future.person_means(layout)
    terms[:, list(layout.random_terms)] += deviations
    course = _courses(layout, future, terms)
    for k, path in _paths_given_visits(layout, past, terms, future, rng).items():
        course[k] += path
    sigma = future.inputs.sigma[np.minimum(future.inputs.stratum, len(future.inputs.sigma) - 1)]
    return course, course + sigma.T[:, :, None] * rng.standard_normal(course.shape)


def _courses(layout: Layout, draw: Draw, terms: np.ndarray) -> np.ndarray:
    """Courses (outcome, person, slot) of persons with these terms (person, term); outcomes of the same visits."""
    course = np.zeros((layout.n_outcomes, *draw.bases[0].T.shape))
    for m, k in enumerate(layout.outcome_of):
        course[k] += (draw.bases[m] * terms[:, layout.term_of[m]]).T
    return course


def _all_courses(layout: Layout, draw: Draw, terms: np.ndarray) -> np.ndarray:
    """Courses at every visit, all outcomes side by side, (person, slot)."""
    course = np.zeros(draw.y.shape)
    for m, k in enumerate(layout.outcome_of):
        course[:, draw.slots(layout, k)] += draw.bases[m].T * terms[:, [layout.term_of[m]]]
    return course


def _paths_given_visits(
    layout: Layout, past: Draw, terms: np.ndarray, future: Draw, rng: np.random.Generator
) -> dict[int, np.ndarray]:
    """Brownian path (person, week) of every outcome with a random walk, given the visits so far."""
    found: dict[int, np.ndarray] = {}
    visits = rows_of(layout, past)
    residual, present = past.y - _all_courses(layout, past, terms), past.present(layout)
    later, spread = rows_of(layout, future), spread_of(layout, future)
    walking = list(layout.random_walks)
    for together in [walking] if layout.correlated_walks else [[k] for k in walking]:
        own, wanted = np.isin(visits.outcome, together), np.isin(later.outcome, together)
        path = draw_paths(
            spread.walks.among(together),
            np.searchsorted(together, visits.outcome[own]),
            visits.months[:, own],
            residual[:, own],
            present[:, own],
            np.searchsorted(together, later.outcome[wanted]),
            later.months[:, wanted],
            spread.sigma[:, together],
            rng,
        )
        found |= {k: path[:, later.outcome[wanted] == k] for k in together}
    return found


def draw_paths(
    walks: RandomWalks,
    outcome: np.ndarray,
    past: np.ndarray,
    residual: np.ndarray,
    present: np.ndarray,
    future_outcome: np.ndarray,
    future: np.ndarray,
    sigma: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """One draw of every person's paths, by Matheron's rule: a draw of the prior, corrected for the visits.

    Parameters
    ----------
    walks : RandomWalks
    outcome, future_outcome : (slot,), (week,) int
        Whose path, among `walks`.
    past, residual, present : (person, slot)
        Months since randomisation of the visits; value less course; whether there is a visit.
    future : (person, week)
        Months since randomisation.
    sigma : (person, outcome)
        SD of a visit's error.

    Returns
    -------
    ndarray
        (person, week)

    References
    ----------
    Journel and Huijbregts (1978), Mining Geostatistics, conditional simulation.
    """
    n, slots = past.shape
    path = walks.simulate(rng, np.concatenate([outcome, future_outcome]), np.concatenate([past, future], axis=1))
    if not slots:
        return path
    noise = sigma[:, outcome]
    off = residual - path[:, :slots] - noise * rng.standard_normal((n, slots))
    both = present[:, :, None] & present[:, None, :]
    shared = walks.covariance(outcome, past, outcome, past)
    covariance = np.where(both, shared, 0.0) + (noise**2)[:, :, None] * np.eye(slots)
    weights = np.linalg.solve(covariance, np.where(present, off, 0.0)[:, :, None])
    onto = np.where(present[:, None, :], walks.covariance(future_outcome, future, outcome, past), 0.0)
    return path[:, slots:] + (onto @ weights)[:, :, 0]
