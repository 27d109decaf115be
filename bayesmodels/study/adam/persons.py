"""From ADSL to the persons of a study, with the reason of every person who is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayesmodels.study.adam.cells import (
    as_toml,
    column,
    counted,
    dates_of,
    in_quotes,
    meets,
    text_of,
    texts,
    wanted_values,
)
from bayesmodels.study.adam.datasets import DataSet
from bayesmodels.study.adam.mapping import AdamMapping, FromDate, StartGroup
from bayesmodels.study.checks.cells import NEAR
from bayesmodels.study.checks.tables import NEVER
from bayesmodels.study.problem import Problem, plain, quoted

FLAG = r"[A-Z0-9]*FL"
"""Names of flags."""

POPULATIONS = ("ITTFL", "FASFL", "RANDFL", "SAFFL", "EFFFL", "PPROTFL", "COMPLFL", "ENRLFL")
"""Usual flags of populations (ADaM Implementation Guide; EFFFL in older data)."""

TREATMENTS = ("TRT01P", "TRT01PN", "TRT01A", "ARM", "ACTARM")
DAYS_1 = ("RANDDT", "TRTSDT", "TR01SDT", "RFSTDTC")


@dataclass(frozen=True)
class AdslPersons:
    """The rows of ADSL, parsed.

    Parameters
    ----------
    label : pandas.Series
        Row to the person's label.
    day_1 : pandas.Series
        Row to the day that is week 0, as an ordinal; NaN where there is none.
    table : pandas.DataFrame
        person, start_group, drug_start_week, stratum where asked for, covariates. Index: row.
    reasons : pandas.Series
        Row to the reason why the person is left out; "" where not.
    undated : pandas.Series
        Row to the variable whose date of the drug's start is blank; "" where there is none, or it is filled.
    """

    label: pd.Series
    day_1: pd.Series
    table: pd.DataFrame
    reasons: pd.Series
    undated: pd.Series

    @property
    def row_of(self) -> dict[str, int]:
        """Person's label to the row of ADSL."""
        return {label: int(row) for row, label in self.label.items() if label}


def flags(data: DataSet, pattern: str = FLAG) -> list[str]:
    """Variables that are flags: their name ends with FL, and they hold Y, N or blanks."""
    named = [str(name) for name in data.cells.columns if pd.Series([str(name)]).str.fullmatch(pattern).iloc[0]]
    return [name for name in named if set(texts(data.cells[name])) <= {"Y", "N", ""}]


def persons_of(mapping: AdamMapping, adsl: DataSet, found: list[Problem]) -> AdslPersons:
    """Parse ADSL.

    Parameters
    ----------
    mapping : AdamMapping
    adsl : DataSet
    found : list of Problem
        Gets every problem.
    """
    index, said = adsl.cells.index, mapping.persons
    blank = pd.Series("", index=index, dtype=object)
    reasons = blank.copy()
    identifier = column(adsl, said.id, "[persons] id", found)
    label = blank if identifier is None else texts(identifier)
    _unique(adsl, said.id, label, found)
    _population(mapping, adsl, reasons, found)
    group = _treatments(mapping, adsl, label, reasons, found)
    day_1 = _day_1(mapping, adsl, label, reasons, found)
    kept = reasons == ""
    start, undated = _drug_starts(mapping, adsl, group, day_1, label, kept, found)
    table = pd.DataFrame(
        {
            "person": label,
            "start_group": [chosen.start_group if isinstance(chosen, StartGroup) else "" for chosen in group],
            "drug_start_week": start,
        },
        index=index,
    )
    if said.stratum is not None:
        names = (said.stratum,) if isinstance(said.stratum, str) else said.stratum
        table["stratum"] = _stratum(adsl, names, label, kept, found)
    for name, source in said.covariates.items():
        if name in table:
            found.append(Problem("mapping", f"[persons] covariates: {name} is a column already; give it another name"))
            continue
        key = f"[persons] covariates.{name}"
        variable = source if isinstance(source, str) else source.variable
        here = column(adsl, variable, key, found)
        if here is None:
            continue
        if isinstance(source, str):
            table[name] = here
            continue
        values = texts(here)
        other = kept & (values != "") & ~values.isin(list(source.values))
        if other.any():
            text = f"{variable} has values without a number ({key}): {counted(values[other])}; add each to values"
            found.append(Problem(adsl.file, text))
        table[name] = [source.values.get(value, "") for value in values]
    return AdslPersons(label, day_1, table, reasons, undated)


def _unique(adsl: DataSet, name: str, label: pd.Series, found: list[Problem]) -> None:
    first: dict[str, int] = {}
    for row, who in label.items():
        if not who:
            found.append(Problem(adsl.file, f"{name} is blank; fill it in", row=int(str(row))))
        elif first.setdefault(who, int(str(row))) != row:
            text = f"expected one row per person; this person has row {first[who]} already; is this data set ADSL?"
            found.append(Problem(adsl.file, text, row=int(str(row)), person=who, kind="second row"))


