"""Recovery: does `LongitudinalModel` find what simulated trials of 72 / 36 were made from?

    python -m validation.recovery model --out reports/validation/recovery/LongitudinalModel
    python -m validation.recovery generator --out reports/validation/recovery/generator

`model`: trials from the model itself, truths from its prior restricted to plausible courses. `generator`: trials from
`bayesmodels.simulation`, which is not the model; the truths are its parameters and its true contrasts.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bayesmodels.fitting.refit import judged, stacked
from bayesmodels.models.visits.design import as_data, design_of
from bayesmodels.simulation import population_truth, published_truth, simulate_trial, trial_seed, valor_design
from bayesmodels.simulation.persons import draw_persons
from bayesmodels.study import Study
from bayesmodels.trials.specification import FitsSpec
from bayesmodels.trials.study import TrialsStudy, Variant
from validation.recovery.coverage import LEVELS, context, results
from validation.simulated.labelled import scalars
from validation.simulated.model_trials import (
    CONTRAST_WEEKS,
    OUTCOMES,
    STRATA,
    TERMS,
    Truth,
    draw_truth,
    mean_curves,
    plausible,
    published,
)
from validation.simulated.model_visits import VALOR_LAYOUT, simulate_visits, the_model, the_refit

LARGE = 200_000
"""Simulated persons a stratum from which means, SDs and correlations of the generator's persons are computed."""


def plausible_truth(rng: np.random.Generator) -> tuple[Truth, int]:
    """A prior draw whose mean courses are plausible (`plausible`), and how many were refused before it."""
    for refused in range(10_000):
        truth = draw_truth(the_model(), rng)
        if plausible(mean_curves(truth, np.array(VALOR_LAYOUT.weeks), VALOR_LAYOUT.shares)):
            return truth, refused
    raise RuntimeError("no plausible truth in 10,000 prior draws")


def recover(spec: FitsSpec, number: int) -> dict[str, Any]:
    """Simulate one trial, refit, and compare every parameter with its truth.

    Returns
    -------
    dict
        `parameters`: label to [truth, five quantiles `LEVELS`, the same five of the draws whose mean courses are
        plausible]; and the refit's convergence.
    """
    rng = spec.stream(number)
    if spec.variant == "model":
        truth, refused = plausible_truth(rng)
        arrays = as_data(simulate_visits(truth, VALOR_LAYOUT, rng), OUTCOMES)
        values = published(truth, VALOR_LAYOUT.weeks, VALOR_LAYOUT.shares)
        truths = {name: float(v) for name, v in scalars({**values, "week": VALOR_LAYOUT.weeks}).items()}
    else:
        refused = 0
        arrays, truths = generator_arrays(spec.seed, number), dict(generator_truths())
    refit = the_refit()
    tree = refit.sample(arrays, spec.settings(rng))
    free = stacked(tree["posterior"].to_dataset(), refit.names)
    found = refit.published(free)
    inside = plausible(np.where(np.isnan(found["latent_curve"]), found["curve"], found["latent_curve"]))
    draws = scalars({**found, "week": VALOR_LAYOUT.weeks})
    parameters = {}
    for name, truth_value in truths.items():
        own = draws[name]
        kept = own[inside] if inside.any() else own
        row = [truth_value, *np.quantile(own, LEVELS), *np.quantile(kept, LEVELS)]
        parameters[name] = [float(f"{value:.5g}") for value in row]
    return {
        "refused": refused,
        "plausible_draws": float(inside.mean()),
        **judged(tree, refit, found),
        "parameters": parameters,
    }


def generator_arrays(seed: int, number: int) -> Mapping[str, np.ndarray]:
    """Data of one trial of the generator, as a user's study would give them."""
    trial = simulate_trial(valor_design(), published_truth(), trial_seed(seed, number + 1))
    study = Study.from_frames(
        trial.persons, trial.visits, trial.events, name="simulated", reference_group="delayed", strata=True
    )
    return as_data(design_of(study, the_model().outcomes, ()), OUTCOMES)


@cache
def generator_truths() -> Mapping[str, float]:
    """What the generator's truth says about the model's parameters, by label; what has no counterpart is left out.

    Contrasts by large simulation (`population_truth`). Persons' means, SDs and correlations over 200,000 simulated
    persons a stratum; an SD or correlation common to the strata in the model is the root mean square of the strata's
    SDs, and the mean of their correlations. The effect on ALSFRS-R has no counterpart (the generator slows a person's
    own rate in proportion), nor has its correlation with anything.
    """
    truth = published_truth()
    found = {}
    table = population_truth(valor_design(), truth, weeks=(0, *CONTRAST_WEEKS))
    rows = table[(table["quantity"] == "difference") & table["week"].isin(CONTRAST_WEEKS)]
    for row in rows.itertuples():
        found[f"difference[{row.outcome}, {row.stratum}, week {row.week}]"] = float(row.value)
    terms = {}
    for stratum in STRATA:
        labels = np.full(LARGE, stratum)
        people = draw_persons(labels, np.zeros(LARGE), truth, np.random.default_rng(7))
        terms[stratum] = np.stack([people.log_nfl, people.nfl_drift, -people.nfl_drop, people.score, -people.rate])
        level, rate, effect, score, decline = terms[stratum].mean(axis=1)
        found[f"population_level[nfl_plasma, {stratum}]"] = level
        found[f"population_rate[nfl_plasma, {stratum}]"] = rate
        found[f"drug_effect[nfl_plasma, {stratum}]"] = effect
        for group in ("early", "delayed"):
            found[f"group_drug_effect[nfl_plasma, {stratum}, {group}]"] = effect
        found[f"population_level[alsfrs_r, {stratum}]"] = score
        found[f"population_rate[alsfrs_r, {stratum}]"] = decline
    spread = np.sqrt(np.mean([terms[s].var(axis=1) for s in STRATA], axis=0))
    correlation = np.mean([np.corrcoef(terms[s]) for s in STRATA], axis=0)
    for i, name in enumerate(TERMS):
        found[f"person_sd[{name}]"] = spread[i]
        for j in range(i):
            found[f"person_correlation[{TERMS[j]}, {name}]"] = correlation[j, i]
    for outcome, sd in (("nfl_plasma", truth.nfl_residual_sd), ("alsfrs_r", truth.score_residual_sd)):
        found[f"residual_sd[{outcome}]"] = np.sqrt((sd.faster**2 + sd.slower**2) / 2)
    found["random_walk_sd[alsfrs_r]"] = np.sqrt(
        (truth.score_random_walk_sd.faster**2 + truth.score_random_walk_sd.slower**2) / 2
    )
    found["effect_lag[nfl_plasma]"] = truth.nfl_lag
    found["effect_time_constant[nfl_plasma]"] = truth.nfl_time_constant
    found["effect_lag[alsfrs_r]"] = truth.function_lag
    found["deceleration[alsfrs_r]"] = truth.deceleration
    found["group_effect_sd[nfl_plasma]"] = 0.0
    return {name: float(value) for name, value in found.items()}


def _variant(name: str, title: str, folder: str) -> Variant:
    spec = FitsSpec(variant=name, chains=2, tune=400, draws=400, target_accept=0.8)
    return Variant(f"Recovery of LongitudinalModel from {title}", f"reports/validation/recovery/{folder}", spec, 100)


STUDY = TrialsStudy(
    "validation.recovery",
    __doc__,
    (
        _variant("model", "trials simulated from itself", "LongitudinalModel"),
        _variant("generator", "VALOR-like trials that are not from the model", "generator"),
    ),
    recover,
    results,
    Path(__file__).with_name("page.md.j2"),
    context,
)
