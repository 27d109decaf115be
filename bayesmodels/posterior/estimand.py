"""Estimands of curves and contrasts in words, and whether enough persons are observed to give a probability.

"As randomised" is said of contrasts: early against never treated stays as randomised to the end, early against delayed
start until the delayed start.
"""

from __future__ import annotations

import math

import numpy as np

from bayesmodels.posterior.context import AS_RANDOMISED_BUT, Contrast, FitContext
from bayesmodels.posterior.intervals import NOTHING
from bayesmodels.posterior.observed import ObservedPersons
from bayesmodels.posterior.wording import chance

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

CHANGES = "difference of changes since randomisation"
"""What a contrast is where start groups have means of their own at randomisation."""

FREE_BASELINE = (
    'Groups have means of their own at randomisation (baseline = "free"): contrasts are differences of changes since '
    "randomisation. What differed at week 0 already is no effect, and is shown apart."
)

BORROWED = (
    "The untreated rate is informed by external persons too, who were not randomised with ours; they are in no mean, "
    "count or comparison of persons (Borrowing from external persons)."
)
"""Of a fit that borrows."""


def all_persons(context: FitContext) -> str:
    """Whom curves and contrasts describe, and under which assumption on what is missing."""
    assumption = "exits as modelled" if context.exits_follow_course else "missing at random"
    return f"all persons, as if alive and followed, {assumption}"


def missing_data(context: FitContext) -> str:
    """The same as a paragraph."""
    return AS_IF_FOLLOWED + (EXITS_MODELLED if context.exits_follow_course else AT_RANDOM)


def compared(contrast: Contrast, week: float) -> str:
    """Whom a contrast compares at a week, and whether as randomised."""
    if week > contrast.switch_week:
        return f"{contrast.early} against {contrast.late} start, {OPEN_LABEL}"
    before = ", before the switch" if math.isfinite(contrast.switch_week) else ""
    return f"{contrast.early} against {contrast.late} {contrast.as_randomised}{before}"


def estimand(context: FitContext, contrast: Contrast, week: float) -> str:
    """The estimand of a contrast at a week, in words."""
    changes = f"; {CHANGES}" if context.free_baseline else ""
    return f"{all_persons(context)}{changes}; {compared(contrast, week)}"


def open_label(context: FitContext) -> str:
    """Which contrasts are open label after which week, in sentences; blank where all stay as randomised."""
    switch = context.switch_week
    if switch is None:
        return ""
    if len({contrast.switch_week for contrast in context.contrasts}) <= 1:
        return f"After week {switch:g} start groups are compared by when they started: {OPEN_LABEL}."
    ends = [
        f"{contrast.early} against {contrast.late} start after week {contrast.switch_week:g}: {OPEN_LABEL}."
        for contrast in context.contrasts
        if math.isfinite(contrast.switch_week)
    ]
    lasting = AS_RANDOMISED_BUT if context.borrows else "as randomised"
    stays = [f"{c.early} against {c.late}" for c in context.contrasts if not math.isfinite(c.switch_week)]
    if stays:
        ends.append(f"{' and '.join(stays)}: {lasting} to the end.")
    return " ".join(f"{text[0].upper()}{text[1:]}" for text in ends)


def withheld(observed: ObservedPersons, outcome: str, contrast: Contrast, stratum: str, week: float) -> str:
    """Why no probability is given at a week; blank where it is given or where counts are not recorded."""
    last = observed.last_well_observed(outcome, contrast.groups, stratum)
    if math.isnan(last) or week <= last:
        return ""
    return f"withheld: past week {last:g}, the last at which half of each group is still observed"


MOSTLY_NONE = 0.5
"""Share of draws without any difference, since the effect comes later, from which no probability is given."""

NO_EFFECT_YET = "no effect yet in "


def no_effect_yet(draws: np.ndarray, null: float = 0.0) -> str:
    """Why no probability is given while most draws have no difference at all; blank where it is given.

    Parameters
    ----------
    draws : array
        Of a difference.
    null : float
        What the difference is without an effect.
    """
    none = float(np.mean(np.abs(draws - null) < NOTHING))
    return f"{NO_EFFECT_YET}{chance(none)} of the draws" if none > MOSTLY_NONE else ""


WITHIN_LIMITS = (
    "Means of {names} are of true scores, without visit error, held within the scale's limits. Differences of latent "
    "means, which know no limits, stand beside."
)
"""Of outcomes with limits; needs their names."""
