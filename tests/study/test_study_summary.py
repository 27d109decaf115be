"""Schedule, counts and printing, against small tables counted by hand."""

# ruff: noqa: E501, SIM905

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from bayesmodels.study import Study
from bayesmodels.study.schedule import missing_visits, nearest_week, nominal_weeks
from bayesmodels.study.summary import event_table

VALOR_WEEKS = [0, 2, 4, 8, 12, 16, 20, 24, 28, 40, 52, 64, 76, 88, 100, 112, 124, 136, 148]


def visits_at(weeks_by_person):
    rows = [(person, week) for person, weeks in weeks_by_person.items() for week in weeks]
    return pd.DataFrame(rows, columns=["person", "week"])


def test_exact_weeks_are_their_own_schedule():
    visits = visits_at({f"P{k}": VALOR_WEEKS for k in range(20)})
    assert list(nominal_weeks(visits)) == VALOR_WEEKS
    weekly = visits_at({f"P{k}": range(12) for k in range(5)})
    assert list(nominal_weeks(weekly)) == list(range(12))


def test_visits_some_days_off_gather_at_the_planned_weeks():
    rng = np.random.default_rng(7)
    planned = np.array(VALOR_WEEKS[1:])
    width = np.where(planned <= 4, 0.2, np.where(planned <= 28, 0.45, 0.8))
    visits = visits_at({f"P{k}": [0.0, *(planned + rng.normal(0, width))] for k in range(150)})
    assert np.abs(nominal_weeks(visits) - VALOR_WEEKS).max() <= 1


def test_visits_without_a_schedule_gather_in_a_readable_number_of_weeks():
    rng = np.random.default_rng(1)
    visits = visits_at({f"P{k}": [0.0, *rng.uniform(0, 500, 12)] for k in range(200)})
    weeks = nominal_weeks(visits)
    assert weeks[0] == 0
    assert 10 <= len(weeks) <= 30


def test_nearest_week_takes_the_earlier_of_two():
    nominal = np.array([0.0, 4.0, 28.0])
    assert list(nearest_week(np.array([0.5, 2.0, 2.1, 15.9, 16.1, 99.0]), nominal)) == [0, 0, 4, 4, 28, 28]


def test_missing_visits_by_hand():
    # followed to 28, 28 and 4: nine cells of the schedule at 0, 4, 28 less the last one of C = 8; A misses 4, B misses 28
    rows = [("A", 0), ("A", 28), ("B", 0), ("B", 4), ("C", 0), ("C", 4)]
    visits = pd.DataFrame(rows, columns=["person", "week"]).assign(outcome="alsfrs_r")
    exits = pd.DataFrame({"entry": 0.0, "exit": {"A": 30.0, "B": 28.0, "C": 4.0}})
    table = missing_visits(visits, exits, np.array([0.0, 4.0, 28.0]))
    assert table.to_dict("records") == [{"outcome": "alsfrs_r", "expected": 8, "missing": 2}]


def test_no_visit_is_expected_before_a_persons_entry(persons, visits, events):
    """B enters at 4 and misses 28 only; C enters between visits. A visit before the entry is none that was expected."""
    rows = [("A", 0), ("A", 4), ("A", 28), ("B", 4), ("C", 28), ("D", 0), ("D", 4), ("D", 28)]
    seen = pd.DataFrame(rows, columns=["person", "week"]).assign(outcome="alsfrs_r")
    followed = pd.DataFrame({"entry": {"A": 0.0, "B": 4.0, "C": 4.5, "D": 2.0}, "exit": 28.0})
    table = missing_visits(seen, followed, np.array([0.0, 4.0, 28.0]))
    assert table.to_dict("records") == [{"outcome": "alsfrs_r", "expected": 8, "missing": 1}]
    late = events.assign(entry_week=[0.0, 28.0, 0.0, 0.0])
    known = Study.from_frames(persons, visits, events, reference_group="delayed").counts
    counts = Study.from_frames(persons, visits, late, reference_group="delayed").counts
    one = len(visits["outcome"].unique())  # the second person's visits at week 0 are no longer among the expected
    assert sum(counts["expected_visits"].values()) == sum(known["expected_visits"].values()) - one
    assert counts["missing_visits"] == known["missing_visits"]


