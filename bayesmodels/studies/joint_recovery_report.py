"""Recovery with informative death: table, figure, manifest and page."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bayesmodels.fitting.fitted import versions
from bayesmodels.reporting.drawing import png_bytes
from bayesmodels.reporting.files import write_whole
from bayesmodels.studies.joint_recovery import LAYOUTS, TRUTH, JointRecoverySpec, ignoring_in_large_samples, truths
from bayesmodels.studies.pages import opening
from bayesmodels.studies.recovery_page import unfinished
from bayesmodels.studies.recovery_report import binomial_limits, convergence_counts, fits_table

FOLDERS = {
    "parallel": "reports/validation/JointEventModel-recovery",
    "delayed": "reports/validation/JointEventModel-recovery-delayed",
}
FITTED = ("joint", "ignoring")
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


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Bias, coverage and widths of every quantity by model, with Monte-Carlo standard errors.

    Returns
    -------
    DataFrame
        model, quantity, truth, bias (mean of posterior median minus truth), bias_se, error (root mean square),
        covered_95, covered_50 (shares), their standard errors, width_95, width_50 (means), fits.
    """
    found = []
    for (fitted, quantity), own in rows.groupby(["model", "quantity"], sort=False):
        error = own["median"] - own["truth"]
        row: dict[str, Any] = {"model": fitted, "quantity": quantity, "truth": own["truth"].iloc[0]}
        row |= {"bias": error.mean(), "bias_se": error.std(ddof=1) / np.sqrt(len(own))}
        row["error"] = np.sqrt((error**2).mean())
        for level in (95, 50):
            inside = own[f"lower_{level}"].le(own["truth"]) & own[f"upper_{level}"].ge(own["truth"])
            share = inside.mean()
            row |= {f"covered_{level}": share, f"covered_{level}_se": np.sqrt(share * (1 - share) / len(own))}
            row[f"width_{level}"] = (own[f"upper_{level}"] - own[f"lower_{level}"]).mean()
        found.append(row | {"fits": len(own)})
    return pd.DataFrame(found)


def main_quantities(design: str) -> list[str]:
    """What the study is about: slope difference, difference at week 148 and mean courses, alive and as if alive."""
    first, last = LAYOUTS[design].groups
    return [
        "population_rate[score]",
        "drug_effect[score]",
        f"curve[score, {first}, week 148]",
        f"curve[score, {last}, week 148]",
        f"difference[score, {first} - {last}, week 148]",
        f"living[score, {first}, week 148]",
        f"living[score, {last}, week 148]",
        f"living_difference[score, {first} - {last}, week 148]",
    ]


def write_report(records: list[dict[str, Any]], spec: JointRecoverySpec, out: Path, planned: int) -> str:
    """Write manifest.json, coverage.csv, estimates.csv, fits.csv, estimates.png and README.md; return the verdict."""
    out.mkdir(parents=True, exist_ok=True)
    true = truths(spec.design)
    rows = tidy(records, true)
    table = summary(rows)
    kept = ("trial", "cpu_seconds", "dead", "visits")
    fits = {
        fitted: fits_table([{k: r[k] for k in kept} | r[fitted] for r in records]).assign(model=fitted)
        for fitted in FITTED
    }
    seconds = sum(record["cpu_seconds"] for record in records)
    manifest = {
        "study": f"Recovery of JointEventModel with informative death, {spec.design} design",
        "command": f"python -m bayesmodels.studies.joint_recovery {spec.design} --trials {planned} --seed {spec.seed} "
        f"--out {FOLDERS[spec.design]}",
        "settings": asdict(spec),
        "trials": len(records),
        "planned": planned,
        "truth": {name: round(value, 5) for name, value in true.items()},
        "bias_of_ignoring_death_in_40000_persons": ignoring_in_large_samples(spec.design),
        "dead_by_start_group": np.mean([record["dead"] for record in records], axis=0).round(3).tolist(),
        "visits_a_trial": float(np.mean([record["visits"] for record in records])),
        "convergence": {fitted: convergence_counts(fits[fitted]) for fitted in FITTED},
        "cpu_seconds": round(seconds, 1),
        "median_cpu_seconds_a_trial": float(np.median([record["cpu_seconds"] for record in records])),
        "versions": versions(),
    }
    write_whole(out / "manifest.json", (json.dumps(manifest, indent=2) + "\n").encode())
    write_whole(out / "coverage.csv", table.to_csv(index=False, float_format="%.5g").encode())
    write_whole(out / "estimates.csv", rows.to_csv(index=False, float_format="%.5g").encode())
    write_whole(out / "fits.csv", pd.concat(fits.values()).drop(columns="dead").to_csv(index=False).encode())
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


