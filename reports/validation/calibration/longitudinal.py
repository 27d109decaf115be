"""Calibration of `LongitudinalModel`: truths from its prior, trials, and the quantities that are ranked.

The truths and the trials come from NumPy (`model_trials`), not from the model's own graph. Trials are smaller than
VALOR (36 / 18 persons, eight visits), so that fits are quick; calibration holds for any size.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

import numpy as np

from bayesmodels.fitting.refit import Refit
from bayesmodels.models.visits.design import as_data
from validation.calibration.case import Arrays, Calibrated, Case
from validation.simulated.labelled import scalars
from validation.simulated.model_trials import OUTCOMES, STRATA, draw_truth, free_variables, published, two_strata
from validation.simulated.model_visits import (
    CORRELATED_WALKS,
    FIXED_SKEWNESS,
    VALOR_LAYOUT,
    simulate_visits,
    the_model,
    the_refit,
)

SMALL_LAYOUT = two_strata(
    persons=((20, 16), (10, 8)), weeks=(0.0, 4.0, 12.0, 28.0, 40.0, 52.0, 100.0, 148.0), shortest_weeks=60.0
)
"""Half of VALOR's persons with the same shares of strata, so that the model compiled for the recovery study serves."""


def draw(form: str, rng: np.random.Generator) -> Case:
    """A truth from the whole prior and a trial.

    Compared are all population parameters, the contrast between start groups on its own scale, the differences of mean
    courses, and the log-likelihood of the trial.
    """
    truth = draw_truth(the_model(form), rng)
    arrays = as_data(simulate_visits(truth, SMALL_LAYOUT, rng), OUTCOMES)

    def compare(refit: Refit, free: Arrays, drawn: Arrays) -> tuple[Mapping[str, Any], Arrays]:
        every = free_variables(truth)
        own = {name: every[name] for name in refit.names}
        true = published(truth, VALOR_LAYOUT.weeks, SMALL_LAYOUT.shares)
        truths, draws = (dict(scalars({**part, "week": VALOR_LAYOUT.weeks})) for part in (true, drawn))
        for f, stratum in enumerate(STRATA):
            label = f"effect_contrast[{OUTCOMES[0]}, {stratum}]"
            draws[label], truths[label] = (
                free["scaled_effect_contrast"][:, 0, f, 0],
                own["scaled_effect_contrast"][0, f, 0],
            )
        draws["log_likelihood"] = refit.log_likelihoods(free)
        truths["log_likelihood"] = refit.log_likelihoods({name: value[None] for name, value in own.items()})[0]
        known = {name for name, values in draws.items() if (values == truths[name]).all()}  # fixed by the model
        return truths, {name: values for name, values in draws.items() if name not in known}

    return Case(arrays, compare)


CALIBRATED, NORMAL_RATES, SKEWED_RATES, WALKS = (
    Calibrated(draw, the_refit, {form: inf}) for form in ("", *FIXED_SKEWNESS, CORRELATED_WALKS)
)
