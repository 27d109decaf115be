"""From a study's tables to the arrays of a shared-rate model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.errors import BadInput, expect
from bayesmodels.models.other_trials import PREFIX, OtherPersons, checked_trial, other_persons, uninformative
from bayesmodels.study import Study
from bayesmodels.study.checks.labels import LabelColumn, spelling_problems, spelt
from bayesmodels.study.checks.trial_column import informs_rate
from bayesmodels.study.problem import FIRST_ROW
from bayesmodels.vocabulary import ALL, MONTH_IN_WEEKS, months

SOURCE_MONTH_IN_WEEKS = 52 / 12
"""Weeks in a month of the HEALEY platform's analysis, 4.333: visit j weeks after randomisation is at j 12/52 months."""

SOURCE_MONTHS = MONTH_IN_WEEKS / SOURCE_MONTH_IN_WEEKS
"""Months of the HEALEY analysis in a month of the vocabulary, 1.0034; a rate per month is larger by it."""


@dataclass(frozen=True)
class RateLayout:
    """Labels that a shared-rate model is built for: a refit may have other persons, but not other labels.

    Parameters
    ----------
    control : str
        The reference group.
    active : tuple of str
        The other start groups, in the study's order.
    regimens : tuple of str
        Parts of the platform, each with a concurrent share of the control group; ("all",) where there is one.
    cells : tuple of (regimen, start group)
        Those that occur.
    blocks : int
        Calendar blocks of randomisation; 1 without a calendar.
    external : tuple of str
        Trials that external persons are of, in alphabetical order; empty where nothing is borrowed.
    """

    control: str
    active: tuple[str, ...]
    regimens: tuple[str, ...]
    cells: tuple[tuple[str, str], ...]
    blocks: int
    external: tuple[str, ...] = ()

    @property
    def start_groups(self) -> tuple[str, ...]:
        """Active groups, then the control."""
        return (*self.active, self.control)

    @property
    def arm_of_cell(self) -> np.ndarray:
        """1 where a cell is of a start group, (cell, start_group)."""
        return np.array([[float(group == own) for group in self.start_groups] for _, own in self.cells])

    def place(self) -> np.ndarray:
        """Cell of every regimen and start group, -1 where it does not occur, (regimen, start_group) int."""
        index = {cell: j for j, cell in enumerate(self.cells)}
        return np.array([[index.get((r, g), -1) for g in self.start_groups] for r in self.regimens])


def rate_layout(model: Any, data: Study) -> RateLayout:
    """The labels of a study.

    Raises
    ------
    BadInput
        With every reason why the model is not one for this study.
    """
    expect(data, Study, "data", "make one with read_study or Study.from_frames")
    problems = list(_problems(model, data))
    external: tuple[str, ...] = ()
    if model.borrowing is not None:
        try:
            others, wrong = _external(model, data)
            problems += wrong
            external = others.trials
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(problems)
    persons = data.persons
    regimen = _regimen(model, persons)
    pairs = set(zip(regimen, persons["start_group"], strict=True))
    regimens = tuple(sorted(set(regimen)))
    return RateLayout(
        control=str(data.reference_group),
        active=data.start_groups[:-1],
        regimens=regimens,
        cells=tuple((r, g) for r in regimens for g in data.start_groups if (r, g) in pairs),
        blocks=1 if model.calendar_column is None else int(_block(model, data).max()) + 1,
        external=external,
    )


