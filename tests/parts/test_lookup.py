"""Parts and priors to JSON and back, and the messages for types that are not there."""

from __future__ import annotations

import json
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from bayesmodels.models.outcome import Outcome, Typical
from bayesmodels.parts.effects import EFFECTS, DeceleratingSlope, Follows, Plateau, SlopeChange, Transit
from bayesmodels.parts.lookup import part_from, part_to
from bayesmodels.parts.priors import HalfNormal, LogNormal, Normal, by_stratum
from bayesmodels.parts.trajectories import TRAJECTORIES, Decelerating, Linear, NaturalSpline, Piecewise


class OwnCourse(BaseModel):
    """A user's trajectory."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    bend: float = 1.0

    def curve(self, outcome): ...


class Unhelpful(BaseModel):
    """Has no method `curve`."""


PARTS = [
    *(cls() for name, cls in TRAJECTORIES.items() if name in ("linear", "decelerating")),
    Decelerating(rho=0.125),
    Decelerating(rho=LogNormal(median=0.1, sigma=0.30000000000000004, source="mine")),
    Piecewise(knot_weeks=(12.0, 28.5)),
    NaturalSpline(knot_weeks=(0.0, 12.0, 28.0)),
    *(cls() for name, cls in EFFECTS.items() if name != "follows"),
    SlopeChange(lag=LogNormal(median=1.0, sigma=0.5), size=Normal(mean=1 / 3, sd=0.1), person_sd=HalfNormal(sd=0.2)),
    Plateau(lag=None, drift_on_drug="stops", size={"a": Normal(mean=0.1, sd=0.2), "b": Normal(mean=0.3, sd=0.7)}),
    Transit(stages=LogNormal(median=3.0, sigma=0.1)),
    DeceleratingSlope(rho=LogNormal(median=0.04, sigma=0.8)),
    Follows(outcome="nfl_plasma", gain=Normal(mean=0.1, sd=0.5)),
    OwnCourse(bend=0.1 + 0.2),
]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{type(part).__name__}-{PARTS.index(part)}")
def test_parts_survive_json_exactly(part):
    known = {**TRAJECTORIES, **EFFECTS}
    text = json.dumps(part_to(known, part))
    again = part_from("part", known, json.loads(text), "curve")
    assert again == part
    assert type(again) is type(part)
    assert json.dumps(part_to(known, again)) == text


def test_every_known_class_is_tried():
    missing = {*TRAJECTORIES.values(), *EFFECTS.values()} - {type(p) for p in PARTS}
    assert not missing, "add a value of each to PARTS above"


def test_a_users_class_is_named_by_its_path():
    assert part_to(TRAJECTORIES, OwnCourse())["type"] == f"{__name__}:OwnCourse"


def test_by_name_and_by_instance():
    assert part_from("trajectory", TRAJECTORIES, "linear", "curve") == Linear()
    own = OwnCourse(bend=2.0)
    assert part_from("trajectory", TRAJECTORIES, own, "curve") is own


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "linaer",
            "unknown trajectory 'linaer'; did you mean 'linear'\\?; a class of your own is named package.module",
        ),
        ({"type": "nothing"}, f"unknown trajectory 'nothing'; known: {', '.join(TRAJECTORIES)}"),
        ({}, "unknown trajectory None; known: linear"),
        ("nowhere.at.all:Course", "'nowhere.at.all:Course' cannot be imported: No module named 'nowhere'"),
        (f"{__name__}:Missing", "cannot be imported: .*has no attribute 'Missing'"),
        (f"{__name__}:Unhelpful", f"'{__name__}:Unhelpful' is not a pydantic model with a method curve"),
        (f"{__name__}:json", "is not a pydantic model with a method curve"),
        (":Linear", "trajectory ':Linear' "),
        (3.0, "expected a trajectory: a pydantic model with a method curve, got float"),
        (Unhelpful(), "expected a trajectory: a pydantic model with a method curve, got Unhelpful"),
    ],
)
def test_what_is_no_part_is_refused_by_an_outcome(value, message):
    with pytest.raises(ValidationError, match=message):
        Outcome(name="x", good_direction="up", typical=Typical(level=1.0, spread=1.0, rate=1.0), trajectory=value)


def test_an_unknown_field_of_a_part_names_the_part_of_the_config():
    with pytest.raises(ValidationError) as caught:
        Outcome(
            name="x",
            good_direction="up",
            typical=Typical(level=1.0, spread=1.0, rate=1.0),
            effect={"type": "plateau", "lagg": None},
        )
    assert "lagg" in str(caught.value)


class NotAPrior(BaseModel):
    type: Literal["gamma"] = "gamma"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Normal(mean=0.0, sd=0.0), "greater than 0"),
        (lambda: Normal(mean=float("nan"), sd=1.0), "finite"),
        (lambda: Normal(mean=0.0, sd=float("inf")), "finite"),
        (lambda: HalfNormal(sd=-1.0), "greater than 0"),
        (lambda: LogNormal(median=-1.0, sigma=1.0), "greater than 0"),
        (lambda: Normal(mean=0.0, sd=1.0, shape=2), "Extra inputs"),
        (lambda: SlopeChange(size=NotAPrior()), "size"),
    ],
)
def test_priors_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValidationError, match=message):
        make()


def test_priors_read_like_mathematics():
    assert str(Normal(mean=-1.0, sd=0.5)) == "Normal(-1, 0.5)"
    assert str(HalfNormal(sd=2.5)) == "HalfNormal(2.5)"
    assert str(LogNormal(median=0.04, sigma=0.8)) == "LogNormal(log 0.04, 0.8)"


def test_log_normal_has_its_median_and_sigma():
    import numpy as np
    import pymc as pm
    from pytensor.compile.mode import Mode
    from scipy.stats import kstest, lognorm

    with pm.Model():
        variable = LogNormal(median=2.5, sigma=0.6).variable("lag")
    draws = pm.draw(variable, draws=2000, mode=Mode(linker="py", optimizer=None), random_seed=1)
    assert kstest(draws, lognorm(0.6, scale=2.5).cdf).pvalue > 1e-3
    assert np.median(draws) == pytest.approx(2.5, rel=0.06)


def test_by_stratum():
    one, two = Normal(mean=1.0, sd=1.0), Normal(mean=2.0, sd=1.0)
    assert by_stratum(one, ("a", "b")) == [one, one]
    assert by_stratum({"b": two, "a": one}, ("a", "b")) == [one, two]
    with pytest.raises(KeyError, match="b"):
        by_stratum({"a": one}, ("a", "b"))
