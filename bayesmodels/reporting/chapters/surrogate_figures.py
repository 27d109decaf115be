"""Figures of one trial's surrogate evidence: persons by arm, mediation, causal association, earliness."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from bayesmodels.reporting.drawing import COLOURS, add_title, new_panel
from bayesmodels.surrogacy.arms import Arms
from bayesmodels.surrogacy.declared import Declared
from bayesmodels.surrogacy.evidence import SurrogateEvidence


def single_figures(evidence: SurrogateEvidence) -> dict[str, Callable[[], Figure]]:
    """Makers of the figures this evidence has the numbers for, by name."""
    d, tables = evidence.declared, evidence.tables
    makers: dict[str, Callable[[], Figure]] = {}
    if evidence.arms is not None and evidence.trial is not None and d.contrast is not None:
        makers["surrogacy_persons"] = partial(persons_figure, evidence.arms, d)
        makers["surrogacy_earliness"] = partial(earliness_figure, tables["surrogacy_earliness"], d)
        makers["surrogacy_mediation"] = partial(mediation_figure, tables["surrogacy_mediation"], d)
        makers["surrogacy_causal_association"] = partial(
            causal_figure, evidence.trial.causal_association.draws, evidence.trial.causal_association.table
        )
    return makers


def persons_figure(arms: Arms, d: Declared) -> Figure:
    """Where persons of each arm lie, as the model knows them, with each arm's line (at medians of the draws)."""
    assert d.contrast is not None
    figure, axes = new_panel()
    for arm, label, colour in ((1, d.contrast.early, COLOURS[0]), (0, d.contrast.late, COLOURS[1])):
        mean = np.median(arms.mean[:, arm], axis=0)
        covariance = np.median(arms.covariance[:, arm], axis=0)
        for share, alpha in ((0.5, 0.22), (0.95, 0.10)):
            axes.add_patch(_ellipse(mean, covariance, share, facecolor=colour, alpha=alpha))
        slope = covariance[0, 1] / covariance[0, 0]
        across = mean[0] + np.array([-2, 2]) * np.sqrt(covariance[0, 0])
        axes.plot(across, mean[1] + slope * (across - mean[0]), color=colour, linewidth=1.8, label=label)
        axes.plot(*mean, "o", color=colour, markersize=5)
    axes.set_xlabel(f"{d.surrogate.label}: change to week {d.surrogate_week:g}, {d.surrogate.unit}")
    axes.set_ylabel(f"{d.outcome.label}: change\nto week {d.outcome_week:g}, {d.outcome.unit}")
    axes.autoscale_view()
    add_title(axes, "Persons by start group")
    return figure


def mediation_figure(table: pd.DataFrame, d: Declared) -> Figure:
    """Total and indirect effect over weeks."""
    assert d.contrast is not None
    figure, axes = new_panel()
    for name, label, colour in (("total", "total", COLOURS[5]), ("indirect", "through the surrogate", COLOURS[3])):
        axes.fill_between(
            table["week"], table[f"{name}_lower"], table[f"{name}_upper"], color=colour, alpha=0.18, linewidth=0
        )
        axes.plot(table["week"], table[f"{name}_median"], color=colour, linewidth=1.8, label=label)
    axes.axhline(0, color="#444444", linewidth=0.8)
    if d.switch_week < table["week"].max():
        axes.axvline(d.switch_week, color="#777777", linestyle=":", linewidth=1.2)
        where: dict[str, Any] = {
            "transform": axes.get_xaxis_transform(),
            "fontsize": 8,
            "color": "#555555",
            "va": "top",
        }
        axes.text(d.switch_week, 0.99, f" switch, week {d.switch_week:g}", **where)
    axes.set_xlabel("Weeks since randomisation")
    axes.set_ylabel(f"{d.contrast.early} minus {d.contrast.late}, {d.outcome.unit}")
    add_title(axes, d.outcome.label)
    return figure


def causal_figure(draws: dict[str, np.ndarray], table: pd.DataFrame) -> Figure:
    """Causal association under each assumption: density over draws and cross-world correlations."""
    known = {name: values[np.isfinite(values)] for name, values in draws.items()}
    known = {name: values for name, values in known.items() if len(values) > 1}
    figure, axes = new_panel(height=1.2 + 0.75 * len(known))
    edges = np.linspace(-1, 1, 61)
    for j, (name, values) in enumerate(known.items()):
        heights, _ = np.histogram(values, edges, density=True)
        top = 0.8 * heights / heights.max()
        colour = COLOURS[j % len(COLOURS)]
        base = float(len(known) - 1 - j)
        axes.fill_between((edges[1:] + edges[:-1]) / 2, base, base + top, color=colour, alpha=0.35, linewidth=0)
        row = table[table["assumption"] == name].iloc[0]
        axes.plot([row["lower"], row["upper"]], [base, base], color=colour, linewidth=3, solid_capstyle="butt")
        axes.plot(row["median"], base, "o", color=colour, markersize=6)
    axes.axvline(0, color="#444444", linewidth=0.8)
    axes.set_yticks(range(len(known)), [name.replace(" ", "\n", 1) for name in reversed(known)])
    axes.set_xlim(-1, 1)
    axes.set_ylim(-0.25, max(len(known), 1))
    axes.set_xlabel("Correlation of a person's two effects (+: good with good)")
    add_title(axes, "Individual causal association")
    return figure


def earliness_figure(table: pd.DataFrame, d: Declared) -> Figure:
    """R2 within arms by the surrogate's visit: true values and as measured."""
    figure, axes = new_panel()
    _line(axes, table, "r2", "true values", COLOURS[0])
    _line(axes, table, "r2_observed", "as measured", COLOURS[1])
    axes.set_ylim(0, 1)
    axes.set_xlim(left=0)
    axes.set_xlabel("Week at which the surrogate is read")
    axes.set_ylabel(f"R2 within arms, {d.outcome.label}\nto week {d.outcome_week:g}")
    add_title(axes, d.surrogate.label)
    return figure


def _line(axes: Axes, table: pd.DataFrame, name: str, label: str, colour: str) -> None:
    middle = table[f"{name}_median"]
    bars = [middle - table[f"{name}_lower"], table[f"{name}_upper"] - middle]
    axes.errorbar(table["week"], middle, yerr=bars, fmt="o-", color=colour, markersize=4, linewidth=1.5, label=label)


def _ellipse(mean: np.ndarray, covariance: np.ndarray, share: float, **style: Any) -> Ellipse:
    """Region of a bivariate normal that holds a share of it."""
    values, vectors = np.linalg.eigh(covariance)
    size = 2 * np.sqrt(np.maximum(values, 0) * -2 * np.log(1 - share))
    angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
    return Ellipse((mean[0], mean[1]), size[1], size[0], angle=angle, **style)
