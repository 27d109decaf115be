"""Marginal likelihood of a linear mixed model and its gradient, a block of persons at a time.

For person i in stratum s and start group g, with rows j of outcome k and known basis values b_j over all P terms,

    y_j = b_j' (mu_i + u_i) + e_j,    u_i ~ Normal(0, L_s L_s') on the q random terms,    e_j ~ Normal(0, sigma_sk^2)
    mu_i = mean[:, s] + shift[:, g] (on the terms that shift) + slope' x_i

The person terms u are integrated out with q x q algebra. With W = diag(1 / sigma^2), r = y - B mu, Z the random
columns of B, A = Z'WZ, c = Z'Wr, M = I + L'AL = R R', X = R^-1 L':

    u | y ~ Normal(X'X c, X'X)
    log p(y) = -1/2 [ n log 2 pi + sum log sigma^2 + r'Wr + log|M| - |X c|^2 ]

By Fisher's identity the gradient is the mean, over u given y, of the complete-data gradient: with
g = B'W (r - Z E[u]), d mu = g and dL = g g'L - A X' R^-1; those of sigma and B follow from the mean and covariance of
u.
Nothing is divided by a person SD, so a term whose SD is zero costs no accuracy.

Work arrays end in an axis of `LANES` persons and every inner loop runs over it, so that the compiler uses whole vector
registers; slots without a visit hold zeros in y and in the bases, and add nothing.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

LANES = 64
"""Persons worked on at once: long enough to pay for each loop's set-up, short enough for the first cache."""

VERSION = 6
"""Raise when a kernel here changes: compiled code on disk is reused under the old number."""

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
_COMPILE = {"cache": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "arcp", "nsz"}}


@njit(**_COMPILE)
def correlation_factor(partial, out):
    """Cholesky factor of a correlation matrix from its canonical partial correlations, row by row, into `out`."""
    position = 0
    for i in range(out.shape[0]):
        rest = 1.0
        for j in range(i):
            z = partial[position]
            out[i, j] = z * math.sqrt(rest)
            rest *= 1.0 - z * z
            position += 1
        out[i, i] = math.sqrt(rest)


@njit(**_COMPILE)
def correlation_factor_gradient(partial, d_factor, out):
    """Gradient by the partial correlations into `out`, from the gradient by their Cholesky factor."""
    q = d_factor.shape[0]
    rests = np.empty(q + 1)
    rests[0] = 1.0
    start = 0
    for i in range(q):
        for j in range(i):
            z = partial[start + j]
            rests[j + 1] = rests[j] * (1.0 - z * z)
        d_rest = d_factor[i, i] * 0.5 / math.sqrt(rests[i])
        for j in range(i - 1, -1, -1):
            z, root = partial[start + j], math.sqrt(rests[j])
            out[start + j] = d_factor[i, j] * root - 2.0 * z * rests[j] * d_rest
            d_rest = d_rest * (1.0 - z * z) + d_factor[i, j] * z * 0.5 / root
        start += i


@njit(**_COMPILE)
def _multiply(a, b, out, q):
    """out = a b, person by person."""
    lanes = out.shape[out.ndim - 1]
    for i in range(q):
        for j in range(q):
            for w in range(lanes):
                out[i, j, w] = a[i, 0, w] * b[0, j, w]
            for k in range(1, q):
                for w in range(lanes):
                    out[i, j, w] += a[i, k, w] * b[k, j, w]


@njit(**_COMPILE)
def _multiply_transposed(a, b, out, q):
    """out = a' b, person by person."""
    lanes = out.shape[out.ndim - 1]
    for i in range(q):
        for j in range(q):
            for w in range(lanes):
                out[i, j, w] = a[0, i, w] * b[0, j, w]
            for k in range(1, q):
                for w in range(lanes):
                    out[i, j, w] += a[k, i, w] * b[k, j, w]


