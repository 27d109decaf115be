"""Operating characteristics from the rows of many fits: bias, coverage, power, type I error, convergence, cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.html_tables import html_table
from bayesmodels.trials.kept import Rule, said
from bayesmodels.trials.loop import Record

FIT_COLUMNS = (
    "fit", "status", "why", "seed", "seconds", "cpu_seconds", "compile_seconds", "compiled", "host", "process",
    "versions", "verdict", "converged", "max_rhat", "min_ess_bulk", "min_ess_tail", "divergences", "min_ebfmi",
)  # fmt: skip
"""Columns that are the same in every row of a fit; rows of a design's interim looks have some of their own."""

QUANTITY_COLUMNS = (
    "truth", "mean", "sd", "median", "lower", "upper", "lower_50", "upper_50", "probability", "success", "favourable",
)  # fmt: skip

OF_THE_MACHINE = ("seconds", "cpu_seconds", "compile_seconds", "host", "process", "versions")
"""Columns that depend on where a fit was run; the others do not."""

_TEXT = ("status", "why", "host", "versions", "verdict", "kind", "rule", "quantity", "variable")
_FLAGS = ("compiled", "converged", "success", "favourable")
_WHOLE = ("fit", "seed", "process", "divergences")

LEVEL = 0.95
"""Of the binomial limits."""


def rows_table(records: Sequence[Record], dims: Sequence[str], numbers: Sequence[str] = ()) -> pd.DataFrame:
    """One row per fit and kept quantity or rule; a failed fit has one row, without quantity.

    Parameters
    ----------
    records : sequence of dict
        From `plan.run_fit`.
    dims : sequence of str
        Dims of the kept variables: columns with their labels.
    numbers : sequence of str
        Further columns of numbers, of a study that has them.

    Returns
    -------
    DataFrame
        Columns of fixed types, so that parts can be put together.
    """
    rows: list[dict[str, Any]] = []
    for record in records:
        fit = {name: record.get(name) for name in FIT_COLUMNS}
        rows += [{**fit, **row} for row in record["rows"] or [{}]]
    columns = [*FIT_COLUMNS, "kind", "rule", "quantity", "variable", *dims, *QUANTITY_COLUMNS, *numbers]
    table = pd.DataFrame(rows, columns=columns)
    for name in columns:
        column = table[name]
        if name in _FLAGS:
            table[name] = column.astype("boolean")
        elif name in _WHOLE:
            table[name] = column.astype("Int64")
        elif name in dims and not (name == "week" or name.endswith("_week")):
            table[name] = column.map(said, na_action="ignore").astype("string")
        else:
            table[name] = column.astype("string" if name in _TEXT else "float64")
    return table


