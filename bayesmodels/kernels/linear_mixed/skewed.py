"""A skewed random effect in the linear mixed model: a one-dimensional integral by person, and its moments.

The first random effect is u_0 = s g(z) with z standard normal; the others are jointly normal with z. With v = sign z,

    g(z) = sign expm1(k v - k^2 / 2) / sqrt(expm1(k^2))

a shifted log-normal of mean 0 and SD 1, which is z itself at k = 0. Given z everything is normal, and the covariance V
of the visits does not depend on z. With a the basis of u_0, c what the other effects' regression on z adds, and r the
residual at u = 0,

    log p(y) = log N(r; 0, V) + log Integral phi(z) exp(f(z)) dz,
    f(z) = s g r'V^-1 a + z r'V^-1 c - (s^2 g^2 a'V^-1 a + z^2 c'V^-1 c) / 2 - s g z a'V^-1 c

The integral is taken by the trapezium rule between the two z at which the log integrand lies `DROP` below its mode, by
person, since z is known to a few hundredths where visits are many. The gradient is the mean of the complete-data
gradient over the nodes (Fisher's identity), which needs eight moments of g, z and dg/dk.
"""

from __future__ import annotations

import math

import numpy as np

from bayesmodels.kernels.compiled import FAST, kernel
from bayesmodels.kernels.exponential import exponentials

DROP = 20.0
"""How far below its mode the log integrand lies at the ends: what is left out is about e^-20 of the integral."""

NODES, MOST_NODES, STEP, SHORT_FROM = 32, 192, 0.42, 1.2
"""Nodes of the trapezium rule, at least and at most; its longest step in SDs at the mode, half as long from a skewness
of `SHORT_FROM` on. The logarithm is then within 1e-6 of a dense quadrature, but for persons whose distribution has two
modes (one visit in a thousand random designs), where it is within 2e-3."""

SERIES_BELOW = 1e-3
"""Skewness below which g and its derivatives are taken from their series in k."""

INNER = 5
"""Inner products in V^-1: a'a, c'c, r'a, r'c, a'c."""

MOMENTS = 8
"""Means over z given y: g, z, g^2, g z, z^2, dg/dk, g dg/dk, z dg/dk."""

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
_STEPS = 20
SCAN, FARTHEST, OUTSIDE = 33, 8.0, 48
"""Points at which modes are looked for, how far on either side, and nodes outside the window of the largest mode."""
WORK = MOST_NODES + 2 * OUTSIDE


@kernel(FAST)
def skewed(z, k, sign):
    """g(z), dg/dz and dg/dk."""
    v = sign * z
    if k < SERIES_BELOW:
        second, third, fourth = v * v - 1.0, v * (v * v - 3.0), v * v * (v * v - 6.0) + 3.0
        scale = 1.0 / math.sqrt(1.0 + 0.5 * k * k)
        g = scale * (v + k * second / 2.0 + k * k * third / 6.0)
        slope = scale * (1.0 + k * v + k * k * second / 2.0)
        by_k = scale * (second / 2.0 + k * third / 3.0 + k * k * fourth / 8.0) - 0.5 * k * scale * scale * g
        return sign * g, slope, sign * by_k
    grown = math.exp(k * v - 0.5 * k * k)
    variance = math.expm1(k * k)
    scale = 1.0 / math.sqrt(variance)
    by_k = scale * ((v - k) * grown - (grown - 1.0) * k * (variance + 1.0) / variance)
    return sign * (grown - 1.0) * scale, k * grown * scale, sign * by_k


@kernel(FAST)
def skewed_nodes(z, k, sign, g, by_k):
    """g(z) and dg/dk of all nodes; `g` holds work before."""
    if k < SERIES_BELOW:
        for j in range(z.shape[0]):
            g[j], _, by_k[j] = skewed(z[j], k, sign)
        return
    for j in range(z.shape[0]):
        by_k[j] = k * (sign * z[j] - 0.5 * k)
    exponentials(by_k, g)
    variance = math.expm1(k * k)
    scale = sign / math.sqrt(variance)
    ratio = k * (variance + 1.0) / variance
    for j in range(z.shape[0]):
        grown = g[j]
        g[j] = scale * (grown - 1.0)
        by_k[j] = scale * ((sign * z[j] - k) * grown - (grown - 1.0) * ratio)


