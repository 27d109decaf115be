"""Visits known only to lie beyond a limit: what is drawn, replicated, imputed and integrated around them. Made up."""

from __future__ import annotations

import joint_study
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import multivariate_normal, norm

from bayesmodels.errors import BadInput
from bayesmodels.fitting.beyond_limits import log_all_below
from bayesmodels.fitting.collapsed import collapsed_or_error
from bayesmodels.fitting.imputation import impute
from bayesmodels.fitting.likelihood import person_log_likelihood
from bayesmodels.fitting.predict import predict
from bayesmodels.fitting.replicated_exits import replicated_trials
from bayesmodels.fitting.replicated_trials import replicated_visits
from bayesmodels.fitting.visit_summaries import visit_summaries
from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.study import Study
from bayesmodels.vocabulary import MONTH_IN_WEEKS

DRAWS = 1500
MEAN, SD, PARTIAL, ERROR, WANDER = np.array([30.0, -1.0]), np.array([4.0, 0.6]), -0.3, 1.5, 1.2
WEEKS = np.array([0.0, 8.0, 20.0, 32.0])
LIMIT = 25.0
VALUES = {"a": (31.0, 26.0, LIMIT, LIMIT), "b": (35.0, 32.0, 33.0, LIMIT), "c": (28.0, 30.0, 26.0, 27.0)}
BELOW = {"a": (2, 3), "b": (3,), "c": ()}
EXCESS = np.array([0.8, 1.7, 0.4])
"""How far below the limit the latent values are, by person and week."""


def model() -> LongitudinalModel:
    outcome = {
        "name": "score", "good_direction": "up", "typical": {"level": 30.0, "spread": 5.0, "rate": 1.0},
        "wander_sd": {"sd": 1.5},
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
        "error_sd": np.array([[ERROR]]), "path_sd": np.array([[WANDER]]), "score_excess": EXCESS,
    }  # fmt: skip
    found = {
        name: (("chain", "draw", *(f"{name}_{j}" for j in range(v.ndim))), np.broadcast_to(v, (1, draws, *v.shape)))
        for name, v in point.items()
    }
    return xr.DataTree.from_dict(
        {"posterior": xr.Dataset(found, coords={"fitted_stratum": ["all"], "start_group": ["all"]})}
    )


def moments() -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of a person's true course at `WEEKS`, path included."""
    t = WEEKS / MONTH_IN_WEEKS
    x = np.stack([np.ones_like(t), t], axis=1)
    terms = np.outer(SD, SD) * np.array([[1, PARTIAL], [PARTIAL, 1]])
    return x @ MEAN, x @ terms @ x.T + WANDER**2 * np.minimum.outer(t, t)


def test_courses_are_predicted_given_the_latent_values():
    found = predict(model(), posterior(), study(), WEEKS, seed=3, draws=DRAWS)["trajectory"].to_numpy()[0, :, 0]
    mean, course = moments()
    gain = course @ np.linalg.inv(course + ERROR**2 * np.eye(4))
    error = np.sqrt(np.diag(course - gain @ course) / DRAWS)
    for person, y in enumerate(latent_values().values()):
        np.testing.assert_array_less(np.abs(found[:, person].mean(axis=0) - mean - gain @ (y - mean)), 4.5 * error)


HAZARDS = {
    "hazard_association": np.array([-0.1, 0.2, 0.3]),
    "death_log_shape": np.array(0.2),
    "death_log_hazard": np.array(-3.0),
}


def joint() -> JointEventModel:
    links = [{"outcome": "score", "form": "value"}, {"outcome": "score", "form": "terms"}]
    death = {"name": "death", "baseline": {"type": "weibull"}, "associations": links}
    return JointEventModel(outcomes=model().outcomes, events=(death,))


@pytest.mark.parametrize("made", [model(), joint()], ids=["longitudinal", "joint"])
def test_a_collapsed_likelihood_is_that_of_the_latent_values_measured(made):
    """Layouts, inputs and bases of both are the same, field by field."""
    measured = study(dict.fromkeys(BELOW, ()), latent_values())
    ours, theirs = (collapsed_or_error(made.build(with_exits(each))) for each in (study(), measured))
    assert ours.layout == theirs.layout
    assert ours.hazards == theirs.hazards
    draws = posterior(1)["posterior"].to_dataset()
    for name, v in HAZARDS.items():
        draws[name] = (("chain", "draw", *(f"{name}_{j}" for j in range(v.ndim))), v[None, None])
    (one,), (other,) = ours.at(draws), theirs.at(draws)
    np.testing.assert_allclose(one.y, other.y)
    mine, others = ((*d.inputs, *d.bases, *d.features) for d in (one, other))
    for a, b in zip(mine, others, strict=True):
        np.testing.assert_allclose(a, b)
    np.testing.assert_array_equal(one.beyond, [[j in BELOW[p] for j in range(4)] for p in VALUES])


