"""Parameters of a longitudinal model in PyMC: means of the terms, deviations of start groups, SDs, correlations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from scipy.linalg import helmert

from bayesmodels.errors import BadInput
from bayesmodels.kernels.correlation import lkj_shapes
from bayesmodels.kernels.linear_mixed.op import Inputs
from bayesmodels.kernels.spread import spread
from bayesmodels.models.visits.assembly import Assembly
from bayesmodels.models.visits.course_model import CourseModel
from bayesmodels.parts.priors import HalfNormal, LogNormal, by_stratum
from bayesmodels.parts.sampling_scale import half_normal

CONTRASTS_KNOWN_TO = 0.25
"""How well trials tell contrasts of start groups, as a part of the prior scale of their SD; of the sampler only.

A contrast sampled as SD x z is narrow in z where the SD is large, one sampled as it is has a funnel where the SD is
small. As SD x w / sqrt(1 + (SD / known)^2) it has neither, if `known` is about its standard error."""


@dataclass(frozen=True)
class Parameters:
    """Tensors of a longitudinal model's parameters; shapes as in `kernels.linear_mixed.op.Inputs`.

    `group_sd` (effect,): SD of the drug effects between start groups, None unless pooling is partial. `shares`: by
    outcome whose course the drug slows, the share removed, (stratum, start group), means over persons; `share_slope`:
    by such outcome, change of the share per SD of a covariate, (covariate,).
    """

    mean: Any
    shift: Any
    group_sd: Any
    slope: Any
    sd: Any
    partial: Any
    sigma: Any
    random_walk: Any
    walk_partial: Any
    decay: Any
    skew: Any
    shares: Mapping[int, Any]
    share_slope: Mapping[int, Any]

    def person_shares(self, values: Mapping[str, Any]) -> dict[int, Any]:
        """Share that the drug removes of each person's course, (person,), by outcome that it slows."""
        cell, covariates = values["person_cell"], values["person_covariates"]
        found = {k: spread(share.ravel(), cell[None, :])[0] for k, share in self.shares.items()}
        return {k: v + covariates @ self.share_slope[k] if k in self.share_slope else v for k, v in found.items()}

    def inputs(self, values: Mapping[str, Any], mean: Any, slope: Any) -> Inputs:
        """Inputs of the likelihood; `values` are `design.as_data`, `mean` and `slope` from `Assembly.bases`."""
        return Inputs(
            values["visits_elapsed"],
            values["visit_count"],
            values["person_stratum"],
            values["person_cell"],
            values["person_covariates"],
            mean,
            self.shift,
            slope,
            self.sd,
            self.partial,
            self.sigma,
            self.random_walk,
            self.walk_partial,
            self.decay,
            self.skew,
        )


def longitudinal_parameters(model: CourseModel, a: Assembly) -> Parameters:
    """Random variables of the current PyMC model, under the priors of a model's outcomes.

    Parameters
    ----------
    model : LongitudinalModel or JointEventModel
    a : Assembly

    Raises
    ------
    BadInput
        A prior by stratum lacks one of the study's strata.
    """
    _check_strata(a)
    group_sd, skew = _group_sd(a), _skewness(model, a)
    sd = _term_sds(model, a, skew)
    mean = _term_means(a, group_sd, sd, skew)
    shift = _group_deviations(a, group_sd)
    slope = _covariate_slopes(model, a)
    strata = len(a.strata)
    partial = _partial_correlations(len(a.random), model.correlation_shape)
    errors = [k.residual_sd_prior.sd for k in model.outcomes]
    rows = strata if model.residual_sd == "by_stratum" else 1
    sigma = half_normal("error_sd", errors, (rows, len(errors)))
    return Parameters(
        mean,
        shift,
        group_sd,
        slope,
        sd,
        partial,
        sigma,
        _random_walk_sd(model, rows),
        _walk_partial_correlations(model, a),
        _walk_decay(model),
        skew,
        _shares(a),
        _share_slopes(model, a),
    )


