"""Drug effects on an outcome, as functions of months since randomisation (t) and since the person's drug start (x).

Every shape is zero until the drug starts. A lag is a prior, a number of months taken as known, or None.
`effect_type` is the shape's name and `effect_unit` the unit of its size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

import pytensor.tensor as pt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from bayesmodels.errors import BadConfig
from bayesmodels.parts.curve import Curve, Term
from bayesmodels.parts.formulas import said
from bayesmodels.parts.priors import HalfNormal, LogNormal, MeanPrior, Normal, PriorFields
from bayesmodels.vocabulary import months

_FROZEN = ConfigDict(frozen=True, extra="forbid")


def _not_before_the_drug(lag: LogNormal | float | None) -> LogNormal | float | None:
    if isinstance(lag, float) and not 0 <= lag < math.inf:
        raise ValueError("expected a lag of 0 months or more, since the drug does nothing before it is given")
    return lag


Lag = Annotated[LogNormal | float | None, AfterValidator(_not_before_the_drug)]
"""Months from the drug's start to its first effect: a prior, a number taken as known, or None for no lag."""

SIGNED_FROM = 1.6
"""SDs from 0 of a rate's prior mean, from which on the rate is taken to have a sign: the other has 1 chance in 18."""

LEVEL: Final = "{unit}"
RATE: Final = "{unit} per month"
_MONTHS = ("", "months")

BIOMARKER_LAG = LogNormal(
    median=1.0, sigma=0.5, source="pharmacology: first effect within 0.3 to 3 months of the first dose"
)
BIOMARKER_TIME_CONSTANT = LogNormal(
    median=1.2, sigma=0.6, source="pharmacology: most of the effect within 0.5 to 4 months"
)
FUNCTION_LAG = LogNormal(median=2.5, sigma=0.6, source="assumption, 0.8 to 8 months; not learned from VALOR")


JUMP_MONTHS = (1.0, 2.0, 3.0, 4.0, 6.0, 9.0)
"""Months on the drug at which time is cut where a rate acts on a hazard and jumps after an uncertain lag.

Nodes do not move with the lag: over a year on the drug the cumulative hazard is then off by up to 3 % where the jump of
the log hazard is 1, 5 % where it is 2, and the gradient by the lag lacks what moving the jump adds.
"""


def _lag(lag: LogNormal | float | None, outcome: str) -> Any:
    """A part's lag in months, what to publish of it, and where the rate jumps: a number is known, None is no lag."""
    if isinstance(lag, LogNormal):
        variable = lag.variable(f"{outcome}_effect_lag")
        return variable, {"effect_lag": variable}, JUMP_MONTHS
    return (0.0, {}, ()) if lag is None else (lag, {"effect_lag": pt.constant(lag)}, (float(lag),))


def _since_said(lag: LogNormal | float | None) -> str:
    """Months since the effect began, as a formula."""
    if not lag:
        return "x_{+}"
    return f"(x − {lag:g})_{{+}}" if isinstance(lag, float) else "(x − lag)_{+}"


def _since(x: Any, lag: Any) -> Any:
    """Months since the effect began, zero before."""
    return pt.maximum(x - lag, 0.0)


class NoEffect(BaseModel):
    """The drug does nothing to this outcome.

    Parameters
    ----------
    type : str
        Name in a configuration.
    effect_unit : str
        Template of the unit of its size.
    """

    model_config = _FROZEN
    type: Literal["none"] = "none"
    effect_unit: Literal[""] = ""

    @property
    def formula(self) -> str:
        """As of `parts.formulas`."""
        return "f(t)"

    def curve(self, outcome: Any, trajectory: Curve, effects: Mapping[str, Curve]) -> Curve:
        """No terms."""
        return Curve({}, lambda t, x: {}, lambda t, x: {})


class Step(BaseModel):
    """size, from the drug's start on.

    Parameters
    ----------
    type : str
        Name in a configuration.
    effect_unit : str
        Template of the unit of its size.
    size : Normal, or dict of Normal by stratum, optional
        Prior of its mean over persons; the outcome's unless given.
    person_sd : HalfNormal, optional
        Prior of its SD between persons; without it everyone has the same effect.
    """

    model_config = _FROZEN
    type: Literal["step"] = "step"
    effect_unit: Literal["{unit}"] = LEVEL
    size: MeanPrior | None = None
    person_sd: HalfNormal | None = None

    @property
    def formula(self) -> str:
        """As of `parts.formulas`."""
        return "f(t) + effect [x > 0]"

    def curve(self, outcome: Any, trajectory: Curve, effects: Mapping[str, Curve]) -> Curve:
        """Term effect."""
        return Curve(
            {"effect": Term(self.size or outcome.effect_on_level, self.person_sd, LEVEL)},
            lambda t, x: {"effect": pt.cast(pt.gt(x, 0.0), "float64")},
            lambda t, x: {"effect": pt.maximum(x, 0.0)},
        )


