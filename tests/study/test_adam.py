"""Analysis data sets to the tables of a study: formats, reasons to leave a row out, choices left open."""

import builtins
import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from adam_tables import ADSL, ADTTE, WRITERS, as_numbers, bds, write, write_csv
from test_run import invoke

from bayesmodels import read_adam, read_study
from bayesmodels.errors import BadInput
from bayesmodels.statistics import kaplan_meier
from bayesmodels.study.adam import AdamMapping, draft_mapping
from bayesmodels.study.adam.cells import SAS_DAY_0
from bayesmodels.study.adam.mapping import Clock, Events, Persons, Visits


def lines(path):
    """The problems of a conversion that is refused."""
    with pytest.raises(BadInput) as caught:
        read_adam(path)
    assert all(str(line).isprintable() for line in caught.value.problems)
    return list(caught.value.problems)


def one(path):
    (line,) = lines(path)
    return line


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return read_adam(write(tmp_path_factory.mktemp("adam")))


def test_persons_are_the_population_with_groups_strata_and_covariates(made):
    persons = made.persons.set_index("person")
    assert list(persons.index) == ["S-01", "S-02", "S-03", "S-04"]
    assert persons["start_group"].tolist() == ["delayed", "delayed", "early", "early"]
    assert persons["drug_start_week"].tolist() == [28.0, np.inf, 0.0, 0.0]  # TR02SDT is blank for S-02
    assert persons["stratum"].tolist() == ["fast", "slow", "fast", "slow"]
    assert persons["male"].tolist() == [0, 1, 1, 0]
    assert [float(age) for age in persons["age"]] == [61, 58, 70, 55]


def test_a_blank_date_of_the_start_is_never_or_the_planned_week_as_the_mapping_says(tmp_path, made):
    assert made.notes[0] == "1 persons without TR02SDT (delayed): the drug never starts, as the mapping says"
    open_blank = [(', blank = "never"', "")]
    line = one(write(tmp_path, changed=open_blank))
    assert "delayed: what of 1 of 2 persons without TR02SDT?" in line
    assert "planned week (median of the others: 28) for those who left before it" in line
    planned = read_adam(write(tmp_path, changed=[(', blank = "never"', ", blank = 28")]))
    assert planned.persons["drug_start_week"].tolist() == [28, 28, 0, 0]
    assert planned.notes[0] == "1 persons without TR02SDT (delayed): the drug starts in week 28, as the mapping says"
    early = read_adam(write(tmp_path, changed=[(', blank = "never"', ", blank = 8.5")]))
    assert early.notes[0].endswith("; 1 of them were followed beyond it")  # S-02 left in week 10
    filled = ADSL.assign(TR02SDT=ADSL["RANDDT"])
    assert not read_adam(write(tmp_path, adsl=filled, changed=open_blank)).notes
    for value in ('"soon"', "-1", "inf"):
        assert "blank: " in one(write(tmp_path, changed=[(', blank = "never"', f", blank = {value}")]))


def test_day_1_is_week_0_and_there_is_no_day_0(made):
    """Day 29 is 28 days after day 1; day 58 is 57 days after it; the screening at day -7 is left out."""
    mine = made.visits[made.visits["person"] == "S-01"]
    assert mine["week"].tolist() == [0.0, 4.0, pytest.approx(57 / 7)]
    assert mine["value"].tolist() == [40, 38, 36]
    assert set(made.visits["outcome"]) == {"alsfrs_r"}


def test_follow_up_ends_by_date_and_reason(made):
    events = made.events.set_index("person")
    assert events["event"].to_dict() == {"S-01": "none", "S-02": "withdrawal", "S-03": "death", "S-04": "none"}
    assert events["week"].tolist() == [28.0, 10.0, pytest.approx(100 / 7), 28.0]


def test_every_row_that_is_left_out_has_its_reason(made):
    expected = {
        ("adsl", 6): "not in the population: ITTFL is blank",
        ("adsl", 7): 'not in the population: ITTFL is "N"',
        ("frs", 20): "on day 1 or before, and not the baseline",
        ("frs", 21): 'ANL01FL is not "Y"',
        ("frs", 22): "unscheduled visit",
        ("frs", 23): 'derived record: DTYPE is "LOCF"',
        ("frs", 24): "AVAL is blank",
        ("frs", 25): "PARAMCD is not in the mapping",
    }
    left = {(data, row): why for data, row, why in made.left_out.itertuples(index=False, name=None)}
    assert expected.items() <= left.items()
    others = set(left) - set(expected)
    assert others == {("frs", row) for row in range(14, 20)}  # the visits of the two who are left out
    assert all("person is left out: not in the population" in left[row] for row in others)


