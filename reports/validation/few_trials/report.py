"""The study of few trials beside its source: comparison cell by cell, manifest and page."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.files import write_whole
from bayesmodels.fitted import versions
from bayesmodels.safe_labels import table_csv
from validation.pages import grades_said, opening
from validation.recovery.report import convergence_counts, fits_table

FOLDER = "reports/validation/few_trials"

SOURCE_REPLICATES = 40
ROUNDING = 0.01 / np.sqrt(12)
"""SD of the rounding error of a number printed to two decimals."""

SOURCE: dict[int, dict[float, tuple[float, float, float]]] = {
    2: {0.2: (0.00, 0.26, 0.95), 0.8: (0.00, 0.26, 0.95), 0.95: (0.00, 0.26, 0.95)},
    3: {0.2: (0.00, 0.26, 0.94), 0.8: (0.00, 0.29, 0.95), 0.95: (0.00, 0.30, 0.96)},
    5: {0.2: (0.00, 0.26, 0.89), 0.8: (0.01, 0.44, 0.97), 0.95: (0.01, 0.47, 0.97)},
    8: {0.2: (0.01, 0.28, 0.83), 0.8: (0.02, 0.53, 0.96), 0.95: (0.05, 0.61, 0.97)},
    12: {0.2: (0.01, 0.21, 0.71), 0.8: (0.12, 0.62, 0.94), 0.95: (0.15, 0.71, 0.98)},
    20: {0.2: (0.02, 0.25, 0.65), 0.8: (0.26, 0.72, 0.96), 0.95: (0.34, 0.79, 0.98)},
    40: {0.2: (0.02, 0.18, 0.48), 0.8: (0.41, 0.73, 0.93), 0.95: (0.62, 0.88, 0.99)},
}
"""Mean posterior 2.5, 50 and 97.5 % of R2_trial by number of trials and true R2. Source: a design calculation of our
own before the model was written (40 replicates, another sampler); not published."""

SOURCE_ABOVE_HALF = {2: 0.00, 3: 0.00, 5: 0.00, 8: 0.00, 12: 0.00, 20: 0.23, 40: 0.82}
"""Share of fits whose lower limit is above .5, true R2 .95; the same source."""

SOURCE_NAIVE = {2: (1.00, 1.00), 3: (0.56, 0.65), 5: (0.29, 0.67), 8: (0.28, 0.66), 12: (0.19, 0.66), 20: (0.21, 0.64),
                40: (0.15, 0.68)}  # fmt: skip
"""Mean squared correlation of the raw estimates at true R2 .2 and .95; the same source."""

LIMIT = 3.0
"""Combined Monte-Carlo errors within which a cell agrees."""


def comparison(records: pd.DataFrame) -> pd.DataFrame:
    """Every cell of the source beside ours.

    Returns
    -------
    DataFrame
        trials, true_r2, quantity, source, ours, replicates, error (combined Monte-Carlo error: ours, the source's from
        the spread of our replicates over `SOURCE_REPLICATES`, and the source's rounding), errors_apart, agrees.
    """
    rows = []
    for (trials, r2), cell in records.groupby(["trials", "true_r2"]):
        printed = dict(zip(("q25", "q500", "q975"), SOURCE[trials][r2], strict=True))
        values = {name: cell[name].to_numpy(float) for name in printed}
        if r2 == 0.95:
            printed["lower_above_half"] = SOURCE_ABOVE_HALF[trials]
            values["lower_above_half"] = (cell["q25"] > 0.5).to_numpy(float)
        if r2 != 0.8:
            printed["naive_r2"] = SOURCE_NAIVE[trials][int(r2 == 0.95)]
            values["naive_r2"] = cell["naive_r2"].to_numpy(float)
        for name, source in printed.items():
            own, spread = values[name].mean(), values[name].std(ddof=1)
            if name == "lower_above_half":  # a share of 0 or 1 has no spread of its own: add one to either side
                share = (values[name].sum() + 1) / (len(cell) + 2)
                spread = np.sqrt(share * (1 - share))
            error = np.sqrt(spread**2 * (1 / len(cell) + 1 / SOURCE_REPLICATES) + ROUNDING**2)
            rows.append((trials, r2, name, source, own, len(cell), error, (own - source) / error))
    columns = ["trials", "true_r2", "quantity", "source", "ours", "replicates", "error", "errors_apart"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(agrees=table["errors_apart"].abs() <= LIMIT)


def write_report(records: list[dict[str, Any]], spec: Any, out: Path) -> str:
    """Write manifest.json, comparison.csv, fits.csv and README.md; return the verdict."""
    out.mkdir(parents=True, exist_ok=True)
    fits = fits_table(records)
    table = comparison(fits)
    manifest = {
        "study": "Few trials and measurement error",
        "command": f"python -m validation.few_trials.study --replicates {spec.replicates} --seed {spec.seed} "
        f"--out {FOLDER}",
        "settings": asdict(spec),
        "fits": len(fits),
        "cells": len(table),
        "agree": int(table["agrees"].sum()),
        "largest_errors_apart": round(float(table["errors_apart"].abs().max()), 2),
        **convergence_counts(fits),
        "cpu_seconds": round(float(fits["cpu_seconds"].sum()), 1),
        "median_cpu_seconds_a_fit": float(fits["cpu_seconds"].median()),
        "versions": versions(),
    }
    write_whole(out / "manifest.json", (json.dumps(manifest, indent=2) + "\n").encode())
    write_whole(out / "comparison.csv", table_csv(table.round(4)))
    write_whole(out / "fits.csv", table_csv(fits))
    write_whole(out / "README.md", page(table, manifest).encode())
    return verdict(table)


def verdict(table: pd.DataFrame) -> str:
    """The result in one paragraph."""
    apart = table[~table["agrees"]]
    text = (
        f"{int(table['agrees'].sum())} of {len(table)} cells agree with the source within {LIMIT:g} combined "
        f"Monte-Carlo errors; the largest difference is {table['errors_apart'].abs().max():.1f}."
    )
    if len(apart):
        told = [
            f"{r.quantity} at {r.trials} trials, R2 {r.true_r2:g} ({r.ours:.3f} against {r.source:.2f})"
            for r in apart.itertuples()
        ]
        text += f" Apart: {'; '.join(told)}."
    return text


def page(table: pd.DataFrame, manifest: dict[str, Any]) -> str:
    """README of the study's folder: our table in the source's layout, the source in brackets."""
    wide = {(r.trials, r.true_r2, r.quantity): (r.ours, r.source) for r in table.itertuples()}

    def both(trials: int, r2: float, quantity: str) -> str:
        ours, source = wide[trials, r2, quantity]
        return f"{ours:.2f} ({source:.2f})"

    graded = f"; by the package's verdict {grades_said(manifest, manifest['fits'])}" if "grades" in manifest else ""
    lines = [
        *opening(manifest, verdict(table)),
        "## Table",
        "",
        "Mean posterior 2.5 / 50 / 97.5 % of R2_trial over replicates, the source in brackets: a design calculation of "
        "our own, made with another sampler before the model was written and not published.",
        "",
        "| trials | true R2 .2 | true .8 | true .95 | P(lower > .5) at .95 | naive r^2 at .2 | naive r^2 at .95 |",
        "|---|---|---|---|---|---|---|",
    ]
    for trials in SOURCE:
        cells = [" / ".join(both(trials, r2, q) for q in ("q25", "q500", "q975")) for r2 in SOURCE[trials]]
        cells += [both(trials, 0.95, "lower_above_half"), both(trials, 0.2, "naive_r2"), both(trials, 0.95, "naive_r2")]
        lines.append(f"| {trials} | {' | '.join(cells)} |")
    settings = manifest["settings"]
    lines += [
        "",
        "## What was done",
        "",
        f"{settings['replicates']} collections a cell: tau (.30 ln, .25 points a month), means (-.3, -.2), standard "
        "errors (.10, .15), correlation of the estimates .2 and known, true correlation above 0; prior mu ~ "
        "Normal(0, 1), tau ~ HalfNormal(.5), rho ~ Uniform(-1, 1). The source used 40 replicates; its own Monte-Carlo "
        "error is taken from the spread of our replicates, and its rounding to two decimals is counted. Cells of one "
        "row share no data. All in `comparison.csv`.",
        "",
        f"Sampling: {settings['chains']} chain of {settings['tune']} + {settings['draws']} draws, target acceptance "
        f"{settings['target_accept']}. All {manifest['fits']} fits count, converged or not: R-hat above 1.01 in "
        f"{manifest['rhat_above_1.01']}, above 1.05 in {manifest['rhat_above_1.05']}; smallest ESS of a fit below 100 "
        f"in {manifest['ess_below_100']}; divergences in {manifest['fits_with_divergences']}{graded}.",
        "",
        f"Cost: {manifest['cpu_seconds']:.0f} CPU seconds, median {manifest['median_cpu_seconds_a_fit']:.2f} a fit.",
        "",
    ]
    return "\n".join(lines)
