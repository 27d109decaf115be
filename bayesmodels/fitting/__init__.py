"""Fitting: NUTS settings, sampling, and the posterior that describes itself.

Nothing heavy is imported until a name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .prior import prior_draws
    from .samplers import compile_model
    from .sampling import sample
    from .settings import NutsSettings

_HOME = {
    "NutsSettings": "settings",
    "compile_model": "samplers",
    "prior_draws": "prior",
    "sample": "sampling",
}

__all__ = ["NutsSettings", "compile_model", "prior_draws", "sample"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
