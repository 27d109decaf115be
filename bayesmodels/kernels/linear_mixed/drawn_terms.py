"""Random effects drawn with given standard normal z, u = X'(X c + z), and a gradient by u carried back.

Notation of `likelihood.py`: X = R^-1 L' with M = I + L'AL = R R', c = Z'W(y - B mu), A = Z'WZ, of a block of persons
in lanes. Given z, u depends on the parameters through c, A and L. With v the gradient by u, a = X c, p = a + z,
p* = X v and Q the symmetric matrix with lower triangle -(p p*' + p* a') / 2, the adjoint of the Cholesky factor gives

    by z: p*      by c: c* = X'p*      by A: A* = X'Q X      by L: (2 A X'Q + v p' + c p*') R^-1, lower triangle

Since c and A are sums over rows of Z'W r and Z'W Z, rows see them as if the mean of u were u + c* and its second moment
uu' + X'X - 2 A*: `pull_terms` changes the two, and the likelihood's own gradient does the rest.
"""

from __future__ import annotations

import numpy as np

from bayesmodels.kernels.compiled import FAST, kernel


@kernel(FAST)
def draw_terms(first, order, width, mu, u, root, random_terms, z, terms):
    """Every person's terms at z, (term), then deviations of the random ones from their mean, (q), into `terms`."""
    n_terms, q = mu.shape[0], u.shape[0]
    for w in range(width):
        i = order[first + w]
        for p in range(n_terms):
            terms[i, p] = mu[p, w]
        for a in range(q):
            deviation = u[a, w]
            for b in range(q):
                deviation += root[b, a, w] * z[i, b]
            terms[i, n_terms + a] = deviation
            terms[i, random_terms[a]] += deviation


@kernel(FAST)
def scores_left(c, gram, shared, u, out):
    """c - A u: what the random effects leave of the scores."""
    q, lanes = u.shape
    for a in range(q):
        for w in range(lanes):
            out[a, w] = c[a, w]
        for b in range(q):
            if shared[a, b]:
                for w in range(lanes):
                    out[a, w] -= gram[a, b, w] * u[b, w]


@kernel(FAST)
def times(root, vector, out):
    """X v."""
    q, lanes = vector.shape
    for a in range(q):
        for w in range(lanes):
            out[a, w] = 0.0
        for b in range(q):
            for w in range(lanes):
                out[a, w] += root[a, b, w] * vector[b, w]


@kernel(FAST)
def transposed_times(root, vector, out):
    """X'v."""
    q, lanes = vector.shape
    for a in range(q):
        for w in range(lanes):
            out[a, w] = 0.0
        for b in range(q):
            for w in range(lanes):
                out[a, w] += root[b, a, w] * vector[b, w]


@kernel(FAST)
def pull(by_u, drawn_z, c, gram, shared, root, inverse, by_p, by_gram, by_factor):
    """Gradients of v'X'(X c + z) by A into `by_gram`, and by L, lower triangle, into `by_factor`; `by_p` is X v."""
    q, lanes = by_u.shape
    vectors = np.zeros((2, q, lanes))
    a, p = vectors[0], vectors[1]
    matrices = np.zeros((3, q, q, lanes))
    middle, half, right = matrices[0], matrices[1], matrices[2]
    times(root, c, a)
    for j in range(q):
        for w in range(lanes):
            p[j, w] = a[j, w] + drawn_z[j, w]
    for j in range(q):
        for k in range(j + 1):
            for w in range(lanes):
                value = -0.5 * (p[j, w] * by_p[k, w] + by_p[j, w] * a[k, w])
                middle[j, k, w] = value
                middle[k, j, w] = value
    for j in range(q):  # half = X'Q
        for k in range(q):
            for m in range(q):
                for w in range(lanes):
                    half[j, k, w] += root[m, j, w] * middle[m, k, w]
    for j in range(q):  # right = 2 A X'Q + v p' + c p*'
        for k in range(q):
            for w in range(lanes):
                right[j, k, w] = by_u[j, w] * p[k, w] + c[j, w] * by_p[k, w]
            for m in range(q):
                if shared[j, m]:
                    for w in range(lanes):
                        right[j, k, w] += 2.0 * gram[j, m, w] * half[m, k, w]
    for j in range(q):
        for k in range(q):
            for w in range(lanes):
                by_factor[j, k, w] = 0.0
                by_gram[j, k, w] = 0.0
            if k <= j:
                for m in range(k, q):
                    for w in range(lanes):
                        by_factor[j, k, w] += right[j, m, w] * inverse[m, k, w]
            if shared[j, k]:
                for m in range(q):
                    for w in range(lanes):
                        by_gram[j, k, w] += half[j, m, w] * root[m, k, w]


@kernel(FAST)
def add_pulled(share, at, by_c, by_gram, by_factor, shared, u, covariance, d_factor):
    """Add gradients by c = Z'W(y - B mu - Z `at`), A and L to the first two moments of u and to `d_factor`.

    What is added is divided by the weight, `share` 1 / weight, since the likelihood's gradient is weighted afterwards.
    """
    q, lanes = u.shape
    for j in range(q):
        for k in range(q):
            if k <= j:
                for w in range(lanes):
                    d_factor[j, k, w] += share[w] * by_factor[j, k, w]
            if not shared[j, k]:
                continue
            for w in range(lanes):
                covariance[j, k, w] -= share[w] * (
                    (u[j, w] - at[j, w]) * by_c[k, w]
                    + by_c[j, w] * (u[k, w] - at[k, w])
                    + share[w] * by_c[j, w] * by_c[k, w]
                    + 2.0 * by_gram[j, k, w]
                )
    for j in range(q):
        for w in range(lanes):
            u[j, w] += share[w] * by_c[j, w]


@kernel(FAST)
def pull_terms(
    first, order, width, z, by_terms, share, random_terms, c, gram, shared, root, inverse, u, covariance, d_factor, d_z
):  # fmt: skip
    """Carry a gradient by the drawn terms into the first two moments of u, into `d_factor` and into `d_z`.

    A person of weight zero (`share` 0) keeps no gradient by the drawn terms.
    """
    q, lanes = u.shape
    n_terms = by_terms.shape[1] - q
    vectors = np.zeros((5, q, lanes))
    by_u, drawn_z, by_p, by_c, zero = vectors[0], vectors[1], vectors[2], vectors[3], vectors[4]
    matrices = np.zeros((2, q, q, lanes))
    by_gram, by_factor = matrices[0], matrices[1]
    for w in range(width):
        i = order[first + w]
        for b in range(q):
            by_u[b, w] = by_terms[i, random_terms[b]] + by_terms[i, n_terms + b]
            drawn_z[b, w] = z[i, b]
    times(root, by_u, by_p)
    transposed_times(root, by_p, by_c)
    for w in range(width):
        for j in range(q):
            d_z[order[first + w], j] = by_p[j, w]
    pull(by_u, drawn_z, c, gram, shared, root, inverse, by_p, by_gram, by_factor)
    add_pulled(share, zero, by_c, by_gram, by_factor, shared, u, covariance, d_factor)
