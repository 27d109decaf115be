"""Random effects drawn with given standard normal numbers where the first of them is skewed.

Notation of `skewed.py`. With m and d the mean and SD of z given y, the first number zeta draws z = m + d zeta. What is
left of the density of y and z, against a standard normal zeta, is

    log p(y, z) + log d + zeta^2 / 2

which is log p(y) where z given y is normal, and near it elsewhere. Given z the other effects are normal, and drawn by
the other numbers as in `drawn_terms.py`, with c = Z_2'W (y - B mu - z_0 u_0 - Z_2 l z) for the score, l the others'
loadings on z.

Gradient. m and d are means over the nodes of z given y, so by Fisher's identity, with zeta_n the standardised nodes and
p_n their shares,

    dm = d sum p_n zeta_n dlog p(y, z_n)        dd = d sum p_n (zeta_n^2 - 1) / 2 dlog p(y, z_n)

With D the gradient by z of everything that is weighed, the whole gradient is then that of log p(y, .) under the signed
measure of mass one

    1 at z, and p_n [ D d zeta_n + (D d zeta + 1) (zeta_n^2 - 1) / 2 ] at the nodes

(the log-likelihood's own weight 1): the moments of z given y are replaced by those of this measure, and what is made of
them (`effects_of_moments`, `skewed_factor_gradient`) is linear in it. What the drawn effects add at z is carried back
as in `drawn_terms.py`, where c is taken at u = (u_0, l z).
"""

from __future__ import annotations

import math

import numpy as np

from bayesmodels.kernels.compiled import FAST, kernel
from bayesmodels.kernels.linear_mixed.drawn_terms import pull, times, transposed_times
from bayesmodels.kernels.linear_mixed.skewed import INNER, MOMENTS, exponent, integral, skewed

DRAWN = 6
"""What is kept of a drawn z: z, its SD given y, g, dg/dz, dg/dk, and the slope of the log integrand."""

FARTHER = 28.0
"""`DROP` of these nodes: the gradient takes moments of zeta_n that the ends of the nodes count more for."""


@kernel(FAST)
def draw_z(first, order, width, zeta, factor, k, sign, inner, work, value, moments, by_place, drawn):
    """Draw every person's z of a block from its mean and SD given y and the standard normal `zeta`[:, 0].

    Parameters
    ----------
    value : (lane,), filled: log density of y and z against a standard normal zeta
    moments : (`MOMENTS`, lane), filled: means over z given y
    by_place : (2, `MOMENTS`, lane), filled: the same of the moments times zeta_n, and times (zeta_n^2 - 1) / 2
    drawn : (`DRAWN`, lane), filled
    """
    products, means, changes = np.empty(INNER), np.empty(MOMENTS), np.empty((2, MOMENTS))
    for w in range(width):
        for j in range(INNER):
            products[j] = inner[j, w]
        s = factor[0, 0, w]
        _, used = integral(s, k, sign, products, FARTHER, means, work)
        sd = _changes(used, means, work, changes)
        at = zeta[order[first + w], 0]
        z = means[1] + sd * at
        value[w], drawn[5, w], _ = exponent(z, s, k, sign, products)
        value[w] += math.log(sd) + 0.5 * at * at
        drawn[0, w], drawn[1, w] = z, sd
        drawn[2, w], drawn[3, w], drawn[4, w] = skewed(z, k, sign)
        for j in range(MOMENTS):
            moments[j, w], by_place[0, j, w], by_place[1, j, w] = means[j], changes[0, j], changes[1, j]


@kernel(FAST)
def _changes(used, moments, work, out):
    """Means of the moments times zeta_n and (zeta_n^2 - 1) / 2, into `out`; the SD of z."""
    z, g, by_k, share = work[0], work[1], work[2], work[3]
    mean, about = moments[1], moments[0]
    variance = 0.0
    for j in range(used):
        variance += share[j] * (z[j] - mean) ** 2
    sd = math.sqrt(variance)
    for change in range(2):
        m0 = m1 = m2 = m3 = m4 = m5 = m6 = m7 = 0.0
        for j in range(used):
            off_g, off_z = g[j] - about, z[j] - mean
            standard = off_z / sd
            p = share[j] * (standard if change == 0 else 0.5 * (standard * standard - 1.0))
            m0 += p * off_g
            m1 += p * off_z
            m2 += p * off_g * off_g
            m3 += p * off_g * off_z
            m4 += p * off_z * off_z
            m5 += p * by_k[j]
            m6 += p * off_g * by_k[j]
            m7 += p * off_z * by_k[j]
        out[change, 0], out[change, 1] = m0, m1
        out[change, 2] = m2 + 2.0 * about * m0
        out[change, 3] = m3 + about * m1 + mean * m0
        out[change, 4] = m4 + 2.0 * mean * m1
        out[change, 5], out[change, 6], out[change, 7] = m5, m6 + about * m5, m7 + mean * m5
    return sd


@kernel(FAST)
def draw_skewed_terms(first, order, width, mu, factor, others, root, drawn, random_terms, z, terms):
    """As `draw_terms`, the first random term skewed: others (3, q - 1, lane) and root (q - 1, q - 1, lane) given z."""
    n_terms, q = mu.shape[0], random_terms.shape[0]
    for w in range(width):
        i = order[first + w]
        for p in range(n_terms):
            terms[i, p] = mu[p, w]
        own = factor[0, 0, w] * drawn[2, w]
        for a in range(q):
            deviation = own
            if a > 0:
                deviation = others[0, a - 1, w] + others[1, a - 1, w] * own + others[2, a - 1, w] * drawn[0, w]
                for b in range(q - 1):
                    deviation += root[b, a - 1, w] * z[i, b + 1]
            terms[i, n_terms + a] = deviation
            terms[i, random_terms[a]] += deviation


