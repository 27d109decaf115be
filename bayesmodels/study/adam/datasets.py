"""Analysis data sets from files: SAS transport, sas7bdat, Dataset-JSON, parquet and csv, every cell unchanged."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from bayesmodels.errors import BadInput
from bayesmodels.files import file_sha256
from bayesmodels.study.adam.dataset_json import read_dataset_json
from bayesmodels.study.adam.mapping import DataFile
from bayesmodels.study.files import RawTable, from_frame, read_table
from bayesmodels.study.problem import Problem, plain

SAS = (".xpt", ".sas7bdat")
JSON = (".json", ".ndjson")
TABLES = (".parquet", ".csv")
SUFFIXES = (*SAS, *JSON, *TABLES)

EXTRA = "pip install bayesmodels[adam]"
"""What brings the reader of SAS files."""


@dataclass(frozen=True)
class DataSet:
    """One data set, before anything is chosen from it.

    Parameters
    ----------
    name : str
        In the mapping.
    file : str
        Name of the file, for messages.
    cells : pandas.DataFrame
        Every column of dtype object; a blank cell is "". The index is the row: the first record is row 2, as in a
        spreadsheet with a header.
    sas_dates : bool
        Whether numbers in date variables are SAS dates by the format of the file.
    sha256 : str
        Of the file.
    labels : dict of str to str
        Variable to its label, where the file has labels.
    """

    name: str
    file: str
    cells: pd.DataFrame
    sas_dates: bool
    sha256: str
    labels: dict[str, str]


def place_of(source: DataFile, folder: Path) -> Path:
    """Where the file of an entry of `[data]` is.

    Parameters
    ----------
    source : DataFile
    folder : Path
        Of the mapping.

    Raises
    ------
    BadInput
        The package is not installed.
    """
    if source.package is None:
        return folder / source.file
    found = find_spec(source.package) if source.package.isidentifier() else None
    if found is None or not found.submodule_search_locations:
        name = plain(source.package)
        raise BadInput(f"[data]: expected an installed package {name}, found none; pip install {name}")
    return Path(found.submodule_search_locations[0]) / source.file


def read_data_set(name: str, source: DataFile, folder: Path, found: list[Problem]) -> DataSet | None:
    """Read a data set; None, and problems, where it cannot be read.

    Parameters
    ----------
    name : str
        In the mapping.
    source : DataFile
    folder : Path
        Where relative paths begin.
    found : list of Problem
    """
    try:
        path = place_of(source, folder)
    except BadInput as error:
        found += [Problem(name, problem) for problem in error.problems]
        return None
    file, suffix = plain(path.name), path.suffix.lower()
    if suffix not in SUFFIXES:
        said = f"expected a file of {', '.join(SUFFIXES)}, got {plain(suffix) or 'one without a suffix'}"
        found.append(Problem(file, f"{said}; write it as one of these"))
        return None
    if not path.is_file():
        found.append(Problem(file, f"expected a file, found none ([data] {name}); check the name and the folder"))
        return None
    if source.encoding is not None and suffix not in SAS:
        found.append(Problem(file, f"[data] {name}: encoding is for {' and '.join(SAS)} files; delete it"))
    labels: dict[str, str] = {}
    if suffix in SAS:
        raw, labels = _read_sas(path, file, source.encoding)
    elif suffix in JSON:
        raw = read_dataset_json(path, file)
    else:
        raw = read_table(path)
    found += raw.problems
    if raw.problems:
        return None
    return DataSet(name, file, raw.cells, suffix not in TABLES, file_sha256(path), labels)


def _read_sas(path: Path, file: str, encoding: str | None) -> tuple[RawTable, dict[str, str]]:
    try:
        import pyreadstat
    except ImportError:
        text = f"reading {path.suffix} files needs pyreadstat, which is not installed; {EXTRA}"
        return RawTable(file, problems=(Problem(file, text),)), {}
    read = pyreadstat.read_xport if path.suffix.lower() == ".xpt" else pyreadstat.read_sas7bdat
    try:
        frame, about = read(str(path), encoding=encoding) if encoding else read(str(path))
    except UnicodeDecodeError:
        text = 'text is not in the encoding that the file says; name it: {file = "...", encoding = "WINDOWS-1252"}'
        return RawTable(file, problems=(Problem(file, text),)), {}
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, OSError, ValueError) as error:
        text = f"this is not a {path.suffix} file that can be read ({plain(error, 120)}); write it again"
        return RawTable(file, problems=(Problem(file, text),)), {}
    named = about.column_names_to_labels or {}
    return from_frame(frame, file), {str(name): str(label) for name, label in named.items() if label}
