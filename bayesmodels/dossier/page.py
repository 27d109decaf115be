"""The page of a dossier: statements with links to their tables, and the tables for readers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from bayesmodels.dossier.checklist import Item
from bayesmodels.dossier.contents import CHAPTERS, Contents
from bayesmodels.dossier.operating import ALL_MET, ASSURANCE, POWER, TYPE_I, WRONG
from bayesmodels.dossier.statement import Statement, row_of
from bayesmodels.dossier.statements import cautions, probability_words
from bayesmodels.posterior.estimand import open_label
from bayesmodels.posterior.wording import cell, difference, estimate
from bayesmodels.reporting.page import Lead, Section

ROW = "Row"
"""Column with the row of the csv file that a line of the page is from."""

NOT_STATED = "not stated"

FIRST = (POWER, TYPE_I, ASSURANCE, ALL_MET)
"""Measures of the criteria that stand on the first screen."""

TAKEN_OVER = {
    "priors": ("borrowing",),
    "sensitivity": ("shares under other priors", "other forms of the model"),
    "missing": ("dropout sensitivity",),
    "computation": ("predictive checks", "convergence"),
}
"""Chapters of the run's own report that stand in a dossier, by part."""


def lead(contents: Contents, stated: Mapping[str, Sequence[Statement]]) -> Lead:
    """The first screen: the question, whether the criteria were met, how often they would be, what is missing.

    Parameters
    ----------
    contents : Contents
    stated : mapping
        Statements by part.
    """
    context, question = contents.run.reading.context, contents.config.sections.dossier.question
    name = context.data.get("name") or "unnamed data"
    asked = Statement(f"Question: {question or NOT_STATED}", "question", row_of(0))
    rules = contents.tables["operating_rules"]
    of_criteria = {
        row_of(k) for k, row in enumerate(rules.to_dict("records")) if row["criterion"] and row["measure"] in FIRST
    }
    shown = [each for each in stated["operating"] if each.table == "operating_rules" and each.row in of_criteria]
    return Lead(
        paragraphs=[
            f"Data: {name}. Model: {context.model_type}. Simulated trials stand behind every power, error rate, bias "
            "and coverage on this page; they are not data.",
            asked.html(),
            *(each.html() for each in (*stated["success"], *shown, *stated["checklist"])),
            "Every statement names the table and row that it stands on; rows are numbered as a spreadsheet numbers "
            "them, the heading is row 1. This page does not say that any guidance is followed.",
        ],
        warnings=context.warnings,
        cautions=[*(each.html() for each in cautions(contents)), *context.cautions],
    )


def sections(contents: Contents, stated: Mapping[str, Sequence[Statement]], items: Sequence[Item]) -> list[Section]:
    """The page's sections in order.

    Parameters
    ----------
    contents : Contents
    stated : mapping
        Statements by part.
    items : sequence of Item
        The checklist.
    """
    return [
        _question(contents),
        _success(contents, stated["success"]),
        *_priors(contents, stated["priors"]),
        *_chapters(contents, "priors"),
        _operating(contents, stated["operating"]),
        Section("Sensitivity to priors and model", _said(stated["sensitivity"], "Nothing was computed.")),
        *_chapters(contents, "sensitivity"),
        Section("Missing data", _said(stated["missing"])),
        *_chapters(contents, "missing"),
        Section("Computation", _said(stated["computation"])),
        *_chapters(contents, "computation"),
        Section(
            "Every run in full",
            (),
            {"What ran: tables/computation.csv": _with_rows(contents.tables["computation"])},
            collapsed=True,
        ),
        _checklist(stated["checklist"], items),
        _every(stated),
    ]


def _said(stated: Sequence[Statement], otherwise: str = "") -> list[str]:
    return [each.html() for each in stated] or ([otherwise] if otherwise else [])


def _with_rows(table: pd.DataFrame) -> pd.DataFrame:
    """A table for readers: its rows numbered as in its file."""
    shown = table.rename(columns=str.capitalize)
    return shown.assign(**{ROW: [row_of(place) for place in range(len(table))]})[[ROW, *shown.columns]]


