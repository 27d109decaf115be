"""`VisitModel`: means by start group and nominal visit with a covariance over visits, the MMRM of trials."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
import pymc as pm
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, field_validator, model_validator

from bayesmodels.kernels.multivariate_normal.op import NormalInputs, normal_by_pattern_variable
from bayesmodels.models.description import Described, Description, options_of
from bayesmodels.models.outcome import Outcome
from bayesmodels.models.presets import outcome_from
from bayesmodels.models.visit_means.covariance import visit_covariance
from bayesmodels.models.visit_means.design import visit_arrays, visit_design
from bayesmodels.models.visit_means.means import mean_rows
from bayesmodels.models.visit_means.priors import known_visit_rows, visit_prior_rows
from bayesmodels.models.visit_means.published import publish_visits, visit_coords
from bayesmodels.parts.formulas import said
from bayesmodels.parts.priors import PriorRow
from bayesmodels.study import Study
from bayesmodels.study.problem import Problem, plain

Covariance = Literal[
    "unstructured", "toeplitz_heterogeneous", "toeplitz", "ar1_heterogeneous", "ar1",
    "compound_symmetry_heterogeneous", "compound_symmetry",
]  # fmt: skip


OPTIONS = (
    "baseline", "covariates", "covariate_effects", "treatment_effect", "effect_by_stratum", "covariance_of",
    "outcomes_jointly",
)  # fmt: skip


class VisitModel(Described, BaseModel):
    """Bayesian mixed model for repeated measures: a mean for each visit, and a covariance over visits.

    ``y_iv = mean_v(stratum) + x_i' slope_v + effect_v(start group) + e_iv`` at nominal visits v, with e_i normal over
    the visits of person i; visits that a person has not drop out of the vector (missing at random). The effect of a
    start group is against the reference group, and is 0 at week 0, where groups are alike by randomisation.

    Parameters
    ----------
    type : str
        Name in a configuration.
    outcomes : sequence of Outcome
        Or preset names, or tables of fields. Read are scale, level, spread between persons and limits: `typical` needs
        no rate, and trajectory, effect and random walk have no part in this model.
    visit_weeks : sequence of float, optional
        Nominal visits, weeks since randomisation, rising; default: the weeks around which the visits cluster. A visit
        counts for the nearest, at week 0 for week 0 only.
    baseline : {"common", "free", "covariate"}
        Mean at week 0 common to the start groups, one for each, or the value at week 0 as a covariate of the later
        visits (every person needs one).
    covariates : sequence of str
        Columns of the persons table, per SD of the column.
    covariate_effects : {"by_visit", "constant"}
        A slope for each visit, or one for all visits of an outcome.
    treatment_effect : {"by_visit", "constant"}
        The same, of the start groups.
    effect_by_stratum : bool
        Whether effects of start groups differ between strata; means always do.
    covariance : str
        unstructured; toeplitz, ar1 or compound_symmetry, each also with an SD for each visit (..._heterogeneous).
    covariance_of : {"everyone", "start_group"}
        One matrix for all persons, or one for each start group.
    outcomes_jointly : {"kronecker", "full"}
        Correlation of visits times that of outcomes, or no structure over outcomes and visits: for unstructured
        covariance, and five persons or more for each outcome at each visit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["visit"] = "visit"
    outcomes: tuple[Annotated[Outcome, BeforeValidator(outcome_from)], ...] = Field(min_length=1)
    visit_weeks: tuple[FiniteFloat, ...] | None = Field(None, min_length=1)
    baseline: Literal["common", "free", "covariate"] = "common"
    covariates: tuple[str, ...] = ()
    covariate_effects: Literal["by_visit", "constant"] = "by_visit"
    treatment_effect: Literal["by_visit", "constant"] = "by_visit"
    effect_by_stratum: bool = False
    covariance: Covariance = "unstructured"
    covariance_of: Literal["everyone", "start_group"] = "everyone"
    outcomes_jointly: Literal["kronecker", "full"] = "kronecker"

    @field_validator("outcomes")
    @classmethod
    def _once_each(cls, outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
        names = [k.name for k in outcomes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"outcome {', '.join(twice)} is listed more than once; give each its own name")
        return outcomes

    @field_validator("visit_weeks")
    @classmethod
    def _rising(cls, weeks: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if weeks is not None and (weeks[0] < 0 or any(b <= a for a, b in pairwise(weeks))):
            raise ValueError(f"expected rising weeks, 0 or later, got {list(weeks)}")
        return weeks

    @model_validator(mode="after")
    def _fits_together(self) -> VisitModel:
        if self.outcomes_jointly == "full" and self.covariance != "unstructured":
            raise ValueError(
                'expected covariance = "unstructured" with outcomes_jointly = "full", which has no structure, got '
                f'"{self.covariance}"; write "kronecker", or leave covariance out'
            )
        by_label = [k.name for k in self.outcomes if isinstance(k.effect_on_level, dict)]
        if by_label and not self.effect_by_stratum:
            raise ValueError(
                f"{', '.join(by_label)}: expected one effect_on_level_prior, since effects are common to the strata, "
                "got one by stratum; write effect_by_stratum = true, or give one"
            )
        return self

    def build(self, data: Study) -> pm.Model:
        """The PyMC model of a study; its observed variable `visits` has a log-likelihood by person.

        The data containers may be replaced by those of other persons without compiling again (`arrays`).

        Parameters
        ----------
        data : Study

        Returns
        -------
        pymc.Model
            Published variables over the vocabulary's dims; weeks are the nominal visits.

        Raises
        ------
        BadInput
            The study lacks an outcome, a covariate, a start group at a visit, or a stratum that a prior names.
        """
        design = visit_design(self, data)
        layout = design.layout
        with pm.Model(coords=visit_coords(self, data, layout)) as model:
            values = {name: pm.Data(name, array) for name, array in visit_arrays(self, design).items()}
            means, covariance = mean_rows(self, layout), visit_covariance(self, layout)
            normal_by_pattern_variable(
                "visits",
                NormalInputs(
                    values["visit_pattern"], values["pattern_seen"], values["pattern_block"],
                    values["mean_design"] @ means.rows, covariance.matrix,
                ),
                values["visits_observed"],
                ("person", "slot"),
            )  # fmt: skip
            publish_visits(self, layout, means, covariance)
        return model

    def arrays(self, data: Study) -> dict[str, np.ndarray]:
        """The data of a compiled model for another study of the same labels and visits, by name of the container.

        Parameters
        ----------
        data : Study

        Returns
        -------
        dict of str to array
            By the name of the data container (`visit_means.design.visit_arrays`).
        """
        return visit_arrays(self, visit_design(self, data))

    def prior_rows(self, data: Study) -> list[PriorRow]:
        """Every prior (`prior_table`); the study gives strata and visits only.

        Parameters
        ----------
        data : Study
            For labels and units; its values are not read.

        Returns
        -------
        list of dict
            parameter, prior, unit, source, and what the parameter is of.
        """
        return visit_prior_rows(self, visit_design(self, data).layout)

    def _description(self) -> Description:
        options = options_of(self, OPTIONS)
        weeks = "the weeks visits gather around"
        if self.visit_weeks is not None:
            weeks = f"weeks {', '.join(f'{week:g}' for week in self.visit_weeks)}"
        per_visit, constant = "_{gv}", "_{g}"
        effect = f"effect{constant if self.treatment_effect == 'constant' else per_visit}"
        slopes = [
            f"slope_{{{'' if self.covariate_effects == 'constant' else 'v '}{said(name)}}} {said(name)}_{{i}}"
            for name in self.covariates
        ]
        slopes += ["slope_{v} y_{i0}"] if self.baseline == "covariate" else []
        body = " + ".join(
            [f"y_{{iv}} = mean_{{{'gv' if self.baseline == 'free' else 'v'}}}", effect, *slopes, "e_{iv}"]
        )
        names = [f"ln {k.name}" if k.scale == "log" else k.name for k in self.outcomes]
        matrix = self.covariance.replace("_", " ")
        of = " for each start group" if self.covariance_of == "start_group" else ""
        jointly = "; outcomes correlated" if len(names) > 1 else ""
        about = "effect: 0 at week 0 and in the reference group"
        return Description(
            f"VisitModel of {', '.join(k.name for k in self.outcomes)}",
            [
                *(f"{name}: a mean for each visit, an effect of each start group" for name in names),
                f"visits: {weeks}; covariance over visits: {matrix}{of}{jointly}",
                *([f"options: {', '.join(options)}"] if options else []),
            ],
            [
                (", ".join(names), f"{body} where {about}"),
                ("covariance", f"e_{{i}} ~ Normal(0, Σ{'_{g}' if of else ''}) where Σ: {matrix}{of}{jointly}"),
            ],
            [
                f"Visits: {weeks}; one that a person has not is missing at random.",
                "Means are by stratum where the study has strata.",
                *([f"Options: {said(', '.join(options))}."] if options else []),
            ],
            lambda: known_visit_rows(self),
            "prior_table(model, study) has those of its strata, and says where each comes from.",
        )

    def warnings(self, data: Study) -> list[Problem]:
        """What is legitimate but doubtful in the data for this model: visits that stand for no nominal visit.

        Parameters
        ----------
        data : Study
        """
        design = visit_design(self, data)
        weeks = ", ".join(f"{week:g}" for week in design.layout.weeks)
        return [
            Problem(
                data.tables.files["visits"],
                f"the model leaves out {count:,} visits of {plain(name)} that are no nominal visit (weeks {weeks}), or "
                "of which another of the same person is nearer; visit_weeks in [model] chooses the nominal visits",
                kind=f"visits of {name} left out",
            )
            for name, count in design.left_out.items()
        ]
