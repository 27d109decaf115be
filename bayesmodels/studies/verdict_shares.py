"""How often each verdict is given: null, perfect, paradoxical, confounded and ordinary surrogates, one trial to forty.

    python -m bayesmodels.studies.verdict_shares --out reports/validation/surrogacy-verdicts

A single trial is a table of patients, judged on the response and the individual rung, and on the trial rung, which one
trial cannot answer. A collection is a table of effects fitted by `TrialLevelModel`, judged on the trial rung. The good
directions are stated: a lower surrogate, a higher outcome.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayesmodels.fitting import NutsSettings, prior_draws
from bayesmodels.models.trial_level import TrialLevelModel
from bayesmodels.reporting.surrogacy.identifiability import SINGLE_TRIAL
from bayesmodels.reporting.surrogacy.person_table import person_table, posterior_arms
from bayesmodels.reporting.surrogacy.settings import SurrogacySettings
from bayesmodels.reporting.surrogacy.single_trial import single_trial
from bayesmodels.simulation import COLLECTIONS, CollectionTruth, simulate_effects, simulate_patients
from bayesmodels.studies.refit import Refit, judged, refit_of, run_study, stacked
from bayesmodels.study import Endpoint, TrialTable

SIZES = (1, 3, 8, 20, 40)
"""Trials; 1 is a single trial with patients."""

CELLS = tuple(product(COLLECTIONS, SIZES))
SCALES = (0.3, 0.25)
"""Prior scales of the fits: the spread that the collections have, as an analyst who knows the field would state it."""

ENDPOINTS = (Endpoint("surrogate", "ln", "down"), Endpoint("outcome", "points per month", "up"))
RESIDUAL_REGION = 0.1
"""Effect on the outcome, given the surrogate, that counts as none in Prentice's fourth criterion; points a month."""


@dataclass(frozen=True)
class VerdictSpec:
    """What the study depends on.

    Parameters
    ----------
    simulations : int
        Of every kind of surrogate and number of trials; simulation number k is replicate k // 25 of cell k % 25.
    patients_per_arm : int
        Of every trial of a collection.
    single_patients_per_arm : int
        Of a single trial.
    """

    simulations: int = 100
    seed: int = 1
    chains: int = 1
    tune: int = 500
    draws: int = 1500
    target_accept: float = 0.9
    patients_per_arm: int = 50
    single_patients_per_arm: int = 200


@cache
def the_model() -> TrialLevelModel:
    """Normal random effects; the correlation of the estimates is known from the table."""
    return TrialLevelModel(surrogate_scale=SCALES[0], outcome_scale=SCALES[1])


@cache
def the_refit() -> Refit:
    """The model compiled, once a process."""
    return refit_of(the_model(), table_of(COLLECTIONS["null"], 3, 50, np.random.default_rng(0)))


@cache
def the_prior() -> xr.Dataset:
    """Draws of the published quantities from the prior, which no table changes."""
    return prior_draws(the_refit().pm_model, seed=1, draws=4000)


def table_of(truth: CollectionTruth, trials: int, patients_per_arm: int, rng: np.random.Generator) -> TrialTable:
    """A simulated table as a user would have it."""
    frame = simulate_effects(truth, trials, seed=rng, patients_per_arm=patients_per_arm)
    frame = frame.drop(columns=["true_surrogate_effect", "true_outcome_effect"])
    return TrialTable.from_frame(frame, surrogate=ENDPOINTS[0], outcome=ENDPOINTS[1])


def judge(spec: VerdictSpec, number: int) -> dict[str, Any]:
    """Simulate one trial or collection and give its verdicts."""
    kind, trials = CELLS[number % len(CELLS)]
    rng = np.random.default_rng(np.random.SeedSequence(spec.seed, spawn_key=(number,)))
    judged_so = _single(spec, COLLECTIONS[kind], rng) if trials == 1 else _collection(spec, kind, trials, rng)
    return {"kind": kind, "trials": trials, **judged_so}


def _single(spec: VerdictSpec, truth: CollectionTruth, rng: np.random.Generator) -> dict[str, Any]:
    patients = simulate_patients(truth, 1, seed=rng, patients_per_arm=spec.single_patients_per_arm)
    table = person_table(patients, surrogate="surrogate", outcome="outcome", arm="treatment", active=1, control=0)
    arms = posterior_arms(table, draws=spec.draws, seed=int(rng.integers(2**31)), good=(-1.0, 1.0))
    found = single_trial(arms, SurrogacySettings(residual_region=RESIDUAL_REGION))
    joint = found.prentice.probabilities["joint"]
    return {
        **{verdict.rung: verdict.answer for verdict in found.verdicts},
        "trial_rung": SINGLE_TRIAL.answer,
        "prentice_assessable": bool(found.prentice.assessable),
        "prentice_joint": round(float(joint), 4),
    }
