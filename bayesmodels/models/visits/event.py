"""A type of event that ends follow-up: which rows of the events table it is, its hazard, and what acts on it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from bayesmodels.models.outcome import EventName
from bayesmodels.parts.associations import Association
from bayesmodels.parts.hazards import HAZARDS, PiecewiseConstant
from bayesmodels.parts.lookup import part_from, part_to
from bayesmodels.parts.priors import Normal

HazardPart = Annotated[
    Any,
    BeforeValidator(lambda v: part_from("baseline hazard", HAZARDS, v, "baseline")),
    PlainSerializer(lambda v: part_to(HAZARDS, v)),
]


class Event(BaseModel):
    """An event type, competing with the model's others; its hazard is cause-specific.

    Parameters
    ----------
    name : str
        What it is called in the posterior and on the page.
    of : tuple of str
        Labels of the events table that count as this event: a composite; the name itself unless given.
    terminal : bool
        After it the outcome no longer exists (death), rather than being out of sight (withdrawal).
    baseline : part
        Baseline hazard: by instance, by known name, or as a dict with `type`.
    covariates : tuple of str
        Columns of the persons table, standardised: log hazard ratio per SD.
    start_group, stratum : bool
        Log hazard ratios of start groups against the reference group, of strata against the first.
    on_drug : bool
        Log hazard ratio once the person has started the drug.
    associations : tuple of Association
        Without any, the event is not informative given start group, stratum and covariates.
    effect_prior : Normal
        Of every log hazard ratio.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: EventName
    of: tuple[str, ...] = ()
    terminal: bool = False
    baseline: HazardPart = PiecewiseConstant()
    covariates: tuple[str, ...] = ()
    start_group: bool = False
    stratum: bool = False
    on_drug: bool = False
    associations: tuple[Association, ...] = ()
    effect_prior: Normal = Normal(mean=0.0, sd=1.0, source="a hazard ratio of 2.7 per SD is 1 SD")

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the events table."""
        return self.of or (self.name,)
