"""Effect on an outcome whose rate a model ties to the drug-induced change of the surrogate, from published variables.

Off the drug the rate is a exp(-rho u) at month u (rho 0: a straight course). A drug started at randomisation lowers the
surrogate by D h(u), D = ln(1 - x) at its plateau, h(u) = 1 - exp(-(u - lag_S)_+ / kappa); the link acts lag_T months
behind, with h = h(u - lag_T):

    ratio_power    rate a exp(-rho u) exp(theta D h); effect to month t: a int_0^t exp(-rho u) (exp(theta D h) - 1) du
    drop_gain      rate gains -gain D h exp(-rho u); effect to month t: -gain D int_0^t exp(-rho u) h du

The integrals begin where the link begins to act, and are taken by Gauss-Legendre on panels that are narrow there.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_PANELS = np.array([0.0, 0.06, 0.2, 0.45, 1.0])
NODES = np.concatenate([a + (b - a) * (_NODES + 1) / 2 for a, b in pairwise(_PANELS)])
WEIGHTS = np.concatenate([(b - a) * _WEIGHTS / 2 for a, b in pairwise(_PANELS)])


@dataclass(frozen=True)
class LinkDraws:
    """Draws of what a link's effect depends on.

    Parameters
    ----------
    kind : {"ratio_power", "drop_gain"}
    strength : (draw,)
        Exponent, or gain.
    rate : (draw, stratum)
        Untreated rate at randomisation, outcome's unit a month.
    deceleration, surrogate_lag, time_constant, lag : (draw,)
        A month; months.
    shares : (stratum,)
        Of the strata in the trial; they sum to 1.
    """

    kind: Literal["ratio_power", "drop_gain"]
    strength: Array
    rate: Array
    deceleration: Array
    surrogate_lag: Array
    time_constant: Array
    lag: Array
    shares: Array

    def effect(self, surrogate_effect: float, months: float) -> Array:
        """Effect on the outcome from randomisation to a month, mean over the strata by their shares, (draw,).

        Parameters
        ----------
        surrogate_effect : float
            At the plateau, ln; the same in every stratum.
        months : float
        """
        width = np.maximum(months - self.lag - self.surrogate_lag, 0.0)
        since = width[:, None] * NODES
        reached = -np.expm1(-since / self.time_constant[:, None])
        weight = np.exp(-self.deceleration[:, None] * (months - width[:, None] + since)) * width[:, None] * WEIGHTS
        if self.kind == "drop_gain":
            return -self.strength * surrogate_effect * (reached * weight).sum(axis=1)
        change = np.expm1(self.strength[:, None] * surrogate_effect * reached)
        return (self.rate @ self.shares) * (change * weight).sum(axis=1)
