"""`LongitudinalModel`: correlated outcomes, hierarchical over persons, with the drug's effect by start group."""

from __future__ import annotations

from typing import Annotated, Literal

import pymc as pm
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from bayesmodels.kernels.linear_mixed_variable import linear_mixed
from bayesmodels.models.outcome import Outcome
from bayesmodels.models.presets import outcome_from
from bayesmodels.models.visits.assembly import assemble, published_coords
from bayesmodels.models.visits.design import as_data, data_names, design_of
from bayesmodels.models.visits.published import publish_longitudinal
from bayesmodels.models.visits.terms import longitudinal_parameters
from bayesmodels.study import Study


class Covariates(BaseModel):
    """Columns of the persons table on level, rate and effect of every outcome; per SD of the column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: tuple[str, ...] = ()
    rate: tuple[str, ...] = ()
    effect: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All columns named, once each."""
        return tuple(dict.fromkeys((*self.level, *self.rate, *self.effect)))


class LongitudinalModel(BaseModel):
    """Hierarchical model of one or more outcomes over time, persons integrated out exactly.

    ``y_ik(t) = trajectory_k(t; u_i) + effect_k(t - s_i; u_i) + path_ik(t) + error``, with one correlated vector u_i of
    person terms over all outcomes, the drug's start s_i of person i, and a Brownian path for outcomes that wander.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Or preset names, or tables of fields.
    pooling : {"partial", "complete", "none"}
        Of the drug effect over start groups: its SD between groups estimated, zero, or infinite.
    baseline : {"common", "free"}
        Mean level at randomisation common to the start groups, as randomisation makes it, or one for each.
    covariates : Covariates
    person_sd, residual_sd : {"common", "by_stratum"}
        The second of the Brownian paths' SDs, too.
    correlation_shape : float
        eta of the LKJ prior of the person terms' correlations.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["longitudinal"] = "longitudinal"
    outcomes: tuple[Annotated[Outcome, BeforeValidator(outcome_from)], ...] = Field(min_length=1)
    pooling: Literal["partial", "complete", "none"] = "partial"
    baseline: Literal["common", "free"] = "common"
    covariates: Covariates = Covariates()
    person_sd: Literal["common", "by_stratum"] = "common"
    residual_sd: Literal["common", "by_stratum"] = "common"
    correlation_shape: float = Field(default=2.0, gt=0)

    @field_validator("outcomes")
    @classmethod
    def _once_each(cls, outcomes):
        names = [k.name for k in outcomes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"outcome {', '.join(twice)} is listed more than once; give each its own name")
        return outcomes

    def build(self, data: Study) -> pm.Model:
        """The PyMC model of a study; its observed variable `visits` has a log-likelihood by person.

        Raises
        ------
        BadInput
            The study lacks an outcome, a covariate, or a stratum that a prior names.
        """
        design = design_of(data, self.outcomes, self.covariates.names)
        arrays = as_data(design, [k.name for k in self.outcomes])
        with pm.Model(coords=published_coords(self, data, design)) as model:
            values = {name: pm.Data(name, array) for name, array in arrays.items()}
            a = assemble(self, data, design)
            model.add_coords({"any_term": a.labels, "slot": range(arrays["visits_observed"].shape[1])})
            p = longitudinal_parameters(self, a)
            bases, layout, mean_and_fixed, slope_and_fixed = a.bases(design, values, p.mean, p.slope, data_names)
            linear_mixed(
                "visits",
                layout,
                p.inputs(values, mean_and_fixed, slope_and_fixed),
                bases,
                values["visits_observed"],
                ("person", "slot"),
            )
            publish_longitudinal(self, a, data, design, p)
        return model
