"""Calibration of `SharedRateModel`: truths from its prior, and platform trials.

Truths and trials come from NumPy, from the formulas that `models.shared_rate` states.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logit

from bayesmodels.fitting.refit import Refit, refit_of
from bayesmodels.models.shared_rate.design import rate_layout
from bayesmodels.models.shared_rate.model import SharedRateModel
from bayesmodels.models.shared_rate.priors import FOLLOWS, KNOWN_TO, SharedRatePriors
from bayesmodels.study import Study
from validation.calibration.case import Calibrated, Case, compared_with

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


@cache
def the_model() -> SharedRateModel:
    """The default priors, but for the hazard's."""
    return SharedRateModel(
        regimen_column="regimen", calendar_column="day", block_days=BLOCK_DAYS, covariates=("x",),
        priors=SharedRatePriors(hazard=HAZARD),
    )  # fmt: skip


@cache
def the_template() -> Study:
    """A trial with the labels of every simulated trial."""
    rng = np.random.default_rng(0)
    return simulate_study(draw_truth(rng), rng)


@cache
def the_refit(form: str = "") -> Refit:
    """The model compiled, once per process."""
    return refit_of(the_model(), the_template(), RANKED)


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


def draw(form: str, rng: np.random.Generator) -> Case:
    """A truth from the prior and a trial, with the number of its deaths."""
    truth = draw_truth(rng)
    arrays = the_model().arrays(simulate_study(truth, rng), rate_layout(the_model(), the_template()))
    events = int(arrays["exits_observed"][:, 1].sum())
    return Case(arrays, compared_with(free_variables(truth)), {"events": events})


CALIBRATED = Calibrated(draw, the_refit)
