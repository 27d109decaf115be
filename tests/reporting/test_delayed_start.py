"""Delayed-start summaries against answers worked by hand.

ALSFRS-R: the early group gains 0.2 points a month until week 28: a difference of 0.2 x 28 / 4.348 = 1.288 from then
on (each group then gains the same). NfL falls by 0.8 over 12 weeks from the drug's start.
"""

import math
import re

import numpy as np
import pytest
from fake import DROP, GAIN, MONTH, RATE, WEEKS, fake_posterior
from scipy.stats import norm
from table_rows import one, rows

from bayesmodels.errors import BadInput
from bayesmodels.posterior.convergence_limits import ConvergenceLimits
from bayesmodels.posterior.observed import observed_persons
from bayesmodels.reporting import report
from bayesmodels.reporting.chapter import read
from bayesmodels.reporting.chapters.curves import curve_table
from bayesmodels.reporting.chapters.period_rates import period_rate_table
from bayesmodels.reporting.chapters.ratio_to_baseline import ratio_table
from bayesmodels.reporting.chapters.start_groups.after_switch import first_reached, parallel_table, time_saved_table
from bayesmodels.reporting.chapters.start_groups.differences import delta_table, difference_table, persistence_table
from bayesmodels.reporting.settings import ReportSettings

ALL = {"stratum": "all"}


def test_raw_differences_and_who_is_favoured(tree):
    table = difference_table(read(tree))
    function = one(table, outcome="alsfrs_r", week=28.0, **ALL)
    assert function["median"] == pytest.approx(GAIN * 28 / MONTH)
    assert function["direction"] == "+ favours early"
    assert function["probability_favours"] == 1.0
    nfl = one(table, outcome="nfl_plasma", week=28.0, **ALL)
    assert nfl["median"] == pytest.approx(DROP)
    assert nfl["direction"] == "- favours early"
    assert nfl["probability_favours"] == 1.0  # a raw difference below zero favours the early start


def test_probability_matches_the_normal(tree):
    row = one(difference_table(read(tree)), outcome="alsfrs_r", week=12.0, **ALL)
    mean, sd = GAIN * 12 / MONTH, 0.05 * 12 / MONTH
    settings = ReportSettings(important_difference={"alsfrs_r": mean + 0.5 * sd})
    row = one(difference_table(read(tree, settings)), outcome="alsfrs_r", week=12.0, **ALL)
    assert row["probability_important"] == pytest.approx(norm.cdf(-0.5), abs=2e-3)


def test_no_probability_where_groups_are_equal_by_design(tree):
    row = one(difference_table(read(tree)), outcome="alsfrs_r", week=0.0, **ALL)
    assert math.isnan(row["probability_favours"])
    assert row["withheld"] == "the same in both groups by design"


@pytest.mark.parametrize(("share", "told"), [(0.6, "no effect yet in 0.60 of the draws"), (0.4, "")])
def test_no_probability_while_most_draws_have_no_effect_yet(tree, share, told):
    later = tree.copy()
    draws = tree["posterior"].to_dataset()
    n = round(share * draws.sizes["draw"])
    where = {"outcome": "alsfrs_r", "week": 12.0, "draw": draws["draw"][:n]}
    gap = draws["difference"].copy(deep=True)
    gap.loc[where] = 0.0
    later["posterior"] = draws.assign(difference=gap)
    row = one(difference_table(read(later)), outcome="alsfrs_r", week=12.0, **ALL)
    assert row["withheld"] == told
    if told:
        assert math.isnan(row["probability_favours"])
    else:
        assert row["probability_favours"] == pytest.approx(0.6)


