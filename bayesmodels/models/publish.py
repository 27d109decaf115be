"""Publishing of a model's results: deterministic variables under the vocabulary's names and dims."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm

from bayesmodels.errors import BadInput
from bayesmodels.parts.lookup import unknown
from bayesmodels.vocabulary import VARIABLES, months

LAST_YEAR_WEEKS = 52.0


def publish(name: str, value: Any) -> Any:
    """Register a published variable in the current PyMC model, with the vocabulary's dims.

    Parameters
    ----------
    name : str
        Of the vocabulary.
    value : tensor
        Its axes are the vocabulary's dims of that name, in order.

    Returns
    -------
    tensor
        The variable under its name.

    Raises
    ------
    BadInput
        No such name in the vocabulary, or no `with pm.Model()` around the call.
    """
    if not isinstance(name, str) or name not in VARIABLES:
        raise BadInput(f"name: {unknown('published variable', name, VARIABLES)}")
    try:
        pm.modelcontext(None)
    except TypeError:
        raise BadInput(
            f"publish({name!r}, ...): expected a model around it; write it under `with pm.Model() as model:`"
        ) from None
    return pm.Deterministic(name, value, dims=VARIABLES[name].dims)


def period_edges(switch: float, last: float) -> tuple[tuple[float, ...], np.ndarray]:
    """Edges in weeks (begin, end of each of `PERIODS`) and their spans in months; NaN where curves do not reach.

    Parameters
    ----------
    switch, last : float
        Weeks of the switch and of the last curve week.
    """
    before_end = min(switch, last)
    periods = [(0.0, before_end), (before_end, last), (last - LAST_YEAR_WEEKS, last)]
    spans = np.array([months(end - begin) if begin >= 0 and end > begin else np.nan for begin, end in periods])
    edges = tuple(max(week, 0.0) for period in periods for week in period)
    return edges, spans
