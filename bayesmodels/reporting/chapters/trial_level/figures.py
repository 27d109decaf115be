"""Figures of the trial rung: bubbles with line and bands, prior and posterior, threshold, leave-one-out, influence."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from bayesmodels.posterior.wording import fixed
from bayesmodels.reporting.drawing import COLOURS, add_title, new_panel, no_difference
from bayesmodels.surrogacy.trial_level.draws import limits
from bayesmodels.surrogacy.trial_level.evidence import TrialEvidence, ratio_said
from bayesmodels.surrogacy.trial_level.threshold import benefit_curve

BLUE, ORANGE, GREEN, _, _, GREY = COLOURS
DRAWS = 1500
"""Draws behind a band or curve."""

LONGEST = 26


def trial_figures(evidence: TrialEvidence, prob: float) -> dict[str, Callable[[], Figure]]:
    """Makers of the figures this evidence allows, by name."""
    makers: dict[str, Callable[[], Figure]] = {
        "trial_bubbles": partial(bubble_figure, evidence, prob),
        "trial_r2": partial(r2_figure, evidence),
    }
    if len(evidence.thresholds):
        makers["trial_threshold"] = partial(threshold_figure, evidence)
    if len(evidence.judged_rows):
        makers["trial_leave_one_out"] = partial(leave_one_out_figure, evidence)
        makers["trial_influence"] = partial(influence_figure, evidence, prob)
    return makers


def bubble_figure(evidence: TrialEvidence, prob: float) -> Figure:
    """Effects of the trials, the line with its credible band, the band of a new trial, and the threshold."""
    figure, axes = new_panel(height=4.0)
    rows = evidence.rows.dropna(subset=["surrogate_estimate", "outcome_estimate"])
    x, y = rows["surrogate_estimate"].to_numpy(float), rows["outcome_estimate"].to_numpy(float)
    grid = _span(evidence, x)
    few = evidence.draws.thinned(DRAWS)
    tail = (1 - prob) / 2
    line = np.quantile(few.intercept[:, None] + few.slope[:, None] * grid, [tail, 0.5, 1 - tail], axis=0)
    new = np.array([few.predicted(float(a)).interval(prob) for a in grid]).T
    axes.fill_between(grid, new[1], new[2], color=GREY, alpha=0.13, linewidth=0, label="new trial")
    axes.fill_between(grid, line[0], line[2], color=BLUE, alpha=0.25, linewidth=0, label="line")
    axes.plot(grid, line[1], color=BLUE, linewidth=1.6)
    information = 1 / rows["outcome_se"].to_numpy(float) ** 2
    axes.errorbar(
        x, y, xerr=1.96 * rows["surrogate_se"], yerr=1.96 * rows["outcome_se"], fmt="none", ecolor="#999999",
        elinewidth=0.7, zorder=2,
    )  # fmt: skip
    axes.scatter(x, y, s=30 + 170 * information / information.max(), color=ORANGE, alpha=0.75, linewidth=0, zorder=3)
    no_difference(axes)
    no_difference(axes, vertical=True)
    found = _first_threshold(evidence)
    if found is not None and grid[0] <= found <= grid[-1]:
        axes.axvline(found, color=GREEN, linestyle="--", linewidth=1.3, label="threshold")
    low = min((y - 2.2 * rows["outcome_se"]).min(), line[0].min() * 0.5 + new[1].min() * 0.5)
    high = max((y + 2.2 * rows["outcome_se"]).max(), line[2].max() * 0.5 + new[2].max() * 0.5)
    axes.set_xlim(grid[0], grid[-1])
    axes.set_ylim(low, high)
    axes.set_xlabel(_axis(evidence, "surrogate"))
    axes.set_ylabel(_axis(evidence, "outcome"))
    add_title(axes, "Effects by trial")
    return figure


def r2_figure(evidence: TrialEvidence) -> Figure:
    """R2 a posteriori over R2 a priori, as the share of probability in each twentieth."""
    figure, axes = new_panel(height=3.1)
    edges = np.linspace(0, 1, 21)
    # R2's prior density has a pole at 0: shares of bins are drawn, not densities.
    for values, colour, label in ((evidence.prior.r2, GREY, "prior"), (evidence.draws.r2, BLUE, "posterior")):
        share = np.histogram(values, edges)[0] / len(values)
        axes.stairs(share, edges, fill=True, color=colour, alpha=0.28)
        axes.stairs(share, edges, color=colour, linewidth=1.4, label=label)
    axes.set_xlim(0, 1)
    axes.set_xlabel("R² of effects over trials")
    axes.set_ylabel("Probability of each twentieth")
    add_title(axes, "R², prior and posterior")
    return figure


def threshold_figure(evidence: TrialEvidence) -> Figure:
    """P(benefit) of a new trial by its effect on the surrogate, with the levels and where they are reached."""
    figure, axes = new_panel(height=3.4)
    good = str(evidence.good["outcome"])
    grid = _span(evidence, evidence.rows["surrogate_estimate"].dropna().to_numpy(float), points=61)
    few = evidence.draws.thinned(DRAWS)
    curves = [(0.0, 0.0, BLUE, "-", "known"), (0.0, evidence.typical_se, BLUE, ":", "estimated")]
    if evidence.margin:
        curves.append((evidence.margin, 0.0, ORANGE, "-", f"above {evidence.margin:g}"))
    for margin, se, colour, style, label in curves:
        axes.plot(grid, benefit_curve(few, grid, good, margin, se), style, color=colour, linewidth=1.6, label=label)
    written = 2.0
    for level in sorted(set(evidence.thresholds["level"]), reverse=True):
        axes.axhline(level, color="#bbbbbb", linewidth=0.7)
        if written - level > 0.04:  # no label over another
            axes.text(grid[-1], level, f" {100 * level:g} %", va="center", fontsize=8, color="#555555")
            written = level
    found = _first_threshold(evidence)
    if found is not None and grid[0] <= found <= grid[-1]:
        axes.axvline(found, color=GREEN, linestyle="--", linewidth=1.3)
    axes.set_xlim(grid[0], grid[-1])
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(_axis(evidence, "surrogate"))
    axes.set_ylabel("P(benefit in a new trial)")
    add_title(axes, "Threshold")
    return figure


def leave_one_out_figure(evidence: TrialEvidence) -> Figure:
    """Every trial's estimate beside what the other programmes predict."""
    table = evidence.judged_rows
    figure, axes = new_panel(height=max(2.2, 1.1 + 0.32 * len(table)))
    se = evidence.rows.set_index("trial")["outcome_se"]
    estimates = evidence.rows.set_index("trial")["outcome_estimate"]
    for k, row in enumerate(table.itertuples()):
        axes.plot([row.observed_lower, row.observed_upper], [k, k], color=BLUE, linewidth=5, alpha=0.3, zorder=1)
        axes.plot([row.lower, row.upper], [k, k], color=BLUE, linewidth=1.6, zorder=2)
        found, error = float(estimates[row.trial]), float(se[row.trial])
        axes.errorbar(
            found, k, xerr=1.96 * error, fmt="o", color=ORANGE, markersize=5, elinewidth=0.9,
            markerfacecolor=ORANGE if row.inside else "white", zorder=3,
        )  # fmt: skip
    no_difference(axes, vertical=True)
    axes.set_yticks(range(len(table)), [_short(name) for name in table["trial"]], fontsize=8)
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.set_xlabel(_axis(evidence, "outcome"))
    axes.set_title("Each programme left out", loc="left", fontweight="bold", fontsize=10.5)
    return figure


