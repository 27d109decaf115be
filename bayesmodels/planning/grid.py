"""The grid of a planned trial: sizes, periods, effects, lag and leaving; each combination is a cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import floor, inf, isfinite
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bayesmodels.errors import BadInput
from bayesmodels.planning.effects import (
    REMOVED,
    EffectPrior,
    changed_truth,
    decline_removed_of,
    is_possible,
    nfl_ratio_of,
)
from bayesmodels.simulation import DataLock, StartGroup
from bayesmodels.simulation.course import WEEKS_PER_MONTH
from bayesmodels.simulation.design import VISIT_WEEKS
from bayesmodels.trials.truths import Design, GeneratorTruth

AXES = ("persons", "period_weeks", "nfl_ratio", "decline_removed", "function_lag", "dropout")
"""Coordinates of a cell, in the order of the columns."""

ENTRY, END = "entry", "end"
"""Data locks of a cell's trials: the first tells when a person entered, the last ends follow-up."""

SOON = 0.01
"""Months of the data lock `ENTRY`."""

Sizes = Annotated[int, Field(ge=4, le=100_000)]
Weeks = Annotated[int, Field(ge=1, le=1000)]
Ratio = Annotated[float, Field(gt=0, le=1)]
Removed = Annotated[float, Field(ge=REMOVED[0], le=REMOVED[1])]
Months = Annotated[float, Field(ge=0)]
Factor = Annotated[float, Field(ge=0)]


def entry_weeks(followed: np.ndarray) -> np.ndarray:
    """Calendar weeks from the first person's entry into a cell's trial to each person's, to hundredths.

    Parameters
    ----------
    followed : array (person,)
        Weeks of follow-up possible at the data lock `ENTRY`.
    """
    before_last = followed - SOON * WEEKS_PER_MONTH
    return np.round(before_last.max() - before_last, 2)


