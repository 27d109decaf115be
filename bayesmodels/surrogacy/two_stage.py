"""Two-stage estimators of surrogacy from patients in clusters: the reference that Bayesian fits stand beside.

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

from dataclasses import dataclass
from html import escape
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from bayesmodels.errors import BadInput
from bayesmodels.study import ClusterTable

Array = npt.NDArray[np.float64]
Form = Literal["full", "reduced"]

FEWEST_CLUSTERS = {"full": 4, "reduced": 3}
"""Clusters below which the regression of stage 2 has no residual degree of freedom."""


@dataclass(frozen=True)
class TwoStage:
    """Two-stage estimates of one table.

    Attributes
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
    """

    form: Form
    weighted: bool
    table: pd.DataFrame
    effects: pd.DataFrame
    residual_covariance: Array
    prob: float
    left_out: int

    def __getitem__(self, quantity: str) -> float:
        """The estimate of a quantity of the table."""
        return float(self.table.set_index("quantity").at[quantity, "estimate"])

    def sentence(self) -> str:
        """R2_trial and R2_indiv with intervals, and what they rest on."""
        rows = self.table.set_index("quantity")

        def shown(name: str) -> str:
            r = rows.loc[name]
            return f"{r.estimate:.3f} ({100 * self.prob:g} % {r.lower:.3f} to {r.upper:.3f})"

        weights = "weighted by cluster size" if self.weighted else "unweighted"
        return (
            f"Two-stage estimate, {self.form} model, {weights}, {len(self.effects)} clusters with both arms"
            f" ({self.left_out} with one arm left out): between clusters R2 = {shown('trial_r2')}; between patients of "
            f"an arm R2 = {shown('individual_r2')}. Errors of the clusters' effects are ignored."
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.sentence())}</p>" + self.table.to_html(index=False, float_format="{:.4f}".format)


def two_stage(data: ClusterTable, form: Form = "reduced", *, weighted: bool = True, prob: float = 0.95) -> TwoStage:
    """Estimate R2_trial, R2_indiv and the line between effects in two stages.

    Parameters
    ----------
    data : ClusterTable
        Clusters with one arm are left out.
    form : {"full", "reduced"}
    weighted : bool
        Weight clusters by their patients in stage 2.
    prob : float
        Level of the intervals.

    Raises
    ------
    BadInput
        Too few clusters with both arms.
    """
    both = data.with_both_arms()
    n_clusters = len(both.clusters)
    if n_clusters < FEWEST_CLUSTERS[form]:
        raise BadInput(
            f"{data.name}: the {form} two-stage estimate needs {FEWEST_CLUSTERS[form]} clusters with patients in both "
            f"arms, got {n_clusters}; add clusters, or report the individual level only"
        )
    levels, effects, covariance = first_stage(both, form)
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
    table = pd.DataFrame(rows, columns=["quantity", "estimate", "se"])
    half = norm.ppf((1 + prob) / 2) * table["se"]
    table = table.assign(lower=table["estimate"] - half, upper=table["estimate"] + half)
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
    return TwoStage(form, weighted, table, stage_one, covariance, prob, len(data.clusters) - n_clusters)


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
