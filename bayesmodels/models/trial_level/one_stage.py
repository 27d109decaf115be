"""One-stage model of patients in clusters with one surrogate and one outcome value each.

For patient j of cluster i on treatment z = -1/2 or +1/2,

    (S_ij, T_ij) = level_i + effect_i z_ij + e_ij,    e_ij ~ Normal(0, Sigma)
    (effect_S, effect_T, level_S, level_T)_i ~ Normal(mean, D)

Collapsed exactly over the clusters' effects and levels: arm means and the scatter about them are sufficient, so the
cost does not depend on the number of patients. A cluster with one arm gives what it has.

    R2_trial, reduced: squared correlation of the two effects
    R2_trial, full:    of effect_T on effect_S and level_S, 1 - (1 - rho^2)(1 - rho_{effect_T, level_S | effect_S}^2)
    R2_indiv:          squared residual correlation

Source: Buyse, Molenberghs, Burzykowski, Renard and Geys (2000), The validation of surrogate endpoints in meta-analyses
of randomized experiments, Biostatistics 1:49-67 (its full random-effects model; here Bayesian, with effects as whole
arm differences).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from bayesmodels.errors import BadInput
from bayesmodels.kernels.correlation import lkj_shapes
from bayesmodels.kernels.pairs.clustered_op import clustered_pairs, summarise
from bayesmodels.models.description import Described, Description
from bayesmodels.models.publish import publish
from bayesmodels.models.trial_level.model import publish_effects
from bayesmodels.parts.priors import PriorRow, labelled_rows
from bayesmodels.study import ClusterTable

TERMS = ("surrogate effect", "outcome effect", "surrogate level", "outcome level")
"""Random terms of a cluster, in the order of their SDs and of the canonical partial correlations."""

LEVEL_SDS = 5.0
"""Prior SD of a mean level, in typical patient SDs: wide for changes from baseline, in which the centre is 0."""


class ClusteredEndpoint(BaseModel):
    """What is expected of an endpoint before the data, in its unit; never taken from the table.

    Parameters
    ----------
    effect_scale : float
        s, typical spread of the true treatment effect between clusters: mean effect ~ Normal(0, (2 s)^2), its SD ~
        HalfNormal(s).
    patient_sd : float
        Typical SD between patients of an arm: SD ~ HalfNormal(2 x this), SD of the level between clusters ~
        HalfNormal(this).
    centre : float
        Mean level ~ Normal(centre, (5 patient_sd)^2); 0 for changes from baseline.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    effect_scale: float = Field(gt=0, allow_inf_nan=False)
    patient_sd: float = Field(gt=0, allow_inf_nan=False)
    centre: FiniteFloat = 0.0


