"""Algebra of small q x q matrices, one for each of a block of persons.

Arrays end in an axis of persons (`lane`) and every inner loop runs over it, so that the compiler uses whole vector
registers. `shared` (q, q) says which pairs of random terms meet in an outcome: the gram matrices A are zero elsewhere.
"""

from __future__ import annotations

import math

import numpy as np

from bayesmodels.kernels.compiled import FAST, kernel


@kernel(FAST)
def gram_times_lower(gram, shared, lower, out):
    """out = A L, for a lower triangular second factor."""
    q, lanes = lower.shape[0], lower.shape[2]
    for i in range(q):
        for j in range(q):
            for w in range(lanes):
                out[i, j, w] = 0.0
            for k in range(j, q):
                if shared[i, k]:
                    for w in range(lanes):
                        out[i, j, w] += gram[i, k, w] * lower[k, j, w]


@kernel(FAST)
def one_plus(lower, product, out):
    """Lower triangle of I + L' `product`."""
    q, lanes = lower.shape[0], lower.shape[2]
    for i in range(q):
        for j in range(i + 1):
            one = 1.0 if i == j else 0.0
            for w in range(lanes):
                out[i, j, w] = one + lower[i, i, w] * product[i, j, w]
            for k in range(i + 1, q):
                for w in range(lanes):
                    out[i, j, w] += lower[k, i, w] * product[k, j, w]


@kernel(FAST)
def inverse_root(system, inverse, determinant):
    """Cholesky factor of `system` in its place, the factor's inverse, and the product of its diagonal."""
    q, lanes = system.shape[0], system.shape[2]
    for w in range(lanes):
        determinant[w] = 1.0
    for i in range(q):
        for j in range(i + 1):
            for k in range(j):
                for w in range(lanes):
                    system[i, j, w] -= system[i, k, w] * system[j, k, w]
            if j < i:
                for w in range(lanes):
                    system[i, j, w] *= inverse[j, j, w]
        for w in range(lanes):
            system[i, i, w] = math.sqrt(system[i, i, w])
            inverse[i, i, w] = 1.0 / system[i, i, w]
            determinant[w] *= system[i, i, w]
        for j in range(i):
            for w in range(lanes):
                inverse[i, j, w] = -system[i, j, w] * inverse[j, j, w]
            for k in range(j + 1, i):
                for w in range(lanes):
                    inverse[i, j, w] -= system[i, k, w] * inverse[k, j, w]
            for w in range(lanes):
                inverse[i, j, w] *= inverse[i, i, w]


@kernel(FAST)
def root_of_covariance(inverse, lower, out):
    """X = R^-1 L', both factors lower triangular."""
    q, lanes = lower.shape[0], lower.shape[2]
    for i in range(q):
        for j in range(q):
            for w in range(lanes):
                out[i, j, w] = inverse[i, 0, w] * lower[j, 0, w]
            for k in range(1, min(i, j) + 1):
                for w in range(lanes):
                    out[i, j, w] += inverse[i, k, w] * lower[j, k, w]


@kernel(FAST)
def covariances(root, shared, out):
    """X'X of the pairs that meet in an outcome."""
    q, lanes = root.shape[0], root.shape[2]
    for i in range(q):
        for j in range(i + 1):
            if not shared[i, j]:
                continue
            for w in range(lanes):
                out[i, j, w] = root[0, i, w] * root[0, j, w]
            for k in range(1, q):
                for w in range(lanes):
                    out[i, j, w] += root[k, i, w] * root[k, j, w]
            if j < i:
                for w in range(lanes):
                    out[j, i, w] = out[i, j, w]


@kernel(FAST)
def person_terms(g, random_terms, root, u, deviance):
    """Mean u = X'X c of the random effects, c = g on the random terms; subtracts |X c|^2 from the deviance."""
    q, lanes = u.shape
    white = np.empty(lanes)
    for a in range(q):
        for w in range(lanes):
            u[a, w] = 0.0
    for a in range(q):
        for w in range(lanes):
            white[w] = 0.0
        for b in range(q):
            for w in range(lanes):
                white[w] += root[a, b, w] * g[random_terms[b], w]
        for b in range(q):
            for w in range(lanes):
                u[b, w] += root[a, b, w] * white[w]
        for w in range(lanes):
            deviance[w] -= white[w] * white[w]


@kernel(FAST)
def factor_gradient(gram, shared, root, inverse, score, factor, work, out):
    """Gradient by the covariance factor, s s'L - A X' R^-1, lower triangle; s the scores left by the random effects."""
    q, lanes = factor.shape[0], factor.shape[2]
    for c in range(q):
        last = c
        for a in range(c + 1, q):
            if shared[a, c]:
                last = a
        for b in range(last + 1):
            for w in range(lanes):
                work[c, b, w] = root[b, c, w] * inverse[b, b, w]
            for k in range(b + 1, q):
                for w in range(lanes):
                    work[c, b, w] += root[k, c, w] * inverse[k, b, w]
    line = np.empty(lanes)
    for b in range(q):
        for w in range(lanes):
            line[w] = 0.0
        for a in range(b, q):
            for w in range(lanes):
                line[w] += score[a, w] * factor[a, b, w]
        for a in range(b, q):
            for w in range(lanes):
                out[a, b, w] = score[a, w] * line[w]
            for c in range(q):
                if shared[a, c]:
                    for w in range(lanes):
                        out[a, b, w] -= gram[a, c, w] * work[c, b, w]