def _question(c: Contents) -> Section:
    table = c.tables["question"]
    words = [text or NOT_STATED for text in table["words"]]
    both = [
        f"{strategy}{'' if text == NOT_STATED else f': {text}'}" if strategy else text
        for text, strategy in zip(words, table["strategy"], strict=True)
    ]
    named = [
        f"Intercurrent event: {what}" if strategy else what
        for what, strategy in zip(table["what"], table["strategy"], strict=True)
    ]
    shown = pd.DataFrame({ROW: [row_of(place) for place in range(len(table))], "What": named, "In words": both})
    estimated = c.tables["success"]
    lines = [
        Statement(
            f"What the analysis estimates for “{row['criterion']}”: {row['estimand']}.", "success", row_of(place)
        ).html()
        for place, row in enumerate(estimated.to_dict("records"))
    ]
    return Section(
        "Question and estimand",
        [*lines, *([open_label(c.run.reading.context)] if open_label(c.run.reading.context) else [])],
        {"The sponsor's words: tables/question.csv": shown},
        note="Attributes of an estimand and names of strategies are those of ICH E9(R1).",
    )


def _success(c: Contents, stated: Sequence[Statement]) -> Section:
    rows = [
        {
            ROW: row_of(place),
            "Criterion": row["criterion"],
            "Quantity": row["quantity"],
            "Favourable": f"{'above' if row['favours'] == 'up' else 'below'} {row['beyond']:g} {row['unit']}",
            "Probability": probability_words(row["probability"]),
            "Threshold": row["threshold"],
            "Answer": row["answer"],
            f"Median ({row['interval']})": difference(row["median"], row["lower"], row["upper"]),
            "Before the data": probability_words(row["prior_probability"]),
        }
        for place, row in enumerate(c.tables["success"].to_dict("records"))
    ]
    tables = {"Success criteria: tables/success.csv": pd.DataFrame(rows)} if rows else {}
    return Section(
        "Success criteria and whether they were met",
        _said(stated, "No criterion is stated: [[success]]."),
        tables,
        note="A criterion is met where the posterior probability is above its threshold. The Monte-Carlo error is that "
        "of the probability, from the chains' effective number of draws. ETI: equal-tailed interval.",
    )


def _priors(c: Contents, stated: Sequence[Statement]) -> Iterator[Section]:
    size, tables = c.tables["prior_size"], dict[str, pd.DataFrame]()
    if len(size):
        tables["What priors are worth: tables/prior_size.csv"] = pd.DataFrame(
            {
                ROW: row_of(place),
                "Quantity": row["quantity"],
                f"Prior ({row['interval']})": estimate(row["prior_median"], row["prior_lower"], row["prior_upper"]),
                "Posterior": estimate(row["posterior_median"], row["lower"], row["upper"]),
                "Unit": row["unit"],
                "Worth in persons": cell(row["prior_persons"]),
                "Monte-Carlo error": cell(row["monte_carlo_error"]),
                "By widths": cell(row["by_width"]),
                "Note": row["note"],
            }
            for place, row in enumerate(size.to_dict("records"))
        )
    before = c.tables["prior_predictive"]
    if c.has("prior_predictive"):
        tables["Mean courses before the data: tables/prior_predictive.csv"] = pd.DataFrame(
            {
                ROW: row_of(place),
                "Outcome": c.run.reading.context.outcomes[row["outcome"]].label,
                "Start group": row["start_group"],
                "Week": row["week"],
                f"Median ({row['interval']})": estimate(row["median"], row["lower"], row["upper"]),
                "Unit": row["unit"],
                "Range": f"{row['limit_low']:g} to {row['limit_high']:g}" if math.isfinite(row["limit_low"]) else "–",
                "Below it": _percent(row["share_below"]),
                "Above it": _percent(row["share_above"]),
            }
            for place, row in enumerate(before.to_dict("records"))
        )
    yield Section(
        "Priors: what they are worth and what they predict",
        _said(stated, "The posterior does not hold its priors."),
        tables,
        note="Worth in persons, the effective sample size: n v1 / (v0 - v1) with prior variance v0, posterior variance "
        "v1 and n persons, the prior's precision over that which one person gave (precision ratio, Neuenschwander et "
        "al. 2020). By widths: the same from 95 % equal-tailed intervals; where the two differ the quantity is far "
        "from normal. It is of the quantity's own prior: priors of other parameters count with the data.",
    )
    if c.has("priors"):
        names = {"outcome": "Outcome", "parameter": "Parameter", "stratum": "Stratum", "prior": "Prior", "unit": "Unit",
                 "source": "Source", "justification": "The sponsor's reason"}  # fmt: skip
        shown = _with_rows(c.tables["priors"][list(names)].rename(columns=names))
        shown["The sponsor's reason"] = [text or NOT_STATED for text in shown["The sponsor's reason"]]
        yield Section("Every prior", (), {"Priors: tables/priors.csv": shown}, collapsed=True)


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.1f} %"


