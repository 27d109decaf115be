"""What is predicted, imputed and replicated around visits beyond a limit, or at the ends of a score. Made up."""

from __future__ import annotations

import joint_study
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from limit_study import (
    BELOW,
    DRAWS,
    ERROR,
    EXCESS,
    LIMIT,
    VALUES,
    WEEKS,
    latent_values,
    model,
    moments,
    posterior,
    study,
)
from scipy.stats import norm

from bayesmodels.errors import BadInput
from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.persons.imputation import impute
from bayesmodels.persons.prediction.predict import predict
from bayesmodels.persons.replicated_exits import replicated_trials
from bayesmodels.persons.replicated_trials import replicated_visits
from bayesmodels.persons.summaries.visits import visit_summaries
from bayesmodels.study import Study


def test_courses_are_predicted_given_the_latent_values():
    found = predict(model(), posterior(), study(), WEEKS, seed=3, draws=DRAWS)["trajectory"].to_numpy()[0, :, 0]
    mean, course = moments()
    gain = course @ np.linalg.inv(course + ERROR**2 * np.eye(4))
    error = np.sqrt(np.diag(course - gain @ course) / DRAWS)
    for person, y in enumerate(latent_values().values()):
        np.testing.assert_array_less(np.abs(found[:, person].mean(axis=0) - mean - gain @ (y - mean)), 4.5 * error)


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
         "random_walk_sd": {"sd": 1.5}, "limits": (-200.0, CEILING), "censor_at_limits": True},
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
    made = JointEventModel(outcomes=(score,), events=part.events, person_sd="common", residual_sd="common")
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
