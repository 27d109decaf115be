"""Power, type I error, assurance, width, sizes and looks of a two-sample normal trial, against closed forms."""

import numpy as np
import pytest
from normal_trials import DESIGN, NFL, TRUTH, WEEK, Z, assurance, grid, power, standard_error
from scipy.stats import multivariate_normal, norm, t

from bayesmodels import plan_trial
from bayesmodels.errors import BadInput
from bayesmodels.parts.priors import LogNormal
from bayesmodels.planning import EffectPrior, InterimLooks
from bayesmodels.planning.curves import power_curve

SIZES, RATIOS, TRIALS = (40, 120), (1.0, 0.75), 250
PRIOR = EffectPrior(nfl_ratio=LogNormal(median=0.75, sigma=0.08))
LOOKS = InterimLooks(endpoint="NfL", fractions=(0.5,), success=(0.99,), futility=(0.1,))


@pytest.fixture(scope="module")
def found():
    return plan_trial(
        grid=grid(SIZES, nfl_ratio=RATIOS), endpoints=[NFL], design=DESIGN, truth=TRUTH, assurance=PRIOR,
        interim=LOOKS, trials=TRIALS, seed=4,
    )  # fmt: skip


def limits(expected, n=TRIALS):
    return 4 * np.sqrt(expected * (1 - expected) / n)


def test_shares_are_power_type_i_error_and_assurance(found):
    table = found.table
    assert set(table["measure"]) == {"power", "type I error", "assurance"}
    assert len(table) == 3 * len(SIZES)
    for row in table.itertuples():
        drop = -np.log(row.nfl_ratio)
        expected = {
            "power": power(drop, row.persons) if row.measure == "power" else None,
            "type I error": 1 - norm.cdf(Z),
            "assurance": assurance(-np.log(0.75), 0.08, row.persons),
        }[row.measure]
        assert abs(row.share - expected) < limits(expected), row
        assert row.lower <= row.share <= row.upper
        assert row.trials == TRIALS
        assert row.analysed == row.persons


def test_widths_and_estimates_are_those_of_the_normal(found):
    for row in found.table.itertuples():
        assert row.width == pytest.approx(2 * Z * standard_error(row.persons), rel=0.01)
        if row.measure == "power":
            assert row.estimate == pytest.approx(row.difference, abs=4 * standard_error(row.persons) / np.sqrt(TRIALS))


def test_the_size_of_the_curve_is_that_of_the_closed_form(found):
    sizes = found.sizes.set_index("target")
    for target in (0.8, 0.9):
        exact = next(n for n in range(40, 400) if power(-np.log(0.75), n) >= target)
        row = sizes.loc[target]
        if exact > max(SIZES):
            assert row["persons"] == np.inf
            assert "not reached within the grid, 40 to 120 persons" in row["sentence"]
        else:
            assert row["lower"] <= exact <= row["upper"]


def test_a_look_spends_error_as_the_bivariate_normal_says(found):
    """Success at either look without futility: P(Z1 > z1 or Z2 > z2), correlation sqrt(.5), no effect."""
    z1 = norm.ppf(0.99)
    inside = multivariate_normal.cdf([z1, Z], mean=[0, 0], cov=[[1, 0.5**0.5], [0.5**0.5, 1]])
    own = found.looks[found.looks["measure"] == "type I error"]
    for row in own.itertuples():
        assert abs(row.success_without_futility - (1 - inside)) < limits(1 - inside)
        assert row.share <= row.success_without_futility
    stopped = own["success_at_0.5"] + own["futility_at_0.5"]
    full = own["persons"].to_numpy()
    assert (own["expected_persons"].to_numpy() <= full).all()
    assert (stopped > 0.4).all()  # no effect: predictive probability below .1 in half of the trials or more


def test_the_width_is_students_where_the_residual_sd_is_estimated():
    free = NFL.model_copy(update={"known_sd": None})
    found = plan_trial(
        grid=grid((100,), nfl_ratio=(0.8,)), endpoints=[free], design=DESIGN, truth=TRUTH, trials=150, seed=2
    )
    (row,) = found.table.itertuples()
    assert row.width == pytest.approx(2 * t.ppf(0.975, 96) * standard_error(100), rel=0.03)
    assert row.week == WEEK


def test_a_probit_curve_finds_its_own_sizes():
    """Exact expected counts of a known curve, and its size where the closed form has it."""
    sizes = np.array([40, 80, 160, 320])
    true = norm.cdf(0.2 * np.sqrt(sizes) - Z)
    many = 200_000
    curve = power_curve(sizes, np.round(many * true), [many] * 4)
    for target in (0.5, 0.8, 0.9):
        exact = ((norm.ppf(target) + Z) / 0.2) ** 2
        persons, lower, upper = curve.size(target)
        assert lower - 1 <= exact <= upper + 1
        assert persons == pytest.approx(exact, abs=2)
        assert upper - lower < 0.02 * exact + 2
    assert curve.size(0.999)[0] == np.inf
    assert curve.size(0.05)[0] == -np.inf
    with pytest.raises(BadInput, match="40 to 320"):
        curve.power(500)


def test_cells_that_all_succeed_or_all_fail_have_a_curve():
    good = power_curve([50, 100], [200, 200], [200, 200])
    assert good.size(0.8) == (-np.inf, -np.inf, -np.inf)
    bad = power_curve([50, 100], [0, 0], [200, 200])
    assert bad.size(0.8) == (np.inf, np.inf, np.inf)
    assert bad.power(100)[2] < 0.05


def test_the_interval_of_a_size_covers():
    """Counts drawn from a known curve: the 95 % interval of the size holds it in about 95 of 100."""
    rng, sizes = np.random.default_rng(3), np.array([40, 80, 120, 200])
    exact = ((norm.ppf(0.8) + Z) / 0.27) ** 2
    inside = 0
    for _ in range(60):
        counts = rng.binomial(300, norm.cdf(0.27 * np.sqrt(sizes) - Z))
        _, lower, upper = power_curve(sizes, counts, [300] * 4).size(0.8)
        inside += lower - 1 <= exact <= upper
    assert inside >= 52
