"""Visits of a simulated trial (`model_trials`), in NumPy, as the `Design` that a compiled model is handed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayesmodels.fitting.refit import Refit, refit_of
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.presets import alsfrs_r, replaced
from bayesmodels.models.visits.design import NEVER, Design, OutcomeDesign
from bayesmodels.simulation.design import VISIT_WEEKS
from bayesmodels.study import Study
from bayesmodels.vocabulary import months
from validation.simulated.layout import Array, Layout, random_effects
from validation.simulated.model_trials import (
    OUTCOMES,
    START_WEEKS,
    TERMS,
    Truth,
    path_months,
    person_courses,
    skewed,
    step_correlations,
    two_strata,
)

VALOR_LAYOUT = two_strata(persons=((39, 33), (21, 15)), weeks=tuple(map(float, VISIT_WEEKS)))


def simulate_visits(truth: Truth, layout: Layout, rng: np.random.Generator) -> Design:
    """One trial's visits: values of both outcomes at the visits that took place."""
    stratum, group = layout.cells
    n, weeks = len(stratum), np.array(layout.weeks)
    follow_up = rng.uniform(layout.shortest_weeks, layout.longest_weeks, n)
    dropped = rng.exponential(1 / layout.dropout, n)
    took_place = (weeks <= follow_up[:, None]) & (months(weeks) <= dropped[:, None])
    took_place &= rng.random((n, len(weeks))) >= layout.missed
    took_place[:, 0] = True
    own = truth.person_sd[stratum] * random_effects(np.ones(len(TERMS)), truth.correlation, n, rng)
    own[:, 0] = truth.person_sd[stratum, 0] * skewed(truth, own[:, 0] / truth.person_sd[stratum, 0])
    start = np.array(START_WEEKS)[group]
    t = np.broadcast_to(months(weeks), (n, len(weeks)))
    designs, steps = [], np.zeros((n, len(weeks)))
    for k in range(len(OUTCOMES)):
        mean = person_courses(truth, k, stratum, group, own, t)
        rho = step_correlations(truth, months(weeks)) if k else 0.0
        steps = rho * steps + np.sqrt(1 - np.square(rho)) * rng.standard_normal(mean.shape)
        path = np.cumsum(np.sqrt(np.diff(path_months(truth, k, months(weeks)), prepend=0.0)) * steps, axis=1)
        y = mean + truth.random_walk_sd[k, stratum][:, None] * path
        y += truth.residual_sd[k, stratum][:, None] * rng.standard_normal(mean.shape)
        designs.append(_outcome_design(y, weeks, took_place, start))
    return Design(
        outcomes=tuple(designs),
        stratum=stratum,
        cell=stratum * 2 + group,
        covariates=np.zeros((n, 0)),
        center=np.zeros(0),
        spread=np.zeros(0),
        start_weeks=np.array(START_WEEKS),
        shares=layout.shares,
    )


def _outcome_design(y: Array, weeks: Array, took_place: npt.NDArray[np.bool_], start: Array) -> OutcomeDesign:
    """Visits that took place moved to the front of each person's slots, zeros behind them."""
    order = np.argsort(~took_place, axis=1, kind="stable")
    present = np.take_along_axis(took_place, order, axis=1).astype(float)
    t = months(weeks)[order] * present
    since = np.where(np.isfinite(start), months(weeks)[order].T * present.T - months(start), -NEVER)
    none = np.zeros(0)
    values = np.take_along_axis(y, order, axis=1) * present
    return OutcomeDesign(values, t.T.copy(), since, present.T.copy(), none.astype(int), none.astype(int), none, none)


def template_study(layout: Layout) -> Study:
    """A study of the layout whose values mean nothing: the model is built on it once and handed data afterwards."""
    persons = layout.table
    grid = pd.MultiIndex.from_product([persons["person"], layout.weeks, OUTCOMES], names=["person", "week", "outcome"])
    visits = grid.to_frame(index=False).assign(value=30.0)
    return Study.from_frames(
        persons, visits, name="simulated", reference_group="delayed", strata=len(layout.strata) > 1,
        curve_weeks=layout.weeks,
    )  # fmt: skip


FIXED_SKEWNESS: Mapping[str, float] = {"normal_rates": 0.0, "skewed_rates": 1.0}
"""Log SD of the rates of ALSFRS-R in forms of the model that know it."""
CORRELATED_WALKS = "correlated_walks"
"""The form in which the correlation of the outcomes' random walks is a parameter, uniform from -1 to 1."""


@cache
def the_model(form: str = "") -> LongitudinalModel:
    """NfL and ALSFRS-R by their presets, partial pooling between start groups; or another form of it."""
    if form == CORRELATED_WALKS:
        return LongitudinalModel(outcomes=OUTCOMES, walk_correlation=1.0)
    if form in FIXED_SKEWNESS:
        score = replaced(alsfrs_r(), {"rate_skewness": FIXED_SKEWNESS[form]})
        return LongitudinalModel(outcomes=(OUTCOMES[0], score))
    return LongitudinalModel(outcomes=OUTCOMES)


@cache
def the_refit(form: str = "") -> Refit:
    """The model compiled, once per process."""
    return refit_of(the_model(form), template_study(VALOR_LAYOUT))