def rate_arrays(model: Any, data: Study, layout: RateLayout | None = None) -> dict[str, np.ndarray]:
    """Everything a built model holds as data, by name: what to swap for a refit without compiling again.

    Parameters
    ----------
    model : SharedRateModel
    data : Study
    layout : RateLayout, optional
        Of the study that the model was built on; default this study's own.

    Returns
    -------
    dict
        `visits_observed` (person, slot), zero where there is no visit; `visit_count` (person, 1); `person_stratum`
        (person,) int, the cell; `arm` (person, active), `block_reached` (person, step), `regimen_member` (person,
        regimen) and `centred_covariates` (person, covariate), what the log rates are multiplied by; `exits_observed`
        (person, 2), HEALEY months followed and 1 for an event; `exit_limit` (person,), months at which a replicate is
        censored; and what visit summaries need. Of a model that borrows, the same of the visits and covariates of
        external persons under names that begin with `external_`, their trial in place of the cell.

    Raises
    ------
    BadInput
        As `rate_layout`; or regimens, arms, blocks or external trials that the layout does not have.
    """
    own = rate_layout(model, data)
    layout = layout or own
    strangers = [trial for trial in own.external if trial not in layout.external]
    if strangers:
        raise BadInput(
            f"persons: expected external persons of the compiled model's trials ({', '.join(layout.external) or 'none'}"
            f"), got besides: {', '.join(strangers)}; build the model anew"
        )
    external = _external_arrays(model, data, layout) if own.external else {}
    absent = [f"{r}, {g}" for r, g in own.cells if (r, g) not in layout.cells]
    if absent or own.blocks > layout.blocks:
        raise BadInput(
            f"persons: expected the regimens and start groups of the compiled model and at most {layout.blocks} "
            f"calendar blocks, got {own.blocks} blocks and besides: {'; '.join(absent) or 'none'}; build the model anew"
        )
    persons = data.persons
    regimen, group = _regimen(model, persons), persons["start_group"].to_numpy(str)
    cell = {pair: j for j, pair in enumerate(layout.cells)}
    block = np.zeros(len(persons)) if model.calendar_column is None else _block(model, data)
    raw = data.covariates(model.covariates).to_numpy(float).reshape(len(persons), len(model.covariates))
    exits, limit = _exits(model, data)
    return {
        **_visit_arrays(model.outcome, persons, data.visits),
        "person_stratum": np.array([cell[pair] for pair in zip(regimen, group, strict=True)], np.int64),
        "person_cell": np.array([layout.start_groups.index(g) for g in group], np.int64),
        "arm": (group[:, None] == np.array(layout.active)[None, :]).astype(float),
        "block_reached": (block[:, None] >= np.arange(1, layout.blocks)[None, :]).astype(float),
        "regimen_member": (regimen[:, None] == np.array(layout.regimens)[None, :]).astype(float),
        "centred_covariates": raw - raw.mean(axis=0),
        "exits_observed": exits,
        "exit_limit": limit,
        **external,
    }


def _external(model: Any, data: Study) -> tuple[OtherPersons, list[str]]:
    """External persons of a study, and why they cannot be borrowed from."""
    others, problems = other_persons(checked_trial(model, data), data, (model.outcome,))
    found: list[str] = [*problems]
    censored = (others.visits["censoring"] != "").sum()
    if censored:
        found.append(
            f"visits: expected exact values of {model.outcome} of external persons, got {censored} censored ones; "
            "leave them out"
        )
    if not found and not informs_rate(others.persons, others.visits, model.outcome).any():
        raise uninformative()
    return others, found


def _external_arrays(model: Any, data: Study, layout: RateLayout) -> dict[str, np.ndarray]:
    """Visits, trials and covariates of external persons, covariates centred at the mean of our persons."""
    assert data.whole is not None  # `_external` refuses a study without
    others, _ = _external(model, data)
    names = model.covariates
    raw = data.whole.covariates(names).to_numpy(float).reshape(len(others.rows), len(names))
    ours = data.covariates(names).to_numpy(float).reshape(len(data.persons), len(names))
    place = np.array([layout.external.index(trial) for trial in others.trials], np.int64)
    arrays = _visit_arrays(model.outcome, others.persons, others.visits) | {
        "person_stratum": place[others.trial],
        "person_cell": np.zeros(len(others.persons), np.int64),
        "centred_covariates": raw[others.rows] - ours.mean(axis=0),
    }
    return {f"{PREFIX}{name}": array for name, array in arrays.items()}


def _visit_arrays(outcome: str, persons: pd.DataFrame, visits: pd.DataFrame) -> dict[str, np.ndarray]:
    number = pd.Series(np.arange(len(persons)), index=persons["person"])
    visits = visits[visits["outcome"] == outcome]
    visits = visits.assign(number=number[visits["person"]].to_numpy()).sort_values(["number", "week"], kind="stable")
    column = visits["number"].to_numpy()
    row = visits.groupby("number").cumcount().to_numpy()
    weeks, of_visit = np.unique(visits["week"].to_numpy(float), return_inverse=True)
    values = np.zeros((len(persons), int(row.max(initial=0)) + 1))
    values[column, row] = visits["value"].to_numpy(float)
    point = np.full(values.T.shape, -1, np.int64)
    point[row, column] = of_visit
    return {
        "visits_observed": values,
        "visits_limit": np.zeros_like(values),
        "visits_elapsed": np.zeros_like(values),
        "visit_count": np.bincount(column, minlength=len(persons)).astype(np.int64)[:, None],
        "person_covariates": np.zeros((len(persons), 0)),
        f"{outcome}:months": months(weeks),
        f"{outcome}:point": point,
    }


