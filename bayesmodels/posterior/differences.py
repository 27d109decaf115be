"""Differences between start groups as effects: of changes since randomisation where groups may differ at week 0.

With `baseline = "free"` every start group has a mean of its own at randomisation, and the published `difference` of the
curves holds what differed then. An effect is the difference of changes; the rest is shown as what it is.
"""

from __future__ import annotations

import xarray as xr

from bayesmodels.posterior.archive import require
from bayesmodels.posterior.context import FitContext


def differences(tree: xr.DataTree, context: FitContext, group: str = "posterior") -> xr.DataArray:
    """Draws of every contrast over weeks, dims (chain, draw, outcome, contrast, stratum, week).

    The published `difference`; with a free baseline the difference of the groups' `curve_change`.

    Parameters
    ----------
    tree : xr.DataTree
    context : FitContext
    group : {"posterior", "prior"}

    Raises
    ------
    MissingVariable
        The posterior publishes no `difference`, or with a free baseline no `curve_change`.
    """
    require(tree, ["difference"], [group])
    found = tree[group]["difference"].reset_coords(drop=True)
    if not context.free_baseline:
        return found
    require(tree, ["curve_change"])
    change = tree[group]["curve_change"].reset_coords(drop=True)
    of_groups = [
        change.sel(start_group=contrast.group, drop=True) - change.sel(start_group=contrast.reference, drop=True)
        for contrast in context.contrasts
    ]
    return xr.concat(of_groups, found["contrast"].rename("contrast")).transpose(*found.dims).rename("difference")


def at_randomisation(tree: xr.DataTree, context: FitContext, group: str = "posterior") -> xr.DataArray | None:
    """Draws of what differed between start groups at week 0, dims without week; None with a common baseline.

    Parameters
    ----------
    tree : xr.DataTree
    context : FitContext
    group : {"posterior", "prior"}
    """
    if not context.free_baseline:
        return None
    gap = tree[group]["difference"].reset_coords(drop=True) - differences(tree, context, group)
    return gap.isel(week=0, drop=True)
