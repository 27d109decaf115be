"""Links between outcomes in published means: a drug effect on the rate by way of another outcome's plateau.

With rate exp(-rho t) off the drug (rho = 0: a linear course), and h the share of its plateau D that the other outcome
has reached `lag` months earlier, the rate at time u is exp(-rho u) times a function of D h. Signs: D < 0 is a drop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np
import pytensor.tensor as pt
from pydantic import BaseModel, ConfigDict

from bayesmodels.errors import BadConfig
from bayesmodels.parts.curve import Curve
from bayesmodels.parts.formulas import said
from bayesmodels.parts.priors import LogNormal, Normal, PriorFields

_FROZEN = ConfigDict(frozen=True, extra="forbid")

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_PANELS = np.array([0.0, 0.06, 0.2, 0.45, 1.0])
UNIT_NODES = np.concatenate([a + (b - a) * (_NODES + 1) / 2 for a, b in pairwise(_PANELS)])
UNIT_WEIGHTS = np.concatenate([(b - a) * _WEIGHTS / 2 for a, b in pairwise(_PANELS)])
"""Gauss-Legendre on [0, 1], panels narrow near 0, where a lagged plateau bends."""


class RatioPower(BaseModel):
    """The rate is multiplied by exp(exponent D h): by the drug-induced ratio to the power `exponent`, D in ln.

    Not linear in the plateau D, so that models which integrate persons' terms out cannot have it.

    Parameters
    ----------
    type : str
        Name in a configuration.
    effect_unit : str
        Template of the unit of its size.
    outcome : str
        The other outcome, whose effect is a plateau.
    exponent : Normal
        0: no effect; 1: the rate changes in proportion.
    lag : LogNormal
        Months behind the other outcome's response.
    """

    model_config = _FROZEN
    type: Literal["ratio_power"] = "ratio_power"
    effect_unit: Literal["ln rate per ln ratio"] = "ln rate per ln ratio"
    outcome: str = "nfl_plasma"
    exponent: Normal
    lag: LogNormal
    prior_fields: ClassVar[PriorFields] = {"exponent": ("", "ln rate per ln ratio"), "lag": ("", "months")}

    @property
    def formula(self) -> str:
        """As of `parts.formulas`."""
        other = f"D h: effect of the drug on {said(self.outcome)}, lag months earlier"
        return f"f(t) with its rate times exp(exponent D h) where {other}"

    def curve(self, outcome: Any, trajectory: Curve, effects: Mapping[str, Curve]) -> Curve:
        """No term; `rate_given` is the basis of the rate; publishes the exponent as `drug_effect`."""
        followed = _followed(outcome, self.outcome, trajectory, effects)
        exponent = self.exponent.variable(f"{outcome.name}_exponent")
        lag = self.lag.variable(f"{outcome.name}_effect_lag")

        def rate(t, x, size):
            power = (exponent * size)[..., None]
            before, later = _in_two(trajectory, followed, lag, t, x, lambda reached: pt.exp(power * reached))
            return trajectory.value(before)["rate"] + later

        published = {"drug_effect": exponent, "effect_lag": lag}
        return Curve({}, lambda t, x: {}, published=published, rate_given=(self.outcome, rate))


class DropGain(BaseModel):
    """The rate gains -gain D h a month: `gain` for every ln of the drug-induced drop, fading as the course does.

    Parameters
    ----------
    type : str
        Name in a configuration.
    effect_unit : str
        Template of the unit of its size.
    outcome : str
        The other outcome, whose effect is a plateau.
    gain : Normal
        Units of this outcome a month per ln.
    lag : LogNormal
        Months behind the other outcome's response.
    """

    model_config = _FROZEN
    type: Literal["drop_gain"] = "drop_gain"
    effect_unit: Literal["{unit} per month per ln drop"] = "{unit} per month per ln drop"
    outcome: str = "nfl_plasma"
    gain: Normal
    lag: LogNormal
    prior_fields: ClassVar[PriorFields] = {"gain": ("", "{unit} per month per ln drop"), "lag": ("", "months")}

    @property
    def formula(self) -> str:
        """As of `parts.formulas`."""
        other = f"D h: effect of the drug on {said(self.outcome)}, lag months earlier, ρ: of the untreated course"
        return f"f(t) − gain ∫_{{0}}^{{t}} exp(−ρ u) D h(u) du where {other}"

    def curve(self, outcome: Any, trajectory: Curve, effects: Mapping[str, Curve]) -> Curve:
        """No term of its own: uses the other outcome's; publishes the gain as `drug_effect`."""
        followed = _followed(outcome, self.outcome, trajectory, effects)
        gain = self.gain.variable(f"{outcome.name}_gain")
        lag = self.lag.variable(f"{outcome.name}_effect_lag")
        name = f"{self.outcome}:effect"
        return Curve(
            {name: followed.terms["effect"]},
            lambda t, x: {name: -gain * _in_two(trajectory, followed, lag, t, x, lambda reached: reached)[1]},
            published={"drug_effect": gain, "effect_lag": lag},
        )


def _followed(outcome: Any, other: str, trajectory: Curve, effects: Mapping[str, Curve]) -> Curve:
    """The effect of the other outcome, which is a plateau over a linear or decelerating course of this one."""
    followed = effects.get(other)
    if followed is None or "effect_time_constant" not in followed.published or "effect" not in followed.terms:
        raise BadConfig(
            f"outcome {outcome.name}: its effect follows {other}, which is not an outcome of the model whose effect is "
            f'a plateau; add {other} with effect = {{type = "plateau", ...}}, or give {outcome.name} another effect'
        )
    if set(trajectory.terms) != {"level", "rate"}:
        raise BadConfig(
            f"outcome {outcome.name}: an effect that follows {other} needs a linear or decelerating course, got terms "
            f"{', '.join(trajectory.terms)}"
        )
    return followed


def _in_two(
    trajectory: Curve, followed: Curve, lag: Any, t: Any, x: Any, factor: Callable[[Any], Any]
) -> tuple[Any, Any]:
    """Months before the link begins to act, and the integral from then to t of exp(-rho u) factor(h(u)).

    The factor's argument has the integral's nodes in a further, last axis. t and x are months since randomisation and
    since the drug's start; the link acts `lag` months behind the other outcome's response.
    """
    width = pt.maximum(x - lag - followed.published.get("effect_lag", 0.0), 0.0)
    before = t - width
    u = before[..., None] + width[..., None] * UNIT_NODES
    reached = followed.value(u - lag, u - (t - x)[..., None] - lag)["effect"]
    remaining = pt.exp(-trajectory.published.get("deceleration", 0.0) * u)
    return before, width * (factor(reached) * remaining * UNIT_WEIGHTS).sum(axis=-1)