def test_rows_in_are_rows_kept_and_rows_left_out(made):
    sizes = {"adsl": len(ADSL), "frs": len(bds()), "adtte": len(ADTTE)}
    assert made.table.groupby("data_set")["rows"].sum().to_dict() == sizes
    kept = made.table[made.table["reason"] == "kept"].set_index("data_set")["rows"].to_dict()
    assert kept == {"adsl": len(made.persons), "frs": len(made.visits), "adtte": len(made.time_to_event)}
    assert not made.left_out.astype(str).apply(lambda column: column.str.contains("S-0")).any().any()


def test_times_of_events_serve_statistics_and_end_nobodys_follow_up(made):
    times = made.time_to_event
    assert times["event"].tolist() == ["gastrostomy", "none", "gastrostomy", "none"]
    assert times["week"].tolist() == [2.0, pytest.approx(69 / 7), 7.0, pytest.approx(195 / 7)]
    curve = kaplan_meier(times["week"].to_numpy(), (times["event"] == "gastrostomy").to_numpy())
    assert curve.at([2.0, 7.0])["estimate"].tolist() == pytest.approx([3 / 4, 1 / 2])
    assert "gastrostomy" not in set(made.events["event"])


def test_a_time_in_days_counts_from_the_value_of_day_1(tmp_path):
    changed = [('event = "gastrostomy"\ntime = "ADT"', 'event = "gastrostomy"\ntime = "AVAL"\nstart_value = 1')]
    assert read_adam(write(tmp_path, changed=changed)).time_to_event["week"].iloc[0] == 2.0
    (tmp_path / "mapping.toml").write_text((tmp_path / "mapping.toml").read_text().replace("start_value = 1", ""))
    assert "expected the AVAL of an event on day 1" in one(tmp_path / "mapping.toml")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"AVALU": "MONTHS"}, 'adtte.csv, row 2: AVAL is in "MONTHS" (AVALU), not in days; write time = "ADT"'),
        ({"STARTDT": ADTTE["ADT"]}, "AVAL counts from STARTDT, which is not RANDDT ([clock] day_1) in 4 of 4 rows: "
         "here +14 days"),
        ({"AVAL": ADTTE["AVAL"] / 10}, "AVAL does not count from RANDDT ([clock] day_1) in 4 of 4 rows"),
        ({"AVALU": ["DAYS", "days", "DAY", ""], "STARTDT": [*ADSL["RANDDT"][:3], None]}, ""),
    ],
)  # fmt: skip
def test_a_time_in_other_units_or_from_another_day_is_refused(tmp_path, change, said):
    changed = [('event = "gastrostomy"\ntime = "ADT"', 'event = "gastrostomy"\ntime = "AVAL"\nstart_value = 1')]
    path = write(tmp_path, adtte=ADTTE.assign(**change), changed=changed)
    if said:
        assert said in one(path)
    else:
        assert read_adam(path).time_to_event["week"].iloc[0] == 2.0
    dated = path.read_text().replace('time = "AVAL"\nstart_value = 1', 'time = "ADT"')
    path.write_text(dated)
    assert read_adam(path).time_to_event["week"].iloc[0] == 2.0  # the remedy


def test_the_tables_make_a_study(made):
    study = made.study(reference_group="delayed", strata=True)
    assert study.start_groups == ("early", "delayed")
    assert study.covariates(["age", "male"])["male"].tolist() == [0, 1, 1, 0]
    assert "4 persons" in repr(made)
    assert "<table" in made._repr_html_()


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_gives_the_same_tables(tmp_path, made, suffix):
    if suffix == "xpt":
        pytest.importorskip("pyreadstat")
    read = read_adam(write(tmp_path, suffix))
    for name in ("visits", "events", "time_to_event", "left_out"):
        pd.testing.assert_frame_equal(getattr(read, name), getattr(made, name), check_dtype=False)
    assert read.study(reference_group="delayed").digest == made.study(reference_group="delayed").digest


def test_sas_dates_are_days_since_1960(tmp_path, made):
    tables = {"adsl": as_numbers(ADSL), "frs": as_numbers(bds()), "adtte": as_numbers(ADTTE)}
    found = lines(write(tmp_path, **tables))
    assert 'write numeric_dates = "sas" under [clock]' in found[0]
    read = read_adam(
        write(tmp_path, **tables, changed=[('day_1 = "RANDDT"', 'day_1 = "RANDDT"\nnumeric_dates = "sas"')])
    )
    pd.testing.assert_frame_equal(read.visits, made.visits)
    assert pd.Timestamp("2021-03-01").toordinal() == SAS_DAY_0 + 22340  # SAS: '01MAR2021'd = 22340


