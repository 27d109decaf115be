"""Tables of a study made from another layout, with every row of the sources that was left out, and why."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.errors import BadInput
from bayesmodels.html_tables import html_table
from bayesmodels.safe_labels import table_csv
from bayesmodels.study.checks.settings import check_settings
from bayesmodels.study.checks.tables import check_tables
from bayesmodels.study.files import from_frame
from bayesmodels.study.problem import FIRST_ROW, Problem, in_order
from bayesmodels.study.study import Study

KEPT = "kept"

Places = Mapping[str, Sequence[tuple[str, int]]]
"""Table to the file and the row that each of its rows was made of."""

_OTHER_ROW = re.compile(r"\b(in|of|has) row (\d+)\b")
"""How the text of a problem names another row of its table."""


@dataclass(frozen=True)
class Source:
    """A data set that tables were made of.

    Parameters
    ----------
    name, file : str
    sha256 : str
        Of the file; "" for a DataFrame.
    rows, kept : int
        How many it has, and how many of them became a row of a table.
    """

    name: str
    file: str
    sha256: str
    rows: int
    kept: int


@dataclass(frozen=True, repr=False, eq=False)
class ConvertedTables:
    """Persons, visits and events made from other data sets. `study()` makes a `Study` of them.

    Parameters
    ----------
    name : str
        For titles.
    persons, visits, events : pandas.DataFrame
        As in docs/tables.md; events is None where nothing is known of the end of follow-up.
    time_to_event : pandas.DataFrame or None
        person, parameter, week, event ("none": censored): for `bayesmodels.statistics`; these end nobody's follow-up.
    left_out : pandas.DataFrame
        data_set, row, reason: every row that became no row of a table. No labels of persons.
    sources : tuple of Source
    notes : tuple of str
        What was changed, in words.
    warnings : tuple of str
        What is legitimate but doubtful in the tables.
    """

    name: str
    persons: pd.DataFrame
    visits: pd.DataFrame
    events: pd.DataFrame | None
    time_to_event: pd.DataFrame | None
    left_out: pd.DataFrame
    sources: tuple[Source, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """data_set, reason ("kept" first), rows: the rows of each data set add up to its size."""
        counts = self.left_out.groupby(["data_set", "reason"], sort=False).size()
        lines = []
        for source in self.sources:
            lines.append((source.name, KEPT, source.kept))
            if source.name in counts.index.get_level_values(0):
                mine = counts[source.name].sort_values(ascending=False, kind="stable")
                lines += [(source.name, str(reason), int(n)) for reason, n in mine.items()]
        return pd.DataFrame(lines, columns=["data_set", "reason", "rows"])

    def study(self, **settings: Any) -> Study:
        """A study of the tables.

        Parameters
        ----------
        **settings
            As of `Study.from_frames`: reference_group, strata, ...

        Returns
        -------
        Study
            Checked as a whole.

        Raises
        ------
        BadInput
            As `Study.from_frames`.
        """
        return Study.from_frames(self.persons, self.visits, self.events, **({"name": self.name} | settings))

    def sentence(self) -> str:
        """Say what there is, and how many rows became part of it."""
        sizes = [f"{len(self.persons):,} persons", f"{len(self.visits):,} visits"]
        if self.events is not None:
            sizes.append(f"{len(self.events):,} ends of follow-up")
        sources = "; ".join(
            f"{source.name} {source.rows:,} rows = {source.kept:,} kept + {source.rows - source.kept:,} left out"
            for source in self.sources
        )
        return f"{self.name}: {', '.join(sizes)}; {sources}"

    def as_json(self) -> dict[str, Any]:
        """Counts, sources with digests, notes and warnings, without labels of persons."""
        reasons: dict[str, dict[str, int]] = {}
        for data_set, reason, n in self.table.itertuples(index=False, name=None):
            if reason != KEPT:
                reasons.setdefault(data_set, {})[reason] = n
        return {
            "name": self.name,
            "persons": len(self.persons),
            "visits": len(self.visits),
            "events": None if self.events is None else len(self.events),
            "time_to_event": None if self.time_to_event is None else len(self.time_to_event),
            "start_groups": {str(k): int(n) for k, n in self.persons["start_group"].value_counts().items()},
            "sources": [
                {
                    "name": source.name,
                    "file": source.file,
                    "sha256": source.sha256,
                    "rows": source.rows,
                    "kept": source.kept,
                    "left_out": reasons.get(source.name, {}),
                }
                for source in self.sources
            ],
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }

    def files(self) -> dict[str, Callable[[], bytes]]:
        """Name of each file of a folder with these tables, to what makes its content."""
        persons = self.persons.assign(drug_start_week=self.persons["drug_start_week"].replace(np.inf, np.nan))
        tables = {"persons": persons, "visits": self.visits, "events": self.events, "time_to_event": self.time_to_event}
        files = {
            f"{name}.csv": partial(table_csv, table)
            for name, table in (tables | {"left_out": self.left_out}).items()
            if table is not None
        }
        summary = json.dumps(self.as_json(), indent=1, ensure_ascii=False, allow_nan=False).encode()
        return {**files, "adam.json": lambda: summary}

    def __repr__(self) -> str:
        """Sizes, then rows by reason."""
        lines = [self.sentence(), self.table.to_string(index=False)]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        from html import escape

        notes = "".join(f"<p>{escape(line)}</p>" for line in (*self.notes, *self.warnings))
        return f"<p>{escape(self.sentence())}</p>{html_table(self.table)}{notes}"


def left_out_table(reasons: Mapping[str, pd.Series]) -> pd.DataFrame:
    """data_set, row, reason of every row that has a reason.

    Parameters
    ----------
    reasons : mapping of str to pandas.Series
        Data set to reasons by row, "" where the row is kept.
    """
    parts = [
        pd.DataFrame({"data_set": name, "row": each.index[each != ""], "reason": each[each != ""].to_numpy()})
        for name, each in reasons.items()
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["data_set", "row", "reason"])


def checked_tables(made: ConvertedTables, places: Places) -> ConvertedTables:
    """The same with the warnings of the tables' checks; rows must add up.

    Parameters
    ----------
    made : ConvertedTables
    places : mapping of str to sequence of (str, int)
        Of "persons", "visits" and "events": the file and the row that each row was made of.

    Raises
    ------
    BadInput
        Problems that the tables have as they are, by file and row that they were made of.
    """
    left = made.left_out["data_set"].value_counts()
    for source in made.sources:
        assert source.rows == source.kept + int(left.get(source.name, 0)), source.name
    wrong: list[Problem] = []
    settings = check_settings(wrong)
    events = None if made.events is None else from_frame(made.events, "events (made)")
    raw = (from_frame(made.persons, "persons (made)"), from_frame(made.visits, "visits (made)"))
    tables = check_tables(*raw, events, settings)
    of_file = {f"{name} (made)": list(rows) for name, rows in places.items()}
    if tables.problems:
        raise BadInput(in_order(_at_source(problem, of_file) for problem in tables.problems))
    warnings = in_order(_at_source(problem, of_file) for problem in tables.warnings)
    return replace(made, warnings=tuple(problem.without_person for problem in warnings))


def _at_source(problem: Problem, places: Places) -> Problem:
    """A problem of a row that was made, at the row that it was made of."""
    rows = places.get(problem.file, ())
    if problem.row is None or not rows:
        return problem
    file, row = rows[problem.row - FIRST_ROW]
    made = f"{problem.file}, row {problem.row}"

    def other(match: re.Match[str]) -> str:
        k = int(match[2]) - FIRST_ROW
        if not 0 <= k < len(rows):
            return match[0]
        return f"{match[1]} row {rows[k][1]}" + ("" if rows[k][0] == file else f" of {rows[k][0]}")

    def moved(line: str) -> str:
        return f"{file}, row {row}{_OTHER_ROW.sub(other, line.removeprefix(made))}"

    return problem.moved(file, row, moved(problem), moved(problem.without_person))
