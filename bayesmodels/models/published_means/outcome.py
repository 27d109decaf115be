"""One outcome of published means: course, drug effect and the spread of its arms' means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from bayesmodels.errors import BadConfig
from bayesmodels.models.outcome import OutcomeName, TrajectoryPart, half_of, trajectory_from
from bayesmodels.models.published_means.covariance import MeansSpread
from bayesmodels.parts.effects import EFFECTS
from bayesmodels.parts.links import DropGain, RatioPower
from bayesmodels.parts.lookup import part_from, part_to
from bayesmodels.parts.priors import MeanPrior
from bayesmodels.parts.trajectories import Linear

MEANS_EFFECTS: dict[str, Any] = {**EFFECTS, "ratio_power": RatioPower, "drop_gain": DropGain}

MeansEffect = Annotated[
    Any,
    BeforeValidator(lambda v: part_from("drug effect", MEANS_EFFECTS, v, "curve")),
    PlainSerializer(lambda v: part_to(MEANS_EFFECTS, v)),
]


class MeansOutcome(BaseModel):
    """One outcome of published means.

    Its parts are those of models of persons. SDs of terms between persons have no place here: `spread` has them.

    Parameters
    ----------
    name : str
        The table's label.
    unit : str
        On the modelling scale (`ln` for a log ratio to baseline).
    scale : {"identity", "log"}
        Log outcomes are log ratios to baseline.
    good_direction : {"up", "down"}
        Which way persons get better.
    rate : Normal or dict of str to Normal
        Untreated rate per month at randomisation, one value per stratum; a dict gives each stratum its own prior.
    course : trajectory
        Untreated course.
    effect : drug effect
        The same in every start group; one value per stratum of its size. A share of the decline
        (`proportional_slowing`) is the same in every stratum too: `correlation` 1, `group_sd` 0.
    effect_on_level_prior : Normal or dict of str to Normal, optional
        Size of an effect that shifts the level and states no `size` of its own.
    extension_shift_sd : float
        SD of a Normal(0, sd) shift common to all groups at visits from the first late drug start on; 0 for no shift.
    spread : MeansSpread
        How visits of an arm vary together: constants, not parameters.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    signed_rates: ClassVar[bool] = False
    """As of `Outcome`: rates are wide in the presets, and the means say which way they go."""

    level_prior: ClassVar[None] = None
    level_sd_prior: ClassVar[None] = None
    rate_sd_prior: ClassVar[None] = None
    """Changes since randomisation have no level, and means no persons."""

    name: OutcomeName
    unit: str
    scale: Literal["identity", "log"]
    good_direction: Literal["up", "down"]
    rate: MeanPrior
    course: TrajectoryPart
    effect: MeansEffect
    effect_on_level_prior: MeanPrior | None = None
    extension_shift_sd: float = Field(default=0.0, ge=0)
    spread: MeansSpread

    @model_validator(mode="before")
    @classmethod
    def _earlier_names(cls, fields: Any) -> Any:
        return with_names_of_today(fields) if isinstance(fields, Mapping) else fields

    @model_validator(mode="after")
    def _goes_together(self) -> MeansOutcome:
        if getattr(self.effect, "correlation", 1.0) != 1.0 or getattr(self.effect, "group_sd", 0.0) != 0.0:
            raise ValueError(
                "expected correlation = 1 and group_sd = 0 with proportional_slowing of published means: the share is "
                "the same in every stratum and start group"
            )
        if self.extension_shift_sd > 0 and getattr(self.effect, "extension_shift", None) is not None:
            raise ValueError("expected extension_shift_sd of the outcome or extension_shift of its effect, not both")
        return self

    @property
    def rate_prior(self) -> MeanPrior:
        """Prior of the mean rate at randomisation, per month."""
        return self.rate

    @property
    def effect_on_level(self) -> MeanPrior:
        """Prior of an effect that shifts the level."""
        if self.effect_on_level_prior is None:
            raise BadConfig(
                f"outcome {self.name}: expected a prior of its effect; give size = {{mean = ..., sd = ...}} with "
                "the effect, or effect_on_level_prior with the outcome"
            )
        return self.effect_on_level_prior

    @property
    def effect_on_rate(self) -> MeanPrior:
        """Prior of an effect that shifts the rate: half the stratum's untreated rate is 1 SD."""
        return half_of(self.rate)


EARLIER: dict[str, dict[str, Any]] = {
    "lagged_plateau": {"type": "plateau", "drift_on_drug": "stops"},
    "absolute_change": {"type": "decelerating_slope"},
    "proportional_slowing": {"correlation": 1.0, "group_sd": 0.0},
}
"""Types of effects that published means had of their own: the part of today, and its options where none are given."""

RENAMED = {"deceleration": "rho", "effect": "size", "slowing": "share"}


def with_names_of_today(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of an outcome, descriptions of its course and effect under the names of models of persons."""
    found, (course, effect) = dict(fields), (fields.get(key) for key in ("course", "effect"))
    effect = {"type": effect} if isinstance(effect, str) else effect
    if isinstance(course, Mapping) and course.get("type") == "decelerating":
        found["course"] = {RENAMED.get(name, name): value for name, value in course.items()}
    if isinstance(effect, Mapping) and effect.get("type") in EARLIER:
        kind, given = effect["type"], {RENAMED.get(name, name): value for name, value in effect.items()}
        if kind == "lagged_plateau" and "extension_shift_sd" in given:
            found["extension_shift_sd"] = given.pop("extension_shift_sd")
        found["effect"] = EARLIER[kind] | given | {"type": EARLIER[kind].get("type", kind)}
        if kind == "absolute_change" and isinstance(trajectory_from(found.get("course")), Linear):
            found["effect"]["type"] = "slope_change"
    return found
