"""A made-up study with competing events, a joint model of it, and posteriors at values of the free variables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.study import Study

MONTH = 365.25 / 12 / 7
CURVE_WEEKS = (0.0, 8.0, 28.0, 52.0, 80.0)


def tables(n=16, seed=3):
    """Persons of two start groups and two strata, their scores, and deaths, withdrawals and completions."""
    rng = np.random.default_rng(seed)
    persons, visits, events = [], [], []
    for i in range(n):
        group, start = (("early", 0.0), ("delayed", 28.0))[i % 2]
        stratum = ("faster", "slower")[(i // 2) % 2]
        left = float(np.round(rng.uniform(20, 80), 1))
        label = ("none", "death", "withdrawal", "none")[(i // 4) % 4] if i >= 4 else "none"
        left = 80.0 if i < 4 else left
        rate = rng.normal(-1.0, 0.5)
        persons.append((f"p{i}", group, start, stratum, 50.0 + i))
        level = 36 + rng.normal(0, 5)
        for week in (0.0, 8.0, 16.0, 28.0, 40.0, 52.0, 64.0):
            if week <= left:
                value = level + rate * week / MONTH + rng.normal(0, 1.5)
                visits.append((f"p{i}", week, "score", float(np.clip(value, 1, 47))))
        events.append((f"p{i}", left, label))
    return (
        pd.DataFrame(persons, columns=["person", "start_group", "drug_start_week", "stratum", "age"]),
        pd.DataFrame(visits, columns=["person", "week", "outcome", "value"]),
        pd.DataFrame(events, columns=["person", "week", "event"]),
    )


def study(*, strata=True, n=16, seed=3, curve_weeks=CURVE_WEEKS) -> Study:
    """The tables as a study."""
    return Study.from_frames(
        *tables(n, seed), name="made up", reference_group="delayed", strata=strata, curve_weeks=curve_weeks
    )


def outcome(**fields) -> dict:
    """A score with limits and an effect on its rate."""
    return {
        "name": "score", "good_direction": "up", "unit": "points", "limits": (0.0, 48.0),
        "typical": {"level": 36.0, "spread": 6.0, "rate": 1.0}, "effect": {"type": "slope_change"},
    } | fields  # fmt: skip


def model(*, death=None, withdrawal=None, **fields) -> JointEventModel:
    """Death by value and rate; withdrawal by value; both unless given otherwise. SDs common to the strata."""
    death = {
        "name": "death", "terminal": True, "baseline": {"type": "weibull"}, "covariates": ["age"],
        "associations": [{"outcome": "score", "form": "value"}, {"outcome": "score", "form": "rate"}],
    } | (death or {})  # fmt: skip
    withdrawal = {
        "name": "withdrawal", "baseline": {"type": "piecewise", "knot_weeks": [30.0]},
        "associations": [{"outcome": "score", "form": "value"}],
    } | (withdrawal or {})  # fmt: skip
    common = {"person_sd": "common", "residual_sd": "common"}
    return JointEventModel(**{"outcomes": (outcome(),), "events": (death, withdrawal)} | common | fields)


WITHDRAWAL = np.array([-4.0, -3.6])
"""Log hazards of withdrawal before and after week 30, where the sampler sees them."""

POINT = {
    "term_mean": np.array([[35.0, 37.0], [-1.2, -0.7], [0.4, 0.3]]), "effect_group_sd": np.array([0.1]),
    "scaled_effect_contrast": np.zeros((1, 2, 1)), "term_sd": np.array([[5.0, 0.5]]),
    "partial_correlation": np.array([0.6]), "error_sd": np.array([[1.5]]),
    "hazard_association": np.array([-0.08, -0.6, -0.05]), "hazard_ratio": np.array([0.3]),
    "death_log_shape": np.array(0.3), "death_log_hazard": np.array(-3.5),
    "withdrawal_log_hazard": WITHDRAWAL.mean(), "withdrawal_random_walk_sd": np.array(0.8),
    "withdrawal_step": np.diff(WITHDRAWAL) / 0.8,
}  # fmt: skip
"""Free variables of `model` on `study`; associations: death by value, death by rate, withdrawal by value."""


def draws_of(pm_model, point=None, number=1, jitter=0.0, seed=0) -> xr.Dataset:
    """A posterior of copies of a point, two chains, with a little noise on hazards and means where asked."""
    rng = np.random.default_rng(seed)
    found = {}
    for rv in pm_model.free_RVs:
        if rv.name.startswith("_"):
            continue
        value = np.asarray((POINT | (point or {}))[rv.name], float)
        block = np.broadcast_to(value, (2, number, *value.shape)).copy()
        if rv.name in ("term_mean", "death_log_hazard", "withdrawal_log_hazard"):
            block += jitter * rng.standard_normal(block.shape)
        found[rv.name] = (("chain", "draw", *(f"{rv.name}_{j}" for j in range(value.ndim))), block)
    return xr.Dataset(found)
