"""Priors of a model of means by visit, as rows of its table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bayesmodels.models.visit_means.covariance import BY_VISIT_SD, FIRST_LAG, HIGHER_LAG, OUTCOME_SHAPE
from bayesmodels.models.visit_means.design import VisitLayout
from bayesmodels.models.visit_means.means import later_prior
from bayesmodels.parts.priors import HalfNormal, Normal, PriorRow, by_stratum, prior_row, rows_of
from bayesmodels.vocabulary import ALL

DEFAULT = "package default"


def visit_prior_rows(model: Any, layout: VisitLayout) -> list[PriorRow]:
    """Every prior of a model of means by visit, on the modelling scale.

    Returns
    -------
    list of dict
        One row per parameter and, where priors differ, per stratum: outcome, parameter, stratum, prior, unit, source.
    """
    visits = len(layout.weeks) if layout.slots > 1 else 1
    return _rows(model, layout.strata, 0 in layout.weeks, len(layout.groups) > 1, visits)


def known_visit_rows(model: Any) -> list[PriorRow]:
    """Priors that need no study: those of a trial of two start groups, with a visit at week 0 and several later.

    Parameters
    ----------
    model : VisitModel
        Strata are those that its priors name; visits, those that it states.

    Returns
    -------
    list of dict
        As of `visit_prior_rows`.
    """
    weeks = model.visit_weeks
    priors = [prior for k in model.outcomes for prior in (k.level_prior, k.effect_on_level) if isinstance(prior, dict)]
    strata = tuple(dict.fromkeys(label for prior in priors for label in prior)) or (ALL,)
    return _rows(model, strata, weeks is None or 0 in weeks, True, 3 if weeks is None else len(weeks))


def _rows(model: Any, strata: Sequence[str], at_zero: bool, several_groups: bool, visits: int) -> list[PriorRow]:
    rows: list[PriorRow] = []
    for k in model.outcomes:
        unit, spread = k.modelling_unit, k.level_sd_prior
        if at_zero:
            rows += rows_of(k.level_prior, "mean at week 0", unit, k.name)
        later = {
            label: later_prior(prior, spread.sd)
            for label, prior in zip(strata, by_stratum(k.level_prior, strata), strict=True)
        }
        each = later if isinstance(k.level_prior, dict) else next(iter(later.values()))
        rows += rows_of(each, "mean at each later visit", unit, k.name)
        if several_groups:
            at = "at all visits" if model.treatment_effect == "constant" else "at each visit"
            rows += rows_of(k.effect_on_level, f"effect of a start group {at}", unit, k.name)
        slope = Normal(mean=0.0, sd=spread.sd, source="package default: one typical spread per SD is 1 SD")
        for name in (*model.covariates, *(("value at week 0",) if model.baseline == "covariate" else ())):
            rows += rows_of(slope, f"{name} on the mean", f"{unit} per SD", k.name)
        each_visit = "at each visit" if model.covariance in BY_VISIT_SD else "at all visits"
        rows += rows_of(HalfNormal(sd=spread.sd, source=spread.source), f"SD {each_visit}", unit, k.name)
    return rows + _correlation_rows(model, visits)


def _correlation_rows(model: Any, visits: int) -> list[PriorRow]:
    kind, several = model.covariance.removesuffix("_heterogeneous"), len(model.outcomes) > 1
    scale, rows = "atanh of a correlation", []

    def row(parameter: str, prior: str, unit: str = scale) -> PriorRow:
        return prior_row(parameter, prior, unit, DEFAULT, "all")

    first, higher = (f"Normal({mean:g}, {sd:g})" for mean, sd in (FIRST_LAG, HIGHER_LAG))
    if visits > 1:
        words = "correlation of visits" if kind == "compound_symmetry" else "partial autocorrelation of visits, lag 1"
        rows.append(row(words, first))
        if kind in ("unstructured", "toeplitz") and visits > 2:
            rows.append(row("partial autocorrelations of visits, higher lags", higher))
    if several and model.outcomes_jointly == "full":
        rows.append(row("partial correlations of visits of different outcomes", higher))
    elif several:
        rows.append(row("correlations of outcomes", f"LKJ({OUTCOME_SHAPE:g})", "correlation"))
    return rows