def _population(mapping: AdamMapping, adsl: DataSet, reasons: pd.Series, found: list[Problem]) -> None:
    """Who is not in the population: the reason names variable and value."""
    wanted = mapping.persons.population
    if wanted is None:
        usual_first = sorted(flags(adsl), key=lambda name: name not in POPULATIONS)
        there = {name: counted(texts(adsl.cells[name])) for name in usual_first}
        choices = "; ".join(f"{name}: {counts}" for name, counts in list(there.items())[:8]) or "no flags found"
        first = next((name for name in POPULATIONS if name in there), "ITTFL")
        text = (
            f'which persons enter? Write population = {{{first} = "Y"}} under [persons], or population = {{}} for '
            f"everyone in {adsl.file} ({choices})"
        )
        found.append(Problem("mapping", text))
        return
    meets(adsl, wanted, "[persons] population", found)
    for name, value in wanted.items():
        if name in adsl.cells:
            values = texts(adsl.cells[name])
            outside = ~values.isin(wanted_values(value)) & (reasons == "")
            reasons[outside] = [f"not in the population: {name} is {in_quotes(each)}" for each in values[outside]]


def _treatments(
    mapping: AdamMapping, adsl: DataSet, label: pd.Series, reasons: pd.Series, found: list[Problem]
) -> list[StartGroup | None]:
    """The start group of every row; None, and a reason or a problem, where there is none."""
    said = mapping.persons
    nothing: list[StartGroup | None] = [None] * len(label)
    if said.treatment is None:
        there = [name for name in TREATMENTS if name in adsl.cells]
        choices = (
            "; ".join(f"{name}: {counted(texts(adsl.cells[name]))}" for name in there) or "none of the usual names"
        )
        text = f'which variable is the planned treatment? Write treatment = "TRT01P" under [persons] ({choices})'
        found.append(Problem("mapping", text))
        return nothing
    here = column(adsl, said.treatment, "[persons] treatment", found)
    if here is None:
        return nothing
    values = texts(here)
    kept = reasons == ""
    known = said.start_groups or {}
    unknown = kept & ~values.isin(list(known))
    if unknown.any():
        each = '{start_group = "...", drug_start_week = ...}'
        lines = as_toml(dict.fromkeys(values[unknown]), each)
        text = (
            f"{said.treatment} has values without a start group: {counted(values[unknown])}; write under [persons] "
            f'start_groups = {lines}, with a week, "never" or {{date = "TR02SDT"}} as drug_start_week; or '
            f'"leave_out" for '
            "a value"
        )
        found.append(Problem(adsl.file, text, kind="treatment"))
    out = kept & values.isin([value for value, meant in known.items() if meant == "leave_out"])
    reasons[out] = [f"{said.treatment} is {in_quotes(value)}, which the mapping leaves out" for value in values[out]]
    chosen = [known.get(value) for value in values]
    return [each if isinstance(each, StartGroup) else None for each in chosen]


def _day_1(
    mapping: AdamMapping, adsl: DataSet, label: pd.Series, reasons: pd.Series, found: list[Problem]
) -> pd.Series:
    said = mapping.clock
    nothing = pd.Series(np.nan, index=label.index)
    if said.day_1 is None:
        there = [name for name in DAYS_1 if name in adsl.cells]
        first = there[0] if there else "RANDDT"
        text = (
            f'which date is day 1, week 0? Write day_1 = "{first}" under [clock] (there: '
            f"{quoted(there) or 'none of these'}"
            "; RANDDT is randomisation, TRTSDT the first dose)"
        )
        found.append(Problem("mapping", text))
        return nothing
    here = column(adsl, said.day_1, "[clock] day_1", found)
    if here is None:
        return nothing
    kept = reasons == ""
    numeric = adsl.sas_dates or said.numeric_dates == "sas"
    days = nothing.copy()
    days[kept] = dates_of(adsl, here[kept], said.day_1, numeric, found, lambda row: label[row])
    none = kept & texts(here).eq("")
    if said.without_day_1 == "leave_out":
        reasons[none] = f"{said.day_1} is blank"
    else:
        for row in none.index[none]:
            text = (
                f"{said.day_1} is blank, so this person has no week 0; fill it in, or write without_day_1 = "
                f'"leave_out" '
                "under [clock]"
            )
            found.append(Problem(adsl.file, text, row=int(row), person=label[row], kind="no day 1"))
    return days


