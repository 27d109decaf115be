"""ANCOVA against the normal equations and SciPy; Rubin's rules against a hand-worked example."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import linregress, ttest_ind

from bayesmodels.errors import BadInput
from bayesmodels.statistics import ancova, cafs, joint_rank, pairwise_scores, pool, win_ratio
from bayesmodels.statistics.pooling import rubin


def data(rng, n=60, gain=1.5):
    mine, baseline = np.arange(n) % 2 == 0, rng.normal(38, 5, n)
    return -4 + gain * mine - 0.2 * (baseline - 38) + rng.normal(0, 2, n), mine, baseline


def test_without_covariates_it_is_the_t_test():
    change, mine, _ = data(np.random.default_rng(1))
    theirs = ttest_ind(change[mine], change[~mine])
    found = ancova(change, mine)
    assert found.p_value == pytest.approx(theirs.pvalue)
    assert found.table.loc[0, ["lower", "upper"]].tolist() == pytest.approx(list(theirs.confidence_interval()))


def test_normal_equations_with_baseline_and_strata():
    rng = np.random.default_rng(2)
    change, mine, baseline = data(rng)
    strata = np.array(["slow", "fast", "fast"])[np.arange(60) % 3]
    design = np.column_stack([np.ones(60), mine, baseline, strata == "slow"]).astype(float)
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ change
    residual = change - design @ beta
    found = ancova(change, mine, covariates={"baseline": baseline}, strata=strata)
    assert found.estimate == pytest.approx(beta[1])
    assert found.table.at[0, "se"] == pytest.approx(np.sqrt(inverse[1, 1] * residual @ residual / 56))
    assert found.counts["degrees of freedom"] == 56


def test_the_group_after_the_baseline_is_a_regression_of_residuals():
    """Frisch, Waugh and Lovell: regress out the baseline from both, then one on the other."""
    change, mine, baseline = data(np.random.default_rng(3))
    rest = [v - np.polyval(np.polyfit(baseline, v, 1), baseline) for v in (mine.astype(float), change)]
    assert ancova(change, mine, covariates={"b": baseline}).estimate == pytest.approx(linregress(*rest).slope)


@pytest.mark.parametrize("baseline", [None, np.array([30.0, 34, 41, 33, 37, 39])])
def test_changes_without_spread_tell_of_no_se_and_favour_nobody(baseline):
    covariates = None if baseline is None else {"baseline": baseline}
    found = ancova(np.full(6, -3.7), [0, 0, 0, 1, 1, 1], covariates=covariates)
    assert found.estimate == 0
    assert not str(found.estimate).startswith("-")
    assert np.isnan(found.table.loc[0, ["se", "lower", "upper", "p_value"]].astype(float)).all()
    assert found.favoured == ""
    words = "0.000 (95 % confidence interval unknown), p not given; + favours group; the estimate favours neither"
    assert words in repr(found)


def test_rounding_is_relative_to_the_values():
    rng = np.random.default_rng(9)
    change, mine = rng.normal(0, 1, 20), np.arange(20) < 10
    small, large = ancova(1e-12 * change, mine), ancova(change, mine)
    assert small.p_value == pytest.approx(large.p_value)
    assert small.estimate == pytest.approx(1e-12 * large.estimate)


def test_text_is_refused_under_its_own_name():
    change, mine, baseline = data(np.random.default_rng(8))
    sexes = np.where(mine, "F", "M")
    pairs = pairwise_scores(np.full(60, 9.0), np.zeros(60, bool), change)
    with pytest.raises(BadInput, match="covariate sex: expected numbers, got 'F'; code groups as 0 and 1"):
        ancova(change, mine, covariates={"sex": sexes})
    with pytest.raises(BadInput, match="covariate sex: expected numbers, got 'F'"):
        cafs(pairs, mine, covariates={"sex": sexes})
    with pytest.raises(BadInput, match=r"covariate age: expected a finite number .* got none for 2;"):
        ancova(change, mine, covariates={"age": np.where(np.arange(60) < 2, np.nan, baseline)})
    groups = np.where(mine, "early", "delayed")
    for analysis in (ancova, joint_rank, cafs, win_ratio):
        with pytest.raises(BadInput, match="in_group: expected booleans, or 0 and 1, got 'early'; of labels make"):
            analysis(change if analysis is ancova else pairs, groups)


@pytest.mark.parametrize("level", [95, 0, 1, np.nan])
def test_a_level_is_a_probability(level):
    change, mine, _ = data(np.random.default_rng(8))
    pairs = pairwise_scores(np.full(60, 9.0), np.zeros(60, bool), change)
    for analysis in (ancova, joint_rank, cafs, win_ratio):
        with pytest.raises(BadInput, match="level: expected a probability between 0 and 1"):
            analysis(change if analysis is ancova else pairs, mine, level=level)


def test_missing_changes_are_left_out_and_counted():
    change, mine, baseline = data(np.random.default_rng(4))
    gaps = change.copy()
    gaps[:7] = np.nan
    found = ancova(gaps, mine, covariates={"baseline": baseline}, good_direction="down", group="early")
    assert found.estimate == pytest.approx(ancova(change[7:], mine[7:], covariates={"b": baseline[7:]}).estimate)
    assert found.counts["persons left out"] == 7
    assert found.table.at[0, "favours"] == "- favours early"
    assert found.favoured == "reference"


def test_rubin_without_variance_between_tables_and_without_degrees_of_freedom():
    estimate, se, df, share = rubin([1.0, 1.0], [4.0, 4.0], np.inf)
    assert (estimate, se, df, share) == (1.0, 2.0, np.inf, 0.0)


def test_rubin_by_hand():
    # estimates 1, 2, 3 (between 1), variances 2, 2.5, 1.5 (within 2): total 2 + 4/3, share .4, df (3-1)/.16 = 12.5
    estimate, se, df, share = rubin([1.0, 2.0, 3.0], [2.0, 2.5, 1.5], np.inf)
    assert (estimate, se**2, df, share) == pytest.approx((2.0, 10 / 3, 12.5, 0.4))
    # 20 complete degrees of freedom: observed 21/23 * 20 * .6 = 10.957; 1 / (1/12.5 + 1/10.957)
    assert rubin([1.0, 2.0, 3.0], [2.0, 2.5, 1.5], 20)[2] == pytest.approx(1 / (1 / 12.5 + 23 / (21 * 20 * 0.6)))


def test_equal_tables_pool_to_themselves_with_fewer_degrees_of_freedom():
    change, mine, _ = data(np.random.default_rng(5))
    one = replace(ancova(change, mine, group="early", reference="delayed"), notes=("Of all.",))
    found = pool([replace(one, notes=("Of all.", f"Of no. {j}.")) for j in range(5)])
    assert found.notes == ("Of all.",)
    assert found.estimate == pytest.approx(one.estimate)
    assert found.table.at[0, "se"] == pytest.approx(one.table.at[0, "se"])
    assert found.counts["degrees of freedom"] == pytest.approx(59 / 61 * 58)
    assert found.counts["fraction of missing information"] == 0


def test_the_win_ratio_is_pooled_as_a_logarithm():
    mine, rng = np.arange(40) < 20, np.random.default_rng(6)
    results = [
        win_ratio(pairwise_scores(np.full(40, 9.0), np.zeros(40, bool), rng.normal(0, 1, 40) + mine), mine)
        for _ in range(3)
    ]
    logs = np.log([r.estimate for r in results])
    found = pool(results)
    assert found.estimate == pytest.approx(np.exp(logs.mean()))
    assert found.table.at[0, "lower"] < found.estimate < found.table.at[0, "upper"]
    assert found.favoured == "group"


def test_pooled_intervals_cover_under_missing_at_random():
    """Half of the changes depend on the baseline for being seen; imputed by Bayesian regression within groups."""
    rng = np.random.default_rng(7)
    runs, hit = 300, 0
    for _ in range(runs):
        change, mine, baseline = data(rng, 80)
        missing = rng.random(80) < 1 / (1 + np.exp(-(38 - baseline) / 3))
        results = []
        for _ in range(10):
            filled = change.copy()
            for group in (mine, ~mine):
                seen, gone = group & ~missing, group & missing
                x = np.column_stack([np.ones(seen.sum()), baseline[seen]])
                inverse = np.linalg.inv(x.T @ x)
                beta = inverse @ x.T @ change[seen]
                rss = ((change[seen] - x @ beta) ** 2).sum()
                sigma = np.sqrt(rss / rng.chisquare(seen.sum() - 2))
                beta = rng.multivariate_normal(beta, sigma**2 * inverse)
                filled[gone] = beta[0] + beta[1] * baseline[gone] + sigma * rng.standard_normal(gone.sum())
            results.append(ancova(filled, mine, covariates={"baseline": baseline}))
        row = pool(results).table.iloc[0]
        hit += row["lower"] <= 1.5 <= row["upper"]
    assert abs(hit / runs - 0.95) < 3.5 * np.sqrt(0.05 * 0.95 / runs)


def test_what_cannot_be_pooled_or_fitted_is_refused():
    change, mine, baseline = data(np.random.default_rng(8))
    with pytest.raises(BadInput, match="one analysis"):
        pool([ancova(change, mine), cafs(pairwise_scores(np.full(60, 9.0), np.zeros(60, bool), change), mine)])
    with pytest.raises(BadInput, match="two imputed"):
        pool([ancova(change, mine)])
    with pytest.raises(BadInput, match="determine each other"):
        ancova(change, mine, covariates={"a": baseline, "b": 2 * baseline + 3})
    with pytest.raises(BadInput, match="both groups"):
        ancova(np.where(mine, change, np.nan), mine)
    with pytest.raises(BadInput, match="covariate baseline"):
        ancova(change, mine, covariates={"baseline": np.full(60, np.nan)})
