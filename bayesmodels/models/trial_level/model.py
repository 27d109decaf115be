"""Model of trial-level effects: how a treatment's effect on a surrogate goes with its effect on the outcome.

    (alpha_hat, beta_hat) of row j ~ Normal((alpha, beta) of row j, V_j)
    (alpha, beta) of row j ~ Normal or t ((mu_S, mu_T), tau_S, tau_T, rho)

Collapsed over the rows' true effects: the sampler sees two means, two SDs and a correlation, however many trials.

Source: van Houwelingen, Arends and Stijnen (2002), doi:10.1002/sim.1040; Bujkiewicz et al., NICE DSU Technical Support
Document 20 (2019). Treatment classes: Papanikos et al. (2019), arXiv:1905.07194.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bayesmodels.errors import BadInput, expect
from bayesmodels.models.description import Described, Description, options_of
from bayesmodels.models.publish import publish
from bayesmodels.models.trial_level.likelihood import trial_arrays, trial_effects
from bayesmodels.parts.priors import PriorRow, labelled_rows
from bayesmodels.study import TrialTable
from bayesmodels.study.checks.labels import spelt
from bayesmodels.study.trials import OUTCOME, SURROGATE, Endpoint

Classes = Literal["one", "exchangeable", "specific"]
Correlation = Annotated[float, Field(gt=-1, lt=1)]

CLASS_SHARE = 0.5
"""SD between classes of exchangeable class means, as a share of the endpoint's scale, and of the correlation's normal
score: half the spread expected between single trials. Package default."""

UNIFORM = "package default: every correlation alike, so that R2 has a prior that is known"


class TrialLevelModel(Described, BaseModel):
    """Bivariate random effects of trials on a surrogate and an outcome.

    Parameters
    ----------
    type : str
        Name in a configuration.
    surrogate_scale, outcome_scale : float
        s, the typical spread of each true effect between trials, in the effect's unit: mu ~ Normal(0, (2 s)^2),
        tau ~ HalfNormal(s). Stated beforehand, never taken from the table.
    within_correlation : float or (low, high)
        Correlation of a row's two estimates where the table leaves it blank: a known number, or an interval over which
        it is uniform and one for all such rows (NICE TSD 20 suggests (0, 1) where its sign is known).
    random_effects : {"normal", "t"}
        Distribution of the true effects over trials.
    degrees_of_freedom : float
        Of t random effects; tau is then the scale, and the SD is tau sqrt(nu / (nu - 2)).
    classes : {"one", "exchangeable", "specific"}
        Treatment classes are ignored; have means and correlations of their own, exchangeable about a typical class; or
        have all parameters of their own, unrelated.
    target_class : str, optional
        The class that the published `trial_...` variables are about; default a typical class. Required with "specific".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["trial_level"] = "trial_level"
    surrogate_scale: float = Field(gt=0, allow_inf_nan=False)
    outcome_scale: float = Field(gt=0, allow_inf_nan=False)
    within_correlation: Correlation | tuple[float, float] = 0.0
    random_effects: Literal["normal", "t"] = "normal"
    degrees_of_freedom: float = Field(4.0, ge=3, allow_inf_nan=False)
    classes: Classes = "one"
    target_class: str | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> TrialLevelModel:
        within = self.within_correlation
        if isinstance(within, tuple) and not -1 <= within[0] < within[1] <= 1:
            raise ValueError(
                f"within_correlation: expected an interval inside -1 to 1, got {within[0]:g} to {within[1]:g}"
            )
        if self.classes == "specific" and self.target_class is None:
            raise ValueError('target_class: expected the class that the results are about, with classes = "specific"')
        if self.classes == "one" and self.target_class is not None:
            raise ValueError('target_class: not used with classes = "one"; delete it')
        return self

    def arrays(self, table: TrialTable) -> dict[str, np.ndarray]:
        """The data of a compiled model for another table (`trial_arrays`).

        Parameters
        ----------
        table : TrialTable

        Returns
        -------
        dict of str to array
            By the name of the data container.
        """
        return trial_arrays(table, 0.0 if isinstance(self.within_correlation, tuple) else self.within_correlation)

    def build(self, data: TrialTable) -> pm.Model:
        """PyMC model of a table's rows.

        The data containers may be replaced, also by those of another number of rows, without compiling again
        (`arrays`); classes are those of `data`.

        Parameters
        ----------
        data : TrialTable

        Returns
        -------
        pymc.Model
            Published variables over the vocabulary's dims; rows of the table are the dim `trial`.

        Raises
        ------
        BadInput
            The table does not have the target class.
        """
        expect(data, TrialTable, "data", "make one with read_trials or TrialTable.from_frame")
        if self.target_class is not None and self.target_class not in data.classes:
            there = ", ".join(data.classes)
            raise BadInput(
                f"target_class: expected a treatment_class of the table ({there}), got {self.target_class!r}"
                f"{spelt(self.target_class, data.classes, 'target_class = {}')}"
            )
        arrays = self.arrays(data)
        with pm.Model(coords=_coords(data)) as model:
            effect = pm.Data("effect", arrays["effect"], dims=("trial", "endpoint"))
            se = pm.Data("se", arrays["se"], dims=("trial", "endpoint"))
            kind = pm.Data("kind", arrays["kind"], dims=("trial", "endpoint"))
            within = pm.Data("correlation", arrays["correlation"], dims=("trial",))
            if isinstance(self.within_correlation, tuple):
                blank = pm.Data("blank", arrays["blank"], dims=("trial",))
                shared = pm.Uniform("shared_correlation", *self.within_correlation)
                publish("within_correlation", shared)
                within = within + blank * shared
            mean, spread, correlation = self._between(data, arrays)
            if self.random_effects == "t":
                publish("trial_degrees_of_freedom", pt.constant(self.degrees_of_freedom))
            trial_effects(
                "trials",
                effect,
                (mean, spread, correlation, se, within, kind),
                degrees_of_freedom=self.degrees_of_freedom if self.random_effects == "t" else None,
                dims=("trial", "endpoint"),
            )
        return model

    def prior_rows(self, data: TrialTable) -> list[PriorRow]:
        """Every prior (`prior_table`): parameter, prior, unit, source; the table gives labels and units only.

        Parameters
        ----------
        data : TrialTable
            For labels and units; its values are not read.

        Returns
        -------
        list of dict
            parameter, prior, unit, source, and what the parameter is of.
        """
        return self._rows((data.surrogate, data.outcome))

    def _rows(self, ends: tuple[Endpoint, Endpoint]) -> list[PriorRow]:
        rows, scales = [], (self.surrogate_scale, self.outcome_scale)
        for end, s in zip(ends, scales, strict=True):
            stated = f"typical spread {s:g} stated by the user"
            rows.append((f"mean effect, {end.label}", f"Normal(0, {2 * s:g})", end.unit, stated))
            rows.append((f"SD between trials, {end.label}", f"HalfNormal({s:g})", end.unit, stated))
        rows.append(("correlation of the true effects", "Uniform(-1, 1)", "correlation", UNIFORM))
        if self.classes == "exchangeable":
            shares = [(end.label, CLASS_SHARE * s, end.unit) for end, s in zip(ends, scales, strict=True)]
            given = "package default: half the spread between single trials"
            rows += [
                (f"SD between classes of the mean effect, {n}", f"HalfNormal({s:g})", u, given) for n, s, u in shares
            ]
            text = f"HalfNormal({CLASS_SHARE:g})"
            rows.append(("SD between classes of the correlation", text, "normal score", given))
        within = self.within_correlation
        text = f"Uniform({within[0]:g}, {within[1]:g})" if isinstance(within, tuple) else f"{within:g}, taken as known"
        rows.append(("correlation of a row's estimates, where blank", text, "correlation", "stated by the user"))
        if self.random_effects == "t":
            rows.append(("degrees of freedom of the true effects", f"{self.degrees_of_freedom:g}, fixed", "", "stated"))
        return labelled_rows(("parameter", "prior", "unit", "source"), rows)

    def _description(self) -> Description:
        within = self.within_correlation
        blank = f"uniform on {within[0]:g} to {within[1]:g}" if isinstance(within, tuple) else f"{within:g}"
        heavy = f"t_{{{self.degrees_of_freedom:g}}}" if self.random_effects == "t" else "Normal"
        mark = {"one": "", "exchangeable": "_{c}", "specific": "_{c}"}[self.classes]
        between = (
            f"(α_{{j}}, β_{{j}}) ~ {heavy}((μ_{{S}}{mark}, μ_{{T}}{mark}), SDs τ_{{S}}, τ_{{T}}, correlation ρ{mark})"
        )
        options = options_of(self, ("random_effects", "classes", "target_class", "within_correlation"))
        about = {
            "one": "trials are exchangeable",
            "exchangeable": "c: treatment class, exchangeable about a typical class",
            "specific": "c: treatment class, each with parameters of its own, τ too",
        }[self.classes]
        return Description(
            "TrialLevelModel of effects on a surrogate and an outcome",
            [
                f"typical spread between trials: surrogate {self.surrogate_scale:g}, outcome {self.outcome_scale:g}",
                f"true effects: {'t' if self.random_effects == 't' else 'normal'}; classes: {self.classes}",
                *([f"options: {', '.join(options)}"] if options else []),
            ],
            [
                ("estimates", "(a_{j}, b_{j}) ~ Normal((α_{j}, β_{j}), V_{j}) where a, b: estimated effects on the "
                 "surrogate and the outcome, V: from their standard errors and correlation"),
                ("true effects", f"{between} where {about}"),
                ("published", "R^{2} = ρ^{2}, slope = ρ τ_{T} / τ_{S}"),
            ],
            [f"Correlation of a row's two estimates where the table leaves it blank: {blank}."],
            lambda: self._rows((SURROGATE, OUTCOME)),
            "prior_table(model, table) has the units, and says where each comes from.",
        )  # fmt: skip

    def _between(self, data: TrialTable, arrays: dict[str, np.ndarray]) -> tuple[Any, Any, Any]:
        """Mean, spread and correlation of the rows' true effects, one for all rows or one per row."""
        scale = np.array([self.surrogate_scale, self.outcome_scale])
        if self.classes == "one":
            mean, spread, score = _population("", scale)
            correlation = _uniform(score)
            publish_effects(mean, spread, correlation)
            return mean, spread, correlation
        rows = pm.Data("class_index", arrays["class_index"], dims=("trial",))
        target = None if self.target_class is None else data.classes.index(self.target_class)
        if self.classes == "specific":
            mean, spread, score = _population("class_", scale, "treatment_class")
            correlation = _uniform(score)
            publish_effects(mean[target], spread[target], correlation[target])
            row_spread = spread[rows]
        else:
            typical, spread, score = _population("", scale)
            between = CLASS_SHARE * scale * _half_normal(pm.Normal("class_sd_score", 0.0, 1.0, dims=("endpoint",)))
            of_mean = pm.Normal("class_deviation", 0.0, 1.0, dims=("treatment_class", "endpoint"))
            score_sd = CLASS_SHARE * _half_normal(pm.Normal("class_rho_sd_score", 0.0, 1.0))
            of_score = pm.Normal("class_rho_deviation", 0.0, 1.0, dims=("treatment_class",))
            mean, correlation = typical + between * of_mean, _uniform(score + score_sd * of_score)
            if target is None:
                publish_effects(typical, spread, _uniform(score))
            else:
                publish_effects(mean[target], spread, correlation[target])
            row_spread = spread
        publish("class_mean", mean)
        publish("class_sd", spread if self.classes == "specific" else spread + pt.zeros_like(mean))
        publish("class_correlation", correlation)
        return mean[rows], row_spread, correlation[rows]


