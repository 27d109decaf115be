"""The page of the generator study, in Markdown: written from its rows and manifest alone."""

from __future__ import annotations

import pandas as pd

EXPECTED_148 = {
    "all persons": (-11.3, -13.0),
    "observed cases": (-6.7, -7.1),
    "imputed, adjusted": (-11.4, -13.4),
}
"""Week 148 in the calibration that gave the truth, early and delayed; imputed there unadjusted."""


PAGE = """\
# Does the generator reproduce what VALOR published?

{trials} simulated trials of 72 / 36, seed {seed}. Simulated trials are not data. Remake with

    {command}

## Result

- Core rows inside: **{core_rows_inside} of {core_rows}**. All rows inside: **{all_rows_inside} of {all_rows}**
  ({by_table}).
- A published number is inside if it lies within the central 95 % of the simulated trials' numbers. The truth was
  calibrated to these same rows, and neighbouring rows share people, so this says only that few published numbers look
  out of place. It is no test of the generator, least of all of the drug's effect on function, which these numbers do
  not identify.
- The truth (`data/evidence/valor_simulator_truth.csv`) comes from a calibration of our own to these rows, made before
  the package and not published. It reports 51 of 54 rows over 600 trials and does not list its
  rows. The core rows here follow a rule that gives 54 too; they need not be the same rows, so the two counts are not
  comparable. The count over all rows does not depend on the choice.

Core rows: means of NfL and ALSFRS-R from `valor_2021` at weeks 12 and 28, from `ole_2021` after week 28 (its earlier
visits repeat `valor_2021`), from `valor_2021_itt` and `final_2025`; and every count that is a result. The remaining
rows of `rows.csv`: the other weeks of `valor_2021`, `integrated_2022`, and the contrasts of NfL, ALSFRS-R and events.

## Outside

{outside}

Nearest the edge among those inside:

{edge}

Two patterns at this truth: published ALSFRS-R hardly falls in the first eight weeks and then falls faster than a course
that slows from the start; and among the means adjusted for NfL the delayed group's are lower, and the early group's at
week 12 higher, than the simulated ones.

## ALSFRS-R change at week 148, three ways

| | early | delayed | early - delayed | expected (early, delayed) |
|---|---|---|---|---|
{week_148}

All persons: the same simulated persons with nobody dying, leaving or missing a visit. Observed cases: plain means of
those still seen. Imputed: missing at random, ANCOVA. Monte-Carlo standard errors in brackets. Plain means carry each
group's own share of faster progression (39 / 72, 21 / 36). Observed cases lose most of a real early-start advantage.
Expected: from the calibration that gave the truth; ours are {least_gap:.1f} to {largest_gap:.1f} points from it.

## Events

{hazard_ratios}

The published survival gain to January 2022 is larger than the median simulated one (the calibration says about .75
against .36). The early group loses fewer persons to death or ventilation in most simulated trials, but not by as much.

## Followed at week 148

The evidence table dates the 34 early and 12 delayed starters who completed the extension to week 148. Here "completed"
means followed to the end of the trial, months 44 to 60. Followed at week 148 itself are {at_148};
read so, the published counts lie at the lower edge, and the generator keeps too many.

## Spread

Median ratio of the simulated SD of a mean to its published SE: {spread}. Published SEs are pooled over start groups.

## How the rows are made

- Means: all randomised, at the data lock of the published series (July 2021, January 2022, end). A missing visit is
  predicted by regression on start group, the value at randomisation and the two visits before, visit after visit,
  within the stratum (or with stratum as a covariate); then ANCOVA on start group and the value at randomisation
  (`integrated_2022`: also log NfL). Multiple imputation averages to the same means.
- Entered the extension: still followed at week 28.
- Hazard ratios: Cox, early against delayed start; to January 2022 adjusted for log NfL at randomisation. Death counts
  after permanent ventilation, not after withdrawal.

## What the truth table leaves open, and the choice made

- The late decline of NfL on drug changes NfL only; decline of function and hazards respond to the drop D h(x).
- The NfL drift accrues at rate exp(-t / 8) (1 - h(x)), so it stops as the drug takes hold.
- Steps of the NfL Brownian path shrink as exp(-t / 20).
- Permanent ventilation ends a person's visits.
- 3 % of visits are missed (assumed); visits fall on their nominal weeks.
"""


