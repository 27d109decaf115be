"""Tables with a column per visit, and PRO-ACT's tables by the names of their columns."""

import pandas as pd
import pytest

from bayesmodels import read_pro_act, read_wide
from bayesmodels.errors import BadInput

WIDE = pd.DataFrame(
    {
        "id": ["a", "b", "c", "d", "e"],
        "arm": ["early", "early", "delayed", "delayed", "delayed"],
        "site": ["north", "south", "north", "south", "north"],
        "frs_bl": [40, 41, 39, 38, None],
        "frs_w4": [39, None, 38, 36, None],
        "svc_w0": [90, 85, 80, 88, None],
    }
)
BY_NAME = {"alsfrs_r": {"frs_bl": 0, "frs_w4": 4}, "svc": {"svc_w0": 0}}
HOW = {"person": "id", "start_group": "arm", "drug_start_week": {"early": 0, "delayed": None}, "stratum": "site"}


def test_columns_become_visits(tmp_path):
    made = read_wide(WIDE, outcomes=BY_NAME, **HOW)
    assert len(made.visits) == 4 + 3 + 4
    assert not made.notes
    cell = made.visits[(made.visits["person"] == "c") & (made.visits["week"] == 4)]
    assert cell[["outcome", "value"]].to_numpy().tolist() == [["alsfrs_r", 38]]
    assert made.left_out.to_numpy().tolist() == [["wide", 6, "no visit has a value"]]
    assert made.study(reference_group="delayed", strata=True).stratum_labels == ("north", "south")
    WIDE.to_csv(tmp_path / "wide.csv", index=False)
    pd.testing.assert_frame_equal(
        read_wide(tmp_path / "wide.csv", outcomes=BY_NAME, **HOW).visits, made.visits, check_dtype=False
    )


def test_a_pattern_names_outcome_and_week():
    renamed = WIDE.rename(columns={"frs_bl": "frs_w0"})
    made = read_wide(renamed, pattern=r"(?P<outcome>frs|svc)_w(?P<week>\d+)", **HOW)
    assert made.visits.groupby("outcome")["week"].unique().map(sorted).to_dict() == {"frs": [0, 4], "svc": [0]}
    assert not made.notes
    missed = read_wide(renamed, pattern=r"(?P<outcome>frs)_w(?P<week>\d)", **(HOW | {"stratum": None}))
    assert missed.notes == ('columns not used: "site", "svc_w0"',)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"outcomes": None}, "expected one of the two"),
        ({"outcomes": None, "pattern": "("}, "expected a regular expression"),
        ({"outcomes": None, "pattern": "frs_w4"}, "expected the groups outcome and week"),
        ({"outcomes": None, "pattern": "(?P<outcome>x)(?P<week>y)"}, "no column of a visit is named"),
        ({"outcomes": {"alsfrs_r": {"frs_w8": 8}}}, 'expected a column "frs_w8", found none'),
        ({"outcomes": {"alsfrs_r": {"site": 8}}}, "expected a number in site"),
        ({"outcomes": {"alsfrs_r": {"frs_w4": "four"}}}, "expected the week of frs_w4"),
        ({"drug_start_week": {"early": 0}}, 'drug_start_week has no week for "delayed"; add each, None where'),
        (
            {"drug_start_week": {"early": 0, "Delayed ": 28}},
            '"delayed"; "delayed" for "Delayed " differs only by case, spaces',
        ),
        ({"drug_start_week": {1: 0, 2: 28}}, 'write start groups as text, "1" for 1; add each'),
    ],
)
def test_what_is_wrong_with_a_wide_table_is_said(change, said):
    with pytest.raises(BadInput, match=said.replace("(", r"\(")):
        read_wide(WIDE, **{"outcomes": BY_NAME, **HOW, **change})


def pro_act(folder):
    """Made up, in the layout of a download."""
    tables = {
        "TREATMENT": {
            "subject_id": [1, 2, 3, 4, 5], "Study_Arm": ["Placebo", "Placebo", "Active", "Active", "Placebo"],
            "Treatment_Group_Delta": [0, 0, 7, -3, 0],
        },
        "ALSFRS": {
            "subject_id": [1, 1, 1, 2, 2, 3, 3, 4, 4, 9, 1],
            "ALSFRS_Delta": [-14, 0, 28, 0, 56, 0, 28, 0, 35, 0, None],
            "ALSFRS_Total": [33, 32, 31, 30, 29, 33, 32, 31, 30, 28, 29],
            "ALSFRS_R_Total": [41, 40, 39, 38, None, 41, 40, 39, 38, 30, 38],
        },
        "DEATHDATA": {
            "subject_id": [1, 2, 3, 3, 9], "Subject_Died": ["Yes", "No", "Yes", "Yes", "Yes"],
            "Death_Days": [200, None, 21, 21, 5],
        },
    }  # fmt: skip
    for name, columns in tables.items():
        pd.DataFrame(columns).to_csv(folder / f"PROACT_{name}.csv", index=False)
    return folder


