"""Rank analyses of function and survival together: joint rank test, CAFS, win ratio.

All three start from the same comparison of every person with every other (`pairs.pairwise_scores`).

Sources: Finkelstein and Schoenfeld (1999), Statistics in Medicine 18:1341-1354 (joint rank test); Berry et al. (2013),
doi:10.3109/17482968.2012.762930 (CAFS); Pocock et al. (2012), The win ratio, European Heart Journal 33:176-182, with
the large-sample variance of a two-sample U-statistic (Bebu and Lachin, 2016, Biostatistics 17:178-187) and strata as
in Dong et al. (2018), Journal of Biopharmaceutical Statistics 28:778-796.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from scipy.stats import norm, rankdata

from bayesmodels.errors import BadInput
from bayesmodels.statistics.comparison import Comparison, row
from bayesmodels.statistics.followup import Mask, check_level, event_mask
from bayesmodels.statistics.least_squares import (
    FREEDOM,
    as_numbers,
    comparison_design,
    least_squares,
    student_limits,
    with_every,
)
from bayesmodels.statistics.ranks.pairs import Pairs
from bayesmodels.statistics.ranks.wins import Wins, wins

NAN = (float("nan"), float("nan"))


def joint_rank(
    pairs: Pairs,
    in_group: npt.ArrayLike,
    *,
    strata: npt.ArrayLike | None = None,
    group: str = "group",
    reference: str = "reference",
    level: float = 0.95,
) -> Comparison:
    """Finkelstein and Schoenfeld's joint rank test.

    The statistic is the sum of the scores of the group's persons, with its permutation variance
    n1 n0 / (n (n - 1)) x (sum of squared scores), summed over strata; pairs are made within strata. The p-value is its.
    The estimate beside it is the net benefit, (wins - losses) / pairs between the groups, which is the statistic over
    the pairs; its interval is that of a two-sample U-statistic, made for the log odds of the win probability (1 + net
    benefit) / 2. Interval and p-value come by two routes and may part near the threshold. Where persons of a group do
    not differ, as where every pair is tied or won, nothing tells of the SE: it and the limits are NaN.

    Parameters
    ----------
    pairs : Pairs
    in_group : array (person,) of bool
        In the group, else in the reference.
    strata : array (person,), optional
    group, reference : str
        For the words of the result.
    level : float
        Of the confidence intervals.

    Raises
    ------
    BadInput
        A group without persons in a stratum, or with fewer than two; a level outside 0 to 1.
    """
    check_level(level)
    mine = event_mask(in_group, "in_group")
    labels = _labels(strata, mine)
    found = wins(pairs, mine, labels, by_pairs=True)
    sums = pairs.sums(labels)
    statistic, variance = 0.0, 0.0
    for label in np.unique(labels):
        here = labels == label
        n, n1 = int(here.sum()), int((here & mine).sum())
        statistic += float(sums[here & mine].sum())
        variance += n1 * (n - n1) / (n * (n - 1)) * float((sums[here] ** 2).sum())
    z = statistic / np.sqrt(variance) if variance > 0 else float("nan")
    p = float(2 * norm.sf(abs(z)))
    benefit, se = found.net_benefit
    log_odds, log_se = found.log_odds
    wide = norm.ppf((1 + level) / 2) * log_se
    limits = (float(2 * expit(log_odds - wide) - 1), float(2 * expit(log_odds + wide) - 1))
    direction = f"+ favours {group}"
    rows = [
        row("net benefit", benefit, se, limits, p, direction, ""),
        row("sum of scores", statistic, float(np.sqrt(variance)), NAN, p, direction, "pairs"),
        row("z", z, 1.0, NAN, p, direction, ""),
    ]
    return Comparison(
        f"Joint rank test{_stratified(strata)}", group, reference, pd.DataFrame(rows), level,
        _counts(found, pairs, mine, labels, (group, reference)), ("Terminal events first, then change of function.",),
    )  # fmt: skip


def cafs(
    pairs: Pairs,
    in_group: npt.ArrayLike,
    *,
    covariates: Mapping[str, npt.ArrayLike] | None = None,
    strata: npt.ArrayLike | None = None,
    group: str = "group",
    reference: str = "reference",
    level: float = 0.95,
) -> Comparison:
    """Combined assessment of function and survival: difference of mean ranks.

    Each person's scores against all others, of either group and any stratum, are added up and ranked from 1, the worst;
    ties get mean ranks. Ranks are compared by least squares on group, covariates and strata (ANCOVA on ranks), with
    Student's t. Without covariates and strata the p-value is close to that of Wilcoxon's test of the scores. Among the
    counts are the persons compared by least squares, those left out of it, and the unadjusted mean ranks of all.

    Parameters
    ----------
    pairs, in_group, group, reference, level
        As `joint_rank`.
    covariates : mapping of str to array (person,), optional
        Baseline values, e.g. baseline function; used as they are (rank them first for a rank ANCOVA of Quade's kind).
        Persons without one keep their ranks and are left out of the least squares.
    strata : array (person,), optional
        One indicator per stratum.
    """
    check_level(level)
    mine = event_mask(in_group, "in_group")
    ranks = rankdata(pairs.sums())
    values = as_numbers(covariates)
    known = with_every(values, len(mine))
    design, _ = comparison_design(
        mine[known],
        {name: column[known] for name, column in values.items()},
        None if strata is None else np.asarray(strata)[known],
    )
    coefficients, covariance, df = least_squares(design, ranks[known])
    gap, se = float(coefficients[1]), float(np.sqrt(covariance[1, 1]))
    limits, p = student_limits(gap, se, df, level)
    adjusted = [*(covariates or {}), *(["strata"] if strata is not None else [])]
    labels = np.zeros(len(mine))
    return Comparison(
        "CAFS" + (f", adjusted for {', '.join(adjusted)}" if adjusted else ""),
        group,
        reference,
        pd.DataFrame([row("difference of mean ranks", gap, se, limits, p, f"+ favours {group}")]),
        level,
        _counts(wins(pairs, mine, labels), pairs, mine, labels, (group, reference))
        | {
            f"persons, {group}": float((known & mine).sum()),
            f"persons, {reference}": float((known & ~mine).sum()),
            FREEDOM: df,
            f"mean rank, {group}": float(ranks[mine].mean()),
            f"mean rank, {reference}": float(ranks[~mine].mean()),
            "persons left out": float((~known).sum()),
        },
        (f"Ranks 1 to {len(mine)} over both groups, the best last.",)
        + ((f"Ranked but not compared, for want of a covariate: {int((~known).sum())}.",) if not known.all() else ()),
    )


def win_ratio(
    pairs: Pairs,
    in_group: npt.ArrayLike,
    *,
    strata: npt.ArrayLike | None = None,
    group: str = "group",
    reference: str = "reference",
    level: float = 0.95,
) -> Comparison:
    """Win ratio over all pairs of one person of each group, with win odds and win probability, which count ties.

    Wins are pairs in which the group's person does better. Win ratio: wins / losses, ties left out. Win odds: (wins +
    half the ties) / (losses + half the ties). Win probability: (wins + half the ties) / pairs. With strata, pairs are
    within strata and each stratum's shares are weighted by its pairs over its persons. Intervals and p-values from the
    U-statistic's variance, on the log scale for the ratio and the odds (the log odds for the probability).

    Where nothing was lost the win ratio is infinite, where nothing was won it is 0; so are the odds where every pair
    was won or lost. SE and limits are then NaN. Without a win or a loss there is no win ratio.

    Parameters
    ----------
    pairs, in_group, strata, group, reference, level
        As `joint_rank`.
    """
    check_level(level)
    mine = event_mask(in_group, "in_group")
    labels = _labels(strata, mine)
    found = wins(pairs, mine, labels)
    wide = norm.ppf((1 + level) / 2)
    rows = []
    for quantity, (log_value, se) in (("win ratio", found.log_ratio), ("win odds", found.log_odds)):
        value, low, high = (float(np.exp(v)) for v in (log_value, log_value - wide * se, log_value + wide * se))
        rows.append(row(quantity, value, value * se, (low, high), _wald(log_value, se), f"above 1 favours {group}"))
    log_odds, se = found.log_odds
    value, low, high = (float(expit(v)) for v in (log_odds, log_odds - wide * se, log_odds + wide * se))
    direction = f"above 0.5 favours {group}"
    rows.append(row("win probability", value, value * (1 - value) * se, (low, high), _wald(log_odds, se), direction))
    note = "The win ratio leaves ties out; the win odds count half of each."
    return Comparison(
        f"Win ratio{_stratified(strata)}", group, reference, pd.DataFrame(rows), level,
        _counts(found, pairs, mine, labels, (group, reference)), (note,),
    )  # fmt: skip


def _wald(value: float, se: float) -> float:
    """Two-sided p-value against 0."""
    return float(2 * norm.sf(abs(value) / se)) if se > 0 else float("nan")


def _labels(strata: npt.ArrayLike | None, in_group: Mask) -> npt.NDArray:
    labels = np.zeros(len(in_group)) if strata is None else np.asarray(strata)
    if labels.shape != in_group.shape:
        raise BadInput(f"strata: expected one label for each of {len(in_group)} persons, got shape {labels.shape}")
    return labels


def _stratified(strata: npt.ArrayLike | None) -> str:
    return "" if strata is None else ", stratified"


def _counts(found: Wins, pairs: Pairs, mine: Mask, labels: npt.NDArray, names: tuple[str, str]) -> dict[str, float]:
    between = mine[:, None] & ~mine[None] & (labels[:, None] == labels[None])
    return {
        f"persons, {names[0]}": float(mine.sum()),
        f"persons, {names[1]}": float((~mine).sum()),
        "pairs": found.pairs,
        "wins": found.won,
        "losses": found.lost,
        "ties": found.pairs - found.won - found.lost,
        "pairs decided by survival": float((pairs.by_survival & between).sum()),
    }