def _drug_starts(
    mapping: AdamMapping,
    adsl: DataSet,
    group: Sequence[StartGroup | None],
    day_1: pd.Series,
    label: pd.Series,
    kept: pd.Series,
    found: list[Problem],
) -> tuple[pd.Series, pd.Series]:
    """Weeks, infinity where never; and the variable of a date that is blank, "" elsewhere."""
    weeks = pd.Series(NEVER, index=label.index)
    undated = pd.Series("", index=label.index, dtype=object)
    dates: dict[tuple[str, FromDate], list[int]] = {}
    for row, chosen in zip(label.index, group, strict=True):
        if chosen is None:
            continue
        if isinstance(chosen.drug_start_week, FromDate):
            if kept[row]:
                dates.setdefault((chosen.start_group, chosen.drug_start_week), []).append(row)
        elif chosen.drug_start_week != "never":
            weeks[row] = float(chosen.drug_start_week)
    numeric = adsl.sas_dates or mapping.clock.numeric_dates == "sas"
    for (start_group, said), rows in dates.items():
        name = said.date
        here = column(adsl, name, "[persons] start_groups, drug_start_week", found)
        if here is not None:
            days = dates_of(adsl, here[rows], name, numeric, found, lambda row: label[row])
            weeks[rows] = ((days - day_1[rows]) / 7).fillna(NEVER)
            blank = here[rows].index[texts(here[rows]).eq("")]
            undated[blank] = name
            if isinstance(said.blank, float):
                weeks[blank] = said.blank
            elif said.blank is None and len(blank):
                found.append(_blank_start(start_group, name, len(blank), ((days - day_1[rows]) / 7).dropna()))
            for row in days.index[days < day_1[rows]]:
                text = f"{name} is before {mapping.clock.day_1}, day 1; correct one of them, or choose another day_1"
                found.append(Problem(adsl.file, text, row=int(row), person=label[row], kind=f"before day 1 {name}"))
    return weeks, undated


def _blank_start(start_group: str, name: str, blank: int, weeks: pd.Series) -> Problem:
    """The problem of persons without a date of the drug's start where the mapping does not say what they are."""
    others = f" (median of the others: {weeks.median():.4g})" if len(weeks) else ""
    text = (
        f"[persons.start_groups], {plain(start_group)}: what of {blank:,} of {blank + len(weeks):,} persons without "
        f'{name}? Write drug_start_week = {{date = "{name}", blank = WEEK}}, with the planned week{others} for those '
        'who left before it; or blank = "never"'
    )
    return Problem("mapping", text)


def undated_starts(persons: AdslPersons, last: pd.Series) -> list[str]:
    """What the mapping said of persons without a date of the drug's start, in words.

    Parameters
    ----------
    persons : AdslPersons
    last : pandas.Series
        Person to the last week that is known of: the end of follow-up, or the last visit.
    """
    notes = []
    table = persons.table.assign(undated=persons.undated)[(persons.reasons == "") & (persons.undated != "")]
    for (name, group, week), rows in table.groupby(["undated", "start_group", "drug_start_week"], sort=False):
        if np.isinf(week):
            notes.append(f"{len(rows):,} persons without {name} ({group}): the drug never starts, as the mapping says")
            continue
        later = int((rows["person"].map(last) > week + NEAR).sum())
        notes.append(
            f"{len(rows):,} persons without {name} ({group}): the drug starts in week {week:g}, as the mapping says"
            + (f"; {later:,} of them were followed beyond it" if later else "")
        )
    return notes


def _stratum(adsl: DataSet, names: Sequence[str], label: pd.Series, kept: pd.Series, found: list[Problem]) -> pd.Series:
    parts = [here for name in names if (here := column(adsl, name, "[persons] stratum", found)) is not None]
    for name, here in zip(names, parts, strict=False):
        for row in kept.index[kept & texts(here).eq("")]:
            text = f"{name} is blank, so this person has no stratum; fill it in, or leave stratum out"
            found.append(Problem(adsl.file, text, row=int(row), person=label[row], kind=f"no stratum {name}"))
    joined = [", ".join(text_of(cell) for cell in cells) for cells in zip(*parts, strict=True)]
    return pd.Series(joined if parts else "", index=label.index, dtype=object)


def without_visits(
    mapping: AdamMapping, adsl: DataSet, persons: AdslPersons, seen: set[str], found: list[Problem]
) -> None:
    """Give persons of whom no visit is kept a reason, or a problem.

    Parameters
    ----------
    mapping : AdamMapping
    adsl : DataSet
    persons : AdslPersons
        Its reasons are filled in.
    seen : set of str
        Labels of the persons with visits.
    found : list of Problem
    """
    alone = (persons.reasons == "") & ~persons.label.isin(list(seen))
    if mapping.persons.without_visits == "leave_out":
        persons.reasons[alone] = "no visit is kept"
        return
    for row in alone.index[alone]:
        text = (
            'no visit of this person is kept; see the reasons of the rows, or write without_visits = "leave_out" under '
            "[persons]"
        )
        found.append(Problem(adsl.file, text, row=int(row), person=persons.label[row], kind="no visits"))
