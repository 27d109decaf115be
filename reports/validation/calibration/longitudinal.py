"""Simulation-based calibration of `LongitudinalModel`: truths from the prior, trials from the model, refits, ranks.

    python -m validation.calibration.longitudinal --out reports/validation/calibration/LongitudinalModel

The truths and the trials come from NumPy (`model_trials`), not from the model's own graph. Trials are smaller than
VALOR (36 / 18 persons, eight visits), so that fits are quick; calibration holds for any size.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesmodels.fitting import NutsSettings
from bayesmodels.fitting.refit import judged, stacked
from bayesmodels.models.visits.design import as_data
from bayesmodels.trials.loop import run_study, study_parser
from validation.calibration.ranks import ranks_of
from validation.recovery.study import VALOR_LAYOUT, the_model, the_refit
from validation.simulated.labelled import scalars
from validation.simulated.model_trials import (
    OUTCOMES,
    STRATA,
    Layout,
    draw_truth,
    free_variables,
    published,
)
from validation.simulated.model_visits import simulate_visits

SMALL_LAYOUT = Layout(
    persons=((20, 16), (10, 8)), weeks=(0.0, 4.0, 12.0, 28.0, 40.0, 52.0, 100.0, 148.0), shortest_weeks=60.0
)
"""Half of VALOR's persons with the same shares of strata, so that the model compiled for the recovery study serves."""


@dataclass(frozen=True)
class CalibrationSpec:
    """What a calibration depends on.

    Parameters
    ----------
    seed : int
    chains, tune, draws : int
    target_accept : float
    kept : int
        Draws that a truth is ranked among, evenly spaced over the chains.
    """

    seed: int = 2
    chains: int = 1
    tune: int = 500
    draws: int = 600
    target_accept: float = 0.9
    kept: int = 25


def rank_truths(spec: CalibrationSpec, number: int) -> dict[str, Any]:
    """Draw a truth from the whole prior, simulate a trial, refit, and rank every quantity.

    Returns
    -------
    dict
        `ranks`: label to rank among `spec.kept` draws, of all population parameters, the contrast between start
        groups on its own scale, the differences of mean courses, and the log-likelihood of the trial.
    """
    rng = np.random.default_rng(np.random.SeedSequence(spec.seed, spawn_key=(number,)))
    truth = draw_truth(the_model(), rng)
    arrays = as_data(simulate_visits(truth, SMALL_LAYOUT, rng), OUTCOMES)
    refit = the_refit()
    settings = NutsSettings(
        chains=spec.chains, tune=spec.tune, draws=spec.draws, target_accept=spec.target_accept, cores=1,
        seed=int(rng.integers(2**31)),
    )  # fmt: skip
    tree = refit.sample(arrays, settings)
    free = stacked(tree["posterior"].to_dataset(), refit.names)
    everything = refit.published(free)
    every = np.linspace(0, spec.chains * spec.draws, spec.kept, endpoint=False).astype(int)
    thinned = {name: values[every] for name, values in free.items()}
    refit.use(arrays)
    own = free_variables(truth)
    quantities = scalars({**{k: v[every] for k, v in everything.items()}, "week": VALOR_LAYOUT.weeks})
    truths = scalars({**published(truth, VALOR_LAYOUT.weeks, SMALL_LAYOUT.shares), "week": VALOR_LAYOUT.weeks})
    for k, f in np.ndindex(2, 2):
        label = f"effect_contrast[{OUTCOMES[k]}, {STRATA[f]}]"
        quantities[label], truths[label] = thinned["effect_contrast"][:, k, f, 0], own["effect_contrast"][k, f, 0]
    quantities["log_likelihood"] = refit.log_likelihoods(thinned)
    truths["log_likelihood"] = refit.log_likelihoods({name: value[None] for name, value in own.items()})[0]
    ranks = {name: int(ranks_of([truths[name]], quantities[name][None])[0]) for name in quantities}
    return {**judged(tree, refit, everything), "ranks": ranks}


def main(arguments: list[str] | None = None) -> int:
    """Run the study from the command line; a study that was stopped goes on where it was."""
    from validation.calibration.report import write_report

    parser = study_parser("calibration", __doc__, seed=2, workers=2)
    parser.add_argument("--fits", type=int, default=200)
    chosen = parser.parse_args(arguments)
    spec = CalibrationSpec(chosen.seed)
    records = run_study(rank_truths, spec, chosen.fits, chosen.log, workers=chosen.workers, scheduler=chosen.scheduler)
    sys.stdout.write(write_report(records, spec, chosen.out, chosen.fits) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
