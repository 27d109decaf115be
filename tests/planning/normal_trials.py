"""A generator's truth whose log NfL makes a two-sample normal trial with a known variance, power in closed form.

Log NfL at randomisation and at week 28 is level + error, no walk, no drift; the drug lowers it by one amount in
everybody. Given the value at randomisation the residual variance is s^2 + t^2 - t^4 / (s^2 + t^2) of the value, t the
SD of levels and s that of errors.
"""

import numpy as np
from scipy.stats import norm

from bayesmodels.planning import Grid, PlannedEndpoint
from bayesmodels.trials.truths import Design, GeneratorTruth

LEVEL_SD, ERROR_SD, WEEK, LAG, TIME_CONSTANT = 0.4, 0.5, 28, 1.36, 1.08
RESIDUAL_SD = float(np.sqrt(LEVEL_SD**2 + ERROR_SD**2 - LEVEL_SD**4 / (LEVEL_SD**2 + ERROR_SD**2)))
REACHED = float(-np.expm1(-(WEEK / (365.25 / 12 / 7) - LAG) / TIME_CONSTANT))
"""Share of the plateau at week 28."""

Z = norm.ppf(0.975)

TRUTH = GeneratorTruth(
    exits=False,
    changes={
        "nfl_mean": 4.0, "nfl_sd": LEVEL_SD, "nfl_residual_sd": ERROR_SD, "nfl_random_walk_sd": 0.0,
        "nfl_drift_mean": 0.0, "nfl_drift_sd": 0.0, "nfl_drop_sd": 0.0, "nfl_drop_mean": 0.9, "nfl_lag": LAG,
        "nfl_time_constant": TIME_CONSTANT, "extension_shift": 0.0,
    },
)  # fmt: skip
DESIGN = Design(n_early=60, n_delayed=60, visit_weeks=(0, WEEK), missed_visits=0.0)
NFL = PlannedEndpoint(name="NfL", outcome="nfl_plasma", known_sd=RESIDUAL_SD)


def grid(persons, **axes):
    return Grid(persons=persons, period_weeks=(WEEK,), **axes)


def standard_error(persons):
    """Of the difference: the value at randomisation, unbalanced by chance, widens it a little; strata are balanced."""
    return RESIDUAL_SD * np.sqrt(4 / persons) * np.sqrt(1 + 1 / (persons - 5))


def power(drop, persons):
    return norm.cdf(drop * REACHED / standard_error(persons) - Z)


def assurance(mean, sd, persons):
    """Drop ~ Normal(mean, sd), log."""
    se = standard_error(persons)
    return norm.cdf((mean * REACHED - Z * se) / np.hypot(sd * REACHED, se))
