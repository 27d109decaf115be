"""Trajectories: untreated courses as functions of months since randomisation."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import pytensor.tensor as pt
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_validator

from bayesmodels.parts.curve import Curve, Term
from bayesmodels.parts.priors import LogNormal, Normal, PriorFields
from bayesmodels.vocabulary import months

_FROZEN = ConfigDict(frozen=True, extra="forbid")

DECELERATION = LogNormal(
    median=0.04, sigma=0.8, source="published VALOR means: half-life of the decline about 17 months, kept wide"
)


def level_and_rate(outcome: Any) -> dict[str, Term]:
    """The two terms every trajectory has: level at randomisation, and rate of change then.

    Parameters
    ----------
    outcome : Outcome
        Whose priors they take.

    Returns
    -------
    dict of str to Term
        `level` and `rate`, with the outcome's priors.
    """
    return {
        "level": Term(outcome.level_prior, outcome.level_sd_prior, "{unit}"),
        "rate": Term(outcome.rate_prior, outcome.rate_sd_prior, "{unit} per month"),
    }


class Linear(BaseModel):
    """level + rate t.

    Parameters
    ----------
    type : str
        Name in a configuration.
    """

    model_config = _FROZEN
    type: Literal["linear"] = "linear"

    @property
    def formula(self) -> str:
        """As of `parts.formulas`."""
        return "level + rate t"

    def curve(self, outcome: Any) -> Curve:
        """Terms level and rate."""
        return Curve(level_and_rate(outcome), lambda t: {"level": pt.ones_like(t), "rate": t})


class Decelerating(BaseModel):
    """level + rate (1 - exp(-rho t)) / rho: the rate falls by half every log(2) / rho months.

    Parameters
    ----------
    type : str
        Name in a configuration.
    rho : LogNormal or float
        Per month; a number is taken as known.
    """

    model_config = _FROZEN
    type: Literal["decelerating"] = "decelerating"
    rho: LogNormal | float = DECELERATION
    prior_fields: ClassVar[PriorFields] = {"rho": ("", "per month")}

    @field_validator("rho")
    @classmethod
    def _positive(cls, rho: Any) -> Any:
        if isinstance(rho, float) and not 0 < rho < float("inf"):
            raise ValueError("expected rho above 0 (a course that does not decelerate is linear)")
        return rho

    @property
    def formula(self) -> str:
        """As of `parts.formulas`."""
        rho = f"{self.rho:.3g}" if isinstance(self.rho, float) else "ρ"
        return f"level + rate (1 − exp(−{rho} t)) / {rho}"

    def curve(self, outcome: Any) -> Curve:
        """Terms level and rate; publishes `deceleration`."""
        rho = self.rho if isinstance(self.rho, float) else self.rho.variable(f"{outcome.name}_deceleration")
        return Curve(
            level_and_rate(outcome),
            lambda t: {"level": pt.ones_like(t), "rate": -pt.expm1(-rho * t) / rho},
            published={"deceleration": pt.as_tensor_variable(rho)},
        )


class Piecewise(BaseModel):
    """level + rate t, with a change of rate at each knot.

    Parameters
    ----------
    type : str
        Name in a configuration.
    knot_weeks : tuple of float
        Weeks since randomisation, rising.
    """

    model_config = _FROZEN
    type: Literal["piecewise"] = "piecewise"
    knot_weeks: tuple[FiniteFloat, ...] = Field(min_length=1)

    @field_validator("knot_weeks")
    @classmethod
    def _rising(cls, knots: Any) -> Any:
        if list(knots) != sorted(set(knots)) or knots[0] <= 0:
            raise ValueError("expected rising weeks above 0")
        return knots

    @property
    def formula(self) -> str:
        """As of `parts.formulas`."""
        bends = (
            f"rate_change_{{{j}}} (t − {months(week):.3g})_{{+}}" for j, week in enumerate(self.knot_weeks, start=1)
        )
        return " + ".join(["level + rate t", *bends])

    def curve(self, outcome: Any) -> Curve:
        """Terms level, rate and a change of rate per knot, Normal(0, the rate's prior spread)."""
        knots = [months(week) for week in self.knot_weeks]
        names = [f"rate_change_{j + 1}" for j in range(len(knots))]
        changes = dict.fromkeys(names, _change_of_rate(outcome))
        return Curve(
            level_and_rate(outcome) | changes,
            lambda t: (
                {"level": pt.ones_like(t), "rate": t}
                | {name: pt.maximum(t - knot, 0.0) for name, knot in zip(names, knots, strict=True)}
            ),
            rate_jumps=tuple(knots),
        )


class NaturalSpline(BaseModel):
    """level + rate t + a natural cubic spline: linear before the first knot and after the last.

    Basis: N_j(t) = d_j(t) - d_last(t), d_j(t) = ((t - k_j)_+^3 - (t - k_m)_+^3) / (k_m - k_j), over
    k_m - k_1: in months, so that a coefficient is in units per month (Hastie, Tibshirani and Friedman, The Elements of
    Statistical Learning, 5.2.1).

    Parameters
    ----------
    type : str
        Name in a configuration.
    knot_weeks : tuple of float
        Weeks since randomisation, rising, three or more.
    """

    model_config = _FROZEN
    type: Literal["natural_spline"] = "natural_spline"
    knot_weeks: tuple[FiniteFloat, ...] = Field(min_length=3)

    @field_validator("knot_weeks")
    @classmethod
    def _rising(cls, knots: Any) -> Any:
        if list(knots) != sorted(set(knots)) or knots[0] < 0:
            raise ValueError("expected rising weeks, 0 or later")
        return knots

    @property
    def formula(self) -> str:
        """As of `parts.formulas`."""
        bends = [f"bend_{{{j}}} N_{{{j}}}(t)" for j in range(1, len(self.knot_weeks) - 1)]
        weeks = ", ".join(f"{week:g}" for week in self.knot_weeks)
        body = " + ".join(["level + rate t", *bends])
        return f"{body} where N: natural cubic splines with knots at weeks {weeks}"

    def curve(self, outcome: Any) -> Curve:
        """Terms level, rate and one per bend, Normal(0, the rate's prior spread)."""
        knots = [months(week) for week in self.knot_weeks]
        last, span = knots[-1], knots[-1] - knots[0]
        names = [f"bend_{j + 1}" for j in range(len(knots) - 2)]

        def cubic(t, knot):
            return (pt.maximum(t - knot, 0.0) ** 3 - pt.maximum(t - last, 0.0) ** 3) / (last - knot)

        def value(t):
            bends = {n: (cubic(t, k) - cubic(t, knots[-2])) / span for n, k in zip(names, knots[:-2], strict=True)}
            # The bends start at the first knot, which is not before randomisation, so that level is the level there.
            return {"level": pt.ones_like(t), "rate": t} | bends

        return Curve(level_and_rate(outcome) | dict.fromkeys(names, _change_of_rate(outcome)), value)


def _change_of_rate(outcome: Any) -> Term:
    rate = outcome.rate_prior
    spread = max(prior.sd for prior in (rate.values() if isinstance(rate, dict) else [rate]))
    prior = Normal(mean=0.0, sd=2 * spread, source="twice the prior SD of the rate")
    return Term(prior, None, "{unit} per month")


TRAJECTORIES = {
    "linear": Linear,
    "decelerating": Decelerating,
    "piecewise": Piecewise,
    "natural_spline": NaturalSpline,
}
