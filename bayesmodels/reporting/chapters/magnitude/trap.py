"""Scenarios of the responder trap that a page shows: stated ones, and one with the fit's own covariance of persons."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from bayesmodels.reporting.chapter import Reading
from bayesmodels.simulation.responder_trap import ResponderTrap, responder_trap
from bayesmodels.surrogacy.criteria.courses import in_months
from bayesmodels.surrogacy.magnitude.result import ln_effect

CORRELATIONS = (-0.4, -0.2, 0.0, 0.2)
"""Of the change of log NfL and the slope within an arm: assumptions, none published."""

SIZES = (72, 36)
"""Treated and controls where the posterior does not count persons, as in VALOR (valor_counts)."""

_simulated = lru_cache(maxsize=32)(responder_trap)


def traps_of(reading: Reading) -> list[tuple[str, ResponderTrap]]:
    """Scenarios by name; none of another surrogate than NfL or another outcome than ALSFRS-R.

    Parameters
    ----------
    reading : Reading
    """
    found = reading.magnitude
    if found is None or not _of_nfl_and_function(reading):
        return []
    treated, controls = _sizes(reading)
    cut, effect = min(reading.settings.reductions), ln_effect(_middle(reading.settings.reductions))
    seed = reading.settings.surrogacy.seed
    scenarios = [
        (name, _simulated(cut, surrogate_effect=moved, correlation=r, treated=treated, controls=controls, seed=seed))
        for name, moved in (
            ("Drug does nothing to NfL", 0.0),
            (f"Drug lowers NfL by {-100 * np.expm1(effect):.0f} %", effect),
        )
        for r in CORRELATIONS
    ]
    return [*scenarios, *_of_this_fit(reading, cut, treated, controls, seed)]


def _of_this_fit(
    reading: Reading, cut: float, treated: int, controls: int, seed: int
) -> list[tuple[str, ResponderTrap]]:
    """With the covariance within arms, drift and effect on NfL at their posterior medians, as measured."""
    evidence = reading.surrogate
    if evidence is None or evidence.courses is None or evidence.declared.contrast is None:
        return []
    d = evidence.declared
    arms = evidence.courses.arms(
        d.surrogate.name, d.outcome.name, d.surrogate_week, d.outcome_week, evidence.declared.contrast, observed=True
    )
    covariance = np.median(arms.pooled, axis=0)
    sd = np.sqrt(np.diag(covariance))
    if not (sd > 0).all():
        return []
    span = float(in_months(np.array([d.outcome_week]))[0])
    correlation = float(np.clip(covariance[0, 1] / (sd[0] * sd[1]), -0.999, 0.999))
    drift, change = (float(np.median(arms.mean[:, 0, k])) for k in (0, 1))
    trap = _simulated(
        cut, surrogate_effect=float(np.median(arms.alpha)), correlation=correlation, surrogate_sd=float(sd[0]),
        slope_mean=change / span, slope_sd=float(sd[1]) / span, drift=drift, treated=treated, controls=controls,
        seed=seed,
    )  # fmt: skip
    return [("Persons as in this fit, without the effect on function", trap)]


def _of_nfl_and_function(reading: Reading) -> bool:
    if reading.trials is not None:
        names = (reading.trials.labels["surrogate"], reading.trials.labels["outcome"])
    else:
        d = reading.evidence.declared
        names = (f"{d.surrogate.name} {d.surrogate.label}", f"{d.outcome.name} {d.outcome.label}")
    surrogate, outcome = (re.sub(r"[^a-z]", "", name.lower()) for name in names)
    return ("nfl" in surrogate or "neurofilamentlight" in surrogate) and "alsfrs" in outcome


def _sizes(reading: Reading) -> tuple[int, int]:
    """Persons of both groups of the contrast, of the best attended visit of the outcome."""
    contrast = None if reading.surrogate is None else reading.surrogate.declared.contrast
    if contrast is None:
        return SIZES
    name = reading.evidence.declared.outcome.name
    counted = [reading.observed.at_start(name, group, "all") for group in (contrast.early, contrast.late)]
    return (int(counted[0]), int(counted[1])) if all(n >= 2 for n in counted) else SIZES


def _middle(reductions: tuple[float, ...]) -> float:
    return sorted(reductions)[len(reductions) // 2]
