"""Advice that is right when followed: every pandas call of a message is run, and the result passes."""

import datetime
from itertools import product

import pandas as pd
import pytest
from advised import WEEKS, followed, refused, study, tables

from bayesmodels.errors import BadInput
from bayesmodels.study.checks.labels import person_key


def wide(names, **more):
    """Visits with a column for each week, named by `names`."""
    given = tables()
    table = given["visits"].pivot(index="person", columns="week", values="value")
    table.columns = [names(week) for week in WEEKS]
    return given | {"visits": table.reset_index().assign(**more)}


WIDE = {
    "W0": wide(lambda week: f"ALSFRS_W{week}"),
    "week 0": wide(lambda week: f"alsfrs-r week {week}"),
    "numbers": wide(lambda week: week),
    "baseline": wide(lambda week: f"alsfrs_r.w{week}" if week else "alsfrs_r.baseline"),
    "site beside": wide(lambda week: f"alsfrs_r_{week}", site="Leeds"),
    "outcome beside": wide(lambda week: f"W{week}", outcome="alsfrs_r"),
    "days": wide(lambda week: f"alsfrs_r_day{7 * week}"),
    "subject": wide("w{}".format),
    "missed": wide(lambda week: f"ALSFRS_W{week}"),
}  # fmt: skip
WIDE["subject"]["visits"] = WIDE["subject"]["visits"].rename(columns={"person": "subjid"})
WIDE["missed"]["visits"].loc[2, "ALSFRS_W8"] = None


@pytest.mark.parametrize("case", WIDE)
def test_a_wide_table_becomes_long_by_the_call_it_is_told(case):
    given = WIDE[case]
    (line,) = refused(given)
    assert "delete" not in line
    made = study(followed(line, given))
    expected = tables()["visits"]
    if case == "missed":
        expected = expected.drop(index=2 * len(WEEKS) + 2)
    if case in ("numbers", "subject"):
        assert 'write its name for "outcome"' in line
        expected = expected.assign(outcome="outcome")
    came = made.visits[["person", "week", "outcome", "value"]].sort_values(["person", "week"], ignore_index=True)
    expected = expected.sort_values(["person", "week"], ignore_index=True)
    pd.testing.assert_frame_equal(came, expected, check_dtype=False)


def test_months_become_weeks_of_the_months_length():
    given = wide(lambda week: f"alsfrs_r_m{week // 4}")
    given["events"]["week"] = 27.0
    (line,) = refused(given)
    assert sorted(study(followed(line, given)).visits["week"].unique()) == pytest.approx(
        [month * 365.25 / 12 / 7 for month in (0, 1, 2, 6)]
    )


def test_columns_that_count_visits_or_mix_units_are_to_be_renamed_first():
    (line,) = refused(wide(lambda week: f"ALSFRS_V{week}"))
    assert "rename each to the week of its visit" in line
    (line,) = refused(wide(lambda week: f"ALSFRS_M{week}" if week else "ALSFRS_W0"))
    assert "first rename all to weeks" in line


def test_several_outcomes_in_one_wide_table_and_one_column_an_outcome():
    given = wide(lambda week: f"ALSFRS_W{week}", SVC_W0=81.0, SVC_W4=79.0)
    (line,) = refused(given)
    assert study(followed(line, given)).counts["visits"] == {"alsfrs_r": 32, "svc": 16}
    given = tables()
    by_outcome = given["visits"].rename(columns={"value": "alsfrs_r"}).drop(columns="outcome").assign(svc=80.0)
    given["visits"] = by_outcome
    (line,) = refused(given)
    assert 'one column for each outcome ("alsfrs_r", "svc")' in line
    assert study(followed(line, given)).outcomes == ("alsfrs_r", "svc")


def test_a_column_of_another_name_is_not_a_wide_table():
    given = tables()
    given["visits"] = given["visits"].rename(columns={"value": "aval", "outcome": "param"})
    assert [line for line in refused(given) if "melt" in line] == []
    given["visits"] = tables()["visits"].rename(columns={"value": "score"})
    assert [line for line in refused(given) if "melt" in line] == []


