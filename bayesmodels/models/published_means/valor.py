"""Model of VALOR's published means: NfL and ALSFRS-R together."""

from __future__ import annotations

from typing import Literal

from bayesmodels.models.published_means.model import PublishedMeansModel
from bayesmodels.models.published_means.presets import FunctionEffect, valor_alsfrs_r, valor_nfl


def valor_means_model(
    effect: FunctionEffect = "proportional_slowing",
    course: Literal["linear", "decelerating"] = "decelerating",
    curve_weeks: tuple[float, ...] = (),
) -> PublishedMeansModel:
    """NfL and ALSFRS-R of VALOR together; `valor_nfl` and `valor_alsfrs_r` say what the arguments mean.

    Parameters
    ----------
    effect, course
        As of `valor_alsfrs_r`.
    curve_weeks : tuple of float
        As of `PublishedMeansModel`.
    """
    return PublishedMeansModel(outcomes=(valor_nfl(), valor_alsfrs_r(effect, course)), curve_weeks=curve_weeks)
