"""Tables of trials: every check by its exact line, what is unused and why, overlap, the packaged ALS programmes."""

# ruff: noqa: E501 (messages are written out in full)
import json

import numpy as np
import pandas as pd
import pytest

from bayesmodels.errors import BadInput
from bayesmodels.study import Endpoint, TrialTable, read_trials
from bayesmodels.study.evidence import load, trial_table


@pytest.fixture
def trials():
    rows = [("A", -0.5, 0.1, 0.3, 0.2), ("B", 0.1, 0.2, -0.1, 0.1), ("C", -0.2, 0.15, 0.1, 0.1)]
    return pd.DataFrame(rows, columns=["trial", "surrogate_effect", "surrogate_se", "outcome_effect", "outcome_se"])


def refused(frame, **options):
    with pytest.raises(BadInput) as caught:
        TrialTable.from_frame(frame, **options)
    return list(caught.value.problems)


def changed(frame, row, **cells):
    frame = frame.astype(object)
    for column, value in cells.items():
        if column not in frame:
            frame[column] = pd.Series("", index=frame.index, dtype=object)
        frame.loc[row - 2, column] = value
    return frame


@pytest.mark.parametrize(
    ("cells", "line"),
    [
        (
            {"surrogate_se": 0.0},
            "trials, row 3: expected surrogate_se above 0, or a blank where it is not known, got 0; correct it",
        ),
        (
            {"outcome_se": -0.1},
            "trials, row 3: expected outcome_se above 0, or a blank where it is not known, got -0.1; correct it",
        ),
        (
            {"within_correlation": 1.0},
            "trials, row 3: expected a within_correlation between -1 and 1, got 1; correct it",
        ),
        (
            {"outcome_effect": "1,5"},
            'trials, row 3: expected a number as outcome_effect, got "1,5"; write decimals with a point and thousands without a separator (1234.5)',
        ),
        (
            {"surrogate_censoring": "below"},
            'trials, row 3: expected surrogate_censoring left (known to be below surrogate_effect), right (above) or blank, got "below"; correct it',
        ),
        (
            {"outcome_censoring": "right", "outcome_se": ""},
            "trials, row 3: outcome_censoring is right but outcome_effect or outcome_se is blank; give the bound as outcome_effect and the standard error that the estimate would have as outcome_se",
        ),
        (
            {"surrogate_censoring": "left", "outcome_censoring": "left"},
            "trials, row 3: both effects are censored; expected one at most: estimate the other, or leave it blank",
        ),
        ({"trial": ""}, "trials, row 3: trial is blank; fill it in"),
        ({"trial": "A"}, 'trials: trial "A" is in rows 2, 3; give each row a name of its own'),
    ],
)
def test_each_problem_has_its_line(trials, cells, line):
    assert refused(changed(trials, 3, **cells)) == [line]


def test_all_problems_come_at_once(trials):
    broken = changed(changed(trials, 2, surrogate_se=0), 4, outcome_se=-1)
    assert len(refused(broken)) == 2


def test_missing_and_misspelt_columns(trials):
    assert refused(trials.drop(columns="outcome_se")) == [
        'trials: expected a column "outcome_se", which is missing; add it (columns found: "trial", "surrogate_effect", "surrogate_se", "outcome_effect")'
    ]
    assert refused(trials.assign(overlap_groups="")) == [
        'trials: column "overlap_groups" is unknown; rename it to "overlap_group" if that is it, or give it another name'
    ]


def test_further_columns_are_kept(trials):
    table = TrialTable.from_frame(trials.assign(registration=["1", "2", "3"]))
    assert list(table.frame["registration"]) == ["1", "2", "3"]


def test_rows_without_both_standard_errors_are_unused_with_the_reason(trials):
    frame = changed(changed(trials, 3, surrogate_effect="", surrogate_se=""), 4, outcome_se="")
    table = TrialTable.from_frame(frame)
    assert table.trials == ("A",)
    assert table.unused.to_dict("records") == [
        {"row": 3, "trial": "B", "reason": "no surrogate effect"},
        {"row": 4, "trial": "C", "reason": "no standard error of the outcome effect"},
    ]
    both = TrialTable.from_frame(frame, one_sided="used")
    assert both.trials == ("A", "B", "C")
    assert list(both.frame["surrogate_kind"]) == ["estimate", "none", "estimate"]
    assert list(both.frame["outcome_kind"]) == ["estimate", "estimate", "none"]
    assert both.paired_programmes == ("A",)
    assert refused(frame.iloc[1:]) == [
        "trials: no row has both effects with their standard errors (row 2: no surrogate effect); add one"
    ]


