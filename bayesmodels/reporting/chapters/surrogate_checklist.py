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
