"""Models whose random walks are correlated: with correlation 0 they are the models whose walks are independent."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytensor
import pytest
from joint_small import OUTCOME, density, draw, evaluate, study

from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.models.visits.event import Event
from bayesmodels.study import Study

MARKER = {
    "name": "marker", "good_direction": "down", "typical": {"level": 4.0, "spread": 0.5, "rate": 0.1},
    "effect": {"type": "step"}, "random_walk_sd": {"sd": 0.3}, "random_walk_time_constant": 20.0,
}  # fmt: skip
SCORE = OUTCOME | {"random_walk_sd": {"sd": 1.5}}


def two_outcomes() -> Study:
    """The small study with a marker besides, at other visits than the score's."""
    one, rng = study(), np.random.default_rng(4)
    events = one.events.set_index("person")["week"]
    rows = [
        {"person": person, "week": week, "outcome": "marker", "value": 4.0 + rng.normal(0, 0.5)}
        for person in one.persons["person"]
        for week in (0.0, 12.0, 16.0, 50.0)
        if week <= events[person]
    ]
    columns = ["person", "week", "outcome", "value"]
    visits = pd.concat([one.visits[columns], pd.DataFrame(rows)[columns]], ignore_index=True)
    persons = one.persons[["person", "start_group", "drug_start_week", "age"]]
    return Study.from_frames(persons, visits, one.events, reference_group="delayed", name="two outcomes")


def joint_model(walk_correlation) -> JointEventModel:
    death = Event(name="death", terminal=True, associations=({"outcome": "score"}, {"outcome": "marker"}))
    return JointEventModel(outcomes=(MARKER, SCORE), events=(death,), walk_correlation=walk_correlation)


def value_and_gradient(pm_model, at) -> tuple[np.ndarray, list[np.ndarray]]:
    logp = density(pm_model)
    by = [pm_model[name] for name in ("term_sd", "partial_correlation", "error_sd", "path_sd")]
    return evaluate(pm_model, logp, at), evaluate(pm_model, pytensor.grad(logp.sum(), by), at)


def test_without_correlation_a_joint_model_is_that_of_independent_walks():
    data = two_outcomes()
    independent, correlated = (joint_model(kind).build(data) for kind in ("independent", 1.0))
    at = draw(independent, seed=3)
    assert {rv.name for rv in correlated.free_RVs} - set(at) == {"walk_partial_correlation"}
    value, gradient = value_and_gradient(independent, at)
    assert np.isfinite(value).all()
    same, same_gradient = value_and_gradient(correlated, at | {"walk_partial_correlation": np.array([0.5])})
    np.testing.assert_allclose(same, value, rtol=1e-9)
    for one, other in zip(same_gradient, gradient, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-7 * max(1.0, np.abs(other).max(initial=0.0)))
    other, _ = value_and_gradient(correlated, at | {"walk_partial_correlation": np.array([0.9])})
    assert not np.allclose(other, value)


def test_gradient_by_the_correlation_is_that_of_central_differences():
    pm_model = joint_model(1.0).build(two_outcomes())
    at = draw(pm_model, seed=5)
    name, h = "walk_partial_correlation", 1e-4
    logp = density(pm_model)
    function = pytensor.function(pm_model.free_RVs, logp.sum(), mode=python_mode(), on_unused_input="ignore")

    def moved(step):
        values = at | {name: at[name] + step}
        return function(*(values[rv.name] for rv in pm_model.free_RVs))

    expected = (moved(-2 * h) - 8 * moved(-h) + 8 * moved(h) - moved(2 * h)) / (12 * h)
    (found,) = evaluate(pm_model, [pytensor.grad(logp.sum(), pm_model[name])], at)
    assert found == pytest.approx(expected, rel=1e-6)
