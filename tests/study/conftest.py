import pandas as pd
import pytest


@pytest.fixture
def persons():
    return pd.DataFrame(
        {
            "person": ["P1", "P2", "P3", "P4"],
            "start_group": ["early", "early", "delayed", "delayed"],
            "drug_start_week": [0.0, 0.0, 28.0, None],
            "stratum": ["faster", "slower", "faster", "slower"],
            "age": [50, 61, 47, 58],
        }
    )


@pytest.fixture
def visits():
    rows = [
        (person, week, outcome, value)
        for person in ("P1", "P2", "P3", "P4")
        for week in (0.0, 28.0)
        for outcome, value in (("nfl_plasma", 70.0 - week), ("alsfrs_r", 40.0 - week / 4))
    ]
    return pd.DataFrame(rows, columns=["person", "week", "outcome", "value"]).assign(censoring="")


@pytest.fixture
def events():
    return pd.DataFrame(
        {
            "person": ["P1", "P2", "P3", "P4"],
            "week": [30.0, 52.0, 28.0, 40.0],
            "event": ["none", "none", "death", "none"],
            "entry_week": [0.0, 0.0, 0.0, 0.0],
        }
    )
