"""Specifications of studies: frozen values that hold everything the trials depend on besides their numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesmodels.fitting import NutsSettings


@dataclass(frozen=True, kw_only=True)
class TrialsSpec:
    """Specification of a study of simulated trials.

    Parameters
    ----------
    variant : str
        Which of a study's variants; blank where it has one.
    seed : int
        Of the whole study.
    """

    variant: str = ""
    seed: int = 1

    def stream(self, number: int) -> np.random.Generator:
        """Return the random numbers of one trial, which do not depend on the other trials.

        Parameters
        ----------
        number : int
            Of the trial, from 0.

        Returns
        -------
        numpy.random.Generator
        """
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(number,)))


@dataclass(frozen=True, kw_only=True)
class FitsSpec(TrialsSpec):
    """Specification of a study that fits a model to every simulated trial, its chains one after the other.

    Parameters
    ----------
    chains, tune, draws : int
    target_accept : float
    max_treedepth : int
        As of `NutsSettings`.
    """

    chains: int = 1
    tune: int = 500
    draws: int = 1000
    target_accept: float = 0.9
    max_treedepth: int = 10

    def settings(self, rng: np.random.Generator) -> NutsSettings:
        """Return the sampler settings of the next fit of a trial.

        Parameters
        ----------
        rng : numpy.random.Generator
            The trial's random numbers, from which the seed is drawn.

        Returns
        -------
        NutsSettings
        """
        return NutsSettings(
            chains=self.chains, tune=self.tune, draws=self.draws, target_accept=self.target_accept, cores=1,
            seed=int(rng.integers(2**31)), max_treedepth=self.max_treedepth,
        )  # fmt: skip
