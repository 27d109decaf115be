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

from bayesmodels.kernels.correlation_factor import COMPILE

VERSION = 1
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
    longest, n_varying = 0, 0
    for i in range(n):
        longest = max(longest, first[i + 1] - first[i])
    for m in range(n_loadings):
        n_varying = max(n_varying, varying_of[m] + 1)
    logp = np.zeros(n)
    d_terms, d_coefficient = np.zeros_like(terms), np.zeros_like(coefficient)
    d_gamma, d_alpha = np.zeros_like(gamma), np.zeros_like(alpha)
    d_bases = np.zeros((n_varying if with_gradient else 0, weight.shape[0]))
    predictor, by_predictor = np.empty((n_predictors, longest)), np.empty((n_predictors, longest))
    eta = np.empty(longest)
    for i in range(n):
        start, size = first[i], first[i + 1] - first[i]
        for k in range(n_predictors):
            for j in range(size):
                predictor[k, j] = -offset[k, start + j]
                by_predictor[k, j] = 0.0
        for m in range(n_loadings):
            k, term = predictor_of[m], terms[i, term_of[m]]
            for j in range(size):
                predictor[k, j] += bases[m, start + j] * term
        for e in range(n_events):
            level = 0.0
            for c in range(gamma.shape[1]):
                level += gamma[e, c] * covariates[i, c]
            for j in range(size):
                eta[j] = level
            for c in range(design.shape[0]):
                if columns[e, c]:
                    value = coefficient[e, c]
                    for j in range(size):
                        eta[j] += value * design[c, start + j]
            for k in range(n_predictors):
                if uses[e, k]:
                    value = alpha[e, k]
                    for j in range(size):
                        eta[j] += value * predictor[k, j]
            if code[i] == e + 1:
                logp[i] += eta[size - 1]
            for j in range(size - 1):
                eta[j] = -weight[start + j] * math.exp(eta[j])
                logp[i] += eta[j]
            if not with_gradient:
                continue
            eta[size - 1] = 1.0 if code[i] == e + 1 else 0.0
            total = 0.0
            for j in range(size):
                eta[j] *= by_person[i]
                total += eta[j]
            for c in range(gamma.shape[1]):
                d_gamma[e, c] += total * covariates[i, c]
            for c in range(design.shape[0]):
                if columns[e, c]:
                    value = 0.0
                    for j in range(size):
                        value += eta[j] * design[c, start + j]
                    d_coefficient[e, c] += value
            for k in range(n_predictors):
                if uses[e, k]:
                    value = 0.0
                    for j in range(size):
                        value += eta[j] * predictor[k, j]
                        by_predictor[k, j] += alpha[e, k] * eta[j]
                    d_alpha[e, k] += value
        if not with_gradient:
            continue
        for m in range(n_loadings):
            k, term, value = predictor_of[m], terms[i, term_of[m]], 0.0
            for j in range(size):
                value += bases[m, start + j] * by_predictor[k, j]
            d_terms[i, term_of[m]] += value
            if varying_of[m] >= 0:
                for j in range(size):
                    d_bases[varying_of[m], start + j] = term * by_predictor[k, j]
    return logp, d_terms, d_coefficient, d_gamma, d_alpha, d_bases
