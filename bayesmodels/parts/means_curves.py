"""Mean courses of published means: untreated courses and drug effects, written once for PyTensor and NumPy.

Every function takes `xp`, the array module (`pytensor.tensor` in a model, `numpy` for prediction from draws), and
arrays over cells (stratum by start group by visit) in the last axis; leading axes are draws. Time is in months;
`started` is the month the drug starts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np

NEVER = 1e4
"""Months standing for a drug start that never comes."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_PANELS = np.array([0.0, 0.06, 0.2, 0.45, 1.0])
UNIT_NODES = np.concatenate([a + (b - a) * (_NODES + 1) / 2 for a, b in pairwise(_PANELS)])
UNIT_WEIGHTS = np.concatenate([(b - a) * _WEIGHTS / 2 for a, b in pairwise(_PANELS)])
"""Gauss-Legendre on [0, 1], panels narrow near 0, where a lagged plateau bends."""


@dataclass(frozen=True)
class Cells:
    """Where a mean course is wanted.

    Parameters
    ----------
    months : array (cell,)
        Since randomisation.
    started : array or tensor (cell,)
        Month of the drug's start, `NEVER` where it never starts.
    stratum : array (cell, stratum)
        Ones and zeros.
    extension : array (cell,)
        1 at visits of the open-label extension, else 0.
    """

    months: Any
    started: Any
    stratum: np.ndarray
    extension: np.ndarray

    def of_stratum(self, values: Any) -> Any:
        """Value of each cell's stratum, from values (..., stratum)."""
        return (values[..., None, :] * self.stratum).sum(axis=-1)


def approach(xp: ModuleType, since: Any, lag: Any, time_constant: Any) -> Any:
    """Share of the plateau reached, `1 - exp(-(x - lag)_+ / kappa)`, x months since the drug's start."""
    return 1 - xp.exp(-xp.maximum(since - lag, 0.0) / time_constant)


def unsuppressed_time(xp: ModuleType, months: Any, started: Any, lag: Any, time_constant: Any) -> Any:
    """Months in which drift accrues: the integral of `1 - approach` from 0 to `months`."""
    onset = xp.minimum(months, started + lag)
    return onset + time_constant * approach(xp, months - started, lag, time_constant)


def decelerated_time(xp: ModuleType, months: Any, deceleration: Any) -> Any:
    """Months at the initial rate that a decelerating course has covered: `(1 - exp(-rho t)) / rho`, rho > 0."""
    return -xp.expm1(-deceleration * months) / deceleration


def linked_time(
    xp: ModuleType, months: Any, deceleration: Any, onset: Any, time_constant: Any, rate_factor: Callable[[Any], Any]
) -> Any:
    """Integral over u from 0 to t of `exp(-rho u) f(h(u))`, h the approach of another outcome's drug effect.

    Parameters
    ----------
    xp : module
    months : array (cell,)
    deceleration : array
        rho of the untreated course.
    onset : array (..., cell)
        Month at which the rate begins to change (drug start plus both lags).
    time_constant : array
        kappa of the other outcome's approach.
    rate_factor : callable
        f, from the approach (..., cell, node) to the factor on the rate; f(0) = 1.
    """
    before = xp.minimum(months, onset)
    width = months - before
    since = width[..., None] * UNIT_NODES
    factor = rate_factor(1 - xp.exp(-since / time_constant[..., None]))
    factor = factor * xp.exp(-deceleration[..., None] * (before[..., None] + since))
    return decelerated_time(xp, before, deceleration) + width * (factor * UNIT_WEIGHTS).sum(axis=-1)
