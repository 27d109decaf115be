"""The folder of a run: manifest, lock, log, files that appear whole."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from bayesmodels.errors import RunExists
from bayesmodels.folders import made_folder

Status = Literal["running", "finished", "failed"]

MANIFEST = "manifest.json"
LOCK = ".lock"
DRAFTS = ".drafts"
"""Folder of a report that is being written."""


@dataclass(frozen=True)
class RunFolder:
    """A run's folder on disk.

    Parameters
    ----------
    path : Path
    """

    path: Path

    @property
    def chains(self) -> Path:
        """Folder of the finished chains."""
        return self.path / "chains"

    @property
    def posterior(self) -> Path:
        """File of the posterior."""
        return self.path / "posterior.nc"

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / "report.html"

    def manifest(self) -> dict[str, Any] | None:
        """Read the manifest; None where there is none."""
        try:
            return json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Replace the manifest."""
        self.write(MANIFEST, json.dumps(manifest, indent=2, sort_keys=True) + "\n")

    def write(self, name: str, text: str) -> None:
        """Write a text file under a temporary name, then rename it."""
        draft = self.path / f".{name}.partial"
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, self.path / name)

    def log(self, line: str) -> None:
        """Append a line, with the time, to `log.txt`."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with (self.path / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{stamp} {line}\n")

    def empty(self) -> None:
        """Delete what an earlier run left, its manifest first, so that a kill leaves no half-deleted finished run."""
        (self.path / MANIFEST).unlink(missing_ok=True)
        for entry in self.path.iterdir():
            if entry.name == LOCK:
                continue
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def sweep(self) -> None:
        """Delete files that were being written when an earlier process ended."""
        shutil.rmtree(self.path / DRAFTS, ignore_errors=True)
        for stray in [*self.path.glob(".*.partial"), *self.chains.glob(".*.tmp")]:
            stray.unlink()

    def publish(self, drafts: Path) -> None:
        """Move finished files from a folder of drafts into place, one by one, `report.html` last."""
        files = sorted((f for f in drafts.rglob("*") if f.is_file()), key=lambda f: (f.name == "report.html", str(f)))
        for file in files:
            target = self.path / file.relative_to(drafts)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, target)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder; the lock goes with the process, however it ends.

        Raises
        ------
        RunExists
            Another process works in this folder.
        BadInput
            The folder cannot be made.
        """
        import fcntl

        made_folder(self.path)
        with (self.path / LOCK).open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                raise RunExists(
                    f"{self.path}: process {file.read().strip() or 'unknown'} is at work here; wait for it, or end it"
                ) from error
            file.seek(0)
            file.truncate()
            file.write(str(os.getpid()))
            file.flush()
            yield


def check_new(folder: RunFolder, resume: bool, again: bool) -> None:
    """Refuse to run where a run is already, unless the user said what to do with it.

    Raises
    ------
    RunExists
        Names the option to give.
    """
    manifest = folder.manifest()
    status = manifest["status"] if manifest else None
    if again:
        return
    if status == "finished":
        raise RunExists(
            f"{folder.path}: this run is finished; see {folder.report}, make its report again with "
            f"`bayesmodels report {folder.path}`, or give --again to replace it"
        )
    if status is not None and not resume:
        raise RunExists(
            f"{folder.path}: this run is unfinished ({status}); give --resume to go on, or --again to start afresh"
        )
    if status is None and resume:
        print(f"{folder.path}: nothing to resume, so a new run begins", file=sys.stderr)


class Stopwatch:
    """Wall and CPU seconds of this process, on top of earlier parts of the run."""

    def __init__(self, earlier: dict[str, float] | None = None) -> None:
        """Start on top of `earlier` (wall, cpu)."""
        self._earlier = earlier or {"wall": 0.0, "cpu": 0.0}
        self._began = time.monotonic()

    def seconds(self) -> dict[str, float]:
        """Return wall and cpu seconds so far; cpu is user and system time of the process and its children."""
        times = os.times()
        cpu = times.user + times.system + times.children_user + times.children_system
        wall = time.monotonic() - self._began
        return {
            "wall": round(self._earlier["wall"] + wall, 2),
            "cpu": round(self._earlier["cpu"] + cpu, 2),
        }
