"""One problem of a table, as one plain line: where, what was expected, what came, what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from bayesmodels.errors import in_full

FIRST_ROW = 2
"""Row of the first person or visit: rows are numbered as in a spreadsheet, where the header is row 1."""

SHOWN = 10
"""Problems of one kind that get a line each; the rows of the others share one line."""

SYNONYMS = {
    "person": ("subject", "patient", "participant", "id", "subjid", "usubjid", "pid"),
    "start_group": ("arm", "group", "treatment", "trt", "trt01p", "randomised_group"),
    "drug_start_week": ("drug_start", "start_week", "switch_week", "drug_week", "treatment_start"),
    "stratum": ("strata", "layer"),
    "week": ("visit_week", "time", "weeks", "visit", "exit_week", "avisitn"),
    "outcome": ("param", "paramcd", "endpoint", "measure", "variable", "biomarker"),
    "value": ("aval", "result", "score", "measurement"),
    "censoring": ("censored", "cens", "censor"),
    "event": ("status", "reason"),
    "entry_week": ("entry", "start"),
}
"""Other names that people give to our columns."""


class Problem(str):
    """One problem, a plain line.

    Parameters
    ----------
    file : str
        Name of the table.
    text : str
        What was expected, what came and what to do.
    row : int, optional
        Row of the file; the header is row 1.
    person : str
        Label of the person, where there is one.
    week : float, optional
        Weeks since randomisation.
    kind : str
        Problems of one kind and file are listed together; default the text.
    in_log : str
        Text for logs, where `text` names a person.

    Attributes
    ----------
    without_person : str
        The same line without the person's label, for logs and manifests.
    kind : str
        Problems of one kind and file are listed together.
    """

    without_person: str
    kind: str
    row: int | None
    file: str

    def __new__(
        cls,
        file: str,
        text: str,
        *,
        row: int | None = None,
        person: str = "",
        week: float | None = None,
        kind: str = "",
        in_log: str = "",
    ) -> Problem:
        """Build the line from its parts; `in_log` is the text for logs, where `text` names a person."""
        place = f"{file}, row {row}" if row is not None else file
        when = f"week {in_full(week)}" if week is not None and week == week else ""
        who = f"person {plain(person)}" if person else ""
        self = super().__new__(cls, _line(place, (who, when), text))
        self.without_person = _line(place, (when,), in_log or text)
        self.kind, self.row, self.file = kind or text, row, file
        return self

    def moved(self, file: str, row: int, line: str, without_person: str) -> Problem:
        """The same problem of another file and row.

        Parameters
        ----------
        file : str
        row : int
        line, without_person : str
            The finished line, and the same without the person's label.
        """
        return _restored(line, {**self.__dict__, "file": file, "row": row, "without_person": without_person})

    def __reduce__(self) -> tuple:
        """Travel between processes as the finished line."""
        return _restored, (str(self), self.__dict__)


def _restored(line: str, attributes: dict) -> Problem:
    self = str.__new__(Problem, line)
    self.__dict__.update(attributes)
    return self


def _line(place: str, about: tuple[str, ...], text: str) -> str:
    known = ", ".join(word for word in about if word)
    return f"{place} ({known}): {text}" if known else f"{place}: {text}"


def plain(value: object, limit: int = 60) -> str:
    """`value` as printable text on one line, cut at `limit` characters."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(value))
    return text if len(text) <= limit else text[: limit - 3] + "..."


def quoted(names: Iterable[object]) -> str:
    """Names in double quotes, with commas between."""
    return ", ".join(f'"{plain(name)}"' for name in names)


def nearest(name: object, known: Iterable[str]) -> str | None:
    """The known name that `name` most likely stands for, or None."""
    word = str(name).strip().lower().replace(" ", "_").replace("-", "_")
    options = list(known)
    if word in options:
        return word
    for option in options:
        if word in SYNONYMS.get(option, ()):
            return option
    close = get_close_matches(word, options, n=1, cutoff=0.7)
    return close[0] if close else None


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Problems by kind, ten lines per kind; the rows of all further ones of that kind are named in one line."""
    kinds: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        kinds.setdefault((problem.file, problem.kind), []).append(problem)
    lines: list[Problem] = []
    for (file, _), same in kinds.items():
        lines += same[:SHOWN]
        more = [problem.row for problem in same[SHOWN:] if problem.row is not None]
        if more:
            lines.append(Problem(file, f"the same problem in {len(more):,} more rows: {row_ranges(more)}"))
        else:
            lines += same[SHOWN:]
    return tuple(lines)


def row_ranges(rows: Iterable[int]) -> str:
    """Rows as ranges: ``2-5, 9``."""
    ranges: list[list[int]] = []
    for row in sorted(set(rows)):
        if ranges and row == ranges[-1][1] + 1:
            ranges[-1][1] = row
        else:
            ranges.append([row, row])
    return ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in ranges)
