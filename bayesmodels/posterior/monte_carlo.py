"""Monte-Carlo errors of the numbers that short chains leave uncertain."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import xarray as xr

from bayesmodels.posterior.context import FitContext
from bayesmodels.posterior.convergence import scalar_diagnostics

ERROR = "monte_carlo_error"
"""Column of the tables: standard error of the median over chains of this length; NaN where chains are long enough."""

SHOWN = "Monte-Carlo error"

MARK = "\N{NO-BREAK SPACE}*"
"""After the label of a row with a Monte-Carlo error."""


def with_errors(
    table: pd.DataFrame, draws: Mapping[str, xr.DataArray], context: FitContext, name: str = ""
) -> pd.DataFrame:
    """A table of medians with the column `monte_carlo_error`.

    Filled in a fit with short chains, for rows whose own R-hat or effective sample size is beyond the limits.

    Parameters
    ----------
    table : DataFrame
        One row per entry of a variable, with the labels of its dims.
    draws : mapping of str to DataArray
        By variable; dims (chain, draw, ...).
    context : FitContext
    name : str, optional
        The variable; by default each row's own, in its column `name`.
    """
    if context.grade != "short":
        return table.assign(**{ERROR: math.nan})
    return table.assign(
        **{ERROR: [_error(draws[name or row["name"]], row, context) for row in table.to_dict("records")]}
    )


def shown_with_errors(rows: Sequence[dict[str, Any]], errors: Iterable[float], after: str) -> list[dict[str, Any]]:
    """Rows of a page's table with their errors in a column behind the one that begins so; as they are without any."""
    errors = list(errors)
    if all(math.isnan(error) for error in errors):
        return list(rows)
    marked = []
    for row, error in zip(rows, errors, strict=True):
        short = not math.isnan(error)
        own: dict[str, Any] = {}
        for place, (column, value) in enumerate(row.items()):
            own[column] = f"{value}{MARK}" if short and place == 0 else value
            if column.startswith(after):
                own[SHOWN] = error_said(error) if short else ""
        marked.append(own)
    return marked


def error_in_brackets(error: float) -> str:
    """What ends a sentence about a number of short chains; blank where there is no error to tell."""
    return "" if math.isnan(error) else f" ({SHOWN} {error_said(error)})"


def error_said(error: float) -> str:
    """An error to two significant digits."""
    return f"{error:.{max(0, 1 - math.floor(math.log10(error)))}f}" if error > 0 else "0"


def _error(draws: xr.DataArray, row: dict[str, Any], context: FitContext) -> float:
    from arviz_stats.base import array_stats  # late: 1 s

    where = {str(dim): row[str(dim)] for dim in draws.dims if dim not in ("chain", "draw")}
    own = scalar_diagnostics(draws.reset_coords(drop=True)).sel(where)
    rhat, ess = float(own["rhat"]), min(float(own["ess_bulk"]), float(own["ess_tail"]))
    if math.isnan(rhat) or (rhat <= context.limits.rhat and ess >= context.limits.ess):
        return math.nan
    entry = draws.sel(where).transpose("chain", "draw").to_numpy()
    return float(array_stats.mcse(entry, chain_axis=0, draw_axis=1, method="median"))
