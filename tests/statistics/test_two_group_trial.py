"""From tables to arrays and analyses, against tables worked by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayesmodels.analyses.ranks.analysis import QUANTITIES, _estimates
from bayesmodels.analyses.ranks.observed import rank_analyses
from bayesmodels.errors import BadInput
from bayesmodels.statistics import ancova, kaplan_meier
from bayesmodels.statistics.observed import observed_event_curves
from bayesmodels.statistics.trial import rank_comparisons, two_group_trial, visit_matrix
from bayesmodels.study import Study

WEEKS = (0.0, 4.0, 8.0, 12.0)


def tables(n=40, seed=1):
    """Two groups in two strata: decline of a score, rounded; deaths and withdrawals; visits a few days off."""
    rng = np.random.default_rng(seed)
    persons = pd.DataFrame({
        "person": [f"p{j}" for j in range(n)], "start_group": np.where(np.arange(n) % 2 == 0, "early", "delayed"),
        "drug_start_week": np.where(np.arange(n) % 2 == 0, 0.0, 8.0),
        "stratum": np.where(np.arange(n) % 4 < 2, "f", "s"), "age": rng.uniform(40, 70, n),
    })  # fmt: skip
    exits = np.where(rng.random(n) < 0.5, 13.0, np.ceil(rng.uniform(1, 12, n)))
    kind = np.where(exits == 13.0, "none", np.where(rng.random(n) < 0.5, "death", "exit"))
    events = pd.DataFrame({"person": persons["person"], "week": exits, "event": kind})
    rows = [
        (
            p,
            max(week + (0 if week == 0 else rng.uniform(-0.4, 0.4)), 0.0),
            "score",
            np.round(38 - 0.4 * week + rng.normal()),
        )
        for p, end in zip(persons["person"], exits, strict=True)
        for week in WEEKS
        if week + 0.5 < end
    ]
    return persons, pd.DataFrame(rows, columns=["person", "week", "outcome", "value"]), events


def trial(**changes):
    persons, visits, events = tables()
    options = {
        "outcome": "score", "week": 12.0, "visit_weeks": WEEKS, "group": "early", "reference": "delayed",
        "good_direction": "up", "terminal": ("death",),
    }  # fmt: skip
    return two_group_trial(persons, visits, events, **(options | changes))


def test_visits_count_for_the_nearest_week():
    visits = pd.DataFrame({
        "person": ["a"] * 6 + ["b"] * 2, "week": [0.0, 1.0, 3.0, 4.4, 9.0, 14.5, 0.5, 6.0],
        "value": [40.0, 39.0, 38.0, 37.0, 36.0, 30.0, 20.0, 19.0],
    })  # fmt: skip
    found = visit_matrix(pd.Series(["b", "a"]), visits, np.array(WEEKS))
    # a: 4.4 is nearer to 4 than 3 is; 9 is nearest to 8; 14.5 is past 12 + 2. b: 0.5 is no baseline; 6 goes to 4
    np.testing.assert_array_equal(found, [[np.nan, 19, np.nan, np.nan], [40, 37, 36, np.nan]])


def test_changes_are_since_week_zero():
    found = trial()
    persons, visits, _ = tables()
    one = visits[visits["person"] == "p0"].sort_values("week")["value"].to_numpy()
    np.testing.assert_allclose(found.change[0][: len(one) - 1], one[1:] - one[0])
    assert found.visit_weeks.tolist() == [4.0, 8.0, 12.0]
    assert found.in_group.sum() == (persons["start_group"] == "early").sum()
    logged = trial(log=True)
    np.testing.assert_allclose(logged.change[0][: len(one) - 1], np.log(one[1:] / one[0]))
    assert logged.unit == "ln"


def test_an_earlier_week_forgets_what_came_later():
    persons, visits, events = tables()
    short = trial(week=8.0)
    pairs = rank_comparisons(short)["joint rank"]
    cut = events.assign(
        event=np.where(events["week"] > 8, "none", events["event"]), week=np.minimum(events["week"], 8.0)
    )
    again = two_group_trial(
        persons, visits[visits["week"] < 10], cut, outcome="score", week=8.0, visit_weeks=WEEKS, group="early",
        reference="delayed", good_direction="up", terminal=("death",),
    )  # fmt: skip
    assert rank_comparisons(again)["joint rank"].table.equals(pairs.table)


def test_without_an_events_table_nobody_died():
    persons, visits, _ = tables()
    found = two_group_trial(
        persons, visits, None, outcome="score", week=8.0, visit_weeks=WEEKS, group="early", reference="delayed",
        good_direction="up",
    )  # fmt: skip
    assert not found.died.any()
    assert found.time[0] == visits.loc[visits["person"] == "p0", "week"].max()


def test_a_study_and_its_frames_agree():
    persons, visits, events = tables()
    study = Study.from_frames(persons, visits, events, reference_group="delayed", strata=True)
    found = rank_analyses(
        study, "score", 12.0, terminal=np.array(["death"]), good_direction="up", visit_weeks=WEEKS, covariates=("age",),
        unit="points",
    )  # fmt: skip
    frames = rank_comparisons(trial(strata=True, covariates=("age",)))
    for name, comparison in found.comparisons.items():
        assert comparison.estimate == pytest.approx(frames[name].estimate)
    at = trial(strata=True)
    by_hand = ancova(
        at.at_week, at.in_group, covariates={"baseline": at.baseline, "age": persons["age"]}, strata=persons["stratum"]
    )
    assert found.comparisons["ANCOVA"].estimate == pytest.approx(by_hand.estimate)
    assert set(found.table["analysis"]) == {"joint rank", "CAFS", "win ratio", "ANCOVA"}
    text = found.sentence() + " ".join(found.notes) + found._repr_html_()
    assert "open label" in text  # week 12 is after the delayed group's start at 8
    assert "placebo" not in text.replace("not randomised drug against placebo", "")
    assert not any(f"p{j}<" in text or f"p{j} " in text for j in range(40))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"week": 13.0}, "week: expected one of 4.0, 8.0, 12.0"),
        ({"group": "middle"}, "group: expected one of delayed, early"),
        ({"outcome": "nfl"}, "outcome: expected one of score"),
        ({"covariates": ("weight",)}, "column"),
    ],
)
def test_what_is_not_there_is_refused(changes, message):
    with pytest.raises(BadInput, match=message):
        trial(**changes)


def test_a_misspelt_terminal_event_is_refused():
    persons, visits, events = tables()
    study = Study.from_frames(persons, visits, events, reference_group="delayed")
    with pytest.raises(BadInput, match=r"events of the study \(death, exit\), got deaths"):
        rank_analyses(study, "score", 12.0, terminal=("deaths",), good_direction="up")


def test_covariates_without_numbers_are_refused_by_person():
    persons, visits, events = tables()
    options = {"terminal": ("death",), "good_direction": "up", "visit_weeks": np.array(WEEKS)}
    persons["sex"] = np.where(np.arange(40) % 3 == 0, "F", "M")
    with pytest.raises(BadInput, match="covariate sex: expected numbers, got 'F'; code groups as 0 and 1"):
        two_group_trial(
            persons, visits, events, outcome="score", week=12.0, visit_weeks=WEEKS, group="early",
            reference="delayed", good_direction="up", covariates=("sex",),
        )  # fmt: skip
    persons.loc[5, "age"] = np.nan
    study = Study.from_frames(persons, visits, events, reference_group="delayed")
    with pytest.raises(BadInput) as caught:
        rank_analyses(study, "score", 12.0, covariates=("sex", "age"), **options)
    assert caught.value.problems[0].startswith('persons: covariate sex is text: "M" (26), "F" (14); code it as 0 and 1')
    assert caught.value.problems[-1] == (
        "persons, row 7 (person p5): expected a number as covariate age, got a blank; fill it in, or leave the "
        "covariate out"
    )
    assert rank_analyses(study, "score", 12.0, **options).comparisons["joint rank"].counts["pairs"] == 400


def test_an_event_in_another_case_is_refused():
    persons, visits, events = tables()
    options = {"outcome": "score", "week": 8.0, "visit_weeks": WEEKS, "group": "early", "reference": "delayed",
               "good_direction": "up", "terminal": ("Death",)}  # fmt: skip
    with pytest.raises(BadInput, match="event: expected 'Death', got 'death', the same but for case"):
        two_group_trial(persons, visits, events, **options)


def test_exits_that_do_not_fit_are_refused():
    persons, visits, events = tables()
    options = {"outcome": "score", "week": 8.0, "visit_weeks": WEEKS, "group": "early", "reference": "delayed",
               "good_direction": "up"}  # fmt: skip
    with pytest.raises(BadInput, match="3 persons of these groups have none"):
        two_group_trial(persons, visits, events.iloc[3:], **options)
    with pytest.raises(BadInput, match="no delayed entry"):
        two_group_trial(persons, visits, events.assign(entry_week=0.5), **options)


def test_observed_curves_by_cell():
    persons, _, events = tables(60)
    labels = {"start_groups": ("early", "delayed"), "strata": ("f", "s", "all")}
    curves = observed_event_curves(persons, events, terminal=("death",), weeks=(0.0, 6.0, 12.0), **labels)
    coords = {"event": ["death", "exit"], "start_group": ["early", "delayed"], "stratum": ["f", "s", "all"]}
    found = xr.Dataset(curves, coords=coords)
    early = persons["start_group"] == "early"
    expected = kaplan_meier(events["week"][early], events["event"][early] == "death").at([0.0, 6.0, 12.0])
    cell = found.sel(start_group="early", stratum="all")
    np.testing.assert_allclose(cell["observed_survival"], expected["estimate"])
    np.testing.assert_allclose(cell["observed_survival_upper"], expected["upper"])
    np.testing.assert_array_equal(cell["at_risk"], [(events["week"][early] >= w).sum() for w in (0.0, 6.0, 12.0)])
    assert found["n_events"].sel(stratum="all").sum() == found["n_events"].sel(stratum=["f", "s"]).sum()
    assert float(cell["n_events"].sel(event="exit")) == (events["event"][early] == "exit").sum()
    assert (cell["observed_incidence"].sum("event") <= 1 + 1e-12).all()


def test_a_replicate_in_which_nobody_is_left_has_no_estimates():
    found = trial()
    assert set(_estimates(found)) == set(QUANTITIES)
    assert _estimates(replace(found, change=np.full_like(found.change, np.nan))) == {}
