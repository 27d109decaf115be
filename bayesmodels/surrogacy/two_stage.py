"""Two-stage estimates of trial-level and individual-level R2 from patients in clusters.

Stage 1 fits, for patient j of cluster i with treatment z = -1/2 or +1/2 and both endpoints at once,

    (S_ij, T_ij) = level_i + effect_i z_ij + residual,    residual ~ Normal(0, Sigma)

with a level of its own in every cluster (full) or one level for all (reduced). R2_indiv is the squared residual
correlation. Stage 2 regresses effect_Ti on effect_Si, and in the full model on level_Si; R2_trial is its coefficient
of determination. Errors of the estimates of stage 1 are ignored: they pull R2_trial and the slope towards the values
of the residuals, and the intervals do not know it.

Source: Buyse, Molenberghs, Burzykowski, Renard and Geys (2000), The validation of surrogate endpoints in
meta-analyses of randomized experiments, Biostatistics 1:49-67. Interval of an R2 on n units by the delta method, SE
2 sqrt(R2) (1 - R2) / sqrt(n - 3); its ends are not cut at 0 and 1, and near 1 it is of little use.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from types import NoneType
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from bayesmodels.errors import BadInput, expect
from bayesmodels.html_tables import html_table
from bayesmodels.posterior.wording import estimate as with_limits
from bayesmodels.statistics.followup import check_level
from bayesmodels.study import ClusterTable
from bayesmodels.surrogacy.identifiability import SINGLE_TRIAL
from bayesmodels.surrogacy.settings import CutOffs
from bayesmodels.surrogacy.trial_level.cuts import TrialVerdictSettings
from bayesmodels.surrogacy.verdict import Answer, Verdict

Array = npt.NDArray[np.float64]
Form = Literal["full", "reduced"]
Clusters = Literal["trials", "places"]
"""What the clusters are: randomised trials, or places (centres, countries, investigators) of one trial."""

FEWEST_CLUSTERS = {"full": 4, "reduced": 3}
"""Clusters below which the regression of stage 2 has no residual degree of freedom."""


@dataclass(frozen=True)
class TwoStage:
    """Two-stage estimates of one table.

    Parameters
    ----------
    form : {"full", "reduced"}
    weighted : bool
        Whether stage 2 weights a cluster by its patients.
    table : DataFrame
        Rows `trial_r2`, `individual_r2`, `intercept`, `slope` (per unit of the effect on the surrogate) and, full
        only, `level_slope`; columns quantity, estimate, se, lower, upper.
    effects : DataFrame
        Stage 1: cluster, patients, surrogate_effect, outcome_effect (active minus control), surrogate_level,
        outcome_level (midway between the arms).
    residual_covariance : array (2, 2)
        Within arms, divided by the residual degrees of freedom.
    prob : float
        Level of the intervals.
    left_out : int
        Clusters with patients in one arm only, which have no effect to estimate.
    verdicts : tuple of Verdict
        Individual, trial. The second is never "supported": the intervals ignore errors of stage 1.
    """

    form: Form
    weighted: bool
    table: pd.DataFrame
    effects: pd.DataFrame
    residual_covariance: Array
    prob: float
    left_out: int
    verdicts: tuple[Verdict, ...] = ()

    def __getitem__(self, quantity: str) -> float:
        """The estimate of a quantity of the table."""
        return float(self.table.set_index("quantity").at[quantity, "estimate"])

    def sentence(self) -> str:
        """R2_trial and R2_indiv with intervals, what they rest on, and the verdicts, one line each."""
        rows = self.table.set_index("quantity")

        def shown(name: str) -> str:
            r = rows.loc[name]
            return f"{r.estimate:.3f} ({100 * self.prob:g} % {r.lower:.3f} to {r.upper:.3f})"

        weights = "weighted by cluster size" if self.weighted else "unweighted"
        estimates = (
            f"Two-stage estimate, {self.form} model, {weights}, {len(self.effects)} clusters with both arms"
            f" ({self.left_out} with one arm left out): between clusters R2 = {shown('trial_r2')}; between patients of "
            f"an arm R2 = {shown('individual_r2')}. Errors of the clusters' effects are ignored."
        )
        return "\n".join([estimates, *(verdict.line for verdict in self.verdicts)])

    def _repr_html_(self) -> str:
        said = "".join(verdict._repr_html_() for verdict in self.verdicts)
        head = escape(self.sentence().splitlines()[0])
        return f"<p>{head}</p>{said}" + html_table(self.table, "{:.4f}")


def two_stage(
    table: ClusterTable,
    form: Form = "reduced",
    *,
    clusters: Clusters = "places",
    weighted: bool = True,
    prob: float = 0.95,
    cut_offs: CutOffs | None = None,
) -> TwoStage:
    """Estimate R2_trial, R2_indiv and the line between effects in two stages.

    Parameters
    ----------
    table : ClusterTable
        Clusters with one arm are left out.
    form : {"full", "reduced"}
        Whether every cluster has a level of its own.
    clusters : {"trials", "places"}
        What the clusters are. Between places of one trial R2 is no evidence of the trial level, and its verdict says
        so.
    weighted : bool
        Weight clusters by their patients in stage 2.
    prob : float
        Level of the intervals.
    cut_offs : CutOffs, optional
        Of the individual verdict.

    Returns
    -------
    TwoStage
        R2 between clusters and between persons, with intervals, and the verdicts.

    Raises
    ------
    BadInput
        Too few clusters with both arms, or effects on the surrogate that do not differ.
    """
    expect(table, ClusterTable, "table", "make one with ClusterTable.from_frame or read_clusters")
    for value, known, name in ((form, get_args(Form), "form"), (clusters, get_args(Clusters), "clusters")):
        if value not in known:
            raise BadInput(f"{name}: expected {' or '.join(known)}, got {value!r}")
    expect(cut_offs, (CutOffs, NoneType), "cut_offs", "write CutOffs(individual_supported=0.4)")
    expect(prob, float, "prob", "write 0.95 for 95 %")
    check_level(prob)
    both = table.with_both_arms()
    n_clusters = len(both.clusters)
    if n_clusters < FEWEST_CLUSTERS[form]:
        raise BadInput(
            f"{table.name}: the {form} two-stage estimate needs {FEWEST_CLUSTERS[form]} clusters with patients in both "
            f"arms, got {n_clusters}; add clusters, or report the individual level only"
        )
    levels, effects, covariance = first_stage(both, form)
    rounding = 1e-9 * np.ptp(both.values, axis=0)
    if not rounding.all() or np.ptp(effects[:, 0]) <= rounding[0] or (np.sqrt(np.diag(covariance)) <= rounding).any():
        raise BadInput(
            f"{table.name}: expected values that differ between patients, and effects on the surrogate that differ "
            "between clusters; check the columns"
        )
    size = np.bincount(both.cluster_index).astype(float)
    weight = size if weighted else np.ones(n_clusters)
    columns = [np.ones(n_clusters), effects[:, 0]]
    names = ["intercept", "slope"]
    if form == "full":
        columns.append(levels[:, 0])
        names.append("level_slope")
    estimate, se, trial_r2 = _weighted_regression(np.column_stack(columns), effects[:, 1], weight)
    individual_r2 = float(covariance[0, 1] ** 2 / (covariance[0, 0] * covariance[1, 1]))
    rows = [
        ("trial_r2", trial_r2, r2_standard_error(trial_r2, n_clusters)),
        ("individual_r2", individual_r2, r2_standard_error(individual_r2, len(both.rows))),
        *zip(names, estimate, se, strict=True),
    ]
    estimates = pd.DataFrame(rows, columns=["quantity", "estimate", "se"])
    half = norm.ppf((1 + prob) / 2) * estimates["se"]
    estimates = estimates.assign(lower=estimates["estimate"] - half, upper=estimates["estimate"] + half)
    stage_one = pd.DataFrame(
        {
            "cluster": both.clusters,
            "patients": size.astype(int),
            "surrogate_effect": effects[:, 0],
            "outcome_effect": effects[:, 1],
            "surrogate_level": levels[:, 0],
            "outcome_level": levels[:, 1],
        }
    )
    found = TwoStage(form, weighted, estimates, stage_one, covariance, prob, len(table.clusters) - n_clusters)
    verdicts = (_individual(found, table, cut_offs or CutOffs()), _trial(found, clusters))
    return replace(found, verdicts=verdicts)


def _individual(found: TwoStage, table: ClusterTable, cut: CutOffs) -> Verdict:
    """Whether surrogate and outcome go together between patients of an arm."""
    surrogate, outcome = table.surrogate, table.outcome
    _, r2, _, lower, upper = found.table.set_index("quantity", drop=False).loc["individual_r2"]
    turned = [end.good for end in (surrogate, outcome)]
    agrees = (found.residual_covariance[0, 1] > 0) == (turned[0] == turned[1])
    wrong = None not in turned and not agrees
    answer: Answer
    if upper < cut.individual_refuted:
        answer, text = (
            "not supported",
            f"Within an arm, a patient's {surrogate.label} says little about {outcome.label}.",
        )
    elif wrong:
        answer = "not supported"
        text = f"Within an arm, patients with a better {surrogate.label} have a worse {outcome.label}."
    elif lower >= cut.individual_supported:
        answer = "supported"
        text = f"Within an arm, patients with a better {surrogate.label} have a better {outcome.label}."
        if None in turned:
            text = f"Within an arm, {surrogate.label} and {outcome.label} go together; good directions were not stated."
    else:
        answer = "uncertain"
        text = f"It is not settled how closely, within an arm, {surrogate.label} goes with {outcome.label}."
    reasons = (
        f"R2 within arms of a cluster, {found.effects['patients'].sum():,} patients: {with_limits(r2, lower, upper)}; "
        f"supported from a lower limit of {cut.individual_supported:g}, not supported below an upper limit of "
        f"{cut.individual_refuted:g}.",
        "It is no evidence that moving the surrogate moves the outcome: one cause may drive both.",
    )
    return Verdict("individual", answer, text, reasons, ("More patients, or patients of another population.",))


def _trial(found: TwoStage, clusters: Clusters) -> Verdict:
    """What R2 between clusters says of the trial level; never that it is supported."""
    n = len(found.effects)
    _, r2, _, lower, upper = found.table.set_index("quantity", drop=False).loc["trial_r2"]
    shown = f"R2 between {n} {clusters}: {with_limits(r2, lower, upper)}, errors of their effects ignored."
    fewest = TrialVerdictSettings().min_programmes
    if clusters == "places":
        return Verdict(
            "trial",
            "not assessable",
            "The clusters are places of one trial: R2 between them says how its one contrast varies from place to "
            "place, not whether the effect of another treatment on the surrogate predicts its effect on the outcome.",
            (shown,),
            SINGLE_TRIAL.what_would_change_it,
        )
    if n < fewest:
        text = f"{n} trials with both arms are too few to assess the trial level; at least {fewest} are needed."
        return Verdict("trial", "not assessable", text, (shown,), ("More randomised trials with both endpoints.",))
    return Verdict(
        "trial",
        "uncertain",
        "A two-stage R2 alone does not settle whether effects on the surrogate predict effects on the outcome: it "
        "takes the trials' effects as known.",
        (shown,),
        ("A model with the errors of the effects: OneStageModel on these patients, or bayesmodels trial-level.",),
    )


def first_stage(data: ClusterTable, form: Form) -> tuple[Array, Array, Array]:
    """Least squares of both endpoints on cluster, and treatment within cluster.

    Returns
    -------
    levels, effects : array (cluster, 2)
        Surrogate and outcome; in the reduced form every cluster has the same level.
    covariance : array (2, 2)
        Of the residuals, divided by their degrees of freedom.
    """
    n, k = len(data.rows), len(data.clusters)
    member = np.zeros((n, k))
    member[np.arange(n), data.cluster_index] = 1.0
    design = np.hstack([member if form == "full" else np.ones((n, 1)), member * data.treatment[:, None]])
    coefficients = np.linalg.lstsq(design, data.values, rcond=None)[0]
    residual = data.values - design @ coefficients
    covariance = residual.T @ residual / max(n - design.shape[1], 1)
    effects = coefficients[-k:]
    return np.broadcast_to(coefficients[:-k], (k, 2)), effects, covariance


def r2_standard_error(r2: float, n: int) -> float:
    """Standard error of a coefficient of determination on n units, by the delta method; NaN up to 3 units."""
    return float(2 * np.sqrt(r2) * (1 - r2) / np.sqrt(n - 3)) if n > 3 else float("nan")


def _weighted_regression(design: Array, response: Array, weight: Array) -> tuple[Array, Array, float]:
    """Coefficients, their standard errors and the coefficient of determination about the weighted mean."""
    information = (design * weight[:, None]).T @ design
    coefficients = np.linalg.solve(information, design.T @ (weight * response))
    unexplained = float(weight @ (response - design @ coefficients) ** 2)
    total = float(weight @ (response - np.average(response, weights=weight)) ** 2)
    variance = unexplained / (len(response) - design.shape[1])
    return coefficients, np.sqrt(variance * np.diag(np.linalg.inv(information))), 1 - unexplained / total
