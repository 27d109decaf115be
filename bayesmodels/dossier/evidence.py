"""What a dossier reads: runs of `bayesmodels fit` and studies of `bayesmodels trials`, from their folders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from bayesmodels.errors import BadInput
from bayesmodels.listed_folder import MANIFEST, SCHEMA
from bayesmodels.reporting.chapter import Chapter, Reading, fill, read
from bayesmodels.run.config import read_report_settings
from bayesmodels.run.folder import CONFIG, POSTERIOR, RunFolder
from bayesmodels.run.job import load_own
from bayesmodels.trials.kept import Rule
from bayesmodels.trials.operating import OperatingCharacteristics

ROWS = "rows.parquet"

_STUDY_KEYS = ("name", "digest", "planned", "seed", "interval", "rules", "sampling", "plan")
"""Of the manifest of a study of simulated trials."""


@dataclass(frozen=True)
class Run:
    """A finished fit.

    Attributes
    ----------
    name : str
        As the dossier calls it.
    folder : Path
    manifest : mapping
    reading : Reading
        The posterior with the run's own `[report]`, and tables of the report's chapters.
    """

    name: str
    folder: Path
    manifest: Mapping[str, Any]
    reading: Reading

    @property
    def tree(self) -> xr.DataTree:
        """The posterior."""
        return self.reading.tree

    @property
    def data_digest(self) -> str:
        """SHA-256 of the tables as they were read."""
        return str(self.reading.context.data.get("digest", ""))

    @property
    def persons(self) -> float:
        """Persons of the trial; NaN where the posterior does not say."""
        found = self.reading.context.data.get("counts", {}).get("n_persons")
        return float(found) if isinstance(found, int | float) else float("nan")

    @property
    def external_trials(self) -> tuple[str, ...]:
        """Trials whose persons the model borrows from; empty where it borrows from none, or does not say from whom."""
        if not self.reading.context.borrows:
            return ()
        draws = self.tree["posterior"]
        if "external_trial" in draws.coords:
            return tuple(map(str, draws["external_trial"].to_numpy()))
        return tuple(self.reading.context.data.get("counts", {}).get("external", {}))

    @property
    def posterior_sha256(self) -> str:
        """Of the posterior's file, as the manifest lists it."""
        return str(self.manifest["files"][POSTERIOR]["sha256"])

    @property
    def config(self) -> bytes:
        """The run's configuration, word for word; blank where it is gone."""
        place = self.folder / CONFIG
        return place.read_bytes() if place.is_file() else b""


@dataclass(frozen=True)
class TrialsStudy:
    """A study of many simulated trials.

    Attributes
    ----------
    name : str
        As the dossier calls it.
    folder : Path
    manifest : mapping
    found : OperatingCharacteristics
    why : str
        What its truth stands for, in the sponsor's words.
    """

    name: str
    folder: Path
    manifest: Mapping[str, Any]
    found: OperatingCharacteristics
    why: str = ""

    @property
    def model(self) -> Any:
        """Description of the model that was fitted to every trial."""
        return self.manifest["plan"].get("model", {})

    @property
    def truth(self) -> Mapping[str, Any]:
        """Where true values came from."""
        return self.manifest["plan"].get("truth", {})

    @property
    def varies(self) -> bool:
        """Whether every trial has a truth of its own, drawn from a prior or a posterior."""
        return self.truth.get("type") in ("prior", "posterior")

    @property
    def without_effect(self) -> bool:
        """Whether the generator's drug does nothing."""
        return self.truth.get("type") == "generator" and self.truth.get("drug_effect") is False

    @property
    def truth_in_words(self) -> str:
        """What is true in its trials."""
        kind = self.truth.get("type", "not recorded")
        if kind == "generator":
            changes = self.truth.get("changes") or {}
            changed = "".join(f", {name} = {value}" for name, value in changes.items())
            exits = "" if self.truth.get("exits", True) else ", nobody leaves"
            effect = "a drug that does nothing" if self.without_effect else "a drug with an effect"
            return f"the generator of simulated trials, {effect}{changed}{exits}"
        words = {"prior": "drawn from the prior of the model", "posterior": "drawn from a posterior of the model"}
        return words.get(str(kind), str(kind))

    @property
    def sizes(self) -> dict[str, int]:
        """Persons by start group in each trial; empty where the design does not tell."""
        groups = self.manifest["plan"].get("design", {}).get("start_groups", [])
        return {group["name"]: sum(v for v in group.values() if isinstance(v, int)) for group in groups}

    @property
    def config(self) -> bytes:
        """Its configuration, word for word; blank where it is gone."""
        place = self.folder / CONFIG
        return place.read_bytes() if place.is_file() else b""


def read_run(path: Path, name: str, chapters: Sequence[Chapter] = ()) -> Run:
    """Read a finished run.

    Parameters
    ----------
    path : Path
        Its folder, or a folder that holds no other run.
    name : str
        As the dossier calls it.
    chapters : sequence of Chapter
        Of a report, whose tables are wanted.

    Raises
    ------
    BadInput
        There is no run, there are several, or the posterior is not the one that was written.
    """
    folder = RunFolder(_run_folder(path))
    manifest = folder.manifest()
    if manifest is None or manifest["schema"] != SCHEMA or manifest["kind"] != "run":
        kind = "no manifest" if manifest is None else f"a {manifest.get('kind', 'run of an earlier version')}"
        raise BadInput(f"{folder.path}: expected the folder of `bayesmodels fit`, found {kind}; name that folder")
    tree = load_own(folder)
    config = folder.path / CONFIG
    settings = read_report_settings(config) if config.is_file() else None
    reading = read(tree, settings)
    fill(reading, chapters)
    return Run(name, folder.path, manifest, reading)


def _run_folder(path: Path) -> Path:
    """The run's own folder, where one above it was named."""
    if not path.is_dir():
        raise BadInput(f"{path}: expected the folder of a run, found none; run `bayesmodels fit` first")
    if (path / MANIFEST).exists():
        return path
    inside = sorted(entry for entry in path.iterdir() if (entry / POSTERIOR).is_file())
    if len(inside) != 1:
        came = "none" if not inside else ", ".join(entry.name for entry in inside[:5])
        raise BadInput(f"{path}: expected the folder of a run, or one run inside it, found {came}; name the run's own")
    return inside[0]


def read_trials_study(path: Path, name: str | None = None, why: str = "") -> TrialsStudy:
    """Read a study of simulated trials, finished or not.

    Parameters
    ----------
    path : Path
        Folder of `bayesmodels trials`.
    name : str, optional
        As the dossier calls it; default as the study calls itself.
    why : str
        What its truth stands for.

    Raises
    ------
    BadInput
        It is no such folder, or has no rows yet.
    """
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("kind") != "trials":
        raise BadInput(f"{path}: expected the folder of `bayesmodels trials`, found no manifest of one; choose another")
    absent = [key for key in _STUDY_KEYS if key not in manifest]
    if absent:
        raise BadInput(f"{path / MANIFEST}: expected {', '.join(absent)}, found none; run `bayesmodels trials` again")
    if not (path / ROWS).is_file():
        raise BadInput(f"{path}: expected {ROWS}, found none; run `bayesmodels trials`, of parts `bayesmodels collect`")
    rules = tuple(Rule.model_validate(rule) for rule in manifest["rules"])
    rows = pd.read_parquet(path / ROWS)
    found = OperatingCharacteristics(rows, rules, manifest["planned"], manifest["interval"])
    return TrialsStudy(name or str(manifest["name"]), path, manifest, found, why)
