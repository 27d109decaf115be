"""Settings of a study that its tables do not contain, checked against the tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Real

import numpy as np
import pandas as pd

from bayesmodels.study.checks.cells import NEAR, number, week_of
from bayesmodels.study.checks.event_words import NONE
from bayesmodels.study.checks.labels import alike, as_toml, label_key
from bayesmodels.study.checks.limits import Limits
from bayesmodels.study.problem import Problem, nearest, plain, quoted
from bayesmodels.vocabulary import FIRST_DOSE_WINDOW

PLACE = "study settings"
"""Stands in messages where a table's problem has its file."""

N_CURVE_WEEKS = 25


@dataclass(frozen=True)
class Settings:
    """Settings as the caller gave them; None where the default holds."""

    reference_group: str | None
    strata: bool
    controlled_week: float | None
    curve_weeks: tuple[float, ...] | None
    extra_limits: dict[str, Limits]
    distinct_labels: tuple[tuple[str, ...], ...]
    event_labels: dict[str, str]
    new_persons: bool = False
    trial: str | None = None


def check_settings(
    found: list[Problem],
    reference_group: object = None,
    strata: object = False,
    controlled_week: object = None,
    curve_weeks: object = None,
    extra_limits: object = None,
    distinct_labels: object = (),
    event_labels: object = None,
    new_persons: object = False,
    trial: object = None,
) -> Settings:
    """The settings with their types checked, whatever the tables hold; `found` gets the problems."""

    def refuse(expected: str, given: object, remedy: str = "") -> None:
        found.append(Problem(PLACE, f"expected {expected}, got {_shown(given)}{remedy}"))

    if reference_group is not None and not isinstance(reference_group, str):
        refuse("a start group's label as reference_group", reference_group)
        reference_group = None
    if not isinstance(strata, bool):
        refuse("strata true or false", strata)
    if not isinstance(new_persons, bool):
        refuse("new_persons true or false", new_persons)
    if trial is not None and not isinstance(trial, str):
        refuse("a label of the column trial as trial", trial)
        trial = None
    if trial is not None and new_persons is True:
        found.append(Problem(PLACE, "expected no trial with new_persons, whose tables hold persons to predict only"))
    week = number(controlled_week) if _is_week(controlled_week) else None
    if controlled_week is not None and (week is None or week < NEAR):
        refuse("a controlled_week above 0, in weeks since randomisation", controlled_week)
        week = None
    weeks = None
    if curve_weeks is not None:
        listed = list(curve_weeks) if isinstance(curve_weeks, Sequence | np.ndarray) else None
        if isinstance(curve_weeks, str) or not listed or not all(_is_week(w) for w in listed):
            refuse("curve_weeks as a list of weeks of 0 or later", curve_weeks)
        elif any(b - a < NEAR for a, b in pairwise(listed)):
            refuse("curve_weeks in rising order, each once", curve_weeks, "; sort them")
        else:
            weeks = tuple(week_of(float(w)) for w in listed)
    return Settings(
        reference_group=reference_group,
        strata=strata is True,
        controlled_week=None if week is None else week_of(week),
        curve_weeks=weeks,
        extra_limits=_limits(extra_limits, refuse),
        distinct_labels=check_distinct(distinct_labels, found),
        event_labels=check_event_labels(event_labels, found),
        new_persons=new_persons is True,
        trial=trial,
    )


def _limits(extra_limits: object, refuse: Callable[[str, object], None]) -> dict[str, Limits]:
    """Limits of further outcomes, as (low, high, positive)."""
    limits: dict[str, Limits] = {}
    if extra_limits is not None and not isinstance(extra_limits, Mapping):
        refuse("limits as outcome = (low, high, positive)", extra_limits)
        return limits
    for outcome, given in (extra_limits or {}).items():
        parts = tuple(given) if isinstance(given, Sequence) and not isinstance(given, str) else ()
        ends = [number(part) for part in parts[:2] if not isinstance(part, str)]
        good = len(parts) == 3 and len(ends) == 2 and None not in ends and isinstance(parts[2], bool | np.bool_)
        if not good or not ends[0] < ends[1]:  # type: ignore[operator]
            refuse(f"(low, high, positive) with low below high for {plain(outcome)}", given)
        else:
            limits[str(outcome)] = Limits(ends[0], ends[1], bool(parts[2]))  # type: ignore[arg-type]
    return limits


