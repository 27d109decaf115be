"""Replicated visits against the normal distribution they are drawn from, worked out from the formula."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayesmodels.errors import BadInput
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.persons.replicated_trials import replicated_visits
from bayesmodels.study import Study
from bayesmodels.vocabulary import MONTH_IN_WEEKS

MEAN = {"score": (30.0, -1.0, 0.5), "marker": (4.0, 0.02, -0.8)}  # level, rate, effect: slope change, step
SD, PARTIAL = np.array([3.0, 0.5, 0.4, 0.05]), 0.3
ERROR = np.array([1.0, 0.2])
START = 8.0
NUMBER = 600


def model(**fields) -> LongitudinalModel:
    score = {
        "name": "score", "good_direction": "up", "typical": {"level": 30.0, "spread": 5.0, "rate": 1.0},
        "effect": {"type": "slope_change", "lag": 0.0},
    } | fields  # fmt: skip
    marker = {
        "name": "marker", "good_direction": "down", "scale": "log",
        "typical": {"level": 50.0, "spread": 2.0, "rate": 0.1},
        "effect": {"type": "step"},
    }  # fmt: skip
    return LongitudinalModel(outcomes=(score, marker), pooling="complete")


def study(whole=False, limit=False) -> Study:
    """Three persons with 3, 1 and 2 scores and 1, 2 and 3 markers, rows in no order."""
    rng = np.random.default_rng(5)
    persons = pd.DataFrame(
        {"person": ["c", "a", "b", "d"], "start_group": ["early", "delayed", "delayed", "early"],
         "drug_start_week": [0.0, START, START, 0.0]}
    )  # fmt: skip
    weeks = {"c": ((0, 12, 28), (12,)), "a": ((0,), (0, 28)), "b": ((0, 28), (0, 12, 28)), "d": ((0,), (0,))}
    rows = [
        (person, float(week), outcome, float(np.round(20 + rng.normal(), 0 if whole else 3)))
        for person, both in weeks.items()
        for outcome, own in zip(("score", "marker"), both, strict=True)
        for week in own
    ]
    visits = pd.DataFrame(rows, columns=["person", "week", "outcome", "value"]).sample(frac=1.0, random_state=2)
    visits["censoring"] = np.where(limit & (visits["outcome"] == "marker") & (visits["week"] == 12), "left", "")
    return Study.from_frames(persons, visits.reset_index(drop=True), reference_group="delayed")


def posterior(draws: int = 50) -> xr.DataTree:
    """The truth, many times."""
    known = {
        "term_mean": np.concatenate([MEAN["score"], MEAN["marker"]])[:, None], "term_sd": SD[None],
        "partial_correlation": np.full(6, (1 + PARTIAL) / 2), "error_sd": ERROR[None],
    }  # fmt: skip
    found = {
        name: (("chain", "draw", *(f"{name}_{j}" for j in range(v.ndim))), np.broadcast_to(v, (2, draws, *v.shape)))
        for name, v in known.items()
    }
    coords = {"fitted_stratum": ["all"], "start_group": ["early", "delayed"]}
    return xr.DataTree.from_dict({"posterior": xr.Dataset(found, coords=coords)})


def expected(visits: pd.DataFrame, start: pd.Series) -> np.ndarray:
    """Mean of every visit, modelling scale."""
    t = visits["week"].to_numpy() / MONTH_IN_WEEKS
    x = (visits["week"].to_numpy() - start.loc[visits["person"]].to_numpy()) / MONTH_IN_WEEKS
    score = visits["outcome"].to_numpy() == "score"
    level, rate, effect = (np.where(score, MEAN["score"][j], MEAN["marker"][j]) for j in range(3))
    return level + rate * t + effect * np.where(score, np.maximum(x, 0), x > 0)


def test_every_visit_has_its_own_mean_and_spread():
    made = study()
    trials = list(replicated_visits(model(), posterior(400), made, seed=1, number=NUMBER))
    assert len(trials) == NUMBER
    first = trials[0]
    assert first[["person", "week", "outcome"]].equals(
        made.visits[["person", "week", "outcome"]].reset_index(drop=True)
    )
    drawn = np.array([visits["value"].to_numpy() for visits in trials])
    score = (first["outcome"] == "score").to_numpy()
    drawn[:, ~score] = np.log(drawn[:, ~score])
    t = first["week"].to_numpy() / MONTH_IN_WEEKS
    start = made.persons.set_index("person")["drug_start_week"]
    mean = expected(first, start)
    correlation = PARTIAL  # of level and rate of the score, the first partial correlation
    level, rate = np.where(score, SD[0], SD[2]), np.where(score, SD[1], SD[3])
    error = np.where(score, ERROR[0], ERROR[1])
    here = score
    sd = np.sqrt(level**2 + (rate * t) ** 2 + 2 * correlation * level * rate * t + error**2)
    off = x_is_zero(first, start)  # at the very start of a step both values are right
    assert (np.abs(drawn.mean(axis=0) - mean)[~off] < 4.5 * (sd / np.sqrt(NUMBER))[~off]).all()
    np.testing.assert_allclose(drawn.std(axis=0)[here], sd[here], rtol=4.5 / np.sqrt(2 * NUMBER))
    one = drawn[:, here & (first["person"] == "c").to_numpy()]
    weeks = first["week"].to_numpy()[here & (first["person"] == "c").to_numpy()] / MONTH_IN_WEEKS
    shared = SD[0] ** 2 + correlation * SD[0] * SD[1] * (weeks[0] + weeks[1]) + SD[1] ** 2 * weeks[0] * weeks[1]
    assert np.cov(one[:, 0], one[:, 1])[0, 1] == pytest.approx(
        shared, abs=4.5 * (sd[here].max() ** 2) / np.sqrt(NUMBER)
    )
    other = drawn[:, (first["person"] == "b").to_numpy() & here][:, 0]
    assert abs(np.corrcoef(one[:, 0], other)[0, 1]) < 4.5 / np.sqrt(NUMBER)


def x_is_zero(visits: pd.DataFrame, start: pd.Series) -> np.ndarray:
    return visits["week"].to_numpy() == start.loc[visits["person"]].to_numpy()


def test_values_are_such_as_could_have_been_observed():
    fitted = model(limits=(19.0, 31.0))
    trials = pd.concat(replicated_visits(fitted, posterior(), study(whole=True), seed=2, number=20))
    score = trials.loc[trials["outcome"] == "score", "value"]
    assert set(score) <= set(np.arange(19.0, 32.0))
    assert (score == 31.0).any()
    assert (trials.loc[trials["outcome"] == "marker", "value"] >= 0).all()


def test_the_same_seed_gives_the_same_trials():
    one, two, other = (
        [v["value"].tolist() for v in replicated_visits(model(), posterior(), study(), seed=seed, number=3)]
        for seed in (1, 1, 2)
    )
    assert one == two
    assert one != other


def test_refusals():
    with pytest.raises(BadInput, match="beyond an assay's limit of marker"):
        next(replicated_visits(model(), posterior(), study(limit=True), seed=1))
    with pytest.raises(BadInput, match="number: expected 1 to 100"):
        next(replicated_visits(model(), posterior(), study(), seed=1, number=101))