def test_pro_acts_placebo_arm_by_its_columns(tmp_path):
    made = read_pro_act(pro_act(tmp_path), days_after_last_visit=180)
    assert made.persons["person"].tolist() == ["1", "2"]
    assert made.visits.to_numpy().tolist() == [
        ["1", 0.0, "alsfrs_r", 40.0], ["1", 4.0, "alsfrs_r", 39.0], ["2", 0.0, "alsfrs_r", 38.0],
    ]  # fmt: skip
    assert made.events.to_numpy().tolist() == [["1", pytest.approx(200 / 7), "death"], ["2", 0.0, "none"]]
    assert made.table.groupby("data_set")["rows"].sum().to_dict() == {"TREATMENT": 5, "ALSFRS": 11, "DEATHDATA": 5}
    reasons = set(made.left_out["reason"])
    assert {
        "before day 0",
        "ALSFRS_R_Total is blank",
        "ALSFRS_Delta is blank",
        'Study_Arm is "Active"',
        "did not die",
    } <= reasons
    assert "no visit is kept" in reasons  # person 5


def test_pro_acts_arms_are_pooled_and_said_to_be(tmp_path):
    made = read_pro_act(pro_act(tmp_path), arms=("Active", "Placebo"), days_after_last_visit=172)
    assert made.persons.set_index("person")["drug_start_week"].to_dict() == {
        "1": float("inf"),
        "2": float("inf"),
        "3": 1.0,
        "4": 0.0,
    }
    assert "no randomised comparison" in made.notes[0]
    assert made.events.set_index("person")["event"].to_dict() == {"1": "death", "2": "none", "3": "death", "4": "none"}
    assert (made.left_out["reason"] == "after death").sum() == 1  # a visit at day 28 of a person who died on day 21
    assert (made.left_out["reason"] == "the same death once more").sum() == 1


def test_deaths_long_after_the_last_visit_need_a_limit(tmp_path):
    """Person 1: last visit on day 28, death on day 200; person 3: day 0 and day 21."""
    folder = pro_act(tmp_path)
    with pytest.raises(
        BadInput, match=r"DEATHDATA\.csv: 2 of 2 deaths are after the person's last visit, at most 172 d"
    ):
        read_pro_act(folder, arms=("Active", "Placebo"))
    made = read_pro_act(folder, arms=("Active", "Placebo"), days_after_last_visit=171)
    events = made.events.set_index("person")
    assert (events["event"]["1"], events["week"]["1"]) == ("none", 4.0)
    assert (events["event"]["3"], events["week"]["3"]) == ("death", 3.0)
    assert ["DEATHDATA", 2, "died later than follow-up"] in made.left_out.to_numpy().tolist()
    assert made.table.groupby("data_set")["rows"].sum()["DEATHDATA"] == 5
    for value in (-1, 1.5, True, "90"):
        with pytest.raises(BadInput, match="days_after_last_visit: expected a whole number"):
            read_pro_act(folder, days_after_last_visit=value)


def test_problems_of_made_tables_name_the_rows_they_were_made_of(tmp_path):
    folder = pro_act(tmp_path)
    scores = pd.read_csv(folder / "PROACT_ALSFRS.csv")
    scores.loc[2, "ALSFRS_R_Total"] = 490
    scores.to_csv(folder / "PROACT_ALSFRS.csv", index=False)
    with pytest.raises(BadInput) as caught:
        read_pro_act(folder, days_after_last_visit=180)
    (line,) = caught.value.problems
    assert line.startswith("PROACT_ALSFRS.csv, row 4 (person 1, week 4): ")
    assert line.without_person.startswith("PROACT_ALSFRS.csv, row 4 (week 4): ")
    with pytest.raises(BadInput) as caught:
        read_wide(WIDE, outcomes={"alsfrs_r": {"frs_bl": 0, "frs_w4": 0}}, **HOW)
    assert caught.value.problems[0].startswith("wide table, row 2 (person a, week 0): a second alsfrs_r")
    assert "the first is in row 2;" in caught.value.problems[0]


def test_two_rows_of_a_day_are_refused_or_one_is_kept(tmp_path):
    folder = pro_act(tmp_path)
    scores = pd.read_csv(folder / "PROACT_ALSFRS.csv")
    again = scores.iloc[[2]].assign(ALSFRS_R_Total=37)
    pd.concat([scores, again]).to_csv(folder / "PROACT_ALSFRS.csv", index=False)
    with pytest.raises(BadInput, match="a second row of this person and day"):
        read_pro_act(folder)
    assert 37 in set(read_pro_act(folder, duplicates="last", days_after_last_visit=180).visits["value"])


def test_a_table_of_pro_act_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"PROACT_SVC\.csv: expected a file"):
        read_pro_act(pro_act(tmp_path), outcomes=("alsfrs_r", "svc"))
    scores = pd.read_csv(tmp_path / "PROACT_ALSFRS.csv").drop(columns="ALSFRS_Delta")
    scores.to_csv(tmp_path / "PROACT_ALSFRS.csv", index=False)
    with pytest.raises(BadInput, match='expected a column "ALSFRS_Delta"'):
        read_pro_act(tmp_path)
    with pytest.raises(BadInput, match="outcomes: expected some of"):
        read_pro_act(tmp_path, outcomes=("fvc",))