def test_a_week_without_an_effect_yet_is_told_as_not_identified_and_no_table_has_its_probability(tree):
    later = tree.copy()
    draws = tree["posterior"].to_dataset()
    gap = draws["difference"].copy(deep=True)
    gap.loc[{"outcome": "alsfrs_r", "draw": draws["draw"][: round(0.6 * draws.sizes["draw"])]}] = 0.0
    later["posterior"] = draws.assign(difference=gap)
    made = report(later)
    lines = [line for line in made.lead.not_identified if "ALSFRS-R, all persons, early minus delayed at week" in line]
    assert lines
    assert all(line.endswith("; no effect yet in 0.60 of the draws.") for line in lines)
    kept = made.tables["persistence"]
    assert kept.loc[kept["outcome"] == "alsfrs_r", "probability"].isna().all()
    assert kept.loc[kept["outcome"] == "nfl_plasma", "probability"].notna().any()


def test_estimand_and_persons_on_every_row(tree):
    table = difference_table(read(tree))
    after = rows(table, outcome="alsfrs_r", week=52.0, **ALL).iloc[0]
    assert after["estimand"] == (
        "all persons, as if alive and followed, missing at random; early against delayed start, open label, not "
        "randomised drug against placebo"
    )
    assert (after["observed_group"], after["observed_reference"]) == (72, 27)
    before = rows(table, outcome="alsfrs_r", week=28.0, **ALL).iloc[0]
    assert "open label" not in before["estimand"]
    assert table["estimand"].str.startswith("all persons, as if alive and followed, missing at random").all()


def test_probability_is_withheld_past_half_observed(tree, observed):
    assert observed.last_well_observed("alsfrs_r", ("early", "delayed"), "all") == 76
    assert observed.last_visit("alsfrs_r", ("early", "delayed"), "all") == 148
    table = rows(difference_table(read(tree)), outcome="alsfrs_r", **ALL).set_index("week")
    assert not math.isnan(table.loc[76.0, "probability_favours"])
    assert table.loc[[100.0, 148.0], "probability_favours"].isna().all()
    assert table.loc[148.0, "withheld"].startswith("withheld: past week 76")


def test_counts_of_persons_come_before_counts_of_visits(tree):
    counts = {
        "observed": {"early": {"all": {"alsfrs_r": {"0": 72, "52": 30}}}, "delayed": {"all": {"alsfrs_r": {"0": 36}}}}
    }
    found = observed_persons(tree, {"counts": counts})
    assert found.at("alsfrs_r", "early", "all", 40.0) == 30
    assert found.at("alsfrs_r", "delayed", "all", 40.0) == 0
    assert found.last_well_observed("alsfrs_r", ("early",), "all") == 0


def test_missed_visits_do_not_hide_persons_seen_later(tree):
    gap = tree.copy(deep=True)
    gap["observed_summary"]["n"].loc[{"week": 40.0}] = 1.0
    found = observed_persons(gap, {})
    assert found.at("alsfrs_r", "early", "all", 40.0) == 72
    assert observed_persons(tree.filter(lambda node: node.name != "observed_summary"), {}).series == {}


def test_delta_weeks(tree):
    table = rows(delta_table(read(tree)), outcome="alsfrs_r", **ALL)
    assert table[["point", "week"]].values.tolist() == [["delta_1", 28.0], ["well_observed", 76.0], ["delta_2", 148.0]]
    declared = rows(delta_table(read(tree, ReportSettings(end_week=52))), outcome="alsfrs_r", **ALL)
    assert declared.set_index("point").loc["delta_2", "week"] == 52


def test_weeks_without_a_curve_are_refused_all_at_once(tree):
    with pytest.raises(BadInput) as caught:
        read(tree, ReportSettings(contrast_weeks=(28, 30), end_week=9999))
    contrast, end = caught.value.problems
    assert re.match(r"\[report\] contrast_weeks: expected curve weeks \(0, 4, .*\), got 30; add them to", contrast)
    assert re.match(r"\[report\] end_week: expected curve weeks \(0, 4, .*\), got 9999; add them to", end)


