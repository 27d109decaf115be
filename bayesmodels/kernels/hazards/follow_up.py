"""The observed random variable of visits and exits: a linear mixed model, and hazards along the persons' courses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesmodels.kernels.hazards.op import Exits, ExitsLogp, HazardLayout
from bayesmodels.kernels.linear_mixed.drawn_terms_op import LinearMixedTerms
from bayesmodels.kernels.linear_mixed.op import NDIM, Inputs, Layout
from bayesmodels.kernels.linear_mixed.variable import person_means, simulate_terms, simulate_visits

EXIT_NDIM = Exits(1, 1, 1, 2, 2, 2, 2, 2, 2, 2)
_GIVEN = [name for name in Exits._fields if name not in ("code", "terms")]


def follow_up(
    name: str,
    layout: Layout,
    inputs: Inputs,
    bases: Sequence[Any],
    z: Any,
    hazards: HazardLayout,
    exits: Exits,
    features: Sequence[Any],
    observed: Any,
    dims: tuple[str, ...],
) -> Any:
    """Observed random variable `name` whose logp is per person.

    Its value has one row per person: y, zero where there is no value; the code of the exit, 0 for none and e + 1 for
    event e; and the months from entry to exit. They enter the log-likelihood through the points of `exits` only.

    Parameters
    ----------
    inputs, bases
        As of `linear_mixed`.
    z : (person, q)
        Standard normal a priori: the random effects are drawn from their distribution given y by them.
    exits : Exits of tensors, without code and terms
    features : sequence of (point,) tensors, bases of the hazards' predictors
    observed : (person, slot + 2)
    dims : names of the two dims
    """
    given = [getattr(exits, field) for field in _GIVEN]
    ndims = [1, 2, *NDIM, *(2 for _ in bases), *(getattr(EXIT_NDIM, field) for field in _GIVEN), *(1 for _ in features)]
    axes = [",".join(f"p{j}a{axis}" for axis in range(d)) for j, d in enumerate(ndims)]
    signature = f"(slot),{','.join(f'({a})' for a in axes[1:])}->(slot)"
    slots = pt.zeros((observed.shape[1],))  # says how long a replicate is

    def split(parameters):
        """z, inputs, bases, exits' tensors and features, without the batch axis of a batched random variable."""
        core = [p if p.ndim == d else p[0] for p, d in zip(parameters, ndims, strict=True)][1:]
        ends = np.cumsum([1, len(NDIM), len(bases), len(_GIVEN), len(features)])
        return core[0], core[1 : ends[1]], core[ends[1] : ends[2]], core[ends[2] : ends[3]], core[ends[3] :]

    def logp(value, *parameters):
        z, mixed, own_bases, hazard, own_features = split(parameters)
        y, code = value[:, :-2], pt.cast(value[:, -2], "int64")
        visits, terms = LinearMixedTerms(layout)(y, z, *mixed, *own_bases)
        return visits + ExitsLogp(hazards)(*Exits(code=code, terms=terms, **_named(hazard)), *own_features)

    def random(*parameters, rng=None, size=None):
        _, mixed, own_bases, hazard, own_features = split(parameters)
        own = Inputs(*mixed)
        deviations = simulate_terms(layout, rng, own)
        terms = person_means(layout, own)
        terms[:, list(layout.random_terms)] += deviations
        y = simulate_visits(layout, rng, own, own_bases, terms)
        person = Exits(code=None, terms=np.concatenate([terms, deviations], axis=1), **_named(hazard))
        code, month = simulate_exits(hazards, rng, person, own_features)
        return np.concatenate([y, code[:, None], month[:, None]], axis=1)

    return pm.CustomDist(
        name,
        *(pt.as_tensor_variable(p) for p in (slots, z, *inputs, *bases, *given, *features)),
        logp=logp,
        random=random,
        signature=signature,
        class_name="FollowUp",
        dims=dims,
        observed=observed,
    )


def _named(tensors: Any) -> dict:
    return dict(zip(_GIVEN, tensors, strict=True))


def log_hazards(layout: HazardLayout, exits: Exits, features: Sequence[Any]) -> np.ndarray:
    """Log hazard of every event at every point, (event, point), written without the kernel."""
    person = np.repeat(np.arange(len(exits.first) - 1), np.diff(exits.first))
    predictors = -np.array(exits.offset)
    for basis, k, term in zip(features, layout.predictor_of, layout.term_of, strict=True):
        predictors[k] += basis * exits.terms[person, term]
    columns, uses = np.array(layout.columns, bool), np.array(layout.uses, bool).reshape(len(layout.columns), -1)
    level = (exits.covariates @ exits.gamma.T)[person].T
    return (
        level + np.where(columns, exits.coefficient, 0.0) @ exits.design + np.where(uses, exits.alpha, 0.0) @ predictors
    )


def simulate_exits(layout: HazardLayout, rng: np.random.Generator, exits: Exits, features: Sequence[Any]) -> Any:
    """One replicate of every person's exit within the time the person was watched: code, and month after entry.

    The cumulative hazard is taken as linear between quadrature nodes; months are counted by the quadrature weights.
    """
    rate = np.exp(log_hazards(layout, exits, features))
    code, month = np.zeros(len(exits.first) - 1), np.zeros(len(exits.first) - 1)
    for i, (begin, end) in enumerate(zip(exits.first[:-1], exits.first[1:], strict=True)):
        weight = exits.weight[begin:end]
        cumulative = np.cumsum(rate[:, begin:end].sum(axis=0) * weight)
        reached = rng.exponential()
        month[i] = weight.sum()
        if reached < cumulative[-1]:
            j = int(np.searchsorted(cumulative, reached))
            before = cumulative[j - 1] if j else 0.0
            month[i] = weight[:j].sum() + weight[j] * (reached - before) / (cumulative[j] - before)
            share = rate[:, begin + j] / rate[:, begin + j].sum()
            code[i] = 1 + rng.choice(len(share), p=share)
    return code, month
