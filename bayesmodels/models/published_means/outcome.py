"""One outcome of published means: course, drug effect and the spread of its arms' means."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from bayesmodels.models.outcome import OutcomeName
from bayesmodels.models.published_means.covariance import MeansSpread
from bayesmodels.parts.means_effects import Course, MeansEffect, Values
from bayesmodels.parts.means_priors import Parameter
from bayesmodels.parts.priors import MeanPrior


class MeansOutcome(BaseModel):
    """One outcome of published means.

    Parameters
    ----------
    name : str
        The table's label.
    unit : str
        On the modelling scale (`ln` for a log ratio to baseline).
    scale : {"identity", "log"}
    good_direction : {"up", "down"}
    rate : Normal or dict of str to Normal
        Untreated rate per month at randomisation, one value per stratum; a dict gives each stratum its own prior.
    course : LinearCourse or DeceleratingCourse
    effect : drug-effect part
    spread : MeansSpread
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: OutcomeName
    unit: str
    scale: Literal["identity", "log"]
    good_direction: Literal["up", "down"]
    rate: MeanPrior
    course: Course
    effect: MeansEffect
    spread: MeansSpread

    def parameters(self) -> tuple[Parameter, ...]:
        """Free parameters, the untreated rate first."""
        rate = Parameter(f"{self.name}_rate", self.rate, "{unit} per month", "population_rate", per_stratum=True)
        return (rate, *self.course.parameters(self.name), *self.effect.parameters(self.name))

    def mean(self, xp: Any, cells: Any, values: Values) -> Any:
        """Mean change since randomisation over cells, shape (..., cell)."""
        rate = cells.of_stratum(values[f"{self.name}_rate"])
        rho = self.course.rate_of_flattening(self.name, values)
        return self.effect.mean(xp, cells, self.name, rate, rho, values)
