"""Every check of the tables, by the exact line it gives. Row 2 is the first row of data."""

# ruff: noqa: E501 (messages are written out in full)
import pickle
import re

import numpy as np
import pandas as pd
import pytest

from bayesmodels.errors import BadInput
from bayesmodels.study import Limits, Study


@pytest.fixture
def refused(persons, visits, events):
    """The lines for the good tables after `change(persons, visits, events)`; it may return replacements."""

    def lines(change, **settings):
        tables = {name: t.astype(object) for name, t in (("persons", persons), ("visits", visits), ("events", events))}
        tables.update(change(**tables) or {})
        with pytest.raises(BadInput) as caught:
            Study.from_frames(**tables, **{"reference_group": "delayed", **settings})
        return list(caught.value.problems)

    return lines


def put(table, row, column, value):
    """A change that writes one cell; `row` as in a spreadsheet."""

    def change(**tables):
        tables[table].loc[row - 2, column] = value

    return change


CELLS = [
    # table, row, column, cell, line
    ("persons", 2, "person", "", "persons, row 2: person is blank; fill it in"),
    ("persons", 2, "person", "P1 ", "persons, row 2 (person P1 ): person has a space before or after it; remove the space"),
    ("persons", 2, "person", "P\n1", r"persons, row 2 (person P\n1): person has characters that cannot be printed; remove them"),
    ("persons", 2, "person", 1.0, "persons, row 2 (person 1.0): expected text as person, got a float; convert the column "
     "to text (astype(str)) before it comes here"),
    ("persons", 3, "start_group", None, "persons, row 3 (person P2): start_group is blank; fill it in"),
    ("persons", 3, "drug_start_week", -2, "persons, row 3 (person P2): expected drug_start_week 0 or later, got -2; weeks "
     "count from randomisation, and a person on the drug before it has no untreated course: leave such persons out"),
    ("persons", 3, "drug_start_week", "never", 'persons, row 3 (person P2): expected a number as drug_start_week, got '
     '"never"; leave the cell blank, or write inf'),
    ("persons", 3, "drug_start_week", "NA", 'persons, row 3 (person P2): expected a number as drug_start_week, got "NA"; '
     "leave the cell blank instead"),
    ("persons", 3, "drug_start_week", "-inf", 'persons, row 3 (person P2): expected a finite number as drug_start_week, '
     'got "-inf"; correct it'),
    ("visits", 4, "person", "", "visits, row 4 (week 28): person is blank; fill it in"),
    ("visits", 4, "person", "X9", "visits, row 4 (person X9, week 28): this person is not in persons; add the person "
     "there, or delete the rows here"),
    ("visits", 4, "week", "", "visits, row 4 (person P1): week is blank; fill it in"),
    ("visits", 4, "week", "week 28", 'visits, row 4 (person P1): expected a number as week, got "week 28"; correct it'),
    ("visits", 4, "week", -2.0, "visits, row 4 (person P1, week -2): expected a week of 0 or later, got -2; weeks count "
     "from randomisation: give the measurement that serves as baseline week 0 and leave out what came before"),
    ("visits", 4, "week", "inf", 'visits, row 4 (person P1): expected a finite number as week, got "inf"; correct it'),
    ("visits", 4, "outcome", "", "visits, row 4 (person P1, week 28): outcome is blank; fill it in"),
    ("visits", 4, "value", None, "visits, row 4 (person P1, week 28): value is blank; a measurement that was not made has "
     "no row: delete the row"),
    ("visits", 4, "value", "NA", 'visits, row 4 (person P1, week 28): expected a number as value, got "NA"; a measurement '
     "that was not made has no row: delete the row"),
    ("visits", 4, "value", "12,5", 'visits, row 4 (person P1, week 28): expected a number as value, got "12,5"; write '
     "decimals with a point and thousands without a separator (1234.5)"),
    ("visits", 4, "value", "abc", 'visits, row 4 (person P1, week 28): expected a number as value, got "abc"; correct it'),
    ("visits", 4, "value", "<5", 'visits, row 4 (person P1, week 28): expected a number as value, got "<5"; write 5 and '
     'put "left" in the column censoring'),
    ("visits", 4, "value", "<LLOQ", 'visits, row 4 (person P1, week 28): expected a number as value, got "<LLOQ"; write the '
     'limit itself, a number, and put "left" in the column censoring'),
    ("visits", 4, "value", "above ULOQ", 'visits, row 4 (person P1, week 28): expected a number as value, got "above '
     'ULOQ"; write the limit itself, a number, and put "right" in the column censoring'),
    ("visits", 4, "value", "> 500", 'visits, row 4 (person P1, week 28): expected a number as value, got "> 500"; write '
     '500 and put "right" in the column censoring'),
    ("visits", 4, "value", float("inf"), "visits, row 4 (person P1, week 28): expected a finite number as value, got inf "
     "(float); correct it"),
    ("visits", 4, "value", 10**400, "visits, row 4 (person P1, week 28): expected a finite number as value, got 1" + 56 * "0" + "... "
     "(int); correct it"),
    ("visits", 4, "value", True, "visits, row 4 (person P1, week 28): expected a number as value, got True (bool); write a "
     "number"),
    ("visits", 4, "value", 0.0, "visits, row 4 (person P1, week 28): expected nfl_plasma above 0, got 0; correct it, "
     'delete the row if nothing was measured, or write the assay\'s limit as value and "left" as censoring'),
    ("visits", 5, "value", 49, "visits, row 5 (person P1, week 28): expected alsfrs_r from 0 to 48, got 49; correct it"),
    ("visits", 5, "value", -1, "visits, row 5 (person P1, week 28): expected alsfrs_r from 0 to 48, got -1; correct it"),
    ("visits", 4, "censoring", "below", "visits, row 4 (person P1, week 28): expected censoring left, right or blank, got "
     '"below"; correct it'),
    ("events", 2, "person", "", "events, row 2 (week 30): person is blank; fill it in"),
    ("events", 3, "week", "", "events, row 3 (person P2): week is blank; fill it in"),
    ("events", 3, "week", "5.2.2020", 'events, row 3 (person P2): expected a number as week, got "5.2.2020", a date; '
     "weeks since randomisation are (date - date of randomisation) / 7, dates in days"),
    ("events", 3, "event", "", 'events, row 3 (person P2, week 52): event is blank; fill it in, or write "none" if nothing '
     "happened until that week"),
    ("events", 3, "entry_week", 60, "events, row 3 (person P2, week 52): entry_week 60 is after the exit week 52; correct "
     "one of them"),
    ("events", 3, "entry_week", -1, "events, row 3 (person P2, week 52): expected entry_week 0 or later, got -1; weeks "
     "count from randomisation"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "row", "column", "cell", "line"), CELLS)
