"""Published variables of models of visits: parameters by outcome and stratum, curves, differences, period rates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesmodels.kernels.bounded_mean import bounded_mean
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
    _publish_means(a, cells, p)
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
                if kind == "effect":
                    found = [p.share_slope[k] + unused if k in p.share_slope else v for k, v in enumerate(found)]
                nan = pt.constant(np.full(len(model.covariates.names), np.nan))
                publish(f"covariate_{kind}", pt.stack([nan if v is None else v for v in found]))
    if a.random_terms:
        _publish_persons(a, p)
    publish("residual_sd", _with_all((pt.zeros((strata, 1)) + p.sigma).T, strata))
    if a.random_walks:
        still = np.where(np.isin(np.arange(len(a.outcomes)), a.random_walks), 0.0, np.nan)
        publish("random_walk_sd", _with_all((still + pt.zeros((strata, 1)) + p.random_walk).T, strata))
        _publish_walks(model, a, p)

    courses = _Courses(model, a, data, design, cells, p)
    weeks = tuple(data.curve_weeks)
    later = design.start_weeks[(design.start_weeks > 0) & np.isfinite(design.start_weeks)]
    switch = data.controlled_week or (float(later.min()) if len(later) else np.inf)
    edges, spans = period_edges(switch, max(weeks))
    for prefix, at in courses.kinds():
        curve, start, at_edges = at(weeks), at((0.0,)), at(edges)
        publish(f"{prefix}curve", curve)
        publish(f"{prefix}curve_change", curve - start)
        if groups > 1:
            publish(f"{prefix}difference", curve[:, :-1] - curve[:, -1:])
        publish(f"{prefix}period_rate", (at_edges[..., 1::2] - at_edges[..., ::2]) / spans)
    _publish_visits(a, data, courses)


def _publish_means(a: Assembly, cells: Any, p: Parameters) -> None:
    strata = len(a.strata)
    drugged = np.flatnonzero(a.drugged)
    nan = pt.constant(np.full((strata, len(a.groups)), np.nan))
    for kind in ("level", "rate"):
        if any(at is not None for at in _terms_of(a, kind)):
            publish(f"population_{kind}", _with_all(_stack(a, kind, cells.mean(axis=2), nan[:, 0]), strata))
    if not (a.effects or p.shares) or not len(drugged):
        return
    never = pt.constant(np.where(a.drugged, 0.0, np.nan))
    by_group = [
        p.shares[k] + never if k in p.shares else nan if at is None else cells[at] + never
        for k, at in enumerate(_terms_of(a, "effect"))
    ]
    effect = pt.stack(by_group)
    publish("drug_effect", _with_all(effect[:, :, drugged].mean(axis=2), strata))
    if p.shares:
        slowed = np.where(np.isin(np.arange(len(a.outcomes)), list(p.shares)), 0.0, np.nan)[:, None]
        publish("proportional_slowing", _with_all(effect[:, :, drugged].mean(axis=2) + slowed, strata))
    if strata > 1:
        effect = pt.concatenate([effect, pt.full_like(effect[:, :1], np.nan)], axis=1)
    publish("group_drug_effect", effect)
    if p.group_sd is not None:
        found = [None if at is None else p.group_sd[a.effects.index(at)] for at in _terms_of(a, "effect")]
        publish("group_effect_sd", pt.stack([pt.constant(np.nan) if v is None else v for v in found]))


def _publish_persons(a: Assembly, p: Parameters) -> None:
    labels = [a.labels[at] for at in a.random_terms]
    coords = pm.modelcontext(None).coords
    of_outcome = dict(zip(coords["outcome"], coords["outcome:unit"], strict=True))
    units = [a.terms[at].unit.format(unit=of_outcome[a.labels[at].partition(":")[0]]) for at in a.random_terms]
    pm.modelcontext(None).add_coords({"term": labels, "term_other": labels, "term:term_unit": units})
    publish("person_sd", _with_all((pt.zeros((len(a.strata), 1)) + p.sd).T, len(a.strata)))
    if len(labels) > 1:
        publish("person_correlation", correlation_matrix(p.partial, len(labels)) * _as_pearson(a, p))
    if a.skewed_term is not None:
        name = a.labels[a.skewed_term].rpartition(":")[0]
        publish("rate_skewness", pt.stack([p.skew[0] if name == k else pt.constant(np.nan) for k in a.outcomes]))


def _as_pearson(a: Assembly, p: Parameters) -> Any:
    """Factor from correlations of the normal z of the random effects to those of the effects themselves, (q, q).

    The correlation of a shifted log-normal with a normal variable is k / sqrt(exp(k^2) - 1) of that of its z.
    """
    q = len(a.random_terms)
    if a.skewed_term is None:
        return pt.ones((q, q))
    k = pt.maximum(p.skew[0], 1e-4)
    with_it = np.zeros((q, q))
    with_it[0, 1:] = with_it[1:, 0] = 1.0
    return 1.0 + with_it * (k / pt.sqrt(pt.expm1(k**2)) - 1.0)


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


def _publish_visits(a: Assembly, data: Study, courses: _Courses) -> None:
    """Means and persons' bases at the nominal visits: what criteria of surrogacy are computed from."""
    visits = (0.0, *(week for week in data.nominal_weeks if week > 0))
    pm.modelcontext(None).add_coords({"visit_week": visits})
    publish("visit_mean", courses.bounded(visits))
    if a.random_terms:
        publish("person_basis", courses.person_basis(visits))


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