def _skewness(model: CourseModel, a: Assembly) -> Any:
    """Skewness of the skewed rate, (1,)."""
    if a.skewed_term is None:
        return pt.zeros(1)
    name = a.labels[a.skewed_term].rpartition(":")[0]
    prior = next(k.rate_skewness for k in model.outcomes if k.name == name)
    if isinstance(prior, HalfNormal):
        return half_normal(f"{name}_rate_skewness", prior.sd)[None]
    return pt.constant(np.array([prior], float))


def _at_median(a: Assembly, skew: Any) -> tuple[Any, Any]:
    """Slope dg/dz of a skewed rate at its median, and g there (`kernels.linear_mixed.skewed`); scalars.

    Visits tell of the bulk of the persons. The SD and the mean also depend on a tail of which few persons tell, so that
    a sampler of SD, mean and skewness meets three parameters of which one combination is known far better than the
    others. Sampled instead are the SD times this slope and the median, under the same prior.
    """
    k = pt.sqrt(skew[0] ** 2 + 1e-30)  # 1 and 0 at a skewness of 0
    unit = pt.sqrt(pt.expm1(k**2))
    return k * pt.exp(-0.5 * k**2) / unit, a.skewed_sign * pt.expm1(-0.5 * k**2) / unit


def _term_sds(model: CourseModel, a: Assembly, skew: Any) -> Any:
    """SDs of the terms between persons, (stratum or 1, random term); a skewed one by the slope at its median."""
    sds = np.array([term.person_sd.sd for term in a.random if term.person_sd is not None])
    shape = (len(a.strata) if model.person_sd == "by_stratum" else 1, len(sds))
    if a.skewed_term is None:
        return half_normal("term_sd", sds, shape)
    slope = pt.concatenate([_at_median(a, skew)[0][None], pt.ones(len(sds) - 1)])
    return half_normal("term_sd_at_median", sds * slope, shape, sampled=sds) / slope


def _shares(a: Assembly) -> dict[int, Any]:
    """Share that the drug removes of an outcome's course, (stratum, start group), by outcome that it slows.

    The mean over the G start groups that start the drug is a stratum's share: a part common to the strata, the
    stratum's own and 1 / G of the variance between groups; deviations of the groups from it are orthonormal contrasts,
    and zero in groups without the drug. Under pooling "none" the stratum's own part is each group's.
    """
    strata, drugged, found = len(a.strata), np.flatnonzero(a.drugged), {}
    for k, effect in enumerate(a.slowing):
        if effect is None or not len(drugged):
            continue
        name, sd, correlation = a.outcomes[k], effect.share.sd, effect.correlation if strata > 1 else 0.0
        own = sd**2 * (1.0 - correlation)
        between = {"complete": 0.0, "partial": effect.group_sd**2, "none": own}[a.pooling]
        of_mean = between / len(drugged) + (own if a.pooling != "none" else 0.0)
        factor = np.linalg.cholesky(max(of_mean, 1e-12) * np.eye(strata) + sd**2 * correlation)
        z = pm.Normal(f"{name}_share", 0.0, 1.0, shape=(strata,))
        share = (effect.share.mean + (factor * z).sum(axis=1))[:, None] + pt.zeros((1, len(a.groups)))
        if between > 0:
            contrasts = np.zeros((len(a.groups), len(drugged) - 1))
            contrasts[drugged] = helmert(len(drugged)).T
            z = pm.Normal(f"{name}_share_contrast", 0.0, 1.0, shape=(strata, len(drugged) - 1))
            share = share + np.sqrt(between) * (z[:, None, :] * contrasts).sum(axis=-1)
        found[k] = share
    return found


