"""Joint trials in NumPy against SciPy and closed forms."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, stats
from validation.calibration.joint_event import LAYOUTS, draw_trial, the_model
from validation.simulated.joint_density import living_means, log_likelihood
from validation.simulated.joint_labels import labelled_truth, truth_from
from validation.simulated.joint_trials import (
    draw_truth,
    simulate_exits,
    simulate_trial,
    study_of,
)
from validation.simulated.joint_truth import EventTruth, JointTruth, Link, OutcomeTruth, People, bases
from validation.simulated.layout import Layout

from bayesmodels.vocabulary import months

LEVEL, RATE = 30.0, -0.8


def outcome(shape="none", effect=0.4, lag=0.0):
    return OutcomeTruth(
        np.array([LEVEL]), np.array([RATE]), np.zeros(2), np.array([[effect, effect]]), shape, lag, 1.7, 2.0
    )


def event(name, rate, *links, knots=(), log_shape=None, start_group=0.0):
    return EventTruth(
        name, knots, np.log(np.atleast_1d(rate)), log_shape, 0.0, 0.0, np.array([start_group, 0.0]), np.zeros(1), links,
        np.zeros(2),
    )  # fmt: skip


def truth_of(*events, person_sd=(1e-9, 1e-9), k=None):
    return JointTruth((k or outcome(),), events, np.array(person_sd), np.eye(2), np.zeros(0))


def alike(n, start=np.inf):
    """Persons of one start group."""
    nothing = np.zeros(n, int)
    return People(nothing, nothing, np.zeros(n), np.full(n, start))


@pytest.mark.parametrize("shape", ["none", "slope_change", "plateau"])
@pytest.mark.parametrize("start", [0.0, 6.4, np.inf])
def test_rate_is_the_derivative_and_area_the_integral_of_value(shape, start):
    k = outcome(shape, lag=1.3)

    def value(t):
        return bases(k, "value", np.array(t), np.array(start))

    for t in (3.0, 9.0, 14.0):
        step = 1e-5
        np.testing.assert_allclose(
            bases(k, "rate", np.array(t), np.array(start)), (value(t + step) - value(t - step)) / 2 / step, atol=1e-6
        )
        area = [integrate.quad(lambda s, j=j: value(s)[j], 0, t, points=[min(start + 1.3, t)])[0] for j in range(3)]
        np.testing.assert_allclose(bases(k, "area", np.array(t), np.array(start)), area, rtol=1e-9)


def test_constant_competing_hazards_give_exponential_exits_and_shares_of_the_hazards():
    rng, n = np.random.default_rng(1), 4_000
    exit_, code = simulate_exits(
        truth_of(event("death", 0.03), event("withdrawal", 0.01)), alike(n), np.zeros((n, 2)), np.full(n, 400.0), rng
    )
    assert stats.kstest(exit_, stats.expon(scale=1 / 0.04).cdf).pvalue > 0.001
    assert (code == 1).mean() == pytest.approx(0.75, abs=4 * np.sqrt(0.75 * 0.25 / n))
    assert stats.ks_2samp(exit_[code == 1], exit_[code == 2]).pvalue > 0.001


def test_weibull_and_gompertz_exits_have_scipys_distributions():
    rng, n = np.random.default_rng(2), 2_500
    k, rate = 0.6, 0.02  # the hazard is infinite at time zero
    exit_, _ = simulate_exits(
        truth_of(event("death", rate, log_shape=np.log(k))), alike(n), np.zeros((n, 2)), np.full(n, 1e4), rng
    )
    scale = (k / (rate * 12 ** (1 - k))) ** (1 / k)  # h(t) = (k / scale) (t / scale)^(k - 1) is `rate` at 12 months
    assert stats.kstest(exit_, stats.weibull_min(k, scale=scale).cdf).pvalue > 0.001
    exit_, _ = simulate_exits(
        truth_of(event("death", rate, Link(0, "value", -0.1, LEVEL))),
        alike(n),
        np.zeros((n, 2)),
        np.full(n, 200.0),
        rng,
    )
    slope = -0.1 * RATE  # log h(t) = log rate + slope t
    assert stats.kstest(exit_, stats.gompertz(rate / slope, scale=1 / slope).cdf).pvalue > 0.001


def test_pieces_and_the_start_group_change_the_hazard_where_they_should():
    rng, n = np.random.default_rng(3), 4_000
    truth = truth_of(event("death", [0.01, 0.05], knots=(10.0,), start_group=np.log(2.0)))
    exit_, code = simulate_exits(truth, alike(n), np.zeros((n, 2)), np.full(n, 20.0), rng)
    for t, hazard in ((10.0, 0.2), (15.0, 0.2 + 0.5)):
        alive = np.exp(-hazard)
        assert (exit_ > t).mean() == pytest.approx(alive, abs=4 * np.sqrt(alive * (1 - alive) / n))
    assert (exit_[code == 0] == 20.0).all()


def test_the_log_likelihood_of_one_person_is_scipys_double_integral():
    k = outcome("slope_change", lag=0.5)
    links = (Link(0, "value", -0.08, LEVEL), Link(0, "rate", -0.6, RATE))
    truth = truth_of(event("death", [0.02, 0.03], *links, knots=(6.0,)), k=k, person_sd=(4.0, 0.7))
    truth = replace(truth, correlation=np.array([[1.0, -0.4], [-0.4, 1.0]]))
    layout = Layout(((1,), (1,)), ("early", "delayed"), (0.0, 28.0), (0.0, 16.0, 40.0), 60.0, 60.0)
    trial = simulate_trial(truth, layout, np.random.default_rng(11))
    trial = replace(trial, exit=np.array([9.7, 13.1]), code=np.array([1, 0]))
    found = log_likelihood(truth, trial, layout, order=25, cells=20)
    expected = [_log_of_double_integral(truth, trial, layout, i) for i in range(2)]
    np.testing.assert_allclose(found, expected, atol=2e-4)


def _log_of_double_integral(truth, trial, layout, i):
    """Log of density of visits x density of exit x density of the terms, by the trapezoid over a grid of terms."""
    start, end = layout.starts[i], trial.exit[i]
    u, v = np.meshgrid(np.linspace(-16, 16, 121), np.linspace(-2.8, 2.8, 113), indexing="ij")

    def course(t):
        return LEVEL + u + (RATE + v) * t + 0.4 * max(t - start - 0.5, 0.0)

    def hazard(t):
        rate = RATE + v + 0.4 * (t > start + 0.5)
        return (0.02 if t < 6.0 else 0.03) * np.exp(-0.08 * (course(t) - LEVEL) - 0.6 * (rate - RATE))

    x, w = np.polynomial.legendre.leggauss(12)
    total = np.zeros_like(u)
    edges = sorted({0.0, 0.5, 6.0, min(start + 0.5, end), end})
    for a, b in pairwise(edges):
        total += (b - a) / 2 * sum(k * hazard(s) for k, s in zip(w, (a + b) / 2 + (b - a) / 2 * x, strict=True))
    surface = np.exp(-total) * (hazard(end) if trial.code[i] else 1.0)
    surface *= stats.multivariate_normal(np.zeros(2), truth.covariance).pdf(np.stack([u, v], axis=-1))
    there = trial.took_place[i]
    for t, y in zip(months(np.array(layout.weeks))[there], trial.values[i, there, 0], strict=True):
        surface *= stats.norm(course(t), 2.0).pdf(y)
    return np.log(integrate.trapezoid(integrate.trapezoid(surface, v[0], axis=1), u[:, 0]))


def test_means_among_the_living_are_those_of_simulated_survivors():
    links = (Link(0, "value", -0.06, LEVEL), Link(0, "rate", -0.8, RATE))
    truth = truth_of(event("death", 0.02, *links), k=outcome("slope_change"), person_sd=(5.0, 0.6))
    n, week = 3_000, 100.0
    means, alive = living_means(truth, truth.events, np.array([0.0, np.inf]), np.array([28.0, week]))
    rng, t = np.random.default_rng(7), months(week)
    for g, start in enumerate((0.0, np.inf)):
        terms = rng.standard_normal((n, 2)) * truth.person_sd
        _, code = simulate_exits(truth, alike(n, start), terms, np.full(n, t), rng)
        values = LEVEL + terms[:, 0] + (RATE + terms[:, 1]) * t + 0.4 * max(t - start, 0.0)
        left = values[code == 0]
        assert alive[g, 1] == pytest.approx((code == 0).mean(), abs=4 * np.sqrt(0.25 / n))
        assert means[0, g, 1] == pytest.approx(left.mean(), abs=4 * left.std() / np.sqrt(len(left)))
    assert (alive[:, 0] > alive[:, 1]).all()


def test_tables_hold_what_happened_and_nothing_after_the_exit():
    model, layout = the_model("weibull"), LAYOUTS["weibull"]
    _, trial, _ = draw_trial("weibull", np.random.default_rng(8))
    study = study_of(trial, model, layout)
    last = study.visits.groupby("person")["week"].max()
    ends = study.events.set_index("person")
    assert (last <= ends["week"].loc[last.index] + 1e-9).all()
    np.testing.assert_allclose(months(ends["week"].to_numpy()), trial.exit)
    names = np.array(["none", "death", "withdrawal"])
    assert (ends["event"].to_numpy() == names[trial.code]).all()
    assert len(study.visits) == 2 * trial.took_place.sum()
    person, visit = 3, 0
    marker = study.visits.query("person == 'sim-0003' and outcome == 'marker'")["value"].iloc[0]
    assert np.log(marker) == pytest.approx(trial.values[person, visit, 0])
    assert study.start_groups == layout.groups
    assert study.stratum_labels == layout.strata


@pytest.mark.parametrize("variant", ["piecewise", "weibull"])
def test_a_truth_is_rebuilt_from_its_labels(variant):
    model, layout = the_model(variant), LAYOUTS[variant]
    truth, trial, _ = draw_trial(variant, np.random.default_rng(9))
    other = draw_truth(model, layout, np.random.default_rng(10))
    again = truth_from(labelled_truth(truth, model, layout), other, model, layout)
    for mine, theirs in zip(again.outcomes, truth.outcomes, strict=True):
        for name in ("level", "rate", "on_covariate", "effect", "lag", "time_constant", "residual_sd"):
            np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name), err_msg=name)
    for mine, theirs in zip(again.events, truth.events, strict=True):
        for name in ("log_hazard", "covariate", "on_drug", "start_group", "stratum", "terms"):
            np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name), err_msg=name, atol=1e-12)
        assert [link.size for link in mine.links] == [link.size for link in theirs.links]
    np.testing.assert_allclose(
        log_likelihood(again, trial, layout, 3, 8), log_likelihood(truth, trial, layout, 3, 8), rtol=1e-9
    )


def test_prior_draws_have_the_priors_moments():
    model, layout = the_model("weibull"), LAYOUTS["weibull"]
    rng, n = np.random.default_rng(12), 1_000
    draws = [labelled_truth(draw_truth(model, layout, rng), model, layout) for _ in range(n)]
    expected = {
        "population_level[score, slower]": stats.norm(37, 3),
        "association[death, marker, terms:rate]": stats.norm(0, 1 / 0.05),
        "association[death, score, area]": stats.norm(0, 0.01),
        "person_sd[score:rate, faster]": stats.halfnorm(scale=0.7),
        "effect_lag[marker]": stats.lognorm(0.5, scale=1.0),
        "hazard_effect[death, on_drug]": stats.norm(0, 0.7),
        "baseline_shape[death]": stats.lognorm(0.3),
        # The mean over two start groups of Normal(m, tau), m ~ Normal(0, s), tau ~ HalfNormal(s / 2): s = 0.6.
        "group_effect_sd[marker]": stats.halfnorm(scale=0.3),
    }
    for name, distribution in expected.items():
        assert stats.kstest([d[name] for d in draws], distribution.cdf).pvalue > 0.001, name
