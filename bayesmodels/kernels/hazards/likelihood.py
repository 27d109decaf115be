"""Log-likelihood of exits under competing proportional hazards along persons' courses, and its gradient.

Time is cut into points: quadrature nodes between a person's entry and exit, then the exit itself with weight zero. At
point j of person i the log hazard of event e is

    eta_ej = sum_c coefficient[e, c] design[c, j] + gamma[e]' x_i + sum_k alpha[e, k] (A_kj - offset[k, j])
    A_kj = sum over the loadings m of predictor k of bases[m, j] terms[i, term_of[m]]

    log p_i = sum_e ( [exit of i is e] eta_e,exit - sum_j weight_j exp(eta_ej) )
"""

from __future__ import annotations

import numpy as np

from bayesmodels.kernels.compiled import FAST, kernel
from bayesmodels.kernels.exponential import exponentials


@kernel(FAST)
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


@kernel(FAST)
def add_times(factor, values, out):
    """out += factor x values."""
    for j in range(out.shape[0]):
        out[j] += factor * values[j]


@kernel(FAST)
def inner(one, other):
    """Sum of products."""
    total = 0.0
    for j in range(one.shape[0]):
        total += one[j] * other[j]
    return total


@kernel(FAST)
def fill(by_person, first, out):
    """Each person's value at all of the person's points.

    Here and below points are counted unsigned: numba then has no negative index to turn round, and makes vectors.
    """
    for i in range(by_person.shape[0]):
        value = by_person[i]
        for j in range(np.uintp(first[i]), np.uintp(first[i + 1])):
            out[j] = value


@kernel(FAST)
def add_along(by_person, first, values, out):
    """out += each person's value x values, at the person's points."""
    for i in range(by_person.shape[0]):
        value = by_person[i]
        for j in range(np.uintp(first[i]), np.uintp(first[i + 1])):
            out[j] += value * values[j]


@kernel(FAST)
def add_inner(one, other, first, out):
    """out += sum of products over each person's points."""
    for i in range(out.shape[0]):
        total = 0.0
        for j in range(np.uintp(first[i]), np.uintp(first[i + 1])):
            total += one[j] * other[j]
        out[i] += total


@kernel(FAST)
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
