import pytest

import bayesmodels

NAMES = (
    "Evidence",
    "LongitudinalModel",
    "MeansTable",
    "NutsSettings",
    "PublishedMeansModel",
    "ReportSettings",
    "Study",
    "convergence",
    "fit",
    "load",
    "predict",
    "publish",
    "read_means",
    "read_study",
    "replaced",
    "report",
    "require",
    "sample",
    "save",
    "simulate",
)


def test_the_public_names_are_these():
    assert tuple(bayesmodels.__all__) == NAMES
    assert dir(bayesmodels) == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_there_and_documented(name):
    assert getattr(bayesmodels, name).__doc__


def test_another_name_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        bayesmodels.nonsense  # noqa: B018
