"""Dropout sensitivity of a joint model: by its longitudinal part, with its own words and its own terminal events."""

from __future__ import annotations

import joint_study
import pytest
import xarray as xr
from test_dropout_sensitivity import WEEK, events, intercepts_only, model, run, study

from bayesmodels.analyses.dropout.request import dropout_request
from bayesmodels.analyses.dropout.sensitivity import dropout_sensitivity
from bayesmodels.errors import BadInput
from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.persons.reference_based import AS_MODELLED
from bayesmodels.study.leaving import LeavingRule


def test_a_joint_model_answers_by_its_longitudinal_part():
    """At the same values of the parameters of the course, events change nothing but the words."""
    ends = {f"{g}-{j}": (WEEK, "none") for g in ("early", "delayed") for j in range(3)} | {"early-0": (30.0, "death")}
    trial = study([3, 3, 4], [4, 4, 2], events=events(ends))
    plain, tree = model(), intercepts_only(20)
    joint = JointEventModel(outcomes=plain.outcomes, events=({"name": "death", "terminal": True},), pooling="complete")
    one, other = run(trial, tree, plain), run(trial, tree, joint)
    xr.testing.assert_equal(one, other)
    assert "not from when and why the person left" in other.attrs["events_in_words"]
    assert "events_in_words" not in one.attrs


def test_the_dead_are_not_left_out_where_death_depends_on_the_course():
    """E[y | visits] of the dead, without their death, is not what makes those alive differ from everyone."""
    trial, rule = joint_study.study(), LeavingRule(deaths="left_out")
    with pytest.raises(BadInput, match="mean_alive"):
        dropout_request(joint_study.model(), trial, "score", 28.0, rule=rule)
    plain = joint_study.model(death={"associations": []})
    assert dropout_request(plain, trial, "score", 28.0, rule=rule).rule.deaths == "left_out"


def test_terminal_events_are_the_models_unless_the_rule_says_otherwise():
    either = {"name": "death", "of": ["death", "withdrawal"], "terminal": True, "associations": []}
    model = JointEventModel(outcomes=(joint_study.outcome(),), events=(either,))
    trial = joint_study.study()
    assert dropout_request(model, trial, "score", 28.0).rule.terminal == ("death", "withdrawal")
    asked = LeavingRule(deaths="as_missing")
    assert dropout_request(model, trial, "score", 28.0, rule=asked).rule.terminal == ("death", "withdrawal")
    asked = LeavingRule(terminal=("death",))
    assert dropout_request(model, trial, "score", 28.0, rule=asked).rule.terminal == ("death",)


def test_words_of_a_model_whose_exits_depend_on_the_course():
    trial, model = joint_study.study(), joint_study.model()
    draws = joint_study.draws_of(model.build(trial), number=4).assign_coords(
        start_group=list(trial.start_groups), fitted_stratum=list(trial.stratum_labels)
    )
    posterior = xr.DataTree.from_dict({"posterior": draws})
    found = dropout_sensitivity(model, posterior, trial, "score", 40.0, seed=1)
    assert found["strategy_in_words"].values[0] == AS_MODELLED
    words = " ".join([*map(str, found.attrs.values()), *found["tipping_status"].values.ravel(), AS_MODELLED])
    assert "missing at random" not in words
