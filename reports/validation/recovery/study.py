"""Recovery: does `LongitudinalModel` find what simulated trials of 72 / 36 were made from?

    python -m validation.recovery.study model --out reports/validation/recovery/LongitudinalModel
    python -m validation.recovery.study generator --out reports/validation/recovery/generator

`model`: trials from the model itself, truths from its prior restricted to plausible courses. `generator`: trials from
`bayesmodels.simulation`, which is not the model; the truths are its parameters and its true contrasts.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bayesmodels.fitting import NutsSettings
from bayesmodels.fitting.refit import Refit, judged, refit_of, stacked
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.visits.design import as_data, design_of
from bayesmodels.simulation import population_truth, published_truth, simulate_trial, trial_seed, valor_design
from bayesmodels.simulation.design import VISIT_WEEKS
from bayesmodels.simulation.persons import draw_persons
from bayesmodels.study import Study
from bayesmodels.trials.loop import run_study, study_parser
from validation.simulated.labelled import scalars
from validation.simulated.model_trials import (
    CONTRAST_WEEKS,
    OUTCOMES,
    STRATA,
    Layout,
    Truth,
    draw_truth,
    mean_curves,
    plausible,
    published,
)
from validation.simulated.model_visits import simulate_visits, template_study

LEVELS = (0.025, 0.25, 0.5, 0.75, 0.975)
VALOR_LAYOUT = Layout(persons=((39, 33), (21, 15)), weeks=tuple(map(float, VISIT_WEEKS)))
LARGE = 200_000
"""Simulated persons a stratum from which means, SDs and correlations of the generator's persons are computed."""


@dataclass(frozen=True)
class RecoverySpec:
    """What a recovery study depends on.

    Parameters
    ----------
    source : {"model", "generator"}
    seed : int
    chains, tune, draws : int
    target_accept : float
    max_treedepth : int
    """

    source: Literal["model", "generator"]
    seed: int = 1
    chains: int = 2
    tune: int = 400
    draws: int = 400
    target_accept: float = 0.8
    max_treedepth: int = 10

    def settings(self, rng: np.random.Generator) -> NutsSettings:
        """Sampler settings of one trial."""
        return NutsSettings(
            chains=self.chains, tune=self.tune, draws=self.draws, target_accept=self.target_accept, cores=1,
            seed=int(rng.integers(2**31)), max_treedepth=self.max_treedepth,
        )  # fmt: skip


@cache
def the_model() -> LongitudinalModel:
    """NfL and ALSFRS-R by their presets, partial pooling between start groups."""
    return LongitudinalModel(outcomes=OUTCOMES)


@cache
def the_refit() -> Refit:
    """The model compiled, once a process."""
    return refit_of(the_model(), template_study(VALOR_LAYOUT))


def plausible_truth(rng: np.random.Generator) -> tuple[Truth, int]:
    """A prior draw whose mean courses are plausible (`plausible`), and how many were refused before it."""
    for refused in range(10_000):
        truth = draw_truth(the_model(), rng)
        if plausible(mean_curves(truth, np.array(VALOR_LAYOUT.weeks), VALOR_LAYOUT.shares)):
            return truth, refused
    raise RuntimeError("no plausible truth in 10,000 prior draws")


def recover(spec: RecoverySpec, number: int) -> dict[str, Any]:
    """Simulate one trial, refit, and compare every parameter with its truth.

    Returns
    -------
    dict
        `parameters`: label to [truth, five quantiles `LEVELS`, the same five of the draws whose mean courses are
        plausible]; and the refit's convergence.
    """
    rng = np.random.default_rng(np.random.SeedSequence(spec.seed, spawn_key=(number,)))
    if spec.source == "model":
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
    inside = plausible(found["curve"])
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
    names = ("nfl_plasma:level", "nfl_plasma:rate", "nfl_plasma:effect", "alsfrs_r:level", "alsfrs_r:rate")
    spread = np.sqrt(np.mean([terms[s].var(axis=1) for s in STRATA], axis=0))
    correlation = np.mean([np.corrcoef(terms[s]) for s in STRATA], axis=0)
    for i, name in enumerate(names):
        found[f"person_sd[{name}]"] = spread[i]
        for j in range(i):
            found[f"person_correlation[{names[j]}, {name}]"] = correlation[j, i]
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


def main(arguments: list[str] | None = None) -> int:
    """Run a study from the command line; a study that was stopped goes on where it was."""
    from validation.recovery.report import write_report

    parser = study_parser("recovery", __doc__, workers=2)
    parser.set_defaults(log=None)  # one for each source
    parser.add_argument("source", choices=("model", "generator"))
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--chains", type=int, default=2)
    parser.add_argument("--max-treedepth", type=int, default=10, help="a chain that is stuck costs less at 8")
    chosen = parser.parse_args(arguments)
    spec = RecoverySpec(chosen.source, chosen.seed, chains=chosen.chains, max_treedepth=chosen.max_treedepth)
    log = chosen.log or Path(f"runs/studies/recovery-{chosen.source}.jsonl")
    records = run_study(recover, spec, chosen.trials, log, workers=chosen.workers, scheduler=chosen.scheduler)
    sys.stdout.write(write_report(records, spec, chosen.out, chosen.trials) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
