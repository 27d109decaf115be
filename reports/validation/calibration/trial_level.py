"""Calibration of `TrialLevelModel`: truths from its prior, and collections of trials.

Variant `normal`: normal random effects, both effects reported, correlations of the estimates known. Variant `general`:
t random effects, correlation of the estimates uniform on (0, 1) and one for all rows, a third of the rows with one
effect only, and effects on the surrogate left-censored at a bound. Truths and tables come from NumPy.
"""

from __future__ import annotations

from functools import cache
from math import inf
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import halfnorm, norm

from bayesmodels.fitting.refit import Refit, refit_of
from bayesmodels.models.trial_level.model import TrialLevelModel
from bayesmodels.study import TrialTable
from validation.calibration.case import Calibrated, Case, compared_with

Variant = Literal["normal", "general"]

SCALES = (0.3, 0.25)
"""Typical spread of true effects, ln and points a month."""

FREEDOM = 4.0
"""Degrees of freedom of the t random effects in the general variant."""

BOUND = -0.6
"""Where the general variant left-censors estimated effects on the surrogate, in half of the rows."""


FEWEST, MOST = 3, 24
"""Rows of a table, uniform between these."""


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
    """The model compiled, once per process, on a table that has every kind of row of its variant."""
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


def draw(variant: Variant, rng: np.random.Generator) -> Case:
    """A truth from the prior and a table of trials, with the number of its rows."""
    rows = int(rng.integers(FEWEST, MOST + 1))
    truth = draw_truth(variant, rng)
    arrays = the_model(variant).arrays(simulate_table(variant, truth, rows, rng))
    return Case(arrays, compared_with(truth), {"rows": rows})


NORMAL, GENERAL = (Calibrated(draw, the_refit, {form: inf}) for form in ("normal", "general"))
