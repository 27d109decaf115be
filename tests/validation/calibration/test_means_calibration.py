"""Simulated means have the model's distribution; independence of visits costs what a simulation says."""

from __future__ import annotations

import numpy as np
import pytest
from validation.calibration.published_means import estimates_of
from validation.valor.likelihood import coverage_if_independent

from bayesmodels.models.published_means.courses import courses_of
from bayesmodels.models.published_means.covariance import row_covariance
from bayesmodels.models.published_means.layout import arms_of, cells_of, rows_of
from bayesmodels.models.published_means.valor import valor_alsfrs_r, valor_means_model
from bayesmodels.study.evidence import means_table

BOTH = ("nfl_plasma", "alsfrs_r")


def test_simulated_truths_and_means_have_their_distributions() -> None:
    data = means_table("valor_2021", outcomes=BOTH)
    model = valor_means_model()
    arms = arms_of(data)
    rng = np.random.default_rng(1)
    outcome = model.outcomes[1]
    rows = rows_of(data.frame.query("outcome == 'alsfrs_r'"), arms, "common")
    covariance, _ = row_covariance(outcome.spread, rows)
    mean = courses_of(model.outcomes).function(outcome.name, cells_of(rows, arms, arms.started))
    simulate, white, slowing = estimates_of(model, data), [], []
    for _ in range(400):
        truths, estimates = simulate(rng)
        values = {name: np.atleast_1d(value)[None, :] for name, value in truths.items()}
        residual = estimates["estimate_alsfrs_r"] - mean(values)[0]
        white.append(np.linalg.solve(np.linalg.cholesky(covariance), residual))
        slowing.append(truths["alsfrs_r_slowing"])
    white = np.array(white)
    assert np.abs(white.mean(axis=0)).max() < 4 / np.sqrt(400)
    np.testing.assert_allclose(np.cov(white.T), np.eye(32), atol=0.25)
    assert np.mean(slowing) == pytest.approx(0.2, abs=0.1)
    assert np.std(slowing) == pytest.approx(0.5, abs=0.06)


def test_cost_of_independence_by_simulation() -> None:
    data = means_table("valor_2021", outcomes=["alsfrs_r"])
    outcome = valor_alsfrs_r("none", "linear")
    table = coverage_if_independent(outcome, data, {"alsfrs_r_rate": np.array([[-1.0, -0.3]])})
    frame = data.frame.query("stratum == 'faster'")
    rows = rows_of(frame, arms_of(data), "common")
    covariance, _ = row_covariance(outcome.spread, rows)
    t, weight = rows.months, 1 / np.diag(covariance)
    draws = np.random.default_rng(3).multivariate_normal(-1.0 * t, covariance, size=20_000)
    rate = draws @ (weight * t) / (weight * t**2).sum()  # regression through the origin
    covered = np.abs(rate + 1.0) < 1.959964 / np.sqrt((weight * t**2).sum())
    got = table.query("stratum == 'faster'")["coverage"]
    np.testing.assert_allclose(got, covered.mean(), atol=0.012)
    assert 0.55 < got.iloc[0] < 0.7