def test_curve_weeks_can_be_copied_from_the_line():
    weeks = [0.0, 183 / 7, 366 / 7]
    (line,) = ReportSettings(contrast_weeks=(52.2857,)).problems(["alsfrs_r"], weeks)
    told = [float(week) for week in line[line.index("(") + 1 : line.index(")")].split(", ")]
    assert told == weeks
    assert not list(ReportSettings(contrast_weeks=tuple(told)).problems(["alsfrs_r"], weeks))


def test_persistence_against_the_draws(tree):
    table = rows(persistence_table(read(tree)), outcome="alsfrs_r", week_2=76.0, **ALL)
    gain = tree["posterior"]["group_drug_effect"].sel(outcome="alsfrs_r", stratum="faster")
    early, late = (gain.sel(start_group=g).values.ravel() for g in ("early", "delayed"))
    first, second = early * 28 / MONTH, (early * 76 - late * 48) / MONTH
    expected = {"Delta_2 > 0": np.mean(second > 0)}
    for share in (0.25, 0.5, 0.75):
        expected[f"Delta_1 > 0 and Delta_2 > {share:g} Delta_1"] = np.mean((first > 0) & (second > share * first))
    assert dict(zip(table["statement"], table["probability"], strict=True)) == pytest.approx(expected)
    later = rows(persistence_table(read(tree)), outcome="alsfrs_r", week_2=148.0, **ALL)
    assert later["probability"].isna().all()
    assert later["prior_probability"].notna().all()


def test_parallel_needs_own_effects_and_a_margin(tree):
    settings = ReportSettings(margins={"alsfrs_r": 0.3})
    own = one(parallel_table(read(tree, settings)), outcome="alsfrs_r", **ALL)
    assert (own["from_week"], own["to_week"]) == (
        40,
        76,
    )  # lag 2.5 months is under 12 weeks; 76 is the last well observed
    assert own["rate_sd"] == pytest.approx(0.05 * math.sqrt(2), rel=0.05)
    assert own["probability_parallel"] > 0.99
    assert own["prior_probability_parallel"] == pytest.approx(norm.cdf(0.3 / 0.707) * 2 - 1, abs=0.05)
    assert own["verdict"] == "parallel"
    assert one(parallel_table(read(tree)), outcome="alsfrs_r", **ALL)["verdict"] == "no margin declared"
    shared = fake_posterior(own=False)
    implied = parallel_table(read(shared, settings))
    assert set(implied["verdict"]) == {"implied by the model"}
    late = ReportSettings(margins={"alsfrs_r": 0.3}, parallel_from_week={"alsfrs_r": 76})
    assert one(parallel_table(read(tree, late)), outcome="alsfrs_r", **ALL)["verdict"].startswith("too few")


def test_catching_up_is_the_gap_closing():
    closing = fake_posterior()
    draws = closing["posterior"]["difference"]
    where = {"outcome": "alsfrs_r", "stratum": "all"}
    draws.loc[where] = draws.loc[where] - 0.8 * np.maximum(WEEKS - 28, 0) / MONTH
    settings = ReportSettings(margins={"alsfrs_r": 0.3})
    table = parallel_table(read(closing, settings))
    assert one(table, outcome="alsfrs_r", **ALL)["verdict"] == "catching up"
    assert one(table, outcome="alsfrs_r", **ALL)["rate_median"] == pytest.approx(-0.8, abs=0.02)


def test_time_saved_by_hand(tree):
    shared = fake_posterior(own=False)
    row = one(time_saved_table(read(shared)), outcome="alsfrs_r", stratum="faster", week=28.0)
    # Early is at -1.0 x 28 weeks; the delayed group falls 1.2 a month: it is there at 28 / 1.2 = 23.3 weeks.
    assert row["median"] == pytest.approx(28 - 28 * (RATE["faster"] + GAIN) / RATE["faster"], abs=0.01)
    assert (row["not_reached"], row["course"]) == (0.0, "worsening")


