"""From a study's tables to the arrays of a model of means by visit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.errors import BadInput, expect
from bayesmodels.models.labels import absent_outcome
from bayesmodels.models.possible_values import value_problems
from bayesmodels.study import Study
from bayesmodels.study.problem import plain
from bayesmodels.study.schedule import nominal_weeks

MOST_OF_FULL_BLOCK = 5
"""A covariance without structure over several outcomes needs so many persons for each of its rows."""


@dataclass(frozen=True)
class VisitLayout:
    """What a built model is of: labels, and which outcome and visit stands in which slot of a person's vector.

    Parameters
    ----------
    outcomes, groups, strata, covariates : tuple of str
        The reference group is the last one.
    weeks : tuple of float
        Nominal visits, rising.
    outcome_of, visit_of : (slot,) int
        Outcome by outcome, visits rising; pairs that nobody has are left out.
    acts : (slot,) bool
        Where the treatment has an effect: after week 0, or everywhere for an outcome without a visit then.
    center, spread : (covariate,) float
        Mean and SD over the study's persons.
    baseline_center, baseline_spread : (outcome,) float
        Mean and SD of the value at week 0, where it is a covariate; else empty.
    shares : (stratum,) float
        Of the study's persons.
    start_weeks : (start_group,) float
        Median drug start.
    """

    outcomes: tuple[str, ...]
    groups: tuple[str, ...]
    strata: tuple[str, ...]
    covariates: tuple[str, ...]
    weeks: tuple[float, ...]
    outcome_of: np.ndarray
    visit_of: np.ndarray
    acts: np.ndarray
    center: np.ndarray
    spread: np.ndarray
    baseline_center: np.ndarray
    baseline_spread: np.ndarray
    shares: np.ndarray
    start_weeks: np.ndarray

    @property
    def slots(self) -> int:
        """Length of a person's vector."""
        return len(self.outcome_of)

    @cached_property
    def place(self) -> np.ndarray:
        """Slot of every outcome and visit, -1 where there is none, (outcome, visit) int."""
        found = np.full((len(self.outcomes), len(self.weeks)), -1)
        found[self.outcome_of, self.visit_of] = np.arange(self.slots)
        return found

    def of_outcome(self) -> np.ndarray:
        """1 where a slot is of an outcome, (outcome, slot)."""
        return (np.arange(len(self.outcomes))[:, None] == self.outcome_of).astype(float)


@dataclass(frozen=True)
class VisitDesign:
    """Arrays of a study, persons in the order of its table.

    Parameters
    ----------
    layout : VisitLayout
    values : (person, slot) float
        Modelling scale, NaN where there is no visit.
    group, stratum : (person,) int
    covariates, baseline : (person, covariate), (person, outcome) float
        Standardised; `baseline` is empty unless it is a covariate.
    left_out : dict of str to int
        Visits of each outcome that stand for no nominal visit.
    """

    layout: VisitLayout
    values: np.ndarray
    group: np.ndarray
    stratum: np.ndarray
    covariates: np.ndarray
    baseline: np.ndarray
    left_out: dict[str, int]


def nominal_visits(model: Any, data: Study) -> tuple[float, ...]:
    """Nominal visits of a model, by default the weeks around which the visits of its outcomes cluster."""
    if model.visit_weeks is not None:
        return model.visit_weeks
    names = [k.name for k in model.outcomes]
    return tuple(nominal_weeks(data.visits[data.visits["outcome"].isin(names)]).tolist())


