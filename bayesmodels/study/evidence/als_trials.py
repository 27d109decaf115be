"""The ALS programmes' published effects on NfL and function, ready for a trial-level model."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd

from bayesmodels.errors import BadInput
from bayesmodels.study.checks.trials import OneSided
from bayesmodels.study.evidence.published import load
from bayesmodels.study.problem import plain
from bayesmodels.study.trials import Endpoint, TrialTable

Valor = Literal["whole", "strata"]

FILE = "als_trials"

NFL = Endpoint("NfL (log ratio)", "ln", "down")
ALSFRS = Endpoint("ALSFRS-R slope", "points per month", "up")
"""Effects are active minus control: a lower NfL and a slower decline favour the active treatment."""

SCALES = {"surrogate": 0.5, "outcome": 0.5}
"""Typical spread of true effects between ALS trials, ln and points a month. Design inputs, not taken from the table: a
log ratio of .5 is 40 % lower, between nothing and a drop by more than half; .5 points are half the natural decline."""

SAME_PEOPLE = {"HEALEY C: CNM-Au8 (FAS shared placebo)": "HEALEY C: CNM-Au8 (regimen-only)"}
"""Rows that are analyses of the same active arm, by the row that is preferred since it has both effects."""

_VALOR = {"whole": ("VALOR",), "strata": ("VALOR (faster)", "VALOR (slower)")}


def trial_table(valor: Valor = "whole", *, one_sided: OneSided = "unused", name: str = "ALS trials") -> TrialTable:
    """The packaged ALS trials as a `TrialTable`.

    Parameters
    ----------
    valor : {"whole", "strata"}
        VALOR as all randomised, or as its two strata (`part_of` "strata"), which share no people; never both.
    one_sided : {"unused", "used"}
        Whether trials with one of the two effects enter (`TrialTable.from_frame`).
    name : str
        For titles.

    Returns
    -------
    TrialTable
        Effects are active minus control: the log ratio of NfL (down favours the active treatment) and ALSFRS-R points
        per month (+ favours it). Every row keeps its certainty and source; rows that cannot be used are in `unused`
        with the reason.
    """
    if valor not in _VALOR:
        raise BadInput(f'{FILE}: expected valor "whole" or "strata", got "{plain(valor)}"')
    rows = load(FILE).table
    left_out = _left_out(rows, valor)
    frame = pd.DataFrame(
        {
            "trial": rows["trial"],
            "surrogate_effect": rows["nfl_log_ratio"],
            "surrogate_se": rows["nfl_log_ratio_se"],
            "outcome_effect": rows["alsfrs_per_month"],
            "outcome_se": rows["alsfrs_per_month_se"],
            "overlap_group": rows["overlap_group"],
            "part_of": np.where(rows["trial"].isin(_VALOR["strata"]), "strata", ""),
            "certainty": rows["certainty"],
            "source": rows["source"],
            "population": rows["population"],
            "active": rows["active"],
            "weeks": rows["weeks"],
            "note": rows["note"],
        }
    )
    enter = left_out == ""
    table = TrialTable.from_frame(frame[enter], surrogate=NFL, outcome=ALSFRS, one_sided=one_sided, name=name)
    # Rows are numbered in the file, of which only some were handed on.
    numbers = frame.index[enter].to_numpy() + 2
    unused = table.unused.assign(row=[int(numbers[row - 2]) for row in table.unused["row"]])
    why = pd.DataFrame(
        {"row": frame.index[~enter] + 2, "trial": frame.loc[~enter, "trial"], "reason": left_out[~enter]}
    )
    unused = pd.concat([unused, why]).sort_values("row", ignore_index=True)
    return replace(table, unused=unused)


def _left_out(rows: pd.DataFrame, valor: Valor) -> pd.Series:
    """Why a row of the file may not enter beside the others, whatever it reports; blank where it may."""
    why = pd.Series("", index=rows.index, dtype=object)
    why[rows["usable"].str.startswith("no (not a drug-vs-placebo")] = "not a contrast of drug with placebo"
    why[rows["randomised"] == "no"] = "not randomised"
    other = _VALOR["strata" if valor == "whole" else "whole"]
    why[rows["trial"].isin(other)] = f"shares people with {' and '.join(_VALOR[valor])}"
    for trial, preferred in SAME_PEOPLE.items():
        why[rows["trial"] == trial] = f"shares people with {preferred}"
    return why
