"""The prior of the share that a report reads of a posterior is the one that the model has."""

import json

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm
from small_study import published, random_point, study

from bayesmodels.fitted import model_spec
from bayesmodels.fitting.prior import prior_draws
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.presets import alsfrs_r, replaced
from bayesmodels.posterior.context import read_context
from bayesmodels.reporting.chapter import fill, read
from bayesmodels.reporting.chapters.share_priors import SharePriors, fitted_prior
from bayesmodels.reporting.chapters.start_groups.chapter import StartGroups


@pytest.mark.parametrize("pooling", ["partial", "complete", "none"])
def test_density_of_shares_is_that_of_the_model(pooling):
    """Standard normal variables make the shares: log densities of two points differ by half their sums of squares."""
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


def test_reweighted_draws_of_the_prior_are_those_of_the_other_prior():
    """Without data the posterior is the prior: what a real model publishes, taken through the report's table."""
    effect = {"type": "proportional_slowing", "share": {"type": "normal", "mean": 0.1, "sd": 0.3, "source": "made up"}}
    model = LongitudinalModel(outcomes=(replaced(alsfrs_r(), {"effect": effect}),))
    draws = prior_draws(model.build(study()), seed=3, draws=2000)
    attrs = {"model": json.dumps(model_spec(model)), "data": json.dumps({"controlled_week": 28.0})}
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs), "posterior": draws})
    reading = read(tree)
    fill(reading, (StartGroups(), SharePriors()))
    table = reading.tables["share_priors"]
    assert set(table["stratum"]) == {"faster", "slower", "all"}
    assert sorted(table["week"].dropna().unique()) == [28.0, 104.0]
    shares = table[table["quantity"] == "share"].set_index(["prior_mean", "prior_sd", "stratum"]).sort_index()
    assert (shares.loc[(0.0, 0.25), "effective_draws"] > 1000).all()
    for mean, sd, number in ((0.1, 0.3, 2000), (0.0, 0.25, shares.loc[(0.0, 0.25), "effective_draws"].iloc[0])):
        spread = np.sqrt(sd**2 + 0.15**2 / 2)
        for row in shares.loc[(mean, sd)].itertuples():
            for edge, at in (("median", 0.0), ("lower", -1.96), ("upper", 1.96)):
                error = spread * np.sqrt(norm.cdf(at) * norm.sf(at) / number) / norm.pdf(at)
                assert getattr(row, edge) == pytest.approx(mean + at * spread, abs=4.5 * error)
    wide = table[table["prior"] == "Normal(0.1, 0.6): SD doubled"]  # its tail has k = 1 - (.09 + .011) / (.36 + .011)
    assert wide["pareto_k"].iloc[0] == pytest.approx(0.73, abs=0.25)
