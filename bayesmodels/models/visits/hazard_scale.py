"""Knots and centring constants of a model's hazards: set by the fitted study and used again for other persons."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesmodels.models.visits.design import Design
from bayesmodels.models.visits.exposure import Exits
from bayesmodels.parts.hazards import Exposure
from bayesmodels.study import Study
from bayesmodels.vocabulary import months

if TYPE_CHECKING:
    from bayesmodels.models.joint_event import JointEventModel


@dataclass(frozen=True)
class HazardScale:
    """Knots and centres of the hazards, as the fitted study sets them.

    Parameters
    ----------
    exposures : tuple of Exposure
        By event: baselines take their knots and centring from them.
    last_values : (outcome,) float
        Mean last visit of those who had an event, modelling scale; NaN where nobody had.
    middle : (hazard covariate,) float
        Mean of the hazards' columns besides courses.
    cuts : tuple of float
        Further months at which time is cut, for cumulative hazards wanted there; none in a fit.
    """

    exposures: tuple[Exposure, ...]
    last_values: np.ndarray
    middle: np.ndarray
    cuts: tuple[float, ...] = ()

    def cut_at(self, weeks: Iterable[Any]) -> HazardScale:
        """The same scale with time cut at these weeks."""
        return replace(self, cuts=tuple(sorted({float(months(week)) for week in weeks})))


def scale_of(model: JointEventModel, data: Any, design: Design, exits: Exits, columns: np.ndarray) -> HazardScale:
    """The scale that a study gives a model's hazards; persons to predict bring that of the fit."""
    if not isinstance(data, Study):
        return data.hazard_scale
    return HazardScale(
        exposures=tuple(Exposure(exits.entry, exits.exit, exits.code == e + 1) for e in range(len(model.events))),
        last_values=np.array([_last_value(design, k, exits) for k in range(len(model.outcomes))]),
        middle=columns.mean(axis=0),
    )


def _last_value(design: Design, k: int, exits: Exits) -> float:
    visits = design.outcomes[k]
    number = visits.present.sum(axis=0).astype(int)
    seen = (exits.code > 0) & (number > 0)
    if not seen.any():
        return float("nan")
    return float(visits.values[np.flatnonzero(seen), number[seen] - 1].mean())