def with_exits(made: Study) -> Study:
    events = pd.DataFrame({"person": list(VALUES), "week": [34.0, 36.0, 40.0], "event": ["death", "none", "none"]})
    return Study.from_frames(made.persons, made.visits, events, name="three")


def test_the_likelihood_of_a_person_is_a_density_times_a_probability():
    """SciPy's normal probabilities; the values beyond the limit are integrated out, whatever they are in a draw."""
    pm_model = model().build(study())
    found = person_log_likelihood(pm_model, posterior(1)["posterior"].to_dataset())
    mean, course = moments()
    covariance = course + ERROR**2 * np.eye(4)
    for j, p in enumerate(VALUES):
        below, seen = list(BELOW[p]), [k for k in range(4) if k not in BELOW[p]]
        y = np.array(VALUES[p])
        expected = multivariate_normal(mean[seen], covariance[np.ix_(seen, seen)]).logpdf(y[seen])
        if below:
            gain = covariance[np.ix_(below, seen)] @ np.linalg.inv(covariance[np.ix_(seen, seen)])
            center = mean[below] + gain @ (y[seen] - mean[seen])
            left = covariance[np.ix_(below, below)] - gain @ covariance[np.ix_(seen, below)]
            expected += np.log(multivariate_normal(center, left).cdf([LIMIT] * len(below)))
        tolerance = 1e-10 if len(below) < 2 else 2e-3  # two at once: 256 quasi-random points
        assert float(found["visits"][0, 0, j]) == pytest.approx(expected, abs=tolerance)


def test_probabilities_of_several_bounds():
    rng = np.random.default_rng(2)
    root = rng.normal(size=(5, 4, 4))
    covariance = root @ root.transpose(0, 2, 1) + 0.3 * np.eye(4)
    bound, wanted = rng.normal(size=(5, 4)), np.ones((5, 4), bool)
    wanted[1, 2] = wanted[2, :3] = False
    found = log_all_below(bound, covariance, wanted)
    for n in range(5):
        own = np.flatnonzero(wanted[n])
        exact = multivariate_normal(np.zeros(len(own)), covariance[n][np.ix_(own, own)]).cdf(bound[n, own])
        assert np.exp(found[n]) == pytest.approx(exact, rel=0.02)  # quasi-random points in three dimensions
    assert found[2] == pytest.approx(norm.logcdf(bound[2, 3] / np.sqrt(covariance[2, 3, 3])), abs=1e-12)


def test_a_right_censored_value_on_the_log_scale():
    """Beyond a highest value the probability is the upper tail, of the logarithm."""
    outcome = {
        "name": "score", "good_direction": "down", "scale": "log", "wander_sd": {"sd": 0.1},
        "typical": {"level": 30.0, "spread": 0.5, "rate": 0.05},
    }  # fmt: skip
    made = LongitudinalModel(outcomes=(outcome,))
    persons = pd.DataFrame({"person": ["a"], "start_group": "all", "drug_start_week": np.nan})
    values, censoring = (20.0, 30.0, 45.0, 40.0), ("", "", "right", "left")
    visits = pd.DataFrame({"person": "a", "week": WEEKS, "outcome": "score", "value": values, "censoring": censoring})
    draws = posterior(1)["posterior"].to_dataset()
    draws["term_mean"] = draws["term_mean"] * 0 + np.array([3.4, 0.02])[:, None]
    draws["term_sd"], draws["error_sd"], draws["path_sd"] = (
        draws["term_sd"] / 10,
        draws["error_sd"] / 10,
        draws["path_sd"] / 10,
    )
    draws = draws.drop_vars("score_excess").assign(score_excess=(("chain", "draw", "score_excess_0"), [[[0.2, 0.1]]]))
    found = person_log_likelihood(made.build(Study.from_frames(persons, visits, name="one")), draws)
    _, course = moments()
    mean, covariance = 3.4 + 0.02 * WEEKS / MONTH_IN_WEEKS, (course + ERROR**2 * np.eye(4)) / 100
    y, seen, gone = np.log(values), [0, 1], [2, 3]
    gain = covariance[np.ix_(gone, seen)] @ np.linalg.inv(covariance[np.ix_(seen, seen)])
    center = mean[gone] + gain @ (y[seen] - mean[seen])
    left = covariance[np.ix_(gone, gone)] - gain @ covariance[np.ix_(seen, gone)]
    turn = np.diag([-1.0, 1.0])
    expected = multivariate_normal(mean[seen], covariance[np.ix_(seen, seen)]).logpdf(y[seen])
    expected += np.log(multivariate_normal(turn @ center, turn @ left @ turn).cdf(turn @ y[gone]))
    assert float(found["visits"][0, 0, 0]) == pytest.approx(expected, abs=2e-3)  # 256 quasi-random points


