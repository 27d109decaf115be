"""The one-stage model on armd and schizo beside the two-stage figures; figures are printed (`pytest -s -m slow`).

Individual-level figures must agree. Trial-level ones need not: the two-stage estimates take the errors of small centres
for variation between them, while the one-stage model finds next to none and says that R2_trial is hardly learned.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayesmodels.fitted import fit
from bayesmodels.fitting import NutsSettings
from bayesmodels.models.trial_level.one_stage import ClusteredEndpoint, OneStageModel
from bayesmodels.study import ClusterTable
from bayesmodels.surrogacy.two_stage import two_stage

pytestmark = pytest.mark.slow

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"
SETTINGS = NutsSettings(draws=1000, tune=1000, chains=4, seed=21, progress=False)

CASES = {
    "armd": (
        {"cluster": "Center", "treatment": "Treat", "surrogate": "Diff24", "outcome": "Diff52"},
        OneStageModel(
            surrogate=ClusteredEndpoint(effect_scale=10, patient_sd=15),
            outcome=ClusteredEndpoint(effect_scale=10, patient_sd=15),
        ),
    ),
    "schizo": (
        {"cluster": "InvestId", "treatment": "Treat", "surrogate": "BPRS", "outcome": "PANSS"},
        OneStageModel(
            surrogate=ClusteredEndpoint(effect_scale=5, patient_sd=15),
            outcome=ClusteredEndpoint(effect_scale=10, patient_sd=25),
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_one_stage_beside_two_stage(name):
    columns, model = CASES[name]
    path = REFERENCE / f"{name}.csv"
    if not path.exists():
        pytest.skip(f"{path.name} is not beside the repository")
    data = ClusterTable.from_frame(pd.read_csv(path), active=1, columns=columns, complete_cases=True)
    tree = fit(model, data, SETTINGS)
    draws = tree["posterior"].to_dataset()
    quantiles = {
        quantity: np.quantile(draws[quantity], [0.025, 0.5, 0.975])
        for quantity in ("trial_r2", "trial_r2_full", "individual_r2", "trial_slope", "individual_slope")
    }
    reduced, full = two_stage(data, "reduced"), two_stage(data, "full")
    print(name, {k: v.round(3).tolist() for k, v in quantiles.items()}, tree.attrs["convergence"])
    print(reduced.sentence(), full.sentence(), sep="\n")
    lower, _, upper = quantiles["individual_r2"]
    assert lower < full["individual_r2"] < upper
    # Residual covariance within every arm of every cluster, whatever effects and levels do between them.
    cell = data.rows.groupby(["cluster", "active"])[["surrogate", "outcome"]]
    off = data.rows[["surrogate", "outcome"]] - cell.transform("mean")
    within = off.T @ off / (len(off) - cell.ngroups)
    r2 = within.iloc[0, 1] ** 2 / (within.iloc[0, 0] * within.iloc[1, 1])
    assert r2 == pytest.approx(quantiles["individual_r2"][1], abs=2 * (upper - lower) / 3.92)
    sd = draws["patient_sd"].stack(sample=("chain", "draw")).transpose("endpoint", "sample")
    assert np.all(np.abs(sd.mean("sample") - np.sqrt(np.diag(within))) < 2 * sd.std("sample"))
    lower, _, upper = quantiles["trial_r2"]
    assert lower < reduced["trial_r2"] < upper
    before = np.quantile(tree["prior"]["trial_r2"], [0.025, 0.975])
    assert (upper - lower) > 0.8 * (before[1] - before[0])  # the data hardly moved R2_trial
    errors = 2 * np.sqrt((1 / np.bincount(data.with_both_arms().cluster_index)).mean()) * np.sqrt(np.diag(within))
    assert np.all(np.median(draws["trial_sd"], axis=(0, 1)) < errors / 2)  # mostly errors, not variation
