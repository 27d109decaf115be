"""Persons of a joint model with a skewed rate against dense integration, by another route than the kernels."""

from __future__ import annotations

from itertools import pairwise

import joint_study
import numpy as np
import pymc as pm
import pytensor
import pytest
import xarray as xr
from dense_joint import MODEL, STUDY, grid_of, hazards_of, integral_over_z
from joint_study import MONTH, POINT
from sampled_point import skewed_rate
from scipy.special import logsumexp
from scipy.stats import kstest, lognorm, norm

from bayesmodels.errors import BayesmodelsError
from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.fitting.sampling import deterministics
from bayesmodels.kernels.linear_mixed.variable import person_terms, unseen_terms
from bayesmodels.models.joint_event import PERSON_DRAWS, JointEventModel
from bayesmodels.persons.collapsed import collapsed
from bayesmodels.persons.given_exits import linear_hazards, tilted
from bayesmodels.persons.log_likelihood import person_log_likelihood
from bayesmodels.persons.prediction.predict_events import predict_events
from bayesmodels.persons.prepared import without_events
from bayesmodels.persons.random_effects import FEW
from bayesmodels.persons.summaries.events import event_curves
from bayesmodels.persons.summaries.visits import visit_summaries

SKEWNESS = 0.8
RATE_FIRST = skewed_rate(POINT["term_mean"], POINT["term_sd"][:, ::-1], 1, SKEWNESS)
"""A skewed term is the first of the random terms."""


def model(skewness=SKEWNESS, **fields) -> JointEventModel:
    own = {name: getattr(MODEL, name) for name in ("events", "person_sd", "residual_sd")}
    return JointEventModel(outcomes=(joint_study.outcome(rate_skewness=skewness, **fields),), **own)


@pytest.fixture(scope="module")
def built():
    return model().build(STUDY)


def given(built):
    likelihood = collapsed(built)
    point = next(likelihood.at(joint_study.draws_of(built, RATE_FIRST)))
    return likelihood, point, person_terms(likelihood.layout, point.y, point.inputs, point.bases)


@pytest.mark.parametrize("person", [1, 5, 8, 10, 14])
def test_the_likelihood_of_visits_and_exit_is_the_dense_integral(built, person):
    found = person_log_likelihood(built, joint_study.draws_of(built, RATE_FIRST))
    one, _, density = grid_of(person, skewness=SKEWNESS)
    top = density.max()
    expected = top + np.log(integral_over_z(np.exp(density - top), one))
    np.testing.assert_allclose(found["follow_up"].to_numpy()[:, 0, person], expected, atol=2e-3)


def test_the_sampled_density_integrates_to_the_dense_integral(built):
    """Over the numbers that draw the persons, the joint density of the sampler; zeta runs over a grid."""
    rv = built["follow_up"]
    density = pm.logp(rv, built.rvs_to_values[rv], warn_rvs=False)
    free = built.free_RVs
    function = pytensor.function(free, density, mode=python_mode(), on_unused_input="ignore")
    draws = joint_study.draws_of(built, RATE_FIRST).isel(chain=0, draw=0)
    node, weight = np.polynomial.hermite_e.hermegauss(15)
    grid = np.linspace(-9.0, 9.0, 91)
    found = []
    for at in grid:
        for own, share in zip(node, weight / weight.sum(), strict=True):
            z = np.tile([at, own], (16, 1))
            values = (z if v.name == PERSON_DRAWS else draws[v.name].to_numpy() for v in free)
            found.append(function(*values) + norm.logpdf(at) + np.log(share * (grid[1] - grid[0])))
    total = logsumexp(found, axis=0)
    for person in (1, 5, 8, 10, 14):
        one, _, dense = grid_of(person, cells=321, skewness=SKEWNESS)
        expected = dense.max() + np.log(integral_over_z(np.exp(dense - dense.max()), one))
        assert total[person] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("person", [5, 10])
def test_draws_given_visits_and_exit_have_the_moments_of_the_dense_density(built, person):
    likelihood, point, terms = given(built)
    rng = np.random.default_rng(1)
    found = tilted(likelihood, point, terms)
    draws, worth = zip(*(found.draw(rng) for _ in range(2000)), strict=True)
    own = np.array(draws)[:, person, ::-1]
    one, other, density = grid_of(person, skewness=SKEWNESS)
    share = np.exp(density - density.max())
    share /= integral_over_z(share, one)
    mean = np.array([integral_over_z(share * v, one) for v in (one, other)])
    sd = np.sqrt([integral_over_z(share * v**2, one) for v in (one, other)] - mean**2)
    np.testing.assert_allclose((own.mean(axis=0) - mean) / sd, 0, atol=4 / np.sqrt(2000))
    np.testing.assert_allclose(own.std(axis=0), sd, rtol=0.07)
    assert np.min(worth) > FEW  # of 32 candidates


