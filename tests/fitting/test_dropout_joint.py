"""Dropout sensitivity of a joint model against that of its longitudinal part. Made up."""

from __future__ import annotations

import xarray as xr
from test_dropout_sensitivity import WEEK, events, intercepts_only, model, run, study

from bayesmodels.models.joint_event import JointEventModel


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
