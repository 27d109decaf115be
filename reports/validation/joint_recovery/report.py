"""Recovery with informative death: table, figure, manifest and page."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bayesmodels.files import write_whole
from bayesmodels.fitted import versions
from bayesmodels.reporting.drawing import png_bytes
from bayesmodels.safe_labels import table_csv
from validation.joint_recovery.study import (
    FITTED,
    LAYOUTS,
    TRUTH,
    JointRecoverySpec,
    draw_trial,
    ignoring_in_large_samples,
    main_quantities,
    truths,
)
from validation.recovery.report import convergence_counts, fits_table
from validation.simulated.joint_chance import chance, without_chance
from validation.simulated.joint_trials import JointLayout
from validation.simulated.joint_truth import Array

FOLDERS = {
    "parallel": "reports/validation/joint_recovery",
    "delayed": "reports/validation/joint_recovery-delayed",
}
COLOURS = {"joint": "#0b5fa5", "ignoring": "#c8500a"}
QUANTILES = ("lower_95", "lower_50", "median", "upper_50", "upper_95")


def tidy(records: list[dict[str, Any]], true: dict[str, float]) -> pd.DataFrame:
    """One row a trial, model and quantity: truth, lower_95, lower_50, median, upper_50, upper_95."""
    rows = [
        {"trial": record["trial"], "model": fitted, "quantity": name, "truth": true[name]}
        | dict(zip(QUANTILES, values, strict=True))
        for record in records
        for fitted in FITTED
        for name, values in record[fitted]["parameters"].items()
    ]
    return pd.DataFrame(rows)


def summary(rows: pd.DataFrame, luck: Array) -> pd.DataFrame:
    """Bias, coverage and widths of every quantity by model, with Monte-Carlo standard errors.

    Parameters
    ----------
    rows : DataFrame
        From `tidy`.
    luck : (trial, number)
        From `joint_chance.chance`, in the order of the trials.

    Returns
    -------
    DataFrame
        model, quantity, truth, bias (mean of posterior median minus truth), bias_se, adjusted and adjusted_se (bias
        without what these trials' luck explains, `joint_chance.without_chance`), error (root mean square), covered_95,
        covered_50 (shares), their standard errors, width_95, width_50 (means), fits.
    """
    found = []
    for (fitted, quantity), own in rows.groupby(["model", "quantity"], sort=False):
        error = own["median"] - own["truth"]
        row: dict[str, Any] = {"model": fitted, "quantity": quantity, "truth": own["truth"].iloc[0]}
        row |= {"bias": error.mean(), "bias_se": error.std(ddof=1) / np.sqrt(len(own))}
        row["adjusted"], row["adjusted_se"] = without_chance(error.to_numpy(), luck)
        row["error"] = np.sqrt((error**2).mean())
        for level in (95, 50):
            inside = own[f"lower_{level}"].le(own["truth"]) & own[f"upper_{level}"].ge(own["truth"])
            share = inside.mean()
            row |= {f"covered_{level}": share, f"covered_{level}_se": np.sqrt(share * (1 - share) / len(own))}
            row[f"width_{level}"] = (own[f"upper_{level}"] - own[f"lower_{level}"]).mean()
        found.append(row | {"fits": len(own)})
    return pd.DataFrame(found)


def write_report(records: list[dict[str, Any]], spec: JointRecoverySpec, out: Path, planned: int) -> str:
    """Write manifest.json, coverage.csv, estimates.csv, fits.csv, estimates.png and README.md; return the verdict."""
    from validation.joint_recovery.page import page, verdict

    out.mkdir(parents=True, exist_ok=True)
    true = truths(spec.design)
    rows = tidy(records, true)
    luck = np.array([chance(TRUTH, draw_trial(spec, record["trial"])[0]) for record in records])
    table = summary(rows, luck)
    kept = ("trial", "cpu_seconds", "dead", "visits")
    fits = {
        fitted: fits_table([{k: r[k] for k in kept} | r[fitted] for r in records]).assign(model=fitted)
        for fitted in FITTED
    }
    seconds = sum(record["cpu_seconds"] for record in records)
    manifest = {
        "study": f"Recovery of JointEventModel with informative death, {spec.design} design",
        "command": f"python -m validation.joint_recovery.study {spec.design} --trials {planned} --seed {spec.seed} "
        f"--out {FOLDERS[spec.design]}",
        "settings": asdict(spec),
        "trials": len(records),
        "planned": planned,
        "truth": {name: round(value, 5) for name, value in true.items()},
        "bias_of_ignoring_death_in_40000_persons": ignoring_in_large_samples(spec.design),
        "bias_in_a_delayed_start_design": ignoring_in_large_samples("delayed"),
        "dead_by_start_group": np.mean([record["dead"] for record in records], axis=0).round(3).tolist(),
        "luck": _difference_of_rates(luck, LAYOUTS[spec.design]),
        "visits_a_trial": float(np.mean([record["visits"] for record in records])),
        "convergence": {fitted: convergence_counts(fits[fitted]) for fitted in FITTED},
        "cpu_seconds": round(seconds, 1),
        "median_cpu_seconds_a_trial": float(np.median([record["cpu_seconds"] for record in records])),
        "versions": versions(),
    }
    write_whole(out / "manifest.json", (json.dumps(manifest, indent=2) + "\n").encode())
    write_whole(out / "coverage.csv", table_csv(table, float_format="%.5g"))
    write_whole(out / "estimates.csv", table_csv(rows, float_format="%.5g"))
    write_whole(out / "fits.csv", table_csv(pd.concat(fits.values()).drop(columns="dead")))
    write_whole(out / "estimates.png", png_bytes(figure(rows, main_quantities(spec.design)), dpi=90))
    write_whole(out / "README.md", page(table, manifest, spec.design).encode())
    return verdict(table, manifest, spec.design)


def figure(rows: pd.DataFrame, quantities: list[str]) -> Figure:
    """Posterior medians of the trials, smallest first, with 95 % intervals, by model; the truth as a line."""
    found = Figure(figsize=(10.5, 2.3 * len(quantities) / 2), layout="constrained")
    panels = found.subplots(-(-len(quantities) // 2), 2, squeeze=False).ravel()
    for panel, quantity in zip(panels, quantities, strict=False):
        for side, fitted in enumerate(FITTED):
            own = rows[(rows["quantity"] == quantity) & (rows["model"] == fitted)].sort_values("median")
            x = side + np.linspace(-0.4, 0.4, len(own))
            panel.vlines(x, own["lower_95"], own["upper_95"], color=COLOURS[fitted], lw=0.8, alpha=0.5)
            panel.plot(x, own["median"], ".", ms=3, color=COLOURS[fitted])
        panel.axhline(own["truth"].iloc[0], color="0.2", lw=0.9)
        panel.set_xticks([0, 1], ["joint model", "death ignored"], fontsize=8)
        panel.set_title(quantity, fontsize=8)
        panel.tick_params(labelsize=7)
    return found


def _difference_of_rates(luck: Array, layout: JointLayout) -> dict[str, float]:
    """Mean over trials of the start groups' difference in the persons' own rates, zero in expectation, and its SD."""
    sizes = np.array([row[0] for row in layout.persons])
    expected = float(TRUTH.person_sd[1] * np.sqrt((1 / sizes).sum() / len(luck)))
    return {"difference_of_rates": float((luck[:, 1] - luck[:, 5]).mean()), "expected_sd": expected}