class SlopeChange(BaseModel):
    """size (x - lag)_+: the rate changes by `size` a month.

    Parameters
    ----------
    type : str
        Name in a configuration.
    effect_unit : str
        Template of the unit of its size.
    lag : LogNormal, float or None
        Months from the drug's start to the first effect.
    size : Normal, or dict of Normal by stratum, optional
        Prior of its mean over persons; the outcome's unless given.
    person_sd : HalfNormal, optional
        Prior of its SD between persons; without it everyone has the same effect.
    """

    model_config = _FROZEN
    type: Literal["slope_change"] = "slope_change"
    effect_unit: Literal["{unit} per month"] = RATE
    lag: Lag = None
    size: MeanPrior | None = None
    person_sd: HalfNormal | None = None
    prior_fields: ClassVar[PriorFields] = {"lag": _MONTHS}

    @property
    def formula(self) -> str:
        """As of `parts.formulas`."""
        return f"f(t) + effect {_since_said(self.lag)}"

    def curve(self, outcome: Any, trajectory: Curve, effects: Mapping[str, Curve]) -> Curve:
        """Term effect; publishes `effect_lag` where there is one."""
        lag, published, jumps = _lag(self.lag, outcome.name)
        return Curve(
            {"effect": Term(self.size or outcome.effect_on_rate, self.person_sd, RATE)},
            lambda t, x: {"effect": _since(x, lag)},
            lambda t, x: {"effect": 0.5 * _since(x, lag) ** 2},
            published,
            jumps,
        )


class Plateau(BaseModel):
    """size h(x), h = 1 - exp(-(x - lag)_+ / kappa): a fall to a new level after a lag.

    Parameters
    ----------
    type : str
        Name in a configuration.
    effect_unit : str
        Template of the unit of its size.
    lag : LogNormal, float or None
        Months from the drug's start to the first effect.
    time_constant : LogNormal
        Months in which 63 % of the effect is reached after the lag.
    size : Normal, or dict of Normal by stratum, optional
        Prior of its mean over persons; the outcome's unless given.
    person_sd : HalfNormal, optional
        Prior of its SD between persons; without it everyone has the same effect.
    drift_on_drug : {"continues", "stops"}
        `stops`: the untreated drift accrues over the integral of 1 - h only.
    late_slope : Normal, optional
        Prior of a change a month beyond `late_after` months on the drug; none unless given.
    late_after : float
        Months on the drug.
    extension_shift : Normal, optional
        Prior of a shift common to the start groups at visits of the extension; none unless given.
    extension_weeks : (float, float), optional
        First and last week since randomisation of those visits; given with `extension_shift`.
    """

    model_config = _FROZEN
    type: Literal["plateau"] = "plateau"
    effect_unit: Literal["{unit}"] = LEVEL
    lag: Lag = BIOMARKER_LAG
    time_constant: LogNormal = BIOMARKER_TIME_CONSTANT
    size: MeanPrior | None = None
    person_sd: HalfNormal | None = None
    drift_on_drug: Literal["continues", "stops"] = "continues"
    late_slope: Normal | None = None
    late_after: float = Field(default=12.0, ge=0)
    extension_shift: Normal | None = None
    extension_weeks: tuple[float, float] | None = None
    prior_fields: ClassVar[PriorFields] = {"lag": _MONTHS, "time_constant": _MONTHS}

    @model_validator(mode="after")
    def _window_declared(self) -> Plateau:
        weeks = self.extension_weeks
        if (self.extension_shift is None) != (weeks is None) or (weeks is not None and not 0 <= weeks[0] < weeks[1]):
            raise ValueError(
                "expected extension_shift and extension_weeks = [first, last] together, weeks since randomisation, "
                f"rising from 0 or later; got extension_weeks = {list(weeks) if weeks else 'none'}"
            )
        return self

    @property
    def formula(self) -> str:
        """As of `parts.formulas`."""
        shape = f"1 − exp(−{_since_said(self.lag)} / κ)"
        stops = self.drift_on_drug == "stops"
        body = "f(t − ∫_{0}^{x} h) + effect h(x)" if stops else f"f(t) + effect ({shape})"
        if self.late_slope is not None:
            body += f" + late_slope (x − {self.late_after:g})_{{+}}"
        if self.extension_weeks is not None:
            first, last = self.extension_weeks
            body += f" + extension_shift [week {first:g} to {last:g}]"
        return f"{body} where {f'h(x) = {shape}, ' if stops else ''}κ: time constant"

    def curve(self, outcome: Any, trajectory: Curve, effects: Mapping[str, Curve]) -> Curve:
        """Term effect; publishes `effect_lag` and `effect_time_constant`."""
        lag, published, jumps = _lag(self.lag, outcome.name)
        kappa = self.time_constant.variable(f"{outcome.name}_effect_time_constant")

        further: dict[str, Term] = {}
        if self.late_slope is not None:
            further["late_slope"] = Term(self.late_slope, None, RATE, by_start_group=False)
        if self.extension_shift is not None:
            further["extension_shift"] = Term(self.extension_shift, None, LEVEL, by_start_group=False)
        begin, end = (months(week) for week in self.extension_weeks or (0.0, 0.0))

        def area(t, x):
            since = _since(x, lag)
            return {"effect": since + kappa * pt.expm1(-since / kappa)}

        def later(t, x):
            every = {
                "late_slope": pt.maximum(x - self.late_after, 0.0),
                "extension_shift": pt.cast(pt.and_(pt.ge(t, begin), pt.le(t, end)), "float64"),
            }
            return {name: every[name] for name in further}

        return Curve(
            {"effect": Term(self.size or outcome.effect_on_level, self.person_sd, LEVEL)} | further,
            lambda t, x: {"effect": -pt.expm1(-_since(x, lag) / kappa)} | later(t, x),
            area,
            {"effect_time_constant": kappa} | published,
            jumps,
            own_time=(lambda t, x: t - area(t, x)["effect"]) if self.drift_on_drug == "stops" else None,
        )


