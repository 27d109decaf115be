"""Prentice's four criteria in one trial (1989) as probabilities, with regions declared beforehand.

C1 the drug moves the surrogate, C2 it moves the outcome, C3 surrogate and outcome go together, C4 given the surrogate
nothing of the effect on the outcome is left. C4 is a statement of equivalence: its region is a share of an important
difference, never of the estimated effect, and a wide posterior fails it. In a trial that missed its outcome the
criteria cannot be judged: they are not assessable, which is no failure of the surrogate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayesmodels.posterior.intervals import probability
from bayesmodels.surrogacy.criteria.arms import Arms


@dataclass(frozen=True)
class Regions:
    """What counts as an effect, and as none; declared before the data are seen.

    Parameters
    ----------
    surrogate, outcome : float
        Smallest effect that counts, in favour of the drug, modelling unit of the endpoint; 0: any.
    residual : float
        Largest effect on the outcome, given the surrogate, that counts as none; NaN: not declared.
    """

    surrogate: float = 0.0
    outcome: float = 0.0
    residual: float = math.nan


@dataclass(frozen=True)
class Prentice:
    """Probabilities of the criteria; NaN where no region was declared.

    Parameters
    ----------
    probabilities : dict
        C1, C2, C3, C4 (common slope), C4 with a slope for each arm (over the range between the arms' mean surrogates),
        joint (C1 to C4 in the same draw), harm (the effect left is worse than the region).
    assessable : bool
        Whether the outcome moved: P(C2) is high enough.
    reason : str
        Why not, blank where it is.
    """

    probabilities: dict[str, float]
    assessable: bool
    reason: str

    @property
    def table(self) -> pd.DataFrame:
        """Columns `criterion`, `probability`."""
        return pd.DataFrame(list(self.probabilities.items()), columns=["criterion", "probability"])

    def sentence(self) -> str:
        """The joint probability, or why there is none."""
        if not self.assessable:
            return f"not assessable: {self.reason}"
        return f"all four criteria hold with probability {self.probabilities['joint']:.2f}"


def prentice(arms: Arms, regions: Regions, outcome_probability: float = 0.975, design: str = "") -> Prentice:
    """Probability of each criterion and of all four together.

    Parameters
    ----------
    arms : Arms
        Without persons (covariances NaN) C1 and C2 only.
    regions : Regions
    outcome_probability : float
        Below this probability of C2 the criteria are not assessable: an effect that may be 0 cannot be seen to be
        carried. Nor where it is not as probable that the effect on the outcome exceeds the region of the residual
        effect: inside that region nothing need be carried for C4 to hold.
    design : str
        Why the design or the fit cannot say; blank where it can.
    """
    good = arms.favourable
    c1, c2, c3 = good.alpha > regions.surrogate, good.beta > regions.outcome, good.gamma > 0
    left = good.residual_effect
    persons = not np.isnan(left).any()
    declared = persons and not math.isnan(regions.residual)
    c4 = np.abs(left) < regions.residual
    by_arm = (np.abs(good.arm_residual_effect) < regions.residual).all(axis=1)
    found = {
        "C1": probability(c1),
        "C2": probability(c2),
        "C3": probability(c3) if persons else math.nan,
        "C4": probability(c4) if declared else math.nan,
        "C4, a slope for each arm": probability(by_arm) if declared else math.nan,
        "joint": probability(c1 & c2 & c3 & c4) if declared else math.nan,
        "harm": probability(left < -regions.residual) if declared else math.nan,
    }
    beyond = probability(good.beta > regions.residual) if declared else math.nan
    reason = design or _reason(found["C2"], beyond, persons, regions.residual, outcome_probability)
    return Prentice(found, not reason, reason)


def _reason(moved: float, beyond: float, persons: bool, residual: float, needed: float) -> str:
    """Why the criteria cannot be judged; blank where they can."""
    if moved < needed:
        return (
            f"the trial does not show an effect on the outcome (probability {moved:.2f}, needed {needed:g}), so "
            "whether the surrogate carries it cannot be asked; this is no failure of the surrogate"
        )
    if not persons:
        return "without persons there is no slope of the outcome on the surrogate"
    if math.isnan(beyond):
        return "no region was declared inside which the effect left over counts as none"
    if beyond < needed:
        return (
            f"the effect on the outcome is not shown to exceed the {residual:g} inside which what is left over counts "
            f"as none (probability {beyond:.2f}, needed {needed:g}), so little would have to go through the surrogate"
        )
    return ""
