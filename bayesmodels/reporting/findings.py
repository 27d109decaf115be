"""Every table of a report, computed once from a posterior."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import xarray as xr

from bayesmodels.errors import BadInput
from bayesmodels.posterior.archive import possible_reports, require_draws
from bayesmodels.posterior.context import FitContext, read_context
from bayesmodels.posterior.monte_carlo import with_errors
from bayesmodels.posterior.observed import ObservedPersons, observed_persons
from bayesmodels.reporting.chapters.after_switch import parallel_table, time_saved_table
from bayesmodels.reporting.chapters.checks import convergence_table, coverage_table, predictive_cells
from bayesmodels.reporting.chapters.curves import curve_table, period_rate_table, ratio_table
from bayesmodels.reporting.chapters.delayed_start import delta_table, difference_table, persistence_table
from bayesmodels.reporting.chapters.disease_rate import disease_rate_table
from bayesmodels.reporting.chapters.dropout import dropout_tables
from bayesmodels.reporting.chapters.effects import effect_table
from bayesmodels.reporting.chapters.estimand_table import estimand_table
from bayesmodels.reporting.chapters.event_tables import event_tables
from bayesmodels.reporting.chapters.parameters import parameter_table
from bayesmodels.reporting.chapters.prediction import prediction_tables
from bayesmodels.reporting.chapters.ranks import rank_table
from bayesmodels.reporting.chapters.surrogate_checklist import Checklist
from bayesmodels.reporting.chapters.surrogate_single_checklist import single_checklist
from bayesmodels.reporting.settings import ReportSettings
from bayesmodels.surrogacy.evidence import SurrogateEvidence
from bayesmodels.surrogacy.fit_evidence import surrogate_evidence
from bayesmodels.surrogacy.trial_level.evidence import TrialEvidence, trial_evidence
from bayesmodels.vocabulary import REPORTS


@dataclass(frozen=True)
class Findings:
    """A posterior read for a report.

    Parameters
    ----------
    tables : dict of str to DataFrame
        Only what this posterior has the variables for; numbers unrounded, units in a column.
    trials : TrialEvidence or None
        Of a trial-level model.
    surrogate : SurrogateEvidence or None
        Where the settings declare a surrogate.
    """

    tree: xr.DataTree
    context: FitContext
    settings: ReportSettings
    observed: ObservedPersons
    tables: dict[str, pd.DataFrame]
    trials: TrialEvidence | None = None
    surrogate: SurrogateEvidence | None = None

    @property
    def checklist(self) -> Checklist | None:
        """What a report on the surrogate must contain, with its status; None where no surrogate is declared."""
        if self.surrogate is None:
            return None
        return single_checklist(self.surrogate, self.context, self.settings.surrogacy, self.tables)

    @property
    def undeclared_surrogate(self) -> bool:
        """Whether there are two outcomes or more and none is declared a surrogate: which is which is not guessed."""
        return self.surrogate is None and len(self.context.outcomes) > 1

    @property
    def absent(self) -> tuple[str, ...]:
        """Reports that this posterior has not the variables or groups for."""
        made = possible_reports(self.tree)
        return tuple(name for name, listed in REPORTS.items() if listed and name not in made)


def find(tree: xr.DataTree, settings: ReportSettings) -> Findings:
    """Compute every table that the posterior has the variables for.

    Raises
    ------
    MissingVariable
        No group `posterior`.
    BadInput
        Every week and outcome of the settings that the posterior does not have.
    """
    require_draws(tree)
    context = read_context(tree, settings.convergence)
    coords, variables = tree["posterior"].coords, tree["posterior"].data_vars
    weeks, visits = (coords[dim].values.tolist() if dim in coords else [] for dim in ("week", "visit_week"))
    problems = list(settings.problems(context.outcomes, weeks, visits if "visit_mean" in variables else ()))
    if problems:
        raise BadInput(problems)
    observed = observed_persons(tree, context.data)
    prob, label = settings.interval, settings.interval_label
    posterior = dict(tree["posterior"].data_vars)
    tables = {"parameters": parameter_table(tree, context, prob), "convergence": convergence_table(context)}
    if "drug_effect" in variables:
        tables["effects"] = effect_table(tree, context, prob, label).table
    if "disease_rate_ratio" in variables:
        tables["disease_rates"] = disease_rate_table(tree, context, prob)
    tables["curves"] = curve_table(tree, context, prob, observed)
    tables["ratio_to_baseline"] = ratio_table(tree, context, prob)
    tables["period_rates"] = period_rate_table(tree, context, prob, observed)
    if "difference" in variables:
        for name, table in _DELAYED_START.items():
            found = table(tree, context, settings, observed)
            tables[name] = with_errors(found, posterior, context, "difference") if name in _MEDIANS else found
    if {"observed_summary", "predictive_summary"} <= set(tree.children) and "outcome" in tree["observed_summary"].dims:
        tables["predictive_checks"] = predictive_cells(tree, prob)
        tables["predictive_coverage"] = coverage_table(tree, prob)
    trials = trial_evidence(tree, prob, settings.margin, settings.trial_verdict, not context.unconverged)
    if trials is not None:
        tables |= {"trial_effects": trials.rows, "trial_thresholds": trials.thresholds, "unused_rows": trials.unused}
        tables |= {"leave_one_out": trials.leave_one_out, "trials_needed": trials.needed}
    evidence = surrogate_evidence(tree, context, settings, observed)
    if evidence is not None:
        tables |= evidence.tables
    tables |= event_tables(tree, context, prob)
    if "event_curves" in tree.children:
        tables["estimands"] = estimand_table(tree, context, prob, observed, _estimand_weeks(tree, settings, tables))
    tables |= dropout_tables(tree, context, prob, observed) | prediction_tables(tree, prob)
    tables["rank_analyses"] = rank_table(tree, prob)
    filled = {name: table for name, table in tables.items() if len(table)}
    return Findings(tree, context, settings, observed, filled, trials, evidence)


def _estimand_weeks(tree: xr.DataTree, settings: ReportSettings, tables: dict[str, pd.DataFrame]) -> list[float]:
    """The report's weeks, else those of Delta_1 and Delta_2; the last curve week where there are neither."""
    if settings.contrast_weeks:
        return list(settings.contrast_weeks)
    deltas = tables.get("deltas", pd.DataFrame())
    return sorted(set(deltas["week"])) if len(deltas) else [float(tree["event_curves"]["week"].max())]


_MEDIANS = ("differences", "deltas")

_DELAYED_START = {
    "differences": difference_table,
    "deltas": delta_table,
    "persistence": persistence_table,
    "parallel": parallel_table,
    "time_saved": time_saved_table,
}
