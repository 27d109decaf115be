"""A dossier for regulators: one folder and page from a run, its sensitivity runs and studies of simulated trials."""

from __future__ import annotations

from bayesmodels.lazy import lazy_names

_HOME = {
    "Criterion": "config",
    "Dossier": "job",
    "Statement": "statement",
    "make_dossier": "job",
    "prior_size": "prior_size",
    "read_dossier_config": "config",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOME)
