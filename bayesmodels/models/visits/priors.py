"""Priors of a longitudinal model, or of the longitudinal part of a joint one, as a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
from pydantic import BaseModel

from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.outcome import Outcome
from bayesmodels.models.visits.assembly import assemble
from bayesmodels.models.visits.design import design_of
from bayesmodels.parts.priors import HalfNormal, LogNormal, MeanPrior, Normal
from bayesmodels.study import Study

COLUMNS = ["outcome", "parameter", "stratum", "prior", "unit", "source"]


def longitudinal_prior_table(model: LongitudinalModel | JointEventModel, data: Study) -> pd.DataFrame:
    """Every prior of courses and visits: one row a parameter and, where priors differ, a stratum.

    Parameters
    ----------
    model : LongitudinalModel or JointEventModel
    data : Study
        For its strata and start groups; priors never depend on its values.

    Returns
    -------
    DataFrame
        Columns outcome, parameter, stratum, prior, unit, source; units on the modelling scale.
    """
    import pymc as pm

    with pm.Model():
        a = assemble(model, data, design_of(data, model.outcomes, ()))
    units = {k.name: k.modelling_unit for k in model.outcomes}
    rows: list[dict[str, Any]] = []
    for label, term in zip(a.labels, a.terms, strict=True):
        outcome, _, name = label.partition(":")
        unit = term.unit.format(unit=units[outcome])
        rows += _rows(outcome, f"mean {name}", term.mean, unit)
        if term.person_sd is not None:
            rows += _rows(outcome, f"person SD of {name}", term.person_sd, unit)
    for outcome in model.outcomes:
        rows += _rows(outcome.name, "residual SD", outcome.residual_sd_prior, outcome.modelling_unit)
        if outcome.wander_sd is not None:
            unit = f"{outcome.modelling_unit} per square root of a month"
            rows += _rows(outcome.name, "SD of the Brownian path", outcome.wander_sd, unit)
        rows += [row for part in ("trajectory", "effect") for row in _shape_rows(outcome, part)]
    if a.pooling == "partial":
        for p in a.effects:
            outcome, _, name = a.labels[p].partition(":")
            means = a.terms[p].mean
            spread = [prior.sd for prior in (means.values() if isinstance(means, dict) else [means])]
            prior = HalfNormal(sd=sum(spread) / len(spread) / 2, source="half the effect's prior SD")
            rows += _rows(
                outcome, f"SD of {name} between start groups", prior, a.terms[p].unit.format(unit=units[outcome])
            )
    if a.free_levels:
        rows.append(
            _row(
                "",
                "start groups' levels about the mean",
                "all",
                "Normal(0, prior SD of the level)",
                "",
                "free baseline",
            )
        )
    for kind in ("level", "rate", "effect"):
        for name in getattr(model.covariates, kind):
            text = f"Normal(0, half the prior person SD of {kind}, or half its prior SD)"
            rows.append(_row("each", f"{name} on {kind}", "all", text, "per SD of the covariate", "package default"))
    shape = f"LKJ({model.correlation_shape:g})"
    rows.append(_row("all", "correlations of person terms", "all", shape, "correlation", "package default"))
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(outcome: str, parameter: str, stratum: str, prior: str, unit: str, source: str) -> dict[str, Any]:
    return dict(zip(COLUMNS, (outcome, parameter, stratum, prior, unit, source), strict=True))


def _rows(outcome: str, parameter: str, prior: MeanPrior | HalfNormal | LogNormal, unit: str) -> list[dict[str, Any]]:
    by_label = prior if isinstance(prior, dict) else {"all": prior}
    return [_row(outcome, parameter, label, str(p), unit, p.source) for label, p in by_label.items()]


def _shape_rows(outcome: Outcome, part: str) -> Iterator[dict[str, Any]]:
    """Priors of a part's own parameters: lags, time constants, decelerations; or the number that one is taken to be."""
    value: BaseModel = getattr(outcome, part)
    for field in type(value).model_fields:
        prior = getattr(value, field)
        unit = "per month" if field == "rho" else "number" if field == "stages" else "months"
        if isinstance(prior, float):
            yield _row(outcome.name, f"{part} {field}", "all", f"fixed at {prior:g}", unit, "taken as known")
        elif isinstance(prior, LogNormal):
            yield _row(outcome.name, f"{part} {field}", "all", str(prior), unit, prior.source)
        elif isinstance(prior, Normal) and field == "gain":
            unit = f"{outcome.modelling_unit} per month per unit followed"
            yield _row(outcome.name, f"{part} {field}", "all", str(prior), unit, prior.source)