def test_a_bad_cell(refused, table, row, column, cell, line):
    lines = refused(put(table, row, column, cell))
    assert line in lines
    if column in ("value", "censoring", "drug_start_week", "entry_week", "event"):  # not a key that other checks use
        assert lines == [line]


def test_exit_before_randomisation(refused):
    lines = refused(put("events", 4, "week", -3))
    assert (
        "events, row 4 (person P3, week -3): expected an exit week of 0 or later, got -3; weeks count from randomisation"
        in lines
    )


def test_visit_after_the_exit_week(refused):
    assert refused(put("events", 4, "week", 20)) == [
        'visits, row 12 (person P3, week 28): the visit is after the exit week 20 in events, which is the end of follow-up (event "death"); correct one of the two weeks',
        'visits, row 13 (person P3, week 28): the visit is after the exit week 20 in events, which is the end of follow-up (event "death"); correct one of the two weeks',
    ]


def test_duplicate_person(refused):
    def twice(persons, **_):
        return {"persons": pd.concat([persons, persons.iloc[[1]]], ignore_index=True)}

    assert refused(twice) == [
        "persons, row 6 (person P2): expected one row per person; this person has row 3 already; keep one"
    ]


def test_duplicate_visit(refused):
    def twice(visits, **_):
        return {"visits": pd.concat([visits, visits.iloc[[1]].assign(value=3)], ignore_index=True)}

    assert refused(twice) == [
        "visits, row 18 (person P1, week 0): a second alsfrs_r of this person and week; the first is in row 3; keep one, "
        "or one row with the mean of the two; if they are of two days, give each its week as a fraction (days since "
        "randomisation / 7)"
    ]


def test_two_exits_of_one_person(refused):
    def twice(events, **_):
        return {"events": pd.concat([events, events.iloc[[1]]], ignore_index=True)}

    assert refused(twice) == [
        "events, row 6 (person P2): expected one row per person, at the end of follow-up; this person has row 3 already; keep one"
    ]