class Transit(BaseModel):
    """size P(k, x k / delay): the response passes through a chain of k compartments, mean delay `delay` months.

    P is the regularised lower incomplete gamma function.

    Parameters
    ----------
    type : str
        Name in a configuration.
    effect_unit : str
        Template of the unit of its size.
    delay : LogNormal
        Mean delay, months.
    stages : LogNormal
        Number of compartments; need not be whole.
    size : Normal, or dict of Normal by stratum, optional
        Prior of its mean over persons; the outcome's unless given.
    person_sd : HalfNormal, optional
        Prior of its SD between persons; without it everyone has the same effect.
    """

    model_config = _FROZEN
    type: Literal["transit"] = "transit"
    effect_unit: Literal["{unit}"] = LEVEL
    delay: LogNormal = LogNormal(median=2.5, sigma=0.5, source="as the lag and the time constant together")
    stages: LogNormal = LogNormal(median=4.0, sigma=0.5, source="wide; one stage is a plain exponential")
    size: MeanPrior | None = None
    person_sd: HalfNormal | None = None
    prior_fields: ClassVar[PriorFields] = {"delay": _MONTHS, "stages": ("", "number")}

    @property
    def formula(self) -> str:
        """As of `parts.formulas`."""
        return "f(t) + effect P(k, k x_{+} / delay) where P: regularised lower incomplete gamma function, k: stages"

    def curve(self, outcome: Any, trajectory: Curve, effects: Mapping[str, Curve]) -> Curve:
        """Term effect; publishes the mean delay as `effect_lag`."""
        delay = self.delay.variable(f"{outcome.name}_transit_delay")
        stages = self.stages.variable(f"{outcome.name}_transit_stages")

        def after(x, effect):
            """0 before the drug's start; at 1e-9 months or more after it, where gradients are finite."""
            return {"effect": pt.switch(pt.gt(x, 0.0), effect(pt.maximum(x, 1e-9)), 0.0)}

        def value(t, x):
            return after(x, lambda since: pt.gammainc(stages, since * stages / delay))

        def area(t, x):
            def accrued(since):
                scaled = since * stages / delay
                return since * pt.gammainc(stages, scaled) - delay * pt.gammainc(stages + 1.0, scaled)

            return after(x, accrued)

        return Curve(
            {"effect": Term(self.size or outcome.effect_on_level, self.person_sd, LEVEL)},
            value,
            area,
            {"effect_lag": delay},
        )


