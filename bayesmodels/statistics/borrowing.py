"""How much of external persons' information on a rate a fit that borrows from them has used, from its draws alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bayesmodels.errors import BadInput


def share_used(rate: npt.ArrayLike, external: npt.ArrayLike) -> float:
    """Share of an external trial's information on its own rate that has become information on ours.

    The slope of the external rate on ours over posterior draws, Cov(rate, external) / Var(rate). Where the two trials'
    likelihoods of their rates are normal with variances v and v_e (v with the prior of ours), whatever the prior of the
    drift between the rates, this is (1 / V - 1 / v) / (1 / v_e), V the posterior variance of our rate: 1 where the
    trials are pooled, 0 where they are apart, v_e / (v_e + tau^2) where the drift is Normal(0, tau^2). Below 0 the
    external trial has made our rate less certain, as a mixture can where the trials are in conflict.

    Parameters
    ----------
    rate : array (draw,)
        Posterior draws of our rate.
    external : array (draw,)
        The same draws of the external trial's rate: ours plus the drift.

    Returns
    -------
    float
        NaN where our rate does not vary.

    Raises
    ------
    BadInput
        Not as many draws of one as of the other, or fewer than two.

    Notes
    -----
    Times the number of external persons it is the effective sample size of what was borrowed: the gain in precision in
    units of what a person of the external trial gives (effective historical sample size: Hobbs, Carlin and Sargent,
    Clinical Trials 2013;10:430, there from two fits). Parameters that trials share count for neither.
    """
    ours, theirs = np.asarray(rate, float).ravel(), np.asarray(external, float).ravel()
    if len(ours) != len(theirs) or len(ours) < 2:
        raise BadInput(f"draws: expected two or more of both rates, got {len(ours)} and {len(theirs)}")
    deviation = ours - ours.mean()
    spread = float(deviation @ deviation)
    return float(deviation @ theirs) / spread if spread > 0 else float("nan")
