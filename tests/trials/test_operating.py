"""Power, type I error, coverage and bias of a simple normal case, without a sampler, against closed forms."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, norm
from small_fits import GRID, QUANTITY, N, Z, normal_plan

from bayesmodels.trials.job import characteristics
from bayesmodels.trials.operating import OperatingCharacteristics, binomial_limits, rows_table

FITS = 1500


@pytest.fixture(scope="module")
def found():
    return {effect: characteristics(normal_plan(effect), FITS) for effect in (0.0, 0.5)}


def means(effect):
    seeds = [np.random.SeedSequence(3, spawn_key=(number, 0)) for number in range(FITS)]
    return np.array([np.random.default_rng(seed).normal(effect, 1.0, N).mean() for seed in seeds])


def test_power_and_type_i_error_are_those_of_the_z_test(found):
    for effect, measure in ((0.5, "power"), (0.0, "type I error")):
        (row,) = found[effect].table.itertuples()
        expected = norm.cdf(effect * np.sqrt(N) - Z)
        assert (row.measure, row.fits) == (measure, FITS)
        assert abs(row.share - expected) < 4 * np.sqrt(expected * (1 - expected) / FITS)
        assert row.lower < row.share < row.upper
        own = means(effect)
        inside = np.abs(own * np.sqrt(N) - Z) > 0.01  # a grid of 2000 draws cannot tell these apart
        rows = found[effect].rows.query("kind == 'rule'")
        np.testing.assert_array_equal(rows["success"].to_numpy(bool)[inside], (own * np.sqrt(N) > Z)[inside])


def test_coverage_bias_and_width_are_those_of_the_mean(found):
    for effect, each in found.items():
        (row,) = each.quantities.itertuples()
        own = means(effect)
        assert row.truth == effect
        assert not row.truth_varies
        assert row.bias == pytest.approx(own.mean() - effect, abs=1e-9)
        assert row.bias_se == pytest.approx(own.std(ddof=1) / np.sqrt(FITS), rel=1e-9)
        assert row.rmse == pytest.approx(np.sqrt(((own - effect) ** 2).mean()), rel=1e-9)
        edge = (0.025 * (len(GRID) - 1) + 0.5) / len(GRID)  # probability of the grid's own 2.5 % quantile
        assert row.width == pytest.approx(-2 * norm.ppf(edge) / np.sqrt(N), rel=1e-4)
        for name, level in (("coverage", 0.95), ("coverage_50", 0.5)):
            share = getattr(row, name)
            assert abs(share - level) < 4 * np.sqrt(level * (1 - level) / FITS)
            assert share == pytest.approx(
                (np.abs(own - effect) * np.sqrt(N) < norm.ppf((1 + level) / 2)).mean(), abs=0.004
            )


def test_truths_of_both_kinds_give_assurance_power_and_type_i_error():
    plan = normal_plan(0.5)
    records = []
    for number in range(8):
        truth = {QUANTITY: 1.0 if number % 2 else -1.0}
        rows, facts = normal_plan(truth[QUANTITY]).fit(number)
        assert rows[-1]["truth"] == truth[QUANTITY]
        records.append({"fit": number, "status": "ok", "rows": rows, **facts})
    found = OperatingCharacteristics(rows_table(records, ("outcome", "stratum")), plan.rules, 8, 0.95)
    table = found.table.set_index("measure")
    assert table["fits"].to_dict() == {"assurance": 8, "power": 4, "type I error": 4}
    assert table["successes"].to_dict() == {"assurance": 4, "power": 4, "type I error": 0}
    assert found.quantities["truth_varies"].all()


def test_binomial_limits_are_exact():
    assert binomial_limits(0, 20) == (0.0, pytest.approx(1 - 0.025 ** (1 / 20)))
    assert binomial_limits(20, 20) == (pytest.approx(0.025 ** (1 / 20)), 1.0)
    assert binomial_limits(3, 10) == (pytest.approx(beta.ppf(0.025, 3, 8)), pytest.approx(beta.ppf(0.975, 4, 7)))


def test_without_a_truth_there_is_no_power():
    rows, facts = normal_plan(0.5).fit(0)
    rows = [
        row | {"truth": None, "favourable": None} if row["kind"] == "rule" else row | {"truth": None} for row in rows
    ]
    table = rows_table([{"fit": 0, "status": "ok", "rows": rows, **facts}], ("outcome", "stratum"))
    found = OperatingCharacteristics(table, (), 1, 0.95)
    assert found.table["measure"].tolist() == ["success"]
    assert found.quantities[["bias", "coverage"]].isna().all(axis=None)


def test_the_rows_of_a_fit_are_its_posteriors_quantiles(found):
    row = found[0.5].rows.query("kind == 'quantity'").iloc[7]
    draws = means(0.5)[7] + norm.ppf(GRID) / np.sqrt(N)
    np.testing.assert_allclose(
        row[["lower", "lower_50", "median", "upper_50", "upper"]].to_numpy(float),
        np.quantile(draws, [0.025, 0.25, 0.5, 0.75, 0.975]),
    )
    assert (row["fit"], row["outcome"], row["stratum"], row["quantity"]) == (7, "alsfrs_r", "all", QUANTITY)
    assert row["seed"] == normal_plan(0.5).seed_of(7)
    assert pd.notna(row[["seconds", "cpu_seconds", "host", "versions"]]).all()
