"""Tables of trials: reading, checking, and the classes that hold them (`Study`, `MeansTable`, `TrialTable`).

Nothing heavy is imported until a name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cluster_table import ClusterTable, read_clusters
    from .limits import LIMITS, Limits
    from .means import MeansTable, read_means
    from .problem import Problem
    from .reading import problems, read_study, warnings
    from .study import Study
    from .trials import Endpoint, TrialTable, read_trials

_HOME = {
    "ClusterTable": "cluster_table",
    "Endpoint": "trials",
    "LIMITS": "limits",
    "Limits": "limits",
    "MeansTable": "means",
    "Problem": "problem",
    "Study": "study",
    "TrialTable": "trials",
    "problems": "reading",
    "read_clusters": "cluster_table",
    "read_means": "means",
    "read_study": "reading",
    "read_trials": "trials",
    "warnings": "reading",
}

__all__ = [
    "LIMITS",
    "ClusterTable",
    "Endpoint",
    "Limits",
    "MeansTable",
    "Problem",
    "Study",
    "TrialTable",
    "problems",
    "read_clusters",
    "read_means",
    "read_study",
    "read_trials",
    "warnings",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