def test_person_without_visits(refused):
    assert refused(lambda visits, **_: {"visits": visits[visits["person"] != "P2"]}) == [
        "persons, row 3 (person P2): this person has no row in visits; add the visits, or leave the person out of the study"
    ]


def test_person_without_a_row_in_events(refused):
    assert refused(lambda events, **_: {"events": events[events["person"] != "P2"]}) == [
        "persons, row 3 (person P2): this person has no row in events; add one, with the last week of follow-up and event "
        '"none" if nothing happened'
    ]


def test_unknown_person_with_many_rows_and_one_in_events(refused):
    def stranger(visits, events, **_):
        more = visits[visits["person"] == "P1"].assign(person="X9")
        exit_row = events.iloc[[0]].assign(person="X8")
        return {
            "visits": pd.concat([visits, more], ignore_index=True),
            "events": pd.concat([events, exit_row], ignore_index=True),
        }

    assert refused(stranger) == [
        "visits, row 18 (person X9, week 0): this person is not in persons (4 rows); add the person there, or delete the "
        "rows here",
        "events, row 6 (person X8, week 30): this person is not in persons; add the person there, or delete the rows here",
    ]


def test_start_group_of_one_person(refused):
    assert refused(put("persons", 2, "start_group", "Early")) == [
        'persons, row 3 (person P2): expected one spelling of each start_group, got "Early" (1 row), "early" (1 row), '
        'which differ only by case, spaces, punctuation or Unicode form ("early": row 3); write one of them throughout, '
        'with pandas persons["start_group"] = persons["start_group"].replace({"early": "Early"}); or, where they are not '
        'the same, say so in the configuration, under [study]: distinct_labels = [["Early", "early"]]'
    ]
    assert refused(put("persons", 2, "start_group", "late")) == [
        'persons, row 2 (person P1): expected two persons or more in each start group, got one in "late"; correct the '
        'label, or leave the person out (groups: "late", "early", "delayed")',
        'persons, row 3 (person P2): expected two persons or more in each start group, got one in "early"; correct the '
        'label, or leave the person out (groups: "late", "early", "delayed")',
    ]


def test_censored_nfl_needs_the_assays_limit(refused):
    def zero(visits, **_):
        visits.loc[0, ["value", "censoring"]] = [0.0, "left"]

    assert refused(zero) == [
        "visits, row 2 (person P1, week 0): expected the assay's limit, above 0, as the value of a censored nfl_plasma, "
        "got 0; write the limit"
    ]


def test_limits_of_the_callers_outcomes(refused):
    def albumin(visits, **_):
        return {"visits": visits.replace({"outcome": {"nfl_plasma": "albumin", "alsfrs_r": "tap"}})}

    lines = refused(albumin, extra_limits={"albumin": (0.0, 60.0, False), "tap": Limits(low=35.0)})
    assert lines[0] == "visits, row 2 (person P1, week 0): expected albumin from 0 to 60, got 70; correct it"
    assert lines[4] == "visits, row 5 (person P1, week 28): expected tap of 35 or more, got 33; correct it"
    assert len(lines) == 8


def test_missing_and_unknown_columns(refused):
    def rename(persons, visits, events):
        return {
            "persons": persons.rename(columns={"start_group": "arm"}),
            "visits": visits.rename(columns={"value": "aval", "censoring": "censored"}).assign(units="pg/mL"),
            "events": events.rename(columns={"entry_week": "entry"}).drop(columns="event"),
        }

    known = '(known: "person", "week", "outcome", "value", "censoring")'
    assert refused(rename, reference_group=None) == [
        'persons: expected a column "start_group", which is missing; rename the column "arm" if that is it',
        'visits: expected a column "value", which is missing; rename the column "aval" if that is it',
        f'visits: column "censored" is unknown {known}; rename it to "censoring" if that is it, or delete it',
        f'visits: column "units" is unknown {known}; delete it',
        'events: expected a column "event", which is missing; add it (columns found: "person", "week", "entry")',
        'events: column "entry" is unknown (known: "person", "week", "event", "entry_week"); rename it to "entry_week" if '
        "that is it, or delete it",
    ]


