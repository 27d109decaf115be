"""A made-up study of eight persons with deaths and departures, and a joint model of it, evaluated at a point."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
from pytensor.graph.traversal import ancestors

from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.kernels.hazards.op import ExitsLogp
from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.models.visits.event import Event
from bayesmodels.parts.hazards import PenalisedSpline, PiecewiseConstant, Weibull
from bayesmodels.study import Study

OUTCOME = {
    "name": "score",
    "good_direction": "up",
    "unit": "points",
    "typical": {"level": 37.0, "spread": 6.0, "rate": 1.0},
    "trajectory": {"type": "decelerating"},
    "effect": {"type": "slope_change"},
}
ASSOCIATION = {"outcome": "score"}
HAZARDS = {
    "weibull": Weibull(),
    "piecewise": PiecewiseConstant(knot_weeks=(10.0, 30.0)),
    "spline": PenalisedSpline(functions=7, until_week=100.0),
}


def study(persons=8, entry=False) -> Study:
    rng = np.random.default_rng(1)
    names = [f"p{i}" for i in range(persons)]
    table = pd.DataFrame(
        {
            "person": names,
            "start_group": ["early", "delayed"] * (persons // 2),
            "drug_start_week": [0.0, 28.0] * (persons // 2),
            "age": rng.normal(60, 10, persons),
        }
    )
    exits = rng.uniform(20, 90, persons)
    visits = pd.DataFrame(
        [
            {"person": name, "week": week, "outcome": "score", "value": 37 - 0.2 * week + rng.normal(0, 2)}
            for name, end in zip(names, exits, strict=True)
            for week in (0, 8, 16, 40, 70)
            if week <= end
        ]
    )
    events = pd.DataFrame(
        {"person": names, "week": exits, "event": ["death", "none", "left", "death"] * (persons // 4)}
    )
    if entry:
        events["entry_week"] = np.where(np.arange(persons) % 2, 5.0, 0.0)
    return Study.from_frames(table, visits, events, reference_group="delayed", name="small")


def model(baseline="weibull", forms=("value",), **changes) -> JointEventModel:
    associations = [{"outcome": "score", "form": form} for form in forms]
    death = {"name": "death", "terminal": True, "baseline": HAZARDS[baseline], "associations": associations}
    death |= {"covariates": ["age"], "start_group": True, "on_drug": True}
    left = {"name": "left", "baseline": HAZARDS["piecewise"]}
    return JointEventModel(outcomes=(OUTCOME,), events=(Event(**death), Event(**left)), **changes)


def draw(pm_model: pm.Model, seed=0) -> dict[str, np.ndarray]:
    values = pm.draw(pm_model.free_RVs, random_seed=seed, mode=python_mode())
    return {rv.name: np.asarray(v) for rv, v in zip(pm_model.free_RVs, values, strict=True)}


def evaluate(pm_model: pm.Model, graphs, at: dict[str, np.ndarray]):
    free = pm_model.free_RVs
    function = pytensor.function(free, graphs, mode=python_mode(), on_unused_input="ignore")
    return function(*(at[rv.name] for rv in free))


def density(pm_model: pm.Model):
    rv = pm_model["follow_up"]
    return pm.logp(rv, pm_model.rvs_to_values[rv], warn_rvs=False)


def exits_node(pm_model: pm.Model):
    return next(v.owner for v in ancestors([density(pm_model)]) if v.owner and isinstance(v.owner.op, ExitsLogp))