DATES = {
    "iso": lambda day: day.isoformat(),
    "iso with time": lambda day: f"{day.isoformat()}T09:30:00",
    "points": lambda day: f"{day.day}.{day.month}.{day.year}",
    "day/month": lambda day: f"{day.day:02}/{day.month:02}/{day.year}",
    "month/day": lambda day: f"{day.month:02}/{day.day:02}/{day.year}",
    "SAS": lambda day: day.strftime("%d%b%Y").upper(),
    "timestamp": pd.Timestamp,
    "date": lambda day: day,
}
FIRST = datetime.date(2021, 3, 1)


def dates():
    """Every way to write a date in every table; the fast tests take each way and each table once."""
    for k, (column, known, written) in enumerate(product(("visits", "events", "persons"), (True, False), DATES)):
        yield pytest.param(column, known, written, marks=[] if k % 5 == 0 else [pytest.mark.slow])


@pytest.mark.parametrize(("column", "known", "written"), list(dates()))
def test_dates_become_weeks_by_the_call_they_are_told(written, known, column):
    given = tables()
    name = "drug_start_week" if column == "persons" else "week"
    right = given[column][name].copy()
    given[column][name] = pd.Series(
        [DATES[written](FIRST + datetime.timedelta(weeks=week)) for week in right], dtype=object
    )
    if known:
        given["persons"]["randomisation_date"] = "2021-03-01"
    lines = [line for line in refused(given) if "weeks since randomisation" in line]
    (line,) = lines
    assert "row 2 and dates in" in line
    if not known:
        assert 'in a column "randomised"' in line
        given["persons"]["randomised"] = "2021-03-01"
    made = followed(line, given)
    assert refused(made) == []
    assert list(made[column][name]) == list(right)


def test_one_date_among_weeks_names_its_row():
    given = tables()
    given["visits"] = given["visits"].astype(object)
    given["visits"].loc[1, "week"] = "2021-03-29"
    (line,) = refused(given)
    assert line == (
        'visits, row 3 (person P1): expected a number as week, got "2021-03-29", a date; weeks since randomisation are '
        "(date - date of randomisation) / 7, dates in days"
    )


@pytest.mark.parametrize(
    ("cells", "columns"),
    [
        (["F", "M"] * 4, ["sex_M"]),
        (["yes", "no"] * 4, ["sex_yes"]),
        (["bulbar", "limb", "other", "limb"] * 2, ["sex_limb", "sex_other"]),
        ([True, False] * 4, ["sex_True"]),
        (["0-1", "2+"] * 4, ["sex_2+"]),
        (["männlich", "weiblich"] * 4, ["sex_weiblich"]),
    ],
    ids=["F M", "yes no", "three levels", "booleans", "marks", "umlaut"],
)
def test_a_text_covariate_is_one_line_whose_call_codes_it(cells, columns):
    given = tables()
    given["persons"]["sex"] = cells
    with pytest.raises(BadInput) as caught:
        study(given).covariates(["sex"])
    (line,) = caught.value.problems
    assert f'"{cells[0]}" ({cells.count(cells[0])})' in line
    assert all(f'"{column}"' in line for column in columns)
    made = study(followed(line, given)).covariates(columns)
    assert made.sum().tolist() == [list(map(str, cells)).count(column[4:]) for column in columns]


def test_text_that_cannot_be_coded_is_not_told_to_be():
    given = tables()
    given["persons"] = given["persons"].assign(
        one="F", note=[f"text {k}" for k in range(8)], many=[f"site {k}" for k in range(8)], some=["F", None] * 4
    )
    given["persons"].loc[7, "many"] = "site 9"
    for name, said in (
        ("one", "for everyone; leave it out"),
        ("some", "leave it out; 4 cells are blank: fill them in"),
    ):
        with pytest.raises(BadInput) as caught:
            study(given).covariates([name])
        (line,) = caught.value.problems
        assert said in line


IDS = {
    "leading zeros": ("001", "1"),
    "lost zeros": ("1", "001"),
    "decimals": ("1", "1.0"),
    "both": ("0001", "1.0"),
    "capitals": ("AB-1X", "ab-1x"),
    "small letters": ("ab1", "AB1"),
    "full width": ("AB1", "ＡＢ１"),
    "composed": ("\u00d61", "O\u03081"),
    "decomposed": ("O\u03081", "\u00d61"),
    "space": ("AB1", "AB 1"),
    "hyphen": ("AB1", "AB-1"),
    "zeros inside": ("AB-001", "AB-1"),
}


