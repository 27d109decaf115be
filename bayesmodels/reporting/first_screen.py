"""The first screen: what these data identify, and what they do not, and why, and what would.

One rule, stated on the page: an effect or difference is identified if its interval is less than half as wide as its
prior's and leaves out zero; a lag, time constant or other positive parameter if the first holds on the log scale.
"""

from __future__ import annotations

import math
from typing import Any

from bayesmodels.posterior.context import FitContext, stratum_label
from bayesmodels.posterior.estimand import OPEN_LABEL
from bayesmodels.posterior.intervals import NOTHING
from bayesmodels.posterior.monte_carlo import ERROR, error_in_brackets
from bayesmodels.posterior.wording import as_percent, chance, estimate, signed
from bayesmodels.reporting.chapters.disease_rate import disease_rate_lines
from bayesmodels.reporting.chapters.effects import LEARNED, PARTLY
from bayesmodels.reporting.findings import Findings
from bayesmodels.reporting.not_converged import to_try, why
from bayesmodels.reporting.page import Lead
from bayesmodels.vocabulary import EFFECTS

RULE = (
    f"Identified: the interval is less than {LEARNED:g} times as wide as the prior's and, for an effect or a "
    "difference, leaves out zero. Widths of lags, time constants and flattening are of their logarithms. Anything else "
    "is listed under Not identified."
)

_HEADLINES = {name: row for name, row in EFFECTS.items() if row.would_teach}


def first_screen(findings: Findings) -> Lead:
    """What the fit is, in a paragraph, and the two lists; of chains that did not converge why, and what to try."""
    context = findings.context
    notes = [*context.notes, *findings.settings.notes]
    verdicts = () if findings.surrogate is None else findings.surrogate.verdicts
    what = _what(context, findings.settings.interval_label)
    if context.unconverged:
        return Lead(
            (what, *notes), verdicts=verdicts, cautions=context.cautions, why=why(context),
            to_try=to_try(findings.tree, context),
        )  # fmt: skip
    identified: list[str] = []
    open_questions: list[str] = []
    if "disease_rates" in findings.tables:
        for found, lines in zip(
            (identified, open_questions), disease_rate_lines(findings.tables["disease_rates"]), strict=True
        ):
            found += lines
    for row in _effect_rows(findings):
        (identified if _is_identified(row, has_sign=EFFECTS[row["name"]].scale != "log") else open_questions).append(
            _effect_line(findings, row)
        )
    for row in _headline_differences(findings):
        known = row["withheld"] == "" and (row["lower"] > 0 or row["upper"] < 0) and row["width_ratio"] < LEARNED
        (identified if known else open_questions).append(_difference_line(findings, row))
    return Lead((what, *notes, RULE), identified, open_questions, verdicts, cautions=context.cautions)


def _what(context: FitContext, interval: str) -> str:
    data = context.data.get("name") or "unnamed data"
    n = context.data.get("counts", {}).get("n_persons")
    persons = f", {n:,} persons" if isinstance(n, int) else ""
    labels = ", ".join(outcome.label for outcome in context.outcomes.values())
    starts = "; ".join(
        f"{group}: drug from week {week:g}" if math.isfinite(week) else f"{group}: never on the drug"
        for group, week in context.drug_start_week.items()
    )
    switch = (
        f" After week {context.switch_week:g} start groups are compared by when they started: {OPEN_LABEL}."
        if context.switch_week is not None
        else ""
    )
    return (
        f"Model {context.model_type} fitted to {data}{persons}; outcomes {labels}. {starts}.{switch} "
        f"Numbers are posterior medians with {interval} (equal-tailed interval)."
    )


def _effect_rows(findings: Findings) -> list[dict[str, Any]]:
    """Headline effects; effects and lags that are the same in every stratum once."""
    if "effects" not in findings.tables:
        return []
    table = findings.tables["effects"]
    rows = table[table["name"].isin(list(_HEADLINES)) & (table["sd"] > NOTHING)].copy()
    slowing = set(rows.loc[rows["name"] == "proportional_slowing", "outcome"])
    rows = rows[~((rows["name"] == "drug_effect") & rows["outcome"].isin(slowing))]
    same = ["name", "outcome", "contrast", "median", "lower", "upper"]
    shared = rows.duplicated(same, keep=False)
    rows.loc[shared, "stratum"] = ""
    return rows.drop_duplicates(same).to_dict("records")


def _is_identified(row: dict[str, Any], has_sign: bool) -> bool:
    narrow = row["width_ratio"] < LEARNED
    return bool(narrow and (not has_sign or row["lower"] > 0 or row["upper"] < 0))


def _effect_line(findings: Findings, row: dict[str, Any]) -> str:
    outcome = findings.context.outcomes[row["outcome"]]
    where = f", {stratum_label(row['stratum'])}" if row["stratum"] not in ("", "all") else ""
    numbers = (row["median"], row["lower"], row["upper"])
    effect = EFFECTS[row["name"]]
    has_sign = effect.scale != "log"
    percent = as_percent(outcome, *numbers) if has_sign and row["unit"] == outcome.unit else ""
    direction = f"; {signed(row['direction'])}" if row["direction"] else ""
    text = (
        f"{outcome.label}{where}: {effect.label} {estimate(*numbers)} {row['unit']}"
        f"{f', that is {percent}' if percent else ''}{direction}."
    )
    error = error_in_brackets(row[ERROR])
    if _is_identified(row, has_sign):
        return f"{text} {_width(row['width_ratio'])}{error}"
    crosses = " The interval contains zero." if has_sign and row["lower"] <= 0 <= row["upper"] else ""
    return f"{text}{crosses} {_width(row['width_ratio'])} {effect.would_teach}{error}"


def _width(ratio: float) -> str:
    if math.isnan(ratio):
        return "There is no prior to compare it with."
    if ratio >= PARTLY:
        return f"Not learned from these data: the interval is {ratio:.2f} times as wide as the prior's."
    return f"The interval is {ratio:.2f} times as wide as the prior's."


def _headline_differences(findings: Findings) -> list[dict[str, Any]]:
    """For the mixture (or the only stratum): Delta_1, and later weeks whose probability is not withheld, each once."""
    if "deltas" not in findings.tables:
        return []
    table = findings.tables["deltas"]
    overall = table[table["stratum"].isin(["all"])] if "all" in set(table["stratum"]) else table
    chosen = overall[overall["withheld"] == ""].drop_duplicates(["outcome", "stratum", "contrast", "week"])
    return chosen.to_dict("records")


def _difference_line(findings: Findings, row: dict[str, Any]) -> str:
    context = findings.context
    outcome = context.outcomes[row["outcome"]]
    contrast = next(c for c in context.contrasts if c.label == row["contrast"])
    numbers = (row["median"], row["lower"], row["upper"])
    after = context.switch_week is not None and row["week"] > context.switch_week
    percent = as_percent(outcome, *numbers)
    return (
        f"{outcome.label}, {stratum_label(row['stratum'])}, {row['contrast'].replace(' - ', ' minus ')} at week "
        f"{row['week']:g}{f' ({OPEN_LABEL})' if after else ''}: {estimate(*numbers)} {outcome.unit}"
        f"{f', that is {percent}' if percent else ''}; {signed(row['direction'])}, probability "
        f"{chance(row['probability_favours'])} that it favours {contrast.early}.{error_in_brackets(row[ERROR])}"
    )
