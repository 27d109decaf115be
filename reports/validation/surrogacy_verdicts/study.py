"""How often each verdict is given: null, perfect, paradoxical, confounded and ordinary surrogates, 1 to 40 trials.

    python -m validation.surrogacy_verdicts --out reports/validation/surrogacy_verdicts

A single trial is a table of patients, judged on the response and the individual rung, and on the trial rung, which one
trial cannot answer. A collection is a table of effects fitted by `TrialLevelModel`, judged on the trial rung. The good
directions are stated: a lower surrogate, a higher outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from arviz_stats.base import array_stats
from scipy.stats import binomtest

from bayesmodels.fitting.refit import Refit, refit_of
from bayesmodels.models.trial_level.model import TrialLevelModel
from bayesmodels.simulation import COLLECTIONS, CollectionTruth, simulate_effects, simulate_patients
from bayesmodels.study import ClusterTable, Endpoint, TrialTable
from bayesmodels.surrogacy.identifiability import SINGLE_TRIAL
from bayesmodels.surrogacy.person_level import posterior_arms
from bayesmodels.surrogacy.settings import SurrogacySettings
from bayesmodels.surrogacy.single_trial import trial_criteria
from bayesmodels.surrogacy.trial_level.direction import direction
from bayesmodels.surrogacy.trial_level.draws import TrialDraws
from bayesmodels.surrogacy.trial_level.prior_information import prior_information
from bayesmodels.surrogacy.trial_level.verdict import trial_verdict
from bayesmodels.surrogacy.verdict import ANSWERS
from bayesmodels.trials.results import Results
from bayesmodels.trials.specification import FitsSpec
from bayesmodels.trials.study import TrialsStudy, Variant

SIZES = (1, 3, 8, 20, 40)
"""Trials; 1 is a single trial with patients."""

CELLS = tuple(product(COLLECTIONS, SIZES))
SCALES = (0.3, 0.25)
"""Prior scales of the fits: the spread that the collections have, as an analyst who knows the field would state it."""

ENDPOINTS = (Endpoint("surrogate", "ln", "down"), Endpoint("outcome", "points per month", "up"))
RESIDUAL_REGION = 0.1
"""Effect on the outcome, given the surrogate, that counts as none in Prentice's fourth criterion; points a month."""


RUNGS = {
    "response": "response",
    "individual": "individual",
    "trial_rung": "trial",
    "trial_rung_undirected": "trial, directions not stated",
}
FALSE_KINDS = ("null", "paradox", "harmful")
"""Surrogates that must not be called supported on the trial rung."""

LIMIT = 0.05


@dataclass(frozen=True, kw_only=True)
class VerdictSpec(FitsSpec):
    """Specification of the study.

    Parameters
    ----------
    patients_per_arm : int
        Of every trial of a collection.
    single_patients_per_arm : int
        Of a single trial.
    """

    patients_per_arm: int = 50
    single_patients_per_arm: int = 200


@cache
def the_model() -> TrialLevelModel:
    """Normal random effects; the correlation of the estimates is known from the table."""
    return TrialLevelModel(surrogate_scale=SCALES[0], outcome_scale=SCALES[1])


@cache
def the_refit() -> Refit:
    """The model compiled, once per process."""
    return refit_of(the_model(), table_of(COLLECTIONS["null"], 3, 50, np.random.default_rng(0)))


def table_of(truth: CollectionTruth, trials: int, patients_per_arm: int, rng: np.random.Generator) -> TrialTable:
    """A simulated table as a user would have it."""
    frame = simulate_effects(truth, trials, seed=rng, patients_per_arm=patients_per_arm)
    frame = frame.drop(columns=["true_surrogate_effect", "true_outcome_effect"])
    return TrialTable.from_frame(frame, surrogate=ENDPOINTS[0], outcome=ENDPOINTS[1])


def judge(spec: VerdictSpec, number: int) -> dict[str, Any]:
    """Simulate trial or collection k, replicate k // 30 of cell k % 30, and give its verdicts."""
    kind, trials = CELLS[number % len(CELLS)]
    rng = spec.stream(number)
    judged_so = _single(spec, COLLECTIONS[kind], rng) if trials == 1 else _collection(spec, kind, trials, rng)
    return {"kind": kind, "trials": trials, **judged_so}


def _single(spec: VerdictSpec, truth: CollectionTruth, rng: np.random.Generator) -> dict[str, Any]:
    patients = simulate_patients(truth, 1, seed=rng, patients_per_arm=spec.single_patients_per_arm)
    table = ClusterTable.from_frame(patients, active=1, surrogate=ENDPOINTS[0], outcome=ENDPOINTS[1])
    arms = posterior_arms(table, draws=spec.draws, seed=int(rng.integers(2**31)))
    found = trial_criteria(arms, SurrogacySettings(residual_region=RESIDUAL_REGION))
    joint = found.prentice.probabilities["joint"]
    return {
        **{verdict.rung: verdict.answer for verdict in found.verdicts},
        "trial_rung": SINGLE_TRIAL.answer,
        "prentice_assessable": bool(found.prentice.assessable),
        "prentice_joint": round(float(joint), 4),
    }


