"""Persons' values in blocks of `LANES` persons, those with about as many visits together."""

from __future__ import annotations

import numpy as np
from numba import njit

from bayesmodels.kernels.compiled import COMPILE

LANES = 64
"""Persons worked on at once: long enough to pay for each loop's set-up, short enough for the first cache."""


@njit(**COMPILE)
def by_visits(count):
    """Persons by their number of visits, most first; of as many, in their own order."""
    n, most = count.shape[0], 0
    total = np.zeros(n, np.int64)
    for i in range(n):
        for k in range(count.shape[1]):
            total[i] += count[i, k]
        most = max(most, total[i])
    place, order = np.zeros(most + 2, np.int64), np.empty(n, np.int64)
    for i in range(n):
        place[most - total[i] + 1] += 1
    for v in range(most + 1):
        place[v + 1] += place[v]
    for i in range(n):
        order[place[most - total[i]]] = i
        place[most - total[i]] += 1
    return order


@njit(**COMPILE)
def most_visits(count, order, blocks):
    """Most visits of a person of each block, (outcome, block)."""
    most = np.zeros((count.shape[1], blocks), np.int64)
    for place in range(order.shape[0]):
        for k in range(count.shape[1]):
            most[k, place // LANES] = max(most[k, place // LANES], count[order[place], k])
    return most


@njit(cache=True, error_model="numpy")
def pack(source, order, filled, target, m, begin):
    """Copy (slot, person) into (block, `m`, slot, lane), by `order`: `filled[block]` slots from `begin` on."""
    lanes, n = target.shape[3], source.shape[1]
    for block in range(target.shape[0]):
        first = block * lanes
        for j in range(begin, begin + filled[block]):
            for i in range(first, min(n, first + lanes)):
                target[block, m, j, i - first] = source[j, order[i]]


@njit(cache=True, error_model="numpy")
def unpack(source, order, m, target):
    """Copy (block, `m`, slot, lane) into (slot, person), by `order`."""
    lanes, n = source.shape[3], target.shape[1]
    for block in range(source.shape[0]):
        first = block * lanes
        for j in range(target.shape[0]):
            for i in range(first, min(n, first + lanes)):
                target[j, order[i]] = source[block, m, j, i - first]


@njit(**COMPILE)
def load_persons(
    first, order, stratum, group, count, covariates, mean, shift, slope, sigma, random_walk, factors, shifting,
    mu, visits, noise, drift, factor,
):  # fmt: skip
    """A block of persons' means, visits, residual and path variances and factors; past the last, the last again."""
    n_sd, n_sigma, n = factors.shape[0], sigma.shape[0], order.shape[0]
    for w in range(mu.shape[1]):
        i = order[min(first + w, n - 1)]
        s = stratum[i]
        for p in range(mu.shape[0]):
            mu[p, w] = mean[p, s]
            if shifting[p] >= 0:
                mu[p, w] += shift[shifting[p], group[i]]
            for c in range(covariates.shape[1]):
                mu[p, w] += covariates[i, c] * slope[c, p]
        for k in range(noise.shape[0]):
            visits[k, w] = count[i, k]
            noise[k, w] = sigma[min(s, n_sigma - 1), k] ** 2
            drift[k, w] = random_walk[min(s, n_sigma - 1), k] ** 2
        for a in range(factor.shape[0]):
            for b in range(a + 1):
                factor[a, b, w] = factors[min(s, n_sd - 1), a, b]
