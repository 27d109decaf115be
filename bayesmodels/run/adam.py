"""From a mapping in TOML and analysis data sets (CDISC ADaM) to the tables of a study, in Python and as a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bayesmodels.errors import BadConfig, BadInput, expect
from bayesmodels.run.config import read_toml
from bayesmodels.run.config_problems import config_problems
from bayesmodels.run.folder import RunFolder, check_new
from bayesmodels.study.adam.conversion import convert
from bayesmodels.study.adam.mapping import KINDS, AdamMapping
from bayesmodels.study.converted import ConvertedTables
from bayesmodels.study.problem import Problem

MAPPING = "mapping.toml"


@dataclass(frozen=True)
class AdamRun:
    """What `bayesmodels adam` left.

    Attributes
    ----------
    folder : Path
    made : ConvertedTables
    """

    folder: Path
    made: ConvertedTables

    def sentence(self) -> str:
        """Say where the tables are, and how many rows became part of them."""
        return f"{self.folder}: {self.made.sentence()}"

    def document(self) -> dict[str, Any]:
        """The same for machines."""
        return {"out": str(self.folder), **self.made.as_json(), "exit": 0}


def read_adam(mapping: str | Path | AdamMapping, folder: str | Path | None = None) -> ConvertedTables:
    """The tables of a study from analysis data sets (CDISC ADaM), by a mapping that says what to do with every row.

    Parameters
    ----------
    mapping : path or AdamMapping
        A TOML file (docs/adam.md), or the same as a value.
    folder : path, optional
        Where relative paths of the mapping begin. Default: the folder of the file, or the working folder.

    Returns
    -------
    ConvertedTables
        Persons, visits and events; what was left out of each data set, row by row, with the reason; `study()` makes a
        `Study` of them.

    Raises
    ------
    BadInput
        Every problem of the mapping and of the data sets, and every choice that the mapping leaves open, with what to
        write.
    """
    expect(mapping, (str, Path, AdamMapping), "mapping", "give the path of a TOML file")
    expect(folder, (str, Path, type(None)), "folder", "give the folder where relative paths begin")
    if isinstance(mapping, AdamMapping):
        return convert(mapping, Path(folder or "."))
    path = Path(mapping)
    return _convert(read_mapping(path), path, Path(folder) if folder is not None else path.parent)


def read_mapping(path: Path) -> AdamMapping:
    """Read and check a mapping; the data sets are not opened.

    Parameters
    ----------
    path : Path

    Raises
    ------
    BadConfig
        Every problem of the file.
    """
    _, raw = read_toml(path)
    try:
        return AdamMapping.model_validate(raw)
    except ValidationError as error:
        raise BadConfig(config_problems(error, path.name, AdamMapping, raw, hidden=KINDS)) from error


def _convert(mapping: AdamMapping, path: Path, folder: Path) -> ConvertedTables:
    try:
        return convert(mapping, folder)
    except BadInput as error:
        raise BadInput(
            f"{path.name}{problem.removeprefix('mapping')}"
            if isinstance(problem, Problem) and problem.file == "mapping"
            else problem
            for problem in error.problems
        ) from None


def write_adam(mapping: Path, out: Path, *, again: bool = False) -> AdamRun:
    """Convert and write a folder: the tables as csv, left_out.csv, adam.json, the mapping, and a manifest.

    Parameters
    ----------
    mapping : Path
        A TOML file.
    out : Path
        Folder; made if it is not there. Files that its manifest does not list are never touched.
    again : bool
        Replace what this package wrote there before.

    Raises
    ------
    BadInput
        As `read_adam`; or `out` holds files of others.
    RunExists
        `out` holds a result already, or another process works there.
    """
    folder = RunFolder(out)
    check_new(folder, False, again)
    text, _ = read_toml(mapping)
    made = read_adam(mapping)
    files = {**made.files(), MAPPING: text.encode}
    digests = {source.name: source.sha256 for source in made.sources}
    with folder.locked():
        folder.check_free(files)
        if folder.manifest() is not None:
            folder.empty()
        folder.begin("study", None, data=digests)
        with folder.ending():
            folder.write_all(files)
    return AdamRun(folder.path, made)
