"""`JointEventModel`: baselines and their priors, what is published, what is refused."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytest
from joint_small import HAZARDS, OUTCOME, draw, evaluate, model, study
from pydantic import ValidationError
from scipy.interpolate import BSpline

from bayesmodels.errors import BadInput
from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.visits.hazard_terms import hazard_scale
from bayesmodels.parts.hazards import Exposure, PenalisedSpline, PiecewiseConstant
from bayesmodels.study import Study
from bayesmodels.vocabulary import MONTH_IN_WEEKS, months


def test_spline_baseline_is_a_cubic_spline_with_a_penalised_bend():
    """Straight without bends; bends orthogonal to level and trend over those at risk; second differences are `v`."""
    rng = np.random.default_rng(2)
    ends = rng.uniform(5, 60, 200)
    part = PenalisedSpline(functions=8, until_week=60 * MONTH_IN_WEEKS)
    baseline = part.baseline(Exposure(np.zeros(200), ends, rng.uniform(size=200) < 0.4))
    t = np.linspace(0, 60, 1001)
    columns = baseline.columns(t)
    assert columns.shape == (8, 1001)
    np.testing.assert_allclose(columns[0], 1.0)
    np.testing.assert_allclose(np.diff(columns[1], 2), 0.0, atol=1e-12)
    at_risk = (ends[:, None] > t).sum(axis=0)
    gram = (columns * at_risk) @ columns.T / at_risk.sum()
    size = np.sqrt(np.diag(gram))
    assert np.abs((gram / np.outer(size, size))[:2, 2:]).max() < 0.01
    assert abs(gram[0, 1]) < 0.01
    bends = rng.normal(size=6)
    step = 60 / 5
    basis = BSpline(step * np.arange(-3, 9), np.eye(8), 3)(np.clip(t, 0, 59.999999))
    coefficients, *_ = np.linalg.lstsq(basis, bends @ columns[2:], rcond=None)
    np.testing.assert_allclose(basis @ coefficients, bends @ columns[2:], atol=1e-6)  # a cubic spline with these knots
    np.testing.assert_allclose(np.diff(coefficients, 2), bends, atol=1e-4)


@pytest.mark.parametrize("baseline", list(HAZARDS))
def test_stated_prior_of_the_baseline_does_not_depend_on_where_the_sampler_sees_it(baseline):
    """Prior draws of the published hazard at week 52: log-normal with the stated level and what the shape adds."""
    joint, data, n = model(baseline), study(), 400
    built = joint.build(data)
    names = ("baseline_hazard", "association", "hazard_effect")
    found = pm.draw([built[name] for name in names], draws=n, random_seed=1, mode=python_mode())
    draws_of = dict(zip(names, found, strict=True))
    weeks = np.asarray(built.coords["week"], float)
    week = np.argmin(np.abs(weeks - 52))
    own = np.log(draws_of["baseline_hazard"][:, 0, week])
    variance = 1.5**2  # of the level; the Weibull's shape adds nothing at 12 months
    if baseline == "spline":  # trend ~ Normal(0, 1); bends ~ Normal(0, roughness), of which E(roughness^2) is .5^2
        part = joint.events[0].baseline.baseline(hazard_scale(joint, data).exposures[0])
        _, trend, *bends = part.columns(months(weeks[[week]]))
        variance += float(trend[0] ** 2 + 0.5**2 * np.sum(np.square(bends)))
    assert abs(own.mean() - np.log(0.01)) < 4 * np.sqrt(variance / n)
    kurtosis = ((own - own.mean()) ** 4).mean() / own.var() ** 2
    assert own.std() == pytest.approx(np.sqrt(variance), rel=4 * np.sqrt((kurtosis - 1) / 4 / n))
    for name in ("association", "hazard_effect"):  # the stated hazard is independent of what acts on it
        acts = draws_of[name].reshape(n, 2, -1)[:, 0]
        acts = acts[:, np.isfinite(acts).all(axis=0)]
        for column in acts.T:
            assert abs(np.corrcoef(own, column)[0, 1]) < 4 / np.sqrt(n), name  # standard error 1 / sqrt(n)


def test_published_names_and_dims():
    built = model(forms=("value", "rate")).build(study())
    dims = {v.name: built.named_vars_to_dims[v.name] for v in built.deterministics}
    assert dims["association"] == ("event", "outcome", "form")
    assert dims["hazard_effect"] == ("event", "hazard_covariate")
    assert list(built.coords["hazard_covariate"]) == ["age", "start_group: early", "on_drug"]
    at = draw(built, 8)
    association = next(v for v in built.deterministics if v.name == "association")
    (found,) = evaluate(built, [association], at)
    np.testing.assert_allclose(found[0, 0], at["hazard_association"])
    assert np.isnan(found[1]).all()


def test_spec_survives_json():
    given = model("spline", ("value", "area"))
    assert JointEventModel.model_validate_json(given.model_dump_json()) == given


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "none"}, "event none: rows without an event are no event type"),
        ({"name": "None"}, "event none: rows without an event are no event type"),
        ({"name": "none", "of": ("death",)}, "event none: rows without an event are no event type"),
        ({"associations": [{"outcome": "nfl"}]}, "association with 'nfl', which is not an outcome of the model"),
        ({"baseline": {"type": "weibul"}}, "did you mean 'weibull'"),
    ],
)
def test_a_model_that_makes_no_sense_is_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        JointEventModel(outcomes=(OUTCOME,), events=({"name": "death"} | change,))


def test_events_that_the_study_lacks_are_named():
    data = study()
    with pytest.raises(BadInput, match=r"expected someone with the event 'dead', .* found death, left, none"):
        JointEventModel(outcomes=(OUTCOME,), events=({"name": "dead"},)).build(data)
    either = {"name": "either", "of": ("death", "Left")}  # a composite: the other label alone would pass
    with pytest.raises(
        BadInput, match=r"expected the event 'Left', which the model has; found 'left', .* only by case"
    ):
        JointEventModel(outcomes=(OUTCOME,), events=(either,)).build(data)
    without = Study.from_frames(data.persons, data.visits, reference_group="delayed")
    with pytest.raises(BadInput, match="no events table"):
        model().build(without)


@pytest.mark.parametrize(("entry", "week"), [(True, 5.0), (False, 0.0)])
def test_an_event_without_time_at_risk_is_refused(entry, week):
    data = study(entry=entry)
    events = data.events
    events.loc[3, "week"] = week
    visits = data.visits[(data.visits["person"] != "p3") | (data.visits["week"] <= week)]
    late = Study.from_frames(data.persons, visits, events, reference_group="delayed")
    said = rf"\(person p3, week {week:g}\): expected death after the week of entry \({week:g}\), got week {week:g}"
    with pytest.raises(BadInput, match=said):
        model().build(late)


@pytest.mark.parametrize("hazard", [PiecewiseConstant(pieces=4), PiecewiseConstant(knot_weeks=(4.0, 8.0, 12.0))])
def test_exits_at_scheduled_visits_are_in_the_piece_that_ends_there(hazard):
    """Every exit on a four-week grid: no event is in a piece in which nobody was at risk."""
    ends = months(np.repeat([4.0, 8.0, 12.0, 16.0], 10))
    baseline = hazard.baseline(Exposure(np.zeros(40), ends, np.ones(40, bool)))
    t = np.linspace(1e-6, months(16.0), 4001)
    at_risk = (baseline.columns(t) * (ends[:, None] >= t).sum(axis=0)).sum(axis=1)
    events = baseline.columns(ends).sum(axis=1)
    assert len(events) == len(baseline.cuts) + 1 == 4
    np.testing.assert_allclose(events, 10)
    assert (at_risk > 0).all()


@pytest.mark.parametrize("longitudinal", [True, False])
def test_a_study_with_censored_values_has_a_finite_start(longitudinal):
    data = study()
    outcome = {**OUTCOME, "limits": (0.0, 37.0), "censor_at_limits": True}
    visits = data.visits.assign(value=lambda v: v["value"].clip(upper=37.0))
    censored = Study.from_frames(data.persons, visits, data.events, reference_group="delayed")
    joint = JointEventModel(outcomes=(outcome,), events=({"name": "death"},))
    built = (LongitudinalModel(outcomes=(outcome,)) if longitudinal else joint).build(censored)
    assert np.isfinite(built.compile_logp(mode=python_mode())(built.initial_point(random_seed=0)))
