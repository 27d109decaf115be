"""Differences between start groups under other forms of the model, each fitted anew: table and section."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import xarray as xr

from bayesmodels.posterior.context import stratum_label
from bayesmodels.posterior.intervals import flat, probability, summarise
from bayesmodels.posterior.wording import fixed
from bayesmodels.reporting.chapter import Chapter, Layouts, Needs, Reading, Tables
from bayesmodels.reporting.layout import Layout
from bayesmodels.reporting.page import Section, chance_or_why, limits_cell

GROUP = "model_sensitivity"
AS_FITTED = "as fitted"

_POINTS = {"delta_1": "before the switch", "delta_2": "at the last visit of both groups"}
_NOT_CONVERGED = "not shown: the chains of this form did not converge"


class ModelSensitivity(Chapter):
    """Differences under other forms of the model."""

    name = "other forms of the model"
    needs = Needs(groups=(GROUP,))
    shows = "model_sensitivity"

    def tables(self, reading: Reading) -> Tables:
        """`model_sensitivity`.

        Columns: `form` ("as fitted" first), `outcome`, `contrast`, `stratum`, `point` (`delta_1`, `delta_2`), `week`,
        `unit`, `median`, `lower`, `upper`, `probability_favours` (the earlier start; NaN where withheld), `direction`,
        `withheld` (why), `max_rhat`, `min_ess` (of the form's own chains; NaN as fitted).
        """
        data = reading.tree[GROUP].to_dataset()
        fitted = reading.difference()
        if fitted is None:
            return {"model_sensitivity": pd.DataFrame()}
        rows = [row for cell in reading.delta_cells(_POINTS) for row in _rows(reading, data, fitted, *cell)]
        return {"model_sensitivity": pd.DataFrame(rows)}

    def layouts(self, reading: Reading) -> Layouts:
        """All are of differences."""
        return {"model_sensitivity": Layout("difference")}

    def section(self, reading: Reading) -> Section:
        """A table for each outcome and comparison, a row a form and stratum."""
        found, shown = reading.tables["model_sensitivity"], dict[str, pd.DataFrame]()
        staggered = reading.context.staggered
        for (name, contrast), rows in found.groupby(["outcome", "contrast"], sort=False):
            outcome, lines = reading.context.outcomes[str(name)], []
            for (form, stratum), cells in rows.groupby(["form", "stratum"], sort=False):
                line = {"Form of the model": form, "Stratum": stratum_label(str(stratum))}
                for row in cells.to_dict("records"):
                    when = _POINTS[row["point"]] if staggered else "at the last visit of both arms"
                    limits = _NOT_CONVERGED if row["withheld"] == _NOT_CONVERGED else limits_cell(row)
                    line[f"Difference {when}, week {row['week']:g}"] = limits
                    silent = row["withheld"] == _NOT_CONVERGED
                    line[f"P(favours {reading.context.sides[0]}) {when}"] = "–" if silent else chance_or_why(row)
                own = cells.iloc[0]
                told = math.isfinite(own["max_rhat"])
                line["R-hat"] = fixed(own["max_rhat"], 3) if told else "–"
                line["Smallest ESS"] = fixed(own["min_ess"], 0) if told else "–"
                lines.append(line)
            caption = f"{outcome.label}, {str(contrast).replace(' - ', ' minus ')}: median and {reading.label}"
            shown[f"{caption}; {outcome.unit}"] = pd.DataFrame(lines).fillna("–")
        return Section("Other forms of the model", [_METHOD], shown, (), reading.comparison)


_METHOD = (
    "Skewed rates, deceleration, one share for all, and loss to follow-up all bend late means, and a trial tells them "
    "apart by the form of the model only. Each row is another fit to the same data, with one thing changed."
)


def _rows(
    reading: Reading, data: xr.Dataset, fitted: xr.DataArray, labels: dict[str, Any], sign: float
) -> list[dict[str, Any]]:
    """Rows of one cell: as fitted, then by form; without numbers where a form's chains did not converge."""
    where = {dim: labels[dim] for dim in ("outcome", "contrast", "stratum", "week")}
    found = [_row(reading, AS_FITTED, labels, flat(fitted.sel(where)), sign, math.nan, math.nan)]
    for name in data["form"].values.tolist():
        own = data.sel(form=name)
        usable = str(own["verdict"].values) != "not_converged"
        row = _row(
            reading, str(own["words"].values), labels, flat(own["difference"].sel(where)), sign,
            float(own["max_rhat"]), float(own["min_ess"]),
        )  # fmt: skip
        if not usable:
            row |= dict.fromkeys(("median", "lower", "upper", "probability_favours"), math.nan)
            row["withheld"] = _NOT_CONVERGED
        found.append(row)
    return found


def _row(
    reading: Reading, form: str, labels: dict[str, Any], draws: Any, sign: float, rhat: float, ess: float
) -> dict[str, Any]:
    limits = summarise(draws, reading.prob)
    silent = bool(labels["withheld"]) or math.isnan(sign)
    return {
        "form": form,
        **{name: labels[name] for name in ("outcome", "contrast", "stratum", "point", "week", "unit")},
        **{name: float(limits[name]) for name in ("median", "lower", "upper")},
        "probability_favours": math.nan if silent else probability(sign * draws > 0),
        "direction": labels["direction"],
        "withheld": labels["withheld"],
        "max_rhat": rhat,
        "min_ess": ess,
    }
