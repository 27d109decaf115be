"""Blocks of a page that are written when the site is made, from the package itself.

    ```{configuration}     every field of every section of a configuration (`fields`)
    ```{api}               the docstrings of what a module exports
    ```{table-from}        the table that a few lines of Python end with
    ```{verdicts}          the verdicts of studies in `reports/validation`

On a code host each shows what it is made from.
"""

import ast
import inspect
import os
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from posixpath import normpath
from typing import Any

from fields import configuration, pipe_table
from pydantic import BaseModel

FENCE = re.compile(r"^```\{(configuration|api|table-from|verdicts)\}\n(.*?)^```$", flags=re.S | re.M)

RELATIVE = re.compile(r"\]\((?!\w+:|/|#)([^)]+)\)")
"""End of a link to a file beside the page that it is on."""

LONGEST_DEFAULT = 24
"""Characters of a default that a signature shows."""


CONSTANT = ("outcome", "stratum")
"""Columns of a table of priors that say nothing where every row has the same value."""


def table_from(lines: str) -> str:
    """Run lines of Python, from the root of the repository, and show the table that the last one gives.

    Parameters
    ----------
    lines : str
        The last one is an expression with a DataFrame as its value.
    """
    *before, last = ast.parse(lines).body
    if not isinstance(last, ast.Expr):
        raise ValueError(f"expected an expression in the last line of a table's code, got {ast.unparse(last)!r}")
    names: dict[str, Any] = {}
    exec(compile(ast.Module(before, []), "page", "exec"), names)
    frame = eval(compile(ast.Expression(last.value), "page", "eval"), names)
    constant = [name for name in CONSTANT if name in frame and len(frame) > 1 and frame[name].nunique() == 1]
    frame = frame.drop(columns=constant)
    return pipe_table(list(frame.columns), frame.astype(str).to_numpy().tolist())


def api(lines: str) -> str:
    """The docstrings of classes and functions, a heading each.

    Parameters
    ----------
    lines : str
        A line each: `bayesmodels:study` for the names that the package exports from there, `bayesmodels.statistics` for
        what a module exports, or for what it defines where it says nothing of that.
    """
    found: dict[int, tuple[str, Any]] = {}
    for line in lines.split():
        for name, value in exported(line):
            found.setdefault(id(value), (name, value))
    return "\n\n".join(_documented(name, value) for name, value in found.values())


def exported(line: str) -> Iterator[tuple[str, Any]]:
    """Names and objects of a line of `api`."""
    module_name, _, part = line.partition(":")
    module = import_module(module_name)
    if part:
        home = module._HOME
        names = [name for name, place in home.items() if place == part or place.startswith(f"{part}.")]
    elif hasattr(module, "__all__"):
        names = list(module.__all__)
    else:
        names = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module_name]
    for name in sorted(name for name in names if not name.startswith("_")):
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            yield f"{module_name}.{name}", value


def _documented(name: str, value: Any) -> str:
    directive = "autoclass" if inspect.isclass(value) else "autofunction"
    options = "   :members:\n   :exclude-members: model_config\n" if inspect.isclass(value) else ""
    return (
        f"## {name.rpartition('.')[2]}\n\n```{{eval-rst}}\n.. {directive}:: {name}\n{options}   :no-index-entry:\n```\n"
    )


def verdicts(lines: str) -> str:
    """Title and verdict of each study, with a link to its page.

    Parameters
    ----------
    lines : str
        A folder of `reports/validation` each.
    """
    found = []
    for folder in lines.split():
        page = Path(folder, "README.md").read_text(encoding="utf-8")
        title = re.match(r"# (.+)", page)[1]
        verdict = re.search(r"^## Verdict\n(.*?)^## ", page, flags=re.S | re.M)
        quoted = "".join(f"> {line}\n" for line in verdict[1].strip().splitlines()) if verdict else ""
        quoted = RELATIVE.sub(lambda link, folder=folder: f"](/{normpath(f'{folder}/{link[1]}')})", quoted)
        found.append(f"[{title}](/{folder}/README.md)\n\n{quoted}")
    return "\n\n".join(found)


MADE: dict[str, Callable[[str], str]] = {
    "configuration": configuration, "api": api, "table-from": table_from, "verdicts": verdicts,
}  # fmt: skip


def expanded(text: str) -> str:
    """A page's text with its blocks written.

    Parameters
    ----------
    text : str
        Markdown.
    """
    return FENCE.sub(lambda block: MADE[block[1]](block[2]), text)


def _read(app: Any, docname: str, content: list[str]) -> None:
    if not FENCE.search(content[0]):
        return
    here = Path.cwd()
    os.chdir(app.srcdir)
    try:
        content[0] = expanded(content[0])
    finally:
        os.chdir(here)


def _escaped(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Bars of absolute values in docstrings, which reStructuredText takes for substitutions; those of code stay."""
    lines[:] = [escaped_bars(line) for line in lines]


def escaped_bars(line: str) -> str:
    r"""A line of reStructuredText with \| in place of | outside of code.

    Parameters
    ----------
    line : str
    """
    parts = re.split(r"(``.*?``)", line)
    return "".join(part if part.startswith("``") else re.sub(r"(?<!\\)\|", r"\\|", part) for part in parts)


def _without_aliases(app: Any, what: str, name: str, value: Any, skip: bool, options: Any) -> bool | None:
    """Leave out fields of named tuples, which the parameters above them describe."""
    return True if type(value).__name__ == "_tuplegetter" else None


def _shorter(
    app: Any, what: str, name: str, value: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str | None, str | None] | None:
    """The signature of a pydantic model, with defaults that are longer than a word left to the parameters below."""
    if not (inspect.isclass(value) and issubclass(value, BaseModel)):
        return None
    given = []
    for field, info in value.model_fields.items():
        default = "" if info.is_required() else f"={info.get_default(call_default_factory=True)!r}"
        given.append(field + (default if len(default) <= LONGEST_DEFAULT else "=..."))
    return f"({', '.join(given)})", returned


def setup(app: Any) -> dict[str, Any]:
    """Write a page's blocks when it is read."""
    app.connect("source-read", _read)
    app.connect("autodoc-process-docstring", _escaped, priority=400)
    app.connect("autodoc-process-signature", _shorter)
    app.connect("autodoc-skip-member", _without_aliases)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