@njit(**_COMPILE)
def _multiply_by_lower(a, lower, out, q):
    """out = a lower, for a lower triangular second factor."""
    lanes = out.shape[out.ndim - 1]
    for i in range(q):
        for j in range(q):
            for w in range(lanes):
                out[i, j, w] = a[i, j, w] * lower[j, j, w]
            for k in range(j + 1, q):
                for w in range(lanes):
                    out[i, j, w] += a[i, k, w] * lower[k, j, w]


@njit(**_COMPILE)
def _system(lower, product, out, q):
    """Lower triangle of I + lower' product."""
    lanes = out.shape[out.ndim - 1]
    for i in range(q):
        for j in range(i + 1):
            one = 1.0 if i == j else 0.0
            for w in range(lanes):
                out[i, j, w] = one + lower[i, i, w] * product[i, j, w]
            for k in range(i + 1, q):
                for w in range(lanes):
                    out[i, j, w] += lower[k, i, w] * product[k, j, w]


@njit(**_COMPILE)
def _inverse_root(system, inverse, determinant, q):
    """Cholesky factor of `system` in its place, the factor's inverse, and the product of its diagonal."""
    lanes = system.shape[system.ndim - 1]
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


@njit(**_COMPILE)
def _root_of_covariance(inverse, lower, out, q):
    """out = inverse lower', both factors lower triangular."""
    lanes = out.shape[out.ndim - 1]
    for i in range(q):
        for j in range(q):
            for w in range(lanes):
                out[i, j, w] = inverse[i, 0, w] * lower[j, 0, w]
            for k in range(1, min(i, j) + 1):
                for w in range(lanes):
                    out[i, j, w] += inverse[i, k, w] * lower[j, k, w]


@njit(**_COMPILE)
def _load_persons(
    first, n, stratum, group, covariates, mean, shift, slope, sigma, factors, shifting, mu, noise, factor
):
    """Means of the terms, residual SDs and covariance factors of a block of persons; past the last, the last again."""
    n_sd, n_sigma = factors.shape[0], sigma.shape[0]
    for w in range(mu.shape[1]):
        i = min(first + w, n - 1)
        s = stratum[i]
        for p in range(mu.shape[0]):
            mu[p, w] = mean[p, s]
            if shifting[p] >= 0:
                mu[p, w] += shift[shifting[p], group[i]]
            for c in range(covariates.shape[1]):
                mu[p, w] += covariates[i, c] * slope[c, p]
        for k in range(noise.shape[0]):
            noise[k, w] = sigma[min(s, n_sigma - 1), k]
        for a in range(factor.shape[0]):
            for b in range(a + 1):
                factor[a, b, w] = factors[min(s, n_sd - 1), a, b]


@njit(**_COMPILE)
def _reduce_rows(block, y, bases, first_slot, begin, term_of, random_of, mu, noise, residual, squares, scores, grams):
    """Residuals r of a block of persons and, by outcome, r'Wr, B'Wr (term) and B'WZ (term, random term)."""
    lanes = mu.shape[1]
    line = np.empty(lanes)
    for k in range(noise.shape[0]):
        start, stop = first_slot[k], first_slot[k + 1]
        for w in range(lanes):
            squares[k, w] = 0.0
        for j in range(start, stop):
            for w in range(lanes):
                residual[j, w] = y[block, j, w]
            for m in range(begin[k], begin[k + 1]):
                p = term_of[m]
                for w in range(lanes):
                    residual[j, w] -= bases[block, m, j - start, w] * mu[p, w]
            for w in range(lanes):
                squares[k, w] += residual[j, w] * residual[j, w]
        for w in range(lanes):
            squares[k, w] /= noise[k, w] * noise[k, w]
        for m in range(begin[k], begin[k + 1]):
            p = term_of[m]
            for w in range(lanes):
                line[w] = 0.0
            for j in range(start, stop):
                for w in range(lanes):
                    line[w] += bases[block, m, j - start, w] * residual[j, w]
            for w in range(lanes):
                scores[k, p, w] = line[w] / (noise[k, w] * noise[k, w])
            a = random_of[p]
            for other in range(begin[k], m + 1):
                b = random_of[term_of[other]]
                if a < 0 and b < 0:
                    continue
                for w in range(lanes):
                    line[w] = 0.0
                for j in range(stop - start):
                    for w in range(lanes):
                        line[w] += bases[block, m, j, w] * bases[block, other, j, w]
                for w in range(lanes):
                    value = line[w] / (noise[k, w] * noise[k, w])
                    if b >= 0:
                        grams[k, p, b, w] = value
                    if a >= 0:
                        grams[k, term_of[other], a, w] = value