def page(rows: pd.DataFrame, manifest: dict) -> str:
    """The page.

    Parameters
    ----------
    rows : DataFrame
        As from `validation.generator.study.compare`.
    manifest : dict
        As written to ``manifest.json``.
    """
    late = manifest["week_148_alsfrs_r_change"]
    gaps = [
        abs(late[f"{way}, {group}"]["mean"] - value)
        for way, pair in EXPECTED_148.items()
        for group, value in zip(("early", "delayed"), pair, strict=True)
    ]
    return PAGE.format(
        **{key: manifest[key] for key in manifest if key != "by_table"},
        by_table=", ".join(f"{table} {n['inside']} of {n['rows']}" for table, n in manifest["by_table"].items()),
        outside="\n".join(_listed(rows[rows["core"]], "core") + _listed(rows[~rows["core"]], "other")),
        edge="\n".join(_edge(rows)),
        week_148="\n".join(_week_148(late)),
        hazard_ratios="\n".join(_hazard_ratios(rows)),
        at_148=" and ".join(
            f"{n['mean']:.1f} {group} (95 % {n['lower']:.0f} to {n['upper']:.0f})"
            for group, n in manifest["followed_at_week_148"].items()
        ),
        spread=", ".join(f"{name} {value}" for name, value in manifest["simulated_sd_over_published_se"].items()),
        least_gap=min(gaps),
        largest_gap=max(gaps),
    )


def _name(row: pd.Series) -> str:
    parts = [row["series"] or row["table"], row["stratum"], row["start_group"]]
    week = f"week {row['week']}" if row["week"].isdigit() else row["week"].replace("_", " ")
    return ", ".join([*parts, week, row["what"].replace("_", " ")])


def _line(row: pd.Series) -> str:
    return (
        f"- {_name(row)}: published {row['published']:.4g} ({row['certainty']}), simulated {row['simulated_mean']:.3g} "
        f"({row['lower_95']:.3g} to {row['upper_95']:.3g})"
    )


def _listed(rows: pd.DataFrame, label: str) -> list[str]:
    outside = rows[~rows["inside"]]
    if outside.empty:
        return [f"- Of the {label} rows: none."]
    return [_line(row) for _, row in outside.iterrows()]


def _edge(rows: pd.DataFrame) -> list[str]:
    inside = rows[rows["inside"]]
    distance = (inside["share_below"] - 0.5).abs()
    return [_line(inside.loc[index]) for index in distance.nlargest(6).index]


def _week_148(means: dict) -> list[str]:
    lines = []
    for way, expected in EXPECTED_148.items():
        early, delayed = means[f"{way}, early"], means[f"{way}, delayed"]
        cells = [f"{m['mean']:.2f} ({m['monte_carlo_se']:.2f})" for m in (early, delayed)]
        difference = early["mean"] - delayed["mean"]
        lines.append(f"| {way} | {cells[0]} | {cells[1]} | {difference:+.2f} | {expected[0]}, {expected[1]} |")
    return [*lines, "| published (`final_2025`) | -9.9 | -13.5 | +3.60 | |"]


def _hazard_ratios(rows: pd.DataFrame) -> list[str]:
    ratios = rows[rows["what"].str.endswith("hazard_ratio")]
    return [
        f"- {_name(row)}: published {row['published']:.2f}, median simulated {row['simulated_median']:.2f} "
        f"(95 % {row['lower_95']:.2f} to {row['upper_95']:.2f}); "
        f"{100 * row['share_below']:.0f} % of trials below the published"
        for _, row in ratios.iterrows()
    ]
