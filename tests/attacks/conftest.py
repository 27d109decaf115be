"""A finished run shared by the attacks."""

from __future__ import annotations

import pytest
from finished_run import write_trial


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Configuration and folder of a finished run; copy the folder before damaging it."""
    from bayesmodels.run.job import run

    place = tmp_path_factory.mktemp("attacked")
    config = write_trial(place)
    return config, run(config, place / "runs", tell=str).folder