@kernel(FAST)
def pull_skewed_terms(
    first, order, width, z, by_terms, weights, share, random_terms, score, gram, gram_2, shared_2, factor, root,
    inverse, drawn, by_place, moments, at, by_c, by_gram, by_factor, by_skew, d_z,
):  # fmt: skip
    """Replace `moments` by those of the signed measure, and carry a gradient by the drawn terms back at z.

    Parameters
    ----------
    weights, share : (lane,), of the likelihood, and 1 / weight, 0 where it is 0
    gram_2, shared_2, root, inverse : of the other effects given z
    at : (q, lane), filled: u_0, and the others' means l z given z without y
    by_c, by_gram, by_factor, by_skew : (q, lane), (q, q, lane) twice, (lane,), filled
        Gradients by the score less what u = `at` takes of it, by the gram matrix, by the factor and by the skewness.
    d_z : (person, q), filled
    """
    q, lanes = score.shape
    rest = q - 1
    n_terms = by_terms.shape[1] - q
    vectors = np.zeros((5, rest, lanes))
    by_others, drawn_z, c, by_p, by_c_2 = vectors[0], vectors[1], vectors[2], vectors[3], vectors[4]
    matrices = np.zeros((2, rest, rest, lanes))
    by_gram_2, by_factor_2 = matrices[0], matrices[1]
    by_own, by_z = np.zeros(lanes), np.zeros(lanes)
    for w in range(lanes):
        at[0, w] = factor[0, 0, w] * drawn[2, w]
    for a in range(rest):
        for w in range(lanes):
            at[a + 1, w] = factor[a + 1, 0, w] * drawn[0, w]
    for w in range(width):
        i = order[first + w]
        by_own[w] = by_terms[i, random_terms[0]] + by_terms[i, n_terms]
        for a in range(rest):
            by_others[a, w] = by_terms[i, random_terms[a + 1]] + by_terms[i, n_terms + a + 1]
            drawn_z[a, w] = z[i, a + 1]
    for a in range(rest):
        for w in range(lanes):
            c[a, w] = score[a + 1, w] - gram[a + 1, 0, w] * at[0, w]
        for b in range(rest):
            for w in range(lanes):
                c[a, w] -= gram[a + 1, b + 1, w] * at[b + 1, w]
    times(root, by_others, by_p)
    transposed_times(root, by_p, by_c_2)
    pull(by_others, drawn_z, c, gram_2, shared_2, root, inverse, by_p, by_gram_2, by_factor_2)
    for a in range(rest):  # u_0 and l z act on the drawn effects, and through the score on the others
        for w in range(lanes):
            by_own[w] -= gram[a + 1, 0, w] * by_c_2[a, w]
        for b in range(rest):
            for w in range(lanes):
                by_others[a, w] -= gram[a + 1, b + 1, w] * by_c_2[b, w]
        for w in range(lanes):
            by_z[w] += factor[a + 1, 0, w] * by_others[a, w]
    by_factor[:], by_gram[:] = 0.0, 0.0
    for w in range(lanes):
        by_z[w] += factor[0, 0, w] * drawn[3, w] * by_own[w] + weights[w] * drawn[5, w]
        by_factor[0, 0, w] = drawn[2, w] * by_own[w]
        by_skew[w] = factor[0, 0, w] * drawn[4, w] * by_own[w]
        by_c[0, w] = 0.0
    for a in range(rest):
        for w in range(lanes):
            by_c[a + 1, w] = by_c_2[a, w]
            by_factor[a + 1, 0, w] = drawn[0, w] * by_others[a, w]
        for b in range(rest):
            for w in range(lanes):
                by_factor[a + 1, b + 1, w] = by_factor_2[a, b, w]
                by_gram[a + 1, b + 1, w] = by_gram_2[a, b, w]
    for w in range(width):
        i = order[first + w]
        for a in range(rest):
            d_z[i, a + 1] = by_p[a, w]
        along, zeta = by_z[w] * drawn[1, w], z[i, 0]
        d_z[i, 0] = along + weights[w] * zeta
        slope, width_of = share[w] * along, share[w] * along * zeta + 1.0
        g, u, of_k = drawn[2, w], drawn[0, w], drawn[4, w]
        moments[0, w] = g + slope * by_place[0, 0, w] + width_of * by_place[1, 0, w]
        moments[1, w] = u + slope * by_place[0, 1, w] + width_of * by_place[1, 1, w]
        moments[2, w] = g * g + slope * by_place[0, 2, w] + width_of * by_place[1, 2, w]
        moments[3, w] = g * u + slope * by_place[0, 3, w] + width_of * by_place[1, 3, w]
        moments[4, w] = u * u + slope * by_place[0, 4, w] + width_of * by_place[1, 4, w]
        moments[5, w] = of_k + slope * by_place[0, 5, w] + width_of * by_place[1, 5, w]
        moments[6, w] = g * of_k + slope * by_place[0, 6, w] + width_of * by_place[1, 6, w]
        moments[7, w] = u * of_k + slope * by_place[0, 7, w] + width_of * by_place[1, 7, w]
