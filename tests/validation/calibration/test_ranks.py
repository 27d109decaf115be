"""Simultaneous ECDF bands against enumeration and simulation."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from validation.calibration.ranks import (
    bonferroni,
    ecdf,
    ecdf_band,
    ecdf_points,
    ranks_of,
    stays_inside,
    uniformity_table,
)

from bayesmodels.errors import BadInput


def test_rank_counts_draws_below_the_truth() -> None:
    draws = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    assert ranks_of(np.array([0.5, 2.5, 9.0]), draws).tolist() == [0, 2, 3]


def test_ecdf_counts_ranks_by_hand() -> None:
    ranks = np.array([0, 0, 2, 3])
    assert ecdf(ranks, 3, np.array([0.25, 0.5, 0.75])).tolist() == [0.5, 0.5, 0.75]


def test_probability_inside_is_that_of_all_outcomes() -> None:
    points, n = np.array([0.25, 0.5, 0.75]), 4
    lower, upper = np.array([0, 1, 2]), np.array([2, 3, 4])
    total = 0.0
    for cells in product(range(4), repeat=n):  # each rank falls in one of four equal cells
        counts = np.array([sum(c < k for c in cells) for k in (1, 2, 3)])
        total += np.all((counts >= lower) & (counts <= upper)) / 4**n
    assert stays_inside(n, points, lower, upper) == pytest.approx(total)


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_band_holds_the_whole_ecdf_as_often_as_it_says(level: float) -> None:
    n, n_draws = 60, 19
    points = ecdf_points(n_draws)
    band = ecdf_band(n, points, level)
    rng = np.random.default_rng(2)
    ranks = rng.integers(0, n_draws + 1, size=(6000, n))
    inside = np.mean([np.all((e >= band.lower) & (e <= band.upper)) for e in (ecdf(r, n_draws, points) for r in ranks)])
    assert inside >= level - 0.02
    assert inside <= level + (0.1 if level < 0.9 else 0.03)  # counts are whole numbers


def test_band_is_wider_than_pointwise_intervals() -> None:
    band = ecdf_band(200, ecdf_points(99), 0.95)
    assert band.pointwise > 0.98
    at = np.argmin(np.abs(band.points - 0.5))
    assert band.upper[at] > stats.binom.ppf(0.975, 200, band.points[at]) / 200


def test_table_finds_a_biased_and_an_overconfident_parameter() -> None:
    rng = np.random.default_rng(4)
    n, n_draws = 250, 99
    truth = rng.standard_normal(n)
    observed = truth + rng.standard_normal(n)
    centre, spread = observed / 2, np.sqrt(0.5)
    good = centre[:, None] + spread * rng.standard_normal((n, n_draws))
    ranks = pd.DataFrame(
        {
            "good": ranks_of(truth, good),
            "biased": ranks_of(truth, good + 0.5 * spread),
            "overconfident": ranks_of(truth, centre[:, None] + 0.6 * (good - centre[:, None])),
        }
    )
    table = uniformity_table(ranks, n_draws).set_index("parameter")
    assert table["inside"].to_dict() == {"good": True, "biased": False, "overconfident": False}
    assert table.loc["biased", "mean_rank"] < 0.45


def test_bonferroni_and_bad_points() -> None:
    assert bonferroni(0.95, 10) == pytest.approx(0.995)
    with pytest.raises(BadInput, match="points that rise"):
        ecdf_band(10, np.array([0.5, 0.4]))
