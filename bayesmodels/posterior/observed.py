"""Numbers of persons still observed, week by week."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.vocabulary import ALL


@dataclass(frozen=True)
class ObservedPersons:
    """Persons still observed, from the archive's visit counts.

    A person is observed at a week who has a visit then or later, or in its window before (`Study.observed`). Where the
    archive counts visits only, the count at a week is the largest number at any one nominal visit from that week on: a
    lower bound where visits were missed.

    Parameters
    ----------
    series : mapping
        (outcome, start group, stratum) to weeks (rising) and numbers of persons; empty where the archive has none.
    """

    series: Mapping[tuple[str, str, str], tuple[np.ndarray, np.ndarray]]

    def at(self, outcome: str, group: str, stratum: str, week: float) -> float:
        """Number of persons still observed; NaN where it is not recorded."""
        series = self.series.get((outcome, group, stratum))
        if series is None:
            return math.nan
        weeks, n = series
        return float(n[weeks >= week].max(initial=0.0))

    def at_start(self, outcome: str, group: str, stratum: str) -> float:
        """Number of persons at the best attended visit; NaN where it is not recorded."""
        series = self.series.get((outcome, group, stratum))
        return math.nan if series is None else float(series[1].max(initial=0.0))

    def last_visit(self, outcome: str, groups: Sequence[str], stratum: str) -> float:
        """Last visit week at which every one of these groups has data; NaN where it is not recorded."""
        return self._last_week(outcome, groups, stratum, share=0.0)

    def last_well_observed(self, outcome: str, groups: Sequence[str], stratum: str) -> float:
        """Last visit week at which half of each of these groups is still observed; NaN where it is not recorded."""
        return self._last_week(outcome, groups, stratum, share=0.5)

    def sentence(self, outcome: str, groups: Sequence[str], stratum: str, week: float) -> str:
        """Persons still observed, e.g. "persons still observed at week 52: early 60 of 72, delayed 30 of 36"."""
        parts = []
        for group in groups:
            start = self.at_start(outcome, group, stratum)
            if math.isnan(start):
                return f"persons still observed at week {week:g}: not recorded"
            parts.append(f"{group} {self.at(outcome, group, stratum, week):.0f} of {start:.0f}")
        return f"persons still observed at week {week:g}: {', '.join(parts)}"

    def _last_week(self, outcome: str, groups: Sequence[str], stratum: str, share: float) -> float:
        last = math.inf
        for group in groups:
            series = self.series.get((outcome, group, stratum))
            if series is None:
                return math.nan
            weeks, n = series
            enough = weeks[(n > 0) & (n >= share * n.max(initial=0.0))]
            last = min(last, enough.max(initial=-math.inf))
        return last if math.isfinite(last) else math.nan


def observed_persons(tree: xr.DataTree, data: Mapping[str, Any]) -> ObservedPersons:
    """Read the counts: of persons, from the data's description; else of visits, from the group `observed_summary`.

    Parameters
    ----------
    tree : xr.DataTree
    data : mapping
        The root attribute `data`; ``counts.observed`` is {start group: {stratum: {outcome: {week: persons}}}}.
    """
    nested = data.get("counts", {}).get("observed")
    if nested:
        return ObservedPersons(_by_cell(_from_nested(nested)))
    if "observed_summary" not in tree.children or "n" not in tree["observed_summary"].data_vars:
        return ObservedPersons({})
    return ObservedPersons(_by_cell(tree["observed_summary"]["n"].reset_coords(drop=True)))


def _by_cell(counts: xr.DataArray) -> dict[tuple[str, str, str], tuple[np.ndarray, np.ndarray]]:
    """Weeks and persons of each cell that has any; strata are summed where `all` is not counted itself."""
    counts = counts.fillna(0.0).sortby("week")
    if ALL not in counts["stratum"].values or float(counts.sel(stratum=ALL).sum()) == 0:
        strata = [label for label in counts["stratum"].values if label != ALL]
        mixture = counts.sel(stratum=strata).sum("stratum").expand_dims(stratum=[ALL])
        counts = xr.concat([counts.sel(stratum=strata), mixture], dim="stratum")
    weeks = counts["week"].to_numpy().astype(float)
    labels = (counts[dim].values.tolist() for dim in ("outcome", "start_group", "stratum"))
    values = counts.transpose("outcome", "start_group", "stratum", "week").to_numpy().astype(float)
    cells = zip(product(*labels), values.reshape(-1, len(weeks)), strict=True)
    return {cell: (weeks, n) for cell, n in cells if n.sum() > 0}


def _from_nested(nested: Mapping[str, Any]) -> xr.DataArray:
    rows = [
        (outcome, group, stratum, float(week), float(n))
        for group, strata in nested.items()
        for stratum, outcomes in strata.items()
        for outcome, weeks in outcomes.items()
        for week, n in weeks.items()
    ]
    dims = ["outcome", "start_group", "stratum", "week"]
    return pd.DataFrame(rows, columns=[*dims, "n"]).set_index(dims)["n"].to_xarray()