@pytest.mark.parametrize("form", ["%d%b%Y", "%d%b%Y:00:00:00"])
def test_dates_as_sas_prints_them_are_read(tmp_path, made, form):
    adsl = ADSL.copy()
    adsl["RANDDT"] = adsl["RANDDT"].map(lambda day: day.strftime(form).upper())
    pd.testing.assert_frame_equal(read_adam(write(tmp_path, adsl=adsl)).visits, made.visits)
    adsl.loc[0, "RANDDT"] = "31FEB2023"
    assert 'expected a date as RANDDT, got "31FEB2023"; write whole dates as 2024-03-31 or 31MAR2024' in " ".join(
        lines(write(tmp_path, adsl=adsl))
    )


def test_a_sas_datetime_is_no_date(tmp_path):
    adsl = as_numbers(ADSL)
    adsl["RANDDT"] = adsl["RANDDT"] * 86400
    found = lines(write(tmp_path, adsl=adsl, changed=[('day_1 = "RANDDT"', 'day_1 = "RANDDT"\nnumeric_dates = "sas"')]))
    assert "is it a datetime, in seconds?" in found[0]


def test_dates_serve_as_times(tmp_path, made):
    read = read_adam(write(tmp_path, changed=[('time = "ADY"', 'time = "ADT"')]))
    pd.testing.assert_frame_equal(read.visits, made.visits)


def test_planned_visits_serve_as_times(tmp_path):
    weeks = 'time = "AVISITN"\nother_visits = "leave_out"\nweeks = {0 = 0, 4 = 4, 8 = 8}'
    read = read_adam(write(tmp_path, changed=[('time = "ADY"', weeks)]))
    assert sorted(read.visits["week"].unique()) == [0, 4, 8]
    assert 'AVISITN is "-1", which weeks does not name' in set(read.left_out["reason"])
    by_name = 'time = "AVISIT"\nweeks = {Screening = -1, Baseline = 0, "Week 4" = 4, "Week 8" = 8}'
    named = read_adam(write(tmp_path, changed=[('time = "ADY"', by_name)]))
    pd.testing.assert_frame_equal(named.visits, read.visits)
    numbered = read_adam(write(tmp_path, changed=[('time = "ADY"', 'time = "AVISITN"\nweeks = "as_numbered"')]))
    pd.testing.assert_frame_equal(numbered.visits, read.visits)


def test_a_planned_visit_without_a_week_is_refused(tmp_path):
    weeks = 'time = "AVISITN"\nweeks = {0 = 0, 4 = 4}'
    line = one(write(tmp_path, changed=[('time = "ADY"', weeks)]))
    assert "AVISITN has values without a week" in line
    assert '"8" 4, "-1" 1' in line


def test_day_0_is_refused(tmp_path):
    frs = bds()
    frs.loc[0, "ADY"] = 0
    found = lines(write(tmp_path, frs=frs))
    assert "frs.csv, row 2 (person S-01): ADY is 0, and there is no day 0" in found[0]


def test_a_study_day_that_counts_from_another_date_is_refused(tmp_path):
    adsl = ADSL.assign(RANDDT=ADSL["RANDDT"] - pd.Timedelta(days=3), TR02SDT=None)
    adsl["RANDDT"] = adsl["RANDDT"].map(lambda day: day)
    line = lines(write(tmp_path, adsl=adsl))[0]
    assert "ADY does not count from RANDDT ([clock] day_1) in 13 of 13 rows" in line


def test_the_last_row_before_serves_as_baseline(tmp_path):
    frs = bds()
    frs = frs[~((frs["USUBJID"] == "S-01") & (frs["AVISIT"] == "Baseline"))]
    changed = [('baseline = "ABLFL"', 'baseline = "last_before"')]
    read = read_adam(write(tmp_path, frs=frs, changed=changed))
    mine = read.visits[read.visits["person"] == "S-01"].sort_values("week")
    assert (mine["week"].iloc[0], mine["value"].iloc[0]) == (0.0, 41)  # the screening
    flagged = read_adam(write(tmp_path, frs=frs))
    assert flagged.visits[flagged.visits["person"] == "S-01"]["week"].min() == 4


def test_a_baseline_after_day_1_is_refused(tmp_path):
    frs = bds()
    frs.loc[0, ["ADY", "ADT"]] = [3, ADSL["RANDDT"][0] + pd.Timedelta(days=2)]
    assert "allow it under [[visits]] alsfrs_r: baseline_last_day = 3" in one(write(tmp_path, frs=frs))
    changed = [('baseline = "ABLFL"', 'baseline = "ABLFL"\nbaseline_last_day = 3')]
    assert read_adam(write(tmp_path, frs=frs, changed=changed)).visits["week"].iloc[0] == 0


