"""The prior of the share that a report reads of a posterior is the one that the model has."""

import numpy as np
import pytest
import xarray as xr
from small_study import published, random_point, study

from bayesmodels.fitted import model_spec
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.presets import alsfrs_r, replaced
from bayesmodels.posterior.context import read_context
from bayesmodels.reporting.chapters.share_priors import fitted_prior


@pytest.mark.parametrize("pooling", ["partial", "complete", "none"])
def test_density_of_shares_is_that_of_the_model(pooling):
    """Standard normal variables make the shares: log densities of two points differ by half their sums of squares."""
    import json

    share = {"type": "normal", "mean": 0.1, "sd": 0.4, "source": "made up"}
    effect = {"type": "proportional_slowing", "share": share, "correlation": 0.3, "group_sd": 0.2}
    model = LongitudinalModel(outcomes=(replaced(alsfrs_r(), {"effect": effect}),), pooling=pooling)
    pm_model = model.build(study())
    names = [rv.name for rv in pm_model.free_RVs if rv.name.startswith("alsfrs_r_share")]
    if pooling == "partial":  # deviations of groups have the same density under every prior of the share
        names = [name for name in names if not name.endswith("_contrast")]
    assert names
    points = [random_point(pm_model, seed=1), random_point(pm_model, seed=2)]
    of_model = [-0.5 * sum((point[name] ** 2).sum() for name in names) for point in points]
    shares = np.stack([published(pm_model, point)["group_drug_effect"][0, :2] for point in points])
    attrs = {"model": json.dumps(model_spec(model))}
    context = read_context(xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs), "posterior": xr.Dataset()}))
    prior = fitted_prior(context, "alsfrs_r", groups=2)
    assert (prior.mean, prior.sd, prior.pooling) == (0.1, 0.4, pooling)
    found = prior.log_density(shares)
    assert found[0] - found[1] == pytest.approx(of_model[0] - of_model[1], rel=1e-9)
