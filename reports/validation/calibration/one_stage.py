"""Calibration of `OneStageModel`: truths from its prior, and patients in clusters."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.fitting.refit import Refit, refit_of
from bayesmodels.models.trial_level.one_stage import ClusteredEndpoint, OneStageModel
from bayesmodels.study import ClusterTable
from validation.calibration.case import Calibrated, Case, compared_with

EFFECT_SCALE, PATIENT_SD = np.array([0.3, 0.25]), np.array([0.5, 0.75])

BETA_SHAPES = np.array([1.0, 2.0, 1.5, 2.0, 1.5, 1.0])
"""Of (1 + canonical partial correlation) / 2, row by row: LKJ(1) on four terms, but uniform for the two effects."""

OUTPUTS = (
    "trial_mean", "trial_sd", "trial_correlation", "trial_r2", "trial_r2_full", "trial_slope", "trial_conditional_sd",
    "level_mean", "level_sd", "patient_sd", "individual_correlation", "individual_slope",
)  # fmt: skip

FEWEST, MOST, LARGEST = 5, 30, 20
"""Clusters of a table, and patients of a cluster in one arm (from 0), uniform up to these."""


@cache
def the_model() -> OneStageModel:
    """Scales as for NfL and ALSFRS-R in ALS trials."""
    ends = [
        ClusteredEndpoint(effect_scale=float(s), patient_sd=float(p))
        for s, p in zip(EFFECT_SCALE, PATIENT_SD, strict=True)
    ]
    return OneStageModel(surrogate=ends[0], outcome=ends[1])


@cache
def the_refit(form: str = "") -> Refit:
    """The model compiled, once per process."""
    rng = np.random.default_rng(0)
    return refit_of(the_model(), simulate_table(draw_truth(rng), 6, 10, rng), OUTPUTS)


def draw_truth(rng: np.random.Generator) -> dict[str, Any]:
    """Free variables from the prior as documented (`ClusteredEndpoint`, `OneStageModel`)."""
    return {
        "mean_effect": rng.normal(0, 2 * EFFECT_SCALE),
        "mean_level": rng.normal(0, 5 * PATIENT_SD),
        "effect_sd": np.abs(rng.normal(0, EFFECT_SCALE)),
        "between_level_sd": np.abs(rng.normal(0, PATIENT_SD)),
        "partial_correlation": rng.beta(BETA_SHAPES, BETA_SHAPES),
        "residual": np.abs(rng.normal(0, 2 * PATIENT_SD)),
        "residual_correlation": rng.uniform(-1, 1),
    }


def simulate_table(truth: dict[str, Any], clusters: int, largest: int, rng: np.random.Generator) -> ClusterTable:
    """Patients of `clusters` clusters; every arm of a cluster has 0 to `largest`, and both arms occur."""
    sd = np.concatenate([truth["effect_sd"], truth["between_level_sd"]])
    noise = rng.standard_normal((clusters, 4))
    terms = np.concatenate([truth["mean_effect"], truth["mean_level"]]) + sd * correlate(
        noise, 2 * truth["partial_correlation"] - 1
    )
    size = rng.integers(0, largest + 1, size=(clusters, 2))
    size[0] = np.maximum(size[0], 1)
    cell = np.repeat(np.arange(2 * clusters), size.ravel())
    cluster, arm = cell // 2, cell % 2
    r = truth["residual_correlation"]
    z = rng.standard_normal((len(cell), 2))
    residual = truth["residual"] * np.column_stack([z[:, 0], r * z[:, 0] + np.sqrt(1 - r**2) * z[:, 1]])
    value = terms[cluster, 2:] + terms[cluster, :2] * (arm - 0.5)[:, None] + residual
    frame = pd.DataFrame({"cluster": [f"c{i:02d}" for i in cluster], "treatment": arm})
    return ClusterTable.from_frame(frame.assign(surrogate=value[:, 0], outcome=value[:, 1]), active=1)


def correlate(noise: np.ndarray, partial: np.ndarray) -> np.ndarray:
    """Standard normal columns (row, 4) to columns with canonical partial correlations, row by row of their matrix.

    Column i is a sum over earlier columns' innovations: what is left of its variance after the first j of them, times
    its partial correlation with the next.
    """
    out = np.empty_like(noise)
    at = 0
    for i in range(noise.shape[1]):
        left, total = 1.0, np.zeros(len(noise))
        for j in range(i):
            total += np.sqrt(left) * partial[at] * noise[:, j]
            left *= 1 - partial[at] ** 2
            at += 1
        out[:, i] = total + np.sqrt(left) * noise[:, i]
    return out


def draw(form: str, rng: np.random.Generator) -> Case:
    """A truth from the prior and a table of patients, with the number of its clusters."""
    truth = draw_truth(rng)
    table = simulate_table(truth, int(rng.integers(FEWEST, MOST + 1)), LARGEST, rng)
    return Case(the_model().arrays(table), compared_with(truth), {"clusters": len(table.clusters)})


CALIBRATED = Calibrated(draw, the_refit)