def test_an_outcome_measured_at_fewer_weeks_is_not_missing_at_the_others():
    rows = [(p, w, "often") for p in "ABCDE" for w in (0, 4, 8)] + [(p, 0, "rare") for p in "ABCDE"]
    visits = pd.DataFrame(rows, columns=["person", "week", "outcome"])
    followed = pd.DataFrame({"entry": 0.0, "exit": 8.0}, index=list("ABCDE"))
    table = missing_visits(visits, followed, np.array([0.0, 4.0, 8.0]))
    assert table.set_index("outcome")["expected"].to_dict() == {"often": 15, "rare": 5}
    assert table["missing"].sum() == 0


@pytest.fixture
def study(persons, visits, events):
    events.loc[2, "week"] = 28.0
    visits = visits.drop(index=[2])  # NfL of P1 at week 28
    return Study.from_frames(
        persons, visits, events, name="four <b>persons</b>", reference_group="delayed", strata=True
    )


def test_counts_by_hand(study):
    counts = study.counts
    assert counts["n_persons"] == 4
    assert counts["n_visits"] == 15
    assert counts["persons"] == {
        "early": {"faster": 1, "slower": 1, "all": 2},
        "delayed": {"faster": 1, "slower": 1, "all": 2},
    }
    assert counts["switch_weeks"] == {"early": 0.0, "delayed": None}
    assert counts["visits"] == {"nfl_plasma": 7, "alsfrs_r": 8}
    assert counts["expected_visits"] == {"nfl_plasma": 8, "alsfrs_r": 8}
    assert counts["missing_visits"] == {"nfl_plasma": 1, "alsfrs_r": 0}
    assert counts["follow_up"] == {"median": 35.0, "shortest": 28.0, "longest": 52.0}
    assert counts["events"] == {"none": 3, "death": 1}
    assert counts["deaths"] == {"early": 0, "delayed": 1}
    assert counts["nominal_weeks"] == [0.0, 28.0]
    assert counts["observed"]["early"]["all"]["nfl_plasma"] == {
        "0": 2,
        **{f"{w}": 1 for w in range(1, 29) if w in study.curve_weeks},
    }
    assert counts["observed"]["early"]["faster"]["nfl_plasma"]["28"] == 0


def test_counts_hold_no_person_and_are_plain_json(study, persons):
    text = json.dumps(study.counts, allow_nan=False)
    assert not any(f'"{person}"' in text for person in persons["person"])


def test_observed_is_the_last_visit_at_that_week_or_later(study):
    table = study.observed([0, 20, 28, 29])
    cell = table[(table["start_group"] == "early") & (table["stratum"] == "all") & (table["outcome"] == "nfl_plasma")]
    assert list(cell["observed"]) == [2, 1, 1, 0]
    assert list(cell["persons"]) == [2, 2, 2, 2]
    assert list(cell["share"]) == [1, 0.5, 0.5, 0]
    assert set(table["stratum"]) == {"faster", "slower", "all"}
    assert len(table) == 2 * 3 * 2 * 4