@kernel(FAST)
def exponents(z, g, s, inner, out):
    """Log integrand at nodes."""
    for j in range(z.shape[0]):
        a, b = s * g[j], z[j]
        out[j] = a * inner[2] + b * inner[3] - 0.5 * (a * a * inner[0] + b * b * (1.0 + inner[1])) - a * b * inner[4]


@kernel(FAST)
def exponent(z, s, k, sign, inner):
    """Log integrand, its slope, and a curvature that is never below 1, at z."""
    g, slope, _ = skewed(z, k, sign)
    a, along = s * g, s * slope
    value = a * inner[2] + z * inner[3] - 0.5 * (a * a * inner[0] + z * z * (1.0 + inner[1])) - a * z * inner[4]
    by_g = inner[2] - a * inner[0] - z * inner[4]
    by_z = inner[3] - z * (1.0 + inner[1]) - a * inner[4]
    curvature = 1.0 + inner[1] + along * (along * inner[0] + 2.0 * inner[4])
    return value, along * by_g + by_z, max(curvature, 1.0)


@kernel(FAST)
def _mode(at, s, k, sign, inner):
    """Mode of the log integrand near `at`, its value there, and the curvature."""
    value, gradient, curvature = exponent(at, s, k, sign, inner)
    step = min(max(gradient / curvature, -2.0), 2.0)
    for _ in range(_STEPS):
        tried, by_z, curved = exponent(at + step, s, k, sign, inner)
        if tried >= value:
            at, value, gradient, curvature = at + step, tried, by_z, curved
            step = min(max(gradient / curvature, -2.0), 2.0)
            if abs(step) * math.sqrt(curvature) < 0.02:
                break
        else:
            step *= 0.25
    return at, value, curvature


@kernel(FAST)
def _edge(mode, top, reach, drop, s, k, sign, inner):
    """Where the log integrand lies about `drop` below `top`, from a first guess `reach` away from the mode."""
    near, far = 0.0, 0.0
    for _ in range(_STEPS):
        value, _, _ = exponent(mode + reach, s, k, sign, inner)
        below = top - value
        if below < drop - 2.0:
            near = reach
        elif below > drop + 4.0:
            far = reach
        else:
            break
        if near != 0.0 and far != 0.0:
            reach = 0.5 * (near + far)
        else:
            reach *= min(max(math.sqrt((drop + 1.0) / max(below, 1.0)), 0.5), 2.0)
    return mode + reach