def test_latent_values_and_imputed_ones_are_of_the_same_draw():
    """The latent value moves with the draw, and so does the person's level: the course far off follows it."""
    draws = posterior(30)["posterior"].to_dataset()
    number = np.arange(30.0)
    draws["score_excess"] = draws["score_excess"] + (number / 10)[None, :, None]
    draws["term_mean"] = draws["term_mean"] + (1000 * number)[None, :, None, None] * np.array([1.0, 0.0])[:, None]
    late = (*WEEKS, 60.0)
    weeks = study().visits
    more = weeks[(weeks["person"] == "c") & (weeks["week"] == 32.0)].assign(week=60.0)
    table = Study.from_frames(study().persons, pd.concat([weeks, more], ignore_index=True), name="three")
    found = impute(model(), xr.DataTree.from_dict({"posterior": draws}), table, "score", late, seed=1, imputations=10)
    excess = LIMIT - found.values[:, 1, 3]
    drawn = np.round((excess - EXCESS[2]) * 10)
    assert len(set(drawn)) == 10
    follows = found.values[:, 1, 4]  # person b is not seen at week 60; seen before at 30 or so, in every draw
    assert np.corrcoef(drawn, follows)[0, 1] > 0.9


def test_a_measured_value_is_kept_where_a_censored_one_is_nearer_to_the_week():
    visits = study().visits
    visits = pd.concat(
        [visits, visits[visits["person"] == "c"].tail(1).assign(week=33.0, censoring="left", value=20.0)]
    )
    visits.loc[(visits["person"] == "c") & (visits["week"] == 32.0), "week"] = 29.0
    table = Study.from_frames(study().persons, visits.reset_index(drop=True), name="three")
    draws = posterior(20)["posterior"].to_dataset()
    draws = draws.drop_vars("score_excess").assign(
        score_excess=(("chain", "draw", "score_excess_0"), np.ones((1, 20, 4)))
    )
    tree = xr.DataTree.from_dict({"posterior": draws})
    found = impute(model(), tree, table, "score", WEEKS, seed=1, imputations=5, visit_weeks=WEEKS)
    assert found.observed[2, 3]
    np.testing.assert_array_equal(found.values[:, 2, 3], VALUES["c"][3])


def test_imputed_values_lie_beyond_the_limit_where_the_visit_does():
    found = impute(model(), posterior(50), study(), "score", WEEKS, seed=1, imputations=20)
    latent = np.array(list(latent_values().values()))
    np.testing.assert_allclose(found.values, np.broadcast_to(latent, found.values.shape))
    np.testing.assert_array_equal(found.observed, [[j not in BELOW[p] for j in range(4)] for p in VALUES])
    assert "ImputedTables" in repr(found)
    assert len(repr(found)) < 300


def test_persons_with_such_visits_are_left_out_of_a_joint_models_likelihood():
    made = joint_study.model()
    table = joint_study.study()
    visits = table.visits.copy()
    row = int(np.flatnonzero(visits["person"] == "p3")[0])
    visits.loc[row, "censoring"] = "left"
    censored = Study.from_frames(
        table.persons, visits, table.events, name="made up", reference_group="delayed", strata=True
    )
    pm_model = made.build(censored)
    found = person_log_likelihood(pm_model, joint_study.draws_of(pm_model, {"score_excess": np.array([1.0])}))
    whole = person_log_likelihood(made.build(table), joint_study.draws_of(made.build(table)))
    (name,) = found.data_vars
    assert found.attrs["note"].startswith("1 persons")
    assert 3 not in found["person"]
    np.testing.assert_allclose(found[name], whole[name].sel(person=found["person"]))


