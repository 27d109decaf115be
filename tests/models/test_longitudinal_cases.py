"""Studies with one start group, no drug, censored visits; links between outcomes; drift that stops; refusals."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm
from small_study import CURVE_WEEKS, MONTH, log_likelihood, log_likelihood_of, published, random_point, study, tables

from bayesmodels.errors import BadConfig, BadInput
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.presets import PRESETS, alsfrs_r, nfl_plasma, replaced
from bayesmodels.parts.effects import Follows, Plateau, SlopeChange
from bayesmodels.parts.priors import Normal
from bayesmodels.parts.trajectories import Linear
from bayesmodels.study import Study

SCORE = replaced(alsfrs_r(), {"trajectory": Linear(), "effect": SlopeChange(), "rate_skewness": None, "limits": None})
MARKER = replaced(
    nfl_plasma(), {"trajectory": Linear(), "effect": Plateau(lag=None), "random_walk_time_constant": None}
)


def evaluated(model, data, seed=1):
    pm_model = model.build(data)
    point = random_point(pm_model, seed)
    return pm_model, point, published(pm_model, point)


def test_one_start_group():
    data = study(groups=(("treated", 0.0),), strata=False)
    pm_model, point, found = evaluated(LongitudinalModel(outcomes=(SCORE,), baseline="free"), data)
    level, rate, effect = point["term_mean"][:, 0]
    t = np.array(CURVE_WEEKS) / MONTH
    np.testing.assert_allclose(found["curve"][0, 0, 0], level + (rate + effect) * t, rtol=1e-12)
    np.testing.assert_allclose(found["drug_effect"], [[effect]])
    assert "difference" not in found
    assert {rv.name for rv in pm_model.free_RVs} == {
        "term_mean",
        "term_sd",
        "partial_correlation",
        "error_sd",
        "path_sd",
    }


@pytest.mark.parametrize("groups", [(("cohort", np.nan),), (("north", np.nan), ("south", np.nan))])
def test_no_drug_at_all(groups):
    data = study(groups=groups, strata=False)
    pm_model, point, found = evaluated(LongitudinalModel(outcomes=(SCORE,)), data)
    level, rate = point["term_mean"][:2, 0]
    t = np.array(CURVE_WEEKS) / MONTH
    np.testing.assert_allclose(found["curve"][0, :, 0], np.tile(level + rate * t, (len(groups), 1)), rtol=1e-12)
    assert "drug_effect" not in found
    assert np.isfinite(log_likelihood(pm_model, point)).all()


def test_drift_stops_where_the_drug_has_taken_effect():
    data = study(groups=(("early", 0.0), ("delayed", 28.0)), strata=False)
    stops = replaced(MARKER, {"effect": Plateau(lag=None, drift_on_drug="stops")})
    _, point, found = evaluated(LongitudinalModel(outcomes=(stops,), pooling="complete"), data)
    level, rate, effect = point["term_mean"][:, 0]
    kappa = point["nfl_plasma_effect_time_constant"]
    for g, start in enumerate((0.0, 28.0)):
        for w, week in enumerate(CURVE_WEEKS):
            untreated, treated = min(week, start) / MONTH, max(week - start, 0.0) / MONTH
            own = untreated + kappa * (1 - np.exp(-treated / kappa))  # the integral of 1 - h
            expected = level + rate * own + effect * (1 - np.exp(-treated / kappa))
            assert found["curve"][0, g, 0, w] == pytest.approx(expected, rel=1e-10)


def test_follows_uses_the_other_outcomes_effect_of_the_group():
    data = study(strata=False)
    linked = replaced(SCORE, {"effect": Follows(outcome="nfl_plasma")})
    pm_model, point, found = evaluated(LongitudinalModel(outcomes=(MARKER, linked)), data)
    kappa, gain = point["nfl_plasma_effect_time_constant"], point["alsfrs_r_follow_gain"]
    labels = list(pm_model.coords["any_term"])
    level, rate = (point["term_mean"][labels.index(f"alsfrs_r:{k}"), 0] for k in ("level", "rate"))
    for g, start in enumerate((0.0, 28.0)):
        size = found["group_drug_effect"][0, 0, g]
        for w, week in enumerate(CURVE_WEEKS):
            x = max(week - start, 0.0) / MONTH
            fallen = quad(lambda s: 1 - np.exp(-s / kappa), 0, x)[0]
            expected = level + rate * week / MONTH + gain * size * fallen
            assert found["curve"][1, g, 0, w] == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(found["follow_gain"], [np.nan, gain])
    assert np.isnan(found["drug_effect"][1]).all()
    assert np.isnan(found["group_effect_sd"][1])


def test_people_who_respond_more_in_nfl_follow_more_in_function():
    """The shared term is random: a person's two outcomes are correlated through it."""
    data = study(strata=False)
    linked = replaced(SCORE, {"effect": Follows(outcome="nfl_plasma")})
    pm_model, point, _ = evaluated(LongitudinalModel(outcomes=(nfl_plasma(), linked)), data)
    apart = point | {"alsfrs_r_follow_gain": 0.0}
    at_zero = log_likelihood(pm_model, apart)
    assert not np.allclose(at_zero, log_likelihood(pm_model, point))


