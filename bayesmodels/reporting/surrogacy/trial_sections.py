"""Sections of the page about the trial rung, and its first screen: the verdict, then what is identified."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.reporting.drawing import LazyFigures
from bayesmodels.reporting.page import Lead, Picture, Section
from bayesmodels.reporting.surrogacy.trial_evidence import TrialEvidence
from bayesmodels.reporting.surrogacy.trial_figures import described
from bayesmodels.reporting.wording import chance, estimate, fixed

KINDS = {0: "", 1: "below ", 2: "above ", 3: ""}
ENDS = ("surrogate", "outcome")


def trial_lead(evidence: TrialEvidence, label: str, prob: float, notes: tuple[str, ...] = ()) -> Lead:
    """The first screen."""
    verdict, information = evidence.verdict, evidence.information
    n, unused = len(evidence.rows), len(evidence.unused)
    prior = evidence.information.prior_r2
    what = (
        f"Does a treatment's effect on {evidence.labels['surrogate']} predict its effect on "
        f"{evidence.labels['outcome']}? {n} row{'s' * (n != 1)} of {evidence.rows['programme'].nunique()} independent "
        f"programmes entered; {unused} could not be used. Effects are active minus control; numbers are posterior "
        f"medians with {label}."
    )
    r2 = estimate(*_limits(evidence.draws.r2, prob))
    line = (
        f"R² of effects over trials: {r2}; a priori {estimate(*prior)}. The data moved the correlation by "
        f"{information.bits:.2f} bits; R²'s interval is {information.width_ratio:.2f} times as wide as the prior's."
    )
    known, unknown = _responses(evidence, prob)
    (unknown if verdict.verdict in ("not assessable", "uncertain") else known).insert(0, line)
    new = _new_trial(evidence, prob)
    if new:
        known.append(new)
    unknown += _thresholds_said(evidence) if verdict.verdict == "not assessable" else []
    if verdict.verdict != "not assessable":
        known += _thresholds_said(evidence)
    return Lead((verdict.sentence(), what, *notes), known, unknown)


def trial_sections(evidence: TrialEvidence, figures: LazyFigures, label: str, prob: float) -> Iterator[Section]:
    """All sections of the trial rung."""
    yield _verdict_section(evidence, figures, label, prob)
    yield _effects_section(evidence, figures, label)
    yield _threshold_section(evidence, figures, prob)
    if len(evidence.leave_one_out):
        yield _leave_one_out_section(evidence, figures)
    if len(evidence.needed):
        yield _needed_section(evidence)
    if len(evidence.unused):
        table = evidence.unused.rename(columns={"row": "Row", "trial": "Trial", "reason": "Reason"})
        yield Section("Rows that were not used", (), {"Rows of the table, and why": table[["Trial", "Row", "Reason"]]})


def _verdict_section(evidence: TrialEvidence, figures: LazyFigures, label: str, prob: float) -> Section:
    draws, prior = evidence.draws, evidence.prior
    unit_t = evidence.units["outcome"]
    quantities = (
        ("R²", draws.r2, prior.r2, ""),
        ("Correlation", draws.rho, prior.rho, ""),
        ("Slope", draws.slope, prior.slope, _per(evidence)),
        ("Intercept", draws.intercept, prior.intercept, unit_t),
        ("SD given the surrogate's effect", draws.conditional_sd, prior.conditional_sd, unit_t),
        (f"Mean effect on {evidence.labels['surrogate']}", draws.mean_s, prior.mean_s, evidence.units["surrogate"]),
        (f"Mean effect on {evidence.labels['outcome']}", draws.mean_t, prior.mean_t, unit_t),
        (f"SD between trials, {evidence.labels['surrogate']}", draws.sd_s, prior.sd_s, evidence.units["surrogate"]),
        (f"SD between trials, {evidence.labels['outcome']}", draws.sd_t, prior.sd_t, unit_t),
    )
    table = pd.DataFrame(
        [
            {
                "Quantity": name,
                f"Posterior ({label})": estimate(*_limits(after, prob)),
                f"Prior ({label})": estimate(*_limits(before, prob)),
                "Unit": unit,
            }
            for name, after, before, unit in quantities
        ]
    )
    rules = _rules(evidence)
    picture = Picture(
        figures.maker("trial_r2"),
        "Histogram of R squared of effects over trials: posterior over prior.",
        "Where the two look alike, the data have said little.",
    )
    note = (
        "Trial level only: what holds within persons of one trial is another rung, and is not inferred from this one."
    )
    return Section(
        "How far the effects go together over trials",
        [evidence.information.sentence()],
        {"Distribution of true effects over trials": table, "Rules in use, with their inputs": rules},
        [picture],
        note,
    )


def _rules(evidence: TrialEvidence) -> pd.DataFrame:
    """Rules in use, with their inputs."""
    bses, verdict = evidence.bses3, evidence.verdict
    step = "–" if not bses or bses["step"] is None else fixed(bses["step"], 2)
    after, before = (chance(float(np.mean(draws.r2 > 0.5))) for draws in (evidence.draws, evidence.prior))
    rows = [
        ("Verdict", verdict.verdict, " ".join(verdict.reasons)),
        ("Information gain", f"{evidence.information.bits:.2f} bits", "Kullback-Leibler, rho from its prior"),
        ("IQWiG category", verdict.iqwig, "95 % limits of |rho|: from .85 valid, up to .70 not"),
        ("BSES3, statistics", bses.get("rank", "–"), f"R² {fixed(bses.get('r2_trial', np.nan), 2)}, STEP {step}"),
        ("P(R² > .5)", after, f"a priori {before}"),
    ]
    return pd.DataFrame(rows, columns=["Rule", "Answer", "From"])


def _effects_section(evidence: TrialEvidence, figures: LazyFigures, label: str) -> Section:
    rows = []
    for row in evidence.rows.to_dict("records"):
        shown: dict[str, Any] = {"Trial": row["trial"]}
        if row["programme"] != row["trial"]:
            shown["Programme"] = row["programme"]
        for end in ENDS:
            name = evidence.labels[end]
            shown[f"{name}: reported (95 % CI)"] = _reported(row, end)
            shown[f"{name}: shrunken ({label})"] = estimate(*(row[f"{end}_{k}"] for k in ("median", "lower", "upper")))
        shown["Certainty"] = row["certainty"]
        rows.append(shown)
    picture = Picture(
        figures.maker("trial_bubbles"),
        "Effect on the outcome against effect on the surrogate, one bubble a trial, with regression line and bands.",
        f"Bubbles: reported effects with 95 % CI, area by precision. Blue: line with {label}. Grey: true effect in a "
        "new trial. Dashed green, if there is one: threshold at 97.5 %.",
    )
    return Section(
        "Effects by trial, reported and shrunken",
        ["Shrunken: each trial's true effects given all trials; the less precise, the closer to the others."],
        {"Effects, active minus control": pd.DataFrame(rows).fillna("")},
        [picture],
        "Rows of one programme are parts of one trial; they count as one contrast.",
    )


def _threshold_section(evidence: TrialEvidence, figures: LazyFigures, prob: float) -> Section:
    if not len(evidence.thresholds):
        return Section("Surrogate threshold effect", [f"Not computed: {evidence.threshold_reason}."])
    unit = evidence.units["surrogate"]
    rows = [
        {
            "Probability": f"{100 * row['level']:g} %",
            "Outcome better than": fixed(row["margin"], 2) if row["margin"] else "0",
            "Surrogate effect": "known" if row["surrogate_effect_known"] else f"SE {fixed(row['surrogate_se'], 3)}",
            f"Threshold{f', {unit}' if unit else ''}": described(row["surrogate_effect"]),
            "Why not": row["reason"],
        }
        for row in evidence.thresholds.to_dict("records")
    ]
    paradox = evidence.paradox
    said = (
        f"Probability that a new trial of this kind is good for {evidence.labels['surrogate']} and harms: "
        f"{chance(paradox['joint'])}; harm among those that are good for it: {chance(paradox['given_good_surrogate'])}."
    )
    picture = Picture(
        figures.maker("trial_threshold"),
        "Probability of benefit in a new trial against its effect on the surrogate.",
        f"Solid: surrogate effect known. Dotted: estimated with SE {fixed(evidence.typical_se, 3)}, the median here.",
    )
    return Section(
        "Surrogate threshold effect and paradox",
        [
            "The smallest effect on the surrogate such that for it, and every larger one, a better outcome in a new "
            "trial is predicted with the stated probability. One curve less from 1 is the probability of harm.",
            said,
        ],
        {"Thresholds": pd.DataFrame(rows)},
        [picture],
        "True effect in a new trial, over the posterior of the regression. It may not exist.",
    )


def _leave_one_out_section(evidence: TrialEvidence, figures: LazyFigures) -> Section:
    found = evidence.rows.set_index("trial")
    rows = [
        {
            "Trial": row["trial"],
            "Reported": fixed(float(found.loc[row["trial"], "outcome_estimate"]), 3),
            "Predicted true effect": estimate(row["predicted"], row["lower"], row["upper"]),
            "Interval of its estimate": f"{fixed(row['observed_lower'], 2)} to {fixed(row['observed_upper'], 2)}",
            "Inside": "yes" if row["inside"] else "no",
            "PIT": fixed(row["pit"], 2),
            "Width ratio": fixed(row["width_ratio"], 2),
            "R² without it": estimate(row["r2"], row["r2_lower"], row["r2_upper"]),
        }
        for row in evidence.leave_one_out.to_dict("records")
    ]
    pictures = [
        Picture(
            figures.maker("trial_leave_one_out"),
            "Reported outcome effect of each trial beside its prediction from the other programmes.",
            "Line: predicted true effect; pale bar: the estimate such a trial would find; marker: what it found, "
            "hollow if outside.",
        ),
        Picture(
            figures.maker("trial_influence"),
            "R squared without each programme.",
            "Median and interval of R² without each programme; grey: with all.",
        ),
    ]
    return Section(
        "Leaving out one programme at a time",
        [
            f"{evidence.leave_one_out['inside'].sum():.0f} of {len(rows)} estimates lie inside their 95 % predictive "
            "intervals. Coverage says little where the intervals are wide: a width ratio above 2 means that the "
            "surrogate replaces the outcome at more than twice its standard error."
        ],
        {"Predicted from the other programmes and the trial's own effect on the surrogate": pd.DataFrame(rows)},
        pictures,
        "Width ratio: interval of the predicted true effect over the trial's own confidence interval. PIT: share of "
        "the prediction below the estimate.",
    )


def _needed_section(evidence: TrialEvidence) -> Section:
    table = evidence.needed
    shown = pd.DataFrame(
        {
            "Programmes": table["programmes"],
            "Mean width of R²'s 95 % interval": [fixed(v, 2) for v in table["mean_width"]],
            "Mean lower limit": [fixed(v, 2) for v in table["mean_lower"]],
            "Called supported": [f"{100 * v:.0f} %" for v in table["supported"]],
            "Not assessable": [f"{100 * v:.0f} %" for v in table["not_assessable"]],
        }
    )
    r2, replicates = float(table["r2"].iloc[0]), int(table["replicates"].iloc[0])
    return Section(
        "How many programmes are needed",
        [f"Simulated: {replicates} collections a size with a true R² of {r2:g}, standard errors as in this table."],
        {"What collections of that size would say": shown},
        (),
        "SDs between trials are the stated scales; few replicates, so shares are rough.",
    )


def _responses(evidence: TrialEvidence, prob: float) -> tuple[list[str], list[str]]:
    """Which trials moved which endpoint: the response, known or not."""
    known: list[str] = []
    unknown: list[str] = []
    for row in evidence.rows.to_dict("records"):
        for end in ENDS:
            if row[f"{end}_kind"] != 0:
                continue
            low, high = (row[f"{end}_estimate"] + z * 1.96 * row[f"{end}_se"] for z in (-1, 1))
            text = f"{row['trial']}, effect on {evidence.labels[end]}: {estimate(row[f'{end}_estimate'], low, high)} "
            text += f"{evidence.units[end]} as reported (95 % CI){_favours(evidence, end, low, high)}."
            (known if low > 0 or high < 0 else unknown).append(text)
    most = 6
    for lines in (known, unknown):
        if len(lines) > most:
            more = len(lines) - most
            del lines[most:]
            lines.append(f"and {more} more effects, in the table below.")
    return known, unknown


def _favours(evidence: TrialEvidence, end: str, low: float, high: float) -> str:
    good = evidence.good[end]
    if good is None or low <= 0 <= high:
        return "; the interval contains zero" if low <= 0 <= high else ""
    return f"; {'favours' if (low > 0) == (good == 'up') else 'against'} the active treatment"


def _new_trial(evidence: TrialEvidence, prob: float) -> str:
    """Prediction for a new trial like the one with the largest effect on the surrogate."""
    rows = evidence.rows[evidence.rows["surrogate_kind"] == 0]
    if not len(rows):
        return ""
    like = rows.loc[rows["surrogate_estimate"].abs().idxmax()]
    effect = float(like["surrogate_estimate"])
    median, low, high = evidence.draws.thinned(4000).predicted(effect).interval(prob)
    text = (
        f"A new trial with a known effect on {evidence.labels['surrogate']} of {fixed(effect, 2)} (as in "
        f"{like['trial']}): true effect on {evidence.labels['outcome']} {estimate(median, low, high)} "
        f"{evidence.units['outcome']}, an interval {fixed(high - low, 2)} wide."
    )
    good = evidence.good["outcome"]
    if good is not None:
        probability = evidence.draws.beyond(effect, 0.0, 1.0 if good == "up" else -1.0)
        text += f" Probability of benefit {chance(probability)}."
    return text


def _thresholds_said(evidence: TrialEvidence) -> list[str]:
    if not len(evidence.thresholds):
        return [f"Surrogate threshold effect: not computed, since {evidence.threshold_reason}."]
    table = evidence.thresholds
    plain = table[(table["margin"] == 0) & table["surrogate_effect_known"]]
    unit = evidence.units["surrogate"]
    parts = [f"{100 * row.level:g} %: {described(row.surrogate_effect)}" for row in plain.itertuples()]
    return [f"Surrogate threshold effect{f' ({unit})' if unit else ''} by probability of benefit: {'; '.join(parts)}."]


def _reported(row: dict[str, Any], end: str) -> str:
    if row[f"{end}_kind"] == 3:
        return "not reported"
    value, se = row[f"{end}_estimate"], row[f"{end}_se"]
    if row[f"{end}_kind"] != 0:
        return f"{KINDS[int(row[f'{end}_kind'])]}{fixed(value, 2)} (SE {fixed(se, 2)})"
    return estimate(value, value - 1.96 * se, value + 1.96 * se)


def _limits(values: np.ndarray, prob: float) -> tuple[float, float, float]:
    tail = (1 - prob) / 2
    median, lower, upper = np.quantile(values, [0.5, tail, 1 - tail])
    return float(median), float(lower), float(upper)


def _per(evidence: TrialEvidence) -> str:
    above, below = evidence.units["outcome"], evidence.units["surrogate"]
    return f"{above} per {below}" if above and below else ""
