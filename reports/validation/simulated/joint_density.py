"""Log-likelihood of simulated joint trials with the random effects integrated out, and means among the living.

NumPy only: the terms' exact distribution given a person's visits, and Gauss-Hermite quadrature over it.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from bayesmodels.vocabulary import months
from validation.simulated.joint_trials import JointTrial
from validation.simulated.joint_truth import (
    Array,
    EventTruth,
    JointTruth,
    People,
    bases,
    coefficients,
    course,
    cumulative_hazards,
    log_hazard,
    time_grid,
)
from validation.simulated.layout import Layout


def normal_nodes(dimensions: int, order: int) -> tuple[Array, Array]:
    """Nodes (node, dimension) and weights of the product rule for standard normal numbers."""
    x, w = np.polynomial.hermite_e.hermegauss(order)
    nodes = np.array(list(product(x, repeat=dimensions)))
    weights = np.array([np.prod(row) for row in product(w / w.sum(), repeat=dimensions)])
    return nodes, weights


def log_likelihood(truth: JointTruth, trial: JointTrial, layout: Layout, order: int, cells: int) -> Array:
    """Log-likelihood of every person's visits and exit, (person,).

    Parameters
    ----------
    order : int
        Gauss-Hermite nodes in each dimension of the random effects.
    cells : int
        Cells of the time grid over which hazards are integrated.
    """
    people, q = trial.people, len(truth.person_sd)
    mean, factor, density = _given_visits(truth, trial, layout)
    nodes, weights = normal_nodes(q, order)
    terms = mean + np.einsum("iab,nb->nia", factor, nodes)
    edges = time_grid(truth, people.start, float(trial.exit.max()), cells)
    edges = np.minimum(edges, trial.exit[:, None])
    found = -cumulative_hazards(truth, truth.events, people, terms, edges)[..., -1]
    for e, event in enumerate(truth.events):
        at_exit = log_hazard(truth, event, people, terms, trial.exit[:, None])[..., 0]
        found = found + np.where(trial.code == e + 1, at_exit, 0.0)
    largest = found.max(axis=0)
    return density + largest + np.log(weights @ np.exp(found - largest))


def _given_visits(truth: JointTruth, trial: JointTrial, layout: Layout) -> tuple[Array, Array, Array]:
    """Mean (person, term) and factor (person, term, term) of the terms given visits, and the visits' log density."""
    people, q = trial.people, len(truth.person_sd)
    n, n_outcomes = len(trial.exit), len(truth.outcomes)
    t = np.broadcast_to(months(np.array(layout.weeks)), trial.took_place.shape)
    own = coefficients(truth, people, np.zeros((n, q)))
    loadings = np.zeros((n, t.shape[1], n_outcomes, q))
    expected = np.empty(trial.values.shape)
    for k, outcome in enumerate(truth.outcomes):
        basis = bases(outcome, "value", t, people.start[:, None])
        loadings[:, :, k, 2 * k : 2 * k + 2] = np.moveaxis(basis[:2], 0, 2)
        expected[:, :, k] = course(outcome, "value", own[:, k], t, people.start)
    noise = np.array([k.residual_sd for k in truth.outcomes]) ** 2
    mean, factor, density = np.empty((n, q)), np.empty((n, q, q)), np.empty(n)
    for i in range(n):
        there = trial.took_place[i]
        z, residual = loadings[i, there].reshape(-1, q), (trial.values[i, there] - expected[i, there]).ravel()
        covariance = z @ truth.covariance @ z.T + np.diag(np.tile(noise, there.sum()))
        gain = np.linalg.solve(covariance, z @ truth.covariance).T
        mean[i] = gain @ residual
        left = truth.covariance - gain @ z @ truth.covariance
        value, vector = np.linalg.eigh((left + left.T) / 2)
        factor[i] = vector * np.sqrt(np.maximum(value, 0.0))
        _, determinant = np.linalg.slogdet(covariance)
        density[i] = -0.5 * (
            len(residual) * np.log(2 * np.pi) + determinant + residual @ np.linalg.solve(covariance, residual)
        )
    return mean, factor, density


def living_means(
    truth: JointTruth, deaths: tuple[EventTruth, ...], starts: Array, weeks: Array, order: int = 15, cells: int = 40
) -> tuple[Array, Array]:
    """Mean course among those alive, (outcome, start group, week), and share alive, (start group, week).

    Alive means that none of `deaths` has happened, whatever the other events, in persons of the first stratum at the
    covariate's mean; the mean is over random effects weighted by their survival.

    Parameters
    ----------
    starts : (start group,)
        Months of the drug's start, infinite for never.
    weeks : (week,)
        Rising.
    """
    groups = np.arange(len(starts))
    people = People(np.zeros_like(groups), groups, np.zeros(len(groups)), starts)
    nodes, weights = normal_nodes(len(truth.person_sd), order)
    terms = (nodes @ np.linalg.cholesky(truth.correlation).T * truth.person_sd)[:, None, :]
    terms = np.broadcast_to(terms, (len(nodes), len(groups), nodes.shape[1]))
    at = months(np.asarray(weeks, float))
    edges = np.union1d(time_grid(truth, starts, float(at.max()), cells), at)
    total = cumulative_hazards(truth, deaths, people, terms, edges)
    alive = weights[:, None, None] * np.exp(-total[..., np.searchsorted(edges, at)])
    own = coefficients(truth, people, terms)
    t = np.broadcast_to(at, (len(groups), len(at)))
    means = [
        (alive * course(k, "value", own[..., j, :], t, starts)).sum(axis=0) / alive.sum(axis=0)
        for j, k in enumerate(truth.outcomes)
    ]
    return np.stack(means), alive.sum(axis=0)
