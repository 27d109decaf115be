"""Associations: the feature of a person's course (value, rate, area, random effects) that acts on a hazard."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from bayesmodels.parts.priors import Normal

Form = Literal["value", "rate", "area", "terms"]


class Association(BaseModel):
    """A feature of an outcome's error-free course, drug effect included, that acts on the log hazard at the same time.

    Parameters
    ----------
    outcome : str
        An outcome of the model.
    form : {"value", "rate", "area", "terms"}
        Current value; current rate of change a month; integral of the value less its typical level since
        randomisation, in units x months; or the person's own deviations from the mean terms (level, rate, effect), one
        coefficient each. A rate that jumps after an uncertain lag is integrated to about 3 % of a person's cumulative
        hazard (`parts.effects.JUMP_MONTHS`). All on the modelling scale; an outcome's random walk is not
        part of them.
    prior : Normal, optional
        Of the change of the log hazard per unit. Unless given, Normal(0, 1) per typical SD between persons: of the
        level for `value`, of the rate for `rate`, of the level held for a year for `area`, of each term for `terms`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: str
    form: Form = "value"
    prior: Normal | None = None
