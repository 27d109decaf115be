"""The mathematics of a simulated person's course: NfL, ALSFRS-R and hazards, in NumPy alone.

Months since randomisation t, month s at which the person starts the drug, x = t - s months on the drug. Formulas
are written out in each function; their parameters are the rows of ``valor_simulator_truth.csv`` in the evidence tables.
Arrays are [person] for random effects and [person, time] for courses; this module imports nothing of the fitted models,
so that it can check them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesmodels.simulation.truth import Truth

WEEKS_PER_MONTH = 365.25 / 12 / 7


@dataclass(frozen=True)
class PersonTerms:
    """What distinguishes one simulated person from another; every array is [person].

    ``start_month`` is infinite for a person who never starts the drug.
    """

    stratum: np.ndarray
    start_month: np.ndarray
    score: np.ndarray
    rate: np.ndarray
    elasticity: np.ndarray
    log_nfl: np.ndarray
    nfl_drift: np.ndarray
    nfl_drop: np.ndarray

    def starting(self, start_month: float) -> PersonTerms:
        """The same persons, had they all started the drug at this month."""
        everyone = np.full_like(self.start_month, start_month)
        return PersonTerms(**{**self.__dict__, "start_month": everyone})


def on_drug(months: np.ndarray, start_month: np.ndarray) -> np.ndarray:
    """Months on the drug [person, time], never below 0; a start at infinity gives 0 throughout."""
    return np.maximum(months[None, :] - start_month[:, None], 0.0)


def plateau_share(months_on_drug: np.ndarray, truth: Truth) -> np.ndarray:
    """Share of the NfL drop reached, h = 1 - exp(-(x - lag)_+ / kappa)."""
    return -np.expm1(-np.maximum(months_on_drug - truth.nfl_lag, 0.0) / truth.nfl_time_constant)


def drug_nfl_change(months_on_drug: np.ndarray, terms: PersonTerms, truth: Truth) -> np.ndarray:
    """Drug-induced change of log NfL [person, time], -D h(x): what decline and hazards respond to."""
    return -terms.nfl_drop[:, None] * plateau_share(months_on_drug, truth)


def drift_time(months: np.ndarray, start_month: np.ndarray, truth: Truth) -> np.ndarray:
    """Months of NfL drift accrued [person, time], the integral of exp(-u / decay) (1 - h(u - s)) from 0 to t.

    The drift fades by itself and stops as the drug takes hold: before s + lag it accrues undisturbed, afterwards the
    remainder accrues at rate exp(-u / decay - (u - s - lag) / kappa). With ``drift_stops_on_drug`` false it only fades.
    """
    if not truth.drift_stops_on_drug:
        start_month = np.full_like(start_month, np.inf)
    decay = truth.drift_decay_months
    onset = start_month[:, None] + truth.nfl_lag
    undisturbed = -decay * np.expm1(-np.minimum(months[None, :], onset) / decay)
    speed = 1 / decay + 1 / truth.nfl_time_constant
    remainder = np.exp(-onset / decay) * -np.expm1(-speed * np.maximum(months[None, :] - onset, 0.0)) / speed
    return undisturbed + remainder


def mean_log_nfl(months: np.ndarray, terms: PersonTerms, truth: Truth) -> np.ndarray:
    """Log NfL [person, time] without random walk and visit error.

    Level, drift, drug drop, late decline beyond a year on the drug, and the shift common to both groups during the
    extension window.
    """
    treated = on_drug(months, terms.start_month)
    late = truth.late_nfl_decline * np.maximum(treated - truth.late_from_months, 0.0)
    first, last = truth.extension_shift_months
    shift = truth.extension_shift * ((months >= first) & (months <= last))
    drift = terms.nfl_drift[:, None] * drift_time(months, terms.start_month, truth)
    return terms.log_nfl[:, None] + drift + drug_nfl_change(treated, terms, truth) - late + shift[None, :]


def current_decline(months: np.ndarray, terms: PersonTerms, truth: Truth) -> np.ndarray:
    """Points per month lost [person, time]: r exp(-rho t) (NfL drug ratio, lagged)^theta."""
    lagged = np.maximum(months[None, :] - terms.start_month[:, None] - truth.function_lag, 0.0)
    elasticity = terms.elasticity * np.where(terms.start_month > 0, truth.late_start_share, 1.0)
    log_slowing = elasticity[:, None] * drug_nfl_change(lagged, terms, truth)
    return terms.rate[:, None] * np.exp(log_slowing - truth.deceleration * months[None, :])


def accrued(rate: np.ndarray, months: np.ndarray) -> np.ndarray:
    """Trapezium integral [person, time] of a rate per month from the first time of the grid."""
    steps = (rate[:, 1:] + rate[:, :-1]) / 2 * np.diff(months)
    return np.concatenate([np.zeros((rate.shape[0], 1)), np.cumsum(steps, axis=1)], axis=1)


def _relative_hazard(
    score: np.ndarray, decline: np.ndarray, per_10: float, per_decline: float, truth: Truth
) -> np.ndarray:
    return np.exp(per_10 * (truth.reference_score - score) / 10 + per_decline * (decline - truth.reference_decline))


def event_hazard(
    months: np.ndarray, score: np.ndarray, decline: np.ndarray, terms: PersonTerms, truth: Truth
) -> np.ndarray:
    """Hazard of death or permanent ventilation, per month [person, time].

    Parameters
    ----------
    score : ndarray [person, time]
        True current ALSFRS-R, within 0 to 48.
    decline : ndarray [person, time]
        Points per month currently lost, `current_decline`.
    """
    change = drug_nfl_change(on_drug(months, terms.start_month), terms, truth)
    level = truth.event_hazard * np.where(terms.stratum == "slower", truth.slower_hazard_ratio, 1.0)
    relative = _relative_hazard(score, decline, truth.hazard_per_10_points, truth.hazard_per_decline, truth)
    return level[:, None] * relative * np.exp(truth.hazard_per_nfl * change)


def progression_withdrawal_hazard(score: np.ndarray, decline: np.ndarray, truth: Truth) -> np.ndarray:
    """Hazard of withdrawal for progression, per month [person, time]; arguments as in `event_hazard`."""
    relative = _relative_hazard(score, decline, truth.withdrawal_per_10_points, truth.withdrawal_per_decline, truth)
    return truth.progression_withdrawal_hazard * relative


def plain_withdrawal_hazard(months: np.ndarray, truth: Truth) -> np.ndarray:
    """Hazard of withdrawal unrelated to the disease, per month [time]."""
    early = truth.early_withdrawal_hazard * (months < truth.early_withdrawal_months)
    return truth.withdrawal_hazard + early


def first_crossing(cumulative: np.ndarray, threshold: np.ndarray, months: np.ndarray) -> np.ndarray:
    """Month [person] at which a cumulative hazard reaches a threshold, interpolated; infinite if never."""
    reached = cumulative >= threshold[:, None]
    after = np.where(reached.any(axis=1), reached.argmax(axis=1), 1)
    after = np.maximum(after, 1)
    person = np.arange(len(threshold))
    low, high = cumulative[person, after - 1], cumulative[person, after]
    with np.errstate(invalid="ignore", divide="ignore"):
        month = months[after - 1] + (threshold - low) / (high - low) * (months[after] - months[after - 1])
    return np.where(reached.any(axis=1), month, np.inf)
