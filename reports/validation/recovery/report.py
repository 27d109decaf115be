"""Coverage of a recovery study: table, figure, manifest and page."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import binom

from bayesmodels.files import write_whole
from bayesmodels.fitted import versions
from bayesmodels.posterior.convergence_limits import ConvergenceLimits, Verdict
from bayesmodels.reporting.drawing import png_bytes
from bayesmodels.safe_labels import table_csv
from validation.calibration.ranks import bonferroni

FAMILY = 0.95
LIMITS = ConvergenceLimits()
PRIOR_DOMINATED = ("effect_lag[alsfrs_r]", "group_effect_sd[", "group_drug_effect[alsfrs_r")
TITLES = {
    "model": "Recovery of LongitudinalModel from trials simulated from itself",
    "generator": "Recovery of LongitudinalModel from VALOR-like trials that are not from the model",
}
FOLDERS = {
    "model": "reports/validation/recovery/LongitudinalModel",
    "generator": "reports/validation/recovery/generator",
}


def binomial_limits(n: int, coverage: float, statements: int) -> tuple[int, int]:
    """Smallest and largest count of n intervals that cover, for all statements together with probability 95 %.

    Exact binomial, equal tails, Bonferroni over the statements.
    """
    tail = (1 - bonferroni(FAMILY, statements)) / 2
    return int(binom.ppf(tail, n, coverage)), int(binom.isf(tail, n, coverage))


def is_prior_dominated(parameter: str) -> bool:
    """Functional lag, SD between start groups, and what rests on them: listed apart."""
    return parameter.startswith(PRIOR_DOMINATED)


def tidy(records: list[dict[str, Any]]) -> pd.DataFrame:
    """One row a trial and parameter: truth, lower_95, lower_50, median, upper_50, upper_95, and `_kept` of the same.

    `_kept`: of the draws whose mean courses are plausible, the posterior under the prior that truths came from.
    """
    names = ["lower_95", "lower_50", "median", "upper_50", "upper_95"]
    columns = ["truth", *names, *(f"{name}_kept" for name in names)]
    rows = [
        {"trial": record["trial"], "parameter": name, **dict(zip(columns, values, strict=True))}
        for record in records
        for name, values in record["parameters"].items()
    ]
    return pd.DataFrame(rows)


def fits_table(records: list[dict[str, Any]]) -> pd.DataFrame:
    """One row a trial: convergence and CPU seconds.

    `converged` by the package's verdict; in records made before there were three grades, by its one limit of then.
    """
    table = pd.DataFrame(records).drop(columns=["parameters", "process", "ranks"], errors="ignore")
    earlier = (
        (table["max_rhat"] <= LIMITS.rhat)
        & (table[["min_ess_bulk", "min_ess_tail"]].min(axis=1) >= LIMITS.ess)
        & (table["divergences"] == 0)
        & (table["min_ebfmi"] >= LIMITS.ebfmi)
    )
    graded = table["verdict"] if "verdict" in table else pd.Series(None, table.index, object)
    return table.assign(converged=(graded != "not_converged").where(graded.notna(), earlier))


def coverage_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Coverage of every parameter's intervals beside limits that hold for all of them together.

    Returns
    -------
    DataFrame
        parameter, prior_dominated, covered_95, covered_50 (counts), lowest_95 ... highest_50 (limits), inside,
        covered_95_kept, covered_50_kept, inside_kept (draws restricted as the truths were), bias (mean of median minus
        truth), width_95 (mean), and z_bias (bias over its Monte-Carlo standard error).
    """
    n = rows["trial"].nunique()
    statements = 2 * rows["parameter"].nunique()
    limits = {level: binomial_limits(n, level / 100, statements) for level in (95, 50)}
    found = []
    for parameter, own in rows.groupby("parameter", sort=False):
        row: dict[str, Any] = {"parameter": parameter, "prior_dominated": is_prior_dominated(str(parameter))}
        for suffix in ("", "_kept"):
            fine = True
            for level, (low, high) in limits.items():
                covered = own[f"lower_{level}{suffix}"].le(own["truth"]) & own[f"upper_{level}{suffix}"].ge(
                    own["truth"]
                )
                count = int(covered.sum())
                row |= {f"covered_{level}{suffix}": count, f"lowest_{level}": low, f"highest_{level}": high}
                fine &= low <= count <= high
            row[f"inside{suffix}"] = fine
        error = own["median"] - own["truth"]
        row["bias"], row["z_bias"] = error.mean(), error.mean() / (error.std(ddof=1) / np.sqrt(len(error)))
        row["width_95"] = (own["upper_95"] - own["lower_95"]).mean()
        found.append(row)
    return pd.DataFrame(found)


