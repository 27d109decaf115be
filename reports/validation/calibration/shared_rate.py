"""Simulation-based calibration of `SharedRateModel`: truths from the prior, platform trials, refits, ranks.

    python -m validation.calibration.shared_rate --out reports/validation/calibration/SharedRateModel

Truths and trials come from NumPy, from the formulas that `models.shared_rate` states.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logit

from bayesmodels.fitting import NutsSettings
from bayesmodels.fitting.refit import Refit, refit_of
from bayesmodels.models.shared_rate.design import RateLayout, rate_layout
from bayesmodels.models.shared_rate.model import SharedRateModel
from bayesmodels.models.shared_rate.priors import FOLLOWS, KNOWN_TO, SharedRatePriors
from bayesmodels.study import Study
from bayesmodels.trials.loop import run_study, study_parser
from validation.calibration.refit_ranks import ranked
from validation.calibration.report import About, write_report

HAZARD = (2.0, 100.0)
"""Prior of the hazard in the study, per month: with the default, nine trials in ten would have no death."""

RANKED = (
    "disease_rate_ratio", "untreated_hazard", "population_rate", "population_level", "person_sd", "arm_level",
    "arm_rate_sd", "arm_residual_sd", "regimen_log_rate", "regimen_log_rate_sd", "calendar_log_rate",
    "calendar_log_rate_sd", "covariate_log_rate",
)  # fmt: skip

REGIMENS = ("A", "B")
ACTIVE, CONTROL = 24, 12
WEEKS = np.array([0.0, 6.0, 12.0, 18.0, 24.0])
BLOCKS, BLOCK_DAYS = 3, 90.0
MONTH = 52 / 12
ANY_SCORE = {"alsfrs_r": (-1e9, 1e9, False)}


@dataclass(frozen=True)
class SharedRateCalibrationSpec:
    """What a calibration depends on.

    Parameters
    ----------
    seed : int
    chains, tune, draws : int
    target_accept : float
    kept : int
        Draws that a truth is ranked among, evenly spaced over the chains.
    """

    seed: int = 1
    chains: int = 1
    tune: int = 500
    draws: int = 1000
    target_accept: float = 0.95
    kept: int = 50


@cache
def the_model() -> SharedRateModel:
    """The default priors, but for the hazard's."""
    return SharedRateModel(
        regimen_column="regimen", calendar_column="day", block_days=BLOCK_DAYS, covariates=("x",),
        priors=SharedRatePriors(hazard=HAZARD),
    )  # fmt: skip


@cache
def the_refit() -> Refit:
    """The model compiled, once a process."""
    rng = np.random.default_rng(0)
    return refit_of(the_model(), simulate_study(draw_truth(rng), rng), RANKED)


@cache
def the_layout() -> RateLayout:
    """Labels of every simulated trial."""
    rng = np.random.default_rng(0)
    return rate_layout(the_model(), simulate_study(draw_truth(rng), rng))


def draw_truth(rng: np.random.Generator) -> dict[str, Any]:
    """Parameters from the model's default prior (`SharedRatePriors`), and the hazard's of this study."""
    regimens, cells = len(REGIMENS), 2 * len(REGIMENS)
    drift_sd, precision = rng.uniform(0, 2), rng.gamma(1.0, 1 / 0.05**2)
    return {
        "ratio": rng.uniform(0, 2, regimens),
        "level": rng.normal(38, 10, cells),
        "level_sd": rng.uniform(0, 10),
        "mean_rate": rng.normal(1, 1),
        "rate_sd": rng.uniform(0, 2, regimens + 1),
        "error_sd": rng.uniform(0, 4, cells),
        "regimen_precision": precision,
        "eta": rng.normal(0, 1 / np.sqrt(precision), regimens),
        "drift_sd": drift_sd,
        "steps": rng.normal(0, drift_sd, BLOCKS - 1),
        "covariate_slope": rng.normal(0, 1, 1),
        "log_hazard": np.log(rng.gamma(HAZARD[0], 1 / HAZARD[1])),
    }


def free_variables(truth: dict[str, Any]) -> dict[str, Any]:
    """A truth as the model's free variables, on the sampler's scales."""

    def scaled(deviations: np.ndarray, sd: float) -> np.ndarray:
        return deviations / sd * np.sqrt(1 + (sd / KNOWN_TO) ** 2)

    hidden = ("eta", "steps", "ratio", "rate_sd")
    free = {name: value for name, value in truth.items() if name not in hidden}
    prior = the_model().priors
    free["ratio_score"] = logit(truth["ratio"] / prior.ratio_upper) + FOLLOWS * truth["mean_rate"]
    free["rate_sd_score"] = logit(truth["rate_sd"] / prior.rate_sd_upper) + np.log(np.append(truth["ratio"], 1.0))
    free["drift_step"] = scaled(truth["steps"], truth["drift_sd"])
    free["regimen_deviation"] = scaled(truth["eta"], truth["regimen_precision"] ** -0.5)
    return free


