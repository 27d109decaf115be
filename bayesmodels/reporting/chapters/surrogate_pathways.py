"""Sections of the page about what lies between drug, surrogate and outcome: a person's effects, mediation, timing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from bayesmodels.posterior.wording import chance, estimate, fixed
from bayesmodels.reporting.drawing import LazyFigures
from bayesmodels.reporting.page import Picture, Section
from bayesmodels.surrogacy.causal_association import BRIDGE
from bayesmodels.surrogacy.evidence import SurrogateEvidence
from bayesmodels.surrogacy.mediation import ASSUMPTION


def causal_section(evidence: SurrogateEvidence, figures: LazyFigures, label: str) -> Section:
    """Correlation of a person's two effects, and principal strata, by assumption."""
    trial = evidence.trial
    assert trial is not None
    rows = []
    for row in trial.causal_association.table.to_dict("records"):
        ignorance = (row["ignorance_lower"], row["ignorance_upper"])
        rows.append(
            {
                "Assumption": f"{row['assumption']}: {row['meaning'].removeprefix('assumption: ')}",
                f"Association ({label})": "not defined: the model gives every person the same effect on one of the two"
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
        for row in trial.principal_strata.to_dict("records")
    ]
    return Section(
        "Surrogate: a person's two effects",
        [
            "Does the drug help those whose surrogate it moves? No person is seen both with and without the drug, so "
            "the data leave four correlations open: the answer is a range over them, narrowed only by assumptions.",
            f"Delayed-start bridge, an assumption: {BRIDGE.removeprefix('assumption: ')}.",
        ],
        {"Individual causal association": pd.DataFrame(rows), "Principal strata": pd.DataFrame(lines)},
        pictures_of(
            figures, "surrogacy_causal_association", "Density of the causal association under each assumption.",
            f"Bars: {label} over draws and cross-world correlations. + means that persons whose surrogate improves "
            "more gain more in the outcome.",
        ),
    )  # fmt: skip


def mediation_section(evidence: SurrogateEvidence, figures: LazyFigures, label: str) -> Section:
    """Effect through the surrogate over time, and if there is unmeasured confounding."""
    d, tables = evidence.declared, evidence.tables
    table = tables["surrogacy_mediation"]
    every = max(1, math.ceil(len(table) / 7))
    spread = set(table["week"].iloc[::-1].iloc[::every])
    chosen = table[table["week"].isin(spread | {d.outcome_week})]
    rows = [
        {
            "Week": row["week"],
            f"Total ({label})": limits_cell(row, "total_"),
            "Through the surrogate": limits_cell(row, "indirect_"),
            "Direct": limits_cell(row, "direct_"),
            "Share through it": "withheld" if row["withheld"] else limits_cell(row, "share_"),
            "Comparison": row["estimand"],
        }
        for row in chosen.to_dict("records")
    ]
    shown = {f"{d.outcome.label}, {d.outcome.unit}": pd.DataFrame(rows)}
    if "surrogacy_sensitivity" in tables:
        shown[f"If unmeasured causes correlate the errors of both, week {d.outcome_week:g}"] = pd.DataFrame(
            [
                {
                    "Error correlation": fixed(row["error_correlation"], 2),
                    f"Through the surrogate ({label})": limits_cell(row, "indirect_"),
                    "P(favours the drug)": chance(row["indirect_favours"]),
                    "Share through it": "withheld" if math.isnan(row["share_median"]) else limits_cell(row, "share_"),
                }
                for row in tables["surrogacy_sensitivity"].to_dict("records")
            ]
        )
    text = (
        "Implied by the model: it makes the whole effect on the outcome follow the surrogate. Compare it with a fit "
        "whose effect is free before believing it."
        if evidence.follows
        else f"Natural effects under: {ASSUMPTION}. Randomisation does not give this; the second table shows how the "
        "answer moves if it fails. The share is withheld where the total effect is not separated from zero."
    )
    return Section(
        "Surrogate: how much of the effect goes through it",
        [text, "Evidence for a mechanism; not, by itself, for using the surrogate in place of the outcome."],
        shown,
        pictures_of(
            figures, "surrogacy_mediation", "Total effect on the outcome over weeks, and its part via the surrogate.",
            f"Median and {label}. After the switch: early against delayed start, not drug against placebo.",
        ),
    )  # fmt: skip


def earliness_section(evidence: SurrogateEvidence, figures: LazyFigures, label: str) -> Section:
    """Every measure by the surrogate's visit."""
    d = evidence.declared
    rows = [
        {
            "Week": row["week"],
            f"Effect on the surrogate ({label})": limits_cell(row, "effect_"),
            "P(favours)": chance(row["effect_favours"]),
            "R2, true values": limits_cell(row, "r2_"),
            "R2, as measured": limits_cell(row, "r2_observed_"),
            "Relative effect": "unbounded"
            if math.isnan(row["relative_effect_median"])
            else limits_cell(row, "relative_effect_"),
            "Proportion explained": "withheld" if row["explained_withheld"] else limits_cell(row, "explained_"),
            "All four criteria": "not assessable"
            if math.isnan(row["prentice_joint"])
            else chance(row["prentice_joint"]),
            "Causal association, no assumption": limits_cell(row, "causal_"),
        }
        for row in evidence.tables["surrogacy_earliness"].to_dict("records")
    ]
    text = _earliest_said(evidence)
    return Section(
        "Surrogate: how early",
        [
            f"The surrogate read at each visit, {d.outcome.label} always to week {d.outcome_week:g}. {text}",
            "The model gives the effect one onset and persons straight or decelerating courses, so that neighbouring "
            "visits share their evidence: this is when the model lets it be seen, not a separate test at each visit.",
        ],
        {"Measures by the week at which the surrogate is read": pd.DataFrame(rows)},
        pictures_of(
            figures, "surrogacy_earliness", "R2 within arms by the week at which the surrogate is read.",
            f"Median and {label}; blue: true values, orange: as measured.",
        ),
    )  # fmt: skip


def _earliest_said(evidence: SurrogateEvidence) -> str:
    """From which randomised visit the effect, and the association, are shown; a rung not assessable is not asked."""
    d, first = evidence.declared, evidence.earliest or {}
    said = []
    if "effect" in first:
        said.append(
            "At no randomised visit is the drug's effect on the surrogate shown."
            if math.isnan(first["effect"])
            else f"The drug's effect on {d.surrogate.label} is shown from week {first['effect']:g} on."
        )
    if "individual" in first:
        said.append(
            "At no randomised visit does its change go with the outcome at least fairly, by the cut-off above."
            if math.isnan(first["individual"])
            else f"From week {first['individual']:g} on its change goes with the outcome at least fairly, by the "
            "cut-off above."
        )
    if evidence.verdicts[1].answer == "not assessable":
        said.append(
            "How its change goes with the outcome is not assessable; what rests on it below is mostly the prior."
        )
    return " ".join(said)


def limits_cell(row: Mapping[str, Any], prefix: str = "") -> str:
    """Median with its interval, from columns `<prefix>median`, `lower` and `upper`; "–" where there is none."""
    numbers = [row[f"{prefix}{edge}"] for edge in ("median", "lower", "upper")]
    return "–" if any(math.isnan(value) for value in numbers) else estimate(*numbers)


def pictures_of(figures: LazyFigures, name: str, alt: str, caption: str) -> list[Picture]:
    """The figure of this name, if it is there."""
    return [Picture(figures.maker(name), alt, caption)] if name in figures else []
