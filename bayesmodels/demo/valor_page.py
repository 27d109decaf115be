"""VALOR's published means as sections of a page."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from bayesmodels.demo.valor import MAIN, MeansFit, ValorResults
from bayesmodels.demo.valor_figures import prediction_figure, trap_figure, week_148_figure
from bayesmodels.demo.valor_lead import AFTER_SWITCH, nfl_response, percent
from bayesmodels.models.prior_table import prior_table
from bayesmodels.posterior.wording import estimate, fixed
from bayesmodels.reporting import Picture, Section

NAMES = {"nfl_plasma": "NfL", "alsfrs_r": "ALSFRS-R"}
INTERVAL = "95 % equal-tailed interval"


def valor_sections(results: ValorResults) -> list[Section]:
    """Sections of the page, in reading order."""
    return [
        _nfl_section(results),
        _held_out_section(results),
        _strata_section(results),
        _whole_section(results),
        _trap_section(results),
        _prior_section(results.fits[MAIN]),
    ]


def _nfl_section(results: ValorResults) -> Section:
    table = nfl_response(results.fits[MAIN])
    fall = table["quantity"].str.startswith("fall")
    shown = pd.DataFrame(
        {
            "Quantity": table["quantity"],
            "Unit": table["unit"],
            "Posterior": table["shown"],
            "Prior": [estimate(*row) for row in table[["prior_median", "prior_lower", "prior_upper"]].to_numpy()],
            "In percent": table["percent"].where(fall, ""),
        }
    )
    return Section(
        "The NfL response, fitted to week 28",
        ["NfL stays level for a lag, then falls to a plateau; the untreated drift stops while the drug suppresses it."],
        {
            f"NfL response: median and {INTERVAL}, prior beside posterior": shown,
            f"The fall under other priors (ours was informed by the trial), ln: median and {INTERVAL}": _falls(results),
        },
        [_prediction_picture(results, "nfl_plasma", stratum) for stratum in ("faster", "slower")],
        "Line and band: mean course fitted to weeks 2 to 28. Bars: predictive interval of each later published "
        "mean, given the same arm's earlier means; filled markers lie inside it, hollow ones outside. Dashed line: "
        f"week 28, the last fitted visit. {AFTER_SWITCH} Persons still observed at later visits were not published "
        "by visit.",
    )


def _falls(results: ValorResults) -> pd.DataFrame:
    rows = results.fall_priors
    shown = [estimate(*row) for row in rows[["median", "lower", "upper"]].to_numpy()]
    wide = rows.assign(shown=shown).pivot(index="prior", columns="stratum", values="shown").loc[rows["prior"].unique()]
    return wide.reset_index().rename(columns={"prior": "Prior", "faster": "Faster", "slower": "Slower"})


def _held_out_section(results: ValorResults) -> Section:
    starts = results.starts
    shown = pd.DataFrame(
        {
            "Delayed group on the drug from week": starts["delayed_start_week"],
            "Model of function": starts["model"],
            "ALSFRS-R inside, of 10": starts["alsfrs_r"],
            "NfL inside, of 10": starts["nfl_plasma"],
            "Inside, of 20": starts["inside"],
        }
    )
    return Section(
        "Not a pure held-out test",
        [
            "The later means were not used in the fit, but they were in view when the model was chosen: the "
            "delayed group's start at week 30 (from NfL at week 40), the visit-shock SDs, the correlations between "
            "visits (from standard errors to week 76) and the deceleration. Hence start at week 28, the nominal "
            "switch, beside 30, and the model without an effect on function beside every prediction.",
            "NfL of both groups rebounds in the extension, which no smooth prediction from week 28 foresees: only "
            "about half of its later means are inside. The models of function share one fit of NfL.",
        ],
        {"Published stratum means at weeks 40 to 76 inside their 95 % predictive interval": shown},
    )


def _strata_section(results: ValorResults) -> Section:
    own = results.strata[results.strata["outcome"] == "alsfrs_r"]
    nfl = results.strata[results.strata["outcome"] == "nfl_plasma"]
    return Section(
        "Weeks 40 to 76, by stratum: predicted and published later",
        [
            f"ALSFRS-R: {_inside(own, MAIN)} published means inside with an effect on function, "
            f"{_inside(own, 'no effect, decelerating')} without. Coverage does not tell the models apart.",
        ],
        {
            f"ALSFRS-R, change in points: predictive median and {INTERVAL}, by model of function": _wide(own),
            f"NfL, ln ratio to baseline: predictive median and {INTERVAL}": _wide(nfl),
        },
        [_prediction_picture(results, "alsfrs_r", stratum) for stratum in ("faster", "slower")],
        "An asterisk marks a published mean outside the interval. Each prediction is conditional on the same arm's "
        "means to week 28 and includes sampling error and visit shocks. Estimand: all persons, as if alive and "
        f"followed, missing at random. {AFTER_SWITCH}",
    )


def _whole_section(results: ValorResults) -> Section:
    week_52 = results.whole[results.whole["week"] == 52]
    week_148 = results.whole[results.whole["week"] == 148]
    gap = results.difference
    shown = pd.DataFrame(
        {
            "Model of function": gap["model"],
            "Published": gap["published"],
            "Predicted": [estimate(*row) for row in gap[["median", "lower", "upper"]].to_numpy()],
            "Inside": gap["inside"].map({True: "yes", False: "no"}),
        }
    )
    function = week_148[week_148["outcome"] == "alsfrs_r"]
    linear = function[function["model"] == "slowing, linear"]
    over = linear["published"] - linear["median"]
    return Section(
        "Weeks 52 and 148, all randomised",
        [
            "Week 52 is adjusted for baseline NfL, another estimand than the stratum means: that adjustment alone "
            "moves the published difference at week 28 from 1.5 to 2.1 points.",
            f"At week 148 the linear untreated course over-predicts the decline by {fixed(over.min(), 0)} to "
            f"{fixed(over.max(), 0)} points. NfL at week 148 is lower than the predicted medians in both groups. No "
            "standard errors were published for week 148; those used are implied by the plug-in spreads. It is "
            "past the week at which half of the trial was still observed: no probability is given.",
        ],
        {
            "ALSFRS-R at week 52, change in points": _wide(week_52),
            "Early minus delayed start at week 52, points (+ favours early start)": shown,
            "ALSFRS-R at week 148, change in points": _wide(function),
            "NfL at week 148, ln ratio to baseline": _wide(week_148[week_148["outcome"] == "nfl_plasma"]),
        },
        [
            Picture(
                partial(week_148_figure, results),
                "Predictive intervals of the change in ALSFRS-R at week 148 by model of function and start group, "
                "with the published means.",
                "Predictions from weeks 2 to 28. Dashed: published at week 148.",
            )
        ],
        "All randomised are a mixture of the strata with the trial's own shares (60 of 108 faster) in both groups. "
        "Estimand: all persons, as if alive and followed; the published means are those of an analysis whose "
        f"handling of deaths and withdrawals at week 148 is not public. {AFTER_SWITCH}",
    )


def _trap_section(results: ValorResults) -> Section:
    table = results.trap
    shown = pd.DataFrame(
        {
            "Model of function": table["model"],
            "Slowing": [
                "" if np.isnan(row[0]) else percent(row) for row in table[["slowing", "lower", "upper"]].to_numpy()
            ],
            "Highest log-likelihood": [fixed(value, 1) for value in table["log_likelihood"]],
        }
    )
    return Section(
        "The trap at week 148",
        [
            "Here, and only here, week 148 is fitted, beside the strata's means to week 76. With a linear "
            "untreated course the model can meet the small late decline only by a large drug effect, and says so "
            "with a narrow interval. Let the untreated course decelerate and the effect is uncertain again; take "
            "the effect away and the fit is about as good. The narrow interval comes from the assumption, not from "
            "the data.",
        ],
        {"Fits of ALSFRS-R to weeks 2 to 76 of the strata and week 148 of all randomised": shown},
        [
            Picture(
                partial(trap_figure, results),
                "Slowing of the untreated decline with 95 % intervals, fitted to week 28 and with week 148, for "
                "decelerating and linear untreated courses.",
                "95 % equal-tailed intervals. Zero: no effect.",
            )
        ],
        "Informative loss pulls the same way: in simulated trials observed-case means at week 148 nearly erase a real "
        "advantage of early start, because early start keeps more fast progressors in follow-up.",
    )


def _prior_section(fitted: MeansFit) -> Section:
    table = prior_table(fitted.model).rename(columns=str.capitalize)
    spread = [
        {
            "Outcome": NAMES[outcome.name],
            "Stratum": part.stratum,
            "Slope SD": part.rate_sd,
            "Brownian SD": part.random_walk_sd,
            "Residual SD": part.residual_sd,
            "Visit shock SD": part.visit_shock_sd,
            "Reading error": outcome.spread.reading_error,
            "Unit": outcome.unit,
        }
        for outcome in fitted.model.outcomes
        for part in outcome.spread.strata
    ]
    blank = int(fitted.data.frame["se"].isna().sum())
    return Section(
        "Priors and plug-in spreads",
        [
            "Visits of one arm share their persons: correlations between visits come from the plug-in spreads below "
            "(slope, Brownian path, residual), the diagonal from the published standard errors and the reading error. "
            f"{blank} of the fitted means have no published standard error; theirs is implied by the spreads."
        ],
        {
            "Priors": table,
            "Plug-in spreads between and within persons (per month, per root month)": pd.DataFrame(spread),
        },
        collapsed=True,
    )


def _prediction_picture(results: ValorResults, outcome: str, stratum: str) -> Picture:
    good = "Down is good." if outcome == "nfl_plasma" else "Up is good."
    return Picture(
        partial(prediction_figure, results, outcome, stratum),
        f"{NAMES[outcome]} over weeks by start group, {stratum} stratum: fitted means, fitted course, and later "
        "means with their predictive intervals.",
        f"{good} Model of function: {MAIN}.",
    )


def _wide(table: pd.DataFrame) -> pd.DataFrame:
    """One row per published mean, one column per model; an asterisk where the mean is outside."""
    keys = [key for key in ("stratum", "start_group", "week") if key == "start_group" or table[key].nunique() > 1]
    shown = table.assign(
        text=[estimate(row.median, row.lower, row.upper) + ("" if row.inside else " *") for row in table.itertuples()]
    )
    wide = shown.pivot(index=[*keys, "published"], columns="model", values="text")
    wide = wide[[label for label in dict.fromkeys(table["model"])]].reset_index()
    wide["published"] = [fixed(value, 2) for value in wide["published"]]
    names = {"stratum": "Stratum", "start_group": "Start group", "week": "Week", "published": "Published"}
    return wide.rename(columns=names).rename_axis(columns=None)


def _inside(table: pd.DataFrame, model: str) -> str:
    own = table[table["model"] == model]
    return f"{int(own['inside'].sum())} of {len(own)}"
