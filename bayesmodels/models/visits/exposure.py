"""Exits of a study's persons, and the quadrature points in time at which their hazards are evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from bayesmodels.errors import BadInput, in_full
from bayesmodels.models.visits.design import NEVER
from bayesmodels.study import Study
from bayesmodels.study.checks.event_words import study_questions
from bayesmodels.study.checks.labels import DIFFER, alike, as_toml
from bayesmodels.study.problem import FIRST_ROW, Problem, in_order
from bayesmodels.vocabulary import months

ONE_PIECE, MANY_PIECES, SMOOTH_PIECES = 15, 7, 5
"""Gauss-Legendre nodes on each piece of an interval with one cut or none, with more, and with more where hazards are
bounded and rates that act on them do not jump: with a log hazard that changes by s along a piece the last err by 4e-13
s^10 of the integral, 2e-8 for a twentyfold change.
"""

UNBOUNDED_POWER = 4
"""A hazard that may be infinite at time zero has its first nodes at t = b s^4: then t^(k - 1) is smooth, k >= .25."""


@dataclass(frozen=True)
class Exits:
    """Ends of follow-up, persons in the order of the study's table; months since randomisation.

    Parameters
    ----------
    entry, exit : (person,) float
    code : (person,) int
        0 where follow-up ended without one of the model's events, e + 1 with its event e.
    start : (person,) float
        The drug's start; `NEVER` for never.
    """

    entry: np.ndarray
    exit: np.ndarray
    code: np.ndarray
    start: np.ndarray


@dataclass(frozen=True)
class Points:
    """Quadrature nodes of every person between entry and exit, then the exit with weight zero.

    Parameters
    ----------
    first : (person + 1,) int
        Where each person's points begin.
    t, on_drug, weight : (point,) float
        Months since randomisation, months since the drug's start (negative before), quadrature weight in months.
    """

    first: np.ndarray
    t: np.ndarray
    on_drug: np.ndarray
    weight: np.ndarray


class WithExits(Protocol):
    """A study, or persons to predict: persons, and a row of events for each."""

    @property
    def persons(self) -> pd.DataFrame:
        """person, drug_start_week."""
        ...

    @property
    def events(self) -> pd.DataFrame | None:
        """person, week, event, entry_week."""
        ...


def exits_of(data: WithExits, events: Sequence[Sequence[str]]) -> Exits:
    """Exits of a study under a model's event types, each a tuple of labels of the events table.

    Labels that no event type names end follow-up without an event.

    Parameters
    ----------
    data : Study or Persons
        Of persons to predict it is not asked that someone has each event, nor that anyone is watched for a while.
    events : sequence of sequence of str

    Raises
    ------
    BadInput
        No events table; in a study an event type that nobody has, a label that the study spells otherwise, a label that
        is another word for one of the events, or an event without time at risk before it.
    """
    if data.events is None:
        raise BadInput(
            "events: the model has events and the study no events table; add one row per person: person, week, event"
        )
    problems = _problems(data, events) if isinstance(data, Study) else []
    if problems:
        raise BadInput(in_order(problems))
    table = data.events.set_index("person").loc[data.persons["person"]]
    code = np.zeros(len(table), np.int64)
    for e, names in enumerate(events):
        code[table["event"].isin(names)] = e + 1
    start = data.persons["drug_start_week"].to_numpy(float)
    return Exits(
        entry=months(table["entry_week"].to_numpy(float)),
        exit=months(table["week"].to_numpy(float)),
        code=code,
        start=np.where(np.isfinite(start), months(np.where(np.isfinite(start), start, 0.0)), NEVER),
    )


def _problems(study: Study, events: Sequence[Sequence[str]]) -> list[Problem]:
    """Event types that nobody has, labels in another case, and events without time at risk before them."""
    assert study.events is not None
    file, table = study.tables.files["events"], study.events
    there = set(table["event"])
    found = [
        Problem(
            file,
            f"expected someone with the event {' or '.join(repr(name) for name in names)}, which the model has; found "
            f"{', '.join(sorted(there))}{_spelt(names, there)}",
        )
        for names in events
        if not there.intersection(names)
    ]
    found += [
        Problem(
            file,
            f"expected the event {name!r}, which the model has; found {alike(name, there)!r}, which differs only by "
            f"{DIFFER}: write of = [..., {as_toml(alike(name, there) or name)}] in the model",
        )
        for names in events
        for name in names
        if there.intersection(names) and (alike(name, there) or name) not in names
    ]
    modelled = {name for names in events for name in names}
    found += study_questions(study, [{name: name for name in modelled}], nothing=False)
    at_once = table["event"].isin(modelled) & (table["week"] <= table["entry_week"])
    for i in np.flatnonzero(at_once):
        row = table.iloc[i]
        found.append(
            Problem(
                file,
                f"expected {row['event']} after the week of entry ({in_full(row['entry_week'])}), got week "
                f"{in_full(row['week'])}, without time at risk; give the fraction of a week, or write none",
                row=FIRST_ROW + int(i),
                person=row["person"],
                week=row["week"],
                kind="an event without time at risk",
            )
        )
    return found


def _spelt(names: Sequence[str], there: set[str]) -> str:
    """What to do about an event that nobody has: write it as the table does, where it is there otherwise spelt."""
    known = sorted(there)
    other = next((name for name in names if alike(name, known) is not None), None)
    if other is None:
        return "; correct the name, or leave the event out of the model"
    of = ", ".join(as_toml(alike(name, known) or name) for name in names)
    return f"; {alike(other, known)!r} differs from {other!r} only by {DIFFER}: write of = [{of}] in the model"


def points_of(exits: Exits, cuts: Sequence[float], unbounded: bool, on_drug_cuts: Sequence[float] = ()) -> Points:
    """Points of every person: pieces between entry, drug start, `cuts` and exit.

    Parameters
    ----------
    cuts, on_drug_cuts : sequence of float
        Months since randomisation, and since the person's drug start.
    unbounded : bool
        A hazard may be infinite at time zero.
    """
    many = MANY_PIECES if unbounded or on_drug_cuts else SMOOTH_PIECES
    nodes = [
        _of_person(entry, end, (*cuts, start, *(start + cut for cut in on_drug_cuts)), unbounded, many)
        for entry, end, start in zip(exits.entry, exits.exit, exits.start, strict=True)
    ]
    size = [len(t) for t, _ in nodes]
    t = np.concatenate([t for t, _ in nodes])
    return Points(
        first=np.concatenate([[0], np.cumsum(size)]),
        t=t,
        on_drug=t - np.repeat(exits.start, size),
        weight=np.concatenate([weight for _, weight in nodes]),
    )


def _of_person(entry: float, end: float, cuts: Sequence[float], unbounded: bool, many: int) -> Any:
    """Months and weights of one person's points; `many` nodes on each of more than two pieces."""
    inner = sorted({cut for cut in cuts if entry < cut < end})
    t, weight = [], []
    for begin, finish in zip([entry, *inner], [*inner, end], strict=True):
        from_zero = unbounded and begin == 0
        node, share = _gauss_legendre(ONE_PIECE if len(inner) < 2 or from_zero else many)
        if from_zero:
            node, share = node**UNBOUNDED_POWER, UNBOUNDED_POWER * node ** (UNBOUNDED_POWER - 1) * share
        t.append(begin + (finish - begin) * node)
        weight.append((finish - begin) * share)
    return np.concatenate([*t, [end]]), np.concatenate([*weight, [0.0]])


def _gauss_legendre(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [0, 1]."""
    node, share = np.polynomial.legendre.leggauss(order)
    return (node + 1) / 2, share / 2
