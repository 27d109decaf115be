"""Did the chains converge? Rank R-hat, bulk and tail effective sample size, divergences, E-BFMI, tree depth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.errors import expect
from bayesmodels.posterior import FROM_FIT, require, require_draws
from bayesmodels.vocabulary import VARIABLES

Verdict = Literal["ok", "not_converged"]

MAX_RHAT = 1.01
MIN_ESS = 400
MIN_EBFMI = 0.3
THRESHOLDS: dict[str, float] = {
    "rhat": MAX_RHAT,
    "ess_bulk": MIN_ESS,
    "ess_tail": MIN_ESS,
    "divergences": 0,
    "ebfmi": MIN_EBFMI,
}
"""R-hat, ESS: Vehtari et al. (2021), doi:10.1214/20-BA1221. E-BFMI: Betancourt (2016), arXiv:1604.00695."""


@dataclass(frozen=True, repr=False)
class Convergence:
    """Verdict on a posterior's chains.

    Attributes
    ----------
    table : pd.DataFrame
        One row a scalar: variable, index, rhat, ess_bulk, ess_tail.
    divergences : int
        Divergent transitions after tuning, all chains.
    ebfmi : tuple of float
        Energy Bayesian fraction of missing information, one value a chain.
    share_at_max_treedepth : float
        Share of draws that stopped at the deepest tree: slow, not wrong, so not part of the verdict.
    reasons : tuple of str
        Why the verdict is not `ok`; empty when it is.
    """

    table: pd.DataFrame
    divergences: int
    ebfmi: tuple[float, ...]
    share_at_max_treedepth: float
    reasons: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """`ok` or `not_converged`."""
        return "not_converged" if self.reasons else "ok"

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

    def sentence(self) -> str:
        """Say the verdict and the numbers behind it, with their limits."""
        numbers = (
            f"worst R-hat {self.max_rhat:.3f} (limit {MAX_RHAT}), bulk ESS {self.min_ess_bulk:.0f} and tail ESS "
            f"{self.min_ess_tail:.0f} (limit {MIN_ESS}), {self.divergences} divergent draws (limit 0), "
            f"E-BFMI {self.min_ebfmi:.2f} (limit {MIN_EBFMI})"
        )
        if self.share_at_max_treedepth > 0:
            numbers += f", {100 * self.share_at_max_treedepth:.1f} % of draws at the deepest tree"
        if not self.reasons:
            return f"The chains converged: {numbers}."
        return f"The chains did not converge ({'; '.join(self.reasons)}): {numbers}."

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
            "thresholds": THRESHOLDS,
        }

    def __repr__(self) -> str:
        return self.sentence()

    def _repr_html_(self) -> str:
        worst = self.table.sort_values("rhat", ascending=False).head(10)
        return f"<p>{self.sentence()}</p>{worst.to_html(index=False, float_format='{:.4g}'.format)}"


def convergence(posterior: xr.DataTree) -> Convergence:
    """Judge the chains of a posterior over its free variables and its population-level published variables.

    Parameters
    ----------
    posterior : xr.DataTree
        Groups `posterior` and `sample_stats`; the root attribute `free_variables` (JSON) narrows the judgement to those
        and the vocabulary's population-level names, otherwise every variable counts.

    Returns
    -------
    Convergence
    """
    expect(posterior, xr.DataTree, "posterior", FROM_FIT)
    require(posterior, groups=["sample_stats"])
    require_draws(posterior)
    draws = posterior["posterior"].to_dataset()
    statistics = posterior["sample_stats"].to_dataset()
    names = _judged(posterior.attrs.get("free_variables"), draws)
    table = pd.DataFrame(
        [row for name in names for row in _rows(draws[name])],
        columns=["variable", "index", "rhat", "ess_bulk", "ess_tail"],
    )
    divergences = int(statistics["diverging"].sum()) if "diverging" in statistics else 0
    ebfmi = _ebfmi(statistics)
    deepest = float(statistics["reached_max_treedepth"].mean()) if "reached_max_treedepth" in statistics else 0.0
    return Convergence(table, divergences, ebfmi, round(deepest, 4), _reasons(table, divergences, ebfmi))


def _judged(free: str | None, draws: xr.Dataset) -> list[str]:
    names = [str(name) for name in draws.data_vars if draws[name].dtype.kind == "f"]
    if free is None:
        return names
    population = {name for name, variable in VARIABLES.items() if variable.level in ("population", "trial")}
    return [name for name in names if name in population or name in set(json.loads(free))]


def _rows(variable: xr.DataArray) -> list[tuple[str, str, float, float, float]]:
    """Diagnose a variable's scalars; constants and undefined entries (a correlation's diagonal, NaN) are left out."""
    from arviz_stats.base import array_stats

    values = variable.transpose("chain", "draw", ...)
    dims = values.dims[2:]
    rows = []
    for place in np.ndindex(values.shape[2:]):
        scalar = values.to_numpy()[(slice(None), slice(None), *place)]
        if np.isnan(scalar).all() or np.ptp(scalar) <= 1e-12 * max(1.0, float(np.abs(scalar).max())):
            continue
        index = ", ".join(f"{dim}={values[dim].to_numpy()[j]}" for dim, j in zip(dims, place, strict=True))
        rows.append(
            (
                str(variable.name),
                index,
                float(array_stats.rhat(scalar, chain_axis=0, draw_axis=1, method="rank")),
                float(array_stats.ess(scalar, chain_axis=0, draw_axis=1, method="bulk")),
                float(array_stats.ess(scalar, chain_axis=0, draw_axis=1, method="tail", prob=(0.05, 0.95))),
            )
        )
    return rows


def _ebfmi(statistics: xr.Dataset) -> tuple[float, ...]:
    """E-BFMI a chain: mean squared step of the energy over its variance."""
    if "energy" not in statistics:
        return ()
    energy = statistics["energy"].transpose("chain", "draw").to_numpy()
    steps = np.square(np.diff(energy, axis=1)).mean(axis=1)
    return tuple(round(float(x), 4) for x in steps / np.var(energy, axis=1, ddof=1))


def _reasons(table: pd.DataFrame, divergences: int, ebfmi: tuple[float, ...]) -> tuple[str, ...]:
    limits = (
        ("rhat", "R-hat above 1.01", lambda x: ~(x <= MAX_RHAT)),
        ("ess_bulk", f"bulk ESS below {MIN_ESS}", lambda x: ~(x >= MIN_ESS)),
        ("ess_tail", f"tail ESS below {MIN_ESS}", lambda x: ~(x >= MIN_ESS)),
    )
    reasons = []
    for column, words, fails in limits:
        count = int(fails(table[column]).sum())
        if count:
            names = ", ".join(table.loc[fails(table[column]), "variable"].drop_duplicates().head(3))
            reasons.append(f"{words} in {count} of {len(table)} scalars ({names})")
    if divergences:
        reasons.append(f"{divergences} divergent draws")
    if any(x < MIN_EBFMI for x in ebfmi):
        reasons.append(f"E-BFMI below {MIN_EBFMI} in {sum(x < MIN_EBFMI for x in ebfmi)} of {len(ebfmi)} chains")
    return tuple(reasons)


def _plain(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None
