"""The only way a model writes what reports read."""

from __future__ import annotations

from typing import Any

import pymc as pm

from bayesmodels.vocabulary import VARIABLES


def publish(name: str, value: Any) -> Any:
    """Register a published variable in the current PyMC model, with the vocabulary's dims."""
    return pm.Deterministic(name, value, dims=VARIABLES[name].dims)