def test_rows_before_a_late_baseline_are_no_follow_up(tmp_path):
    frs, start = bds(), ADSL["RANDDT"][0]
    frs.loc[0, ["ADY", "ADT"]] = [8, start + pd.Timedelta(days=7)]  # the baseline of S-01
    more = [  # rows 26 to 28, of days before it and of its day
        frs.iloc[[0]].assign(ABLFL="", AVISIT="Week 1", AVISITN=1, ADY=day, ADT=start + pd.Timedelta(days=day - 1))
        for day in (1, 3, 8)
    ]
    changed = [('baseline = "ABLFL"', 'baseline = "ABLFL"\nbaseline_last_day = 8')]
    read = read_adam(write(tmp_path, frs=pd.concat([frs, *more], ignore_index=True), changed=changed))
    left = {row: why for data, row, why in read.left_out.itertuples(index=False, name=None) if data == "frs"}
    assert left[26] == "on day 1 or before, and not the baseline"
    assert left[27] == "before the baseline"
    assert left[28] == "on the day of the baseline, and not the baseline"
    mine = read.visits[read.visits["person"] == "S-01"]
    assert mine["week"].tolist() == [0.0, 4.0, pytest.approx(57 / 7)]


def test_a_baseline_without_the_flag_of_the_analysis_is_refused_or_exempt(tmp_path, made):
    frs = bds()
    frs.loc[frs["ABLFL"] == "Y", "ANL01FL"] = ""
    line = one(write(tmp_path, frs=frs))
    assert 'none of the 6 rows with ABLFL = "Y" is kept' in line
    changed = [('baseline = "ABLFL"', 'baseline = "ABLFL"\nbaseline_exempt = true')]
    pd.testing.assert_frame_equal(read_adam(write(tmp_path, frs=frs, changed=changed)).visits, made.visits)


def test_two_records_of_a_visit_are_refused_with_their_rows(tmp_path):
    frs = pd.concat([bds(), bds().iloc[[1]].assign(AVAL=37)], ignore_index=True)
    line = one(write(tmp_path, frs=frs))
    assert (
        "frs.csv, row 26 (person S-01, week 4): a second alsfrs_r of this person and week; the first is in row 3"
        in line
    )
    last = read_adam(write(tmp_path, frs=frs, changed=[('time = "ADY"', 'time = "ADY"\nduplicates = "last"')]))
    assert 37 in set(last.visits["value"])
    assert "another record of this visit is kept (the last)" in set(last.left_out["reason"])


def test_a_person_who_is_not_in_adsl_is_refused(tmp_path):
    frs = pd.concat([bds(), bds().iloc[[0]].assign(USUBJID="S-99")], ignore_index=True)
    assert "frs.csv, row 26 (person S-99): this person is not in the data set adsl" in one(write(tmp_path, frs=frs))
    changed = [('population = {ITTFL = "Y"}', 'population = {ITTFL = "Y"}\nnot_in_adsl = "leave_out"')]
    assert "person is not in ADSL" in set(read_adam(write(tmp_path, frs=frs, changed=changed)).left_out["reason"])


def test_a_treatment_that_the_mapping_does_not_name_is_refused(tmp_path):
    line = one(write(tmp_path, changed=[('Drug = {start_group = "early", drug_start_week = 0}', "")]))
    assert 'TRT01P has values without a start group: "Drug" 2; write under [persons] start_groups = {"Drug" = ' in line
    changed = [('Drug = {start_group = "early", drug_start_week = 0}', 'Drug = "leave_out"')]
    read = read_adam(write(tmp_path, changed=[*changed, ('Death = "death"\n', "")]))
    assert set(read.persons["start_group"]) == {"delayed"}
    assert 'TRT01P is "Drug", which the mapping leaves out' in set(read.left_out["reason"])


def test_a_character_value_is_refused_by_row(tmp_path):
    frs = bds().astype({"AVAL": object})
    frs.loc[4, "AVAL"] = "<30"
    line = one(write(tmp_path, frs=frs))
    assert line.startswith("frs.csv, row 6 (person S-02): expected a number as AVAL, got text")


def test_numbers_and_their_text_are_one(tmp_path, made):
    """A person's label as a number in one data set and as text in the other, and a numeric flag."""
    adsl, frs, adtte = (
        table.assign(USUBJID=table["USUBJID"].str.removeprefix("S-0").astype(int)) for table in (ADSL, bds(), ADTTE)
    )
    adsl["ITTFN"] = [1.0, 1.0, 1.0, 1.0, None, 0.0]
    frs["USUBJID"] = frs["USUBJID"].astype(str)
    path = write(tmp_path, "parquet", adsl=adsl, frs=frs, adtte=adtte, changed=[('ITTFL = "Y"', "ITTFN = 1")])
    assert read_adam(path).visits["value"].tolist() == made.visits["value"].tolist()


