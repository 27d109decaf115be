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
from bayesmodels.kernels.linear_mixed.skewed import INNER, draws_of_z, places_of_z, skewed_nodes
from bayesmodels.kernels.linear_mixed.walk_covariance import random_walks_of, shrunk


def person_means(layout: Layout, inputs: Inputs) -> np.ndarray:
    """Mean of every term for persons like each one, (person, term)."""
    terms = inputs.mean[:, inputs.stratum].T + inputs.covariates @ inputs.slope
    terms[:, list(layout.shifting_terms)] += inputs.shift[:, inputs.group].T
    return terms


def simulate_terms(layout: Layout, rng: np.random.Generator, inputs: Inputs) -> np.ndarray:
    """Deviations of new persons' random terms from their means, (person, random term)."""
    return terms_at(layout, inputs, rng.standard_normal((len(inputs.stratum), len(layout.random_terms))))


def terms_at(layout: Layout, inputs: Inputs, z: np.ndarray) -> np.ndarray:
    """Deviations of new persons' random terms from their means, at standard normal z (person, random term)."""
    factor, sd = factor_and_sd(inputs, len(layout.random_terms))
    deviations = sd * (z @ factor.T)
    if layout.skewed:
        deviations[:, 0] = sd[:, 0] * skewed_at(layout, inputs, z[:, 0])
    return deviations


def factor_and_sd(inputs: Inputs, q: int) -> tuple[np.ndarray, np.ndarray]:
    """Cholesky factor of the random terms' correlations, (q, q), and every person's SDs, (person, q)."""
    factor = np.zeros((q, q))
    correlation_factor(np.ascontiguousarray(inputs.partial, float), factor)
    return factor, inputs.sd[np.minimum(inputs.stratum, len(inputs.sd) - 1)]


def skewed_at(layout: Layout, inputs: Inputs, z: np.ndarray) -> np.ndarray:
    """Value of the skewed term, in SDs, at standard normal z of any shape."""
    flat, g, by_k = np.ravel(np.asarray(z, float)), np.empty(np.size(z)), np.empty(np.size(z))
    skewed_nodes(flat, float(inputs.skew[0]), float(layout.skewed), g, by_k)
    return g.reshape(np.shape(z))


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


@dataclass(frozen=True)
class SkewedTerms:
    """Distribution of the random effects given the data, the first of them skewed, `skewed.py`.

    Given z the others are Normal(center + by_value u_0 + by_z z, root' root), with u_0 = sd g(z).

    Parameters
    ----------
    layout : Layout
    inputs : Inputs
    sd : (person,)
        Of the first term.
    center, by_value, by_z : (person, q)
        Their first column is not used.
    root : (person, q, q)
    inner : (person, INNER)
        What the density of z is made of; zeros without any visit.
    """

    layout: Layout
    inputs: Inputs
    sd: np.ndarray
    center: np.ndarray
    by_value: np.ndarray
    by_z: np.ndarray
    root: np.ndarray
    inner: np.ndarray

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """One draw, (person, random term)."""
        z = self.draw_z(rng)
        found = np.einsum("na,nab->nb", rng.standard_normal(self.center.shape), self.root)
        own = self.sd * skewed_at(self.layout, self.inputs, z)
        found += self.center + self.by_value * own[:, None] + self.by_z * z[:, None]
        found[:, 0] = own
        return found

    def draw_z(self, rng: np.random.Generator) -> np.ndarray:
        """One draw of z given the data, (person,)."""
        out = np.empty(len(self.sd))
        k, sign = float(self.inputs.skew[0]), float(self.layout.skewed)
        draws_of_z(self.sd, k, sign, np.ascontiguousarray(self.inner), rng.random((len(out), 4)), out)
        return out

    def place(self) -> np.ndarray:
        """Mean and SD of z given the data, and the log integral of its density, (3, person)."""
        out = np.empty((3, len(self.sd)))
        k, sign = float(self.inputs.skew[0]), float(self.layout.skewed)
        places_of_z(self.sd, k, sign, np.ascontiguousarray(self.inner), out)
        return out


def person_terms(layout: Layout, y: np.ndarray, inputs: Inputs, bases: Sequence[Any]) -> PersonTerms | SkewedTerms:
    """Deviations of the persons' random effects from their means, given y."""
    return likelihood_and_terms(layout, y, inputs, bases)[1]


def likelihood_and_terms(
    layout: Layout, y: np.ndarray, inputs: Inputs, bases: Sequence[Any]
) -> tuple[np.ndarray, PersonTerms | SkewedTerms]:
    """Log-likelihood of y by person, and the deviations of the persons' random effects from their means, given y."""
    _, results = in_python(layout, False)(y, np.ones(len(y)), *no_terms(y), *inputs, *bases)
    center, root, along = results[-3:]
    if not layout.skewed:
        return results[0], PersonTerms(center, root)
    q = center.shape[1]
    sd = factor_and_sd(inputs, q)[1][:, 0]
    by_value, by_z, inner = along[:, :q], along[:, q : 2 * q], along[:, 2 * q :]
    return results[0], SkewedTerms(layout, inputs, sd, center, by_value, by_z, root, inner)


def unseen_terms(layout: Layout, inputs: Inputs) -> PersonTerms | SkewedTerms:
    """Deviations of persons' random effects from their means without any visit."""
    factor, sd = factor_and_sd(inputs, len(layout.random_terms))
    none, root = np.zeros(sd.shape), np.swapaxes(sd[:, :, None] * factor, 1, 2)
    if not layout.skewed:
        return PersonTerms(none, root)
    by_z = sd * factor[:, 0]
    root[:, 0] = 0.0
    return SkewedTerms(layout, inputs, sd[:, 0], none, none, by_z, root, np.zeros((len(sd), INNER)))
