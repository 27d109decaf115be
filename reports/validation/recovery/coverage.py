"""Coverage of a recovery study: tables and figure, and what its page says of them."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import binom

from bayesmodels.simulation import published_truth
from bayesmodels.trials.results import Results, convergence_counts, fits_table
from bayesmodels.trials.specification import TrialsSpec
from bayesmodels.trials.study import Variant
from validation.calibration.ranks import bonferroni

FAMILY = 0.95
LEVELS = (0.025, 0.25, 0.5, 0.75, 0.975)
QUANTILES = ("lower_95", "lower_50", "median", "upper_50", "upper_95")
"""Posterior quantiles of a parameter that a record holds, and the names of their columns."""

PRIOR_DOMINATED = ("effect_lag[alsfrs_r]", "group_effect_sd[", "group_drug_effect[alsfrs_r")


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
    """One row per trial and parameter: truth, lower_95, lower_50, median, upper_50, upper_95, and `_kept` of the same.

    `_kept`: of the draws whose mean courses are plausible, the posterior under the prior that truths came from; of
    trials of the model itself only.
    """
    columns = ["truth", *QUANTILES, *(f"{name}_kept" for name in QUANTILES)]
    rows = [
        {"trial": record["trial"], "parameter": name, **dict(zip(columns, values, strict=False))}
        for record in records
        for name, values in record["parameters"].items()
    ]
    return pd.DataFrame(rows)


def covered(rows: pd.DataFrame, interval: str) -> pd.Series:
    """Whether each row's interval, of columns ``lower_<interval>`` and ``upper_<interval>``, holds its truth."""
    return rows["truth"].between(rows[f"lower_{interval}"], rows[f"upper_{interval}"])


def coverage_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Coverage of every parameter's intervals beside limits that hold for all of them together.

    Returns
    -------
    DataFrame
        parameter, prior_dominated, covered_95, covered_50 (counts), lowest_95 ... highest_50 (limits), inside,
        bias (mean of median minus truth), width_95 (mean), and z_bias (bias over its Monte-Carlo standard error); and,
        where the rows have quantiles of draws restricted as the truths were, covered_95_kept, covered_50_kept and
        inside_kept.
    """
    n = rows["trial"].nunique()
    statements = 2 * rows["parameter"].nunique()
    limits = {level: binomial_limits(n, level / 100, statements) for level in (95, 50)}
    forms = ("", "_kept") if "lower_95_kept" in rows else ("",)
    found = []
    for parameter, own in rows.groupby("parameter", sort=False):
        row: dict[str, Any] = {"parameter": parameter, "prior_dominated": is_prior_dominated(str(parameter))}
        for suffix in forms:
            fine = True
            for level, (low, high) in limits.items():
                count = int(covered(own, f"{level}{suffix}").sum())
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


def coverage_png(table: pd.DataFrame, n: int) -> bytes:
    """`coverage_figure` as PNG, as wide as its labels need."""
    buffer = BytesIO()
    coverage_figure(table, n).savefig(buffer, format="png", dpi=90, bbox_inches="tight")
    return buffer.getvalue()


def results(records: list[dict[str, Any]], spec: TrialsSpec) -> Results:
    """Coverage of every parameter, estimates and convergence by trial, and a figure of the coverage."""
    rows, fits = tidy(records), fits_table(records)
    table = coverage_table(rows)
    judged = judged_rows(spec.variant, table)
    restricted = ("95_kept", "50_kept") if "inside_kept" in table else ()
    shares = {f"mean_coverage_{name}": table[f"covered_{name}"].mean() for name in ("95", "50", *restricted)}
    counts = {
        "parameters": len(table),
        "judged": len(judged),
        "inside": int(judged["inside"].sum()),
        **({"inside_kept": int(table["inside_kept"].sum())} if restricted else {}),
        "limits_95": [int(table["lowest_95"].iloc[0]), int(table["highest_95"].iloc[0])],
        "limits_50": [int(table["lowest_50"].iloc[0]), int(table["highest_50"].iloc[0])],
        **{name: round(float(covered / len(fits)), 4) for name, covered in shares.items()},
        "prior_draws_refused_as_implausible": int(fits["refused"].sum()),
        "plausible_share_of_posterior_draws": round(float(fits["plausible_draws"].mean()), 4),
        **convergence_counts(fits),
    }
    short = rows[["trial", "parameter", "truth", *QUANTILES]]
    tables = {"coverage": table, "fits": fits, "estimates": short}
    return Results(tables, counts, {"coverage": coverage_png(table, len(fits))})


def judged_rows(source: str, table: pd.DataFrame) -> pd.DataFrame:
    """Parameters that the verdict counts: with one truth for all trials, those that the prior does not dominate."""
    return table[~table["prior_dominated"]] if source != "model" else table


def headline(estimates: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows of the difference in ALSFRS-R, all persons, by the words of the week."""
    every = estimates.groupby("parameter", sort=False)
    kept = {str(name): own for name, own in every if str(name).startswith("difference[alsfrs_r, all, ")}
    return {name.rpartition(", ")[2].rstrip("]"): own for name, own in kept.items()}


def in_favour(estimates: pd.DataFrame) -> dict[str, int]:
    """How many 95 % intervals of the difference in ALSFRS-R, all persons, lie above 0, by the words of the week.

    These are the trials in which the probability of a benefit is above .975.
    """
    return {week: int((own["lower_95"] > 0).sum()) for week, own in headline(estimates).items()}


def missed(estimates: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """How many of these 95 % intervals lie below the truth, and above it, by the words of the week."""
    return {
        week: (int((own["upper_95"] < own["truth"]).sum()), int((own["lower_95"] > own["truth"]).sum()))
        for week, own in headline(estimates).items()
    }


def context(files: Mapping[str, Any], variant: Variant) -> dict[str, Any]:
    """Parameters that are judged and listed apart, those covered too seldom at either level, and the deceleration."""
    table = files["coverage"]
    judged = judged_rows(variant.spec.variant, table)
    seldom = (judged["covered_95"] < judged["lowest_95"]) | (judged["covered_50"] < judged["lowest_50"])
    low = judged[seldom].sort_values("covered_95")
    decelerations = table[table["parameter"] == "deceleration[alsfrs_r]"]
    return {
        "judged": judged,
        "outside": judged.loc[~judged["inside"], "parameter"].tolist(),
        "apart": table[table["prior_dominated"]],
        "low": low,
        "deceleration": next(decelerations.itertuples(), None),
        "in_favour": in_favour(files["estimates"]),
        "missed": missed(files["estimates"]),
        "truth": published_truth().deceleration,
    }
