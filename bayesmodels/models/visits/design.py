"""From a study's tables to the arrays of a longitudinal model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayesmodels.errors import BadInput, expect
from bayesmodels.models.labels import absent_outcome
from bayesmodels.models.outcome import Outcome
from bayesmodels.models.possible_values import value_problems
from bayesmodels.study import Study
from bayesmodels.vocabulary import months

NEVER = 1e6
"""Months until the drug of those who never start it: finite, so that no infinity enters a gradient."""


@dataclass(frozen=True)
class OutcomeDesign:
    """Visits of one outcome, padded with zeros to the person who has most.

    Parameters
    ----------
    values : (person, slot) float, modelling scale
    months, on_drug, present : (slot, person) float
        Months since randomisation; months since the drug's start (negative before); 1 where there is a visit.
    row, column, limit : (censored visit,)
        Slot, person and modelling-scale limit of the censored visits; their `values` are 0.
    side : (censored visit,) float
        -1 below the limit, 1 above it.
    """

    values: np.ndarray
    months: np.ndarray
    on_drug: np.ndarray
    present: np.ndarray
    row: np.ndarray
    column: np.ndarray
    limit: np.ndarray
    side: np.ndarray

    @property
    def elapsed(self) -> np.ndarray:
        """Months since the person's visit before, or since randomisation; 0 where there is no visit, (slot, person)."""
        return np.diff(np.maximum(self.months, 0.0), axis=0, prepend=0.0) * self.present


@dataclass(frozen=True)
class Design:
    """Arrays of a study, persons in the order of its table.

    Parameters
    ----------
    outcomes : tuple of OutcomeDesign
    stratum, cell : (person,) int
        Index of the stratum; of stratum x start group, start group running fastest.
    covariates : (person, covariate) float
        Standardised: (column - center) / spread.
    center, spread : (covariate,) float
        Mean and SD over the study's persons.
    start_weeks : (start_group,) float
        Median drug start, inf for never.
    shares : (stratum,) float
        Share of the study's persons.
    """

    outcomes: tuple[OutcomeDesign, ...]
    stratum: np.ndarray
    cell: np.ndarray
    covariates: np.ndarray
    center: np.ndarray
    spread: np.ndarray
    start_weeks: np.ndarray
    shares: np.ndarray

    @property
    def values(self) -> np.ndarray:
        """All outcomes side by side, (person, slot)."""
        return np.concatenate([k.values for k in self.outcomes], axis=1)

    @property
    def elapsed(self) -> np.ndarray:
        """Months since the visit before of the same outcome, (person, slot)."""
        return np.concatenate([k.elapsed.T for k in self.outcomes], axis=1)

    @property
    def limits(self) -> np.ndarray:
        """Limit of every censored visit, zero elsewhere, (person, slot)."""
        parts = [np.zeros_like(k.values) for k in self.outcomes]
        for part, k in zip(parts, self.outcomes, strict=True):
            part[k.column, k.row] = k.limit
        return np.concatenate(parts, axis=1)

    @property
    def count(self) -> np.ndarray:
        """Visits, (person, outcome) int."""
        return np.stack([k.present.sum(axis=0) for k in self.outcomes], axis=1).astype(np.int64)


