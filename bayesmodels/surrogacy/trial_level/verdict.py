"""Verdict of the trial rung: how far these trials say that an effect on the surrogate predicts one on the outcome."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesmodels.surrogacy.trial_level.cuts import TrialVerdictSettings
from bayesmodels.surrogacy.trial_level.direction import Direction
from bayesmodels.surrogacy.trial_level.draws import TrialDraws
from bayesmodels.surrogacy.trial_level.prior_information import PriorInformation
from bayesmodels.surrogacy.verdict import LONGER_CHAINS, NOT_CONVERGED, Answer

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True)
class TrialVerdict:
    """Verdict with its reasons.

    Attributes
    ----------
    verdict : {"not assessable", "not supported", "uncertain", "supported"}
    reasons : tuple of str
        Why, in plain words.
    would_change : str
        What data would change it.
    programmes : int
        Independent programmes with both effects.
    abs_rho : (float, float, float)
        Median and 95 % limits of |rho|.
    iqwig : {"valid", "not valid", "unclear", "not assessable"}
        IQWiG's category of the correlation.
    """

    verdict: Answer
    reasons: tuple[str, ...]
    would_change: str
    programmes: int
    abs_rho: tuple[float, float, float]
    iqwig: str

    def sentence(self) -> str:
        """Verdict, reasons, and what would change it."""
        return f"Trial level: {self.verdict}. {' '.join(self.reasons)} {self.would_change}".strip()


def trial_verdict(
    draws: TrialDraws,
    information: PriorInformation,
    programmes: int,
    settings: TrialVerdictSettings | None = None,
    direction: Direction | None = None,
    converged: bool = True,
) -> TrialVerdict:
    """Judge the trial rung.

    Parameters
    ----------
    draws : TrialDraws
    information : PriorInformation
    programmes : int
        Independent programmes with both effects and standard errors; strata of a trial are one.
    settings : TrialVerdictSettings, optional
    direction : Direction, optional
        None where the good directions are not stated: then the association is judged whatever its sign.
    converged : bool
        Whether the chains did; where not, nothing is assessable.
    """
    cut = settings or TrialVerdictSettings()
    median, lower, upper = (float(q) for q in np.quantile(np.abs(draws.rho), [0.5, 0.025, 0.975]))
    limits = f"the 95 % interval of |rho| is {lower:.2f} to {upper:.2f}"
    iqwig = "valid" if lower >= cut.supported_lower else "not valid" if upper <= cut.unsupported_upper else "unclear"
    wrong = 0.0 if direction is None else 1 - direction.right
    if wrong >= cut.direction_probability:
        iqwig = "not valid"
    elif iqwig == "valid" and wrong > 1 - cut.direction_probability:
        iqwig = "unclear"
    if not converged:
        why = (f"{NOT_CONVERGED[0].upper()}{NOT_CONVERGED[1:]}.",)
        return TrialVerdict("not assessable", why, LONGER_CHAINS, programmes, (median, lower, upper), "not assessable")
    reasons: list[str] = []
    if programmes < cut.min_programmes:
        reasons.append(
            f"{_spelt(programmes)} independent contrast{'s' * (programmes != 1)} with both effects and standard "
            f"errors; at least {cut.min_programmes} are needed to assess the trial level."
        )
    if information.rho_width_ratio > cut.max_width_ratio:
        reasons.append(
            f"The 95 % interval of the correlation of effects is {information.rho_width_ratio:.2f} times as wide as "
            f"its prior's (more than {cut.max_width_ratio:g}): the correlation is hardly known better than before "
            "these data."
        )
    verdict: Answer
    if reasons:
        verdict, iqwig = "not assessable", "not assessable"
        change = f"More randomised programmes that report both effects would change this: {_needed(cut, programmes)}."
        if programmes >= cut.min_programmes:
            change = "More programmes, or more precise effects in them, would change this."
    elif wrong >= cut.direction_probability:
        verdict, change = "not supported", "Only trials in which the effects go together the other way would change it."
        reasons.append(
            f"Better effects on the surrogate go with worse effects on the outcome (probability {wrong:.3f})."
        )
        reasons.append(f"{limits[0].upper()}{limits[1:]}.")
    elif upper <= cut.unsupported_upper:
        verdict, change = "not supported", "Only trials in which the effects go together would change this."
        reasons.append(f"{limits[0].upper()}{limits[1:]}, not above {cut.unsupported_upper:g}.")
    elif lower >= cut.supported_lower and direction is not None and direction.harm > cut.max_harm:
        verdict, change = "not supported", "Only treatments that are good for the surrogate and help would change this."
        reasons.append(
            f"The effects go together, but a new treatment of this kind that is good for the surrogate harms with "
            f"probability {direction.harm:.2f}."
        )
    elif lower >= cut.supported_lower and programmes >= cut.min_contrasts and wrong <= 1 - cut.direction_probability:
        verdict, change = "supported", "It holds for treatments of the kind in these trials."
        reasons.append(f"{limits[0].upper()}{limits[1:]}, at least {cut.supported_lower:g}.")
        if direction is None:
            reasons.append("Good directions were not stated, so whether better goes with better was not judged.")
    else:
        verdict = "uncertain"
        reasons.append(f"{limits[0].upper()}{limits[1:]}.")
        if programmes < cut.min_contrasts:
            reasons.append(
                f"{_spelt(programmes)} contrasts: with fewer than {cut.min_contrasts} it is never called supported."
            )
        change = "More programmes, or more precise effects in them, would change this."
    return TrialVerdict(
        verdict, tuple(f"{r[0].upper()}{r[1:]}" for r in reasons), change, programmes, (median, lower, upper), iqwig
    )


def bses3_inputs(
    r2_median: float, threshold_effect: float | None, effects: np.ndarray, surrogate_good: str | None
) -> dict[str, float | str | None]:
    """What the statistics domain of BSES3 asks, and the rank that the trial level alone allows.

    Parameters
    ----------
    r2_median : float
    threshold_effect : float or None
        Surrogate threshold effect at .975 with margin 0.
    effects : array (trial,)
        Observed effects on the surrogate.
    surrogate_good : str or None

    Returns
    -------
    dict
        r2_trial; step, the share of the observed range of surrogate effects beyond the threshold, None where a benefit
        is predicted without any effect on the surrogate (threshold 0: no merit of the surrogate); r2_individual None:
        the individual rung's; rank "excellent", "good", "fair" or "none" by R2_trial and STEP alone.
    """
    step: float | None = None
    if threshold_effect and surrogate_good is not None and np.ptp(effects) > 0:
        edge = effects.max() if surrogate_good == "up" else effects.min()
        beyond = (edge - threshold_effect) * (1 if surrogate_good == "up" else -1)
        step = float(np.clip(beyond / np.ptp(effects), 0, 1))
    rank = "none"
    for name, r2, share in (("fair", 0.2, 0.1), ("good", 0.4, 0.2), ("excellent", 0.6, 0.3)):
        if step is not None and r2_median >= r2 and step >= share:
            rank = name
    return {"r2_trial": r2_median, "step": step, "r2_individual": None, "rank": rank}


def _spelt(n: int) -> str:
    return NUMBERS[n] if n < len(NUMBERS) else str(n)


def _needed(cut: TrialVerdictSettings, programmes: int) -> str:
    more = max(cut.min_programmes - programmes, 0)
    least = f"at least {_spelt(more)} more to be assessed at all, " if more else ""
    return f"{least}{cut.min_contrasts} or more, and as many as 20 to 40, before it could be called supported"
