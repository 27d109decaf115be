"""Labels of tables and of persons: when two spellings may be one label, and what is said of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import PurePath
from unicodedata import category, normalize

import pandas as pd

from bayesmodels.study.problem import Problem, plain, quoted, row_ranges

DistinctLabels = Sequence[Sequence[str]]
"""Groups of labels that look like spellings of one and are not: ``[["a", "A"]]``."""

DIFFER = "case, spaces, punctuation or Unicode form"

_MARKS = re.compile(r"[-./]+")
_SLASHES = "\u2044\u2215"
_MINUS = "\u2212"
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class LabelColumn:
    """A column of labels whose spellings are compared.

    Parameters
    ----------
    file, name : str
    cells : pandas.Series
        Labels by row; "" where there is none.
    persons : pandas.Series, optional
        Whom the rows are about.
    """

    file: str
    name: str
    cells: pd.Series
    persons: pd.Series | None = None


def label_key(text: str) -> str:
    """The key that two spellings of one label share.

    Without case, Unicode form (NFKC), spaces and underscores, and without hyphens, dots and slashes between letters.
    Marks beside a digit count, a final hyphen and ``+ < > = %`` too: ``1.5 mg`` is not ``15 mg``.

    Parameters
    ----------
    text : str
    """
    key = str(text)
    while (folded := _folded(key)) != key:
        key = folded
    return key


def _folded(text: str) -> str:
    text = normalize("NFKC", normalize("NFKD", normalize("NFD", text).casefold()).casefold())
    kept = "".join(_plain_mark(c) for c in text if not c.isspace() and c != "_")
    return _MARKS.sub(lambda marks: "" if _between_letters(kept, *marks.span()) else marks[0], kept)


def _plain_mark(character: str) -> str:
    if character == _MINUS or category(character) == "Pd":
        return "-"
    return "/" if character in _SLASHES else character


def _between_letters(text: str, start: int, end: int) -> bool:
    return start > 0 and end < len(text) and _is_letter(text[start - 1]) and _is_letter(text[end])


def _is_letter(character: str) -> bool:
    return category(character)[0] in "LM"  # a combining mark belongs to the letter before it


def alike(name: object, known: Iterable[str]) -> str | None:
    """The known label that differs from `name` in spelling only; None if there is none, or `name` itself is known.

    Parameters
    ----------
    name : object
        What a configuration says.
    known : iterable of str
        What a table has.
    """
    options = list(known)
    if isinstance(name, str) and name in options:
        return None
    key = label_key(str(name))
    return next((option for option in options if label_key(option) == key), None)


def spelt(name: object, known: Iterable[str], write: str = "{}") -> str:
    """Advice to append to a message where the table has another spelling of a label; "" where it has none.

    Parameters
    ----------
    name : object
    known : iterable of str
    write : str
        What to write, with braces for the table's spelling in quotes.
    """
    there = alike(name, known)
    if there is None:
        return ""
    return f"; {quoted([there])} differs only by {DIFFER}: write {write.format(as_toml(there))}"


def as_toml(value: str | Mapping[str, str] | Iterable[Iterable[str]]) -> str:
    """A label, labels by label, or lists of labels as TOML writes them."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        pairs = (f"{key if _BARE.fullmatch(key) else as_toml(key)} = {as_toml(value[key])}" for key in value)
        return f"{{{', '.join(pairs)}}}"
    return f"[{', '.join('[' + ', '.join(as_toml(label) for label in group) + ']' for group in value)}]"


def counted(labels: Mapping[str, int]) -> str:
    """Labels in quotes with their numbers of rows."""
    return ", ".join(f"{quoted([label])} ({n:,} row{'s' * (n != 1)})" for label, n in labels.items())


def spelling_problems(
    columns: Sequence[LabelColumn], distinct: DistinctLabels = (), section: str = "study"
) -> list[Problem]:
    """Labels of a column that share a key: a line for each set of spellings, with counts and both ways out.

    Parameters
    ----------
    columns : sequence of LabelColumn
    distinct : sequence of sequence of str
        Labels that are said not to be the same.
    section : str
        Of the configuration, where `distinct_labels` belongs.
    """
    found = [(column, counts) for column in columns for counts in one_spelling_or_more(column.cells, distinct)]
    line = as_toml(list(dict.fromkeys([*map(tuple, distinct), *(tuple(counts) for _, counts in found)])))
    way_out = f"under [{section}]: distinct_labels = {line}"
    return [_spelling_problem(column, counts, way_out) for column, counts in found]


def one_spelling_or_more(cells: pd.Series, distinct: DistinctLabels = ()) -> list[dict[str, int]]:
    """Sets of labels that share a key and are not declared distinct, the most frequent first, with their counts."""
    counts = cells[cells != ""].value_counts(sort=False)
    by_key: dict[str, list[str]] = {}
    for label in sorted(counts.index, key=lambda label: (-counts[label], label)):
        by_key.setdefault(label_key(label), []).append(label)
    apart = [set(group) for group in distinct]
    sets = []
    for labels in by_key.values():
        doubtful = {
            label
            for pair in combinations(labels, 2)
            if not any(set(pair) <= group for group in apart)
            for label in pair
        }
        if doubtful:
            sets.append({label: int(counts[label]) for label in labels if label in doubtful})
    return sets


