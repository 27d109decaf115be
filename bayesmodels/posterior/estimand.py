"""Estimands of curves and contrasts in words, and whether enough persons are observed to give a probability."""

from __future__ import annotations

import math

from bayesmodels.posterior.context import Contrast, FitContext
from bayesmodels.posterior.observed import ObservedPersons

OPEN_LABEL = "open label, not randomised drug against placebo"

AS_IF_FOLLOWED = "Every curve and contrast describes all persons as if alive and followed. "

AT_RANDOM = (
    "This is valid if data are missing at random: given what was observed of a person, whether a later visit is "
    "missing does not depend on what it would have shown. Deaths and withdrawals that depend on the unseen course "
    "break this; these data cannot test it."
)

EXITS_MODELLED = (
    "Exits may depend on the whole of a person's course, seen and unseen, in the ways that the model has (What of the "
    "course goes with events); visits missed before the exit are taken as missing at random. That exits depend on the "
    "unseen course in no other way these data cannot test."
)


def all_persons(context: FitContext) -> str:
    """Whom curves and contrasts describe, and under which assumption on what is missing."""
    assumption = "exits as modelled" if context.exits_follow_course else "missing at random"
    return f"all persons, as if alive and followed, {assumption}"


def missing_data(context: FitContext) -> str:
    """The same as a paragraph."""
    return AS_IF_FOLLOWED + (EXITS_MODELLED if context.exits_follow_course else AT_RANDOM)


def estimand(context: FitContext, contrast: Contrast, week: float) -> str:
    """The estimand of a contrast at a week, in words."""
    if context.switch_week is None or week <= context.switch_week:
        return f"{all_persons(context)}; {contrast.early} against {contrast.late} as randomised, before the switch"
    return f"{all_persons(context)}; {contrast.early} against {contrast.late} start, {OPEN_LABEL}"


def withheld(observed: ObservedPersons, outcome: str, contrast: Contrast, stratum: str, week: float) -> str:
    """Why no probability is given at a week; blank where it is given or where counts are not recorded."""
    last = observed.last_well_observed(outcome, contrast.groups, stratum)
    if math.isnan(last) or week <= last:
        return ""
    return f"withheld: past week {last:g}, the last at which half of each group is still observed"
