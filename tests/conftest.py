"""Fixtures shared by the tests."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def one_compiler():
    """Models that are not on disk yet are compiled by one process a worker, not by one a model."""
    from bayesmodels.compiler_process import compiler_kept

    with compiler_kept():
        yield


@pytest.fixture(scope="session")
def toy_posterior():
    """Posterior of the toy model: 4 chains of 500 draws."""
    from toy_model import Toy, study

    from bayesmodels.fitted import fit
    from bayesmodels.fitting import NutsSettings

    return fit(Toy(), study(), NutsSettings(draws=500, tune=300, seed=5, progress=False))


@pytest.fixture(scope="session")
def tree():
    """Posterior of a longitudinal model, made by hand."""
    from fake import fake_posterior

    return fake_posterior()


@pytest.fixture(scope="session")
def context(tree):
    from bayesmodels.posterior.context import read_context

    return read_context(tree)


@pytest.fixture(scope="session")
def observed(tree, context):
    from bayesmodels.posterior.observed import observed_persons

    return observed_persons(tree, context.data)


@pytest.fixture(scope="session")
def events():
    """Posterior of a joint model, made by hand."""
    from fake_events import with_events

    return with_events()


@pytest.fixture(scope="session")
def about(events):
    from bayesmodels.posterior.context import read_context

    return read_context(events)
