"""Persons' values in blocks of `LANES` persons, those with about as many visits together."""

from __future__ import annotations

import numpy as np
from numba import njit

from bayesmodels.kernels.correlation_factor import COMPILE

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


@njit(cache=True, error_model="numpy")
def pack(source, order, target, m):
    """Copy (slot, person) into (block, `m`, slot, lane), by `order`; lanes past the last person stay zero."""
    lanes, n = target.shape[3], source.shape[1]
    for block in range(target.shape[0]):
        first = block * lanes
        for j in range(source.shape[0]):
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
