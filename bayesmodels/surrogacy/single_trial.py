"""The criteria of one trial, from arms to one table and two verdicts; the same for person-level tables and fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.html_tables import html_table
from bayesmodels.posterior.intervals import named_limits
from bayesmodels.surrogacy.criteria.arms import Arms
from bayesmodels.surrogacy.criteria.causal_association import CausalAssociation, causal_association, principal_strata
from bayesmodels.surrogacy.criteria.mediation import sensitivity_table
from bayesmodels.surrogacy.criteria.prentice import Prentice, Regions, prentice
from bayesmodels.surrogacy.criteria.proportion_explained import ProportionExplained, proportion_explained
from bayesmodels.surrogacy.criteria.relative_effect import RelativeEffect, relative_effect
from bayesmodels.surrogacy.identifiability import individual_verdict, response_verdict
from bayesmodels.surrogacy.settings import SurrogacySettings
from bayesmodels.surrogacy.verdict import Verdict


@dataclass(frozen=True)
class SingleTrial:
    """Single-trial criteria with their uncertainty.

    Parameters
    ----------
    table : DataFrame
        One row per quantity: `quantity`, `name`, `median`, `lower`, `upper` (equal-tailed), `prior_median`,
        `prior_lower`, `prior_upper` (NaN without a prior), `note` (why unbounded or withheld).
    prentice : Prentice
    relative_effect : RelativeEffect
    proportion_explained : ProportionExplained
    causal_association : CausalAssociation
    principal_strata : DataFrame
    sensitivity : DataFrame
        Of the indirect effect to unmeasured confounding, with the surrogate itself as mediator.
    verdicts : tuple of Verdict
        Response, individual; of a table of persons also trial.
    """

    table: pd.DataFrame
    prentice: Prentice
    relative_effect: RelativeEffect
    proportion_explained: ProportionExplained
    causal_association: CausalAssociation
    principal_strata: pd.DataFrame
    sensitivity: pd.DataFrame
    verdicts: tuple[Verdict, ...]

    def sentence(self) -> str:
        """The verdicts and the criteria in words."""
        lines = [verdict.line for verdict in self.verdicts]
        measures = (self.prentice, self.relative_effect, self.proportion_explained)
        return "\n".join([*lines, *(found.sentence() for found in measures)])

    def _repr_html_(self) -> str:
        return "".join(v._repr_html_() for v in self.verdicts) + html_table(self.table, "{:.3g}")


def trial_criteria(
    arms: Arms,
    settings: SurrogacySettings | None = None,
    *,
    regions: Regions | None = None,
    level: float = 0.95,
    labels: dict[str, str] | None = None,
    prior: Arms | None = None,
    designs: tuple[str, str, str] = ("", "", ""),
) -> SingleTrial:
    """All criteria of one trial.

    Parameters
    ----------
    arms : Arms
    settings : SurrogacySettings, optional
    regions : Regions, optional
        By default those of the settings.
    level : float
        Probability of the intervals.
    labels : dict, optional
        `surrogate`, `outcome`, `unit` (of the surrogate), `where`, and `surrogate_where` and `persons_where` for the
        two rungs where these differ, for the sentences.
    prior : Arms, optional
        The same from the prior alone.
    designs : (str, str, str)
        Why the design or the fit cannot judge the response rung, the individual rung, and criteria that compare both
        effects; blank where it can.
    """
    settings = settings or SurrogacySettings()
    regions = regions or settings.regions(None)
    cut = settings.cut_offs
    words = {"surrogate": "the surrogate", "outcome": "the outcome", "unit": "units", "where": "in this trial"}
    words |= labels or {}
    ratio = relative_effect(arms, level, cut.effect_probability)
    share = proportion_explained(arms, level, cut.effect_probability, designs[2])
    causal = causal_association(arms, settings.cross_world, level, seed=settings.seed)
    response = response_verdict(
        arms.favourable.alpha, regions.surrogate, cut, surrogate=words["surrogate"], unit=words["unit"],
        where=words.get("surrogate_where", words["where"]), level=level, design=designs[0],
    )  # fmt: skip
    individual = individual_verdict(
        arms.favourable.adjusted_association, cut, surrogate=words["surrogate"], outcome=words["outcome"],
        where=words.get("persons_where", words["where"]), level=level, design=designs[1],
        prior=None if prior is None else prior.favourable.adjusted_association,
    )  # fmt: skip
    return SingleTrial(
        table=single_table(arms, prior, level, ratio, share),
        prentice=prentice(arms, regions, cut.effect_probability, designs[2]),
        relative_effect=ratio,
        proportion_explained=share,
        causal_association=causal,
        principal_strata=principal_strata(causal, arms, level),
        sensitivity=sensitivity_table(arms, settings.confounding, level, cut.effect_probability, designs[2]),
        verdicts=(response, individual),
    )


def likelihood_reduction(arms: Arms) -> np.ndarray:
    """Likelihood reduction factor with the pooled within-arm covariance, (draw,).

    1 - exp(-2 I(S; T | Z)), the information S gives about T (Alonso and Molenberghs 2007); for normal endpoints it is
    R2_indiv, the squared correlation within arms.
    """
    return 1 - np.exp(-2 * mutual_information(arms.pooled, 1))


def mutual_information(covariance: np.ndarray, first: int) -> np.ndarray:
    """I = (log|S_SS| + log|S_TT| - log|S|) / 2 of a normal's first `first` components and the others.

    Parameters
    ----------
    covariance : (..., n, n)
    first : int

    Returns
    -------
    ndarray (...)
        Infinite where a combination of one is a combination of the other.
    """
    parts = (covariance[..., :first, :first], covariance[..., first:, first:], covariance)
    with np.errstate(invalid="ignore"):  # without persons: NaN
        own, other, both = (np.linalg.slogdet(part)[1] for part in parts)
    return (own + other - both) / 2


_QUANTITIES: dict[str, tuple[str, Any]] = {
    "alpha": ("effect on the surrogate", lambda a: a.alpha),
    "beta": ("effect on the outcome", lambda a: a.beta),
    "gamma": ("slope of the outcome on the surrogate, within arms", lambda a: a.gamma),
    "gamma_control": ("the same in control", lambda a: a.arm_gamma[:, 0]),
    "gamma_active": ("the same in the active arm", lambda a: a.arm_gamma[:, 1]),
    "residual_effect": ("effect on the outcome at the same surrogate value", lambda a: a.residual_effect),
    "adjusted_association": ("correlation within arms, rho_Z", lambda a: a.adjusted_association),
    "r2_individual": ("R2 within arms, R2_indiv", lambda a: a.adjusted_association**2),
    "likelihood_reduction": ("likelihood reduction factor", likelihood_reduction),
}


def single_table(
    arms: Arms, prior: Arms | None, level: float, ratio: RelativeEffect, share: ProportionExplained | None
) -> pd.DataFrame:
    """`SingleTrial.table`; without `share` no proportion explained."""
    rows: list[dict[str, Any]] = []
    for name, (words, of) in _QUANTITIES.items():
        before = named_limits("prior", of(prior), level) if prior is not None else {}
        rows.append({"quantity": name, "name": words, **limits(of(arms), level), **before})
    unbounded = "" if ratio.set.bounded else ratio.set.sentence()
    rows.append(
        {
            "quantity": "relative_effect",
            "name": "relative effect, beta / alpha",
            "median": ratio.median if ratio.set.bounded else np.nan,
            "lower": ratio.set.lower,
            "upper": ratio.set.upper,
            "note": unbounded,
        }
    )
    if share is not None:
        rows.append(
            {
                "quantity": "proportion_explained",
                "name": "proportion explained",
                "median": share.median,
                "lower": share.lower,
                "upper": share.upper,
                "note": share.note(level),
            }
        )
    columns = ["quantity", "name", "median", "lower", "upper", "prior_median", "prior_lower", "prior_upper", "note"]
    return pd.DataFrame(rows).reindex(columns=columns).fillna({"note": ""})


def limits(draws: np.ndarray, level: float) -> dict[str, float]:
    """`median`, `lower` and `upper` of one quantity's draws; undefined draws left out."""
    return {name.removeprefix("x_"): value for name, value in named_limits("x", draws, level).items()}
