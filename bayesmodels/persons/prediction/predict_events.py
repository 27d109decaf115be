"""`predict_events`: events and courses of persons still at risk, given their visits so far and no event so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.errors import BadInput, expect_numbers
from bayesmodels.fitting.progress import counted
from bayesmodels.persons.collapsed import thinned
from bayesmodels.persons.given_exits import CANDIDATES
from bayesmodels.persons.prediction.futures import known_so_far, person_futures
from bayesmodels.persons.prediction.predict import expect_prediction, fitted_digest, in_natural_units
from bayesmodels.persons.prepared import has_events
from bayesmodels.study import Study

PREDICTION_DRAWS = 200


def predict_events(
    model: Any,
    posterior: xr.DataTree,
    data: Study | pd.DataFrame,
    weeks: Sequence[float],
    *,
    seed: int,
    landmark: float | None = None,
    fitted: Study | None = None,
    draws: int = PREDICTION_DRAWS,
    over_terms: bool = False,
) -> xr.Dataset:
    """Predict events and courses of persons still at risk; call again with a later landmark as visits come in.

    Parameters
    ----------
    model : JointEventModel
        The model that was fitted.
    posterior : DataTree
        From `fit`.
    data : Study or DataFrame
        The fitted study, or new persons: a study of their visits so far (``new_persons=True``: from one person on), or
        a persons table without visits.
    weeks : sequence of float
        Weeks since randomisation.
    seed : int
    landmark : float, optional
        Visits after this week are not used, and persons are known to be free of events until then. Without it, every
        person's own last known week: the end of follow-up where there is an events table, else the last visit.
    fitted : Study, optional
        The fitted study where `data` is another: hazards' knots and scales come from it.
    draws : int
        About how many posterior draws to use, evenly spaced.
    over_terms : bool
        Average risks over a person's terms at every draw, as measures of accuracy need, rather than draw the terms, as
        intervals for one person need.

    Returns
    -------
    xr.Dataset
        Dims (chain, draw, ..., person, week), persons numbered in the order of their table and NaN where not at risk:
        `cumulative_incidence` [event], the probability of each event after the landmark up to the week, all events
        competing; `survival`, that of no terminal event, had nobody withdrawn, where the model has terminal events;
        `trajectory`, `observation` and `latent_trajectory` [outcome] as of `predict`, as if alive and followed.
        Coordinates `at_risk` and `last_week` by person. Attribute `fewest_effective_candidates` as of
        `draw_person_terms`.

    Raises
    ------
    BadInput
        New persons without `fitted`, of a start group, stratum or covariate that the fit does not know, or nobody at
        risk.
    BayesmodelsError
        Visits of these persons are censored, so that part of the fit's latent values is asked.
    """
    expect_prediction(model, posterior, data, seed, draws)
    if not has_events(model):
        raise BadInput(f"model: expected a JointEventModel, got {type(model).__name__}; predict(...) needs no events")
    study = _fitted(posterior, data, fitted)
    weeks = tuple(sorted(set(expect_numbers(weeks, "weeks"))))
    so_far = known_so_far(model, study, data, landmark)
    futures = person_futures(model, study, so_far, weeks)
    chosen = thinned(posterior["posterior"].to_dataset(), draws)
    rng = np.random.default_rng(seed)
    at = np.flatnonzero(so_far.at_risk)
    lead, sizes = (chosen.sizes["chain"], chosen.sizes["draw"]), (len(so_far.persons), len(weeks))
    events, outcomes = len(model.events), len(model.outcomes)
    incidence, survival = np.full((*lead, events, *sizes), np.nan), np.full((*lead, *sizes), np.nan)
    course, observed = (np.full((*lead, outcomes, *sizes), np.nan) for _ in range(2))
    terminal, fewest = np.array([event.terminal for event in model.events]), np.inf
    for now in counted(futures.at(chosen, rng), lead[0] * lead[1], "predicting, draws"):
        here, shares = (now.past.chain, now.past.draw), now.nodes if over_terms else now.drawn
        fewest = min(fewest, now.fewest)
        incidence[here][:, at], survival[here][at] = futures.chances(now, *shares, terminal)
        course[here][:, at], observed[here][:, at] = futures.visits(now, rng)
    dims, of_outcome = ("chain", "draw", "person", "week"), ("chain", "draw", "outcome", "person", "week")
    found: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        "cumulative_incidence": (("chain", "draw", "event", "person", "week"), incidence),
    }
    found |= {name: (of_outcome, v) for name, v in in_natural_units(model.outcomes, course, observed).items()}
    if terminal.any():
        found["survival"] = (dims, survival)
    return xr.Dataset(
        found,
        coords={
            "event": [event.name for event in model.events],
            "outcome": [k.name for k in model.outcomes],
            "unit": ("outcome", [k.unit for k in model.outcomes]),
            "person": np.arange(sizes[0]),
            "at_risk": ("person", so_far.at_risk),
            "last_week": ("person", so_far.last),
            "week": list(weeks),
        },
        attrs={"candidates": CANDIDATES, "fewest_effective_candidates": fewest},
    )


def _fitted(posterior: xr.DataTree, data: Study | pd.DataFrame, fitted: Study | None) -> Study:
    """The study that a posterior was fitted to."""
    study = fitted if fitted is not None else data
    digest = fitted_digest(posterior)
    if not isinstance(study, Study) or (digest and study.digest != digest):
        raise BadInput(
            "fitted: expected the study that the posterior was fitted to, found "
            + ("another study" if isinstance(study, Study) else "none")
            + "; give it as fitted=, since the hazards' knots and scales come from it"
        )
    return study