def _share_slopes(model: CourseModel, a: Assembly) -> dict[int, Any]:
    """Change of the share per SD of a covariate, (covariate,), by outcome that the drug slows."""
    names, used = model.covariates.names, model.covariates.effect
    if not used or not a.drugged.any():
        return {}
    found = {}
    for k, effect in enumerate(a.slowing):
        if effect is not None:
            slope = pm.Normal(f"{a.outcomes[k]}_share_slope", 0.0, effect.share.sd / 2, shape=(len(used),))
            place = (np.array(used)[:, None] == np.array(names)[None, :]).astype(float)
            found[k] = (slope[:, None] * place).sum(axis=0)
    return found


def _check_strata(a: Assembly) -> None:
    problems = [
        f"model: {label}: expected a prior for stratum {stratum!r}, found {', '.join(term.mean)}; "
        "add it, or give one prior for all strata"
        for label, term in zip(a.labels, a.terms, strict=True)
        if isinstance(term.mean, dict)
        for stratum in a.strata
        if stratum not in term.mean
    ]
    if problems:
        raise BadInput(problems)


def _term_means(a: Assembly, group_sd: Any, person_sd: Any, skew: Any) -> Any:
    """Means of the terms over persons and start groups, (term, stratum); of a skewed one is sampled its median.

    The mean over G start groups of effects drawn from Normal(m, s^2) with SD tau between groups is
    Normal(m, s^2 + tau^2 / G) (`group_sd`, pooling partial); of independent effects, Normal(m, s^2 / G) (pooling none).
    """
    priors = [by_stratum(term.mean, a.strata) for term in a.terms]
    mean = np.array([[prior.mean for prior in row] for row in priors])
    sd = np.array([[prior.sd for prior in row] for row in priors])
    if a.pooling == "none":
        sd[list(a.effects)] /= np.sqrt(a.drugged.sum())
    if group_sd is not None:
        of_effect = np.eye(len(a.terms))[:, list(a.effects)] / a.drugged.sum()
        sd = pt.sqrt(sd**2 + (of_effect * group_sd**2).sum(axis=1, keepdims=True))
    if a.skewed_term is None:
        return pm.Normal("term_mean", mean, sd, dims=("any_term", "fitted_stratum"))
    below = np.eye(len(a.terms))[a.skewed_term][:, None] * (person_sd[:, 0] * _at_median(a, skew)[1])
    return pm.Normal("term_median", mean + below, sd, dims=("any_term", "fitted_stratum")) - below


def _group_sd(a: Assembly) -> Any:
    """SD of the drug effects between start groups, (effect,); None unless pooling is partial."""
    if a.pooling != "partial" or not a.effects:
        return None
    return half_normal("effect_group_sd", _group_sd_scale(a), (len(a.effects),))


def _group_sd_scale(a: Assembly) -> np.ndarray:
    """Scale of the half-normal prior of the SD of the drug effects between start groups, (effect,)."""
    return _prior_sd(a, a.effects).mean(axis=1) / 2


def _group_deviations(a: Assembly, group_sd: Any) -> Any:
    """Deviations of the start groups from the terms' means, (shifting term, stratum x group).

    Effects: orthonormal contrasts of the groups that start the drug, so that the deviations sum to zero.
    """
    groups, strata = len(a.groups), len(a.strata)
    rows = []
    if a.pooling != "complete" and a.effects:
        drugged = np.flatnonzero(a.drugged)
        contrasts = np.zeros((groups, len(drugged) - 1))
        contrasts[drugged] = helmert(len(drugged)).T
        shape = (len(a.effects), strata, len(drugged) - 1)
        if group_sd is None:
            z, scale = pm.Normal("effect_contrast", 0.0, 1.0, shape=shape), _prior_sd(a, a.effects)[:, :, None]
        else:
            known = _group_sd_scale(a) * CONTRASTS_KNOWN_TO
            spread_of_known = pt.sqrt(1.0 + (group_sd / known) ** 2)[:, None, None]
            z = pm.Normal("scaled_effect_contrast", 0.0, spread_of_known, shape=shape)
            scale = group_sd[:, None, None] / spread_of_known
        deviation = scale * (z[:, :, None, :] * contrasts).sum(axis=-1)
        rows.append(deviation.reshape((len(a.effects), strata * groups)))
    if a.free_levels:
        sds = _prior_sd(a, a.free_levels)[:, :, None]
        free = pm.Normal("level_deviation", 0.0, sds, shape=(len(a.free_levels), strata, groups - 1))
        free = pt.concatenate([free, pt.zeros((len(a.free_levels), strata, 1))], axis=2)
        rows.append(free.reshape((len(a.free_levels), strata * groups)))
    if not rows:
        return pt.zeros((0, strata * groups))
    return rows[0] if len(rows) == 1 else pt.concatenate(rows, axis=0)


