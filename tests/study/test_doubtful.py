"""Warnings of tables: what is said, what is not, and that nothing is refused or changed by them."""

import pandas as pd
import pytest
from advised import study, tables

from bayesmodels.study import MeansTable, TrialTable
from bayesmodels.study.checks.doubtful import is_code


def with_values(outcome, values):
    given = tables()
    given["visits"] = given["visits"].assign(outcome=outcome, value=values)
    return given


def told(given):
    return list(study(given).warnings)


def varied(*cells, outcome="albumin"):
    """Values about 3.5 with some cells in the first rows."""
    return with_values(outcome, [*cells, *(3.5 + 0.1 * (k % 7) for k in range(32 - len(cells)))])


def test_an_ordinary_study_has_no_warnings():
    assert told(tables()) == []
    assert told(varied()) == []


@pytest.mark.parametrize("code", [-99.0, -9.0, 99.0, 999.0, 9999.0, -999.0, 888.0, 77.0, -99.9, 99999.0])
def test_a_missing_value_code_is_told_with_its_rows_and_kept(code):
    given = varied(code, code)
    (line,) = told(given)
    assert line == (
        f"visits: albumin is {code:g} in 2 rows (2-3), far from all other values: a missing-value code? If so, a "
        "measurement that was not made has no row: delete such rows"
    )
    assert (study(given).visits["value"] == code).sum() == 2
    given["visits"] = given["visits"].iloc[2:]
    assert told(given) == []


def test_a_single_code_names_person_and_week_and_the_log_no_person():
    (line,) = told(varied(-99.0))
    assert line.startswith("visits, row 2 (person P1, week 0): albumin is -99, far")
    assert line.without_person.startswith("visits, row 2 (week 0): albumin is -99, far")


@pytest.mark.parametrize("value", [99.0, 88.0, 77.7, 9.9, 99.9])
def test_a_value_among_others_like_it_is_no_code(value):
    assert is_code(value)
    assert told(with_values("percent", [value, *(60.0 + k for k in range(31))])) == []


@pytest.mark.parametrize(
    ("column", "said"),
    [("age", "leave the cell blank"), ("drug_start_week", "after every visit: never? Then leave the cell blank")],
)
@pytest.mark.parametrize("code", [999.0, 9999.0, 888.0])
def test_codes_among_the_persons(column, said, code):
    given = tables()
    given["persons"] = given["persons"].assign(age=[50.0, 61, 47, 58, 55, 49, 66, 70])
    given["persons"].loc[3, column] = code
    (line,) = told(given)
    assert line.startswith(f"persons, row 5 (person P4): {column} is {code:g}, ")
    assert said in line


def test_weeks_that_are_dates_as_numbers():
    for first in (44256, 22340, 20210301):  # spreadsheets, SAS, digits of the date
        given = tables()
        given["visits"]["week"] += first
        given["events"]["week"] += first
        lines = told(given)
        assert [line.split(":")[0] for line in lines] == ["visits", "events"]
        assert all("(date - date of randomisation) / 7" in line for line in lines)


@pytest.mark.parametrize("value", [40.0, 0.0, 48.0, 12.5, 1.0])
def test_an_outcome_that_does_not_vary(value):
    (line,) = told(with_values("alsfrs_r", value))
    assert line.startswith(f"visits: alsfrs_r does not vary: it is {value:g} in all 32 rows")


def test_an_outcome_whose_values_are_all_censored_at_one_limit():
    given = with_values("nfl_plasma", 5.0)
    given["visits"]["censoring"] = "left"
    (line,) = told(given)
    assert "(all censored)" in line


LIMITED = [("alsfrs_r", 48.0, 40.0, "highest"), ("alsfrs_r", 0.0, 12.0, "lowest"), ("eq5d5l", 1.0, 0.5, "highest"),
           ("alsaq5", 0.0, 30.0, "lowest"), ("svc", 200.0, 90.0, "highest")]  # fmt: skip


@pytest.mark.parametrize(("outcome", "limit", "other", "which"), LIMITED)
def test_a_share_of_values_at_a_limit_points_to_censoring(outcome, limit, other, which):
    values = [limit] * 10 + [other * (1 - 0.01 * k) for k in range(22)]
    (line,) = told(with_values(outcome, values))
    assert f"10 of 32 values of {outcome} (31 %) are its {which} possible, {limit:g}" in line
    assert "censor_at_limits = true under its [[model.outcomes]]" in line
    few = [limit] * 4 + [other * (1 - 0.01 * k) for k in range(28)]  # 12.5 %, below the criterion of 15 %
    assert told(with_values(outcome, few)) == []


ALIKE = [("001", "1"), ("AB1", "ab1"), ("AB 1", "AB1"), ("AB1", "ＡＢ１"), ("A-01", "A-1"), ("7", "7.0")]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_two_persons_whose_labels_are_nearly_the_same(one, other):
    (line,) = told(tables(P2=one, P5=other))
    assert line.startswith(
        f'persons, row 6 (person {other}): the label of row 3, "{one}", differs from this one only by'
    )
    assert f'"{one}"' not in line.without_person
    assert line.without_person.startswith("persons, row 6: the label of row 3 differs from this one only by")


def trials(**columns):
    count = 6
    frame = pd.DataFrame(
        {
            "trial": [f"trial {k}" for k in range(count)],
            "surrogate_effect": [-0.5, -0.2, 0.1, -0.3, -0.1, -0.4],
            "surrogate_se": 0.1,
            "outcome_effect": [0.3, 0.1, -0.1, 0.2, 0.0, 0.25],
            "outcome_se": 0.1,
        }
    )
    return frame.assign(**columns)


