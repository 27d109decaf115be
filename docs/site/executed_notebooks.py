"""Notebooks as executed by `make notebooks`: their outputs come from `build/notebooks`, where none are committed.

What shows how far a fit is (`bayesmodels.fitting.progress.NotebookTable`) is left out, and cells of DataFrames get the
classes of `tables.py`.
"""

import html
import re
from pathlib import Path
from typing import Any

import nbformat
from sphinx.errors import ExtensionError
from tables import kind_of_column

EXECUTED = Path("build") / "notebooks"

PROGRESS = re.compile(r"""\s*(<table\s[^>]*aria-label=["']progress["']|<em>preparing …</em>\s*$)""")
"""Beginning of the markup of a table of progress, with or without a state."""


def with_outputs(committed: str, executed: Path) -> str:
    """Text of the executed copy, which must have the committed notebook's cells, as `for_a_page` leaves it.

    Parameters
    ----------
    committed : str
        Text of the notebook without outputs.
    executed : Path
        Its executed copy.

    Raises
    ------
    ExtensionError
        There is no copy, or it is of another version of the notebook.
    """
    if not executed.is_file():
        raise ExtensionError(f"{executed} is missing; type: make notebooks")
    text = executed.read_text(encoding="utf-8")
    now, then = (nbformat.reads(each, as_version=4).cells for each in (committed, text))
    if [cell.source for cell in now] != [cell.source for cell in then]:
        raise ExtensionError(f"{executed} was made from another version of its notebook; type: make notebooks")
    return for_a_page(text)


def for_a_page(text: str) -> str:
    """Text of a notebook without outputs that are a table of progress, and with marked cells of DataFrames.

    Parameters
    ----------
    text : str
        Of a notebook.
    """
    notebook = nbformat.reads(text, as_version=4)
    for cell in notebook.cells:
        outputs = cell.get("outputs", [])
        if not outputs:
            continue
        cell["outputs"] = [each for each in outputs if not PROGRESS.match(each.get("data", {}).get("text/html", ""))]
        for output in cell["outputs"]:
            if 'class="dataframe"' in (markup := output.get("data", {}).get("text/html", "")):
                output["data"]["text/html"] = marked(markup)
    return nbformat.writes(notebook)


def marked(markup: str) -> str:
    """A DataFrame's markup, with a class for each cell of words or prose.

    Parameters
    ----------
    markup : str
    """

    def cell(found: re.Match[str]) -> str:
        kind = kind_of_column([html.unescape(found[1])])
        return f'<td class="{kind}">{found[1]}</td>' if kind else found[0]

    return re.sub(r"<td>([^<]*)</td>", cell, markup)


def _read(app: Any, docname: str, content: list[str]) -> None:
    if docname.startswith("notebooks/"):
        content[0] = with_outputs(content[0], Path(app.srcdir) / EXECUTED / f"{Path(docname).name}.ipynb")


def setup(app: Any) -> dict[str, Any]:
    """Exchange a notebook's text when it is read."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
