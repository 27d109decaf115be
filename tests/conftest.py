"""Fixtures shared by the tests."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def toy_posterior():
    """Posterior of the toy model: 4 chains of 500 draws."""
    from toy_model import Toy, study

    from bayesmodels.fitted import fit
    from bayesmodels.fitting import NutsSettings

    return fit(Toy(), study(), NutsSettings(draws=500, tune=300, seed=5, progress=False))
