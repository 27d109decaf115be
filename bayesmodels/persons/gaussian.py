"""Normal distribution of persons' visits at a posterior draw: means, dense covariances, regression.

For what the collapsed likelihood never forms: the distribution of a person's visits under another start of the drug,
and conditional means that mix two such distributions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesmodels.kernels.correlation import correlation_factor
from bayesmodels.kernels.linear_mixed.op import Layout
from bayesmodels.kernels.linear_mixed.variable import SkewedTerms, factor_and_sd, person_terms, skewed_at
from bayesmodels.kernels.linear_mixed.walk_covariance import RandomWalks, random_walks_of
from bayesmodels.persons.collapsed import Draw


@dataclass(frozen=True)
class Rows:
    """Visits of persons, all outcomes side by side, at one draw.

    Parameters
    ----------
    mean : (person, row)
        Marginal mean, with the person's stratum, start group, drug start and covariates.
    basis : (person, row, random term)
        What a unit of each person term adds.
    months : (person, row)
        Since randomisation.
    outcome : (row,) int
    """

    mean: np.ndarray
    basis: np.ndarray
    months: np.ndarray
    outcome: np.ndarray

    def of(self, persons: np.ndarray) -> Rows:
        """Some persons, by position or as a mask."""
        return Rows(self.mean[persons], self.basis[persons], self.months[persons], self.outcome)

    def at(self, rows: np.ndarray) -> Rows:
        """Some rows, by position or as a mask."""
        return Rows(self.mean[:, rows], self.basis[:, rows], self.months[:, rows], self.outcome[rows])


@dataclass(frozen=True)
class Spread:
    """Variation between persons at a draw.

    Parameters
    ----------
    terms : (person, term, term)
        Covariance of random effects.
    walks : RandomWalks
    sigma : (person, outcome)
        SD of residuals.
    """

    terms: np.ndarray
    walks: RandomWalks
    sigma: np.ndarray

    def of(self, persons: np.ndarray) -> Spread:
        """Some persons, by position or as a mask."""
        return Spread(self.terms[persons], self.walks.of(persons), self.sigma[persons])

    def between(self, rows: Rows, columns: Rows) -> np.ndarray:
        """Covariance of persons' true courses, Brownian paths included, (person, row, column)."""
        shared = np.einsum("ira,iab,icb->irc", rows.basis, self.terms, columns.basis, optimize=True)
        return shared + self.walks.covariance(rows.outcome, rows.months, columns.outcome, columns.months)


def rows_of(layout: Layout, draw: Draw, deviations: np.ndarray | None = None) -> Rows:
    """Every slot of every person; slots without a visit are zero but for their months.

    `deviations` (person, random term): what is known of the persons' random effects, added to their means.
    """
    terms = draw.person_means(layout)
    if deviations is not None:
        terms[:, list(layout.random_terms)] += deviations
    means, bases, outcomes = [], [], []
    for k in range(layout.n_outcomes):
        loadings = [m for m, outcome in enumerate(layout.outcome_of) if outcome == k]
        width = draw.bases[loadings[0]].shape[0]
        mean = np.zeros((len(terms), width))
        basis = np.zeros((len(terms), width, len(layout.random_terms)))
        for m in loadings:
            term = layout.term_of[m]
            mean += draw.bases[m].T * terms[:, [term]]
            if term in layout.random_terms:
                basis[:, :, layout.random_terms.index(term)] += draw.bases[m].T
        means.append(mean)
        bases.append(basis)
        outcomes.append(np.full(width, k))
    edges = np.cumsum([len(outcome) for outcome in outcomes])[:-1]
    months = [np.cumsum(part, axis=1) for part in np.split(np.asarray(draw.inputs.elapsed), edges, axis=1)]
    return Rows(
        np.concatenate(means, axis=1),
        np.concatenate(bases, axis=1),
        np.concatenate(months, axis=1),
        np.concatenate(outcomes),
    )


def given_z(layout: Layout, draw: Draw, rng: np.random.Generator) -> np.ndarray | None:
    """Means of the random effects given one draw of a skewed effect's z given the visits, (person, random term).

    Given z all else is normal (`spread_of`). None where no random effect is skewed.
    """
    terms = person_terms(layout, draw.y, draw.inputs, draw.bases)
    if not isinstance(terms, SkewedTerms):
        return None
    return means_at_z(layout, draw, terms.draw_z(rng))


def means_at_z(layout: Layout, draw: Draw, z: np.ndarray) -> np.ndarray:
    """Means of the random effects given a skewed effect's z (person,), without visits, (person, random term)."""
    factor, sd = factor_and_sd(draw.inputs, len(layout.random_terms))
    means = sd * factor[:, 0] * z[:, None]
    means[:, 0] = sd[:, 0] * skewed_at(layout, draw.inputs, z)
    return means


def spread_of(layout: Layout, draw: Draw) -> Spread:
    """Covariance of the random effects, given a skewed effect's z, and the SDs of every person's stratum."""
    inputs, q = draw.inputs, len(layout.random_terms)
    factor = np.zeros((q, q))
    correlation_factor(np.ascontiguousarray(inputs.partial, float), factor)
    sd = _by_person(inputs.sd, inputs.stratum)
    root = sd[:, :, None] * factor
    if layout.skewed:
        root[:, :, 0] = 0.0
    return Spread(
        root @ root.transpose(0, 2, 1),
        random_walks_of(layout, inputs),
        _by_person(inputs.sigma, inputs.stratum),
    )


def regressed(
    spread: Spread, targets: Rows, visits: Rows, present: np.ndarray, residual: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Regression of targets on visits: C_to C_oo^-1 r, and the residual covariance C_tt - C_to C_oo^-1 C_ot.

    Parameters
    ----------
    spread : Spread
    targets, visits : Rows
        True values at the targets; visits carry residual error.
    present : (person, visit) bool
        The visits that count.
    residual : (person, visit)
        Observed less the mean that is to be regressed on; not read where absent.

    Returns
    -------
    tuple of ndarray
        (person, target), (person, target, target)
    """
    both = present[:, :, None] & present[:, None, :]
    noise = np.where(present, spread.sigma[:, visits.outcome] ** 2, 1.0)
    observed = np.where(both, spread.between(visits, visits), 0.0) + noise[:, :, None] * np.eye(present.shape[1])
    across = np.where(present[:, None, :], spread.between(targets, visits), 0.0)
    gain = np.linalg.solve(observed, across.transpose(0, 2, 1)).transpose(0, 2, 1)
    mean = (gain @ np.where(present, residual, 0.0)[:, :, None])[:, :, 0]
    return mean, spread.between(targets, targets) - gain @ across.transpose(0, 2, 1)


def _by_person(by_stratum: np.ndarray, stratum: np.ndarray) -> np.ndarray:
    """Rows of a table with one row per stratum, or one for all."""
    return np.asarray(by_stratum)[np.minimum(stratum, len(by_stratum) - 1)]
