"""Calibration of `VisitModel` with unstructured covariance: truths from its prior, and trials, in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.fitting.refit import Refit, refit_of
from bayesmodels.models.visit_means.model import VisitModel
from bayesmodels.study import Study
from validation.calibration.case import Arrays, Calibrated, Case, compared_with

LEVEL, SPREAD = 30.0, 6.0
WEEKS = np.array([0.0, 4.0, 12.0, 24.0, 52.0])
PERSONS = ((14, 10), (14, 10))
"""By start group and stratum."""

RANKED = ("curve", "difference", "standardised_difference", "covariate_visit", "visit_sd", "visit_correlation")
NAMES = np.array([f"p{number:03d}" for number in range(sum(map(sum, PERSONS)))])


@cache
def the_model() -> VisitModel:
    """One outcome, a covariate, an unstructured covariance; the default priors."""
    return VisitModel(
        outcomes=[{"name": "score", "good_direction": "up", "typical": {"level": LEVEL, "spread": SPREAD}}],
        visit_weeks=tuple(WEEKS), covariates=("x",),
    )  # fmt: skip


@cache
def the_template() -> Study:
    """A trial with the labels and shares of every simulated trial."""
    rng = np.random.default_rng(0)
    return simulate_study(draw_truth(rng), rng)


@cache
def the_refit(form: str = "") -> Refit:
    """The model compiled, once per process."""
    return refit_of(the_model(), the_template(), RANKED)


def draw_truth(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Parameters from the model's default prior."""
    visits = len(WEEKS)
    first, second = np.triu_indices(visits, 1)
    nearest = second - first == 1
    return {
        "slot_mean": rng.normal(LEVEL, SPREAD * np.where(WEEKS == 0, 1.0, 3.0), (2, visits)),
        "slot_effect": rng.normal(0.0, SPREAD, (1, 1, visits - 1)),
        "covariate_slope": rng.normal(0.0, SPREAD, (1, visits)),
        "slot_sd": np.abs(rng.normal(0.0, SPREAD, (1, visits))),
        "partial_atanh": rng.normal(np.where(nearest, 0.7, 0.0), np.where(nearest, 0.5, 0.3))[None],
    }


def free_variables(truth: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A truth as free variables: x of prior mean + root x, of log SDs too (`models.visit_means.along_visits`)."""
    lag = np.abs(np.subtract.outer(np.arange(len(WEEKS)), np.arange(len(WEEKS))))

    def x(values: np.ndarray, power: int, first: int = 0) -> np.ndarray:
        return np.linalg.solve(np.linalg.cholesky(0.9 ** (power * lag[first:, first:])), values[..., None])[..., 0]

    return {
        "slot_mean_x": x(truth["slot_mean"] - LEVEL, 1),
        "slot_effect_x": x(truth["slot_effect"], 1, 1),
        "covariate_slope_x": x(truth["covariate_slope"], 1),
        "slot_sd_x": x(np.log(truth["slot_sd"] / SPREAD), 2),
        "partial_atanh": truth["partial_atanh"],
    }


def correlation(partial: np.ndarray) -> np.ndarray:
    """Correlation matrix from the correlations of pairs given those between, by the definition of the latter.

    Parameters
    ----------
    partial : (pair,), row by row above the diagonal
    """
    visits = len(WEEKS)
    given = np.zeros((visits, visits))
    given[np.triu_indices(visits, 1)] = partial
    found = np.eye(visits)
    for lag in range(1, visits):
        for s in range(visits - lag):
            between, ends = slice(s + 1, s + lag), [s, s + lag]
            weights = np.linalg.solve(found[between, between], found[between][:, ends])
            left = np.eye(2) - found[ends][:, between] @ weights  # but for the entry that is looked for
            value = given[s, s + lag] * np.sqrt(left[0, 0] * left[1, 1]) - left[0, 1]
            found[s, s + lag] = found[s + lag, s] = value
    return found


def simulate_study(truth: Mapping[str, np.ndarray], rng: np.random.Generator) -> Study:
    """A trial of 28 and 20 persons by stratum in two start groups; one visit in eight missed, one person in five gone.

    Whoever leaves misses every visit from one of the later ones on.
    """
    group = np.concatenate([np.full(sum(row), g) for g, row in enumerate(PERSONS)])
    stratum = np.concatenate([np.repeat([0, 1], row) for row in PERSONS])
    n, visits = len(group), len(WEEKS)
    x = rng.normal(0.0, 1.0, n)
    mean = truth["slot_mean"][stratum] + np.outer((x - x.mean()) / x.std(), truth["covariate_slope"][0])
    mean[:, 1:] += (group == 0)[:, None] * truth["slot_effect"][0, 0]
    root = truth["slot_sd"][0][:, None] * np.linalg.cholesky(correlation(np.tanh(truth["partial_atanh"][0])))
    score = mean + rng.standard_normal((n, visits)) @ root.T
    last = np.where(rng.uniform(size=n) < 0.2, rng.integers(2, visits, n), visits)
    seen = (rng.uniform(size=(n, visits)) > 0.125) & (np.arange(visits) < last[:, None])
    seen[:, 0] |= ~seen.any(axis=1)  # nobody is without any visit
    row, column = np.nonzero(seen)
    persons = pd.DataFrame(
        {"person": NAMES, "start_group": np.array(["early", "delayed"])[group],
         "drug_start_week": np.where(group == 0, 0.0, 52.0), "stratum": np.array(["fast", "slow"])[stratum], "x": x}
    )  # fmt: skip
    table = {"person": NAMES[row], "week": WEEKS[column], "outcome": "score", "value": score[row, column]}
    return Study.from_frames(persons, pd.DataFrame(table), reference_group="delayed", strata=True)


def draw(form: str, rng: np.random.Generator) -> Case:
    """A truth from the prior and a trial."""
    truth = draw_truth(rng)
    every = compared_with(free_variables(truth))

    def compare(refit: Refit, free: Arrays, published: Arrays) -> tuple[Mapping[str, Any], Arrays]:
        truths, draws = every(refit, free, published)
        kept = [label for label in draws if not _repeated(label)]
        return {label: truths[label] for label in kept}, {label: draws[label] for label in kept}

    return Case(the_model().arrays(simulate_study(truth, rng)), compare)


def _repeated(label: str) -> bool:
    """Whether an entry of the covariance is that of another start group, or below the diagonal."""
    name, _, index = label.rstrip("]").partition("[")
    if name not in ("visit_sd", "visit_correlation"):
        return False
    _, *visits, group = index.split(", ")
    return group == "delayed" or [float(v) for v in visits] != sorted(float(v) for v in visits)


CALIBRATED = Calibrated(draw, the_refit)