class _Courses:
    """Mean courses by start group and stratum, latent and bounded, at weeks since randomisation."""

    def __init__(self, model: CourseModel, a: Assembly, data: Study, design: Design, cells: Any, p: Parameters) -> None:
        self.model, self.a, self.data, self.design, self.cells, self.p = model, a, data, design, cells, p
        self.limited = [k for k, outcome in enumerate(model.outcomes) if outcome.limits is not None]

    def kinds(self) -> list[tuple[str, Any]]:
        """Prefix of published names, and function of weeks to courses (outcome, start_group, stratum and `all`, week).

        Where no outcome has limits there is one kind: latent means are the means.
        """
        return [("", self.bounded), ("latent_", self._latent_of_limited)] if self.limited else [("", self.latent)]

    def latent(self, weeks: Sequence[float]) -> Any:
        """Means on the modelling scale, of courses that know no limits."""
        return self._mixed(pt.stack([self._latent(k, weeks) for k in range(len(self.a.outcomes))]))

    def bounded(self, weeks: Sequence[float]) -> Any:
        """The same; for outcomes with limits the population's mean of the true value, cut at the limits."""
        if not self.limited:
            return self.latent(weeks)
        courses = [
            self._bounded(k, weeks) if k in self.limited else self._latent(k, weeks)
            for k in range(len(self.a.outcomes))
        ]
        return self._mixed(pt.stack(courses))

    def person_basis(self, weeks: Sequence[float]) -> Any:
        """What a unit of each random term adds, (outcome, term, start_group, stratum and `all`, week)."""
        rows = []
        for k in range(len(self.a.outcomes)):
            basis = self._basis(k, weeks)
            nothing = pt.zeros((len(self.a.groups), len(self.a.strata), len(weeks)))
            rows.append(pt.stack([basis[p] + nothing if p in basis else nothing for p in self.a.random_terms]))
        return self._mixed(pt.stack(rows))

    def _latent_of_limited(self, weeks: Sequence[float]) -> Any:
        """Latent means; NaN for outcomes without limits, whose means they are."""
        without = np.where(np.isin(np.arange(len(self.a.outcomes)), self.limited), 0.0, np.nan)
        return self.latent(weeks) + without[:, None, None, None]

    def _mixed(self, values: Any) -> Any:
        """(..., stratum, week) with the mixture `all`, which weighs strata by their persons, where there are strata."""
        if len(self.a.strata) == 1:
            return values
        return pt.concatenate([values, (values * self.design.shares[:, None]).sum(axis=-2, keepdims=True)], axis=-2)

    def _latent(self, k: int, weeks: Sequence[float]) -> Any:
        """Outcome k, (start_group, stratum, week)."""
        basis = self._basis(k, weeks)
        return sum(self.cells[p].T[:, :, None] * values for p, values in basis.items())

    def _bounded(self, k: int, weeks: Sequence[float]) -> Any:
        """Outcome k, (start_group, stratum, week): the mean over persons of the true value cut at the limits."""
        a, p, outcome = self.a, self.p, self.model.outcomes[k]
        assert outcome.modelling_limits is not None
        basis = self._basis(k, weeks)
        strata, t = len(a.strata), months(np.asarray(weeks, float))
        loadings = [
            basis[at] + pt.zeros((len(a.groups), strata, len(weeks))) if at in basis else None for at in a.random_terms
        ]
        own = [j for j, loading in enumerate(loadings) if loading is not None]
        walk = (pt.zeros((strata, 1)) + p.random_walk)[:, k] ** 2
        shrinking = outcome.random_walk_time_constant is not None
        months_walked = -pt.expm1(-2.0 * p.decay[k] * t) / (2.0 * p.decay[k]) if shrinking else t
        found = bounded_mean(
            self._latent(k, weeks),
            pt.stack([loadings[j] for j in own]) if own else pt.zeros((0, len(a.groups), strata, len(weeks))),
            (pt.zeros((strata, 1)) + p.sd)[:, own],
            correlation_matrix(p.partial, len(a.random_terms))[own][:, own] if own else pt.zeros((0, 0)),
            walk[:, None] * months_walked,
            p.skew[0],
            self._by_covariates(k, weeks),
            self.design.stratum if self.design.covariates.shape[1] else self.design.stratum[:0],
            *self._share_by_covariates(k, own, weeks),
            limits=outcome.modelling_limits,
            sign=a.skewed_sign if own and a.random_terms[own[0]] == a.skewed_term else 0,
        )
        return pt.specify_shape(found, (len(a.groups), strata, len(weeks)))  # one week broadcasts over the others

    def _share_by_covariates(self, k: int, own: Sequence[int], weeks: Sequence[float]) -> tuple[Any, Any]:
        """What covariates add to a person's share, (person,), and what a share of 1 removes, (term, group, week)."""
        nothing = pt.zeros((len(self.a.groups), len(weeks)))
        removed = self._basis_and_removed(k, weeks)[1]
        terms = [self.a.random_terms[j] for j in own]
        rows = [removed[at] + nothing if at in removed else nothing for at in terms]
        x = self.design.covariates
        more = x @ self.p.share_slope[k] if k in self.p.share_slope else pt.zeros(len(x) if x.shape[1] else 0)
        return more, pt.stack(rows) if rows else pt.zeros((0, len(self.a.groups), len(weeks)))

    def _by_covariates(self, k: int, weeks: Sequence[float]) -> Any:
        """What the covariates of every person add, (start_group, person, week); no person where there are none."""
        x, stratum, p = self.design.covariates, self.design.stratum, self.p
        if not x.shape[1]:
            return pt.zeros((len(self.a.groups), 0, len(weeks)))
        whole = pt.zeros((len(self.a.groups), len(self.a.strata), len(weeks)))
        found = 0.0
        for at, values in self._basis(k, weeks).items():
            found = found + (x @ p.slope[:, at])[None, :, None] * (values + whole)[:, stratum]
        if k in p.share_slope:
            for at, values in self._basis_and_removed(k, weeks)[1].items():
                mean = self.cells[at].T[:, stratum] + (x @ p.slope[:, at])[None]
                found = (
                    found - ((x @ p.share_slope[k])[None] * mean)[:, :, None] * (values[:, None] + whole)[:, stratum]
                )
        return found

    def _basis(self, k: int, weeks: Sequence[float]) -> dict[int, Any]:
        """Basis of outcome k by term, (start_group, stratum or 1, week)."""
        share = self.p.shares[k].T[:, :, None] if k in self.p.shares else None
        plain, removed = self._basis_and_removed(k, weeks)
        return {
            at: values[:, None, :] - share * removed[at][:, None, :] if at in removed else values[:, None, :]
            for at, values in plain.items()
        }

    def _basis_and_removed(self, k: int, weeks: Sequence[float]) -> tuple[dict[int, Any], dict[int, Any]]:
        """As of `Assembly.basis_and_removed`, (start_group, week)."""
        t = months(np.asarray(weeks, float))
        starts = self.design.start_weeks
        starts = np.where(np.isfinite(starts), months(np.minimum(starts, 1e9)), NEVER)
        since_start = t[None, :] - starts[:, None]
        grid = np.broadcast_to(t, since_start.shape)
        return self.a.basis_and_removed(k, pt.as_tensor_variable(grid.copy()), pt.as_tensor_variable(since_start))
