"""A posterior that is one draw, many times: what is drawn from it varies by what is predicted alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

ONE_GROUP = {"fitted_stratum": ["all"], "start_group": ["all"]}


def same_draw(point: Mapping[str, np.ndarray], draws: int, coords: Mapping[str, Any] = ONE_GROUP) -> xr.DataTree:
    """One chain of copies of the free variables."""
    found = {
        name: (("chain", "draw", *(f"{name}_{j}" for j in range(v.ndim))), np.broadcast_to(v, (1, draws, *v.shape)))
        for name, v in point.items()
    }
    return xr.DataTree.from_dict({"posterior": xr.Dataset(found, coords=coords)})
