"""`Ranks`: rank analyses of the study's own data, and the same of trials that the model replicates."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field

from bayesmodels.analyses.ranks.observed import RankAnalyses, compared_group, rank_analyses
from bayesmodels.errors import BadInput
from bayesmodels.models.labels import terminal_labels
from bayesmodels.persons.collapsed import collapsed
from bayesmodels.persons.imputation import impute, imputed_ancova
from bayesmodels.persons.prepared import NEEDS_VISITS, has_events, visits_problems
from bayesmodels.persons.replicated_exits import EXITS_IN_WORDS, replicated_trials
from bayesmodels.persons.replicated_trials import EXITS_AS_OBSERVED, VISITS_IN_WORDS, replicated_visits
from bayesmodels.statistics import Comparison
from bayesmodels.statistics.comparison import NO_DIFFERENCE
from bayesmodels.statistics.trial import TwoGroupTrial, rank_comparisons, two_group_trial
from bayesmodels.study import Study

if TYPE_CHECKING:
    from bayesmodels.analyses.analysis import Fit

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


class Ranks(BaseModel):
    """Joint rank, CAFS, win ratio and ANCOVA of the study's own data, and of trials that the model replicates.

    Parameters
    ----------
    outcome : str
        One of the model's.
    week : float
        One of the nominal weeks of the visits.
    terminal : tuple of str, optional
        Events that count as death; empty: none. Default those of the model's terminal events that somebody had; a model
        without events has no default.
    group : str, optional
        Start group compared with the reference group; needed with three start groups or more.
    interval : float
        Level of the confidence intervals; in a configuration, by default that of `[report]`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    groups: ClassVar[tuple[str, ...]] = ("rank_analyses",)
    section: ClassVar[str] = "[rank]"

    outcome: str
    week: float = Field(gt=0, allow_inf_nan=False)
    terminal: tuple[str, ...] | None = None
    group: str | None = None
    interval: float = Field(0.95, gt=0, lt=1)

    def event_words(self, model: Any) -> dict[str, str]:
        """Words for events that it takes, each to the label of the events table.

        Parameters
        ----------
        model : Model

        Returns
        -------
        dict of str to str
            Word to label of the events table.
        """
        own = terminal_labels(model) if has_events(model) else ()
        return {label: label for label in (own if self.terminal is None else self.terminal)}

    def model_problems(self, model: Any, persons: bool) -> list[str]:
        """Why the model cannot answer it, whatever the data; `persons`: whether these are of persons.

        Parameters
        ----------
        model : Model
        persons : bool
            Whether the data are of persons.

        Returns
        -------
        list of str
            One line each; empty where it can be answered.
        """
        found = visits_problems(model, persons, self.outcome)
        if found != [NEEDS_VISITS] and self.terminal is None and not has_events(model):
            found.append(
                "terminal: expected the events that count as death, found none named; the model has no events to take "
                "them from; write [] if none counts"
            )
        return found

    def problems(self, model: Any, data: Any) -> list[str]:
        """Why model and data cannot answer it.

        Parameters
        ----------
        model : Model
        data : Study or other
            What the model was fitted to, or will be.

        Returns
        -------
        list of str
            One line each; empty where it can be answered.
        """
        found = self.model_problems(model, isinstance(data, Study))
        if not found:
            try:
                self.observed(model, data)
            except BadInput as error:
                found += error.problems
        return found

    def observed(self, model: Any, study: Study) -> RankAnalyses:
        """Rank analyses of the study's own data.

        Parameters
        ----------
        study : Study
        model : Model

        Raises
        ------
        BadInput
            See `rank_analyses`.
        """
        outcome = self._outcome(model)
        return rank_analyses(
            study, self.outcome, self.week, terminal=self._terminal(model, study),
            good_direction=outcome.good_direction, group=self.group, log=outcome.scale == "log", unit=outcome.unit,
            level=self.interval,
        )  # fmt: skip

    def compute(self, fit: Fit) -> dict[str, xr.Dataset]:
        """Compute the group `rank_analyses`: analyses of the data beside those of replicated trials.

        Parameters
        ----------
        fit : Fit
            Model, data and posterior, with the groups made so far.

        Returns
        -------
        dict of str to xr.Dataset
            `estimate`, `lower`, `upper`, `p_value`, `n` [analysis] and, where the model can replicate the trial,
            `predictive_estimate` [analysis, replicate], NaN for the imputed ANCOVA. Coordinates of `analysis`:
            `quantity`, `unit`, `favours`, `no_difference`. Attributes: outcome, week, terminal, group, reference,
            level, `notes` (a JSON list of sentences), `replicates` (what they are, or why there are none). Nothing is
            by person.
        """
        fit.on_phase("rank analyses")
        found = self.observed(fit.model, fit.data)
        notes = list(found.notes)
        rows = {name: _row(found.comparisons, name) for name in QUANTITIES}
        imputed = self._imputed(fit)
        if imputed is not None:
            rows[IMPUTED] = imputed.table.iloc[0].to_dict() | {"n": _persons(imputed)}
            known = "the person's own visits and exit" if has_events(fit.model) else AT_RANDOM
            notes.append(IMPUTED_IN_WORDS.format(known=known, number=int(imputed.counts["imputed tables"])))
            notes += [f"{IMPUTED}: {note}" for note in imputed.notes]
        replicated, words = self._replicated(fit)
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
        made = xr.Dataset(
            variables,
            coords={
                "analysis": list(rows),
                **{word: ("analysis", [str(row[word]) for row in rows.values()]) for word in WORDS},
                "no_difference": ("analysis", [NO_DIFFERENCE.get(str(row["quantity"]), 0.0) for row in rows.values()]),
            },
            attrs={
                "outcome": self.outcome, "week": float(self.week),
                "terminal": ", ".join(self._terminal(fit.model, fit.data)),
                "group": first.group, "reference": first.reference, "level": self.interval, "notes": json.dumps(notes),
                "replicates": words,
            },
        )  # fmt: skip
        return {"rank_analyses": made}

    def _terminal(self, model: Any, study: Study) -> tuple[str, ...]:
        """Events that count as death: those named, or the model's terminal ones that somebody had."""
        if self.terminal is not None:
            return self.terminal
        there = set() if study.events is None else set(study.events["event"])
        return tuple(label for label in terminal_labels(model) if label in there)

    def _outcome(self, model: Any) -> Any:
        return next(outcome for outcome in model.outcomes if outcome.name == self.outcome)

    def _imputed(self, fit: Fit) -> Comparison | None:
        """ANCOVA of tables completed by the model; None where the model cannot, or there are too few draws."""
        number = min(IMPUTATIONS, _draws(fit))
        if number < 2 or collapsed(fit.pm_model) is None:
            return None
        tables = impute(
            fit.model, fit.posterior, fit.data, self.outcome, (0.0, self.week), seed=fit.seed("rank_analyses, imputed"),
            imputations=number, pm_model=fit.pm_model,
        )  # fmt: skip
        group = compared_group(fit.data, self.group)
        return imputed_ancova(tables, fit.data, self.week, group=group, level=self.interval)

    def _replicated(self, fit: Fit) -> tuple[list[dict[str, float]], str]:
        """Estimates by analysis of every replicated trial, and what the replicates are, or why there are none."""
        model, posterior, study, seed = fit.model, fit.posterior, fit.data, fit.seed("rank_analyses, replicated")
        number = min(REPLICATES, _draws(fit))
        joint = has_events(model)
        try:
            trials: Iterator[tuple[pd.DataFrame, pd.DataFrame | None]] = (
                replicated_trials(model, posterior, study, self.week, seed=seed, number=number)
                if joint
                else (
                    (visits, study.events)
                    for visits in replicated_visits(
                        model, posterior, study, seed=seed, number=number, pm_model=fit.pm_model
                    )
                )
            )
            found = [_estimates(self._trial(model, study, visits, events)) for visits, events in trials]
        except BadInput as error:
            return [], f"No replicated trials: {'; '.join(str(problem) for problem in error.problems)}."
        exits = EXITS_IN_WORDS.format(until=self.week) if joint else EXITS_AS_OBSERVED
        empty = sum(not row for row in found)
        without = f" {empty} of {number} replicated trials could not be analysed and are left out." if empty else ""
        return [row for row in found if row], f"{VISITS_IN_WORDS} {exits}{without}"

    def _trial(self, model: Any, study: Study, visits: pd.DataFrame, events: pd.DataFrame | None) -> TwoGroupTrial:
        outcome = self._outcome(model)
        return two_group_trial(
            study.persons, visits, events, outcome=self.outcome, week=self.week, visit_weeks=study.nominal_weeks,
            group=compared_group(study, self.group), reference=str(study.reference_group),
            good_direction=outcome.good_direction, terminal=self._terminal(model, study), log=outcome.scale == "log",
            unit=outcome.unit, strata=study.strata,
        )  # fmt: skip


def _row(comparisons: dict[str, Comparison], analysis: str) -> dict[str, Any]:
    name, quantity = QUANTITIES[analysis]
    return {"quantity": quantity, **comparisons[name][quantity].to_dict(), "n": _persons(comparisons[name])}


def _persons(comparison: Comparison) -> float:
    counted = (comparison.group, comparison.reference)
    return sum(comparison.counts[f"persons, {name}"] for name in counted)


def _estimates(trial: TwoGroupTrial) -> dict[str, float]:
    """Estimates by analysis of a replicated trial; none where it cannot be analysed, e.g. nobody left at the week."""
    try:
        comparisons = rank_comparisons(trial)
    except BadInput:
        return {}
    return {name: float(_row(comparisons, name)["estimate"]) for name in QUANTITIES}


def _draws(fit: Fit) -> int:
    sizes = fit.posterior["posterior"].sizes
    return int(sizes["chain"] * sizes["draw"])
