"""The machine that a study of speed ran on, and how busy it was with other work."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

from bayesmodels.processes import usable_cores

QUIET = 0.5
"""Runnable processes besides the study's own, at most, on a machine that counts as quiet."""


def description() -> dict[str, object]:
    """Processor, cores that may be used, memory, system."""
    return {
        "processor": _named(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine(),
        "cores": usable_cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.system(),
    }


def load() -> float:
    """Runnable processes, a mean over about a minute."""
    return round(os.getloadavg()[0], 2)


def is_quiet(before: float, during: Sequence[float], own: float) -> bool:
    """Whether the machine did nothing else: before the study, and beyond the study's own processes during it.

    Parameters
    ----------
    before : float
        Load before the study.
    during : sequence of float
        Load after each of its steps.
    own : float
        Processes that the study itself keeps busy, at most.
    """
    return before <= QUIET and all(found <= own + QUIET for found in during)


def _named(file: Path, name: str) -> str:
    """First value of a name in a file of `name : value` lines; blank where there is none."""
    if not file.exists():
        return ""
    lines = (line.partition(":") for line in file.read_text(encoding="utf-8").splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == name), "")
