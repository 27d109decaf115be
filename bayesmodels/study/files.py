"""Raw tables from csv files, parquet files and DataFrames, every cell unchanged."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from bayesmodels.study.problem import FIRST_ROW, Problem, plain, quoted

DELIMITERS = (",", ";", "\t")
SUFFIXES = (".csv", ".parquet")
EMPTY = "the file is empty; expected a header row with the names of the columns"


@dataclass(frozen=True)
class RawTable:
    """A table before any parsing.

    Parameters
    ----------
    file : str
        File name without its folder, or the table's name for a DataFrame.
    cells : pandas.DataFrame
        Every column of dtype object; a blank cell is "". The index is the row as in a spreadsheet.
    problems : tuple of Problem
        What prevented reading, if anything did; then `cells` may be empty or incomplete.
    """

    file: str
    cells: pd.DataFrame = field(default_factory=pd.DataFrame)
    problems: tuple[Problem, ...] = ()


def read_table(path: Path) -> RawTable:
    """The table at `path`, by its suffix .csv or .parquet. Never raises for what is in the file."""
    file = plain(path.name)
    if path.suffix.lower() not in SUFFIXES:
        return _unread(file, f"expected a .csv or .parquet file, got a {plain(path.suffix) or 'nameless'} file; "
                       "save it as CSV (UTF-8) or parquet")  # fmt: skip
    if not path.is_file():
        return _unread(file, "expected a file, found none; check the name and the folder")
    try:
        return _read_csv(path, file) if path.suffix.lower() == ".csv" else _read_parquet(path, file)
    except OSError as error:
        return _unread(file, f"the file cannot be opened ({plain(error.strerror or type(error).__name__)})")


def from_frame(frame: object, file: str) -> RawTable:
    """The cells of a DataFrame; its index is ignored."""
    if not isinstance(frame, pd.DataFrame):
        return _unread(file, f"expected a pandas DataFrame, got {type(frame).__name__}")
    names = [name if isinstance(name, str) else str(name) for name in frame.columns]
    columns = [[_cell(value) for value in frame.iloc[:, k].tolist()] for k in range(len(names))]
    return _table(file, names, columns, list(range(FIRST_ROW, FIRST_ROW + len(frame))), [])


def find_table(folder: Path, name: str) -> Path | Problem:
    """The file ``name.csv`` or ``name.parquet`` of a folder, or the problem with finding it."""
    found = [folder / f"{name}{suffix}" for suffix in SUFFIXES if (folder / f"{name}{suffix}").is_file()]
    if len(found) == 1:
        return found[0]
    if found:
        return Problem(name, f"found both {name}.csv and {name}.parquet; keep one of them")
    others = sorted(path.name for path in folder.iterdir() if path.is_file())
    there = f"the folder has {quoted(others[:10])}" if others else "the folder is empty"
    return Problem(name, f"expected {name}.csv or {name}.parquet, found neither; {there}", kind="no file")


def _unread(file: str, text: str) -> RawTable:
    return RawTable(file, problems=(Problem(file, text),))


def _cell(value: object) -> object:
    """A missing value as ""; anything else as it is."""
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    try:
        return "" if value != value else value
    except (TypeError, ValueError, ArithmeticError):  # arrays and pd.NA inside containers have no truth value
        return value


def _table(file: str, names: list[str], columns: list[list], rows: list[int], problems: list[Problem]) -> RawTable:
    """The table from its columns; of columns with the same name the first is kept and the problem noted."""
    cells: dict[str, pd.Series] = {}
    for k, (name, column) in enumerate(zip(names, columns, strict=True), start=1):
        if not name.strip() or name == "__index_level_0__" or name.startswith("Unnamed: "):
            problems.append(Problem(file, f"column {k} has no name; delete it, or give it one (a saved pandas index? "
                                    "write with index=False)"))  # fmt: skip
        elif name in cells:
            problems.append(Problem(file, f'column {k} is a second column named "{plain(name)}"; keep one of them'))
        else:
            cells[name] = pd.Series(column, index=rows, dtype=object)
    return RawTable(file, pd.DataFrame(cells, index=rows, dtype=object), tuple(problems))


def _read_parquet(path: Path, file: str) -> RawTable:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        names = [str(name) for name in table.column_names]
        columns = [[_cell(value) for value in table.column(k).to_pylist()] for k in range(len(names))]
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        first = plain(str(error).splitlines()[0] if str(error) else type(error).__name__, 120)
        return _unread(
            file, f"this is not a parquet file that can be read ({first}); write it again, or save it as csv"
        )
    return _table(file, names, columns, list(range(FIRST_ROW, FIRST_ROW + table.num_rows)), [])


def _read_csv(path: Path, file: str) -> RawTable:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return _unread(file, f"line {line} is not UTF-8 text; save the file as CSV (UTF-8)")
    if "\0" in text:
        return _unread(file, "expected text, found zero bytes; save the file as CSV (UTF-8)")
    if not text.strip():
        return _unread(file, EMPTY)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        records = list(reader)
    except csv.Error as error:
        return _unread(file, f"line {reader.line_num} cannot be read as csv ({error}); check the quotes on that line")
    return _from_records(file, records)


def _delimiter(text: str) -> str:
    """The delimiter that the header uses most: comma, semicolon or tab."""
    header = text.strip().splitlines()[0]
    return max(DELIMITERS, key=header.count)


def _from_records(file: str, records: list[list[str]]) -> RawTable:
    while records and not any(cell.strip() for cell in records[-1]):
        records.pop()
    if not records:
        return _unread(file, EMPTY)
    names, body = records[0], records[1:]
    problems = []
    while names and not names[-1].strip() and all(not "".join(r[len(names) - 1 :]).strip() for r in body):
        names = names[:-1]
    if not names:
        return _unread(file, "row 1 is empty; expected a header row with the names of the columns")
    rows, kept = [], []
    for row, record in enumerate(body, start=FIRST_ROW):
        if not any(cell.strip() for cell in record):
            problems.append(Problem(file, "the row is empty; delete it, or fill it in", row=row))
        elif len(record) < len(names) or any(cell.strip() for cell in record[len(names) :]):
            problems.append(Problem(file, f"expected {len(names)} cells, got {len(record)}; check the delimiters and "
                                    "the quotes of this row", row=row, kind="cells"))  # fmt: skip
        else:
            rows.append(row)
            kept.append([cell if cell.strip() else "" for cell in record[: len(names)]])
    columns = [[record[k] for record in kept] for k in range(len(names))]
    return _table(file, names, columns, rows, problems)
