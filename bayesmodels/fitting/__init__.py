"""Fitting: NUTS settings, sampling, and the posterior that describes itself.

Nothing heavy is imported until a name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayesmodels.lazy import lazy_names

if TYPE_CHECKING:
    from .compiled_model import CompiledModel as CompiledModel
    from .compiled_model import compile_model as compile_model
    from .prior import prior_draws as prior_draws
    from .sampling import sample as sample
    from .settings import NutsSettings as NutsSettings

_HOME = {
    "CompiledModel": "compiled_model",
    "compile_model": "compiled_model",
    "NutsSettings": "settings",
    "prior_draws": "prior",
    "sample": "sampling",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOME)
