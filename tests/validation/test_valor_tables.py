"""The committed tables of the VALOR study keep to the stated medians."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).parents[2] / "reports" / "validation" / "valor"


def test_stated_nfl_medians_are_within_their_tolerance() -> None:
    table = pd.read_csv(FOLDER / "nfl_response.csv").dropna(subset=["stated"])
    assert len(table) == 8
    assert (table["off_in_sd"] < 0.3).all()
    recomputed = (table["median"] - table["stated"]).abs() / table["sd"]
    assert ((recomputed - table["off_in_sd"]).abs() < 0.01).all()
