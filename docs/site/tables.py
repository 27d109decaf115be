"""Marks of tables for the style sheet: columns of words and of prose, and tables that a narrow screen stacks.

A column is `words` where its longest cell has more than 12 characters, `prose` where it has more than 60 and spaces.
A table of at least four columns whose last is prose is `stacked`: below 600 px its rows stand as lists of cells, each
with the name of its column.
"""

from typing import Any

from docutils import nodes

WORDS = 12
PROSE = 60
STACKED = 4
"""Columns from which on a table whose last column is prose is stacked."""


def kind_of_column(cells: list[str]) -> str:
    """`prose`, `words` or nothing.

    Parameters
    ----------
    cells : list of str
        Texts of a column without its heading.
    """
    longest = max(map(len, cells), default=0)
    if longest > PROSE and any(" " in cell for cell in cells):
        return "prose"
    return "words" if longest > WORDS else ""


def mark(table: nodes.table) -> None:
    """Give classes to a table and its cells, and to the cells of a stacked table the names of their columns.

    Parameters
    ----------
    table : docutils.nodes.table
    """
    rows = [list(row) for body in table.findall(nodes.tbody) for row in body]
    heads = [list(row) for head in table.findall(nodes.thead) for row in head]
    if len({len(row) for row in rows}) != 1:
        return  # cells that span columns
    kinds = [kind_of_column([cell.astext() for cell in column]) for column in zip(*rows, strict=True)]
    for row in rows:
        for cell, kind in zip(row, kinds, strict=True):
            cell["classes"] += [kind] if kind else []
    if len(kinds) < STACKED or kinds[-1] != "prose" or len(heads) != 1:
        return
    table["classes"].append("stacked")
    for row in rows:
        for cell, head in list(zip(row, heads[0], strict=True))[1:]:
            if cell.astext().strip():
                cell.insert(0, nodes.inline("", head.astext(), classes=["column-name"]))
            else:
                cell["classes"].append("nothing")


def _mark_all(app: Any, doctree: nodes.document) -> None:
    for table in doctree.findall(nodes.table):
        mark(table)


def setup(app: Any) -> dict[str, Any]:
    """Mark tables when a page is read."""
    app.connect("doctree-read", _mark_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
