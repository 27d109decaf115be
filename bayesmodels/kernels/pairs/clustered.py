"""Pairs of values in clusters of two groups: marginal likelihood over the clusters' effects and levels, with gradient.

For pair j of cluster i in group a (0 or 1), with x_a = -1/2 or +1/2,

    y_ij = level_i + effect_i x_a + e_ij,  (effect_1, effect_2, level_1, level_2)_i ~ Normal(mean, D),  e ~ Normal(0, S)

Group means are sufficient for the terms, and the scatter about them (n_a - 1 each) for S: a cluster enters as

    (y_0, y_1) ~ Normal(A mean, A D A' + blockdiag(S / n_0, S / n_1)),   W ~ Wishart(n_0 + n_1 - groups, S)

with one block where a group is empty. The log density is that of the pairs themselves, which adds the terms in n below:
the rotation that takes the pairs of a group to sqrt(n) times their mean and n - 1 contrasts has determinant 1.

D = L L', L = diag(sd) times the Cholesky factor of a correlation matrix by its canonical partial correlations.
"""

from __future__ import annotations

import math

import numpy as np

from bayesmodels.kernels.compiled import kernel
from bayesmodels.kernels.correlation import correlation_factor, correlation_factor_gradient

TERMS = 4
"""effect_1, effect_2, level_1, level_2."""

SLOTS = 7
"""Of a cluster's row: means of group 0 (two values), of group 1, then scatter 11, 12, 22."""

ARMS = np.array([[-0.5, 0.0, 1.0, 0.0], [0.0, -0.5, 0.0, 1.0], [0.5, 0.0, 1.0, 0.0], [0.0, 0.5, 0.0, 1.0]])
"""A: the two groups' expected values from the terms."""

LOG_2PI = math.log(2.0 * math.pi)


@kernel(False)
def _cholesky_and_inverse(v, root, inverse, q):
    """Lower Cholesky factor of the leading q x q block of v and the factor's inverse; half the log determinant."""
    half = 0.0
    for i in range(q):
        for j in range(i + 1):
            total = v[i, j]
            for k in range(j):
                total -= root[i, k] * root[j, k]
            if i == j:
                root[i, i] = math.sqrt(total)
                half += math.log(root[i, i])
            else:
                root[i, j] = total / root[j, j]
    for i in range(q):
        inverse[i, i] = 1.0 / root[i, i]
        for j in range(i):
            total = 0.0
            for k in range(j, i):
                total -= root[i, k] * inverse[k, j]
            inverse[i, j] = total / root[i, i]
    return half


