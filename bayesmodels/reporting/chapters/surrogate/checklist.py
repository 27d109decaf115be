"""What a report on a surrogate must contain, item by item, with a status: for machines and for an assessor.

Items follow the ReSEEM guideline, CONSORT- and SPIRIT-Surrogate, NICE TSD 20, IQWiG and BSES3 in our own words.
A status is never guessed: what a person must write is "not met" until it is written.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal, cast, get_args

import pandas as pd

from bayesmodels.reporting.chapter import Chapter, Reading
from bayesmodels.reporting.page import Section
from bayesmodels.surrogacy.settings import SurrogacySettings

Status = Literal["met", "not met", "not identifiable", "not applicable"]

_ROWS = list(csv.DictReader((files(__package__) / "checklist.csv").read_text(encoding="utf-8").splitlines()))
"""One row per item: its requirement, and its answer in a report on one trial.

`answer` is a status, with its pointer in `words`; or what decides between two: "declared", by a field of
`SurrogacySettings`; "table", by a table of the report; "figure", by a figure; "computed" below.
"""

ITEMS: dict[str, str] = {row["item"]: row["requirement"] for row in _ROWS}
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


PAGE = "report.html"


def single_checklist(reading: Reading) -> Checklist | None:
    """Status of every item for a fit of one trial; None where no surrogate is declared."""
    evidence, context, tables = reading.surrogate, reading.context, reading.tables
    if evidence is None:
        return None
    settings = evidence.settings
    entries = {row["item"]: _entry(row["answer"], row["words"], settings, reading) for row in _ROWS}
    if settings.role and not settings.context_of_use:
        entries["A1"] = Entry("not met", _not_stated("context_of_use"))
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


def _entry(answer: str, words: str, settings: SurrogacySettings, reading: Reading) -> Entry:
    """What a row of the list says of a report."""
    if answer == "declared":
        text = getattr(settings, words)
        return Entry("met", f"{words}: {text}") if text else Entry("not met", _not_stated(words))
    if answer == "table":
        why = "this fit has not what it is computed from: see the verdicts' reasons"
        return Entry("met", f"tables/{words}.csv") if words in reading.tables else Entry("not identifiable", why)
    if answer == "figure":
        why = "see the verdicts' reasons"
        return Entry("met", f"figures/{words}.svg") if words in reading.figures else Entry("not identifiable", why)
    return Entry("not met" if answer == "computed" else cast(Status, answer), words)


def _not_stated(field: str) -> str:
    return f"not stated; set [report.surrogacy] {field}"
