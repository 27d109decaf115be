"""A person's two effects: individual causal association and principal strata, by assumption."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bayesmodels.posterior.wording import chance, fixed
from bayesmodels.reporting.chapter import Chapter, Layouts, Makers, Reading, Tables
from bayesmodels.reporting.drawing import COLOURS, add_title, new_panel, no_difference
from bayesmodels.reporting.layout import Layout, Statistic
from bayesmodels.reporting.page import Section, limits_cell
from bayesmodels.surrogacy.criteria.causal_association import BRIDGE


class TwoEffects(Chapter):
    """Correlation of a person's two effects, and principal strata."""

    name = "surrogate, a person's two effects"
    shows = "surrogacy_causal_association"

    def tables(self, reading: Reading) -> Tables:
        """`surrogacy_causal_association`, `surrogacy_principal_strata`."""
        if reading.surrogate is None or reading.surrogate.trial is None:
            return {}
        trial = reading.surrogate.trial
        return {
            "surrogacy_causal_association": trial.causal_association.table,
            "surrogacy_principal_strata": trial.principal_strata,
        }

    def layouts(self, reading: Reading) -> Layouts:
        """The range from ignorance alone is no interval of draws."""
        edges = ("lower", "upper")
        ignorance = {f"ignorance_{edge}": Statistic(edge, of="ignorance", interval=("range", None)) for edge in edges}
        right = {"g1_right_sign": Statistic("prob", of="g1", event="right sign")}
        return {
            "surrogacy_causal_association": Layout("causal_association", columns=ignorance, left_out=("meaning",)),
            "surrogacy_principal_strata": Layout(columns=right),
        }

    def figures(self, reading: Reading) -> Makers:
        """``surrogacy_causal_association``."""
        assert reading.evidence.trial is not None
        found = reading.evidence.trial.causal_association
        return {"surrogacy_causal_association": partial(causal_figure, found.draws, found.table)}

    def section(self, reading: Reading) -> Section:
        """By assumption."""
        tables, label = reading.tables, reading.label
        bridge = reading.evidence.arms is not None and reading.evidence.arms.cross is not None
        rows = []
        for row in tables["surrogacy_causal_association"].to_dict("records"):
            ignorance = (row["ignorance_lower"], row["ignorance_upper"])
            rows.append(
                {
                    "Assumption": f"{row['assumption']}: {row['meaning'].removeprefix('assumption: ')}",
                    f"Association ({label})": "not defined: the model gives every person the same effect on one of the "
                    "two"
                    if math.isnan(row["median"])
                    else limits_cell(row),
                    "Range from ignorance alone": "–"
                    if math.isnan(ignorance[0])
                    else f"{fixed(ignorance[0], 2)} to {fixed(ignorance[1], 2)}",
                    "P(squared > 0.5)": chance(row["probability_r2_above_half"]),
                    "Share of all sets": "all" if row["share"] == 1 else chance(row["share"]),
                }
            )
        lines = [
            {
                "Assumption": row["assumption"],
                f"Effect where the surrogate is not moved ({label})": limits_cell(row, "g0_"),
                "Per unit of effect on the surrogate": limits_cell(row, "g1_"),
                "P(right sign)": chance(row["g1_right_sign"]),
            }
            for row in tables["surrogacy_principal_strata"].to_dict("records")
        ]
        return Section(
            "Surrogate: a person's two effects",
            [
                "Does the drug help those whose surrogate it moves? No person is seen both with and without the drug, "
                "so the data leave four correlations open: the answer is a range over them, narrowed only by "
                "assumptions.",
                *([f"Delayed-start bridge, an assumption: {BRIDGE.removeprefix('assumption: ')}."] if bridge else []),
            ],
            {"Individual causal association": pd.DataFrame(rows), "Principal strata": pd.DataFrame(lines)},
            reading.pictures(
                "surrogacy_causal_association",
                "Density of the causal association under each assumption.",
                f"Bars: {label} over draws and cross-world correlations. + means that persons whose surrogate improves "
                "more gain more in the outcome.",
            ),
        )


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
    no_difference(axes, vertical=True)
    axes.set_yticks(range(len(known)), [name.replace(" ", "\n", 1) for name in reversed(known)])
    axes.set_xlim(-1, 1)
    axes.set_ylim(-0.25, max(len(known), 1))
    axes.set_xlabel("Correlation of a person's two effects (+: good with good)")
    add_title(axes, "Individual causal association")
    return figure