def verdict(table: pd.DataFrame, manifest: dict[str, Any], design: str) -> str:
    """The result in one paragraph."""
    first, last = LAYOUTS[design].groups
    n = manifest["trials"]
    joint, ignoring = (table[table["model"] == fitted].set_index("quantity") for fitted in FITTED)
    size = "drug_effect[score]"
    gap = f"difference[score, {first} - {last}, week 148]"
    living = f"living_{gap}"
    limits = binomial_limits(n, 0.95, 2 * len(joint)), binomial_limits(n, 0.5, 2 * len(joint))
    outside = [
        f"{r.Index} ({r.covered_95:.0%}, {r.covered_50:.0%})"
        for r in joint.itertuples()
        if not all(
            low <= round(share * n) <= high
            for share, (low, high) in zip((r.covered_95, r.covered_50), limits, strict=True)
        )
    ]

    def told(rows: pd.DataFrame, name: str) -> str:
        r = rows.loc[name]
        return (
            f"{r['bias']:+.3g} (Monte-Carlo SE {r['bias_se']:.2g}), coverage {r['covered_95']:.0%} and "
            f"{r['covered_50']:.0%}"
        )

    text = (
        f"Bias, and coverage of 95 % and 50 % intervals, over {n} trials. Slope difference (truth "
        f"{TRUTH.outcomes[0].effect[0, 0]:+.1f} points a month, + favours early): death ignored "
        f"{told(ignoring, size)}; joint model {told(joint, size)}. Slope off drug: death ignored "
        f"{told(ignoring, 'population_rate[score]')}; joint model {told(joint, 'population_rate[score]')}. Difference "
        f"at week 148 as if everyone were alive (truth {joint.loc[gap, 'truth']:+.1f} points, + favours early): death "
        f"ignored {told(ignoring, gap)}; joint model {told(joint, gap)}. Difference among the living at week 148 "
        f"(truth {joint.loc[living, 'truth']:+.1f} points): the one difference of the model that ignores death is off "
        f"by {told(ignoring, living)}; joint model {told(joint, living)}."
    )
    if outside:
        return (
            f"{text} Of {len(joint)} quantities of the joint model, {len(outside)} have coverage outside simultaneous "
            f"limits ({limits[0][0]} to {limits[0][1]} and {limits[1][0]} to {limits[1][1]} of {n}): "
            f"{'; '.join(outside)}."
        )
    return (
        f"{text} All {len(joint)} quantities of the joint model have coverage within simultaneous limits "
        f"({limits[0][0]} to {limits[0][1]} and {limits[1][0]} to {limits[1][1]} of {n})."
    )


