"""`Study`: the validated tables of a trial and the few settings that models and reports need with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from bayesmodels.errors import BadInput, expect, expect_numbers
from bayesmodels.study import schedule, summary
from bayesmodels.study.checks.advice import text_covariate
from bayesmodels.study.checks.cells import number
from bayesmodels.study.checks.labels import DistinctLabels
from bayesmodels.study.checks.limits import Limits
from bayesmodels.study.checks.settings import (
    Settings,
    check_reference,
    check_settings,
    default_controlled_week,
    default_curve_weeks,
)
from bayesmodels.study.checks.tables import Tables, check_tables
from bayesmodels.study.checks.trial_column import external_counts, of_trial, trial_problems
from bayesmodels.study.digest import sha256
from bayesmodels.study.files import RawTable, from_frame
from bayesmodels.study.problem import FIRST_ROW, Problem, in_order, nearest, plain, quoted
from bayesmodels.vocabulary import ALL

ExtraLimits = Mapping[str, Limits | tuple[float, float, bool]]
"""Outcome to (low, high, positive), for outcomes that `LIMITS` does not know or knows otherwise."""


@dataclass(frozen=True, repr=False, eq=False)
class Study:
    """A trial's persons, visits and events, validated. Make one with `Study.from_frames` or `read_study`.

    `persons`, `visits` and `events` are copies: editing them does not change the study.

    Parameters
    ----------
    name : str
        For titles only; not part of the digest.
    reference_group : str or None
        Start group that the others are compared with; None where there is one group.
    strata : bool
        Whether the stratum column is used.
    controlled_week : float or None
        End of the controlled period, in weeks since randomisation; None where nobody starts the drug later on.
    curve_weeks : tuple of float
        Weeks at which curves are published.
    tables : Tables
        The checked tables.
    distinct_labels : tuple of tuple of str
        Groups of labels that look like spellings of one and are not.
    event_labels : dict of str to str
        What was said of labels of the events table; `events` holds what they stand for. Not part of the digest.
    new_persons : bool
        Whether these are persons to predict, not a study to fit. Not part of the digest.
    trial : str or None
        Label, in the column `trial` of the persons table, of the trial that this study is of; None: everyone is.
    whole : Study or None
        The same tables with the persons of every trial, where `trial` is given.
    """

    name: str
    reference_group: str | None
    strata: bool
    controlled_week: float | None
    curve_weeks: tuple[float, ...]
    tables: Tables
    distinct_labels: tuple[tuple[str, ...], ...] = ()
    event_labels: Mapping[str, str] = field(default_factory=dict)
    new_persons: bool = False
    trial: str | None = None
    whole: Study | None = None

    @classmethod
    def from_frames(
        cls,
        persons: pd.DataFrame,
        visits: pd.DataFrame,
        events: pd.DataFrame | None = None,
        *,
        name: str = "study",
        reference_group: str | None = None,
        strata: bool = False,
        controlled_week: float | None = None,
        curve_weeks: Sequence[float] | None = None,
        extra_limits: ExtraLimits | None = None,
        distinct_labels: DistinctLabels = (),
        event_labels: Mapping[str, str] | None = None,
        new_persons: bool = False,
        trial: str | None = None,
    ) -> Study:
        """A study from DataFrames.

        Parameters
        ----------
        persons : pandas.DataFrame
            One row per person: person, start_group, drug_start_week (missing or inf: never), optional stratum; further
            columns are covariates.
        visits : pandas.DataFrame
            One row per measurement: person, week (since randomisation, 0 or later), outcome, value, optional censoring
            ("left", "right" or missing). A measurement that serves as baseline has week 0.
        events : pandas.DataFrame, optional
            One row per person at the end of follow-up: person, week, event ("none" where nothing happened; one spelling
            of each), optional entry_week (missing: followed from randomisation).
        name : str
            For titles.
        reference_group : str, optional
            Required with two start groups or more.
        strata : bool
            Use the stratum column; without it everyone is in stratum "all".
        controlled_week : float, optional
            Default: earliest drug start among the groups whose drug starts are all later than week 1.
        curve_weeks : sequence of float, optional
            Default: 25 whole weeks from 0 to the last visit.
        extra_limits : mapping, optional
            Outcome to (low, high, positive), beside those of the presets.
        distinct_labels : sequence of sequence of str
            Groups of labels that differ only by case, spaces, punctuation or Unicode form and are not the same; other
            such labels are refused.
        event_labels : mapping, optional
            Label of the events table to "none", to an event of the model, or to itself.
        new_persons : bool
            Persons to predict from the posterior of another study (`predict`, `predict_events`), from one on: a start
            group may have a single person, a person no visit yet, all one stratum, and no reference group is needed.
            Such a study is not fitted.
        trial : str, optional
            Label in the column `trial` of the persons table: the study is of its persons only, and a model may borrow
            from the others (`whole`), who enter nothing else. Without it everyone is of the study, whatever the column.

        Raises
        ------
        BadInput
            With every problem found. Rows are counted as in a spreadsheet: the first row of data is row 2.
        """
        wrong: list[Problem] = []
        settings = check_settings(
            wrong, reference_group, strata, controlled_week, curve_weeks, extra_limits, distinct_labels, event_labels,
            new_persons, trial,
        )  # fmt: skip
        events_table = None if events is None else from_frame(events, "events")
        tables = (from_frame(persons, "persons"), from_frame(visits, "visits"), events_table)
        return assemble(*tables, name, settings, wrong)

    @property
    def persons(self) -> pd.DataFrame:
        """person, start_group, drug_start_week (inf: never), stratum ("all" where not used), then covariates."""
        return self.tables.persons.copy()

    @property
    def visits(self) -> pd.DataFrame:
        """person, week, outcome, value, censoring ("", "left" or "right")."""
        return self.tables.visits.copy()

    @property
    def events(self) -> pd.DataFrame | None:
        """person, week, event, entry_week; None where no table was given."""
        return None if self.tables.events is None else self.tables.events.copy()

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """Legitimate but doubtful content of the tables, one line each; their `without_person` is for logs."""
        return self.tables.warnings

    @cached_property
    def start_groups(self) -> tuple[str, ...]:
        """Start groups by their median drug start, then by name; the reference group last."""
        start = self.tables.persons.groupby("start_group")["drug_start_week"].median()
        return tuple(sorted(start.index, key=lambda group: (group == self.reference_group, start[group], group)))

    @cached_property
    def stratum_labels(self) -> tuple[str, ...]:
        """Strata in alphabetical order; ("all",) where they are not used."""
        return tuple(sorted(self.tables.persons["stratum"].unique()))

    @cached_property
    def outcomes(self) -> tuple[str, ...]:
        """Outcomes in the order in which they first appear in the visits table."""
        return tuple(self.tables.visits["outcome"].unique())

    @property
    def coords(self) -> dict[str, tuple]:
        """Coordinates by dim; persons are numbers, never labels."""
        reference = self.reference_group
        return {
            "outcome": self.outcomes,
            "stratum": self.stratum_labels,
            "start_group": self.start_groups,
            "contrast": tuple(f"{group} - {reference}" for group in self.start_groups if group != reference)
            if reference
            else (),
            "week": self.curve_weeks,
            "person": tuple(range(len(self.tables.persons))),
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the tables and of every setting but the name, in hex."""
        settings = {
            "reference_group": self.reference_group,
            "strata": self.strata,
            "controlled_week": self.controlled_week,
            "curve_weeks": self.curve_weeks,
        }
        if self.whole is not None:
            settings |= {"trial": self.trial, "whole": self.whole.digest}
        tables = {"persons": self.tables.persons, "visits": self.tables.visits, "events": self.tables.events}
        return sha256(tables, settings)

    @cached_property
    def counts(self) -> dict:
        """Nested plain dict of numbers without identifiers; see `summary.count`."""
        t = self.tables
        found = summary.count(
            t.persons, t.visits, t.events, self.start_groups, self.stratum_labels, self.outcomes, self.curve_weeks
        )
        if self.whole is None:
            return found
        return found | {"external": external_counts(self.whole.persons, self.whole.visits, self.trial)}

    @cached_property
    def nominal_weeks(self) -> tuple[float, ...]:
        """Nominal weeks, whole weeks around which the visits cluster; see `schedule.nominal_weeks`."""
        return tuple(schedule.nominal_weeks(self.tables.visits).tolist())

    def observed(self, weeks: Sequence[float]) -> pd.DataFrame:
        """Persons whose last visit with an outcome is at `weeks` or later.

        Parameters
        ----------
        weeks : sequence of float
            Weeks since randomisation.

        Returns
        -------
        pandas.DataFrame
            start_group, stratum (each, and "all"), outcome, week, observed, persons, share (observed / persons).
        """
        wanted = expect_numbers(weeks, "weeks")
        return schedule.observed(self.tables.persons, self.tables.visits, self.outcomes, wanted)

    def covariates(self, names: Sequence[str]) -> pd.DataFrame:
        """Columns of the persons table as numbers, one row per person.

        Parameters
        ----------
        names : sequence of str
            Names of covariates.

        Returns
        -------
        pandas.DataFrame
            One column per name, in the order of the persons table.

        Raises
        ------
        BadInput
            If a column is not there, has cells that are blank or no numbers, or is the same for everyone.
        """
        expect(names, (list, tuple), "names", 'give a list of columns, such as ["age"]')
        persons, file = self.tables.persons, self.tables.files["persons"]
        further = [str(c) for c in persons.columns[4:]]
        problems: list[Problem] = []
        columns = {}
        for name in names:
            if name not in further:
                near = nearest(name, further)
                remedy = f'is it "{plain(near)}"?' if near else f"columns there: {quoted(further) or 'none'}"
                problems.append(Problem(file, f'expected a covariate column "{plain(name)}", found none; {remedy}'))
                continue
            in_words = text_covariate(file, name, persons[name])
            if in_words is not None:
                problems.append(in_words)
                continue
            values = pd.Series([number(cell) for cell in persons[name]], dtype=float)
            bad = np.flatnonzero(~np.isfinite(values))
            for k in bad:
                came = _cell(persons[name].iloc[k])
                text = (
                    f"expected a number as covariate {plain(name)}, got {came}; fill it in, or leave the covariate out"
                )
                about = {"row": FIRST_ROW + int(k), "person": persons["person"].iloc[k]}
                problems.append(Problem(file, text, kind=f"covariate {name}", **about))
            if not len(bad) and values.nunique() == 1:
                problems.append(Problem(file, f"covariate {plain(name)} is {values[0]:g} for everyone; leave it out"))
            columns[name] = values
        if problems:
            raise BadInput(in_order(problems))
        return pd.DataFrame(columns)

    def _shown(self) -> tuple[str, list[pd.DataFrame]]:
        t = self.tables
        title = summary.heading(self.name, self.counts, self.controlled_week, self.reference_group, self.new_persons)
        if self.whole is not None:
            external = ", ".join(f"{n['persons']:,} of {trial}" for trial, n in self.counts["external"].items())
            title += f"; external persons beside it: {external}"
        groups = summary.group_table(t.persons, t.visits, t.events, self.start_groups, self.stratum_labels)
        ends = summary.event_table(t.persons, t.events, self.start_groups)
        tables = [groups, summary.outcome_table(self.counts, t.visits), ends]
        return title, [table for table in tables if len(table)]

    def __repr__(self) -> str:
        """Persons, visits and their weeks, follow-up, missing visits and events."""
        return summary.as_text(*self._shown())

    def _repr_html_(self) -> str:
        return summary.as_html(*self._shown())


