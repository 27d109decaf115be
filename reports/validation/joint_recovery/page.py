"""The page of a recovery study with informative death, in words."""

from __future__ import annotations

from typing import Any

import pandas as pd

from validation.joint_recovery.study import FITTED, LAYOUTS, TRUTH, main_quantities
from validation.pages import grades_said, opening
from validation.recovery.page import unfinished
from validation.recovery.report import binomial_limits

PULLED = 4
"""Monte-Carlo standard errors beyond which a bias is told."""


def verdict(table: pd.DataFrame, manifest: dict[str, Any], design: str) -> str:
    """The result in a few lines."""
    first, last = LAYOUTS[design].groups
    n = manifest["trials"]
    joint, ignoring = (table[table["model"] == fitted].set_index("quantity") for fitted in FITTED)
    size, slope = "drug_effect[score]", "population_rate[score]"
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
            f"{r['bias']:+.3g} (SE {r['bias_se']:.2g}; without chance {r['adjusted']:+.3g}, SE "
            f"{r['adjusted_se']:.2g}), coverage {r['covered_95']:.0%} and {r['covered_50']:.0%}"
        )

    inside = (
        f"Of {len(joint)} quantities of the joint model, {len(joint) - len(outside)} have coverage within simultaneous "
        f"limits ({limits[0][0]} to {limits[0][1]} and {limits[1][0]} to {limits[1][1]} of {n})"
    )
    pulled = [
        f"{name} {r['adjusted']:+.3g} (SE {r['adjusted_se']:.2g}; truth {r['truth']:.3g})"
        for name, r in joint.iterrows()
        if abs(r["adjusted"]) > PULLED * r["adjusted_se"]
    ]
    biased = (
        f" Biased by more than {PULLED} Monte-Carlo SE (without chance), which coverage does not show where intervals "
        f"are wide: {'; '.join(pulled)}."
        if pulled
        else ""
    )
    return "\n".join(
        [
            f"Over {n} trials, bias with its Monte-Carlo SE, as it came out and without chance (below), and coverage "
            "of 95 % and 50 % intervals:",
            "",
            f"- slope difference (truth {joint.loc[size, 'truth']:+.1f} points a month, + favours early): death "
            f"ignored {told(ignoring, size)}; joint model {told(joint, size)}",
            f"- slope off drug (truth {joint.loc[slope, 'truth']:+.1f} points a month): death ignored "
            f"{told(ignoring, slope)}; joint model {told(joint, slope)}",
            f"- difference at week 148 as if everyone were alive (truth {joint.loc[gap, 'truth']:+.1f} points, + "
            f"favours early): death ignored {told(ignoring, gap)}; joint model {told(joint, gap)}",
            f"- difference at week 148 among the living (truth {joint.loc[living, 'truth']:+.1f} points): the one "
            f"difference of the model that ignores death {told(ignoring, living)}; joint model {told(joint, living)}",
            "",
            f"{inside}{'. Outside: ' + '; '.join(outside) if outside else ''}.{biased}",
        ]
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
        f"the drug changes the rate by {effect:+.1f}; visits scatter with SD 4; the score has no bounds. The hazard of "
        "death is .8 % a month at a score of 37 and a rate of -1, times exp(-.1 per point of the current value - 2 per "
        "point a month of the current rate): a person who declines one point a month faster has 7.4 times the hazard "
        "at once, and more as the score falls. So the bias was made: with the association this strong, intervals "
        "between visits of 12 to 28 weeks and noise of SD 4, who dies is known from the exits, and not from the "
        "visits. With frequent and precise visits, or a hazard that depends on what was observed, ignoring death would "
        "hardly bias (missing at random). On average "
        f"{manifest['dead_by_start_group'][0]:.0%} and {manifest['dead_by_start_group'][1]:.0%} die before week 148, "
        f"and a trial has {manifest['visits_a_trial']:.0f} visits.",
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
        f"month ({bias['effect'] / effect:+.0%} of the effect): more persons do not cure it.{_other(manifest, design)}",
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
        "Bias: mean of posterior median minus truth, as it came out, and without chance: the luck of these trials "
        "(means of the simulated persons' own levels and rates by start group, and of deaths less expected deaths, all "
        "of known expectation zero) taken out by regression, which is more precise. In brackets Monte-Carlo standard "
        f"errors. {_luck(manifest, first, last)} Coverage is as it came out. Differences are {first} minus {last}; a "
        "score that is up is good, so + favours early start.",
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


def _other(manifest: dict[str, Any], design: str) -> str:
    if design != "parallel":
        return ""
    bias = manifest["bias_in_a_delayed_start_design"]
    return (
        " The same truth in a delayed-start design (72 early, 36 from week 28 on the same drug): "
        f"{bias['rate']:+.3f} and {bias['effect']:+.3f}; where both groups lose their fast decliners alike, the "
        "difference between them is biased less than either course."
    )


def _luck(manifest: dict[str, Any], first: str, last: str) -> str:
    found = manifest["luck"]
    return (
        f"The simulated persons' own rates differ between {first} and {last} by {found['difference_of_rates']:+.3f} "
        f"points a month on average over these trials, where 0 is expected with an SD of {found['expected_sd']:.3f}."
    )


def _convergence(fitted: str, manifest: dict[str, Any]) -> str:
    found, n = manifest["convergence"][fitted], manifest["trials"]
    passed = f"{found['converged_by_the_package_verdict']} converged"
    graded = grades_said(found, n) if "grades" in found else passed
    return (
        f"{_title(fitted)}: R-hat above 1.01 in {found['rhat_above_1.01']} of {n} (above 1.05 in "
        f"{found['rhat_above_1.05']}), bulk or tail ESS below 400 in {found['ess_below_400']} (below 100 in "
        f"{found['ess_below_100']}; median of the smallest bulk ESS {found['median_min_ess_bulk']:.0f}), divergences "
        f"in {found['fits_with_divergences']}; {graded} by the package's verdict, made for reports and twice as many "
        "draws."
    )


def _title(fitted: str) -> str:
    return "joint model" if fitted == "joint" else "death ignored"


def _rows(table: pd.DataFrame) -> list[str]:
    """Markdown table."""
    return [
        "| quantity | truth | model | bias | without chance | covered by 95 % | covered by 50 % | width of 95 % "
        "| width of 50 % |",
        "|---|---|---|---|---|---|---|---|---|",
        *(
            f"| {r.quantity} | {r.truth:.3g} | {_title(r.model)} | {r.bias:+.3g} ({r.bias_se:.2g}) | "
            f"{r.adjusted:+.3g} ({r.adjusted_se:.2g}) | "
            f"{r.covered_95:.0%} ({r.covered_95_se:.0%}) | {r.covered_50:.0%} ({r.covered_50_se:.0%}) | "
            f"{r.width_95:.3g} | {r.width_50:.3g} |"
            for r in table.itertuples()
        ),
    ]