def test_a_value_that_the_tables_refuse_is_named_by_data_set_and_row(tmp_path):
    frs = bds()
    frs.loc[4, "AVAL"] = 490
    line = one(write(tmp_path, frs=frs))
    assert line.startswith("frs.csv, row 6 (person S-02, week 4): ")
    adsl = ADSL.assign(USUBJID=["s-01", *ADSL["USUBJID"][1:]])
    adsl.loc[1, "USUBJID"] = "S-01"
    frs = bds()
    frs["USUBJID"] = frs["USUBJID"].replace({"S-01": "s-01", "S-02": "S-01"})
    adtte = ADTTE.assign(USUBJID=["s-01", "S-01", "S-03", "S-04"])
    read = read_adam(write(tmp_path, adsl=adsl[::-1], frs=frs, adtte=adtte))  # rows 2 and 3 are left out
    assert any(text.startswith("adsl.csv, row 7: the label of row 6 ") for text in read.warnings)


def test_a_unit_that_the_data_set_does_not_have_is_refused(tmp_path):
    assert 'param = "ALSFRS-R Total (percent)", but PARAM is "ALSFRS-R Total (points)" in all ' in one(
        write(tmp_path, changed=[("(points)", "(percent)")])
    )
    frs = bds().assign(AVALU="points")
    assert 'what must AVALU be? Write unit = "points"' in one(write(tmp_path, frs=frs))
    frs.loc[3, "AVALU"] = "percent"
    changed = [('param = "ALSFRS-R Total (points)"', 'unit = "points"')]
    assert 'frs.csv, row 5: expected AVALU "points", got "percent"' in one(write(tmp_path, frs=frs, changed=changed))


OPEN = {
    'population = {ITTFL = "Y"}': 'which persons enter? Write population = {ITTFL = "Y"} under [persons]',
    'treatment = "TRT01P"': "which variable is the planned treatment?",
    'day_1 = "RANDDT"': 'which date is day 1, week 0? Write day_1 = "RANDDT" under [clock]',
    'param = "ALSFRS-R Total (points)"': 'what must PARAM be? Write param = "ALSFRS-R Total (points)"',
    'analysis = {ANL01FL = "Y"}': 'which rows are for the analysis? Write analysis = {ANL01FL = "Y"}',
    'derived = "leave_out"': "are derived records measurements? Write derived",
    'unscheduled = "leave_out"': 'what of unscheduled visits? Write unscheduled = "leave_out" or "keep"',
    'time = "ADY"\n': "when is a visit? Write time",
    'baseline = "ABLFL"': "what is the baseline, at week 0? Write baseline",
}


@pytest.mark.parametrize("line", OPEN)
def test_a_choice_that_is_left_open_is_refused_with_what_to_write(tmp_path, line):
    found = lines(write(tmp_path, changed=[(line, "")]))
    said = [problem for problem in found if OPEN[line] in problem]
    assert len(said) == 1, found
    assert said[0].startswith("mapping.toml: ")


def test_all_choices_left_open_are_asked_for_at_once(tmp_path):
    found = lines(write(tmp_path, changed=[(line, "") for line in OPEN]))
    for line, said in OPEN.items():
        if "PARAM" not in said:
            assert any(said in problem for problem in found), line


def test_what_ends_follow_up_must_be_said(tmp_path):
    path = write(tmp_path)
    head, _, rest = path.read_text().partition("[events]")
    _, _, tail = rest.partition("[[time_to_event]]")
    path.write_text(f"{head}[[time_to_event]]{tail}")
    assert "what ends follow-up? Write a section [events]" in one(path)
    path.write_text(f'events = "none"\n{head}[[time_to_event]]{tail}')
    assert read_adam(path).events is None


def test_a_reason_without_an_event_is_refused(tmp_path):
    line = one(write(tmp_path, changed=[('Death = "death"\n', "")]))
    assert 'the reason has values without an event ([events] labels): "Death" 1' in line


def test_visits_after_the_end_are_left_out_or_extend_it(tmp_path):
    adsl = ADSL.copy()
    adsl.loc[1, "EOSDT"] = adsl.loc[1, "RANDDT"] + pd.Timedelta(days=50)
    line = one(write(tmp_path, adsl=adsl))
    assert "1 visits of 1 persons are after the end of their follow-up, at most 1 weeks (week 8.1: 1)" in line
    assert 'write time = "ADY" or "ADT" under [[visits]]' in line
    out = read_adam(
        write(tmp_path, adsl=adsl, changed=[("[events.labels]", 'visits_after_end = "leave_out"\n[events.labels]')])
    )
    assert "after the end of follow-up" in set(out.left_out["reason"])
    assert "1 visits of 1 persons after the end of their follow-up were left out (week 8.1: 1)" in out.notes
    more = read_adam(
        write(tmp_path, adsl=adsl, changed=[("[events.labels]", 'visits_after_end = "extend"\n[events.labels]')])
    )
    assert more.events["week"].tolist()[1] == pytest.approx(57 / 7)
    assert "follow-up of 1 persons was extended" in more.notes[0]


