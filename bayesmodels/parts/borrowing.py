"""Priors of how far the untreated rate of external persons is from the trial's own: what borrowing rests on.

SDs of the drift are multiples of a unit that the model gives: the SD of the prior of the rate, so that an outcome's
drift is measured by how well its rate is known beforehand; of a `SharedRateModel`, whose drift is of the rate's
logarithm, `SharedRatePriors.external_log_rate_unit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, PositiveFloat, model_validator

from bayesmodels.parts.lookup import part_from, part_to
from bayesmodels.parts.priors import HalfNormal
from bayesmodels.parts.sampling_scale import half_normal


@dataclass(frozen=True)
class Drift:
    """Rates of external trials minus the trial's own, or of logarithms, as random variables of the current PyMC model.

    Parameters
    ----------
    value : tensor (outcome, stratum, trial)
        In the unit of the rate, or of its logarithm: that of the `scale` given.
    sd : tensor (outcome, stratum) or None
        Its SD, where that is learned or known.
    narrow : tensor (outcome, stratum, trial) or None
        Posterior probability of a mixture's narrow component given the value.
    """

    value: Any
    sd: Any = None
    narrow: Any = None


class _Borrowing(BaseModel):
    """What every way of borrowing says.

    Parameters
    ----------
    trial : str
        Label of our trial in the column `trial` of the persons table; persons with another one are external.
    level : {"own", "common"}
        Mean level of each external trial at its week 0: its own, with the prior of ours, or ours.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trial: str = Field(min_length=1)
    level: Literal["own", "common"] = "own"


class Commensurate(_Borrowing):
    """Commensurate prior: drift ~ Normal(0, tau^2), tau learned, of each outcome.

    Source: Hobbs, Carlin, Mandrekar and Sargent, Biometrics 2011;67:1047 (there with other priors of tau).

    Parameters
    ----------
    type : str
        Name in a configuration.
    trial, level
        As of every way of borrowing: our trial's label; the external level.
    tau : HalfNormal or float
        SD of the drift, in SDs of the prior of the rate (of a `SharedRateModel`: in `external_log_rate_unit`). A number
        is taken as known: near 0 the external persons are pooled, far above 1 they say nothing of our rate.
    """

    type: Literal["commensurate"] = "commensurate"
    tau: HalfNormal | PositiveFloat = HalfNormal(
        sd=0.5, source="assumption: rates of two trials differ by half the prior SD of a rate as 1 SD"
    )

    def drift(self, outcomes: Sequence[str], scale: np.ndarray, trials: int) -> Drift:
        """Drift of every outcome, stratum and external trial.

        Parameters
        ----------
        outcomes : sequence of str
        scale : (outcome, stratum)
            Unit of the drift.
        trials : int
            External ones.
        """
        if isinstance(self.tau, HalfNormal):
            tau = half_normal("external_drift_sd", self.tau.sd, (len(outcomes),))
        else:
            tau = pt.constant(np.full(len(outcomes), float(self.tau)))
        z = pm.Normal("external_drift_score", 0.0, 1.0, shape=(*scale.shape, trials))
        sd = tau[:, None] * scale
        return Drift(sd[:, :, None] * z, sd)

    def prior_texts(self, unit: float) -> list[tuple[str, str, str]]:
        """Parameter, prior and source of every row of the table of priors, for a drift of this unit."""
        if isinstance(self.tau, HalfNormal):
            size, source = f"HalfNormal({self.tau.sd * unit:.3g})", self.tau.source
        else:
            size, source = f"fixed at {self.tau * unit:.3g}", "taken as known"
        return [
            ("external rate minus our rate (drift)", "Normal(0, SD of drift)", "commensurate prior"),
            ("SD of drift", size, source),
        ]


class RobustMixture(_Borrowing):
    """Robust mixture prior: drift ~ w Normal(0, narrow^2) + (1 - w) Normal(0, wide^2), over the indicator summed.

    Source: Schmidli and others, Biometrics 2014;70:1023, whose second component is vague where this one is wide.

    Parameters
    ----------
    type : str
        Name in a configuration.
    trial, level
        As of every way of borrowing: our trial's label; the external level.
    weight : float
        Prior probability of the narrow component, w.
    narrow, wide : float
        SDs of the two components, in SDs of the prior of the rate (of a `SharedRateModel`: in
        `external_log_rate_unit`).
    """

    type: Literal["robust_mixture"] = "robust_mixture"
    weight: float = Field(default=0.5, gt=0, lt=1)
    narrow: PositiveFloat = 0.1
    wide: PositiveFloat = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> RobustMixture:
        if self.narrow >= self.wide:
            raise ValueError(f"expected narrow below wide, got {self.narrow:g} and {self.wide:g}")
        return self

    def drift(self, outcomes: Sequence[str], scale: np.ndarray, trials: int) -> Drift:
        """Drift of every outcome, stratum and external trial.

        Parameters
        ----------
        outcomes : sequence of str
        scale : (outcome, stratum)
            Unit of the drift.
        trials : int
            External ones.
        """
        z = pm.NormalMixture(
            "external_drift_score",
            w=np.array([self.weight, 1.0 - self.weight]),
            mu=np.zeros(2),
            sigma=np.array([self.narrow, self.wide]),
            shape=(*scale.shape, trials),
        )
        odds = np.log(self.weight / (1.0 - self.weight)) + np.log(self.wide / self.narrow)
        odds = odds - 0.5 * z**2 * (self.narrow**-2 - self.wide**-2)
        return Drift(scale[:, :, None] * z, narrow=pt.sigmoid(odds))

    def prior_texts(self, unit: float) -> list[tuple[str, str, str]]:
        """Parameter, prior and source of every row of the table of priors, for a drift of this unit."""
        narrow, wide = (f"Normal(0, {size * unit:.3g})" for size in (self.narrow, self.wide))
        text = f"{self.weight:g} {narrow} + {1 - self.weight:g} {wide}"
        return [("external rate minus our rate (drift)", text, "assumption: robust mixture")]


BORROWING = {"commensurate": Commensurate, "robust_mixture": RobustMixture}
"""Ways of borrowing by the name of their type."""

BorrowingPart = Annotated[
    Any,
    BeforeValidator(lambda v: None if v is None else part_from("way of borrowing", BORROWING, v, "drift")),
    PlainSerializer(lambda v: None if v is None else part_to(BORROWING, v)),
]
"""A model's field for a way of borrowing, or None."""