def simulate_study(truth: dict[str, Any], rng: np.random.Generator) -> Study:
    """A platform of two regimens, 24 active and 12 control persons each, randomised evenly over three blocks."""
    n = len(REGIMENS) * (ACTIVE + CONTROL)
    regimen = np.repeat(np.arange(len(REGIMENS)), ACTIVE + CONTROL)
    active = np.tile(np.repeat([True, False], [ACTIVE, CONTROL]), len(REGIMENS))
    arm = np.where(active, regimen, len(REGIMENS))
    cell = 2 * regimen + ~active
    block = rng.permutation(np.arange(n) % BLOCKS)
    day = block * BLOCK_DAYS + rng.uniform(0, BLOCK_DAYS * 0.99, n)
    day[np.flatnonzero(block == 0)[0]] = 0.0  # the first block begins with the first randomisation
    x = rng.normal(0, 0.5, n)
    theta = np.log(np.append(truth["ratio"], 1.0))[arm]
    drift = np.concatenate([[0.0], np.cumsum(truth["steps"])])
    log_rate = drift[block] + truth["eta"][regimen] + truth["covariate_slope"][0] * (x - x.mean())
    level = truth["level"][cell] + truth["level_sd"] * rng.standard_normal(n)
    rate = truth["mean_rate"] + truth["rate_sd"][arm] * rng.standard_normal(n)
    score = level[:, None] - (rate * np.exp(theta + log_rate))[:, None] * WEEKS / MONTH
    score += truth["error_sd"][cell][:, None] * rng.standard_normal(score.shape)
    death = MONTH * rng.standard_exponential(n) / np.exp(truth["log_hazard"] + theta)
    leave = MONTH * rng.standard_exponential(n) / 0.05
    exits = np.stack([death, leave, np.full(n, WEEKS[-1])])
    names = np.array([f"p{number:03d}" for number in range(n)])
    groups = np.array([f"drug_{r}" for r in REGIMENS] + ["control"])
    row, column = np.nonzero(exits.min(axis=0)[:, None] >= WEEKS)
    persons = pd.DataFrame(
        {"person": names, "start_group": groups[arm], "drug_start_week": np.where(active, 0.0, np.nan),
         "regimen": np.array(REGIMENS)[regimen], "day": day, "x": x}
    )  # fmt: skip
    visits = {"person": names[row], "week": WEEKS[column], "outcome": "alsfrs_r", "value": score[row, column]}
    events = {
        "person": names,
        "week": exits.min(axis=0),
        "event": np.array(["death", "withdrawal", "none"])[exits.argmin(axis=0)],
    }
    return Study.from_frames(
        persons, pd.DataFrame(visits), pd.DataFrame(events), reference_group="control", extra_limits=ANY_SCORE,
        curve_weeks=(0.0, 24.0),
    )  # fmt: skip


def rank_truths(spec: SharedRateCalibrationSpec, number: int) -> dict[str, Any]:
    """Draw a truth from the prior, simulate a trial, refit, and rank every quantity.

    Returns
    -------
    dict
        `events`, and `ranks`: label to rank among `spec.kept` draws.
    """
    rng = np.random.default_rng(np.random.SeedSequence(spec.seed, spawn_key=(number,)))
    truth = draw_truth(rng)
    arrays = the_model().arrays(simulate_study(truth, rng), the_layout())
    settings = NutsSettings(
        chains=spec.chains, tune=spec.tune, draws=spec.draws, target_accept=spec.target_accept, cores=1,
        seed=int(rng.integers(2**31)),
    )  # fmt: skip
    refit = the_refit()
    tree = refit.sample(arrays, settings)
    events = int(arrays["exits_observed"][:, 1].sum())
    return {"events": events, **ranked(tree, refit, arrays, free_variables(truth), spec.kept)}


ABOUT = About(
    "Simulation-based calibration of SharedRateModel",
    "python -m validation.calibration.shared_rate",
    "reports/validation/calibration/SharedRateModel",
    "Every parameter is drawn from the model's default prior (HEALEY ALS Platform Trial master protocol, recommended "
    f"analysis), with one change: the hazard from Gamma({HAZARD[0]:g}, rate {HAZARD[1]:g}) a month, in the truth and "
    "in the model, since the default Gamma(.01, 1) puts nine tenths of its mass below .00003 and most trials would "
    "have no death (its density and draws are tested apart). A trial is drawn with NumPy: two regimens of 24 active "
    "and 12 control persons with "
    "shared controls, three calendar blocks, a covariate, five visits to week 24, dropout of 5 % a month, death by the "
    "hazard; scores are not limited to 0 to 48. The compiled model is refitted through `Study`; the truth is ranked "
    "among {kept} evenly spaced draws. Ranked are all published population quantities and the log-likelihood of visits "
    "and exits.",
)


def main(arguments: list[str] | None = None) -> int:
    """Run the study from the command line; a study that was stopped goes on where it was."""
    parser = study_parser("shared_rate_calibration", __doc__)
    parser.add_argument("--fits", type=int, default=400)
    chosen = parser.parse_args(arguments)
    spec = SharedRateCalibrationSpec(chosen.seed)
    records = run_study(rank_truths, spec, chosen.fits, chosen.log, workers=chosen.workers, scheduler=chosen.scheduler)
    sys.stdout.write(write_report(records, spec, chosen.out, chosen.fits, ABOUT) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