class OneStageModel(Described, BaseModel):
    """Random levels and effects of clusters on a surrogate and an outcome, patients within them.

    The correlation of the two effects is uniform on (-1, 1), whatever the other correlations: R2_trial (reduced) has
    prior median 1/4. The others follow as canonical partial correlations, LKJ(1) in this order of terms.

    Parameters
    ----------
    type : str
        Name in a configuration.
    surrogate, outcome : ClusteredEndpoint
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["one_stage"] = "one_stage"
    surrogate: ClusteredEndpoint
    outcome: ClusteredEndpoint

    def arrays(self, data: ClusterTable) -> dict[str, np.ndarray]:
        """The data of a compiled model for another table: `pairs` (cluster, 7) and `size` (cluster, arm).

        Parameters
        ----------
        data : ClusterTable

        Returns
        -------
        dict of str to array
            By the name of the data container.
        """
        value, size = summarise(
            data.values, data.rows["active"].to_numpy(np.int64), data.cluster_index, len(data.clusters)
        )
        return {"pairs": value, "size": size}

    def build(self, data: ClusterTable) -> pm.Model:
        """PyMC model of a table's patients.

        The data containers may be replaced without compiling again, also by those of another number of clusters
        (`arrays`). The observed variable `clusters` has a log density for every cluster, that of its patients' values.

        Parameters
        ----------
        data : ClusterTable

        Returns
        -------
        pymc.Model
            Published variables over the vocabulary's dims.

        Raises
        ------
        BadInput
            The data are of another kind.
        """
        if not isinstance(data, ClusterTable):
            raise BadInput(
                f"a one_stage model takes a ClusterTable, got {type(data).__name__}; make one in Python with "
                "ClusterTable.from_frame or read_clusters"
            )
        arrays = self.arrays(data)
        ends = (self.surrogate, self.outcome)
        effect = np.array([end.effect_scale for end in ends])
        patient = np.array([end.patient_sd for end in ends])
        centre = np.array([end.centre for end in ends])
        with pm.Model(coords=_coords(data)) as model:
            pairs = pm.Data("pairs", arrays["pairs"], dims=("cluster", "statistic"))
            size = pm.Data("size", arrays["size"], dims=("cluster", "arm"))
            mean_effect = pm.Normal("mean_effect", 0.0, 2 * effect, dims=("endpoint",))
            mean_level = pm.Normal("mean_level", centre, LEVEL_SDS * patient, dims=("endpoint",))
            effect_sd = pm.HalfNormal("effect_sd", effect, dims=("endpoint",))
            level_sd = pm.HalfNormal("between_level_sd", patient, dims=("endpoint",))
            shapes = correlation_shapes()
            partial = 2.0 * pm.Beta("partial_correlation", shapes, shapes) - 1.0
            residual_sd = pm.HalfNormal("residual", 2 * patient, dims=("endpoint",))
            residual_correlation = pm.Uniform("residual_correlation", -1.0, 1.0)
            parameters = (
                size, pt.concatenate([mean_effect, mean_level]), pt.concatenate([effect_sd, level_sd]), partial,
                residual_sd, residual_correlation,
            )  # fmt: skip
            clustered_pairs("clusters", parameters, pairs, ("cluster", "statistic"))
            correlation = partial[0]
            publish_effects(mean_effect, effect_sd, correlation)
            publish("trial_r2_full", 1 - (1 - pt.sqr(correlation)) * (1 - pt.sqr(partial[2])))
            publish("level_mean", pt.as_tensor_variable(mean_level))
            publish("level_sd", pt.as_tensor_variable(level_sd))
            publish("patient_sd", pt.as_tensor_variable(residual_sd))
            publish("individual_correlation", pt.as_tensor_variable(residual_correlation))
            publish("individual_r2", pt.sqr(residual_correlation))
            publish("individual_slope", residual_correlation * residual_sd[1] / residual_sd[0])
        return model

    def prior_rows(self, data: ClusterTable) -> list[PriorRow]:
        """Every prior (`prior_table`): endpoint, parameter, prior, unit, source; the table gives units only.

        Parameters
        ----------
        data : ClusterTable
            For labels and units; its values are not read.

        Returns
        -------
        list of dict
            parameter, prior, unit, source, and what the parameter is of.
        """
        return self._rows((data.surrogate.unit, data.outcome.unit))

    def _rows(self, units: tuple[str, str]) -> list[PriorRow]:
        rows = []
        for name, end, unit in (("surrogate", self.surrogate, units[0]), ("outcome", self.outcome, units[1])):
            s, sd = end.effect_scale, end.patient_sd
            effect, patient = f"typical spread of effects {s:g}, stated", f"typical patient SD {sd:g}, stated"
            rows += [
                (name, "mean effect", f"Normal(0, {2 * s:g})", unit, effect),
                (name, "SD of the effect between clusters", f"HalfNormal({s:g})", unit, effect),
                (name, "mean level", f"Normal({end.centre:g}, {LEVEL_SDS * sd:g})", unit, patient),
                (name, "SD of the level between clusters", f"HalfNormal({sd:g})", unit, patient),
                (name, "SD between patients of an arm", f"HalfNormal({2 * sd:g})", unit, patient),
            ]
        rows += [
            ("both", parameter, prior, "correlation", "package default")
            for parameter, prior in (
                ("correlation of the two effects between clusters", "Uniform(-1, 1)"),
                ("other correlations between clusters", "canonical partial, LKJ(1)"),
                ("correlation within an arm", "Uniform(-1, 1)"),
            )
        ]
        return labelled_rows(("endpoint", "parameter", "prior", "unit", "source"), rows)

    def _description(self) -> Description:
        lines = [
            f"{name}: typical spread of effects between clusters {end.effect_scale:g}, patient SD {end.patient_sd:g}"
            for name, end in (("surrogate", self.surrogate), ("outcome", self.outcome))
        ]
        return Description(
            "OneStageModel of patients within clusters, a surrogate and an outcome",
            lines,
            [
                ("surrogate", "S_{ij} = μ_{S} + m_{Sj} + (α + a_{j}) Z_{ij} + ε_{Sij}"),
                ("outcome", "T_{ij} = μ_{T} + m_{Tj} + (β + b_{j}) Z_{ij} + ε_{Tij}"),
                ("clusters", "(a_{j}, b_{j}, m_{Sj}, m_{Tj}) ~ Normal(0, D)"),
                ("patients", "(ε_{Sij}, ε_{Tij}) ~ Normal(0, Σ) where i: patient, j: cluster, Z: 1 in the active arm"),
                ("published", "R^{2}_{trial} = corr(a, b)^{2}, R^{2}_{indiv} = corr(ε_{S}, ε_{T})^{2}"),
            ],
            [],
            lambda: self._rows(("", "")),
            "prior_table(model, table) has the units, and says where each comes from.",
        )


def correlation_shapes() -> np.ndarray:
    """Beta shapes of (1 + canonical partial correlation) / 2: LKJ(1), but uniform for the two effects."""
    shapes = lkj_shapes(len(TERMS), 1.0)
    shapes[0] = 1.0
    return shapes


def _coords(data: ClusterTable) -> dict[str, Any]:
    both = (data.surrogate, data.outcome)
    return {
        **data.coords,
        "arm": ("control", "active"),
        "statistic": ("control S", "control T", "active S", "active T", "scatter SS", "scatter ST", "scatter TT"),
        "endpoint:label": tuple(end.label for end in both),
        "endpoint:endpoint_unit": tuple(end.unit for end in both),
        "endpoint:good": tuple(end.good or "" for end in both),
    }
