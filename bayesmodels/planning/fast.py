"""The fast analysis of a simulated trial: ANCOVA of the change at a week, with a normal prior; no sampler."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesmodels.errors import BadInput
from bayesmodels.planning.endpoint import EXTRAPOLATED_FROM, SIMULATED, PlannedEndpoint
from bayesmodels.planning.grid import entry_weeks
from bayesmodels.planning.looks import InterimLooks, look_row, looks_at
from bayesmodels.simulation import TrialArrays
from bayesmodels.statistics.least_squares import comparison_design, least_squares
from bayesmodels.statistics.normal_prior import DifferencePosterior, predictive_probability


@dataclass(frozen=True)
class Observed:
    """What is known of the persons of a simulated trial, as arrays.

    Attributes
    ----------
    first : array (person,) of bool
        In the first start group, else in the reference.
    stratum : array (person,)
    entry_weeks : array (person,)
        Calendar weeks from the first person's entry to each person's.
    values : mapping of (str, int) to array (person,)
        By outcome and week; NfL as its natural logarithm; NaN where it was not observed.
    extrapolated : mapping of (str, int) to array (person,)
        Change since randomisation by outcome and week: observed, or at the pace up to the last visit before the week,
        a third of the way or later; NaN where neither.
    """

    first: np.ndarray
    stratum: np.ndarray
    entry_weeks: np.ndarray
    values: dict[tuple[str, int], np.ndarray]
    extrapolated: dict[tuple[str, int], np.ndarray]


def observed(trial: TrialArrays, weeks: Sequence[int]) -> Observed:
    """Read a simulated trial at week 0 and at chosen weeks.

    Parameters
    ----------
    trial : TrialArrays
        Of a cell of a grid: its first data lock tells when persons entered.
    weeks : sequence of int
    """
    recorded = {"nfl_plasma": np.log(trial.nfl), "alsfrs_r": trial.score}
    found = {}
    for at in {0, *weeks}:
        here = trial.week == at
        for name in SIMULATED:
            column = np.full(len(trial.group), np.nan)
            column[trial.row[here]] = recorded[name][here]
            found[name, at] = column
    reached = {}
    for at in weeks:
        within = (trial.week <= at) & (trial.week >= EXTRAPOLATED_FROM * at)
        for name in SIMULATED:
            change, week = np.full(len(trial.group), np.nan), np.full(len(trial.group), np.nan)
            change[trial.row[within]] = recorded[name][within]  # visits are in order: a person's last one stays
            week[trial.row[within]] = trial.week[within]
            reached[name, at] = (change - found[name, 0]) * at / week
    return Observed(trial.group == 0, trial.stratum, entry_weeks(trial.follow_up[:, 0]), found, reached)


def difference(known: Observed, endpoint: PlannedEndpoint, week: int, among: np.ndarray | None = None) -> tuple:
    """Posterior of an endpoint's difference of change, first group minus reference, and who it rests on.

    Least squares of the change since randomisation on start group, value at randomisation, stratum, and the values at
    randomisation of the outcomes in `adjust`, among persons observed at both times or extrapolated; the Student
    likelihood of the difference times its normal prior. A known SD of the residuals makes it normal.

    Parameters
    ----------
    known : Observed
    endpoint : PlannedEndpoint
    week : int
    among : array (person,) of bool, optional
        Persons who may be used; default all.

    Returns
    -------
    DifferencePosterior, int
        And the number of persons analysed.

    Raises
    ------
    BadInput
        Too few persons, or none in a group.
    """
    baseline = known.values[endpoint.outcome, 0]
    change = known.values[endpoint.outcome, week] - baseline
    if endpoint.missing == "extrapolated":
        change = known.extrapolated[endpoint.outcome, week]
    covariates = {name: known.values[name, 0] for name in dict.fromkeys((endpoint.outcome, *endpoint.adjust))}
    seen = np.isfinite(change) & np.all([np.isfinite(column) for column in covariates.values()], axis=0)
    if among is not None:
        seen &= among
    own = {str(name): column[seen] for name, column in covariates.items()}
    design, _ = comparison_design(known.first[seen], own, known.stratum[seen])
    coefficients, covariance, df = least_squares(design, change[seen])
    if endpoint.known_sd is None:
        se = float(np.sqrt(covariance[1, 1]))
    else:
        se, df = endpoint.known_sd * float(np.sqrt(np.linalg.inv(design.T @ design)[1, 1])), np.inf
    posterior = DifferencePosterior(float(coefficients[1]), se, df, endpoint.prior_mean, endpoint.prior_sd)
    return posterior, int(seen.sum())


def favours(posterior: DifferencePosterior, endpoint: PlannedEndpoint) -> float:
    """Probability that a difference favours the first group.

    Parameters
    ----------
    posterior : DifferencePosterior
    endpoint : PlannedEndpoint
    """
    below = posterior.below(endpoint.beyond)
    return 1 - below if endpoint.sign > 0 else below


def endpoint_rows(
    known: Observed, endpoints: Iterable[PlannedEndpoint], period: int, contrast: str, interval: float
) -> list[dict[str, Any]]:
    """A row for each endpoint, with the columns of `bayesmodels.trials` and the number of persons analysed.

    Parameters
    ----------
    known : Observed
    endpoints : iterable of PlannedEndpoint
    period : int
        Weeks.
    contrast : str
    interval : float
        Level of the equal-tailed interval.
    """
    tail = (1 - interval) / 2
    rows = []
    for endpoint in endpoints:
        week = period + endpoint.weeks_after
        posterior, n = difference(known, endpoint, week)
        lower, lower_50, median, upper_50, upper = (
            posterior.quantile(level) for level in (tail, 0.25, 0.5, 0.75, 1 - tail)
        )
        probability = favours(posterior, endpoint)
        rows.append(
            {
                "kind": "rule", "rule": endpoint.name, "quantity": endpoint.quantity(contrast, week),
                "variable": "difference", "outcome": endpoint.outcome, "week": float(week), "mean": posterior.mean,
                "sd": posterior.sd, "median": median, "lower": lower, "upper": upper, "lower_50": lower_50,
                "upper_50": upper_50, "probability": probability, "success": probability > endpoint.probability,
                "analysed": n,
            }
        )  # fmt: skip
    return rows


def look_rows(
    known: Observed, endpoints: Iterable[PlannedEndpoint], period: int, interim: InterimLooks
) -> list[dict[str, Any]]:
    """A row for each look, the final analysis included, and endpoint that is looked at.

    A look takes place when the persons who make up its fraction, in the order in which they entered, have reached the
    last of the weeks of the endpoints that are looked at. One that cannot be analysed (one group only, too few persons)
    has no numbers and stops nothing.

    Parameters
    ----------
    known : Observed
    endpoints : iterable of PlannedEndpoint
    period : int
        Weeks.
    interim : InterimLooks
    """
    own = [endpoint for endpoint in endpoints if endpoint.name in interim.endpoints]
    due = period + max(endpoint.weeks_after for endpoint in own)
    rows = []
    for look in looks_at(known.entry_weeks, interim, due):
        for endpoint in own:
            row = look_row(look, endpoint, period)
            rows.append(row)
            try:
                posterior, n = difference(known, endpoint, period + endpoint.weeks_after, look.among)
            except BadInput:
                continue
            predictive = None
            if look.fraction < 1:
                predictive = predictive_probability(
                    posterior, look.fraction, beyond=endpoint.beyond, sign=endpoint.sign,
                    probability=endpoint.probability,
                )  # fmt: skip
            row |= {
                "analysed": n, "mean": posterior.mean, "sd": posterior.sd, "probability": favours(posterior, endpoint),
                "predictive": predictive,
            }  # fmt: skip
    return rows