def test_first_reached_by_straight_lines():
    weeks = np.array([0.0, 10.0, 20.0])
    curve = np.array([[0.0, 0.0, 5.0], [-10.0, -10.0, 5.0], [-20.0, -20.0, 5.0]])
    found = first_reached(curve, np.array([-15.0, -30.0, 5.0]), weeks)
    assert found.tolist() == [15.0, math.inf, 0.0]


def test_not_reached_is_counted_and_printed(tree):
    table = time_saved_table(read(tree))
    nfl = one(table, outcome="nfl_plasma", stratum="all", week=28.0)
    early, late = (
        tree["posterior"]["curve"].sel(outcome="nfl_plasma", stratum="all", start_group=g).values.reshape(1000, -1)
        for g in ("early", "delayed")
    )
    never = np.mean((late > early[:, [3]]).all(axis=1))  # the early value at week 28 lies below the whole delayed curve
    assert nfl["not_reached"] == pytest.approx(never)
    assert 0.4 < never < 0.6
    assert nfl["lower"] == -math.inf


def test_ratio_to_baseline_has_percent(tree):
    table = ratio_table(read(tree))
    assert set(table["outcome"]) == {"nfl_plasma"}
    row = one(table, start_group="early", week=12.0, **ALL)
    assert row["ratio"] == pytest.approx(math.exp(DROP))
    assert row["percent"] == pytest.approx(100 * (math.exp(DROP) - 1))
    assert row["percent_lower"] < row["percent"] < row["percent_upper"]


def test_errors_of_ratios_and_average_rates_by_the_normal_formula(tree):
    """The median of n independent normal draws has a standard error of SD sqrt(pi / (2 n)); of exp(x), times exp(x)."""
    short = read(tree, ReportSettings(convergence=ConvergenceLimits(ess=1e6)))
    draws = tree["posterior"]["curve_change"].sel(outcome="nfl_plasma", start_group="early", stratum="all", week=12.0)
    expected = float(draws.std()) * math.sqrt(math.pi / (2 * draws.size))
    ratio = one(ratio_table(short), start_group="early", week=12.0, **ALL)
    assert ratio["monte_carlo_error"] == pytest.approx(expected * ratio["ratio"], rel=0.35)
    rates = tree["posterior"]["period_rate"].sel(outcome="alsfrs_r", stratum="slower", period="before_switch")
    early, delayed = (rates.sel(start_group=group) for group in ("early", "delayed"))
    table = period_rate_table(short)
    for labels, own in (({"start_group": "early"}, early), ({"contrast": "early - delayed"}, early - delayed)):
        row = one(table, outcome="alsfrs_r", stratum="slower", period="before_switch", **labels)
        expected = float(own.std()) * math.sqrt(math.pi / (2 * own.size))
        assert row["monte_carlo_error"] == pytest.approx(expected, rel=0.35)


def test_period_rates_by_hand(tree):
    table = period_rate_table(read(tree))
    early = one(table, outcome="alsfrs_r", start_group="early", stratum="slower", period="after_switch")
    assert early["median"] == pytest.approx(RATE["slower"] + GAIN)
    before = one(table, outcome="alsfrs_r", contrast="early - delayed", stratum="slower", period="before_switch")
    assert before["median"] == pytest.approx(GAIN)
    assert before["probability_favours"] == 1.0
    after = one(table, outcome="alsfrs_r", contrast="early - delayed", stratum="slower", period="last_year")
    assert math.isnan(after["probability_favours"])
    assert after["withheld"]


def test_curves_csv_carries_estimand_and_persons(tree):
    table = curve_table(read(tree))
    assert set(table["name"]) == {"curve", "curve_change", "difference", "period_rate"}
    row = one(table, name="difference", outcome="alsfrs_r", stratum="all", week=52.0)
    assert row["observed"] == 27
    assert row["estimand"].endswith("open label, not randomised drug against placebo")
    assert not rows(table, name="curve", week=28.0)["estimand"].str.contains("open label").any()
