"""What `SharedRateModel` publishes: ratios, hazard, log rates, spreads, and mean courses by arm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt

from bayesmodels.models.publish import publish
from bayesmodels.models.shared_rate.design import SOURCE_MONTHS, RateLayout
from bayesmodels.study import Study
from bayesmodels.vocabulary import months


def publish_rates(parts: dict[str, Any], ratio: Any, decline: Any, log_hazard: Any) -> None:
    """Ratios (active,), untreated decline (positive) and log hazard per HEALEY month, and log rates by `parts`."""
    publish("disease_rate_ratio", pt.concatenate([ratio, pt.full((1,), np.nan)]))
    publish("untreated_hazard", SOURCE_MONTHS * pt.exp(log_hazard))
    publish("population_rate", (-SOURCE_MONTHS * decline)[None, None])
    named = {
        "drift": "calendar_log_rate", "drift_sd": "calendar_log_rate_sd", "regimen": "regimen_log_rate",
        "regimen_sd": "regimen_log_rate_sd", "covariate": "covariate_log_rate",
    }  # fmt: skip
    for part, name in named.items():
        if part in parts:
            publish(name, parts[part])


def publish_spreads(layout: RateLayout, level: Any, level_sd: Any, rate_sd: Any, residual_sd: Any) -> None:
    """Levels and residual SDs (cell,), SDs of level (scalar) and of the decline (start_group,)."""
    place = layout.place()
    absent = np.where(place < 0, np.nan, 0.0)
    publish("arm_level", level[np.maximum(place, 0)] + absent)
    publish("arm_residual_sd", residual_sd[np.maximum(place, 0)] + absent)
    publish("arm_rate_sd", SOURCE_MONTHS * rate_sd)
    publish("person_sd", level_sd[None, None])


def publish_courses(data: Study, level: Any, decline: Any, ratio: Any) -> None:
    """Mean courses of all persons under each arm, from their common mean level: arms differ by the rate ratio only."""
    time = months(np.array(data.curve_weeks)) * SOURCE_MONTHS

    def courses(multiple):
        return -(decline * multiple)[None, :, None, None] * time

    change = courses(pt.concatenate([ratio, pt.ones(1)]))
    publish("population_level", level[None, None])
    publish("curve", level + change)
    publish("curve_change", change)
    publish("difference", courses(ratio - 1.0))
