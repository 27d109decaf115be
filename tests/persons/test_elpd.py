"""Density of each person left out: against the closed form, and in the posterior of many persons."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from limit_study import BELOW, model, study
from scipy.stats import norm

from bayesmodels.fitting.evaluate import evaluate
from bayesmodels.fitting.prior import prior_of_free_variables
from bayesmodels.persons import log_likelihood
from bayesmodels.persons.elpd import person_elpd


@pytest.fixture(scope="module")
def built():
    """Three persons, no visit beyond a limit."""
    return model().build(study(dict.fromkeys(BELOW, ())))


@pytest.fixture(scope="module")
def draws(built):
    return prior_of_free_variables(built, seed=1, draws=60)


def test_elpd_is_the_closed_form_of_a_normal_mean():
    """y_i ~ Normal(mu, 1), flat prior: without y_i the next is Normal(mean of the others, sqrt(1 + 1 / (n - 1)))."""
    rng = np.random.default_rng(1)
    y = rng.normal(size=30)
    mu = rng.normal(y.mean(), 1 / np.sqrt(30), (4, 1000))
    density = norm.logpdf(y, mu[..., None])
    halves = xr.Dataset({name: (("chain", "draw", "person"), density / 2) for name in ("visits", "exits")})
    found = person_elpd(halves.assign_coords(person=np.arange(30)))
    others = (y.sum() - y) / 29
    np.testing.assert_allclose(found["elpd"], norm.logpdf(y, others, np.sqrt(1 + 1 / 29)), atol=0.02)
    assert (found["pareto_k"] < 0.5).all()
    assert found.attrs["draws"] == 4000


def test_elpd_stands_in_place_of_the_log_likelihood_where_persons_are_many(built, draws, monkeypatch):
    persons = len(built.coords["person"])
    assert list(log_likelihood.likelihood_groups(built, draws)) == ["log_likelihood"]
    monkeypatch.setattr(log_likelihood, "MOST_PERSONS", persons)
    assert list(log_likelihood.likelihood_groups(built, draws)) == ["log_likelihood"]
    monkeypatch.setattr(log_likelihood, "MOST_PERSONS", persons - 1)
    groups = log_likelihood.likelihood_groups(built, draws)
    assert list(groups) == ["person_elpd"]
    assert dict(groups["person_elpd"].sizes) == {"person": persons}
    assert set(groups["person_elpd"].data_vars) == {"elpd", "pareto_k"}


def test_draws_of_many_persons_are_thinned(built, draws, monkeypatch):
    monkeypatch.setattr(log_likelihood, "MOST_PERSONS", 1)
    monkeypatch.setattr(log_likelihood, "DRAWS", 30)
    found = log_likelihood.likelihood_groups(built, draws)["person_elpd"]
    assert found.attrs["draws"] == 30
    assert np.isfinite(found["elpd"]).all()


def test_draws_without_a_tail_say_nothing(built, draws, monkeypatch):
    monkeypatch.setattr(log_likelihood, "MOST_PERSONS", 1)
    found = log_likelihood.likelihood_groups(built, draws.isel(draw=slice(24)))["person_elpd"]
    assert found.attrs["draws"] == 24
    assert np.isnan(found["elpd"]).all()


def test_few_draws_at_once_give_what_many_give(built, draws, monkeypatch):
    asked = []

    def noting(pm_model, graphs, points, chunk):
        asked.append(chunk)
        return evaluate(pm_model, graphs, points, chunk)

    monkeypatch.setattr(log_likelihood, "evaluate", noting)
    whole = log_likelihood.person_log_likelihood(built, draws)
    monkeypatch.setattr(log_likelihood, "MOST_PERSONS", 1)
    parts = log_likelihood.person_log_likelihood(built, draws)
    assert asked == [250, 250 // len(built.coords["person"])]
    xr.testing.assert_identical(whole, parts)
