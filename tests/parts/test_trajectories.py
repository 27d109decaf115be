"""Untreated courses against formulas worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from part_values import MARKER, SCORE, Evaluated
from pydantic import ValidationError
from scipy.integrate import quad
from scipy.interpolate import CubicSpline

from bayesmodels.parts.priors import LogNormal, Normal
from bayesmodels.parts.trajectories import Decelerating, Linear, NaturalSpline, Piecewise

WEEKS_A_MONTH = 365.25 / 12 / 7
TIMES = np.array([0.0, 0.4, 1.0, 3.0, 6.5, 12.0, 36.0])


def test_linear():
    found = Evaluated(lambda: Linear().curve(SCORE)).value(TIMES)
    np.testing.assert_array_equal(found["level"], 1.0)
    np.testing.assert_array_equal(found["rate"], TIMES)


def test_decelerating_is_the_integral_of_a_rate_that_decays():
    part = Evaluated(lambda: Decelerating().curve(SCORE))
    rho = 0.07
    found = part.value(TIMES, score_deceleration=rho)
    expected = [quad(lambda s: np.exp(-rho * s), 0, t)[0] for t in TIMES]
    np.testing.assert_allclose(found["rate"], expected, rtol=1e-10)
    np.testing.assert_array_equal(found["level"], 1.0)
    assert part.published(0.0, score_deceleration=rho) == {"deceleration": rho}


def test_decelerating_hardly_is_linear():
    found = Evaluated(lambda: Decelerating().curve(SCORE)).value(TIMES, score_deceleration=1e-9)
    np.testing.assert_allclose(found["rate"], TIMES, rtol=1e-7)


def test_a_known_deceleration_has_no_random_variable():
    part = Evaluated(lambda: Decelerating(rho=0.125).curve(MARKER))
    np.testing.assert_allclose(part.value(TIMES)["rate"], 8 * (1 - np.exp(-TIMES / 8)), rtol=1e-12)


def test_piecewise_changes_its_rate_at_the_knots():
    part = Evaluated(lambda: Piecewise(knot_weeks=(12.0, 52.0)).curve(SCORE))
    found = part.value(TIMES)
    first, second = 12 / WEEKS_A_MONTH, 52 / WEEKS_A_MONTH
    level, rate, one, two = 40.0, -1.0, 0.25, 0.5
    got = level * found["level"] + rate * found["rate"] + one * found["rate_change_1"] + two * found["rate_change_2"]
    expected = [level + quad(lambda s: rate + one * (s > first) + two * (s > second), 0, t, points=[first, second])[0]
                for t in TIMES]  # fmt: skip
    np.testing.assert_allclose(got, expected, rtol=1e-6)


KNOTS = (4.0, 16.0, 28.0, 52.0, 104.0)


NATURAL = Evaluated(lambda: NaturalSpline(knot_weeks=KNOTS).curve(SCORE))


def spline(t, **coefficients):
    found = NATURAL.value(t)
    return sum(c * found[name] for name, c in coefficients.items())


def test_natural_spline_is_scipys_natural_spline():
    """A natural spline is the only one through its values at the knots: SciPy's through ours is ours everywhere."""
    at = np.array(KNOTS) / WEEKS_A_MONTH
    coefficients = {"level": 40.0, "rate": -1.0, "bend_1": 2.0, "bend_2": -3.0, "bend_3": 1.5}
    t = np.linspace(at[0], at[-1], 60)
    natural = CubicSpline(at, spline(at, **coefficients), bc_type="natural")
    np.testing.assert_allclose(spline(t, **coefficients), natural(t), atol=1e-9)


def test_natural_spline_is_linear_outside_its_knots():
    coefficients = {"level": 40.0, "rate": -1.0, "bend_1": 2.0, "bend_2": -3.0, "bend_3": 1.5}
    first, last = KNOTS[0] / WEEKS_A_MONTH, KNOTS[-1] / WEEKS_A_MONTH
    before = np.linspace(0, first, 5)
    np.testing.assert_allclose(spline(before, **coefficients), 40.0 - before, atol=1e-12)  # level and rate at time 0
    after = spline(np.linspace(last, last + 20, 6), **coefficients)
    np.testing.assert_allclose(np.diff(after, 2), 0.0, atol=1e-9)


def test_natural_splines_bends_are_in_months():
    """Knots and time twice as long: every basis but the level's is twice as large, as an integral of rates is."""
    twice = Evaluated(lambda: NaturalSpline(knot_weeks=tuple(2 * k for k in KNOTS)).curve(SCORE))
    t = np.linspace(0.0, 30.0, 7)
    once, doubled = NATURAL.value(t), twice.value(2 * t)
    for name in ("rate", "bend_1", "bend_2", "bend_3"):
        np.testing.assert_allclose(doubled[name], 2 * once[name], rtol=1e-12)


def test_natural_splines_bends_are_independent():
    t = np.linspace(0, 30, 40)
    found = NATURAL.value(t)
    assert np.linalg.matrix_rank(np.stack(list(found.values()))) == len(KNOTS)


def test_terms_carry_the_outcomes_priors():
    terms = Evaluated(lambda: Piecewise(knot_weeks=(12.0,)).curve(SCORE)).curve.terms
    assert (terms["level"].mean.mean, terms["level"].mean.sd, terms["level"].person_sd.sd) == (40.0, 8.0, 8.0)
    assert (terms["rate"].mean.mean, terms["rate"].mean.sd, terms["rate"].person_sd.sd) == (0.0, 2.0, 1.0)
    assert (terms["rate_change_1"].mean.mean, terms["rate_change_1"].mean.sd) == (0.0, 4.0)
    assert terms["rate_change_1"].person_sd is None
    assert [term.unit for term in terms.values()] == ["{unit}", "{unit} per month", "{unit} per month"]


def test_change_of_rate_is_as_wide_as_the_widest_stratum():
    from bayesmodels.models.presets import replaced

    rates = {"faster": Normal(mean=-1.2, sd=0.6), "slower": Normal(mean=-0.5, sd=0.25)}
    terms = Evaluated(lambda: Piecewise(knot_weeks=(12.0,)).curve(replaced(SCORE, {"rate": rates}))).curve.terms
    assert terms["rate_change_1"].mean.sd == 1.2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Decelerating(rho=0.0), "rho above 0"),
        (lambda: Decelerating(rho=-1.0), "rho above 0"),
        (lambda: Decelerating(rho=float("inf")), "rho above 0"),
        (lambda: Decelerating(rho=float("nan")), "rho above 0"),
        (lambda: Piecewise(knot_weeks=()), "at least 1"),
        (lambda: Piecewise(knot_weeks=(0.0, 4.0)), "rising weeks above 0"),
        (lambda: Piecewise(knot_weeks=(8.0, 4.0)), "rising weeks above 0"),
        (lambda: NaturalSpline(knot_weeks=(0.0, 4.0)), "at least 3"),
        (lambda: NaturalSpline(knot_weeks=(4.0, 4.0, 8.0)), "rising weeks"),
        (lambda: NaturalSpline(knot_weeks=(-1.0, 4.0, 8.0)), "rising weeks"),
        (lambda: NaturalSpline(knot_weeks=(1.0, 4.0, float("nan"))), "rising weeks|finite"),
        (lambda: Linear(knots=3), "Extra inputs"),
        (lambda: LogNormal(median=0.0, sigma=1.0), "greater than 0"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValidationError, match=message):
        make()
