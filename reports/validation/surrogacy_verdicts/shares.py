"""Shares of verdicts by kind of surrogate and number of trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from scipy.stats import binomtest

from bayesmodels.simulation import COLLECTIONS
from bayesmodels.surrogacy.verdict import ANSWERS
from bayesmodels.trials.study import Variant

RUNGS = {
    "response": "response",
    "individual": "individual",
    "trial_rung": "trial",
    "trial_rung_undirected": "trial, directions not stated",
}
FALSE_KINDS = ("null", "paradox", "harmful")
"""Surrogates that must not be called supported on the trial rung."""

LIMIT = 0.05


def shares(records: pd.DataFrame) -> pd.DataFrame:
    """Share of every answer by kind, number of trials and rung.

    Returns
    -------
    DataFrame
        kind, trials, rung, answer, count, simulations, share, lower, upper (95 % limits, Clopper-Pearson).
    """
    rows = []
    for (kind, trials), cell in records.groupby(["kind", "trials"], sort=False):
        for column, rung in RUNGS.items():
            given = cell[column].dropna() if column in cell else pd.Series(dtype=object)
            for answer in ANSWERS if len(given) else ():
                count = int((given == answer).sum())
                limits = binomtest(count, len(given)).proportion_ci(0.95)
                share = count / len(given)
                rows.append((kind, trials, rung, answer, count, len(given), share, limits.low, limits.high))
    columns = ["kind", "trials", "rung", "answer", "count", "simulations", "share", "lower", "upper"]
    return pd.DataFrame(rows, columns=columns)


def false_support(table: pd.DataFrame, rung: str = "trial") -> pd.DataFrame:
    """Rows that count a false "supported" on the trial rung."""
    return table[(table["rung"] == rung) & (table["answer"] == "supported") & table["kind"].isin(FALSE_KINDS)]


def context(files: Mapping[str, Any], variant: Variant) -> dict[str, Any]:
    """Largest share of false support, support of a perfect surrogate, and shares of each rung in the page's layout."""
    table, simulations = files["shares"], files["simulations"]
    false, blind = false_support(table), false_support(table, "trial, directions not stated")
    single = simulations[simulations["trials"] == 1]
    met = single.assign(met=(single["prentice_joint"] >= 0.95) & single["prentice_assessable"].astype(bool))
    by_rung = {
        rung: table[table["rung"] == rung].pivot_table("share", ["kind", "trials"], "answer", sort=False)
        for rung in RUNGS.values()
    }
    return {
        "worst": false.loc[false["share"].idxmax()],
        "highest": false["upper"].max(),
        "loose": blind.loc[blind["share"].idxmax()],
        "perfect": table[(table["kind"] == "perfect") & (table["rung"] == "trial") & (table["answer"] == "supported")],
        "limit": LIMIT,
        "answers": ANSWERS,
        "rungs": by_rung,
        "prentice": met.groupby("kind", sort=False)[["prentice_assessable", "met"]].mean(),
        "kinds": COLLECTIONS.values(),
        "simulations_each": table["simulations"].max(),
    }
