"""A statement of a dossier, and the row of the table that it stands on."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from bayesmodels.study.problem import FIRST_ROW


@dataclass(frozen=True)
class Statement:
    """A sentence with the place of the numbers in it.

    Parameters
    ----------
    text : str
    table : str
        Name of a table of the dossier: ``tables/<name>.csv``.
    row : int, optional
        As a spreadsheet numbers them: the heading is row 1. None for the whole table.
    loud : bool
        Whether it is said in the terminal too, before anything else.
    mark : str
        Part of the text that the page sets in bold.
    """

    text: str
    table: str
    row: int | None = None
    loud: bool = False
    mark: str = ""

    @property
    def file(self) -> str:
        """The table's file, relative to the page."""
        return f"tables/{self.table}.csv"

    @property
    def place(self) -> str:
        """File and row in words."""
        return self.file if self.row is None else f"{self.file}, row {self.row}"

    def plain(self) -> str:
        """The sentence and its place as plain text."""
        return f"{self.text} [{self.place}]"

    def html(self) -> str:
        """The sentence with a link to its table; text is escaped."""
        before, mark, after = self.text.partition(self.mark) if self.mark else (self.text, "", "")
        bold = Markup("<strong>{}</strong>").format(mark) if mark else ""
        link = Markup('<a class="place" href="{}">[{}]</a>').format(self.file, self.place)
        return Markup("{}{}{} {}").format(before, bold, after, link)


def row_of(position: int) -> int:
    """Row of the entry at a position of a table, from 0.

    Parameters
    ----------
    position : int
    """
    return position + FIRST_ROW
