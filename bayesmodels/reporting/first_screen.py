"""The first screen: what these data identify, and what they do not, and why, and what would.

One rule, stated on the page: an effect or difference is identified if its interval is less than half as wide as its
prior's and leaves out zero; a lag, time constant or other positive parameter if the first holds on the log scale.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
import xarray as xr

from bayesmodels.errors import shown
from bayesmodels.posterior.context import FitContext
from bayesmodels.posterior.convergence import DRAWS_ROUNDED_TO
from bayesmodels.posterior.estimand import BORROWED, FREE_BASELINE, open_label
from bayesmodels.reporting.chapter import LeadLines, Reading
from bayesmodels.reporting.page import Lead

LEARNED, PARTLY = 0.5, 0.8
"""Posterior width over prior width: below the first the data taught the value, from the second on they did not."""

RULE = (
    f"Identified: the interval is less than {LEARNED:g} times as wide as the prior's and, for an effect or a "
    "difference, leaves out zero. Widths of lags, time constants and flattening are of their logarithms. Anything else "
    "is listed under Not identified."
)

TARGETS = (0.9, 0.95, 0.99)
"""Mean acceptance probabilities to try one after the other against divergences."""

AT_MOST = 4
"""Longer chains than so many times the present ones are not advised: chains that disagree are seldom cured by more."""


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
    own = next((part.rule for part in parts if part.rule), "" if opening else RULE)
    rule = (own,) if own and not context.unconverged else ()
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
    said = (
        open_label(context),
        FREE_BASELINE if context.free_baseline and context.contrasts else "",
        BORROWED if context.borrows else "",
    )
    switch = "".join(f" {text}" for text in said if text)
    return (
        f"Model {context.model_type} fitted to {data}{persons}; outcomes {labels}. {starts}.{switch} "
        f"Numbers are posterior medians with {interval} (equal-tailed interval)."
    )


def why(context: FitContext) -> tuple[str, ...]:
    """The reasons of the verdict, and the scalars that are worst."""
    reasons = [f"{reason[0].upper()}{reason[1:]}." for reason in context.convergence.get("reasons", ())]
    return (*reasons, *([f"Worst: {'; '.join(context.worst)}."] if context.worst else []))


def to_try(tree: xr.DataTree, context: FitContext) -> tuple[str, ...]:
    """What would make the chains converge, most promising first."""
    return tuple(_remedies(tree, context))


def _remedies(tree: xr.DataTree, context: FitContext) -> Iterator[str]:
    yield from _that_do_not_vary(tree, context)
    reasons = " ".join(context.convergence.get("reasons", ()))
    sizes, ran = tree["posterior"].sizes, context.sampling
    if sizes["chain"] < 2:
        yield "[sampling] chains = 4: whether chains agree can be seen from two chains or more."
    if "R-hat" in reasons or "ESS" in reasons or "E-BFMI" in reasons:
        draws, tune = sizes["draw"], ran.get("tune")
        longer = "" if tune is None else f" and tune = {_rounded(2 * tune)} (now {tune})"
        yield f"Longer chains: [sampling] draws = {_rounded(_enough(context, draws))} (now {draws}){longer}."
    if "divergent" in reasons:
        accept = ran.get("target_accept")
        higher = [value for value in TARGETS if accept is None or value > accept + 1e-9]
        now = "" if accept is None else f" (now {accept:g})"
        if higher:
            yield f"Smaller steps against divergent draws: [sampling] target_accept = {higher[0]:g}{now}."
    yield (
        "If that does not help, these data say too little about the worst variables: give them narrower priors "
        "(prior_table(model, data) lists them), or leave out the part of the model that they belong to."
    )


def _enough(context: FitContext, draws: int) -> float:
    """Draws a chain: as the effective sample size asks for, at least twice and at most `AT_MOST` times as many."""
    sizes = [context.convergence.get(name) for name in ("min_ess_bulk", "min_ess_tail")]
    worst = min((size for size in sizes if size), default=0.0)
    wanted = draws * context.limits.ess / worst if worst > 0 else math.inf
    return min(max(wanted, 2 * draws), AT_MOST * draws)


def _rounded(draws: float) -> int:
    return DRAWS_ROUNDED_TO * math.ceil(draws / DRAWS_ROUNDED_TO)


def _that_do_not_vary(tree: xr.DataTree, context: FitContext) -> Iterator[str]:
    """Outcomes of which every mean is the same and no person differs from another."""
    observed = tree["observed_summary"].to_dataset() if "observed_summary" in tree.children else xr.Dataset()
    if "outcome" not in observed.dims or not {"mean", "se"} <= set(observed.data_vars):
        return
    for outcome in context.outcomes.values():
        if outcome.name not in observed["outcome"]:
            continue
        own = observed.sel(outcome=outcome.name)
        means, errors = (own[name].to_numpy()[np.isfinite(own[name].to_numpy())] for name in ("mean", "se"))
        if means.size and errors.size and np.ptp(means) < 1e-9 and (errors < 1e-9).all():
            yield (
                f"{outcome.label} does not vary: every value is {means[0]:g}. Such an outcome says nothing of how "
                "persons or visits differ; check the table, or leave it out of [[model.outcomes]]."
            )
