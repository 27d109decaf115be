"""Evidence tables as they travel, and VALOR's means selected for one likelihood."""

# ruff: noqa: E501 (messages are written out in full)
import csv
import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from bayesmodels.errors import BadInput
from bayesmodels.study.evidence import NAMES, load, means_table
from bayesmodels.study.evidence.published import tables_folder

DATA = Path(__file__).parents[3] / "data" / "evidence"
JOIN = {"valor_2021": (2, 28), "ole_2021": (40, 76)}


def lines(name):
    with open(DATA / f"{name}.csv", encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_every_file_has_a_loader_and_every_loader_a_file():
    assert sorted(NAMES) == sorted(path.stem for path in DATA.glob("*.csv"))


def test_the_tables_of_the_package_are_those_of_the_repository():
    """In a wheel, too, as `.ci/check-wheel` checks."""
    for name in NAMES:
        assert (tables_folder() / f"{name}.csv").read_bytes() == (DATA / f"{name}.csv").read_bytes()
    assert (tables_folder() / "README.md").read_text(encoding="utf-8").startswith("# Published evidence")


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_comes_through_and_every_row_has_its_certainty(name):
    table, raw = load(name).table, lines(name)
    assert len(table) == len(raw) > 0
    for k, row in enumerate(raw):
        for column, cell in row.items():
            got = table[column].iloc[k]
            if isinstance(got, str):
                assert got == cell
            else:
                assert math.isnan(got) if cell == "" else got == float(cell)
    assert (table["certainty"] != "").all()
    source = "identified_by" if name == "valor_simulator_truth" else "source"
    assert (table[source] == "").sum() == (11 if name == "als_population_parameters" else 0)


def test_the_table_is_a_copy_and_the_evidence_frozen():
    evidence = load("valor_counts")
    mine = evidence.table
    mine.loc[0, "count"] = -1
    assert evidence.table.loc[0, "count"] == 72
    with pytest.raises(dataclasses.FrozenInstanceError):
        evidence.name = "other"


def test_select():
    weeks = load("valor_contrasts").select({"outcome": "alsfrs_r", "week": ["28", "52"]})
    assert sorted(weeks.table["value"]) == [1.2, 1.4, 1.4, 3.5]
    with pytest.raises(BadInput) as caught:
        load("valor_contrasts").select({"outcomes": "x"})
    assert str(caught.value).startswith('valor_contrasts: no column "outcomes" (columns: "stratum", ')
    assert str(caught.value).endswith('; is it "outcome"?')
    with pytest.raises(BadInput) as caught:
        load("valor_counts").select({"start_group": "late"})
    assert str(caught.value) == 'valor_counts: no row with start_group "late"; the rows have "early", "delayed", "all"'


def test_rows_without_a_source_are_announced():
    assert repr(load("als_population_parameters")).splitlines()[1].endswith("; 11 rows without a source")
    assert "without a source" not in repr(load("valor_visits"))


def test_an_unknown_table_is_named_with_the_nearest():
    with pytest.raises(BadInput) as caught:
        load("valor_visit")
    assert str(caught.value).startswith('no evidence table "valor_visit" (tables: "valor_visits", ')
    assert str(caught.value).endswith('; is it "valor_visits"?')


@pytest.mark.parametrize("name", NAMES)
def test_reprs_show_certainty(name):
    evidence = load(name)
    assert "; certainty: " in repr(evidence).splitlines()[1]
    assert "<table" in evidence._repr_html_()


def test_valor_to_week_28_has_the_published_rows():
    table = means_table("valor_2021", until_week=28, outcomes=["nfl_plasma", "alsfrs_r"])
    wanted = {
        (r["stratum"], r["start_group"], float(r["week"]), r["outcome"]): (float(r["estimate"]), float(r["se"] or "nan"), int(r["n_randomised"]))
        for r in lines("valor_visits")
        if r["series"] == "valor_2021" and r["outcome"] in ("nfl_plasma", "alsfrs_r")
    }  # fmt: skip
    assert len(wanted) == len(table.frame) == 2 * 2 * 2 * 8
    for row in table.frame.itertuples():
        estimate, se, n = wanted[row.stratum, row.start_group, row.week, row.outcome]
        assert (row.estimate, row.n) == (estimate, n)
        assert row.se == se or (math.isnan(row.se) and math.isnan(se))
    assert table.reference_group == "delayed"
    assert table.drug_start_week == {"early": 0.0, "delayed": 30.0}
    assert table.start_groups == ("early", "delayed")
    assert table.stratum_labels == ("faster", "slower")


def test_four_nfl_rows_have_no_published_standard_error():
    frame = means_table("valor_2021", outcomes=["nfl_plasma", "alsfrs_r"], digitised="inflate").frame
    blank = frame[~frame["se_published"]]
    assert sorted(blank[["start_group", "week"]].itertuples(index=False, name=None)) == [
        ("delayed", 2), ("delayed", 8), ("early", 2), ("early", 4),
    ]  # fmt: skip
    assert set(blank["stratum"]) == {"slower"}
    assert set(blank["outcome"]) == {"nfl_plasma"}
    assert blank["se"].isna().all()
    assert set(blank["reading_error"]) == {0.015}


def test_series_join_at_weeks_of_their_own():
    table = means_table(JOIN, outcomes=["alsfrs_r"])
    faster = table.frame[(table.frame["stratum"] == "faster") & (table.frame["start_group"] == "early")]
    assert list(faster["week"]) == [2, 4, 8, 12, 16, 20, 24, 28, 40]
    assert list(faster["series"]) == ["valor_2021"] * 8 + ["ole_2021"]
    assert table.weeks[-1] == 76
    assert table.name == "VALOR, valor_2021 and ole_2021"
    assert means_table(JOIN, outcomes=["alsfrs_r"], until_week=52).weeks[-1] == 52


def test_rows_of_the_same_people_outcome_and_week_are_refused():
    with pytest.raises(BadInput) as caught:
        means_table(("valor_2021", "ole_2021"), outcomes=["alsfrs_r"])
    assert caught.value.problems == (
        'valor_visits: two rows or more about the same people: alsfrs_r, stratum faster, week 12, 28, from series "valor_2021", "ole_2021"; take each series over weeks of its own',
        'valor_visits: two rows or more about the same people: alsfrs_r, stratum slower, week 12, 28, from series "valor_2021", "ole_2021"; take each series over weeks of its own',
        'valor_visits: to join them, write series = {"valor_2021": (2, 28), "ole_2021": (40, 76)}',
    )


@pytest.mark.parametrize("whole", ["final_2025", "integrated_2022", "valor_2021_itt"])
def test_strata_and_all_of_the_same_people_are_refused_whatever_the_weeks(whole):
    with pytest.raises(BadInput) as caught:
        means_table(("valor_2021", whole))
    assert (
        f'valor_visits: rows of stratum "all" (series "{whole}") and of single strata (series "valor_2021") are about the '
        "same people; take one or the other"
    ) in caught.value.problems


def test_all_rows_of_different_weeks_may_join():
    table = means_table({"integrated_2022": (12, 52), "final_2025": (148, 148)}, outcomes=["alsfrs_r"])
    assert table.stratum_labels == ("all",)
    assert table.weeks == (12, 28, 40, 52, 148)
    assert table.counts["se_missing"] == 2


def test_reading_error_is_added_in_quadrature_to_means_read_off_a_figure():
    keep = means_table("valor_2021", outcomes=["nfl_plasma", "alsfrs_r"]).frame
    inflated = means_table("valor_2021", outcomes=["nfl_plasma", "alsfrs_r"], digitised="inflate").frame
    error = np.where(keep["outcome"] == "alsfrs_r", 0.05, 0.015) * (keep["certainty"] == "digitised")
    np.testing.assert_allclose(inflated["se"] ** 2, keep["se"] ** 2 + error**2)
    np.testing.assert_array_equal(inflated["reading_error"], error)
    printed = keep["certainty"] == "printed mean, digitised se"
    assert printed.any()
    np.testing.assert_array_equal(inflated["se"][printed], keep["se"][printed])


def test_digitised_means_can_be_dropped():
    frame = means_table("valor_2021", digitised="drop").frame
    assert set(frame["certainty"]) == {"printed mean, digitised se", "printed"}
    assert set(frame["week"]) == {28.0}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            {"series": "ole_2022"},
            'valor_visits: no series "ole_2022" (series: "final_2025", "integrated_2022", "ole_2021", "valor_2021", "valor_2021_itt"); is it "ole_2021"?',
        ),
        ({"series": {"ole_2021": 40}}, "valor_visits: expected (first week, last week) for series ole_2021, got 40"),
        (
            {"series": {"ole_2021": (76, 40)}},
            "valor_visits: expected (first week, last week) for series ole_2021, got (76, 40)",
        ),
        (
            {"series": {"ole_2021": (29, 39)}},
            "valor_visits: series ole_2021 has no week from 29 to 39; it has 12, 28, 40, 52, 64, 76",
        ),
        (
            {"outcomes": ["svc"]},
            'valor_visits: no mean with outcome "svc" in the chosen series (there: "alsfrs_r", "nfl_plasma", "sod1_csf")',
        ),
        (
            {"strata": ["all"]},
            'valor_visits: no mean with stratum "all" in the chosen series (there: "faster", "slower")',
        ),
        ({"digitised": "yes"}, 'valor_visits: expected digitised "keep", "drop" or "inflate", got "yes"'),
        (
            {"until_week": 20, "digitised": "drop"},
            "valor_visits: no mean is left; widen series, until_week, outcomes, strata or digitised",
        ),
        (
            {"delayed_start_week": -1},
            'drug_start_week: expected a week of 0 or later, or inf, for start group "delayed", got -1',
        ),
    ],
)
def test_bad_selections(arguments, line):
    with pytest.raises(BadInput) as caught:
        means_table(**arguments)
    assert caught.value.problems == (line,)


def test_the_start_of_the_delayed_group_is_a_setting_and_part_of_the_digest():
    first, second = means_table(), means_table(delayed_start_week=28.0)
    assert second.drug_start_week["delayed"] == 28
    assert first.digest != second.digest
    assert first.digest == means_table("valor_2021").digest
