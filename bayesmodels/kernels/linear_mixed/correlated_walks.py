"""Correlated random walks about persons' courses: a Kalman filter that makes the visits of all outcomes independent.

The paths of K outcomes are one Brownian motion in K dimensions from 0 at randomisation; between two visits its
covariance grows by Q = (rate_kl months_kl), rate_kl = rho_kl omega_k omega_l, `months` as of `shrinking_steps.py`. All
visits of a person are taken in order of time; the j-th is of one outcome o. With V_0 = 0,

    P_j = V_{j-1} + Q_j,  c_j = column o of P_j,  S_j = c_jo + noise_o,  K_j = c_j / S_j,  V_j = P_j - K_j c_j',

the innovations x~_j = (x_j - a_jo) / sqrt(S_j), a_{j+1} = a_j + K_j (x_j - a_jo), have independent unit errors, and
log S_j adds up to the log-determinant (Durbin and Koopman 2012, Time Series Analysis by State Space Methods, 6.4). With
one outcome these are the formulas of `random_walk.py`. An outcome without a random walk has omega 0.

Arrays end in (visit, lane); those of outcomes or pairs may hold more visits than are filtered. `seen` (outcome, visit,
lane) is 1 at the outcome that a visit is of, else 0; where there is no visit, gain, root and spread are zero. Symmetric
matrices are stored by pair, (0, 0), (1, 0), (1, 1), (2, 0), ..., and a gradient by a pair is that by both its places.
"""

from __future__ import annotations

import math

import numpy as np

from bayesmodels.kernels.compiled import FAST, kernel
from bayesmodels.kernels.correlation import correlation_factor, correlation_factor_gradient

_CHUNK = 8
"""Visits whose variances are multiplied before a logarithm is taken."""


@kernel(FAST)
def pair(k, other):
    """Place of the pair of outcomes in a symmetric matrix."""
    return k * (k + 1) // 2 + other if k >= other else other * (other + 1) // 2 + k


@kernel(FAST)
def walk_correlation(partial, walking, out):
    """Correlations of the paths of all outcomes into `out`, from the partial ones of outcomes with a walk."""
    places = np.flatnonzero(walking)
    factor = np.zeros((places.shape[0], places.shape[0]))
    correlation_factor(partial, factor)
    out[:] = 0.0
    for k in range(out.shape[0]):
        out[k, k] = 1.0
    for a in range(places.shape[0]):
        for b in range(a):
            value = 0.0
            for c in range(b + 1):
                value += factor[a, c] * factor[b, c]
            out[places[a], places[b]] = value
            out[places[b], places[a]] = value


@kernel(FAST)
def walk_correlation_gradient(partial, walking, gradient, out):
    """Gradient by the partial correlations into `out`, from that by the correlations below the diagonal."""
    places = np.flatnonzero(walking)
    factor = np.zeros((places.shape[0], places.shape[0]))
    d_factor = np.zeros_like(factor)
    correlation_factor(partial, factor)
    for a in range(places.shape[0]):
        for b in range(a):
            for c in range(b + 1):
                d_factor[a, c] += gradient[places[a], places[b]] * factor[b, c]
                d_factor[b, c] += gradient[places[a], places[b]] * factor[a, c]
    correlation_factor_gradient(partial, d_factor, out)


@kernel(FAST)
def walk_rates(correlation, random_walk, rate):
    """rho_kl omega_k omega_l, (pair, lane), from correlations (outcome, outcome) and omega (outcome, lane)."""
    for k in range(random_walk.shape[0]):
        for other in range(k + 1):
            for w in range(random_walk.shape[1]):
                rate[pair(k, other), w] = correlation[k, other] * random_walk[k, w] * random_walk[other, w]


@kernel(FAST)
def walk_rates_gradient(correlation, random_walk, d_rate, d_correlation, d_random_walk):
    """Gradients by correlations (outcome, outcome, lane; below the diagonal) and omega (outcome, lane)."""
    for k in range(random_walk.shape[0]):
        for w in range(random_walk.shape[1]):
            d_random_walk[k, w] = 0.0
    for k in range(random_walk.shape[0]):
        for other in range(k + 1):
            at, rho = pair(k, other), correlation[k, other]
            for w in range(random_walk.shape[1]):
                d_random_walk[k, w] += d_rate[at, w] * rho * random_walk[other, w]
                d_random_walk[other, w] += d_rate[at, w] * rho * random_walk[k, w]
                d_correlation[k, other, w] = d_rate[at, w] * random_walk[k, w] * random_walk[other, w]


