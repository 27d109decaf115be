"""Marginal likelihood of a linear mixed model and its gradient, a block of persons at a time.

For person i in stratum s and start group g, with rows j of outcome k and known basis values b_j over all P terms,

    y_j = b_j' (mu_i + u_i) + w_j + e_j,  u_i ~ Normal(0, L_s L_s') on the q random terms,  e_j ~ Normal(0, sigma_sk^2)
    mu_i = mean[:, s] + shift[:, g] (on the terms that shift) + slope' x_i

and w, for an outcome with a random walk, a Brownian path with SD `random_walk` per square root of a month at
randomisation, times exp(-decay t) at t months (`shrinking_steps.py`): its rows are replaced by their innovations
(`random_walk.py`), whose errors are independent with SD 1. Where the walks of outcomes are correlated, the rows of all
outcomes are taken as one set, in order of time (`correlated_walks.py`), each basis zero at the visits of the others.
The random effects u are integrated out with q x q algebra. With W = diag(1 / sigma^2), r = y - B mu, Z the random
columns of B, A = Z'WZ, c = Z'Wr, M = I + L'AL = R R', X = R^-1 L':

    u | y ~ Normal(X'X c, X'X)
    log p(y) = -1/2 [ n log 2 pi + sum log sigma^2 + r'Wr + log|M| - |X c|^2 ]

By Fisher's identity the gradient is the mean, over u given y, of the complete-data gradient: with
g = B'W (r - Z E[u]), d mu = g and dL = g g'L - A X' R^-1; those of sigma, of the walks and of B follow from the mean
and covariance of u. Nothing is divided by a person SD, so a term whose SD is zero costs no accuracy.

A skewed random effect is the first of the random terms, and integrated apart (`skewed.py`): given its z the others are
normal as above, with the lower right block of L for their factor.

Where standard normal z are given, the random effects u = X'(X c + z) are drawn with them, and a gradient by u is
carried back to every parameter (`drawn_terms.py`). With a skewed effect the first of them draws its z, and the value is
then that of the density of y and z (`drawn_skewed.py`).

Work arrays end in an axis of `LANES` persons and every inner loop runs over it (`lanes.py`); slots without a visit hold
zeros in y and in the bases, and add nothing. Persons are taken by their number of visits (`by_visits`), so that those
of a block have about as many and few slots are empty.
"""

from __future__ import annotations

import math

import numpy as np

from bayesmodels.kernels.compiled import FAST, kernel
from bayesmodels.kernels.correlation import correlation_factor, correlation_factor_gradient
from bayesmodels.kernels.linear_mixed.correlated_walks import (
    joint_gains,
    joint_gains_gradient,
    joint_unwhiten_gradient,
    joint_whiten,
    pair,
    walk_correlation,
    walk_correlation_gradient,
    walk_rates,
    walk_rates_gradient,
)
from bayesmodels.kernels.linear_mixed.drawn_skewed import DRAWN, draw_skewed_terms, draw_z, pull_skewed_terms
from bayesmodels.kernels.linear_mixed.drawn_terms import add_pulled, draw_terms, pull_terms, scores_left
from bayesmodels.kernels.linear_mixed.lanes import (
    covariances,
    factor_gradient,
    gram_times_lower,
    inverse_root,
    one_plus,
    person_terms,
    root_of_covariance,
)
from bayesmodels.kernels.linear_mixed.outcome_rows import (
    add_up,
    by_random_row,
    expected_square,
    reduced,
    residuals,
    take_terms_out,
    without_terms,
)
from bayesmodels.kernels.linear_mixed.packing import load_persons
from bayesmodels.kernels.linear_mixed.random_walk import gains, gains_gradient, unwhiten_gradient, whiten
from bayesmodels.kernels.linear_mixed.shrinking_steps import shrunk_months, shrunk_months_gradient
from bayesmodels.kernels.linear_mixed.skewed import (
    INNER,
    MOMENTS,
    WORK,
    effects_of_moments,
    given_skewed,
    integrals,
    skewed_factor_gradient,
)

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


