"""Criteria of a single trial: Prentice's, relative effect, proportion explained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bayesmodels.posterior.wording import chance
from bayesmodels.reporting.chapter import Chapter, Layouts, Reading, Tables
from bayesmodels.reporting.layout import Layout
from bayesmodels.reporting.page import Section, limits_cell

WIDER = 1.5
"""Times the prior's width from which it is said that an interval is wider."""

_CRITERIA = {
    "C1": "C1: the drug moves the surrogate",
    "C2": "C2: it moves the outcome",
    "C3": "C3: surrogate and outcome go together, within arms",
    "C4": "C4: given the surrogate, the effect left over is inside the region",
    "C4, a slope for each arm": "C4 with a slope for each arm, over the range between the arms",
    "joint": "all four together",
    "harm": "the effect left over is harmful, beyond the region",
}


class Criteria(Chapter):
    """Criteria on true values, and as measured."""

    name = "surrogate, criteria"
    shows = "surrogacy_criteria"

    def tables(self, reading: Reading) -> Tables:
        """`surrogacy_criteria`, `surrogacy_prentice`."""
        evidence = reading.surrogate
        if evidence is None or evidence.prentice is None:
            return {}
        return {"surrogacy_criteria": evidence.criteria, "surrogacy_prentice": evidence.prentice.table}

    def layouts(self, reading: Reading) -> Layouts:
        """Named by quantity; `name` says it in words."""
        return {"surrogacy_criteria": Layout(named_by="quantity", left_out=("name",))}

    def section(self, reading: Reading) -> Section:
        """Probabilities of the criteria, and quantities."""
        d, criteria, label = reading.evidence.declared, reading.evidence.prentice, reading.label
        assert criteria is not None
        table = reading.tables["surrogacy_criteria"]
        by_scale = {scale: rows.to_dict("records") for scale, rows in table.groupby("scale")}
        if "mean" in by_scale:
            rows = [
                {"Quantity": row["name"], f"Median ({label})": row["note"] or limits_cell(row)}
                for row in by_scale["mean"]
            ]
        else:
            rows = [
                {
                    "Quantity": true["name"],
                    f"True values ({label})": true["note"] or limits_cell(true),
                    "As measured": limits_cell(measured),
                    "Prior, true values": limits_cell(true, "prior_"),
                }
                for true, measured in zip(by_scale["latent"], by_scale["observed"], strict=True)
            ]
        chances = [
            {"Criterion": _CRITERIA[name], "Probability": chance(value)}
            for name, value in criteria.probabilities.items()
        ]
        region = "not declared" if math.isnan(d.regions.residual) else f"{d.regions.residual:g} {d.outcome.unit}"
        return Section(
            "Surrogate: criteria of a single trial",
            [
                f"Prentice's criteria: {criteria.sentence()}. Regions: effect on the surrogate above "
                f"{d.regions.surrogate:g} {d.surrogate.unit}, on the outcome above {d.regions.outcome:g} "
                f"{d.outcome.unit}, left over within {region}.",
                "The relative effect predicts another trial only if effects are proportional across trials, which one "
                "trial cannot test. The proportion explained is a ratio of effects; it is withheld unless the "
                "outcome's effect is separated from zero. Measurement error shrinks both slopes and shares: read the "
                "true values.",
            ],
            {
                "Prentice's criteria": pd.DataFrame(chances),
                f"Effects are {d.contrast.early} minus {d.contrast.late}; {d.where}": pd.DataFrame(rows),
            }
            if d.contrast
            else {},
            note=wider(by_scale.get("latent", [])) if d.contrast else "",
        )


def wider(rows: Sequence[Mapping[str, Any]]) -> str:
    """What has a wider interval after the data than before, and why that may be; blank where nothing has."""
    names = [
        row["name"]
        for row in rows
        if not row["note"] and row["upper"] - row["lower"] > WIDER * (row["prior_upper"] - row["prior_lower"])
    ]
    if not names:
        return ""
    return (
        f"Wider after the data than before: {', '.join(names)}. Slopes divide by how much the surrogate's true change "
        "differs between persons of an arm, ratios of effects by an effect: where the data say that this is small, "
        "they are less certain than the prior had them."
    )
