"""Log density of normal vectors with missing entries, person by person, with gradient.

Persons with the same pattern of entries and the same covariance matrix share a Cholesky factor: a pattern costs a
factor, a person a triangular solve.
"""

from __future__ import annotations

import math

import numpy as np

from bayesmodels.kernels.compiled import FAST, kernel

LOG_2PI = math.log(2.0 * math.pi)


@kernel(FAST)
def normal_by_pattern(y, pattern, seen, block, mean, covariance, weight, with_gradient):
    """Log density of every person's vector, and the gradient of its weighted sum.

    Parameters
    ----------
    y, mean : (person, slot) float; y is not read where there is no entry
    pattern : (person,) int, of each person
    seen : (pattern, slot) float, 1 where a pattern has an entry
    block : (pattern,) int, covariance matrix of each pattern
    covariance : (block, slot, slot) float
    weight : (person,) float, of each person in the gradient's sum

    Returns
    -------
    logp : (person,); minus infinity where a matrix is not positive definite
    d_mean : (person, slot), d_covariance : (block, slot, slot), zero without gradient
    """
    persons, slots = y.shape
    patterns = seen.shape[0]
    at = np.zeros((patterns, slots), np.int64)
    width = np.zeros(patterns, np.int64)
    inverse = np.zeros((patterns, slots, slots))  # of the Cholesky factor
    constant = np.zeros(patterns)
    root = np.zeros((slots, slots))
    for c in range(patterns):
        m = 0
        for s in range(slots):
            if seen[c, s] > 0.5:
                at[c, m] = s
                m += 1
        width[c] = m
        constant[c] = -0.5 * m * LOG_2PI
        for i in range(m):
            for j in range(i + 1):
                total = covariance[block[c], at[c, i], at[c, j]]
                for k in range(j):
                    total -= root[i, k] * root[j, k]
                if i > j:
                    root[i, j] = total * inverse[c, j, j]
                elif total > 0.0:
                    root[i, i] = math.sqrt(total)
                    inverse[c, i, i] = 1.0 / root[i, i]
                    constant[c] -= math.log(root[i, i])
                else:  # not positive definite
                    inverse[c, i, i] = 0.0
                    constant[c] = -np.inf
        for i in range(m):
            for j in range(i):
                total = 0.0
                for k in range(j, i):
                    total -= root[i, k] * inverse[c, k, j]
                inverse[c, i, j] = total * inverse[c, i, i]
    logp = np.empty(persons)
    d_mean = np.zeros((persons if with_gradient else 0, slots))
    d_covariance = np.zeros(covariance.shape)
    outer = np.zeros((patterns if with_gradient else 0, slots, slots))
    total_weight = np.zeros(patterns)
    residual, z, solved = np.empty(slots), np.empty(slots), np.empty(slots)
    for n in range(persons):
        c = pattern[n]
        m = width[c]
        square = 0.0
        for i in range(m):
            residual[i] = y[n, at[c, i]] - mean[n, at[c, i]]
            total = 0.0
            for j in range(i + 1):
                total += inverse[c, i, j] * residual[j]
            z[i] = total
            square += total * total
        logp[n] = constant[c] - 0.5 * square
        if with_gradient:
            total_weight[c] += weight[n]
            for j in range(m):
                solved[j] = 0.0
            for i in range(m):
                for j in range(i + 1):
                    solved[j] += inverse[c, i, j] * z[i]
            for i in range(m):
                d_mean[n, at[c, i]] = weight[n] * solved[i]
                for j in range(i + 1):
                    outer[c, i, j] += weight[n] * solved[i] * solved[j]
    if with_gradient:
        for c in range(patterns):
            k, m = block[c], width[c]
            for i in range(m):
                for j in range(i + 1):
                    precision = 0.0
                    for r in range(i, m):
                        precision += inverse[c, r, i] * inverse[c, r, j]
                    half = 0.5 * (outer[c, i, j] - total_weight[c] * precision)
                    d_covariance[k, at[c, i], at[c, j]] += half
                    if i != j:
                        d_covariance[k, at[c, j], at[c, i]] += half
    return logp, d_mean, d_covariance
