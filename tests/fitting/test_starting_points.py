"""Where chains start: a quarter of the way from the initial point to a draw of the prior, on the sampled scale."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytest

from bayesmodels.fitting.compiled_model import FULL_SPREAD_PERSONS, TOWARDS, compile_model


def starts(pm_model, number=200) -> np.ndarray:
    """Starting vectors of as many seeds, (seed, number)."""
    start = compile_model(pm_model).start
    return np.stack([start(seed) for seed in range(number)])


def test_spread_follows_the_prior_on_the_scale_that_is_sampled():
    with pm.Model() as model:
        pm.Normal("narrow", 3.0, 0.01)
        pm.Normal("wide", -2.0, 0.7, shape=2)
        pm.Normal("vague", 0.0, 1000.0)
        pm.LogNormal("months", np.log(20.0), 0.5)
    found = starts(model)
    assert (np.abs(found[:, 3]) <= 1).all()
    assert found[:, 3].std() > 0.9
    found = found[:, [0, 1, 2, 4]]
    centre = np.array([3.0, -2.0, -2.0, np.log(20.0) + 0.5**2 / 2])  # PyMC starts a log-normal at its mean
    sd = np.array([0.01, 0.7, 0.7, 0.5])
    mean = centre + TOWARDS * np.array([0.0, 0.0, 0.0, -(0.5**2) / 2])
    np.testing.assert_allclose((found - mean) / (TOWARDS * sd), 0.0, atol=5.0)
    np.testing.assert_allclose(found.mean(axis=0), mean, rtol=0, atol=4 * TOWARDS * sd.max() / np.sqrt(200))
    np.testing.assert_allclose(found.std(axis=0), TOWARDS * sd, rtol=4 / np.sqrt(2 * 200))


def test_chains_of_many_persons_start_closer_as_their_posterior_is_narrower():
    """Of the persons in the data, whatever the number that the model was compiled with."""
    with pm.Model(coords={"person": range(10)}) as model:
        mean = pm.Normal("mean", 0.0, 1.0)
        pm.Normal("value", mean, 1.0, dims="person", observed=pm.Data("values", np.zeros(10)))
    compiled = compile_model(model)

    def spread(persons):
        start = compiled.with_data(values=np.zeros(persons)).start
        return np.std([start(seed) for seed in range(50)])

    assert spread(10) == spread(FULL_SPREAD_PERSONS)
    assert spread(4 * FULL_SPREAD_PERSONS) == pytest.approx(spread(FULL_SPREAD_PERSONS) / 2)
    assert compiled.start(3) == compiled.with_data(values=np.zeros(20)).start(3)


def test_a_seed_says_the_start_and_another_seed_another():
    with pm.Model() as model:
        pm.Normal("x", 0.0, 1.0, shape=3)
    start = compile_model(model).start
    np.testing.assert_array_equal(start(4), start(4))
    assert np.abs(start(4) - start(5)).min() > 0


def test_an_initial_value_of_the_users_is_the_centre():
    with pm.Model() as model:
        pm.Normal("x", 0.0, 1.0, initval=3.0)
    assert starts(model).mean() == pytest.approx((1 - TOWARDS) * 3.0, abs=4 * TOWARDS / np.sqrt(200))


def test_draws_outside_the_free_scale_are_replaced():
    with pm.Model() as model:
        pm.Normal("x", 0.0, 1.0, shape=4, transform=pm.distributions.transforms.ordered, initval=np.arange(4.0))
    found = starts(model, 50)
    assert np.isfinite(found).all()
    assert found.std(axis=0).min() > 0.05


def test_a_prior_that_cannot_be_drawn_from_has_pymcs_jitter():
    with pm.Model() as model:
        pm.Normal("y", pm.Flat("x"), 1.0)
    found = starts(model, 50)
    assert (np.abs(found[:, 0]) <= 1).all()
    assert found.std(axis=0).min() > 0.4
