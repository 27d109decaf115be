"""First screen of VALOR's page: what the published means identify and what they do not."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from bayesmodels.demo.valor import MAIN, START_WEEKS, MeansFit, ValorResults
from bayesmodels.posterior.wording import estimate, fixed
from bayesmodels.reporting import Lead

AFTER_SWITCH = "Beyond week 28 all persons are offered the drug: early against delayed start, not drug against placebo."

LONGER = "Longer chains: more draws and more tuning; by default the demo takes 1,000 of each in four chains."


def valor_lead(results: ValorResults) -> Lead:
    """First screen: the NfL response is identified, the size of the functional effect is not.

    Where the chains of a fit did not converge nothing is, for the fits are read against each other.
    """
    paragraphs = [
        "Real input: means by visit that were published for VALOR (tofersen in SOD1-ALS; 72 persons early "
        "start, 36 delayed start), plasma NfL and ALSFRS-R in the faster- and slower-progressing stratum. The "
        "model is fitted to weeks 2 to 28 only and then asked for what was published later.",
        f"{AFTER_SWITCH} NfL: down is good. ALSFRS-R: up is good. Intervals are 95 %, equal-tailed.",
    ]
    cautions = [" ".join(results.short)] if results.short else []
    if results.not_converged:
        return Lead(paragraphs, cautions=cautions, why=results.not_converged, to_try=[LONGER])
    nfl = nfl_response(results.fits[MAIN]).set_index("quantity")
    slowing = {label: slowing_of(results.fits[label]) for label in (MAIN, "slowing, linear")}
    trapped = results.trap.set_index("model").loc["slowing, linear"]
    no_effect = results.trap.set_index("model").loc["no effect, decelerating", "log_likelihood"]
    function = results.starts.set_index(["delayed_start_week", "model"])["alsfrs_r"]
    main, none = ((START_WEEKS[0], label) for label in (MAIN, "no effect, decelerating"))
    return Lead(
        paragraphs=paragraphs,
        cautions=cautions,
        identified=[
            f"The NfL response. After a lag of {nfl.loc['lag', 'shown']} months NfL approaches its plateau with a time "
            f"constant of {nfl.loc['time constant', 'shown']} months.",
            f"Its depth: NfL falls by {nfl.loc['fall, faster', 'percent']} in the faster and "
            f"{nfl.loc['fall, slower', 'percent']} in the slower stratum.",
        ],
        not_identified=[
            f"The size of the functional effect: slowing {percent(slowing[MAIN])} with a decelerating untreated "
            f"course, {percent(slowing['slowing, linear'])} with a linear one (to week 28). A model with no effect "
            f"on function covers as many of the 10 later stratum means of ALSFRS-R ({function[none]} against "
            f"{function[main]}).",
            "The lag of an effect on function (posterior and prior agree) and the deceleration of the untreated "
            "course.",
            "Week 148. Fitted with a linear untreated course it seems to show "
            f"{percent(trapped[['slowing', 'lower', 'upper']].to_numpy(float))} slowing; a decelerating course with "
            f"no effect fits about as well (log-likelihood {fixed(no_effect, 1)} against "
            f"{fixed(trapped['log_likelihood'], 1)}). Do not quote that share.",
            "Whether NfL carries the effect on function or both follow a common cause; how far persons differ in it.",
        ],
    )


def nfl_response(fitted: MeansFit) -> pd.DataFrame:
    """NfL response: quantity, unit, median, lower, upper, prior beside posterior, and words for a page."""
    draws, prior = fitted.posterior["posterior"], fitted.posterior["prior"]
    outcome = {"outcome": "nfl_plasma"}
    rows = []
    for quantity, unit, name, where, sign in (
        ("lag", "months", "effect_lag", {}, 1),
        ("time constant", "months", "effect_time_constant", {}, 1),
        ("fall, faster", "ln", "drug_effect", {"stratum": "faster"}, -1),
        ("fall, slower", "ln", "drug_effect", {"stratum": "slower"}, -1),
        ("drift off drug, faster", "ln per month", "population_rate", {"stratum": "faster"}, 1),
        ("drift off drug, slower", "ln per month", "population_rate", {"stratum": "slower"}, 1),
    ):
        now, before = (_quantiles(sign * tree[name].sel(outcome | where).to_numpy()) for tree in (draws, prior))
        row = {"quantity": quantity, "unit": unit, "median": now[0], "lower": now[1], "upper": now[2]}
        row |= {"prior_median": before[0], "prior_lower": before[1], "prior_upper": before[2]}
        row |= {"shown": estimate(*now), "percent": percent([1 - np.exp(-value) for value in now])}
        rows.append(row)
    return pd.DataFrame(rows)


def percent(numbers: Iterable[float]) -> str:
    """Median, lower, upper as percent: "62 % (56 to 68)"."""
    median, lower, upper = (fixed(100 * value, 0) for value in numbers)
    return f"{median} % ({lower} to {upper})"


def slowing_of(fitted: MeansFit) -> np.ndarray:
    """Slowing of the untreated decline: median, lower, upper."""
    return _quantiles(fitted.posterior["posterior"]["alsfrs_r_slowing"].to_numpy())


def _quantiles(draws: np.ndarray) -> np.ndarray:
    """Median, lower, upper."""
    return np.quantile(draws, [0.5, 0.025, 0.975])
