"""An outcome of a longitudinal model: scale, trajectory, drug effect and priors."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    PlainSerializer,
    PositiveFloat,
    model_validator,
)

from bayesmodels.errors import BadInput
from bayesmodels.parts.effects import EFFECTS, NoEffect
from bayesmodels.parts.lookup import part_from, part_to
from bayesmodels.parts.priors import HalfNormal, LogNormal, MeanPrior, Normal
from bayesmodels.parts.trajectories import TRAJECTORIES, Linear


def trajectory_from(value: Any) -> Any:
    """A trajectory as it is, or from its name or description."""
    return part_from("trajectory", TRAJECTORIES, value, "curve")


TrajectoryPart = Annotated[Any, BeforeValidator(trajectory_from), PlainSerializer(lambda v: part_to(TRAJECTORIES, v))]
EffectPart = Annotated[
    Any,
    BeforeValidator(lambda v: part_from("drug effect", EFFECTS, v, "curve")),
    PlainSerializer(lambda v: part_to(EFFECTS, v)),
]


LONGEST_NAME = 120
"""Characters of a name, which begins names of variables and files."""


def _usable(name: str, refused: str) -> str:
    """A name that variables of the posterior can bear."""
    found = [repr(mark) for mark in refused if mark in name]
    if found:
        raise ValueError(f"expected a name without {' and '.join(found)}; rename it here and in the table")
    if not name.strip() or name != name.strip() or not name.isprintable():
        raise ValueError("expected a name that can be printed, without spaces before or after it")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"expected a name of at most {LONGEST_NAME} characters, got {len(name)}")
    return name


OutcomeName = Annotated[str, AfterValidator(lambda name: _usable(name, "/:"))]
"""A colon stands between outcome and term in names of terms; a slash is a folder in the posterior's file."""

EventName = Annotated[str, AfterValidator(lambda name: _usable(name, "/"))]
"""As an outcome's; no term is named after an event."""


