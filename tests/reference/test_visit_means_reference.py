"""`VisitModel` on fev_data against mmrm's REML estimates (figures: reference results), with weak priors.

FEV1 ~ RACE + SEX + ARMCD * AVISIT, unstructured covariance over four visits, none of them at week 0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayesmodels.fitting import NutsSettings, sample
from bayesmodels.models.visit_means.model import VisitModel
from bayesmodels.study import Study

FEV = Path(__file__).parents[3] / "shared" / "reference" / "fev_data.csv"

REML = {
    "intercept": 30.7775, "black": 1.5305, "white": 5.6436, "female": 0.3261, "TRT": 3.7742, "visit 2": 4.8396,
    "visit 3": 10.3421, "visit 4": 15.0539, "TRT x visit 2": -0.0419, "TRT x visit 3": -0.6937, "TRT x visit 4": 0.6242,
}  # fmt: skip
TRT_SE = 1.0742


@pytest.fixture(scope="module")
def study():
    if not FEV.exists():
        pytest.skip("fev_data.csv is not beside the repository")
    table = pd.read_csv(FEV)
    visits = table.dropna(subset=["FEV1"])
    one = table[table["USUBJID"].isin(visits["USUBJID"])].drop_duplicates("USUBJID")
    persons = pd.DataFrame(
        {"person": one["USUBJID"], "start_group": one["ARMCD"],
         "drug_start_week": np.where(one["ARMCD"] == "TRT", 0.0, np.nan),
         "black": 1.0 * (one["RACE"] == "Black or African American"), "white": 1.0 * (one["RACE"] == "White"),
         "female": 1.0 * (one["SEX"] == "Female")}
    )  # fmt: skip
    rows = pd.DataFrame(
        {"person": visits["USUBJID"], "week": 4.0 * visits["AVISIT"].str[3].astype(int), "outcome": "fev1",
         "value": visits["FEV1"]}
    )  # fmt: skip
    assert (len(persons), len(rows)) == (197, 537)
    return Study.from_frames(persons, rows, reference_group="PBO")


def model(**fields):
    weak = {"mean": 0.0, "sd": 100.0}
    outcome = {
        "name": "fev1", "good_direction": "up", "typical": {"level": 40.0, "spread": 30.0},
        "level": weak | {"mean": 40}, "effect_on_level_prior": weak,
    }  # fmt: skip
    return VisitModel(
        outcomes=[outcome], covariates=("black", "white", "female"), covariate_effects="constant", **fields
    )


def draws(study, **fields):
    settings = NutsSettings(draws=1500, tune=1000, chains=4, seed=7, progress=False)
    return sample(model(**fields).build(study), settings)["posterior"].to_dataset()


def test_every_row_of_the_reml_fit(study):
    posterior = draws(study)
    slope = posterior["covariate_level"].to_numpy()[..., 0, :] / posterior["spread"].to_numpy()
    shift = (slope * posterior["center"].to_numpy()).sum(axis=-1)
    placebo = posterior["curve"].sel(start_group="PBO").to_numpy()[:, :, 0, 0]
    effect = posterior["difference"].to_numpy()[:, :, 0, 0, 0]
    found = {
        "intercept": placebo[..., 0] - shift,
        **{name: slope[..., j] for j, name in enumerate(("black", "white", "female"))},
        "TRT": effect[..., 0],
        **{f"visit {v + 1}": placebo[..., v] - placebo[..., 0] for v in (1, 2, 3)},
        **{f"TRT x visit {v + 1}": effect[..., v] - effect[..., 0] for v in (1, 2, 3)},
    }
    assert set(found) == set(REML)
    for name, values in found.items():
        assert abs(values.mean() - REML[name]) < 0.25 * values.std(), (name, values.mean(), values.std())
    assert effect[..., 0].std() == pytest.approx(TRT_SE, rel=0.05)


def test_one_effect_over_all_visits(study):
    effect = draws(study, treatment_effect="constant")["drug_effect"].to_numpy()
    assert abs(effect.mean() - 3.435) < 0.25 * 0.530
    assert effect.std() == pytest.approx(0.530, rel=0.1)
