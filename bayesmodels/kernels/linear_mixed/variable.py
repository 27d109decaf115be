"""The observed random variable of a linear mixed model, replicates of it, and the random effects given the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesmodels.kernels.correlation import correlation_factor
from bayesmodels.kernels.linear_mixed.op import NDIM, Inputs, Layout, LinearMixedLogp, in_python, no_terms
from bayesmodels.kernels.linear_mixed.walk_covariance import random_walks_of, shrunk


def person_means(layout: Layout, inputs: Inputs) -> np.ndarray:
    """Mean of every term for persons like each one, (person, term)."""
    terms = inputs.mean[:, inputs.stratum].T + inputs.covariates @ inputs.slope
    terms[:, list(layout.shifting_terms)] += inputs.shift[:, inputs.group].T
    return terms


def simulate_terms(layout: Layout, rng: np.random.Generator, inputs: Inputs) -> np.ndarray:
    """Deviations of new persons' random terms from their means, (person, random term)."""
    q = len(layout.random_terms)
    factor = np.zeros((q, q))
    correlation_factor.py_func(inputs.partial, factor)
    sd = inputs.sd[np.minimum(inputs.stratum, len(inputs.sd) - 1)]
    return sd * (rng.standard_normal((len(inputs.stratum), q)) @ factor.T)


def simulate_visits(
    layout: Layout, rng: np.random.Generator, inputs: Inputs, bases: Sequence[Any], terms: Any
) -> np.ndarray:
    """Visits (person, slot) of persons whose terms are known; zeros where there is no value."""
    n = len(inputs.stratum)
    sigma = inputs.sigma[np.minimum(inputs.stratum, len(inputs.sigma) - 1)]
    walks = random_walks_of(layout, inputs)
    columns, months, first = [], [], 0
    for k in range(layout.n_outcomes):
        loadings = [m for m, outcome in enumerate(layout.outcome_of) if outcome == k]
        width = bases[loadings[0]].shape[0]
        mean = sum(bases[m].T * terms[:, [layout.term_of[m]]] for m in loadings)
        y = mean + sigma[:, [k]] * rng.standard_normal((n, width))
        month = np.cumsum(inputs.elapsed[:, first : first + width], axis=1)
        if k in layout.random_walks and not layout.correlated_walks:
            steps = np.diff(shrunk(month, 2 * walks.decay[k]), axis=1, prepend=0.0)
            y += walks.sd[:, [k]] * np.cumsum(np.sqrt(steps) * rng.standard_normal((n, width)), axis=1)
        first += width
        columns.append(y)
        months.append(month)
    y, outcome = np.concatenate(columns, axis=1), np.repeat(np.arange(layout.n_outcomes), [c.shape[1] for c in columns])
    if layout.correlated_walks:
        y += walks.simulate(rng, outcome, np.concatenate(months, axis=1))
    present = [np.arange(c.shape[1]) < inputs.count[:, [k]] for k, c in enumerate(columns)]
    return np.where(np.concatenate(present, axis=1), y, 0.0)


def simulate(layout: Layout, rng: np.random.Generator, inputs: Inputs, bases: Sequence[Any]) -> np.ndarray:
    """One replicate of y (person, slot) from the model, written without the kernel; zeros where there is no value."""
    terms = person_means(layout, inputs)
    terms[:, list(layout.random_terms)] += simulate_terms(layout, rng, inputs)
    return simulate_visits(layout, rng, inputs, bases, terms)


def linear_mixed(
    name: str, layout: Layout, inputs: Inputs, bases: Sequence[Any], observed: Any, dims: tuple[str, ...]
) -> Any:
    """Observed random variable `name` whose logp is per person.

    Parameters
    ----------
    inputs : Inputs of tensors
    bases : sequence of (slot of its outcome, person) tensors, one per loading; zero where there is no value
    observed : (person, slot), zero where there is no value
    dims : names of the two dims
    """
    ndims = [1, *NDIM, *(2 for _ in bases)]
    axes = [",".join(f"p{j}a{axis}" for axis in range(d)) for j, d in enumerate(ndims)]
    signature = f"(slot),{','.join(f'({a})' for a in axes[1:])}->(slot)"
    slots = pt.zeros((observed.shape[1],))  # says how long a replicate is

    def strip(parameters):
        """Undo the batch axis that a batched random variable puts before its parameters."""
        return [p if p.ndim == d else p[0] for p, d in zip(parameters, ndims, strict=True)][1:]

    def logp(value, *parameters):
        return LinearMixedLogp(layout)(value, *strip(parameters))

    def random(*parameters, rng=None, size=None):
        core = strip(parameters)
        return simulate(layout, rng, Inputs(*core[: len(NDIM)]), core[len(NDIM) :])

    return pm.CustomDist(
        name,
        *(pt.as_tensor_variable(p) for p in (slots, *inputs, *bases)),
        logp=logp,
        random=random,
        signature=signature,
        class_name="LinearMixed",
        dims=dims,
        observed=observed,
    )


@dataclass(frozen=True)
class PersonTerms:
    """Distribution of the random effects given the data: Normal(center, root' root), shapes (person, q[, q])."""

    center: np.ndarray
    root: np.ndarray

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """One draw, (person, random term)."""
        z = rng.standard_normal(self.center.shape)
        return self.center + np.einsum("na,nab->nb", z, self.root)


def person_terms(layout: Layout, y: np.ndarray, inputs: Inputs, bases: Sequence[Any]) -> PersonTerms:
    """Deviations of the persons' random effects from their means, given y."""
    return likelihood_and_terms(layout, y, inputs, bases)[1]


def likelihood_and_terms(
    layout: Layout, y: np.ndarray, inputs: Inputs, bases: Sequence[Any]
) -> tuple[np.ndarray, PersonTerms]:
    """Log-likelihood of y by person, and the deviations of the persons' random effects from their means, given y."""
    _, results = in_python(layout, False)(y, np.ones(len(y)), *no_terms(y), *inputs, *bases)
    return results[0], PersonTerms(results[-2], results[-1])


def unseen_terms(layout: Layout, inputs: Inputs) -> PersonTerms:
    """Deviations of persons' random effects from their means without any visit."""
    q = len(layout.random_terms)
    factor = np.zeros((q, q))
    correlation_factor.py_func(inputs.partial, factor)
    sd = inputs.sd[np.minimum(inputs.stratum, len(inputs.sd) - 1)]
    return PersonTerms(np.zeros(sd.shape), np.swapaxes(sd[:, :, None] * factor, 1, 2))
