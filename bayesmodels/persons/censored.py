"""Log-likelihood of visits of which some are censored: a density times a normal probability."""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr, logsumexp, ndtr, ndtri
from scipy.stats import qmc

from bayesmodels.kernels.linear_mixed.op import Layout
from bayesmodels.persons.collapsed import Draw
from bayesmodels.persons.gaussian import Rows, Spread, regressed, rows_of, spread_of

POINTS = 256
"""Quasi-random points of a probability that two visits or more lie beyond a limit; of one visit it is exact."""


def log_likelihood_beyond(layout: Layout, draw: Draw, limits: np.ndarray) -> np.ndarray:
    """Log-likelihood (person,) of persons with censored visits, random effects and paths integrated out.

    Parameters
    ----------
    layout : Layout
    draw : Draw
    limits : (person, slot)
        Modelling scale; read where the draw's visits lie beyond one.
    """
    who = draw.beyond.any(axis=1)
    rows, spread, beyond = rows_of(layout, draw).of(who), spread_of(layout, draw).of(who), draw.beyond[who]
    seen = draw.present(layout)[who] & ~beyond
    residual = draw.y[who] - rows.mean
    mean, covariance = regressed(spread, rows, rows, seen, residual)
    covariance += _diagonal(spread.sigma[:, rows.outcome] ** 2)
    side = np.sign(draw.y[who] - limits[who])  # the latent value lies where the visit does
    bound = side * (rows.mean + mean - limits[who])
    turned = side[:, :, None] * covariance * side[:, None, :]
    return _log_density(spread, rows, seen, residual) + log_all_below(bound, turned, beyond)


def _log_density(spread: Spread, rows: Rows, seen: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Normal log-density (person,) of the visits seen."""
    both = seen[:, :, None] & seen[:, None, :]
    noise = np.where(seen, spread.sigma[:, rows.outcome] ** 2, 1.0)
    root = np.linalg.cholesky(np.where(both, spread.between(rows, rows), 0.0) + _diagonal(noise))
    z = np.linalg.solve(root, np.where(seen, residual, 0.0)[:, :, None])[:, :, 0]
    log_det = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
    return -0.5 * (z**2).sum(axis=1) - log_det - 0.5 * np.log(2 * np.pi) * seen.sum(axis=1)


def log_all_below(bound: np.ndarray, covariance: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Log-probability (person,) that centred normal variables lie below their bounds, all those wanted.

    Sequential conditioning (Genz 1992, doi:10.1080/10618600.1992.10477010) at points of a Sobol sequence.

    Parameters
    ----------
    bound, wanted : (person, variable)
    covariance : (person, variable, variable)
    """
    order = np.argsort(~wanted, axis=1, kind="stable")[:, : wanted.sum(axis=1).max()]
    row = np.arange(len(order))[:, None]
    used = wanted[row, order]
    both = used[:, :, None] & used[:, None, :]
    own = covariance[row[:, :, None], order[:, :, None], order[:, None, :]]
    root = np.linalg.cholesky(np.where(both, own, 0.0) + _diagonal(np.where(used, 0.0, 1.0)))
    upper = np.where(used, bound[row, order], np.inf)
    m = order.shape[1]
    uniform = qmc.Sobol(m, rng=0).random(POINTS) if m > 1 else np.full((1, 1), 0.5)
    total = np.zeros((len(uniform), len(order)))
    drawn = np.zeros((len(uniform), len(order), m))
    for j in range(m):
        given = np.einsum("rni,ni->rn", drawn[:, :, :j], root[:, j, :j])
        standard = (upper[:, j] - given) / root[:, j, j]
        total += log_ndtr(standard)
        drawn[:, :, j] = ndtri(np.clip(uniform[:, [j]] * ndtr(standard), 1e-300, 1 - 1e-16))
    return logsumexp(total, axis=0) - np.log(len(uniform))


def _diagonal(values: np.ndarray) -> np.ndarray:
    """Diagonal matrices (person, row, row)."""
    return values[:, :, None] * np.eye(values.shape[1])
