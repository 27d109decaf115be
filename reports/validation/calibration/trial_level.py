"""Simulation-based calibration of `TrialLevelModel`: truths from the prior, collections of trials, refits, ranks.

    python -m validation.calibration.trial_level --out reports/validation/calibration/TrialLevelModel

Variant `normal`: normal random effects, both effects reported, correlations of the estimates known. Variant `general`:
t random effects, correlation of the estimates uniform on (0, 1) and one for all rows, a third of the rows with one
effect only, and effects on the surrogate known only to lie below a bound. Truths and tables come from NumPy.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import halfnorm, norm

from bayesmodels.fitting import NutsSettings
from bayesmodels.fitting.refit import Refit, refit_of
from bayesmodels.models.trial_level.model import TrialLevelModel
from bayesmodels.study import TrialTable
from bayesmodels.trials.loop import run_study, study_parser
from validation.calibration.refit_ranks import ranked
from validation.calibration.report import About, write_report

Variant = Literal["normal", "general"]

SCALES = (0.3, 0.25)
"""Typical spread of true effects, ln and points a month."""

FREEDOM = 4.0
"""Degrees of freedom of the t random effects in the general variant."""

BOUND = -0.6
"""In the general variant an estimated effect on the surrogate below this is known only to be below it, in half of the
rows."""


@dataclass(frozen=True)
class TrialCalibrationSpec:
    """What a calibration depends on.

    Parameters
    ----------
    variant : {"normal", "general"}
    seed : int
    chains, tune, draws : int
    target_accept : float
    kept : int
        Draws that a truth is ranked among, evenly spaced over the chains.
    fewest, most : int
        Rows of a table, uniform between these.
    """

    variant: Variant = "normal"
    seed: int = 1
    chains: int = 1
    tune: int = 500
    draws: int = 1000
    target_accept: float = 0.95
    kept: int = 50
    fewest: int = 3
    most: int = 24


@cache
def the_model(variant: Variant) -> TrialLevelModel:
    """The model of a variant."""
    if variant == "normal":
        return TrialLevelModel(surrogate_scale=SCALES[0], outcome_scale=SCALES[1])
    return TrialLevelModel(
        surrogate_scale=SCALES[0], outcome_scale=SCALES[1], within_correlation=(0.0, 1.0), random_effects="t",
        degrees_of_freedom=FREEDOM,
    )  # fmt: skip


@cache
def the_refit(variant: Variant) -> Refit:
    """The model compiled, once a process, on a table that has every kind of row of its variant."""
    rng = np.random.default_rng(0)
    truth = {"mu": np.array([-0.5, 0.0]), "tau_score": np.zeros(2), "rho_score": 0.0, "shared_correlation": 0.5}
    return refit_of(the_model(variant), simulate_table(variant, truth, 40, rng))


def draw_truth(variant: Variant, rng: np.random.Generator) -> dict[str, Any]:
    """Free variables from the prior that `TrialLevelModel` states: mu, and the normal scores of tau and rho.

    tau ~ HalfNormal(s) and rho ~ Uniform(-1, 1) are drawn as such, then turned into scores.
    """
    scale = np.array(SCALES)
    truth: dict[str, Any] = {
        "mu": rng.normal(0, 2 * scale),
        "tau_score": norm.ppf(halfnorm.cdf(np.abs(rng.standard_normal(2)))),
        "rho_score": norm.ppf((1 + rng.uniform(-1, 1)) / 2),
    }
    if variant == "general":
        truth["shared_correlation"] = rng.uniform()
    return truth


def simulate_table(variant: Variant, truth: dict[str, Any], rows: int, rng: np.random.Generator) -> TrialTable:
    """Estimates of `rows` trials with standard errors between a third and the whole of the scales."""
    rho, tau = 2 * norm.cdf(truth["rho_score"]) - 1, np.array(SCALES) * halfnorm.ppf(norm.cdf(truth["tau_score"]))
    se = rng.uniform(1 / 3, 1.0, size=(rows, 2)) * np.array(SCALES)
    general = variant == "general"
    within = np.full(rows, truth["shared_correlation"]) if general else rng.uniform(-0.6, 0.8, rows)
    mixing = rng.gamma(FREEDOM / 2, 2 / FREEDOM, rows) if general else np.ones(rows)
    true = truth["mu"] + tau * _pairs(rng, np.full(rows, rho)) / np.sqrt(mixing)[:, None]
    estimate = true + se * _pairs(rng, within)
    frame = pd.DataFrame(
        {
            "trial": [f"t{k}" for k in range(rows)],
            "surrogate_effect": estimate[:, 0],
            "surrogate_se": se[:, 0],
            "outcome_effect": estimate[:, 1],
            "outcome_se": se[:, 1],
            "within_correlation": np.nan if general else within,
        }
    )
    if not general:
        return TrialTable.from_frame(frame)
    place = np.arange(rows) % 6
    frame.loc[place == 1, ["surrogate_effect", "surrogate_se"]] = np.nan
    frame.loc[place == 2, ["outcome_effect", "outcome_se"]] = np.nan
    below = (place % 2 == 0) & (estimate[:, 0] < BOUND)
    frame["surrogate_censoring"] = np.where(below, "left", "")
    frame.loc[below, "surrogate_effect"] = BOUND
    return TrialTable.from_frame(frame, one_sided="used")


def _pairs(rng: np.random.Generator, correlation: np.ndarray) -> np.ndarray:
    z = rng.standard_normal((len(correlation), 2))
    return np.column_stack([z[:, 0], correlation * z[:, 0] + np.sqrt(1 - correlation**2) * z[:, 1]])


def rank_truths(spec: TrialCalibrationSpec, number: int) -> dict[str, Any]:
    """Draw a truth from the prior, simulate a collection, refit, and rank every quantity.

    Returns
    -------
    dict
        `rows`, and `ranks`: label to rank among `spec.kept` draws, of all published quantities, the shared correlation
        of the estimates, and the log-likelihood of the table.
    """
    rng = np.random.default_rng(np.random.SeedSequence(spec.seed, spawn_key=(number,)))
    rows = int(rng.integers(spec.fewest, spec.most + 1))
    truth = draw_truth(spec.variant, rng)
    refit = the_refit(spec.variant)
    arrays = the_model(spec.variant).arrays(simulate_table(spec.variant, truth, rows, rng))
    settings = NutsSettings(
        chains=spec.chains, tune=spec.tune, draws=spec.draws, target_accept=spec.target_accept, cores=1,
        seed=int(rng.integers(2**31)),
    )  # fmt: skip
    tree = refit.sample(arrays, settings)
    return {"rows": rows, **ranked(tree, refit, arrays, truth, spec.kept)}


def about(spec: TrialCalibrationSpec) -> About:
    """Title, command, folder and what was done."""
    told = {
        "normal": "normal random effects, both effects reported in every row, correlations of a row's two estimates "
        "known and uniform between -.6 and .8",
        "general": f"t random effects with {FREEDOM:g} degrees of freedom, one correlation of the estimates for all "
        "rows with a Uniform(0, 1) prior, every sixth row without the effect on the surrogate and every sixth without "
        f"that on the outcome, and in half of the rows an estimated effect on the surrogate below {BOUND:g} known only "
        "to be below it",
    }[spec.variant]
    suffix = "" if spec.variant == "normal" else f"-{spec.variant}"
    return About(
        f"Simulation-based calibration of TrialLevelModel, {spec.variant} variant",
        f"python -m validation.calibration.trial_level --variant {spec.variant}",
        f"reports/validation/calibration/TrialLevelModel{suffix}",
        f"Means, SDs and correlation are drawn from the prior (scales {SCALES[0]:g} and {SCALES[1]:g}); a table of "
        f"{spec.fewest} to {spec.most} trials is drawn with NumPy, standard errors between a third and the whole of "
        f"the scales: {told}. The compiled model is refitted to it through `TrialTable`; the truth is ranked among "
        "{kept} evenly spaced draws. Ranked are all published trial-level quantities and the log-likelihood of the "
        "table.",
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the study from the command line; a study that was stopped goes on where it was."""
    parser = study_parser("trial_level_calibration", __doc__)
    parser.set_defaults(log=None)  # one for each variant
    parser.add_argument("--variant", choices=("normal", "general"), default="normal")
    parser.add_argument("--fits", type=int, default=400)
    chosen = parser.parse_args(arguments)
    spec = TrialCalibrationSpec(chosen.variant, chosen.seed)
    log = chosen.log or Path(f"runs/studies/trial_level_calibration_{chosen.variant}.jsonl")
    records = run_study(rank_truths, spec, chosen.fits, log, workers=chosen.workers, scheduler=chosen.scheduler)
    sys.stdout.write(write_report(records, spec, chosen.out, chosen.fits, about(spec)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
