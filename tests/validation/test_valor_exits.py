"""The study of VALOR's later weeks with exits: each step against another route. Parameter values are made up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.integrate import quad
from scipy.stats import norm
from validation.valor_exits.hazards import (
    LEVEL_LOG_SD,
    LEVEL_MEDIAN,
    Counts,
    accrued,
    draw_levels,
    exit_probabilities,
    followed_at_lock,
    published_counts,
    relative_hazard,
)
from validation.valor_exits.persons import MONTHS, WEEKS, ArmCourse, arm_courses, by_stratum, own_slopes
from validation.valor_exits.prediction import (
    WHO,
    ExitsSettings,
    Population,
    baseline_scores,
    population_hazard,
    predict_with_exits,
)
from validation.valor_exits.study import prediction_rows, published_means, survivor_rows

from bayesmodels.demo.valor import MAIN, MeansFit, fitted_means, function_model
from bayesmodels.models.published_means.covariance import StratumSpread
from bayesmodels.models.published_means.prediction import parameter_draws, predictive_draws
from bayesmodels.study.evidence import means_table

VALUES = {
    "alsfrs_r_rate": [-1.1, -0.3], "alsfrs_r_deceleration": 0.03, "alsfrs_r_slowing": 0.15, "alsfrs_r_lag": 2.5,
}  # fmt: skip


def fitted(draws: int) -> MeansFit:
    """The main model of function at one made-up set of parameters, as often as draws are wanted."""
    found = {}
    for name, value in VALUES.items():
        array = np.broadcast_to(np.asarray(value, float), (1, draws, *np.shape(value)))
        found[name] = (("chain", "draw", "own_stratum")[: array.ndim], array)
    return MeansFit(
        MAIN, function_model(MAIN), fitted_means(("alsfrs_r",)), xr.DataTree.from_dict({"posterior": xr.Dataset(found)})
    )


def test_arms_without_exits_are_predicted_as_the_means_model_predicts_them():
    """Mean and SD at week 148, from persons, against the conditional normal of `predictive_draws`."""
    draws = 4000
    fit = fitted(draws)
    outcome, rng = fit.model.outcomes[0], np.random.default_rng(5)
    values = parameter_draws(fit.model, fit.posterior)
    arms = arm_courses(outcome, fit.data, values, "straight, normal", fit.model.mixture, rng)
    known = predictive_draws(
        fit.model, fit.posterior, fit.data, means_table("final_2025", outcomes=["alsfrs_r"]), seed=1
    )
    share = {"faster": 60 / 108, "slower": 48 / 108}
    for group, row in (("delayed", 0), ("early", 1)):
        assert known.rows["start_group"][row] == group
        total = rng.normal(0.0, outcome.spread.reading_error, draws)
        for arm in arms:
            if arm.start_group == group:
                mean = arm.mean[:, -1] + arm.path[:, -1] + arm.slope * arm.stretch[:, -1]
                variance = 1.7 * arm.spread.residual_sd**2 / arm.persons + arm.spread.visit_shock_sd**2
                total += share[arm.stratum] * (mean + rng.normal(0.0, np.sqrt(variance), draws))
        expected = known.draws[:, row]
        assert total.mean() == pytest.approx(expected.mean(), abs=4.5 * expected.std() * np.sqrt(1.2 / draws))
        assert total.std() == pytest.approx(expected.std(), rel=0.05)


def test_own_slopes_have_mean_0_and_sd_1():
    for sigma in (0.0, 0.4, 0.9):
        moments = [quad(lambda z, p=p, s=sigma: own_slopes(z, s) ** p * norm.pdf(z), -9, 9)[0] for p in (1, 2, 3)]
        np.testing.assert_allclose(moments[:2], [0.0, 1.0], atol=1e-6)
        assert moments[2] == pytest.approx(0.0, abs=1e-9) if sigma == 0 else moments[2] < -1


def made_up_arm(stratum: str, decline: float, persons: int) -> ArmCourse:
    t = MONTHS[None, :]
    spread = StratumSpread(stratum=stratum, rate_sd=0.8, random_walk_sd=1.4, residual_sd=1.1, visit_shock_sd=0.0)
    flat = -np.expm1(-0.03 * t) / 0.03
    return ArmCourse(
        stratum, "early", persons, -decline * flat, -decline * np.exp(-0.03 * t), np.array([0.1]), 0 * t, flat,
        np.exp(-0.03 * t), np.array([0.6]), spread,
    )  # fmt: skip


def test_quadrature_agrees_with_a_weekly_simulation():
    """Probabilities of exit and completion, and the mean of those observed at week 148."""
    arms, a, b, level, other = [made_up_arm("faster", 1.2, 39), made_up_arm("slower", 0.3, 33)], 1.0, 0.4, 0.01, 0.008
    population = Population.of(2048, 3)
    cumulative, weights = population_hazard(arms, 0, population, a, b)
    staying = (weights @ np.exp(-level * cumulative))[None]
    exits, completed = (float(p[0, 0]) for p in exit_probabilities(staying, np.array([other])))
    survivors = weights * np.exp(-level * cumulative[:, -1])
    changes = []
    for arm in arms:
        change, _ = arm.changes(0, own_slopes(population.deviates, 0.6), population.paths)
        start = baseline_scores(arm.stratum, population.baseline)
        changes.append(np.clip(start + change[:, -1], 0, 48) - start)
    mean = survivors @ np.concatenate(changes) / survivors.sum()

    rng, total, month = np.random.default_rng(11), 40_000, 365.25 / 12 / 7
    by_lock, seen, last = [], [], []
    for arm, decline, y0 in ((arms[0], 1.2, 36.9), (arms[1], 0.3, 37.1)):
        n = total * arm.persons // 72
        start = np.clip(rng.normal(y0, 5.9, n), 15, 48)
        lognormal = np.exp(0.6 * rng.standard_normal(n))
        own = (np.exp(0.18) - lognormal) / np.sqrt(np.exp(0.36) * (np.exp(0.36) - 1))
        rate = -decline + 0.1 + 0.8 * own
        random_walk, there = np.zeros(n), np.ones(n, bool)
        follow_up = rng.uniform(7, 28, n)
        exit_known = np.zeros(n, bool)
        for week in range(148):
            t = (week + 0.5) / month
            random_walk += 1.4 * np.sqrt(1 / month) * rng.standard_normal(n)
            score = np.clip(start + rate * -np.expm1(-0.03 * t) / 0.03 + random_walk, 0, 48)
            hazard = level * np.exp(a * (30 - score) / 10 + b * (-rate * np.exp(-0.03 * t) - 0.5))
            chance = -np.expm1(-(hazard + other) / month)
            leaves = there & (rng.random(n) < chance)
            informative = leaves & (rng.random(n) < hazard / (hazard + other))
            exit_known |= informative & (t < follow_up)
            there &= ~leaves
        by_lock.append(exit_known)
        seen.append(there)
        last.append(np.clip(start + rate * -np.expm1(-0.03 * MONTHS[-1]) / 0.03 + random_walk, 0, 48) - start)
    by_lock, seen, last = (np.concatenate(v) for v in (by_lock, seen, last))
    assert by_lock.mean() == pytest.approx(exits, abs=4.5 * np.sqrt(exits / total) + 0.002)
    assert seen.mean() == pytest.approx(completed, abs=4.5 * np.sqrt(0.25 / total) + 0.002)
    assert last[seen].mean() == pytest.approx(mean, abs=4.5 * last[seen].std() / np.sqrt(seen.sum()) + 0.1)
    assert mean > np.concatenate(changes) @ weights + 1.0  # survivors decline less


def test_levels_against_importance_sampling():
    """Without association the share staying is exp(-level t): expected counts by weighting draws of the prior."""
    counts, rng = Counts(72, 13, 34), np.random.default_rng(2)
    cumulative = MONTHS[None, :]
    drawn = [draw_levels(cumulative, np.ones(1), counts, rng) for _ in range(1500)]
    level, other = np.exp(np.log(LEVEL_MEDIAN) + LEVEL_LOG_SD * rng.standard_normal((2, 100_000)))
    t = np.linspace(0, 28, 561)
    speed = level + other
    # The integral of level exp(-speed t) times the share followed longer than t: 1 to 7 months, then falling to 0 at 28
    exits = level / speed * (1 - (np.exp(-7 * speed) - np.exp(-28 * speed)) / (21 * speed))
    check = np.trapezoid(level[0] * np.exp(-speed[0] * t) * followed_at_lock(t), t)
    assert exits[0] == pytest.approx(check, rel=1e-3)
    completed = np.exp(-speed * MONTHS[-1])
    log_weight = 13 * np.log(exits) + 34 * np.log(completed) + 25 * np.log1p(-exits - completed)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    assert 1 / (weight**2).sum() > 300
    for probability, name in ((exits, "exits"), (completed, "completed")):
        own = np.array([getattr(v, name) for v in drawn])
        expected = weight @ probability
        sd = np.sqrt(weight @ (probability - expected) ** 2)
        assert own.mean() == pytest.approx(expected, abs=0.25 * sd)
        assert own.std() == pytest.approx(sd, rel=0.15)


def test_without_associations_survivors_are_like_everyone():
    found = predict_with_exits(
        fitted(40), "flattening, skewed", 0.0, published_counts(), ExitsSettings(draws=40, replicates=8)
    )
    rows = survivor_rows(found)
    assert (rows["mean"].abs() < 4.5 * rows["error"]).all()
    with_exits = predict_with_exits(
        fitted(40), "flattening, skewed", 1.0, published_counts(), ExitsSettings(draws=40, replicates=8)
    )
    early = survivor_rows(with_exits).query("week == 148 and start_group == 'early'").iloc[0]
    assert early["mean"] > 6 * early["error"]
    for group, exits, completed in (("early", 13, 34), ("delayed", 10, 12)):
        n = published_counts()[group].randomised
        assert n * np.mean([v.exits for v in with_exits.levels[group]]) == pytest.approx(exits, abs=1.5)
        assert n * np.mean([v.completed for v in with_exits.levels[group]]) == pytest.approx(completed, abs=2.0)


def test_rows_and_inputs():
    assert published_counts() == {"early": Counts(72, 13, 34), "delayed": Counts(36, 10, 12)}
    assert by_stratum("y0") == {"faster": 36.9, "slower": 37.1}
    assert by_stratum("s_y0") == {"faster": 5.9, "slower": 5.9}
    assert {28.0, 52.0, 148.0} <= set(WEEKS)
    assert relative_hazard(np.array(20.0), np.array(1.5), 1.0, 0.4) == pytest.approx(np.exp(1.4))
    np.testing.assert_allclose(accrued(MONTHS[None] * 2)[0], MONTHS**2)
    found = predict_with_exits(fitted(3), "straight, normal", 1.0, published_counts(), ExitsSettings(3, 2))
    rows = prediction_rows(found, published_means()).set_index(["week", "start_group", "who"])
    assert rows.loc[(148.0, "early - delayed", WHO[2]), "published"] == pytest.approx(3.6)
    assert rows["position"].between(0, 1).all()


def test_published_counts_are_within_what_the_levels_expect():
    folder = Path(__file__).parents[2] / "reports" / "validation" / "valor_exits"
    rows = pd.read_csv(folder / "counts.csv")
    expected = rows[rows["published"].notna()]
    assert (expected["published"].between(expected["lower"], expected["upper"])).all()