def _operating(c: Contents, stated: Sequence[Statement]) -> Section:
    tables = dict[str, pd.DataFrame]()
    if c.has("operating_rules"):
        tables["Decisions over simulated trials: tables/operating_rules.csv"] = pd.DataFrame(
            {
                ROW: row_of(place),
                "Measure": row["measure"],
                "Criterion": row["criterion"] or f"none (rule {row['rule']!r})",
                "Share (95 % limits)": f"{row['share']:.3f} ({row['lower']:.3f} to {row['upper']:.3f})",
                "Counted": f"{row['successes']:,} of {row['fits']:,}{' successes' if row['measure'] == WRONG else ''}",
                "Study": row["study"],
            }
            for place, row in enumerate(c.tables["operating_rules"].to_dict("records"))
        )
    if c.has("operating_quantities"):
        tables["Estimates over simulated trials: tables/operating_quantities.csv"] = pd.DataFrame(
            {
                ROW: row_of(place),
                "Quantity": row["quantity"],
                "Truth": "varies" if row["truth_varies"] else row["truth"],
                "Bias (MC error)": "–" if math.isnan(row["bias"]) else f"{cell(row['bias'])} ({cell(row['bias_se'])})",
                "Coverage (95 % limits)": _coverage(row),
                "Level": f"{100 * row['interval']:g} %",
                "Width": row["width"],
                "Study": row["study"],
            }
            for place, row in enumerate(c.tables["operating_quantities"].to_dict("records"))
        )
    if c.has("operating_studies"):
        tables["Studies: tables/operating_studies.csv"] = pd.DataFrame(
            {
                ROW: row_of(place),
                "Study": row["study"],
                "Truth": row["truth"],
                "What it stands for": row["why"] or NOT_STATED,
                "The run's model": "yes" if row["same_model"] else f"NO: {row['differences']}",
                "Persons": row["persons"] or "–",
                "Fits": f"{row['fits']:,} of {row['planned']:,}",
                "Failed": row["failed"],
                "Not converged": row["not_converged"],
                "Seed": str(row["seed"]),
            }
            for place, row in enumerate(c.tables["operating_studies"].to_dict("records"))
        )
    return Section(
        "Operating characteristics",
        _said(stated, "No study of simulated trials is named: [[trials]]."),
        tables,
        note="Power: among trials whose true value is favourable. Type I error: among those whose true value is not. "
        "Assurance: over all trials where truths vary between them. Limits are exact binomial (Clopper-Pearson). Bias "
        "is of posterior medians, coverage of equal-tailed intervals at the truth of the simulation.",
    )


def _coverage(row: Mapping[str, Any]) -> str:
    if math.isnan(row["coverage"]):
        return "–"
    return f"{row['coverage']:.3f} ({row['coverage_lower']:.3f} to {row['coverage_upper']:.3f})"


def _chapters(c: Contents, part: str) -> Iterator[Section]:
    """Sections that the run's own report has on this part."""
    reading = c.run.reading
    for chapter in CHAPTERS:
        if chapter.name not in TAKEN_OVER[part] or not chapter.needs.met(reading.tree):
            continue
        if chapter.shows and chapter.shows not in reading.tables:
            continue
        made = chapter.section(reading)
        yield from (made,) if isinstance(made, Section) else made


def _checklist(stated: Sequence[Statement], items: Sequence[Item]) -> Section:
    shown = pd.DataFrame(
        {
            ROW: row_of(place),
            "Part": item.part,
            "Asked for": item.asked,
            "Status": item.status,
            "Where, or what would make it": "; ".join(text for text in (item.where, item.how) if text),
        }
        for place, item in enumerate(items)
    )
    return Section(
        "What a complete dossier still lacks",
        _said(stated),
        {"Items: tables/checklist.csv": shown},
        note="In our own words, after the FDA's draft guidance on Bayesian methods in trials of drugs and biological "
        "products (January 2026) and ICH E9(R1). It lists what is there; it does not judge it.",
    )


def _every(stated: Mapping[str, Sequence[Statement]]) -> Section:
    rows = [{"Statement": each.text, "Place": each.place} for statements in stated.values() for each in statements]
    return Section("Every statement", (), {"Statements: tables/statements.csv": pd.DataFrame(rows)}, collapsed=True)
