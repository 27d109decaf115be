"""Three made-up persons with visits beyond a limit, a model of them, and a posterior of one draw, many times."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from same_draw import same_draw

from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.study import Study
from bayesmodels.vocabulary import MONTH_IN_WEEKS

DRAWS = 1500
MEAN, SD, PARTIAL, ERROR, RANDOM_WALK = np.array([30.0, -1.0]), np.array([4.0, 0.6]), -0.3, 1.5, 1.2
WEEKS = np.array([0.0, 8.0, 20.0, 32.0])
LIMIT = 25.0
VALUES = {"a": (31.0, 26.0, LIMIT, LIMIT), "b": (35.0, 32.0, 33.0, LIMIT), "c": (28.0, 30.0, 26.0, 27.0)}
BELOW = {"a": (2, 3), "b": (3,), "c": ()}
EXCESS = np.array([0.8, 1.7, 0.4])
"""How far below the limit the latent values are, by person and week."""


def model() -> LongitudinalModel:
    outcome = {
        "name": "score", "good_direction": "up", "typical": {"level": 30.0, "spread": 5.0, "rate": 1.0},
        "random_walk_sd": {"sd": 1.5},
    }  # fmt: skip
    return LongitudinalModel(outcomes=(outcome,))


def study(below=BELOW, values=None) -> Study:
    values = values or VALUES
    persons = pd.DataFrame({"person": list(values), "start_group": "all", "drug_start_week": np.nan})
    rows = [
        (p, week, "score", values[p][j], "left" if j in below[p] else "")
        for p in values
        for j, week in enumerate(WEEKS)
    ]
    visits = pd.DataFrame(rows, columns=["person", "week", "outcome", "value", "censoring"])
    return Study.from_frames(persons, visits, name="three")


def latent_values() -> dict[str, tuple[float, ...]]:
    """The visits with their latent values, as if those had been measured."""
    excess = iter(EXCESS)
    return {p: tuple(v - next(excess) if j in BELOW[p] else v for j, v in enumerate(VALUES[p])) for p in VALUES}


def posterior(draws: int = DRAWS) -> xr.DataTree:
    """The same draw, many times."""
    point = {
        "term_mean": MEAN[:, None], "term_sd": SD[None], "partial_correlation": np.array([(1 + PARTIAL) / 2]),
        "error_sd": np.array([[ERROR]]), "path_sd": np.array([[RANDOM_WALK]]), "score_excess": EXCESS,
    }  # fmt: skip
    return same_draw(point, draws)


def moments() -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of a person's true course at `WEEKS`, path included."""
    t = WEEKS / MONTH_IN_WEEKS
    x = np.stack([np.ones_like(t), t], axis=1)
    terms = np.outer(SD, SD) * np.array([[1, PARTIAL], [PARTIAL, 1]])
    return x @ MEAN, x @ terms @ x.T + RANDOM_WALK**2 * np.minimum.outer(t, t)
