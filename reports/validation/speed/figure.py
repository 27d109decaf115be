"""How a gradient grows with persons and with visits."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from bayesmodels.reporting.drawing import png_bytes

COLOURS = {"light": "#0072b2", "default": "#d55e00"}
LABELS = {"light": "light design", "default": "default model"}


def growth_figure(growth: pd.DataFrame, visits: pd.DataFrame) -> bytes:
    """Milliseconds a gradient by persons and by visits, on logarithmic axes, with a line in proportion through each.

    Parameters
    ----------
    growth, visits : pandas.DataFrame
        Columns design, persons or visits, gradient_s.
    """
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    both = ((growth, "persons", "Persons, ten visits"), (visits, "visits", "Visits, 1,000 persons"))
    for axes, (table, column, label) in zip(figure.subplots(1, 2), both, strict=True):
        for design, own in table.groupby("design", sort=False):
            x, y = own[column].to_numpy(float), own["gradient_s"].to_numpy() * 1e3
            axes.loglog(x, y, "o-", color=COLOURS[design], label=LABELS[design], markersize=4)
            axes.loglog(x, y[-1] * x / x[-1], ":", color=COLOURS[design], linewidth=1)
        ticks = sorted(table[column].unique())
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel(label)
        axes.set_ylabel("CPU ms a gradient")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    return png_bytes(figure, dpi=110)
