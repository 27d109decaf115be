"""What is declared before a surrogate is judged: weeks, regions, assumptions, cut-offs with their sources."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from bayesmodels.surrogacy.criteria.prentice import Regions

_FROZEN = ConfigDict(frozen=True, extra="forbid")

REDUCTIONS = (0.2, 0.4, 0.6)
"""Reductions of the surrogate whose consequences are shown, as fractions, unless others are declared."""

SOURCES = {
    "effect_probability": "convention: one-sided 2.5 %, as a posterior probability",
    "individual_supported": "BSES3: 'good', and 'excellent', ask for R2 within arms of .4 (PMC10401605, table 3)",
    "individual_refuted": "BSES3: 'fair' asks for R2 within arms of .2 (PMC10401605, table 3)",
    "prior_width": "as at the trial level: a correlation's interval at least .8 as wide as the prior's was not learned",
    "residual_share": "half an important difference; to be argued for, and declared, in each trial",
    "early_probability": "earliest visit with P(R2 >= the 'fair' cut-off) of .9; after Wang and Parast (PMC8595715)",
}
"""Where each cut-off comes from."""


class CutOffs(BaseModel):
    """Cut-offs of the response and individual rungs; `SOURCES` has where each comes from.

    Parameters
    ----------
    effect_probability : float
        Probability from which a direction counts as shown; also the guard of ratios' denominators.
    individual_supported, individual_refuted : float
        R2 within arms: supported with the lower limit at the first or above, not supported with the upper below the
        second.
    prior_width : float
        Posterior over prior interval width of the correlation from which the data decided nothing.
    residual_share : float
        Share of the important difference inside which an effect left over counts as none, where no region is declared.
    early_probability : float
        Probability from which a visit counts as early enough.
    """

    model_config = _FROZEN

    effect_probability: float = Field(0.975, gt=0.5, lt=1)
    individual_supported: float = Field(0.4, gt=0, lt=1)
    individual_refuted: float = Field(0.2, gt=0, lt=1)
    prior_width: float = Field(0.8, gt=0)
    residual_share: float = Field(0.5, gt=0)
    early_probability: float = Field(0.9, gt=0.5, lt=1)


class SurrogacySettings(BaseModel):
    """`[report.surrogacy]`: choices of the surrogate evaluation of one trial.

    Parameters
    ----------
    surrogate_week, outcome_week : float, optional
        Nominal visits at which the changes are read; by default the last controlled visit.
    surrogate_region, outcome_region : float
        Smallest effect in favour of the drug that counts, modelling unit; 0: any.
    residual_region : float, optional
        Largest effect on the outcome, given the surrogate, that counts as none; by default `residual_share` of the
        outcome's important difference, else the fourth criterion is not judged.
    cross_world : tuple of str
        Assumptions about what no trial shows, keys of `causal_association.ASSUMPTIONS`.
    mediation_lag : float
        Months from a change of the surrogate to a change of the outcome's rate.
    confounding : tuple of float
        Correlations of the errors of surrogate and outcome, from causes not measured, tried in the sensitivity
        analysis.
    role, context_of_use, surrogate_definition, rationale, prespecified : str
        For the checklist: role claimed, drug class and population it is claimed for, the surrogate's matrix, assay and
        limit of quantification, biological rationale, where all this was laid down beforehand. Blank: not stated.
    cut_offs : CutOffs
        From where on a rung is supported, and from where on it is not.
    seed : int
        Of what is drawn in the report: cross-world correlations, new persons.
    """

    model_config = _FROZEN

    surrogate_week: float | None = Field(None, gt=0)
    outcome_week: float | None = Field(None, gt=0)
    surrogate_region: float = Field(0.0, ge=0)
    outcome_region: float = Field(0.0, ge=0)
    residual_region: float | None = Field(None, gt=0)
    cross_world: tuple[Literal["none", "ranks kept", "monotone"], ...] = ("none", "ranks kept", "monotone")
    mediation_lag: float = Field(0.0, ge=0)
    confounding: tuple[float, ...] = (-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3)
    role: Literal["", "pharmacodynamic", "prognostic", "reasonably likely", "validated"] = ""
    context_of_use: str = ""
    surrogate_definition: str = ""
    rationale: str = ""
    prespecified: str = ""
    cut_offs: CutOffs = CutOffs()
    seed: int = 0

    @field_validator("confounding")
    @classmethod
    def _correlations(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if any(not -1 < value < 1 for value in values):
            raise ValueError("expected correlations between -1 and 1")
        return values

    def regions(self, important_difference: float | None) -> Regions:
        """The declared regions; the residual one from the outcome's important difference where it is not given.

        Parameters
        ----------
        important_difference : float or None
            Of the outcome, modelling unit; None: not declared.

        Returns
        -------
        Regions
            The residual region is NaN where neither is declared.
        """
        residual = self.residual_region
        if residual is None:
            share = self.cut_offs.residual_share
            residual = math.nan if important_difference is None else share * important_difference
        return Regions(self.surrogate_region, self.outcome_region, residual)
