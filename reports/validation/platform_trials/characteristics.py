"""Operating characteristics beside their source, by scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from bayesmodels.reporting.chapters.disease_rate import HEALEY_RULE
from bayesmodels.trials.study import Variant

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


def scenario_table(records: Sequence[dict[str, Any]]) -> pd.DataFrame:
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


def analysis_table(records: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Posterior mean and probabilities of every ratio, one row per trial, analysis and regimen."""
    rows = []
    for record in records:
        analyses = [("final", record["final"]), *((f"look {j + 1}", a) for j, a in enumerate(record.get("looks", ())))]
        analyses += [("many draws", record["long"])] if "long" in record else []
        for label, found in analyses:
            for k, values in enumerate(zip(found["mean"], found["slower"], found["worthwhile"], strict=True)):
                rows.append((record["trial"], record["scenario"], label, k, *values))
    columns = ["trial", "scenario", "analysis", "regimen", "mean_ratio", "below_1", "below_0.9"]
    return pd.DataFrame(rows, columns=columns)


def context(files: Mapping[str, Any], variant: Variant) -> dict[str, Any]:
    """Scenarios that have a source, each with whether it agrees and within what; the rule, and all trials."""
    compared = files["scenarios"].dropna(subset=["source_success"])
    null = compared["scenario"].str.startswith("no effect")
    limit = (2 * compared["success_error"]).where(null, TOLERANCE)
    compared = compared.assign(
        agrees=(compared["success"] - compared["source_success"]).abs() <= limit,
        within=np.where(null, "twice its Monte-Carlo error", f"{TOLERANCE:g}"),
        few=null & (compared["trials"] < FEW_TRIALS),
    )
    return {"compared": compared, "rule": HEALEY_RULE, "most": variant.trials}
