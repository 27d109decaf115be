"""The checklist of a fit of one trial: what its report has, what is still to be written, what one trial cannot say."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from bayesmodels.posterior.context import FitContext
from bayesmodels.reporting.chapters.surrogate_checklist import Checklist, Entry
from bayesmodels.surrogacy.evidence import SurrogateEvidence
from bayesmodels.surrogacy.settings import SurrogacySettings

ONE_TRIAL = "one trial: needs several randomised comparisons (bayesmodels trial-level)"

PAGE = "report.html"


def single_checklist(
    evidence: SurrogateEvidence, context: FitContext, settings: SurrogacySettings, tables: Collection[str]
) -> Checklist:
    """Status of every item.

    Parameters
    ----------
    evidence : SurrogateEvidence
    context : FitContext
    settings : SurrogacySettings
    tables : collection of str
        Names of the report's tables.
    """
    entries = {item: Entry("not identifiable", ONE_TRIAL) for item in _TRIAL_LEVEL}
    entries |= {item: Entry("not applicable", "one trial") for item in ("B1", "B5", "C5")}
    entries |= {item: Entry("not met", text) for item, text in _TO_WRITE.items()}
    entries |= {item: Entry("met", text) for item, text in _ALWAYS.items()}
    for item, field in _DECLARED.items():
        text = getattr(settings, field)
        missing = f"not stated; set [report.surrogacy] {field}"
        entries[item] = Entry("met", f"{field}: {text}") if text else Entry("not met", missing)
    if settings.role and not settings.context_of_use:
        entries["A1"] = Entry("not met", "not stated; set [report.surrogacy] context_of_use")
    for item, table in _IN_TABLES.items():
        there = table in tables
        entries[item] = (
            Entry("met", f"tables/{table}.csv")
            if there
            else Entry("not identifiable", "this fit has not what it is computed from: see the verdicts' reasons")
        )
    for item, (table, figure) in _IN_FIGURES.items():
        there = table in tables
        entries[item] = (
            Entry("met", f"figures/{figure}.svg") if there else Entry("not identifiable", "see the verdicts' reasons")
        )
    criteria, trial = evidence.prentice, evidence.trial
    why = "" if criteria is None else criteria.reason
    why = why or ("" if trial is None else trial.proportion_explained.withheld)
    if why:
        entries["D5"] = Entry("not identifiable", f"tables/surrogacy_prentice.csv; {why}")
    criteria_table = evidence.tables.get("surrogacy_criteria")
    beside = criteria_table is not None and criteria_table.get("prior_median", pd.Series(dtype=float)).notna().any()
    entries["C3"] = (
        Entry("met", "tables/surrogacy_criteria.csv: prior beside posterior")
        if beside
        else Entry("not met", "the archive holds no prior draws of these measures")
    )
    if entries["D6"].status == "met" and "surrogacy_sensitivity" not in tables:
        entries["D6"] = Entry("not met", "tables/surrogacy_mediation.csv; no sensitivity to unmeasured confounding")
    checked = context.grade in ("ok", "short") and "predictive_coverage" in tables
    entries["C6"] = (
        Entry("met", f"{PAGE}, Convergence and how it was run; Predictive checks")
        if checked
        else Entry("not met", "the chains did not converge, or the fit has no predictive checks")
    )
    strata = f"{PAGE}, Effects of the drug: by stratum; drug classes need several trials"
    if context.model.get("pooling") and len(set(context.data.get("strata") or ())) > 1:
        entries["D11"] = Entry("met", strata)
    if context.unconverged:
        late = {item for item, entry in entries.items() if item[0] in "DE" and entry.status == "met"}
        entries |= {item: Entry("not met", "the chains did not converge") for item in late}
    if not settings.role:
        entries |= {f"G{j}": Entry("not applicable", "no role is claimed for the surrogate") for j in range(1, 7)}
    return Checklist(entries)


_TRIAL_LEVEL = ("D3", "D4", "D8", "D9", "D10", "D14", "E1", "E4", "E5", "E6", "E10", "F2", "F3")

_DECLARED = {
    "A1": "role",
    "A2": "surrogate_definition",
    "A4": "rationale",
    "A5": "prespecified",
}

_TO_WRITE = {
    "B3": "persons, visits and starts are on the page; background therapy and reasons for missing values are not",
    "B4": "a judgement to be written",
    "C2": "the covariance of the two effects is the model's, over its draws; its source is to be written",
    "C4": "measurement error is modelled; batches, and missing values that depend on the unseen, are not",
    "D11": "fit with [study] strata = true; drug classes need several trials",
    "D13": "fit again with the priors' SDs doubled, and lay the two reports side by side",
    "F4": "not in these tables: to be written",
    "F7": "to be stated with the report",
    "F8": "to be written; the verdicts on the first screen are a start",
    **{f"G{j}": "to be written in that trial's protocol and report" for j in range(1, 7)},
}

_ALWAYS = {
    "A3": f"{PAGE}, Mean curves per start group: as if alive and followed, and what is assumed of missing visits",
    "B2": f"{PAGE}, first screen: one trial, persons or means as it says",
    "C1": "posterior.nc, root attribute model; config.toml",
    "C7": f"{PAGE}, first screen and Surrogate: how far the evidence goes",
    "E3": "figures/curve_*.svg",
    "F1": f"{PAGE}, first screen; summary.json, surrogacy",
    "F5": f"{PAGE}, Surrogate: how far the evidence goes",
    "F6": f"{PAGE}, Surrogate: how far the evidence goes",
}

_IN_TABLES = {
    "D1": "surrogacy_criteria",
    "D2": "surrogacy_vectors",
    "D5": "surrogacy_prentice",
    "D6": "surrogacy_mediation",
    "D7": "surrogacy_causal_association",
    "D12": "surrogacy_earliness",
}

_IN_FIGURES = {
    "E2": ("surrogacy_prediction", "surrogacy_persons"),
    "E7": ("surrogacy_mediation", "surrogacy_mediation"),
    "E8": ("surrogacy_causal_association", "surrogacy_causal_association"),
    "E9": ("surrogacy_earliness", "surrogacy_earliness"),
}