def test_new_persons_who_left_as_these_did_are_weighted_draws_of_the_population(built):
    """Replicates of a study's visits draw persons given exits alone: the visits say nothing."""
    likelihood, point, _ = given(built)
    unseen = unseen_terms(likelihood.layout, point.inputs)
    found = tilted(likelihood, point, unseen)
    rng = np.random.default_rng(2)
    drawn = np.array([found.draw(rng)[0] for _ in range(1500)])
    new = np.array([unseen.draw(rng) for _ in range(20_000)])
    hazards = linear_hazards(likelihood, point)
    for i in (5, 10):
        log = np.array([hazards.log_likelihood(u[:, found.acting], found.code)[i] for u in new[:8000]])
        assert found.log_likelihood()[i] == pytest.approx(np.log(np.exp(log).mean()), abs=0.05)
        weight = np.exp(log - log.max())
        weight /= weight.sum()
        size = 1 / (weight**2).sum()
        expected = weight @ new[:8000, i]
        spread = np.sqrt(weight @ (new[:8000, i] - expected) ** 2)
        error = spread * np.sqrt(1 / size + 1 / len(drawn))
        assert size > 1000
        assert (np.abs(drawn[:, i].mean(axis=0) - expected) < 4.5 * error).all()


def test_without_associations_the_exit_says_nothing_of_the_person(built):
    likelihood = collapsed(built)
    silent = joint_study.draws_of(built, RATE_FIRST | {"hazard_association": np.zeros(3)})
    point = next(likelihood.at(silent))
    terms = person_terms(likelihood.layout, point.y, point.inputs, point.bases)
    found = tilted(likelihood, point, terms)
    alone = found.hazards.log_likelihood(np.zeros((16, 2)), found.code)
    np.testing.assert_allclose(found.log_likelihood(), alone, atol=2e-3)
    rng = np.random.default_rng(3)
    ours, theirs = (
        np.array([each() for _ in range(600)]) for each in (lambda: found.draw(rng)[0], lambda: terms.draw(rng))
    )
    for i in (0, 6):
        for p in (0, 1):
            assert kstest(ours[:, i, p], theirs[:, i, p]).pvalue > 1e-3


def test_without_skewness_persons_are_those_of_the_normal_model():
    normal = joint_study.model().build(STUDY)
    still = model(skewness=0.0).build(STUDY)
    rate_first = skewed_rate(POINT["term_mean"], POINT["term_sd"][:, ::-1], 1, 0.0)
    found = person_log_likelihood(still, joint_study.draws_of(still, rate_first))["follow_up"]
    expected = person_log_likelihood(normal, joint_study.draws_of(normal))["follow_up"]
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_risks_are_the_dense_integrals_given_visits_and_survival_so_far(built):
    landmark, weeks, person = 20.0, (33.0, 60.0), 10
    exact = xr.DataTree.from_dict({"posterior": joint_study.draws_of(built, RATE_FIRST)})
    found = predict_events(model(), exact, STUDY, weeks, seed=1, landmark=landmark, over_terms=True)
    one, other, density = grid_of(person, landmark=landmark, cells=81, skewness=SKEWNESS)
    share = np.exp(density - density.max())
    share /= integral_over_z(share, one)
    log_hazards = hazards_of(person, one, other)
    steps = np.linspace(landmark, weeks[-1], 81) / MONTH
    gone, incidence = 0.0, [np.zeros(2)]
    for begin, end in pairwise(steps):
        middle = [np.exp(h) for h in log_hazards((begin + end) / 2)]
        there = np.exp(-gone - sum(middle) * (end - begin) / 2)
        incidence.append(incidence[-1] + [integral_over_z(share * there * h * (end - begin), one) for h in middle])
        gone = gone + sum(middle) * (end - begin)
    at = [np.argmin(np.abs(steps - week / MONTH)) for week in weeks]
    np.testing.assert_allclose(
        found["cumulative_incidence"].isel(chain=0, draw=0, person=person).T, [incidence[j] for j in at], atol=5e-4
    )


