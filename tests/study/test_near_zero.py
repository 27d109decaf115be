"""Numbers within 1e-6 of zero are zero, weeks within 1e-6 of each other are one; then the ordinary refusals apply."""

import numpy as np
import pandas as pd
import pytest

from bayesmodels.errors import BadInput
from bayesmodels.study import MeansTable, Study, TrialTable
from bayesmodels.study.checks.cells import as_one_week

SAS_ZERO = 5.397605e-79
ZEROS = [SAS_ZERO, -SAS_ZERO, 9e-7, -9e-7, "5.397605E-79", "1e-9", np.float32(1e-8)]


def study(persons, visits, events=None, **options):
    return Study.from_frames(persons, visits, events, **{"reference_group": "delayed", **options})


def lines(make, *tables, **options):
    with pytest.raises(BadInput) as caught:
        make(*tables, **options)
    return list(caught.value.problems)


@pytest.mark.parametrize("zero", ZEROS)
def test_every_week_of_a_study(persons, visits, events, zero):
    """The same digest as with zeros, in every column in which 0 has a meaning."""
    exact = study(persons, visits, events, curve_weeks=[0, 28])
    persons["drug_start_week"] = persons["drug_start_week"].astype(object).where(persons["drug_start_week"] != 0, zero)
    visits["week"] = visits["week"].astype(object).where(visits["week"] != 0, zero)
    events["entry_week"] = [zero] * 4
    near = study(persons, visits, events, curve_weeks=[abs(float(zero)), 28])
    assert near.digest == exact.digest
    assert near.curve_weeks == (0.0, 28.0)


@pytest.mark.parametrize("value", [0.99999901, 1.0000009])
def test_a_whole_week_that_rounding_missed(persons, visits, value):
    moved = visits.assign(week=np.where(visits["week"] > 0, 27 + value, 0))
    assert study(persons, moved).digest == study(persons, visits).digest


@pytest.mark.parametrize("week", [28.0000004, 27.9999996, 28 + SAS_ZERO, 28 - 1e-9, np.nextafter(28, 29)])
def test_a_second_visit_in_the_same_week(persons, visits, week):
    again = visits.iloc[[2]].assign(week=week)
    (line,) = lines(study, persons, pd.concat([visits, again], ignore_index=True))
    assert line.startswith("visits, row 18 (person P1, week 28): a second nfl_plasma of this person and week")


@pytest.mark.parametrize("rounded", [4.142857, 4.1428571, 4.14285714, 4.142857142, 4.1428576])
def test_days_rounded_otherwise_in_two_tables(persons, visits, events, rounded):
    """A visit on the day of the exit is not after it."""
    visits = visits[(visits["person"] != "P3") | (visits["week"] == 0)]
    last = visits[visits["person"] == "P3"].assign(week=29 / 7)
    events.loc[2, "week"] = rounded
    made = study(persons, pd.concat([visits, last], ignore_index=True), events)
    assert made.events["week"][2] == made.visits["week"].max() or made.events["week"][2] in set(made.visits["week"])


def test_weeks_further_apart_are_two(persons, visits):
    again = visits.iloc[[2]].assign(week=28.00001)
    assert len(study(persons, pd.concat([visits, again], ignore_index=True)).visits) == 17


def test_as_one_week_takes_the_earliest_and_leaves_the_rest():
    first, second = as_one_week([0.3, np.inf, 7.1], [0.3 + 5e-7, np.nan, 7.2])
    np.testing.assert_array_equal(first, [0.3, np.inf, 7.1])
    np.testing.assert_array_equal(second, [0.3, np.nan, 7.2])


@pytest.mark.parametrize("value", [SAS_ZERO, 1e-7, -1e-7, "5.397605E-79", 0])
def test_nfl_of_zero(persons, visits, value):
    visits["value"] = visits["value"].astype(object)
    visits.loc[2, "value"] = value
    (line,) = lines(study, persons, visits)
    assert line.startswith("visits, row 4 (person P1, week 28): expected nfl_plasma above 0, got 0; correct it")


def test_a_value_in_a_small_unit_is_kept(persons, visits):
    visits = visits.assign(outcome="troponin_g_per_ml", value=np.linspace(1e-9, 2e-8, 16))
    visits = visits.drop_duplicates(["person", "week", "outcome"])
    np.testing.assert_array_equal(study(persons, visits).visits["value"], visits["value"])
    visits.iloc[0, 3] = SAS_ZERO
    assert study(persons, visits).visits["value"][0] == 0


def test_curve_weeks_that_are_one(persons, visits):
    (line,) = lines(study, persons, visits, curve_weeks=[0, 28, 28 + 1e-8])
    assert "expected curve_weeks in rising order, each once" in line
    (line,) = lines(study, persons, visits, controlled_week=SAS_ZERO)
    assert "expected a controlled_week above 0" in line


MEANS = pd.DataFrame(
    [("s", "all", group, week, "alsfrs_r", -1.0, 0.5, 10) for group in ("early", "late") for week in (4.0, 8.0)],
    columns=["series", "stratum", "start_group", "week", "outcome", "estimate", "se", "n"],
).assign(scale="change_from_baseline", unit="points", certainty="printed", source="made up")


@pytest.mark.parametrize("zero", ZEROS)
def test_weeks_of_published_means(zero):
    def make(frame, start=0.0):
        return MeansTable.from_frame(frame, {"early": start, "late": 8}, reference_group="late")

    frame = MEANS.astype({"week": object})
    frame.loc[1, "week"] = zero
    (line,) = lines(make, frame)
    assert line.startswith(
        "means, row 3 (week 0): expected a week above 0, since these are changes since week 0, got 0"
    )
    assert make(MEANS, abs(float(zero))).digest == make(MEANS).digest
    frame.loc[1, "week"] = 4 + 4e-7
    assert any("two rows or more about the same people: alsfrs_r, stratum all, week 4" in x for x in lines(make, frame))


TRIALS = pd.DataFrame(
    [("A", -0.5, 0.1, 0.3, 0.2), ("B", 0.1, 0.2, -0.1, 0.1)],
    columns=["trial", "surrogate_effect", "surrogate_se", "outcome_effect", "outcome_se"],
).astype(object)


@pytest.mark.parametrize("zero", ZEROS)
def test_numbers_of_trials(zero):
    effect, se = TRIALS.copy(), TRIALS.copy()
    effect.loc[1, "outcome_effect"] = zero
    assert TrialTable.from_frame(effect).frame["outcome_effect"][1] == 0
    se.loc[1, "outcome_se"] = zero
    (line,) = lines(TrialTable.from_frame, se)
    assert line.startswith("trials, row 3: expected outcome_se above 0, or a blank where it is not known, got 0")
