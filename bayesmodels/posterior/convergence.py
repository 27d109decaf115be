"""Convergence of chains: rank R-hat, bulk and tail effective sample size, divergences, E-BFMI, tree depth."""

from __future__ import annotations

import hashlib
import json
import math
from collections import OrderedDict
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.errors import expect
from bayesmodels.html_tables import html_table
from bayesmodels.posterior.archive import FROM_FIT, require_draws
from bayesmodels.posterior.convergence_limits import ConvergenceLimits, Verdict
from bayesmodels.vocabulary import VARIABLES

DRAWS_ROUNDED_TO = 500
"""Draws that would do are rounded up to a multiple of this."""

DIAGNOSTICS = ("rhat", "ess_bulk", "ess_tail")


@dataclass(frozen=True, repr=False)
class Convergence:
    """Verdict on a posterior's chains.

    Parameters
    ----------
    table : pd.DataFrame
        One row per scalar: variable, index, rhat, ess_bulk, ess_tail.
    chains, draws : int
        Chains, and draws kept of each.
    divergences : int or None
        Divergent transitions after tuning, all chains; None where they were not recorded.
    ebfmi : tuple of float
        Energy Bayesian fraction of missing information, one value per chain.
    share_at_max_treedepth : float
        Share of draws that stopped at the deepest tree: slow, not wrong, so not part of the verdict.
    limits : ConvergenceLimits
    verdict : {"ok", "short", "not_converged"} or None
        None where divergences were not recorded: then only chains that did not converge are known.
    reasons : tuple of str
        Why the verdict is not `ok`; empty when it is.
    """

    table: pd.DataFrame
    chains: int
    draws: int
    divergences: int | None
    ebfmi: tuple[float, ...]
    share_at_max_treedepth: float
    limits: ConvergenceLimits
    verdict: Verdict | None
    reasons: tuple[str, ...]

    @property
    def max_rhat(self) -> float:
        """Largest R-hat."""
        return float(self.table["rhat"].max())

    @property
    def min_ess_bulk(self) -> float:
        """Smallest bulk effective sample size."""
        return float(self.table["ess_bulk"].min())

    @property
    def min_ess_tail(self) -> float:
        """Smallest tail effective sample size."""
        return float(self.table["ess_tail"].min())

    @property
    def min_ebfmi(self) -> float:
        """Smallest E-BFMI of a chain."""
        return min(self.ebfmi, default=float("nan"))

    @property
    def draws_needed(self) -> int:
        """Draws of each chain that would do; twice as many where R-hat alone is above its limit."""
        worst = min(self.min_ess_bulk, self.min_ess_tail)
        enough = self.draws * self.limits.ess / worst if worst > 0 else math.inf
        if not self.draws < enough < math.inf:
            enough = 2 * self.draws
        return DRAWS_ROUNDED_TO * math.ceil(enough / DRAWS_ROUNDED_TO)

    def sentence(self) -> str:
        """Say the verdict and the numbers behind it, with their limits."""
        limits = self.limits
        divergences = "unknown" if self.divergences is None else self.divergences
        ebfmi = f"{self.min_ebfmi:.2f}" if self.ebfmi else "unknown"
        digits = 3  # more where it would read as if it were the limit, which it is above
        while round(self.max_rhat, digits) == limits.rhat < self.max_rhat and digits < 6:
            digits += 1
        rhat = f"{self.max_rhat:.{digits}f}"
        numbers = (
            f"worst R-hat {rhat} (limit {limits.rhat:g}), bulk ESS {self.min_ess_bulk:.0f} and tail ESS "
            f"{self.min_ess_tail:.0f} (limit {limits.ess:g}), {divergences} divergent draws (limit "
            f"{limits.most_divergent(self.chains * self.draws):g}), E-BFMI {ebfmi} (limit "
            f"{limits.ebfmi:g})"
        )
        if self.share_at_max_treedepth > 0:
            numbers += f", {100 * self.share_at_max_treedepth:.1f} % of draws at the deepest tree"
        why = "; ".join(self.reasons)
        if self.verdict == "ok":
            return f"The chains converged: {numbers}."
        if self.verdict == "not_converged":
            return f"The chains did not converge ({why}): {numbers}. Do not act on any number of this fit."
        if self.verdict is None:
            return f"Whether the chains converged is not known ({why}): {numbers}."
        return f"{self.short_sentence()} In full: {numbers}."

    def short_sentence(self) -> str:
        """What short chains lack, and how many draws would do."""
        return (
            f"Short chains: {'; '.join(self.reasons)}. About {self.draws_needed:,} draws per chain would do (there are "
            f"{self.draws:,})."
        )

    def worst(self, count: int = 3) -> tuple[str, ...]:
        """The scalars with the largest R-hat, undefined ones first, in words."""
        table = self.table.sort_values("rhat", ascending=False, na_position="first").head(count)
        return tuple(
            f"{row.variable}{f'[{row.index_}]' if row.index_ else ''} (R-hat {_said(row.rhat, 3)}, bulk ESS "
            f"{_said(row.ess_bulk, 0)})"
            for row in table.rename(columns={"index": "index_"}).itertuples()
        )

    def summary(self) -> dict[str, Any]:
        """Return the verdict as a plain dict, for a posterior's root attributes; no NaN (None)."""
        return {
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "max_rhat": _plain(self.max_rhat),
            "min_ess_bulk": _plain(self.min_ess_bulk),
            "min_ess_tail": _plain(self.min_ess_tail),
            "divergences": self.divergences,
            "min_ebfmi": _plain(self.min_ebfmi),
            "share_at_max_treedepth": self.share_at_max_treedepth,
            "scalars": len(self.table),
            "draws": self.chains * self.draws,
            "thresholds": self.limits.model_dump(),
        }

    def _worst_rows(self, by: str, count: int = 5) -> pd.DataFrame:
        """The scalars with the worst R-hat, or `ess`, the smaller of two; undefined ones first, names in full."""
        table = self.table.assign(ess=self.table[["ess_bulk", "ess_tail"]].min(axis=1))
        found = table.sort_values(by, ascending=by != "rhat", na_position="first").head(count)
        names = [f"{name}[{index}]" if index else name for name, index in found[["variable", "index"]].to_numpy()]
        numbers = {
            "R-hat": [_said(value, 3) for value in found["rhat"]],
            "bulk ESS": [_said(value, 0) for value in found["ess_bulk"]],
            "tail ESS": [_said(value, 0) for value in found["ess_tail"]],
        }
        return pd.DataFrame({"parameter": names} | numbers)

    def __repr__(self) -> str:
        """Return the verdict in words, then the scalars with the largest R-hat."""
        worst = f"\nLargest R-hat: {'; '.join(self.worst())}." if len(self.table) else ""
        return f"{self.sentence()}{worst}"

    def _repr_html_(self) -> str:
        said = self.sentence()
        verdict = said.partition(": " if self.verdict in ("ok", "short") else " (")[0]
        rest = escape(said[len(verdict) :])
        tables = "".join(
            f"<p>{heading}</p>{html_table(self._worst_rows(by))}"
            for heading, by in (("Largest R-hat", "rhat"), ("Smallest effective sample size (ESS)", "ess"))
        )
        return f"<div><p><strong>{escape(verdict)}</strong>{rest}</p>{tables if len(self.table) else ''}</div>"