def visit_design(model: Any, data: Study) -> VisitDesign:
    """Arrays of a study for a model of means by visit.

    Raises
    ------
    BadInput
        With every reason why the model is not one for this study.
    """
    expect(data, Study, "data", "make one with read_study or Study.from_frames")
    file = data.tables.files["visits"]
    problems = [absent_outcome(file, k.name, data.outcomes) for k in model.outcomes if k.name not in data.outcomes]
    problems += value_problems(data, model.outcomes)
    problems += _censored(model, data, file)
    if problems:
        raise BadInput(problems)
    weeks, persons = nominal_visits(model, data), data.persons
    tables = [_by_visit(data, k, weeks) for k in model.outcomes]
    values = np.stack([table for table, _ in tables], axis=1)  # (person, outcome, visit)
    start: np.ndarray = np.zeros((len(persons), 0))
    if model.baseline == "covariate":
        values, weeks, start = _without_baseline(model, values, weeks)
    seen = np.isfinite(values).any(axis=0)
    outcome_of, visit_of = np.nonzero(seen)
    used = sorted(set(visit_of))
    visit_of = np.searchsorted(used, visit_of)
    weeks = tuple(weeks[v] for v in used)
    at_start = np.array(weeks)[visit_of] == 0
    measured = np.isin(outcome_of, outcome_of[at_start])
    group = _codes(persons["start_group"], data.start_groups)
    stratum = _codes(persons["stratum"], data.stratum_labels)
    raw = data.covariates(model.covariates).to_numpy(float).reshape(len(persons), len(model.covariates))
    layout = VisitLayout(
        outcomes=tuple(k.name for k in model.outcomes),
        groups=data.start_groups,
        strata=data.stratum_labels,
        covariates=model.covariates,
        weeks=weeks,
        outcome_of=outcome_of,
        visit_of=visit_of,
        acts=~(at_start & measured) if model.baseline != "free" else np.ones(len(visit_of), bool),
        center=raw.mean(axis=0),
        spread=raw.std(axis=0),
        baseline_center=start.mean(axis=0),
        baseline_spread=start.std(axis=0),
        shares=np.bincount(stratum, minlength=len(data.stratum_labels)) / len(persons),
        start_weeks=np.array([float(persons.loc[group == g, "drug_start_week"].median())
                              for g in range(len(data.start_groups))]),
    )  # fmt: skip
    design = VisitDesign(
        layout,
        values[:, seen],
        group,
        stratum,
        (raw - layout.center) / layout.spread,
        (start - layout.baseline_center) / layout.baseline_spread,
        {k.name: n for k, (_, n) in zip(model.outcomes, tables, strict=True) if n},
    )
    problems = [*_empty_cells(design, file), *_too_large(model, design)]
    if problems:
        raise BadInput(problems)
    return design


def visit_arrays(model: Any, design: VisitDesign) -> dict[str, np.ndarray]:
    """Everything a built model holds as data, by name: what to swap for a refit without compiling again.

    Returns
    -------
    dict
        `visits_observed` (person, slot), zero where there is no visit; `visit_pattern` (person,) int; `pattern_seen`
        (pattern, slot), 1 where there is one; `pattern_block` (pattern,) int, covariance matrix of the pattern;
        `mean_design` (person, row), what the rows of means, effects and slopes are multiplied by.
    """
    layout = design.layout
    seen = np.isfinite(design.values)
    block = design.group if model.covariance_of == "start_group" else np.zeros(len(seen), int)
    patterns, of_person = np.unique(np.column_stack([block, seen]), axis=0, return_inverse=True)
    stratum = np.eye(len(layout.strata))[design.stratum]
    group = np.eye(len(layout.groups))[design.group][:, :-1]
    if model.effect_by_stratum:
        group = (stratum[:, :, None] * group[:, None, :]).reshape(len(seen), -1)
    return {
        "visits_observed": np.where(seen, design.values, 0.0),
        "visit_pattern": of_person.reshape(-1).astype(np.int64),
        "pattern_seen": patterns[:, 1:].astype(float),
        "pattern_block": patterns[:, 0].astype(np.int64),
        "mean_design": np.concatenate([stratum, group, design.covariates, design.baseline], axis=1),
    }


def visit_slots(week: np.ndarray, nominal: np.ndarray) -> np.ndarray:
    """Nominal visit that each visit is nearest to, -1 where it stands for none, (visit,) int.

    Week 0 is taken exactly: a value after randomisation is no baseline. A visit further from the first or last nominal
    week than half the distance to its neighbour stands for none.

    Parameters
    ----------
    week : (visit,) float
    nominal : (nominal visit,) float, rising
    """
    edges = (nominal[1:] + nominal[:-1]) / 2
    slot = np.searchsorted(edges, week, side="left")
    half = np.diff(nominal) / 2 if len(nominal) > 1 else np.array([nominal[0] / 2])
    near = (week >= nominal[0] - half[0]) & (week <= nominal[-1] + half[-1])
    at_start = (nominal[slot] != 0) | (week == 0)
    return np.where(near & at_start, slot, -1)


