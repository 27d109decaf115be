"""The committed README of the VALOR study says what its committed tables say."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from validation.valor.page import readme
from validation.valor.study import COMMAND

FOLDER = Path(__file__).parents[2] / "reports" / "validation" / "valor"


def test_readme_is_made_from_the_committed_tables() -> None:
    tables = {path.stem: pd.read_csv(path) for path in FOLDER.glob("*.csv")}
    assert readme(tables, COMMAND) == (FOLDER / "README.md").read_text()


def test_stated_nfl_medians_are_within_their_tolerance() -> None:
    table = pd.read_csv(FOLDER / "nfl_response.csv").dropna(subset=["stated"])
    assert len(table) == 8
    assert (table["off_in_sd"] < 0.3).all()
    recomputed = (table["median"] - table["stated"]).abs() / table["sd"]
    assert ((recomputed - table["off_in_sd"]).abs() < 0.01).all()
