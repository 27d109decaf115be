"""Random walks whose steps shrink: the SD of a step falls as exp(-t / tau) with the months t since randomisation.

Over the months (t0, t1] two such paths with constants tau_k and tau_l move together by rho_kl omega_k omega_l I, where

    I = integral from t0 to t1 of exp(-decay t) dt = exp(-decay t0) (1 - exp(-decay (t1 - t0))) / decay

and decay = 1 / tau_k + 1 / tau_l (2 / tau for one path). With decay 0 it is t1 - t0: steps of one size. So I takes the
place of the months between visits. Arrays are (visit, lane), visits in order of time.
"""

from __future__ import annotations

import math

import numpy as np

from bayesmodels.kernels.compiled import FAST, kernel

_SMALL = 0.3
"""Below it a series of 1 / (exp(x) - 1) - 1 / x; its next term is below 1e-15 of the sum."""


@kernel(FAST)
def shrunk_months(elapsed, decay, out):
    """I of every step, from the months `elapsed` since the visit before or since randomisation."""
    visits, lanes = elapsed.shape
    if decay == 0.0:
        out[:] = elapsed
        return
    before = np.ones(lanes)
    for j in range(visits):
        for w in range(lanes):
            lost = math.expm1(-decay * elapsed[j, w])
            out[j, w] = -before[w] * lost / decay
            before[w] *= 1.0 + lost


@kernel(FAST)
def shrunk_months_gradient(elapsed, decay, shrunk, gradient, out):
    """Gradient by `decay` of each lane, (lane,), from that by I: d I / d decay = I [d (1 / (exp(x) - 1) - 1 / x) - t0].

    d the months of the step, x = decay d.
    """
    visits, lanes = elapsed.shape
    time = np.zeros(lanes)
    for w in range(lanes):
        out[w] = 0.0
    for j in range(visits):
        for w in range(lanes):
            x = decay * elapsed[j, w]
            if x < _SMALL:
                square = x * x
                series = 1.0 / 30240.0 + square * (-1.0 / 1209600.0 + square / 47900160.0)
                slope = -0.5 + x * (1.0 / 12.0 + square * (-1.0 / 720.0 + square * series))
            else:
                slope = 1.0 / math.expm1(x) - 1.0 / x
            out[w] += gradient[j, w] * shrunk[j, w] * (elapsed[j, w] * slope - time[w])
            time[w] += elapsed[j, w]
