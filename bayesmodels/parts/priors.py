"""Prior distributions as values: each knows its source and makes its own random variable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pymc as pm
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

STATED = "stated by the user"


class Normal(BaseModel):
    """Normal(mean, sd), in the unit of what it is the prior of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["normal"] = "normal"
    mean: FiniteFloat
    sd: FiniteFloat = Field(gt=0)
    source: str = STATED

    def __str__(self) -> str:
        return f"Normal({self.mean:.3g}, {self.sd:.3g})"


class HalfNormal(BaseModel):
    """Normal(0, sd) on the positive half line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["halfnormal"] = "halfnormal"
    sd: FiniteFloat = Field(gt=0)
    source: str = STATED

    def __str__(self) -> str:
        return f"HalfNormal({self.sd:.3g})"


class LogNormal(BaseModel):
    """Log-normal with a median and the SD of the logarithm."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["lognormal"] = "lognormal"
    median: FiniteFloat = Field(gt=0)
    sigma: FiniteFloat = Field(gt=0)
    source: str = STATED

    def __str__(self) -> str:
        return f"LogNormal(log {self.median:.3g}, {self.sigma:.3g})"

    def variable(self, name: str):
        """A scalar random variable of the current PyMC model."""
        return pm.LogNormal(name, np.log(self.median), self.sigma)


MeanPrior = Normal | dict[str, Normal]
"""One prior for all strata, or one per stratum by label."""


def by_stratum(prior: MeanPrior, strata: Sequence[str]) -> list[Normal]:
    """The prior of each stratum.

    Raises
    ------
    KeyError
        A stratum has none.
    """
    return [prior[label] if isinstance(prior, dict) else prior for label in strata]