def test_problems_beside_a_missing_column_are_listed_too(refused):
    def change(persons, visits, **_):
        visits.loc[3, "value"] = 50
        return {"persons": persons.drop(columns="drug_start_week"), "visits": visits}

    assert refused(change) == [
        'persons: expected a column "drug_start_week", which is missing; add it (columns found: "person", "start_group", '
        '"stratum", "age")',
        "visits, row 5 (person P1, week 28): expected alsfrs_r from 0 to 48, got 50; correct it",
    ]


def test_duplicate_nameless_and_misshapen_columns(refused):
    def change(visits, persons, **_):
        twice = pd.concat([visits, visits[["value"]]], axis=1)
        return {"visits": twice, "persons": persons.assign(**{"Unnamed: 0": 1, " bmi": 2})}

    assert refused(change) == [
        "persons: column 6 has no name; delete it, or give it one (a saved pandas index? write with index=False)",
        'persons: column " bmi" has a name with spaces around it or unprintable characters; rename it',
        'visits: column 6 is a second column named "value"; keep one of them',
    ]


def test_no_rows_and_no_table(refused):
    assert refused(lambda visits, **_: {"visits": visits.iloc[:0], "events": [1]}) == [
        "visits: the table has no rows below the header; add them",
        "events: expected a pandas DataFrame, got list",
    ]


def test_all_problems_come_at_once_and_the_rows_of_a_systematic_one_are_named(refused):
    def change(persons, visits, **_):
        visits["value"] = "1,5"
        persons.loc[0, "drug_start_week"] = -1

    lines = refused(change, reference_group="late")
    number = (
        'expected a number as value, got "1,5"; write decimals with a point and thousands without a separator (1234.5)'
    )
    assert len(lines) == 13
    assert lines[1] == f"visits, row 2 (person P1, week 0): {number}"
    assert lines[11] == "visits: the same problem in 6 more rows: 12-17"
    assert (
        lines[12]
        == 'study settings: reference_group "late" is not a start group (groups: "early", "delayed"); give one of these'
    )


def test_a_problem_and_a_study_travel_between_processes(refused, persons, visits):
    (line,) = refused(put("visits", 5, "value", 49))
    again = pickle.loads(pickle.dumps(line))
    assert (again, again.without_person, again.row, again.file) == (line, line.without_person, 5, "visits")
    study = Study.from_frames(persons, visits, reference_group="delayed")
    assert pickle.loads(pickle.dumps(study)).digest == study.digest


def test_a_line_for_the_log_has_row_and_week_but_no_person(refused):
    assert [line.without_person for line in refused(put("visits", 5, "value", 49))] == [
        "visits, row 5 (week 28): expected alsfrs_r from 0 to 48, got 49; correct it"
    ]
    assert [line.without_person for line in refused(put("visits", 4, "person", "X9"))] == [
        "visits, row 4 (week 28): this person is not in persons; add the person there, or delete the rows here"
    ]


@pytest.mark.parametrize("day", [366, 365, 1000, 29])
@pytest.mark.parametrize("decimals", [4, 2])
def test_weeks_of_days_are_told_in_full_and_the_remedy_is_taken(persons, visits, events, day, decimals):
    """An exit week cut to fewer decimals than the week of a visit on the same day."""
    visits.loc[visits["person"].eq("P4") & visits["week"].gt(0), "week"] = day / 7
    events.loc[events["person"] == "P4", "week"] = np.floor(day / 7 * 10**decimals) / 10**decimals
    with pytest.raises(BadInput) as caught:
        Study.from_frames(persons, visits, events, reference_group="delayed")
    line = caught.value.problems[0]
    cut, seen, until = (
        float(re.search(words, line)[1])
        for words in (
            r"after the exit week ([\d.]+) in",
            r"week ([\d.]+)\): the visit",
            r"follow-up \(([\d.]+) or later",
        )
    )
    assert cut < seen == until == day / 7
    events.loc[events["person"] == "P4", "week"] = until
    assert Study.from_frames(persons, visits, events, reference_group="delayed")


def test_a_missing_column_of_persons_names_nobody():
    visits = pd.DataFrame({"week": [0, "x"], "outcome": "svc", "value": 80.0})
    persons = pd.DataFrame({"person": ["a"], "start_group": "g", "drug_start_week": 0})
    with pytest.raises(BadInput) as caught:
        Study.from_frames(persons, visits)
    assert 'visits, row 3: expected a number as week, got "x"; correct it' in caught.value.problems
