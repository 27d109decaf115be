"""Means by visit: rows that a person's design is multiplied by, and their priors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesmodels.errors import BadInput
from bayesmodels.models.visit_means.along_visits import normal_along_visits
from bayesmodels.models.visit_means.design import VisitLayout
from bayesmodels.parts.priors import Normal, by_stratum

LATER_SPREADS = 3.0
"""Prior SD of a mean after week 0, in typical spreads between persons: courses without a stated rate may go far."""


@dataclass(frozen=True)
class MeanRows:
    """Means, effects and slopes by slot, as tensors.

    Parameters
    ----------
    rows : (row, slot)
        Stacked for the persons' design: strata, effects, covariates, baseline values.
    mean : (stratum, slot)
        Of the reference group, at the mean of the covariates.
    effect : (stratum or 1, start group but the reference, slot)
        Against the reference group.
    constant : (stratum or 1, start group but the reference, outcome), or None
        The same, where it is one for all visits.
    slope : (covariate, slot)
    baseline_slope : (slot,) or None
    """

    rows: Any
    mean: Any
    effect: Any
    constant: Any
    slope: Any
    baseline_slope: Any


def mean_rows(model: Any, layout: VisitLayout) -> MeanRows:
    """Random variables of the means in the current PyMC model.

    Raises
    ------
    BadInput
        A prior by stratum lacks one of the study's strata.
    """
    levels = level_priors(model, layout)
    every = np.arange(layout.slots)
    mean = normal_along_visits(
        "slot_mean",
        layout,
        every,
        *(np.array([[getattr(p, k) for p in row] for row in levels]) for k in ("mean", "sd")),
    )
    own = layout.of_outcome()
    strata = layout.strata if model.effect_by_stratum else layout.strata[:1]
    priors = [by_stratum(k.effect_on_level, strata) for k in model.outcomes]
    centre, sd = (np.array([[getattr(p, part) for p in row] for row in priors]).T[:, None] for part in ("mean", "sd"))
    others, constant = len(layout.groups) - 1, None
    acting = own * layout.acts  # (outcome, slot)
    if model.treatment_effect == "constant":
        shape: tuple[int, ...] = (len(strata), others, len(own))
        constant = pm.Normal("constant_effect", centre, sd, shape=shape) if others else pt.zeros(shape)
        effect = pt.dot(constant, acting)
    else:
        at = np.flatnonzero(layout.acts)
        shape = (len(strata), others, len(at))
        of = layout.outcome_of[at]
        prior = (np.broadcast_to(part[..., of], shape) for part in (centre, sd))
        free = normal_along_visits("slot_effect", layout, at, *prior) if others else pt.zeros(shape)
        effect = pt.dot(free, np.eye(layout.slots)[at])
    spread = np.array([k.level_sd_prior.sd for k in model.outcomes])
    slope = pt.zeros((0, layout.slots))
    if layout.covariates and model.covariate_effects == "constant":
        slope = pt.dot(pm.Normal("covariate_slope", 0.0, spread, shape=(len(layout.covariates), len(own))), own)
    elif layout.covariates:
        wide = np.broadcast_to(spread[layout.outcome_of], (len(layout.covariates), layout.slots))
        slope = normal_along_visits("covariate_slope", layout, every, np.zeros(wide.shape), wide)
    parts, baseline_slope = [mean, effect.reshape((len(strata) * others, layout.slots)), slope], None
    if model.baseline == "covariate":
        zero = np.zeros(layout.slots)
        baseline_slope = normal_along_visits("baseline_value_slope", layout, every, zero, spread[layout.outcome_of])
        parts.append(own * baseline_slope)
    return MeanRows(pt.concatenate(parts, axis=0), mean, effect, constant, slope, baseline_slope)


def level_priors(model: Any, layout: VisitLayout) -> list[list[Normal]]:
    """Priors of the means of the reference group, by stratum and slot.

    Raises
    ------
    BadInput
        A prior by stratum lacks one of the study's strata.
    """
    lacking = [
        f"model: {k.name}: level: expected a prior for stratum {label!r}, found {', '.join(k.level_prior)}; add it, or "
        "give one prior for all strata"
        for k in model.outcomes
        if isinstance(k.level_prior, dict)
        for label in layout.strata
        if label not in k.level_prior
    ]
    if lacking:
        raise BadInput(lacking)
    return [
        [
            prior if layout.weeks[v] == 0 else later_prior(prior, model.outcomes[k].level_sd_prior.sd)
            for k, v in zip(layout.outcome_of, layout.visit_of, strict=True)
            for prior in by_stratum(model.outcomes[k].level_prior, [label])
        ]
        for label in layout.strata
    ]


def later_prior(level: Normal, spread: float) -> Normal:
    """Prior of the mean at a visit after week 0: about the level at randomisation, several typical spreads wide."""
    source = f"package default: {LATER_SPREADS:g} typical spreads about the level at randomisation"
    return Normal(mean=level.mean, sd=max(LATER_SPREADS * spread, level.sd), source=source)
