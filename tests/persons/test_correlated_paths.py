"""Two outcomes whose random walks are correlated, one with shrinking steps: likelihood, conditional means, replicates.

Everything is held against dense normal distributions written out here, covariances by quadrature.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from same_draw import same_draw
from scipy.integrate import quad
from scipy.stats import multivariate_normal

from bayesmodels.kernels.linear_mixed.variable import likelihood_and_terms, simulate
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.parts.priors import LogNormal
from bayesmodels.persons.collapsed import collapsed_or_error
from bayesmodels.persons.gaussian import regressed, rows_of, spread_of
from bayesmodels.persons.prediction.predict import predict
from bayesmodels.study import Study
from bayesmodels.vocabulary import MONTH_IN_WEEKS

DRAWS = 4000
MEAN = np.array([4.0, 0.1, 30.0, -1.0])
SD = np.array([0.5, 0.05, 4.0, 0.6])
ERROR, WALK, RHO, TAU = np.array([0.2, 1.5]), np.array([0.3, 1.8]), -0.7, np.array([6.0, np.inf])
SEEN = {
    "a": ([("marker", w) for w in (0.0, 8.0, 30.0)] + [("score", w) for w in (0.0, 8.0, 12.0, 20.0)]),
    "b": [("marker", 26.0), ("score", 0.0)],
    "c": [("marker", 4.0)],
}
WEEKS = (8.0, 14.0, 60.0)
NAMES = ("marker", "score")


def model(**changes) -> LongitudinalModel:
    marker = {
        "name": "marker", "good_direction": "down", "typical": {"level": 4.0, "spread": 0.5, "rate": 0.1},
        "random_walk_sd": {"sd": 0.3}, "random_walk_time_constant": {"type": "lognormal", "median": 20.0, "sigma": 0.5},
    }  # fmt: skip
    score = {
        "name": "score", "good_direction": "up", "typical": {"level": 30.0, "spread": 5.0, "rate": 1.0},
        "random_walk_sd": {"sd": 1.5},
    }  # fmt: skip
    return LongitudinalModel(**{"outcomes": (marker, score), "walk_correlation": 1.0} | changes)


def study() -> Study:
    rng = np.random.default_rng(5)
    persons = pd.DataFrame({"person": list(SEEN), "start_group": "all", "drug_start_week": np.nan})
    typical = {"marker": (4.0, 0.5), "score": (28.0, 5.0)}
    rows = [(p, week, k, rng.normal(*typical[k])) for p in SEEN for k, week in SEEN[p]]
    return Study.from_frames(persons, pd.DataFrame(rows, columns=["person", "week", "outcome", "value"]), name="three")


def point() -> dict[str, np.ndarray]:
    return {
        "term_mean": MEAN[:, None], "term_sd": SD[None], "partial_correlation": np.full(6, 0.5),
        "error_sd": ERROR[None], "path_sd": WALK[None], "walk_partial_correlation": np.array([(1 + RHO) / 2]),
        "marker_path_months": np.array(TAU[0]),
    }  # fmt: skip


def path_covariance(k, s, other, t) -> float:
    """rho omega_k omega_l times the integral of the product of the step SDs, s and t in months."""
    both = quad(lambda u: np.exp(-u / TAU[k] - u / TAU[other]), 0.0, min(s, t), epsabs=1e-12)[0]
    return (1.0 if k == other else RHO) * WALK[k] * WALK[other] * both


def moments(visits) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of true courses at (outcome, week)."""
    places = [(NAMES.index(name), week / MONTH_IN_WEEKS) for name, week in visits]
    x = np.zeros((len(places), 4))
    for row, (k, t) in enumerate(places):
        x[row, 2 * k : 2 * k + 2] = 1.0, t
    paths = [[path_covariance(k, s, other, t) for other, t in places] for k, s in places]
    return x @ MEAN, x @ np.diag(SD**2) @ x.T + np.array(paths)


def noise(visits) -> np.ndarray:
    return np.diag([ERROR[NAMES.index(name)] ** 2 for name, _ in visits])


def values(data, label) -> np.ndarray:
    table = data.visits.set_index(["person", "outcome", "week"])["value"]
    return np.array([table[(label, name, week)] for name, week in SEEN[label]])


@pytest.fixture(scope="module")
def built():
    data = study()
    likelihood = collapsed_or_error(model().build(data))
    (draw,) = likelihood.at(same_draw(point(), 1)["posterior"].to_dataset())
    return data, likelihood, draw


def test_likelihood_is_the_dense_normals(built):
    data, likelihood, draw = built
    assert likelihood.layout.correlated_walks
    found, _ = likelihood_and_terms(likelihood.layout, draw.y, draw.inputs, draw.bases)
    for i, label in enumerate(SEEN):
        mean, covariance = moments(SEEN[label])
        expected = multivariate_normal(mean, covariance + noise(SEEN[label])).logpdf(values(data, label))
        assert found[i] == pytest.approx(expected, rel=1e-10)