def _by_visit(data: Study, outcome: Any, weeks: tuple[float, ...]) -> tuple[np.ndarray, int]:
    """Values (person, nominal visit), the nearest visit of each, NaN where there is none; visits left out."""
    visits = data.visits[data.visits["outcome"] == outcome.name]
    row = pd.Series(np.arange(len(data.persons)), index=data.persons["person"])
    nominal, week = np.array(weeks), visits["week"].to_numpy(float)
    slot = visit_slots(week, nominal)
    value = visits["value"].to_numpy(float)
    nearest_last = np.argsort(-np.abs(week - nominal[slot]), kind="stable")
    order = nearest_last[slot[nearest_last] >= 0]
    found = np.full((len(row), len(nominal)), np.nan)
    found[row[visits["person"]].to_numpy()[order], slot[order]] = (np.log(value) if outcome.scale == "log" else value)[
        order
    ]
    return found, len(visits) - int(np.isfinite(found).sum())


def _without_baseline(model: Any, values: np.ndarray, weeks: tuple[float, ...]) -> tuple[Any, tuple[float, ...], Any]:
    """Values after week 0, their weeks, and the values at week 0 (person, outcome)."""
    if weeks[0] != 0 or len(weeks) < 2:
        raise BadInput(
            'visits: expected visits at week 0 and later ones with baseline = "covariate", found nominal weeks '
            f'{", ".join(f"{w:g}" for w in weeks)}; write baseline = "common"'
        )
    start = values[:, :, 0]
    absent = [
        f'visits: expected a value of {plain(k.name)} at week 0 of every person with baseline = "covariate", found '
        f'none of {n} of {len(start)} persons; write baseline = "common", which takes persons without one'
        for k, n in zip(model.outcomes, (~np.isfinite(start)).sum(axis=0), strict=True)
        if n
    ]
    if absent:
        raise BadInput(absent)
    return values[:, :, 1:], weeks[1:], start


def _censored(model: Any, data: Study, file: str) -> Iterator[str]:
    for k in model.outcomes:
        count = ((data.visits["outcome"] == k.name) & (data.visits["censoring"] != "")).sum()
        if count:
            yield (
                f"{file}: expected exact values of {plain(k.name)} in a model of means by visit, got {count} censored "
                'ones; use type = "longitudinal", which takes them, or leave the outcome out'
            )
        if k.censor_at_limits:
            yield (
                f"model: {k.name}: expected censor_at_limits = false in a model of means by visit, which takes values "
                'at a limit as they are, got true; write false, or use type = "longitudinal"'
            )


def _empty_cells(design: VisitDesign, file: str) -> Iterator[str]:
    """Start groups, and strata, without anyone at a visit: their means would be the prior's alone."""
    layout, seen = design.layout, np.isfinite(design.values)
    for kind, labels, code in (
        ("start group", layout.groups, design.group),
        ("stratum", layout.strata, design.stratum),
    ):
        for j, label in enumerate(labels):
            for slot in np.flatnonzero(~seen[code == j].any(axis=0)):
                name, week = layout.outcomes[layout.outcome_of[slot]], layout.weeks[layout.visit_of[slot]]
                yield (
                    f"{file}: expected someone of every {kind} at every nominal visit, found nobody of {plain(label)} "
                    f"with {plain(name)} at week {week:g}; give visit_weeks in [model] without it"
                )


def _too_large(model: Any, design: VisitDesign) -> Iterator[str]:
    persons, slots = design.values.shape
    if model.outcomes_jointly == "full" and slots * MOST_OF_FULL_BLOCK > persons:
        yield (
            f'model: expected outcomes_jointly = "full" with at least {MOST_OF_FULL_BLOCK} persons for each outcome at '
            f'each visit ({slots * MOST_OF_FULL_BLOCK}), found {persons} persons; write "kronecker", or fewer '
            "visit_weeks"
        )


def _codes(labels: pd.Series, order: tuple[str, ...]) -> np.ndarray:
    return labels.map({label: j for j, label in enumerate(order)}).to_numpy(np.int64)