def convergence(posterior: xr.DataTree, limits: ConvergenceLimits | None = None) -> Convergence:
    """Grade the chains of a posterior over its free variables and its population-level published variables.

    Parameters
    ----------
    posterior : xr.DataTree
        Groups `posterior` and `sample_stats`, with `diverging` (without it no verdict but `not_converged` is given)
        and `energy`, for the E-BFMI; the root attribute `free_variables` (JSON)
        narrows the judgement to those and the vocabulary's population-level names, otherwise every variable counts.
    limits : ConvergenceLimits, optional

    Returns
    -------
    Convergence
        Numbers by scalar, their grade and the reasons for it.
    """
    expect(posterior, xr.DataTree, "posterior", FROM_FIT)
    require_draws(posterior)
    limits = ConvergenceLimits() if limits is None else limits
    draws = posterior["posterior"].to_dataset()
    statistics = posterior["sample_stats"].to_dataset() if "sample_stats" in posterior.children else xr.Dataset()
    free = posterior.attrs.get("free_variables")
    listed = None if free is None else set(json.loads(free))
    table = pd.DataFrame(
        [row for name in _judged(listed, draws) for row in _rows(draws[name], name in (listed or ()))],
        columns=["variable", "index", *DIAGNOSTICS],
    )
    chains, kept = draws.sizes.get("chain", 0), draws.sizes.get("draw", 0)
    divergences = int(statistics["diverging"].sum()) if "diverging" in statistics else None
    ebfmi = _ebfmi(statistics)
    deepest = float(statistics["reached_max_treedepth"].mean()) if "reached_max_treedepth" in statistics else 0.0
    verdict, reasons = _grade(table, chains * kept, divergences, ebfmi, limits)
    return Convergence(table, chains, kept, divergences, ebfmi, round(deepest, 4), limits, verdict, reasons)