@kernel(False)
def marginal(value, size, mean, sd, partial, residual_sd, residual_correlation, weight, with_gradient):
    """Log density of the pairs of every cluster, and the gradient of its weighted sum.

    Parameters
    ----------
    value : (cluster, 7) float, see `SLOTS`; what belongs to an empty group is not read
    size : (cluster, 2) int, pairs by group; no cluster is empty
    mean, sd : (4,); partial : (6,), row by row
    residual_sd : (2,); residual_correlation : float
    weight : (cluster,) float, of each cluster in the gradient's sum

    Returns
    -------
    logp : (cluster,)
    d_mean, d_sd, d_partial, d_residual_sd : gradients; d_residual_correlation : float
    """
    n_clusters = size.shape[0]
    logp = np.empty(n_clusters)
    d_mean, d_sd, d_partial = np.zeros(TERMS), np.zeros(TERMS), np.zeros(partial.shape[0])
    d_residual_sd = np.zeros(2)
    unit = np.zeros((TERMS, TERMS))
    correlation_factor(partial, unit)
    factor = np.empty((TERMS, TERMS))
    for i in range(TERMS):
        for j in range(TERMS):
            factor[i, j] = sd[i] * unit[i, j]
    spread = ARMS @ factor
    between = spread @ spread.T
    centre = ARMS @ mean
    s = np.empty((2, 2))
    s[0, 0], s[1, 1] = residual_sd[0] ** 2, residual_sd[1] ** 2
    s[0, 1] = s[1, 0] = residual_correlation * residual_sd[0] * residual_sd[1]
    rest = 1.0 - residual_correlation**2
    log_s = math.log(s[0, 0]) + math.log(s[1, 1]) + math.log(rest)
    determinant = s[0, 0] * s[1, 1] * rest
    p = np.empty((2, 2))  # inverse of S
    p[0, 0], p[1, 1] = s[1, 1] / determinant, s[0, 0] / determinant
    p[0, 1] = p[1, 0] = -s[0, 1] / determinant
    d_centre, d_between, d_s = np.zeros(TERMS), np.zeros((TERMS, TERMS)), np.zeros((2, 2))
    at = np.empty(TERMS, np.int64)
    v, root, inverse = np.empty((TERMS, TERMS)), np.empty((TERMS, TERMS)), np.zeros((TERMS, TERMS))
    error, white, g = np.empty(TERMS), np.empty(TERMS), np.empty(TERMS)
    for i in range(n_clusters):
        q, freedom, constant = 0, 0, 0.0
        for a in range(2):
            if size[i, a] > 0:
                at[q], at[q + 1] = 2 * a, 2 * a + 1
                q += 2
                freedom += size[i, a] - 1
                constant -= math.log(size[i, a])
        for r in range(q):
            error[r] = value[i, at[r]] - centre[at[r]]
            for c in range(r + 1):
                v[r, c] = between[at[r], at[c]]
                if at[r] // 2 == at[c] // 2:
                    v[r, c] += s[at[r] % 2, at[c] % 2] / size[i, at[r] // 2]
        half = _cholesky_and_inverse(v, root, inverse, q)
        distance = 0.0
        for r in range(q):
            white[r] = 0.0
            for c in range(r + 1):
                white[r] += inverse[r, c] * error[c]
            distance += white[r] ** 2
        scatter = p[0, 0] * value[i, 4] + 2.0 * p[0, 1] * value[i, 5] + p[1, 1] * value[i, 6]
        logp[i] = constant - half - 0.5 * (q * LOG_2PI + distance) - freedom * (LOG_2PI + 0.5 * log_s) - 0.5 * scatter
        if not with_gradient:
            continue
        w = weight[i]
        for r in range(q):
            g[r] = 0.0
            for k in range(r, q):
                g[r] += inverse[k, r] * white[k]
            d_centre[at[r]] += w * g[r]
        for r in range(q):
            for c in range(q):
                d_v = g[r] * g[c]
                for k in range(max(r, c), q):
                    d_v -= inverse[k, r] * inverse[k, c]
                d_v *= 0.5 * w
                d_between[at[r], at[c]] += d_v
                if at[r] // 2 == at[c] // 2:
                    d_s[at[r] % 2, at[c] % 2] += d_v / size[i, at[r] // 2]
        w11, w12, w22 = value[i, 4], value[i, 5], value[i, 6]
        m00, m01 = p[0, 0] * w11 + p[0, 1] * w12, p[0, 0] * w12 + p[0, 1] * w22
        m10, m11 = p[1, 0] * w11 + p[1, 1] * w12, p[1, 0] * w12 + p[1, 1] * w22
        d_s[0, 0] += 0.5 * w * (m00 * p[0, 0] + m01 * p[1, 0] - freedom * p[0, 0])
        d_s[0, 1] += 0.5 * w * (m00 * p[0, 1] + m01 * p[1, 1] - freedom * p[0, 1])
        d_s[1, 0] += 0.5 * w * (m10 * p[0, 0] + m11 * p[1, 0] - freedom * p[1, 0])
        d_s[1, 1] += 0.5 * w * (m10 * p[0, 1] + m11 * p[1, 1] - freedom * p[1, 1])
    d_correlation = 0.0
    if with_gradient:
        d_mean = ARMS.T @ d_centre
        d_factor = 2.0 * (ARMS.T @ (d_between @ spread))
        d_unit = np.zeros((TERMS, TERMS))
        for a in range(TERMS):
            for b in range(a + 1):
                d_unit[a, b] = d_factor[a, b] * sd[a]
                d_sd[a] += d_factor[a, b] * unit[a, b]
        correlation_factor_gradient(partial, d_unit, d_partial)
        off = d_s[0, 1] + d_s[1, 0]
        d_residual_sd[0] = 2.0 * d_s[0, 0] * residual_sd[0] + off * residual_correlation * residual_sd[1]
        d_residual_sd[1] = 2.0 * d_s[1, 1] * residual_sd[1] + off * residual_correlation * residual_sd[0]
        d_correlation = off * residual_sd[0] * residual_sd[1]
    return logp, d_mean, d_sd, d_partial, d_residual_sd, d_correlation
