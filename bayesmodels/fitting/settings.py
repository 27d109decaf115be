"""Settings of the sampler, and the seeds of all random streams."""

from __future__ import annotations

import sys
from typing import Literal
from zlib import crc32

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from bayesmodels.processes import usable_cores

Sampler = Literal["nutpie", "pymc", "numpyro"]

STREAMS = {
    "prior": 1,
    "predictive_summary": 2,
    "random_effects": 3,
    "event_curves": 4,
    "dynamic_prediction": 5,
    "dynamic_prediction, examples": 6,
    "dropout_sensitivity": 11,
    "rank_analyses, imputed": 12,
    "rank_analyses, replicated": 13,
}
"""Random streams besides the chains', by name: each has its own seed, derived from the one the user gave."""

TARGET_ACCEPT, TARGET_ACCEPT_OF_PERSONS = 0.9, 0.8
"""Default mean acceptance probability, and that of models of persons (with the dim `person`).

Of 20 simulated trials of 108 persons the default model's worst effective draws were 1,553 in 49 CPU seconds at .8 and
1,114 in 59 at .9 (medians, 4 x (1000 + 1000), `reports/validation/recovery/default_settings`). The joint models of
`benchmarks/joint.py`, which sample numbers by person, keep two to three times the effective draws a gradient. Neither
has divergences. Of trials and means there are few values, and their posteriors narrow where an SD is near 0: steps stay
short.
"""

MOST_DRAWS, MOST_CHAINS, MOST_CORES, DEEPEST = 1_000_000, 1_000, 10_000, 20
"""Upper limits, so that a slip of the keyboard is refused and does not run for years or fill the memory.

A million draws of a hundred numbers are .8 GB a chain, a thousand chains a thousand files and samplers, and a tree of
depth 20 a million gradients for one draw.
"""

_OWN_STREAMS = 2**31  # chains use spawn keys 0, 1, ...; other streams start far above


class NutsSettings(BaseModel):
    """Settings of the No-U-Turn sampler.

    Parameters
    ----------
    sampler : {"nutpie", "pymc", "numpyro"}
        nutpie samples up to `cores` chains at once; the other two sample one chain after the other.
    draws, tune : int
        Draws kept, and draws spent on adaptation before them, in each chain; up to a million.
    chains : int
        Independent chains, up to a thousand.
    cores : int, optional
        Chains sampled at once; default as many as the machine allows. Does not change the draws.
    target_accept : float, optional
        Mean acceptance probability that the step size is tuned to; default 0.8 for models of persons, 0.9 for others.
    seed : int, optional
        Default: drawn once, printed and stored (`resolved`).
    max_treedepth : int
        A draw takes at most ``2 ** max_treedepth`` gradients; up to 20.
    progress : bool, optional
        Default: shown in a terminal and in Jupyter, not in batch.

    Raises
    ------
    pydantic.ValidationError
        An unknown field, or a value outside its limits; in a configuration, a plain line.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sampler: Sampler = "nutpie"
    draws: int = Field(1000, ge=4, le=MOST_DRAWS)
    tune: int = Field(1000, ge=1, le=MOST_DRAWS)
    chains: int = Field(4, ge=1, le=MOST_CHAINS)
    cores: int | None = Field(None, ge=1, le=MOST_CORES)
    target_accept: float | None = Field(None, gt=0, lt=1)
    seed: int | None = Field(None, ge=0)
    max_treedepth: int = Field(10, ge=1, le=DEEPEST)
    progress: bool | None = None


def draw_seed() -> int:
    """Draw a seed from the operating system's entropy."""
    return int(np.random.SeedSequence().generate_state(1)[0])


def resolved(settings: NutsSettings, target_accept: float = TARGET_ACCEPT) -> NutsSettings:
    """Fill in the seed (drawn once and printed on stderr), the number of cores and the target of acceptance.

    Parameters
    ----------
    settings : NutsSettings
    target_accept : float
        The model's, for settings that leave it open.

    Returns
    -------
    NutsSettings
        The same settings with `seed`, `cores` and `target_accept` set.
    """
    seed = settings.seed
    if seed is None:
        seed = draw_seed()
        told = f"seed {seed}: drawn now, stored with the posterior; give seed = {seed} to repeat this fit"
        print(told, file=sys.stderr)
    cores = settings.cores or min(settings.chains, usable_cores())
    accept = settings.target_accept or target_accept
    return NutsSettings.model_validate(settings.model_dump() | {"seed": seed, "cores": cores, "target_accept": accept})


def affects_draws(settings: NutsSettings) -> dict[str, object]:
    """Return the settings that change the draws: all but cores and progress.

    Parameters
    ----------
    settings : NutsSettings
    """
    return settings.model_dump(exclude={"cores", "progress"})


def chain_seeds(settings: NutsSettings) -> tuple[int, ...]:
    """Return one 32-bit seed per chain, from ``np.random.SeedSequence(seed).spawn(chains)``.

    Parameters
    ----------
    settings : NutsSettings
        With a seed.
    """
    children = np.random.SeedSequence(settings.seed).spawn(settings.chains)
    return tuple(int(child.generate_state(1)[0]) for child in children)


def stream_seed(seed: int, stream: int | str) -> int:
    """Return the seed of a random stream other than a chain.

    Parameters
    ----------
    seed : int
        The one the user gave.
    stream : int or str
        A number; or a name: one of `STREAMS`, or any other, whose checksum stands for it.
    """
    known = STREAMS.get(stream) if isinstance(stream, str) else stream
    key = crc32(str(stream).encode()) if known is None else _OWN_STREAMS + known
    return int(np.random.SeedSequence(seed, spawn_key=(key,)).generate_state(1)[0])
