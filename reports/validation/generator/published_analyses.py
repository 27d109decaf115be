"""Simple equivalents of the analyses behind VALOR's published numbers, for simulated trials.

The published means are adjusted (ANCOVA with multiple imputation). Here each missing visit gets its regression
prediction, which is what multiple imputation averages to, and an ANCOVA gives the adjusted means. Plain NumPy.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayesmodels.simulation import SimulatedTrial

RIDGE = 1e-8
LARGEST_LOG_HAZARD_RATIO = 6.0
"""Where one group has no event the estimate is infinite; it is stopped here."""


def wide(trial: SimulatedTrial, outcome: str) -> np.ndarray:
    """Values [person, visit] in the order of the persons table, NaN where missing; NfL as its natural log."""
    rows = trial.visits[trial.visits["outcome"] == outcome]
    table = rows.pivot(index="person", columns="week", values="value")
    table = table.reindex(index=trial.persons["person"], columns=list(trial.design.visit_weeks))
    values = table.to_numpy(float)
    return np.log(values) if outcome == "nfl_plasma" else values


def imputed(values: np.ndarray, design: np.ndarray) -> np.ndarray:
    """Fill missing visits by regression under missing at random, visit after visit.

    Each visit is regressed, over those seen at it, on the design, the value at randomisation and the two visits before
    (filled already); the prediction replaces what is missing.

    Parameters
    ----------
    values : ndarray [person, visit]
        NaN where missing; the first visit complete.
    design : ndarray [person, column]
        Intercept, start group, and so on.
    """
    filled = values.copy()
    for visit in range(1, values.shape[1]):
        before = filled[:, max(visit - 2, 0) : visit]
        baseline = filled[:, :1] if visit > 2 else filled[:, :0]
        predictors = np.concatenate([design, baseline, before], axis=1)
        missing = np.isnan(values[:, visit])
        coefficients = np.linalg.lstsq(predictors[~missing], values[~missing, visit], rcond=None)[0]
        filled[missing, visit] = predictors[missing] @ coefficients
    return filled


def adjusted_means(change: np.ndarray, delayed: np.ndarray, covariates: np.ndarray) -> tuple[float, float]:
    """Adjusted mean changes of the early and the delayed group: ANCOVA, at the mean of the covariates.

    Parameters
    ----------
    change : ndarray [person]
        Change from randomisation; persons with NaN are left out.
    delayed : ndarray of bool [person]
    covariates : ndarray [person, column]
    """
    seen = ~np.isnan(change)
    centred = covariates - covariates.mean(axis=0)
    predictors = np.column_stack([~delayed, delayed, centred]).astype(float)
    early, late = np.linalg.lstsq(predictors[seen], change[seen], rcond=None)[0][:2]
    return float(early), float(late)


def log_hazard_ratio(week: np.ndarray, event: np.ndarray, covariates: np.ndarray) -> float:
    """Cox log hazard ratio of the first covariate, adjusted for the others (Breslow's ties, Newton's method).

    Parameters
    ----------
    week : ndarray [person]
        Of the event or of the end of follow-up.
    event : ndarray of bool [person]
    covariates : ndarray [person, column]

    Returns
    -------
    float
        Held within ± `LARGEST_LOG_HAZARD_RATIO`.
    """
    order = np.argsort(-week, kind="stable")
    x, event = (covariates - covariates.mean(axis=0))[order], event[order]
    # Everyone with the same week is at risk together: take running sums at the last of a tie.
    last = np.searchsorted(-week[order], -week[order], side="right") - 1
    beta = np.zeros(x.shape[1])
    for _ in range(30):
        risk = np.exp(x @ beta)
        total = np.cumsum(risk)[last]
        mean = np.cumsum(risk[:, None] * x, axis=0)[last] / total[:, None]
        square = np.cumsum(risk[:, None, None] * x[:, :, None] * x[:, None, :], axis=0)[last] / total[:, None, None]
        score = (x - mean)[event].sum(axis=0)
        information = (square - mean[:, :, None] * mean[:, None, :])[event].sum(axis=0)
        step = np.linalg.solve(information + RIDGE * np.eye(len(beta)), score)
        beta = np.clip(beta + np.clip(step, -1, 1), -LARGEST_LOG_HAZARD_RATIO, LARGEST_LOG_HAZARD_RATIO)
        if np.abs(step).max() < 1e-8:
            break
    return float(beta[0])


def group_means(
    trial: SimulatedTrial, outcome: str, stratum: str, *, adjust_for_nfl: bool = False, impute: bool = True
) -> pd.DataFrame:
    """Adjusted mean change per start group at every visit.

    Parameters
    ----------
    trial : SimulatedTrial
        As of the data lock of the analysis, with start groups ``early`` and ``delayed``.
    outcome : str
        ``nfl_plasma`` or ``alsfrs_r``.
    stratum : str
        ``faster``, ``slower``, or ``all`` (stratum then joins the regressions that impute).
    adjust_for_nfl : bool
        Also adjust for log NfL at randomisation.
    impute : bool
        False: observed cases, plain means, neither imputed nor adjusted.

    Returns
    -------
    DataFrame
        Index week, columns ``early`` and ``delayed``.
    """
    persons = trial.persons
    chosen = np.ones(len(persons), bool) if stratum == "all" else (persons["stratum"] == stratum).to_numpy()
    delayed = (persons["start_group"] == "delayed").to_numpy()[chosen]
    slower = (persons["stratum"] == "slower").to_numpy()[chosen]
    values = wide(trial, outcome)[chosen]
    design = np.column_stack([np.ones(len(delayed)), delayed, *([slower] if stratum == "all" else [])])
    covariates = values[:, :1]
    if adjust_for_nfl:
        covariates = np.column_stack([covariates, wide(trial, "nfl_plasma")[chosen, 0]])
    if not impute:
        covariates = values[:, :0]
    filled = imputed(values, design) if impute else values
    means = [adjusted_means(filled[:, k] - filled[:, 0], delayed, covariates) for k in range(values.shape[1])]
    return pd.DataFrame(means, index=pd.Index(trial.design.visit_weeks, name="week"), columns=["early", "delayed"])