def scalar_diagnostics(draws: xr.DataArray) -> xr.Dataset:
    """`rhat` (rank-normalised), `ess_bulk` and `ess_tail` of every entry of a variable.

    NaN for entries that are constant or undefined, and where there are too few chains or draws. The same draws are
    diagnosed once, however often they are asked about.

    Parameters
    ----------
    draws : xr.DataArray
        Dims (chain, draw, ...).
    """
    values = draws.transpose("chain", "draw", ...)
    found = _diagnosed(np.ascontiguousarray(values.to_numpy(), float))
    dims = values.dims[2:]
    coords = {dim: values[dim] for dim in dims if dim in values.coords}
    return xr.Dataset({name: (dims, found[k]) for k, name in enumerate(DIAGNOSTICS)}, coords=coords)


_DIAGNOSED: OrderedDict[str, np.ndarray] = OrderedDict()
_REMEMBERED = 500
"""Variables whose diagnostics are remembered: `fit` grades them, and the report of the fit reads them again."""


def _diagnosed(values: np.ndarray) -> np.ndarray:
    """Diagnostics (3, ...) of draws (chain, draw, ...), remembered by content."""
    key = hashlib.sha256(repr(values.shape).encode() + values.tobytes()).hexdigest()
    if key not in _DIAGNOSED:
        _DIAGNOSED[key] = _computed(values)
        if len(_DIAGNOSED) > _REMEMBERED:
            _DIAGNOSED.popitem(last=False)
    return _DIAGNOSED[key]


def _computed(values: np.ndarray) -> np.ndarray:
    from arviz_stats.base import array_stats  # late: 1 s

    axes = {"chain_axis": 0, "draw_axis": 1}
    found = np.full((len(DIAGNOSTICS), *values.shape[2:]), np.nan)
    for place in np.argwhere(~_still(values)):
        scalar = values[(slice(None), slice(None), *place)]
        with np.errstate(divide="ignore", invalid="ignore"):  # chains of which each stands still
            found[(slice(None), *place)] = (
                array_stats.rhat(scalar, method="rank", **axes),
                array_stats.ess(scalar, method="bulk", **axes),
                array_stats.ess(scalar, method="tail", prob=(0.05, 0.95), **axes),
            )
    return found


def _still(values: np.ndarray) -> np.ndarray:
    """Which entries (...) of draws (chain, draw, ...) are constant, or undefined in every draw."""
    undefined = np.isnan(values).all(axis=(0, 1))
    with np.errstate(invalid="ignore"):
        spread, size = np.ptp(values, axis=(0, 1)), np.abs(values).max(axis=(0, 1))
    return undefined | (spread <= 1e-12 * np.maximum(1.0, size))


