"""Platform trials have the moments they are said to have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bayesmodels.simulation.platform_trial import PlatformDesign, PlatformTruth, simulate_platform_trial

MONTH = 52 / 12
LARGE = PlatformDesign(regimens=3, active=6000, control=2000, accrual=2000.0)
TRUTH = PlatformTruth(slope_ratio=0.7, hazard_ratio=0.5)


@pytest.fixture(scope="module")
def trial():
    return simulate_platform_trial(LARGE, TRUTH, 8)


def test_arms_regimens_and_accrual(trial):
    persons = trial.persons
    sizes = persons.groupby(["regimen", "start_group"]).size().to_dict()
    assert sizes == {(r, g): n for r in "ABC" for g, n in ((f"drug_{r}", 6000), ("placebo", 2000))}
    assert (persons["drug_start_week"].isna() == (persons["start_group"] == "placebo")).all()
    months = 24_000 / 2000
    assert persons["randomised_day"].between(0, months * 365.25 / 12).all()
    assert persons["randomised_day"].mean() == pytest.approx(months * 365.25 / 24, rel=0.02)
    early = persons["randomised_day"] < persons["randomised_day"].median()
    assert (persons.loc[early, "start_group"] == "placebo").mean() == pytest.approx(0.25, abs=0.015)


def test_scores_have_their_means_variances_and_covariances(trial):
    arm = trial.persons.set_index("person")["start_group"]
    wide = trial.visits.pivot(index="person", columns="week", values="value")
    for active, ratio in ((True, 0.7), (False, 1.0)):
        own = wide[(arm.loc[wide.index] != "placebo").to_numpy() == active]
        months = np.array(own.columns) / MONTH
        se = np.sqrt(6.7**2 + (0.8 * ratio * months) ** 2 + 1.5**2) / np.sqrt(own.notna().sum())
        assert (np.abs(own.mean() - (38 - ratio * months)) < 4.5 * se).all()
        slope = ratio * months
        expected = 6.7**2 + 0.64 * np.outer(slope, slope) + 1.5**2 * np.eye(len(months))
        np.testing.assert_allclose(own.cov(), expected, rtol=0.06)


def test_exits_are_two_competing_exponentials(trial):
    arm = trial.persons.set_index("person")["start_group"]
    events = trial.events.assign(active=(arm.loc[trial.events["person"]] != "placebo").to_numpy())
    span, leaving = 24 / MONTH, -np.log(0.98)
    for active, ratio in ((True, 0.5), (False, 1.0)):
        own = events[events["active"] == active]
        dying = ratio * -np.log(0.95) / span
        either = 1 - np.exp(-(dying + leaving) * span)
        for event, hazard in (("death", dying), ("withdrawal", leaving)):
            expected = hazard / (dying + leaving) * either
            error = np.sqrt(expected / len(own))
            assert (own["event"] == event).mean() == pytest.approx(expected, abs=4 * error)
        assert (own.loc[own["event"] == "none", "week"] == 24).all()
    last = trial.visits.groupby("person")["week"].max()
    assert (last.to_numpy() <= trial.events.set_index("person")["week"].loc[last.index].to_numpy()).all()


def test_same_seed_same_persons_under_another_truth():
    design = PlatformDesign(regimens=1, active=20, control=10)
    one, other = (simulate_platform_trial(design, truth, 3) for truth in (TRUTH, replace(TRUTH, slope_ratio=1.0)))
    assert one.persons.equals(other.persons)
    first = [trial.visits.query("week == 0")["value"].to_numpy() for trial in (one, other)]
    np.testing.assert_array_equal(*first)


def test_regimens_differ_in_rate_by_the_stated_sd():
    """Two sets of regimens of the same persons: their rates differ by one factor a regimen, of SD .3 on the log."""
    truth = replace(TRUTH, rate=5.0, rate_sd=0.0, residual_sd=0.0, level_sd=0.0, mortality=0.001, dropout=0.0001)
    design = PlatformDesign(regimens=200, active=2, control=1)
    trial = simulate_platform_trial(design, replace(truth, regimen_sd=0.3, slope_ratio=1.0), 5)
    at = trial.visits[trial.visits["week"] == 24].merge(trial.persons[["person", "regimen"]])
    log_rate = np.log((truth.level - at["value"]) / 24 * MONTH / truth.rate).groupby(at["regimen"])
    np.testing.assert_allclose(log_rate.std(), 0.0, atol=1e-9)
    assert log_rate.mean().std() == pytest.approx(0.3, rel=0.15)
