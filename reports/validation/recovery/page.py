"""The page of a recovery study in words."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from bayesmodels.parts.trajectories import DECELERATION
from bayesmodels.simulation import published_truth
from validation.pages import grades_said, opening

ABOUT = {
    "model": """Every trial: truths drawn from the model's prior, kept if plausible; 72 early and 36 delayed starters in
two strata (39 / 33 and 21 / 15); VALOR's visits to week 148; data lock at random between weeks 104 and 200, dropout at
random (1.5 % a month), 3 % of visits missed; values drawn with NumPy (`model_visits`, no part and no kernel of the
model); then a refit of the compiled model. Scores are not rounded or bounded, as the model has them.

**Plausible** means: in both start groups and strata and at every visit to week 148, mean ALSFRS-R is within 0 to 48
and the geometric mean of NfL within tenfold of its value at randomisation. {refused} of {drawn} prior draws were
refused. Truths then come from the prior *restricted* to plausible courses, while the fit uses the whole prior, so
coverage is conditional on plausibility and need not be exactly 95 %. The exact comparison restricts the posterior
draws in the same way (columns `_kept`); {plausible:.1%} of the posterior draws are plausible.""",
    "generator": """Trials come from `bayesmodels.simulation`, calibrated to VALOR, which is **not** the model. Truths
are the generator's parameters, moments of 200,000 simulated persons a stratum, and its true contrasts
(`population_truth`: everyone alive and followed). What is in the trials and not in the model: Brownian steps of NfL
that shrink over time, skewed decline rates, slowing in proportion to a person's own decline and NfL response, scores
rounded and held within 0 to 48, SDs that differ by stratum, a shift of NfL during the extension and a late decline
after a year on drug, loss to death, ventilation and withdrawal that depends on current score and decline. So coverage
below nominal is expected, and is the finding. One truth is used throughout: coverage is at that truth, not averaged
over the prior. The model's effect on the rate of ALSFRS-R has no counterpart in the generator; it is judged by the
differences of mean courses.""",
}


def verdict(source: str, table: pd.DataFrame, manifest: dict[str, Any]) -> str:
    """The result in one paragraph."""
    judged = judged_rows(source, table)
    outside = judged.loc[~judged["inside"], "parameter"].tolist()
    n = manifest["trials"]
    text = (
        f"{len(judged) - len(outside)} of {len(judged)} parameters have coverage within simultaneous limits "
        f"(95 % intervals: {manifest['limits_95'][0]} to {manifest['limits_95'][1]} of {n}; 50 %: "
        f"{manifest['limits_50'][0]} to {manifest['limits_50'][1]})."
    )
    if outside:
        text += f" Outside: {'; '.join(outside)}."
    return text


def judged_rows(source: str, table: pd.DataFrame) -> pd.DataFrame:
    """The parameters that the verdict counts: with one truth for all trials, those that the prior does not dominate."""
    return table[~table["prior_dominated"]] if source == "generator" else table


def page(source: str, table: pd.DataFrame, manifest: dict[str, Any]) -> str:
    """README of the study's folder."""
    n = manifest["trials"]
    settings = manifest["settings"]
    drawn = n + manifest["prior_draws_refused_as_implausible"]
    about = ABOUT[source].format(
        refused=manifest["prior_draws_refused_as_implausible"],
        drawn=drawn,
        plausible=manifest["plausible_share_of_posterior_draws"],
    )
    graded, limits = grades_said(manifest, n), ""
    if "grades" not in manifest:  # made before there were three grades
        graded += f", that is {1 - manifest['converged_by_the_package_verdict'] / n:.0%} did not"
        limits = " (R-hat 1.01, ESS 400, no divergences)"
    main = table[~table["prior_dominated"]]
    apart = table[table["prior_dominated"]]
    lines = [
        *opening(manifest, verdict(source, table, manifest), unfinished(n, manifest["planned"]))[:-1],
        f"Mean coverage over all parameters: {manifest['mean_coverage_95']:.1%} of 95 % intervals, "
        f"{manifest['mean_coverage_50']:.1%} of 50 % intervals.",
    ]
    if source == "model":
        lines += [
            f"With the posterior draws restricted as the truths were: {manifest['inside_kept']} of {len(table)} "
            f"inside, {manifest['mean_coverage_95_kept']:.1%} and {manifest['mean_coverage_50_kept']:.1%}."
        ]
    else:
        lines += ["", bends(main), "", deceleration(table.set_index("parameter").loc["deceleration[alsfrs_r]"])]
    lines += [
        "",
        "## What was done",
        "",
        about,
        "",
        "Limits are exact binomial, simultaneous over all parameters and both interval levels (family-wise 95 %, "
        "Bonferroni). Parameters of one fit are correlated, which makes the limits wide rather than narrow.",
        "",
        f"Sampling: {settings['chains']} chains of {settings['tune']} + {settings['draws']} draws, target acceptance "
        f"{settings['target_accept']}; fewer draws than the package's default, to fit many trials. All {n} fits count. "
        f"By the package's verdict{limits}, made for reports and four times as many draws, {graded}: R-hat above 1.01 "
        f"in {manifest['rhat_above_1.01']} (above 1.05 in {manifest['rhat_above_1.05']}), smallest ESS below 400 in "
        f"{manifest['ess_below_400']} (below 100 in {manifest['ess_below_100']}; median "
        f"{manifest['median_min_ess_bulk']:.0f} bulk), divergences in {manifest['fits_with_divergences']}.",
        "",
        f"Cost: {manifest['cpu_seconds']:.0f} CPU seconds with compilation, {manifest['fits_per_cpu_hour']:.0f} fits "
        f"per CPU hour, median {manifest['median_cpu_seconds_a_fit']:.1f} CPU seconds a fit, on a shared machine.",
        "",
        "## Coverage",
        "",
        "Counts of trials; bias is the mean of posterior median minus truth, z its size in Monte-Carlo "
        "standard errors.",
        "",
        *coverage_lines(main if source == "generator" else table),
    ]
    if source == "generator":
        lines += [
            "",
            "### Dominated by the prior, listed apart",
            "",
            "The functional lag and the SD between two start groups are hardly informed by a trial of this size: their "
            "intervals cover or miss by where the prior lies relative to the one truth. (The truth of the SD between "
            "start groups is 0, which no interval of a positive parameter contains.)",
            "",
            *coverage_lines(apart),
        ]
    return "\n".join([*lines, "", "![Coverage](coverage.png)", ""])


