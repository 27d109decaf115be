"""Statistics of event times and of ranks on plain arrays, without a model.

Nothing heavy is imported until a name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .accuracy import Accuracy, prediction_accuracy
    from .comparison import Comparison
    from .covariance_analysis import ancova
    from .nonparametric import StepCurve, aalen_johansen, kaplan_meier
    from .pairs import Pairs, pairwise_scores
    from .pooling import pool
    from .rank import cafs, joint_rank, win_ratio
    from .restricted import RestrictedMean, restricted_mean, restricted_mean_difference
    from .risk_groups import Calibration, calibration

_HOME = {
    "Accuracy": "accuracy",
    "Calibration": "risk_groups",
    "Comparison": "comparison",
    "Pairs": "pairs",
    "RestrictedMean": "restricted",
    "StepCurve": "nonparametric",
    "aalen_johansen": "nonparametric",
    "ancova": "covariance_analysis",
    "cafs": "rank",
    "calibration": "risk_groups",
    "joint_rank": "rank",
    "kaplan_meier": "nonparametric",
    "pairwise_scores": "pairs",
    "pool": "pooling",
    "prediction_accuracy": "accuracy",
    "restricted_mean": "restricted",
    "restricted_mean_difference": "restricted",
    "win_ratio": "rank",
}

__all__ = [
    "Accuracy",
    "Calibration",
    "Comparison",
    "Pairs",
    "RestrictedMean",
    "StepCurve",
    "aalen_johansen",
    "ancova",
    "cafs",
    "calibration",
    "joint_rank",
    "kaplan_meier",
    "pairwise_scores",
    "pool",
    "prediction_accuracy",
    "restricted_mean",
    "restricted_mean_difference",
    "win_ratio",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