def page(table: pd.DataFrame, manifest: dict[str, Any], design: str) -> str:
    """README of the study's folder."""
    n, settings, layout = manifest["trials"], manifest["settings"], LAYOUTS[design]
    bias = manifest["bias_of_ignoring_death_in_40000_persons"]
    first, last = layout.groups
    effect = TRUTH.outcomes[0].effect[0, 0]
    starts = "whose drug starts at week 28" if design == "delayed" else "who never start the drug"
    main = main_quantities(design)
    chosen = table["quantity"].isin(main)
    lines = [
        *opening(manifest, verdict(table, manifest, design), unfinished(n, manifest["planned"])),
        "## What was done",
        "",
        f"Every trial has {layout.persons[0][0]} persons who start the drug at randomisation ({first}) and "
        f"{layout.persons[1][0]} {starts} ({last}), with visits at weeks {', '.join(f'{w:g}' for w in layout.weeks)} "
        "unless dead before. The score starts at 37 (SD 6 between persons) and falls by 1.2 points a month (SD 1.0); "
        f"the drug changes the rate by {effect:+.1f}; visits scatter with SD 4. The hazard of death is .8 % a month at "
        "a score of 37 and a rate of -1, times exp(-.1 per point of the current value - 2 per point a month of the "
        "current rate): a person who declines one point a month faster has 7.4 times the hazard at once, and more as "
        "the score falls. So the bias was made: with the association this strong, intervals between visits of 12 to "
        "28 weeks and noise of SD 4, who dies is known from the exits, and not from the visits. With frequent and "
        "precise visits, or a hazard that depends on what was observed, ignoring death would hardly bias (missing at "
        f"random). On average {manifest['dead_by_start_group'][0]:.0%} and {manifest['dead_by_start_group'][1]:.0%} "
        f"die before week 148, and a trial has {manifest['visits_a_trial']:.0f} visits.",
        "",
        "One truth throughout: coverage is at that truth, not averaged over a prior; priors are wide. Fitted to the "
        "same tables: `JointEventModel` (hazard in three pieces; current value and rate) and `LongitudinalModel` with "
        "the same priors, which ignores death. Two truths: **as if alive**, the mean course of everyone randomised "
        "had nobody died, which both models' `curve` and `difference` describe under their assumptions; and **among "
        "the living**, the mean of those alive at week 148, computed from the joint model's parameters by quadrature "
        "over person terms. The model that ignores death has one mean course, which is compared with both.",
        "",
        f"In 40,000 simulated persons, with the variances known (generalised least squares), ignoring death biases "
        f"the slope off drug by {bias['rate']:+.3f} and the drug's effect on it by {bias['effect']:+.3f} points a "
        f"month ({bias['effect'] / effect:+.0%} of the effect): more persons do not cure it.",
        "",
        f"Sampling: {settings['chains']} chains of {settings['tune']} + {settings['draws']} draws, target acceptance "
        f"{settings['target_accept']}. All fits count.",
        *(f"- {_convergence(fitted, manifest)}" for fitted in FITTED),
        "",
        f"Cost: {manifest['cpu_seconds']:.0f} CPU seconds with compilation, median "
        f"{manifest['median_cpu_seconds_a_trial']:.1f} CPU seconds a trial (both models), on a shared machine.",
        "",
        "## Slopes, differences and means",
        "",
        "Bias: mean of posterior median minus truth. In brackets Monte-Carlo standard errors. Differences are "
        f"{first} minus {last}; a score that is up is good, so + favours early start.",
        "",
        *_rows(table[chosen].sort_values("quantity", key=lambda q: q.map(main.index), kind="stable")),
        "",
        "![Estimates](estimates.png)",
        "",
        "## All parameters",
        "",
        *_rows(table[~chosen]),
        "",
    ]
    return "\n".join(lines)


def _convergence(fitted: str, manifest: dict[str, Any]) -> str:
    found, n = manifest["convergence"][fitted], manifest["trials"]
    return (
        f"{_title(fitted)}: R-hat above 1.01 in {found['rhat_above_1.01']} of {n} (above 1.05 in "
        f"{found['rhat_above_1.05']}), smallest ESS below 400 in {found['ess_below_400']} (below 100 in "
        f"{found['ess_below_100']}; median {found['median_min_ess_bulk']:.0f} bulk), divergences in "
        f"{found['fits_with_divergences']}; {found['converged_by_the_package_verdict']} converged by the package's "
        "verdict, made for reports and five times as many draws."
    )


def _title(fitted: str) -> str:
    return "joint model" if fitted == "joint" else "death ignored"


def _rows(table: pd.DataFrame) -> list[str]:
    """Markdown table."""
    return [
        "| quantity | truth | model | bias | covered by 95 % | covered by 50 % | width of 95 % | width of 50 % |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {r.quantity} | {r.truth:.3g} | {_title(r.model)} | {r.bias:+.3g} ({r.bias_se:.2g}) | "
            f"{r.covered_95:.0%} ({r.covered_95_se:.0%}) | {r.covered_50:.0%} ({r.covered_50_se:.0%}) | "
            f"{r.width_95:.3g} | {r.width_50:.3g} |"
            for r in table.itertuples()
        ),
    ]
