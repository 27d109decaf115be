"""The group `rank_analyses` of a run: analyses of the study's own data, and the same of trials the model replicates."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bayesmodels.errors import BadInput
from bayesmodels.run.config_analyses import RankSection

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from bayesmodels.analyses.ranks.observed import RankAnalyses
    from bayesmodels.statistics import Comparison
    from bayesmodels.statistics.trial import TwoGroupTrial
    from bayesmodels.study import Study

REPLICATES = 100
"""Replicated trials: enough for the 5 and 95 % points."""

IMPUTATIONS = 50

IMPUTED = "ANCOVA, imputed"

QUANTITIES = {
    "joint rank": ("joint rank", "net benefit"),
    "CAFS": ("CAFS", "difference of mean ranks"),
    "win ratio": ("win ratio", "win ratio"),
    "win odds": ("win ratio", "win odds"),
    "ANCOVA": ("ANCOVA", "adjusted difference of change"),
}
"""Analysis to the comparison and the quantity that are archived."""

WORDS = ("quantity", "unit", "favours")

AT_RANDOM = "the person's own visits (missing at random)"

IMPUTED_IN_WORDS = (
    "ANCOVA, imputed: missing changes drawn by the fitted model given {known}, "
    "the dead as if alive and followed; {number} completed tables pooled by Rubin's rules."
)


NOT_REPLICATED = f"{IMPUTED} is not made of replicated trials: a model fitted to each would have to complete it."


def observed_ranks(model: Any, study: Study, section: RankSection, level: float) -> RankAnalyses:
    """Rank analyses of the study's own data.

    Raises
    ------
    BadInput
        See `rank_analyses`.
    """
    from bayesmodels.analyses.ranks.observed import rank_analyses

    outcome = _outcome(model, section)
    return rank_analyses(
        study, section.outcome, section.week, terminal=terminal_events(model, study, section),
        good_direction=outcome.good_direction, group=section.group, log=outcome.scale == "log", unit=outcome.unit,
        level=level,
    )  # fmt: skip


def rank_group(
    model: Any, posterior: xr.DataTree, study: Study, section: RankSection, seeds: tuple[int, int], level: float
) -> xr.Dataset:
    """Rank analyses of the data beside those of replicated trials; nothing by person.

    Parameters
    ----------
    model : LongitudinalModel or JointEventModel
    posterior : DataTree
        From `fit`.
    study : Study
    section : RankSection
    seeds : (int, int)
        Of imputation, and of replicated trials.
    level : float
        Of the confidence intervals.

    Returns
    -------
    xr.Dataset
        `estimate`, `lower`, `upper`, `p_value`, `n` [analysis] and, where the model can replicate the trial,
        `predictive_estimate` [analysis, replicate], NaN for the imputed ANCOVA. Coordinates of `analysis`: `quantity`,
        `unit`, `favours`, `no_difference`. Attributes: outcome, week, terminal, group, reference, level, `notes` (a
        JSON list of sentences), `replicates` (what they are, or why there are none).
    """
    import numpy as np
    import xarray as xr

    from bayesmodels.persons.prepared import has_events
    from bayesmodels.statistics.comparison import NO_DIFFERENCE

    found = observed_ranks(model, study, section, level)
    notes = list(found.notes)
    rows = {name: _row(found.comparisons, name) for name in QUANTITIES}
    imputed = _imputed(model, posterior, study, section, seeds[0], level)
    if imputed is not None:
        rows[IMPUTED] = imputed.table.iloc[0].to_dict() | {"n": _persons(imputed)}
        known = "the person's own visits and exit" if has_events(model) else AT_RANDOM
        notes.append(IMPUTED_IN_WORDS.format(known=known, number=int(imputed.counts["imputed tables"])))
        notes += [f"{IMPUTED}: {note}" for note in imputed.notes]
    replicated, words = _replicated(model, posterior, study, section, seeds[1])
    if replicated and imputed is not None:
        words = f"{words} {NOT_REPLICATED}"
    variables: dict[str, Any] = {
        name: ("analysis", np.array([float(row[name]) for row in rows.values()]))
        for name in ("estimate", "lower", "upper", "p_value", "n")
    }
    if replicated:
        drawn = [[estimates.get(name, math.nan) for estimates in replicated] for name in rows]
        variables["predictive_estimate"] = (("analysis", "replicate"), np.array(drawn))
    first = found.comparisons["joint rank"]
    return xr.Dataset(
        variables,
        coords={
            "analysis": list(rows),
            **{word: ("analysis", [str(row[word]) for row in rows.values()]) for word in WORDS},
            "no_difference": ("analysis", [NO_DIFFERENCE.get(str(row["quantity"]), 0.0) for row in rows.values()]),
        },
        attrs={
            "outcome": section.outcome, "week": float(section.week),
            "terminal": ", ".join(terminal_events(model, study, section)),
            "group": first.group, "reference": first.reference, "level": level, "notes": json.dumps(notes),
            "replicates": words,
        },
    )  # fmt: skip


def terminal_events(model: Any, study: Study, section: RankSection) -> tuple[str, ...]:
    """Events that count as death: those named, or the model's terminal ones that somebody had."""
    if section.terminal is not None:
        return section.terminal
    from bayesmodels.analyses.dropout.request import terminal_labels

    there = set() if study.events is None else set(study.events["event"])
    return tuple(label for label in terminal_labels(model) if label in there)