def test_censored_effects_are_used(trials):
    table = TrialTable.from_frame(changed(trials, 3, surrogate_censoring="left"))
    assert list(table.frame["surrogate_kind"]) == ["estimate", "left", "estimate"]
    assert table.paired_programmes == ("A", "C")


@pytest.mark.parametrize(
    ("part_of", "came"),
    [
        (("", "strata", "strata"), 'part_of "strata" and blank'),
        (("", "", ""), "no part_of"),
        (("sex", "strata", "strata"), 'part_of "sex", "strata"'),
    ],
)
def test_a_trial_and_its_subgroups_can_never_both_enter(trials, part_of, came):
    frame = trials.assign(overlap_group="X", part_of=part_of)
    assert refused(frame) == [
        f'trials: rows of overlap_group "X" share people: row 2 (A), row 3 (B), row 4 (C), with {came}; keep one of them, or only disjoint parts that all have the same part_of'
    ]


def test_disjoint_parts_enter_together_and_are_one_programme(trials):
    frame = trials.assign(overlap_group=["X", "X", ""], part_of=["strata", "strata", ""])
    table = TrialTable.from_frame(frame)
    assert table.programmes == ("X", "C")
    assert table.without("X").trials == ("C",)
    assert table.counts["n_programmes"] == 2
    with pytest.raises(BadInput, match="expected one of several"):
        table.without("A")


def test_an_unused_row_of_an_overlap_group_does_not_count(trials):
    frame = changed(trials.assign(overlap_group=["X", "X", ""]), 3, outcome_se="")
    assert TrialTable.from_frame(frame).trials == ("A", "C")


def test_digest_is_of_the_rows_that_enter_and_of_the_endpoints(trials):
    table = TrialTable.from_frame(trials, name="one")
    assert table.digest == TrialTable.from_frame(trials, name="other").digest
    assert table.digest != TrialTable.from_frame(changed(trials, 3, outcome_effect=0.2)).digest
    assert table.digest != TrialTable.from_frame(trials, surrogate=Endpoint("surrogate", good="up")).digest


def test_a_file_gives_the_same_table(trials, tmp_path):
    trials.to_csv(tmp_path / "mine.csv", index=False)
    table = read_trials(tmp_path / "mine.csv")
    assert table.name == "mine"
    assert table.digest == TrialTable.from_frame(trials).digest
    assert "3 rows of 3 independent programmes" in repr(table)
    assert "<table" in table._repr_html_()
    assert json.dumps(table.counts)


def test_a_good_direction_is_up_or_down():
    with pytest.raises(BadInput, match='NfL: expected the good direction "up" or "down", got "low"'):
        Endpoint("NfL", "ln", "low")


@pytest.mark.parametrize("valor", ["whole", "strata"])
def test_the_als_programmes(valor):
    table, raw = trial_table(valor), load("als_trials").table.set_index("trial")
    used = {"whole": ("VALOR",), "strata": ("VALOR (faster)", "VALOR (slower)")}[valor]
    assert table.trials == (*used, "HEALEY C: CNM-Au8 (regimen-only)")
    assert table.programmes == ("VALOR", "HEALEY C: CNM-Au8 (regimen-only)")
    assert (table.surrogate.good, table.outcome.good) == ("down", "up")
    for row in table.frame.to_dict("records"):
        was = raw.loc[row["trial"]]
        assert row["surrogate_effect"] == was["nfl_log_ratio"]
        assert row["outcome_se"] == was["alsfrs_per_month_se"]
        assert row["certainty"] == was["certainty"]
        assert row["source"] == was["source"]
    assert len(table.rows) + len(table.unused) == len(raw)
    reasons = table.unused.set_index("trial")["reason"]
    rows = load("als_trials").table["trial"]
    assert all(rows[row - 2] == trial for row, trial in zip(table.unused["row"], table.unused["trial"], strict=True))
    assert reasons["CENTAUR"] == "no surrogate effect"
    assert reasons["VALOR+OLE 52 wk"] == "not a contrast of drug with placebo"
    assert reasons["Fasudil oral (Bravyl) REAL cohort 1"] == "not randomised"
    other = {"whole": "VALOR (faster)", "strata": "VALOR"}[valor]
    assert reasons[other] == f"shares people with {' and '.join(used)}"


def test_the_als_programmes_with_one_effect():
    table = trial_table(one_sided="used")
    assert "CENTAUR" in table.trials
    assert "HEALEY C: CNM-Au8 (FAS shared placebo)" not in table.trials
    assert len(table.paired_programmes) == 2
    assert np.isfinite(table.frame["outcome_effect"]).all()
    with pytest.raises(BadInput, match='expected valor "whole" or "strata", got "both"'):
        trial_table("both")
