"""Priors of the hazards of a joint model, as rows of its table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm

from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.models.visits.assembly import assemble
from bayesmodels.models.visits.course_features import Predictor, predictors_of
from bayesmodels.models.visits.design import design_of
from bayesmodels.models.visits.event import Event
from bayesmodels.models.visits.hazard_terms import hazard_covariates
from bayesmodels.models.visits.priors import COLUMNS
from bayesmodels.parts.priors import HalfNormal, LogNormal, Normal
from bayesmodels.study import Study

BASELINE = {
    "level": ("log baseline hazard", "log hazard a month"),
    "log_shape": ("log shape of the baseline hazard", ""),
    "trend": ("change of the log baseline hazard, week 0 to the last", "log hazard"),
    "roughness": ("SD of the baseline's second differences", "log hazard"),
}
"""Fields of the package's baseline hazards: parameter and unit. Fields of other parts go by their names."""

TYPICAL = "package default: a log hazard ratio of 1 per typical SD between persons is 1 SD"


def event_prior_table(model: JointEventModel, data: Study) -> pd.DataFrame:
    """Priors of baseline hazards, log hazard ratios and associations; `parameter` begins with the event.

    A baseline hazard is stated for a person at the typical value of what acts on it, at the mean of covariates and in
    the reference group. Columns as `longitudinal_prior_table`.
    """
    with pm.Model():
        a = assemble(model, data, design_of(data, model.outcomes, model.covariates.names))
    covariates = hazard_covariates(model, data)
    predictors, uses = predictors_of(model, a, np.full(len(model.outcomes), np.nan))
    term_unit = dict(zip(a.labels, (term.unit for term in a.terms), strict=True))
    rows: list[tuple[str, ...]] = []
    for e, event in enumerate(model.events):
        rows += _baseline_rows(event)
        prior = event.effect_prior
        for label, unit, used in zip(covariates.labels, covariates.units, covariates.of_event[e], strict=True):
            if used:
                rows.append(("", f"{event.name}: log hazard ratio of {label}", "all", str(prior), unit, prior.source))
        if event.on_drug:
            unit = "against before the drug"
            rows.append(("", f"{event.name}: log hazard ratio on the drug", "all", str(prior), unit, prior.source))
        rows += [
            _association_row(model.outcomes[p.outcome], p, event, term_unit)
            for p, used in zip(predictors, uses[e], strict=True)
            if used
        ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _baseline_rows(event: Event) -> Iterator[tuple[str, ...]]:
    for field in type(event.baseline).model_fields:
        prior = getattr(event.baseline, field)
        if isinstance(prior, Normal | HalfNormal | LogNormal):
            words, unit = BASELINE.get(field, (f"baseline hazard, {field}", ""))
            yield "", f"{event.name}: {words}", "all", str(prior), unit, prior.source


def _association_row(outcome: Any, p: Predictor, event: Event, term_unit: dict[str, str]) -> tuple[str, ...]:
    unit = outcome.modelling_unit
    per = {"value": unit, "rate": f"{unit} per month", "area": f"{unit} x months"}.get(p.form)
    if per is None:
        per = term_unit[f"{outcome.name}:{p.label.partition(':')[2]}"].format(unit=unit)
    given = p.priors[event.name].prior
    prior = given or Normal(mean=p.prior_mean(event), sd=p.prior_sd(event), source=TYPICAL)
    words = f"{event.name}: association with {p.label.replace(':', ', ')}"
    return outcome.name, words, "all", str(prior), f"log hazard ratio per {per}", prior.source
