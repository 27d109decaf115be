"""A made-up study of a dozen persons, and a model's published variables at values of its free ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytensor

from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.study import Study

CURVE_WEEKS = (0.0, 12.0, 28.0, 52.0, 104.0)
MONTH = 365.25 / 12 / 7


def tables(*, groups=(("early", 0.0), ("delayed", 28.0)), per_cell=3, strata=("faster", "slower"), seed=5):
    """Persons in every start group and stratum, with an age, and their visits of NfL and ALSFRS-R."""
    rng = np.random.default_rng(seed)
    persons, visits = [], []
    for g, (group, start) in enumerate(groups):
        for s, stratum in enumerate(strata):
            for j in range(per_cell + s):  # unequal strata
                person = f"{group}-{stratum}-{j}"
                persons.append((person, group, start, stratum, 50.0 + 3 * j + 5 * s + g, float(j % 2)))
                for week in (0.0, 12.0, 27.5, 40.0, 60.0)[: 2 + (j + g) % 4]:
                    visits.append((person, week, "nfl_plasma", np.exp(4 + rng.normal(0, 0.4)), ""))
                    if not (j == 1 and week > 0):
                        visits.append((person, week, "alsfrs_r", float(np.round(37 - week / 5 + rng.normal())), ""))
    columns = ["person", "start_group", "drug_start_week", "stratum", "age", "sex"]
    return pd.DataFrame(persons, columns=columns), pd.DataFrame(
        visits, columns=["person", "week", "outcome", "value", "censoring"]
    )


def study(*, strata=True, curve_weeks=CURVE_WEEKS, edit=None, **options) -> Study:
    """`edit(persons, visits)` changes the tables in place before they are read."""
    persons, visits = tables(**options)
    if edit:
        edit(persons, visits)
    last = persons["start_group"].iloc[-1] if persons["start_group"].nunique() > 1 else None
    return Study.from_frames(
        persons, visits, name="made up", reference_group=last, strata=strata, curve_weeks=curve_weeks
    )


def random_point(pm_model, seed=0) -> dict[str, np.ndarray]:
    """Free variables of a plausible size, away from symmetric values."""
    rng = np.random.default_rng(seed)
    point = {}
    for rv in pm_model.free_RVs:
        shape = tuple(rv.shape.eval()) if rv.ndim else ()
        positive = rv.name.endswith(
            ("_sd", "_lag", "_constant", "_rho", "_deceleration", "_delay", "_stages", "_skewness", "_path_months")
        )
        if rv.name == "partial_correlation":
            point[rv.name] = rng.uniform(0.2, 0.8, shape)
        elif positive or rv.name.endswith("_excess"):
            point[rv.name] = rng.uniform(0.1, 1.5, shape)
        else:
            point[rv.name] = rng.normal(size=shape)
    return point


def published(pm_model, point) -> dict[str, np.ndarray]:
    """Every published variable at a point."""
    free = list(pm_model.free_RVs)
    outputs = list(pm_model.deterministics)
    function = pytensor.function(free, outputs, mode=python_mode(), on_unused_input="ignore")
    values = function(*(point[rv.name] for rv in free))
    return {out.name: np.asarray(value) for out, value in zip(outputs, values, strict=True)}


def log_likelihood_of(pm_model):
    """Function of a point to the log-likelihood of every person, compiled once."""
    import pymc as pm

    free = list(pm_model.free_RVs)
    visits = pm_model["visits"]
    density = pm.logp(visits, pm_model.rvs_to_values[visits], warn_rvs=False)
    function = pytensor.function(free, density, mode=python_mode(), on_unused_input="ignore")
    return lambda point: function(*(point[rv.name] for rv in free))


def log_likelihood(pm_model, point) -> np.ndarray:
    """Log-likelihood of every person at a point."""
    return log_likelihood_of(pm_model)(point)
