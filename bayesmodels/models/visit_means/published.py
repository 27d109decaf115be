"""Published variables of a model of means by visit, under the vocabulary's names and dims."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt

from bayesmodels.models.publish import publish
from bayesmodels.models.visit_means.covariance import VisitCovariance
from bayesmodels.models.visit_means.design import VisitLayout
from bayesmodels.models.visit_means.means import MeanRows
from bayesmodels.study import Study
from bayesmodels.vocabulary import ALL


def visit_coords(model: Any, data: Study, layout: VisitLayout) -> dict[str, Sequence[Any]]:
    """Coordinates of the model's dims; persons are numbered, never named."""
    strata = layout.strata
    coords: dict[str, Sequence[Any]] = {
        **data.coords,
        "fitted_stratum": strata,
        "stratum": (*strata, ALL) if len(strata) > 1 else strata,
        "week": layout.weeks,
        "visit": layout.weeks,
        "visit_other": layout.weeks,
        "slot": range(layout.slots),
        "outcome": layout.outcomes,
        "outcome_other": layout.outcomes,
        "outcome:unit": [k.modelling_unit for k in model.outcomes],
        "outcome:scale": [k.scale for k in model.outcomes],
        "outcome:good_direction": [k.good_direction for k in model.outcomes],
        "outcome:effect_type": [f"visit means, {model.treatment_effect.replace('_', ' ')}"] * len(model.outcomes),
        "outcome:effect_unit": [k.modelling_unit for k in model.outcomes],
        "start_group:drug_start_week": list(layout.start_weeks),
    }
    if layout.covariates:
        coords |= {
            "covariate": layout.covariates,
            "covariate:center": list(layout.center),
            "covariate:spread": list(layout.spread),
        }
    return coords


def publish_visits(model: Any, layout: VisitLayout, means: MeanRows, covariance: VisitCovariance) -> None:
    """Publish the vocabulary's variables in the current PyMC model."""
    others = len(layout.groups) - 1
    strata = np.arange(len(layout.strata))
    own = strata if model.effect_by_stratum else np.zeros_like(strata)
    effect = means.effect[own]
    effect = pt.concatenate([effect, pt.zeros_like(means.mean)[:, None]], axis=1)
    curve = _with_mixture(_by_visit(layout, means.mean[:, None] + effect).transpose(2, 1, 0, 3), layout)
    publish("curve", curve)  # (outcome, start group, stratum, visit)
    at_start = np.array([_first(layout, k) for k in range(len(layout.outcomes))])
    if model.baseline == "covariate":
        publish("curve_change", curve - layout.baseline_center[:, None, None, None])
    elif (at_start >= 0).any():
        start = pt.stack([curve[k, :, :, 0] if at_start[k] >= 0 else curve[k, :, :, 0] * np.nan
                          for k in range(len(layout.outcomes))])  # fmt: skip
        publish("curve_change", curve - start[..., None])
        if model.baseline == "common":
            levels = [means.mean[:, at] + (0.0 if at >= 0 else np.nan) for at in at_start]
            publish("population_level", _with_all(pt.stack(levels), len(layout.strata)))
    if others:
        difference = curve[:, :-1] - curve[:, -1:]
        publish("difference", difference)
        sd = _by_visit(layout, covariance.sd)  # (block, outcome, visit)
        if model.covariance_of == "start_group":
            sd = pt.sqrt((sd[:-1] ** 2 + sd[[others] * others] ** 2) / 2)
        else:
            sd = sd[[0] * others]
        publish("standardised_difference", difference / sd.transpose(1, 0, 2)[:, :, None])
        if means.constant is not None:
            _publish_constant(layout, means.constant[own])
    _publish_slopes(model, layout, means)
    _publish_covariance(layout, covariance, model.covariance_of == "start_group")


def _publish_constant(layout: VisitLayout, constant: Any) -> None:
    """Effects that are the same at all visits, (stratum, start group, outcome), as effects of the drug."""
    strata = len(layout.strata)
    by_stratum = constant.transpose(2, 0, 1)  # (outcome, stratum, start group)
    publish("drug_effect", _with_all(by_stratum.mean(axis=2), strata))
    groups = pt.concatenate([by_stratum, pt.full_like(by_stratum[..., :1], np.nan)], axis=2)
    if strata > 1:
        groups = pt.concatenate([groups, pt.full_like(groups[:, :1], np.nan)], axis=1)
    publish("group_drug_effect", groups)


def _publish_slopes(model: Any, layout: VisitLayout, means: MeanRows) -> None:
    if layout.covariates and model.covariate_effects == "constant":
        first = np.array([np.flatnonzero(layout.outcome_of == k)[0] for k in range(len(layout.outcomes))])
        publish("covariate_level", means.slope[:, first].T)
    elif layout.covariates:
        publish("covariate_visit", _by_visit(layout, means.slope).transpose(1, 0, 2))
    if means.baseline_slope is not None:
        publish("baseline_slope", _by_visit(layout, means.baseline_slope / layout.baseline_spread[layout.outcome_of]))


def _publish_covariance(layout: VisitLayout, covariance: VisitCovariance, by_group: bool) -> None:
    """SDs and correlations of every start group, the same in all where they share one matrix."""
    groups = np.arange(len(layout.groups))
    block = groups if by_group else np.zeros_like(groups)
    sd = covariance.sd[block]
    publish("visit_sd", _by_visit(layout, sd).transpose(1, 2, 0))
    matrix = covariance.correlation[block]
    place, outcomes = layout.place, len(layout.outcomes)
    within = [_entries(matrix, place[k][:, None], place[k]) for k in range(outcomes)]
    publish("visit_correlation", pt.stack(within).transpose(0, 2, 3, 1))
    if outcomes > 1:
        publish("outcome_correlation", _entries(matrix, place[:, None], place).transpose(1, 2, 3, 0))


def _entries(matrix: Any, row: np.ndarray, column: np.ndarray) -> Any:
    """Entries of matrices (block, slot, slot) at rows and columns of any shape, NaN where either is -1."""
    row, column = np.broadcast_arrays(row, column)
    absent = np.where((row < 0) | (column < 0), np.nan, 0.0)
    return matrix[:, np.maximum(row, 0), np.maximum(column, 0)] + absent


def _by_visit(layout: VisitLayout, values: Any) -> Any:
    """(..., slot) as (..., outcome, visit), NaN where an outcome has no such visit."""
    place = layout.place
    return values[..., np.maximum(place, 0)] + np.where(place < 0, np.nan, 0.0)


def _first(layout: VisitLayout, k: int) -> int:
    """Slot of an outcome's visit at week 0, -1 where it has none."""
    return int(layout.place[k, 0]) if layout.weeks[0] == 0 else -1


def _with_mixture(curves: Any, layout: VisitLayout) -> Any:
    """Curves (outcome, start group, stratum, visit) with the trial's mixture of strata, where there are several."""
    if len(layout.strata) == 1:
        return curves
    return pt.concatenate([curves, (curves * layout.shares[:, None]).sum(axis=2, keepdims=True)], axis=2)


def _with_all(values: Any, strata: int) -> Any:
    """(outcome, stratum) with NaN for the mixture `all`, where there are strata."""
    if strata == 1:
        return values
    return pt.concatenate([values, pt.full_like(values[..., :1], np.nan)], axis=-1)
