"""Settings of a study: refused with exact lines, and their defaults."""

# ruff: noqa: E501 (messages are written out in full)
import numpy as np
import pandas as pd
import pytest

from bayesmodels.errors import BadInput
from bayesmodels.study import Study, read_study

P = "study settings: "


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({}, P + "expected a reference_group, since there are two start groups or more; contrasts are the other groups "
         'minus this one: give one of "early", "delayed"'),
        ({"reference_group": "delay"}, P + 'reference_group "delay" is not a start group (groups: "early", "delayed"); is '
         'it "delayed"?'),
        ({"reference_group": 3}, P + "expected a start group's label as reference_group, got 3"),
        ({"strata": "yes"}, P + 'expected strata true or false, got "yes"'),
        ({"new_persons": "yes"}, P + 'expected new_persons true or false, got "yes"'),
        ({"controlled_week": 0}, P + "expected a controlled_week above 0, in weeks since randomisation, got 0"),
        ({"controlled_week": "28"}, P + 'expected a controlled_week above 0, in weeks since randomisation, got "28"'),
        ({"controlled_week": float("nan")}, P + "expected a controlled_week above 0, in weeks since randomisation, got nan"),
        ({"controlled_week": 10**400}, P + "expected a controlled_week above 0, in weeks since randomisation, got 1" + 56 * "0" + "..."),
        ({"extra_limits": {"albumin": (0, 10, "no")}}, P + "expected (low, high, positive) with low below high for albumin, "
         "got (0, 10, 'no')"),
        ({"curve_weeks": []}, P + "expected curve_weeks as a list of weeks of 0 or later, got []"),
        ({"curve_weeks": "0 28"}, P + 'expected curve_weeks as a list of weeks of 0 or later, got "0 28"'),
        ({"curve_weeks": [0, -4]}, P + "expected curve_weeks as a list of weeks of 0 or later, got [0, -4]"),
        ({"curve_weeks": [0, 28, 28]}, P + "expected curve_weeks in rising order, each once, got [0, 28, 28]; sort them"),
        ({"extra_limits": {"albumin": (5, 1, False)}}, P + "expected (low, high, positive) with low below high for albumin, "
         "got (5, 1, False)"),
        ({"extra_limits": [1]}, P + "expected limits as outcome = (low, high, positive), got [1]"),
    ],
)  # fmt: skip
def test_bad_settings(persons, visits, settings, line):
    given = {"reference_group": "delayed", **settings} if settings else settings
    with pytest.raises(BadInput) as caught:
        Study.from_frames(persons, visits, **given)
    assert line in caught.value.problems


def test_strata_without_the_column(persons, visits):
    persons = persons.rename(columns={"stratum": "strata"})
    with pytest.raises(BadInput) as caught:
        Study.from_frames(persons, visits, reference_group="delayed", strata=True)
    assert caught.value.problems == (
        'persons: strata = true needs a column "stratum", which is missing; rename "strata" if that is it, or set '
        "strata = false",
    )


def test_strata_with_a_blank_a_reserved_and_a_single_label(persons, visits):
    for labels, line in (
        (["faster", None, "slower", "slower"], "persons, row 3 (person P2): stratum is blank; fill it in, or set strata = false"),
        (["all", "faster", "slower", "slower"], 'persons, row 2 (person P1): the stratum label "all" is kept for the mixture '
         "of strata; use another label"),
        (["one"] * 4, 'persons: strata = true needs two strata or more, got only "one"; set strata = false'),
    ):  # fmt: skip
        with pytest.raises(BadInput) as caught:
            Study.from_frames(persons.assign(stratum=labels), visits, reference_group="delayed", strata=True)
        assert caught.value.problems == (line,)


def test_stratum_is_all_unless_used(persons, visits):
    plain = Study.from_frames(persons.assign(stratum=["a", None, None, "b"]), visits, reference_group="delayed")
    assert plain.stratum_labels == ("all",)
    assert list(plain.persons["stratum"]) == ["all"] * 4
    split = Study.from_frames(persons, visits, reference_group="delayed", strata=True)
    assert split.stratum_labels == ("faster", "slower")


def test_one_start_group_or_no_drug_at_all_is_fine(persons, visits):
    one = Study.from_frames(persons.assign(start_group="all comers", drug_start_week=None), visits)
    assert one.reference_group is None
    assert one.controlled_week is None
    assert one.coords["contrast"] == ()
    assert np.isinf(one.persons["drug_start_week"]).all()
    alone = Study.from_frames(persons.iloc[:1], visits[visits["person"] == "P1"])
    assert alone.start_groups == ("early",)
    placebo = Study.from_frames(persons.assign(drug_start_week=np.inf), visits, reference_group="delayed")
    assert placebo.controlled_week is None


