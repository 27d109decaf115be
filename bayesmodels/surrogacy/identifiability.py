"""Verdicts of the response and the individual rung, from the design and the posterior, with what would change them.

What a design cannot show is "not assessable", with the reason, whatever the draws say; a trial that missed its outcome
does not make a surrogate fail.
"""

from __future__ import annotations

import math

import numpy as np

from bayesmodels.posterior.intervals import probability
from bayesmodels.posterior.wording import chance, difference, estimate
from bayesmodels.surrogacy.settings import CutOffs
from bayesmodels.surrogacy.verdict import LONGER_CHAINS, NOT_CONVERGED, Answer, Rung, Verdict

SINGLE_TRIAL = Verdict(
    "trial",
    "not assessable",
    "Whether an effect on the surrogate predicts an effect on the outcome is a question about several randomised "
    "comparisons. This is one.",
    ("One trial has one pair of effects; no correlation of effects can be computed from it.",),
    ("Effects on both endpoints, with standard errors, from other randomised trials (bayesmodels trial-level).",),
)
"""The trial rung of any single trial."""


def response_verdict(
    favours: np.ndarray | None,
    region: float,
    cut_offs: CutOffs,
    *,
    surrogate: str,
    unit: str,
    where: str,
    level: float,
    design: str = "",
) -> Verdict:
    """Does the drug move the surrogate?

    Parameters
    ----------
    favours : (draw,) or None
        Effect on the surrogate, turned so that + favours the drug; None where there is none to read.
    region : float
        Smallest effect that counts.
    cut_offs : CutOffs
    surrogate, unit, where : str
        Name, unit, and "at week 28, early against delayed as randomised".
    level : float
        Probability of the interval.
    design : str
        Why the design cannot say; blank where it can.
    """
    if favours is None or design:
        return _not_assessable(
            "response",
            f"whether the drug moves {surrogate}",
            design or "the model has no effect of the drug on the surrogate",
            "A randomised comparison in which the surrogate is measured.",
        )
    shown, against = probability(favours > region), probability(favours < 0)
    tail = (1 - level) / 2
    lower, median, upper = np.quantile(favours, [tail, 0.5, 1 - tail])
    too_small = probability(favours < region) if region > 0 else against
    needed = cut_offs.effect_probability
    bar = f"more than {region:g} {unit}" if region else "at all"
    reasons = (
        f"Improvement of {surrogate} by the drug, {where}: {difference(median, lower, upper)} {unit}.",
        f"Probability {chance(shown)} that the drug improves it {bar}; needed {needed:g}.",
    )
    answer: Answer
    if shown >= needed:
        answer, text = "supported", f"The drug moves {surrogate} in the good direction."
    elif too_small >= needed:
        answer = "not supported"
        text = f"The drug does not move {surrogate} in the good direction{f' by {region:g} {unit}' if region else ''}."
    else:
        answer, text = "uncertain", f"It is not settled whether the drug moves {surrogate}."
    change = {
        "supported": "A second trial without the effect.",
        "not supported": "A trial with another dose or population that shows the effect.",
        "uncertain": "More persons, or more precise measurement, in the randomised period.",
    }
    return Verdict("response", answer, text, reasons, (change[answer],))


