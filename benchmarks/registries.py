"""Simulated registries: tables of many persons, two outcomes, visits every twelve weeks, and the models fitted to them.

`light`: a level and a rate of each person and outcome, nothing else, so that no basis depends on a parameter.
`default`: the presets `nfl_plasma` and `alsfrs_r` with everything that they have on; half of the persons start the drug
at randomisation, half at week 30. The numbers are made up, near the presets' priors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

DESIGNS = ("light", "default")
INTERVAL = 12
"""Weeks between visits."""

LIGHT = {
    "marker": {"level": 0.5, "spread": 1.0, "rate": 0.015},
    "score": {"level": 3.5, "spread": 0.4, "rate": -0.01},
}
MONTH = 365.25 / 12 / 7


def tables(design: str, persons: int, visits: int = 10, seed: int = 1) -> tuple[Any, Any]:
    """Persons and visits, as `Study.from_frames` takes them."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    week = np.arange(visits) * float(INTERVAL)
    t = week / MONTH
    z = rng.standard_normal((4, persons, 1))
    error = rng.standard_normal((2, persons, visits))
    number = np.arange(persons)
    if design == "light":
        values = {
            "marker": 0.5 + z[0] + 0.015 * (1 + 0.5 * z[0] + z[1]) * t + 0.3 * error[0],
            "score": 3.5 + 0.4 * z[2] - 0.01 * (1 + z[3]) * t + 0.2 * error[1],
        }
        group, start = "all", np.full(persons, np.nan)
    else:
        early = number % 2 == 0
        group, start = np.where(early, "early", "delayed"), np.where(early, 0.0, 30.0)
        on_drug = np.maximum(week - start[:, None] - 4, 0) / MONTH
        nfl = 4.3 + 0.5 * z[0] - 0.6 * (1 - np.exp(-on_drug)) + 0.15 * error[0]
        rate = np.exp(0.5 * z[2] + 0.15 * z[0] - 0.14)
        walk = np.cumsum(rng.standard_normal((persons, visits)), axis=1) * np.sqrt(INTERVAL / MONTH)
        # a third of the decline goes on the drug
        score = 38 + 4 * z[1] - 0.4 * rate * (t - 0.33 * on_drug) + 0.4 * walk + 1.5 * error[1]
        values = {"nfl_plasma": np.exp(nfl), "alsfrs_r": np.clip(np.round(score), 0, 48)}
    label = np.char.add("p", number.astype(str))
    parts = [
        pd.DataFrame(
            {
                "person": np.repeat(label, visits),
                "week": np.tile(week, persons),
                "outcome": name,
                "value": value.ravel(),
            }
        )
        for name, value in values.items()
    ]
    people = pd.DataFrame({"person": label, "start_group": group, "drug_start_week": start})
    return people, pd.concat(parts, ignore_index=True)


def study_of(design: str, people: Any, visits: Any) -> Any:
    """Study of such tables, or of some of their persons."""
    from bayesmodels.study import Study

    reference = None if design == "light" else "delayed"
    return Study.from_frames(people, visits, name=f"{design} registry", reference_group=reference)


def model_of(design: str) -> Any:
    """The model of a design."""
    from bayesmodels import LongitudinalModel

    if design == "default":
        return LongitudinalModel(outcomes=("nfl_plasma", "alsfrs_r"))
    outcomes = [{"name": name, "good_direction": "up", "typical": typical} for name, typical in LIGHT.items()]
    return LongitudinalModel(outcomes=tuple(outcomes))
