"""Can the model make data like these, and did the sampler explore it: predictive checks and convergence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.posterior.archive import require
from bayesmodels.posterior.context import FitContext
from bayesmodels.posterior.intervals import flat


def predictive_cells(tree: xr.DataTree, prob: float) -> pd.DataFrame:
    """Observed mean of every cell beside its predictive interval.

    Columns: `outcome`, `start_group`, `stratum`, `week`, `n`, `observed`, `se`, `predicted` (median), `lower`, `upper`,
    `inside`, `position` (share of predictive draws below the observed mean; uniform on 0 to 1 if the model is right).

    Raises
    ------
    MissingVariable
        The archive has no `observed_summary` or no `predictive_summary`.
    """
    require(tree, groups=["observed_summary", "predictive_summary"])
    order = ("outcome", "start_group", "stratum", "week")
    observed = tree["observed_summary"].to_dataset().reset_coords(drop=True).transpose(*order)
    drawn = flat(tree["predictive_summary"]["mean"].reset_coords(drop=True).transpose(*order, ...))
    means = observed["mean"].to_numpy()
    tail = (1 - prob) / 2
    lower, median, upper = np.quantile(drawn, [tail, 0.5, 1 - tail], axis=-1)
    cells = observed[["n", "mean", "se"]].rename(mean="observed")
    cells = cells.assign(
        predicted=(order, median),
        lower=(order, lower),
        upper=(order, upper),
        position=(order, np.mean(drawn < means[..., None], axis=-1)),
    )
    frame = cells.to_dataframe(dim_order=list(order)).reset_index()
    frame = frame[frame["observed"].notna() & frame["predicted"].notna()].reset_index(drop=True)
    frame["inside"] = (frame["observed"] >= frame["lower"]) & (frame["observed"] <= frame["upper"])
    return frame


def coverage_table(tree: xr.DataTree, prob: float) -> pd.DataFrame:
    """Share of observed means inside their predictive intervals, by outcome, stratum and start group.

    Columns: `outcome`, `stratum`, `start_group`, `cells`, `inside`, `share`, `inside_50` (intervals of probability one
    half), `share_50`. Cells of one group are correlated: the shares vary more than those of independent cells.
    """
    labels = ["outcome", "stratum", "start_group"]
    wide = predictive_cells(tree, prob)
    wide["inside_50"] = predictive_cells(tree, 0.5)["inside"]
    table = wide.groupby(labels, sort=False, as_index=False).agg(
        cells=("inside", "size"), inside=("inside", "sum"), inside_50=("inside_50", "sum")
    )
    table["share"] = table["inside"] / table["cells"]
    table["share_50"] = table["inside_50"] / table["cells"]
    return table[[*labels, "cells", "inside", "share", "inside_50", "share_50"]]


def convergence_table(context: FitContext) -> pd.DataFrame:
    """Verdict and diagnostics: `diagnostic`, `value`, `threshold` and `not_converged` (short, not converged beyond)."""
    found, limits = context.convergence, context.limits
    divergent = limits.most_divergent(found.get("draws") or 0)
    names = {
        "max_rhat": (limits.rhat, limits.worst_rhat),
        "min_ess_bulk": (limits.ess, limits.worst_ess),
        "min_ess_tail": (limits.ess, None),
        "divergences": (divergent, divergent),
        "min_ebfmi": (limits.ebfmi, limits.ebfmi),
    }
    rows: list[dict[str, object]] = [
        {"diagnostic": "verdict", "value": context.grade or "not recorded", "threshold": "ok"}
    ]
    rows += [
        {"diagnostic": name, "value": found.get(name), "threshold": short, "not_converged": failed}
        for name, (short, failed) in names.items()
    ]
    return pd.DataFrame(rows, columns=["diagnostic", "value", "threshold", "not_converged"])
