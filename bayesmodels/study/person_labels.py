"""Persons' labels that are probably the same person's, written in two ways, and how to write both alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

import pandas as pd

_NUMBER = re.compile(r"0*([0-9]+?)(?:\.0*)?")
_ZEROS = re.compile(r"(?<![0-9.])0+(?=[0-9])")
_APART = re.compile(r"(?<=[^\W\d])[-_./#]+(?=[0-9])|(?<=[0-9])[-_./#]+(?=[^\W\d])")


def person_key(label: str) -> str:
    """A label without what is lost or added by accident.

    That is: Unicode form (NFKC), case, spaces and invisible characters, marks between letters and digits, leading
    zeros, and the decimals of a whole number.

    >>> person_key("P-007"), person_key("p7"), person_key("001"), person_key("1.0")
    ('p7', 'p7', '1', '1')
    """
    text = unicodedata.normalize("NFKC", label).casefold()
    text = "".join(c for c in text if not c.isspace() and unicodedata.category(c) != "Cf")
    whole = _NUMBER.fullmatch(text)
    return whole[1] if whole else _ZEROS.sub("", _APART.sub("", text))


def probable(strangers: Iterable[str], known: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The known persons that each stranger may be; strangers without one are left out.

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
