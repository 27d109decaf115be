"""A small model with a posterior known in closed form, and a small study for it: what the spine is tested on."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
import pymc as pm
from pydantic import BaseModel, ConfigDict

from bayesmodels.models.publish import publish
from bayesmodels.study import Study

PRIOR_SD = 10.0
RESIDUAL_SD = 2.0
WEEKS = (0.0, 4.0, 8.0)


class Toy(BaseModel):
    """First value of each person ~ Normal(mean of the start group, 2); means ~ Normal(0, 10)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["toy_model:Toy"] = "toy_model:Toy"
    scale: float = 1.0

    def build(self, data: Study) -> pm.Model:
        first, group = first_values(data)
        coords = {
            "person": tuple(data.persons["person"]),
            "start_group": data.start_groups,
            "start_group:drug_start_week": (0.0, 4.0),
            "outcome": ("alsfrs_r",),
            "outcome:unit": ("points",),
            "outcome:scale": ("identity",),
            "outcome:good_direction": ("up",),
            "outcome:effect_type": ("slope_change",),
            "outcome:effect_unit": ("points per month",),
            "stratum": ("all",),
            "week": WEEKS,
            "contrast": ("early - delayed",),
        }
        with pm.Model(coords=coords) as model:
            mean = pm.Normal("mean", 0, PRIOR_SD * self.scale, dims=("start_group",))
            pm.Normal("first", mean[group], RESIDUAL_SD, observed=first, dims=("person",))
            level = mean.mean()
            publish("population_level", level[None, None])
            publish("drug_effect", (mean[0] - mean[1])[None, None])
            course = mean[None, :, None, None] - 0.1 * np.array(WEEKS)
            publish("curve", course)
            publish("difference", (course[:, 0] - course[:, 1])[:, None])
        return model


class Broken(Toy):
    """A model of one's own that cannot be built, and says so with a person's label."""

    type: Literal["toy_model:Broken"] = "toy_model:Broken"  # type: ignore[assignment]

    def build(self, data: Study) -> pm.Model:
        raise ValueError(f"no start for {data.persons['person'].iloc[0]}")


def first_values(data: Study) -> tuple[np.ndarray, np.ndarray]:
    """First value and index of the start group, by person."""
    visits = data.visits[data.visits["week"] == 0].set_index("person")["value"]
    group = data.persons["start_group"].map({g: k for k, g in enumerate(data.start_groups)})
    return visits.loc[data.persons["person"]].to_numpy(), group.to_numpy()


def tables() -> dict[str, pd.DataFrame]:
    """Six persons in two start groups, three visits each."""
    rng = np.random.default_rng(11)
    persons = pd.DataFrame(
        {
            "person": [f"Secret-{k}" for k in range(6)],
            "start_group": ["early", "early", "early", "delayed", "delayed", "delayed"],
            "drug_start_week": [0, 0, 0, 4, 4, 4],
        }
    )
    visits = pd.DataFrame(
        [
            {"person": person, "week": week, "outcome": "alsfrs_r", "value": round(38 - 0.2 * week + rng.normal(0, 2))}
            for person in persons["person"]
            for week in (0, 4, 8)
        ]
    )
    return {"persons": persons, "visits": visits}


def study() -> Study:
    """The study of `tables`."""
    return Study.from_frames(**tables(), name="toy trial", reference_group="delayed")


def exact_posterior(data: Study) -> tuple[np.ndarray, np.ndarray]:
    """Mean and SD of each start group's mean, by the conjugate formula."""
    first, group = first_values(data)
    counts = np.bincount(group)
    precision = counts / RESIDUAL_SD**2 + 1 / PRIOR_SD**2
    return np.bincount(group, weights=first) / RESIDUAL_SD**2 / precision, precision**-0.5
