"""The chapter on borrowing: numbers of its table by hand, and words on what is no longer as randomised."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from fake import SHAPE, fake_posterior, normal_draws
from readings import reading_of

from bayesmodels.posterior.context import AS_RANDOMISED_BUT, read_context
from bayesmodels.posterior.estimand import compared, estimand
from bayesmodels.reporting.chapters.borrowing import NOT_RANDOMISED, Borrowing
from bayesmodels.reporting.document import report

BORROWING = {"type": "robust_mixture", "trial": "ours", "level": "own", "weight": 0.5, "narrow": 0.1, "wide": 1.0}


def drifted(tree):
    """The hand-made posterior with a drift of ALSFRS-R, faster stratum: -.2 of our rate's deviation, and noise."""
    for group, spread in (("posterior", 1.0), ("prior", 5.0)):
        draws = tree[group].to_dataset()
        rate = draws["population_rate"].to_numpy()[..., 1, 0]
        drift = np.full((*SHAPE, 2, 3, 1), np.nan)
        drift[..., 1, 0, 0] = 0.1 - 0.2 * (rate - rate.mean()) + 0.05 * spread * normal_draws(91)
        narrow = np.where(np.isnan(drift), np.nan, 0.3)
        dims = ("chain", "draw", "outcome", "stratum", "external_trial")
        more = xr.Dataset({"trial_drift": (dims, drift), "narrow_drift_probability": (dims, narrow)})
        tree[group] = xr.DataTree(draws.assign(more).assign_coords(external_trial=["cohort"]))
    tree.attrs["model"] = json.dumps(json.loads(tree.attrs["model"]) | {"borrowing": BORROWING})
    data = json.loads(tree.attrs["data"])
    counts = {"persons": 60, "informative": {"alsfrs_r": {"faster": 40}}}
    tree.attrs["data"] = json.dumps(data | {"counts": data.get("counts", {}) | {"external": {"cohort": counts}}})
    return tree


@pytest.fixture(scope="module")
def borrowed():
    return drifted(fake_posterior())


def test_share_used_is_the_slope_and_counts_as_so_many_persons(borrowed):
    (row,) = reading_of(borrowed, Borrowing()).tables["borrowing"].to_dict("records")
    draws = borrowed["posterior"].to_dataset()
    rate = draws["population_rate"].to_numpy()[..., 1, 0].ravel()
    theirs = rate + draws["trial_drift"].to_numpy()[..., 1, 0, 0].ravel()
    slope = np.polyfit(rate, theirs, 1)[0]
    assert row["share_used"] == pytest.approx(slope)
    assert slope == pytest.approx(0.8, abs=0.05)
    assert row["counts_as"] == pytest.approx(40 * slope)
    assert (row["outcome"], row["stratum"], row["external_trial"]) == ("alsfrs_r", "faster", "cohort")
    assert row["external_median"] == pytest.approx(np.median(theirs))
    assert row["narrow_probability"] == pytest.approx(0.3)
    assert row["unit"] == "points per month"


def said_of(tau):
    """What the chapter says of a commensurate prior, with drifts of two strata and two trials, one of them unknown."""
    tree = drifted(fake_posterior())
    for group in ("posterior", "prior"):
        draws = tree[group].to_dataset().drop_vars("narrow_drift_probability")
        drift = draws["trial_drift"].sel(external_trial="cohort")
        known = drift.sel(outcome="alsfrs_r", stratum="faster")
        cohort = drift.where((drift["outcome"] != "alsfrs_r") | (drift["stratum"] != "slower"), known)
        older = drift.assign_coords(external_trial="older")
        both = xr.concat([cohort, older], "external_trial").transpose(..., "external_trial")
        tree[group] = xr.DataTree(draws.drop_dims("external_trial").assign(trial_drift=both))
    prior = {"type": "commensurate", "trial": "ours", "level": "own", "tau": tau}
    tree.attrs["model"] = json.dumps(json.loads(tree.attrs["model"]) | {"borrowing": prior})
    chapter = Borrowing()
    return chapter.section(reading_of(tree, chapter))


def test_a_learned_sd_is_said_to_be_learned_from_the_drifts_of_the_table():
    section = said_of({"sd": 0.5})
    (said,) = (x for x in section.paragraphs if x.startswith("Commensurate prior"))
    assert "learned for each outcome (half-normal, 0.5 SDs of the prior of the rate)" in said
    assert "3 drifts of ALSFRS-R." in said
    assert "known" not in said
    assert "no other table or figure of persons, means or contrasts" in section.note


def test_a_known_sd_is_not_said_to_be_learned():
    (said,) = (x for x in said_of(0.2).paragraphs if x.startswith("Commensurate prior"))
    assert said == "Commensurate prior: the drift is Normal with a known SD, 0.2 SDs of the prior of the rate."