def _coords(data: TrialTable) -> dict[str, Any]:
    ends = (data.surrogate, data.outcome)
    return {
        **data.coords,
        "endpoint:label": tuple(end.label for end in ends),
        "endpoint:endpoint_unit": tuple(end.unit for end in ends),
        "endpoint:good": tuple(end.good or "" for end in ends),
        "endpoint:measure": tuple(end.measure for end in ends),
    }


def _population(prefix: str, scale: np.ndarray, by: str | None = None) -> tuple[Any, Any, Any]:
    """Means, SDs and normal score of the correlation, one set or one per class."""
    outer = () if by is None else (by,)
    mean = pm.Normal(f"{prefix}mu", 0.0, 2 * scale, dims=(*outer, "endpoint"))
    spread = scale * _half_normal(pm.Normal(f"{prefix}tau_score", 0.0, 1.0, dims=(*outer, "endpoint")))
    return mean, spread, pm.Normal(f"{prefix}rho_score", 0.0, 1.0, dims=outer or None)


def _uniform(score: Any) -> Any:
    """Correlation, uniform on -1 to 1 for a standard normal score: the sampler sees no edge at rho = 1 or -1."""
    return pt.erf(score / np.sqrt(2))


def _half_normal(score: Any) -> Any:
    """HalfNormal(1) for a standard normal score: the sampler sees no edge at tau = 0, nor the logarithm's long tail."""
    return np.sqrt(2) * pt.erfcinv(0.5 * pt.erfc(score / np.sqrt(2)))


def publish_effects(mean: Any, spread: Any, correlation: Any) -> None:
    """Publish means, SDs and correlation of the true effects, and the line of the outcome's on the surrogate's.

    Parameters
    ----------
    mean, spread : tensor (endpoint,)
    correlation : scalar tensor
    """
    slope = correlation * spread[1] / spread[0]
    publish("trial_mean", pt.as_tensor_variable(mean))
    publish("trial_sd", pt.as_tensor_variable(spread))
    publish("trial_correlation", correlation)
    publish("trial_r2", pt.sqr(correlation))
    publish("trial_slope", slope)
    publish("trial_intercept", mean[1] - slope * mean[0])
    publish("trial_conditional_sd", spread[1] * pt.sqrt(1 - pt.sqr(correlation)))
