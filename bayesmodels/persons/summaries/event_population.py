"""Courses and hazards under a joint model of many new persons of a study's population, in each start group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import ndtri
from scipy.stats import qmc

from bayesmodels.kernels.hazards.op import Exits, HazardLayout
from bayesmodels.kernels.linear_mixed.variable import terms_at
from bayesmodels.kernels.linear_mixed.walk_covariance import random_walks_of, shrunk
from bayesmodels.models.visits.design import design_of
from bayesmodels.models.visits.hazard_terms import hazard_covariates, hazard_scale
from bayesmodels.persons.collapsed import Collapsed, Draw, collapsed_or_error
from bayesmodels.persons.prepared import event_persons, every_visit
from bayesmodels.study import Study
from bayesmodels.vocabulary import months


@dataclass(frozen=True)
class GroupFuture:
    """What a start group's persons may expect at one draw.

    Parameters
    ----------
    courses : (outcome, person, week)
        Error-free, modelling scale.
    states : (outcome, person, week)
        The same with the Brownian path of outcomes with a random walk; each outcome and week by itself, not jointly.
    rates : (event, person, point)
        Hazards a month.
    """

    courses: np.ndarray
    states: np.ndarray
    rates: np.ndarray


@dataclass(frozen=True)
class Population:
    """New persons with the strata and covariates of a study's persons, several of each, at given weeks.

    Parameters
    ----------
    likelihood : Collapsed
        Of a model with one person per stratum and start group, followed to the last week; the start group runs fastest.
    weeks : (week,)
    stratum : (person,) int
    covariates : (person, covariate)
        Of the outcomes, standardised.
    hazard_columns : (start_group, person, hazard covariate)
        Centred as in the fit.
    month, weight, cell : (point,)
        Month, quadrature weight in months, and stratum x start group of every point.
    """

    likelihood: Collapsed
    weeks: np.ndarray
    stratum: np.ndarray
    covariates: np.ndarray
    hazard_columns: np.ndarray
    month: np.ndarray
    weight: np.ndarray
    cell: np.ndarray

    def points(self, g: int) -> tuple[np.ndarray, np.ndarray]:
        """Quadrature weights of a group's points, and how many of them lie before every week."""
        own = self.cell == g  # strata have the same points
        return self.weight[own], np.searchsorted(self.month[own], months(self.weeks), side="right")

    def futures(self, draws: xr.Dataset, seed: int) -> Iterator[tuple[Draw, list[GroupFuture]]]:
        """Every draw with the futures of all start groups; the same persons in every group.

        Persons come in pairs whose normal numbers are of opposite sign, so that mean courses are exact but for the mean
        of a skewed effect, which is that of the Sobol points.
        """
        rng = np.random.default_rng(seed)
        layout = self.likelihood.layout
        half, q = len(self.stratum) // 2, len(layout.random_terms)
        sobol = qmc.Sobol(q + layout.n_outcomes, scramble=True, rng=np.random.default_rng(seed))
        sequence = sobol.random_base2(max(1, (half - 1).bit_length()))[:half]
        for draw in self.likelihood.at(draws):
            moved = (rng.permutation(sequence) + rng.random(sequence.shape[1])) % 1.0  # a new rotation every draw
            z = ndtri(np.clip(moved, 1e-12, 1 - 1e-12))
            z = np.concatenate([z, -z])
            inputs = draw.inputs._replace(stratum=self.stratum, covariates=self.covariates)
            deviations = terms_at(layout, inputs, z[:, :q])
            yield draw, [self._future(draw, inputs, g, deviations, z[:, q:]) for g in range(len(self.hazard_columns))]

    def _future(self, draw: Draw, inputs: Any, g: int, deviations: np.ndarray, path: np.ndarray) -> GroupFuture:
        layout, hazards, exits = self.likelihood.layout, self.likelihood.hazards, draw.exits
        assert hazards is not None
        assert exits is not None
        cell = self.stratum * len(self.hazard_columns) + g
        shifted = replace(draw, inputs=inputs._replace(group=cell))
        terms = shifted.person_means(layout)
        terms[:, list(layout.random_terms)] += deviations
        courses = np.zeros((layout.n_outcomes, len(terms), len(self.weeks)))
        for m, k in enumerate(layout.outcome_of):
            courses[k] += terms[:, [layout.term_of[m]]] * draw.bases[m][:, cell].T
        walks = random_walks_of(layout, inputs)
        spread = np.sqrt(shrunk(months(self.weeks), 2 * walks.decay[:, None]))  # (outcome, week)
        states = courses + (walks.sd * path).T[:, :, None] * spread[:, None]

        every = np.concatenate([terms, deviations], axis=1)
        between = (self.hazard_columns[g] @ exits.gamma.T).T[:, :, None]
        rates = np.concatenate(
            [
                self._rates(draw, exits, hazards, of, every[cell == of], between[:, cell == of])
                for of in np.unique(cell)
            ],
            axis=1,
        )
        order = np.concatenate([np.flatnonzero(cell == of) for of in np.unique(cell)])
        return GroupFuture(courses, states, rates[:, np.argsort(order)])

    def _rates(
        self, draw: Draw, exits: Exits, hazards: HazardLayout, cell: int, every: np.ndarray, between: np.ndarray
    ) -> np.ndarray:
        """Hazards (event, person, point) of persons of one stratum in one start group."""
        own = self.cell == cell
        columns, uses = np.array(hazards.columns, bool), np.array(hazards.uses, bool).reshape(len(hazards.columns), -1)
        alpha = np.where(uses, exits.alpha, 0.0)
        fixed = np.where(columns, exits.coefficient, 0.0) @ exits.design[:, own] - alpha @ exits.offset[:, own]
        along = np.zeros((len(columns), every.shape[1], int(own.sum())))
        for basis, k, p in zip(draw.features, hazards.predictor_of, hazards.term_of, strict=True):
            along[:, p] += alpha[:, [k]] * basis[own]
        return np.exp(every @ along + fixed[:, None] + between)