def test_page_and_summary_say_that_external_persons_were_not_randomised(borrowed, tmp_path):
    page = report(borrowed, out=tmp_path / "r")
    text = (tmp_path / "r" / "report.html").read_text()
    assert NOT_RANDOMISED in text
    assert "Robust mixture" in text
    assert AS_RANDOMISED_BUT in text
    assert {"borrowing_rates_0", "borrowing_drift_0"} <= set(page.figures)
    assert page.summary["chapters"]["borrowing"]["said"] == NOT_RANDOMISED
    assert page.summary["chapters"]["borrowing"]["rates"][0]["external_persons"] == 40
    lead = [*page.lead.identified, *page.lead.not_identified]
    assert any(
        "Untreated rate of ALSFRS-R (faster) of cohort (40 external persons, not randomised) minus ours" in x
        for x in lead
    )
    assert any("they count as 32 persons" in x for x in lead)
    assert not any("external persons" in x for x in page.lead.identified)  # -.003 to .21
    assert any("The interval of the drift contains 0." in x for x in page.lead.not_identified)


def test_contrasts_are_as_randomised_but_for_borrowing(borrowed, tree):
    context = read_context(borrowed)
    (contrast,) = context.contrasts
    assert compared(contrast, 12.0) == f"early against delayed {AS_RANDOMISED_BUT}, before the switch"
    assert "open label" in compared(contrast, 52.0)
    assert AS_RANDOMISED_BUT in estimand(context, contrast, 12.0)
    without = read_context(tree)
    assert compared(without.contrasts[0], 12.0) == "early against delayed as randomised, before the switch"


def test_a_posterior_without_borrowing_has_no_chapter(tree):
    assert "borrowing" not in reading_of(tree, Borrowing()).tables


@pytest.fixture(scope="module")
def proportional():
    """The same with a drift on the logarithm of a rate that is not the mean over persons."""
    tree = drifted(fake_posterior())
    for group, spread in (("posterior", 1.0), ("prior", 4.0)):
        draws = tree[group].to_dataset().drop_vars("narrow_drift_probability")
        rate = -1.1 + 0.1 * spread * normal_draws(92)
        log_rate = 0.2 + 0.5 * (rate - rate.mean()) * (group == "posterior") + 0.04 * spread * normal_draws(93)
        known = np.full((*SHAPE, 2, 3), np.nan)
        known[..., 1, 0] = rate
        drift = np.full((*SHAPE, 2, 3, 1), np.nan)
        drift[..., 1, 0, 0] = rate * np.expm1(log_rate)
        more = xr.Dataset(
            {
                "trial_drift": (draws["trial_drift"].dims, drift),
                "reference_rate": (("chain", "draw", "outcome", "stratum"), known),
                "external_log_rate": (("chain", "draw", "external_trial"), log_rate[..., None]),
            }
        )
        tree[group] = xr.DataTree(draws.assign(more))
    priors = {"borrowing": BORROWING, "priors": {"external_log_rate_unit": 0.5}}
    tree.attrs["model"] = json.dumps(json.loads(tree.attrs["model"]) | priors)
    return tree


def test_share_used_of_a_drift_on_the_logarithm_is_that_of_log_rates(proportional):
    chapter = Borrowing()
    reading = reading_of(proportional, chapter)
    (row,) = reading.tables["borrowing"].to_dict("records")
    draws = proportional["posterior"].to_dataset()
    rate = draws["reference_rate"].to_numpy()[..., 1, 0].ravel()
    log_rate = draws["external_log_rate"].to_numpy().ravel()
    slope = np.polyfit(np.log(-rate), np.log(-rate) + log_rate, 1)[0]
    assert row["share_used"] == pytest.approx(slope)
    assert slope == pytest.approx(1 - 0.5 * 1.1, abs=0.05)
    assert row["our_median"] == pytest.approx(np.median(rate))
    assert row["external_median"] == pytest.approx(np.median(rate * np.exp(log_rate)))
    assert row["ratio_median"] == pytest.approx(np.exp(np.median(log_rate)))
    widths = [np.ptp(np.quantile(proportional[g]["external_log_rate"], [0.025, 0.975])) for g in ("posterior", "prior")]
    assert row["width_ratio"] == pytest.approx(widths[0] / widths[1])


def test_the_page_says_that_the_drift_is_on_the_logarithm(proportional):
    chapter = Borrowing()
    section = chapter.section(reading_of(proportional, chapter))
    said = " ".join(section.paragraphs)
    assert "Normal with an SD of 0.05 of log rate with probability 0.5, else with an SD of 0.5 of log rate" in said
    assert "slope of the external log rate on ours" in said
    assert "External deaths inform nothing" in said
    assert "first calendar block" in section.note
    (rates, _) = section.tables.values()
    assert "Ratio" in rates
    assert "week 0" not in section.note
