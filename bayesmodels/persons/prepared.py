"""Persons to predict, under the labels and scales of a fitted posterior: what a model's `build` reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.errors import BadInput
from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.possible_values import value_problems
from bayesmodels.models.visits.hazard_scale import HazardScale
from bayesmodels.study import Study

NEEDS_VISITS = 'expected [study] and a model of type "longitudinal" or "joint_event" with it; else delete the section'
"""What an analysis of persons' visits needs."""


@dataclass(frozen=True)
class Persons:
    """Persons, their visits, and for models of events when they enter and leave.

    Parameters
    ----------
    persons, visits : DataFrame
        As in a study.
    outcomes, stratum_labels, start_groups : tuple of str
        Of the fit.
    start_weeks : tuple of float
        Drug start of the fitted groups, inf for never.
    covariate_scale : DataFrame
        By covariate, `center` and `spread` of the fit.
    events : DataFrame or None
        person, week, event, entry_week, one row per person.
    hazard_scale : HazardScale or None
        Of a model with events.
    """

    persons: pd.DataFrame
    visits: pd.DataFrame
    outcomes: tuple[str, ...]
    stratum_labels: tuple[str, ...]
    start_groups: tuple[str, ...]
    start_weeks: tuple[float, ...]
    covariate_scale: pd.DataFrame
    events: pd.DataFrame | None = None
    hazard_scale: HazardScale | None = None
    curve_weeks: tuple[float, ...] = (0.0,)
    nominal_weeks: tuple[float, ...] = (0.0,)
    controlled_week: float | None = None

    @property
    def coords(self) -> dict[str, Any]:
        """Dims of the persons; the rest is the model's."""
        return {
            "person": tuple(range(len(self.persons))),
            "start_group": self.start_groups,
            "week": self.curve_weeks,
            "contrast": tuple(f"{g} - {self.start_groups[-1]}" for g in self.start_groups[:-1]),
        }

    def covariates(self, names: Sequence[str]) -> pd.DataFrame:
        """Columns on the scale of the study the model was fitted to: 0 its mean, 1 its SD."""
        absent = [name for name in names if name not in self.persons]
        if absent:
            raise BadInput(f"persons: expected the covariate {name!r}, which the model uses; add it" for name in absent)
        scale = self.covariate_scale.loc[list(names)]
        raw = self.persons[list(names)].astype(float)
        blank = [(row, name) for name in names for row in np.flatnonzero(~np.isfinite(raw[name]))]
        if blank:
            raise BadInput(
                f"persons, row {row + 2}: expected a number for the covariate {name!r}, which the model uses, found "
                "none; fill it in, or leave the person out"
                for row, name in blank
            )
        return (raw - scale["center"]) / scale["spread"]


def persons_of(model: Any, posterior: xr.Dataset, data: Study | pd.DataFrame) -> Persons:
    """Persons of a study, or of a persons table, under the labels of a posterior; without events.

    Raises
    ------
    BadInput
        A start group or stratum that the posterior does not know, or values that an outcome cannot take.
    """
    absent = [name for name in ("fitted_stratum", "start_group") if name not in posterior.coords]
    if absent:
        raise BadInput(
            f"posterior: expected that of a model of persons' visits, found none of its {' and '.join(absent)}"
        )
    strata = tuple(str(label) for label in posterior["fitted_stratum"].values)
    groups = tuple(str(label) for label in posterior["start_group"].values)
    names = tuple(k.name for k in model.outcomes)
    persons, visits = persons_and_visits(model, data, groups, strata)
    scale = pd.DataFrame({"center": [], "spread": []}, dtype=float)
    if "covariate" in posterior.dims:
        found = {name: posterior[name].to_numpy() for name in ("center", "spread")}
        scale = pd.DataFrame(found, index=posterior["covariate"].values)
    if "drug_start_week" in posterior.coords:
        starts = {g: float(w) for g, w in zip(groups, posterior["drug_start_week"].to_numpy(), strict=True)}
    else:
        starts = persons.groupby("start_group")["drug_start_week"].median().to_dict()
    visits = visits[visits["outcome"].isin(names)]
    return Persons(persons, visits, names, strata, groups, tuple(starts.get(g, np.inf) for g in groups), scale)