def unfinished(done: int, planned: int) -> list[str]:
    """A warning where the study has not run to its end."""
    if done == planned:
        return []
    return [f"**Unfinished: {done} of {planned} fits.** The command above goes on from its log.", ""]


def bends(table: pd.DataFrame) -> str:
    """What is biased or covered too seldom, largest first."""
    low = table[table["covered_95"] < table["lowest_95"]].sort_values("covered_95")
    if low.empty:
        return "What bends: no parameter outside the prior-dominated ones is covered too seldom."
    told = [f"{r.parameter} ({r.covered_95}, bias {r.bias:+.2g}, z {r.z_bias:+.0f})" for r in low.itertuples()]
    return "What bends, by how many of the 95 % intervals cover: " + "; ".join(told) + "."


def deceleration(row: Any) -> str:
    """Where the deceleration of function lies: prior, posterior, truth."""
    truth, prior = published_truth().deceleration, DECELERATION
    low, high = (prior.median * math.exp(side * 1.96 * prior.sigma) for side in (-1, 1))
    return (
        f"The deceleration of the untreated ALSFRS-R is learned, and comes out too strong: truth {truth:g} a month, "
        f"prior median {prior.median:g} ({low:.3f} to {high:.3f}), posterior medians {truth + row['bias']:.3f} on "
        f"average, 95 % intervals {row['width_95']:.3f} wide of which {row['covered_95']} cover. That is the model's "
        "misfit to these trials, not the prior."
    )


def coverage_lines(table: pd.DataFrame) -> list[str]:
    """Markdown table."""
    lines = [
        "| parameter | 95 % | 50 % | 95 %, restricted | 50 %, restricted | bias | z | mean width of 95 % | inside |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for r in table.itertuples():
        lines.append(
            f"| {r.parameter} | {r.covered_95} | {r.covered_50} | {r.covered_95_kept} | {r.covered_50_kept} | "
            f"{r.bias:+.3g} | {r.z_bias:+.1f} | {r.width_95:.3g} | {'yes' if r.inside else '**no**'} |"
        )
    return lines
