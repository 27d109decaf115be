"""CNM-Au8 in the HEALEY platform trial: published means of ALSFRS-R by visit, ready for one likelihood."""

from __future__ import annotations

import math
from typing import Literal

import pandas as pd

from bayesmodels.errors import BadInput
from bayesmodels.study.evidence.published import load
from bayesmodels.study.means import MeansTable
from bayesmodels.study.problem import plain

Placebo = Literal["shared", "regimen"]

FILE = "healey_cnmau8_alsfrs_visits"
DRUG = "CNM-Au8"
_DRUG_ARM = "CNM-Au8 pooled"


def cnm_au8_means(
    placebo: Placebo = "shared", *, until_week: float | None = None, name: str | None = None
) -> MeansTable:
    """Mean changes of ALSFRS-R from baseline on CNM-Au8 (both doses) and placebo, to week 24.

    What was published are means and SDs of scores at each visit. A change is the difference of the means at the visit
    and at baseline; its standard error cannot be had from the SDs, since the same persons are in both, and is left for
    the model to fill from its spread. `n` is the persons in the mean at the visit: up to 10 of 120 (CNM-Au8), 21 of 164
    (shared placebo) and 6 of 41 (regimen placebo) of those in the mean at baseline were not measured.

    Parameters
    ----------
    placebo : {"shared", "regimen"}
        The placebo persons of all regimens of the platform, or those of the drug's own regimen, who are among them:
        never both.
    until_week : float, optional
        Last week to take.
    name : str, optional
        For titles.

    Returns
    -------
    MeansTable
        Start groups "CNM-Au8" and "placebo" (the reference; never on the drug), stratum "all", points.

    Raises
    ------
    BadInput
        If there is no such placebo, or no visit is left.
    """
    if placebo not in ("shared", "regimen"):
        raise BadInput(f'{FILE}: expected placebo "shared" or "regimen", got "{plain(placebo)}"')
    rows = load(FILE).table
    arms = {_DRUG_ARM: DRUG, f"{placebo} placebo": "placebo"}
    rows = rows[rows["arm"].isin(arms)]
    baseline = rows[rows["week"] == 0].set_index("arm")["mean"]
    later = rows[(rows["week"] > 0) & (rows["week"] <= (math.inf if until_week is None else until_week))]
    if not len(later):
        weeks = ", ".join(f"{week:g}" for week in sorted(rows.loc[rows["week"] > 0, "week"].unique()))
        raise BadInput(f"{FILE}: no visit is left until week {plain(until_week)}; the table has weeks {weeks}")
    frame = pd.DataFrame(
        {
            "series": f"{placebo} placebo",
            "stratum": "all",
            "start_group": later["arm"].map(arms),
            "week": later["week"],
            "outcome": "alsfrs_r",
            "estimate": later["mean"] - later["arm"].map(baseline),
            "se": math.nan,
            "n": later["n"],
            "scale": "change_from_baseline",
            "unit": "points",
            "certainty": later["certainty"],
            "source": later["source"],
        }
    )
    starts = {DRUG: 0.0, "placebo": math.inf}
    title = name or f"CNM-Au8 in HEALEY, {placebo} placebo"
    return MeansTable.from_frame(frame, starts, reference_group="placebo", name=title)