def test_means_given_part_of_the_visits_are_the_dense_normals(built):
    """What sensitivity to dropout and values beyond a limit are conditioned with."""
    data, likelihood, draw = built
    rows, spread = rows_of(likelihood.layout, draw), spread_of(likelihood.layout, draw)
    early = draw.present(likelihood.layout) & (rows.months <= 10 / MONTH_IN_WEEKS)
    mean, covariance = regressed(spread, rows, rows, early, draw.y - rows.mean)
    for i, label in enumerate(SEEN):
        place = np.flatnonzero(draw.present(likelihood.layout)[i])
        seen = np.array([week <= 10 for _, week in SEEN[label]])
        center, course = moments(SEEN[label])
        gain = course[:, seen] @ np.linalg.inv((course + noise(SEEN[label]))[np.ix_(seen, seen)])
        expected = gain @ (values(data, label) - center)[seen]
        np.testing.assert_allclose(mean[i, place], expected, rtol=1e-9, atol=1e-10)
        left = course - gain @ course[seen]
        np.testing.assert_allclose(covariance[i][np.ix_(place, place)], left, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("person", [0, 1, 2])
def test_predicted_courses_are_the_conditional_normals(person):
    data = study()
    found = predict(model(), same_draw(point(), DRAWS), data, WEEKS, seed=1, draws=DRAWS)
    label = list(SEEN)[person]
    wanted = [(name, week) for name in NAMES for week in WEEKS]
    both, n = SEEN[label] + wanted, len(SEEN[label])
    center, course = moments(both)
    gain = course[n:, :n] @ np.linalg.inv(course[:n, :n] + noise(SEEN[label]))
    mean = center[n:] + gain @ (values(data, label) - center[:n])
    left = course[n:, n:] - gain @ course[:n, n:]
    draws = found["trajectory"].to_numpy()[0, :, :, person].reshape(DRAWS, -1)
    sd = np.sqrt(np.diag(left))
    assert (np.abs(draws.mean(axis=0) - mean) < 4.5 * sd / np.sqrt(DRAWS)).all()
    error = np.sqrt((np.outer(sd, sd) ** 2 + left**2) / DRAWS)
    assert (np.abs(np.cov(draws.T) - left) < 4.5 * error).all()


def test_replicates_have_the_dense_moments(built):
    _, likelihood, draw = built
    rng = np.random.default_rng(2)
    draws = np.array([simulate(likelihood.layout, rng, draw.inputs, draw.bases) for _ in range(DRAWS)])
    present = draw.present(likelihood.layout)
    assert (draws[:, ~present] == 0).all()
    for i, label in enumerate(SEEN):
        center, course = moments(SEEN[label])
        expected = course + noise(SEEN[label])
        found = draws[:, i, present[i]]
        sd = np.sqrt(np.diag(expected))
        assert (np.abs(found.mean(axis=0) - center) < 4.5 * sd / np.sqrt(DRAWS)).all()
        error = np.sqrt((np.outer(sd, sd) ** 2 + expected**2) / DRAWS)
        assert (np.abs(np.atleast_2d(np.cov(found.T)) - expected) < 4.5 * error).all()


def test_published_and_prior_rows():
    import pymc as pm

    data = study()
    pm_model = model().build(data)
    with pm_model:
        prior = pm.draw([pm_model["walk_correlation"], pm_model["random_walk_time_constant"]], 300, random_seed=1)
    assert np.isnan(prior[1][:, 1]).all()
    assert np.median(prior[1][:, 0]) == pytest.approx(20.0, rel=0.15)
    np.testing.assert_allclose(prior[0][:, [0, 1], [0, 1]], 1.0)
    rho = prior[0][:, 0, 1]
    np.testing.assert_array_equal(rho, prior[0][:, 1, 0])
    assert np.mean(np.abs(rho) < 0.5) == pytest.approx(0.5, abs=0.1)  # LKJ(1) of two is uniform
    table = {row["parameter"]: row["prior"] for row in model().prior_rows(data)}
    assert table["correlations of Brownian paths"] == "LKJ(1)"
    assert table["months in which the steps of the Brownian path shrink to 1 / e"] == "LogNormal(log 20, 0.5)"


@pytest.mark.parametrize("correlation", ["independent", 1.0])
def test_one_walk_has_no_correlation(correlation):
    marker, score = model().outcomes
    still = marker.model_copy(update={"random_walk_sd": None, "random_walk_time_constant": None})
    pm_model = model(outcomes=(still, score), walk_correlation=correlation).build(study())
    assert "walk_correlation" not in pm_model.named_vars


def test_a_time_constant_without_a_random_walk_is_refused():
    marker = model().outcomes[0].model_dump() | {"random_walk_sd": None}
    with pytest.raises(ValueError, match="random_walk_sd"):
        model(outcomes=(marker,))


def test_a_known_time_constant_and_a_prior_of_one_have_one_likelihood():
    data, found = study(), []
    for months in (TAU[0], LogNormal(median=20.0, sigma=0.5)):
        marker = model().outcomes[0].model_copy(update={"random_walk_time_constant": months})
        likelihood = collapsed_or_error(model(outcomes=(marker, model().outcomes[1])).build(data))
        (draw,) = likelihood.at(same_draw(point(), 1)["posterior"].to_dataset())
        found.append(likelihood_and_terms(likelihood.layout, draw.y, draw.inputs, draw.bases)[0])
    np.testing.assert_allclose(*found, rtol=1e-12)
