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
