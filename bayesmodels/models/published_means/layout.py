"""Rows of a table of published means as weighted sums of cells, stratum by start group by visit.

A row of a stratum is one cell. A row of all randomised is a weighted sum of its strata's cells, with common weights
(the strata's shares of the trial) or with the start group's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from bayesmodels.errors import BadInput
from bayesmodels.models.published_means.covariance import MeansRows
from bayesmodels.study.means import MeansTable
from bayesmodels.vocabulary import ALL, months

Mixture = Literal["common", "own"]

NEVER = 1e4
"""Months standing for a drug start that never comes."""


@dataclass(frozen=True)
class Cells:
    """Where a mean course is wanted.

    Parameters
    ----------
    months : array (cell,)
        Since randomisation.
    started : array or tensor (cell,)
        Month of the drug's start, `NEVER` where it never starts.
    stratum : array (cell, stratum)
        Ones and zeros.
    extension : array (cell,)
        1 at visits of the open-label extension, else 0.
    """

    months: Any
    started: Any
    stratum: np.ndarray
    extension: np.ndarray

    def of_stratum(self, values: Any) -> Any:
        """Value of each cell's stratum, from values (..., stratum)."""
        return (values[..., None, :] * self.stratum).sum(axis=-1)


@dataclass(frozen=True)
class Arms:
    """Start groups, strata and the persons randomised to each arm.

    Parameters
    ----------
    start_groups : tuple of str
        Reference group last.
    strata : tuple of str
        `("all",)` for a trial published as a whole.
    persons : dict
        (stratum, start group) to the persons of the largest mean.
    drug_start_week : dict
        Start group to week, inf for never.
    """

    start_groups: tuple[str, ...]
    strata: tuple[str, ...]
    persons: Mapping[tuple[str, str], float]
    drug_start_week: Mapping[str, float]

    @property
    def stratified(self) -> bool:
        """True where the strata are parts of the trial."""
        return self.strata != (ALL,)

    @property
    def labels(self) -> tuple[str, ...]:
        """Strata, with `all` last where they are parts of the trial."""
        return (*self.strata, ALL) if self.stratified else self.strata

    @property
    def started(self) -> np.ndarray:
        """Month of the drug's start by start group, `NEVER` for never."""
        weeks = np.array([self.drug_start_week[group] for group in self.start_groups], float)
        return np.minimum(months(weeks), NEVER)

    @property
    def switch_week(self) -> float:
        """Earliest drug start after randomisation, inf where no group switches."""
        return min((week for week in self.drug_start_week.values() if 0 < week < np.inf), default=np.inf)

    def shares(self, start_group: str | None = None) -> np.ndarray:
        """Share of each stratum in the trial, or in one start group."""
        groups = self.start_groups if start_group is None else (start_group,)
        persons = np.array([sum(self.persons[f, g] for g in groups) for f in self.strata], float)
        return persons / persons.sum()


def arms_of(data: MeansTable) -> Arms:
    """Arms of a table of means (`MeansTable`); `BadInput` where a stratum lacks a start group."""
    frame = data.frame
    groups = data.start_groups
    strata = tuple(label for label in data.stratum_labels if label != ALL) or (ALL,)
    rows = frame.groupby(["stratum", "start_group"])["n"].max()
    missing = [(f, g) for f in strata for g in groups if (f, g) not in rows.index]
    if missing:
        arms = ", ".join(f"{f} {g}" for f, g in missing)
        raise BadInput(f"every stratum needs a row of every start group; none came for {arms}.")
    persons = {(f, g): float(rows.loc[(f, g)]) for f in strata for g in groups}
    return Arms(groups, strata, persons, {g: float(data.drug_start_week[g]) for g in groups})


def rows_of(frame: pd.DataFrame, arms: Arms, mixture: Mixture) -> MeansRows:
    """Published rows of one outcome over cells.

    Parameters
    ----------
    frame : DataFrame
        Rows of one outcome, columns of `MeansTable.frame`.
    arms : Arms
    mixture : {"common", "own"}
        Weights of the strata in rows of all randomised.
    """
    cells: dict[tuple[str, str, float], int] = {}
    measured: dict[tuple[str, str, float], float] = {}
    entries = []
    columns = (frame[name] for name in ("stratum", "start_group", "week", "n"))
    for row, (label, group, week, n) in enumerate(zip(*columns, strict=True)):
        if label in arms.strata:
            measured[label, group, float(week)] = float(n)
        parts: tuple[str, ...] = (label,) if label in arms.strata else arms.strata
        shares = (1.0,) if label in arms.strata else arms.shares(group if mixture == "own" else None)
        for part, share in zip(parts, shares, strict=True):
            entries.append((row, cells.setdefault((part, group, float(week)), len(cells)), share))
    weights = np.zeros((len(frame), len(cells)))
    for row, cell, share in entries:
        weights[row, cell] = share
    return MeansRows(
        months=np.array([months(week) for _, _, week in cells]),
        stratum=tuple(part for part, _, _ in cells),
        start_group=tuple(group for _, group, _ in cells),
        persons=np.array([measured.get(cell, arms.persons[cell[:2]]) for cell in cells]),
        weights=weights,
        standard_error=frame["se"].to_numpy(dtype=float, na_value=np.nan),
        reading_error=_reading_error(frame),
    )


def _reading_error(frame: pd.DataFrame) -> np.ndarray:
    """NaN where the table states none; 0 where its published standard errors hold it already."""
    stated = frame["reading_error"].to_numpy(dtype=float)
    in_error = np.where(frame["se"].notna(), 0.0, stated)
    return np.where(stated > 0, in_error, np.nan)


def cells_of(rows: MeansRows, arms: Arms, started: Any) -> Cells:
    """Cells of published rows for a mean course; `started` is the month of the drug's start by start group."""
    group = np.array([[label == g for g in arms.start_groups] for label in rows.start_group], float)
    stratum = np.array([[label == f for f in arms.strata] for label in rows.stratum], float)
    return Cells(
        months=rows.months,
        started=(group * started).sum(axis=-1),
        stratum=stratum,
        extension=(rows.months >= months(arms.switch_week)).astype(float),
    )


def grid_rows(arms: Arms, weeks: tuple[float, ...]) -> MeansRows:
    """Every start group, stratum and week as cells in that order (C order of the three)."""
    index = [(g, f, week) for g in arms.start_groups for f in arms.strata for week in weeks]
    return MeansRows(
        months=np.array([months(week) for _, _, week in index]),
        stratum=tuple(f for _, f, _ in index),
        start_group=tuple(g for g, _, _ in index),
        persons=np.array([arms.persons[f, g] for g, f, _ in index]),
        weights=np.eye(len(index)),
        standard_error=np.full(len(index), np.nan),
        reading_error=np.full(len(index), np.nan),
    )