@kernel(FAST)
def joint_gains(months, seen, rate, noise, gain, root, spread, log_root):
    """K_j (outcome, visit, lane), 1 / sqrt(S_j) and sqrt(S_j) of every visit, and the sum of log sqrt(S_j).

    `months`, `rate` by pair: (pair, visit, lane), (pair, lane); `noise` (outcome, lane). As many visits as `root` has.
    """
    outcomes, visits, lanes = gain.shape[0], root.shape[0], root.shape[1]
    variance, column = np.zeros((rate.shape[0], lanes)), np.empty((outcomes, lanes))
    total, product = np.empty(lanes), np.ones(lanes)
    for w in range(lanes):
        log_root[w] = 0.0
    for j in range(visits):
        for p in range(rate.shape[0]):
            for w in range(lanes):
                variance[p, w] += rate[p, w] * months[p, j, w]
        for w in range(lanes):
            total[w] = 0.0
            root[j, w] = 0.0
        for k in range(outcomes):
            for w in range(lanes):
                column[k, w] = 0.0
            for other in range(outcomes):
                p = pair(k, other)
                for w in range(lanes):
                    column[k, w] += seen[other, j, w] * variance[p, w]
            for w in range(lanes):
                total[w] += seen[k, j, w] * (column[k, w] + noise[k, w])
                root[j, w] += seen[k, j, w]
        for w in range(lanes):
            total[w] += 1.0 - root[j, w]
        for k in range(outcomes):
            for w in range(lanes):
                gain[k, j, w] = column[k, w] / total[w]
        for w in range(lanes):
            deviation = math.sqrt(total[w])
            spread[j, w] = root[j, w] * deviation
            root[j, w] /= deviation
            product[w] *= deviation
        for k in range(outcomes):
            for other in range(k + 1):
                p = pair(k, other)
                for w in range(lanes):
                    variance[p, w] -= gain[k, j, w] * column[other, w]
        if j % _CHUNK == _CHUNK - 1 or j == visits - 1:
            for w in range(lanes):
                log_root[w] += math.log(product[w])
                product[w] = 1.0


@kernel(FAST)
def joint_whiten(rows, seen, gain, root, out):
    """Innovations of `rows` (visit, lane), zero where there is no visit, into `out`, which may be `rows` itself."""
    outcomes, visits, lanes = gain.shape[0], rows.shape[0], rows.shape[1]
    state, innovation = np.zeros((outcomes, lanes)), np.empty(lanes)
    for j in range(visits):
        for w in range(lanes):
            innovation[w] = rows[j, w]
        for k in range(outcomes):
            for w in range(lanes):
                innovation[w] -= seen[k, j, w] * state[k, w]
        for k in range(outcomes):
            for w in range(lanes):
                state[k, w] += gain[k, j, w] * innovation[w]
        for w in range(lanes):
            out[j, w] = innovation[w] * root[j, w]


@kernel(FAST)
def joint_unwhiten_gradient(gradient, white, seen, gain, root, spread, d_gain, d_root, out):
    """From the gradient by innovations `white` to that by the rows, into `out`; adds those by gain and root."""
    outcomes, visits, lanes = gain.shape[0], white.shape[0], white.shape[1]
    state, by_innovation = np.zeros((outcomes, lanes)), np.empty(lanes)
    for j in range(visits - 1, -1, -1):
        for w in range(lanes):
            d_root[j, w] += gradient[j, w] * white[j, w] * spread[j, w]
            by_innovation[w] = gradient[j, w] * root[j, w]
        for k in range(outcomes):
            for w in range(lanes):
                d_gain[k, j, w] += state[k, w] * white[j, w] * spread[j, w]
                by_innovation[w] += gain[k, j, w] * state[k, w]
        for k in range(outcomes):
            for w in range(lanes):
                state[k, w] -= seen[k, j, w] * by_innovation[w]
        for w in range(lanes):
            out[j, w] = by_innovation[w]


@kernel(FAST)
def joint_gains_gradient(months, seen, rate, gain, root, spread, d_gain, d_root, d_months, d_rate, d_noise):
    """Gradient by `months`, `rate` and `noise`, from those by gain and root and of minus the sum of log sqrt(S_j)."""
    outcomes, visits, lanes = gain.shape[0], root.shape[0], root.shape[1]
    by_variance, by_column = np.zeros((rate.shape[0], lanes)), np.empty((outcomes, lanes))
    by_total, precision = np.empty(lanes), np.empty(lanes)
    d_rate[:], d_noise[:] = 0.0, 0.0
    for j in range(visits - 1, -1, -1):
        for w in range(lanes):
            precision[w] = root[j, w] * root[j, w]
            by_total[w] = -0.5 * precision[w] * (1.0 + d_root[j, w] * root[j, w])
        for k in range(outcomes):
            for w in range(lanes):
                by_column[k, w] = d_gain[k, j, w] * precision[w]
                by_total[w] -= d_gain[k, j, w] * gain[k, j, w] * precision[w]
        for k in range(outcomes):
            for other in range(k + 1):
                p = pair(k, other)
                for w in range(lanes):
                    by_total[w] += by_variance[p, w] * gain[k, j, w] * gain[other, j, w]
                    by_column[k, w] -= by_variance[p, w] * gain[other, j, w]
                    by_column[other, w] -= by_variance[p, w] * gain[k, j, w]
        for k in range(outcomes):
            for w in range(lanes):
                by_column[k, w] += seen[k, j, w] * by_total[w]
                d_noise[k, w] += seen[k, j, w] * by_total[w]
        for k in range(outcomes):
            for other in range(outcomes):
                p = pair(k, other)
                for w in range(lanes):
                    by_variance[p, w] += by_column[k, w] * seen[other, j, w]
        for p in range(rate.shape[0]):
            for w in range(lanes):
                d_rate[p, w] += by_variance[p, w] * months[p, j, w]
                d_months[p, j, w] = by_variance[p, w] * rate[p, w]
