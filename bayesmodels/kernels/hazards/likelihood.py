"""Log-likelihood of exits under competing proportional hazards along persons' courses, and its gradient.

Time is cut into points: quadrature nodes between a person's entry and exit, then the exit itself with weight zero. At
point j of person i the log hazard of event e is

    eta_ej = sum_c coefficient[e, c] design[c, j] + gamma[e]' x_i + sum_k alpha[e, k] (A_kj - offset[k, j])
    A_kj = sum over the loadings m of predictor k of bases[m, j] terms[i, term_of[m]]

    log p_i = sum_e ( [exit of i is e] eta_e,exit - sum_j weight_j exp(eta_ej) )
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from bayesmodels.kernels.compiled import COMPILE

LOG2_HIGH, LOG2_LOW = float.fromhex("0x1.62e42feep-1"), 1.9082149292705878e-10
"""log 2 in two parts: n x LOG2_HIGH is exact."""
ROUND = 1.5 * 2.0**52
PER_LOG2 = 1.0 / math.log(2.0)
SMALLEST, LARGEST = -708.0, 709.0
"""Beyond these the value is that at the limit: exp(-708) = 3e-308, exp(709) = 8e307."""
C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12 = (1.0 / math.factorial(k) for k in range(2, 13))


@njit(cache=True, error_model="numpy", fastmath={"contract"})  # sums in another order would undo the rounding
def exponentials(values, out):
    """exp(values) into `out`; NaN stays NaN.

    Numba calls the C library for each number; this loop is compiled to vectors. exp(x) = 2^n exp(r) with n the integer
    nearest x / log 2 and |r| <= log(2) / 2, where the Taylor polynomial of degree 12 errs by less than 2e-16. Adding
    1.5 x 2^52 rounds to n and leaves it in the last bits, from where it is added to the exponent of the polynomial.
    """
    for j in range(values.shape[0]):
        x = values[j]
        x = LARGEST if x > LARGEST else x
        x = SMALLEST if x < SMALLEST else x
        shifted = x * PER_LOG2 + ROUND
        n = shifted - ROUND
        r = (x - n * LOG2_HIGH) - n * LOG2_LOW
        p = C12
        p = p * r + C11
        p = p * r + C10
        p = p * r + C9
        p = p * r + C8
        p = p * r + C7
        p = p * r + C6
        p = p * r + C5
        p = p * r + C4
        p = p * r + C3
        p = p * r + C2
        p = p * r + 1.0
        p = p * r + 1.0
        bits = np.float64(p).view(np.int64) + (np.float64(shifted).view(np.int64) << 52)
        out[j] = np.int64(bits).view(np.float64)


@njit(**COMPILE)
def exits(
    code, first, weight, design, offset, covariates, terms, coefficient, gamma, alpha, bases,
    columns, uses, predictor_of, term_of, varying_of, by_person, with_gradient,
):  # fmt: skip
    """Log-likelihood of each person, and the gradient of its sum weighted by `by_person`.

    Parameters
    ----------
    code : (person,) int, 0 where follow-up ended without an event, e + 1 where it ended with event e
    first : (person + 1,) int, where each person's points begin; the last of them is the exit
    weight : (point,) float, quadrature weights, zero at exits
    design : (column, point); offset : (predictor, point); bases : (loading, point)
    covariates : (person, covariate); terms : (person, term)
    coefficient : (event, column); gamma : (event, covariate); alpha : (event, predictor)
    columns, uses : (event, column), (event, predictor) bool, what the event's hazard has
    predictor_of, term_of : (loading,) int
    varying_of : (loading,) int, place among the bases whose gradient is asked for, or -1
    by_person : (person,) float

    Returns
    -------
    logp : (person,)
    d_terms, d_coefficient, d_gamma, d_alpha, d_bases : gradients; d_bases (varying basis, point)
    """
    n, n_events = code.shape[0], coefficient.shape[0]
    n_loadings, n_predictors = predictor_of.shape[0], alpha.shape[1]
    n_varying, n_points = 0, weight.shape[0]
    for m in range(n_loadings):
        n_varying = max(n_varying, varying_of[m] + 1)
    logp = np.zeros(n)
    d_terms, d_coefficient = np.zeros_like(terms), np.zeros_like(coefficient)
    d_gamma, d_alpha = np.zeros_like(gamma), np.zeros_like(alpha)
    d_bases = np.zeros((n_varying if with_gradient else 0, n_points))
    feature, by_feature = -offset, np.zeros((n_predictors, n_points))
    eta, rate = np.empty(n_points), np.empty(n_points)
    for m in range(n_loadings):
        add_along(terms[:, term_of[m]], first, bases[m], feature[predictor_of[m]])
    level, d_level = np.empty(n), np.empty(n)
    for e in range(n_events):
        for i in range(n):
            level[i] = inner(gamma[e], covariates[i])
        fill(level, first, eta)
        for c in range(design.shape[0]):
            if columns[e, c]:
                add_times(coefficient[e, c], design[c], eta)
        for k in range(n_predictors):
            if uses[e, k]:
                add_times(alpha[e, k], feature[k], eta)
        exponentials(eta, rate)
        add_up(eta, rate, weight, first, code, e + 1, by_person, d_level, logp)
        for c in range(gamma.shape[1]):
            d_gamma[e, c] += inner(d_level, covariates[:, c])
        if not with_gradient:
            continue
        for c in range(design.shape[0]):
            if columns[e, c]:
                d_coefficient[e, c] = inner(eta, design[c])
        for k in range(n_predictors):
            if uses[e, k]:
                d_alpha[e, k] = inner(eta, feature[k])
                add_times(alpha[e, k], eta, by_feature[k])
    if with_gradient:
        for m in range(n_loadings):
            back = by_feature[predictor_of[m]]
            add_inner(back, bases[m], first, d_terms[:, term_of[m]])
            if varying_of[m] >= 0:
                add_along(terms[:, term_of[m]], first, back, d_bases[varying_of[m]])
    return logp, d_terms, d_coefficient, d_gamma, d_alpha, d_bases


@njit(**COMPILE)
def add_times(factor, values, out):
    """out += factor x values."""
    for j in range(out.shape[0]):
        out[j] += factor * values[j]


@njit(**COMPILE)
def inner(one, other):
    """Sum of products."""
    total = 0.0
    for j in range(one.shape[0]):
        total += one[j] * other[j]
    return total


@njit(**COMPILE)
def fill(by_person, first, out):
    """Each person's value at all of the person's points.

    Here and below points are counted unsigned: numba then has no negative index to turn round, and makes vectors.
    """
    for i in range(by_person.shape[0]):
        value = by_person[i]
        for j in range(np.uintp(first[i]), np.uintp(first[i + 1])):
            out[j] = value


@njit(**COMPILE)
def add_along(by_person, first, values, out):
    """out += each person's value x values, at the person's points."""
    for i in range(by_person.shape[0]):
        value = by_person[i]
        for j in range(np.uintp(first[i]), np.uintp(first[i + 1])):
            out[j] += value * values[j]


@njit(**COMPILE)
def add_inner(one, other, first, out):
    """out += sum of products over each person's points."""
    for i in range(out.shape[0]):
        total = 0.0
        for j in range(np.uintp(first[i]), np.uintp(first[i + 1])):
            total += one[j] * other[j]
        out[i] += total


@njit(**COMPILE)
def add_up(eta, rate, weight, first, code, event, by_person, d_level, logp):
    """Gradient by the log hazard, left in `eta`, its sum by person in `d_level`; adds to persons' log-likelihood."""
    for i in range(code.shape[0]):
        at, expected, happened, own = np.uintp(first[i + 1] - 1), 0.0, code[i] == event, by_person[i]
        if happened:
            logp[i] += eta[at]
        for j in range(np.uintp(first[i]), at):
            expected += weight[j] * rate[j]
            eta[j] = -own * weight[j] * rate[j]
        logp[i] -= expected
        eta[at] = own if happened else 0.0
        d_level[i] = eta[at] - expected * own
