"""Planning a trial: power, assurance, size and interim looks over a grid of designs, by simulated trials."""

from __future__ import annotations

from bayesmodels.lazy import lazy_names

_HOME = {
    "EffectPrior": "effects",
    "Grid": "grid",
    "InterimLooks": "looks",
    "PlannedEndpoint": "endpoint",
    "PlannedTrial": "results",
    "Programmes": "programmes",
    "plan_trial": "job",
    "read_design_config": "config",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOME)