def influence_figure(evidence: TrialEvidence, prob: float) -> Figure:
    """R2 without each programme, beside R2 with all."""
    table = evidence.judged_rows.drop_duplicates("programme")
    figure, axes = new_panel(height=max(2.2, 1.4 + 0.32 * len(table)))
    median, lower, upper = limits(evidence.draws.r2, prob)
    axes.axvspan(lower, upper, color=GREY, alpha=0.13, linewidth=0)
    axes.axvline(median, color=GREY, linewidth=1.2)
    for k, row in enumerate(table.itertuples()):
        axes.plot([row.r2_lower, row.r2_upper], [k, k], color=BLUE, linewidth=1.6)
        axes.plot(row.r2, k, "o", color=BLUE, markersize=5)
    axes.set_yticks(range(len(table)), [f"without {_short(name)}" for name in table["programme"]], fontsize=8)
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.set_xlabel("R² of effects over trials (grey: all programmes)")
    axes.set_title("Influence", loc="left", fontweight="bold", fontsize=10.5)
    return figure


def _span(evidence: TrialEvidence, effects: np.ndarray, points: int = 41) -> np.ndarray:
    """Surrogate effects to draw over: the observed ones, zero, and the first threshold if it is not far off."""
    known = [0.0, *effects]
    width = np.ptp(known) or 1.0
    found = _first_threshold(evidence)
    if found is not None and min(known) - width <= found <= max(known) + width:
        known.append(found)
    low, high = min(known), max(known)
    room = 0.12 * ((high - low) or 1.0)
    return np.linspace(low - room, high + room, points)


def _first_threshold(evidence: TrialEvidence) -> float | None:
    """The threshold at the highest level, margin 0, effect known; None where it does not exist."""
    if not len(evidence.thresholds):
        return None
    effect = evidence.thresholds.iloc[0]["surrogate_effect"]
    return None if effect is None or np.isnan(effect) else float(effect)


def _axis(evidence: TrialEvidence, end: str) -> str:
    unit = f", {evidence.units[end]}" if evidence.units[end] else ""
    arrow = {"up": " (up is good)", "down": " (down is good)"}.get(evidence.good[end] or "", "")
    return f"Effect on {evidence.labels[end]}{unit}{arrow}"


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def described(value: float | None, ratio: str = "") -> str:
    """A threshold for a table: the effect, with the ratio whose logarithm it is, or that there is none."""
    if value is None or np.isnan(value):
        return "does not exist"
    back = f" ({ratio} {ratio_said(float(np.exp(value)))})" if ratio else ""
    return f"{fixed(value, 2)}{back}" if value else "0: benefit even without an effect on the surrogate"
