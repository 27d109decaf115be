"""CNM-Au8's published means: rows of the file, and the trial's own analysis beside a hand calculation from them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bayesmodels.errors import BadConfig, BadInput
from bayesmodels.models.published_means.covariance import row_covariance
from bayesmodels.models.published_means.layout import arms_of, rows_of
from bayesmodels.models.published_means.presets import HEALEY_ALSFRS_R_SPREAD, cnm_au8_alsfrs_r
from bayesmodels.study.evidence import cnm_au8_means, load
from bayesmodels.vocabulary import months

ARMS = {"CNM-Au8": "CNM-Au8 pooled", "placebo": "shared placebo"}


def test_changes_are_those_of_the_file():
    table, file = cnm_au8_means(), load("healey_cnmau8_alsfrs_visits").table.set_index(["arm", "week"])
    assert table.start_groups == ("CNM-Au8", "placebo")
    assert table.drug_start_week == {"CNM-Au8": 0.0, "placebo": math.inf}
    assert table.weeks == (4, 8, 12, 16, 20, 24)
    assert len(table.frame) == 12
    for row in table.frame.itertuples():
        arm = ARMS[row.start_group]
        assert row.estimate == pytest.approx(file.loc[(arm, row.week), "mean"] - file.loc[(arm, 0), "mean"])
        assert row.n == file.loc[(arm, row.week), "n"]
        assert math.isnan(row.se)
        assert row.source == "JAMA 2025 Berry suppl eTable 1"


def test_week_24_by_hand():
    """29.1 - 34.3, 30.2 - 35.1 and 31.4 - 36.1 points, read off the table by eye."""
    for placebo, change in (("shared", -4.9), ("regimen", -4.7)):
        last = cnm_au8_means(placebo).frame.query("week == 24").set_index("start_group")["estimate"]
        assert last.to_dict() == {"CNM-Au8": pytest.approx(-5.2), "placebo": pytest.approx(change)}


def test_persons_not_measured_are_those_of_the_docstring():
    file = load("healey_cnmau8_alsfrs_visits").table
    lost = file.groupby("arm")["n"].agg(lambda n: n.max() - n.min())
    assert lost.to_dict() == {"CNM-Au8 pooled": 10, "regimen placebo": 6, "shared placebo": 21}
    assert "up to 10 of 120 (CNM-Au8), 21 of 164" in " ".join(cnm_au8_means.__doc__.split())


def test_a_last_week_and_a_name():
    table = cnm_au8_means(until_week=12, name="to week 12")
    assert (table.weeks, table.name) == ((4, 8, 12), "to week 12")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"placebo": "both"}, 'healey_cnmau8_alsfrs_visits: expected placebo "shared" or "regimen", got "both"'),
        ({"placebo": 3}, 'healey_cnmau8_alsfrs_visits: expected placebo "shared" or "regimen", got "3"'),
        (
            {"until_week": 2},
            "healey_cnmau8_alsfrs_visits: no visit is left until week 2; the table has weeks 4, 8, 12, 16, 20, 24",
        ),
    ],
)
def test_bad_arguments(arguments, line):
    with pytest.raises(BadInput) as caught:
        cnm_au8_means(**arguments)
    assert caught.value.problems == (line,)


def test_an_unknown_effect_is_refused():
    with pytest.raises(BadConfig, match="effect of CNM-Au8: expected slope_change, proportional_slowing, none"):
        cnm_au8_alsfrs_r("step")


def slope_difference(placebo):
    """Difference of straight lines from 0 through the changes, by generalised least squares, and its standard error."""
    frame = cnm_au8_means(placebo).frame
    slopes = {}
    for group in ("CNM-Au8", "placebo"):
        mine = frame[frame["start_group"] == group]
        t, n = months(mine["week"].to_numpy()), mine["n"].to_numpy()
        covariance = (0.76**2 * np.outer(t, t) + 1.77**2 * (1 + np.eye(len(t)))) / np.sqrt(np.outer(n, n))
        weights = np.linalg.solve(covariance + 0.04**2 * np.eye(len(t)), t)
        slopes[group] = weights @ mine["estimate"].to_numpy() / (weights @ t), 1 / (weights @ t)
    (drug, drug_variance), (control, control_variance) = slopes.values()
    return drug - control, math.sqrt(drug_variance + control_variance)


@pytest.mark.parametrize(
    ("placebo", "trial"), [("shared", "CNM-Au8 (FAS shared placebo)"), ("regimen", "CNM-Au8 (regimen-only)")]
)
def test_standard_errors_filled_from_the_spread_are_those_that_the_trial_reports(placebo, trial):
    """The trial's analysis of its persons: .03 (SE .0995) and -.013 (SE .15) points a month."""
    reported = load("als_trials").select({"trial": f"HEALEY C: {trial}"}).table.iloc[0]
    effect, error = slope_difference(placebo)
    assert error == pytest.approx(reported["alsfrs_per_month_se"], rel=0.1)
    assert abs(effect - reported["alsfrs_per_month"]) < reported["alsfrs_per_month_se"]


def test_the_likelihood_has_this_covariance():
    table = cnm_au8_means()
    rows = rows_of(table.frame, arms_of(table), "common")
    covariance, used = row_covariance(HEALEY_ALSFRS_R_SPREAD, rows)
    t, n = rows.months, rows.persons
    arm = np.array(rows.start_group)
    person = 0.76**2 * np.outer(t, t) + 1.77**2 * (1 + (t[:, None] == t[None, :]))
    expected = (arm[:, None] == arm[None, :]) * person / np.sqrt(np.outer(n, n))
    np.testing.assert_allclose(covariance, expected + 0.04**2 * np.eye(len(t)))
    np.testing.assert_allclose(used, np.sqrt(np.diag(expected)))