def test_a_visit_some_days_early_is_observed_at_its_week():
    """Ten persons seen within three days of weeks 0, 12 and 36; the last of one is at day 231, week 33."""
    early = np.array([-3, -2, -1, 0, 0, 0, 1, 2, 3, -21]) / 7
    weeks = np.concatenate([np.zeros(10), 12 + early[::-1] * (np.abs(early[::-1]) < 1), 36 + early])
    visits = pd.DataFrame({"person": np.tile([f"P{k}" for k in range(10)], 3), "week": weeks})
    visits = visits.assign(outcome="alsfrs_r", value=30.0)
    persons = pd.DataFrame({"person": [f"P{k}" for k in range(10)], "start_group": ["early", "late"] * 5})
    persons = persons.assign(drug_start_week=np.where(persons["start_group"] == "early", 0.0, 60.0))
    table = Study.from_frames(persons, visits, reference_group="late").observed([33, 36, 37])
    whole = table[table["stratum"] == "all"].groupby("week")["observed"].sum()
    assert whole.to_dict() == {33: 10, 36: 9, 37: 0}


def test_a_person_without_the_outcome_is_never_observed(persons, visits):
    only = visits[(visits["person"] == "P1") | (visits["outcome"] == "alsfrs_r")]
    table = Study.from_frames(persons, only, reference_group="delayed").observed([0])
    nfl = table[table["outcome"] == "nfl_plasma"].set_index("start_group")["observed"]
    assert nfl.to_dict() == {"early": 1, "delayed": 0}


def test_repr_shows_groups_follow_up_missing_visits_and_deaths(study):
    text = repr(study)
    assert text.splitlines()[0] == (
        "Study four <b>persons</b>: 4 persons, 15 visits; controlled to week 28; reference group delayed"
    )
    assert text.splitlines()[1] == "visits near weeks 0, 28"
    rows = [line.split() for line in text.splitlines()]
    assert "delayed faster 1 – – –".split() in rows  # a single person's follow-up and fate are nobody's business
    assert "delayed slower 1 – – –".split() in rows
    assert "nfl_plasma 7 2, from 0 to 28 1 of 8 (12 %) 0".split() in rows
    assert "death 0 1 1".split() in rows
    assert "none 2 1 3".split() in rows
    assert not any(person in text for person in ("P1", "P2", "P3", "P4"))


def test_follow_up_of_several_persons_is_a_median_with_its_range(persons, visits, events):
    events.loc[2, "week"] = 28.0
    text = repr(Study.from_frames(persons, visits, events, reference_group="delayed"))
    rows = [line.split() for line in text.splitlines()]
    weeks = events.set_index("person")["week"]
    of = {group: weeks[members].tolist() for group, members in persons.groupby("start_group")["person"]}
    for group, deaths in (("early", 0), ("delayed", 1)):
        low, high = sorted(of[group])
        shown = f"{(low + high) / 2:.0f} ({low:.0f} to {high:.0f}) {deaths}".split()
        assert [row for row in rows if row[:3] == [group, "all", "2"] and row[-5:] == shown]


def test_html_repr_escapes_labels(study):
    html = study._repr_html_()
    assert "four &lt;b&gt;persons&lt;/b&gt;" in html
    assert "<b>persons" not in html
    assert html.count("<table") == 3


def test_without_events_deaths_are_unknown_and_follow_up_ends_at_the_last_visit(persons, visits):
    study = Study.from_frames(persons, visits, reference_group="delayed")
    assert study.counts["deaths"] is None
    assert study.counts["follow_up"] == {"median": 28.0, "shortest": 28.0, "longest": 28.0}
    assert "deaths" in repr(study)
    assert "death" not in json.dumps(study.counts["events"])


def test_importing_study_or_evidence_loads_nothing_heavy():
    code = (
        "import sys, bayesmodels.study, bayesmodels.study.evidence; "
        "print([m for m in ('pandas', 'pandera', 'numpy', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_end_of_follow_up_of_a_group_of_one_is_not_shown(persons, visits, events):
    alone = persons["start_group"] == persons["start_group"].iloc[-1]
    persons.loc[alone & ~(persons.index == persons.index[-1]), "start_group"] = persons["start_group"].iloc[0]
    counted = event_table(persons, events, sorted(persons["start_group"].unique()))
    assert persons["start_group"].iloc[-1] not in counted.columns
    assert counted["persons"].sum() == len(persons) - 1
