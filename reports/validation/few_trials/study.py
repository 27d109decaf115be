"""What few trials can say of R2_trial: the design calculation "Few trials and measurement error", run again.

    python -m validation.few_trials --out reports/validation/few_trials

Collections of 2 to 40 trials with known R2 are simulated and fitted; the mean posterior median and 95 % interval of
R2_trial, the share of fits with a lower limit above .5, and the squared correlation of the raw estimates are compared
with a published calculation that used 40 replicates and another program, cell by cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from bayesmodels.fitting.refit import Refit, judged, refit_of, stacked
from bayesmodels.models.trial_level.model import TrialLevelModel
from bayesmodels.simulation import CollectionTruth, simulate_effects
from bayesmodels.study import TrialTable
from bayesmodels.trials.results import Results, convergence_counts, fits_table
from bayesmodels.trials.specification import FitsSpec
from bayesmodels.trials.study import TrialsStudy, Variant
from validation.few_trials.source import LIMIT, comparison

TRIALS = (2, 3, 5, 8, 12, 20, 40)
TRUE_R2 = (0.2, 0.8, 0.95)
CELLS = tuple(product(TRIALS, TRUE_R2))

PRIOR_SCALE = 0.5
"""s of both endpoints: mu ~ Normal(0, (2 s)^2), tau ~ HalfNormal(s), rho ~ Uniform(-1, 1)."""

LEVELS = (0.025, 0.5, 0.975)


def truth_of(r2: float) -> CollectionTruth:
    """tau (.30, .25), means (-.3, -.2), standard errors (.10, .15), correlation of the estimates .2, rho above 0."""
    return CollectionTruth(
        f"R2 {r2:g}", "design calculation", (-0.3, -0.2), (0.30, 0.25), float(np.sqrt(r2)),
        patient_sd=(0.5, 0.75), individual_correlation=0.2,
    )  # fmt: skip


@cache
def the_model() -> TrialLevelModel:
    """Both scales `PRIOR_SCALE`."""
    return TrialLevelModel(surrogate_scale=PRIOR_SCALE, outcome_scale=PRIOR_SCALE)


@cache
def the_refit() -> Refit:
    """The model compiled, once a process."""
    table = TrialTable.from_frame(observed(truth_of(0.5), 3, np.random.default_rng(0)))
    return refit_of(the_model(), table, ("trial_r2", "trial_correlation"))


def observed(truth: CollectionTruth, trials: int, rng: np.random.Generator) -> Any:
    """A simulated table as a user would have it, without the true effects."""
    frame = simulate_effects(truth, trials, seed=rng, patients_per_arm=50)
    return frame.drop(columns=["true_surrogate_effect", "true_outcome_effect"])


def one_fit(spec: FitsSpec, number: int) -> dict[str, Any]:
    """Simulate and fit collection k, which is replicate k // 21 of cell k % 21.

    Returns
    -------
    dict
        Posterior quantiles of R2_trial, the raw estimates' squared correlation, and convergence.
    """
    trials, r2 = CELLS[number % len(CELLS)]
    rng = spec.stream(number)
    frame = observed(truth_of(r2), trials, rng)
    refit = the_refit()
    tree = refit.sample(the_model().arrays(TrialTable.from_frame(frame)), spec.settings(rng))
    found = refit.published(stacked(tree["posterior"].to_dataset(), refit.names))
    quantiles = np.quantile(found["trial_r2"], LEVELS)
    naive = np.corrcoef(frame["surrogate_effect"], frame["outcome_effect"])[0, 1] ** 2
    return {
        "trials": trials,
        "true_r2": r2,
        **{f"q{1000 * level:g}": round(float(q), 5) for level, q in zip(LEVELS, quantiles, strict=True)},
        "naive_r2": round(float(naive), 5),
        **judged(tree, refit, found),
    }


def results(records: list[dict[str, Any]], spec: FitsSpec) -> Results:
    """Every cell beside its source, and the fits."""
    fits = fits_table(records)
    table = comparison(fits)
    counts = {
        "cells": len(table),
        "agree": int(table["agrees"].sum()),
        "largest_errors_apart": round(float(table["errors_apart"].abs().max()), 2),
        **convergence_counts(fits),
    }
    return Results({"comparison": table, "fits": fits}, counts)


def context(files: Mapping[str, Any], variant: Variant) -> dict[str, Any]:
    """Cells by number of trials, true R2 and quantity, and those that differ from the source."""
    table = files["comparison"]
    return {
        "cells": {(r.trials, r.true_r2, r.quantity): r for r in table.itertuples()},
        "apart": table[~table["agrees"]],
        "largest": table["errors_apart"].abs().max(),
        "limit": LIMIT,
        "sizes": TRIALS,
        "true_r2": TRUE_R2,
    }


STUDY = TrialsStudy(
    "validation.few_trials",
    __doc__,
    (
        Variant(
            "Few trials and measurement error", "reports/validation/few_trials", FitsSpec(tune=400, draws=800),
            120 * len(CELLS),
        ),
    ),
    one_fit,
    results,
    Path(__file__).with_name("page.md.j2"),
    context,
)  # fmt: skip
