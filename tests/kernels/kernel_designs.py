"""Random designs for the likelihood's tests, and the textbook formulas they are held against."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp
from scipy.stats import lognorm, multivariate_normal, norm

from bayesmodels.kernels.linear_mixed.op import Inputs, Layout


@dataclass(frozen=True)
class Design:
    """One data set under one layout; `y` (person, slot), `bases` (slot, person) each."""

    layout: Layout
    inputs: Inputs
    bases: tuple[np.ndarray, ...]
    y: np.ndarray

    def with_inputs(self, **changes) -> Design:
        return replace(self, inputs=self.inputs._replace(**changes))

    @property
    def widths(self) -> list[int]:
        """Slots of every outcome."""
        return [self.bases[self.layout.outcome_of.index(k)].shape[0] for k in range(max(self.layout.outcome_of) + 1)]


def layout(loadings, random, shifting=(), varying=None, random_walks=(), correlated_walks=False, skewed=0) -> Layout:
    """`loadings`: (outcome, term) pairs sorted by outcome; `varying`: every second basis unless said."""
    outcome_of, term_of = zip(*loadings, strict=True)
    varying = tuple(m % 2 == 1 for m in range(len(loadings))) if varying is None else varying
    return Layout(
        outcome_of, term_of, tuple(random), tuple(shifting), tuple(varying), max(term_of) + 1, tuple(random_walks),
        correlated_walks,
        skewed,
    )  # fmt: skip


def design(
    rng, n, form, widths, *, strata=1, groups=2, covariates=0, sd_rows=1, sigma_rows=1, count=None, skew=0.0
) -> Design:
    """Random values for everything; each person has between none and all of an outcome's slots unless `count` says."""
    if count is None:
        count = np.stack([rng.integers(0, width + 1, n) for width in widths], axis=1)
    q = len(form.random_terms)
    inputs = Inputs(
        elapsed=rng.uniform(0.0, 2.0, (n, sum(widths))),
        count=np.asarray(count, np.int64),
        stratum=rng.integers(0, strata, n),
        group=rng.integers(0, groups, n),
        covariates=rng.normal(size=(n, covariates)),
        mean=rng.normal(size=(form.n_terms, strata)),
        shift=rng.normal(size=(len(form.shifting_terms), groups)),
        slope=rng.normal(size=(covariates, form.n_terms)),
        sd=rng.uniform(0.2, 1.2, (sd_rows, q)),
        partial=rng.uniform(-0.7, 0.7, q * (q - 1) // 2),
        sigma=rng.uniform(0.3, 1.2, (sigma_rows, len(widths))),
        random_walk=rng.uniform(0.1, 1.0, (sigma_rows, len(widths))),
        walk_partial=np.linspace(-0.6, 0.7, len(form.random_walks) * (len(form.random_walks) - 1) // 2),
        decay=np.zeros(len(widths)),
        skew=np.array([skew]),
    )
    bases = tuple(
        np.where(np.arange(widths[k])[:, None] < inputs.count[:, k], rng.normal(size=(widths[k], n)), 0.0)
        for k in form.outcome_of
    )
    y = [
        np.where(np.arange(width) < inputs.count[:, [k]], rng.normal(0, 2, (n, width)), 0.0)
        for k, width in enumerate(widths)
    ]
    return Design(form, inputs, bases, np.concatenate(y, axis=1))


def correlation_by_regression(partial: np.ndarray, q: int) -> np.ndarray:
    """Correlation matrix whose correlation of i and j, given all before j, is the next of `partial`.

    Built pair by pair from the definition of a partial correlation: corr(i, j) = c + partial x sqrt(v_i v_j), c the
    part explained by 0 .. j - 1 and v the variances left by them.
    """
    correlation = np.eye(q)
    position = 0
    for i in range(q):
        for j in range(i):
            before = slice(0, j)
            onto = np.linalg.solve(correlation[before, before], correlation[before][:, [i, j]])
            explained = correlation[[i, j]][:, before] @ onto
            rest = np.sqrt((1 - explained[0, 0]) * (1 - explained[1, 1]))
            correlation[i, j] = correlation[j, i] = explained[0, 1] + partial[position] * rest
            position += 1
    return correlation


def rows(d: Design, i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values of a person, their design over all terms, and the covariance of their errors and Brownian paths."""
    values, design_rows, outcomes, months = [], [], [], []
    first = 0
    for k, width in enumerate(d.widths):
        for j in range(d.inputs.count[i, k]):
            row = np.zeros(d.layout.n_terms)
            for m, (outcome, term) in enumerate(zip(d.layout.outcome_of, d.layout.term_of, strict=True)):
                if outcome == k:
                    row[term] = d.bases[m][j, i]
            values.append(d.y[i, first + j])
            design_rows.append(row)
            outcomes.append(k)
            months.append(d.inputs.elapsed[i, first : first + j + 1].sum())
        first += width
    errors = np.zeros((len(values), len(values)))
    for a, k in enumerate(outcomes):
        for b, other in enumerate(outcomes):
            errors[a, b] = walk_covariance(d, i, k, other, min(months[a], months[b]))
        errors[a, a] += d.inputs.sigma[min(d.inputs.stratum[i], len(d.inputs.sigma) - 1), k] ** 2
    return np.array(values), np.array(design_rows).reshape(-1, d.layout.n_terms), errors


def walk_covariance(d: Design, i: int, k: int, other: int, month: float) -> float:
    """Covariance of a person's paths of two outcomes over the months both have run."""
    walking = list(d.layout.random_walks)
    if k not in walking or other not in walking:
        return 0.0
    correlation = float(k == other)
    if k != other and d.layout.correlated_walks:
        places = walking.index(k), walking.index(other)
        correlation = correlation_by_regression(d.inputs.walk_partial, len(walking))[places]
    s = min(d.inputs.stratum[i], len(d.inputs.sigma) - 1)
    decay = d.inputs.decay[k] + d.inputs.decay[other]
    area = month if decay == 0 else -np.expm1(-decay * month) / decay
    return correlation * d.inputs.random_walk[s, k] * d.inputs.random_walk[s, other] * area


def moments(d: Design, i: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean of a person's terms (term,) and their covariance on the random terms (q, q)."""
    mean = d.inputs.mean[:, d.inputs.stratum[i]] + d.inputs.covariates[i] @ d.inputs.slope
    for row, term in enumerate(d.layout.shifting_terms):
        mean[term] += d.inputs.shift[row, d.inputs.group[i]]
    sd = d.inputs.sd[min(d.inputs.stratum[i], len(d.inputs.sd) - 1)]
    return mean, sd[:, None] * correlation_by_regression(d.inputs.partial, len(sd)) * sd


def textbook(d: Design) -> np.ndarray:
    """Log-density of every person's values, (person,)."""
    out = np.zeros(len(d.y))
    random = list(d.layout.random_terms)
    for i in range(len(d.y)):
        values, x, errors = rows(d, i)
        if len(values):
            mean, covariance = moments(d, i)
            z = x[:, random]
            out[i] = multivariate_normal(x @ mean, z @ covariance @ z.T + errors).logpdf(values)
    return out


def shifted_lognormal(z: np.ndarray, k: float, sign: int) -> np.ndarray:
    """Quantiles at `z` of a shifted log-normal of mean 0, SD 1 and log SD k, its long tail in direction `sign`."""
    if k == 0:
        return z
    variable = lognorm(s=k)
    return sign * (np.exp(k * sign * z) - variable.mean()) / variable.std()


def skewed_textbook(d: Design, points: int = 60_001) -> np.ndarray:
    """As `textbook`, the first random term skewed: normal densities given z, summed over a dense grid of z."""
    z = np.linspace(-16.0, 16.0, points)
    g = shifted_lognormal(z, float(d.inputs.skew[0]), d.layout.skewed)
    out = np.zeros(len(d.y))
    random = list(d.layout.random_terms)
    for i in range(len(d.y)):
        values, x, errors = rows(d, i)
        if not len(values):
            continue
        mean, covariance = moments(d, i)
        own = x[:, random]
        sd = np.sqrt(covariance[0, 0])
        onto = covariance[1:, 0] / sd
        given = covariance[1:, 1:] - np.outer(onto, onto)
        spread = own[:, 1:] @ given @ own[:, 1:].T + errors
        center = x @ mean + np.outer(sd * g, own[:, 0]) + np.outer(z, own[:, 1:] @ onto)
        white = np.linalg.solve(np.linalg.cholesky(spread), (values - center).T)
        log = -0.5 * (white**2).sum(axis=0) - 0.5 * np.linalg.slogdet(2 * np.pi * spread)[1] + norm.logpdf(z)
        out[i] = logsumexp(log) + np.log(z[1] - z[0])
    return out
