"""The posterior's file, and what a posterior says of itself: context, observed persons, intervals, convergence.

Nothing heavy is imported until a name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayesmodels.lazy import lazy_names

if TYPE_CHECKING:
    from .archive import describe as describe
    from .archive import load as load
    from .archive import require as require
    from .archive import save as save

_HOME = {
    "describe": "archive",
    "load": "archive",
    "require": "archive",
    "save": "archive",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOME)
