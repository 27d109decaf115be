"""The surrogate evidence of a fit without persons, such as one of published means: the response, and no more."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.errors import BadInput, in_full
from bayesmodels.posterior.context import FitContext
from bayesmodels.posterior.intervals import flat
from bayesmodels.reporting.settings import ReportSettings
from bayesmodels.surrogacy.arms import Arms
from bayesmodels.surrogacy.declared import Declared
from bayesmodels.surrogacy.evidence import SurrogateEvidence, no_comparison
from bayesmodels.surrogacy.identifiability import (
    SINGLE_TRIAL,
    individual_verdict,
    response_verdict,
)
from bayesmodels.surrogacy.prentice import prentice
from bayesmodels.surrogacy.relative_effect import relative_effect
from bayesmodels.surrogacy.single_trial import single_table
from bayesmodels.surrogacy.verdict import NOT_CONVERGED


def means_evidence(tree: xr.DataTree, context: FitContext, settings: ReportSettings, d: Declared) -> SurrogateEvidence:
    """Means only: the response can be judged, persons cannot."""
    response = no_comparison(d, settings)
    tables: dict[str, pd.DataFrame] = {}
    criteria = None
    arms = _mean_arms(tree, d)
    if arms is not None:
        level, cut = settings.interval, settings.surrogacy.cut_offs
        design = NOT_CONVERGED if context.unconverged else ""
        response = response_verdict(
            arms.favourable.alpha, d.regions.surrogate, cut, surrogate=d.surrogate.label, unit=d.surrogate.unit,
            where=d.surrogate_where, level=level, design=design or d.surrogate_not_randomised,
        )  # fmt: skip
        criteria = prentice(arms, d.regions, cut.effect_probability, design or d.not_randomised)
        table = single_table(arms, None, level, relative_effect(arms, level, cut.effect_probability), None)
        tables = {
            "surrogacy_criteria": table[table["quantity"].isin(["alpha", "beta", "relative_effect"])].assign(
                scale="mean"
            ),
            "surrogacy_prentice": criteria.table,
        }
    individual = individual_verdict(
        None, settings.surrogacy.cut_offs, surrogate=d.surrogate.label, outcome=d.outcome.label, where=d.where,
        level=settings.interval,
        design="the fit describes means, or persons whose courses it does not publish; it holds no covariance between "
        "persons",
    )  # fmt: skip
    return SurrogateEvidence(d, (response, individual, SINGLE_TRIAL), tables, criteria)


def _mean_arms(tree: xr.DataTree, d: Declared) -> Arms | None:
    """Effects at the declared weeks from the published differences, without persons."""
    draws = tree["posterior"].data_vars.get("difference")
    if d.contrast is None or draws is None or np.isnan([d.surrogate_week, d.outcome_week]).any():
        return None
    weeks = draws["week"].values.tolist()
    problems = [
        f"[report.surrogacy] {name}: expected a curve week ({', '.join(in_full(w) for w in weeks)}), got "
        f"{in_full(week)}"
        for name, week in (("surrogate_week", d.surrogate_week), ("outcome_week", d.outcome_week))
        if week not in weeks
    ]
    if problems:
        raise BadInput(problems)
    at = draws.reset_coords(drop=True).sel(contrast=d.contrast.label)
    at = at.sel(stratum="all" if "all" in at["stratum"].values else at["stratum"].values[0])
    pairs = ((d.surrogate, d.surrogate_week), (d.outcome, d.outcome_week))
    raw = np.stack([flat(at.sel(outcome=k.name, week=week)) for k, week in pairs], axis=-1)
    raw = raw if d.contrast.early == d.contrast.group else -raw
    unknown = np.full((len(raw), 2, 2, 2), np.nan)
    good = np.array([d.surrogate.sign, d.outcome.sign])
    return Arms(np.stack([np.zeros_like(raw), raw], axis=1), unknown, np.array([0.5, 0.5]), good)