@pytest.mark.parametrize(
    ("case", "table"),
    [
        pytest.param(case, table, marks=() if (k + n) % 2 == 0 else pytest.mark.slow)
        for k, case in enumerate(IDS)
        for n, table in enumerate(("visits", "events"))
    ],
)
def test_a_nearly_known_person_is_named_with_what_to_do(case, table):
    right, wrong = IDS[case]
    given = tables(P1=right, P3="X3")
    given[table]["person"] = given[table]["person"].replace({right: wrong})
    (line,) = refused(given)
    assert f'where "{right}" has nearly the same label' in line
    assert f'"{right}"' not in line.without_person
    if "with pandas" in line:
        assert refused(followed(line, given)) == []
    else:
        assert "write the label as it is there" in line


def test_ids_of_a_whole_table_that_lost_their_zeros():
    names = {f"P{k}": f"{k:03}" for k in range(1, 9)}
    given = tables(**names)
    given["visits"]["person"] = given["visits"]["person"].str.lstrip("0")
    lines = refused(given)
    assert len(lines) == 8
    assert all('read every table with dtype={"person": str}' in line for line in lines)
    assert refused(followed(lines[0], given)) == []


def test_ids_read_as_numbers_become_text_by_what_is_said():
    names = {f"P{k}": str(k) for k in range(1, 9)}
    given = tables(**names)
    given["visits"]["person"] = given["visits"]["person"].astype(float)
    lines = refused(given)
    assert 'convert the column to text (astype("Int64").astype(str))' in lines[0]
    given["visits"]["person"] = given["visits"]["person"].astype("Int64").astype(str)
    assert refused(given) == []


def test_a_stranger_without_a_near_label_is_a_stranger():
    given = tables()
    given["visits"].loc[:3, "person"] = "Q1"
    assert "add the person there, or delete the rows here" in refused(given)[0]


@pytest.mark.parametrize(("one", "other"), [("12-3", "1-23"), ("1.5", "15"), ("A10", "A1"), ("10", "1"), ("1a", "1b")])
def test_labels_of_two_persons_have_two_keys(one, other):
    assert person_key(one) != person_key(other)


@pytest.mark.parametrize("event", ["ventilation", "relapse", "hospital", "withdrawal", "switch"])
def test_a_visit_after_a_non_terminal_event_may_be_in_follow_up(event):
    given = tables()
    given["events"].loc[0, ["week", "event"]] = [6.0, event]
    lines = refused(given)
    assert len(lines) == 2
    assert all(f'(event "{event}")' in line for line in lines)
    assert all('write event "none" and the last week of follow-up (26 or later)' in line for line in lines)
    assert all("leave out the visits after the event" in line for line in lines)
    as_followed = tables()
    as_followed["events"].loc[0, ["week", "event"]] = [26.0, "none"]
    assert refused(as_followed) == []
    left_out = given | {"visits": given["visits"].drop(index=[2, 3])}
    assert refused(left_out) == []


@pytest.mark.parametrize(("event", "said"), [("none", "write the last week of follow-up (26 or later) there"),
                                             ("death", "correct one of the two weeks")])  # fmt: skip
def test_a_visit_after_the_end_or_after_death(event, said):
    given = tables()
    given["events"].loc[0, ["week", "event"]] = [6.0, event]
    lines = refused(given)
    assert all(said in line for line in lines)
    assert all(('event "none"' in line) is False for line in lines)


def test_two_values_on_one_day_are_one_row_or_two_weeks():
    given = tables()
    twice = given["visits"].iloc[[1]].assign(value=30.0)
    given["visits"] = pd.concat([given["visits"], twice], ignore_index=True)
    (line,) = refused(given)
    assert "keep one, or one row with the mean of the two" in line
    mean = given["visits"].groupby(["person", "week", "outcome"], as_index=False)["value"].mean()
    assert refused(given | {"visits": mean}) == []
    given["visits"] = given["visits"].astype({"week": float})
    given["visits"].loc[len(given["visits"]) - 1, "week"] += 1 / 7
    assert refused(given) == []