class DeceleratingSlope(BaseModel):
    """size (exp(-rho (t - x_+)) - exp(-rho t)) / rho, x_+ = (x - lag)_+: a change of rate that fades with time.

    It fades since randomisation, as the untreated course does: were it to fade from the drug's start, a group that
    starts late would catch up with one that started early whatever the data say.

    Parameters
    ----------
    type : str
        Name in a configuration.
    effect_unit : str
        Template of the unit of its size.
    lag : LogNormal, float or None
        Months from the drug's start to the first effect.
    size : Normal, or dict of Normal by stratum, optional
        Prior of its mean over persons; the outcome's unless given.
    person_sd : HalfNormal, optional
        Prior of its SD between persons; without it everyone has the same effect.
    rho : LogNormal or "trajectory"
        Per month; `trajectory` ties it to the deceleration of the outcome's untreated course.
    """

    model_config = _FROZEN
    type: Literal["decelerating_slope"] = "decelerating_slope"
    effect_unit: Literal["{unit} per month"] = RATE
    lag: Lag = None
    rho: LogNormal | Literal["trajectory"] = "trajectory"
    size: MeanPrior | None = None
    person_sd: HalfNormal | None = None
    prior_fields: ClassVar[PriorFields] = {"lag": _MONTHS, "rho": ("", "per month")}

    @property
    def formula(self) -> str:
        """As of `parts.formulas`."""
        body = "f(t) + effect (exp(−ρ (t − u)) − exp(−ρ t)) / ρ"
        of = "of the untreated course" if self.rho == "trajectory" else "of the effect"
        return f"{body} where u = {_since_said(self.lag)}, ρ: {of}"

    def curve(self, outcome: Any, trajectory: Curve, effects: Mapping[str, Curve]) -> Curve:
        """Term effect; publishes `effect_lag` where there is one.

        Parameters
        ----------
        outcome : Outcome
        trajectory : Curve
            The outcome's untreated course.
        effects : mapping
            Outcome to the drug effects made so far.

        Returns
        -------
        Curve
            Of months t since randomisation and x since the drug's start.
        """
        if self.rho == "trajectory" and "deceleration" not in trajectory.published:
            raise BadConfig(
                f'outcome {outcome.name}: effect decelerating_slope with rho = "trajectory" needs a decelerating '
                'trajectory; set trajectory = {type = "decelerating"}, or give the effect its own rho'
            )
        if isinstance(self.rho, LogNormal):
            rho = self.rho.variable(f"{outcome.name}_effect_rho")
        else:
            rho = trajectory.published["deceleration"]
        lag, published, jumps = _lag(self.lag, outcome.name)

        def value(t, x):
            since = _since(x, lag)
            return {"effect": -pt.expm1(-rho * since) * pt.exp(-rho * (t - since)) / rho}

        def area(t, x):
            since = _since(x, lag)
            return {"effect": pt.exp(-rho * (t - since)) * (since + pt.expm1(-rho * since) / rho) / rho}

        return Curve(
            {"effect": Term(self.size or outcome.effect_on_rate, self.person_sd, RATE)}, value, area, published, jumps
        )


