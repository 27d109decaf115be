"""The posterior's file and its contents: context, observed persons, intervals, convergence, numbers in words.

Nothing heavy is imported until a name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .archive import describe, load, require, save

_HOME = {
    "describe": "archive",
    "load": "archive",
    "require": "archive",
    "save": "archive",
}

__all__ = ["describe", "load", "require", "save"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