def design_of(study: Study, outcomes: Sequence[Outcome], covariates: Sequence[str]) -> Design:
    """Arrays of a study; persons to predict (`persons.prediction.predict`) come with covariates already on the fit's
    scale, and with the drug starts of the fitted groups.

    Raises
    ------
    BadInput
        An outcome without visits, values that an outcome cannot take, a covariate that is missing or not a number.
    """
    if not hasattr(study, "visits"):
        expect(study, Study, "data", "make one with read_study or Study.from_frames")
    file = study.tables.files["visits"] if isinstance(study, Study) else "visits"
    absent = [absent_outcome(file, k.name, study.outcomes) for k in outcomes if k.name not in study.outcomes]
    impossible = value_problems(study, outcomes) if isinstance(study, Study) else ()
    if absent or impossible:
        raise BadInput([*absent, *impossible])
    persons, scaled = study.persons, isinstance(study, Study)
    number = pd.Series(np.arange(len(persons)), index=persons["person"])
    visits = study.visits
    visits = visits.assign(number=number[visits["person"]].to_numpy()).sort_values(["number", "week"], kind="stable")
    start = persons["drug_start_week"].to_numpy(float)
    stratum = _codes(persons["stratum"], study.stratum_labels)
    group, n_groups = _codes(persons["start_group"], study.start_groups), len(study.start_groups)
    if isinstance(study, Study):
        medians = [float(np.median(start[group == g])) if (group == g).any() else np.inf for g in range(n_groups)]
    else:
        medians = study.start_weeks
    raw = study.covariates(tuple(covariates)).to_numpy(float).reshape(len(persons), len(covariates))
    center = raw.mean(axis=0) if scaled else np.zeros(len(covariates))
    spread = raw.std(axis=0) if scaled else np.ones(len(covariates))
    return Design(
        outcomes=tuple(_outcome_design(visits[visits["outcome"] == k.name], start, k) for k in outcomes),
        stratum=stratum,
        cell=stratum * n_groups + group,
        covariates=(raw - center) / spread,
        center=center,
        spread=spread,
        start_weeks=np.array(medians),
        shares=np.bincount(stratum, minlength=len(study.stratum_labels)) / len(persons),
    )


def _codes(labels: pd.Series, order: Sequence[str]) -> np.ndarray:
    return labels.map({label: j for j, label in enumerate(order)}).to_numpy(np.int64)


def _since_start(t: np.ndarray, start_weeks: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(start_weeks), t - months(np.where(np.isfinite(start_weeks), start_weeks, 0.0)), -NEVER)


def _outcome_design(visits: pd.DataFrame, start: np.ndarray, outcome: Outcome) -> OutcomeDesign:
    column = visits["number"].to_numpy()
    row = visits.groupby("number").cumcount().to_numpy()
    shape = (int(row.max(initial=0)) + 1, len(start))
    value = visits["value"].to_numpy(float)
    side = visits["censoring"].map({"": 0.0, "left": -1.0, "right": 1.0}).to_numpy(float)
    if outcome.censor_at_limits and outcome.limits is not None:
        low, high = outcome.limits
        side = np.where((side == 0) & (value <= low), -1.0, np.where((side == 0) & (value >= high), 1.0, side))
    scaled = np.log(value) if outcome.scale == "log" else value
    t, present, values = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    t[row, column] = months(visits["week"].to_numpy(float))
    present[row, column] = 1.0
    values[row, column] = np.where(side == 0, scaled, 0.0)
    beyond = side != 0
    return OutcomeDesign(
        values=values.T.copy(),
        months=t,
        on_drug=_since_start(t, start),
        present=present,
        row=row[beyond],
        column=column[beyond],
        limit=scaled[beyond],
        side=side[beyond],
    )


def distinct_points(outcome: OutcomeDesign) -> dict[str, np.ndarray]:
    """Distinct pairs of months since randomisation and since the drug's start, and each visit's own.

    Returns
    -------
    dict
        months, on_drug (point,); point (slot, person) int, -1 where there is no visit.
    """
    seen = outcome.present > 0
    pairs = np.stack([outcome.months[seen], outcome.on_drug[seen]], axis=1)
    points, of_visit = np.unique(pairs, axis=0, return_inverse=True)
    index = np.full(seen.shape, -1, dtype=np.int64)
    index[seen] = of_visit
    return {"months": points[:, 0].copy(), "on_drug": points[:, 1].copy(), "point": index}


def data_names(outcome: str) -> Mapping[str, str]:
    """Names of an outcome's data in the PyMC model, by name in `distinct_points`."""
    return {field: f"{outcome}:{field}" for field in ("months", "on_drug", "point")}


def as_data(design: Design, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Everything a built model holds as data, by name: what to swap for a refit without compiling again.

    Censored visits are not among them: a study with other censored visits needs its own build.
    """
    arrays = {
        "visits_observed": design.values,
        "visits_limit": design.limits,
        "visits_elapsed": design.elapsed,
        "visit_count": design.count,
        "person_stratum": design.stratum,
        "person_cell": design.cell,
        "person_covariates": design.covariates,
    }
    for name, outcome in zip(names, design.outcomes, strict=True):
        points = distinct_points(outcome)
        arrays |= {label: points[field] for field, label in data_names(name).items()}
    return arrays