@kernel(FAST)
def integral(s, k, sign, inner, drop, moments, work):
    """Log integral over z of phi(z) exp(f(z)), and the means over z given y.

    Parameters
    ----------
    s, k, sign : float
    inner : (`INNER`,)
    drop : float
        How far below its mode the log integrand lies at the ends, as `DROP`.
    moments : (`MOMENTS`,), filled
    work : (6, `WORK`), filled; its first four rows: nodes z, g, dg/dk, and each node's share of the integral. The
        nodes are those of a window about the mode and, where there is more than one mode, of what lies outside it

    Returns
    -------
    value : float
    used : int, nodes in `work`
    """
    z, g, by_k, share = work[0], work[1], work[2], work[3]
    scan = slice(0, SCAN)
    for j in range(SCAN):
        z[j] = FARTHEST * (2.0 * j / (SCAN - 1.0) - 1.0)
    skewed_nodes(z[scan], k, sign, g[scan], by_k[scan])
    exponents(z[scan], g[scan], s, inner, share[scan])
    best = 0
    for j in range(1, SCAN):
        if share[j] > share[best]:
            best = j
    mode, top, curvature = _mode(z[best], s, k, sign, inner)
    reach = math.sqrt(2.0 * (drop + 1.0) / curvature)
    low, high = _edge(mode, top, -reach, drop, s, k, sign, inner), _edge(mode, top, reach, drop, s, k, sign, inner)
    left, right = low, high
    for j in range(SCAN):
        if share[j] > top - drop:
            left, right = min(left, z[j] - 0.5), max(right, z[j] + 0.5)
    longest = STEP if k <= SHORT_FROM else 0.5 * STEP
    used = 0
    for panel in range(3):
        begin, end = (low, high) if panel == 0 else ((left, low) if panel == 1 else (high, right))
        if panel > 0 and (end <= begin or used + OUTSIDE > z.shape[0]):
            continue
        count = OUTSIDE
        if panel == 0:
            count = min(max(NODES, math.ceil((end - begin) * math.sqrt(curvature) / longest)), MOST_NODES)
        step = (end - begin) / (count - 1)
        for j in range(count):
            z[used + j] = begin + j * step
            share[used + j] = step
        share[used] *= 0.5
        share[used + count - 1] *= 0.5
        used += count
    all_nodes = slice(0, used)
    weight = work[4]
    for j in range(used):
        weight[j] = share[j]
    skewed_nodes(z[all_nodes], k, sign, g[all_nodes], by_k[all_nodes])
    exponents(z[all_nodes], g[all_nodes], s, inner, share[all_nodes])
    for j in range(used):
        share[j] -= top
    exponentials(share[all_nodes], work[5][all_nodes])
    total = 0.0
    for j in range(used):
        share[j] = work[5][j] * weight[j]
        total += share[j]
    about, _, _ = skewed(mode, k, sign)  # moments are taken about the mode: no digits are lost where z is well known
    m0 = m1 = m2 = m3 = m4 = m5 = m6 = m7 = 0.0
    for j in range(used):
        share[j] /= total
        p, off_g, off_z = share[j], g[j] - about, z[j] - mode
        m0 += p * off_g
        m1 += p * off_z
        m2 += p * off_g * off_g
        m3 += p * off_g * off_z
        m4 += p * off_z * off_z
        m5 += p * by_k[j]
        m6 += p * off_g * by_k[j]
        m7 += p * off_z * by_k[j]
    moments[0], moments[1] = m0 + about, m1 + mode
    moments[2] = m2 + about * (2.0 * m0 + about)
    moments[3] = m3 + about * m1 + mode * m0 + about * mode
    moments[4] = m4 + mode * (2.0 * m1 + mode)
    moments[5], moments[6], moments[7] = m5, m6 + about * m5, m7 + mode * m5
    return top + math.log(total) - HALF_LOG_2PI, used


@kernel(FAST)
def given_skewed(gram, factor, score, root, others, inner):
    """Mean of the other random effects given u_0 and z, others[0] + others[1] u_0 + others[2] z, and inner products.

    Parameters
    ----------
    gram, factor : (q, q, lane), Z'WZ and the covariance factor
    score : (q, lane), Z'Wr
    root : (q - 1, q - 1, lane), X of the others given z
    others : (3, q - 1, lane); the first is X'X Z_2'Wr already, the other two are filled
    inner : (`INNER`, lane), filled
    """
    q, lanes = score.shape
    line, pulled = np.empty((2, lanes)), np.empty((2, q - 1, lanes))
    for a in range(q - 1):
        for w in range(lanes):
            pulled[0, a, w] = gram[a + 1, 0, w]
            pulled[1, a, w] = 0.0
        for b in range(q - 1):
            for w in range(lanes):
                pulled[1, a, w] += gram[a + 1, b + 1, w] * factor[b + 1, 0, w]
    for a in range(q - 1):
        for w in range(lanes):
            others[1, a, w] = 0.0
            others[2, a, w] = factor[a + 1, 0, w]
    for a in range(q - 1):
        for w in range(lanes):
            line[0, w] = 0.0
            line[1, w] = 0.0
        for b in range(q - 1):
            for w in range(lanes):
                line[0, w] += root[a, b, w] * pulled[0, b, w]
                line[1, w] += root[a, b, w] * pulled[1, b, w]
        for b in range(q - 1):
            for w in range(lanes):
                others[1, b, w] -= root[a, b, w] * line[0, w]
                others[2, b, w] -= root[a, b, w] * line[1, w]
    for w in range(lanes):
        inner[0, w], inner[1, w], inner[2, w] = gram[0, 0, w], 0.0, score[0, w]
        inner[3, w], inner[4, w] = 0.0, 0.0
    for a in range(q - 1):
        for w in range(lanes):
            inner[0, w] += gram[0, a + 1, w] * others[1, a, w]
            inner[1, w] += pulled[1, a, w] * others[2, a, w]
            inner[2, w] += score[a + 1, w] * others[1, a, w]
            inner[3, w] += score[a + 1, w] * others[2, a, w]
            inner[4, w] += gram[0, a + 1, w] * others[2, a, w]


