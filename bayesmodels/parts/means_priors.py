"""Priors of published-means models: a distribution, its source, and one row of the prior table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import pymc as pm
from pydantic import BaseModel, ConfigDict, Field


class NormalPrior(BaseModel):
    """Normal(mean, sd)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["normal"] = "normal"
    mean: float
    sd: float = Field(gt=0)
    source: str = "stated by the user"

    def __str__(self) -> str:
        """Give the distribution as a table shows it."""
        return f"Normal({self.mean:g}, {self.sd:g})"


class LogNormalPrior(BaseModel):
    """LogNormal(log median, sigma)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["lognormal"] = "lognormal"
    median: float = Field(gt=0)
    sigma: float = Field(gt=0)
    source: str = "stated by the user"

    def __str__(self) -> str:
        """Give the distribution as a table shows it."""
        return f"LogNormal(log {self.median:g}, {self.sigma:g})"


Prior = Annotated[NormalPrior | LogNormalPrior, Field(discriminator="type")]


class StratumPrior(BaseModel):
    """Normal prior of one stratum."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stratum: str
    prior: NormalPrior


@dataclass(frozen=True)
class Parameter:
    """A free parameter of a published-means model.

    Attributes
    ----------
    name : str
        Name of the free variable, `<outcome>_<quantity>`.
    prior : NormalPrior, LogNormalPrior or tuple of StratumPrior
        A tuple makes one value per stratum.
    unit : str
    published : str
        Name in the vocabulary.
    """

    name: str
    prior: NormalPrior | LogNormalPrior | tuple[StratumPrior, ...]
    unit: str
    published: str

    def variable(self, strata: tuple[str, ...], dim: str) -> pm.Distribution:
        """Random variable in the current PyMC model; over `dim` where there is a prior per stratum."""
        if isinstance(self.prior, LogNormalPrior):
            return pm.LogNormal(self.name, np.log(self.prior.median), self.prior.sigma)
        if isinstance(self.prior, NormalPrior):
            return pm.Normal(self.name, self.prior.mean, self.prior.sd)
        by_stratum = {part.stratum: part.prior for part in self.prior}
        means = np.array([by_stratum[label].mean for label in strata])
        sds = np.array([by_stratum[label].sd for label in strata])
        return pm.Normal(self.name, means, sds, dims=(dim,))

    def draws(self, strata: tuple[str, ...], size: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
        """Prior draws, shape (size,) or (size, stratum)."""
        if isinstance(self.prior, LogNormalPrior):
            return self.prior.median * np.exp(self.prior.sigma * rng.standard_normal(size))
        if isinstance(self.prior, NormalPrior):
            return self.prior.mean + self.prior.sd * rng.standard_normal(size)
        by_stratum = {part.stratum: part.prior for part in self.prior}
        means = np.array([by_stratum[label].mean for label in strata])
        sds = np.array([by_stratum[label].sd for label in strata])
        return means + sds * rng.standard_normal((size, len(strata)))