CEILING = 31.0


def at_ceiling() -> tuple[LongitudinalModel, Study, xr.DataTree]:
    """Two hundred persons with many scores at the highest possible value; one draw, many times."""
    rng = np.random.default_rng(0)
    mean, course = moments()
    y = np.minimum(rng.multivariate_normal(mean, course + ERROR**2 * np.eye(4), 200), CEILING)
    labels = [f"p{j:03d}" for j in range(200)]
    persons = pd.DataFrame({"person": labels, "start_group": "all", "drug_start_week": np.nan})
    rows = [(p, week, "score", y[j, k]) for j, p in enumerate(labels) for k, week in enumerate(WEEKS)]
    visits = pd.DataFrame(rows, columns=["person", "week", "outcome", "value"])
    made = LongitudinalModel(outcomes=(
        {"name": "score", "good_direction": "up", "typical": {"level": 30.0, "spread": 5.0, "rate": 1.0},
         "wander_sd": {"sd": 1.5}, "limits": (-200.0, CEILING), "censor_at_limits": True},
    ))  # fmt: skip
    draws = posterior(100)["posterior"].to_dataset()
    excess = np.ones((1, 100, int((y == CEILING).sum())))
    draws = draws.drop_vars("score_excess").assign(score_excess=(("chain", "draw", "score_excess_0"), excess))
    return made, Study.from_frames(persons, visits, name="ceiling"), xr.DataTree.from_dict({"posterior": draws})


def expected_at_ceiling() -> np.ndarray:
    """Mean of a normal variable cut at the ceiling, by week."""
    mean, course = moments()
    sd = np.sqrt(np.diag(course) + ERROR**2)
    z = (CEILING - mean) / sd
    return mean * norm.cdf(z) - sd * norm.pdf(z) + CEILING * norm.sf(z)


def test_replicates_of_a_score_censored_at_its_limits_are_scores():
    """Twenty thousand replicated values a week; their standard error is below .05."""
    made, table, tree = at_ceiling()
    found = visit_summaries(made, made.build(table), table, tree["posterior"].to_dataset(), 1)
    replicated = found["predictive_summary"]["mean"].mean(("chain", "draw")).to_numpy()[0, 0, 0]
    np.testing.assert_allclose(replicated, expected_at_ceiling(), atol=0.2)
    trials = pd.concat(replicated_visits(made, tree, table, seed=2, number=100))
    np.testing.assert_allclose(trials.groupby("week")["value"].mean(), expected_at_ceiling(), atol=0.2)


def test_replicated_trials_add_visits_that_are_not_at_a_limit():
    """Half the scores are at the ceiling; visits added after an observed death must not count as more of them."""
    persons, visits, events = joint_study.tables()
    visits = visits.assign(value=np.minimum(visits["value"], visits["value"].median()))
    ceiling = float(visits["value"].max())
    table = Study.from_frames(persons, visits, events, name="made up", reference_group="delayed", strata=True)
    part = joint_study.model()
    score = joint_study.outcome(limits=(0.0, ceiling), censor_at_limits=True)
    made = JointEventModel(outcomes=(score,), events=part.events)
    excess = np.ones(int((visits["value"] == ceiling).sum()))
    draws = joint_study.draws_of(made.build(table), {"score_excess": excess}, number=2)
    found = list(replicated_trials(made, xr.DataTree.from_dict({"posterior": draws}), table, 64.0, seed=1, number=4))
    assert all(v["value"].between(0.0, ceiling).all() for v, _ in found)
    assert max(len(v) for v, _ in found) > 0


def test_a_new_persons_blank_covariate_is_refused():
    outcome = {"name": "score", "good_direction": "up", "typical": {"level": 30.0, "spread": 5.0, "rate": 1.0}}
    made = LongitudinalModel(outcomes=(outcome,), covariates={"level": ["age"]})
    point = posterior(1)["posterior"].to_dataset().assign_coords(
        covariate=["age"], center=("covariate", [60.0]), spread=("covariate", [10.0])
    )  # fmt: skip
    new = pd.DataFrame({"person": ["x", "y"], "start_group": "all", "drug_start_week": np.nan, "age": [61.0, np.nan]})
    tree = xr.DataTree.from_dict({"posterior": point})
    with pytest.raises(BadInput, match=r"row 3: expected a number for the covariate 'age'"):
        predict(made, tree, new, (0.0, 8.0), seed=1)