def test_deaths_after_the_end_need_a_rule(tmp_path):
    adsl = ADSL.copy()
    adsl.loc[2, "EOSDT"] = adsl.loc[2, "RANDDT"] + pd.Timedelta(days=90)
    assert "until how many days after it does a death count?" in one(write(tmp_path, adsl=adsl))
    for days, week, event in ((5, 90 / 7, "withdrawal"), (10, 100 / 7, "death")):
        changed = [
            ('date = "DTHDT"', f'date = "DTHDT"\ndays_after_end = {days}'),
            ('Death = "death"', 'Death = "withdrawal"'),
        ]
        events = read_adam(write(tmp_path, adsl=adsl, changed=changed)).events
        assert (events["week"][2], events["event"][2]) == (pytest.approx(week), event)


def test_a_death_too_late_to_be_seen_that_is_the_reason_all_the_same_is_refused(tmp_path):
    adsl = ADSL.copy()
    adsl.loc[2, "EOSDT"] = adsl.loc[2, "RANDDT"] + pd.Timedelta(days=90)
    line = one(write(tmp_path, adsl=adsl, changed=[('date = "DTHDT"', 'date = "DTHDT"\ndays_after_end = 5')]))
    assert line.startswith('adsl.csv, row 4 (person S-03): the reason at the end of follow-up ("EOSDT") is a death')
    assert "DTHDT is 10 days after that end, more than days_after_end = 5" in line


def test_follow_up_is_not_extended_beyond_a_death_at_its_date(tmp_path):
    adsl = ADSL.copy()
    adsl.loc[2, "DTHDT"] = adsl.loc[2, "RANDDT"] + pd.Timedelta(days=50)  # S-03 has a visit on day 58
    adsl.loc[1, "EOSDT"] = adsl.loc[1, "RANDDT"] + pd.Timedelta(days=50)  # so does S-02, who withdrew
    extend = ("[events.labels]", 'visits_after_end = "extend"\n[events.labels]')
    line = one(write(tmp_path, adsl=adsl, changed=[extend]))
    assert line.startswith("frs.csv, row 10 (person S-03, week 8.14")
    assert "after the death in week 7.143 (DTHDT)" in line
    rule = ('date = "DTHDT"', 'date = "DTHDT"\nvisits_after = "leave_out"')
    read = read_adam(write(tmp_path, adsl=adsl, changed=[extend, rule]))
    assert ["frs", 10, "after death"] in read.left_out.to_numpy().tolist()
    ends = read.events.set_index("person")["week"]
    assert ends["S-03"] == pytest.approx(50 / 7)
    assert ends["S-02"] == pytest.approx(57 / 7)
    assert list(read.events.columns) == ["person", "week", "event"]


def test_a_person_without_day_1_or_without_visits_is_refused_or_left_out(tmp_path):
    adsl = ADSL.copy()
    adsl.loc[0, "RANDDT"] = None
    assert "RANDDT is blank, so this person has no week 0" in lines(write(tmp_path, adsl=adsl))[0]
    changed = [
        ('day_1 = "RANDDT"', 'day_1 = "RANDDT"\nwithout_day_1 = "leave_out"'),
        ('ITTFL = "Y"', 'ITTFL = ["Y", ""]'),
    ]
    assert "RANDDT is blank" in set(read_adam(write(tmp_path, adsl=adsl, changed=changed)).left_out["reason"])
    frs = bds()
    frs = frs[frs["USUBJID"] != "S-04"]
    assert "no visit of this person is kept" in one(write(tmp_path, frs=frs))
    changed = [('treatment = "TRT01P"', 'treatment = "TRT01P"\nwithout_visits = "leave_out"')]
    changed.append(('ITTFL = "Y"', 'ITTFL = ["Y", "N"]'))
    read = read_adam(write(tmp_path, frs=frs, changed=changed))
    assert set(read.events["person"]) == set(read.persons["person"]) == {"S-01", "S-02", "S-03", "S-06"}


def test_further_rows_are_left_out_by_a_rule(tmp_path):
    rule = 'baseline = "ABLFL"\n[[visits.leave_out]]\nwhere = {AVISIT = "Week 8"}\nreason = "after the cut-off"'
    read = read_adam(write(tmp_path, changed=[('baseline = "ABLFL"', rule)]))
    assert (read.left_out["reason"] == "after the cut-off").sum() == 4
    assert read.visits["week"].max() == 4


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("drug_start_week = 0", 'drug_start_week = "..."', "Drug, drug_start_week: expected a week since day 1"),
        ("drug_start_week = 0", "drug_start_week = -1", "greater than or equal to 0"),
        ('{start_group = "early", drug_start_week = 0}', '"early"', "Drug: expected a table {start_group"),
        ("covariates = {", "covariates = {x = 3, ", "covariates, x: expected a variable in quotes"),
        ('derived = "leave_out"', 'derived = "LOCF"', 'derived: expected "leave_out", "keep", or a list'),
        ('time = "ADY"', 'time = "AVISITN"', "weeks: expected the week of each AVISITN"),
        ('reason = ["DCSREAS", "EOSSTT"]', "", "[events] reason: expected a value, found none"),
    ],
)
def test_a_value_of_another_kind_has_one_plain_line(tmp_path, old, new, said):
    assert said in one(write(tmp_path, changed=[(old, new)]))


