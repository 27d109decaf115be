"""Statistics of event times and of ranks on plain arrays, without a model.

Nothing heavy is imported until a name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayesmodels.lazy import lazy_names

if TYPE_CHECKING:
    from .accuracy import Accuracy as Accuracy
    from .accuracy import prediction_accuracy as prediction_accuracy
    from .borrowing import share_used as share_used
    from .comparison import Comparison as Comparison
    from .covariance_analysis import ancova as ancova
    from .nonparametric import StepCurve as StepCurve
    from .nonparametric import aalen_johansen as aalen_johansen
    from .nonparametric import kaplan_meier as kaplan_meier
    from .pooling import pool as pool
    from .ranks.pairs import Pairs as Pairs
    from .ranks.pairs import pairwise_scores as pairwise_scores
    from .ranks.rank import cafs as cafs
    from .ranks.rank import joint_rank as joint_rank
    from .ranks.rank import win_ratio as win_ratio
    from .restricted import RestrictedMean as RestrictedMean
    from .restricted import restricted_mean as restricted_mean
    from .restricted import restricted_mean_difference as restricted_mean_difference
    from .risk_groups import Calibration as Calibration
    from .risk_groups import calibration as calibration

_HOME = {
    "Accuracy": "accuracy",
    "Calibration": "risk_groups",
    "Comparison": "comparison",
    "Pairs": "ranks.pairs",
    "RestrictedMean": "restricted",
    "StepCurve": "nonparametric",
    "aalen_johansen": "nonparametric",
    "ancova": "covariance_analysis",
    "cafs": "ranks.rank",
    "calibration": "risk_groups",
    "joint_rank": "ranks.rank",
    "kaplan_meier": "nonparametric",
    "pairwise_scores": "ranks.pairs",
    "pool": "pooling",
    "prediction_accuracy": "accuracy",
    "restricted_mean": "restricted",
    "restricted_mean_difference": "restricted",
    "share_used": "borrowing",
    "win_ratio": "ranks.rank",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOME)