def _exits(model: Any, data: Study) -> tuple[np.ndarray, np.ndarray]:
    """Months followed and whether an event ended them, (person, 2); months at which a replicate is censored."""
    assert data.events is not None  # `rate_layout` refuses a study without events
    events = data.events.set_index("person").loc[data.persons["person"]]
    followed = (events["week"] - events["entry_week"]).to_numpy(float) / SOURCE_MONTH_IN_WEEKS
    happened = events["event"].isin(model.events).to_numpy()
    return np.stack([followed, happened], axis=1), np.where(happened, followed.max(), followed)


def _regimen(model: Any, persons: pd.DataFrame) -> np.ndarray:
    if model.regimen_column is None:
        return np.full(len(persons), ALL)
    return persons[model.regimen_column].astype(str).to_numpy(str)


def _block(model: Any, data: Study) -> np.ndarray:
    day = data.persons[model.calendar_column].to_numpy(float)
    return np.floor((day - day.min()) / model.block_days)


def _problems(model: Any, data: Study) -> Iterator[str]:
    if data.strata:
        yield "study: expected strata = false, since arms and regimens are the model's strata, got true"
    if len(data.start_groups) < 2:
        yield (
            "persons: expected a control (the study's reference_group) and an active start group or more, "
            f"got {', '.join(data.start_groups)} only"
        )
    if model.outcome not in data.outcomes:
        respelt = spelt(model.outcome, data.outcomes, "outcome = {} in [model]")
        yield (
            f"visits: expected the outcome {model.outcome!r}, found {', '.join(data.outcomes)}"
            f"{respelt or '; add its visits, or name another one as the outcome of the model'}"
        )
    visits = data.visits
    censored = ((visits["outcome"] == model.outcome) & (visits["censoring"] != "")).sum()
    if censored:
        yield f"visits: expected exact values of {model.outcome}, got {censored} censored ones; leave them out"
    yield from _column_problems(model, data)
    yield from _start_problems(data)
    yield from _event_problems(model, data)


def _column_problems(model: Any, data: Study) -> Iterator[str]:
    persons = data.persons
    for field in ("regimen_column", "calendar_column"):
        name = getattr(model, field)
        if name is None:
            continue
        if name not in persons:
            yield f"persons: expected the column {name!r} ({field} of the model), found none; add it, or name another"
        elif persons[name].isna().any():
            yield f"persons: expected no blank in {name!r}, got {persons[name].isna().sum()}; fill them in"
        elif field == "calendar_column" and persons[name].dtype.kind not in "fi":
            yield f"persons: expected days as numbers in {name!r}, got text; give days since the first randomisation"
        elif field == "regimen_column":
            labels = persons[name].astype(str).set_axis(range(FIRST_ROW, FIRST_ROW + len(persons)))
            yield from spelling_problems([LabelColumn("persons", name, labels)], data.distinct_labels)


def _start_problems(data: Study) -> Iterator[str]:
    persons = data.persons
    control = persons["start_group"] == data.reference_group
    late = (control & np.isfinite(persons["drug_start_week"])).sum()
    if late:
        yield (
            f"persons: expected a reference group that never starts the drug, got {late} persons of "
            f"{data.reference_group!r} who do; end visits and events before the switch and leave drug_start_week blank"
        )
    delayed = (~control & (persons["drug_start_week"] > 0)).sum()
    if delayed:
        yield (
            f"persons: expected active start groups on the drug from week 0, got {delayed} persons who start later or "
            "never; the model's rate ratio holds from randomisation on"
        )


def _event_problems(model: Any, data: Study) -> Iterator[str]:
    if data.events is None:
        yield (
            "events: expected the table, since the hazard shares the rate ratio, found none; add it, with event = none "
            "where nothing happened"
        )
        return
    known = {"none", *model.events, *model.other_exits}
    unknown = sorted(set(data.events["event"]) - known)
    if unknown:
        yield (
            f"events: expected {', '.join(model.events)} (counted), {', '.join((*model.other_exits, 'none'))} "
            f"(censoring), got besides {', '.join(unknown)}; name them among the model's events or other_exits"
        )
    unfollowed = (data.events["week"] <= data.events["entry_week"]).sum()
    if unfollowed:
        yield f"events: expected follow-up of more than 0 weeks, got {unfollowed} persons without; leave them out"