def test_unknown_keys_and_wrong_names_are_refused_with_the_nearest(tmp_path):
    assert "did you mean 'population'?" in one(write(tmp_path, changed=[("population", "popualtion")]))
    assert 'is it "ITTFL"?' in lines(write(tmp_path, changed=[("ITTFL", "ittfl")]))[0]
    assert "'x' is not in [data]" in one(write(tmp_path, changed=[('data = "frs"', 'data = "x"')]))


def test_a_missing_reader_of_sas_files_is_named_with_its_extra(tmp_path, monkeypatch):
    pytest.importorskip("pyreadstat")
    path = write(tmp_path, "xpt")
    usual = builtins.__import__

    def without(name, *rest, **named):
        if name == "pyreadstat":
            raise ImportError(name)
        return usual(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    assert all("pip install bayesmodels[adam]" in line for line in lines(path))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"datasetJSONVersion": "1.0.0"}, "expected Dataset-JSON 1.1, found version 1.0.0"),
        ({"records": 7}, "records says 7 rows, found 6"),
        ({"columns": []}, "expected a list of columns"),
        ({"rows": [["S-01"]], "records": 1}, "expected 12 cells, got 1 cells"),
    ],
)
def test_what_is_not_dataset_json_is_refused(tmp_path, change, said):
    path = write(tmp_path, "json")
    about = json.loads((tmp_path / "adsl.json").read_text())
    (tmp_path / "adsl.json").write_text(json.dumps(about | change))
    assert said in lines(path)[0]


def test_a_cell_of_another_type_than_its_column_is_refused(tmp_path):
    path = write(tmp_path, "json")
    about = json.loads((tmp_path / "frs.json").read_text())
    about["rows"][2][5] = "36"
    (tmp_path / "frs.json").write_text(json.dumps(about))
    assert 'frs.json, row 4: expected float as AVAL, got "36" (str)' in one(path)


def test_lines_of_ndjson_end_at_line_feeds_alone(tmp_path, made):
    path = write(tmp_path, "ndjson")
    text = (tmp_path / "frs.ndjson").read_text(encoding="utf-8").replace("Week 4", "Week\u2028\x854")
    (tmp_path / "frs.ndjson").write_text(text, encoding="utf-8")
    assert read_adam(path).visits["value"].tolist() == made.visits["value"].tolist()


@pytest.mark.parametrize("suffix", ["json", "ndjson"])
def test_nan_is_no_json(tmp_path, suffix):
    path = write(tmp_path, suffix)
    file = tmp_path / f"frs.{suffix}"
    file.write_text(file.read_text().replace("null", "NaN"))
    assert "NaN is no JSON: a missing number is null" in one(path)


def test_a_decimal_is_a_number_written_as_text(tmp_path, made):
    path = write(tmp_path, "json")
    about = json.loads((tmp_path / "frs.json").read_text())
    about["columns"][5]["dataType"] = "decimal"
    about["rows"] = [[f"{c}" if k == 5 and c is not None else c for k, c in enumerate(row)] for row in about["rows"]]
    (tmp_path / "frs.json").write_text(json.dumps(about))
    pd.testing.assert_frame_equal(read_adam(path).visits, made.visits, check_dtype=False)


def test_the_command_leaves_a_folder_that_a_study_is_read_from(tmp_path, made):
    path = write(tmp_path)
    done = invoke("adam", path, "--out", tmp_path / "study", "--json")
    assert done.exit_code == 0
    said = json.loads(done.stdout)
    assert (said["persons"], said["visits"], said["exit"]) == (4, 12, 0)
    study = read_study(tmp_path / "study", reference_group="delayed")
    assert study.digest == made.study(reference_group="delayed").digest
    manifest = json.loads((tmp_path / "study" / "manifest.json").read_text())
    assert set(manifest["files"]) == {
        "persons.csv", "visits.csv", "events.csv", "time_to_event.csv", "left_out.csv", "adam.json", "mapping.toml",
    }  # fmt: skip
    assert manifest["data"]["adsl"] == made.sources[0].sha256
    left = pd.read_csv(tmp_path / "study" / "left_out.csv")
    assert list(left.columns) == ["data_set", "row", "reason"]
    assert (
        "S-0" not in (tmp_path / "study" / "left_out.csv").read_text() + (tmp_path / "study" / "adam.json").read_text()
    )
    again = invoke("adam", path, "--out", tmp_path / "study")
    assert again.exit_code == 2
    assert "give --again to replace it" in again.stderr
    assert invoke("adam", path, "--out", tmp_path / "study", "--again").exit_code == 0
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "notes.txt").write_text("mine")
    assert invoke("adam", path, "--out", tmp_path / "foreign").exit_code == 2


