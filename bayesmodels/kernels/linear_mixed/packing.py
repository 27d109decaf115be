"""Persons' values in blocks of `LANES` persons, those with about as many visits together."""

from __future__ import annotations

import numpy as np

from bayesmodels.kernels.compiled import FAST, kernel

LANES = 64
"""Persons worked on at once: long enough to pay for each loop's set-up, short enough for the first cache."""


@kernel(FAST)
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


@kernel(FAST)
def most_visits(count, order, blocks):
    """Most visits of a person of each block, (outcome, block)."""
    most = np.zeros((count.shape[1], blocks), np.int64)
    for place in range(order.shape[0]):
        for k in range(count.shape[1]):
            most[k, place // LANES] = max(most[k, place // LANES], count[order[place], k])
    return most


@kernel(False)
def pack(source, order, filled, target, m, begin):
    """Copy (slot, person) into (block, `m`, slot, lane), by `order`: `filled[block]` slots from `begin` on."""
    lanes, n = target.shape[3], source.shape[1]
    for block in range(target.shape[0]):
        first = block * lanes
        for j in range(begin, begin + filled[block]):
            for i in range(first, min(n, first + lanes)):
                target[block, m, j, i - first] = source[j, order[i]]


@kernel(False)
def unpack(source, order, m, target):
    """Copy (block, `m`, slot, lane) into (slot, person), by `order`."""
    lanes, n = source.shape[3], target.shape[1]
    for block in range(source.shape[0]):
        first = block * lanes
        for j in range(target.shape[0]):
            for i in range(first, min(n, first + lanes)):
                target[j, order[i]] = source[block, m, j, i - first]


@kernel(FAST)
def in_order_of_time(elapsed, count, first_slot, place, since):
    """Every person's visits of all outcomes in order of time, those of one time in the order of outcomes.

    From months `elapsed` (person, slot) since the visit before of the same outcome: `place` (person, slot) among the
    visits, -1 where there is none, and the months `since` (visit, person) the visit before of any outcome.
    """
    outcomes = count.shape[1]
    taken, time = np.empty(outcomes, np.int64), np.empty(outcomes)
    place[:], since[:] = -1, 0.0
    for i in range(count.shape[0]):
        visits = 0
        for k in range(outcomes):
            taken[k], time[k] = 0, 0.0
            visits += count[i, k]
            if count[i, k]:
                time[k] = elapsed[i, first_slot[k]]
        last = 0.0
        for j in range(visits):
            first = -1
            for k in range(outcomes):
                if taken[k] < count[i, k] and (first < 0 or time[k] < time[first]):
                    first = k
            place[i, first_slot[first] + taken[first]] = j
            since[j, i] = time[first] - last
            last = time[first]
            taken[first] += 1
            if taken[first] < count[i, first]:
                time[first] += elapsed[i, first_slot[first] + taken[first]]


@kernel(FAST)
def pack_in_order(source, order, place, begin, target, m):
    """Copy an outcome's (slot, person) into (block, `m`, visit, lane) at `place`; its slots begin at `begin`."""
    lanes = target.shape[3]
    for position in range(order.shape[0]):
        i = order[position]
        for j in range(source.shape[0]):
            if place[i, begin + j] >= 0:
                target[position // lanes, m, place[i, begin + j], position % lanes] = source[j, i]


@kernel(FAST)
def by_slot(values, order, place, begin, end, m):
    """Bring (block, `m`, visit, lane) from the order of time into the slots of an outcome, in place."""
    lanes, kept = values.shape[3], np.empty(values.shape[2])
    for position in range(order.shape[0]):
        i, block, w = order[position], position // lanes, position % lanes
        for j in range(kept.shape[0]):
            kept[j] = values[block, m, j, w]
            values[block, m, j, w] = 0.0
        for j in range(end - begin):
            if place[i, begin + j] >= 0:
                values[block, m, j, w] = kept[place[i, begin + j]]


@kernel(FAST)
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
