"""First screen of the trial rung: the verdict, then what is identified and what is not."""

from __future__ import annotations

import math

import pandas as pd

from bayesmodels.posterior.monte_carlo import error_in_brackets
from bayesmodels.posterior.wording import chance, estimate, fixed
from bayesmodels.reporting.chapter import LeadLines
from bayesmodels.reporting.chapters.trial_level.figures import described
from bayesmodels.surrogacy.trial_level.draws import limits
from bayesmodels.surrogacy.trial_level.evidence import TrialEvidence
from bayesmodels.surrogacy.trial_level.new_trial import TrialPrediction

ENDS = ("surrogate", "outcome")
FEW = 3
"""Up to so many trials, the first screen names each effect."""


def trial_lead(
    evidence: TrialEvidence,
    label: str,
    prob: float,
    r2_error: float = math.nan,
    asked: TrialPrediction | None = None,
) -> LeadLines:
    """Lines of the first screen, and what stands in place of the paragraph on a fit of one trial.

    Parameters
    ----------
    evidence : TrialEvidence
    label : str
        Kind and level of the intervals.
    prob : float
        Their probability.
    r2_error : float
        Monte-Carlo error of R2; NaN where the chains are long enough.
    asked : TrialPrediction, optional
        The new trial that was asked for.
    """
    verdict, information = evidence.verdict, evidence.information
    n, unused = len(evidence.rows), len(evidence.unused)
    what = (
        f"Does a treatment's effect on {evidence.labels['surrogate']} predict its effect on "
        f"{evidence.labels['outcome']}? {n} row{'s' * (n != 1)} of {evidence.rows['programme'].nunique()} independent "
        f"programmes entered; {unused} could not be used. Effects are active minus control; numbers are posterior "
        f"medians with {label}.{f' {evidence.measures_said}' if evidence.measures_said else ''} {evidence.within_said}"
    )
    r2 = estimate(*limits(evidence.draws.r2, prob))
    line = (
        f"R² of effects over trials: {r2}; a priori {estimate(*evidence.prior_r2)}.{error_in_brackets(r2_error)} "
        f"{information.sentence()}"
    )
    known, unknown = _responses(evidence, prob)
    (unknown if verdict.verdict in ("not assessable", "uncertain") else known).insert(0, line)
    assessable = verdict.verdict != "not assessable"
    if asked is not None:
        row = asked.row()
        sure = assessable and not asked.dominated and not row["lower"] <= 0 <= row["upper"]
        (known if sure else unknown).append(asked.sentence())
    elif new := _new_trial(evidence, prob):
        said, sure = new
        (known if sure and assessable else unknown).append(said)
    found = bool(len(evidence.thresholds)) and bool(_plain(evidence)["surrogate_effect"].notna().any())
    (known if found and assessable else unknown).append(_thresholds_said(evidence))
    rule = (
        "Identified: R² where the trial level is supported or not supported; an effect whose interval leaves out zero; "
        "where the trial level is assessable, also a prediction for a new trial whose interval leaves out zero, and a "
        "threshold that exists."
    )
    return LeadLines(known, unknown, opening=(verdict.sentence(), what), rule=rule)


def _responses(evidence: TrialEvidence, prob: float) -> tuple[list[str], list[str]]:
    """Which trials moved which endpoint: the response, known or not."""
    known: list[str] = []
    unknown: list[str] = []
    if len(evidence.rows) > FEW:
        return [_counted(evidence, end) for end in ENDS], []
    for row in evidence.rows.to_dict("records"):
        for end in ENDS:
            if row[f"{end}_kind"] != 0:
                continue
            low, high = (row[f"{end}_estimate"] + z * 1.96 * row[f"{end}_se"] for z in (-1, 1))
            text = f"{row['trial']}, effect on {evidence.labels[end]}: "
            text += evidence.shown(end, (row[f"{end}_estimate"], low, high))
            text += f" as reported (95 % CI){_favours(evidence, end, low, high)}."
            (known if low > 0 or high < 0 else unknown).append(text)
    return known, unknown


def _counted(evidence: TrialEvidence, end: str) -> str:
    """In how many trials the effect on an endpoint leaves out zero."""
    known = evidence.rows[evidence.rows[f"{end}_kind"] == 0]
    effect, se = known[f"{end}_estimate"], known[f"{end}_se"]
    up, down = int((effect > 1.96 * se).sum()), int((effect < -1.96 * se).sum())
    sides = {"up": f"{up} favour and {down} go against", "down": f"{down} favour and {up} go against"}
    good = evidence.good[end]
    said = f"{sides[good]} the active treatment" if good else f"{up} above zero, {down} below"
    return f"Effect on {evidence.labels[end]}: 95 % CI without zero in {up + down} of {len(known)} trials; {said}."


def _favours(evidence: TrialEvidence, end: str, low: float, high: float) -> str:
    good = evidence.good[end]
    if good is None or low <= 0 <= high:
        return "; the interval contains zero" if low <= 0 <= high else ""
    return f"; {'favours' if (low > 0) == (good == 'up') else 'against'} the active treatment"


def _new_trial(evidence: TrialEvidence, prob: float) -> tuple[str, bool] | None:
    """Prediction for a new trial like the one with the largest effect on the surrogate; whether it leaves out zero."""
    rows = evidence.rows[evidence.rows["surrogate_kind"] == 0]
    if not len(rows):
        return None
    like = rows.loc[rows["surrogate_estimate"].abs().idxmax()]
    effect = float(like["surrogate_estimate"])
    median, low, high = evidence.draws.thinned(4000).predicted(effect).interval(prob)
    text = (
        f"A new trial with a known effect on {evidence.labels['surrogate']} of {evidence.number('surrogate', effect)} "
        f"(as in {like['trial']}): true effect on {evidence.labels['outcome']} "
        f"{evidence.shown('outcome', (median, low, high))}, an interval {fixed(high - low, 2)} wide"
        f"{' on the log scale' if evidence.measure('outcome').ratio else ''}."
    )
    good = evidence.good["outcome"]
    if good is not None:
        sign = 1.0 if good == "up" else -1.0
        after, before = (draws.thinned(4000).beyond(effect, 0.0, sign) for draws in (evidence.draws, evidence.prior))
        text += f" Probability of benefit {chance(after)}; a priori {chance(before)}."
    return text, not low <= 0 <= high


def _plain(evidence: TrialEvidence) -> pd.DataFrame:
    """Thresholds of any benefit with a known effect on the surrogate."""
    table = evidence.thresholds
    return table[(table["margin"] == 0) & table["surrogate_effect_known"]]


def _thresholds_said(evidence: TrialEvidence) -> str:
    if not len(evidence.thresholds):
        return f"Surrogate threshold effect: not computed, since {evidence.threshold_reason}."
    plain = _plain(evidence)
    unit = evidence.units["surrogate"]
    ratio = evidence.measure("surrogate").ratio
    parts = [f"{100 * row.level:g} %: {described(row.surrogate_effect, ratio)}" for row in plain.itertuples()]
    return (
        f"Surrogate threshold effect{f' ({unit})' if unit else ''}, from which on benefit has the probability: "
        f"{'; '.join(parts)}."
    )