def _outcome(model: Any, section: RankSection) -> Any:
    return next(outcome for outcome in model.outcomes if outcome.name == section.outcome)


def _row(comparisons: dict[str, Comparison], analysis: str) -> dict[str, Any]:
    name, quantity = QUANTITIES[analysis]
    return {"quantity": quantity, **comparisons[name][quantity].to_dict(), "n": _persons(comparisons[name])}


def _persons(comparison: Comparison) -> float:
    counted = (comparison.group, comparison.reference)
    return sum(comparison.counts[f"persons, {name}"] for name in counted)


def _imputed(
    model: Any, posterior: xr.DataTree, study: Study, section: RankSection, seed: int, level: float
) -> Comparison | None:
    """ANCOVA of tables completed by the model; None where the model cannot, or there are too few draws."""
    from bayesmodels.analyses.ranks.observed import compared_group
    from bayesmodels.persons.collapsed import collapsed
    from bayesmodels.persons.imputation import impute, imputed_ancova

    number = min(IMPUTATIONS, _draws(posterior))
    if number < 2 or collapsed(model.build(study)) is None:
        return None
    weeks = (0.0, section.week)
    tables = impute(model, posterior, study, section.outcome, weeks, seed=seed, imputations=number)
    group = compared_group(study, section.group)
    return imputed_ancova(tables, study, section.week, group=group, level=level)


def _replicated(
    model: Any, posterior: xr.DataTree, study: Study, section: RankSection, seed: int
) -> tuple[list[dict[str, float]], str]:
    """Estimates by analysis of every replicated trial, and what the replicates are, or why there are none."""
    from bayesmodels.persons.prepared import has_events
    from bayesmodels.persons.replicated_exits import EXITS_IN_WORDS, replicated_trials
    from bayesmodels.persons.replicated_trials import EXITS_AS_OBSERVED, VISITS_IN_WORDS, replicated_visits

    number = min(REPLICATES, _draws(posterior))
    joint = has_events(model)
    found = []
    try:
        trials: Iterator[tuple[pd.DataFrame, pd.DataFrame | None]] = (
            replicated_trials(model, posterior, study, section.week, seed=seed, number=number)
            if joint
            else ((v, study.events) for v in replicated_visits(model, posterior, study, seed=seed, number=number))
        )
        for visits, events in trials:
            found.append(_estimates(_trial(model, study, section, visits, events)))
    except BadInput as error:
        return [], f"No replicated trials: {'; '.join(str(problem) for problem in error.problems)}."
    exits = EXITS_IN_WORDS.format(until=section.week) if joint else EXITS_AS_OBSERVED
    empty = sum(not row for row in found)
    without = f" {empty} of {number} replicated trials could not be analysed and are left out." if empty else ""
    return [row for row in found if row], f"{VISITS_IN_WORDS} {exits}{without}"


def _estimates(trial: TwoGroupTrial) -> dict[str, float]:
    """Estimates by analysis of a replicated trial; none where it cannot be analysed, e.g. nobody left at the week."""
    from bayesmodels.statistics.trial import rank_comparisons

    try:
        comparisons = rank_comparisons(trial)
    except BadInput:
        return {}
    return {name: float(_row(comparisons, name)["estimate"]) for name in QUANTITIES}


def _trial(
    model: Any, study: Study, section: RankSection, visits: pd.DataFrame, events: pd.DataFrame | None
) -> TwoGroupTrial:
    from bayesmodels.analyses.ranks.observed import compared_group
    from bayesmodels.statistics.trial import two_group_trial

    outcome = _outcome(model, section)
    return two_group_trial(
        study.persons, visits, events, outcome=section.outcome, week=section.week,
        visit_weeks=study.nominal_weeks, group=compared_group(study, section.group),
        reference=str(study.reference_group), good_direction=outcome.good_direction,
        terminal=terminal_events(model, study, section), log=outcome.scale == "log", unit=outcome.unit,
        strata=study.strata,
    )  # fmt: skip


def _draws(posterior: xr.DataTree) -> int:
    sizes = posterior["posterior"].sizes
    return int(sizes["chain"] * sizes["draw"])
