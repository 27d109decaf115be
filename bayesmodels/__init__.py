"""Bayesian longitudinal models of biomarkers and clinical outcomes in delayed-start trials.

Nothing heavy is imported until a name is used.
"""

from __future__ import annotations

_HOME = {
    "Evidence": "evidence",
    "LongitudinalModel": "models",
    "MeansTable": "study",
    "NutsSettings": "fitting",
    "PublishedMeansModel": "models",
    "ReportSettings": "reporting.settings",
    "Study": "study",
    "convergence": "fitting",
    "fit": "fitting",
    "load": "posterior",
    "predict": "fitting",
    "publish": "models",
    "read_means": "study",
    "read_study": "study",
    "replaced": "models",
    "report": "reporting",
    "require": "posterior",
    "sample": "fitting",
    "save": "posterior",
    "simulate": "simulation",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
