"""What few trials can say of R2_trial: the design calculation "Few trials and measurement error", run again.

    python -m validation.few_trials.study --out reports/validation/few_trials

Collections of 2 to 40 trials with known R2 are simulated and fitted; the mean posterior median and 95 % interval of
R2_trial, the share of fits with a lower limit above .5, and the squared correlation of the raw estimates are compared
with a published calculation that used 40 replicates and another program, cell by cell.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from bayesmodels.fitting import NutsSettings
from bayesmodels.fitting.refit import Refit, judged, refit_of, stacked
from bayesmodels.models.trial_level.model import TrialLevelModel
from bayesmodels.simulation import CollectionTruth, simulate_effects
from bayesmodels.study import TrialTable
from bayesmodels.trials.loop import run_study, study_parser

TRIALS = (2, 3, 5, 8, 12, 20, 40)
TRUE_R2 = (0.2, 0.8, 0.95)
CELLS = tuple(product(TRIALS, TRUE_R2))

PRIOR_SCALE = 0.5
"""s of both endpoints: mu ~ Normal(0, (2 s)^2), tau ~ HalfNormal(s), rho ~ Uniform(-1, 1)."""

LEVELS = (0.025, 0.5, 0.975)


@dataclass(frozen=True)
class FewTrialsSpec:
    """What the study depends on.

    Parameters
    ----------
    replicates : int
        Collections a cell; trial number k of the study is replicate k // 21 of cell k % 21.
    """

    replicates: int = 120
    seed: int = 1
    chains: int = 1
    tune: int = 400
    draws: int = 800
    target_accept: float = 0.9


def truth_of(r2: float) -> CollectionTruth:
    """tau (.30, .25), means (-.3, -.2), standard errors (.10, .15), correlation of the estimates .2, rho above 0."""
    return CollectionTruth(
        f"R2 {r2:g}", "design calculation", (-0.3, -0.2), (0.30, 0.25), float(np.sqrt(r2)),
        patient_sd=(0.5, 0.75), individual_correlation=0.2,
    )  # fmt: skip


@cache
def the_model() -> TrialLevelModel:
    """Both scales `PRIOR_SCALE`."""
    return TrialLevelModel(surrogate_scale=PRIOR_SCALE, outcome_scale=PRIOR_SCALE)


@cache
def the_refit() -> Refit:
    """The model compiled, once a process."""
    table = TrialTable.from_frame(observed(truth_of(0.5), 3, np.random.default_rng(0)))
    return refit_of(the_model(), table, ("trial_r2", "trial_correlation"))


def observed(truth: CollectionTruth, trials: int, rng: np.random.Generator) -> Any:
    """A simulated table as a user would have it, without the true effects."""
    frame = simulate_effects(truth, trials, seed=rng, patients_per_arm=50)
    return frame.drop(columns=["true_surrogate_effect", "true_outcome_effect"])


def one_fit(spec: FewTrialsSpec, number: int) -> dict[str, Any]:
    """Simulate and fit one collection: posterior quantiles of R2_trial, and the raw estimates' squared correlation."""
    trials, r2 = CELLS[number % len(CELLS)]
    rng = np.random.default_rng(np.random.SeedSequence(spec.seed, spawn_key=(number,)))
    frame = observed(truth_of(r2), trials, rng)
    settings = NutsSettings(
        chains=spec.chains, tune=spec.tune, draws=spec.draws, target_accept=spec.target_accept, cores=1,
        seed=int(rng.integers(2**31)),
    )  # fmt: skip
    refit = the_refit()
    tree = refit.sample(the_model().arrays(TrialTable.from_frame(frame)), settings)
    found = refit.published(stacked(tree["posterior"].to_dataset(), refit.names))
    quantiles = np.quantile(found["trial_r2"], LEVELS)
    naive = np.corrcoef(frame["surrogate_effect"], frame["outcome_effect"])[0, 1] ** 2
    return {
        "trials": trials,
        "true_r2": r2,
        **{f"q{1000 * level:g}": round(float(q), 5) for level, q in zip(LEVELS, quantiles, strict=True)},
        "naive_r2": round(float(naive), 5),
        **judged(tree, refit, found),
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the study from the command line; a study that was stopped goes on where it was."""
    from validation.few_trials.report import write_report

    parser = study_parser("few_trials", __doc__)
    parser.add_argument("--replicates", type=int, default=120)
    chosen = parser.parse_args(arguments)
    spec = FewTrialsSpec(chosen.replicates, chosen.seed)
    fits = spec.replicates * len(CELLS)
    records = run_study(one_fit, spec, fits, chosen.log, workers=chosen.workers, scheduler=chosen.scheduler)
    sys.stdout.write(write_report(records, spec, chosen.out) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
