"""The first screen: what these data identify, and what they do not, and why, and what would.

One rule, stated on the page: an effect or difference is identified if its interval is less than half as wide as its
prior's and leaves out zero; a lag, time constant or other positive parameter if the first holds on the log scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain

from bayesmodels.errors import shown
from bayesmodels.posterior.context import FitContext
from bayesmodels.posterior.estimand import OPEN_LABEL
from bayesmodels.reporting.chapter import LeadLines, Reading
from bayesmodels.reporting.not_converged import to_try, why
from bayesmodels.reporting.page import Lead

LEARNED, PARTLY = 0.5, 0.8
"""Posterior width over prior width: below the first the data taught the value, from the second on they did not."""

RULE = (
    f"Identified: the interval is less than {LEARNED:g} times as wide as the prior's and, for an effect or a "
    "difference, leaves out zero. Widths of lags, time constants and flattening are of their logarithms. Anything else "
    "is listed under Not identified."
)


def how_learned(width_ratio: float) -> str:
    """What a posterior's width over its prior's says, in words."""
    if math.isnan(width_ratio):
        return "no prior width"
    if width_ratio < LEARNED:
        return "learned"
    return "partly learned" if width_ratio < PARTLY else "not learned"


def first_screen(reading: Reading, parts: Sequence[LeadLines]) -> Lead:
    """What the fit is, and the chapters' lines; of chains that did not converge why, and what to try."""
    context = reading.context
    notes = (*context.notes, *reading.settings.notes)
    verdicts = tuple(chain.from_iterable(part.verdicts for part in parts))
    warnings = shown(context.warnings, "warning")
    opening = tuple(next((part.opening for part in parts if part.opening), ()))
    rule = () if opening or context.unconverged else (RULE,)
    paragraphs = (*(opening or (_what(context, reading.label),)), *notes, *rule)
    if context.unconverged:
        return Lead(
            paragraphs, verdicts=verdicts, warnings=warnings, cautions=context.cautions, why=why(context),
            to_try=to_try(reading.tree, context),
        )  # fmt: skip
    identified, open_questions = (
        list(chain.from_iterable(getattr(part, name) for part in parts)) for name in ("identified", "not_identified")
    )
    return Lead(paragraphs, identified, open_questions, verdicts, warnings, context.cautions)


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
