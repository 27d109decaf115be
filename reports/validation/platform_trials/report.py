"""Operating characteristics beside their source: table by scenario, manifest and page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from bayesmodels.files import write_whole
from bayesmodels.fitted import versions
from bayesmodels.reporting.chapters.disease_rate import HEALEY_RULE
from bayesmodels.safe_labels import table_csv
from validation.pages import opening

FOLDER = "reports/validation/platform_trials"

SOURCE: dict[str, tuple[float, float]] = {
    "no effect": (0.024, 1.01),
    "no effect, stopped for futility": (0.024, 1.05),
    "30 % slowing, hazard ratio .70": (0.77, 0.69),
    "30 % slowing, hazard ratio 1.0": (0.72, 0.71),
}
"""Published probability of success and mean DRR by scenario (`page` has the source); the null may be with stopping."""

TOLERANCE = 0.05
"""Of the alternatives' probability of success; the null's is its own Monte-Carlo error."""

FEW_TRIALS = 100
"""Simulated trials below which a share near .02 is not compared with the source's."""


def results(records: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Every scenario, with its Monte-Carlo errors over trials, beside its source.

    Returns
    -------
    DataFrame
        scenario, trials, regimens, success (share of regimens), success_error, mean_ratio (mean of the posterior mean
        DRR), ratio_error, stopped (share of regimens stopped for futility, NaN without looks), source_success,
        source_ratio.
    """
    rows = []
    for name in dict.fromkeys(record["scenario"] for record in records):
        own = [record for record in records if record["scenario"] == name]
        rows.append(_row(name, [_at_the_end(record["final"]) for record in own]))
        looked = [record for record in own if record.get("looks")]
        if looked:
            rows.append(
                _row(f"{name}, the same trials, not stopped", [_at_the_end(record["final"]) for record in looked])
            )
            rows.append(_row(f"{name}, stopped for futility", [_with_stopping(record) for record in looked]))
    return pd.DataFrame(rows)


def _at_the_end(final: dict[str, Any]) -> np.ndarray:
    """Success, ratio and NaN of every regimen of a final analysis, (3, regimen)."""
    shares = zip(final["slower"], final["worthwhile"], strict=True)
    success = [HEALEY_RULE.verdict(*both, final=True) == "success" for both in shares]
    return np.array([success, final["mean"], np.full(len(success), np.nan)])


def _with_stopping(record: dict[str, Any]) -> np.ndarray:
    """Success, ratio and stopped of every regimen: as at the first look that said futility, or at the end."""
    found = _at_the_end(record["final"])
    found[2] = 0.0
    for k in range(found.shape[1]):
        for look in record["looks"]:
            if HEALEY_RULE.verdict(look["slower"][k], look["worthwhile"][k], final=False) == "futility":
                found[:, k] = (0.0, look["mean"][k], 1.0)
                break
    return found


def _row(name: str, trials: list[np.ndarray]) -> dict[str, Any]:
    """Means over regimens; their errors over trials, whose regimens share controls."""
    by_trial = np.array(trials).mean(axis=2)
    error = by_trial.std(axis=0, ddof=1) / np.sqrt(len(by_trial)) if len(by_trial) > 1 else np.full(3, np.nan)
    mean = by_trial.mean(axis=0)
    source = SOURCE.get(name, (np.nan, np.nan))
    return {
        "scenario": name,
        "trials": len(trials),
        "regimens": sum(trial.shape[1] for trial in trials),
        "success": mean[0],
        "success_error": error[0],
        "mean_ratio": mean[1],
        "ratio_error": error[1],
        "stopped": mean[2],
        "source_success": source[0],
        "source_ratio": source[1],
    }


def short_chains(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the study's short chains cost, by the trials that were fitted with many draws as well.

    Returns
    -------
    dict
        regimens, disagree (decisions that differ), success_short, success_long (counts), near_threshold (regimens with
        Pr(DRR < 1) between .95 and .995 by the long chain), sd_probability (root mean square difference there).
    """
    both = [record for record in records if "long" in record]
    short, long = (np.array([record[fit]["slower"] for record in both]).ravel() for fit in ("final", "long"))
    near = (long > 0.95) & (long < 0.995)
    decided_short, decided_long = (np.ravel([_at_the_end(r[fit])[0] for r in both]) for fit in ("final", "long"))
    return {
        "regimens": len(short),
        "disagree": int((decided_short != decided_long).sum()),
        "success_short": int(decided_short.sum()),
        "success_long": int(decided_long.sum()),
        "near_threshold": int(near.sum()),
        "sd_probability": round(float(np.sqrt(((short - long)[near] ** 2).mean())), 4) if near.any() else None,
    }


def normal_scores(records: Sequence[dict[str, Any]], draws: int) -> dict[str, dict[str, float]]:
    """Pr(DRR < 1) of the trials without effect as normal scores: standard normal if posteriors are as wide as they err.

    Returns
    -------
    dict
        By scenario: mean, sd; implied_success, the probability of success of normal scores with that mean and SD: it
        rests on all regimens, where the share of successes rests on the few beyond the threshold; error, by resampling
        trials.
    """
    found: dict[str, list[list[float]]] = {}
    for record in records:
        if record["scenario"].startswith("no effect"):
            found.setdefault(record["scenario"], []).append(record["final"]["slower"])
    return {name: _scores(np.array(shares), draws) for name, shares in found.items()}


def _scores(shares: np.ndarray, draws: int) -> dict[str, float]:
    """Of the shares (trial, regimen) of draws below 1."""
    scores = stats.norm.ppf((shares * draws + 0.5) / (draws + 1))
    limit = stats.norm.ppf(HEALEY_RULE.success)

    def implied(chosen: np.ndarray) -> float:
        return float(stats.norm.sf(limit, chosen.mean(), chosen.std(ddof=1)))

    rng = np.random.default_rng(0)
    again = [implied(scores[rng.integers(len(scores), size=len(scores))]) for _ in range(400)]
    return {
        "mean": round(float(scores.mean()), 4),
        "sd": round(float(scores.std(ddof=1)), 4),
        "implied_success": round(implied(scores), 4),
        "error": round(float(np.std(again)), 4),
    }


def write_report(records: list[dict[str, Any]], spec: Any, out: Path) -> str:
    """Write manifest.json, scenarios.csv, trials.csv and README.md; return the verdict."""
    out.mkdir(parents=True, exist_ok=True)
    table = results(records)
    finals = [record["final"] for record in records]
    seconds = sum(record["cpu_seconds"] for record in records)
    fits = sum(1 + len(record.get("looks", ())) + ("long" in record) for record in records)
    manifest = {
        "study": "Operating characteristics of a platform trial with shared controls (SharedRateModel)",
        "command": f"python -m validation.platform_trials.study --trials {len(records)} --seed {spec.seed} "
        f"--out {FOLDER}",
        "settings": asdict(spec),
        "trials": len(records),
        "planned": spec.trials,
        "fits": fits,
        "normal_scores_without_effect": normal_scores(records, spec.draws),
        "short_chains": short_chains(records),
        "median_ess_of_the_ratios": float(np.median([final["ess"] for final in finals])),
        "ess_below_100": int(sum(final["ess"] < 100 for final in finals)),
        "rhat_above_1.05": int(sum(final["rhat"] > 1.05 for final in finals)),
        "fits_with_divergences": int(sum(final["divergences"] > 0 for final in finals)),
        "cpu_seconds": round(seconds, 1),
        "cpu_hours": round(seconds / 3600, 2),
        "versions": versions(),
    }
    write_whole(out / "manifest.json", (json.dumps(manifest, indent=2) + "\n").encode())
    write_whole(out / "scenarios.csv", table_csv(table.round(4)))
    write_whole(out / "trials.csv", table_csv(_trials(records)))
    write_whole(out / "README.md", page(table, manifest).encode())
    return verdict(table)


def _trials(records: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One row a trial, analysis and regimen."""
    rows = []
    for record in records:
        analyses = [("final", record["final"]), *((f"look {j + 1}", a) for j, a in enumerate(record.get("looks", ())))]
        analyses += [("many draws", record["long"])] if "long" in record else []
        for label, found in analyses:
            for k, values in enumerate(zip(found["mean"], found["slower"], found["worthwhile"], strict=True)):
                rows.append((record["trial"], record["scenario"], label, k, *values))
    columns = ["trial", "scenario", "analysis", "regimen", "mean_ratio", "below_1", "below_0.9"]
    return pd.DataFrame(rows, columns=columns)


def verdict(table: pd.DataFrame) -> str:
    """The result in one paragraph, accepted or not."""
    sentences = []
    for row in table.dropna(subset=["source_success"]).itertuples():
        apart = row.success - row.source_success
        null = row.scenario.startswith("no effect")
        limit = 2 * row.success_error if null else TOLERANCE
        within = "twice its Monte-Carlo error" if null else f"{TOLERANCE:g}"
        agrees = f"{'agrees' if abs(apart) <= limit else '**does not agree**'} within {within}"
        if null and row.trials < FEW_TRIALS:
            agrees = f"{row.trials} trials, too few to tell"
        sentences.append(
            f"{row.scenario[0].upper()}{row.scenario[1:]}: success {row.success:.3f} ({row.success_error:.3f}) beside "
            f"{row.source_success:.3g}, {agrees}; mean DRR {row.mean_ratio:.3f} "
            f"({row.ratio_error:.3f}) beside {row.source_ratio:.2f}."
        )
    return " ".join(sentences)


def page(table: pd.DataFrame, manifest: dict[str, Any]) -> str:
    """README of the study's folder."""
    settings, short, scores = manifest["settings"], manifest["short_chains"], manifest["normal_scores_without_effect"]
    stopped_early = []
    if manifest["trials"] < manifest["planned"]:
        stopped_early = [
            f"{manifest['trials']} of {manifest['planned']} planned trials; scenarios take turns, so that each has its "
            "share. The number does not depend on the results.",
            "",
        ]

    def beside(value: float, decimals: int) -> str:
        return "" if np.isnan(value) else f"{value:.{decimals}f}"

    lines = [
        *opening(manifest, verdict(table), stopped_early),
        "## Table",
        "",
        "Monte-Carlo standard errors in brackets, over trials: the three regimens of a trial share controls. Source: "
        "simulations of 10,000 trials a scenario that the HEALEY ALS Platform Trial (NCT04297683) published of its "
        "design; which of its documents the numbers were read from is not on record. The design is described in Ann "
        "Neurol 2023;94:547-560.",
        "",
        "| scenario | trials | regimens | probability of success | source | mean DRR | source | stopped for futility |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {r.scenario} | {r.trials} | {r.regimens} | {r.success:.3f} ({r.success_error:.3f}) | "
            f"{beside(r.source_success, 3)} | {r.mean_ratio:.3f} ({r.ratio_error:.3f}) | {beside(r.source_ratio, 2)} | "
            f"{beside(r.stopped, 2)} |"
            for r in table.itertuples()
        ),
        "",
        "Mean DRR is the mean over regimens of the posterior mean; where a regimen was stopped, of that at the stop.",
        "",
        "## Trials without effect",
        "",
        "Pr(DRR < 1) as normal scores over regimens: an SD below 1 means posteriors wider than their errors. The "
        "success they imply rests on all regimens, not only on the few beyond the threshold.",
        "",
        "| scenario | mean | SD | implied success |",
        "|---|---|---|---|",
        *(
            f"| {name} | {own['mean']:.2f} | {own['sd']:.2f} | {own['implied_success']:.3f} ({own['error']:.3f}) |"
            for name, own in scores.items()
        ),
        "",
        "The model allows for regimens that differ (median of their SD .06 a priori) and for calendar blocks that do. "
        "Where the truth has neither, that widens posteriors; the last row has regimens that differ by the prior's "
        "median. Whether they did in the source's trials, it does not say.",
        "",
        "## What was done",
        "",
        "Three regimens of 120 active and 40 placebo persons run at the same time, accrual 40 a month over the "
        "platform, visits at weeks 0, 4, ..., 24, dropout 2 % a month, 24-week mortality 5 % in the control. Scores "
        "are normal about linear courses (baseline 38, SD 6.7; decline 1.0 a month of 52/12 weeks, SD .8 unless "
        "said; residual SD 1.5), not limited to 0 to 48. A slowing of 30 % multiplies every active person's decline by "
        ".70. The source does not publish every truth it simulated from; SDs of the decline of .7 and .9 show how "
        "much that matters. All three drugs do the same. The model has its default priors, regimens and "
        "calendar blocks of 90 days.",
        "",
        f"Success: Pr(DRR < {HEALEY_RULE.success_ratio:g}) > {HEALEY_RULE.success:g} at the end. Futility: Pr(DRR < "
        f"{HEALEY_RULE.futility_ratio:g}) < {HEALEY_RULE.futility:g} at looks every 12 weeks, the first once every "
        "regimen has 40 persons randomised 24 weeks ago, the last before the last person's week 24. A regimen that "
        "stops keeps its later persons in the other regimens' analyses; for itself the analysis at the stop counts.",
        "",
        "## Short chains",
        "",
        f"One chain of {settings['tune']} + {settings['draws']} draws a fit; median effective draws of the ratios "
        f"{manifest['median_ess_of_the_ratios']:.0f}, below 100 in {manifest['ess_below_100']}, R-hat (halves) above "
        f"1.05 in {manifest['rhat_above_1.05']}, divergences in {manifest['fits_with_divergences']} of "
        f"{manifest['trials']} final fits. All count. In {short['regimens']} regimens fitted with "
        f"{settings['long_draws']} draws as well, {short['disagree']} decisions differ: {short['success_short']} "
        f"successes by the short chain, {short['success_long']} by the long one; where Pr(DRR < 1) is between .95 and "
        f".995 ({short['near_threshold']} regimens) the two differ by {short['sd_probability']} (root mean square).",
        "",
        f"Cost: {manifest['fits']} fits, {manifest['cpu_hours']:.2f} CPU hours on a shared machine, simulation and "
        "compilation included.",
        "",
    ]
    return "\n".join(lines)
