"""The folder of a run: its files by name, its log, and when a run may begin or go on there."""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from bayesmodels.errors import BadInput, RunExists
from bayesmodels.listed_folder import EARLIER, OR_DELETE, PROGRAM, ListedFolder

POSTERIOR = "posterior.nc"
SUMMARY = "summary.json"
CURVES = "curves.csv"
REPORT = "report.html"
LOG = "log.txt"
CONFIG = "config.toml"

FILES = (CONFIG, LOG, POSTERIOR, SUMMARY, CURVES, REPORT)
"""What every run leaves beside chains, tables and figures."""


class RunFolder(ListedFolder):
    """A run's folder on disk.

    Parameters
    ----------
    path : Path
    """

    @property
    def chains(self) -> Path:
        """Folder of the finished chains."""
        return self.path / "chains"

    @property
    def posterior(self) -> Path:
        """File of the posterior."""
        return self.path / POSTERIOR

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / REPORT

    def log(self, line: str) -> None:
        """Append a line, with the time, to `log.txt`."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.append(LOG, f"{stamp} {line}\n")


def check_new(folder: RunFolder, resume: bool, again: bool, *, locked: bool = False) -> None:
    """Refuse to run where a run is already, unless the user said what to do with it.

    Raises
    ------
    RunExists
        Names the option to give.
    BadInput
        The folder is somebody else's, or its manifest is damaged: whatever the options, it is left as it is.
    """
    manifest = folder.manifest()
    if manifest is None:
        if not folder.is_new:
            raise BadInput(
                f"{folder.path}: expected a new or empty folder, or one with a manifest of {PROGRAM}; it holds other "
                "files and is left as it is; choose another --out"
            )
        if resume:
            print(f"{folder.path}: nothing to resume, so a new run begins", file=sys.stderr)
        return
    worker = None if locked else folder.worker()
    if worker is not None:
        raise folder.busy(worker)
    status = manifest["status"]
    if manifest["schema"] == EARLIER:
        raise RunExists(
            f"{folder.path}: the run there ({status}) was made by an earlier version, which kept no list of its files; "
            f"`bayesmodels report {folder.path}` reads it; {OR_DELETE}"
        )
    if again:
        return
    if manifest["kind"] != "run":
        raise RunExists(f"{folder.path}: holds a {manifest['kind']}, not a run; give --again to replace it")
    if status == "finished" and not (resume and not can_be_reported(folder)):
        raise RunExists(
            f"{folder.path}: this run is finished; see {folder.report}, make its report again with "
            f"`bayesmodels report {folder.path}`, or give --again to replace it"
        )
    if not resume:
        raise RunExists(
            f"{folder.path}: this run is unfinished ({status}); give --resume to go on, or --again to start afresh"
        )


def can_be_reported(folder: RunFolder) -> bool:
    """Whether the posterior of a finished run is there and is what was written."""
    try:
        return folder.is_as_written(POSTERIOR) is True
    except BadInput:
        return False


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
