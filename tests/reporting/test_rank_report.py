"""Rank analyses on the page, against numbers chosen by hand."""

import math

import numpy as np
import pytest
import xarray as xr
from fake import fake_posterior
from fake_events import rank_numbers
from readings import reading_of

from bayesmodels.reporting import ReportSettings, report
from bayesmodels.reporting.chapter import read
from bayesmodels.reporting.chapters.ranks import Ranks, rank_table

NINE = ReportSettings(interval=0.9)


def tree_with(ranks: xr.Dataset) -> xr.DataTree:
    tree = fake_posterior()
    tree["rank_analyses"] = xr.DataTree(ranks)
    return tree


@pytest.fixture(scope="module")
def tree():
    return tree_with(rank_numbers())


@pytest.fixture(scope="module")
def table(tree):
    return rank_table(read(tree, NINE)).set_index("analysis")


def test_the_observed_stand_beside_the_replicated(table):
    row = table.loc["joint rank"]
    assert row[["estimate", "lower", "upper", "n"]].tolist() == pytest.approx([0.3, 0.05, 0.5, 108.0])
    assert row["predictive_median"] == pytest.approx(0.2)
    assert row[["predictive_lower", "predictive_upper"]].tolist() == pytest.approx([0.02, 0.38])  # evenly spread
    assert row["share_below"] == pytest.approx(75.5 / 101)  # 75 of 101 below .3, and .3 itself for a half
    assert (row["outcome"], row["week"], row["replicates"]) == ("alsfrs_r", 52.0, 101)
    assert table.loc["ANCOVA, imputed", "replicates"] == 0
    assert math.isnan(table.loc["ANCOVA, imputed", "share_below"])


def test_the_section_says_direction_and_level(tree, table):
    reading = reading_of(tree, Ranks(), settings=NINE)
    figures, section = reading.figures, Ranks().section(reading)
    ((caption, shown),) = section.tables.items()
    assert caption == "ALSFRS-R to week 52, early against delayed"
    assert shown["Direction"].tolist()[:2] == ["+ favours early", "above 1 favours early"]
    assert shown["p"].tolist() == ["< 0.001", "0.020", "–", "0.030"]
    assert "Observed (90 % confidence interval)" in shown
    assert shown["Replicated (median and 90 % of trials)"].tolist()[-1] == "–"
    assert shown["Quantity"].tolist()[2] == "adjusted difference of change, points"
    assert "How they were made." in section.paragraphs
    assert section.note == "A note of ranks. Another."
    assert list(figures) == ["rank_joint_rank", "rank_ancova"]
    axes = figures["rank_joint_rank"].axes[0]
    assert [float(line.get_xdata()[0]) for line in axes.lines] == pytest.approx([0.3, 0.0])
    assert "+ favours early" in axes.get_xlabel()
    assert len(section.figures) == 2


def test_infinite_replicates_count_and_missing_ones_are_said():
    ranks = rank_numbers().assign_coords(analysis=["joint rank", "win ratio", "ANCOVA", "ANCOVA, imputed"])
    drawn = ranks["predictive_estimate"].to_numpy().copy()
    drawn[1, :11], drawn[1, 11:17] = np.inf, np.nan
    ranks["predictive_estimate"] = (("analysis", "replicate"), drawn)
    ranks["estimate"] = ("analysis", np.array([0.3, np.inf, 2.0, 1.5]))
    tree = tree_with(ranks)
    reading = reading_of(tree, Ranks(), settings=ReportSettings(interval=0.8))
    table = reading.tables["rank_analyses"]
    row = table.set_index("analysis").loc["win ratio"]
    assert row["replicates"] == 95
    ordered = np.sort(drawn[1][17:])  # 84 finite ones, then 11 infinite
    assert row["predictive_median"] == ordered[47]  # the 48th of 95
    assert row["predictive_upper"] == np.inf  # the 86th
    assert row["share_below"] == pytest.approx((84 + 11 / 2) / 95)
    section = Ranks().section(reading)
    assert "Win ratio: 6 of 101 have no estimate." in section.paragraphs[1]
    (shown,) = section.tables.values()
    assert shown["Observed (90 % confidence interval)"][1].startswith("∞ (")
    assert shown["Replicated (median and 80 % of trials)"][1].endswith("to ∞)")


def test_without_replicates_the_page_says_why():
    ranks = rank_numbers().drop_vars("predictive_estimate").drop_dims("replicate", errors="ignore")
    ranks.attrs["replicates"] = "No replicated trials: for a reason."
    made = report(tree_with(ranks))
    page = made.html
    assert "No replicated trials: for a reason." in page
    assert not [name for name in made.figures if name.startswith("rank_")]
    assert np.isnan(made.tables["rank_analyses"]["predictive_median"]).all()


def test_a_posterior_without_them_has_no_section():
    made = report(fake_posterior())
    assert "rank_analyses" not in made.tables
    assert "Rank analyses" not in {section.title for section in made.sections}
    assert "rank analyses" not in made.html.lower()
