"""Notebooks as executed by `make notebooks`: their outputs come from `build/notebooks`, where none are committed.

What shows how far a fit is (`bayesmodels.fitting.progress.NotebookTable`) is left out.
"""

import re
from pathlib import Path
from typing import Any

import nbformat
from sphinx.errors import ExtensionError

EXECUTED = Path("build") / "notebooks"

PROGRESS = re.compile(r"""\s*(<table\s[^>]*aria-label=["']progress["']|<em>preparing …</em>\s*$)""")
"""Beginning of the markup of a table of progress, with or without a state."""


def with_outputs(committed: str, executed: Path) -> str:
    """Text of the executed copy, which must have the committed notebook's cells, without tables of progress.

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
    return without_progress(text)


def without_progress(text: str) -> str:
    """Text of a notebook without outputs that are a table of progress.

    Parameters
    ----------
    text : str
        Of a notebook.
    """
    notebook = nbformat.reads(text, as_version=4)
    found = False
    for cell in notebook.cells:
        outputs = cell.get("outputs", [])
        kept = [each for each in outputs if not PROGRESS.match(each.get("data", {}).get("text/html", ""))]
        if len(kept) < len(outputs):
            cell["outputs"] = kept
            found = True
    return nbformat.writes(notebook) if found else text


def _read(app: Any, docname: str, content: list[str]) -> None:
    if docname.startswith("notebooks/"):
        content[0] = with_outputs(content[0], Path(app.srcdir) / EXECUTED / f"{Path(docname).name}.ipynb")


def setup(app: Any) -> dict[str, Any]:
    """Exchange a notebook's text when it is read."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