class Typical(BaseModel):
    """Typical size of an outcome, from which its default priors are made.

    Parameters
    ----------
    level : float
        At randomisation, in natural units.
    spread : float
        SD between persons, on the modelling scale (ln units for log outcomes).
    rate : float, optional
        Change a month on the modelling scale; its sign is not used. Models of courses need it, models of means by visit
        do not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: FiniteFloat
    spread: FiniteFloat = Field(gt=0)
    rate: FiniteFloat | None = None

    @model_validator(mode="after")
    def _rate_moves(self) -> Typical:
        if self.rate == 0:
            raise ValueError("expected a rate other than 0: the priors of rates and effects are as wide as it is large")
        return self


class Outcome(BaseModel):
    """An outcome. A prior that is not given is made from `typical`: level m (its log for `log`), spread s, rate r.

    level ~ Normal(m, s), rate ~ Normal(0, 2 |r|); SDs between persons ~ HalfNormal(s) and HalfNormal(|r|); residual
    SD ~ HalfNormal(s / 2); effect on the level ~ Normal(0, s), on the rate ~ Normal(0, |r| / 2).

    Parameters
    ----------
    name : str
        The label in the visits table.
    unit : str
        Natural unit.
    scale : {"identity", "log"}
        Log outcomes are modelled on the natural logarithm.
    good_direction : {"up", "down"}
        Which way a person gets better.
    typical : Typical, optional
        Required unless every prior is given.
    limits : (float, float), optional
        Lowest and highest possible value, natural units; a value beyond them is refused.
    censor_at_limits : bool
        Values at a limit stand for anything beyond it.
    trajectory, effect : parts
        By instance, by known name, or as a dict with `type`.
    level, rate : Normal, or dict of Normal by stratum
        Means over persons at randomisation, modelling scale (a month).
    level_sd, rate_sd, residual_sd : HalfNormal, optional
        SDs between persons of level and rate, and of a visit about the person's course.
    rate_skewness : HalfNormal or float, optional
        Log SD k of the persons' rates, which are then a shifted log-normal with its long tail where the outcome gets
        worse faster; near 0 it is normal. A number is taken as known. One outcome of a model may have it.
    random_walk_sd : HalfNormal, optional
        Of a random walk (Brownian motion) about each person's course, from 0 at randomisation, per square root of a
        month; none unless given.
    random_walk_time_constant : LogNormal or float, optional
        Months since randomisation in which the SD of the random walk's steps shrinks to 1 / e; a number is taken as
        known. Steps of one size unless given.
    effect_on_level_prior, effect_on_rate_prior : Normal, or dict of Normal by stratum
        Size of an effect that shifts the level, or the rate.
    source : str
        Where the priors come from, for those made from `typical`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    signed_rates: ClassVar[bool] = True
    """Whether an effect that removes a share of the decline needs a rate whose prior has a sign."""

    name: OutcomeName
    unit: str = ""
    scale: Literal["identity", "log"] = "identity"
    good_direction: Literal["up", "down"]
    typical: Typical | None = None
    limits: tuple[FiniteFloat, FiniteFloat] | None = None
    censor_at_limits: bool = False
    trajectory: TrajectoryPart = Linear()
    effect: EffectPart = NoEffect()
    level: MeanPrior | None = None
    rate: MeanPrior | None = None
    level_sd: HalfNormal | None = None
    rate_sd: HalfNormal | None = None
    residual_sd: HalfNormal | None = None
    rate_skewness: HalfNormal | Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    random_walk_sd: HalfNormal | None = None
    random_walk_time_constant: LogNormal | PositiveFloat | None = None
    effect_on_level_prior: MeanPrior | None = None
    effect_on_rate_prior: MeanPrior | None = None
    source: str = "typical level, spread and rate stated in the configuration"

    @model_validator(mode="after")
    def _has_priors(self) -> Outcome:
        fields = ("level", "rate", "level_sd", "rate_sd", "residual_sd")
        missing = [name for name in fields if getattr(self, name) is None]
        if self.typical is None and missing:
            raise ValueError(
                "expected typical = {level, spread, rate} (natural unit; modelling scale; modelling scale a month), "
                f"or the priors {', '.join(missing)}"
            )
        if self.typical is not None and self.scale == "log" and self.typical.level <= 0:
            raise ValueError("expected typical level above 0 for an outcome on the log scale")
        if self.limits is not None and not self.limits[0] < self.limits[1]:
            raise ValueError(f"expected limits as [low, high] with low below high, got {list(self.limits)}")
        if self.censor_at_limits and self.limits is None:
            raise ValueError("expected limits with censor_at_limits")
        if self.random_walk_time_constant is not None and self.random_walk_sd is None:
            raise ValueError("expected random_walk_sd with random_walk_time_constant: give it too, or leave both out")
        return self

    @property
    def modelling_unit(self) -> str:
        """Unit on the modelling scale: ln for log outcomes."""
        return "ln" if self.scale == "log" else self.unit

    @property
    def modelling_limits(self) -> tuple[float, float] | None:
        """Limits on the modelling scale, None without; the logarithm of a lowest value of 0 is minus infinity."""
        if self.limits is None or self.scale != "log":
            return self.limits
        low, high = (math.log(limit) if limit > 0 else -math.inf for limit in self.limits)
        return low, high

    @property
    def has_rate(self) -> bool:
        """Whether a typical rate, or a prior of the rate, is stated."""
        return self.rate is not None or (self.typical is not None and self.typical.rate is not None)

    @property
    def level_prior(self) -> MeanPrior:
        """Prior of the mean level at randomisation, modelling scale."""
        return self.level or Normal(mean=self._typical_level(), sd=self._typical().spread, source=self.source)

    @property
    def rate_prior(self) -> MeanPrior:
        """Prior of the mean rate at randomisation, per month."""
        return self.rate or Normal(mean=0.0, sd=2 * abs(self._typical_rate()), source=self.source)

    @property
    def level_sd_prior(self) -> HalfNormal:
        """Prior of the persons' SD of level."""
        return self.level_sd or HalfNormal(sd=self._typical().spread, source=self.source)

    @property
    def rate_sd_prior(self) -> HalfNormal:
        """Prior of the persons' SD of rate."""
        return self.rate_sd or HalfNormal(sd=abs(self._typical_rate()), source=self.source)

    @property
    def residual_sd_prior(self) -> HalfNormal:
        """Prior of the SD of a visit about the person's course."""
        return self.residual_sd or HalfNormal(sd=self._typical().spread / 2, source=self.source)

    @property
    def effect_on_level(self) -> MeanPrior:
        """Prior of an effect that shifts the level: no more than a typical spread, either way."""
        if self.effect_on_level_prior:
            return self.effect_on_level_prior
        return Normal(mean=0.0, sd=self.level_sd_prior.sd, source="sceptical: one typical spread is 1 SD")

    @property
    def effect_on_rate(self) -> MeanPrior:
        """Prior of an effect that shifts the rate: half the stratum's natural rate is 1 SD."""
        if self.effect_on_rate_prior:
            return self.effect_on_rate_prior
        return _half(self._typical_rate()) if self.rate is None else half_of(self.rate)

    def _typical(self) -> Typical:
        assert self.typical is not None  # checked when made
        return self.typical

    def _typical_rate(self) -> float:
        rate = self._typical().rate
        if rate is None:
            raise BadInput(
                f"model: {self.name}: expected typical = {{level, spread, rate}} in a model of courses, found no "
                'rate; add the typical change a month, or use type = "visit", which needs none'
            )
        return rate

    def _typical_level(self) -> float:
        level = self._typical().level
        return math.log(level) if self.scale == "log" else level


def half_of(rate: MeanPrior) -> MeanPrior:
    """Prior of an effect that shifts the rate, from the rate's own, by stratum where that is: half the rate is 1 SD."""
    if isinstance(rate, dict):
        return {label: _half(prior.mean or prior.sd) for label, prior in rate.items()}
    return _half(rate.mean or rate.sd)


def _half(rate: float) -> Normal:
    return Normal(mean=0.0, sd=abs(rate) / 2, source="sceptical: half the natural rate is 1 SD")
