"""Predicted courses and visits against the conditional normal, worked out densely."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from limit_study import model
from same_draw import same_draw

from bayesmodels.kernels.linear_mixed.walk_covariance import RandomWalks
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.persons.prediction.predict import draw_paths, predict
from bayesmodels.study import Study
from bayesmodels.vocabulary import MONTH_IN_WEEKS

DRAWS = 4000
MEAN, SD, PARTIAL, ERROR, RANDOM_WALK = np.array([30.0, -1.0]), np.array([4.0, 0.6]), -0.3, 1.5, 1.2
SEEN = {"a": (0.0, 8.0, 20.0), "b": (0.0,)}
VALUES = {"a": (31.0, 26.0, 24.5), "b": (35.0,)}
WEEKS = (8.0, 14.0, 40.0)


def study() -> Study:
    persons = pd.DataFrame({"person": list(SEEN), "start_group": "all", "drug_start_week": np.nan})
    rows = [(p, week, "score", v) for p in SEEN for week, v in zip(SEEN[p], VALUES[p], strict=True)]
    return Study.from_frames(persons, pd.DataFrame(rows, columns=["person", "week", "outcome", "value"]), name="two")


def posterior() -> xr.DataTree:
    """The same draw, many times."""
    point = {
        "term_mean": MEAN[:, None], "term_sd": SD[None], "partial_correlation": np.array([(1 + PARTIAL) / 2]),
        "error_sd": np.array([[ERROR]]), "path_sd": np.array([[RANDOM_WALK]]),
    }  # fmt: skip
    return same_draw(point, DRAWS)


def course_covariance(s, t) -> np.ndarray:
    """Of a person's true course, path included, at months s and t."""
    covariance = np.outer(SD, SD) * np.array([[1, PARTIAL], [PARTIAL, 1]])
    rows, columns = (np.stack([np.ones_like(v), v], axis=1) for v in (s, t))
    return rows @ covariance @ columns.T + RANDOM_WALK**2 * np.minimum.outer(s, t)


@pytest.mark.parametrize("person", [0, 1])
def test_given_visits_the_courses_are_the_conditional_normals(person):
    found = predict(model(), posterior(), study(), WEEKS, seed=1, draws=DRAWS)
    label = list(SEEN)[person]
    s, t = np.array(SEEN[label]) / MONTH_IN_WEEKS, np.array(WEEKS) / MONTH_IN_WEEKS
    gain = course_covariance(t, s) @ np.linalg.inv(course_covariance(s, s) + ERROR**2 * np.eye(len(s)))
    mean = MEAN[0] + MEAN[1] * t + gain @ (np.array(VALUES[label]) - MEAN[0] - MEAN[1] * s)
    covariance = course_covariance(t, t) - gain @ course_covariance(s, t)
    course = found["trajectory"].to_numpy()[0, :, 0, person]
    visit = found["observation"].to_numpy()[0, :, 0, person]
    for draws, expected in ((course, covariance), (visit, covariance + ERROR**2 * np.eye(len(t)))):
        sd = np.sqrt(np.diag(expected))
        assert (np.abs(draws.mean(axis=0) - mean) < 4.5 * sd / np.sqrt(DRAWS)).all()
        error = np.sqrt((np.outer(sd, sd) ** 2 + expected**2) / DRAWS)
        assert (np.abs(np.cov(draws.T) - expected) < 4.5 * error).all()


def test_weeks_come_back_in_order():
    found = predict(model(), posterior(), study(), (40, 8, 14, 8), seed=1, draws=10)
    np.testing.assert_array_equal(found["week"], WEEKS)
    np.testing.assert_array_equal(
        found["trajectory"], predict(model(), posterior(), study(), WEEKS, seed=1, draws=10)["trajectory"]
    )


def test_a_path_is_pinned_where_errors_are_tiny():
    past, future = np.array([[1.0, 2.0, 0.0]]), np.array([[1.0, 1.5, 2.0]])
    present = np.array([[True, True, False]])
    walks, here = RandomWalks(np.ones((1, 1)), np.eye(1), np.zeros(1)), np.zeros(3, int)
    found = draw_paths(
        walks, here, past, np.array([[0.4, -0.2, 9.0]]), present, here, future, np.full((1, 1), 1e-6),
        np.random.default_rng(0),
    )  # fmt: skip
    np.testing.assert_allclose(found[0, [0, 2]], [0.4, -0.2], atol=1e-4)


def test_without_visits_a_path_is_a_brownian_motion():
    n, rng = 20_000, np.random.default_rng(3)
    none = np.zeros((n, 0))
    walks, nobody, two = RandomWalks(np.full((n, 1), 2.0), np.eye(1), np.zeros(1)), np.zeros(0, int), np.zeros(2, int)
    future = np.tile([1.0, 4.0], (n, 1))
    found = draw_paths(walks, nobody, none, none, none.astype(bool), two, future, np.ones((n, 1)), rng)
    np.testing.assert_allclose(np.cov(found.T), [[4.0, 4.0], [4.0, 16.0]], rtol=0.06)


def test_new_persons_of_one_start_group_have_that_group_s_effect():
    effect = {"type": "slope_change"}
    outcome = {"name": "score", "good_direction": "up", "typical": {"level": 30.0, "spread": 5.0, "rate": 1.0}}
    point = {
        "term_mean": np.array([30.0, -1.0, 0.4])[:, None], "effect_group_sd": np.array([0.5]),
        "effect_contrast": np.full((1, 1, 1), 0.6), "term_sd": np.full((1, 2), 1e-6),
        "partial_correlation": np.array([0.5]), "error_sd": np.array([[1.0]]),
    }  # fmt: skip
    coords = {
        "fitted_stratum": ["all"],
        "start_group": ["early", "delayed"],
        "drug_start_week": ("start_group", [0.0, 28.0]),
    }
    tree = same_draw(point, 2, coords)
    new = pd.DataFrame({"person": ["a"], "start_group": ["early"], "drug_start_week": [0.0]})
    both_ways = LongitudinalModel(outcomes=({**outcome, "effect": effect},))
    course = predict(both_ways, tree, new, (52.0,), seed=1, draws=2)["trajectory"].to_numpy()
    own_effect = 0.4 + 0.5 * 0.6 / np.sqrt(2)  # one orthonormal contrast of two groups
    np.testing.assert_allclose(course, 30.0 + (own_effect - 1.0) * 52.0 / MONTH_IN_WEEKS, rtol=1e-5)