def _judged(free: set[str] | None, draws: xr.Dataset) -> list[str]:
    names = [str(name) for name in draws.data_vars if draws[name].dtype.kind == "f"]
    if free is None:
        return names
    population = {name for name, variable in VARIABLES.items() if variable.level in ("population", "trial")}
    return [name for name in names if name in population or name in free]


def _rows(variable: xr.DataArray, free: bool) -> list[tuple[str | float, ...]]:
    """Diagnose a variable's scalars.

    Constants and undefined entries (a correlation's diagonal, NaN) are left out, but for a free variable that never
    moved: its R-hat is undefined.
    """
    values = variable.transpose("chain", "draw", ...)
    still = _still(values.to_numpy().astype(float))
    left_out = np.zeros_like(still) if free and still.all() else still
    found = scalar_diagnostics(variable)
    dims = values.dims[2:]
    return [
        (
            str(variable.name),
            ", ".join(f"{dim}={values[dim].to_numpy()[j]}" for dim, j in zip(dims, place, strict=True)),
            *(float(found[name].to_numpy()[tuple(place)]) for name in DIAGNOSTICS),
        )
        for place in np.argwhere(~left_out)
    ]


def _ebfmi(statistics: xr.Dataset) -> tuple[float, ...]:
    """E-BFMI a chain: mean squared step of the energy over its variance."""
    if "energy" not in statistics:
        return ()
    energy = statistics["energy"].transpose("chain", "draw").to_numpy()
    steps = np.square(np.diff(energy, axis=1)).mean(axis=1)
    return tuple(round(float(x), 4) for x in steps / np.var(energy, axis=1, ddof=1))


def _grade(
    table: pd.DataFrame, draws: int, divergences: int | None, ebfmi: tuple[float, ...], limits: ConvergenceLimits
) -> tuple[Verdict | None, tuple[str, ...]]:
    """The first grade that applies, and why."""
    rhat, bulk, tail = (table[name] for name in DIAGNOSTICS)
    most, divergent = limits.most_above(len(table)), limits.most_divergent(draws)
    above = _scalars(f"R-hat above {limits.rhat:g}", table, rhat > limits.rhat)
    failed = [_scalars("R-hat undefined", table, rhat.isna())]
    failed.append(_scalars(f"R-hat above {limits.worst_rhat:g}", table, rhat > limits.worst_rhat))
    if (rhat > limits.rhat).sum() > most:
        failed.append(f"{above}, where at most {int(most)} may be")
    if divergences is not None and divergences > divergent:
        failed.append(f"{divergences} divergent draws of {draws}, where at most {int(divergent)} may be")
    low = sum(x < limits.ebfmi for x in ebfmi)
    if low:
        failed.append(f"E-BFMI below {limits.ebfmi:g} in {low} of {len(ebfmi)} chains")
    failed.append(_scalars(f"bulk ESS below {limits.worst_ess:g}", table, bulk < limits.worst_ess))
    if not len(table):
        failed.append("no scalar of this posterior varies")
    if any(failed):
        return "not_converged", tuple(reason for reason in failed if reason)
    short = (
        above,
        _scalars(f"bulk ESS below {limits.ess:g}", table, ~(bulk >= limits.ess)),
        _scalars(f"tail ESS below {limits.ess:g}", table, ~(tail >= limits.ess)),
    )
    found = tuple(reason for reason in short if reason)
    if divergences is None:
        return None, ("divergences were not recorded", *found)
    return ("short" if found else "ok"), found


def _scalars(words: str, table: pd.DataFrame, those: pd.Series) -> str:
    """How many scalars, and the first variables among them; blank where there are none."""
    if not those.any():
        return ""
    names = ", ".join(table.loc[those, "variable"].drop_duplicates().head(3))
    return f"{words} in {int(those.sum())} of {len(table)} scalars ({names})"


def _said(value: float, decimals: int) -> str:
    return "undefined" if math.isnan(value) else f"{value:.{decimals}f}"


def _plain(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None