def persons_and_visits(
    model: Any, data: Study | pd.DataFrame, groups: Sequence[str], strata: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Persons, and visits if there are any, under the start groups and strata of a fit.

    Raises
    ------
    BadInput
        A start group or stratum that the fit does not have; a value that an outcome cannot take.
    """
    problems: list[str] = []
    if isinstance(data, Study):
        persons, visits = data.persons, data.visits
        problems += value_problems(data, model.outcomes)
    else:
        persons = data.reset_index(drop=True)
        persons = persons.assign(drug_start_week=persons["drug_start_week"].astype(float).fillna(np.inf))
        visits = pd.DataFrame({"person": [], "week": [], "outcome": [], "value": [], "censoring": []})
    if "stratum" not in persons or len(strata) == 1:
        persons = persons.assign(stratum=strata[0] if len(strata) == 1 else None)
    problems += [
        f"persons, row {row + 2}: expected a {column} of the fitted study ({', '.join(known)}), got {value!r}"
        for column, known in (("start_group", groups), ("stratum", strata))
        for row, value in enumerate(persons[column])
        if value not in known
    ]
    if problems:
        raise BadInput(problems)
    return persons, visits


def event_persons(
    model: Any, study: Study, persons: pd.DataFrame, visits: pd.DataFrame, events: pd.DataFrame, scale: HazardScale
) -> Persons:
    """Persons for a model with events, on the scales of the study it was fitted to.

    Parameters
    ----------
    study : Study
        The fitted one.
    persons, visits, events : DataFrame
        As in a study; `stratum` filled in.
    scale : HazardScale
        From `models.visits.hazard_scale`, with the cuts wanted.
    """
    names = tuple(dict.fromkeys((*model.covariates.names, *(c for event in model.events for c in event.covariates))))
    raw = study.covariates(names).to_numpy(float).reshape(len(study.persons), len(names))
    start = study.persons.groupby("start_group")["drug_start_week"].median()
    outcomes = tuple(k.name for k in model.outcomes)
    return Persons(
        persons.reset_index(drop=True),
        visits[visits["outcome"].isin(outcomes)],
        outcomes,
        study.stratum_labels,
        study.start_groups,
        tuple(float(start[group]) for group in study.start_groups),
        pd.DataFrame({"center": raw.mean(axis=0), "spread": raw.std(axis=0)}, index=list(names)),
        events,
        scale,
    )


def event_names(model: JointEventModel, labels: pd.Series) -> pd.Series:
    """Names of a model's events for labels of an events table; "none" where the model has no such event."""
    of = {label: event.name for event in model.events for label in event.labels}
    return labels.map(of).fillna("none")


def has_events(model: Any) -> TypeGuard[JointEventModel]:
    """Whether a model is one of courses and events."""
    return isinstance(model, JointEventModel)


def visits_problems(model: Any, persons: bool, outcome: str) -> list[str]:
    """Why an analysis of persons' visits of an outcome is not one for a model, one line each.

    Parameters
    ----------
    model : Model
    persons : bool
        Whether the data are of persons.
    outcome : str
    """
    if not persons or not isinstance(model, LongitudinalModel | JointEventModel):
        return [NEEDS_VISITS]
    known = [k.name for k in model.outcomes]
    return [] if outcome in known else [f"outcome: expected one of the model's ({', '.join(known)}), got {outcome!r}"]


def without_events(model: Any) -> Any:
    """The longitudinal part of a model with events, under the same free variables; other models as they are."""
    if not has_events(model):
        return model
    fields = {
        name: getattr(model, name)
        for name in LongitudinalModel.model_fields
        if name in type(model).model_fields and name != "type"
    }
    return LongitudinalModel(**fields)


def every_visit(model: Any, persons: pd.DataFrame, weeks: Sequence[float]) -> pd.DataFrame:
    """A visit of every person and outcome at every week; its value only has to be a possible one."""
    index = pd.MultiIndex.from_product([persons["person"], [k.name for k in model.outcomes], weeks])
    frame = index.to_frame(index=False, name=["person", "outcome", "week"])
    return frame.assign(value=frame["outcome"].map({k.name: possible_value(k) for k in model.outcomes}), censoring="")


def possible_value(outcome: Any) -> float:
    """A value strictly within the outcome's limits, so that no visit to predict counts as censored."""
    if outcome.limits is None:
        return 1.0
    low, high = outcome.limits
    return (low + high) / 2 if np.isfinite(high) else low + 1.0
