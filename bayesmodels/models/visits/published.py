"""Published variables of models of visits: parameters by outcome and stratum, curves, differences, period rates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesmodels.kernels.correlation import correlation_matrix
from bayesmodels.models.publish import period_edges, publish
from bayesmodels.models.visits.assembly import Assembly
from bayesmodels.models.visits.course_model import CourseModel
from bayesmodels.models.visits.design import NEVER, Design
from bayesmodels.models.visits.terms import Parameters
from bayesmodels.study import Study
from bayesmodels.vocabulary import VARIABLES, months


def publish_longitudinal(model: CourseModel, a: Assembly, data: Study, design: Design, p: Parameters) -> None:
    """Publish the vocabulary's variables in the current PyMC model."""
    strata, groups, n_terms = len(a.strata), len(a.groups), len(a.labels)
    cells = pt.zeros((n_terms, strata, groups)) + p.mean[:, :, None]
    if a.shifting_terms:
        cells = pt.set_subtensor(
            cells[list(a.shifting_terms)],
            cells[list(a.shifting_terms)] + p.shift.reshape((len(a.shifting_terms), strata, groups)),
        )
    _publish_means(a, cells, p.group_sd)
    for name in sorted({n for curve in (*a.trajectories, *a.effect_curves) for n in curve.published}):
        if VARIABLES[name].dims == ("outcome",):
            both = [{**t.published, **e.published} for t, e in zip(a.trajectories, a.effect_curves, strict=True)]
            publish(name, pt.stack([pt.as_tensor_variable(found.get(name, np.nan)) for found in both]))
    if model.covariates.names:
        for kind in ("level", "rate", "effect"):
            used = getattr(model.covariates, kind)
            if used:
                unused = np.array([0.0 if name in used else np.nan for name in model.covariates.names])
                found = [None if at is None else p.slope[:, at] + unused for at in _terms_of(a, kind)]
                nan = pt.constant(np.full(len(model.covariates.names), np.nan))
                publish(f"covariate_{kind}", pt.stack([nan if v is None else v for v in found]))
    if a.random_terms:
        _publish_persons(a, p.sd, p.partial)
    publish("residual_sd", _with_all((pt.zeros((strata, 1)) + p.sigma).T, strata))
    if a.random_walks:
        still = np.where(np.isin(np.arange(len(a.outcomes)), a.random_walks), 0.0, np.nan)
        publish("random_walk_sd", _with_all((still + pt.zeros((strata, 1)) + p.random_walk).T, strata))
        _publish_walks(model, a, p)

    weeks = tuple(data.curve_weeks)
    curve = _curves(a, design, cells, weeks)
    start = _curves(a, design, cells, (0.0,))
    publish("curve", curve)
    publish("curve_change", curve - start)
    if groups > 1:
        publish("difference", curve[:, :-1] - curve[:, -1:])
    later = design.start_weeks[(design.start_weeks > 0) & np.isfinite(design.start_weeks)]
    switch = data.controlled_week or (float(later.min()) if len(later) else np.inf)
    edges, spans = period_edges(switch, max(weeks))
    at_edges = _curves(a, design, cells, edges)
    publish("period_rate", (at_edges[..., 1::2] - at_edges[..., ::2]) / spans)
    _publish_visits(a, data, design, cells)


def _publish_means(a: Assembly, cells: Any, group_sd: Any) -> None:
    strata = len(a.strata)
    drugged = np.flatnonzero(a.drugged)
    nan = pt.constant(np.full((strata, len(a.groups)), np.nan))
    for kind in ("level", "rate"):
        if any(p is not None for p in _terms_of(a, kind)):
            publish(f"population_{kind}", _with_all(_stack(a, kind, cells.mean(axis=2), nan[:, 0]), strata))
    if not a.effects or not len(drugged):
        return
    publish("drug_effect", _with_all(_stack(a, "effect", cells[:, :, drugged].mean(axis=2), nan[:, 0]), strata))
    never = pt.constant(np.where(a.drugged, 0.0, np.nan))
    group_effect = _stack(a, "effect", cells + never, nan)
    if strata > 1:
        group_effect = pt.concatenate([group_effect, pt.full_like(group_effect[:, :1], np.nan)], axis=1)
    publish("group_drug_effect", group_effect)
    if group_sd is not None:
        found = [None if p is None else group_sd[a.effects.index(p)] for p in _terms_of(a, "effect")]
        publish("group_effect_sd", pt.stack([pt.constant(np.nan) if v is None else v for v in found]))