@njit(**_COMPILE)
def _total(parts, out):
    """out = sum of `parts` over its first axis; (outcome, row, lane) to (row, lane)."""
    for p in range(out.shape[0]):
        for w in range(out.shape[1]):
            out[p, w] = parts[0, p, w]
        for k in range(1, parts.shape[0]):
            for w in range(out.shape[1]):
                out[p, w] += parts[k, p, w]


@njit(**_COMPILE)
def _person_terms(g, random_terms, x, u, deviance):
    """Mean u = X'X c of the person terms, c = g on the random terms; subtracts |X c|^2 from the deviance."""
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
                white[w] += x[a, b, w] * g[random_terms[b], w]
        for b in range(q):
            for w in range(lanes):
                u[b, w] += x[a, b, w] * white[w]
        for w in range(lanes):
            deviance[w] -= white[w] * white[w]


@njit(**_COMPILE)
def _factor_gradient(g, random_terms, factor, weights, out):
    """From A X' R^-1 in `out` to the weighted gradient by the covariance factor, g g'L - A X' R^-1, lower triangle."""
    q, lanes = factor.shape[0], factor.shape[2]
    line = np.empty(lanes)
    for b in range(q):
        for w in range(lanes):
            line[w] = 0.0
        for a in range(b, q):
            for w in range(lanes):
                line[w] += g[random_terms[a], w] * factor[a, b, w]
        for a in range(b, q):
            for w in range(lanes):
                out[a, b, w] = weights[w] * (g[random_terms[a], w] * line[w] - out[a, b, w])


@njit(**_COMPILE)
def _expected_squares(k, squares, scores, grams, begin, term_of, random_of, u, covariance, out):
    """Mean over the person terms of (r - Z u)'W(r - Z u), outcome k."""
    for w in range(out.shape[0]):
        out[w] = squares[k, w]
    for m in range(begin[k], begin[k + 1]):
        p, a = term_of[m], random_of[term_of[m]]
        if a < 0:
            continue
        for w in range(out.shape[0]):
            out[w] -= 2.0 * u[a, w] * scores[k, p, w]
        for other in range(begin[k], begin[k + 1]):
            b = random_of[term_of[other]]
            if b >= 0:
                for w in range(out.shape[0]):
                    out[w] += (u[a, w] * u[b, w] + covariance[a, b, w]) * grams[k, p, b, w]


@njit(**_COMPILE)
def _basis_gradient(
    block, bases, first_slot, outcome_of, term_of, random_of, mu, u, covariance, residual, noise, weights, out
):
    """Gradient by the basis values of a block of persons into `out` (block, loading, slot, lane)."""
    lanes = mu.shape[1]
    value, scale = np.empty(lanes), np.empty(lanes)
    for m in range(outcome_of.shape[0]):
        k, p = outcome_of[m], term_of[m]
        a, start = random_of[p], first_slot[k]
        size = first_slot[k + 1] - start
        for w in range(lanes):
            value[w] = mu[p, w] + (u[a, w] if a >= 0 else 0.0)
            scale[w] = value[w] * weights[w] / (noise[k, w] * noise[k, w])
        for j in range(size):
            for w in range(lanes):
                out[block, m, j, w] = scale[w] * residual[start + j, w]
        for other in range(outcome_of.shape[0]):
            b = random_of[term_of[other]]
            if outcome_of[other] != k or b < 0:
                continue
            for w in range(lanes):
                second = value[w] * u[b, w] + (covariance[a, b, w] if a >= 0 else 0.0)
                scale[w] = second * weights[w] / (noise[k, w] * noise[k, w])
            for j in range(size):
                for w in range(lanes):
                    out[block, m, j, w] -= scale[w] * bases[block, other, j, w]


