"""Tables of trials: reading, checking, and the classes that hold them (`Study`, `MeansTable`, `TrialTable`).

Nothing heavy is imported until a name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayesmodels.lazy import lazy_names

if TYPE_CHECKING:
    from .checks.limits import LIMITS as LIMITS
    from .checks.limits import Limits as Limits
    from .cluster_table import ClusterTable as ClusterTable
    from .cluster_table import read_clusters as read_clusters
    from .converted import ConvertedTables as ConvertedTables
    from .means import MeansTable as MeansTable
    from .means import read_means as read_means
    from .pro_act import read_pro_act as read_pro_act
    from .problem import Problem as Problem
    from .reading import problems as problems
    from .reading import read_study as read_study
    from .reading import warnings as warnings
    from .study import Study as Study
    from .trials import Endpoint as Endpoint
    from .trials import TrialTable as TrialTable
    from .trials import read_trials as read_trials
    from .wide import read_wide as read_wide

_HOME = {
    "ClusterTable": "cluster_table",
    "ConvertedTables": "converted",
    "Endpoint": "trials",
    "LIMITS": "checks.limits",
    "Limits": "checks.limits",
    "MeansTable": "means",
    "Problem": "problem",
    "Study": "study",
    "TrialTable": "trials",
    "problems": "reading",
    "read_clusters": "cluster_table",
    "read_means": "means",
    "read_pro_act": "pro_act",
    "read_study": "reading",
    "read_trials": "trials",
    "read_wide": "wide",
    "warnings": "reading",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOME)
