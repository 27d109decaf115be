import pytest
from fake import fake_posterior
from fake_events import with_events

from bayesmodels.posterior.context import read_context
from bayesmodels.posterior.observed import observed_persons


@pytest.fixture(scope="session")
def tree():
    return fake_posterior()


@pytest.fixture(scope="session")
def context(tree):
    return read_context(tree)


@pytest.fixture(scope="session")
def observed(tree, context):
    return observed_persons(tree, context.data)


@pytest.fixture(scope="session")
def events():
    """Archive of a joint model."""
    return with_events()


@pytest.fixture(scope="session")
def about(events):
    return read_context(events)
