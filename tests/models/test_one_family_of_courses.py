"""Models of persons and of published means draw the same mean courses from the same parts."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from small_study import CURVE_WEEKS, published, random_point, study

from bayesmodels.errors import BadConfig
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.outcome import Outcome
from bayesmodels.models.presets import replaced
from bayesmodels.models.published_means.courses import NAMES, courses_of
from bayesmodels.models.published_means.covariance import MeansSpread, StratumSpread
from bayesmodels.models.published_means.layout import Arms, cells_of, grid_rows
from bayesmodels.models.published_means.model import PublishedMeansModel
from bayesmodels.models.published_means.outcome import MEANS_EFFECTS, MeansOutcome
from bayesmodels.models.published_means.presets import valor_alsfrs_r, valor_nfl
from bayesmodels.parts.effects import EFFECTS
from bayesmodels.parts.lookup import part_from
from bayesmodels.parts.trajectories import TRAJECTORIES
from bayesmodels.study.evidence import means_table

STRATA = ("faster", "slower")
GROUPS = (("early", 0.0), ("never", np.inf), ("delayed", 28.0))
RATE = {"mean": -1.0, "sd": 0.4}
LAG = {"median": 2.0, "sigma": 0.5}
MARKER = {"type": "plateau", "size": {"mean": -0.7, "sd": 0.5}}

COURSES = {
    "linear": {},
    "decelerating": {},
    "piecewise": {"knot_weeks": [8, 40]},
    "natural_spline": {"knot_weeks": [4, 28, 60]},
    "test_own_parts:SquareRoot": {},
}
SHAPES = {
    "none": {},
    "step": {"size": {"mean": 1.0, "sd": 1.0}},
    "slope_change": {"lag": LAG},
    "plateau": {"size": {"mean": 1.0, "sd": 1.0}, "lag": 1.5},
    "transit": {"size": {"mean": 1.0, "sd": 1.0}},
    "decelerating_slope": {"lag": LAG, "rho": {"median": 0.05, "sigma": 0.5}},
    "proportional_slowing": {"correlation": 1.0, "group_sd": 0.0},
    "follows": {"outcome": "nfl_plasma", "lag": LAG},
    "drop_gain": {"gain": {"mean": 0.3, "sd": 0.5}, "lag": LAG},
    "test_own_parts:HalfLife": {},
}
STOPS = SHAPES["plateau"] | {
    "type": "plateau", "lag": LAG, "drift_on_drug": "stops", "late_slope": {"mean": 0.1, "sd": 0.1}, "late_after": 3.0,
    "extension_shift": {"mean": 1.0, "sd": 1.0}, "extension_weeks": [40, 60],
}  # fmt: skip

CASES = [
    *((course, {"type": "proportional_slowing"} | SHAPES["proportional_slowing"]) for course in COURSES),
    *(("decelerating", {"type": shape} | SHAPES[shape]) for shape in SHAPES if shape != "proportional_slowing"),
    *(("linear", {"type": shape} | SHAPES[shape]) for shape in ("follows", "drop_gain")),
    ("decelerating", {"type": "decelerating_slope", "lag": LAG}),
    ("decelerating", STOPS),
    ("natural_spline", STOPS),
]


def means_outcome(name: str, course: dict, effect: dict) -> MeansOutcome:
    return MeansOutcome(
        name=name, unit="points", scale="identity", good_direction="up", rate=RATE, course=course, effect=effect,
        effect_on_level_prior={"mean": 0.0, "sd": 1.0}, spread=MeansSpread(strata=()),
    )  # fmt: skip


def of_persons(name: str, course: dict, effect: dict) -> Outcome:
    return Outcome(
        name=name, unit="points", good_direction="up", rate=RATE, trajectory=course,
        effect=part_from("drug effect", MEANS_EFFECTS, effect, "curve"),
        typical={"level": 40.0, "spread": 5.0, "rate": -1.0},
    )  # fmt: skip


def both_courses(course: dict, effect: dict) -> tuple[np.ndarray, np.ndarray]:
    """Mean changes since randomisation, (outcome, start_group, stratum, week), of persons and of means."""
    specs = (("nfl_plasma", {"type": "linear"}, MARKER), ("alsfrs_r", course, effect))
    data = study(groups=GROUPS)
    persons = LongitudinalModel(outcomes=tuple(of_persons(*spec) for spec in specs), pooling="complete")
    pm_model = persons.build(data)
    slow = {name: 0.04 for name in ("alsfrs_r_deceleration", "alsfrs_r_effect_rho")}
    point = {name: np.asarray(slow.get(name, value)) for name, value in random_point(pm_model, 3).items()}
    if "alsfrs_r_share" in point:
        point["alsfrs_r_share"][1] = 0.0  # the part of the second stratum that correlation 1 leaves next to nothing
    out = published(pm_model, point)
    expected = out["curve_change"][:, :, :2]

    labels = pm_model.coords["any_term"]
    values = {label.replace(":", "_"): v for label, v in zip(labels, point["term_mean"], strict=True)}
    for name, value in point.items():
        outcome = "alsfrs_r" if name.startswith("alsfrs_r_") else "nfl_plasma"
        quantity = name.removeprefix(f"{outcome}_")
        values[f"{outcome}_{NAMES.get(quantity, quantity)}"] = value
    if "proportional_slowing" in out:
        values["alsfrs_r_slowing"] = out["proportional_slowing"][1, 0]
    courses = courses_of([means_outcome(*spec) for spec in specs])
    assert {p.name for p in courses} <= set(values)
    groups = data.start_groups
    arms = Arms(groups, STRATA, {(f, g): 1.0 for f in STRATA for g in groups}, dict(GROUPS))
    cells = cells_of(grid_rows(arms, CURVE_WEEKS), arms, arms.started)
    draws = {name: np.atleast_1d(value)[None, :] for name, value in values.items()}
    found = [courses.function(name, cells)(draws).reshape(len(groups), 2, -1) for name in ("nfl_plasma", "alsfrs_r")]
    return expected, np.array(found)


def test_every_part_is_tried_here() -> None:
    assert {name for name in COURSES if ":" not in name} == set(TRAJECTORIES)
    assert {name for name in SHAPES if ":" not in name} == set(EFFECTS) | {"drop_gain"}
    assert set(MEANS_EFFECTS) - set(SHAPES) == {"ratio_power"}  # persons' terms do not enter it linearly
    assert {course for course, _ in CASES} == set(COURSES)
    assert {effect["type"] for _, effect in CASES} == set(SHAPES)


@pytest.mark.parametrize(("course", "effect"), CASES, ids=lambda case: case if isinstance(case, str) else case["type"])
def test_both_models_draw_the_same_courses(course: str, effect: dict) -> None:
    persons, means = both_courses({"type": course} | COURSES[course], effect)
    np.testing.assert_allclose(means, persons, rtol=1e-10, atol=1e-10)
    assert np.ptp(persons[1], axis=0).max() > 0.1 or effect["type"] == "none"  # the drug does something
    assert np.abs(persons[:, :, :, -1]).min() > 1e-3


def test_persons_refuse_what_is_not_linear_in_their_terms() -> None:
    link = {"type": "ratio_power", "exponent": {"mean": 0.3, "sd": 0.5}, "lag": LAG}
    marker = of_persons("nfl_plasma", {"type": "linear"}, MARKER)
    model = LongitudinalModel(outcomes=(marker, of_persons("alsfrs_r", {"type": "linear"}, link)))
    with pytest.raises(BadConfig, match="expected an effect that is linear in persons' terms, got RatioPower"):
        model.build(study())


def test_names_that_published_means_had_of_their_own_are_read() -> None:
    """Configurations of before: the same parts, whatever the names."""
    size, slower = {"mean": -0.5, "sd": 0.3}, {"median": 1.5, "sigma": 0.4}
    nfl, score = valor_nfl(), valor_alsfrs_r()

    def read(outcome: MeansOutcome, **fields) -> MeansOutcome:
        return replaced(outcome, fields)

    plateau = {"lag": LAG, "time_constant": slower, "drift_on_drug": "stops", "size": size, "type": "plateau"}
    before = {"type": "lagged_plateau", "effect": size, "lag": LAG, "time_constant": slower, "extension_shift_sd": 0.2}
    assert read(nfl, effect=before) == read(nfl, effect=plateau, extension_shift_sd=0.2)
    continues = read(nfl, effect=before | {"drift_on_drug": "continues"})
    assert continues.effect.drift_on_drug == "continues"
    for course, shape in (("linear", "slope_change"), ("decelerating", "decelerating_slope")):
        before = {"type": "absolute_change", "effect": size, "lag": LAG}
        expected = read(score, course=course, effect={"type": shape, "size": size, "lag": LAG})
        assert read(score, course={"type": course}, effect=before) == expected
    share = {"share": {"mean": 0.1, "sd": 0.4}, "lag": LAG, "correlation": 1.0, "group_sd": 0.0}
    before = {"type": "proportional_slowing", "slowing": {"mean": 0.1, "sd": 0.4}, "lag": LAG}
    assert read(score, effect=before) == read(score, effect=share | {"type": "proportional_slowing"})
    named = read(score, course={"type": "decelerating", "deceleration": slower})
    assert named == read(score, course={"type": "decelerating", "rho": slower})
    assert MeansOutcome.model_validate_json(named.model_dump_json()) == named


def test_what_published_means_cannot_have_is_refused() -> None:
    score = valor_alsfrs_r()
    with pytest.raises(ValidationError, match="expected correlation = 1 and group_sd = 0"):
        replaced(score, {"effect": {"type": "proportional_slowing", "correlation": 0.5}})
    shift = {"extension_shift": {"mean": 0.0, "sd": 0.2}, "extension_weeks": [30, 60]}
    with pytest.raises(ValidationError, match="extension_shift_sd of the outcome or extension_shift of its effect"):
        replaced(valor_nfl(extension_shift_sd=0.1), {"effect": MARKER | shift})
    for effect, said in (
        ({"type": "plateau"}, "expected a prior of its effect; give size"),
        ({"type": "drop_gain", "gain": {"mean": 0.0, "sd": 0.5}, "lag": LAG}, "follows nfl_plasma, which is not"),
    ):
        with pytest.raises(BadConfig, match=said):
            courses_of([replaced(score, {"effect": effect})])
    link = {"type": "ratio_power", "exponent": {"mean": 0.0, "sd": 0.5}, "lag": LAG}
    bent = replaced(score, {"course": {"type": "piecewise", "knot_weeks": [10]}, "effect": link})
    with pytest.raises(BadConfig, match="needs a linear or decelerating course, got terms level, rate, rate_change_1"):
        courses_of([bent, valor_nfl()])


def test_a_part_of_ones_own_enters_the_model_of_means() -> None:
    """Its parameter has a row in the table of priors, and is published as it says."""
    own = {"effect": {"type": "test_own_parts:HalfLife"}, "effect_on_level_prior": {"mean": 0.0, "sd": 2.0}}
    model = PublishedMeansModel(outcomes=(replaced(valor_alsfrs_r(), own),))
    assert PublishedMeansModel.model_validate_json(model.model_dump_json()) == model
    rows = {row["parameter"]: row for row in model.prior_rows()}
    assert rows["alsfrs_r_half"]["unit"] == "months"
    assert rows["alsfrs_r_effect"]["prior"] == "Normal(0, 2)"
    pm_model = model.build(means_table(until_week=28, outcomes=["alsfrs_r"]))
    assert {rv.name for rv in pm_model.free_RVs} == set(rows)
    point = random_point(pm_model) | {"alsfrs_r_half": 1.7}
    assert published(pm_model, point)["effect_lag"] == [1.7]


def test_a_shift_of_the_extension_begins_with_the_first_late_start() -> None:
    part = StratumSpread(stratum="all", rate_sd=0.1, random_walk_sd=0.1, residual_sd=0.1)
    outcome = means_outcome("score", {"type": "linear"}, {"type": "none"})
    outcome = replaced(outcome, {"extension_shift_sd": 0.3, "spread": MeansSpread(strata=(part,))})
    groups = ("early", "delayed")
    arms = Arms(groups, ("all",), {("all", g): 10.0 for g in groups}, {"early": 0.0, "delayed": 28.0})
    cells = cells_of(grid_rows(arms, (12.0, 28.0, 40.0)), arms, arms.started)
    values = {"score_rate": np.array([[0.0]]), "score_extension_shift": np.array([[0.7]])}
    np.testing.assert_allclose(courses_of([outcome]).function("score", cells)(values)[0], [0.0, 0.7, 0.7] * 2)
