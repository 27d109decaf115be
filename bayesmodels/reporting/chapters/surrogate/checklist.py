"""What a report on a surrogate must contain, item by item, with a status: for machines and for an assessor.

Items follow the ReSEEM guideline, CONSORT- and SPIRIT-Surrogate, NICE TSD 20, IQWiG and BSES3 in our own words.
A status is never guessed: what a person must write is "not met" until it is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import pandas as pd

from bayesmodels.reporting.chapter import Chapter, Reading
from bayesmodels.reporting.page import Section

Status = Literal["met", "not met", "not identifiable", "not applicable"]

ITEMS: dict[str, str] = {
    "A1": "role claimed for the surrogate, and the drug class and population it is claimed for",
    "A2": "surrogate defined: matrix, assay, limit of quantification, unit, scale, what is read and when",
    "A3": "outcome defined, with its estimand: deaths, rescue and the switch included",
    "A4": "biological rationale and causal diagram",
    "A5": "analysis laid down beforehand: thresholds, decision rule, versions, seeds",
    "B1": "how the evidence was searched and selected, and who paid",
    "B2": "persons' data or published numbers, and the unit of analysis",
    "B3": "design of each comparison: persons per arm, population, background therapy, visits, missing values, deaths",
    "B4": "risk of bias, open label, and survivors in an extension",
    "B5": "range of the effects on the surrogate between trials",
    "C1": "models of both levels written out",
    "C2": "where the covariance of the two effects within a trial comes from",
    "C3": "priors, and what they imply for the measures of association",
    "C4": "measurement error, assay batches, missing values that depend on the unseen, dropout and death",
    "C5": "weights of the trials",
    "C6": "convergence and predictive checks",
    "C7": "which measures the design can identify",
    "D1": "effects on surrogate and outcome with intervals",
    "D2": "individual level: R2_indiv, R2_Lambda, variance reduction factor",
    "D3": "trial level: slope, intercept, conditional SD, R2_trial beside its prior",
    "D4": "surrogate threshold effect at several levels and margins, or that there is none",
    "D5": "Prentice's criteria, relative effect and proportion explained, with denominators",
    "D6": "mediation over time, with sensitivity to unmeasured confounding",
    "D7": "individual causal association and principal strata, with assumptions",
    "D8": "chance of the surrogate paradox",
    "D9": "each trial predicted from the others",
    "D10": "influence of each trial and class; selective publication",
    "D11": "differences between subgroups and drug classes",
    "D12": "every measure by the visit at which the surrogate is read",
    "D13": "sensitivity to the priors",
    "D14": "BSES3 score, Ciani level and IQWiG category with their inputs",
    "E1": "figure: effects of the trials with line, prediction band and threshold",
    "E2": "figure: surrogate and outcome of persons, by arm",
    "E3": "figure: courses of both by start group, with the switch",
    "E4": "figure: prior and posterior of R2_trial",
    "E5": "figure: probability of benefit by effect on the surrogate",
    "E6": "figure: each trial predicted from the others",
    "E7": "figure: indirect effect and share explained over time",
    "E8": "figure: causal association by assumption",
    "E9": "figure: measures by the surrogate's visit",
    "E10": "figure: influence of each trial",
    "F1": "a verdict for each rung, in words that keep to the rung",
    "F2": "effect on the outcome predicted from this effect on the surrogate",
    "F3": "whether it carries over to another class or population",
    "F4": "harms and benefits that the surrogate does not show",
    "F5": "limits, the number of comparisons among them",
    "F6": "what further data would change the verdict",
    "F7": "sharing of data and code",
    "F8": "a statement in plain language for participants",
    "G1": "trial that uses it: surrogate named as such and justified with evidence of validity",
    "G2": "trial that uses it: methods, and whether sample size used the surrogate's validity",
    "G3": "trial that uses it: results of composites by component",
    "G4": "trial that uses it: interpretation limited to what the surrogate can show",
    "G5": "trial that uses it: confirmatory plans; both endpoints collected and shared",
    "G6": "trial that uses it: participants told",
}
"""Item to requirement."""


@dataclass(frozen=True)
class Entry:
    """Status of an item and where to look, or why."""

    status: Status
    pointer: str


@dataclass(frozen=True)
class Checklist:
    """Every item with its status.

    Parameters
    ----------
    entries : mapping of str to Entry
        By item, all of `ITEMS`.
    """

    entries: Mapping[str, Entry]

    def __post_init__(self) -> None:
        """Refuse a list that leaves an item out or has one too many, or an unknown status."""
        if set(self.entries) != set(ITEMS):
            wrong = sorted(set(self.entries) ^ set(ITEMS))
            raise ValueError(f"expected every item of the checklist once; missing or unknown: {', '.join(wrong)}")
        for item, entry in self.entries.items():
            if entry.status not in get_args(Status):
                raise ValueError(f"{item}: expected one of {', '.join(get_args(Status))}, got {entry.status!r}")

    @property
    def table(self) -> pd.DataFrame:
        """Columns `item`, `requirement`, `status`, `pointer`."""
        rows = [(item, ITEMS[item], *_fields(self.entries[item])) for item in ITEMS]
        return pd.DataFrame(rows, columns=["item", "requirement", "status", "pointer"])

    def sentence(self) -> str:
        """How many items have each status."""
        counts = self.table["status"].value_counts()
        return ", ".join(f"{counts.get(status, 0)} {status}" for status in get_args(Status))

    def as_json(self) -> bytes:
        """Content of ``checklist.json``."""
        content = {"schema": 1, "items": self.table.to_dict("records")}
        return json.dumps(content, indent=1, ensure_ascii=False).encode()


def _fields(entry: Entry) -> tuple[str, str]:
    return entry.status, entry.pointer


class ChecklistItems(Chapter):
    """The checklist, shown closed."""

    name = "surrogate, checklist"

    def section(self, reading: Reading) -> Section | tuple[()]:
        """Every item with its status."""
        checklist = single_checklist(reading)
        if checklist is None:
            return ()
        return Section(
            "Surrogate: checklist",
            [f"{checklist.sentence()}. The same for machines: checklist.json."],
            {"Items of a report on a surrogate": checklist.table.rename(columns=str.capitalize)},
            collapsed=True,
        )


ONE_TRIAL = "one trial: needs several randomised comparisons (bayesmodels trial-level)"

PAGE = "report.html"


def single_checklist(reading: Reading) -> Checklist | None:
    """Status of every item for a fit of one trial; None where no surrogate is declared."""
    evidence, context, tables = reading.surrogate, reading.context, reading.tables
    if evidence is None:
        return None
    settings = evidence.settings
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
    no_source = Entry("not identifiable", "this fit has not what it is computed from: see the verdicts' reasons")
    for item, table in _IN_TABLES.items():
        entries[item] = Entry("met", f"tables/{table}.csv") if table in tables else no_source
    no_figure = Entry("not identifiable", "see the verdicts' reasons")
    for item, (table, figure) in _IN_FIGURES.items():
        entries[item] = Entry("met", f"figures/{figure}.svg") if table in tables else no_figure
    criteria, trial = evidence.prentice, evidence.trial
    why = "" if criteria is None else criteria.reason
    why = why or ("" if trial is None else trial.proportion_explained.withheld)
    if why:
        entries["D5"] = Entry("not identifiable", f"tables/surrogacy_prentice.csv; {why}")
    criteria_table = tables.get("surrogacy_criteria")
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