@kernel(FAST)
def integrals(width, factor, k, sign, inner, work, value, moments):
    """`integral` of every person of a block: its logarithm into `value` (lane,), the means into (`MOMENTS`, lane)."""
    products, means = np.empty(INNER), np.empty(MOMENTS)
    for w in range(width):
        for j in range(INNER):
            products[j] = inner[j, w]
        value[w], _ = integral(factor[0, 0, w], k, sign, products, DROP, means, work)
        for j in range(MOMENTS):
            moments[j, w] = means[j]


@kernel(FAST)
def effects_of_moments(factor, others, moments, spread, u, covariance):
    """Mean and covariance of all random effects given y, from moments of g and z; `spread` the others' given z."""
    q, lanes = u.shape
    for w in range(lanes):
        s = factor[0, 0, w]
        u[0, w] = s * moments[0, w]
        covariance[0, 0, w] = s * s * (moments[2, w] - moments[0, w] * moments[0, w])
    for a in range(1, q):
        for w in range(lanes):
            s = factor[0, 0, w]
            own, by_u, by_z = others[0, a - 1, w], others[1, a - 1, w], others[2, a - 1, w]
            u[a, w] = own + by_u * s * moments[0, w] + by_z * moments[1, w]
            with_u = s * s * (moments[2, w] - moments[0, w] * moments[0, w])
            with_z = s * (moments[3, w] - moments[0, w] * moments[1, w])
            covariance[a, 0, w] = by_u * with_u + by_z * with_z
            covariance[0, a, w] = covariance[a, 0, w]
    for a in range(1, q):
        for b in range(1, q):
            for w in range(lanes):
                s = factor[0, 0, w]
                of_u = s * s * (moments[2, w] - moments[0, w] * moments[0, w])
                both = s * (moments[3, w] - moments[0, w] * moments[1, w])
                of_z = moments[4, w] - moments[1, w] * moments[1, w]
                covariance[a, b, w] = (
                    spread[a - 1, b - 1, w]
                    + others[1, a - 1, w] * (others[1, b - 1, w] * of_u + others[2, b - 1, w] * both)
                    + others[2, a - 1, w] * (others[1, b - 1, w] * both + others[2, b - 1, w] * of_z)
                )


