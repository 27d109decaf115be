"""Shares of verdicts by kind of surrogate and number of trials: table, manifest and page."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import binomtest

from bayesmodels.files import write_whole
from bayesmodels.fitted import versions
from bayesmodels.safe_labels import table_csv
from bayesmodels.simulation import COLLECTIONS
from bayesmodels.surrogacy.verdict import ANSWERS
from validation.pages import opening

FOLDER = "reports/validation/surrogacy_verdicts"
RUNGS = {
    "response": "response",
    "individual": "individual",
    "trial_rung": "trial",
    "trial_rung_undirected": "trial, directions not stated",
}
FALSE_KINDS = ("null", "paradox", "harmful")
"""Surrogates that must not be called supported on the trial rung."""

LIMIT = 0.05


def shares(records: pd.DataFrame) -> pd.DataFrame:
    """Share of every answer by kind, number of trials and rung.

    Returns
    -------
    DataFrame
        kind, trials, rung, answer, count, simulations, share, lower, upper (95 % limits, Clopper-Pearson).
    """
    rows = []
    for (kind, trials), cell in records.groupby(["kind", "trials"], sort=False):
        for column, rung in RUNGS.items():
            given = cell[column].dropna() if column in cell else pd.Series(dtype=object)
            for answer in ANSWERS if len(given) else ():
                count = int((given == answer).sum())
                limits = binomtest(count, len(given)).proportion_ci(0.95)
                share = count / len(given)
                rows.append((kind, trials, rung, answer, count, len(given), share, limits.low, limits.high))
    columns = ["kind", "trials", "rung", "answer", "count", "simulations", "share", "lower", "upper"]
    return pd.DataFrame(rows, columns=columns)


def write_report(records: list[dict[str, Any]], spec: Any, out: Path) -> str:
    """Write manifest.json, shares.csv, simulations.csv and README.md; return the verdict."""
    out.mkdir(parents=True, exist_ok=True)
    simulations = pd.DataFrame(records).drop(columns="process")
    table = shares(simulations)
    fits = simulations[simulations["trials"] > 1]
    manifest = {
        "study": "Shares of verdicts",
        "command": f"python -m validation.surrogacy_verdicts.study --simulations {spec.simulations} --seed {spec.seed} "
        f"--out {FOLDER}",
        "settings": asdict(spec),
        "truths": {name: asdict(truth) for name, truth in COLLECTIONS.items()},
        "simulations": len(simulations),
        "largest_share_supported_where_false": round(float(_false(table)["share"].max()), 4),
        "rhat_above_1.01": int((fits["max_rhat"] > 1.01).sum()),
        "rhat_above_1.05": int((fits["max_rhat"] > 1.05).sum()),
        "fits_with_divergences": int((fits["divergences"] > 0).sum()),
        "cpu_seconds": round(float(simulations["cpu_seconds"].sum()), 1),
        "versions": versions(),
    }
    write_whole(out / "manifest.json", (json.dumps(manifest, indent=2) + "\n").encode())
    write_whole(out / "shares.csv", table_csv(table.round(4)))
    write_whole(out / "simulations.csv", table_csv(simulations))
    write_whole(out / "README.md", page(table, simulations, manifest).encode())
    return verdict(table)


def _false(table: pd.DataFrame, rung: str = "trial") -> pd.DataFrame:
    """Rows that count a false "supported" on the trial rung."""
    return table[(table["rung"] == rung) & (table["answer"] == "supported") & table["kind"].isin(FALSE_KINDS)]


def verdict(table: pd.DataFrame) -> str:
    """The result in one paragraph."""
    false = _false(table)
    worst = false.loc[false["share"].idxmax()]
    most = (
        f"{worst['share']:.0%} ({worst['kind']}, {worst['trials']} trials; {worst['count']} of {worst['simulations']})"
    )
    kept = "holds" if worst["share"] <= LIMIT else "DOES NOT HOLD"
    perfect = table[(table["kind"] == "perfect") & (table["rung"] == "trial") & (table["answer"] == "supported")]
    told = ", ".join(f"{r.share:.0%} at {r.trials}" for r in perfect.itertuples())
    blind = _false(table, "trial, directions not stated")
    loose = blind.loc[blind["share"].idxmax()]
    return (
        f'A null or paradoxical surrogate is called "supported" on the trial rung in at most {most}: the limit of '
        f"{LIMIT:.0%} {kept} (largest upper 95 % limit {false['upper'].max():.1%}). A perfect one is called supported "
        f"in {told} trials. Where the good directions are not stated, |rho| alone is judged, blind to paradoxes: "
        f"{loose['share']:.0%} supported ({loose['kind']}, {loose['trials']} trials)."
    )


def page(table: pd.DataFrame, simulations: pd.DataFrame, manifest: dict[str, Any]) -> str:
    """README of the study's folder."""
    settings = manifest["settings"]
    lines = [
        *opening(manifest, verdict(table)),
        "## Kinds of surrogate",
        "",
        *(
            f"- **{truth.name}**: {truth.meaning}. R2_trial {truth.r2_trial:.2f}, R2_indiv "
            f"{truth.individual_correlation**2:.2f}; mean effects {truth.mean[0]:g} and {truth.mean[1]:g}."
            for truth in COLLECTIONS.values()
        ),
        "",
        "A lower surrogate and a higher outcome are good, and declared so. The drug lowers the surrogate on average in "
        "every kind, with an SD of .3 between drugs: in one trial of six it does not, so the response rung must vary.",
        "",
    ]
    for rung in RUNGS.values():
        part = table[table["rung"] == rung]
        lines += [
            f"## Rung: {rung}",
            "",
            f"Share of {settings['simulations']} simulations each.",
            "",
            f"| surrogate | trials | {' | '.join(ANSWERS)} |",
            f"|---|---|{'---|' * len(ANSWERS)}",
        ]
        for (kind, trials), cell in part.groupby(["kind", "trials"], sort=False):
            by = cell.set_index("answer")["share"]
            lines.append(f"| {kind} | {trials} | {' | '.join(f'{by[a]:.0%}' for a in ANSWERS)} |")
        lines.append("")
    single = simulations[simulations["trials"] == 1]
    lines += [
        "## Prentice's criteria in a single trial",
        "",
        "Effect on the outcome given the surrogate counts as none within 0.1 points a month.",
        "",
        "| surrogate | assessable (the outcome moved) | joint probability of all four at least .95 |",
        "|---|---|---|",
    ]
    for kind, cell in single.groupby("kind", sort=False):
        met = (cell["prentice_joint"] >= 0.95) & cell["prentice_assessable"]
        lines.append(f"| {kind} | {cell['prentice_assessable'].mean():.0%} | {met.mean():.0%} |")
    lines += [
        "",
        "## What was done",
        "",
        f"A single trial has {settings['single_patients_per_arm']} patients an arm with one value of each endpoint, "
        "judged from exact posterior draws (as `single_trial` draws them). A collection has trials of "
        f"{settings['patients_per_arm']} patients an arm, given as effects with standard errors and their known "
        "correlation, fitted by `TrialLevelModel` with scales .3 and .25 and judged by `trial_verdict` with its "
        f"default cut-offs: {settings['chains']} chain of {settings['tune']} + {settings['draws']} draws. All fits "
        f"count: R-hat above 1.01 in {manifest['rhat_above_1.01']}, above 1.05 in {manifest['rhat_above_1.05']}; "
        f"divergences in {manifest['fits_with_divergences']}. 95 % limits of every share in `shares.csv`.",
        "",
        f"Cost: {manifest['cpu_seconds']:.0f} CPU seconds.",
        "",
    ]
    return "\n".join(lines)
