"""Simulation-based calibration of `OneStageModel`: truths from the prior, patients in clusters, refits, ranks.

python -m validation.calibration.one_stage --out reports/validation/calibration/OneStageModel
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.fitting import NutsSettings
from bayesmodels.fitting.refit import Refit, refit_of
from bayesmodels.models.trial_level.one_stage import ClusteredEndpoint, OneStageModel
from bayesmodels.study import ClusterTable
from bayesmodels.trials.loop import run_study, study_parser
from validation.calibration.refit_ranks import ranked
from validation.calibration.report import About, write_report

EFFECT_SCALE, PATIENT_SD = np.array([0.3, 0.25]), np.array([0.5, 0.75])

BETA_SHAPES = np.array([1.0, 2.0, 1.5, 2.0, 1.5, 1.0])
"""Of (1 + canonical partial correlation) / 2, row by row: LKJ(1) on four terms, but uniform for the two effects."""

FOLDER = "reports/validation/calibration/OneStageModel"

OUTPUTS = (
    "trial_mean", "trial_sd", "trial_correlation", "trial_r2", "trial_r2_full", "trial_slope", "trial_conditional_sd",
    "level_mean", "level_sd", "patient_sd", "individual_correlation", "individual_slope",
)  # fmt: skip

DONE = (
    "Every parameter is drawn from the prior (effect scales .3 and .25, patient SDs .5 and .75); {fewest} to {most} "
    "clusters with 0 to {largest} patients in each arm, so that some have one arm only, are drawn with NumPy patient "
    "by patient; the compiled model is refitted to them through `ClusterTable`; the truth is ranked among {{kept}} "
    "evenly spaced draws. Ranked are all published quantities and the log-likelihood of the table."
)


@dataclass(frozen=True)
class OneStageCalibrationSpec:
    """What a calibration depends on.

    Parameters
    ----------
    seed : int
    chains, tune, draws : int
    target_accept : float
    kept : int
        Draws that a truth is ranked among, evenly spaced over the chains.
    fewest, most : int
        Clusters of a table, uniform between these.
    largest : int
        Patients of a cluster in one arm: uniform from 0 to this.
    """

    seed: int = 1
    chains: int = 1
    tune: int = 500
    draws: int = 1000
    target_accept: float = 0.9
    kept: int = 50
    fewest: int = 5
    most: int = 30
    largest: int = 20


@cache
def the_model() -> OneStageModel:
    """Scales as for NfL and ALSFRS-R in ALS trials."""
    ends = [
        ClusteredEndpoint(effect_scale=float(s), patient_sd=float(p))
        for s, p in zip(EFFECT_SCALE, PATIENT_SD, strict=True)
    ]
    return OneStageModel(surrogate=ends[0], outcome=ends[1])


@cache
def the_refit() -> Refit:
    """The model compiled, once a process."""
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


def rank_truths(spec: OneStageCalibrationSpec, number: int) -> dict[str, Any]:
    """Draw a truth from the prior, simulate patients, refit, and rank every quantity."""
    rng = np.random.default_rng(np.random.SeedSequence(spec.seed, spawn_key=(number,)))
    truth = draw_truth(rng)
    table = simulate_table(truth, int(rng.integers(spec.fewest, spec.most + 1)), spec.largest, rng)
    settings = NutsSettings(
        chains=spec.chains, tune=spec.tune, draws=spec.draws, target_accept=spec.target_accept, cores=1,
        seed=int(rng.integers(2**31)),
    )  # fmt: skip
    arrays = the_model().arrays(table)
    tree = the_refit().sample(arrays, settings)
    return {"clusters": len(table.clusters), **ranked(tree, the_refit(), arrays, truth, spec.kept)}


def main(arguments: list[str] | None = None) -> int:
    """Run the study from the command line; a study that was stopped goes on where it was."""
    parser = study_parser("one_stage_calibration", __doc__)
    parser.add_argument("--fits", type=int, default=200)
    chosen = parser.parse_args(arguments)
    spec = OneStageCalibrationSpec(chosen.seed)
    records = run_study(rank_truths, spec, chosen.fits, chosen.log, workers=chosen.workers, scheduler=chosen.scheduler)
    about = About(
        "Simulation-based calibration of OneStageModel",
        "python -m validation.calibration.one_stage",
        FOLDER,
        DONE.format(fewest=spec.fewest, most=spec.most, largest=spec.largest),
    )
    sys.stdout.write(write_report(records, spec, chosen.out, chosen.fits, about) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