def population(model: Any, study: Study, weeks: np.ndarray, size: int) -> Population:
    """New persons like those of a study, about `size` of them, at weeks (rising, since randomisation).

    Raises
    ------
    BayesmodelsError
        The model has no collapsed likelihood.
    """
    scale = hazard_scale(model, study).cut_at(weeks)
    persons = study.persons
    start = persons.groupby("start_group")["drug_start_week"].median()
    cells = [(stratum, group) for stratum in study.stratum_labels for group in study.start_groups]
    names = [f"{stratum}, {group}" for stratum, group in cells]
    one_each = persons.iloc[[0] * len(cells)].assign(
        person=names, stratum=[stratum for stratum, _ in cells], start_group=[group for _, group in cells]
    )
    one_each["drug_start_week"] = [float(start[group]) for _, group in cells]
    last = max(float(weeks.max()), 1e-6)
    events = pd.DataFrame({"person": names, "week": last, "event": "none", "entry_week": 0.0})
    dummies = event_persons(model, study, one_each, study.visits.iloc[:0], events, scale)
    dummies = event_persons(model, study, one_each, every_visit(model, dummies.persons, weeks.tolist()), events, scale)
    pm_model = model.build(dummies)
    likelihood = collapsed_or_error(pm_model)
    copies = 2 * max(1, round(size / 2 / len(persons)))
    design = design_of(study, model.outcomes, model.covariates.names)
    first = pm_model["exit_first"].get_value()
    assigned = [
        event_persons(model, study, persons.assign(start_group=group), study.visits.iloc[:0], events, scale)
        for group in study.start_groups
    ]
    return Population(
        likelihood=likelihood,
        weeks=weeks,
        stratum=np.tile(design.stratum, copies),
        covariates=np.tile(design.covariates, (copies, 1)),
        hazard_columns=np.stack(
            [np.tile(hazard_covariates(model, who).columns - scale.middle, (copies, 1)) for who in assigned]
        ),
        month=pm_model["exit_months"].get_value(),
        weight=pm_model["exit_weight"].get_value(),
        cell=np.repeat(np.arange(len(first) - 1), np.diff(first)),
    )