@kernel(FAST)
def marginal(
    order, y, bases, elapsed, seen, first_slot, count, stratum, group, covariates, mean, shift, slope, sd, partial,
    sigma, random_walk, walk_partial, decay, skew, outcome_of, term_of, random_terms, shifting, random_walks,
    varying_of, sign, weight, z, by_terms, with_gradient, drawing,
):  # fmt: skip
    """Log-likelihood of each person, the gradient of its weighted sum, and the random effects given the data.

    Parameters
    ----------
    order : (person,) int, who fills the lanes of block after block
    y, elapsed : (block, slot, lane) float; outcome k fills slots from `first_slot[k]` on; zeros where there is no
        value. `elapsed`: months since the visit before, or since randomisation
    bases : (block, loading, slot of its outcome, lane) float, zeros where y has no value
    seen : (block, outcome or 0, slot, lane) float
        Of correlated walks, where slots are the visits of all outcomes in order of time, in y, elapsed (since the visit
        before of any outcome), bases and d_bases: 1 at a visit of the outcome. Else without outcomes.
    first_slot : (outcome + 1,) int, not read where walks are correlated
    count : (person, outcome) int, values
    stratum, group : (person,) int
    covariates : (person, covariate) float
    mean : (term, stratum); shift : (shifting term, group); slope : (covariate, term)
    sd : (stratum or 1, random term); partial : (q (q - 1) / 2,); sigma, random_walk : (stratum or 1, outcome)
    walk_partial : (w (w - 1) / 2,), of the w outcomes with a walk, not read unless the walks are correlated
    decay : (outcome,), 1 / the months in which a walk's steps shrink to 1 / e; 0 for steps of one size
    skew : (1,) skewness k of the first random term, not read unless it is skewed
    outcome_of, term_of : (loading,) int, sorted by outcome; a term appears at most once in an outcome
    random_terms : (q,) int, the terms that vary between persons
    shifting : (term,) int, row of `shift`, or -1
    random_walks : (outcome,) bool
    varying_of : (loading,) int, place among the bases whose gradient is asked for, or -1
    sign : float, 1 where large values of the first random term are rare, -1 where small ones are, 0: not skewed
    weight : (person,) float, of each person in the gradient's sum
    z : (person, q) float, standard normal draws of the random effects, not read unless `drawing`
    by_terms : (person, term + q) float, gradient by the drawn terms, read only with the gradient

    Returns
    -------
    logp : (person,)
        Where a skewed term is drawn, the log density of y and the drawn z against a standard normal number.
    d_mean, d_shift, d_slope, d_sd, d_partial, d_sigma, d_random_walk, d_walk_partial, d_decay, d_skew : gradients
    d_bases : (block, varying basis, slot, lane)
    d_z, terms : (person, q), (person, term + q), where drawn: the gradient by z, or the terms at z and their deviations
    center, root : (person, q), (person, q, q); u given y is Normal(center, root' root). Without the gradient only.
        Where the first term is skewed: of the others, given z, at u_0 = 0 and z = 0
    along : (person, 2 q + `INNER`), where the first term is skewed: what u_0 and z add to the others' mean, q numbers
        each of which the first is not used, and the inner products that z's distribution is made of
    """
    lanes, n, n_terms, q = y.shape[2], count.shape[0], mean.shape[0], random_terms.shape[0]
    n_outcomes, n_loadings, n_sd, n_sigma = count.shape[1], outcome_of.shape[0], sd.shape[0], sigma.shape[0]
    logp = np.empty(n)
    d_mean, d_shift, d_slope = np.zeros_like(mean), np.zeros_like(shift), np.zeros_like(slope)
    d_sd, d_partial = np.zeros_like(sd), np.zeros_like(partial)
    d_sigma, d_random_walk = np.zeros_like(sigma), np.zeros_like(random_walk)
    d_walk_partial, d_decay = np.zeros_like(walk_partial), np.zeros_like(decay)
    n_varying = 0
    for m in range(n_loadings):
        n_varying = max(n_varying, varying_of[m] + 1)
    d_bases = np.zeros((y.shape[0], n_varying if with_gradient else 0, bases.shape[2], lanes))
    terms = np.zeros((n if drawing and not with_gradient else 0, n_terms + q))
    d_z = np.zeros((n if drawing and with_gradient else 0, q))
    kept = 0 if with_gradient else n
    center, root = np.zeros((kept, q)), np.zeros((kept, q, q))
    d_skew = np.zeros(1)
    rest = q - 1 if sign != 0.0 else 0
    along = np.zeros((kept if sign != 0.0 else 0, 2 * q + INNER))

    unit_factor = np.zeros((q, q))
    correlation_factor(partial, unit_factor)
    factors, d_factors = np.zeros((n_sd, q, q)), np.zeros((n_sd, q, q))
    for s in range(n_sd):
        for a in range(q):
            for b in range(a + 1):
                factors[s, a, b] = sd[s, a] * unit_factor[a, b]
    random_of = np.full(n_terms, -1)
    for a in range(q):
        random_of[random_terms[a]] = a
    random = random_of[term_of]
    correlated = seen.shape[1] > 0
    n_sets = 1 if correlated else n_outcomes
    begin = np.zeros(n_sets + 1, np.int64)
    for m in range(n_loadings):
        begin[(0 if correlated else outcome_of[m]) + 1] = m + 1
    shared, most = np.zeros((q, q), np.bool_), 0
    for k in range(n_sets):
        most = max(most, begin[k + 1] - begin[k])
        for m in range(begin[k], begin[k + 1]):
            for other in range(begin[k], begin[k + 1]):
                if random[m] >= 0 and random[other] >= 0:
                    shared[random[m], random[other]] = True

    mu, g, u = np.empty((n_terms, lanes)), np.empty((n_terms, lanes)), np.empty((q, lanes))
    score, score_left = np.empty((q, lanes)), np.empty((q, lanes))
    visits, filled = np.empty((n_outcomes, lanes), np.int64), np.empty(n_sets, np.int64)
    noise, drift = np.empty((n_outcomes, lanes)), np.empty((n_outcomes, lanes))
    precision, square = np.empty((n_sets, lanes)), np.empty((n_sets, lanes))
    scores, cross = np.empty((n_loadings, lanes)), np.empty((n_loadings, most, lanes))
    residual, left = np.empty((y.shape[1], lanes)), np.empty((y.shape[1], lanes))
    gain, inverse_sd, spread = np.empty((3, y.shape[1], lanes))
    d_gain, d_root, month, d_month = np.empty((4, y.shape[1], lanes))
    white, by_row = np.empty(bases.shape[1:]), np.empty((y.shape[1], lanes))
    deviance, determinant, weights, line, other_line = np.empty((5, lanes))
    n_pairs = n_outcomes * (n_outcomes + 1) // 2 if correlated else 0
    months, d_months = np.empty((2, n_pairs, y.shape[1], lanes))
    joint_gain, d_joint_gain = np.empty((2, seen.shape[1], y.shape[1], lanes))
    rate, d_rate = np.empty((2, n_pairs, lanes))
    walk, d_walk, d_noise = np.empty((3, seen.shape[1], lanes))
    between, d_lanes = np.zeros((seen.shape[1], seen.shape[1])), np.zeros((seen.shape[1], seen.shape[1], lanes))
    d_between = np.zeros_like(between)
    if correlated:
        walk_correlation(walk_partial, random_walks, between)
    squares = np.zeros((8, q, q, lanes))
    factor, gram, product, system = squares[0], squares[1], squares[2], squares[3]
    inverse, x, covariance, d_factor = squares[4], squares[5], squares[6], squares[7]
    smaller = np.zeros((8, rest, rest, lanes))  # of the random effects other than a skewed one
    gram_2, factor_2, product_2, system_2 = smaller[0], smaller[1], smaller[2], smaller[3]
    inverse_2, x_2, covariance_2, d_factor_2 = smaller[4], smaller[5], smaller[6], smaller[7]
    shared_2, no_score = shared[1:, 1:].copy() if rest else shared[:0, :0].copy(), np.zeros((rest, lanes))
    others, inner, moments = np.zeros((3, rest, lanes)), np.zeros((INNER, lanes)), np.zeros((MOMENTS, lanes))
    others_of, logs, by_skew = random_terms[1:].copy(), np.zeros(lanes), np.zeros(lanes)
    nodes = np.empty((6, WORK if sign != 0.0 else 0))
    drawn, by_place, share = np.zeros((DRAWN, lanes)), np.zeros((2, MOMENTS, lanes)), np.zeros(lanes)
    pulled = q if sign != 0.0 and drawing and with_gradient else 0
    drawn_at, pulled_c = np.zeros((pulled, lanes)), np.zeros((pulled, lanes))
    pulled_gram, pulled_factor = np.zeros((pulled, pulled, lanes)), np.zeros((pulled, pulled, lanes))
    pulled_skew = np.zeros(lanes)

    for block in range(y.shape[0]):
        first = block * lanes
        width = min(lanes, n - first)
        load_persons(
            first, order, stratum, group, count, covariates, mean, shift, slope, sigma, random_walk, factors, shifting,
            mu, visits, noise, drift, factor,
        )  # fmt: skip
        if correlated:
            for k in range(1, n_outcomes):
                for w in range(lanes):
                    visits[0, w] += visits[k, w]
        for k in range(n_sets):
            filled[k] = visits[k].max()
        g[:], gram[:], deviance[:] = 0.0, 0.0, 0.0
        for w in range(width):
            logp[order[first + w]] = 0.0
        for k in range(n_sets):
            n_slots = filled[k]
            first_row = 0 if correlated else first_slot[k]
            slots, own = slice(first_row, first_row + n_slots), slice(begin[k], begin[k + 1])
            residuals(y[block, slots], bases[block, own], term_of[own], mu, residual[slots])
            if correlated:
                for one in range(n_outcomes):
                    for w in range(lanes):
                        walk[one, w] = math.sqrt(drift[one, w]) if random_walks[one] else 0.0
                    for other in range(one + 1):
                        shrunk_months(
                            elapsed[block, slots], decay[one] + decay[other], months[pair(one, other), :n_slots]
                        )
                walk_rates(between, walk, rate)
                joint_gains(months, seen[block], rate, noise, joint_gain, inverse_sd[slots], spread[slots], line)
                joint_whiten(residual[slots], seen[block], joint_gain, inverse_sd[slots], residual[slots])
                for m in range(begin[k], begin[k + 1]):
                    joint_whiten(
                        bases[block, m, :n_slots], seen[block], joint_gain, inverse_sd[slots], white[m, :n_slots]
                    )
                for w in range(lanes):
                    precision[k, w] = 1.0
            elif random_walks[k]:
                shrunk_months(elapsed[block, slots], 2.0 * decay[k], month[slots])
                gains(
                    month[slots], visits[k], drift[k], noise[k], gain[slots], inverse_sd[slots],
                    spread[slots], line,
                )  # fmt: skip
                whiten(residual[slots], gain[slots], inverse_sd[slots], residual[slots])
                for m in range(begin[k], begin[k + 1]):
                    whiten(bases[block, m, :n_slots], gain[slots], inverse_sd[slots], white[m, :n_slots])
                for w in range(lanes):
                    precision[k, w] = 1.0
            else:
                for w in range(lanes):
                    precision[k, w] = 1.0 / noise[k, w]
                    line[w] = 0.5 * visits[k, w] * math.log(noise[k, w])
            for w in range(width):
                logp[order[first + w]] -= line[w] + visits[k, w] * HALF_LOG_2PI
            rows = white[own] if correlated or random_walks[k] else bases[block, own]
            reduced(rows, residual[slots], precision[k], random[own], square[k], scores[own], cross[own])
            add_up(term_of[own], random[own], scores[own], cross[own], g, gram)
            for w in range(lanes):
                deviance[w] += square[k, w]
        for a in range(q):
            for w in range(lanes):
                score[a, w] = g[random_terms[a], w]
        if sign == 0.0:
            gram_times_lower(gram, shared, factor, product)
            one_plus(factor, product, system)
            inverse_root(system, inverse, determinant)
            root_of_covariance(inverse, factor, x)
            person_terms(g, random_terms, x, u, deviance)
        else:
            for a in range(rest):
                for b in range(rest):
                    for w in range(lanes):
                        gram_2[a, b, w] = gram[a + 1, b + 1, w]
                        factor_2[a, b, w] = factor[a + 1, b + 1, w]
            gram_times_lower(gram_2, shared_2, factor_2, product_2)
            one_plus(factor_2, product_2, system_2)
            inverse_root(system_2, inverse_2, determinant)
            root_of_covariance(inverse_2, factor_2, x_2)
            person_terms(g, others_of, x_2, others[0], deviance)
            given_skewed(gram, factor, score, x_2, others, inner)
            if drawing:
                draw_z(
                    first, order, width, z, factor, skew[0], sign, inner, nodes, logs, moments, by_place, drawn,
                )  # fmt: skip
            else:
                integrals(width, factor, skew[0], sign, inner, nodes, logs, moments)
            for w in range(width):
                logp[order[first + w]] += logs[w]
        for w in range(width):
            logp[order[first + w]] -= 0.5 * deviance[w] + math.log(determinant[w])
        if not with_gradient and sign != 0.0:
            if drawing:
                draw_skewed_terms(first, order, width, mu, factor, others, x_2, drawn, random_terms, z, terms)
            for w in range(width):
                i = order[first + w]
                for a in range(rest):
                    center[i, a + 1] = others[0, a, w]
                    along[i, a + 1], along[i, q + a + 1] = others[1, a, w], others[2, a, w]
                    for b in range(rest):
                        root[i, a + 1, b + 1] = x_2[a, b, w]
                for j in range(INNER):
                    along[i, 2 * q + j] = inner[j, w]
            continue
        if not with_gradient:
            if drawing:
                draw_terms(first, order, width, mu, u, x, random_terms, z, terms)
            for w in range(width):
                for a in range(q):
                    center[order[first + w], a] = u[a, w]
                    for b in range(q):
                        root[order[first + w], a, b] = x[a, b, w]
            continue

        for w in range(lanes):
            weights[w] = weight[order[first + w]] if w < width else 0.0
            share[w] = 1.0 / weights[w] if weights[w] != 0.0 else 0.0
        if sign == 0.0:
            covariances(x, shared, covariance)
            scores_left(score, gram, shared, u, score_left)
            factor_gradient(gram, shared, x, inverse, score_left, factor, product, d_factor)
        else:
            covariances(x_2, shared_2, covariance_2)
            if drawing:
                pull_skewed_terms(
                    first, order, width, z, by_terms, weights, share, random_terms, score, gram, gram_2, shared_2,
                    factor, x_2, inverse_2, drawn, by_place, moments, drawn_at, pulled_c, pulled_gram, pulled_factor,
                    pulled_skew, d_z,
                )  # fmt: skip
            effects_of_moments(factor, others, moments, covariance_2, u, covariance)
            factor_gradient(gram_2, shared_2, x_2, inverse_2, no_score, factor_2, product_2, d_factor_2)
            skewed_factor_gradient(gram, factor, score, others, moments, d_factor_2, d_factor, by_skew)
            if drawing:
                add_pulled(share, drawn_at, pulled_c, pulled_gram, pulled_factor, shared, u, covariance, d_factor)
                for w in range(width):
                    by_skew[w] += share[w] * pulled_skew[w]
            for w in range(width):
                d_skew[0] += weights[w] * by_skew[w]
        if drawing and sign == 0.0:
            pull_terms(
                first, order, width, z, by_terms, share, random_terms, score, gram, shared, x, inverse, u, covariance,
                d_factor, d_z,
            )  # fmt: skip
        for k in range(n_sets):
            n_slots, walking = filled[k], correlated or random_walks[k]
            first_row = 0 if correlated else first_slot[k]
            slots, own = slice(first_row, first_row + n_slots), slice(begin[k], begin[k + 1])
            take_terms_out(term_of[own], random[own], cross[own], u, g)
            asked = False
            for m in range(begin[k], begin[k + 1]):
                asked = asked or varying_of[m] >= 0
            rows = white[own] if walking else bases[block, own]
            if asked or walking:
                without_terms(rows, residual[slots], random[own], u, precision[k], left[slots])
            if correlated:
                d_joint_gain[:], d_root[slots] = 0.0, 0.0
                by_residual = by_row[:n_slots]
                joint_unwhiten_gradient(
                    -left[slots], residual[slots], seen[block], joint_gain, inverse_sd[slots], spread[slots],
                    d_joint_gain, d_root[slots], by_residual,
                )  # fmt: skip
                left_of_row = -by_residual
            elif random_walks[k]:
                d_gain[slots], d_root[slots] = 0.0, 0.0
                by_residual = by_row[:n_slots]
                unwhiten_gradient(
                    -left[slots], residual[slots], gain[slots], inverse_sd[slots], spread[slots], d_gain[slots],
                    d_root[slots], by_residual,
                )  # fmt: skip
                left_of_row = -by_residual
            else:
                left_of_row = left[slots]
            for m in range(begin[k], begin[k + 1]):
                at = varying_of[m]
                if at >= 0:
                    for j in range(n_slots):
                        for w in range(lanes):
                            d_bases[block, at, j, w] = weights[w] * mu[term_of[m], w] * left_of_row[j, w]
                if random[m] < 0 or not (at >= 0 or walking):
                    continue
                by_random_row(
                    m - begin[k], rows, random[own], left[slots], u, covariance, precision[k],
                    by_row[:n_slots],
                )  # fmt: skip
                if correlated:
                    joint_unwhiten_gradient(
                        by_row[:n_slots], white[m, :n_slots], seen[block], joint_gain, inverse_sd[slots],
                        spread[slots], d_joint_gain, d_root[slots], by_row[:n_slots],
                    )  # fmt: skip
                elif random_walks[k]:
                    unwhiten_gradient(
                        by_row[:n_slots], white[m, :n_slots], gain[slots], inverse_sd[slots], spread[slots],
                        d_gain[slots], d_root[slots], by_row[:n_slots],
                    )  # fmt: skip
                if at >= 0:
                    for j in range(n_slots):
                        for w in range(lanes):
                            d_bases[block, at, j, w] += weights[w] * by_row[j, w]
            if correlated:
                joint_gains_gradient(
                    months, seen[block], rate, joint_gain, inverse_sd[slots], spread[slots], d_joint_gain,
                    d_root[slots], d_months, d_rate, d_noise,
                )  # fmt: skip
                walk_rates_gradient(between, walk, d_rate, d_lanes, d_walk)
                for one in range(n_outcomes):
                    for w in range(width):
                        s = min(stratum[order[first + w]], n_sigma - 1)
                        if random_walks[one]:
                            d_random_walk[s, one] += weights[w] * d_walk[one, w]
                        d_sigma[s, one] += weights[w] * 2.0 * math.sqrt(noise[one, w]) * d_noise[one, w]
                    for other in range(one + 1):
                        at = pair(one, other)
                        shrunk_months_gradient(
                            elapsed[block, slots], decay[one] + decay[other], months[at, :n_slots],
                            d_months[at, :n_slots], line,
                        )  # fmt: skip
                        for w in range(width):
                            d_decay[one] += weights[w] * line[w]
                            d_decay[other] += weights[w] * line[w]
                            d_between[one, other] += weights[w] * d_lanes[one, other, w]
            elif random_walks[k]:
                gains_gradient(
                    month[slots], noise[k], gain[slots], inverse_sd[slots], drift[k], d_gain[slots], d_root[slots],
                    other_line, line, d_month[slots],
                )  # fmt: skip
                for w in range(width):
                    s = min(stratum[order[first + w]], n_sigma - 1)
                    d_random_walk[s, k] += weights[w] * 2.0 * math.sqrt(drift[k, w]) * other_line[w]
                    d_sigma[s, k] += weights[w] * 2.0 * math.sqrt(noise[k, w]) * line[w]
                shrunk_months_gradient(elapsed[block, slots], 2.0 * decay[k], month[slots], d_month[slots], line)
                for w in range(width):
                    d_decay[k] += weights[w] * 2.0 * line[w]
            else:
                expected_square(square[k], random[own], scores[own], cross[own], u, covariance, line)
                for w in range(width):
                    s = min(stratum[order[first + w]], n_sigma - 1)
                    d_sigma[s, k] += weights[w] * (line[w] - visits[k, w]) / math.sqrt(noise[k, w])
        for w in range(width):
            i = order[first + w]
            for p in range(n_terms):
                value = weights[w] * g[p, w]
                if drawing:
                    value += by_terms[i, p]
                d_mean[p, stratum[i]] += value
                if shifting[p] >= 0:
                    d_shift[shifting[p], group[i]] += value
                for c in range(covariates.shape[1]):
                    d_slope[c, p] += value * covariates[i, c]
            for a in range(q):
                for b in range(a + 1):
                    d_factors[min(stratum[i], n_sd - 1), a, b] += weights[w] * d_factor[a, b, w]

    d_unit = np.zeros((q, q))
    for s in range(n_sd):
        for a in range(q):
            for b in range(a + 1):
                d_unit[a, b] += d_factors[s, a, b] * sd[s, a]
                d_sd[s, a] += d_factors[s, a, b] * unit_factor[a, b]
    correlation_factor_gradient(partial, d_unit, d_partial)
    if correlated:
        walk_correlation_gradient(walk_partial, random_walks, d_between, d_walk_partial)
    return (
        logp, d_mean, d_shift, d_slope, d_sd, d_partial, d_sigma, d_random_walk, d_walk_partial, d_decay, d_skew,
        d_bases, d_z, terms, center, root, along,
    )  # fmt: skip
