"""A study of many fits that is known in closed form, without a sampler.

A trial is the mean of n differences, Normal(effect, 1); with a flat prior the posterior is Normal(mean, 1 / sqrt(n)).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.stats import norm

from bayesmodels.fitting import NutsSettings
from bayesmodels.trials.kept import Kept, Rule
from bayesmodels.trials.plan import Plan

N, Z = 25, norm.ppf(0.975)
GRID = (np.arange(2000) + 0.5) / 2000
QUANTITY = "drug_effect[alsfrs_r, all]"


@dataclass(frozen=True)
class Means:
    """Trials: the mean of N differences, as a number with the trial's own random numbers."""

    effect: float

    def trial(self, seed):
        return float(np.random.default_rng(seed).normal(self.effect, 1.0, N).mean())

    def truths(self, variables):
        return {QUANTITY: self.effect}


@dataclass(frozen=True)
class NormalFits:
    """The posterior at equally spaced probabilities. `trouble`, a folder, makes some fits go wrong."""

    trouble: str = ""

    def labels(self, data):
        return labelled(GRID[:1])

    def prepare(self, template):
        pass

    def fit(self, data, settings):
        self._go_wrong(data)
        draws = data + norm.ppf(GRID) / np.sqrt(N)
        return labelled(draws), {"converged": True, "verdict": "ok", "max_rhat": 1.0, "compiled": False}

    def _go_wrong(self, data):
        if not self.trouble:
            return
        folder = Path(self.trouble)
        with (folder / "calls").open("a") as file:
            file.write(f"{data!r}\n")
        for name, happens in TROUBLES.items():
            asked = folder / name
            if asked.is_file() and repr(data) in asked.read_text().split():
                happens(asked)


def _once(asked):
    asked.unlink()


def _interrupted_once(asked):
    _once(asked)
    raise KeyboardInterrupt


def _fails(asked):
    raise ValueError("no such luck")


TROUBLES = {
    "interrupted_once": _interrupted_once,
    "fails": _fails,
}


def labelled(draws):
    coords = {"outcome": ["alsfrs_r"], "stratum": ["all"], "good_direction": ("outcome", ["up"])}
    return xr.Dataset({"drug_effect": (("draw", "outcome", "stratum"), draws[:, None, None])}, coords=coords)


def normal_plan(effect, trouble="", seed=3):
    return Plan(
        Means(effect),
        NormalFits(str(trouble)),
        (Kept(variable="drug_effect"),),
        (Rule(name="effect", variable="drug_effect"),),
        NutsSettings(draws=4, tune=1, chains=1),
        seed,
        truth={QUANTITY: effect},
        said={"effect": effect, "trouble": str(trouble)},
    )
