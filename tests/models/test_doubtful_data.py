"""Warnings that need the model: values far from what it takes for typical, and its outcomes' limits."""

import json

import numpy as np
import pandas as pd
import pytest
import toy_model

from bayesmodels import LongitudinalModel, NutsSettings, Outcome, Study, alsfrs_r, nfl_plasma, replaced
from bayesmodels.fitted import fit
from bayesmodels.models.doubtful_data import all_warnings, data_warnings

ALBUMIN = Outcome(name="albumin", unit="g/dL", good_direction="up", typical={"level": 3.5, "spread": 0.5, "rate": 0.02})


def study(outcome, values, weeks=(0.0, 4.0, 8.0, 12.0)):
    persons = pd.DataFrame(
        {
            "person": [f"P{k}" for k in range(10)],
            "start_group": ["early", "late"] * 5,
            "drug_start_week": [0.0, 8.0] * 5,
        }
    )
    visits = pd.DataFrame(
        [(person, week, outcome) for person in persons["person"] for week in weeks],
        columns=["person", "week", "outcome"],
    ).assign(value=np.resize(np.asarray(values, float), 40))
    return Study.from_frames(persons, visits, reference_group="late")


def ordinary(level, spread):
    return level + spread * np.linspace(-1.5, 1.5, 40)


def found(outcome, values):
    return all_warnings(LongitudinalModel(outcomes=(outcome,)), study(outcome.name, values))


@pytest.mark.parametrize("code", [-99.0, 35.0, 350.0, 0.035, 9999.0, -1.0, 12.0])
def test_a_value_many_typical_spreads_away_is_told_once(code):
    values = ordinary(3.5, 0.5)
    values[[3, 20]] = code
    (line,) = found(ALBUMIN, values)
    away = round(abs(code - 3.5) / 0.5)
    assert line.startswith(
        f"visits: albumin is {code:g} in 2 rows (5, 22), {away:,} typical spreads from the typical level"
    )
    assert "a missing-value code?" in line


@pytest.mark.parametrize("value", [9999.0, 0.05, 999.0, 30.0, 2000.0])
def test_a_concentration_is_compared_on_the_logarithm(value):
    values = np.exp(ordinary(np.log(75.0), 0.7))
    values[7] = value
    lines = data_warnings(LongitudinalModel(outcomes=(nfl_plasma(),)), study("nfl_plasma", values))
    assert len(lines) == int(abs(np.log(value / 75)) > 6 * 0.7)


def test_a_fast_decline_is_no_slip_but_a_zero_at_randomisation_is():
    course = [36.0, 24.0, 12.0, 0.0]
    weeks = (0.0, 28.0, 52.0, 76.0)
    model = LongitudinalModel(outcomes=(alsfrs_r(),))
    values = np.concatenate([ordinary(37.0, 4.0)[:36], course])
    assert data_warnings(model, study("alsfrs_r", values, weeks)) == ()
    values[0] = 0.0
    (line,) = data_warnings(model, study("alsfrs_r", values, weeks))
    assert "alsfrs_r is 0 in 2 rows (2, 41)" in line


def test_values_of_another_unit_are_one_line():
    (line,) = found(ALBUMIN, ordinary(35.0, 5.0))
    assert "40 of 40 values of albumin (median 35) are more than 6 typical spreads" in line
    assert "another unit?" in line


def test_many_different_slips_are_one_line():
    values = ordinary(3.5, 0.5)
    values[:12] *= 10 + np.arange(12)
    (line,) = found(ALBUMIN, values)
    assert line.startswith("visits: 12 values of albumin (")
    assert "rows 2-13)" in line


def test_censoring_at_the_limits_settles_a_share_of_values_at_one():
    values = np.where(np.arange(40) % 3 == 0, 48.0, ordinary(38.0, 5.0).round())
    (line,) = found(alsfrs_r(), values)
    assert "set censor_at_limits = true under its [[model.outcomes]]" in line
    assert found(replaced(alsfrs_r(), {"censor_at_limits": True}), values) == ()


def test_limits_of_an_outcome_of_ones_own():
    score = replaced(ALBUMIN, {"name": "score", "limits": (0.0, 5.0)})
    values = np.where(np.arange(40) % 3 == 0, 5.0, ordinary(3.5, 0.5))
    (line,) = found(score, values)
    assert "14 of 40 values of score (35 %) are its highest possible, 5" in line


def test_other_data_and_other_models_have_nothing_to_say():
    frame = pd.DataFrame({"warnings": [1, 2]})
    assert all_warnings(toy_model.Toy(), frame) == ()
    assert all_warnings(toy_model.Toy(), toy_model.study()) == ()


def test_a_posterior_says_that_there_are_none(toy_posterior):
    assert toy_posterior.attrs["warnings"] == "[]"


@pytest.mark.slow
def test_a_posterior_keeps_the_warnings_without_persons():
    tables = toy_model.tables()
    persons = tables["persons"].assign(age=[999, 50, 61, 47, 58, 66])
    data = Study.from_frames(persons, tables["visits"], reference_group="delayed")
    assert "Secret-0" in data.warnings[0]
    tree = fit(toy_model.Toy(), data, NutsSettings(draws=20, tune=20, chains=2, seed=1, progress=False))
    (line,) = json.loads(tree.attrs["warnings"])
    assert line.startswith("persons, row 2: age is 999")
    assert "Secret" not in json.dumps(dict(tree.attrs))
