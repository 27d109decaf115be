"""Page of the study of speed, from its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from bayesmodels.trials.results import read_results, rendered


def page(folder: Path) -> str:
    """Return the page of a folder of the study's tables."""
    files = read_results(folder)
    rows = files["rows"]
    largest = files["posterior"][files["posterior"]["persons"] == files["posterior"]["persons"].max()]
    return rendered(
        Path(__file__).with_name("page.md.j2"),
        {
            **files,
            "command": files["manifest"]["command"],
            "short": rows[rows["met"] == "no"],
            "unmeasured": rows[rows["met"].isna()],
            "largest": largest,
            "number": number,
            "run": files["peers"][files["peers"]["skipped"].isna()],
            "left_out": files["peers"][files["peers"]["skipped"].notna()],
        },
    )


def number(value: Any) -> str:
    """Three digits, thousands marked; a dash for none."""
    if value is None or pd.isna(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
