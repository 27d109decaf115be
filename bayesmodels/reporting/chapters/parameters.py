"""Every population-level parameter with its diagnostics, prior beside posterior."""

from __future__ import annotations

import pandas as pd
import xarray as xr

from bayesmodels.posterior.context import FitContext, units
from bayesmodels.posterior.convergence import DIAGNOSTICS, scalar_diagnostics
from bayesmodels.posterior.intervals import PRIOR_COLUMNS, STATISTICS, beside_prior, blank_labels
from bayesmodels.posterior.monte_carlo import ERROR, with_errors
from bayesmodels.vocabulary import DIMS, VARIABLES


def parameter_table(tree: xr.DataTree, context: FitContext, prob: float) -> pd.DataFrame:
    """Return the vocabulary's population-level variables except curves, one row an entry.

    Columns: `name`, the labels of its dims (blank where it has no such dim), `unit`, `mean`, `sd`, `median`, `lower`,
    `upper`, `rhat` (rank-normalised), `ess_bulk`, `ess_tail`, `monte_carlo_error` (`monte_carlo.with_errors`),
    `prior_median`, `prior_sd`, `prior_lower`, `prior_upper`, `width_ratio` (posterior over prior width). Entries that
    are undefined are left out; a correlation appears once for each pair of terms.
    """
    posterior = tree["posterior"].to_dataset().reset_coords(drop=True)
    prior = tree["prior"].data_vars if "prior" in tree.children else {}
    names = [name for name, v in VARIABLES.items() if v.level in ("population", "trial") and name in posterior]
    frames = [_entries(name, posterior[name], prior.get(name), context, prob) for name in names]
    dims = [dim for dim in DIMS if any(dim in frame for frame in frames)]
    columns = ["name", *dims, "unit", *STATISTICS, *DIAGNOSTICS, ERROR, *PRIOR_COLUMNS]
    if not frames:
        return pd.DataFrame(columns=columns)
    table = with_errors(pd.concat(frames, ignore_index=True), dict(posterior.data_vars), context)
    return blank_labels(table.reindex(columns=columns), dims)


def _entries(
    name: str, draws: xr.DataArray, prior: xr.DataArray | None, context: FitContext, prob: float
) -> pd.DataFrame:
    frame = beside_prior(draws, prior, prob)
    dims = [str(dim) for dim in draws.dims if dim not in ("chain", "draw")]
    diagnostics = scalar_diagnostics(draws)
    if dims:
        frame = frame.merge(diagnostics.to_dataframe(dim_order=dims).reset_index(), on=dims, how="left")
    else:
        frame = frame.assign(**{key: float(value) for key, value in diagnostics.items()})
    if name == "person_correlation":
        frame = _unordered_pairs(frame, [str(term) for term in draws["term"].values])
    return frame.assign(name=name, unit=units(name, frame, context.outcomes, context.hazard_units))


def _unordered_pairs(frame: pd.DataFrame, terms: list[str]) -> pd.DataFrame:
    position = {term: j for j, term in enumerate(terms)}
    keep = frame["term"].map(position) < frame["term_other"].map(position)
    return frame[keep].reset_index(drop=True)
