"""Log-likelihood of exits under competing proportional hazards along persons' courses, and its gradient.

Time is cut into points: quadrature nodes between a person's entry and exit, then the exit itself with weight zero. At
point j of person i the log hazard of event e is

    eta_ej = sum_c coefficient[e, c] design[c, j] + gamma[e]' x_i + sum_k alpha[e, k] (A_kj - offset[k, j])
    A_kj = sum over the loadings m of predictor k of bases[m, j] terms[i, term_of[m]]

    log p_i = sum_e ( [exit of i is e] eta_e,exit - sum_j weight_j exp(eta_ej) )
"""

from __future__ import annotations

import numpy as np
from numba import njit

from bayesmodels.kernels.correlation_factor import COMPILE
from bayesmodels.kernels.exponential import exponentials

VERSION = 5
"""Raise when the kernel changes: compiled code on disk is reused under the old number."""


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
        for i in range(n):
            own = slice(first[i], first[i + 1])
            add_times(terms[i, term_of[m]], bases[m, own], feature[predictor_of[m], own])
    for e in range(n_events):
        for i in range(n):
            eta[first[i] : first[i + 1]] = inner(gamma[e], covariates[i])
        for c in range(design.shape[0]):
            if columns[e, c]:
                add_times(coefficient[e, c], design[c], eta)
        for k in range(n_predictors):
            if uses[e, k]:
                add_times(alpha[e, k], feature[k], eta)
        exponentials(eta, rate)
        for i in range(n):
            own = slice(first[i], first[i + 1])
            total, at_exit = add_up(eta[own], rate[own], weight[own], code[i] == e + 1, by_person[i])
            logp[i] += at_exit
            for c in range(gamma.shape[1]):
                d_gamma[e, c] += total * covariates[i, c]
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
            for i in range(n):
                own = slice(first[i], first[i + 1])
                back = by_feature[predictor_of[m], own]
                d_terms[i, term_of[m]] += inner(back, bases[m, own])
                if varying_of[m] >= 0:
                    add_times(terms[i, term_of[m]], back, d_bases[varying_of[m], own])
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
def add_up(eta, rate, weight, happened, by_person):
    """One person's gradient by the log hazard, left in `eta`; its sum, and the person's log-likelihood."""
    expected, last = 0.0, eta.shape[0] - 1
    logp = eta[last] if happened else 0.0
    for j in range(last):
        eta[j] = weight[j] * rate[j]
        expected += eta[j]
    for j in range(last):
        eta[j] *= -by_person
    eta[last] = by_person if happened else 0.0
    return eta[last] - expected * by_person, logp - expected
