"""Published variables of a model of means: parameters by outcome and stratum, curves, differences, period rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesmodels.models.publish import period_edges, publish
from bayesmodels.models.published_means.courses import Courses
from bayesmodels.models.published_means.layout import Arms, cells_of, grid_rows
from bayesmodels.models.published_means.outcome import MeansOutcome
from bayesmodels.parts.effects import NoEffect
from bayesmodels.vocabulary import PERIODS, VARIABLES


def publish_means(
    outcomes: Sequence[MeansOutcome],
    courses: Courses,
    arms: Arms,
    started: Any,
    values: Mapping[str, Any],
    weeks: tuple[float, ...],
) -> None:
    """Publish the vocabulary's variables in the current PyMC model.

    Parameters
    ----------
    outcomes : sequence of MeansOutcome
    courses : Courses
    arms : Arms
    started : tensor (start_group,)
        Month of the drug's start.
    values : mapping of str to tensor
        Free parameters by name.
    weeks : tuple of float
        Weeks of the curves.
    """
    model = pm.modelcontext(None)
    contrasts = tuple(f"{g} - {arms.start_groups[-1]}" for g in arms.start_groups[:-1])
    model.add_coords(
        {
            "outcome": tuple(k.name for k in outcomes),
            "outcome:unit": tuple(k.unit for k in outcomes),
            "outcome:scale": tuple(k.scale for k in outcomes),
            "outcome:good_direction": tuple(k.good_direction for k in outcomes),
            "outcome:effect_type": tuple(getattr(k.effect, "type", type(k.effect).__name__) for k in outcomes),
            "outcome:effect_unit": tuple(
                getattr(k.effect, "effect_unit", "{unit}").format(unit=k.unit) for k in outcomes
            ),
            "start_group:drug_start_week": tuple(arms.drug_start_week[g] for g in arms.start_groups),
            "stratum": arms.labels,
            "week": weeks,
            "period": PERIODS,
            "contrast": contrasts,
        }
    )
    by_outcome = [name for k in outcomes for name in courses.published(k.name)]
    for name in dict.fromkeys(["population_rate", "drug_effect", *(p.published for p in courses), *by_outcome]):
        if name in VARIABLES:
            publish(name, pt.stack([_of_outcome(name, k, courses, arms, values) for k in outcomes]))
    slowing = [f"{k.name}_slowing" for k in outcomes]
    if any(name in values for name in slowing):
        everywhere = pt.zeros(len(arms.labels))
        publish("proportional_slowing", pt.stack([_or_nan(values.get(name)) + everywhere for name in slowing]))

    def changes(weeks: tuple[float, ...]) -> Any:
        """Mean change since randomisation, (outcome, start_group, stratum, week), the trial's mixture last."""
        cells = cells_of(grid_rows(arms, weeks), arms, started)
        shape = (len(outcomes), len(arms.start_groups), len(arms.strata), len(weeks))
        own = pt.stack([courses.given(courses.change(k.name, cells), values) for k in outcomes]).reshape(shape)
        mixture = (own * arms.shares()[:, None]).sum(axis=2, keepdims=True)
        return pt.concatenate([own, mixture], axis=2) if arms.stratified else own

    change = changes(weeks)
    publish("curve_change", change)
    if contrasts:
        publish("difference", change[:, :-1] - change[:, -1:])
    edges, spans = period_edges(arms.switch_week, max(weeks))
    at_edges = changes(edges)
    publish("period_rate", (at_edges[..., 1::2] - at_edges[..., ::2]) / spans)


def _or_nan(value: Any) -> Any:
    return pt.constant(np.nan) if value is None else value


def _of_outcome(published: str, outcome: MeansOutcome, courses: Courses, arms: Arms, values: Mapping[str, Any]) -> Any:
    """One outcome's entry of a published variable, over the vocabulary's dims after `outcome`; NaN if undefined."""
    names = [p.name for p in courses.parameters[outcome.name] if p.published == published]
    known = courses.published(outcome.name)
    value = values[names[0]] if names else courses.given(known.get(published, np.nan), values)
    if published == "drug_effect" and isinstance(outcome.effect, NoEffect):
        value = pt.constant(0.0)
    if VARIABLES[published].dims == ("outcome",):
        return value
    if value.ndim == 0:
        return value + pt.zeros(len(arms.labels))
    return pt.concatenate([value, pt.constant([np.nan])]) if arms.stratified else value
