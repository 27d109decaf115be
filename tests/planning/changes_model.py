"""A small model that publishes `difference`: mean changes of two groups, known variance; its posterior is known."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pymc as pm
from pydantic import BaseModel, ConfigDict

from bayesmodels.models.publish import publish
from bayesmodels.study import Study


class Changes(BaseModel):
    """Change of ALSFRS-R to week 28 of each person seen ~ Normal(mean of the start group, 8); means ~ Normal(0, 20)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: Literal["changes_model:Changes"] = "changes_model:Changes"

    def build(self, data: Study) -> pm.Model:
        change, group = changes(data)
        first, reference = data.start_groups
        coords = {
            "outcome": ("alsfrs_r",), "outcome:good_direction": ("up",), "stratum": ("all",), "week": (28.0,),
            "contrast": (f"{first} - {reference}",), "start_group": data.start_groups,
        }  # fmt: skip
        with pm.Model(coords=coords) as model:
            mean = pm.Normal("mean", 0, 20, dims="start_group")
            value, place = pm.Data("value", change), pm.Data("place", group)
            pm.Normal("change", mean[place], 8.0, observed=value)
            publish("difference", (mean[0] - mean[1])[None, None, None, None])
        return model


def changes(data):
    """Change of ALSFRS-R to week 28, and the place of the start group, of persons seen then."""
    own = data.visits[data.visits["outcome"] == "alsfrs_r"].pivot(index="person", columns="week", values="value")
    change = (own[28.0] - own[0.0]).reindex(data.persons["person"]).to_numpy(float)
    group = data.persons["start_group"].map({g: j for j, g in enumerate(data.start_groups)}).to_numpy(int)
    seen = np.isfinite(change)
    return change[seen], group[seen]