class ProportionalSlowing(BaseModel):
    """The drug removes one share e of each person's own decline from a lag after its start.

    Every term of the untreated course but the level has basis b(t) - e [b(t) - b(t - x_+)], x_+ = (x - lag)_+; a
    decelerating course thus loses e (exp(-rho (t - x_+)) - exp(-rho t)) / rho of its (1 - exp(-rho t)) / rho.

    The share of a stratum is a common part plus the stratum's own, Normal with SDs sd sqrt(correlation) and
    sd sqrt(1 - correlation); where two or more start groups start the drug, each one's share lies about it with SD
    `group_sd`, under pooling "partial"; has the same, under "complete"; or has a stratum's own part for itself, under
    "none".

    Parameters
    ----------
    type : str
        Name in a configuration.
    effect_unit : str
        Template of the unit of its size.
    lag : LogNormal, float or None
        Months from the drug's start to the first effect.
    share : Normal
        Prior of the share in a stratum; 1 is a halt, below 0 a faster decline. Centred at no effect: a prior centred on
        benefit would decide in favour before the data.
    correlation : float
        Of the shares of two strata before the data.
    group_sd : float
        SD of a start group's share about its stratum's. Fixed: the SD of two numbers is not learned.
    """

    model_config = _FROZEN
    type: Literal["proportional_slowing"] = "proportional_slowing"
    effect_unit: Literal["proportion"] = "proportion"
    lag: Lag = FUNCTION_LAG
    share: Normal = Normal(mean=0.0, sd=0.5, source="sceptical: centred at no effect; half the decline is 1 SD")
    correlation: float = Field(default=0.5, ge=0, le=1)
    group_sd: float = Field(default=0.15, ge=0)
    prior_fields: ClassVar[PriorFields] = {"lag": _MONTHS}

    @property
    def formula(self) -> str:
        """As of `parts.formulas`."""
        return f"f(t) − share (f(t) − f(t − u)) where u = {_since_said(self.lag)}"

    def curve(self, outcome: Any, trajectory: Curve, effects: Mapping[str, Curve]) -> Curve:
        """No term; `slowed` gives x_+; publishes `effect_lag` where there is one.

        Parameters
        ----------
        outcome : Outcome
        trajectory : Curve
            The outcome's untreated course.
        effects : mapping
            Outcome to the drug effects made so far.

        Returns
        -------
        Curve
            Without a term; `slowed` takes months since the drug's start.

        Raises
        ------
        BadConfig
            The prior of the outcome's rate does not say which way it goes: only share x rate would be known.
        """
        rates = outcome.rate_prior
        for prior in rates.values() if isinstance(rates, dict) else [rates]:
            if outcome.signed_rates and abs(prior.mean) < SIGNED_FROM * prior.sd:
                raise BadConfig(
                    f"outcome {outcome.name}: effect proportional_slowing needs a rate whose prior has a sign (mean at "
                    f'least {SIGNED_FROM:g} SDs from 0), got {prior}; give rate = {{type = "normal", mean = ..., '
                    'sd = ...}, or another effect, such as "slope_change"'
                )
        lag, published, jumps = _lag(self.lag, outcome.name)
        return Curve({}, lambda t, x: {}, None, published, jumps, slowed=lambda x: _since(x, lag))


class Follows(BaseModel):
    """The rate changes by `gain` times the drug-induced change of another outcome, `lag` months earlier.

    A mechanistic link, from which mediation is computed; compare it with a free effect before believing it.

    Parameters
    ----------
    type : str
        Name in a configuration.
    effect_unit : str
        Template of the unit of its size.
    lag : LogNormal, float or None
        Months from the drug's start to the first effect.
    outcome : str
        The other outcome, listed before this one; its effect has an area (all built-in shapes have).
    gain : Normal
        Units of this outcome a month per unit of the other.
    """

    model_config = _FROZEN
    type: Literal["follows"] = "follows"
    effect_unit: Literal["{unit} per month per unit followed"] = "{unit} per month per unit followed"
    outcome: str
    gain: Normal = Normal(mean=0.0, sd=0.5, source="cohort slope 0.46 points a month per ln NfL")
    lag: Lag = None
    prior_fields: ClassVar[PriorFields] = {"gain": ("", "{unit} per month per unit followed"), "lag": _MONTHS}

    @property
    def formula(self) -> str:
        """As of `parts.formulas`."""
        lag = "0" if not self.lag else (f"{self.lag:g}" if isinstance(self.lag, float) else "lag")
        until = "t" if lag == "0" else f"t − {lag}"
        return f"f(t) + gain ∫_{{0}}^{{{until}}} Δ where Δ: effect of the drug on {said(self.outcome)}"

    def curve(self, outcome: Any, trajectory: Curve, effects: Mapping[str, Curve]) -> Curve:
        """No term of its own: uses the other outcome's; publishes `follow_gain`."""
        followed = effects.get(self.outcome)
        area = None if followed is None else followed.area
        if followed is None or area is None or "effect" not in followed.terms:
            raise BadConfig(
                f"outcome {outcome.name}: effect follows {self.outcome}, which is not an outcome listed before it "
                "with an effect of its own that has an area; list it first, with such an effect"
            )
        gain = self.gain.variable(f"{outcome.name}_follow_gain")
        lag, published, jumps = _lag(self.lag, outcome.name)
        return Curve(
            {f"{self.outcome}:effect": followed.terms["effect"]},
            lambda t, x: {f"{self.outcome}:effect": gain * area(t - lag, x - lag)["effect"]},
            None,
            {"follow_gain": gain} | published,
            jumps,
        )


EFFECTS = {
    "none": NoEffect,
    "step": Step,
    "slope_change": SlopeChange,
    "plateau": Plateau,
    "transit": Transit,
    "decelerating_slope": DeceleratingSlope,
    "proportional_slowing": ProportionalSlowing,
    "follows": Follows,
}