def _prior_sd(a: Assembly, terms: Sequence[int]) -> np.ndarray:
    """Prior SD of the means of some terms, (term, stratum)."""
    return np.array([[prior.sd for prior in by_stratum(a.terms[p].mean, a.strata)] for p in terms])


def _covariate_slopes(model: CourseModel, a: Assembly) -> Any:
    """Change of every term's mean per SD of a covariate, (covariate, term); zero where not asked for."""
    names, used = model.covariates.names, []
    for p, label in enumerate(a.labels):
        kind = label.partition(":")[2]
        for name in getattr(model.covariates, kind, ()):
            used.append((names.index(name), p, _covariate_sd(a, p, kind)))
    if not used:
        return pt.zeros((len(names), len(a.labels)))
    rows, columns, sds = (np.array(v) for v in zip(*used, strict=True))
    slopes = pm.Normal("covariate_slope", 0.0, sds, shape=(len(used),))
    return pt.set_subtensor(pt.zeros((len(names), len(a.labels)))[rows, columns], slopes)


def _covariate_sd(a: Assembly, p: int, kind: str) -> float:
    """Half the typical spread, rate or effect per SD of a covariate: the prior SD of its coefficient."""
    term = a.terms[p]
    if kind != "effect" and term.person_sd is not None:
        return term.person_sd.sd / 2
    return float(_prior_sd(a, [p]).mean()) / 2


def _random_walk_sd(model: CourseModel, rows: int) -> Any:
    """SDs of the Brownian paths, (`rows`, outcome); zero for outcomes without a random walk."""
    priors = [(k, outcome.random_walk_sd.sd) for k, outcome in enumerate(model.outcomes) if outcome.random_walk_sd]
    if not priors:
        return pt.zeros((rows, len(model.outcomes)))
    outcomes, sds = zip(*priors, strict=True)
    found = half_normal("path_sd", sds, (rows, len(sds)))
    if len(sds) == len(model.outcomes):
        return found
    return (found[:, :, None] * np.eye(len(model.outcomes))[list(outcomes)]).sum(axis=1)


def _walk_partial_correlations(model: CourseModel, a: Assembly) -> Any:
    """Canonical partial correlations of the random walks, (w (w - 1) / 2,); zero where independent."""
    w = len(a.random_walks)
    if not a.correlated_walks:
        return pt.zeros((w * (w - 1) // 2,))
    return _partial_correlations(w, float(model.walk_correlation), "walk_partial_correlation")


def _walk_decay(model: CourseModel) -> Any:
    """1 / the months in which the steps of the outcomes' random walks shrink to 1 / e, (outcome,); 0 without."""
    decay = pt.zeros((len(model.outcomes),))
    for k, outcome in enumerate(model.outcomes):
        prior = outcome.random_walk_time_constant
        if prior is not None:
            months = prior.variable(f"{outcome.name}_path_months") if isinstance(prior, LogNormal) else prior
            decay = pt.set_subtensor(decay[k], 1.0 / months)
    return decay


def _partial_correlations(q: int, eta: float, name: str = "partial_correlation") -> Any:
    """Canonical partial correlations under LKJ(eta), (q (q - 1) / 2,)."""
    if q < 2:
        return pt.zeros((0,))
    shapes = lkj_shapes(q, eta)
    return 2.0 * pm.Beta(name, shapes, shapes) - 1.0
