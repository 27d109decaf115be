"""Sections of the page about the surrogate: three rungs first, then what each of the first two rests on."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from bayesmodels.posterior.wording import chance, fixed
from bayesmodels.reporting.chapters.surrogate_checklist import Checklist
from bayesmodels.reporting.chapters.surrogate_pathways import (
    causal_section,
    earliness_section,
    limits_cell,
    mediation_section,
    pictures_of,
)
from bayesmodels.reporting.drawing import LazyFigures
from bayesmodels.reporting.page import Section
from bayesmodels.surrogacy.evidence import SurrogateEvidence
from bayesmodels.surrogacy.prentice import Prentice
from bayesmodels.surrogacy.settings import SOURCES, SurrogacySettings

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
    if evidence.prentice is not None:
        yield _criteria_section(evidence, evidence.prentice, label)
    if evidence.trial is not None:
        yield causal_section(evidence, figures, label)
        yield mediation_section(evidence, figures, label)
        yield earliness_section(evidence, figures, label)
    shown = checklist.table.rename(columns=str.capitalize)
    yield Section(
        "Surrogate: checklist",
        [f"{checklist.sentence()}. The same for machines: checklist.json."],
        {"Items of a report on a surrogate": shown},
        collapsed=True,
    )


def _verdict_section(evidence: SurrogateEvidence, settings: SurrogacySettings) -> Section:
    d = evidence.declared
    rungs = [
        f"{verdict.rung.capitalize()} level. {QUESTIONS[verdict.rung]} {verdict.answer.capitalize()}. "
        f"{verdict.sentence_and_why} What would change it: {' '.join(verdict.what_would_change_it)}"
        for verdict in evidence.verdicts
    ]
    cut = settings.cut_offs.model_dump()
    limits = pd.DataFrame(
        [{"Cut-off": name.replace("_", " "), "Value": f"{cut[name]:g}", "Source": SOURCES[name]} for name in cut]
    )
    return Section(
        "Surrogate: how far the evidence goes",
        [
            f"{d.surrogate.label} as a surrogate for {d.outcome.label}: {d.where}. Three rungs, each its own question; "
            "a yes on one is no yes on the next. An association between persons is not a relation between effects.",
            *([d.not_randomised[0].upper() + d.not_randomised[1:] + "."] if d.not_randomised else []),
            *rungs,
        ],
        {"Cut-offs, set before the data were seen or by default": limits},
        note="Not assessable: the design cannot say, whatever the numbers. It is an answer, and no failure.",
    )


def _person_section(evidence: SurrogateEvidence, figures: LazyFigures, label: str) -> Section:
    d, tables = evidence.declared, evidence.tables
    names = {"level": "level at randomisation", "rate": "drift off drug", "effect": "response to the drug"}
    slopes = [
        {
            f"{d.surrogate.label} terms": ", ".join(names.get(term, term) for term in row["terms"].split(" + ")),
            f"R2 ({label})": limits_cell(row),
            f"Prior ({label})": limits_cell(row, "prior_"),
        }
        for row in tables["surrogacy_slope_r2"].to_dict("records")
    ]
    vectors = [
        {"Scope": row["scope"], "Measure": _VECTORS[row["metric"]], f"Median ({label})": limits_cell(row)}
        for row in tables["surrogacy_vectors"].to_dict("records")
    ]
    pairs = [
        {
            "Terms": f"{row['term']} with {row['term_other']}",
            f"Correlation ({label})": limits_cell(row),
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
                    f"{d.surrogate.label} change, {d.surrogate.unit}": fixed(row["surrogate_change"], 2),
                    f"Mean of such persons ({label})": limits_cell(row, "expected_"),
                    "One new person, true course": f"{fixed(row['lower'], 2)} to {fixed(row['upper'], 2)}",
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
        pictures_of(
            figures, "surrogacy_persons", "Ellipses that hold 50 and 95 % of persons by start group, with lines.",
            "From posterior medians of means and covariances; true values. No person is drawn.",
        ),
        "Variance reduction factor of person terms: each term scaled by its SD.",
    )  # fmt: skip


def _criteria_section(evidence: SurrogateEvidence, criteria: Prentice, label: str) -> Section:
    d = evidence.declared
    table = evidence.tables["surrogacy_criteria"]
    by_scale = {scale: rows.to_dict("records") for scale, rows in table.groupby("scale")}
    if "mean" in by_scale:
        rows = [
            {"Quantity": row["name"], f"Median ({label})": row["note"] or limits_cell(row)} for row in by_scale["mean"]
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
        {"Criterion": _CRITERIA[name], "Probability": chance(value)} for name, value in criteria.probabilities.items()
    ]
    region = "not declared" if math.isnan(d.regions.residual) else f"{d.regions.residual:g} {d.outcome.unit}"
    return Section(
        "Surrogate: criteria of a single trial",
        [
            f"Prentice's criteria: {criteria.sentence()}. Regions: effect on the surrogate above "
            f"{d.regions.surrogate:g} {d.surrogate.unit}, on the outcome above {d.regions.outcome:g} {d.outcome.unit}, "
            f"left over within {region}.",
            "The relative effect predicts another trial only if effects are proportional across trials, which one "
            "trial cannot test. The proportion explained is a ratio of effects; it is withheld unless the "
            "outcome's effect is separated from zero. Measurement error shrinks both slopes and shares: read the true "
            "values.",
        ],
        {
            "Prentice's criteria": pd.DataFrame(chances),
            f"Effects are {d.contrast.early} minus {d.contrast.late}; {d.where}": pd.DataFrame(rows),
        }
        if d.contrast
        else {},
    )
