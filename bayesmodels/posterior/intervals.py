"""Summaries of draws: mean, SD, median, equal-tailed interval, probability."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.vocabulary import VARIABLES

STATISTICS = ("mean", "sd", "median", "lower", "upper")

PRIOR_COLUMNS = ("prior_median", "prior_sd", "prior_lower", "prior_upper", "width_ratio")

NOTHING = 1e-9
"""A spread below this, on any scale a model uses, is rounding."""


def flat(draws: xr.DataArray) -> np.ndarray:
    """Values with all draws of all chains in one last axis."""
    ordered = draws.transpose(..., "chain", "draw").to_numpy()
    return ordered.reshape((*ordered.shape[:-2], -1))


def summarise(values: np.ndarray, prob: float) -> dict[str, np.ndarray]:
    """Mean, SD, median and equal-tailed interval over the last axis; undefined (NaN) entries stay NaN."""
    tail = (1 - prob) / 2
    lower, median, upper = np.quantile(values, [tail, 0.5, 1 - tail], axis=-1)
    return {
        "mean": values.mean(axis=-1),
        "sd": values.std(axis=-1, ddof=1) if values.shape[-1] > 1 else np.zeros(values.shape[:-1]),
        "median": median,
        "lower": lower,
        "upper": upper,
    }


def named_limits(name: str, draws: np.ndarray, prob: float) -> dict[str, float]:
    """``<name>_median``, ``<name>_lower`` and ``<name>_upper`` of one quantity's draws; undefined draws left out."""
    known = draws[np.isfinite(draws)]
    numbers = summarise(known, prob) if len(known) else dict.fromkeys(STATISTICS, np.nan)
    return {f"{name}_{edge}": float(numbers[edge]) for edge in ("median", "lower", "upper")}


def long_table(draws: xr.DataArray, prob: float) -> pd.DataFrame:
    """One row per entry: its labels, then the statistics; undefined entries are left out.

    Parameters
    ----------
    draws : xr.DataArray
        Dims (chain, draw, ...).
    prob : float
        Probability of the equal-tailed interval.
    """
    dims = [str(dim) for dim in draws.dims if dim not in ("chain", "draw")]
    bare = draws.reset_coords(drop=True)
    statistics = summarise(flat(bare), prob)
    if not dims:
        return pd.DataFrame([{name: float(value) for name, value in statistics.items()}])
    coords = {dim: bare[dim] for dim in dims}
    table = xr.Dataset({name: (dims, value) for name, value in statistics.items()}, coords=coords)
    frame = table.to_dataframe(dim_order=dims).reset_index()
    return frame[frame["median"].notna()].reset_index(drop=True)


def probability(condition: np.ndarray) -> float:
    """Share of draws in which a condition holds."""
    return float(np.mean(condition))


def beside_prior(posterior: xr.DataArray, prior: xr.DataArray | None, prob: float) -> pd.DataFrame:
    """`long_table` of the posterior, with `PRIOR_COLUMNS`; `width_ratio` is posterior over prior width.

    Widths are compared on the variable's scale of the vocabulary. NaN where the prior is not archived, or has no width.
    """
    frame = long_table(posterior, prob)
    dims = [str(dim) for dim in posterior.dims if dim not in ("chain", "draw")]
    if prior is None:
        return frame.assign(**dict.fromkeys(PRIOR_COLUMNS, np.nan))
    before = long_table(prior, prob)
    before = before.drop(columns="mean").rename(columns={name: f"prior_{name}" for name in STATISTICS})
    frame = frame.merge(before, on=dims, how="left") if dims else pd.concat([frame, before], axis=1)
    edges = frame[["lower", "upper", "prior_lower", "prior_upper"]].astype(float)
    if posterior.name in VARIABLES and VARIABLES[str(posterior.name)].scale == "log":
        positive = (edges > 0).all(axis=1)
        edges = edges.where(~positive, np.log(edges.where(positive)))
    prior_width = edges["prior_upper"] - edges["prior_lower"]
    frame["width_ratio"] = (edges["upper"] - edges["lower"]) / prior_width.where(prior_width > NOTHING)
    return frame


def blank_labels(table: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """Labels that do not apply to a row as blanks."""
    return table.assign(**{label: table[label].astype(object).fillna("") for label in labels})
