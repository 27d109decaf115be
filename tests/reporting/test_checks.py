"""Predictive checks, convergence, figures and wording."""

import math

import numpy as np
import pytest
from fake import GROUPS, fake_posterior

from bayesmodels.posterior.context import Outcome, read_context
from bayesmodels.posterior.wording import as_percent, cell, chance, difference, estimate, percents
from bayesmodels.reporting.chapter import read
from bayesmodels.reporting.chapters.convergence import convergence_table
from bayesmodels.reporting.chapters.curves import curve_figure
from bayesmodels.reporting.chapters.predictive_checks import coverage_table, predictive_cells
from bayesmodels.reporting.chapters.start_groups.chapter import difference_figure


def test_a_mean_at_the_centre_lies_inside(tree):
    table = coverage_table(tree, 0.95)
    assert (table["inside"] == table["cells"]).all()
    assert (table["cells"] == 9).all()


def test_coverage_counts_what_falls_outside():
    shifted = fake_posterior()
    shifted["observed_summary"]["mean"].loc[{"outcome": "alsfrs_r", "week": [0.0, 4.0, 12.0]}] += (
        0.75  # 1.5 predictive SD
    )
    table = coverage_table(shifted, 0.95).set_index(["outcome", "stratum", "start_group"])
    row = table.loc["alsfrs_r", "all", "early"]
    assert (row["inside"], row["inside_50"]) == (9, 6)  # 1.5 SD is inside 95 %, outside 50 %
    assert (
        coverage_table(shifted, 0.8)
        .set_index(["outcome", "stratum", "start_group"])
        .loc["alsfrs_r", "all", "early"]["inside"]
        == 6
    )
    cells = predictive_cells(shifted, 0.95)
    moved = cells[(cells["outcome"] == "alsfrs_r") & (cells["week"] == 4.0)]
    np.testing.assert_allclose(moved["position"], 0.9332, atol=2e-3)


def test_convergence_table_shows_thresholds(context):
    table = convergence_table(context).set_index("diagnostic")
    assert table.loc["max_rhat", "threshold"] == 1.01
    assert table.loc["verdict", "value"] == "ok"


def test_curves_are_dashed_past_half_observed(tree, context):
    axes = curve_figure(read(tree), context.outcomes["alsfrs_r"], "all").axes[0]
    styles = {
        style: [line for line in axes.lines if line.get_linestyle() == style and len(line.get_xdata()) > 2]
        for style in ("-", "--")
    }
    assert len(styles["-"]) == len(styles["--"]) == len(GROUPS)
    assert max(styles["-"][0].get_xdata()) == 76
    assert min(styles["--"][0].get_xdata()) == 76
    texts = [text.get_text().strip() for text in axes.texts]
    assert "switch, week 28" in texts
    assert texts.count("72") >= 4
    assert "9" in texts


def test_log_outcomes_are_drawn_on_their_natural_scale(tree, context):
    axes = curve_figure(read(tree), context.outcomes["nfl_plasma"], "all").axes[0]
    assert axes.get_yscale() == "log"
    assert axes.lines[0].get_ydata()[0] == pytest.approx(75, rel=0.02)


def test_the_difference_figure_names_the_favoured_side(tree, context):
    def labels(outcome):
        figure = difference_figure(read(tree), context.outcomes[outcome], context.contrasts[0], "all")
        return {text.get_text().strip() for text in figure.axes[0].texts}

    assert {"↑ favours early", "↓ favours delayed"} <= labels("alsfrs_r")
    assert {"↓ favours early", "↑ favours delayed"} <= labels("nfl_plasma")


def test_direction_when_the_reference_starts_first():
    turned = fake_posterior()
    renamed = turned["posterior"].to_dataset().assign_coords(contrast=["delayed - early"])
    turned["posterior"] = renamed
    contrast = read_context(turned).contrasts[0]
    assert contrast.direction(Outcome("f", good_direction="up")) == "- favours early"
    assert contrast.direction(Outcome("f", good_direction="down")) == "+ favours early"
    assert contrast.direction(Outcome("f")) == "good direction not stated"


def test_words():
    assert estimate(0.1, -0.04, 0.26) == "0.10 (−0.04 to 0.26)"
    assert estimate(0.0, 0.0, 0.0) == "0.000 (0.000 to 0.000)"


def test_limits_that_leave_zero_out_are_not_rounded_to_it():
    assert estimate(-0.1, -0.196, -0.004) == "−0.10 (−0.20 to 0.00)"
    assert difference(-0.1, -0.196, -0.004) == "−0.100 (−0.196 to −0.004)"
    assert difference(0.1, 0.0004, 0.2) == "0.1000 (0.0004 to 0.2000)"
    assert percents(-0.1, -0.196, -0.004) == "−9.5 (−17.8 to −0.4)"
    assert percents(-0.8, -1.0, -0.6) == "−55 (−63 to −45)"
    assert percents(-0.1, -0.2, 0.001) == "−10 (−18 to 0)"
    assert difference(-0.1, -0.204, 0.004) == estimate(-0.1, -0.204, 0.004)
    assert difference(0.4, 0.2, 0.6) == estimate(0.4, 0.2, 0.6)
    assert difference(1.0, 0.0, 2.0) == estimate(1.0, 0.0, 2.0)
    assert as_percent(Outcome("f", scale="identity"), 1, 0, 2) == ""
    assert as_percent(Outcome("n", scale="log"), 0.1, -0.1, 0.3) == "11 % higher (10 % lower to 35 % higher)"
    assert [chance(p) for p in (0.0, 1.0, 0.123)] == ["< 0.01", "> 0.99", "0.12"]
    assert [cell(v) for v in (None, math.inf, True, 0.00001)] == ["–", "∞", "yes", "1.0e−05"]
