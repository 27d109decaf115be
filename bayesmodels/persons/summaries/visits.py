"""Visit means of a study by outcome, start group, stratum and nominal week: observed, and replicated by the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from bayesmodels.kernels.linear_mixed.variable import simulate, simulate_visits, unseen_terms
from bayesmodels.persons.collapsed import Collapsed, Draw, collapsed, thinned
from bayesmodels.persons.given_exits import tilted
from bayesmodels.study import Study
from bayesmodels.study.schedule import nearest_week
from bayesmodels.vocabulary import ALL, MONTH_IN_WEEKS

REPLICATES = 400
"""Replicated trials: enough for the 2.5 and 97.5 % points of a visit mean."""

DIMS = ("outcome", "start_group", "stratum", "week")


@dataclass(frozen=True)
class _Cells:
    """Cell of every visit, flattened over (outcome, start_group, stratum, week); -1 where there is no visit."""

    index: np.ndarray
    shape: tuple[int, ...]
    strata: int

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sum of values (person, slot) in every cell, the mixture of strata last where there are strata."""
        seen = self.index >= 0
        total = np.bincount(self.index[seen], weights=values[seen], minlength=int(np.prod(self.shape)))
        total = total.reshape(self.shape)
        return total if self.strata == 1 else np.concatenate([total, total.sum(axis=2, keepdims=True)], axis=2)


def visit_summaries(
    model: Any, pm_model: pm.Model, data: Study, posterior: xr.Dataset, seed: int
) -> dict[str, xr.Dataset]:
    """Observed and replicated visit means, on the modelling scale.

    Replicated trials have new persons of the same strata and start groups at the same visits; in a model with events,
    persons whose terms are drawn given the same exits, since those who stay differ from those who leave. Visits beyond
    a limit count at the limit; replicates too, where it is the outcome's own (`censor_at_limits`). A study with visits
    beyond an assay's limit has no replicates: the limits of its other visits are not known.

    Returns
    -------
    dict of str to xr.Dataset
        `observed_summary` (n, mean, se), `predictive_summary` (mean); empty for a model whose likelihood is not
        collapsed.
    """
    likelihood = collapsed(pm_model)
    if likelihood is None:
        return {}
    nominal = np.asarray(data.nominal_weeks, float)
    cells = _cells(pm_model, data, nominal)
    coords = {
        "outcome": list(pm_model.coords["outcome"]),
        "start_group": list(data.start_groups),
        "stratum": [*data.stratum_labels, ALL] if cells.strata > 1 else list(data.stratum_labels),
        "week": nominal,
    }
    joint = likelihood.hazards is not None
    seen = pm_model["follow_up_observed"].get_value()[:, :-2] if joint else pm_model["visits_observed"].get_value()
    y = seen + pm_model["visits_limit"].get_value()
    n = cells.sums(np.ones(y.shape))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = cells.sums(y) / n
        variance = (cells.sums(y**2) / n - mean**2) * n / (n - 1)
        se = np.sqrt(np.maximum(variance, 0.0) / n)
    groups = {"observed_summary": xr.Dataset({"n": (DIMS, n), "mean": (DIMS, mean), "se": (DIMS, se)}, coords=coords)}
    if (data.visits["censoring"] != "").any():
        return groups
    chosen = thinned(posterior, REPLICATES)
    rng = np.random.default_rng(seed)
    replicated = np.empty((chosen.sizes["chain"], chosen.sizes["draw"], *n.shape))
    with np.errstate(invalid="ignore", divide="ignore"):
        for point in likelihood.at(chosen):
            draw = _at_limits(model, likelihood, point, _replicate(likelihood, point, rng))
            replicated[point.chain, point.draw] = cells.sums(draw) / n
    groups["predictive_summary"] = xr.Dataset({"mean": (("chain", "draw", *DIMS), replicated)}, coords=coords)
    return groups


def _replicate(likelihood: Collapsed, point: Draw, rng: np.random.Generator) -> np.ndarray:
    """Visits (person, slot) of new persons; in a model with events, of new persons who left when and as these did."""
    if likelihood.hazards is None:
        return simulate(likelihood.layout, rng, point.inputs, point.bases)
    terms = point.person_means(likelihood.layout)
    deviations, _ = tilted(likelihood, point, unseen_terms(likelihood.layout, point.inputs)).draw(rng)
    terms[:, list(likelihood.layout.random_terms)] += deviations
    return simulate_visits(likelihood.layout, rng, point.inputs, point.bases, terms)


def _at_limits(model: Any, likelihood: Collapsed, point: Draw, y: np.ndarray) -> np.ndarray:
    """Visits (person, slot) with those beyond the limits of a censored outcome at the limit."""
    for k, outcome in enumerate(getattr(model, "outcomes", ())):
        if getattr(outcome, "censor_at_limits", False):
            slots = point.slots(likelihood.layout, k)
            y[:, slots] = np.clip(y[:, slots], *outcome.modelling_limits)
    return y


def _cells(pm_model: pm.Model, data: Study, nominal: np.ndarray) -> _Cells:
    groups, strata = len(data.start_groups), len(data.stratum_labels)
    cell = pm_model["person_cell"].get_value()
    shape = (len(pm_model.coords["outcome"]), groups, strata, len(nominal))
    parts = []
    for k, name in enumerate(pm_model.coords["outcome"]):
        week = nearest_week(pm_model[f"{name}:months"].get_value() * MONTH_IN_WEEKS, nominal)
        point = pm_model[f"{name}:point"].get_value().T
        place = np.searchsorted(nominal, week)[point]
        index = np.ravel_multi_index((k, (cell % groups)[:, None], (cell // groups)[:, None], place), shape)
        parts.append(np.where(point >= 0, index, -1))
    return _Cells(np.concatenate(parts, axis=1), shape, strata)
