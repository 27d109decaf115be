"""Small tables of trials."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayesmodels.study import Endpoint, TrialTable

REFERENCE = Path(__file__).parents[2] / "shared" / "reference"

SCALE = (0.5, 0.5)


def eight_frame(**columns) -> pd.DataFrame:
    """Eight trials: NfL log ratio and points a month, made up, correlated at about -.8."""
    rows = [
        (-0.9, 0.10, 0.45, 0.15, 0.2),
        (-0.6, 0.12, 0.20, 0.12, 0.0),
        (-0.1, 0.05, -0.05, 0.15, 0.3),
        (0.1, 0.08, 0.02, 0.10, np.nan),
        (-0.4, 0.15, 0.30, 0.20, np.nan),
        (0.2, 0.10, -0.20, 0.14, -0.1),
        (-0.3, 0.09, 0.05, 0.16, 0.5),
        (-0.7, 0.11, 0.38, 0.11, 0.1),
    ]
    names = ["surrogate_effect", "surrogate_se", "outcome_effect", "outcome_se", "within_correlation"]
    return pd.DataFrame(rows, columns=names).assign(trial=[f"trial {k}" for k in range(1, 9)], **columns)


def eight_trials(**columns) -> TrialTable:
    return TrialTable.from_frame(
        eight_frame(**columns),
        surrogate=Endpoint("NfL", "ln", "down"),
        outcome=Endpoint("ALSFRS-R", "points per month", "up"),
        one_sided="used",
        name="eight trials",
    )


def daniels_hughes() -> TrialTable:
    """The CD4 trials of Daniels and Hughes (1997); skipped where the reference is not beside the repository."""
    path = REFERENCE / "daniels_hughes_cd4.csv"
    if not path.exists():
        pytest.skip(f"{path.name} is not beside the repository")
    raw = pd.read_csv(path)
    frame = pd.DataFrame(
        {
            "trial": [f"trial {k + 1}" for k in range(len(raw))],
            "surrogate_effect": raw["Y2"],
            "surrogate_se": np.sqrt(raw["vars2"]),
            "outcome_effect": raw["Y1"],
            "outcome_se": np.sqrt(raw["vars1"]),
        }
    )
    return TrialTable.from_frame(
        frame, surrogate=Endpoint("CD4", "cells", "up"), outcome=Endpoint("AIDS or death", "ln HR", "down"), name="CD4"
    )
