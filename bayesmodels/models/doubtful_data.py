"""Warnings about data: of the tables themselves, and for the model that is fitted to them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.models.labels import Parts, unused_labels
from bayesmodels.models.outcome import Outcome
from bayesmodels.parts.priors import Normal
from bayesmodels.study.checks.doubtful import NO_ROW, at_limit, implausible, value_problem, values_at_limits
from bayesmodels.study.checks.event_words import EVENT_WORDS
from bayesmodels.study.problem import FIRST_ROW, Problem, in_order, plain, row_ranges
from bayesmodels.study.study import Study
from bayesmodels.vocabulary import months

SPREADS = 6.0
"""Typical spreads between persons beyond which a value is said: two in a thousand million normal values are."""

NAMED = 5
"""Implausible values of an outcome that have a line each; more share one."""


def all_warnings(model: Any, data: Any, parts: Parts | None = None, asked: Collection[str] = ()) -> tuple[Problem, ...]:
    """Everything that is legitimate but doubtful in these data for this model.

    Parameters
    ----------
    model : Model
    data : Study, MeansTable, TrialTable or what the model takes
        The warnings of its tables are in `data.warnings`, where it has them.
    parts : mapping, optional
        Sections of a configuration that take labels of events too (`unused_labels`).
    asked : collection of str
        Labels of events that a problem asks about: no warning asks again, or says that they are not used.

    Returns
    -------
    tuple of Problem
        `without_person` of each is the line for logs and posteriors.
    """
    given = getattr(data, "warnings", ())
    of_tables = [line for line in given if isinstance(line, Problem)] if isinstance(given, tuple) else []
    of_model = data_warnings(model, data)
    settled = {line.kind for line in of_model}
    settled |= {at_limit(k.name) for k in _outcomes(model) if k.censor_at_limits}
    settled |= {EVENT_WORDS} if asked else set()
    unused = unused_labels(model, data, parts, asked)
    return (*(line for line in of_tables if line.kind not in settled), *of_model, *unused)


def data_warnings(model: Any, data: Any) -> tuple[Problem, ...]:
    """What is doubtful in the data only for what the model takes for typical or possible.

    Parameters
    ----------
    model : Model
        Read are its `outcomes`, where they are `Outcome`, and what a method `warnings(data)` says, where it has one.
    data : Study or other
    """
    if not isinstance(data, Study):
        return ()
    file, visits = data.tables.files["visits"], (data.whole or data).visits  # rows of the file
    visits.index = pd.RangeIndex(FIRST_ROW, FIRST_ROW + len(visits))
    found: list[Problem] = []
    for outcome in _outcomes(model):
        found += _far_values(file, visits, outcome)
        if outcome.limits is not None and not outcome.censor_at_limits:
            remedy = "set censor_at_limits = true under its [[model.outcomes]]"
            found += values_at_limits(file, visits, outcome.name, outcome.limits, remedy)
    if hasattr(model, "warnings"):
        found += model.warnings(data)
    return in_order(found)


def _outcomes(model: Any) -> tuple[Outcome, ...]:
    given = getattr(model, "outcomes", ())
    return tuple(k for k in given if isinstance(k, Outcome)) if isinstance(given, tuple) else ()


def _far_values(file: str, visits: pd.DataFrame, outcome: Outcome) -> Iterator[Problem]:
    """Values many typical spreads from the typical level, beyond where the typical rate leads until their week."""
    known = visits[(visits["outcome"] == outcome.name) & (visits["censoring"] == "")]
    if outcome.scale == "log":
        known = known[known["value"] > 0]
    values = known["value"].to_numpy(float)
    scaled = np.log(values) if outcome.scale == "log" else values
    spread = outcome.level_sd_prior.sd
    levels = [prior.mean for prior in _priors(outcome.level_prior)]
    if not outcome.has_rate:  # where a course leads is not known: values at randomisation only
        at_start = (known["week"] == 0).to_numpy()
        known, values, scaled = known[at_start], values[at_start], scaled[at_start]
    rate = max(abs(p.mean) + 2 * p.sd for p in _priors(outcome.rate_prior)) if outcome.has_rate else 0.0
    distance = np.min([np.abs(scaled - level) for level in levels], axis=0) if len(values) else values
    far = known[distance - rate * months(known["week"].to_numpy(float)) > SPREADS * spread]
    if not len(far):
        return
    natural = np.exp(levels) if outcome.scale == "log" else levels
    typical = " or ".join(dict.fromkeys(f"{level:.4g}" for level in natural))
    level = f"the typical level {typical} {outcome.unit}".rstrip()
    counts = far["value"].value_counts()
    if len(far) > 0.5 * len(known):
        text = (
            f"{len(far):,} of {len(known):,} values of {plain(outcome.name)} (median {far['value'].median():.4g}) are "
            f"more than {SPREADS:g} typical spreads from {level}: another unit? Write the values in the unit of the "
            "model, or give the outcome the typical level, spread and rate of these"
        )
        yield Problem(file, text, kind=f"far from typical {outcome.name}")
    elif len(counts) > NAMED:
        text = (
            f"{len(far):,} values of {plain(outcome.name)} ({far['value'].min():.10g} to {far['value'].max():.10g}; "
            f"rows {plain(row_ranges(far.index), 100)}) are more than {SPREADS:g} typical spreads from {level}: slips, "
            f"or missing-value codes? Correct them; {NO_ROW}"
        )
        yield Problem(file, text, kind=f"far from typical {outcome.name}")
    else:
        for value in counts.index:
            rows = visits.index[(visits["outcome"] == outcome.name) & (visits["value"] == value)]
            away = distance[values == value].min() / spread
            why = f", {away:,.0f} typical spreads from {level}: a slip, or a missing-value code? Correct it; {NO_ROW}"
            yield value_problem(file, visits, outcome.name, value, rows, why, implausible(outcome.name, value))


def _priors(prior: Normal | dict[str, Normal]) -> list[Normal]:
    return list(prior.values()) if isinstance(prior, dict) else [prior]
