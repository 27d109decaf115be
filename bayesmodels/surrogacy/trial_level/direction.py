"""Whether effects go together in the helpful direction: a strong association with the wrong sign supports no surrogate.

Two forms of the surrogate paradox (VanderWeele 2013, doi:10.1111/biom.12071) leave R2_trial high: drugs that do more
for the surrogate do more harm (the correlation has the wrong sign), or every drug does harm besides, so that most that
are good for the surrogate harm although effects go together. |rho| is blind to both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesmodels.surrogacy.trial_level.draws import TrialDraws
from bayesmodels.surrogacy.trial_level.paradox import paradox_probability
from bayesmodels.surrogacy.trial_level.threshold import SIGNS


@dataclass(frozen=True)
class Direction:
    """Direction of the association of effects.

    Attributes
    ----------
    right : float
        Probability that better effects on the surrogate go with better effects on the outcome.
    harm : float
        Probability that a new treatment of the kind in these trials harms, given that it is good for the surrogate.
    """

    right: float
    harm: float


def direction(draws: TrialDraws, surrogate_good: str | None, outcome_good: str | None) -> Direction | None:
    """The direction of the association; None where a good direction is not stated."""
    if surrogate_good is None or outcome_good is None:
        return None
    sign = SIGNS[surrogate_good] * SIGNS[outcome_good]
    harm = paradox_probability(draws, surrogate_good, outcome_good)["given_good_surrogate"]
    return Direction(float(np.mean(sign * draws.rho > 0)), harm)
