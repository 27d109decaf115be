"""Many simulated trials, a model fitted to each: `simulate_trials`, and the loop of the package's own studies."""

from __future__ import annotations

from bayesmodels.lazy import lazy_names

_HOME = {
    "Design": "truths",
    "GeneratorTruth": "truths",
    "Kept": "kept",
    "OperatingCharacteristics": "operating",
    "PosteriorTruth": "truths",
    "PriorTruth": "truths",
    "Reading": "truths",
    "Rule": "kept",
    "read_trials_config": "config",
    "simulate_trials": "job",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOME)