def censored(persons, visits):
    """The first person's last NfL lies below 20 pg/mL, the second's first above 90."""
    mine = visits.index[(visits["person"] == persons["person"][0]) & (visits["outcome"] == "nfl_plasma")]
    visits.loc[mine[-1], ["value", "censoring"]] = [20.0, "left"]
    other = visits.index[(visits["person"] == persons["person"][1]) & (visits["outcome"] == "nfl_plasma")]
    visits.loc[other[0], ["value", "censoring"]] = [90.0, "right"]


@pytest.mark.parametrize("covariates", [{}, {"level": ("age",)}])
def test_censored_visits_integrate_to_the_probability_beyond_the_limit(covariates):
    """Over the latent excess, the person's density is that of the other visits x P(beyond the limit | them)."""
    data = study(strata=False, edit=censored)
    course = replaced(MARKER, {"effect": "none"})
    model = LongitudinalModel(outcomes=(course,), covariates=covariates)
    pm_model = model.build(data)
    point = random_point(pm_model, 4)
    point["error_sd"], point["term_mean"] = np.array([[0.3]]), np.array([[4.2], [0.01]])
    point["term_sd"], point["path_sd"] = np.array([[0.5, 0.02]]), np.array([[0.15]])
    age = data.persons["age"].astype(float)
    age = (age - age.mean()) / age.std(ddof=0)
    shift = age * point["covariate_slope"][0] if covariates else 0 * age
    rho = 2 * float(point["partial_correlation"][0]) - 1
    sd = point["term_sd"][0]
    covariance = np.outer(sd, sd) * np.array([[1, rho], [rho, 1]])
    density = log_likelihood_of(pm_model)
    uncensored = density(point)
    for i in range(len(data.persons)):
        mine = data.visits[
            (data.visits["person"] == data.persons["person"][i]) & (data.visits["outcome"] == "nfl_plasma")
        ]
        z = np.stack([np.ones(len(mine)), mine["week"] / MONTH], axis=1)
        mean = z @ point["term_mean"][:, 0] + shift[i]
        path = 0.15**2 * np.minimum.outer(z[:, 1], z[:, 1])
        v = z @ covariance @ z.T + path + 0.09 * np.eye(len(mine))
        y = np.log(mine["value"].to_numpy(float))
        side = mine["censoring"].map({"": 0, "left": -1, "right": 1}).to_numpy()
        seen = side == 0
        if seen.all():
            assert uncensored[i] == pytest.approx(multivariate_normal(mean, v).logpdf(y), rel=1e-9)
            continue
        gain = np.linalg.solve(v[np.ix_(seen, seen)], v[np.ix_(seen, ~seen)])
        conditional_mean = mean[~seen][0] + gain[:, 0] @ (y[seen] - mean[seen])
        conditional_sd = np.sqrt(v[~seen][:, ~seen][0, 0] - gain[:, 0] @ v[np.ix_(seen, ~seen)][:, 0])
        beyond = norm.cdf(side[~seen][0] * (conditional_mean - y[~seen][0]) / conditional_sd)
        expected = multivariate_normal(mean[seen], v[np.ix_(seen, seen)]).logpdf(y[seen]) + np.log(beyond)
        grid = np.linspace(1e-4, 6.0, 601)
        along = [density(point | {"nfl_plasma_excess": np.full(2, excess)})[i] for excess in grid]
        integral = np.trapezoid(np.exp(along), grid)
        assert np.log(integral) == pytest.approx(expected, abs=2e-3)


def test_a_censored_study_can_be_drawn_from_its_prior():
    from bayesmodels.fitting.prior import prior_draws

    pm_model = LongitudinalModel(outcomes=(MARKER,)).build(study(strata=False, edit=censored))
    found = prior_draws(pm_model, seed=1, draws=1)
    assert np.isfinite(found["curve"]).all()


def test_values_at_the_limits_of_a_scale_can_stand_for_anything_beyond():
    def at_the_floor(persons, visits):
        mine = visits.index[(visits["person"] == persons["person"][0]) & (visits["outcome"] == "alsfrs_r")]
        visits.loc[mine[-1], "value"] = 0.0

    bounded = replaced(SCORE, {"limits": (0.0, 48.0), "censor_at_limits": True})
    pm_model = LongitudinalModel(outcomes=(bounded,)).build(study(strata=False, edit=at_the_floor))
    assert "alsfrs_r_excess" in {rv.name for rv in pm_model.free_RVs}
    assert pm_model["alsfrs_r_excess"].shape.eval() == (1,)


def problems(build):
    with pytest.raises(BadInput) as caught:
        build()
    return caught.value.problems


def test_an_outcome_that_the_study_lacks():
    found = problems(lambda: LongitudinalModel(outcomes=("svc", SCORE, "hhd")).build(study()))
    assert found == tuple(
        f"visits: expected the outcome {name!r}, which the model has; found nfl_plasma, alsfrs_r; "
        f'if one of these is it, write name = "..." in the [[model.outcomes]] of {name!r}; '
        "otherwise add its visits, or leave it out of the model"
        for name in ("svc", "hhd")
    )