def _collection(spec: VerdictSpec, kind: str, trials: int, rng: np.random.Generator) -> dict[str, Any]:
    table = table_of(COLLECTIONS[kind], trials, spec.patients_per_arm, rng)
    refit = the_refit()
    free, divergences = refit.raw_draws(the_model().arrays(table), spec.settings(rng))
    found = refit.published({name: values.reshape((-1, *values.shape[2:])) for name, values in free.items()})
    (mean_s, mean_t), (sd_s, sd_t), rho = found["trial_mean"].T, found["trial_sd"].T, found["trial_correlation"]
    draws = TrialDraws(mean_s, mean_t, sd_s, sd_t, rho)
    information = prior_information(rho)
    programmes = len(table.paired_programmes)
    given = trial_verdict(draws, information, programmes, direction=direction(draws, "down", "up"))
    return {
        "trial_rung": given.verdict,
        "trial_rung_undirected": trial_verdict(draws, information, programmes).verdict,
        "rho_lower": round(float(np.quantile(rho, 0.025)), 4),
        "rho_upper": round(float(np.quantile(rho, 0.975)), 4),
        "rho_width_ratio": round(information.rho_width_ratio, 4),
        "max_rhat": round(max(_rhat(values) for values in free.values()), 4),
        "divergences": divergences,
    }


def _rhat(values: np.ndarray) -> float:
    """Largest R-hat of the entries of a variable (chain, draw, ...), every chain cut in two halves."""
    half = values.shape[1] // 2
    halves = np.concatenate([values[:, :half], values[:, half : 2 * half]]).reshape(2 * len(values), half, -1)
    return max(float(array_stats.rhat(halves[..., j], chain_axis=0, draw_axis=1)) for j in range(halves.shape[-1]))


def shares(records: pd.DataFrame) -> pd.DataFrame:
    """Share of every answer by kind, number of trials and rung.

    Returns
    -------
    DataFrame
        kind, trials, rung, answer, count, simulations, share, lower, upper (95 % limits, Clopper-Pearson).
    """
    rows = []
    for (kind, trials), cell in records.groupby(["kind", "trials"], sort=False):
        for column, rung in RUNGS.items():
            given = cell[column].dropna() if column in cell else pd.Series(dtype=object)
            for answer in ANSWERS if len(given) else ():
                count = int((given == answer).sum())
                limits = binomtest(count, len(given)).proportion_ci(0.95)
                share = count / len(given)
                rows.append((kind, trials, rung, answer, count, len(given), share, limits.low, limits.high))
    columns = ["kind", "trials", "rung", "answer", "count", "simulations", "share", "lower", "upper"]
    return pd.DataFrame(rows, columns=columns)


def false_support(table: pd.DataFrame, rung: str = "trial") -> pd.DataFrame:
    """Rows that count a false "supported" on the trial rung."""
    return table[(table["rung"] == rung) & (table["answer"] == "supported") & table["kind"].isin(FALSE_KINDS)]


def context(files: Mapping[str, Any], variant: Variant) -> dict[str, Any]:
    """Largest share of false support, support of a perfect surrogate, and shares of each rung in the page's layout."""
    table, simulations = files["shares"], files["simulations"]
    false, blind = false_support(table), false_support(table, "trial, directions not stated")
    single = simulations[simulations["trials"] == 1]
    met = single.assign(met=(single["prentice_joint"] >= 0.95) & single["prentice_assessable"].astype(bool))
    by_rung = {
        rung: table[table["rung"] == rung].pivot_table("share", ["kind", "trials"], "answer", sort=False)
        for rung in RUNGS.values()
    }
    return {
        "worst": false.loc[false["share"].idxmax()],
        "highest": false["upper"].max(),
        "loose": blind.loc[blind["share"].idxmax()],
        "perfect": table[(table["kind"] == "perfect") & (table["rung"] == "trial") & (table["answer"] == "supported")],
        "limit": LIMIT,
        "answers": ANSWERS,
        "rungs": by_rung,
        "prentice": met.groupby("kind", sort=False)[["prentice_assessable", "met"]].mean(),
        "kinds": COLLECTIONS.values(),
        "simulations_each": table["simulations"].max(),
    }


def results(records: list[dict[str, Any]], spec: VerdictSpec) -> Results:
    """Shares of every answer, and the simulations."""
    simulations = pd.DataFrame(records).drop(columns="process")
    table = shares(simulations)
    fits = simulations[simulations["trials"] > 1]
    counts = {
        "truths": {name: asdict(truth) for name, truth in COLLECTIONS.items()},
        "simulations": len(simulations),
        "largest_share_supported_where_false": round(float(false_support(table)["share"].max()), 4),
        "rhat_above_1.01": int((fits["max_rhat"] > 1.01).sum()),
        "rhat_above_1.05": int((fits["max_rhat"] > 1.05).sum()),
        "fits_with_divergences": int((fits["divergences"] > 0).sum()),
    }
    return Results({"shares": table, "simulations": simulations}, counts)


STUDY = TrialsStudy(
    "validation.surrogacy_verdicts",
    __doc__,
    (
        Variant(
            "Shares of verdicts", "reports/validation/surrogacy_verdicts", VerdictSpec(tune=250, draws=600),
            100 * len(CELLS), least=len(CELLS),
        ),
    ),
    judge,
    results,
    Path(__file__).with_name("page.md.j2"),
    context,
)  # fmt: skip
