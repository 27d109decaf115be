"""Refits of a trial-level model, and the true effects drawn after a fit."""

import numpy as np
import pytest
from small_trials import SCALE, eight_trials
from trial_grid import grid_posterior

from bayesmodels.analyses.leave_one_out import leave_one_out, refit_draws, trials_needed, within_sweep
from bayesmodels.fitting.refit import refit_of
from bayesmodels.models.trial_level.model import TrialLevelModel
from bayesmodels.persons.summaries.trials import Between, true_effects

MODEL = TrialLevelModel(surrogate_scale=SCALE[0], outcome_scale=SCALE[1], within_correlation=0.15)


@pytest.fixture(scope="module")
def refit():
    return refit_of(MODEL, eight_trials())


def exact(table):
    frame = table.frame
    return grid_posterior(
        frame[["surrogate_effect", "outcome_effect"]].to_numpy(),
        frame[["surrogate_se", "outcome_se"]].to_numpy(),
        frame["within_correlation"].fillna(0.15).to_numpy(),
        SCALE,
        cells=(40, 40, 200),
    )


@pytest.mark.parametrize("left_out", ["trial 1", "trial 6"])
def test_a_refit_with_fewer_rows_is_the_posterior_of_those_rows(refit, left_out):
    table = eight_trials().without(left_out)
    draws, found = refit_draws(refit, MODEL, table, seed=2)
    assert found["max_rhat"] < 1.02
    grid = exact(table)
    # 2 x 1000 draws, about 900 effective: the error of a central quantile is about 1.3 / sqrt(900) = .04 SD.
    assert np.median(draws.rho) == pytest.approx(grid.quantile(grid.rho, [0.5])[0], abs=0.16 * draws.rho.std())
    assert np.median(draws.sd_s) == pytest.approx(grid.quantile(grid.tau_s, [0.5])[0], abs=0.16 * draws.sd_s.std())
    assert draws.mean_t.mean() == pytest.approx(grid.expected(grid.mean)[1], abs=0.16 * draws.mean_t.std())


def test_leaving_out_a_programme_with_two_rows(refit):
    table = eight_trials(overlap_group=["A", "A", *[""] * 6], part_of=["strata", "strata", *[""] * 6])
    found = leave_one_out(MODEL, table, seed=5, refit=refit).to_dataframe()
    assert list(found["programme"])[:2] == ["A", "A"]
    assert found["r2"].nunique() == 7
    assert (found["observed_lower"] < found["lower"]).all()
    direct, _ = refit_draws(refit, MODEL, table.without("A"), seed=5)
    assert found["r2"].iloc[0] == pytest.approx(np.median(direct.r2))
    row = table.frame.iloc[0]
    predicted = direct.of_a_trial(row["surrogate_effect"], row["surrogate_se"])
    assert found["predicted"].iloc[0] == pytest.approx(predicted.quantile(0.5), abs=1e-6)


@pytest.mark.slow
def test_more_trials_tell_more(refit):
    table = trials_needed(MODEL, eight_trials(), seed=1, refit=refit, sizes=(6, 40), replicates=3)
    assert list(table["programmes"]) == [6, 40]
    assert table["mean_width"].iloc[1] < table["mean_width"].iloc[0]


def test_true_effects_are_the_normal_conditional_and_survive_missing_and_bounded_estimates():
    """Against rejection from the joint distribution: one draw of the parameters, many draws of the effects."""
    rng = np.random.default_rng(6)
    n = 1_000_000
    mean, spread, rho = np.array([-0.2, 0.1]), np.array([0.4, 0.3]), -0.7
    se, within = np.array([0.2, 0.25]), 0.3
    d = np.array([[spread[0] ** 2, rho * spread.prod()], [rho * spread.prod(), spread[1] ** 2]])
    v = np.array([[se[0] ** 2, within * se.prod()], [within * se.prod(), se[1] ** 2]])
    joint = rng.multivariate_normal(mean, d, n)
    seen = joint + rng.multivariate_normal([0, 0], v, n)
    estimate = np.array([[-0.6, 0.3], [-0.6, 0.0], [-0.5, 0.3], [0.0, 0.1]])
    kind = np.array([[0, 0], [0, 3], [1, 0], [3, 2]])
    near = 0.03
    kept = [
        (np.abs(seen - estimate[0]) < near).all(axis=1),
        np.abs(seen[:, 0] + 0.6) < near,
        (seen[:, 0] < -0.5) & (np.abs(seen[:, 1] - 0.3) < near),
        seen[:, 1] > 0.1,
    ]
    draws = 20_000
    shape = (draws, 4)
    between = Between(np.broadcast_to(mean, (*shape, 2)), np.broadcast_to(spread, (*shape, 2)), np.full(shape, rho))
    found = true_effects(rng, estimate, kind, between, np.broadcast_to(v, (*shape, 2, 2)))
    for k, chosen in enumerate(kept):
        size = chosen.sum()
        assert size > 500
        sd = joint[chosen].std(axis=0)
        error = 4 * sd * np.sqrt(1 / size + 1 / draws)
        np.testing.assert_array_less(np.abs(found[:, k].mean(axis=0) - joint[chosen].mean(axis=0)), error + 0.01)
        assert found[:, k].std(axis=0) == pytest.approx(sd, rel=4 / np.sqrt(2 * size) + 0.01)


@pytest.mark.slow
def test_the_swept_correlation_is_that_of_blank_rows_only(refit):
    swept = within_sweep(MODEL, eight_trials(), 3, (-0.5, 0.15, 0.7), refit)
    grid = exact(eight_trials())
    assert swept["r2"].iloc[1] == pytest.approx(grid.quantile(grid.rho**2, [0.5])[0], abs=0.05)
    assert swept["rho"].iloc[0] != swept["rho"].iloc[2]
    known = within_sweep(MODEL, eight_trials(within_correlation=0.1), 3, (-0.5, 0.7), refit)
    assert known["r2"].iloc[0] == pytest.approx(known["r2"].iloc[1], abs=0.06)  # no blank row: Monte-Carlo error only
