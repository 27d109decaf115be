"""Words that belong to a contrast, and what differed at week 0: three groups, active and control, a free baseline."""

import json
import math
import re

import numpy as np
import pytest
from fake import GAIN, MONTH, fake_posterior
from fake_arms import (
    NEVER,
    active_and_control,
    free_baseline,
    regrouped,
    three_groups,
    with_events_active_and_control,
)
from fake_events import with_events
from matplotlib.text import Text
from table_rows import one, rows

from bayesmodels.posterior.context import randomised_until, read_context
from bayesmodels.posterior.estimand import OPEN_LABEL, open_label
from bayesmodels.reporting import report
from bayesmodels.reporting.chapter import read
from bayesmodels.reporting.chapters.curves import curve_table
from bayesmodels.reporting.chapters.events.estimands import estimand_table
from bayesmodels.reporting.chapters.start_groups.after_switch import parallel_table, time_saved_table
from bayesmodels.reporting.chapters.start_groups.differences import (
    delta_table,
    difference_table,
    persistence_table,
    randomisation_table,
)
from bayesmodels.reporting.settings import ReportSettings

FUNCTION = {"outcome": "alsfrs_r", "stratum": "all"}
SETTINGS = ReportSettings(surrogate="nfl_plasma", outcome="alsfrs_r", margins={"alsfrs_r": 0.1})
STAGGERED = (
    "earlier", "later start", "delayed", "early start", "late start", "start late", "the switch", "switch,",
    "open label, not", "start group",
)  # fmt: skip


def words_of(made) -> str:
    """Every word of the page and of its figures."""
    page = re.sub(r"<[^>]+>", " ", re.sub(r"<(style|script|svg).*?</\1>", " ", made.html, flags=re.S))
    drawn = [text.get_text() for name in made.figures for text in made.figures[name].findobj(Text)]
    alts = re.findall(r'alt="([^"]*)"', made.html)
    return " ".join([page, *drawn, *alts]).replace("&#39;", "'")


@pytest.mark.parametrize(
    ("late", "starts", "controlled", "week"),
    [
        ("delayed", {"early": 0.0, "delayed": 28.0}, None, 28.0),
        ("delayed", {"early": 0.0, "delayed": 28.4}, 27.6, 27.6),  # the first of its members
        ("never", {"early": 0.0, "never": NEVER}, None, math.inf),
        ("never", {"early": 0.0, "never": NEVER}, 24.0, math.inf),  # declared, but nobody of it starts
        ("never", {"early": 0.5, "never": NEVER}, None, math.inf),  # a first dose some days after randomisation
        ("never", {"early": 0.0, "delayed": 28.0, "never": NEVER}, 28.0, math.inf),
        ("later", {"early": 0.0, "delayed": 28.0, "later": 52.0}, 28.0, 52.0),
        ("delayed", {"early": 0.0, "delayed": 28.0, "later": 52.0}, 28.0, 28.0),
        ("high", {"low": 0.0, "high": 0.0}, None, math.inf),
        ("b", {}, 28.0, 28.0),
        ("b", {}, None, math.inf),
    ],
)
def test_until_when_two_groups_are_as_randomised(late, starts, controlled, week):
    assert randomised_until(late, starts, controlled) == week


def test_early_against_never_treated_stays_as_randomised_to_the_end():
    reading = read(three_groups())
    table = difference_table(reading)
    said = {
        (row.contrast, row.week): row.estimand.partition("missing at random; ")[2]
        for row in rows(table, **FUNCTION).itertuples()
    }
    assert said["early - never", 52.0] == "early against never as randomised"
    assert said["early - never", 148.0] == "early against never as randomised"
    assert said["delayed - never", 52.0] == "delayed against never as randomised"
    assert open_label(reading.context) == ""
    assert reading.context.switch_week is None
    deltas = rows(delta_table(reading), **FUNCTION, contrast="early - never")
    assert "delta_1" not in set(deltas["point"])  # nothing ends
    assert not len(persistence_table(reading))
    assert not len(parallel_table(reading))


def test_with_the_delayed_group_as_reference_each_contrast_has_its_own_words():
    picks = {"early": "early", "never": "early", "delayed": "delayed"}
    reading = read(regrouped(fake_posterior(), picks, (0.0, NEVER, 28.0), controlled_week=28.0))
    table = rows(difference_table(reading), **FUNCTION, week=52.0).set_index("contrast")["estimand"]
    assert table["early - delayed"].endswith(f"early against delayed start, {OPEN_LABEL}")
    assert table["never - delayed"].endswith("delayed against never as randomised")
    assert open_label(reading.context) == (
        f"Early against delayed start after week 28: {OPEN_LABEL}. Delayed against never: as randomised to the end."
    )
    curves = rows(curve_table(reading), **FUNCTION, name="curve", week=52.0).set_index("start_group")["estimand"]
    assert curves["early"].endswith(f"; against delayed: {OPEN_LABEL}")
    assert curves["delayed"].endswith(f"; against early: {OPEN_LABEL}")
    assert OPEN_LABEL not in curves["never"]
    made = report(reading.tree, settings=ReportSettings(contrast_weeks=(28.0, 52.0)))
    lines = [line for line in made.sentence().splitlines() if "minus delayed at week 76" in line and "ALSFRS-R" in line]
    assert [OPEN_LABEL in line for line in lines] == ["early minus" in line for line in lines]
    assert len(lines) == 2
    assert open_label(reading.context) in words_of(made)


