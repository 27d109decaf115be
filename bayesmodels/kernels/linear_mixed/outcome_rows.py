"""Contribution of one outcome's rows to the likelihood of a block of persons, and to its gradient.

Notation of `likelihood.py`: residuals r = y - B mu (slot, lane), rows of the bases B (loading, slot, lane), `random`
(loading,) the random term of each loading or -1, `precision` (lane,) the diagonal of W.
"""

from __future__ import annotations

import numpy as np

from bayesmodels.kernels.compiled import FAST, kernel


@kernel(FAST)
def residuals(y, bases, terms, mu, out):
    """y - B mu of one outcome, (slot, lane); `bases` its loadings, whose terms are `terms`."""
    for j in range(out.shape[0]):
        for w in range(out.shape[1]):
            out[j, w] = y[j, w]
        for m in range(terms.shape[0]):
            for w in range(out.shape[1]):
                out[j, w] -= bases[m, j, w] * mu[terms[m], w]


@kernel(FAST)
def reduced(rows, residual, precision, random, square, scores, cross):
    """r'Wr, B'Wr (loading) and B'WB (loading, loading; zero for two without random term) of one outcome."""
    slots, lanes = residual.shape
    line = np.empty(lanes)
    for w in range(lanes):
        line[w] = 0.0
    for j in range(slots):
        for w in range(lanes):
            line[w] += residual[j, w] * residual[j, w]
    for w in range(lanes):
        square[w] = line[w] * precision[w]
    for m in range(random.shape[0]):
        for w in range(lanes):
            line[w] = 0.0
        for j in range(slots):
            for w in range(lanes):
                line[w] += rows[m, j, w] * residual[j, w]
        for w in range(lanes):
            scores[m, w] = line[w] * precision[w]
        for other in range(m + 1):
            for w in range(lanes):
                line[w] = 0.0
            if random[m] >= 0 or random[other] >= 0:
                for j in range(slots):
                    for w in range(lanes):
                        line[w] += rows[m, j, w] * rows[other, j, w]
            for w in range(lanes):
                cross[m, other, w] = line[w] * precision[w]
                cross[other, m, w] = line[w] * precision[w]


@kernel(FAST)
def add_up(terms, random, scores, cross, g, gram):
    """Add one outcome's B'Wr to `g` (term) and B'WB to `gram` (random term, random term)."""
    lanes = g.shape[1]
    for m in range(terms.shape[0]):
        for w in range(lanes):
            g[terms[m], w] += scores[m, w]
        for other in range(terms.shape[0]):
            if random[m] >= 0 and random[other] >= 0:
                for w in range(lanes):
                    gram[random[m], random[other], w] += cross[m, other, w]


@kernel(FAST)
def take_terms_out(terms, random, cross, u, g):
    """From B'Wr to B'W (r - Z u)."""
    for m in range(terms.shape[0]):
        for other in range(terms.shape[0]):
            if random[other] >= 0:
                for w in range(g.shape[1]):
                    g[terms[m], w] -= cross[m, other, w] * u[random[other], w]


@kernel(FAST)
def expected_square(square, random, scores, cross, u, covariance, out):
    """Mean over the random effects of (r - Z u)'W(r - Z u), one outcome."""
    for w in range(out.shape[0]):
        out[w] = square[w]
    for m in range(random.shape[0]):
        a = random[m]
        if a < 0:
            continue
        for w in range(out.shape[0]):
            out[w] -= 2.0 * u[a, w] * scores[m, w]
        for other in range(random.shape[0]):
            b = random[other]
            if b >= 0:
                for w in range(out.shape[0]):
                    out[w] += (u[a, w] * u[b, w] + covariance[a, b, w]) * cross[m, other, w]


@kernel(FAST)
def without_terms(rows, residual, random, u, precision, out):
    """W (r - Z u) of one outcome, (slot, lane)."""
    for j in range(out.shape[0]):
        for w in range(out.shape[1]):
            out[j, w] = residual[j, w]
        for m in range(random.shape[0]):
            if random[m] >= 0:
                for w in range(out.shape[1]):
                    out[j, w] -= rows[m, j, w] * u[random[m], w]
        for w in range(out.shape[1]):
            out[j, w] *= precision[w]


@kernel(FAST)
def by_random_row(m, rows, random, left, u, covariance, precision, out):
    """Gradient by the random rows of loading `m`, residuals held: left u_a - sum_b cov(a, b) W Z_b, (slot, lane)."""
    a = random[m]
    for j in range(out.shape[0]):
        for w in range(out.shape[1]):
            out[j, w] = left[j, w] * u[a, w]
        for other in range(random.shape[0]):
            b = random[other]
            if b >= 0:
                for w in range(out.shape[1]):
                    out[j, w] -= covariance[a, b, w] * precision[w] * rows[other, j, w]
