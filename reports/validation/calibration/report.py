"""Ranks of a simulation-based calibration: table, figure, manifest and page."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bayesmodels.files import write_whole
from bayesmodels.fitted import versions
from bayesmodels.reporting.drawing import png_bytes
from bayesmodels.safe_labels import table_csv
from validation.calibration.ranks import ecdf_figure, uniformity_table
from validation.pages import grades_said, opening
from validation.recovery.page import unfinished
from validation.recovery.report import convergence_counts, fits_table


@dataclass(frozen=True)
class About:
    """What a calibration is of: its title, the command's start, the folder of the results, and what was done."""

    title: str
    command: str
    folder: str
    done: str


LONGITUDINAL = About(
    "Simulation-based calibration of LongitudinalModel",
    "python -m validation.calibration.longitudinal",
    "reports/validation/calibration/LongitudinalModel",
    "Every parameter is drawn from the whole prior of the model (NfL and ALSFRS-R by their presets, two strata, "
    "partial pooling of the drug effect between start groups); a trial is drawn with NumPy from the formulas "
    "(`reports/validation/simulated/model_trials.py`: its own courses, its own hierarchical form of the effect by "
    "start group, LKJ by the onion method); the compiled model is refitted to it; the truth is ranked among {kept} "
    "evenly spaced draws. Ranked are all population parameters, the contrast between start groups on its own scale, "
    "the differences of mean courses at weeks 28, 52 and 148, and the trial's log-likelihood. Trials have 36 early "
    "and 18 delayed starters (20 / 16 and 10 / 8 by stratum) and eight visits to week 148, with follow-up of 60 to "
    "200 weeks, dropout and missed visits at random.",
)


def write_report(records: list[dict[str, Any]], spec: Any, out: Path, planned: int, about: About = LONGITUDINAL) -> str:
    """Write manifest.json, uniformity.csv, ranks.csv, fits.csv, ecdf.png and README.md; return the verdict.

    Parameters
    ----------
    planned : int
        Fits of the whole study; `records` may hold fewer, and the page then says so.
    about : About
    """
    out.mkdir(parents=True, exist_ok=True)
    ranks = pd.DataFrame([record["ranks"] for record in records])
    fits = fits_table(records)
    table = uniformity_table(ranks, spec.kept)
    seconds = float(fits["cpu_seconds"].sum())
    manifest = {
        "study": about.title,
        "command": f"{about.command} --fits {planned} --seed {spec.seed} --out {about.folder}",
        "settings": asdict(spec),
        "fits": len(fits),
        "planned": planned,
        "quantities": len(table),
        "inside": int(table["inside"].sum()),
        **convergence_counts(fits),
        "cpu_seconds": round(seconds, 1),
        "fits_per_cpu_hour": round(3600 * len(fits) / seconds, 1),
        "median_cpu_seconds_a_fit": float(fits["cpu_seconds"].median()),
        "versions": versions(),
    }
    write_whole(out / "manifest.json", (json.dumps(manifest, indent=2) + "\n").encode())
    write_whole(out / "uniformity.csv", table_csv(table.round(4)))
    write_whole(out / "ranks.csv", table_csv(ranks))
    write_whole(out / "fits.csv", table_csv(fits))
    figure = ecdf_figure(ranks, spec.kept)
    for panel in figure.axes:
        panel.title.set_fontsize(5.5)
    write_whole(out / "ecdf.png", png_bytes(figure, dpi=70))
    text = page(table, manifest, about.done.format(kept=spec.kept))
    write_whole(out / "README.md", text.encode())
    return verdict(table, manifest)


def verdict(table: pd.DataFrame, manifest: dict[str, Any]) -> str:
    """The result in one paragraph."""
    outside = table.loc[~table["inside"]]
    text = (
        f"{manifest['inside']} of {manifest['quantities']} quantities have the ECDF of their {manifest['fits']} ranks "
        "inside simultaneous 95 % bands (Bonferroni over quantities)."
    )
    if len(outside):
        told = [f"{r.parameter} (largest deviation {r.largest:+.2f} at {r.at:.2f})" for r in outside.itertuples()]
        return f"{text} Outside: {'; '.join(told)}."
    return f"{text} No miscalibration is seen."


def page(table: pd.DataFrame, manifest: dict[str, Any], done: str) -> str:
    """README of the study's folder."""
    settings, n = manifest["settings"], manifest["fits"]
    worst = table.reindex(table["largest"].abs().sort_values(ascending=False).index).head(8)
    lines = [
        *opening(manifest, verdict(table, manifest), unfinished(n, manifest["planned"])),
        "## What was done",
        "",
        done,
        "",
        f"Sampling: {settings['chains']} chains of {settings['tune']} + {settings['draws']} draws, target acceptance "
        f"{settings['target_accept']}. All {n} fits count, converged or not. R-hat above 1.01 in "
        f"{manifest['rhat_above_1.01']} (above 1.05 in {manifest['rhat_above_1.05']}), smallest bulk ESS of a fit: "
        f"median {manifest['median_min_ess_bulk']:.0f}; bulk or tail ESS below 100 in {manifest['ess_below_100']}; "
        f"divergences in {manifest['fits_with_divergences']} fits. By the package's verdict, made for reports and more "
        f"draws, {grades_said(manifest, n)}.",
        "",
        f"Cost: {manifest['cpu_seconds']:.0f} CPU seconds with compilation, {manifest['fits_per_cpu_hour']:.0f} fits "
        f"per CPU hour, median {manifest['median_cpu_seconds_a_fit']:.1f} CPU seconds a fit, on a shared machine.",
        "",
        "## Largest deviations",
        "",
        "| quantity | largest deviation of the ECDF | at | mean rank | inside |",
        "|---|---|---|---|---|",
        *(
            f"| {r.parameter} | {r.largest:+.3f} | {r.at:.2f} | {r.mean_rank:.3f} | {'yes' if r.inside else '**no**'} |"
            for r in worst.itertuples()
        ),
        "",
        "All in `uniformity.csv`; ranks in `ranks.csv`.",
        "",
        "![ECDF of ranks](ecdf.png)",
        "",
    ]
    return "\n".join(lines)
