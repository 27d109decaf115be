"""Predicted courses and visits against the conditional normal, worked out densely."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from limit_study import model
from same_draw import same_draw
from sampled_point import scaled_contrast

from bayesmodels.errors import BadInput
from bayesmodels.fitted import fit
from bayesmodels.kernels.linear_mixed.walk_covariance import RandomWalks
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.outcome import Outcome
from bayesmodels.models.presets import replaced
from bayesmodels.persons.prediction.predict import draw_paths, in_natural_units, predict
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


def test_scores_are_held_within_their_limits_draw_by_draw():
    """The mean over draws of the bounded course is that of a normal variable cut at the limits, by quadrature."""
    low, high = 24.0, 35.5
    (outcome,) = model().outcomes
    limited = LongitudinalModel(outcomes=(replaced(outcome, {"limits": (low, high)}),))
    number = 1000
    plain, found = (predict(m, posterior(), study(), WEEKS, seed=1, draws=number) for m in (model(), limited))
    assert "latent_trajectory" not in plain
    np.testing.assert_array_equal(found["latent_trajectory"], plain["trajectory"])
    for name in ("trajectory", "observation"):
        np.testing.assert_array_equal(found[name], plain[name].clip(low, high))
        assert found[name].min() == low  # someone reaches it
    t = np.array(WEEKS) / MONTH_IN_WEEKS
    s = np.array(SEEN["b"]) / MONTH_IN_WEEKS
    gain = course_covariance(t, s) @ np.linalg.inv(course_covariance(s, s) + ERROR**2 * np.eye(len(s)))
    mean = MEAN[0] + MEAN[1] * t + gain @ (np.array(VALUES["b"]) - MEAN[0] - MEAN[1] * s)
    sd = np.sqrt(np.diag(course_covariance(t, t) - gain @ course_covariance(s, t)))
    z = np.linspace(-8.0, 8.0, 4001)
    share = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
    expected = np.clip(mean[:, None] + sd[:, None] * z, low, high) @ share
    drawn = found["trajectory"].to_numpy()[0, :, 0, 1]
    assert (np.abs(drawn.mean(axis=0) - expected) < 4.5 * drawn.std(axis=0) / np.sqrt(number)).all()
    assert (np.abs(expected - np.clip(mean, low, high)) > 0.3).any()  # not the mean cut at the limits


def test_outcomes_without_limits_have_no_latent_course_of_their_own():
    score, other = ({"name": name, "good_direction": "up", "scale": scale, "limits": limits,
                     "typical": {"level": 30.0, "spread": 0.5, "rate": 0.1}}
                    for name, scale, limits in (("a", "identity", (29.0, 31.0)), ("b", "log", None)))  # fmt: skip
    made = [Outcome(**score), Outcome(**other)]
    course = np.log(np.array([20.0, 30.0, 40.0])) * np.ones((1, 1, 2, 1, 1))
    course[:, :, 0] = np.array([20.0, 30.0, 40.0])
    found = in_natural_units(made, course.copy(), course.copy() + 0.0)
    np.testing.assert_allclose(found["trajectory"][0, 0, :, 0], [[29.0, 30.0, 31.0], [20.0, 30.0, 40.0]])
    np.testing.assert_allclose(found["observation"], found["trajectory"])
    np.testing.assert_allclose(found["latent_trajectory"][0, 0, 0, 0], [20.0, 30.0, 40.0])
    assert np.isnan(found["latent_trajectory"][0, 0, 1]).all()


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


TWO_GROUPS = {
    "fitted_stratum": ["all"],
    "start_group": ["early", "delayed"],
    "drug_start_week": ("start_group", [0.0, 28.0]),
}
OUTCOME = {"name": "score", "good_direction": "up", "typical": {"level": 30.0, "spread": 5.0, "rate": 1.0}}
BOTH_WAYS = LongitudinalModel(outcomes=({**OUTCOME, "effect": {"type": "slope_change"}},))
EFFECTS = {"early": 0.4 + 0.5 * 0.6 / np.sqrt(2), "delayed": 0.4 - 0.5 * 0.6 / np.sqrt(2)}
"""Change of the rate on the drug, of prior SD .5: the mean, and one orthonormal contrast of two groups."""


def two_groups(sd, draws) -> xr.DataTree:
    """The same draw, many times, of a model with an effect by start group."""
    point = {
        "term_mean": np.array([*MEAN, 0.4])[:, None], "effect_group_sd": np.array([0.5]),
        "scaled_effect_contrast": scaled_contrast(np.full((1, 1, 1), 0.6), 0.5, 0.5), "term_sd": sd[None],
        "partial_correlation": np.array([(1 + PARTIAL) / 2]), "error_sd": np.array([[ERROR]]),
    }  # fmt: skip
    return same_draw(point, draws, TWO_GROUPS)


def mean_course(group, start, months):
    return MEAN[0] + MEAN[1] * months + EFFECTS[group] * np.maximum(months - start / MONTH_IN_WEEKS, 0.0)


def test_new_persons_of_one_start_group_have_that_group_s_effect():
    new = pd.DataFrame({"person": ["a"], "start_group": ["early"], "drug_start_week": [0.0]})
    course = predict(BOTH_WAYS, two_groups(np.full(2, 1e-6), 2), new, (52.0,), seed=1, draws=2)["trajectory"].to_numpy()
    np.testing.assert_allclose(course, mean_course("early", 0.0, 52.0 / MONTH_IN_WEEKS), rtol=1e-5)


def new_study(*labels) -> Study:
    """Persons a (early), b and c (delayed, b two weeks late; c without visits), those of them that are asked for."""
    persons = pd.DataFrame(
        [("a", "early", 0.0), ("b", "delayed", 30.0), ("c", "delayed", 28.0)],
        columns=["person", "start_group", "drug_start_week"],
    )
    rows = [(p, week, "score", v) for p in SEEN for week, v in zip(SEEN[p], VALUES[p], strict=True)]
    visits = pd.DataFrame(rows, columns=["person", "week", "outcome", "value"])
    return Study.from_frames(
        *(table[table["person"].isin(labels)] for table in (persons, visits)), name="new", new_persons=True
    )


@pytest.mark.parametrize("labels", ["a", "b", "ab", "abc"])
def test_new_persons_with_a_history_from_one_on_and_whatever_their_start_groups(labels):
    """Conditional normals about each person's own mean course, on the group's effect and the person's start."""
    study = new_study(*labels)
    found = predict(BOTH_WAYS, two_groups(SD, DRAWS), study, WEEKS, seed=1, draws=DRAWS)
    assert found.sizes["person"] == len(labels)
    covariance = np.outer(SD, SD) * np.array([[1, PARTIAL], [PARTIAL, 1]])
    t = np.array(WEEKS) / MONTH_IN_WEEKS
    later = np.stack([np.ones_like(t), t], axis=1)
    for i, (group, start) in enumerate(study.persons[["start_group", "drug_start_week"]].itertuples(index=False)):
        s = np.array(SEEN.get(labels[i], ())) / MONTH_IN_WEEKS
        past = np.stack([np.ones_like(s), s], axis=1)
        gain = later @ covariance @ past.T @ np.linalg.inv(past @ covariance @ past.T + ERROR**2 * np.eye(len(s)))
        seen = np.array(VALUES.get(labels[i], ()))
        mean = mean_course(group, start, t) + gain @ (seen - mean_course(group, start, s))
        spread = (later - gain @ past) @ covariance @ later.T
        draws = found["trajectory"].to_numpy()[0, :, 0, i]
        assert (np.abs(draws.mean(axis=0) - mean) < 4.5 * np.sqrt(np.diag(spread) / DRAWS)).all()
        np.testing.assert_allclose(np.cov(draws.T), spread, atol=0.1 * spread.max())


def test_a_start_group_the_fit_does_not_know_is_refused():
    persons = pd.DataFrame({"person": ["a"], "start_group": ["erly"], "drug_start_week": [0.0]})
    visits = pd.DataFrame({"person": ["a"], "week": [0.0], "outcome": ["score"], "value": [30.0]})
    study = Study.from_frames(persons, visits, new_persons=True)
    with pytest.raises(BadInput, match=r"start_group of the fitted study \(early, delayed\), got 'erly'"):
        predict(BOTH_WAYS, two_groups(SD, 2), study, WEEKS, seed=1)


def test_a_study_of_new_persons_is_not_fitted():
    with pytest.raises(BadInput, match="leave out new_persons=True"):
        fit(BOTH_WAYS, new_study("a", "b"))
