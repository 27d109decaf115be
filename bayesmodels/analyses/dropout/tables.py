"""Dataset of a dropout sensitivity analysis, made from totals by start group and stratum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from bayesmodels.errors import BadInput
from bayesmodels.persons.reference_based import STRATEGIES
from bayesmodels.study import Study
from bayesmodels.study.leaving import Leaving
from bayesmodels.vocabulary import ALL

FOUND = "found"
BEYOND = "none in the grid"
NOT_APPLICABLE = "not applicable: at delta 0 the interval already includes no difference"
NOBODY_LEFT = "unknown: nobody to whom delta applies counts as having left"

DELTA_PATHS = ("group_only", "reference_only", "both_groups")
"""Where delta grows: in the contrast's first group only, in its reference group only, or in both alike."""


@dataclass(frozen=True)
class Cells:
    """Start groups by strata: whose persons are whose, and the trial's mixture of strata.

    Parameters
    ----------
    groups, strata : tuple of str
    group, stratum : (person,) int
    shares : (stratum,) float
        Of the study's persons.
    reference : str
    starts : tuple of float
        Median week at which each group starts the drug.
    """

    groups: tuple[str, ...]
    strata: tuple[str, ...]
    group: np.ndarray
    stratum: np.ndarray
    shares: np.ndarray
    reference: str
    starts: tuple[float, ...]

    @classmethod
    def of(cls, study: Study) -> Cells:
        """The cells of a study.

        Raises
        ------
        BadInput
            A start group has nobody in a stratum.
        """
        persons = study.persons
        group = persons["start_group"].map({g: j for j, g in enumerate(study.start_groups)}).to_numpy(int)
        stratum = persons["stratum"].map({s: j for j, s in enumerate(study.stratum_labels)}).to_numpy(int)
        shape = (len(study.start_groups), len(study.stratum_labels))
        count = np.bincount(group * shape[1] + stratum, minlength=shape[0] * shape[1]).reshape(shape)
        empty = [f"{study.start_groups[g]}, {study.stratum_labels[s]}" for g, s in np.argwhere(count == 0)]
        if empty:
            raise BadInput(
                f"persons: expected someone in every start group and stratum, found nobody in {name}; "
                "who leaves there is not known, so use a study and a model without strata"
                for name in empty
            )
        start = persons.groupby("start_group")["drug_start_week"].median()
        return cls(
            study.start_groups,
            study.stratum_labels,
            group,
            stratum,
            count.sum(axis=0) / len(persons),
            str(study.reference_group),
            tuple(float(start[g]) for g in study.start_groups),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Start groups, strata."""
        return len(self.groups), len(self.strata)

    @property
    def labels(self) -> tuple[str, ...]:
        """Strata, and the mixture where there are several."""
        return (*self.strata, ALL) if len(self.strata) > 1 else self.strata

    def total(self, values: np.ndarray) -> np.ndarray:
        """Sum of (person,) values in every cell, (start group, stratum)."""
        cell = self.group * self.shape[1] + self.stratum
        return np.bincount(cell, weights=values, minlength=self.shape[0] * self.shape[1]).reshape(self.shape)

    def bootstrap(self, rng: np.random.Generator) -> np.ndarray:
        """Dirichlet(1, ..., 1) weights of the persons of each cell (Rubin 1981, the Bayesian bootstrap), (person,)."""
        raw = rng.standard_exponential(len(self.group))
        return raw / self.total(raw)[self.group, self.stratum]

    def mixed(self, values: np.ndarray) -> np.ndarray:
        """(..., start group, stratum) with the trial's mixture added where there are several strata."""
        if len(self.strata) == 1:
            return values
        return np.concatenate([values, (values * self.shares).sum(axis=-1, keepdims=True)], axis=-1)


@dataclass(frozen=True)
class Totals:
    """Totals of an outcome over the persons of each start group and stratum, a person weighing 1 / the cell's persons.

    Parameters
    ----------
    by_strategy : (chain, draw, strategy, start group, stratum)
    by_delta : (chain, draw, delta, start group, stratum)
        Missing at random, and worse by each delta.
    """

    by_strategy: np.ndarray
    by_delta: np.ndarray

    @classmethod
    def empty(cls, draws: tuple[int, int], deltas: int, cells: Cells) -> Totals:
        """Totals still to be filled in."""
        return cls(*(np.empty((*draws, number, *cells.shape)) for number in (len(STRATEGIES), deltas)))

    def less(self, total: np.ndarray) -> Totals:
        """Totals less one (chain, draw, start group, stratum) of each cell."""
        return Totals(self.by_strategy - total[:, :, None], self.by_delta - total[:, :, None])


def sensitivity_dataset(
    cells: Cells,
    draws: tuple[np.ndarray, np.ndarray],
    totals: dict[str, Totals],
    alive: np.ndarray,
    left: Leaving,
    deltas: np.ndarray,
    interval: float,
    attributes: dict[str, Any],
    in_words: dict[str, str],
) -> xr.Dataset:
    """The dataset of `dropout_sensitivity`.

    Parameters
    ----------
    cells : Cells
    draws : labels of chains and draws
    totals : dict of str to Totals
        By prefix of the names of what is made from them: nothing, or ``latent_`` too.
    alive : (chain, draw, start group, stratum)
        Share alive: means are totals over it.
    left : Leaving
    deltas : (delta,)
    interval : float
    attributes : dict
        Attributes of the dataset.
    in_words : dict of str to str
        What each strategy assumes.
    """
    sign = 1.0 if attributes["good_direction"] == "up" else -1.0
    reference = cells.groups.index(cells.reference)
    compared = [g for g in range(len(cells.groups)) if g != reference]
    living = cells.mixed(alive)[:, :, None]
    of_cell = ("start_group", "stratum")
    of_contrast = ("contrast", "stratum")
    found: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for prefix, total in totals.items():
        mean, at = cells.mixed(total.by_strategy) / living, cells.mixed(total.by_delta) / living
        at_delta = at[:, :, :, None, compared] - at[:, :, None, :, [reference]]
        point, status = tipping(at_delta, deltas, interval)
        status = np.where((status == BEYOND) & ~_somebody_moves(cells, left, compared, reference), NOBODY_LEFT, status)
        own = {
            "mean": (("chain", "draw", "strategy", *of_cell), mean),
            "difference": (
                ("chain", "draw", "strategy", *of_contrast),
                mean[:, :, :, compared] - mean[:, :, :, [reference]],
            ),
            "delta_difference": (("chain", "draw", "delta_group", "delta_reference", *of_contrast), at_delta),
            "tipping_point": (("delta_path", *of_contrast), point),
            "tipping_status": (("delta_path", *of_contrast), status),
        }
        found |= {f"{prefix}{name}": value for name, value in own.items()}
    shares = {"missing": left.missing, "dead": left.dead, "ended": left.ended}
    found |= {f"share_{name}": (of_cell, _share(cells, which)) for name, which in shares.items()}
    return xr.Dataset(
        found,
        coords={
            "chain": draws[0],
            "draw": draws[1],
            "strategy": list(STRATEGIES),
            "strategy_in_words": ("strategy", [in_words[name] for name in STRATEGIES]),
            "start_group": list(cells.groups),
            "stratum": list(cells.labels),
            "contrast": [f"{cells.groups[g]} - {cells.reference}" for g in compared],
            "direction": ("contrast", [_direction(cells, g, reference, sign) for g in compared]),
            "delta_group": deltas,
            "delta_reference": deltas,
            "delta_path": list(DELTA_PATHS),
        },
        attrs={**attributes, "interval": f"{interval:g} equal-tailed"},
    )


def tipping(at_delta: np.ndarray, deltas: np.ndarray, interval: float) -> tuple[np.ndarray, np.ndarray]:
    """Smallest delta at which the interval no longer lies on the side of zero where it lies at delta 0.

    A step that takes the interval across zero at once counts: the sign has turned.

    Parameters
    ----------
    at_delta : (chain, draw, delta, delta, contrast, stratum)
        Delta in the first group, then in the reference group.
    deltas : (delta,) rising from 0
    interval : float

    Returns
    -------
    tuple of ndarray
        (path, contrast, stratum), paths as in `DELTA_PATHS`; NaN where there is none.
    """
    tails = [(1 - interval) / 2, (1 + interval) / 2]
    lower, upper = np.quantile(at_delta, tails, axis=(0, 1))
    reached = np.where(lower[0, 0] > 0, lower <= 0, np.where(upper[0, 0] < 0, upper >= 0, True))
    both = np.arange(len(deltas))
    paths = np.stack([reached[:, 0], reached[0], reached[both, both]])  # (path, delta, contrast, stratum)
    found, at_once = paths.any(axis=1), paths[:, 0]
    point = np.where(found & ~at_once, deltas[paths.argmax(axis=1)], np.nan)
    status = np.where(at_once, NOT_APPLICABLE, np.where(found, FOUND, BEYOND))
    return point, status


def _somebody_moves(cells: Cells, left: Leaving, compared: list[int], reference: int) -> np.ndarray:
    """Whether anyone left to whom delta applies, (path, contrast, stratum), paths as in `DELTA_PATHS`."""
    gone = _share(cells, left.missing) > 0
    either = gone[compared] | gone[[reference]]
    return np.stack([gone[compared], np.broadcast_to(gone[[reference]], either.shape), either])


def _share(cells: Cells, which: np.ndarray) -> np.ndarray:
    """Share of the persons of every cell, and of every start group where there are several strata."""
    count, of = cells.total(which.astype(float)), cells.total(np.ones(len(which)))
    if len(cells.strata) > 1:
        count, of = (np.concatenate([v, v.sum(axis=1, keepdims=True)], axis=1) for v in (count, of))
    return count / of


def _direction(cells: Cells, group: int, reference: int, sign: float) -> str:
    """Which way favours the group that starts the drug earlier."""
    earlier = group if cells.starts[group] <= cells.starts[reference] else reference
    favours = "+" if (earlier == group) == (sign > 0) else "-"
    return f"{favours} favours {cells.groups[earlier]}"
