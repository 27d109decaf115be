"""Persons who left a trial before a given week, and when: from visits, and from events where there are any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Literal

import numpy as np
import pandas as pd

from bayesmodels.errors import BadConfig, BadInput, expect
from bayesmodels.study import Study
from bayesmodels.study.schedule import nominal_weeks

Deaths = Literal["as_followed", "as_missing", "left_out"]

DEATH = ("death",)
"""What counts as death where neither the rule nor a model says."""


@dataclass(frozen=True)
class LeavingRule:
    """Rule of who counts as having left a trial, and how deaths are treated.

    Parameters
    ----------
    deaths : {"as_followed", "as_missing", "left_out"}
        The dead as if they had lived and been followed (hypothetical); like everyone else who left; or left out, so
        that means are of those alive at the week (refused where a joint model lets death depend on the course).
    terminal : tuple of str, optional
        Events after which a person counts as dead; default those of the model's terminal events (`dropout_request`),
        "death" in a model without events.
    administrative : tuple of str
        Ends of follow-up that are the trial's doing: missing at random whatever the strategy.
    tolerance_weeks : float, optional
        A visit up to so many weeks before the week counts as being there. Default: half the spacing of the visits.
    """

    deaths: Deaths = "as_followed"
    terminal: tuple[str, ...] | None = None
    administrative: tuple[str, ...] = ("none",)
    tolerance_weeks: float | None = None

    def __post_init__(self) -> None:
        if self.deaths not in ("as_followed", "as_missing", "left_out"):
            raise BadConfig(f'deaths: expected "as_followed", "as_missing" or "left_out", got {self.deaths!r}')
        expect(self.tolerance_weeks, (int, float, NoneType), "tolerance_weeks", "give a number of weeks")
        if self.tolerance_weeks is not None and not 0 <= self.tolerance_weeks < np.inf:
            raise BadConfig(f"tolerance_weeks: expected a number of weeks, 0 or more, got {self.tolerance_weeks!r}")

    @property
    def dead_by(self) -> tuple[str, ...]:
        """Events after which a person counts as dead."""
        return DEATH if self.terminal is None else self.terminal

    def in_words(self) -> str:
        """How deaths are treated, in words."""
        return {
            "as_followed": "the dead are described as if alive and followed (hypothetical)",
            "as_missing": "the dead are treated like everyone else who left: as if alive, under each strategy",
            "left_out": "the dead are left out: means are of those alive at the week, groups no longer as randomised",
        }[self.deaths]

    def ends_in_words(self) -> str:
        """How persons without a visit at the week who did not leave are treated, in words."""
        planned = f" or whose exit is {' or '.join(self.administrative)}" if self.administrative else ""
        return (
            f"nothing is supposed of those without a visit at the week who were followed to it{planned}; whoever left "
            "of their own accord needs an event that says so"
        )


@dataclass(frozen=True)
class Leaving:
    """Whether and when each person left before the week, in the order of the persons table.

    Parameters
    ----------
    exit_week : (person,) float
        Of the last visit with the outcome up to the week; 0 without any.
    missing : (person,) bool
        Left before the week: the strategies apply.
    ended, dead : (person,) bool
        No visit at the week, though followed to it or to an administrative end; dead by the week.
    tolerance_weeks : float
    """

    exit_week: np.ndarray
    missing: np.ndarray
    ended: np.ndarray
    dead: np.ndarray
    tolerance_weeks: float


def leaving(study: Study, outcome: str, week: float, rule: LeavingRule) -> Leaving:
    """Find who has left before a week.

    A person without a visit of the outcome from `week` less the tolerance on is no longer observed. Where there are
    events, such a person has left if the event came before `week` and is not an administrative end; without events,
    everyone no longer observed has left.

    Raises
    ------
    BadInput
        Nobody is observed at the week, or the dead are to be treated apart and no such event is known.
    """
    persons, events = study.persons["person"], study.events
    visits = study.visits[study.visits["outcome"] == outcome]
    tolerance = half_spacing(visits, week) if rule.tolerance_weeks is None else rule.tolerance_weeks
    last = visits[visits["week"] <= week].groupby("person")["week"].max().reindex(persons).to_numpy()
    final = visits.groupby("person")["week"].max().reindex(persons).to_numpy()
    seen = final >= week - tolerance
    if not seen.any():
        raise BadInput(
            f"week {week:g}: expected a week at which someone is still observed, found no visit with {outcome} from "
            f"week {week - tolerance:g} on; choose an earlier week"
        )
    dead = np.zeros(len(persons), bool)
    followed = np.zeros(len(persons), bool)
    if events is not None:
        end = events.set_index("person").reindex(persons)
        dead = (end["event"].isin(rule.dead_by) & (end["week"] <= week)).to_numpy()
        followed = ((end["week"] >= week) | end["event"].isin(rule.administrative)).to_numpy() & ~dead
    if rule.deaths == "left_out":
        _check_known(events, rule.dead_by)
    return Leaving(
        exit_week=np.nan_to_num(last, nan=0.0),
        missing=~seen & ~followed & (~dead if rule.deaths != "as_missing" else True),
        ended=~seen & followed,
        dead=dead,
        tolerance_weeks=float(tolerance),
    )


def half_spacing(visits: pd.DataFrame, week: float) -> float:
    """Half the interval between the nominal visits before and at (or after) a week."""
    nominal = nominal_weeks(visits)
    if len(nominal) < 2:
        return week / 2
    j = int(np.clip(np.searchsorted(nominal, week), 1, len(nominal) - 1))
    return float(nominal[j] - nominal[j - 1]) / 2


def _check_known(events: pd.DataFrame | None, terminal: Sequence[str]) -> None:
    found = [] if events is None else sorted(events["event"].unique())
    if not set(found) & set(terminal):
        raise BadInput(
            f"events: expected some of {', '.join(terminal)} to leave the dead out, found "
            f'{", ".join(found) or "no events table"}; name the terminal events, or treat deaths "as_followed"'
        )
