"""Every population-level parameter with its diagnostics, prior beside posterior."""

from __future__ import annotations

import math

import pandas as pd
import xarray as xr

from bayesmodels.posterior.context import units
from bayesmodels.posterior.convergence import DIAGNOSTICS, scalar_diagnostics
from bayesmodels.posterior.intervals import PRIOR_COLUMNS, STATISTICS, beside_prior, blank_labels
from bayesmodels.posterior.monte_carlo import ERROR, shown_with_errors, with_errors
from bayesmodels.posterior.wording import estimate
from bayesmodels.reporting.chapter import Chapter, Reading, Tables
from bayesmodels.reporting.page import Section
from bayesmodels.vocabulary import DIMS, VARIABLES


class Parameters(Chapter):
    """Every population parameter."""

    name = "parameters"
    shows = "parameters"

    def tables(self, reading: Reading) -> Tables:
        """`parameters`."""
        return {"parameters": parameter_table(reading)}

    def section(self, reading: Reading) -> Section:
        """The table, shown closed."""
        label, table, arm = reading.label, reading.tables["parameters"], reading.context.arm
        dims = [c for c in table.columns[1 : list(table.columns).index("unit")] if (table[c] != "").any()]
        rows = [
            {
                "Parameter": row["name"],
                **{(arm if dim == "start_group" else dim.replace("_", " ")).capitalize(): row[dim] for dim in dims},
                "Unit": row["unit"],
                f"Median ({label})": estimate(row["median"], row["lower"], row["upper"]),
                "Mean": row["mean"],
                "SD": row["sd"],
                "R-hat": "–" if math.isnan(row["rhat"]) else f"{row['rhat']:.3f}",
                "Bulk ESS": "–" if math.isnan(row["ess_bulk"]) else f"{row['ess_bulk']:,.0f}",
                "Prior median": row["prior_median"],
                "Prior SD": row["prior_sd"],
                "Width, posterior / prior": row["width_ratio"],
            }
            for row in table.to_dict("records")
        ]
        shown = pd.DataFrame(shown_with_errors(rows, table[ERROR], "Median"))
        return Section("All population parameters", (), {f"Posterior median and {label}": shown}, collapsed=True)


def parameter_table(reading: Reading) -> pd.DataFrame:
    """Return the vocabulary's population-level variables except curves, one row per entry.

    Columns: `name`, the labels of its dims (blank where it has no such dim), `unit`, `mean`, `sd`, `median`, `lower`,
    `upper`, `rhat` (rank-normalised), `ess_bulk`, `ess_tail`, `monte_carlo_error` (`monte_carlo.with_errors`),
    `prior_median`, `prior_sd`, `prior_lower`, `prior_upper`, `width_ratio` (posterior over prior width). Entries that
    are undefined are left out; a correlation appears once for each pair of terms.
    """
    posterior = reading.tree["posterior"].to_dataset().reset_coords(drop=True)
    names = [name for name, v in VARIABLES.items() if v.level in ("population", "trial") and name in posterior]
    frames = [_entries(name, posterior[name], reading) for name in names]
    dims = [dim for dim in DIMS if any(dim in frame for frame in frames)]
    columns = ["name", *dims, "unit", *STATISTICS, *DIAGNOSTICS, ERROR, *PRIOR_COLUMNS]
    if not frames:
        return pd.DataFrame(columns=columns)
    table = with_errors(pd.concat(frames, ignore_index=True), dict(posterior.data_vars), reading.context)
    return blank_labels(table.reindex(columns=columns), dims)


def _entries(name: str, draws: xr.DataArray, reading: Reading) -> pd.DataFrame:
    frame = beside_prior(draws, reading.prior(name), reading.prob)
    dims = [str(dim) for dim in draws.dims if dim not in ("chain", "draw")]
    diagnostics = scalar_diagnostics(draws)
    if dims:
        frame = frame.merge(diagnostics.to_dataframe(dim_order=dims).reset_index(), on=dims, how="left")
    else:
        frame = frame.assign(**{key: float(value) for key, value in diagnostics.items()})
    if name in ("person_correlation", "walk_correlation"):
        dim = "term" if name == "person_correlation" else "outcome"
        frame = _unordered_pairs(frame, dim, [str(label) for label in draws[dim].values])
    return frame.assign(name=name, unit=units(name, frame, reading.context.outcomes, reading.context.hazard_units))


def _unordered_pairs(frame: pd.DataFrame, dim: str, labels: list[str]) -> pd.DataFrame:
    position = {label: j for j, label in enumerate(labels)}
    keep = frame[dim].map(position) < frame[f"{dim}_other"].map(position)
    return frame[keep].reset_index(drop=True)