def assemble(
    persons: RawTable,
    visits: RawTable,
    events: RawTable | None,
    name: str,
    settings: Settings,
    wrong: Sequence[Problem],
) -> Study:
    """A study from raw tables and checked settings; `wrong` are the settings' own problems.

    Raises
    ------
    BadInput
        With every problem found.
    """
    tables = check_tables(persons, visits, events, settings)
    own = tables if settings.trial is None else of_trial(tables, settings.trial)
    found = [*tables.problems, *wrong, *check_reference(settings.reference_group, own.persons, settings.new_persons)]
    if settings.trial is not None:
        found += trial_problems(tables.files["persons"], tables.persons, settings)
    if found:
        raise BadInput(in_order(found))
    whole = None if settings.trial is None else _study(tables, name, replace(settings, trial=None))
    return _study(own, name, settings, whole)


def _study(tables: Tables, name: str, settings: Settings, whole: Study | None = None) -> Study:
    checked = _ready(tables, settings.strata)
    controlled, weeks = settings.controlled_week, settings.curve_weeks
    return Study(
        name=str(name),
        reference_group=settings.reference_group,
        strata=settings.strata,
        controlled_week=default_controlled_week(checked.persons) if controlled is None else controlled,
        curve_weeks=default_curve_weeks(float(checked.visits["week"].max())) if weeks is None else weeks,
        tables=checked,
        distinct_labels=settings.distinct_labels,
        event_labels=settings.event_labels,
        new_persons=settings.new_persons,
        trial=settings.trial,
        whole=whole,
    )


def _ready(tables: Tables, strata: bool) -> Tables:
    """The tables with their final columns: stratum filled in, index from 0."""
    persons = tables.persons.reset_index(drop=True)
    stratum = persons["stratum"] if strata else pd.Series(ALL, index=persons.index)
    columns = {name: persons[name] for name in ("person", "start_group", "drug_start_week")}
    further = {name: persons[name] for name in persons if name not in (*columns, "stratum")}
    events = None if tables.events is None else tables.events.reset_index(drop=True)
    ready = pd.DataFrame({**columns, "stratum": stratum, **further})
    visits = tables.visits.reset_index(drop=True)
    return Tables(ready, visits, events, tables.files, (), tables.warnings)


def _cell(value: object) -> str:
    missing = value is None or value != value
    return "a blank" if missing else f'"{plain(value)}"'
