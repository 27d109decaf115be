"""Free parameters of published-means models: name, prior, unit, and whether each stratum has its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pymc as pm

from bayesmodels.parts.priors import LogNormal, MeanPrior, Normal, by_stratum


@dataclass(frozen=True)
class Parameter:
    """A free parameter of a published-means model.

    Parameters
    ----------
    name : str
        Name of the free variable, `<outcome>_<quantity>`.
    prior : Normal, LogNormal or dict of str to Normal
    unit : str
        Template; `{unit}` is the outcome's unit on its modelling scale.
    published : str
        Name in the vocabulary; "" for none.
    per_stratum : bool
        One value per stratum (Normal priors only), or one for all.
    """

    name: str
    prior: LogNormal | MeanPrior
    unit: str
    published: str
    per_stratum: bool = False

    def variable(self, strata: tuple[str, ...], dim: str) -> pm.Distribution:
        """Random variable in the current PyMC model; over `dim` where each stratum has its own."""
        if self.per_stratum:
            mean, sd = self._by_stratum(strata)
            return pm.Normal(self.name, mean, sd, dims=(dim,))
        if isinstance(self.prior, LogNormal):
            return self.prior.variable(self.name)
        prior = self._one()
        return pm.Normal(self.name, prior.mean, prior.sd)

    def draws(self, strata: tuple[str, ...], size: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
        """Prior draws, shape (size,) or (size, stratum)."""
        if self.per_stratum:
            mean, sd = self._by_stratum(strata)
            return mean + sd * rng.standard_normal((size, len(strata)))
        if isinstance(self.prior, LogNormal):
            return self.prior.median * np.exp(self.prior.sigma * rng.standard_normal(size))
        prior = self._one()
        return prior.mean + prior.sd * rng.standard_normal(size)

    def strata_without_prior(self, strata: tuple[str, ...]) -> tuple[str, ...]:
        """Strata that a prior given by stratum leaves out."""
        return tuple(label for label in strata if isinstance(self.prior, dict) and label not in self.prior)

    def rows(self, unit: str) -> list[tuple[str, str, str, str, str]]:
        """Rows of the prior table: parameter, stratum ("" for all), prior, unit, source."""
        parts = self.prior.items() if isinstance(self.prior, dict) else (("", self.prior),)
        in_unit = self.unit.format(unit=unit)
        return [(self.name, stratum, str(prior), in_unit, prior.source) for stratum, prior in parts]

    def _one(self) -> Normal:
        assert isinstance(self.prior, Normal)  # one for all strata, and not log-normal
        return self.prior

    def _by_stratum(self, strata: tuple[str, ...]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        assert not isinstance(self.prior, LogNormal)  # priors by stratum are Normal
        parts = by_stratum(self.prior, strata)
        return np.array([part.mean for part in parts]), np.array([part.sd for part in parts])