def test_the_command_refuses_bad_input_with_exit_2(tmp_path):
    path = write(tmp_path, changed=[('day_1 = "RANDDT"', "")])
    done = invoke("adam", path, "--out", tmp_path / "study")
    assert done.exit_code == 2
    assert not (tmp_path / "study").exists()
    assert invoke("adam", path).exit_code == 2


def test_a_draft_names_what_is_there_and_leaves_the_choices(tmp_path, monkeypatch):
    write(tmp_path)
    files = [tmp_path / f"{name}.csv" for name in ("adsl", "frs", "adtte")]
    text = draft_mapping(files)
    for said in ('# population = {ITTFL = "Y"}   # ITTFL: "Y" 4', '# analysis = {ANL01FL = "Y"}', '# day_1 = "RANDDT"'):
        assert said in text
    (tmp_path / "draft.toml").write_text(text)
    found = lines(tmp_path / "draft.toml")
    assert all(any(said in line for line in found) for said in ("which persons enter?", "which date is day 1"))
    done = invoke("adam", "--suggest", *files, "--out", tmp_path / "written.toml")
    assert done.exit_code == 0
    assert (tmp_path / "written.toml").read_text() == text
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mappings").mkdir()
    assert 'adsl = "../adsl.csv"' in draft_mapping(["adsl.csv", "frs.csv"], "mappings")
    assert invoke("adam", "--suggest", files[1]).exit_code == 2


def test_a_draft_whose_choices_are_made_is_accepted(tmp_path, made):
    write(tmp_path)
    text = draft_mapping([tmp_path / f"{name}.csv" for name in ("adsl", "frs", "adtte")])
    head, _, rest = text.partition('[[visits]]\ndata = "frs"\nparamcd = "FRS01"')
    text = head + "[[time_to_event]]" + rest.partition("[[time_to_event]]")[2]  # the item of the score is not wanted
    chosen = [
        '# population = {ITTFL = "Y"}', '# treatment = "TRT01P"', '# day_1 = "RANDDT"', '# param = "ALSFRS-R',
        '# analysis = {ANL01FL = "Y"}', '# derived = "leave_out"', '# unscheduled = "leave_out"', '# time = "ADY"',
        '# baseline = "ABLFL"', '# events = "none"', '# "Placebo" = ', '# "Drug" = ',
    ]  # fmt: skip
    for line in chosen:
        assert text.count(line) == 1, line
        text = text.replace(line, line.removeprefix("# "))
    text = text.replace('drug_start_week = "..."', 'drug_start_week = "never"')
    (tmp_path / "draft.toml").write_text(text)
    read = read_adam(tmp_path / "draft.toml")
    assert read.visits["value"].tolist() == made.visits["value"].tolist()


def test_a_mapping_may_be_a_value(tmp_path, made):
    path = write(tmp_path)
    mapping = AdamMapping.model_validate(tomllib.loads(path.read_text()))
    pd.testing.assert_frame_equal(read_adam(mapping, tmp_path).visits, made.visits)


def test_the_page_shows_a_mapping_with_every_field():
    page = (Path(__file__).parents[2] / "docs" / "adam.md").read_text(encoding="utf-8")
    (block,) = [text for text in re.findall(r"^```toml\n(.*?)^```", page, flags=re.S | re.M) if "[data]" in text]
    raw = tomllib.loads(block)
    AdamMapping.model_validate(raw)
    for section, kind in (("persons", Persons), ("clock", Clock), ("events", Events)):
        assert set(raw[section]) == set(kind.model_fields), section
    shown = set(re.findall(r"^#? ?(\w+) = ", block.partition("[[visits]]")[2].partition("[[visits.")[0], flags=re.M))
    assert shown | {"leave_out"} == set(Visits.model_fields)


def test_a_data_set_that_is_no_file_of_its_kind_is_refused(tmp_path):
    pytest.importorskip("pyreadstat")
    path = write(tmp_path, "xpt")
    (tmp_path / "frs.xpt").write_text("not a transport file")
    assert "this is not a .xpt file that can be read" in lines(path)[0]
    write_csv(ADSL, tmp_path / "adsl.sas7bdat")
    path.write_text(path.read_text().replace("adsl.xpt", "adsl.sas7bdat"))
    assert "this is not a .sas7bdat file" in "".join(lines(path))
