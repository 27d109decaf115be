"""Fields that models of visits share: their outcomes, and how courses differ between persons and start groups."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveFloat, model_validator

from bayesmodels.models.description import Described
from bayesmodels.models.outcome import Outcome
from bayesmodels.models.presets import outcome_from

WALK_CORRELATION: Literal["independent"] | float = "independent"
"""Default of `walk_correlation`."""


class Covariates(BaseModel):
    """Columns of the persons table on level, rate and effect of every outcome; per SD of the column.

    Parameters
    ----------
    level, rate, effect : tuple of str
        Columns that act on it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: tuple[str, ...] = ()
    rate: tuple[str, ...] = ()
    effect: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All columns named, once each."""
        return tuple(dict.fromkeys((*self.level, *self.rate, *self.effect)))


class CourseModel(Described, BaseModel):
    """Outcomes over time, hierarchical over persons.

    Parameters
    ----------
    type : str
        Name in a configuration.
    outcomes : sequence of Outcome
        Or preset names, or tables of fields.
    pooling : {"partial", "complete", "none"}
        Of the drug effect over start groups: its SD between groups estimated, zero, or infinite. Of a share of the
        decline, the SD under "partial" is a number stated with the effect.
    baseline : {"common", "free"}
        Mean level at randomisation common to the start groups, as randomisation makes it, or one for each.
    covariates : Covariates
        Columns of the persons table that act on level, rate and effect.
    person_sd : {"common", "by_stratum"}
        SDs of the random effects: one for all strata, or one for each.
    residual_sd : {"common", "by_stratum"}
        The same of the SDs of visits' errors and of the random walks.
    correlation_shape : float
        eta of the LKJ prior of the random effects' correlations.
    walk_correlation : float or "independent"
        eta of the LKJ prior of the correlations between the random walks of a person's outcomes, where two or more have
        one; or walks that are independent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str
    outcomes: tuple[Annotated[Outcome, BeforeValidator(outcome_from)], ...] = Field(min_length=1)
    pooling: Literal["partial", "complete", "none"] = "partial"
    baseline: Literal["common", "free"] = "common"
    covariates: Covariates = Covariates()
    person_sd: Literal["common", "by_stratum"] = "by_stratum"
    residual_sd: Literal["common", "by_stratum"] = "by_stratum"
    correlation_shape: float = Field(default=2.0, gt=0)
    walk_correlation: Literal["independent"] | PositiveFloat = WALK_CORRELATION

    @model_validator(mode="after")
    def _one_skewed_rate(self) -> CourseModel:
        skewed = [k.name for k in self.outcomes if k.rate_skewness is not None]
        if len(skewed) > 1:
            raise ValueError(
                f"expected a rate_skewness in one outcome at most, got {', '.join(skewed)}; drop it from the others: "
                "the integral over skewed rates is taken in one dimension"
            )
        return self