def individual_verdict(
    association: np.ndarray | None,
    cut_offs: CutOffs,
    *,
    surrogate: str,
    outcome: str,
    where: str,
    level: float,
    prior: np.ndarray | None = None,
    design: str = "",
) -> Verdict:
    """Within an arm, do persons whose surrogate changes more have another course?

    Parameters
    ----------
    association : (draw,) or None
        Correlation of the changes within arms, + where a better change of the surrogate goes with a better course; None
        where there are no persons.
    cut_offs : CutOffs
    surrogate, outcome, where : str
    level : float
    prior : (draw,), optional
        The same correlation from the prior alone.
    design : str
        Why the design cannot say; blank where it can.
    """
    if association is None or design:
        return _not_assessable(
            "individual",
            f"whether {surrogate} goes with {outcome} within an arm",
            design or "the archive holds no covariance between persons",
            "Repeated measurements of both in the same persons.",
        )
    tail = (1 - level) / 2
    lower, median, upper = np.quantile(association**2, [tail, 0.5, 1 - tail])
    right_sign = probability(association > 0)
    reasons = [
        f"R2 within arms, {where}: {estimate(median, lower, upper)}; supported from a lower limit of "
        f"{cut_offs.individual_supported:g}, not supported below an upper limit of {cut_offs.individual_refuted:g}.",
        f"Probability {chance(right_sign)} that a better change of {surrogate} goes with a better course.",
    ]
    ratio = math.nan
    if prior is not None:
        width, before = (float(np.ptp(np.quantile(draws, [tail, 1 - tail]))) for draws in (association, prior))
        ratio = width / before
        reasons.append(f"The correlation's interval is {ratio:.2f} times as wide as the prior's.")
        reasons += _beside_prior(association, prior, cut_offs)
    implied = prior is not None and float(np.quantile(prior**2, 1 - tail)) < cut_offs.individual_refuted
    needed = cut_offs.effect_probability
    answer: Answer
    if implied and upper < cut_offs.individual_refuted:
        answer = "not assessable"
        text = f"The model's prior alone lets {surrogate} and {outcome} go together only weakly within an arm."
        reasons.append(
            f"The prior alone keeps R2 below {cut_offs.individual_refuted:g}: a low R2 is what was put in, as where "
            "paths of the two outcomes are taken as independent. More persons would not change it."
        )
    elif ratio >= cut_offs.prior_width:
        answer, text = "not assessable", f"These data hardly moved the prior of how {surrogate} goes with {outcome}."
    elif lower >= cut_offs.individual_supported and right_sign >= needed:
        answer = "supported"
        text = f"Within an arm, persons in whom {surrogate} changes for the better have a better course of {outcome}."
    elif upper < cut_offs.individual_refuted or 1 - right_sign >= needed:
        answer = "not supported"
        wrong = 1 - right_sign >= needed and upper >= cut_offs.individual_refuted
        text = (
            f"Within an arm, a better change of {surrogate} goes with a worse course of {outcome}."
            if wrong
            else f"Within an arm, how {surrogate} changes in a person says little about how {outcome} does."
        )
    else:
        answer = "uncertain"
        text = f"It is not settled how closely, within an arm, the change of {surrogate} goes with that of {outcome}."
    change = {
        "supported": "Persons of another population in whom they do not go together.",
        "not supported": "Longer follow-up, or other persons, in whom they go together.",
        "uncertain": "More persons followed longer with both measured; fewer would not do.",
        "not assessable": "A model whose prior lets them go together: where the random walks are taken as independent, "
        "walk_correlation = 1.0 of the model, in a configuration under [model]."
        if implied
        else "More persons with repeated measurements of both.",
    }
    note = "It is no evidence that moving the surrogate moves the outcome: one cause may drive both."
    return Verdict("individual", answer, text, (*reasons, note), (change[answer],))


def _beside_prior(association: np.ndarray, prior: np.ndarray, cut_offs: CutOffs) -> list[str]:
    """Probability that each answer is true, after the data and before, and what the prior of R2 looks like."""
    low, high = cut_offs.individual_refuted, cut_offs.individual_supported

    def shares(draws: np.ndarray) -> tuple[float, float, float]:
        supported = probability((draws**2 >= high) & (draws > 0))
        refuted = probability((draws**2 < low) | (draws < 0))
        return supported, refuted, 1.0 - supported - refuted

    words = (
        f"R2 at least {high:g}, the better together",
        f"R2 below {low:g}, or the better with the worse",
        "in between",
    )
    pairs = zip(words, shares(association), shares(prior), strict=True)
    beside = "; ".join(f"{word}: {chance(after)} ({chance(before)})" for word, after, before in pairs)
    return [
        f"Probability after the data, and in brackets before: {beside}.",
        f"Before the data R2 is below {low:g} with probability {chance(probability(prior**2 < low))}, whatever the "
        "sign: a prior that is flat in each correlation is not flat in R2, which is a square and mixes random effects "
        "with paths.",
    ]


def _not_assessable(rung: Rung, question: str, why: str, data: str) -> Verdict:
    """A rung on which nothing is said: for want of data, or because the chains did not converge."""
    if why == NOT_CONVERGED:
        text = f"{question[0].upper()}{question[1:]} is not known: {NOT_CONVERGED}."
        return Verdict(rung, "not assessable", text, (why,), (LONGER_CHAINS,))
    return Verdict(rung, "not assessable", f"These data cannot say {question}.", (why,), (data,))
