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
import pandas as pd

from bayesmodels.fitting.refit import Refit, judged, refit_of, stacked
from bayesmodels.models.trial_level.model import TrialLevelModel
from bayesmodels.simulation import CollectionTruth, simulate_effects
from bayesmodels.study import TrialTable
from bayesmodels.trials.results import Results, convergence_counts, fits_table
from bayesmodels.trials.specification import FitsSpec
from bayesmodels.trials.study import TrialsStudy, Variant

TRIALS = (2, 3, 5, 8, 12, 20, 40)
TRUE_R2 = (0.2, 0.8, 0.95)
CELLS = tuple(product(TRIALS, TRUE_R2))

PRIOR_SCALE = 0.5
"""s of both endpoints: mu ~ Normal(0, (2 s)^2), tau ~ HalfNormal(s), rho ~ Uniform(-1, 1)."""

LEVELS = (0.025, 0.5, 0.975)

SOURCE_REPLICATES = 40
ROUNDING = 0.01 / np.sqrt(12)
"""SD of the rounding error of a number printed to two decimals."""

SOURCE: dict[int, dict[float, tuple[float, float, float]]] = {
    2: {0.2: (0.00, 0.26, 0.95), 0.8: (0.00, 0.26, 0.95), 0.95: (0.00, 0.26, 0.95)},
    3: {0.2: (0.00, 0.26, 0.94), 0.8: (0.00, 0.29, 0.95), 0.95: (0.00, 0.30, 0.96)},
    5: {0.2: (0.00, 0.26, 0.89), 0.8: (0.01, 0.44, 0.97), 0.95: (0.01, 0.47, 0.97)},
    8: {0.2: (0.01, 0.28, 0.83), 0.8: (0.02, 0.53, 0.96), 0.95: (0.05, 0.61, 0.97)},
    12: {0.2: (0.01, 0.21, 0.71), 0.8: (0.12, 0.62, 0.94), 0.95: (0.15, 0.71, 0.98)},
    20: {0.2: (0.02, 0.25, 0.65), 0.8: (0.26, 0.72, 0.96), 0.95: (0.34, 0.79, 0.98)},
    40: {0.2: (0.02, 0.18, 0.48), 0.8: (0.41, 0.73, 0.93), 0.95: (0.62, 0.88, 0.99)},
}
"""Mean posterior 2.5, 50 and 97.5 % of R2_trial by number of trials and true R2. Source: a design calculation of our
own before the model was written (40 replicates, another sampler); not published."""

SOURCE_ABOVE_HALF = {2: 0.00, 3: 0.00, 5: 0.00, 8: 0.00, 12: 0.00, 20: 0.23, 40: 0.82}
"""Share of fits whose lower limit is above .5, true R2 .95; the same source."""

SOURCE_NAIVE = {2: (1.00, 1.00), 3: (0.56, 0.65), 5: (0.29, 0.67), 8: (0.28, 0.66), 12: (0.19, 0.66), 20: (0.21, 0.64),
                40: (0.15, 0.68)}  # fmt: skip
"""Mean squared correlation of the raw estimates at true R2 .2 and .95; the same source."""

LIMIT = 3.0
"""Combined Monte-Carlo errors within which a cell agrees."""


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
    """The model compiled, once per process."""
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


def comparison(records: pd.DataFrame) -> pd.DataFrame:
    """Every cell of the source beside ours.

    Returns
    -------
    DataFrame
        trials, true_r2, quantity, source, ours, replicates, error (combined Monte-Carlo error: ours, the source's from
        the spread of our replicates over `SOURCE_REPLICATES`, and the source's rounding), errors_apart, agrees.
    """
    rows = []
    for (trials, r2), cell in records.groupby(["trials", "true_r2"]):
        printed = dict(zip(("q25", "q500", "q975"), SOURCE[trials][r2], strict=True))
        values = {name: cell[name].to_numpy(float) for name in printed}
        if r2 == 0.95:
            printed["lower_above_half"] = SOURCE_ABOVE_HALF[trials]
            values["lower_above_half"] = (cell["q25"] > 0.5).to_numpy(float)
        if r2 != 0.8:
            printed["naive_r2"] = SOURCE_NAIVE[trials][int(r2 == 0.95)]
            values["naive_r2"] = cell["naive_r2"].to_numpy(float)
        for name, source in printed.items():
            own, spread = values[name].mean(), values[name].std(ddof=1)
            if name == "lower_above_half":  # a share of 0 or 1 has no spread of its own: add one to either side
                share = (values[name].sum() + 1) / (len(cell) + 2)
                spread = np.sqrt(share * (1 - share))
            error = np.sqrt(spread**2 * (1 / len(cell) + 1 / SOURCE_REPLICATES) + ROUNDING**2)
            rows.append((trials, r2, name, source, own, len(cell), error, (own - source) / error))
    columns = ["trials", "true_r2", "quantity", "source", "ours", "replicates", "error", "errors_apart"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(agrees=table["errors_apart"].abs() <= LIMIT)


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
            120 * len(CELLS), least=len(CELLS),
        ),
    ),
    one_fit,
    results,
    Path(__file__).with_name("page.md.j2"),
    context,
)  # fmt: skip
