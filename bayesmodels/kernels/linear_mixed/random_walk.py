"""Random walks about persons' courses: a scalar Kalman filter that makes the visits of an outcome independent.

A visit is course + path + error, the path a Brownian motion from 0 at randomisation with variance `rate` a month, the
error's variance `noise`. With d_j the time since the visit before, V_0 = 0 and

    P_j = V_{j-1} + rate d_j,   S_j = P_j + noise,   K_j = P_j / S_j,   V_j = noise K_j,

the innovations x~_j = (x_j - a_j) / sqrt(S_j), a_{j+1} = a_j + K_j (x_j - a_j), turn path and error into independent
unit errors, and log S_j adds up to the log-determinant. The filter is linear in x, so it is put to the residuals and
to every basis. Arrays are (slot, lane); a slot without a visit has gain, root and spread zero.
"""

from __future__ import annotations

import math

import numpy as np

from bayesmodels.kernels.compiled import FAST, kernel

_CHUNK = 8
"""Slots whose variances are multiplied before a logarithm is taken: no overflow, an eighth of the logarithms."""


@kernel(FAST)
def gains(elapsed, count, rate, noise, gain, root, spread, log_root):
    """K_j, 1 / sqrt(S_j) and sqrt(S_j) of every slot, and the sum of log sqrt(S_j) over visits."""
    slots, lanes = gain.shape
    variance, product = np.zeros(lanes), np.ones(lanes)
    for w in range(lanes):
        log_root[w] = 0.0
    for j in range(slots):
        for w in range(lanes):
            seen = j < count[w]
            before = variance[w] + rate[w] * elapsed[j, w]
            total = before + noise[w]
            deviation = math.sqrt(total)
            gain[j, w] = before / total if seen else 0.0
            root[j, w] = 1.0 / deviation if seen else 0.0
            spread[j, w] = deviation if seen else 0.0
            product[w] *= deviation if seen else 1.0
            variance[w] = noise[w] * before / total
        if j % _CHUNK == _CHUNK - 1 or j == slots - 1:
            for w in range(lanes):
                log_root[w] += math.log(product[w])
                product[w] = 1.0


@kernel(FAST)
def whiten(rows, gain, root, out):
    """Innovations of `rows` (slot, lane) into `out`, which may be `rows` itself."""
    slots, lanes = gain.shape
    state = np.zeros(lanes)
    for j in range(slots):
        for w in range(lanes):
            innovation = rows[j, w] - state[w]
            state[w] += gain[j, w] * innovation
            out[j, w] = innovation * root[j, w]


@kernel(FAST)
def unwhiten_gradient(gradient, white, gain, root, spread, d_gain, d_root, out):
    """From the gradient by innovations `white` to that by the rows, into `out`; adds those by gain and root."""
    slots, lanes = gain.shape
    state = np.zeros(lanes)
    for j in range(slots - 1, -1, -1):
        for w in range(lanes):
            innovation = white[j, w] * spread[j, w]
            d_root[j, w] += gradient[j, w] * innovation
            d_gain[j, w] += state[w] * innovation
            by_innovation = gradient[j, w] * root[j, w] + gain[j, w] * state[w]
            state[w] -= by_innovation
            out[j, w] = by_innovation


@kernel(FAST)
def gains_gradient(elapsed, noise, gain, root, rate, d_gain, d_root, d_rate, d_noise, d_elapsed):
    """Gradient by path and error variance and `elapsed`, from that by gain and root and of minus sum log sqrt(S_j)."""
    slots, lanes = gain.shape
    by_variance = np.zeros(lanes)
    for w in range(lanes):
        d_rate[w] = 0.0
        d_noise[w] = 0.0
    for j in range(slots - 1, -1, -1):
        for w in range(lanes):
            by_gain = d_gain[j, w] + by_variance[w] * noise[w]
            precision = root[j, w] * root[j, w]
            by_total = -precision * (0.5 + 0.5 * d_root[j, w] * root[j, w] + by_gain * gain[j, w])
            by_before = by_total + by_gain * precision
            d_noise[w] += by_total + by_variance[w] * gain[j, w]
            d_rate[w] += by_before * elapsed[j, w]
            d_elapsed[j, w] = by_before * rate[w]
            by_variance[w] = by_before
