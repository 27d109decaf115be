"""Dropout sensitivity under missing at random against the model's own published difference."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hand import additive_outcomes
from small_study import CURVE_WEEKS, published, random_point, study

from bayesmodels.analyses.dropout.sensitivity import dropout_sensitivity
from bayesmodels.models.longitudinal import LongitudinalModel


@pytest.mark.parametrize("pooling", ["partial", "none"])
def test_missing_at_random_is_the_published_difference(pooling):
    """Additive effects, strata, a covariate, free baselines: the model's own `difference` is another route."""
    fitted = LongitudinalModel(
        outcomes=additive_outcomes(),
        walk_correlation="independent",
        pooling=pooling,
        baseline="free",
        covariates={"rate": ("age",)},
    )
    trial = study()
    built = fitted.build(trial)
    point = random_point(built)
    values = {name: (("chain", "draw", *(f"{name}_{j}" for j in range(v.ndim))), v[None, None])
              for name, v in ((n, np.asarray(v)) for n, v in point.items())}  # fmt: skip
    age = trial.persons["age"]
    coords = {
        "fitted_stratum": list(trial.stratum_labels), "start_group": list(trial.start_groups),
        "drug_start_week": ("start_group", [0.0, 28.0]), "covariate": ["age"],
        "center": ("covariate", [age.mean()]), "spread": ("covariate", [age.std(ddof=0)]),
        "chain": [0], "draw": [0],
    }  # fmt: skip
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(values, coords=coords)})
    week = CURVE_WEEKS.index(52.0)
    difference = published(built, point)["difference"]
    expected = difference[:, 0, :, week] - difference[:, 0, :, CURVE_WEEKS.index(0.0)]  # changes: baselines are free
    for k, name in enumerate(("nfl_plasma", "alsfrs_r")):
        found = dropout_sensitivity(fitted, tree, trial, name, 52.0, seed=1)
        assert float(found["share_missing"].max()) > 0
        np.testing.assert_allclose(found["difference"][0, 0, 0, 0], expected[k], rtol=1e-9)