def fits_of(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per fit, from the table of rows.

    Parameters
    ----------
    rows : DataFrame
    """
    return rows.drop_duplicates("fit")[list(FIT_COLUMNS)].reset_index(drop=True)


def binomial_limits(count: int, n: int) -> tuple[float, float]:
    """Exact (Clopper-Pearson) 95 % limits of a share.

    Parameters
    ----------
    count, n : int

    Returns
    -------
    tuple of float
        0 to 1 where there is nothing to count.
    """
    from scipy.stats import beta

    tail = (1 - LEVEL) / 2
    lower = beta.ppf(tail, count, n - count + 1) if count else 0.0
    upper = beta.ppf(1 - tail, count + 1, n - count) if count < n else 1.0
    return float(lower), float(upper)


def quantity_table(rows: pd.DataFrame) -> pd.DataFrame:
    """What the fits say of each kept quantity.

    Parameters
    ----------
    rows : DataFrame

    Returns
    -------
    DataFrame
        quantity, fits, truth (mean over fits), truth_varies; mean of the posterior medians; and against the truth, NaN
        where it is not known: bias (mean of median minus truth) with its Monte-Carlo standard error, rmse, coverage of
        the intervals with binomial limits. posterior_sd and width are means over fits, sd_of_medians is between fits.
    """
    own = rows[rows["kind"] == "quantity"]
    found = []
    for quantity, each in own.groupby("quantity", sort=False):
        n, known = len(each), each["truth"].notna()
        row: dict[str, Any] = {
            "quantity": quantity,
            "fits": n,
            "truth": each["truth"].mean(),
            "truth_varies": bool(each["truth"].nunique() > 1),
            "median": each["median"].mean(),
            "sd_of_medians": each["median"].std(ddof=1),
            "posterior_sd": each["sd"].mean(),
            "width": (each["upper"] - each["lower"]).mean(),
        }
        judged = each[known]
        error = (judged["median"] - judged["truth"]).to_numpy(float)
        m = len(judged)
        row["bias"] = error.mean() if m else np.nan
        row["bias_se"] = error.std(ddof=1) / np.sqrt(m) if m > 1 else np.nan
        row["rmse"] = float(np.sqrt((error**2).mean())) if m else np.nan
        for name, suffix in (("coverage", ""), ("coverage_50", "_50")):
            inside = judged["truth"].between(judged[f"lower{suffix}"], judged[f"upper{suffix}"])
            count = int(inside.sum())
            lower, upper = binomial_limits(count, m) if m else (np.nan, np.nan)
            row |= {f"{name}_count": count, name: count / m if m else np.nan}
            row |= {f"{name}_lower": lower, f"{name}_upper": upper}
        found.append(row)
    return pd.DataFrame(found)


def rule_table(rows: pd.DataFrame) -> pd.DataFrame:
    """How often each rule decided for success, with binomial limits.

    Parameters
    ----------
    rows : DataFrame

    Returns
    -------
    DataFrame
        rule, quantity, measure, fits, successes, share, lower, upper. `measure`: "power", over fits whose true value is
        favourable; "type I error", over fits whose true value is not; where there are fits of both kinds also
        "assurance", over all; "success" where the truth is not known. Fits that failed are in none of them.
    """
    found = []
    for (rule, quantity), each in rows[rows["kind"] == "rule"].groupby(["rule", "quantity"], sort=False):
        for measure, own in _measures(each):
            n, count = len(own), int(own["success"].sum())
            lower, upper = binomial_limits(count, n)
            found.append((rule, quantity, measure, n, count, count / n, lower, upper))
    columns = ["rule", "quantity", "measure", "fits", "successes", "share", "lower", "upper"]
    return pd.DataFrame(found, columns=columns)


def _measures(each: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    if each["favourable"].isna().any():
        yield "success", each
        return
    favourable = each["favourable"].astype(bool)
    if favourable.any() and not favourable.all():
        yield "assurance", each
    if favourable.any():
        yield "power", each[favourable]
    if not favourable.all():
        yield "type I error", each[~favourable]


def computation(fits: pd.DataFrame) -> dict[str, Any]:
    """Counts of fits that failed, converged and were compiled anew, and what they cost.

    Parameters
    ----------
    fits : DataFrame
        From `fits_of`.

    Returns
    -------
    dict
        JSON-able. CPU seconds of a fit are without those of compiling the model once in each process.
    """
    done = fits[fits["status"] == "ok"]
    cpu = fits["cpu_seconds"].fillna(0).sum()
    each = (done["cpu_seconds"] - done["compile_seconds"].fillna(0)).dropna()
    n, converged = len(done), int(done["converged"].fillna(False).sum())
    lower, upper = binomial_limits(converged, n) if n else (None, None)
    return {
        "fits": len(fits),
        "failed": int((fits["status"] == "failed").sum()),
        "converged": converged,
        "converged_share": converged / n if n else None,
        "converged_limits": [lower, upper],
        "verdicts": {str(name): int(count) for name, count in done["verdict"].value_counts().items()},
        "compiled_anew": int(done["compiled"].fillna(False).sum()),
        "cpu_seconds": round(float(cpu), 1),
        "compile_cpu_seconds": round(float(fits["compile_seconds"].fillna(0).sum()), 1),
        "median_cpu_seconds_a_fit": round(float(each.median()), 2) if len(each) else None,
        "median_seconds_a_fit": round(float(done["seconds"].median()), 2) if n else None,
        "hosts": sorted({str(host) for host in fits["host"].dropna()}),
    }


@dataclass(frozen=True)
class OperatingCharacteristics:
    """What many fits found: tables of quantities and rules, and the rows they come from.

    Attributes
    ----------
    rows : DataFrame
        One row per fit and kept quantity or rule (`rows_table`).
    rules : tuple of Rule
    planned : int
        Fits of the whole study.
    interval : float
        Level of the intervals.
    status : {"finished", "unfinished"}
    """

    rows: pd.DataFrame
    rules: tuple[Rule, ...]
    planned: int
    interval: float

    @property
    def fits(self) -> pd.DataFrame:
        """One row per fit: status, why it failed, seed, seconds, host, versions, convergence."""
        return fits_of(self.rows)

    @property
    def missing(self) -> tuple[int, ...]:
        """Numbers of planned fits that have no row."""
        there = set(self.rows["fit"].astype(int))
        return tuple(number for number in range(self.planned) if number not in there)

    @property
    def status(self) -> str:
        """Whether every planned fit has its row."""
        return "unfinished" if self.missing else "finished"

    @property
    def table(self) -> pd.DataFrame:
        """Rules: power, type I error, assurance (`rule_table`)."""
        return rule_table(self.rows)

    @property
    def quantities(self) -> pd.DataFrame:
        """Kept quantities: bias, coverage, width (`quantity_table`)."""
        return quantity_table(self.rows)

    @property
    def computation(self) -> dict[str, Any]:
        """Failures, convergence and cost."""
        return computation(self.fits)

    def sentence(self) -> str:
        """Say how many fits there are and how often each rule decided for success."""
        n = self.computation
        lines = [f"{n['fits']:,} of {self.planned:,} fits, {n['failed']:,} failed, {n['converged']:,} converged"]
        for row in self.table.itertuples():
            share = f"{row.share:.3f} ({row.lower:.3f} to {row.upper:.3f})"
            lines.append(f"{row.rule}: {row.measure} {share}, {row.successes} of {row.fits}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.sentence()

    def _repr_html_(self) -> str:
        return html_table(self.table, "{:.3g}")
