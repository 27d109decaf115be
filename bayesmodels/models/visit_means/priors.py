"""Priors of a model of means by visit, as rows of its table."""

from __future__ import annotations

from typing import Any

from bayesmodels.models.visit_means.covariance import BY_VISIT_SD, FIRST_LAG, HIGHER_LAG, OUTCOME_SHAPE
from bayesmodels.models.visit_means.design import VisitLayout
from bayesmodels.models.visit_means.means import later_prior
from bayesmodels.parts.priors import HalfNormal, Normal, PriorRow, by_stratum, prior_row, rows_of

DEFAULT = "package default"


def visit_prior_rows(model: Any, layout: VisitLayout) -> list[PriorRow]:
    """Every prior of a model of means by visit, on the modelling scale.

    Returns
    -------
    list of dict
        One row per parameter and, where priors differ, per stratum: outcome, parameter, stratum, prior, unit, source.
    """
    rows: list[PriorRow] = []
    for k in model.outcomes:
        unit, spread = k.modelling_unit, k.level_sd_prior
        if 0 in layout.weeks:
            rows += rows_of(k.level_prior, "mean at week 0", unit, k.name)
        later = {
            label: later_prior(prior, spread.sd)
            for label, prior in zip(layout.strata, by_stratum(k.level_prior, layout.strata), strict=True)
        }
        each = later if isinstance(k.level_prior, dict) else next(iter(later.values()))
        rows += rows_of(each, "mean at each later visit", unit, k.name)
        if len(layout.groups) > 1:
            at = "at all visits" if model.treatment_effect == "constant" else "at each visit"
            rows += rows_of(k.effect_on_level, f"effect of a start group {at}", unit, k.name)
        slope = Normal(mean=0.0, sd=spread.sd, source="package default: one typical spread per SD is 1 SD")
        for name in (*layout.covariates, *(("value at week 0",) if model.baseline == "covariate" else ())):
            rows += rows_of(slope, f"{name} on the mean", f"{unit} per SD", k.name)
        each_visit = "at each visit" if model.covariance in BY_VISIT_SD else "at all visits"
        rows += rows_of(HalfNormal(sd=spread.sd, source=spread.source), f"SD {each_visit}", unit, k.name)
    rows += _correlation_rows(model, layout)
    return rows


def _correlation_rows(model: Any, layout: VisitLayout) -> list[PriorRow]:
    kind, several = model.covariance.removesuffix("_heterogeneous"), len(layout.outcomes) > 1
    scale, rows = "atanh of a correlation", []

    def row(parameter: str, prior: str, unit: str = scale) -> PriorRow:
        return prior_row(parameter, prior, unit, DEFAULT, "all")

    first, higher = (f"Normal({mean:g}, {sd:g})" for mean, sd in (FIRST_LAG, HIGHER_LAG))
    if layout.slots > 1 and len(layout.weeks) > 1:
        words = "correlation of visits" if kind == "compound_symmetry" else "partial autocorrelation of visits, lag 1"
        rows.append(row(words, first))
        if kind in ("unstructured", "toeplitz") and len(layout.weeks) > 2:
            rows.append(row("partial autocorrelations of visits, higher lags", higher))
    if several and model.outcomes_jointly == "full":
        rows.append(row("partial correlations of visits of different outcomes", higher))
    elif several:
        rows.append(row("correlations of outcomes", f"LKJ({OUTCOME_SHAPE:g})", "correlation"))
    return rows
