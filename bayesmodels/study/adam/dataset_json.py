"""Dataset-JSON 1.1 (CDISC): one JSON object, or NDJSON with a description on the first line and then a row a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from bayesmodels.study.files import RawTable, from_frame
from bayesmodels.study.problem import FIRST_ROW, Problem, in_order, plain, quoted

VERSION = "1.1"

NUMBERS = ("integer", "float", "double", "decimal")
"""Data types whose values are numbers; of a decimal they are written as text."""

TEXTS = ("string", "datetime", "date", "time", "URI")
TYPES = (*NUMBERS, *TEXTS, "boolean")


def read_dataset_json(path: Path, file: str) -> RawTable:
    """The cells of a Dataset-JSON file, by its suffix .json or .ndjson.

    Parameters
    ----------
    path : Path
    file : str
        Name for messages.

    Returns
    -------
    RawTable
        Numbers as numbers, dates as the text that is there, blank cells "". Problems instead where it is not
        Dataset-JSON of this version, or cells are not of their column's type.

    Notes
    -----
    Layout: CDISC, Dataset-JSON v1.1 (2024): `datasetJSONVersion`, `columns` (each with `name` and `dataType`),
    `records` and `rows`, each an array in the order of the columns.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        about, rows = _lines(text) if path.suffix.lower() == ".ndjson" else _whole(text)
    except UnicodeDecodeError:
        return _unread(file, "expected UTF-8 text, found other bytes; write the file again")
    except (ValueError, RecursionError) as error:
        return _unread(file, f"this is not JSON that can be read ({plain(error, 120)}); write the file again")
    wrong = _about(about)
    if wrong:
        return _unread(file, wrong)
    columns = about["columns"]
    names, types = [str(each["name"]) for each in columns], [each["dataType"] for each in columns]
    found: list[Problem] = []
    expected = about.get("records")
    if isinstance(expected, int) and expected != len(rows):
        said = f"records says {expected:,} rows, found {len(rows):,}; the file is not whole: write it again"
        found.append(Problem(file, said))
    kept: list[list[Any]] = []
    for row, cells in enumerate(rows, start=FIRST_ROW):
        if not isinstance(cells, list) or len(cells) != len(names):
            came = f"{len(cells)} cells" if isinstance(cells, list) else type(cells).__name__
            found.append(Problem(file, f"expected {len(names)} cells, got {came}", row=row, kind="cells"))
            continue
        parsed = []
        for name, kind, cell in zip(names, types, cells, strict=True):
            value, fits = _cell(cell, kind)
            if not fits:
                said = (
                    f"expected {kind} as {plain(name)}, got {quoted([cell])} ({type(cell).__name__}); correct one of "
                    f"them"
                )
                found.append(Problem(file, said, row=row, kind=f"type {name}"))
            parsed.append(value)
        kept.append(parsed)
    frame = pd.DataFrame({k: pd.Series([row[k] for row in kept], dtype=object) for k in range(len(names))})
    frame.columns = pd.Index(names)
    table = from_frame(frame, file)
    return RawTable(file, table.cells, in_order([*found, *table.problems]))


def _whole(text: str) -> tuple[Any, list[Any]]:
    about = _loaded(text)
    rows = about.get("rows", []) if isinstance(about, dict) else []
    return about, rows if isinstance(rows, list) else []


def _lines(text: str) -> tuple[Any, list[Any]]:
    # not splitlines(), which also splits at U+2028 and U+0085 inside strings
    first, *others = [line for line in text.split("\n") if line.strip()] or ["null"]
    return _loaded(first), [_loaded(line) for line in others]


def _loaded(text: str) -> Any:
    return json.loads(text, parse_constant=_no_constant)


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON: a missing number is null")


def _about(about: Any) -> str:
    """What is wrong with the description of a data set; empty where nothing is."""
    if not isinstance(about, dict):
        return f"expected Dataset-JSON {VERSION}, an object with columns and rows, found {type(about).__name__}"
    version = str(about.get("datasetJSONVersion", ""))
    if version.split(".")[:2] != VERSION.split("."):
        came = f"version {plain(version)}" if version else "no datasetJSONVersion"
        return f"expected Dataset-JSON {VERSION}, found {came}; write the file again as version {VERSION}"
    columns = about.get("columns")
    if not isinstance(columns, list) or not columns:
        return "expected a list of columns, found none; write the file again"
    for k, each in enumerate(columns, start=1):
        if not isinstance(each, dict) or not isinstance(each.get("name"), str) or each.get("dataType") not in TYPES:
            return f"column {k}: expected a name and a dataType ({', '.join(TYPES)}), found {plain(each, 80)}"
    return ""


def _cell(cell: Any, kind: str) -> tuple[Any, bool]:
    """A cell as its type, and whether it is of that type."""
    if cell is None:
        return "", True
    if kind == "decimal" and isinstance(cell, str):
        try:
            return float(cell), True
        except ValueError:
            return "", not cell.strip()
    if kind in NUMBERS:
        return cell, isinstance(cell, int | float) and not isinstance(cell, bool)
    if kind == "boolean":
        return cell, isinstance(cell, bool)
    return cell, isinstance(cell, str)


def _unread(file: str, text: str) -> RawTable:
    return RawTable(file, problems=(Problem(file, text),))