class Grid(BaseModel):
    """Values of each coordinate: `[grid]`. Every combination that the generator can have is a cell.

    Parameters
    ----------
    persons : tuple of int
        Randomised in all, in the proportions of the design's groups and strata.
    period_weeks : tuple of int
        Length of the randomised period, at whose end endpoints are read.
    nfl_ratio : tuple of float
        Ratio of NfL on the drug to off it, at the plateau; 1 is a drug that does nothing. Blank: as the truth has it.
    decline_removed : tuple of float
        Share of the decline that the drug removes at the plateau; 0 none, below 0 harm. Blank: as the truth has it.
    function_lag : tuple of float
        Months from the response of NfL to that of the decline. Blank: as the truth has it.
    dropout : tuple of float
        Multiplies the hazards of withdrawal.
    weeks_to_switch : int
        From the end of the period to the drug's start in delayed groups (VALOR: 28 and 30).
    parallel : bool
        Whether the groups that would start late never start.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    persons: Annotated[tuple[Sizes, ...], Field(min_length=1)]
    period_weeks: Annotated[tuple[Weeks, ...], Field(min_length=1)] = (28,)
    nfl_ratio: tuple[Ratio, ...] = ()
    decline_removed: tuple[Removed, ...] = ()
    function_lag: tuple[Months, ...] = ()
    dropout: Annotated[tuple[Factor, ...], Field(min_length=1)] = (1.0,)
    weeks_to_switch: Annotated[int, Field(ge=0)] = 2
    parallel: bool = False

    @model_validator(mode="after")
    def _each_once(self) -> Grid:
        twice = [name for name in AXES if len(set(getattr(self, name))) < len(getattr(self, name))]
        if twice:
            raise ValueError(f"{', '.join(twice)}: expected values that differ; delete those given twice")
        return self

    def values(self, axis: str) -> tuple[Any, ...]:
        """Values of a coordinate; None stands for what the truth has.

        Parameters
        ----------
        axis : str
        """
        return getattr(self, axis) or (None,)


@dataclass(frozen=True)
class Cell:
    """One combination: a design and a truth.

    Attributes
    ----------
    number : int
        From 0.
    design : Design
    truth : GeneratorTruth
        For drawn effects: what they are put into.
    persons : int
    period_weeks : int
    nfl_ratio, decline_removed : float
        At the plateau; NaN where they are drawn for each trial, or follow one that is.
    function_lag, dropout : float
    drawn : tuple of str
        Effects that are drawn from the prior for each trial.
    """

    number: int
    design: Design
    truth: GeneratorTruth
    persons: int
    period_weeks: int
    nfl_ratio: float
    decline_removed: float
    function_lag: float
    dropout: float
    drawn: tuple[str, ...] = ()

    @property
    def contrast(self) -> str:
        """The comparison, "early - delayed"."""
        first, *_, reference = self.design.trial.start_groups
        return f"{first.name} - {reference.name}"

    @property
    def coordinates(self) -> dict[str, float]:
        """Coordinates by axis."""
        return {name: float(getattr(self, name)) for name in AXES}


def cells_of(
    grid: Grid, design: Design, truth: GeneratorTruth, weeks_after: Sequence[int], assurance: EffectPrior | None = None
) -> tuple[tuple[Cell, ...], tuple[dict[str, float], ...]]:
    """The cells of a grid, those with fixed effects first, and the combinations that were left out.

    Parameters
    ----------
    grid : Grid
    design : Design
        Its groups' sizes are proportions; its visits up to the end are kept.
    truth : GeneratorTruth
    weeks_after : sequence of int
        Weeks after the period at which endpoints are read.
    assurance : EffectPrior, optional
        Adds a cell with drawn effects for each combination of the other coordinates.

    Returns
    -------
    tuple of Cell, tuple of dict
        What was left out are drugs that remove decline without lowering NfL: the generator has none.

    Raises
    ------
    BadInput
        A design that the grid cannot lay out, or an effect that the truth cannot have.
    """
    _check(grid, design)
    share = design.trial.faster_share
    found: list[Cell] = []
    left_out: list[dict[str, float]] = []
    for names in ((), assurance.names) if assurance is not None else ((),):
        axes = [(None,) if axis in names else grid.values(axis) for axis in AXES]
        for values in product(*axes):
            at = dict(zip(AXES, values, strict=True))
            removed = float("nan") if "decline_removed" in names else at["decline_removed"]
            if not is_possible(at["nfl_ratio"], removed):
                left_out.append(at)
                continue
            told = {name: at[name] for name in ("nfl_ratio", "decline_removed", "function_lag", "dropout")}
            if at["dropout"] == 1:
                told["dropout"] = None
            own = changed_truth(truth, share, **told)
            made = own.generator
            effects = {
                "nfl_ratio": nfl_ratio_of(made, share), "decline_removed": decline_removed_of(made, share)
            }  # fmt: skip
            if "nfl_ratio" in names and at["decline_removed"] is None:
                effects["decline_removed"] = float("nan")  # it follows the ratio that is drawn
            for name in names:
                effects[name] = float("nan")
            for name, value in effects.items():
                if at[name] is not None:
                    effects[name] = float(at[name])
                elif value == value:
                    effects[name] = round(value, 4) + 0.0
            found.append(
                Cell(
                    len(found), laid_out(grid, design, at["persons"], at["period_weeks"], weeks_after), own,
                    at["persons"], at["period_weeks"], **effects, function_lag=float(made.function_lag),
                    dropout=float(at["dropout"]), drawn=names,
                )
            )  # fmt: skip
    if not found:
        raise BadInput(
            "[grid]: expected a drug that the generator has, found none: one with nfl_ratio = 1 removes no decline; "
            "give another nfl_ratio, or decline_removed = [0]"
        )
    return tuple(found), tuple(left_out)


def _check(grid: Grid, design: Design) -> None:
    problems = [
        f"[design] {name}: expected none, since the grid says when groups switch and how long they are followed; "
        "give [grid] period_weeks and weeks_to_switch"
        for name in ("delayed_start_week", "data_locks", "data_lock")
        if getattr(design, name) is not None
    ]
    groups = len(design.trial.start_groups)
    if groups != 2:
        problems.append(f"[design]: expected two start groups, the second the reference, got {groups}")
    else:
        first, reference = design.trial.start_groups
        if first.drug_start_week != 0 or reference.drug_start_week == 0:
            problems.append(
                "[design] start_groups: expected the first to start the drug at week 0 and the second, the reference, "
                f"later or never, got {_start_said(first)} and {_start_said(reference)}; put the group that starts at "
                "randomisation first"
            )
    if problems:
        raise BadInput(problems)


def _start_said(group: StartGroup) -> str:
    week = group.drug_start_week
    return f"{group.name} at week {week:g}" if isfinite(week) else f"{group.name} never"


def laid_out(grid: Grid, design: Design, persons: int, period: int, weeks_after: Sequence[int]) -> Design:
    """The design of a cell.

    Parameters
    ----------
    grid : Grid
    design : Design
    persons, period : int
        Randomised in all; weeks of the period.
    weeks_after : sequence of int
        Weeks after the period at which endpoints are read; the last ends follow-up.
    """
    base = design.trial
    asked = {period + after for after in weeks_after}
    end = max(asked)
    visits = design.visit_weeks or VISIT_WEEKS
    late = inf if grid.parallel else float(period + grid.weeks_to_switch)
    starts = [group.drug_start_week for group in base.start_groups]
    counts = proportional([n for group in base.start_groups for n in (group.faster, group.slower)], persons)
    groups = tuple(
        StartGroup(
            name=group.name,
            drug_start_week=late if start > 0 and isfinite(start) else start,
            faster=counts[2 * k],
            slower=counts[2 * k + 1],
        )
        for k, (group, start) in enumerate(zip(base.start_groups, starts, strict=True))
    )
    months = end / WEEKS_PER_MONTH + SOON
    locks = (
        DataLock(name=ENTRY, shortest=SOON, longest=SOON + base.entry_months),
        DataLock(name=END, shortest=months, longest=months),
    )
    return Design(
        start_groups=groups, visit_weeks=tuple(sorted({week for week in visits if week <= end} | asked)),
        entry_months=base.entry_months, data_locks=locks, missed_visits=base.missed_visits,
    )  # fmt: skip


def proportional(parts: Sequence[int], total: int) -> list[int]:
    """Whole numbers in the proportions of others, with a given sum: largest remainders, the first of equal ones.

    Parameters
    ----------
    parts : sequence of int
    total : int

    Raises
    ------
    BadInput
        A start group (two consecutive parts) would have fewer than two persons.
    """
    exact = [part * total / sum(parts) for part in parts]
    found = [floor(value) for value in exact]
    order = sorted(range(len(parts)), key=lambda k: (found[k] - exact[k], k))
    for k in order[: total - sum(found)]:
        found[k] += 1
    if any(found[k] + found[k + 1] < 2 for k in range(0, len(found), 2)):
        raise BadInput(f"[grid] persons: expected two persons or more in each group, got {total} in all; ask for more")
    return found


def varying(cells: Sequence[Cell]) -> Iterator[str]:
    """Axes of which cells have several values.

    Parameters
    ----------
    cells : sequence of Cell

    Yields
    ------
    str
    """
    for axis in AXES:
        values = {str(getattr(cell, axis)) for cell in cells}
        if len(values) > 1:
            yield axis
