"""What the pages of all studies share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def opening(manifest: Mapping[str, Any], verdict: str, unfinished: list[str] | None = None) -> list[str]:
    """First lines of a study's README: title, command, verdict.

    Parameters
    ----------
    manifest : mapping
        With `study`, the title, and `command`.
    verdict : str
    unfinished : list of str, optional
        Lines that say that the study was stopped.
    """
    return [
        f"# {manifest['study']}",
        "",
        "Simulated trials throughout; nothing here is patient data. Made by",
        "",
        f"    {manifest['command']}",
        "",
        "## Verdict",
        "",
        *(unfinished or []),
        verdict,
        "",
    ]


def grades_said(counts: dict[str, Any], n: int) -> str:
    """How many of n fits have each grade (`recovery_report.convergence_counts`); without grades how many converged."""
    if "grades" not in counts:
        return f"{counts['converged_by_the_package_verdict']} of {n} converged"
    found = counts["grades"]
    return f"{found['ok']} of {n} are ok, {found['short']} short and {found['not_converged']} not converged"
