"""The mapping from analysis data sets to the tables of a study: what a TOML file says, as checked values.

Whatever the data sets leave open is a field that has no default; the conversion refuses a mapping in which such a field
is not given where the data sets need it, and says what to write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

_STRICT = ConfigDict(frozen=True, extra="forbid")

Value = str | int | float
"""Content of a cell: numbers and their text are one, so that 1 is "1" and 1.0."""

Condition = dict[str, Value | tuple[Value, ...]]
"""Variable to the value, or the values, that its cells must have; all variables together. "" is a blank cell."""

KINDS = ("table", "word", "number", "list")
"""Tags of values that may be of several kinds; no keys of the file."""


def _kind(value: Any) -> str:
    if isinstance(value, Mapping | BaseModel):
        return "table"
    if isinstance(value, str):
        return "word"
    return "list" if isinstance(value, list | tuple) else "number"


def _only(*words: str, expected: str) -> Callable[[str], str]:
    """A check that a word is one of these."""

    def check(value: str) -> str:
        if value not in words:
            raise ValueError(f"expected {expected}")
        return value

    return check


def _by_kind(expected: str) -> Discriminator:
    return Discriminator(_kind, custom_error_type="kind", custom_error_message=f"expected {expected}")


ADSL = "adsl"
"""Name of the data set of persons."""


class DataFile(BaseModel):
    """One entry of `[data]`: a file, or a file inside an installed package.

    Parameters
    ----------
    file : str
        Path relative to the mapping, or inside the package: .xpt, .sas7bdat, .json or .ndjson (Dataset-JSON 1.1),
        .parquet, .csv.
    package : str, optional
        Name of an installed package.
    encoding : str, optional
        Of text in a .xpt or .sas7bdat file that does not say it, such as "WINDOWS-1252".
    """

    model_config = _STRICT

    file: str
    package: str | None = None
    encoding: str | None = None


def _as_file(given: Any) -> Any:
    return {"file": given} if isinstance(given, str) else given


_BLANK = 'a week since day 1, or "never"'

Blank = Annotated[
    Annotated[float, Field(ge=0, allow_inf_nan=False), Tag("number")]
    | Annotated[str, AfterValidator(_only("never", expected=_BLANK)), Tag("word")],
    _by_kind(_BLANK),
]


class FromDate(BaseModel):
    """A start of the drug by date: ``{date = "TR02SDT", blank = 28}``.

    Parameters
    ----------
    date : str
        Variable of ADSL.
    blank : float or "never", optional
        Start of persons without that date: the planned week since day 1 of those who left before it, or "never". Needed
        where there are such persons.
    """

    model_config = _STRICT

    date: str
    blank: Blank | None = None


_START = 'a week since day 1, "never", or {date = "TR02SDT"}'

DrugStart = Annotated[
    Annotated[float, Field(ge=0), Tag("number")]
    | Annotated[str, AfterValidator(_only("never", expected=_START)), Tag("word")]
    | Annotated[FromDate, Tag("table")],
    _by_kind(_START),
]


class StartGroup(BaseModel):
    """What a value of the treatment variable stands for.

    Parameters
    ----------
    start_group : str
        Label of the tables.
    drug_start_week : float, "never" or {date = VARIABLE, blank = WEEK}
        Weeks since day 1.
    """

    model_config = _STRICT

    start_group: Annotated[str, Field(min_length=1)]
    drug_start_week: DrugStart


class Coded(BaseModel):
    """A covariate made of a variable of text: ``{variable = "SEX", values = {F = 1, M = 0}}``.

    Parameters
    ----------
    variable : str
    values : dict of str to float
        Number of each value.
    """

    model_config = _STRICT

    variable: str
    values: dict[str, float]


_GROUP = 'a table {start_group = "...", drug_start_week = ...}, or "leave_out"'
_COVARIATE = 'a variable in quotes, or {variable = "SEX", values = {F = 0, M = 1}}'

GroupOrOut = Annotated[
    Annotated[StartGroup, Tag("table")]
    | Annotated[str, AfterValidator(_only("leave_out", expected=_GROUP)), Tag("word")],
    _by_kind(_GROUP),
]
Covariate = Annotated[Annotated[str, Tag("word")] | Annotated[Coded, Tag("table")], _by_kind(_COVARIATE)]


class Persons(BaseModel):
    """`[persons]`: who enters, in which start group, with which stratum and covariates.

    Parameters
    ----------
    id : str
        Variable with the person's label, in every data set.
    population : condition
        Whom ADSL must name: ``{ITTFL = "Y"}``; ``{}`` is everyone in it.
    treatment : str
        Variable of ADSL with the planned treatment, such as TRT01P.
    start_groups : dict
        Each value of `treatment` to a start group, or "leave_out".
    stratum : str or list of str, optional
        Variables of ADSL; several are joined by ", ".
    covariates : dict, optional
        Name to a variable of ADSL, or to a coded one (`Coded`).
    not_in_adsl : {"refuse", "leave_out"}
        Rows of other data sets whose person ADSL does not have.
    without_visits : {"refuse", "leave_out"}
        Persons of the population of whom no visit is kept.
    """

    model_config = _STRICT

    id: str = "USUBJID"
    population: Condition | None = None
    treatment: str | None = None
    start_groups: dict[str, GroupOrOut] | None = None
    stratum: str | tuple[str, ...] | None = None
    covariates: dict[str, Covariate] = {}
    not_in_adsl: Literal["refuse", "leave_out"] = "refuse"
    without_visits: Literal["refuse", "leave_out"] = "refuse"


class Clock(BaseModel):
    """`[clock]`: what week 0 is.

    Parameters
    ----------
    day_1 : str
        Variable of ADSL with the date of day 1, which is week 0: RANDDT, or TRTSDT.
    numeric_dates : "sas", optional
        What numbers in a date variable of a csv or parquet file are: days since 1 January 1960. In .xpt and .sas7bdat
        files and in Dataset-JSON they are that by definition.
    without_day_1 : {"refuse", "leave_out"}
        Persons of the population without that date.
    """

    model_config = _STRICT

    day_1: str | None = None
    numeric_dates: Literal["sas"] | None = None
    without_day_1: Literal["refuse", "leave_out"] = "refuse"


class LeaveOut(BaseModel):
    """`[[visits.leave_out]]`: rows to leave out, and why.

    Parameters
    ----------
    where : condition
    reason : str
        Stands in the report.
    """

    model_config = _STRICT

    where: Annotated[Condition, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1)]


_DERIVED = '"leave_out", "keep", or a list of the DTYPE to keep'

Derived = Annotated[
    Annotated[str, AfterValidator(_only("leave_out", "keep", expected=_DERIVED)), Tag("word")]
    | Annotated[tuple[str, ...], Tag("list")],
    _by_kind(_DERIVED),
]


class Visits(BaseModel):
    """`[[visits]]`: one outcome, from the rows of one PARAMCD.

    Parameters
    ----------
    data : str
        Name of a data set of `[data]`.
    paramcd, outcome : str
        The parameter, and the name of the outcome that it becomes.
    unit : str, optional
        What AVALU must say; needed where the data set has AVALU.
    param : str, optional
        What PARAM must say, which holds the unit where there is no AVALU; needed then.
    analysis : condition, optional
        Flags of the rows to analyse: ``{ANL01FL = "Y"}``; ``{}`` takes all rows. Needed where the data set has such
        flags.
    derived : "leave_out", "keep" or list of str, optional
        Rows with a DTYPE; a list has the values of DTYPE to keep. Needed where there are such rows.
    unscheduled : {"leave_out", "keep"}, optional
        Rows whose AVISIT begins with "unsch", whose AVISITN is no whole number, or that have neither. Needed where
        there are such rows.
    time : {"ADY", "ADT", "AVISITN", "AVISIT"}
        Variable that says when: a day (there is no day 0: day 1 is week 0), a date, or a planned visit.
    weeks : dict of str to float, or "as_numbered"
        Week of each AVISITN or AVISIT; "as_numbered": AVISITN is the week.
    other_visits : {"refuse", "leave_out"}
        Rows of a visit that `weeks` does not name.
    baseline : {"ABLFL", "last_before", "as_timed"}
        What stands at week 0: rows with ABLFL = "Y"; the last row on day 1 or before; or the rows of day 1. Other rows
        until day 1 and until the person's baseline are left out.
    baseline_last_day : int
        Last day on which a row with ABLFL = "Y" may have been measured.
    baseline_exempt : bool
        Whether rows with ABLFL = "Y" enter whatever `analysis` says: for data sets that flag later visits only.
    duplicates : {"refuse", "first", "last"}
        Two rows of a person, outcome and week.
    leave_out : list of LeaveOut
        Further rows.
    """

    model_config = _STRICT

    data: str
    paramcd: str
    outcome: Annotated[str, Field(min_length=1)]
    unit: str | None = None
    param: str | None = None
    analysis: Condition | None = None
    derived: Derived | None = None
    unscheduled: Literal["leave_out", "keep"] | None = None
    time: Literal["ADY", "ADT", "AVISITN", "AVISIT"] | None = None
    weeks: dict[str, float] | Literal["as_numbered"] | None = None
    other_visits: Literal["refuse", "leave_out"] = "refuse"
    baseline: Literal["ABLFL", "last_before", "as_timed"] | None = None
    baseline_last_day: Annotated[int, Field(ge=1)] = 1
    baseline_exempt: bool = False
    duplicates: Literal["refuse", "first", "last"] = "refuse"
    leave_out: tuple[LeaveOut, ...] = ()

    @model_validator(mode="after")
    def _weeks_go_with_visits(self) -> Visits:
        planned = self.time in ("AVISITN", "AVISIT")
        if planned and self.weeks is None:
            raise ValueError(
                f'weeks: expected the week of each {self.time}, such as weeks = {{"Week 8" = 8}}, or "as_numbered" '
                f"where "
                "AVISITN is the week; found none"
            )
        if not planned and self.weeks is not None:
            raise ValueError('weeks: expected only with time = "AVISITN" or "AVISIT"; delete one of the two')
        if self.time == "AVISIT" and self.weeks == "as_numbered":
            raise ValueError('weeks = "as_numbered" goes with time = "AVISITN"; AVISIT is text: give each its week')
        return self


class Deaths(BaseModel):
    """`[events.death]`: deaths by date.

    Parameters
    ----------
    date : str
        Variable of ADSL with the date of death.
    event : str
        Label of the events table.
    days_after_end : int, optional
        Days after the end of follow-up until which a death is the event at its own date; later ones are not seen.
        Needed where there are deaths after the end.
    visits_after : {"refuse", "leave_out"}
        Visits after a death at its date, with ``visits_after_end = "extend"``, which moves no such death.
    """

    model_config = _STRICT

    date: str
    event: str = "death"
    days_after_end: Annotated[int, Field(ge=0)] | None = None
    visits_after: Literal["refuse", "leave_out"] = "refuse"


class Events(BaseModel):
    """`[events]`: how and when follow-up ended, one row per person, from ADSL.

    Parameters
    ----------
    end : str or list of str
        Variables with the date of the end: the first that is filled.
    reason : str or list of str
        Variables with the reason: the first that is filled.
    labels : dict of str to str
        Each value of the reason to an event; "none" where nothing happened. "" is a blank.
    death : Deaths, optional
    visits_after_end : {"leave_out", "extend"}, optional
        Visits after the end: left out, or follow-up lasts until the last visit, unless a death by its date ended it.
        Needed where there are such visits.
    """

    model_config = _STRICT

    end: str | tuple[str, ...]
    reason: str | tuple[str, ...]
    labels: dict[str, str] | None = None
    death: Deaths | None = None
    visits_after_end: Literal["leave_out", "extend"] | None = None


_EVENTS = 'a section [events], or events = "none"'

EventsOrNone = Annotated[
    Annotated[Events, Tag("table")] | Annotated[str, AfterValidator(_only("none", expected=_EVENTS)), Tag("word")],
    _by_kind(_EVENTS),
]


class TimeToEvent(BaseModel):
    """`[[time_to_event]]`: one PARAMCD of ADTTE, for statistics of survival; it ends nobody's follow-up.

    Parameters
    ----------
    data : str
        Name of a data set of `[data]`.
    paramcd, event : str
        The parameter, and the label of its event.
    time : {"ADT", "AVAL"}
        The date of the event or of censoring; or a number of days.
    start_value : {0, 1}, optional
        AVAL of an event on day 1; needed with ``time = "AVAL"``.
    """

    model_config = _STRICT

    data: str
    paramcd: str
    event: Annotated[str, Field(min_length=1)]
    time: Literal["ADT", "AVAL"]
    start_value: Literal[0, 1] | None = None

    @model_validator(mode="after")
    def _days_begin_somewhere(self) -> TimeToEvent:
        if self.time == "AVAL" and self.start_value is None:
            raise ValueError(
                "start_value: expected the AVAL of an event on day 1, found none; write start_value = 1 where AVAL is "
                "ADT - STARTDT + 1, or start_value = 0"
            )
        return self


class AdamMapping(BaseModel):
    """A whole mapping: what to read from which data set, and what to do with every row.

    Parameters
    ----------
    name : str
        Of the study, for titles.
    data : dict
        Name to file; `adsl` is the data set of persons.
    persons : Persons
    clock : Clock
    visits : list of Visits
    events : Events or "none"
        Needed: "none" where there is nothing to say of the end of follow-up.
    time_to_event : list of TimeToEvent
    """

    model_config = _STRICT

    name: str = "study"
    data: dict[str, Annotated[DataFile, BeforeValidator(_as_file)]]
    persons: Persons = Persons()
    clock: Clock = Clock()
    visits: tuple[Visits, ...] = ()
    events: EventsOrNone | None = None
    time_to_event: tuple[TimeToEvent, ...] = ()

    @model_validator(mode="after")
    def _names_agree(self) -> AdamMapping:
        wrong = []
        if ADSL not in self.data:
            wrong.append('[data]: expected a data set named adsl, one row per person; write adsl = "adsl.xpt"')
        used = [("visits", k, entry.data, entry.paramcd) for k, entry in enumerate(self.visits, start=1)]
        used += [("time_to_event", k, entry.data, entry.paramcd) for k, entry in enumerate(self.time_to_event, start=1)]
        taken: dict[tuple[str, str, str], int] = {}
        for section, k, data, paramcd in used:
            if data not in self.data:
                names = ", ".join(name for name in self.data if name != ADSL) or "none beside adsl"
                wrong.append(f"[[{section}]] no. {k}: data = {data!r} is not in [data] (there: {names})")
            first = taken.setdefault((section, data, paramcd), k)
            if first != k:
                wrong.append(f"[[{section}]] no. {k}: {paramcd!r} of {data!r} is taken by no. {first}; keep one")
        outcomes = [entry.outcome for entry in self.visits]
        for outcome in dict.fromkeys(name for name in outcomes if outcomes.count(name) > 1):
            wrong.append(f"[[visits]]: {outcome!r} is the outcome of two sections; give each its own name")
        if wrong:
            raise ValueError("\n".join(wrong))
        return self
