"""Tables of published means: every check by its exact line, ordering, printing."""

# ruff: noqa: E501 (messages are written out in full)
import json

import numpy as np
import pandas as pd
import pytest

from bayesmodels.errors import BadInput
from bayesmodels.study import MeansTable, read_means

STARTS = {"early": 0.0, "delayed": 30.0}


@pytest.fixture
def means():
    rows = [
        ("s", stratum, group, week, "alsfrs_r", -week / 10, None if week == 8 else 0.5, n)
        for stratum, sizes in (("slower", (33, 15)), ("faster", (39, 21)))
        for group, n in zip(("early", "delayed"), sizes, strict=True)
        for week in (8, 4)
    ]
    table = pd.DataFrame(rows, columns=["series", "stratum", "start_group", "week", "outcome", "estimate", "se", "n"])
    return table.assign(scale="change_from_baseline", unit="points", certainty="printed", source="a slide")


def refused(frame, starts=STARTS, reference="delayed"):
    with pytest.raises(BadInput) as caught:
        MeansTable.from_frame(frame, starts, reference_group=reference)
    return list(caught.value.problems)


def changed(frame, row, column, cell):
    frame = frame.astype(object)
    frame.loc[row - 2, column] = cell
    return frame


@pytest.mark.parametrize(
    ("column", "cell", "line"),
    [
        (
            "week",
            0,
            "means, row 3 (week 0): expected a week above 0, since these are changes since week 0, got 0; delete the row",
        ),
        (
            "se",
            0.0,
            "means, row 3 (week 4): expected a standard error above 0, or a blank where none was published, got 0; correct it",
        ),
        ("n", 2.5, "means, row 3 (week 4): expected n as a whole number of persons of 1 or more, got 2.5; correct it"),
        (
            "scale",
            "ratio",
            'means, row 3 (week 4): expected scale change_from_baseline or log_ratio_to_baseline, got "ratio"; correct it',
        ),
        (
            "scale",
            "log_ratio_to_baseline",
            'means: expected one scale for alsfrs_r, got "change_from_baseline", "log_ratio_to_baseline"; convert the rows to one',
        ),
        ("unit", "ln", 'means: expected one unit for alsfrs_r, got "points", "ln"; convert the rows to one'),
        ("estimate", "", "means, row 3: estimate is blank; fill it in"),
        ("certainty", None, "means, row 3: certainty is blank; fill it in"),
        ("source", "", "means, row 3: source is blank; fill it in"),
        (
            "week",
            8,
            'means: two rows or more about the same people: alsfrs_r, stratum slower, week 8, from series "s"; keep one row per start group and week',
        ),
        (
            "stratum",
            "all",
            'means: rows of stratum "all" (series "s") and of single strata (series "s") are about the same people; take one or the other',
        ),
        (
            "start_group",
            "late",
            'drug_start_week: expected a week of 0 or later, or inf, for start group "late", got nothing',
        ),
    ],
)
def test_a_bad_cell(means, column, cell, line):
    assert line in refused(changed(means, 3, column, cell))


def test_negative_reading_error(means):
    lines = refused(means.assign(reading_error=[-0.1] + [0.0] * 7))
    assert lines == ["means, row 2 (week 8): expected a reading_error of 0 or more, got -0.1; correct it"]


def test_columns_groups_and_rows(means):
    lines = refused(means.rename(columns={"estimate": "estimates"}).drop(columns="source"))
    found = (
        '"series", "stratum", "start_group", "week", "outcome", "estimates", "se", "n", "scale", "unit", "certainty"'
    )
    assert lines[0] == f'means: expected a column "estimate", which is missing; add it (columns found: {found})'
    assert lines[1] == f'means: expected a column "source", which is missing; add it (columns found: {found})'
    assert lines[2].endswith('; rename it to "estimate" if that is it, or delete it')
    assert refused(means, reference="late") == [
        'means: reference_group "late" is not a start group (groups: "early", "delayed")'
    ]
    assert refused(means, starts={**STARTS, "middle": 3}) == [
        'drug_start_week: "middle" is not a start group of the table (groups: "early", "delayed")'
    ]
    assert refused(means, starts={"early": 0, "delayed": -1}) == [
        'drug_start_week: expected a week of 0 or later, or inf, for start group "delayed", got -1'
    ]
    assert (
        refused(means.iloc[:0], starts={}, reference="delayed")[-1]
        == "means: the table has no rows; expected one a mean"
    )


def test_order_flags_coordinates_and_counts(means):
    table = MeansTable.from_frame(means, {"delayed": np.inf, "early": 0}, reference_group="delayed", name="two strata")
    frame = table.frame
    assert list(frame["stratum"]) == ["faster"] * 4 + ["slower"] * 4
    assert list(frame["start_group"]) == ["delayed", "delayed", "early", "early"] * 2
    assert list(frame["week"]) == [4, 8] * 4
    assert list(frame["se_published"]) == [True, False] * 4
    assert np.isnan(frame["se"]).sum() == 4
    assert list(frame["reading_error"]) == [0] * 8
    assert table.coords == {
        "outcome": ("alsfrs_r",),
        "stratum": ("faster", "slower"),
        "start_group": ("early", "delayed"),
        "contrast": ("early - delayed",),
        "week": (4.0, 8.0),
    }
    assert table.counts == {
        "n_rows": 8,
        "rows": {"s": 8},
        "se_missing": 4,
        "certainty": {"printed": 8},
        "persons": {"early": {"faster": 39, "slower": 33}, "delayed": {"faster": 21, "slower": 15}},
        "switch_weeks": {"early": 0.0, "delayed": None},
    }
    json.dumps(table.counts, allow_nan=False)


def test_digest_depends_on_cells_and_drug_start_not_on_row_order_or_name(means):
    def digest(frame=means, starts=STARTS, reference="delayed", name="x"):
        return MeansTable.from_frame(frame, starts, reference_group=reference, name=name).digest

    assert digest() == digest(means.iloc[::-1], name="y")
    others = {
        digest(changed(means, 3, "estimate", 9)),
        digest(starts={"early": 0, "delayed": 28}),
        digest(reference="early"),
        digest(),
    }
    assert len(others) == 4


def test_csv_and_parquet_give_the_same_table(means, tmp_path):
    wanted = MeansTable.from_frame(means, STARTS, reference_group="delayed").digest
    means.to_csv(tmp_path / "means.csv", index=False)
    means.to_parquet(tmp_path / "means.parquet", index=False)
    for suffix in ("csv", "parquet"):
        table = read_means(tmp_path / f"means.{suffix}", STARTS, reference_group="delayed")
        assert table.digest == wanted
        assert table.name == "means"


def test_reprs(means):
    table = MeansTable.from_frame(means, STARTS, reference_group="delayed", name="<i>x</i>")
    lines = repr(table).splitlines()
    assert lines[0] == "Means <i>x</i>: 8 published means at weeks 4, 8"
    assert lines[1] == (
        "early on the drug from week 0, delayed on the drug from week 30; reference group delayed; 4 without a published "
        "standard error"
    )
    assert ["alsfrs_r", "faster", "delayed", "21", "s", "4", "to", "8", "2", "1", "printed"] in [
        line.split() for line in lines
    ]
    assert "&lt;i&gt;x" in table._repr_html_()