@njit(**_COMPILE)
def marginal(
    y, bases, first_slot, count, stratum, group, covariates, mean, shift, slope, sd, partial, sigma,
    outcome_of, term_of, random_terms, shifting, weight, with_gradient, with_basis_gradient,
):  # fmt: skip
    """Log-likelihood of each person, the gradient of its weighted sum, and the person terms given the data.

    Parameters
    ----------
    y : (block, slot, lane) float; outcome k fills slots from `first_slot[k]` on; zeros where there is no value
    bases : (block, loading, slot of its outcome, lane) float, zeros where y has no value
    first_slot : (outcome + 1,) int
    count : (person, outcome) int, values
    stratum, group : (person,) int
    covariates : (person, covariate) float
    mean : (term, stratum); shift : (shifting term, group); slope : (covariate, term)
    sd : (stratum or 1, random term); partial : (q (q - 1) / 2,); sigma : (stratum or 1, outcome)
    outcome_of, term_of : (loading,) int, sorted by outcome; a term appears at most once in an outcome
    random_terms : (q,) int, the terms that vary between persons
    shifting : (term,) int, row of `shift`, or -1
    weight : (person,) float, of each person in the gradient's sum

    Returns
    -------
    logp : (person,)
    d_mean, d_shift, d_slope, d_sd, d_partial, d_sigma, d_bases : gradients
    center, root : (person, q), (person, q, q); u given y is Normal(center, root' root). Without the gradient only.
    """
    lanes, n, n_terms, q = y.shape[2], count.shape[0], mean.shape[0], random_terms.shape[0]
    n_outcomes, n_loadings, n_sd, n_sigma = count.shape[1], outcome_of.shape[0], sd.shape[0], sigma.shape[0]
    logp = np.empty(n)
    d_mean, d_shift, d_slope = np.zeros_like(mean), np.zeros_like(shift), np.zeros_like(slope)
    d_sd, d_sigma, d_partial = np.zeros_like(sd), np.zeros_like(sigma), np.zeros_like(partial)
    d_bases = np.zeros_like(bases) if with_basis_gradient else np.zeros((0, 0, 0, 0))
    kept = 0 if with_gradient else n
    center, root = np.zeros((kept, q)), np.zeros((kept, q, q))

    unit_factor = np.zeros((q, q))
    correlation_factor(partial, unit_factor)
    factors, d_factors = np.zeros((n_sd, q, q)), np.zeros((n_sd, q, q))
    for s in range(n_sd):
        for a in range(q):
            for b in range(a + 1):
                factors[s, a, b] = sd[s, a] * unit_factor[a, b]
    random_of = np.zeros(n_terms, np.int64)
    for p in range(n_terms):
        random_of[p] = -1
    for a in range(q):
        random_of[random_terms[a]] = a
    begin = np.zeros(n_outcomes + 1, np.int64)
    for m in range(n_loadings):
        begin[outcome_of[m] + 1] = m + 1

    rows = np.zeros((y.shape[1] + 2 * n_outcomes + 2 * n_terms + q + 4, lanes))
    residual, rows = rows[: y.shape[1]], rows[y.shape[1] :]
    noise, squares, rows = rows[:n_outcomes], rows[n_outcomes : 2 * n_outcomes], rows[2 * n_outcomes :]
    mu, g, rows = rows[:n_terms], rows[n_terms : 2 * n_terms], rows[2 * n_terms :]
    u, deviance, determinant, line, weights = rows[4:], rows[0], rows[1], rows[2], rows[3]
    squares_q = np.zeros((7, q, q, lanes))
    factor, product, system, inverse = squares_q[0], squares_q[1], squares_q[2], squares_q[3]
    x, covariance, gram_random = squares_q[4], squares_q[5], squares_q[6]
    scores, grams = np.zeros((n_outcomes, n_terms, lanes)), np.zeros((n_outcomes, n_terms, q, lanes))
    gram = np.zeros((n_terms, q, lanes))

    for block in range(y.shape[0]):
        first = block * lanes
        width = min(lanes, n - first)
        _load_persons(
            first, n, stratum, group, covariates, mean, shift, slope, sigma, factors, shifting, mu, noise, factor
        )
        _reduce_rows(
            block, y, bases, first_slot, begin, term_of, random_of, mu, noise, residual, squares, scores, grams
        )
        _total(scores, g)
        _total(grams.reshape((n_outcomes, n_terms * q, lanes)), gram.reshape((n_terms * q, lanes)))
        for a in range(q):
            for b in range(q):
                for w in range(lanes):
                    gram_random[a, b, w] = gram[random_terms[a], b, w]
        _multiply_by_lower(gram_random, factor, product, q)
        _system(factor, product, system, q)
        _inverse_root(system, inverse, determinant, q)
        _root_of_covariance(inverse, factor, x, q)
        for w in range(lanes):
            deviance[w] = squares[0, w]
            for k in range(1, n_outcomes):
                deviance[w] += squares[k, w]
        _person_terms(g, random_terms, x, u, deviance)
        for w in range(width):
            total = -0.5 * deviance[w] - math.log(determinant[w])
            for k in range(n_outcomes):
                total -= count[first + w, k] * (math.log(noise[k, w]) + HALF_LOG_2PI)
            logp[first + w] = total
        if not with_gradient:
            for w in range(width):
                for a in range(q):
                    center[first + w, a] = u[a, w]
                    for b in range(q):
                        root[first + w, a, b] = x[a, b, w]
            continue

        for w in range(lanes):
            weights[w] = weight[first + w] if w < width else 0.0
        for p in range(n_terms):
            for a in range(q):
                for w in range(lanes):
                    g[p, w] -= gram[p, a, w] * u[a, w]
            for w in range(width):
                i, value = first + w, weights[w] * g[p, w]
                d_mean[p, stratum[i]] += value
                if shifting[p] >= 0:
                    d_shift[shifting[p], group[i]] += value
                for c in range(covariates.shape[1]):
                    d_slope[c, p] += value * covariates[i, c]
        _multiply_transposed(x, inverse, product, q)
        _multiply(gram_random, product, system, q)
        _factor_gradient(g, random_terms, factor, weights, system)
        for a in range(q):
            for b in range(a + 1):
                for w in range(width):
                    d_factors[min(stratum[first + w], n_sd - 1), a, b] += system[a, b, w]
        _multiply_transposed(x, x, covariance, q)
        for k in range(n_outcomes):
            _expected_squares(k, squares, scores, grams, begin, term_of, random_of, u, covariance, line)
            for w in range(width):
                i = first + w
                d_sigma[min(stratum[i], n_sigma - 1), k] += weights[w] * (line[w] - count[i, k]) / noise[k, w]
        if with_basis_gradient:
            _basis_gradient(
                block, bases, first_slot, outcome_of, term_of, random_of, mu, u, covariance, residual, noise,
                weights, d_bases,
            )  # fmt: skip

    d_unit = np.zeros((q, q))
    for s in range(n_sd):
        for a in range(q):
            for b in range(a + 1):
                d_unit[a, b] += d_factors[s, a, b] * sd[s, a]
                d_sd[s, a] += d_factors[s, a, b] * unit_factor[a, b]
    correlation_factor_gradient(partial, d_unit, d_partial)
    return logp, d_mean, d_shift, d_slope, d_sd, d_partial, d_sigma, d_bases, center, root
