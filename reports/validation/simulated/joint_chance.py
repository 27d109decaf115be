"""How the luck of simulated trials enters the mean of their estimates, and the bias without it (control variates)."""

from __future__ import annotations

import numpy as np

from validation.simulated.joint_trials import JointTrial
from validation.simulated.joint_truth import Array, JointTruth, cumulative_hazards, time_grid

CELLS = 60


def chance(truth: JointTruth, trial: JointTrial) -> Array:
    """What fell to a trial by chance, by start group: each number has expectation zero, (start group x 4,).

    Means over the group's persons of their first outcome's deviations of level and of rate, of the martingale residual
    of their exit (events less cumulative hazard), and of that residual times the deviation of rate.
    """
    edges = time_grid(truth, trial.people.start, float(trial.exit.max()), CELLS)
    total = cumulative_hazards(truth, truth.events, trial.people, trial.terms, np.minimum(edges, trial.exit[:, None]))
    residual = (trial.code > 0) - total[:, -1]
    level, rate = trial.terms[:, 0], trial.terms[:, 1]
    numbers = np.stack([level, rate, residual, residual * rate], axis=1)
    groups = range(int(trial.people.group.max()) + 1)
    return np.concatenate([numbers[trial.people.group == g].mean(axis=0) for g in groups])


def without_chance(errors: Array, luck: Array) -> tuple[float, float]:
    """Mean of errors (trial,) and its standard error, the part linear in the trials' luck (trial, number) taken out.

    The intercept of least squares on numbers of expectation zero: unbiased for the mean but for terms of order one over
    the number of trials, and more precise (control variates).
    """
    x = np.column_stack([np.ones(len(errors)), luck])
    found, *_ = np.linalg.lstsq(x, errors, rcond=None)
    left = errors - x @ found
    variance = left @ left / (len(errors) - x.shape[1]) * np.linalg.inv(x.T @ x)[0, 0]
    return float(found[0]), float(np.sqrt(variance))
