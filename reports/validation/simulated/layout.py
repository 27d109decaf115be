"""Layouts of simulated trials: persons, planned visits and end of follow-up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayesmodels.vocabulary import months

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """Persons, planned visits and end of follow-up of a simulated trial.

    Parameters
    ----------
    persons : tuple of tuple of int
        By start group and stratum.
    groups, strata : tuple of str
        Labels; the last start group is the reference, as in `Study.start_groups`; strata in alphabetical order.
    start_weeks : tuple of float
        The drug's start by start group, infinite for never.
    weeks : tuple of float
        Planned visits; the first is at randomisation and is never missed.
    shortest_weeks, longest_weeks : float
        Follow-up possible at the data lock is uniform between them (administrative censoring).
    missed : float
        Probability that a later visit is missed, all outcomes together.
    covariate : str
        Column of the persons table, standard normal; empty for none.
    dropout : float
        Hazard of dropping out, per month; at random and the same for all.
    """

    persons: tuple[tuple[int, ...], ...]
    groups: tuple[str, ...]
    start_weeks: tuple[float, ...]
    weeks: tuple[float, ...]
    shortest_weeks: float
    longest_weeks: float
    strata: tuple[str, ...] = ("all",)
    missed: float = 0.0
    covariate: str = ""
    dropout: float = 0.0

    @property
    def starts(self) -> Array:
        """Months of the drug's start by start group."""
        return np.array([months(week) if np.isfinite(week) else np.inf for week in self.start_weeks])

    @property
    def cells(self) -> tuple[Ints, Ints]:
        """Stratum and start group of every person, by number."""
        counts = np.array(self.persons)
        group, stratum = np.divmod(np.repeat(np.arange(counts.size), counts.ravel()), counts.shape[1])
        return stratum, group

    @property
    def shares(self) -> Array:
        """Share of each stratum."""
        return np.array(self.persons).sum(axis=0) / np.sum(self.persons)

    @property
    def table(self) -> pd.DataFrame:
        """Table of persons as an analyst would have it."""
        stratum, group = self.cells
        start = np.array(self.start_weeks)[group]
        return pd.DataFrame(
            {
                "person": [f"sim-{i:04d}" for i in range(len(group))],
                "start_group": np.array(self.groups)[group],
                "drug_start_week": np.where(np.isfinite(start), start, np.nan),
                "stratum": np.array(self.strata)[stratum],
            }
        )


def random_effects(person_sd: Array, correlation: Array, persons: int, rng: np.random.Generator) -> Array:
    """Persons' deviations from the mean terms, (person, term), for SDs (term,) and correlations (term, term)."""
    return person_sd * (rng.standard_normal((persons, len(person_sd))) @ np.linalg.cholesky(correlation).T)
