"""What a research user writes: a trajectory, a drug effect and a model of their own. No registration anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pydantic import BaseModel, ConfigDict

from bayesmodels.models.publish import publish
from bayesmodels.parts.curve import Curve, Term
from bayesmodels.parts.priors import LogNormal, Normal
from bayesmodels.parts.trajectories import level_and_rate
from bayesmodels.study import Study
from bayesmodels.vocabulary import months


class SquareRoot(BaseModel):
    """level + rate sqrt(t + 1) - rate + an offset of one point that everybody has, to try a constant basis."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    offset: float = 2.0

    def curve(self, outcome) -> Curve:
        """Terms level, rate and offset."""
        offset = Term(Normal(mean=0.5, sd=1e-3), None, "{unit}")
        return Curve(
            {**level_and_rate(outcome), "offset": offset},
            lambda t: {"level": pt.ones_like(t), "rate": pt.sqrt(t + 1) - 1, "offset": pt.full_like(t, self.offset)},
        )


class HalfLife(BaseModel):
    """size x / (x + half): half of the effect after `half` months, and no lag."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: str = "half_life"
    effect_unit: str = "{unit}"
    half: LogNormal = LogNormal(median=2.0, sigma=0.3)

    def curve(self, outcome, trajectory: Curve, effects: Mapping[str, Curve]) -> Curve:
        """Term effect."""
        half = self.half.variable(f"{outcome.name}_half")

        def value(x):
            since = pt.maximum(x, 0.0)
            return {"effect": since / (since + half)}

        return Curve({"effect": Term(outcome.effect_on_level, None, "{unit}")}, value, None, {"effect_lag": half})


class ChangeAtOneWeek(BaseModel):
    """Change of one outcome from its first visit to the last: a mean for each start group, Normal errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: Literal["research:ChangeAtOneWeek"] = "research:ChangeAtOneWeek"
    outcome: str = "alsfrs_r"

    def build(self, data: Study) -> pm.Model:
        """Publishes `drug_effect`, `curve` and `difference`."""
        change, group = changes(data, self.outcome)
        coords = data.coords | {
            "outcome": (self.outcome,),
            "outcome:unit": ("points",),
            "outcome:scale": ("identity",),
            "outcome:good_direction": ("up",),
            "outcome:effect_type": ("change",),
            "outcome:effect_unit": ("points",),
        }
        with pm.Model(coords=coords) as model:
            mean = pm.Normal("mean", 0.0, 10.0, dims="start_group")
            sigma = pm.HalfNormal("sigma", 5.0)
            pm.Normal("change", mean[group], sigma, observed=change, dims="person")
            publish("drug_effect", (mean[0] - mean[1])[None, None])
            course = mean[:, None] * months(np.array(data.curve_weeks)) / months(data.curve_weeks[-1])
            publish("curve", course[None, :, None, :])
            publish("difference", (course[:1] - course[1:])[None, :, None, :])
        return model


def changes(data: Study, outcome: str) -> tuple[np.ndarray, np.ndarray]:
    """Last value minus first, and index of the start group, by person."""
    visits = data.visits[data.visits["outcome"] == outcome].sort_values("week")
    by_person = visits.groupby("person")["value"].agg(lambda v: v.iloc[-1] - v.iloc[0])
    group = data.persons["start_group"].map({g: k for k, g in enumerate(data.start_groups)})
    return by_person.loc[data.persons["person"]].to_numpy(), group.to_numpy()
