"""Sections of the page about the surrogate: three rungs first, then what each of the first two rests on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from bayesmodels.reporting.drawing import LazyFigures
from bayesmodels.reporting.page import Picture, Section
from bayesmodels.reporting.surrogacy.causal_association import BRIDGE
from bayesmodels.reporting.surrogacy.checklist import Checklist
from bayesmodels.reporting.surrogacy.fit_evidence import SurrogateEvidence
from bayesmodels.reporting.surrogacy.mediation import ASSUMPTION
from bayesmodels.reporting.surrogacy.settings import SOURCES, SurrogacySettings
from bayesmodels.reporting.wording import chance, estimate

QUESTIONS = {
    "response": "Does the drug move the surrogate?",
    "individual": "Within an arm, do persons whose surrogate changes differently fare differently?",
    "trial": "Across randomised trials, does the effect on the surrogate predict the effect on the outcome?",
}

_CRITERIA = {
    "C1": "C1: the drug moves the surrogate",
    "C2": "C2: it moves the outcome",
    "C3": "C3: surrogate and outcome go together, within arms",
    "C4": "C4: given the surrogate, the effect left over is inside the region",
    "C4, a slope for each arm": "C4 with a slope for each arm, over the range between the arms",
    "joint": "all four together",
    "harm": "the effect left over is harmful, beyond the region",
}

_VECTORS = {
    "r2_lambda": "R2_Lambda",
    "variance_reduction": "variance reduction factor",
    "part": "PART, mean share of variance explained",
}


def single_sections(
    evidence: SurrogateEvidence, settings: SurrogacySettings, checklist: Checklist, figures: LazyFigures, label: str
) -> Iterator[Section]:
    """Sections in the order of the page; `label` is the kind and level of the intervals."""
    yield _verdict_section(evidence, settings)
    if "surrogacy_slope_r2" in evidence.tables:
        yield _person_section(evidence, figures, label)
    if evidence.trial is not None and "surrogacy_prentice" in evidence.tables:
        yield _criteria_section(evidence, figures, label)
        yield _causal_section(evidence, figures, label)
        yield _mediation_section(evidence, figures, label)
        yield _earliness_section(evidence, figures, label)
    shown = checklist.table.rename(columns=str.capitalize)
    yield Section(
        "Surrogate: checklist",
        [f"{checklist.sentence()}. The same for machines: checklist.json."],
        {"Items of a report on a surrogate": shown},
        collapsed=True,
    )


def _verdict_section(evidence: SurrogateEvidence, settings: SurrogacySettings) -> Section:
    d = evidence.declared
    rows = [
        {
            "Rung": f"{verdict.rung}: {QUESTIONS[verdict.rung]}",
            "Answer": verdict.answer,
            "In words": verdict.sentence,
            "Why": " ".join(verdict.reasons),
            "What would change it": " ".join(verdict.what_would_change_it),
        }
        for verdict in evidence.verdicts
    ]
    cut = settings.cut_offs.model_dump()
    limits = pd.DataFrame(
        [{"Cut-off": name.replace("_", " "), "Value": cut[name], "Source": SOURCES[name]} for name in cut]
    )
    return Section(
        "Surrogate: how far the evidence goes",
        [
            f"{d.surrogate.label} as a surrogate for {d.outcome.label}: {d.where}. Three rungs, each its own question; "
            "a yes on one is no yes on the next. An association between persons is not a relation between effects.",
            *([d.not_randomised[0].upper() + d.not_randomised[1:] + "."] if d.not_randomised else []),
        ],
        {"Verdict by rung": pd.DataFrame(rows), "Cut-offs, set before the data were seen or by default": limits},
        note="Not assessable: the design cannot say, whatever the numbers. It is an answer, and no failure.",
    )


def _person_section(evidence: SurrogateEvidence, figures: LazyFigures, label: str) -> Section:
    d, tables = evidence.declared, evidence.tables
    names = {"level": "level at randomisation", "rate": "drift off drug", "effect": "response to the drug"}
    slopes = [
        {
            f"{d.surrogate.label} terms": ", ".join(names.get(term, term) for term in row["terms"].split(" + ")),
            f"R2 ({label})": _cell(row, ""),
            f"Prior ({label})": _cell(row, "prior_"),
        }
        for row in tables["surrogacy_slope_r2"].to_dict("records")
    ]
    vectors = [
        {"Scope": row["scope"], "Measure": _VECTORS[row["metric"]], f"Median ({label})": _cell(row, "")}
        for row in tables["surrogacy_vectors"].to_dict("records")
    ]
    pairs = [
        {
            "Terms": f"{row['term']} with {row['term_other']}",
            f"Correlation ({label})": _cell(row, ""),
            "P(positive)": chance(row["positive"]),
        }
        for row in tables["surrogacy_correlations"].to_dict("records")
    ]
    shown = {
        f"How much of persons' {d.outcome.label} slopes goes with {d.surrogate.label}": pd.DataFrame(slopes),
        "All of one with all of the other": pd.DataFrame(vectors),
        "Correlations of persons' terms": pd.DataFrame(pairs),
    }
    if "surrogacy_prediction" in tables:
        shown[
            f"{d.outcome.label} of a new person on the drug, mean change a month to week {d.outcome_week:g}, "
            f"{d.outcome.unit}"
        ] = pd.DataFrame(
            [
                {
                    f"{d.surrogate.label} change, {d.surrogate.unit}": row["surrogate_change"],
                    f"Mean of such persons ({label})": _cell(row, "expected", "_"),
                    "One new person, true course": f"{row['lower']:.2f} to {row['upper']:.2f}".replace("-", "−"),
                }
                for row in tables["surrogacy_prediction"].to_dict("records")
            ]
        )
    return Section(
        "Surrogate: between persons",
        [
            "Individual level only: it says who fares how within an arm, not what moving the surrogate would do. True "
            "values, free of measurement error, unless marked as measured; R2_Lambda grows with the number of visits "
            "and the precision of the assay, the visit-free one does not depend on them.",
        ],
        shown,
        _pictures(
            figures, "surrogacy_persons", "Ellipses that hold 50 and 95 % of persons by start group, with lines.",
            "From posterior medians of means and covariances; true values. No person is drawn.",
        ),
        "Variance reduction factor of person terms: each term scaled by its SD.",
    )  # fmt: skip


def _criteria_section(evidence: SurrogateEvidence, figures: LazyFigures, label: str) -> Section:
    d, trial = evidence.declared, evidence.trial
    assert trial is not None
    table = evidence.tables["surrogacy_criteria"]
    latent, seen = (table[table["scale"] == scale].to_dict("records") for scale in ("latent", "observed"))
    rows = [
        {
            "Quantity": true["name"],
            f"True values ({label})": true["note"] or _cell(true, ""),
            "As measured": _cell(measured, ""),
            "Prior, true values": _cell(true, "prior_"),
        }
        for true, measured in zip(latent, seen, strict=True)
    ]
    chances = [
        {"Criterion": _CRITERIA[name], "Probability": chance(value)}
        for name, value in trial.prentice.probabilities.items()
    ]
    region = "not declared" if math.isnan(d.regions.residual) else f"{d.regions.residual:g} {d.outcome.unit}"
    return Section(
        "Surrogate: criteria of a single trial",
        [
            f"Prentice's criteria: {trial.prentice.sentence()}. Regions: effect on the surrogate above "
            f"{d.regions.surrogate:g} {d.surrogate.unit}, on the outcome above {d.regions.outcome:g} {d.outcome.unit}, "
            f"left over within {region}.",
            "The relative effect predicts another trial only if effects are proportional across trials, which one "
            "trial cannot test. The proportion explained is a ratio of effects and no proportion; it is withheld unless the "
            "outcome's effect is separated from zero. Measurement error shrinks both slopes and shares: read the true "
            "values.",
        ],
        {
            "Prentice's criteria, true values": pd.DataFrame(chances),
            f"Effects are {d.contrast.early} minus {d.contrast.late}; {d.where}": pd.DataFrame(rows),
        }
        if d.contrast
        else {},
    )


def _causal_section(evidence: SurrogateEvidence, figures: LazyFigures, label: str) -> Section:
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
                else _cell(row, ""),
                "Range from ignorance alone": "–"
                if math.isnan(ignorance[0])
                else f"{ignorance[0]:.2f} to {ignorance[1]:.2f}".replace("-", "−"),
                "P(squared > 0.5)": chance(row["probability_r2_above_half"]),
            }
        )
    lines = [
        {
            "Assumption": row["assumption"],
            f"Effect where the surrogate is not moved ({label})": _cell(row, "g0", "_"),
            "Per unit of effect on the surrogate": _cell(row, "g1", "_"),
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
        _pictures(
            figures, "surrogacy_causal_association", "Density of the causal association under each assumption.",
            f"Bars: {label} over draws and cross-world correlations. + means that persons whose surrogate improves "
            "more gain more in the outcome.",
        ),
    )  # fmt: skip


def _mediation_section(evidence: SurrogateEvidence, figures: LazyFigures, label: str) -> Section:
    d, tables = evidence.declared, evidence.tables
    table = tables["surrogacy_mediation"]
    every = max(1, math.ceil(len(table) / 7))
    chosen = table.iloc[::-1].iloc[::every].iloc[::-1]
    rows = [
        {
            "Week": row["week"],
            f"Total ({label})": _cell(row, "total", "_"),
            "Through the surrogate": _cell(row, "indirect", "_"),
            "Direct": _cell(row, "direct", "_"),
            "Share through it": "withheld" if row["withheld"] else _cell(row, "share", "_"),
        }
        for row in chosen.to_dict("records")
    ]
    shown = {f"{d.outcome.label}, {d.outcome.unit}": pd.DataFrame(rows)}
    if "surrogacy_sensitivity" in tables:
        shown[f"If unmeasured causes correlate the errors of both, week {d.outcome_week:g}"] = pd.DataFrame(
            [
                {
                    "Error correlation": row["error_correlation"],
                    f"Through the surrogate ({label})": _cell(row, "indirect", "_"),
                    "P(favours the drug)": chance(row["indirect_favours"]),
                    "Share through it": "withheld" if math.isnan(row["share_median"]) else _cell(row, "share", "_"),
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
        _pictures(
            figures, "surrogacy_mediation", "Total effect on the outcome over weeks, and its part through the surrogate.",
            f"Median and {label}. After the switch: early against delayed start, not drug against placebo.",
        ),
    )  # fmt: skip


def _earliness_section(evidence: SurrogateEvidence, figures: LazyFigures, label: str) -> Section:
    d = evidence.declared
    rows = [
        {
            "Week": row["week"],
            f"Effect on the surrogate ({label})": _cell(row, "effect", "_"),
            "P(favours)": chance(row["effect_favours"]),
            "R2, true values": _cell(row, "r2", "_"),
            "R2, as measured": _cell(row, "r2_observed", "_"),
            "Relative effect": "unbounded"
            if math.isnan(row["relative_effect_median"])
            else _cell(row, "relative_effect", "_"),
            "Proportion explained": "withheld" if row["explained_withheld"] else _cell(row, "explained", "_"),
            "All four criteria": "not assessable"
            if math.isnan(row["prentice_joint"])
            else chance(row["prentice_joint"]),
            "Causal association, no assumption": _cell(row, "causal", "_"),
        }
        for row in evidence.tables["surrogacy_earliness"].to_dict("records")
    ]
    first = evidence.earliest or {}
    effect = first.get("effect", math.nan)
    text = (
        "At no visit is the drug's effect on the surrogate shown."
        if math.isnan(effect)
        else f"The drug's effect on {d.surrogate.label} is shown from week {effect:g} on."
    )
    fair = first.get("individual", math.nan)
    text += (
        " At no visit does its change go with the outcome at least fairly, by the cut-off above."
        if math.isnan(fair)
        else f" From week {fair:g} on its change goes with the outcome at least fairly, by the cut-off above."
    )
    return Section(
        "Surrogate: how early",
        [f"The surrogate read at each visit, {d.outcome.label} always to week {d.outcome_week:g}. {text}"],
        {"Measures by the week at which the surrogate is read": pd.DataFrame(rows)},
        _pictures(
            figures, "surrogacy_earliness", "R2 within arms by the week at which the surrogate is read.",
            f"Median and {label}; blue: true values, orange: as measured.",
        ),
    )  # fmt: skip


def _cell(row: Mapping[str, Any], name: str, between: str = "") -> str:
    """Median with its interval; "–" where there is none."""
    numbers = [
        row[f"{name}{between}{edge}"] for edge in ("median", "lower", "upper") if f"{name}{between}{edge}" in row
    ]
    if len(numbers) < 3 and name:
        numbers = [row[name], row[f"{name}_lower"], row[f"{name}_upper"]]
    return "–" if any(math.isnan(value) for value in numbers) else estimate(*numbers)


def _pictures(figures: LazyFigures, name: str, alt: str, caption: str) -> list[Picture]:
    return [Picture(figures.maker(name), alt, caption)] if name in figures else []