RATIOS = [[0.7, 0.8, 1.1, 0.95, 0.6, 0.85], [1.2, 1.5, 0.9, 2.0, 1.1, 1.3], [0.5, 0.6, 0.7, 0.65, 0.9, 0.55],
          [1.0, 1.0, 1.1, 0.9, 1.2, 0.8], [0.25, 0.9, 1.6, 2.2, 0.7, 1.1]]  # fmt: skip


@pytest.mark.parametrize("end", ["surrogate", "outcome"])
@pytest.mark.parametrize("effects", RATIOS)
def test_effects_that_look_like_ratios(end, effects):
    (line,) = TrialTable.from_frame(trials(**{f"{end}_effect": effects})).warnings
    assert f"all 6 values of {end}_effect are above 0 and around 1" in line
    assert "write ln(ratio)" in line


def test_differences_with_a_unit_are_taken_at_their_word():
    from bayesmodels.study import Endpoint

    frame = trials(outcome_effect=RATIOS[1])
    assert TrialTable.from_frame(frame, outcome=Endpoint("function", "points per month")).warnings == ()
    assert len(TrialTable.from_frame(frame, outcome=Endpoint("death", "hazard ratio")).warnings) == 1


def test_trials_and_the_packaged_table_have_no_warnings():
    from bayesmodels.study.evidence import trial_table

    assert TrialTable.from_frame(trials()).warnings == ()
    assert trial_table("whole").warnings == trial_table("strata").warnings == ()


@pytest.mark.parametrize(
    ("column", "wanted"),
    [("rho", "within_correlation"), ("r_within", "within_correlation"), ("rho within", "within_correlation"),
     ("corr", "within_correlation"), ("class", "treatment_class"), ("drug class", "treatment_class"),
     ("MOA", "treatment_class"), ("group", "overlap_group"), ("programme", "overlap_group"), ("subset", "part_of")],
)  # fmt: skip
def test_a_column_that_is_an_optional_one_under_another_name(column, wanted):
    cells = {"within_correlation": 0.3}.get(wanted, "a")
    frame = trials(**{column: [f"{cells}{k}" if cells == "a" else cells for k in range(6)]})
    (line,) = TrialTable.from_frame(frame).warnings
    assert f'column "{column}" is kept as text and not used' in line
    renamed = TrialTable.from_frame(frame.rename(columns={column: wanted}))
    assert renamed.warnings == ()
    assert list(renamed.frame[wanted]) == list(frame[column])


def test_a_code_and_a_constant_among_effects():
    (line,) = TrialTable.from_frame(trials(outcome_effect=[0.3, -99.0, 0.1, 0.2, 0.0, 0.25])).warnings
    assert 'outcome_effect is -99 in trial "trial 1"' in line
    (line,) = TrialTable.from_frame(trials(outcome_effect=0.5)).warnings
    assert "outcome_effect does not vary: it is 0.5 in all 6 rows" in line


def means(estimates, scale="change_from_baseline"):
    return MeansTable.from_frame(
        pd.DataFrame(
            {
                "series": "paper", "stratum": "all", "start_group": ["drug", "placebo"] * 4,
                "week": [4, 4, 8, 8, 12, 12, 24, 24], "outcome": "alsfrs_r", "estimate": estimates, "se": 0.3, "n": 20,
                "scale": scale, "unit": "points", "certainty": "reported", "source": "made up",
            }
        ),
        {"drug": 0, "placebo": float("inf")},
        reference_group="placebo",
    )  # fmt: skip


def test_warnings_of_means():
    ordinary = [-1.0, -1.2, -2.0, -2.5, -3.0, -3.6, -5.5, -7.0]
    assert means(ordinary).warnings == ()
    assert "does not vary" in means(-1.0).warnings[0]
    assert "is -99 in placebo at week 24; far from all others" in means([*ordinary[:-1], -99.0]).warnings[0]
    ratios = [0.9, 1.0, 0.8, 1.05, 0.7, 1.1, 0.6, 1.1]
    assert means(ratios).warnings == ()
    assert "ratios? Logarithms are expected" in means(ratios, "log_ratio_to_baseline").warnings[0]


def test_a_start_group_of_a_few_beside_large_ones_may_be_a_label_misspelt():
    persons = pd.DataFrame(
        {
            "person": [f"P{k}" for k in range(90)],
            "start_group": ["early"] * 58 + ["erly"] * 2 + ["delayed"] * 30,
            "drug_start_week": [0.0] * 60 + [28.0] * 30,
        }
    )
    visits = pd.DataFrame({"person": persons["person"], "week": 0.0, "outcome": "svc"})
    visits = visits.assign(value=[50.0 + k % 7 for k in range(90)])
    (line,) = told({"persons": persons, "visits": visits})
    assert line == (
        'persons: start group "erly" has 2 of 90 persons (rows 60-61), "early" 58; is it a group of its own, or '
        "another's label misspelt?"
    )
    for other in ("early", "delayed"):
        told_of = persons.assign(start_group=persons["start_group"].replace({"erly": other}))
        told_of["drug_start_week"] = [0.0 if group == "early" else 28.0 for group in told_of["start_group"]]
        assert told({"persons": told_of, "visits": visits}) == []
    few = persons.iloc[[0, 1, 58, 59, 60, 61]]
    assert told({"persons": few, "visits": visits.iloc[[0, 1, 58, 59, 60, 61]]}) == []


def test_an_outcome_that_nobody_has_at_the_start():
    given = tables()
    given["visits"] = given["visits"].query("week > 0")
    (line,) = told(given)
    assert line.startswith("visits: nobody has alsfrs_r before week 4: is the baseline missing, or do weeks count from")
