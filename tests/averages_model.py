"""A small model whose values are data, so that it is compiled once for many studies; its posterior is known."""

from __future__ import annotations

from typing import Literal

import pymc as pm
from pydantic import BaseModel, ConfigDict

from bayesmodels.models.publish import publish
from bayesmodels.study import Study


class Averages(BaseModel):
    """First ALSFRS-R of each person ~ Normal(mean of the start group, 8); means ~ Normal(35, 10). Values are data."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: Literal["averages_model:Averages"] = "averages_model:Averages"
    sd: float = 8.0

    def build(self, data: Study) -> pm.Model:
        first, group = first_scores(data)
        coords = {
            "outcome": ("alsfrs_r",), "outcome:good_direction": ("up",), "stratum": ("all",),
            "start_group": data.start_groups,
        }  # fmt: skip
        with pm.Model(coords=coords) as model:
            mean = pm.Normal("mean", 35, 10, dims="start_group")
            value, place = pm.Data("value", first), pm.Data("place", group)
            pm.Normal("first", mean[place], self.sd, observed=value)
            publish("drug_effect", (mean[0] - mean[1])[None, None])
        return model


def first_scores(data):
    """ALSFRS-R at randomisation, and the place of each person's start group."""
    visits = data.visits[(data.visits["outcome"] == "alsfrs_r") & (data.visits["week"] == 0)]
    first = visits.set_index("person")["value"][data.persons["person"]].to_numpy(float)
    return first, data.persons["start_group"].map({g: j for j, g in enumerate(data.start_groups)}).to_numpy(int)
