"""Published numbers, each with its certainty and source.

`load(name)` gives a table, `means_table(...)` the visit-level means of VALOR ready for one likelihood,
`trial_table(...)` the ALS programmes' effects on NfL and function. Nothing heavy is imported until a name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .als_trials import trial_table
    from .published import NAMES, Evidence, load
    from .valor import means_table

_HOME = {
    "NAMES": "published",
    "Evidence": "published",
    "load": "published",
    "means_table": "valor",
    "trial_table": "als_trials",
}

__all__ = ["NAMES", "Evidence", "load", "means_table", "trial_table"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
