"""Visit means of a study for a model of means by visit: observed at its nominal visits, and replicated by the model."""

from __future__ import annotations

import numpy as np
import pymc as pm
import xarray as xr

from bayesmodels.kernels.multivariate_normal.op import simulate
from bayesmodels.models.visit_means.design import VisitDesign, visit_design
from bayesmodels.models.visit_means.model import VisitModel
from bayesmodels.persons.collapsed import thinned
from bayesmodels.persons.normal_vectors import normal_vectors
from bayesmodels.persons.summaries.visits import DIMS, REPLICATES
from bayesmodels.study import Study
from bayesmodels.vocabulary import ALL


def nominal_visit_summaries(
    model: VisitModel, pm_model: pm.Model, data: Study, posterior: xr.Dataset, seed: int
) -> dict[str, xr.Dataset]:
    """Observed and replicated means at the nominal visits, on the modelling scale.

    Replicated trials have new persons of the same strata, start groups and covariates at the same visits.

    Returns
    -------
    dict of str to xr.Dataset
        `observed_summary` (n, mean, se), `predictive_summary` (mean).
    """
    design = visit_design(model, data)
    seen = np.isfinite(design.values)
    y = np.where(seen, design.values, 0.0)
    n = _sums(design, seen.astype(float))
    strata = design.layout.strata
    coords = {
        "outcome": list(design.layout.outcomes),
        "start_group": list(design.layout.groups),
        "stratum": [*strata, ALL] if len(strata) > 1 else list(strata),
        "week": list(design.layout.weeks),
    }
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = _sums(design, y) / n
        variance = (_sums(design, y**2) / n - mean**2) * n / (n - 1)
        se = np.sqrt(np.maximum(variance, 0.0) / n)
    found = {"observed_summary": xr.Dataset({"n": (DIMS, n), "mean": (DIMS, mean), "se": (DIMS, se)}, coords=coords)}
    chosen = thinned(posterior, REPLICATES)
    rng = np.random.default_rng(seed)
    replicated = np.empty((chosen.sizes["chain"], chosen.sizes["draw"], *n.shape))
    with np.errstate(invalid="ignore", divide="ignore"):
        for chain, draw, inputs in normal_vectors(pm_model, chosen):
            replicated[chain, draw] = _sums(design, simulate(rng, inputs)) / n
    found["predictive_summary"] = xr.Dataset({"mean": (("chain", "draw", *DIMS), replicated)}, coords=coords)
    return found


def _sums(design: VisitDesign, values: np.ndarray) -> np.ndarray:
    """Sums over persons of values (person, slot) by `DIMS`, the mixture of strata last where there are several."""
    layout = design.layout
    shape = (len(layout.groups), len(layout.strata))
    cell = np.eye(shape[0] * shape[1])[design.group * shape[1] + design.stratum]
    by_slot = (cell.T @ values).reshape(*shape, layout.slots)
    total = np.where(layout.place < 0, 0.0, by_slot[..., np.maximum(layout.place, 0)]).transpose(2, 0, 1, 3)
    return total if shape[1] == 1 else np.concatenate([total, total.sum(axis=2, keepdims=True)], axis=2)