@pytest.mark.parametrize("make", [active_and_control, with_events_active_and_control])
def test_a_trial_in_which_nobody_starts_late_is_spoken_of_as_active_and_control(make):
    made = report(make(), settings=SETTINGS)
    words = words_of(made)
    found = {word: words[max(words.lower().index(word) - 60, 0) :][:140] for word in STAGGERED if word in words.lower()}
    assert not found
    assert "Active and control compared" in words
    assert "Active and control are compared as randomised to the end." in words
    assert "P(favours active)" in words
    assert "favours drug" in words


def test_the_same_posterior_with_a_late_start_is_not():
    words = words_of(report(fake_posterior(), settings=SETTINGS))
    assert "P(favours the earlier start)" in words
    assert "Active and control" not in words


def test_with_a_free_baseline_contrasts_are_of_changes_since_randomisation():
    free, plain = read(free_baseline(3.0), SETTINGS), read(fake_posterior(), SETTINGS)
    for make in (difference_table, delta_table, persistence_table, parallel_table):
        before, after = make(plain), make(free)
        numbers = before.select_dtypes("number").columns
        np.testing.assert_allclose(after[numbers], before[numbers], rtol=1e-9, atol=1e-9)
    row = one(difference_table(free), **FUNCTION, week=28.0)
    assert row["median"] == pytest.approx(GAIN * 28 / MONTH)  # not 3 more
    assert "; difference of changes since randomisation; early against delayed as randomised" in row["estimand"]
    at_0 = one(difference_table(free), **FUNCTION, week=0.0)
    assert (at_0["median"], at_0["withheld"]) == (pytest.approx(0.0, abs=1e-9), "no change yet at week 0")
    saved = time_saved_table(free)
    np.testing.assert_allclose(saved["median"], time_saved_table(plain)["median"], rtol=1e-9)
    curves = rows(curve_table(free), **FUNCTION, name="difference", week=28.0).iloc[0]
    assert curves["median"] == pytest.approx(GAIN * 28 / MONTH)
    levels = rows(curve_table(free), **FUNCTION, name="curve", week=28.0).set_index("start_group")["median"]
    assert levels["early"] - levels["delayed"] == pytest.approx(3.0 + GAIN * 28 / MONTH, abs=0.05)


def test_what_differed_at_week_0_is_shown_and_is_no_effect():
    gap = randomisation_table(read(free_baseline(3.0)))
    row = one(gap, **FUNCTION, contrast="early - delayed")
    assert row["median"] == pytest.approx(3.0)
    assert row["unit"] == "points"
    assert "probability_favours" not in gap
    assert not len(randomisation_table(read(fake_posterior())))
    made = report(free_baseline(3.0), settings=SETTINGS)
    words = words_of(made)
    assert "What differed at randomisation already" in words
    assert "no effect of the drug" in words
    identified = made.sentence()
    assert "difference of changes since randomisation" in identified
    plain = report(fake_posterior(), settings=SETTINGS)
    assert "What differed at randomisation already" not in words_of(plain)
    for name in ("contrasts", "surrogacy"):
        assert str(made.summary[name]) == str(plain.summary[name])


def test_estimands_of_values_are_withheld_with_a_free_baseline():
    tree = with_events()
    tree.attrs["model"] = json.dumps({"type": "joint_event", "baseline": "free"})
    table = estimand_table(read(tree, ReportSettings(contrast_weeks=(28.0,))))
    of_outcome = rows(table, outcome="alsfrs_r", stratum="all").set_index("estimand")
    for name in ("among the living", "composite", "win probability"):
        assert math.isnan(of_outcome.loc[name, "probability_favours"])
        assert "may differ at week 0 already" in of_outcome.loc[name, "withheld"]
    assert of_outcome.loc["had nobody died", "probability_favours"] == 1.0
    assert one(table, estimand="survival", stratum="all")["withheld"] == ""


def test_surrogacy_from_means_reads_changes_with_a_free_baseline():
    """Without persons' courses the effects come from the published differences."""
    free, plain = (read(tree, SETTINGS).surrogate for tree in (free_baseline(3.0), fake_posterior()))
    assert plain.courses is None
    for quantity in ("alpha", "beta"):
        pair = [found.criteria.set_index("quantity").loc[quantity, "median"] for found in (free, plain)]
        assert pair[0] == pytest.approx(pair[1], abs=1e-9)


def test_the_context_says_which_trials_are_staggered():
    assert read_context(fake_posterior()).staggered
    assert read_context(three_groups()).staggered
    assert not read_context(active_and_control(controlled_week=24.0)).staggered
    assert read_context(active_and_control(controlled_week=24.0)).switch_week is None
