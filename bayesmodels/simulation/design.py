"""The design of a simulated trial: who, when the drug starts, when visits are due, when the data are locked."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bayesmodels.errors import BadInput

VISIT_WEEKS = (0, 2, 4, 8, 12, 16, 20, 24, 28, *range(40, 149, 12))
"""Weeks of VALOR's visits and of its extension's, to week 148."""


class StartGroup(BaseModel):
    """A randomised group: when its persons start the drug, and how many there are in each stratum.

    ``drug_start_week`` is infinite for a group that never starts.

    Parameters
    ----------
    name : str
        Label of the group.
    drug_start_week : float
        Weeks since randomisation; inf: never.
    faster, slower : int
        Persons in each stratum.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    name: str
    drug_start_week: Annotated[float, Field(ge=0)]
    faster: Annotated[int, Field(ge=0)]
    slower: Annotated[int, Field(ge=0)]

    @property
    def persons(self) -> int:
        """Persons randomised to the group."""
        return self.faster + self.slower


class DataLock(BaseModel):
    """A calendar date at which the data are frozen, as the shortest and longest possible follow-up then (months).

    Parameters
    ----------
    name : str
        Label of the lock.
    shortest, longest : float
        Months of possible follow-up of the last and the first person who entered.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    shortest: Annotated[float, Field(gt=0)]
    longest: Annotated[float, Field(gt=0)]


class TrialDesign(BaseModel):
    """A trial to simulate.

    Persons enter uniformly over ``entry_months``; follow-up at a data lock is ``shortest`` plus the time by which a
    person entered before the last one, at most ``longest``. The last data lock ends the trial. Visits fall exactly on
    ``visit_weeks`` (whole weeks, beginning with 0); each after the first is missed, both outcomes together, with
    probability ``missed_visits``, which is an assumption: no source gives it.

    Parameters
    ----------
    start_groups : tuple of StartGroup
    visit_weeks : tuple of int
    entry_months : float
    data_locks : tuple of DataLock
    missed_visits : float
        Probability.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    start_groups: tuple[StartGroup, ...]
    visit_weeks: tuple[int, ...] = VISIT_WEEKS
    entry_months: Annotated[float, Field(ge=0)] = 21.0
    data_locks: tuple[DataLock, ...] = (
        DataLock(name="july_2021", shortest=7, longest=28),
        DataLock(name="january_2022", shortest=13, longest=34),
        DataLock(name="end", shortest=44, longest=60),
    )
    missed_visits: Annotated[float, Field(ge=0, lt=1)] = 0.03

    @field_validator("visit_weeks")
    @classmethod
    def _increasing_from_zero(cls, weeks: tuple[int, ...]) -> tuple[int, ...]:
        if weeks[:1] != (0,) or list(weeks) != sorted(set(weeks)):
            raise ValueError(f"visit_weeks must begin with 0 and increase; got {weeks}")
        return weeks

    @model_validator(mode="after")
    def _somebody_in_named_groups(self) -> TrialDesign:
        names = [group.name for group in self.start_groups]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"start groups need different names and there must be one at least; got {names}")
        if any(group.persons == 0 for group in self.start_groups):
            raise ValueError("every start group needs a person")
        if not self.data_locks:
            raise ValueError("a trial needs a data lock to end it")
        return self

    @property
    def persons(self) -> int:
        """Persons randomised."""
        return sum(group.persons for group in self.start_groups)

    @property
    def faster_share(self) -> float:
        """Share of faster-progressing persons in the whole trial: the common weight of the mixture of strata."""
        return sum(group.faster for group in self.start_groups) / self.persons


def valor_design(n_early: int = 72, n_delayed: int = 36, delayed_start_week: float = 30.0) -> TrialDesign:
    """A design like VALOR's: start at randomisation against a start at week 30.

    Strata are filled in VALOR's proportions, 39 of 72 early and 21 of 36 delayed starters progressing faster
    (rows n_E and n_D of ``valor_simulator_truth.csv``); week 30 is its row s.

    Parameters
    ----------
    n_early, n_delayed : int
        Persons randomised to each start group; 0 leaves the group out.
    delayed_start_week : float
        Week at which the delayed group starts the drug.

    Raises
    ------
    BadInput
        Nobody at all, or a group of one person: the tables of such a trial would be refused.
    """
    sizes = (n_early, n_delayed)
    if min(sizes) < 0 or max(sizes) < 2 or 1 in sizes:
        raise BadInput(
            f"each start group needs 2 persons or more, or 0 to leave it out; got early {n_early}, delayed {n_delayed}"
        )
    planned = (("early", 0.0, n_early, 39 / 72), ("delayed", delayed_start_week, n_delayed, 21 / 36))
    groups = []
    for name, week, size, faster_share in planned:
        faster = math.floor(size * faster_share + 0.5)
        if size:
            groups.append(StartGroup(name=name, drug_start_week=week, faster=faster, slower=size - faster))
    return TrialDesign(start_groups=tuple(groups))