def check_distinct(given: object, found: list[Problem]) -> tuple[tuple[str, ...], ...]:
    """Groups of labels that are not the same, as tuples; `found` gets the problem where `given` is no such list."""
    listed = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else None
    groups = [tuple(g) if isinstance(g, Sequence) and not isinstance(g, str) else () for g in listed or ()]
    if listed is None or not all(len(g) > 1 and all(isinstance(label, str) for label in g) for g in groups):
        text = f'expected distinct_labels as lists of two labels or more, [["a", "A"]], got {plain(given)}'
        found.append(Problem(PLACE, text))
        return ()
    return tuple(groups)


def check_event_labels(given: object, found: list[Problem]) -> dict[str, str]:
    """What labels of the events table stand for; `found` gets the problem where `given` does not say it."""
    if given is None:
        return {}
    good = isinstance(given, Mapping) and all(
        isinstance(word, str) and word == word.strip() and word and word.isprintable()
        for pair in given.items()
        for word in pair
    )
    if not good:
        text = 'expected event_labels as labels of the events table to "none", an event of the model or themselves'
        found.append(Problem(PLACE, f"{text}, got {plain(given)}"))
        return {}
    said: dict[str, str] = dict(given)  # type: ignore[call-overload]
    wrong = {label: text for label, meant in said.items() if (text := _wrong_of_nothing(label, meant))}
    found += [Problem(PLACE, text) for text in wrong.values()]
    return said | {label: label for label in wrong}


def _wrong_of_nothing(label: str, meant: str) -> str:
    """What is wrong with an answer of `event_labels` that concerns "none", in any spelling; "" if nothing is."""
    if meant in (NONE, label):
        return ""
    if label_key(label) == NONE:
        return (
            f'event_labels: expected {quoted([label])} to be "{NONE}", the label of rows where nothing happened, got '
            f"{quoted([meant])}; delete {quoted([label])}, and write what happened in the events table"
        )
    if label_key(meant) == NONE:
        return f'event_labels: expected "{NONE}" as what {quoted([label])} is, got {quoted([meant])}; write "{NONE}"'
    return ""


def check_reference(reference_group: str | None, persons: pd.DataFrame, new_persons: bool = False) -> list[Problem]:
    """The reference group must be a start group; with two groups or more it must be given, but for new persons."""
    groups = [group for group in persons["start_group"].unique() if group]
    if not groups:
        return []
    if reference_group is None:
        if len(groups) == 1 or new_persons:
            return []
        text = (
            "expected a reference_group, since there are two start groups or more; contrasts are the other groups "
            f"minus this one: give one of {quoted(groups)}"
        )
        return [Problem(PLACE, text)]
    if reference_group in groups:
        return []
    same = alike(reference_group, groups)
    near = nearest(reference_group, groups)
    remedy = (
        f"write reference_group = {as_toml(same)}"
        if same
        else f'is it "{plain(near)}"?'
        if near
        else "give one of these"
    )
    return [
        Problem(
            PLACE,
            f'reference_group "{plain(reference_group)}" is not a start group (groups: {quoted(groups)}); {remedy}',
        )
    ]


def default_controlled_week(persons: pd.DataFrame) -> float | None:
    """Earliest drug start among the groups that begin after randomisation; None if no such group starts the drug.

    A group begins after randomisation if all its drug starts are later than `FIRST_DOSE_WINDOW` weeks, so that a first
    dose some days after randomisation does not end the controlled period.
    """
    first = persons.groupby("start_group")["drug_start_week"].min()
    late = first[(first > FIRST_DOSE_WINDOW) & np.isfinite(first)]
    return float(late.min()) if len(late) else None


def default_curve_weeks(last_visit: float) -> tuple[float, ...]:
    """Twenty-five whole weeks from 0 to the last visit, or every whole week where there are fewer."""
    spread = np.linspace(0.0, np.floor(last_visit), N_CURVE_WEEKS)
    return tuple(float(week) for week in np.unique(np.round(spread)))


def _is_week(value: object) -> bool:
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    week = number(value)
    return week is not None and bool(np.isfinite(week)) and week >= 0


def _shown(value: object) -> str:
    return f'"{plain(value)}"' if isinstance(value, str) else plain(value)