def test_persons_of_a_group_may_start_the_drug_in_different_weeks(persons, visits):
    study = Study.from_frames(persons.assign(drug_start_week=[0, 1, 27.5, 30]), visits, reference_group="delayed")
    assert study.controlled_week == 27.5
    assert study.start_groups == ("early", "delayed")


def test_a_first_dose_within_a_week_does_not_end_the_controlled_period(persons, visits):
    first_days = persons.assign(drug_start_week=[0.4, 0.9, 28, 28])
    assert Study.from_frames(first_days, visits, reference_group="delayed").controlled_week == 28


def test_curve_weeks_are_25_whole_weeks_to_the_last_visit(persons, visits):
    def last(week):
        moved = visits.assign(week=visits["week"] * week / 28)
        return Study.from_frames(persons, moved, reference_group="delayed").curve_weeks

    weeks = last(148.6)
    assert len(weeks) == 25
    assert weeks[0] == 0
    assert weeks[-1] == 148
    assert all(week == int(week) for week in weeks)
    assert last(10) == tuple(float(k) for k in range(11))


def test_start_groups_end_with_the_reference_and_contrasts_are_against_it(persons, visits):
    study = Study.from_frames(persons, visits, reference_group="early")
    assert study.start_groups == ("delayed", "early")
    assert study.coords["contrast"] == ("delayed - early",)
    assert study.coords["person"] == (0, 1, 2, 3)
    assert study.outcomes == ("nfl_plasma", "alsfrs_r")


def test_covariates_as_numbers_or_a_list_of_what_is_wrong(persons, visits):
    table = persons.assign(site=["1", "2", "x", ""], sex=1)
    study = Study.from_frames(table, visits, reference_group="delayed")
    assert list(study.covariates(["age"])["age"]) == [50, 61, 47, 58]
    assert list(study.persons.columns) == ["person", "start_group", "drug_start_week", "stratum", "age", "site", "sex"]
    with pytest.raises(BadInput) as caught:
        study.covariates(["site", "agee", "sex"])
    assert caught.value.problems == (
        'persons, row 4 (person P3): expected a number as covariate site, got "x"; fill it in, or leave the covariate out',
        "persons, row 5 (person P4): expected a number as covariate site, got a blank; fill it in, or leave the covariate out",
        'persons: expected a covariate column "agee", found none; is it "age"?',
        "persons: covariate sex is 1 for everyone; leave it out",
    )


def test_tables_are_copies(persons, visits):
    study = Study.from_frames(persons, visits, reference_group="delayed")
    before = study.digest
    mine = study.visits
    mine.loc[0, "value"] = 1e6
    persons.loc[0, "person"] = "other"
    assert study.visits.loc[0, "value"] == 70
    assert Study.from_frames(study.persons, study.visits, reference_group="delayed").digest == before


def test_whole_number_labels_become_text_and_na_is_a_label(visits, persons):
    names = {"P1": 1, "P2": 2, "P3": 3, "P4": 4}
    numbered = Study.from_frames(
        persons.assign(person=persons["person"].map(names)),
        visits.assign(person=visits["person"].map(names)),
        reference_group="delayed",
    )
    assert list(numbered.persons["person"]) == ["1", "2", "3", "4"]
    na = Study.from_frames(
        persons.replace({"person": {"P1": "NA"}}), visits.replace({"person": {"P1": "NA"}}), reference_group="delayed"
    )
    assert na.persons.loc[0, "person"] == "NA"
    assert isinstance(na.visits, pd.DataFrame)


def test_new_persons_need_no_reference_group_and_no_second_person(persons, visits, tmp_path):
    """What only a trial must have is not asked of persons to predict; cells and labels are checked as ever."""
    two = persons.iloc[[0, 1]].assign(start_group=["early", "delayed"], stratum="faster")
    seen = visits[visits["person"] == two["person"].iloc[0]]
    study = Study.from_frames(two, seen, strata=True, new_persons=True)
    assert study.start_groups == ("delayed", "early")
    assert (study.stratum_labels, study.reference_group) == (("faster",), None)
    assert repr(study).startswith("Study study: 2 persons, 4 visits; new persons, to predict\n")
    for name, table in (("persons", two), ("visits", seen)):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    assert read_study(tmp_path, strata=True, new_persons=True).digest == study.digest
    with pytest.raises(BadInput) as caught:
        Study.from_frames(two, seen.assign(person="P9", value="?"), new_persons=True)
    assert any("P9" in line for line in caught.value.problems)
    with pytest.raises(BadInput) as caught:
        Study.from_frames(two, seen, strata=True)
    assert len(caught.value.problems) == 5
