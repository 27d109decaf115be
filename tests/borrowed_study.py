"""A made-up trial of ten persons with nine external ones in two other trials, rows mixed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.outcome import Outcome, Typical
from bayesmodels.parts.effects import SlopeChange
from bayesmodels.parts.priors import Normal
from bayesmodels.study import Study

WEEKS = (0.0, 8.0, 20.0, 30.0)
MONTH = 365.25 / 12 / 7


def tables(strata=("faster", "slower"), seed=3):
    """Ours: 6 early, 4 control; external: 5 of `cohort`, 4 of `old`, all under start groups that are not ours."""
    rng = np.random.default_rng(seed)
    rows = [("ours", "early", 0.0)] * 6 + [("ours", "control", np.nan)] * 4
    rows += [("cohort", "untreated", np.nan)] * 5 + [("old", "placebo", np.nan)] * 4
    order = rng.permutation(len(rows))
    persons = pd.DataFrame([rows[j] for j in order], columns=["trial", "start_group", "drug_start_week"])
    persons.insert(0, "person", [f"p{j}" for j in order])
    persons["stratum"] = [strata[j % len(strata)] for j in order]
    persons["age"] = 50.0 + order
    visits = []
    for place, j in enumerate(order):
        for week in WEEKS[: 2 + (j % 3)]:
            for outcome in ("score", "other"):
                if outcome == "other" and rows[j][0] == "old":
                    continue
                visits.append((persons["person"][place], week, outcome, 37 - week / 4 + 3 * rng.normal()))
    return persons, pd.DataFrame(visits, columns=["person", "week", "outcome", "value"])


def study(edit=None, *, strata=True, trial="ours", **options) -> Study:
    """`edit(persons, visits)` changes the tables in place."""
    persons, visits = tables(**options)
    if edit:
        edit(persons, visits)
    return Study.from_frames(
        persons, visits, reference_group="control", strata=strata, trial=trial, curve_weeks=(0, 12, 30)
    )


def outcome(name="score", **fields) -> Outcome:
    """Straight course, effect on the rate."""
    return Outcome(
        name=name, unit="points", good_direction="up", typical=Typical(level=37.0, spread=6.0, rate=1.0),
        rate=Normal(mean=-1.0, sd=0.5), effect=SlopeChange(), **fields,
    )  # fmt: skip


def model(borrowing, outcomes=None, **fields) -> LongitudinalModel:
    """Of one outcome unless others are given."""
    return LongitudinalModel(outcomes=outcomes or (outcome(),), borrowing=borrowing, **fields)
