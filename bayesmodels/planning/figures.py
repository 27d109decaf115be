"""Figures that people plan with: power curves, surfaces of power and assurance, widths, verdicts over programmes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from bayesmodels.planning.programmes import ProgrammeVerdicts
from bayesmodels.planning.results import WHERE, PlannedTrial
from bayesmodels.reporting.drawing import COLOURS, MARKERS, SIZE, STYLE, NotebookFigure, new_panel
from bayesmodels.reporting.page import Picture

EFFECTS = ("nfl_ratio", "decline_removed")
"""Coordinates that tell lines of a figure apart."""

PROGRAMMES = ""
"""Key of the figures of no endpoint: none has an empty name."""

MOST_LINES = len(COLOURS)
LEAST_RANGE = 0.05
"""Of the shares of a surface that is drawn."""

MOST_PANELS = 8
"""Figures of curves of one endpoint; the tables have all."""

SHORT = {
    "period_weeks": "{:g} weeks", "nfl_ratio": "NfL ratio {:.2g}", "decline_removed": "removes {:.0%} of the decline",
    "function_lag": "lag {:g} months", "dropout": "withdrawal × {:g}",
}  # fmt: skip
"""A coordinate in words."""


def said(axis: str, value: float) -> str:
    """A coordinate in words.

    Parameters
    ----------
    axis : str
    value : float
    """
    if np.isnan(value):
        return "drawn from the prior"
    return SHORT[axis].format(value).replace("-", "−").replace("%", " %")


def figures_of(found: PlannedTrial) -> dict[str, Picture]:
    """Every figure by name.

    Parameters
    ----------
    found : PlannedTrial
    """
    return {name: picture for own in figures_by_part(found).values() for name, picture in own.items()}


def figures_by_part(found: PlannedTrial) -> dict[str, dict[str, Picture]]:
    """Figures by name, by the endpoint that they are of; those of programmes under `PROGRAMMES`.

    Parameters
    ----------
    found : PlannedTrial
    """
    made: dict[str, dict[str, Picture]] = {}
    for endpoint in found.plan.endpoints:
        own = found.table[found.table["endpoint"] == endpoint.name]
        makers = (_curves, _surfaces, _widths) if len(own) else ()
        made[endpoint.name] = {name: each for make in makers for name, each in make(found, endpoint.name, own)}
    if found.programmes is not None and len(found.programmes.rows):
        made[PROGRAMMES] = {"programmes": _programmes(found.programmes)}
    return made


def _curves(found: PlannedTrial, endpoint: str, table: pd.DataFrame) -> Iterator[tuple[str, Picture]]:
    """Power over sizes: a figure for each period, lag and leaving; a line for each effect."""
    table = table[table["measure"].isin(["power", "assurance", "type I error"])]
    if table["persons"].nunique() < 2:
        return
    fixed = [axis for axis in WHERE if axis not in EFFECTS]
    varied = found.varied
    for number, (key, own) in enumerate(table.groupby(fixed, sort=False)):
        if number == MOST_PANELS:
            return
        where = dict(zip(fixed, key, strict=True))
        at = ", ".join(said(axis, where[axis]) for axis in fixed if axis in varied or axis == "period_weeks")
        title = f"{endpoint}: {at}"
        figure, axes = new_panel(4.3)
        lines = list(own.groupby([*EFFECTS, "measure"], sort=False, dropna=False))
        shown = _spread(lines, MOST_LINES)
        for k, ((ratio, removed, measure), each) in enumerate(shown):
            label = _line_name(varied, ratio, removed, measure)
            curve = next(
                (c for w, c in found.fitted_curves if _same(w, endpoint, where, ratio, removed) and measure == "power"),
                None,
            )
            _line(axes, each.sort_values("persons"), curve, label, k, measure)
        for target in found.targets:
            axes.axhline(target, color="#999999", lw=0.8, ls=":")
        _size_axis(axes, sorted(table["persons"].unique()))
        axes.set_ylim(-0.02, 1.02)
        axes.set_ylabel("Share of simulated trials that succeed")
        _titled(axes, title)
        n = int(own["trials"].min())
        left = len(lines) - len(shown)
        more = f" {left} further effects are in the table." if left else ""
        caption = (
            f"{title}. Points: shares of {n:,} or more simulated trials with exact binomial 95 % limits. Lines with "
            "bands: fitted power curve, posterior median and 95 % equal-tailed interval; dashed: assurance, and type I "
            f"error, joined. Dotted: {' and '.join(f'{t:g}' for t in found.targets)}.{more} {found.analysis}."
        )
        yield f"power_{endpoint}_{number + 1}", Picture(figure, f"Power over sizes. {caption}", caption)


def _spread(items: list[Any], most: int) -> list[Any]:
    if len(items) <= most:
        return items
    return [items[round(k)] for k in np.linspace(0, len(items) - 1, most)]


def _same(where: Mapping[str, Any], endpoint: str, fixed: Mapping[str, Any], ratio: float, removed: float) -> bool:
    wanted = {"endpoint": endpoint, **fixed, "nfl_ratio": ratio, "decline_removed": removed}
    return all(
        where[name] == value or (value != value and where[name] != where[name]) for name, value in wanted.items()
    )


def _line_name(varied: tuple[str, ...], ratio: float, removed: float, measure: str) -> str:
    if measure == "assurance":
        return "assurance: effects drawn from the prior"
    told = [said(axis, value) for axis, value in zip(EFFECTS, (ratio, removed), strict=True) if axis in varied]
    return ", ".join([*(["type I error"] if measure == "type I error" else []), *told]) or measure


def _line(axes: Axes, each: pd.DataFrame, curve: Any, label: str, k: int, measure: str) -> None:
    roots = np.sqrt(each["persons"].to_numpy(float))
    aside = 0.008 * (k - 1) * np.ptp(roots)  # so that limits of several lines can be told apart
    colour = COLOURS[k % len(COLOURS)]
    share = each["share"].to_numpy()
    edges = np.abs(each[["lower", "upper"]].to_numpy().T - share)
    joined = "--" if measure != "power" or curve is None else "none"
    axes.errorbar(
        roots + aside, share, yerr=edges, fmt=MARKERS[k % len(MARKERS)], ms=4, lw=1, ls=joined, color=colour,
        label=label,
    )  # fmt: skip
    if curve is not None:
        sizes = np.linspace(np.sqrt(curve.first), np.sqrt(curve.last), 50)
        numbers = np.array([curve.power(float(np.clip(s**2, curve.first, curve.last))) for s in sizes])
        axes.plot(sizes, numbers[:, 0], color=colour, lw=1.6)
        axes.fill_between(sizes, numbers[:, 1], numbers[:, 2], color=colour, alpha=0.18, lw=0)


def _size_axis(axes: Axes, sizes: list[float]) -> None:
    """Sizes on a scale of their square roots, on which a power curve is a probit line; labels that fit."""
    roots = np.sqrt(sizes)
    span = roots[-1] - roots[0]
    axes.set_xlim(roots[0] - 0.04 * span, roots[-1] + 0.04 * span)
    labelled = [roots[-1]]
    for root in roots[-2::-1]:
        if labelled[-1] - root > 0.09 * span:
            labelled.append(root)
    axes.xaxis.set_major_locator(FixedLocator(labelled))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda root, _: f"{root**2:,.0f}"))
    axes.set_xlabel("Persons randomised (square-root scale)")


def _titled(axes: Axes, title: str) -> None:
    """Title, and the legend below the axis, where it hides nothing."""
    axes.set_title("\n".join(textwrap.wrap(title, 52)), loc="left", fontweight="bold", fontsize=10.5)
    handles, labels = axes.get_legend_handles_labels()
    if len(handles) > 0:
        axes.legend(
            handles, labels, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=1 if len(max(labels, key=len)) > 24
            else 2, frameon=False, fontsize=8,
        )  # fmt: skip


def _surfaces(found: PlannedTrial, endpoint: str, table: pd.DataFrame) -> Iterator[tuple[str, Picture]]:
    """Shares by size and one other coordinate: of assurance by period; of power by period and by effect."""
    for measures, other, words in (
        (("assurance",), "period_weeks", "assurance"),
        (("power",), "period_weeks", "power"),
        (("power", "type I error"), "decline_removed", "power"),
        (("power", "type I error"), "nfl_ratio", "power"),
    ):
        own = table[table["measure"].isin(measures)]
        if own["persons"].nunique() < 2 or own[other].nunique() < 2:
            continue
        rest = [axis for axis in WHERE if axis != other]
        for number, (key, each) in enumerate(own.groupby(rest, sort=False, dropna=False)):
            if each[other].nunique() < 2 or number >= MOST_PANELS // 2 or np.ptp(each["share"]) < LEAST_RANGE:
                continue
            where = dict(zip(rest, key, strict=True))
            varied = [axis for axis in rest if axis in found.varied and not np.isnan(where[axis])]
            at = ", ".join(said(axis, where[axis]) for axis in varied)
            title = f"{endpoint}: {words}{f', {at}' if at else ''}"
            yield f"{words}_{endpoint}_{other}_{number + 1}", _surface(each, other, title, found.analysis)


AXIS_LABELS = {
    "period_weeks": "Randomised period, weeks", "decline_removed": "Share of the decline removed",
    "nfl_ratio": "Ratio of NfL, on the drug to off it",
}  # fmt: skip


def _surface(each: pd.DataFrame, other: str, title: str, analysis: str) -> Picture:
    wide = each.pivot_table("share", other, "persons")
    values = wide.to_numpy()
    with matplotlib.rc_context(STYLE):
        figure: Figure = NotebookFigure(
            figsize=(max(SIZE[0], 1.3 + 0.62 * values.shape[1]), 1.5 + 0.42 * values.shape[0]), layout="constrained"
        )
        axes = figure.subplots()
    axes.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto", origin="lower")
    for i, j in np.ndindex(*values.shape):
        text = "–" if np.isnan(values[i, j]) else f"{values[i, j]:.2f}"
        axes.text(
            j, i, text, ha="center", va="center", fontsize=8.5, color="white" if values[i, j] > 0.6 else "#1b1f24"
        )
    percent = other == "decline_removed"
    axes.set_yticks(
        range(len(wide)), [f"{v:.0%}".replace("%", " %").replace("-", "−") if percent else f"{v:g}" for v in wide.index]
    )
    axes.set_xticks(range(wide.shape[1]), [f"{v:,.0f}" for v in wide.columns])
    axes.set_xlabel("Persons randomised")
    axes.set_ylabel("\n".join(textwrap.wrap(AXIS_LABELS[other], 22)))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("\n".join(textwrap.wrap(title, 46)), loc="left", fontweight="bold", fontsize=10)
    caption = f"{title}. Shares of simulated trials that succeed; limits are in the table. {analysis}."
    return Picture(figure, caption, caption)


def _widths(found: PlannedTrial, endpoint: str, table: pd.DataFrame) -> Iterator[tuple[str, Picture]]:
    """Expected width of the interval over sizes, of the fixed effect with most decline removed, by period."""
    own = table[table["measure"].isin(["power", "success", "type I error"])]
    if own["persons"].nunique() < 2:
        return
    own = own[own["dropout"] == own["dropout"].iloc[0]]
    figure, axes = new_panel(3.6)
    for k, (period, each) in enumerate(own.groupby("period_weeks")):
        mean = each.groupby("persons")["width"].mean()
        colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
        axes.plot(np.sqrt(mean.index), mean.to_numpy(), marker=marker, ms=4, color=colour, label=f"{period:g} weeks")
    _size_axis(axes, sorted(own["persons"].unique()))
    axes.set_ylim(bottom=0)
    unit = next(each.unit for each in found.plan.endpoints if each.name == endpoint)
    level = f"{100 * found.plan.interval:g} %"
    axes.set_ylabel(f"Expected width of the {level} interval, {unit}")
    _titled(axes, f"{endpoint}: precision")
    caption = (
        f"{endpoint}: mean width of the {level} equal-tailed interval of the difference over simulated trials, "
        f"averaged over effects. {found.analysis}."
    )
    yield f"width_{endpoint}", Picture(figure, caption, caption)


def _programmes(found: ProgrammeVerdicts) -> Picture:
    figure, axes = new_panel(4.0)
    for k, (correlation, own) in enumerate(found.supported.groupby("correlation")):
        own = own.sort_values("programmes")
        share = own["share"].to_numpy()
        edges = np.abs(own[["lower", "upper"]].to_numpy().T - share)
        axes.errorbar(
            own["programmes"] + 0.15 * (k - 1), share, yerr=edges, fmt=f"{MARKERS[k % len(MARKERS)]}-", ms=4, lw=1.2,
            color=COLOURS[k % len(COLOURS)], label=f"true correlation {correlation:g}".replace("-", "−"),
        )  # fmt: skip
    axes.set_ylim(-0.02, 1.02)
    axes.set_xticks(found.programmes.numbers)
    axes.set_xlabel("Independent randomised programmes")
    axes.set_ylabel("Share called supported")
    _titled(axes, "Trial level: verdict “supported”")
    n = found.programmes.collections
    caption = (
        f"Share of simulated collections whose trial level is called supported, with exact binomial 95 % limits; {n:,} "
        "collections each, a trial-level model fitted to every one. Correlations in the good direction."
    )
    return Picture(figure, caption, caption)
