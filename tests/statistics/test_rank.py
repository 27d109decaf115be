"""Rank analyses against brute force over pairs, Mann-Whitney, Gehan's test and simulation."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm, rankdata, ttest_ind

from bayesmodels.errors import BadInput
from bayesmodels.statistics import cafs, joint_rank, pairwise_scores, win_ratio
from bayesmodels.statistics.ranks.wins import weighted_wins

NAMES = {"group": "early", "reference": "delayed"}


def better(i, j, time, died, change, visits, margin=0.0):
    """One pair, as a person would decide it."""
    if died[i] and died[j] and time[i] != time[j]:
        return 1 if time[i] > time[j] else -1
    if died[j] and not died[i] and time[i] >= time[j]:
        return 1
    if died[i] and not died[j] and time[j] >= time[i]:
        return -1
    common = [v for v in range(len(visits)) if np.isfinite(change[i][v]) and np.isfinite(change[j][v])]
    if not common:
        return 0
    gap = change[i][common[-1]] - change[j][common[-1]]
    return 0 if abs(gap) <= margin else int(np.sign(gap))


def trial(rng, n=30, effect=0.0):
    """Deaths and withdrawals in whole weeks, rounded changes, missed visits; half of the persons in the group."""
    visits = np.array([4.0, 8.0, 12.0])
    early = np.arange(n) % 2 == 0
    time = np.minimum(np.ceil(rng.exponential(18.0, n) * (1 + effect * early)), 12.0)
    died = (rng.random(n) < 0.6) & (time < 12)
    slope = rng.normal(-0.5, 0.4, n) + 0.2 * effect * early
    change = np.round(slope[:, None] * visits + rng.normal(0, 1, (n, 3)))
    change[(visits[None] > time[:, None]) | (rng.random((n, 3)) < 0.1)] = np.nan
    return time, died, change, visits, early


@pytest.mark.parametrize("margin", [0.0, 1.0])
def test_scores_are_those_of_brute_force(margin):
    time, died, change, visits, _ = trial(np.random.default_rng(1), 40)
    found = pairwise_scores(time, died, change, margin=margin)
    expected = [[better(i, j, time, died, change, visits, margin) for j in range(40)] for i in range(40)]
    np.testing.assert_array_equal(found.scores, expected)
    np.testing.assert_array_equal(found.scores, -found.scores.T)


def test_four_persons_by_hand():
    """a died at 5, b died at 9, c left alive at 7, d stayed to 12; change at 4 and 8."""
    nan = np.nan
    pairs = pairwise_scores([5, 9, 7, 12], [1, 1, 0, 0], [[-1, nan], [-8, -9], [-2, nan], [-3, -4]])
    # a loses to b, c and d; b against c is undecided by survival: -8 against -2; b loses to d; c -2 beats d -3 at 4
    assert pairs.scores.tolist() == [[0, -1, -1, -1], [1, 0, -1, -1], [1, 1, 0, 1], [1, 1, -1, 0]]
    assert pairs.by_survival[1].tolist() == [True, False, False, True]
    assert pairs.sums().tolist() == [-3, -1, 3, 1]
    assert repr(pairs) == "4 persons, 6 pairs: 4 decided by survival, 2 by function, 0 tied or not comparable."


def test_until_takes_later_deaths_for_alive():
    time, died, change, visits, _ = trial(np.random.default_rng(2), 40)
    found = pairwise_scores(time, died, change, until=8.0, visit_time=visits)
    short = np.minimum(time, 8.0)
    expected = [
        [better(i, j, short, died & (time <= 8), change[:, :2], visits[:2]) for j in range(40)] for i in range(40)
    ]
    np.testing.assert_array_equal(found.scores, expected)


def test_without_deaths_joint_rank_and_win_probability_are_mann_whitney():
    rng = np.random.default_rng(3)
    change, mine = np.round(rng.normal(0, 3, 50)), np.arange(50) < 23
    pairs = pairwise_scores(np.full(50, 28.0), np.zeros(50, bool), change)
    theirs = mannwhitneyu(change[mine], change[~mine], method="asymptotic", use_continuity=False)
    assert joint_rank(pairs, mine).p_value == pytest.approx(theirs.pvalue)
    assert win_ratio(pairs, mine)["win probability"]["estimate"] == pytest.approx(theirs.statistic / (23 * 27))
    u = theirs.statistic / (23 * 27)
    assert joint_rank(pairs, mine).estimate == pytest.approx(2 * u - 1)


def test_down_is_good_turns_function_round_but_not_survival():
    time, died, change, _, _ = trial(np.random.default_rng(4))
    up, down = pairwise_scores(time, died, change), pairwise_scores(time, died, -change, good_direction="down")
    np.testing.assert_array_equal(up.scores, down.scores)


def test_without_function_it_is_gehans_test():
    rng = np.random.default_rng(5)
    time, died, _, _, mine = trial(rng, 60)
    found = joint_rank(pairwise_scores(time, died, np.full(60, np.nan)), mine)
    # Gehan's score of a person: those known to be outlived, minus those known to live longer
    score = np.array([
        sum(died[j] and (time[i] > time[j] or (time[i] == time[j] and not died[i])) for j in range(60))
        - sum(died[i] and (time[j] > time[i] or (time[j] == time[i] and not died[j])) for j in range(60))
        for i in range(60)
    ])  # fmt: skip
    w, n1 = score[mine].sum(), mine.sum()
    z = w / np.sqrt(n1 * (60 - n1) / (60 * 59) * (score**2).sum())
    assert found["z"]["estimate"] == pytest.approx(z)
    assert found.p_value == pytest.approx(2 * norm.sf(abs(z)))


def test_cafs_without_covariates_is_the_t_test_of_ranks():
    time, died, change, _, mine = trial(np.random.default_rng(6))
    pairs = pairwise_scores(time, died, change)
    ranks = rankdata(pairs.sums())
    theirs = ttest_ind(ranks[mine], ranks[~mine])
    found = cafs(pairs, mine, **NAMES)
    assert found.p_value == pytest.approx(theirs.pvalue)
    edges = theirs.confidence_interval()
    assert found["difference of mean ranks"][["lower", "upper"]].tolist() == pytest.approx([edges.low, edges.high])


def test_cafs_with_covariates_and_strata_solves_the_normal_equations():
    rng = np.random.default_rng(7)
    time, died, change, _, mine = trial(rng)
    baseline, strata = rng.normal(38, 5, 30), np.arange(30) % 3
    pairs = pairwise_scores(time, died, change)
    design = np.column_stack([np.ones(30), mine, baseline, strata == 1, strata == 2]).astype(float)
    beta = np.linalg.solve(design.T @ design, design.T @ rankdata(pairs.sums()))
    found = cafs(pairs, mine, covariates={"baseline": baseline}, strata=strata)
    assert found.estimate == pytest.approx(beta[1])
    assert "adjusted for baseline, strata" in found.method


def test_cafs_leaves_persons_without_a_covariate_out_of_the_least_squares_only():
    rng = np.random.default_rng(7)
    time, died, change, _, mine = trial(rng)
    baseline = rng.normal(38, 5, 30)
    baseline[[3, 8]] = np.nan
    known = np.isfinite(baseline)
    pairs = pairwise_scores(time, died, change)
    design = np.column_stack([np.ones(30), mine, baseline])[known]
    beta = np.linalg.solve(design.T @ design, design.T @ rankdata(pairs.sums())[known])
    found = cafs(pairs, mine, covariates={"baseline": baseline})
    assert found.estimate == pytest.approx(beta[1])
    assert found.counts["persons left out"] == 2
    assert found.counts["persons, group"] == (mine & known).sum()  # whom the estimate compares
    assert found.counts["persons, reference"] == (~mine & known).sum()
    assert found.counts["persons, group"] + found.counts["persons, reference"] == 28
    assert found.notes[-1] == "Ranked but not compared, for want of a covariate: 2."


def test_weighted_wins_are_those_of_every_pair():
    rng = np.random.default_rng(11)
    own, other = np.round(rng.normal(0, 2, 13)), np.round(rng.normal(0, 2, 9))  # ties
    weight, against = rng.random(13), rng.random(9)
    pairs = (own[:, None] > other) + 0.5 * (own[:, None] == other)
    assert weighted_wins(own, weight, other, against) == pytest.approx(weight @ pairs @ against)
    u = mannwhitneyu(own, other).statistic
    assert weighted_wins(own, np.ones(13), other, np.ones(9)) == pytest.approx(u)


def test_win_ratio_counts_pairs():
    time, died, change, visits, mine = trial(np.random.default_rng(8))
    found = win_ratio(pairwise_scores(time, died, change), mine, **NAMES)
    pairs = [better(i, j, time, died, change, visits) for i in np.flatnonzero(mine) for j in np.flatnonzero(~mine)]
    won, lost, tied = (pairs.count(k) for k in (1, -1, 0))
    assert (found.counts["wins"], found.counts["losses"], found.counts["ties"]) == (won, lost, tied)
    assert found["win ratio"]["estimate"] == pytest.approx(won / lost)
    assert found["win odds"]["estimate"] == pytest.approx((won + tied / 2) / (lost + tied / 2))
    assert found["win ratio"]["favours"] == "above 1 favours early"


def test_strata_compare_within_strata_only():
    time, died, change, _, mine = trial(np.random.default_rng(9), 40)
    strata = np.where(np.arange(40) % 4 < 2, "a", "b")
    pairs = pairwise_scores(time, died, change)
    found = win_ratio(pairs, mine, strata=strata)
    alone = {s: win_ratio(pairwise_scores(time[w], died[w], change[w]), mine[w])
             for s in "ab" if len(w := strata == s)}  # fmt: skip
    won, lost = (sum(r.counts[k] / r.counts["persons, group"] for r in alone.values()) for k in ("wins", "losses"))
    assert found["win ratio"]["estimate"] == pytest.approx(won / lost)  # equal strata: weights cancel
    tested = joint_rank(pairs, mine, strata=strata)
    each = [joint_rank(pairwise_scores(time[strata == s], died[strata == s], change[strata == s]), mine[strata == s])
            for s in "ab"]  # fmt: skip
    total, variance = (
        sum(f(r["sum of scores"]) for r in each) for f in (lambda r: r["estimate"], lambda r: r["se"] ** 2)
    )
    assert tested["z"]["estimate"] == pytest.approx(total / np.sqrt(variance))
    between = [(r.counts["wins"] - r.counts["losses"], r.counts["pairs"]) for r in each]
    assert tested.estimate == pytest.approx(sum(w for w, _ in between) / sum(n for _, n in between))
    assert tested.estimate == pytest.approx(total / found.counts["pairs"])  # the statistic over the pairs


@pytest.mark.parametrize("strata", [False, True])
def test_intervals_cover_and_tests_keep_their_size(strata):
    """Truth of the win probability under an effect by one trial of many persons; size under none."""
    rng = np.random.default_rng(10)
    time, died, change, _, mine = trial(rng, 3000, effect=0.6)
    big = win_ratio(pairwise_scores(time, died, change), mine)
    truth = {"win ratio": big["win ratio"]["estimate"], "win probability": big["win probability"]["estimate"]}
    benefit = 2 * truth["win probability"] - 1
    covered = dict.fromkeys([*truth, "net benefit"], 0)
    rejected = np.zeros(3)
    runs = 200
    for _ in range(runs):
        time, died, change, _, mine = trial(rng, 60, effect=0.6)
        labels = rng.integers(0, 2, 60) if strata else None  # says nothing: the truth is the same in both
        found = win_ratio(pairwise_scores(time, died, change), mine, strata=labels)
        for name, value in truth.items():
            covered[name] += found[name]["lower"] <= value <= found[name]["upper"]
        first = joint_rank(pairwise_scores(time, died, change), mine, strata=labels).table.iloc[0]
        covered["net benefit"] += first["lower"] <= benefit <= first["upper"]
        time, died, change, _, mine = trial(rng, 60)
        pairs = pairwise_scores(time, died, change)
        tests = (joint_rank(pairs, mine, strata=labels), cafs(pairs, mine, strata=labels), win_ratio(pairs, mine))
        rejected += [r.p_value < 0.05 for r in tests]
    spread = 3.5 * np.sqrt(0.05 * 0.95 / runs)
    assert all(abs(n / runs - 0.95) < spread for n in covered.values())
    assert np.all(np.abs(rejected / runs - 0.05) < spread)


def test_the_words_follow_the_estimate():
    died = np.zeros(20, bool)
    mine = np.arange(20) < 10
    found = joint_rank(
        pairwise_scores(np.full(20, 9.0), died, np.where(mine, -5.0, -2.0) - 0.1 * np.arange(20) % 1), mine, **NAMES
    )
    assert found.favoured == "delayed"
    assert "the estimate favours delayed" in found.sentence()
    assert found.p_value < 0.001


@pytest.mark.parametrize("strata", [None, np.arange(12) % 3])
@pytest.mark.parametrize(("sign", "ratio", "share", "who"), [(1, np.inf, 1.0, "early"), (-1, 0.0, 0.0, "delayed")])
def test_every_pair_won_or_lost_is_known_without_se(sign, ratio, share, who, strata):
    change = sign * np.where(np.arange(12) < 6, 5.0, -5.0) + 0.1 * np.arange(12)
    pairs, mine = pairwise_scores(np.full(12, 9.0), np.zeros(12, bool), change), np.arange(12) < 6
    found = win_ratio(pairs, mine, strata=strata, **NAMES)
    tested = joint_rank(pairs, mine, strata=strata, **NAMES)
    assert found.table["estimate"].tolist() == [ratio, ratio, share]
    assert tested.estimate == 2 * share - 1
    for one in (found, tested):
        assert one.table.loc[0, ["se", "lower", "upper"]].isna().all()
        assert one.favoured == who
        assert "confidence interval unknown), p" in one.sentence()
        assert f"the estimate favours {who}" in one.sentence()
    assert np.isnan(found.p_value)
    assert tested.p_value < 0.02  # by permutation
    assert f"win ratio {'infinite' if sign > 0 else '0.000'} (" in found.sentence()


def test_without_a_win_or_a_loss_nothing_is_said_of_limits():
    pairs = pairwise_scores(np.full(8, 9.0), np.zeros(8, bool), np.full(8, np.nan))
    tested, found = joint_rank(pairs, np.arange(8) < 4), win_ratio(pairs, np.arange(8) < 4)
    assert tested.estimate == 0
    assert tested.table.loc[0, ["se", "lower", "upper", "p_value"]].isna().all()
    assert "net benefit 0.000 (95 % confidence interval unknown), p not given" in tested.sentence()
    assert np.isnan(found.estimate)
    assert found.table["estimate"].tolist()[1:] == [1.0, 0.5]
    assert found.table[["se", "lower", "upper"]].isna().all(axis=None)
    assert "win ratio unknown (" in found.sentence()


def test_cafs_of_three_alive_and_three_dead_has_no_se():
    pairs = pairwise_scores(np.full(6, 9.0), np.arange(6) >= 3, np.full(6, np.nan))
    found = cafs(pairs, np.arange(6) < 3, **NAMES)
    assert found.estimate == pytest.approx(3.0)  # ranks 5, 5, 5 and 2, 2, 2
    assert found.table.loc[0, ["se", "lower", "upper", "p_value"]].isna().all()
    assert found.favoured == "early"


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ([1.0, 2.0], {}, "shapes"),
        ([1.0, 2.0, 3.0], {"good_direction": "higher"}, "up"),
        ([1.0, 2.0, 3.0], {"until": 5.0}, "visit_time"),
        ([1.0, 2.0, 3.0], {"until": np.nan}, "until: expected a time above 0, got nan"),
        ([[1.0, 2.0]] * 3, {"visit_time": [4.0, 3.0]}, "increasing"),
    ],
)
def test_what_does_not_fit_is_refused(change, arguments, message):
    with pytest.raises(BadInput, match=message):
        pairwise_scores([1.0, 2.0, 3.0], [0, 0, 1], change, **arguments)


def test_a_group_of_one_is_refused():
    pairs = pairwise_scores([1.0, 2.0, 3.0], [0, 0, 1], [1.0, 2.0, 3.0])
    with pytest.raises(BadInput, match="two persons"):
        joint_rank(pairs, [True, False, False])