@kernel(FAST)
def skewed_factor_gradient(gram, factor, score, others, moments, given_z, out, d_skew):
    """Gradient by the covariance factor into `out`, lower triangle, and by the skewness into `d_skew` (lane,).

    `given_z` (q - 1, q - 1, lane): the part of the covariance given z, -A X'R^-1 (`lanes.factor_gradient`).
    """
    q, lanes = score.shape
    left, line = np.zeros((3, q, lanes)), np.zeros((3, q, lanes))  # scores left by the effects: 1, u_0 and z in turn
    for a in range(q):
        for w in range(lanes):
            left[0, a, w] = score[a, w]
            left[1, a, w] = -gram[a, 0, w]
        for b in range(q - 1):
            for w in range(lanes):
                left[0, a, w] -= gram[a, b + 1, w] * others[0, b, w]
                left[1, a, w] -= gram[a, b + 1, w] * others[1, b, w]
                left[2, a, w] -= gram[a, b + 1, w] * others[2, b, w]
    for b in range(1, q):
        for c in range(b, q):
            for j in range(3):
                for w in range(lanes):
                    line[j, b, w] += left[j, c, w] * factor[c, b, w]
    for w in range(lanes):
        s = factor[0, 0, w]
        m = moments
        out[0, 0, w] = left[0, 0, w] * m[0, w] + left[1, 0, w] * s * m[2, w] + left[2, 0, w] * m[3, w]
        d_skew[w] = s * (left[0, 0, w] * m[5, w] + left[1, 0, w] * s * m[6, w] + left[2, 0, w] * m[7, w])
    for a in range(1, q):
        for w in range(lanes):
            s = factor[0, 0, w]
            g, z, gg, gz, zz = s * moments[0, w], moments[1, w], s * s * moments[2, w], s * moments[3, w], moments[4, w]
            out[a, 0, w] = left[0, a, w] * z + left[1, a, w] * gz + left[2, a, w] * zz
            for b in range(1, a + 1):
                out[a, b, w] = (
                    given_z[a - 1, b - 1, w]
                    + left[0, a, w] * (line[0, b, w] + g * line[1, b, w] + z * line[2, b, w])
                    + left[1, a, w] * (g * line[0, b, w] + gg * line[1, b, w] + gz * line[2, b, w])
                    + left[2, a, w] * (z * line[0, b, w] + gz * line[1, b, w] + zz * line[2, b, w])
                )


@kernel(FAST)
def places_of_z(sd, k, sign, inner, out):
    """Mean and SD of every person's z given y, and the log integral, into `out` (3, person); others as `draws_of_z`."""
    work, moments = np.empty((6, WORK)), np.empty(MOMENTS)
    for i in range(sd.shape[0]):
        out[2, i], used = integral(sd[i], k, sign, inner[i], DROP, moments, work)
        out[0, i], variance = moments[1], 0.0
        for j in range(used):
            variance += work[3, j] * (work[0, j] - moments[1]) ** 2
        out[1, i] = math.sqrt(variance)


@kernel(FAST)
def draws_of_z(sd, k, sign, inner, uniform, out):
    """One draw of every person's z given y: from bins about the nodes, then an independence Metropolis step.

    Parameters
    ----------
    sd : (person,), SD of the skewed term
    k, sign : float
    inner : (person, `INNER`)
    uniform : (person, 4), uniform numbers
    out : (person,), filled
    """
    work, moments = np.empty((6, WORK)), np.empty(MOMENTS)
    edges, cumulative = np.empty(WORK + 1), np.empty(WORK)
    for i in range(sd.shape[0]):
        _, used = integral(sd[i], k, sign, inner[i], DROP, moments, work)
        order = np.argsort(work[0, :used])
        total = 0.0
        for j in range(used):
            total += work[3, order[j]]
            cumulative[j] = total
            if j > 0:
                edges[j] = 0.5 * (work[0, order[j - 1]] + work[0, order[j]])
        edges[0], edges[used] = work[0, order[0]], work[0, order[used - 1]]
        now, height, kept = 0.0, 0.0, False
        for attempt in range(2):
            share = uniform[i, 2 * attempt] * total
            j = min(np.searchsorted(cumulative[:used], share), used - 1)
            below = cumulative[j - 1] if j > 0 else 0.0
            inside, width = (share - below) / (cumulative[j] - below), edges[j + 1] - edges[j]
            z = edges[j] + inside * width
            value, _, _ = exponent(z, sd[i], k, sign, inner[i])
            log_ratio = value - math.log((cumulative[j] - below) / width)
            if not kept or math.log(uniform[i, 3]) < log_ratio - height:
                now, height, kept = z, log_ratio, True
        out[i] = now
