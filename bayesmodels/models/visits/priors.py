"""Priors of courses, visits and hazards, as rows of a model's table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pymc as pm

from bayesmodels.models.outcome import Outcome
from bayesmodels.models.visits.assembly import Assembly, assemble
from bayesmodels.models.visits.course_features import Predictor, predictors_of
from bayesmodels.models.visits.course_model import CourseModel
from bayesmodels.models.visits.design import design_of
from bayesmodels.models.visits.event import Event
from bayesmodels.models.visits.hazard_terms import hazard_covariates
from bayesmodels.parts.priors import HalfNormal, LogNormal, Normal, PriorRow, part_rows, prior_row, rows_of
from bayesmodels.study import Study

if TYPE_CHECKING:
    from bayesmodels.models.joint_event import JointEventModel

DEFAULT = "package default"
TYPICAL = "package default: a log hazard ratio of 1 per typical SD between persons is 1 SD"


def course_rows(model: CourseModel, data: Study) -> list[PriorRow]:
    """Every prior of courses and visits, on the modelling scale.

    Parameters
    ----------
    model : LongitudinalModel or JointEventModel
    data : Study
        For its strata and start groups; priors never depend on its values.

    Returns
    -------
    list of dict
        One row per parameter and, where priors differ, per stratum: outcome, parameter, stratum, prior, unit, source.
    """
    with pm.Model():
        a = assemble(model, data, design_of(data, model.outcomes, ()))
    units = {k.name: k.modelling_unit for k in model.outcomes}
    rows: list[PriorRow] = []
    for label, term in zip(a.labels, a.terms, strict=True):
        outcome, _, name = label.partition(":")
        unit = term.unit.format(unit=units[outcome])
        rows += rows_of(term.mean, f"mean {name}", unit, outcome)
        if term.person_sd is not None:
            rows += rows_of(term.person_sd, f"person SD of {name}", unit, outcome)
    for k in model.outcomes:
        rows += rows_of(k.residual_sd_prior, "residual SD", k.modelling_unit, k.name)
        if k.random_walk_sd is not None:
            unit = f"{k.modelling_unit} per square root of a month"
            rows += rows_of(k.random_walk_sd, "SD of the Brownian path", unit, k.name)
        if k.rate_skewness is not None:
            rows += rows_of(k.rate_skewness, "skewness of rate", "log SD", k.name)
        if k.random_walk_time_constant is not None:
            words = "months in which the steps of the Brownian path shrink to 1 / e"
            rows += rows_of(k.random_walk_time_constant, words, "months", k.name)
        for kind in ("trajectory", "effect"):
            rows += part_rows(getattr(k, kind), kind, k.modelling_unit, k.name)
    for k, effect in zip(model.outcomes, a.slowing, strict=True):
        if effect is not None:
            rows += _share_rows(k.name, effect, a)
    if a.pooling == "partial":
        for p in a.effects:
            outcome, _, name = a.labels[p].partition(":")
            means = a.terms[p].mean
            spread = [prior.sd for prior in (means.values() if isinstance(means, dict) else [means])]
            prior = HalfNormal(sd=sum(spread) / len(spread) / 2, source="half the effect's prior SD")
            unit = a.terms[p].unit.format(unit=units[outcome])
            rows += rows_of(prior, f"SD of {name} between start groups", unit, outcome)
    if a.free_levels:
        text = "Normal(0, prior SD of the level)"
        rows.append(prior_row("start groups' levels about the mean", text, "", "free baseline", ""))
    for kind in ("level", "rate", "effect"):
        text = f"Normal(0, half the prior person SD of {kind}, or half its prior SD)"
        for name in getattr(model.covariates, kind):
            rows.append(prior_row(f"{name} on {kind}", text, "per SD of the covariate", DEFAULT, "each"))
    shape = f"LKJ({model.correlation_shape:g})"
    rows.append(prior_row("correlations of random effects", shape, "correlation", DEFAULT, "all"))
    if a.correlated_walks:
        shape = f"LKJ({model.walk_correlation:g})"
        rows.append(prior_row("correlations of Brownian paths", shape, "correlation", DEFAULT, "all"))
    return rows


def borrowing_rows(model: Any, data: Study) -> list[PriorRow]:
    """Priors of what is borrowed from external persons, for every outcome with a rate.

    Parameters
    ----------
    model : LongitudinalModel
        With `borrowing`.
    data : Study
        For its strata.
    """
    with pm.Model():
        a = assemble(model, data, design_of(data, model.outcomes, ()))
    rows: list[PriorRow] = []
    texts = getattr(model.borrowing, "prior_texts", None)
    for k in model.outcomes:
        label = f"{k.name}:rate"
        if label not in a.labels or texts is None:
            continue
        prior = a.terms[a.labels.index(label)].mean
        unit = f"{k.modelling_unit} per month"
        for stratum, own in prior.items() if isinstance(prior, dict) else [("all", prior)]:
            rows += [prior_row(name, text, unit, source, k.name, stratum) for name, text, source in texts(own.sd)]
        if model.borrowing.level == "own":
            rows += rows_of(
                a.terms[a.labels.index(f"{k.name}:level")].mean,
                "mean level of an external trial",
                k.modelling_unit,
                k.name,
            )
    return rows


def _share_rows(outcome: str, effect: Any, a: Assembly) -> list[PriorRow]:
    """Priors of the share of the decline that the drug removes."""
    rows = rows_of(effect.share, "share of the decline that the drug removes", "proportion", outcome)
    if len(a.strata) > 1:
        text = f"correlation {effect.correlation:g}"
        rows.append(prior_row("shares of two strata", text, "correlation", "stated with the effect", outcome))
    if a.pooling == "partial":
        text = f"Normal(0, {effect.group_sd:g})"
        rows.append(prior_row("start groups' shares about it", text, "proportion", "stated with the effect", outcome))
    return rows


def event_rows(model: JointEventModel, data: Study) -> list[PriorRow]:
    """Priors of baseline hazards, log hazard ratios and associations; `parameter` begins with the event.

    A baseline hazard is stated for a person at the typical value of what acts on it, at the mean of covariates and in
    the reference group. Columns as of `course_rows`.
    """
    with pm.Model():
        a = assemble(model, data, design_of(data, model.outcomes, model.covariates.names))
    covariates = hazard_covariates(model, data)
    predictors, uses = predictors_of(model, a, np.full(len(model.outcomes), np.nan))
    term_unit = dict(zip(a.labels, (term.unit for term in a.terms), strict=True))
    rows: list[PriorRow] = []
    for e, event in enumerate(model.events):
        own = part_rows(event.baseline, "baseline hazard,", "", "", (Normal, HalfNormal, LogNormal))
        rows += [row | {"parameter": f"{event.name}: {row['parameter']}"} for row in own]
        ratios = zip(covariates.labels, covariates.units, covariates.of_event[e], strict=True)
        acting = [(f"of {label}", unit) for label, unit, used in ratios if used]
        acting += [("on the drug", "against before the drug")] if event.on_drug else []
        for words, unit in acting:
            rows += rows_of(event.effect_prior, f"{event.name}: log hazard ratio {words}", unit, "")
        for predictor, used in zip(predictors, uses[e], strict=True):
            if used:
                rows += _association_rows(model.outcomes[predictor.outcome], predictor, event, term_unit)
    return rows


def _association_rows(outcome: Outcome, p: Predictor, event: Event, term_unit: dict[str, str]) -> list[PriorRow]:
    unit = outcome.modelling_unit
    per = {"value": unit, "rate": f"{unit} per month", "area": f"{unit} x months"}.get(p.form)
    if per is None:
        per = term_unit[f"{outcome.name}:{p.label.partition(':')[2]}"].format(unit=unit)
    given = p.priors[event.name].prior
    prior = given or Normal(mean=p.prior_mean(event), sd=p.prior_sd(event), source=TYPICAL)
    words = f"{event.name}: association with {p.label.replace(':', ', ')}"
    return rows_of(prior, words, f"log hazard ratio per {per}", outcome.name)