def _publish_persons(a: Assembly, sd: Any, partial: Any) -> None:
    labels = [a.labels[p] for p in a.random_terms]
    coords = pm.modelcontext(None).coords
    of_outcome = dict(zip(coords["outcome"], coords["outcome:unit"], strict=True))
    units = [a.terms[p].unit.format(unit=of_outcome[a.labels[p].partition(":")[0]]) for p in a.random_terms]
    pm.modelcontext(None).add_coords({"term": labels, "term_other": labels, "term:term_unit": units})
    publish("person_sd", _with_all((pt.zeros((len(a.strata), 1)) + sd).T, len(a.strata)))
    if len(labels) > 1:
        publish("person_correlation", correlation_matrix(partial, len(labels)))


def _publish_walks(model: CourseModel, a: Assembly, p: Parameters) -> None:
    """Correlation of the outcomes' random walks, and the months in which their steps shrink."""
    shrinking = [k.random_walk_time_constant is not None for k in model.outcomes]
    if any(shrinking):
        publish("random_walk_time_constant", pt.switch(shrinking, 1.0 / p.decay, np.nan))
    if a.correlated_walks:
        pm.modelcontext(None).add_coords({"outcome_other": a.outcomes})
        n, walking = len(a.outcomes), np.array(a.random_walks)
        found = correlation_matrix(p.walk_partial, len(walking))
        nan = pt.constant(np.full((n, n), np.nan))
        publish("walk_correlation", pt.set_subtensor(nan[np.ix_(walking, walking)], found))


def _publish_visits(a: Assembly, data: Study, design: Design, cells: Any) -> None:
    """Means and persons' bases at the nominal visits: what criteria of surrogacy are computed from."""
    visits = (0.0, *(week for week in data.nominal_weeks if week > 0))
    pm.modelcontext(None).add_coords({"visit_week": visits})
    publish("visit_mean", _curves(a, design, cells, visits))
    if a.random_terms:
        rows = []
        for k in range(len(a.outcomes)):
            basis = _basis(a, design, k, visits)
            nothing = pt.zeros((len(a.groups), len(visits)))
            rows.append(pt.stack([basis.get(p, nothing) for p in a.random_terms]))
        publish("person_basis", pt.stack(rows))


def _terms_of(a: Assembly, kind: str) -> list[int | None]:
    """Term `<outcome>:<kind>` of every outcome, None where it has none."""
    return [a.labels.index(f"{k}:{kind}") if f"{k}:{kind}" in a.labels else None for k in a.outcomes]


def _stack(a: Assembly, kind: str, values: Any, nan: Any) -> Any:
    """Rows of `values` (term, ...) by outcome, `nan` where the outcome has no such term."""
    return pt.stack([nan if p is None else values[p] for p in _terms_of(a, kind)])


def _with_all(values: Any, strata: int) -> Any:
    """(..., stratum) with NaN for the mixture `all`, where there are strata."""
    if strata == 1:
        return values
    return pt.concatenate([values, pt.full_like(values[..., :1], np.nan)], axis=-1)


def _curves(a: Assembly, design: Design, cells: Any, weeks: Sequence[float]) -> Any:
    """Mean courses, (outcome, start_group, stratum and `all`, week): the mixture weighs strata by their persons."""
    curves = []
    for k in range(len(a.outcomes)):
        basis = _basis(a, design, k, weeks)
        curves.append(sum(cells[p].T[:, :, None] * values[:, None, :] for p, values in basis.items()))
    stacked = pt.stack(curves)
    if len(a.strata) == 1:
        return stacked
    mixture = (stacked * design.shares[:, None]).sum(axis=2, keepdims=True)
    return pt.concatenate([stacked, mixture], axis=2)


def _basis(a: Assembly, design: Design, k: int, weeks: Sequence[float]) -> dict[int, Any]:
    """Basis of outcome k by term, (start_group, week)."""
    t = months(np.asarray(weeks, float))
    starts = np.where(np.isfinite(design.start_weeks), months(np.minimum(design.start_weeks, 1e9)), NEVER)
    since_start = t[None, :] - starts[:, None]
    grid = np.broadcast_to(t, since_start.shape)
    return a.basis(k, pt.as_tensor_variable(grid.copy()), pt.as_tensor_variable(since_start))
