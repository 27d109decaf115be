"""Drug effects against formulas and SciPy; every area against numerical integration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from part_values import MARKER, SCORE, Evaluated
from pydantic import ValidationError
from scipy.integrate import quad
from scipy.stats import gamma

from bayesmodels.errors import BadConfig
from bayesmodels.parts.curve import Curve
from bayesmodels.parts.effects import (
    EFFECTS,
    JUMP_MONTHS,
    DeceleratingSlope,
    Follows,
    NoEffect,
    Plateau,
    SlopeChange,
    Step,
    Transit,
)
from bayesmodels.parts.priors import HalfNormal, LogNormal, Normal
from bayesmodels.parts.trajectories import Decelerating, Linear

X = np.array([-1e6, -3.0, -1e-3, 0.0, 0.3, 0.8, 1.5, 4.0, 12.0, 30.0])
LAG = LogNormal(median=1.0, sigma=0.5)


START = 4.0
"""Month of the drug's start."""


def part(effect, outcome=SCORE, trajectory=None):
    return Evaluated(lambda: effect.curve(outcome, (trajectory or Linear()).curve(outcome), {}), START)


def positive(x):
    return np.maximum(x, 0.0)


SHAPES = {
    "step": (Step(), {}, lambda x: (x > 0).astype(float)),
    "slope_change": (SlopeChange(), {}, positive),
    "slope_change with a lag": (SlopeChange(lag=LAG), {"score_effect_lag": 0.7}, lambda x: positive(x - 0.7)),
    "plateau": (
        Plateau(),
        {"score_effect_lag": 0.7, "score_effect_time_constant": 1.3},
        lambda x: np.where(x > 0.7, 1 - np.exp(-positive(x - 0.7) / 1.3), 0.0),
    ),
    "plateau without a lag": (
        Plateau(lag=None),
        {"score_effect_time_constant": 1.3},
        lambda x: 1 - np.exp(-positive(x) / 1.3),
    ),
    "transit": (
        Transit(),
        {"score_transit_delay": 2.2, "score_transit_stages": 3.4},
        lambda x: gamma(3.4, scale=2.2 / 3.4).cdf(x),
    ),
    "transit of one stage": (
        Transit(),
        {"score_transit_delay": 2.2, "score_transit_stages": 1.0},
        lambda x: 1 - np.exp(-positive(x) / 2.2),
    ),
    "decelerating_slope": (
        DeceleratingSlope(lag=LAG, rho=LAG),
        {"score_effect_lag": 0.7, "score_effect_rho": 0.2},
        lambda x: (np.exp(0.2 * positive(x - 0.7)) - 1) * np.exp(-0.2 * positive(START + x)) / 0.2,
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_value(name):
    effect, parameters, expected = SHAPES[name]
    found = part(effect).value(X, **parameters)
    np.testing.assert_allclose(found["effect"], expected(X), rtol=1e-9, atol=1e-8)
    assert list(found) == ["effect"]


@pytest.mark.parametrize("name", SHAPES)
def test_nothing_before_the_drug_starts(name):
    effect, parameters, _ = SHAPES[name]
    made = part(effect)
    before = np.array([-1e6, -12.0, -1e-9])
    np.testing.assert_allclose(made.value(before, **parameters)["effect"], 0.0, atol=1e-8)
    np.testing.assert_allclose(made.area(before, **parameters)["effect"], 0.0, atol=1e-8)


@pytest.mark.parametrize("name", SHAPES)
def test_area_is_the_integral_of_the_value(name):
    effect, parameters, expected = SHAPES[name]
    found = part(effect).area(X, **parameters)["effect"]
    integrals = [quad(lambda s: float(expected(np.array(s))), 0, max(x, 0.0), points=[0.7], limit=200)[0] for x in X]
    np.testing.assert_allclose(found, integrals, rtol=1e-6, atol=1e-7)


def test_every_shape_is_tried_here():
    assert {effect.type for effect, _, _ in SHAPES.values()} | {"none", "follows", "proportional_slowing"} == set(
        EFFECTS
    )


def test_transit_has_the_mean_delay_it_publishes():
    """The mean of the response's distribution: the integral of 1 - P over x."""
    made = part(Transit())
    parameters = {"score_transit_delay": 2.2, "score_transit_stages": 3.4}
    assert made.published(0.0, **parameters) == {"effect_lag": 2.2}
    far = 200.0
    assert far - made.area(far, **parameters)["effect"][0] == pytest.approx(2.2, rel=1e-9)


def test_published_scalars():
    made = part(Plateau())
    parameters = {"score_effect_lag": 0.7, "score_effect_time_constant": 1.3}
    assert made.published(0.0, **parameters) == {"effect_lag": 0.7, "effect_time_constant": 1.3}
    assert part(Step()).curve.published == {}
    assert part(SlopeChange()).curve.published == {}


@pytest.mark.parametrize("effect", [SlopeChange, Plateau, DeceleratingSlope])
def test_rates_jump_after_a_lag_and_where_it_is_uncertain_time_is_cut_at_several_months(effect):
    given = {"rho": LogNormal(median=0.04, sigma=0.5)} if effect is DeceleratingSlope else {}
    assert part(effect(lag=None, **given)).curve.rate_jumps == ()
    assert part(effect(lag=2.5, **given)).curve.rate_jumps == (2.5,)
    assert part(effect(lag=LAG, **given)).curve.rate_jumps == JUMP_MONTHS


@pytest.mark.parametrize("lag", [-0.5, math.nan, math.inf])
@pytest.mark.parametrize("effect", [SlopeChange, Plateau, DeceleratingSlope, lambda lag: Follows(outcome="x", lag=lag)])
def test_no_effect_comes_before_the_drug(effect, lag):
    with pytest.raises(ValidationError, match="expected a lag of 0 months or more"):
        effect(lag=lag)


def test_parts_without_a_lag_say_of_no_jump():
    assert [part(effect()).curve.rate_jumps for effect in (NoEffect, Step, Transit)] == [(), (), ()]


def test_a_decelerating_slope_tied_to_its_trajectory():
    made = part(DeceleratingSlope(), trajectory=Decelerating())
    found = made.value(X, score_deceleration=0.05)["effect"]
    expected = (np.exp(0.05 * positive(X)) - 1) * np.exp(-0.05 * positive(START + X)) / 0.05
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_a_tied_slope_needs_a_decelerating_trajectory():
    with pytest.raises(BadConfig, match='outcome score: effect decelerating_slope with rho = "trajectory" needs a dec'):
        part(DeceleratingSlope())


def test_a_transit_of_few_stages_is_exactly_nothing_before_the_drug():
    made = part(Transit())
    found = made.value(X, score_transit_delay=2.0, score_transit_stages=0.2)["effect"]
    assert (found[X <= 0] == 0).all()
    np.testing.assert_allclose(found[X > 0], gamma(0.2).cdf(X[X > 0] * 0.1), rtol=1e-10)


def test_no_effect_has_no_term():
    made = part(NoEffect())
    assert made.curve.terms == {}
    assert made.value(X) == {}


def follows(effect, of, **others):
    def make():
        effects = {"marker": of.curve(MARKER, Linear().curve(MARKER), {}), **others}
        return effect.curve(SCORE, Linear().curve(SCORE), effects)

    return Evaluated(make, START)


def test_follows_accrues_the_other_outcomes_change():
    """A rate of gain x (the other's change, lag months ago), integrated: gain x size x integral of h."""
    made = follows(Follows(outcome="marker", lag=LAG), Plateau())
    gain, lag, kappa, start = -0.4, 2.0, 1.3, 0.7
    found = made.value(
        X, score_follow_gain=gain, score_effect_lag=lag, marker_effect_lag=start, marker_effect_time_constant=kappa
    )

    def accrued(x):
        change = lambda s: 1 - np.exp(-max(s - lag - start, 0.0) / kappa)  # noqa: E731
        return gain * quad(change, 0, max(x, 0.0), points=[lag + start], limit=200)[0]

    assert list(found) == ["marker:effect"]
    np.testing.assert_allclose(found["marker:effect"], [accrued(x) for x in X], rtol=1e-6, atol=1e-9)
    published = made.published(
        0.0, score_follow_gain=gain, score_effect_lag=lag, marker_effect_lag=start, marker_effect_time_constant=kappa
    )
    assert published == {"follow_gain": gain, "effect_lag": lag}


@pytest.mark.parametrize("outcome", ["elsewhere", "quiet", "without_area"])
def test_follows_what_it_cannot_follow(outcome):
    others = {"quiet": Curve({}, lambda t, x: {}, lambda t, x: {})}
    made = part(Step()).curve
    others["without_area"] = Curve(made.terms, made.value)
    with pytest.raises(BadConfig, match=f"outcome score: effect follows {outcome}, which is not an outcome listed bef"):
        follows(Follows(outcome=outcome), Plateau(), **others)


def test_size_prior_is_the_outcomes_unless_given():
    assert part(Step()).curve.terms["effect"].mean == Normal(
        mean=0.0, sd=8.0, source="sceptical: one typical spread is 1 SD"
    )
    assert part(SlopeChange()).curve.terms["effect"].mean.sd == 0.5  # half the typical rate
    own = Normal(mean=0.2, sd=0.1)
    for effect in (Step, SlopeChange, Plateau, Transit):
        term = part(effect(size=own, person_sd=HalfNormal(sd=0.3))).curve.terms["effect"]
        assert term.mean == own
        assert term.person_sd == HalfNormal(sd=0.3)


def test_units_of_the_size():
    units = {name: part(effect).curve.terms["effect"].unit for name, (effect, _, _) in SHAPES.items()}
    assert {n for n, unit in units.items() if unit == "{unit} per month"} == {
        "slope_change",
        "slope_change with a lag",
        "decelerating_slope",
    }
    for effect, _, _ in SHAPES.values():
        assert part(effect).curve.terms["effect"].unit == effect.effect_unit