OWN = {"name": "crp", "good_direction": "down", "typical": {"level": 5.0, "spread": 0.5, "rate": 0.02}}


@pytest.mark.parametrize(
    ("fields", "value", "censoring", "text"),
    [
        (
            {"scale": "log"},
            0.0,
            "",
            "expected crp above 0, got 0; correct it, delete the row if nothing was measured, or write the assay's "
            'limit as value and "left" as censoring',
        ),
        ({"scale": "log"}, -1.0, "", "expected crp above 0, got -1; correct it"),
        ({"scale": "log"}, 0.0, "left", "expected the assay's limit, above 0, as the value of a censored crp, got 0"),
        ({"limits": (0.0, 30.0)}, 31.0, "", "expected crp from 0 to 30, got 31; correct it"),
        ({"limits": (0.0, 30.0)}, -0.5, "", "expected crp from 0 to 30, got -0.5; correct it"),
    ],
)
def test_values_that_an_outcome_of_ones_own_cannot_take_are_refused_with_their_row(fields, value, censoring, text):
    def own(persons, visits):
        visits.loc[visits["outcome"] == "alsfrs_r", ["outcome", "value"]] = ("crp", 5.0)
        visits.loc[5, ["value", "censoring"]] = (value, censoring)

    data = study(edit=own)
    (line,) = problems(lambda: LongitudinalModel(outcomes=({**OWN, **fields}, "svc")).build(data))[1:]
    person, week = data.visits.loc[5, ["person", "week"]]
    assert line.startswith(f"visits, row 7 (person {person}, week {week:g}): {text}")


@pytest.mark.parametrize("pooling", ["partial", "complete", "none"])
def test_a_prior_by_stratum_that_lacks_one(pooling):
    rates = {"faster": Normal(mean=-1.2, sd=0.6), "slow": Normal(mean=-0.5, sd=0.25)}
    model = LongitudinalModel(outcomes=(replaced(SCORE, {"rate": rates}),), pooling=pooling)
    assert problems(lambda: model.build(study())) == tuple(
        f"model: alsfrs_r:{term}: expected a prior for stratum 'slower', found faster, slow; "
        "add it, or give one prior for all strata"
        for term in ("rate", "effect")
    )


def test_a_covariate_that_the_study_lacks():
    model = LongitudinalModel(outcomes=(SCORE,), covariates={"level": ("agee",)})
    assert problems(lambda: model.build(study()))[0].endswith(
        'expected a covariate column "agee", found none; is it "age"?'
    )


def test_following_an_outcome_that_is_not_there_or_comes_later():
    linked = replaced(SCORE, {"effect": Follows(outcome="nfl_plasma")})
    for outcomes in ((linked,), (linked, MARKER)):
        with pytest.raises(BadConfig, match="outcome alsfrs_r: effect follows nfl_plasma, which is not an outcome lis"):
            LongitudinalModel(outcomes=outcomes).build(study())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"outcomes": ("svc", "alsfrs_r", "svc")}, "outcome svc is listed more than once; give each its own name"),
        ({"outcomes": ()}, "at least 1"),
        ({"outcomes": ("svc",), "poolling": "none"}, "poolling"),
        ({"outcomes": ("svc",), "pooling": "some"}, "'partial', 'complete' or 'none'"),
        ({"outcomes": ("svc",), "correlation_shape": 0.0}, "greater than 0"),
        ({"outcomes": (3,)}, "expected an outcome: a preset's name or a table of fields, got int"),
        ({"outcomes": ({"preset": "svc", "limit": (0, 1)},)}, "limit"),
        ({"outcomes": ("svc",), "covariates": {"slope": ("age",)}}, "slope"),
    ],
)
def test_a_model_that_makes_no_sense_is_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        LongitudinalModel(**fields)


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(ValidationError, match=f"unknown preset 'nfl'; known: {', '.join(PRESETS)}"):
        LongitudinalModel(outcomes=("nfl",))


def test_visits_may_come_in_any_order():
    persons, visits = tables()
    shuffled = visits.sample(frac=1, random_state=2)
    points = []
    for table in (visits, shuffled):
        data = Study.from_frames(persons, table, reference_group="delayed", curve_weeks=CURVE_WEEKS)
        pm_model = LongitudinalModel(outcomes=(MARKER, SCORE)).build(data)
        points.append(log_likelihood(pm_model, random_point(pm_model, 2)))
    np.testing.assert_allclose(points[0], points[1], rtol=1e-12)


def test_outcomes_left_out_of_the_model_are_no_matter():
    persons, visits = tables()
    only = visits[visits["outcome"] == "alsfrs_r"]
    found = []
    for table in (visits, only):
        data = Study.from_frames(persons, table, reference_group="delayed", curve_weeks=CURVE_WEEKS)
        pm_model = LongitudinalModel(outcomes=(SCORE,)).build(data)
        found.append(log_likelihood(pm_model, random_point(pm_model, 2)))
    np.testing.assert_array_equal(*found)
