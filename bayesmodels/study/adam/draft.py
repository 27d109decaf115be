"""A draft of a mapping from the data sets themselves: what is there, with counts; every choice is left to be made."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bayesmodels.errors import BadInput
from bayesmodels.study.adam.cells import counted, first_filled, texts, toml_text, toml_value
from bayesmodels.study.adam.datasets import DataSet, read_data_set
from bayesmodels.study.adam.events import ENDS, REASONS
from bayesmodels.study.adam.mapping import ADSL, DataFile
from bayesmodels.study.adam.persons import DAYS_1, POPULATIONS, TREATMENTS, flags
from bayesmodels.study.adam.visits import ANALYSIS_FLAG
from bayesmodels.study.problem import Problem, in_order, plain

HEAD = """\
# A draft of a mapping from analysis data sets (ADaM) to the tables of a study: docs/adam.md.
# What is commented out is a choice: take one line of each kind, change it where needed, and remove the # before it.
# Then: bayesmodels adam THIS_FILE --out study
"""

FEW = 30
"""Values of a variable that are listed."""


def draft_mapping(files: Sequence[str | Path], folder: str | Path = ".") -> str:
    """A mapping in TOML with what the data sets hold; it is refused until its choices are made.

    Parameters
    ----------
    files : sequence of path
        ADSL, told by its name or by having no PARAMCD, and data sets by visit or of times of events.
    folder : path
        Where the mapping will be: its paths begin there.

    Returns
    -------
    str

    Raises
    ------
    BadInput
        A file cannot be read, or none is ADSL, or two are.
    """
    found: list[Problem] = []
    read = {str(file): read_data_set(Path(file).stem, DataFile(file=str(file)), Path(), found) for file in files}
    if found:
        raise BadInput(in_order(found))
    sets = {file: data for file, data in read.items() if data is not None}
    persons = [file for file, data in sets.items() if "PARAMCD" not in data.cells and "USUBJID" in data.cells]
    named = [file for file in persons if Path(file).stem.lower() == ADSL]
    chosen = named or persons
    if len(chosen) != 1:
        came = f"found {len(chosen)}: {', '.join(Path(file).name for file in chosen)}" if chosen else "found none"
        raise BadInput(f"expected one data set ADSL, with USUBJID and without PARAMCD, {came}; give its file, too")
    adsl = sets.pop(chosen[0])
    names = {file: _name(Path(file).stem) for file in sets}
    lines = [HEAD, f"name = {toml_text('study')}"]
    ends = [name for name in ENDS if name in adsl.cells]
    lines += ['# events = "none"   # or the section [events] below', "", "[data]", f"adsl = {_path(chosen[0], folder)}"]
    lines += [f"{name} = {_path(file, folder)}" for file, name in names.items()]
    lines += ["", *_persons(adsl), "", *_clock(adsl), ""]
    for file, data in sets.items():
        lines += _time_to_event(data, names[file]) if "CNSR" in data.cells else _visits(data, names[file])
    lines += _events(adsl, ends)
    return "\n".join(lines) + "\n"


def _path(file: str, folder: str | Path) -> str:
    """The path of a file as it stands in a mapping in `folder`."""
    return toml_text(file if Path(file).is_absolute() else Path(os.path.relpath(file, folder)).as_posix())


def _name(stem: str) -> str:
    name = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in stem.lower())
    return name or "data"


def _counts(data: DataSet, name: str, rows: pd.Series | None = None) -> str:
    values = texts(data.cells[name])
    return f"{name}: {counted(values if rows is None else values[rows])}"


def _persons(adsl: DataSet) -> list[str]:
    lines = ["[persons]", 'id = "USUBJID"', "# population: who enters; {} is everyone"]
    there = flags(adsl)
    lines += [f'# population = {{{name} = "Y"}}   # {_counts(adsl, name)}' for name in there if name in POPULATIONS]
    lines += ["# population = {}"]
    lines += [f"# another flag: {_counts(adsl, name)}" for name in there if name not in POPULATIONS]
    arms = [name for name in TREATMENTS if name in adsl.cells]
    lines += [f"# treatment = {toml_text(name)}   # {_counts(adsl, name)}" for name in arms]
    lines += [
        '# stratum = "..."   # or several: ["STRAT1R", "STRAT2R"]',
        '# covariates = {age = "AGE", male = {variable = "SEX", values = {F = 0, M = 1}}}',
        '# without_visits = "leave_out"',
        "",
        "# each value of the treatment: start group, and the week since day 1 in which the drug starts",
        '# (a number, "never", or {date = "TR02SDT", blank = ...}, blank: the planned week, or "never");',
        '# or "leave_out"',
        "[persons.start_groups]",
    ]
    if arms:
        for value in list(dict.fromkeys(texts(adsl.cells[arms[0]])))[:FEW]:
            lines.append(
                f'# {toml_text(value)} = {{start_group = {toml_text(value.lower())}, drug_start_week = "..."}}'
            )
    return lines


def _clock(adsl: DataSet) -> list[str]:
    lines = ["[clock]", "# the date that is day 1, week 0"]
    for name in (each for each in DAYS_1 if each in adsl.cells):
        blank = int(texts(adsl.cells[name]).eq("").sum())
        lines.append(f"# day_1 = {toml_text(name)}   # {len(adsl.cells) - blank:,} filled, {blank:,} blank")
    return [*lines, '# numeric_dates = "sas"   # numbers as dates in csv and parquet files']


def _visits(data: DataSet, name: str) -> list[str]:
    lines: list[str] = []
    if "PARAMCD" not in data.cells:
        return [f"# {name}: {data.file} has no PARAMCD and cannot be a data set by visit; delete it from [data]", ""]
    code = texts(data.cells["PARAMCD"])
    for parameter in list(dict.fromkeys(code))[:FEW]:
        rows = code == parameter
        lines += [
            "[[visits]]",
            f"data = {toml_text(name)}",
            f"paramcd = {toml_text(parameter)}   # {int(rows.sum()):,} rows",
        ]
        lines.append(
            f"outcome = {toml_text(parameter.lower())}   # as the model names it, such as alsfrs_r or nfl_plasma"
        )
        if "PARAM" in data.cells:
            param = texts(data.cells["PARAM"])[rows].mode().iloc[0]
            lines.append(f"# param = {toml_text(param)}   # {_counts(data, 'PARAM', rows)}")
        if "AVALU" in data.cells:
            lines.append(
                f"# unit = {toml_text(texts(data.cells['AVALU'])[rows].mode().iloc[0])}   # "
                f"{_counts(data, 'AVALU', rows)}"
            )
        there = flags(data, ANALYSIS_FLAG)
        lines += [f'# analysis = {{{flag} = "Y"}}   # {_counts(data, flag, rows)}' for flag in there]
        if "DTYPE" in data.cells and (texts(data.cells["DTYPE"])[rows] != "").any():
            lines.append(f'# derived = "leave_out"   # or "keep"; {_counts(data, "DTYPE", rows)}')
        lines.append('# unscheduled = "leave_out"   # or "keep"')
        lines += [f"# time = {toml_text(each)}" for each in ("ADY", "ADT") if each in data.cells]
        for each in (each for each in ("AVISITN", "AVISIT") if each in data.cells):
            values = list(dict.fromkeys(texts(data.cells[each])[rows]))[:FEW]
            weeks = ", ".join(f"{toml_text(value)} = ..." for value in values)
            lines += [f"# time = {toml_text(each)}   # {_counts(data, each, rows)}", f"# weeks = {{{weeks}}}"]
        if "ABLFL" in data.cells:
            lines.append(f'# baseline = "ABLFL"   # {_counts(data, "ABLFL", rows)}')
            lines.append("# baseline_exempt = true   # where the flags of analysis are of later visits only")
        lines += ['# baseline = "last_before"', '# baseline = "as_timed"', ""]
    more = code.nunique() - FEW
    return lines if more <= 0 else [*lines, f"# and {more:,} more PARAMCD of {plain(data.file)}", ""]


def _time_to_event(data: DataSet, name: str) -> list[str]:
    code = texts(data.cells["PARAMCD"])
    lines: list[str] = []
    for parameter in list(dict.fromkeys(code))[:FEW]:
        rows = code == parameter
        lines += [
            "# times of events for statistics of survival; they end nobody's follow-up",
            "[[time_to_event]]",
            f"data = {toml_text(name)}",
            f"paramcd = {toml_text(parameter)}   # {_counts(data, 'CNSR', rows)}",
            f"event = {toml_text(parameter.lower())}",
            'time = "ADT"   # or "AVAL", in days, with start_value = 1 where day 1 is 1',
            "",
        ]
    return lines


def _events(adsl: DataSet, ends: Sequence[str]) -> list[str]:
    reasons = [name for name in REASONS if name in adsl.cells]
    lines = [
        "# how and when follow-up ended, one row per person",
        "# [events]",
        f"# end = {toml_value(ends or ['...'])}   # the first that is filled",
        f"# reason = {toml_value(reasons or ['...'])}   # the first that is filled",
        '# visits_after_end = "leave_out"   # or "extend"',
        "# [events.labels]   # every value of the reason; none: nothing happened",
    ]
    if reasons:
        values = first_filled([texts(adsl.cells[name]) for name in reasons])
        counts = values.value_counts()
        lines += [f'# {toml_text(value)} = "..."   # {counts[value]:,}' for value in counts.index[:FEW]]
    if "DTHDT" in adsl.cells:
        filled = int(texts(adsl.cells["DTHDT"]).ne("").sum())
        lines += [
            "# [events.death]",
            f'# date = "DTHDT"   # {filled:,} filled',
            "# days_after_end = 0   # a death so many days after the end of follow-up is still seen",
        ]
    return lines
