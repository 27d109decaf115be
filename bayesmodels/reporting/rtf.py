"""Tables of a report as RTF, one file a table: numbers rounded as on the page, with titles, notes and their source.

Written with `rtflite` (extra `submission`). Tables that the page shows closed are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import pandas as pd

from bayesmodels.errors import BadInput
from bayesmodels.html_tables import NUMBER
from bayesmodels.posterior.wording import cell
from bayesmodels.reporting.page import Section

LIBRARY = "rtflite"

LONGEST_SLUG = 50
"""Characters of a section's title in the name of a file."""

MOST_WEIGHT = 34
"""Characters of a cell that make its column no wider."""

PADDING = 3
"""Characters that the sides of a cell, and a wider font of the reader's, take."""

ROOM = {"portrait": 95, "landscape": 130}
"""Characters of all columns that a line holds."""

MARGINS = (0.75, 0.75, 1.0, 0.75, 0.5, 0.4)
"""Inches: left, right, top, bottom, header, footer."""

PAGES = {"portrait": (7.0, 42), "landscape": (9.5, 26)}
"""Width of a table in inches, and lines a page; fewer than there is room for, since a reader's font may be wider."""

FONT_SIZE = 8
"""Points."""


def require_rtflite() -> None:
    """Refuse to go on without the library that writes RTF.

    Raises
    ------
    BadInput
        It is not installed.
    """
    if find_spec(LIBRARY) is None:
        raise BadInput(f"RTF tables need {LIBRARY}: pip install 'bayesmodels[submission]'")


def rtf_files(
    title: str, sections: Sequence[Section], about: Mapping[str, Any], stamp: str | None = None
) -> dict[str, Callable[[], bytes]]:
    """RTF files by name, each with what makes its content.

    Parameters
    ----------
    title : str
        Of the report.
    sections : sequence of Section
        In the order of the page.
    about : mapping of str to any
        `AnalysisResults.about`: model, data, run and version for the line on the source.
    stamp : str, optional
        The warning of a fit that did not converge; it stands above every table.

    Returns
    -------
    dict of str to callable
        ``rtf/table_<number>_<section>.rtf``, numbered in the order of the page.
    """
    found: dict[str, Callable[[], bytes]] = {}
    for section in sections:
        for caption, table in section.tables.items() if not section.collapsed else ():
            if not len(table):
                continue
            number = len(found) + 1
            heads = [f"Table {number}. {section.title}", *_distinct(caption, section.title), title]
            notes = [*section.paragraphs, *([section.note] if section.note else [])]
            name = f"rtf/table_{number:02d}_{_slug(section.title)}.rtf"
            found[name] = partial(_rtf, [*([stamp] if stamp else []), *heads], table, notes, _source(about))
    return found


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """A table as the page shows it: every cell as text.

    Parameters
    ----------
    table : DataFrame

    Returns
    -------
    DataFrame
    """
    cells = {str(name): [cell(value) for value in table[name]] for name in table.columns}
    return pd.DataFrame(cells, dtype=object)


def escaped(text: str) -> str:
    """Text without characters that begin or end a command of RTF.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    return re.sub(r"([\\{}])", r"\\\1", text)


def _rtf(heads: Sequence[str], table: pd.DataFrame, notes: Sequence[str], source: str) -> bytes:
    import polars
    import rtflite

    text = shown(table)
    sides = ["c" if _are_numbers(text[name]) else "l" for name in text.columns]
    orientation, widths = _widths(text)
    width, lines = PAGES[orientation]
    small = {"text_font_size": FONT_SIZE, "text_convert": False}
    columns = {"col_rel_width": widths, "text_justification": sides, **small}
    document = rtflite.RTFDocument(
        df=polars.DataFrame({name: [escaped(value) for value in text[name]] for name in text.columns}),
        rtf_page=rtflite.RTFPage(orientation=orientation, margin=list(MARGINS), col_width=width, nrow=lines),
        rtf_title=rtflite.RTFTitle(text=[escaped(line) for line in heads], text_font_size=10, text_convert=False),
        rtf_column_header=rtflite.RTFColumnHeader(text=[escaped(name) for name in text.columns], **columns),
        rtf_body=rtflite.RTFBody(**columns),
        rtf_footnote=rtflite.RTFFootnote(text=[escaped(line) for line in notes], **small) if notes else None,
        rtf_source=rtflite.RTFSource(text=[escaped(source)], **small),
    )
    return document.rtf_encode().encode("ascii", "strict")


def _distinct(caption: str, title: str) -> list[str]:
    return [caption] if caption != title else []


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:LONGEST_SLUG].strip("_")


def _widths(text: pd.DataFrame) -> tuple[str, list[float]]:
    """How the page lies, and the characters of each column.

    A column is as wide as its longest cell, up to a limit. Where a line has no room for all, columns give up what they
    have beyond their longest word, columns of numbers beyond their longest number, so that neither is broken as long as
    these alone have room.
    """
    least, wanted = [], []
    for name in text.columns:
        words = [len(word) for value in (str(name), *text[name]) for word in value.split()]
        cells = max((len(value) for value in text[name]), default=0)
        whole = max(words, default=0) if not _are_numbers(text[name]) else max([cells, *words])
        least.append(whole + PADDING)
        wanted.append(max(least[-1], min(cells, MOST_WEIGHT)))
    orientation = "portrait" if sum(wanted) <= ROOM["portrait"] else "landscape"
    spare = sum(wanted) - sum(least)
    share = 1.0 if not spare else min(max((ROOM[orientation] - sum(least)) / spare, 0.0), 1.0)
    return orientation, [low + share * (high - low) for low, high in zip(least, wanted, strict=True)]


def _are_numbers(column: pd.Series) -> bool:
    return all(NUMBER.match(value) is not None for value in column)


def _source(about: Mapping[str, Any]) -> str:
    """What made the numbers, of which data."""
    data = about["data"]
    parts = [f"bayesmodels {about['version']}", f"model {about['model']}"]
    parts += [f"data {data['name']}"] if data["name"] else []
    parts += [f"digest {str(data['digest'])[:16]}"] if data["digest"] else []
    parts += [f"run {about['run']}"] if about["run"] else []
    return f"Source: {', '.join(parts)}."
