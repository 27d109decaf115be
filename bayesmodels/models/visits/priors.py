"""Priors of courses, visits and hazards, as rows of a model's table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pymc as pm

from bayesmodels.models.outcome import Outcome
from bayesmodels.models.visits.assembly import assemble, parts_of
from bayesmodels.models.visits.course_features import Predictor, predictors_of
from bayesmodels.models.visits.course_model import CourseModel
from bayesmodels.models.visits.design import design_of
from bayesmodels.models.visits.event import Event
from bayesmodels.models.visits.hazard_terms import hazard_covariates
from bayesmodels.parts.curve import Term
from bayesmodels.parts.priors import HalfNormal, LogNormal, Normal, PriorRow, part_rows, prior_row, rows_of
from bayesmodels.study import Study

if TYPE_CHECKING:
    from bayesmodels.models.joint_event import JointEventModel

ON_DRUG = ("on the drug", "against before the drug")
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
    rows = _term_rows(model, dict(zip(a.labels, a.terms, strict=True)))
    for k, effect in zip(model.outcomes, a.slowing, strict=True):
        if effect is not None:
            rows += _share_rows(k.name, effect, len(a.strata) > 1, a.pooling)
    if a.pooling == "partial":
        rows += _group_rows(units, {a.labels[p]: a.terms[p] for p in a.effects})
    if a.free_levels:
        text = "Normal(0, prior SD of the level)"
        rows.append(prior_row("start groups' levels about the mean", text, "", "free baseline", ""))
    return rows + _common_rows(model, a.correlated_walks)


def known_course_rows(model: CourseModel) -> list[PriorRow]:
    """Priors of courses and visits that hold for any study: all but those of start groups and of pairs of strata.

    Parameters
    ----------
    model : LongitudinalModel or JointEventModel

    Returns
    -------
    list of dict
        As of `course_rows`, in the same words.
    """
    with pm.Model(model=None):
        parts = parts_of(model)
    rows = _term_rows(model, parts.terms)
    for k, effect in zip(model.outcomes, parts.slowing(model.outcomes), strict=True):
        if effect is not None:
            rows += _share_rows(k.name, effect, False, "complete")
    return rows + _common_rows(model, model.walk_correlation != "independent" and len(parts.random_walks) > 1)


def known_event_rows(model: JointEventModel) -> list[PriorRow]:
    """Priors of hazards that hold for any study: of start groups and strata, one row whatever their number.

    Parameters
    ----------
    model : JointEventModel

    Returns
    -------
    list of dict
        As of `event_rows`; an association whose prior is made from the outcome's says so.
    """
    rows: list[PriorRow] = []
    for event in model.events:
        rows += _baseline_rows(event)
        acting = [(f"of {name}", "per SD of the covariate") for name in event.covariates]
        acting += [("of a start group", "against the reference group")] if event.start_group else []
        acting += [("of a stratum", "against the first stratum")] if event.stratum else []
        acting += [ON_DRUG] if event.on_drug else []
        for words, unit in acting:
            rows += rows_of(event.effect_prior, f"{event.name}: log hazard ratio {words}", unit, "")
        for association in event.associations:
            words = f"{event.name}: association with {association.form}"
            if association.prior is not None:
                rows += rows_of(association.prior, words, "log hazard ratio", association.outcome)
            else:
                unit = "log hazard ratio per typical SD"
                rows.append(prior_row(words, "Normal(0, 1)", unit, TYPICAL, association.outcome))
    return rows


def _term_rows(model: CourseModel, terms: Mapping[str, Term]) -> list[PriorRow]:
    """Means and SDs of the terms, SDs of visits and random walks, and the parts' own priors."""
    units = {k.name: k.modelling_unit for k in model.outcomes}
    rows: list[PriorRow] = []
    for label, term in terms.items():
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
    return rows


def _group_rows(units: Mapping[str, str], effects: Mapping[str, Term]) -> list[PriorRow]:
    """SDs of the effects between start groups, from the effects' own priors."""
    rows: list[PriorRow] = []
    for label, term in effects.items():
        outcome, _, name = label.partition(":")
        spread = [prior.sd for prior in (term.mean.values() if isinstance(term.mean, dict) else [term.mean])]
        prior = HalfNormal(sd=sum(spread) / len(spread) / 2, source="half the effect's prior SD")
        rows += rows_of(prior, f"SD of {name} between start groups", term.unit.format(unit=units[outcome]), outcome)
    return rows


def _common_rows(model: CourseModel, correlated_walks: bool) -> list[PriorRow]:
    """Slopes of covariates, and correlations."""
    rows: list[PriorRow] = []
    for kind in ("level", "rate", "effect"):
        text = f"Normal(0, half the prior person SD of {kind}, or half its prior SD)"
        for name in getattr(model.covariates, kind):
            rows.append(prior_row(f"{name} on {kind}", text, "per SD of the covariate", DEFAULT, "each"))
    shape = f"LKJ({model.correlation_shape:g})"
    rows.append(prior_row("correlations of random effects", shape, "correlation", DEFAULT, "all"))
    if correlated_walks:
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


def _share_rows(outcome: str, effect: Any, several_strata: bool, pooling: str) -> list[PriorRow]:
    """Priors of the share of the decline that the drug removes."""
    rows = rows_of(effect.share, "share of the decline that the drug removes", "proportion", outcome)
    if several_strata:
        text = f"correlation {effect.correlation:g}"
        rows.append(prior_row("shares of two strata", text, "correlation", "stated with the effect", outcome))
    if pooling == "partial":
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
        rows += _baseline_rows(event)
        ratios = zip(covariates.labels, covariates.units, covariates.of_event[e], strict=True)
        acting = [(f"of {label}", unit) for label, unit, used in ratios if used]
        acting += [ON_DRUG] if event.on_drug else []
        for words, unit in acting:
            rows += rows_of(event.effect_prior, f"{event.name}: log hazard ratio {words}", unit, "")
        for predictor, used in zip(predictors, uses[e], strict=True):
            if used:
                rows += _association_rows(model.outcomes[predictor.outcome], predictor, event, term_unit)
    return rows


def _baseline_rows(event: Event) -> list[PriorRow]:
    own = part_rows(event.baseline, "baseline hazard,", "", "", (Normal, HalfNormal, LogNormal))
    return [row | {"parameter": f"{event.name}: {row['parameter']}"} for row in own]


def _association_rows(outcome: Outcome, p: Predictor, event: Event, term_unit: dict[str, str]) -> list[PriorRow]:
    unit = outcome.modelling_unit
    per = {"value": unit, "rate": f"{unit} per month", "area": f"{unit} x months"}.get(p.form)
    if per is None:
        per = term_unit[f"{outcome.name}:{p.label.partition(':')[2]}"].format(unit=unit)
    given = p.priors[event.name].prior
    prior = given or Normal(mean=p.prior_mean(event), sd=p.prior_sd(event), source=TYPICAL)
    words = f"{event.name}: association with {p.label.replace(':', ', ')}"
    return rows_of(prior, words, f"log hazard ratio per {per}", outcome.name)