def _spelling_problem(column: LabelColumn, counts: dict[str, int], way_out: str) -> Problem:
    commonest, *rarer = counts
    rows = column.cells.index[column.cells.isin(rarer)]
    person = "" if column.persons is None else str(column.persons[rows[0]])
    where = f"row{'s' * (len(rows) > 1)} {plain(row_ranges(rows), 80)}"
    text = (
        f"expected one spelling of each {column.name}, got {counted(counts)}{_unseen(counts)}, which differ only by "
        f"{DIFFER} ({quoted(rarer)}: {where}); write one of them throughout, with pandas "
        f"{_renamed(column, counts)}; or, where they are not the same, say so in the configuration, {way_out}"
    )
    return Problem(column.file, text, row=int(rows[0]), person=person, kind=f"spelling {column.name} {commonest}")


def _renamed(column: LabelColumn, counts: Mapping[str, int]) -> str:
    """The call that writes the commonest spelling throughout."""
    commonest, *rarer = counts
    cells = f'{plain(PurePath(column.file).stem)}["{plain(column.name)}"]'
    return f"{cells} = {cells}.replace({json.dumps(dict.fromkeys(rarer, commonest))})"


def _unseen(labels: Iterable[str]) -> str:
    """The characters of labels that look the same."""
    forms = [normalize("NFKC", label) for label in labels]
    twins = [ascii(label)[1:-1] for label, form in zip(labels, forms, strict=True) if forms.count(form) > 1]
    return f" (written {', '.join(plain(twin) for twin in twins)})" if twins else ""


_NUMBER = re.compile(r"0*([0-9]+?)(?:\.0*)?")
_ZEROS = re.compile(r"(?<![0-9.])0+(?=[0-9])")
_APART = re.compile(r"(?<=[^\W\d])[-_./#]+(?=[0-9])|(?<=[0-9])[-_./#]+(?=[^\W\d])")


def person_key(label: str) -> str:
    """The part of a label that identifies a person, without what is lost or added by accident.

    That is: Unicode form (NFKC), case, spaces and invisible characters, marks between letters and digits, leading
    zeros, and the decimals of a whole number.

    >>> person_key("P-007"), person_key("p7"), person_key("001"), person_key("1.0")
    ('p7', 'p7', '1', '1')
    """
    text = normalize("NFKC", label).casefold()
    text = "".join(c for c in text if not c.isspace() and category(c) != "Cf")
    whole = _NUMBER.fullmatch(text)
    return whole[1] if whole else _ZEROS.sub("", _APART.sub("", text))


def probable(strangers: Iterable[str], known: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Known labels that each unknown label may mean; unknown labels without a candidate are left out.

    Parameters
    ----------
    strangers, known : iterable of str
        Labels, none in both.
    """
    by_key: dict[str, list[str]] = {}
    for label in known:
        by_key.setdefault(person_key(label), []).append(label)
    found = {label: tuple(by_key.get(person_key(label), ())) for label in strangers}
    return {label: near for label, near in found.items() if near}


def respelling(labels: pd.Series, meant: Mapping[str, str]) -> str | None:
    """The pandas methods, as text, that turn each label into the one meant and leave the others as they are.

    Parameters
    ----------
    labels : pandas.Series
        A table's labels of persons.
    meant : mapping of str to str
        Label of the table to label meant; labels that are not in it stay.

    Returns
    -------
    str or None
        What follows ``labels.astype(str)``, such as ``.str.zfill(3)``; None where no single method does it.
    """
    before = pd.Series(labels.unique(), dtype=object)
    wanted = before.map(lambda label: meant.get(label, label))
    width = max((len(label) for label in meant.values()), default=0)
    whole, zeros = r'.str.replace(r"\.0*$", "", regex=True)', f".str.zfill({width})"
    makers = {
        whole: lambda s: s.str.replace(r"\.0*$", "", regex=True),
        zeros: lambda s: s.str.zfill(width),
        whole + zeros: lambda s: s.str.replace(r"\.0*$", "", regex=True).str.zfill(width),
        '.str.lstrip("0")': lambda s: s.str.lstrip("0"),
        ".str.upper()": lambda s: s.str.upper(),
        ".str.lower()": lambda s: s.str.lower(),
        '.str.replace(" ", "")': lambda s: s.str.replace(" ", ""),
        '.str.normalize("NFKC")': lambda s: s.str.normalize("NFKC"),
        '.str.normalize("NFC")': lambda s: s.str.normalize("NFC"),
        '.str.normalize("NFD")': lambda s: s.str.normalize("NFD"),
    }
    return next((code for code, make in makers.items() if (make(before) == wanted).all()), None)