def coverage_figure(table: pd.DataFrame, n: int) -> Figure:
    """Share of trials whose 95 % and 50 % intervals cover the truth, a row a parameter, with simultaneous limits."""
    figure = Figure(figsize=(7.5, 1.2 + 0.19 * len(table)), layout="constrained")
    axes = figure.subplots()
    place = np.arange(len(table))[::-1]
    for level, colour in ((95, "#0b5fa5"), (50, "#c8500a")):
        low, high = table[f"lowest_{level}"].iloc[0] / n, table[f"highest_{level}"].iloc[0] / n
        axes.axvspan(100 * low, 100 * high, color=colour, alpha=0.12, lw=0)
        axes.axvline(level, color=colour, lw=0.8)
        axes.plot(100 * table[f"covered_{level}"] / n, place, "o", ms=4, color=colour, label=f"{level} % intervals")
    axes.set_yticks(place, table["parameter"], fontsize=7)
    axes.set_xlim(0, 101)
    axes.set_ylim(-1, len(table))
    axes.set_xlabel(
        f"Share of {n} trials whose interval covers the truth, % (band: simultaneous 95 % limits)", fontsize=8
    )
    axes.legend(fontsize=8, loc="lower left", frameon=False)
    return figure


def write_report(records: list[dict[str, Any]], spec: Any, out: Path, planned: int) -> str:
    """Write manifest.json, coverage.csv, fits.csv, estimates.csv, coverage.png and README.md; return the verdict.

    Parameters
    ----------
    planned : int
        Trials of the whole study; `records` may hold fewer, and the page then says so.
    """
    from validation.recovery.page import judged_rows, page, verdict

    out.mkdir(parents=True, exist_ok=True)
    rows, fits = tidy(records), fits_table(records)
    table = coverage_table(rows)
    judged, seconds = judged_rows(spec.source, table), float(fits["cpu_seconds"].sum())
    manifest = {
        "study": TITLES[spec.source],
        "command": f"python -m validation.recovery.study {spec.source} --trials {planned} --seed {spec.seed} "
        f"--chains {spec.chains} --max-treedepth {spec.max_treedepth} --out {FOLDERS[spec.source]}",
        "settings": asdict(spec),
        "trials": len(fits),
        "planned": planned,
        "parameters": len(table),
        "judged": len(judged),
        "inside": int(judged["inside"].sum()),
        "inside_kept": int(table["inside_kept"].sum()),
        "limits_95": [int(table["lowest_95"].iloc[0]), int(table["highest_95"].iloc[0])],
        "limits_50": [int(table["lowest_50"].iloc[0]), int(table["highest_50"].iloc[0])],
        "mean_coverage_95": round(float(table["covered_95"].mean() / len(fits)), 4),
        "mean_coverage_50": round(float(table["covered_50"].mean() / len(fits)), 4),
        "mean_coverage_95_kept": round(float(table["covered_95_kept"].mean() / len(fits)), 4),
        "mean_coverage_50_kept": round(float(table["covered_50_kept"].mean() / len(fits)), 4),
        "prior_draws_refused_as_implausible": int(fits["refused"].sum()),
        "plausible_share_of_posterior_draws": round(float(fits["plausible_draws"].mean()), 4),
        **convergence_counts(fits),
        "cpu_seconds": round(seconds, 1),
        "fits_per_cpu_hour": round(3600 * len(fits) / seconds, 1),
        "median_cpu_seconds_a_fit": float(fits["cpu_seconds"].median()),
        "versions": versions(),
    }
    write_whole(out / "manifest.json", (json.dumps(manifest, indent=2) + "\n").encode())
    write_whole(out / "coverage.csv", table_csv(table.round(5)))
    write_whole(out / "fits.csv", table_csv(fits))
    short = rows[["trial", "parameter", "truth", "lower_95", "lower_50", "median", "upper_50", "upper_95"]]
    write_whole(out / "estimates.csv", table_csv(short, float_format="%.4g"))
    write_whole(out / "coverage.png", png_bytes(coverage_figure(table, len(fits)), dpi=90))
    write_whole(out / "README.md", page(spec.source, table, manifest).encode())
    return verdict(spec.source, table, manifest)


def convergence_counts(fits: pd.DataFrame) -> dict[str, Any]:
    """How many refits have each grade by the package's verdict, and each of its parts.

    Without `grades` where a record was made before there were three.
    """
    graded = "verdict" in fits and fits["verdict"].notna().all()
    grades = {name: int((fits["verdict"] == name).sum()) for name in get_args(Verdict)} if graded else {}
    return {
        "converged_by_the_package_verdict": int(fits["converged"].sum()),
        **({"grades": grades} if grades else {}),
        "rhat_above_1.01": int((fits["max_rhat"] > LIMITS.rhat).sum()),
        "rhat_above_1.05": int((fits["max_rhat"] > LIMITS.worst_rhat).sum()),
        "ess_below_400": int((fits[["min_ess_bulk", "min_ess_tail"]].min(axis=1) < LIMITS.ess).sum()),
        "ess_below_100": int((fits[["min_ess_bulk", "min_ess_tail"]].min(axis=1) < LIMITS.worst_ess).sum()),
        "fits_with_divergences": int((fits["divergences"] > 0).sum()),
        "median_min_ess_bulk": float(fits["min_ess_bulk"].median()),
        "median_max_rhat": float(fits["max_rhat"].median()),
    }
