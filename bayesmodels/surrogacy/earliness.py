"""How early: every single-trial metric by the visit at which the surrogate is read, the outcome's visit held."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from bayesmodels.posterior.context import Contrast
from bayesmodels.posterior.intervals import named_limits, probability
from bayesmodels.surrogacy.criteria.causal_association import causal_association
from bayesmodels.surrogacy.criteria.courses import Courses
from bayesmodels.surrogacy.criteria.prentice import Regions, prentice
from bayesmodels.surrogacy.criteria.proportion_explained import proportion_explained
from bayesmodels.surrogacy.criteria.relative_effect import relative_effect
from bayesmodels.surrogacy.settings import CutOffs, SurrogacySettings
from bayesmodels.surrogacy.verdict import Verdict


def earliness_table(
    courses: Courses,
    surrogate: str,
    outcome: str,
    weeks: np.ndarray,
    outcome_week: float,
    contrast: Contrast,
    regions: Regions,
    settings: SurrogacySettings,
    level: float,
    design: str = "",
) -> pd.DataFrame:
    """One row per visit of the surrogate.

    Columns: `week`; `effect_*` on the surrogate and `effect_favours`; `r2_*` (R2_indiv within arms, true values; equals
    the likelihood reduction factor), `r2_observed_*` (as measured), `r2_fair` (probability that R2 is at least the
    "fair" cut-off and better goes with better); `relative_effect_*` (NaN where its set is unbounded); `prentice_joint`;
    `explained_*` and `explained_withheld`; `causal_*` (individual causal association, no cross-world assumption).
    `design` says why the design or the fit cannot judge criteria that compare both effects; blank where it can.
    """
    cut = settings.cut_offs
    rows = []
    for week in weeks:
        true, seen = (courses.arms(surrogate, outcome, week, outcome_week, contrast, observed=o) for o in (False, True))
        ratio = relative_effect(true, level, cut.effect_probability)
        explained = proportion_explained(true, level, cut.effect_probability, design)
        criteria = prentice(true, regions, cut.effect_probability, design)
        causal = causal_association(true, ("none",), level, per_draw=20, seed=settings.seed).table.iloc[0]
        r2, better = true.adjusted_association**2, true.favourable.adjusted_association > 0
        rows.append(
            {
                "week": float(week),
                **named_limits("effect", true.alpha, level),
                "effect_favours": probability(true.favourable.alpha > settings.surrogate_region),
                **named_limits("r2", r2, level),
                **named_limits("r2_observed", seen.adjusted_association**2, level),
                "r2_fair": probability((r2 >= cut.individual_refuted) & better),
                "relative_effect_median": ratio.median if ratio.set.bounded else math.nan,
                "relative_effect_lower": ratio.set.lower,
                "relative_effect_upper": ratio.set.upper,
                "prentice_joint": criteria.probabilities["joint"] if criteria.assessable else math.nan,
                "explained_median": explained.median,
                "explained_lower": explained.lower,
                "explained_upper": explained.upper,
                "explained_withheld": explained.withheld,
                **{f"causal_{edge}": float(causal[edge]) for edge in ("median", "lower", "upper")},
            }
        )
    return pd.DataFrame(rows)


def earliest(
    table: pd.DataFrame, switch_week: float, cut_offs: CutOffs, verdicts: Sequence[Verdict]
) -> dict[str, float]:
    """First randomised visit from which the drug's effect on the surrogate is shown, and from which R2 is fair.

    Parameters
    ----------
    table : DataFrame
        `earliness_table`.
    switch_week : float
        Last randomised week.
    cut_offs : CutOffs
    verdicts : sequence of Verdict
        Of the rungs of response and individual first; one that is not assessable is not asked.

    Returns
    -------
    dict of str to float
        "effect" and "individual"; NaN where there is no such visit.
    """
    randomised = table[table["week"] <= switch_week]
    rungs = (
        ("effect", "effect_favours", cut_offs.effect_probability),
        ("individual", "r2_fair", cut_offs.early_probability),
    )
    return {
        name: earliest_week(randomised, column, threshold)
        for (name, column, threshold), verdict in zip(rungs, verdicts, strict=False)
        if verdict.answer != "not assessable"
    }


def earliest_week(table: pd.DataFrame, column: str, threshold: float) -> float:
    """First visit from which a probability stays at the threshold or above; NaN where it never does."""
    enough = table[column].to_numpy() >= threshold
    stays = np.logical_and.accumulate(enough[::-1])[::-1]
    return float(table["week"].to_numpy()[stays][0]) if stays.any() else math.nan
