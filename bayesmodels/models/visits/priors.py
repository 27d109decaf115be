"""Priors of courses and visits, as rows of a model's table."""

from __future__ import annotations

import pymc as pm

from bayesmodels.models.visits.assembly import assemble
from bayesmodels.models.visits.course_model import CourseModel
from bayesmodels.models.visits.design import design_of
from bayesmodels.parts.priors import HalfNormal, PriorRow, part_rows, prior_row, rows_of
from bayesmodels.study import Study

DEFAULT = "package default"


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
        for kind in ("trajectory", "effect"):
            rows += part_rows(getattr(k, kind), kind, k.modelling_unit, k.name)
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
    rows.append(prior_row("correlations of person terms", shape, "correlation", DEFAULT, "all"))
    return rows
