"""Users' labels written safely: cells of csv files that are no formulas, and file names that every system takes."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

import pandas as pd

LONGEST_NAME = 100
"""Characters of a file's name before its suffix; most systems take 255 bytes for a name, and some 260 for a path."""

_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_FORMULA = re.compile(r"(^|[;\t\r\n])(?=[=+\-@\t\r＝＋－＠])")
_FAVOURS = {"+ favours ": "positive favours ", "- favours ": "negative favours "}


def table_csv(table: pd.DataFrame, float_format: str | None = None) -> bytes:
    """A table as csv, without its index, in which no cell begins a formula.

    A spreadsheet takes text that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return for a formula, and
    may cut a cell at a semicolon. Such text of the user's, also in a header, gets an apostrophe before it; "+ favours"
    is written "positive favours". Numbers stay numbers, negative ones too.

    Parameters
    ----------
    table : pandas.DataFrame
    float_format : str, optional
        As of `pandas.DataFrame.to_csv`.

    Returns
    -------
    bytes
        UTF-8.
    """
    written = table.copy(deep=False)
    for position, kind in enumerate(table.dtypes):
        if not (pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_datetime64_any_dtype(kind)):
            written.isetitem(position, table.iloc[:, position].astype(object).map(_cell))
    written.columns = pd.Index([_cell(name) for name in table.columns])
    return written.to_csv(index=False, float_format=float_format).encode()


def _cell(value: Any) -> Any:
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    for words, plain_words in _FAVOURS.items():
        if value.startswith(words):
            value = plain_words + value.removeprefix(words)
    return _FORMULA.sub(r"\1'", value)


def file_names(names: Iterable[str]) -> dict[str, str]:
    """Names of files, without suffix, for names that may hold labels of the user's.

    A name of ASCII letters, digits, ``_``, ``-`` and inner points is kept. In another one, or one that is too long, is
    reserved on Windows, or differs from an earlier one by case only, what cannot be kept becomes ``_`` and eight digits
    of the name's SHA-256 follow, so that different names never share a file.

    Parameters
    ----------
    names : iterable of str
        Each once.

    Returns
    -------
    dict of str to str
        Name to file name, in the same order.
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        kept = re.sub(r"[^A-Za-z0-9_.-]+", "_", unicodedata.normalize("NFKD", name))
        kept = kept.strip(".")[:LONGEST_NAME]
        if kept.partition(".")[0].lower() in _RESERVED:
            kept = f"_{kept}"
        if kept != name or not kept or kept.lower() in taken:
            digits = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
            kept = f"{kept[: LONGEST_NAME - 9].rstrip('.')}-{digits}"
        taken.add(kept.lower())
        found[name] = kept
    return found