def test_curves_of_the_population_are_those_of_new_persons(built):
    """Without associations the living have the mean of the whole population, but for chance between age and rate."""
    silent = joint_study.draws_of(built, RATE_FIRST | {"hazard_association": np.zeros(3)}, number=20)
    found = event_curves(model(), silent, STUDY, seed=4, draws=40, persons=4000)
    everyone = deterministics(built, silent)["curve"].mean(("chain", "draw"))
    for group in ("early", "delayed"):
        own = {"start_group": group, "outcome": "score", "stratum": "faster"}
        living = found["mean_alive"].mean(("chain", "draw")).sel(own)
        np.testing.assert_allclose(living, everyone.sel(own), atol=0.05)


def test_means_that_count_death_are_those_of_plainly_drawn_persons(built):
    week, rng = 80.0, np.random.default_rng(5)
    draws = joint_study.draws_of(built, RATE_FIRST, number=20)  # one point, other persons at every draw
    found = event_curves(model(), draws, STUDY, seed=4, draws=40, persons=4000).mean(("chain", "draw"))
    own = found.sel(stratum="faster", start_group="early", week=week)
    sd, rho = POINT["term_sd"][0], 2 * POINT["partial_correlation"][0] - 1
    z = rng.standard_normal((40_000, 2)) @ np.linalg.cholesky(np.array([[1, rho], [rho, 1]])).T
    variable = lognorm(s=SKEWNESS)
    off = sd[0] * z[:, 0], -sd[1] * (np.exp(-SKEWNESS * z[:, 1]) - variable.mean()) / variable.std()
    level, rate, effect = POINT["term_mean"][:, STUDY.stratum_labels.index("faster")]
    steps = np.linspace(0.0, week / MONTH, 201)
    alive = []
    for i in np.flatnonzero(STUDY.persons["stratum"] == "faster"):
        log_hazards = hazards_of(i, *off, start=0.0)
        gone = sum(np.exp(log_hazards((a + b) / 2)[0]) * (b - a) for a, b in pairwise(steps))
        alive.append(np.exp(-gone))
    alive = np.mean(alive, axis=0)
    course = level + off[0] + (rate + effect + off[1]) * week / MONTH
    assert float(own["survival"]) == pytest.approx(alive.mean(), abs=0.01)
    of_living = float(own["mean_alive"].sel(outcome="score"))
    assert of_living == pytest.approx((alive * np.clip(course, 0, 48)).sum() / alive.sum(), abs=0.15)
    score = float(own["mean_composite"].sel(outcome="score"))
    assert score == pytest.approx((alive * np.clip(course, 0, 48)).mean(), abs=0.15)


def test_visits_and_exits_are_replicated(built):
    draws = joint_study.draws_of(built, RATE_FIRST, number=20)
    found = visit_summaries(model(), built, STUDY, draws, seed=1)["predictive_summary"]["mean"]
    observed = found.sel(outcome="score").notnull()
    assert observed.any()
    assert (abs(found.mean(("chain", "draw"))) < 60).where(observed.all(("chain", "draw")), True).all()


def test_the_longitudinal_part_keeps_the_skewness_and_its_marginal_likelihood():
    """The joint model without associations is the longitudinal model's likelihood plus the exits'."""
    silent = {"hazard_association": np.zeros(3)}
    joint = model().build(STUDY)
    alone = without_events(model()).build(STUDY)
    draws = joint_study.draws_of(joint, RATE_FIRST | silent)
    found = person_log_likelihood(joint, draws)["follow_up"].to_numpy()[0, 0]
    likelihood = collapsed(joint)
    point = next(likelihood.at(draws))
    exits = tilted(likelihood, point, unseen_terms(likelihood.layout, point.inputs)).hazards
    of_exits = exits.log_likelihood(np.zeros((16, 2)), np.asarray(point.exits.code))
    visits = person_log_likelihood(alone, joint_study.draws_of(alone, RATE_FIRST))
    np.testing.assert_allclose(found - of_exits, visits["visits"].to_numpy()[0, 0], atol=2e-3)


def test_draws_of_other_free_variables_are_refused(built):
    draws = joint_study.draws_of(built, RATE_FIRST).rename(term_median="term_mean")
    with pytest.raises(BayesmodelsError, match=r"expected draws of term_median, found none.*fit the model again"):
        next(collapsed(built).at(draws))
