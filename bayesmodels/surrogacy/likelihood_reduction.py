"""Likelihood reduction factor: how much a surrogate says of a binary outcome between persons of an arm.

For person j of trial (cluster) i on treatment z, with outcome T of 0 or 1 and surrogate S of any scale,

    logit P(T_ij = 1 | z)    = level_i + effect_i z
    logit P(T_ij = 1 | z, S) = level_i + effect_i z + gamma_i S_ij
    LRF_i = 1 - exp(-G2_i / n_i),    G2_i = 2 [ l(T | z, S) - l(T | z) ]

which tends to R2_h = 1 - exp(-2 I(S; T | z)), I the mutual information within arms. It is R2_indiv where both are
normal. For a binary outcome it stays below 1 - exp(2 l(T | z) / n); the scaled factor is the share of that bound. Over
trials the factor is reported pooled (one gamma for all, G2 / n of all persons) and as the mean of the trials' LRF_i;
the mean is biased upwards by about 1 / n_i each.

Intervals are Kent's: G2 is noncentral chi-square with 1 degree of freedom and noncentrality n times 2 I. They hold near
no association and are too wide where S nearly determines T.

Source: Alonso and Molenberghs (2007), Surrogate marker evaluation from an information theory perspective, Biometrics
63:180-186 (the factor, over trials and its bound); Kent (1983), Information gain and a general measure of correlation,
Biometrika 70:163-173 (the interval).
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, special, stats

from bayesmodels.errors import BadInput, expect
from bayesmodels.html_tables import html_table
from bayesmodels.posterior.wording import estimate as with_limits
from bayesmodels.statistics.followup import check_level
from bayesmodels.study import ClusterTable
from bayesmodels.surrogacy.identifiability import SINGLE_TRIAL
from bayesmodels.surrogacy.settings import CutOffs
from bayesmodels.surrogacy.verdict import Answer, Verdict

Array = npt.NDArray[np.float64]

POOLED = "all, pooled"
"""Label of the row of all persons."""

STEPS = 60
"""Newton steps at most; where S separates the outcomes the likelihood has no maximum and they run towards its bound."""

SEPARATED = 1e-6
"""Log-likelihood per person nearer to 0 than this: the surrogate separates the outcomes."""


@dataclass(frozen=True)
class LikelihoodReduction:
    """Likelihood reduction factors of a table of persons with a binary outcome.

    Parameters
    ----------
    table : DataFrame
        One row per cluster, then all persons pooled (with several clusters): cluster, persons, events, log_odds_ratio
        (of the event per SD of the surrogate within arms), g2, lrf, lower, upper, bound, scaled, scaled_lower,
        scaled_upper, separated. NaN where an arm's outcomes do not differ in any arm.
    mean : float
        Mean of the clusters' factors.
    name, surrogate, outcome : str
        Labels.
    prob : float
        Level of the intervals.
    verdicts : tuple of Verdict
        Individual, trial; the second is never more than "not assessable".
    """

    table: pd.DataFrame
    mean: float
    name: str
    surrogate: str
    outcome: str
    prob: float
    verdicts: tuple[Verdict, ...] = ()

    @property
    def pooled(self) -> pd.Series:
        """The row of all persons."""
        return self.table.iloc[-1]

    def sentence(self) -> str:
        """The pooled factor with its interval, the scaled one, and the verdicts, one line each."""
        row = self.pooled
        trials = len(self.table) - 1
        said = (
            f"Likelihood reduction factor of {self.outcome} by {self.surrogate} within arms, {row['persons']:,} "
            f"persons, {row['events']:,} events: {with_limits(row['lrf'], row['lower'], row['upper'])} "
            f"({100 * self.prob:g} % CI); at most {row['bound']:.2f} for such an outcome, of which it is "
            f"{with_limits(row['scaled'], row['scaled_lower'], row['scaled_upper'])}."
        )
        if trials > 1:
            said += f" Mean of {trials} clusters' own factors: {self.mean:.2f}."
        return "\n".join([said, *(verdict.line for verdict in self.verdicts)])

    def _repr_html_(self) -> str:
        verdicts = "".join(verdict._repr_html_() for verdict in self.verdicts)
        head = escape(self.sentence().splitlines()[0])
        return f"<p>{head}</p>{verdicts}" + html_table(self.table, "{:.3f}")


def likelihood_reduction(
    table: ClusterTable, *, prob: float = 0.95, cut_offs: CutOffs | None = None
) -> LikelihoodReduction:
    """Estimate how much a surrogate says of a binary outcome within arms, by trial and pooled.

    Parameters
    ----------
    table : ClusterTable
        Its outcome is 0 or 1 (the event); the surrogate is any number, 0 and 1 included.
    prob : float
        Level of the intervals.
    cut_offs : CutOffs, optional
        Of the individual verdict, applied to the scaled factor.

    Returns
    -------
    LikelihoodReduction
        Factors by cluster and pooled, with intervals, and the verdicts.

    Raises
    ------
    BadInput
        Outcomes other than 0 and 1, a surrogate that does not vary, or outcomes that are the same in every arm.
    """
    expect(table, ClusterTable, "table", "make one with ClusterTable.from_frame or read_clusters")
    expect(prob, float, "prob", "write 0.95 for 95 %")
    check_level(prob)
    expect(cut_offs, (CutOffs, type(None)), "cut_offs", "give CutOffs(...) or nothing")
    surrogate, outcome = table.values.T
    other = sorted(set(outcome.tolist()) - {0.0, 1.0})
    if other:
        shown = ", ".join(f"{value:g}" for value in other[:5])
        raise BadInput(
            f"{table.name}: expected outcomes of 0 and 1 (the event), got {shown}; code them so, or use single_trial "
            "or two_stage for a continuous outcome"
        )
    if np.ptp(surrogate) <= 0:
        raise BadInput(f"{table.name}: expected a surrogate that differs between persons; check the column")
    cluster, active = table.cluster_index, table.rows["active"].to_numpy(int)
    cell = 2 * cluster + active
    rows = [
        _row(name, outcome[here], surrogate[here], cell[here], prob)
        for k, name in enumerate(table.clusters)
        for here in [cluster == k]
    ]
    mean = float(np.nanmean([row["lrf"] for row in rows])) if any(np.isfinite(r["lrf"]) for r in rows) else float("nan")
    pooled = _row(POOLED, outcome, surrogate, cell, prob)
    if np.isnan(pooled["lrf"]):
        raise BadInput(
            f"{table.name}: expected events and persons without one in some arm, or a surrogate that differs between "
            "them; got none, so that nothing can be learned of their association"
        )
    if len(rows) == 1:
        pooled, rows = pooled | {"cluster": table.clusters[0]}, []
    found = pd.DataFrame([*rows, pooled])
    verdicts = (_individual(pooled, table, cut_offs or CutOffs()), _trial(table))
    return LikelihoodReduction(found, mean, table.name, table.surrogate.label, table.outcome.label, prob, verdicts)


def reduction(outcome: Array, surrogate: Array, cell: npt.NDArray[np.int64]) -> tuple[float, float, float, float]:
    """G2, slope, and the log-likelihoods without and with the surrogate, of logistic models with a level in every cell.

    Parameters
    ----------
    outcome : array (person,)
        0 or 1.
    surrogate : array (person,)
    cell : array of int (person,)
        Trial and arm. Persons of a cell with one outcome only add nothing to either likelihood.

    Returns
    -------
    (float, float, float, float)
        NaN but for the third where no cell informs a slope.
    """
    _, cell = np.unique(cell, return_inverse=True)
    size, events = np.bincount(cell).astype(float), np.bincount(cell, outcome)
    null = float(np.sum(special.xlogy(events, events / size) + special.xlogy(size - events, 1 - events / size)))
    informs = ((events > 0) & (events < size))[cell]
    if not informs.any():
        return np.nan, np.nan, null, np.nan
    t, s = outcome[informs], surrogate[informs]
    _, cell = np.unique(cell[informs], return_inverse=True)
    s = s - (np.bincount(cell, s) / np.bincount(cell))[cell]
    if not np.ptp(s) > 0:
        return np.nan, np.nan, null, np.nan
    scale = float(np.sqrt(np.mean(s**2)))
    s = s / scale
    share = np.bincount(cell, t) / np.bincount(cell)
    level, slope = special.logit(share), 0.0

    def log_likelihood(level: Array, slope: float) -> float:
        eta = level[cell] + slope * s
        return float(np.sum(t * eta - np.logaddexp(0.0, eta)))

    best = log_likelihood(level, slope)
    for _ in range(STEPS):
        eta = level[cell] + slope * s
        p = special.expit(eta)
        weight = np.maximum(p * (1 - p), 1e-12)
        w, c, g = (np.bincount(cell, v) for v in (weight, weight * s, t - p))
        information = np.sum(weight * s**2) - np.sum(c**2 / w)
        if information < 1e-10:
            break
        move = (np.sum((t - p) * s) - np.sum(c * g / w)) / information
        moves, step = (g - c * move) / w, 1.0
        while step > 1e-6 and not log_likelihood(level + step * moves, slope + step * move) >= best:
            step /= 2
        if step <= 1e-6:
            break
        level, slope = level + step * moves, slope + step * move
        gained, best = log_likelihood(level, slope) - best, log_likelihood(level, slope)
        if gained < 1e-10:
            break
    return max(2 * (best - null), 0.0), slope / scale, null, best


def kent_interval(g2: float, n: int, prob: float) -> tuple[float, float]:
    """Limits of 1 - exp(-2 I) from a likelihood ratio statistic, noncentral chi-square with 1 degree of freedom.

    Parameters
    ----------
    g2 : float
    n : int
        Persons.
    prob : float
        Level.
    """

    def noncentrality(probability: float) -> float:
        if stats.chi2.cdf(g2, 1) <= probability:
            return 0.0
        root = np.sqrt(g2)  # with 1 degree of freedom G2 = (Z + sqrt(noncentrality))^2
        found = optimize.brentq(
            lambda r: stats.norm.cdf(root - r) - stats.norm.cdf(-root - r) - probability, 0.0, root + 10.0
        )
        return float(found**2)

    low, high = noncentrality((1 + prob) / 2), noncentrality((1 - prob) / 2)
    return float(-np.expm1(-low / n)), float(-np.expm1(-high / n))


def _row(name: str, outcome: Array, surrogate: Array, cell: npt.NDArray[np.int64], prob: float) -> dict:
    """One row of the table."""
    n = len(outcome)
    g2, slope, null, best = reduction(outcome, surrogate, cell)
    _, place = np.unique(cell, return_inverse=True)
    within = surrogate - (np.bincount(place, surrogate) / np.bincount(place))[place]
    sd = float(np.sqrt(np.sum(within**2) / max(n - len(np.unique(cell)), 1)))
    bound = float(-np.expm1(2 * null / n))
    lower, upper = (np.nan, np.nan) if np.isnan(g2) else kent_interval(g2, n, prob)
    lrf = float(-np.expm1(-g2 / n))
    separated = bool(best > -SEPARATED * n)
    upper = min(upper, bound)
    return {
        "cluster": name, "persons": n, "events": int(outcome.sum()),
        "log_odds_ratio": np.copysign(np.inf, slope) if separated else slope * sd,
        "g2": g2, "lrf": lrf, "lower": lower, "upper": upper,
        "bound": bound, "scaled": lrf / bound if bound else np.nan, "scaled_lower": lower / bound if bound else np.nan,
        "scaled_upper": upper / bound if bound else np.nan, "separated": separated,
    }  # fmt: skip


def _individual(row: dict, table: ClusterTable, cut: CutOffs) -> Verdict:
    """Whether the surrogate says much of the outcome between persons of an arm."""
    surrogate, outcome = table.surrogate, table.outcome
    lower, upper = row["scaled_lower"], row["scaled_upper"]
    goods = (surrogate.good, outcome.good)
    wrong = None not in goods and (row["log_odds_ratio"] > 0) != (goods[0] == goods[1])
    answer: Answer
    if upper < cut.individual_refuted:
        answer, text = (
            "not supported",
            f"Within an arm, a person's {surrogate.label} says little about {outcome.label}.",
        )
    elif wrong and lower > 0:
        answer = "not supported"
        text = f"Within an arm, persons with a better {surrogate.label} have a worse {outcome.label}."
    elif lower >= cut.individual_supported:
        answer, text = "supported", f"Within an arm, a person's {surrogate.label} goes closely with {outcome.label}."
    else:
        answer = "uncertain"
        text = f"It is not settled how closely, within an arm, {surrogate.label} goes with {outcome.label}."
    reasons = (
        f"Likelihood reduction factor as a share of its bound: {with_limits(row['scaled'], lower, upper)}; supported "
        f"from a lower limit of {cut.individual_supported:g}, not supported below an upper limit of "
        f"{cut.individual_refuted:g}, cut-offs that were proposed for R2 of continuous outcomes.",
        "It is no evidence that moving the surrogate moves the outcome: one cause may drive both.",
    )
    return Verdict("individual", answer, text, reasons, ("More persons with the event, or of another population.",))


def _trial(table: ClusterTable) -> Verdict:
    """That nothing is said of the trial level here."""
    if len(table.clusters) == 1:
        return SINGLE_TRIAL
    return Verdict(
        "trial",
        "not assessable",
        "A likelihood reduction factor is of persons within arms; it says nothing of effects over trials.",
        (),
        ("A table of the trials' effects, the outcome's as log odds ratios: bayesmodels trial-level.",),
    )
