"""What a curve or contrast at a week is an estimate of, and whether enough persons stand behind it."""

from __future__ import annotations

import math

from bayesmodels.reporting.context import Contrast, FitContext
from bayesmodels.reporting.observed import ObservedPersons

ALL_PERSONS = "all persons, as if alive and followed, missing at random"

OPEN_LABEL = "open label, not randomised drug against placebo"

MISSING_AT_RANDOM = (
    "Every curve and contrast describes all persons as if alive and followed. This is valid if data are missing at "
    "random: given what was observed of a person, whether a later visit is missing does not depend on what it would "
    "have shown. Deaths and withdrawals that depend on the unseen course break this; these data cannot test it."
)


def estimand(context: FitContext, contrast: Contrast, week: float) -> str:
    """The estimand of a contrast at a week, in words."""
    if context.switch_week is None or week <= context.switch_week:
        return f"{ALL_PERSONS}; {contrast.early} against {contrast.late} as randomised, before the switch"
    return f"{ALL_PERSONS}; {contrast.early} against {contrast.late} start, {OPEN_LABEL}"


def withheld(observed: ObservedPersons, outcome: str, contrast: Contrast, stratum: str, week: float) -> str:
    """Why no probability is given at a week; blank where it is given or where counts are not recorded."""
    last = observed.last_well_observed(outcome, contrast.groups, stratum)
    if math.isnan(last) or week <= last:
        return ""
    return f"withheld: past week {last:g}, the last at which half of each group is still observed"
