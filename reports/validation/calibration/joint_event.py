"""Simulation-based calibration of `JointEventModel`: truths from the prior, trials in NumPy, refits, ranks.

    python -m validation.calibration.joint_event piecewise --out reports/validation/calibration/JointEventModel
    python -m validation.calibration.joint_event weibull --out reports/validation/calibration/JointEventModel-weibull

`piecewise`: one outcome, death (piecewise constant, current value, start group, covariate) and withdrawal (piecewise
constant, current rate). `weibull`: a marker and a score in two strata, death (Weibull, area of the score so far,
persons' own marker terms, stratum, being on the drug) and withdrawal (Weibull, current marker, start group).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bayesmodels.fitting import NutsSettings
from bayesmodels.fitting.refit import Refit, arrays_of, judged, refit_of, stacked
from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.models.visits.event import Event
from bayesmodels.parts.associations import Association
from bayesmodels.parts.effects import Plateau, SlopeChange
from bayesmodels.parts.hazards import PiecewiseConstant, Weibull
from bayesmodels.parts.priors import HalfNormal, LogNormal, Normal
from bayesmodels.trials.loop import run_study, study_parser
from validation.calibration.ranks import ranks_of
from validation.calibration.report import About, write_report
from validation.simulated.joint_density import log_likelihood
from validation.simulated.joint_labels import joint_published, labelled_draws, labelled_truth, truth_from
from validation.simulated.joint_trials import JointLayout, JointTrial, draw_truth, simulate_trial, study_of
from validation.simulated.joint_truth import JointTruth

Variant = Literal["piecewise", "weibull"]

FOLDERS = {
    "piecewise": "reports/validation/calibration/JointEventModel",
    "weibull": "reports/validation/calibration/JointEventModel-weibull",
}
ORDER = {"piecewise": 7, "weibull": 3}
"""Quadrature nodes in each person term for the ranked log-likelihood; any fixed rule leaves its ranks uniform."""

LAYOUTS = {
    "piecewise": JointLayout(
        persons=((20,), (20,)),
        groups=("early", "delayed"),
        start_weeks=(0.0, 28.0),
        weeks=(0.0, 8.0, 16.0, 28.0, 40.0, 52.0, 76.0),
        shortest_weeks=60.0,
        longest_weeks=90.0,
        missed=0.05,
        covariate="age",
    ),
    "weibull": JointLayout(
        persons=((10, 10), (10, 10)),
        groups=("early", "delayed"),
        start_weeks=(0.0, 28.0),
        weeks=(0.0, 4.0, 12.0, 28.0, 40.0, 52.0, 76.0),
        shortest_weeks=60.0,
        longest_weeks=90.0,
        strata=("faster", "slower"),
        missed=0.05,
    ),
}

DONE = {
    "piecewise": """Every parameter is drawn from the whole prior of the model below; a trial of 20 early and 20
delayed starters (week 28) with seven planned visits to week 76, data lock at random between weeks 60 and 90 and 5 % of
visits missed is drawn with NumPy from the formulas (`reports/validation/simulated/joint_truth.py`, `joint_trials.py`:
its own courses and hazards, exits by inversion of the cumulative hazard, visits only up to the exit); the compiled
model is refitted to the trial's tables; the truth is ranked among {kept} evenly spaced draws. The model: one outcome
with a change of slope by the drug (partial pooling over start groups), a covariate on level and rate; death with a
hazard in three pieces that depends on the current value, the start group and the covariate; withdrawal with a hazard
in two pieces that depends on the current rate. Ranked are all parameters, the baseline hazard of every piece, the
difference of mean courses at week 76, and the log-likelihood of the trial with the person terms integrated out by
Gauss-Hermite quadrature, in NumPy.""",
    "weibull": """Every parameter is drawn from the whole prior of the model below; a trial of 20 early and 20 delayed
starters (week 28) in two strata of 20, with seven planned visits to week 76, data lock at random between weeks 60 and
90 and 5 % of visits missed is drawn with NumPy from the formulas (`reports/validation/simulated/joint_truth.py`,
`joint_trials.py`); the compiled model is refitted to the trial's tables; the truth is ranked among {kept} evenly spaced
draws. The model: a marker on the log scale with a plateau after a lag and a score with a change of slope (partial
pooling over start groups); death with a Weibull hazard that depends on the score's area so far, the persons' own level
and rate of the marker, the stratum and being on the drug; withdrawal with a Weibull hazard that depends on the current
marker and the start group. Ranked are all parameters, each baseline hazard at week 52, the differences of mean courses
at week 76, and the log-likelihood of the trial with the person terms integrated out by Gauss-Hermite quadrature, in
NumPy.""",
}

DATA = """ Draws of the prior under which a trial lacks one of the two events are drawn again, since the model refuses
an event that nobody had ({refused} of {drawn}): a selection by the data alone, which leaves the ranks uniform. A spline
baseline is not among the variants: the prior of its level, trend and bends is stated over the persons at risk, so that
no truth can be drawn before the data."""


@dataclass(frozen=True)
class JointCalibrationSpec:
    """What a calibration depends on.

    Parameters
    ----------
    variant : {"piecewise", "weibull"}
    seed : int
    chains, tune, draws : int
    target_accept : float
    kept : int
        Draws that a truth is ranked among, evenly spaced over the chains.
    """

    variant: Variant
    seed: int = 4
    chains: int = 1
    tune: int = 500
    draws: int = 500
    target_accept: float = 0.9
    kept: int = 25


@cache
def the_model(variant: Variant) -> JointEventModel:
    """The model that is calibrated; priors such that most trials have visits, deaths and withdrawals."""
    score = {
        "name": "score",
        "unit": "points",
        "good_direction": "up",
        "level": Normal(mean=37.0, sd=3.0),
        "rate": Normal(mean=-1.0, sd=0.4),
        "level_sd": HalfNormal(sd=5.0),
        "rate_sd": HalfNormal(sd=0.7),
        "residual_sd": HalfNormal(sd=2.5),
        "effect": SlopeChange(),
    }
    ratio = Normal(mean=0.0, sd=0.7)
    if variant == "piecewise":
        by_value = Association(outcome="score", form="value", prior=Normal(mean=0.0, sd=0.15))
        by_rate = Association(outcome="score", form="rate", prior=Normal(mean=0.0, sd=1.0))
        three = PiecewiseConstant(knot_weeks=(26.0, 52.0), level=Normal(mean=-3.9, sd=0.7))
        two = PiecewiseConstant(knot_weeks=(40.0,), level=Normal(mean=-4.0, sd=0.7))
        return JointEventModel(
            outcomes=(score,),
            covariates={"level": ("age",), "rate": ("age",)},
            events=(
                Event(
                    name="death", terminal=True, baseline=three, start_group=True, covariates=("age",),
                    effect_prior=ratio, associations=(by_value,),
                ),
                Event(name="withdrawal", baseline=two, associations=(by_rate,)),
            ),
        )  # fmt: skip
    lag, time_constant = LogNormal(median=1.0, sigma=0.5), LogNormal(median=1.2, sigma=0.5)
    marker = {
        "name": "marker",
        "scale": "log",
        "good_direction": "down",
        "level": Normal(mean=4.3, sd=0.5),
        "rate": Normal(mean=0.0, sd=0.03),
        "level_sd": HalfNormal(sd=0.6),
        "rate_sd": HalfNormal(sd=0.05),
        "residual_sd": HalfNormal(sd=0.2),
        "effect": Plateau(lag=lag, time_constant=time_constant),
    }
    weibull = Weibull(level=Normal(mean=-3.9, sd=0.7), log_shape=Normal(mean=0.0, sd=0.3))
    area = Association(outcome="score", form="area", prior=Normal(mean=0.0, sd=0.01))
    terms = Association(outcome="marker", form="terms")
    value = Association(outcome="marker", form="value", prior=Normal(mean=0.0, sd=1.0))
    return JointEventModel(
        outcomes=(marker, score),
        events=(
            Event(
                name="death", terminal=True, baseline=weibull, stratum=True, on_drug=True, effect_prior=ratio,
                associations=(area, terms),
            ),
            Event(name="withdrawal", baseline=weibull, start_group=True, effect_prior=ratio, associations=(value,)),
        ),
    )  # fmt: skip


def draw_trial(variant: Variant, rng: np.random.Generator) -> tuple[JointTruth, JointTrial, int]:
    """A truth and a trial that has every event of the model, and how many were refused before it."""
    model, layout = the_model(variant), LAYOUTS[variant]
    for refused in range(1_000):
        truth = draw_truth(model, layout, rng)
        trial = simulate_trial(truth, layout, rng)
        if len(np.unique(trial.code[trial.code > 0])) == len(model.events):
            return truth, trial, refused
    raise RuntimeError("no trial with every event in 1,000 prior draws")


@cache
def the_refit(variant: Variant) -> Refit:
    """The model compiled, once a process."""
    model, layout = the_model(variant), LAYOUTS[variant]
    _, trial, _ = draw_trial(variant, np.random.default_rng(0))
    return refit_of(model, study_of(trial, model, layout), joint_published(model))


def rank_truths(spec: JointCalibrationSpec, number: int) -> dict[str, Any]:
    """Draw a truth from the whole prior, simulate a trial, refit, and rank every quantity.

    Returns
    -------
    dict
        `ranks`: label to rank among `spec.kept` draws; `exits`, counts by code; `refused`; and convergence.
    """
    rng = np.random.default_rng(np.random.SeedSequence(spec.seed, spawn_key=(number,)))
    model, layout, refit = the_model(spec.variant), LAYOUTS[spec.variant], the_refit(spec.variant)
    truth, trial, refused = draw_trial(spec.variant, rng)
    arrays = arrays_of(model, study_of(trial, model, layout))
    settings = NutsSettings(
        chains=spec.chains, tune=spec.tune, draws=spec.draws, target_accept=spec.target_accept, cores=1,
        seed=int(rng.integers(2**31)),
    )  # fmt: skip
    tree = refit.sample(arrays, settings)
    refit.use(arrays)
    everything = refit.published(stacked(tree["posterior"].to_dataset(), refit.names))
    every = np.linspace(0, spec.chains * spec.draws, spec.kept, endpoint=False).astype(int)
    truths = labelled_truth(truth, model, layout)
    draws = labelled_draws({n: v[every] for n, v in everything.items()}, refit.pm_model.coords, truths)

    def density(one: JointTruth) -> float:
        return float(log_likelihood(one, trial, layout, ORDER[spec.variant], cells=8).sum())

    truths["log_likelihood"] = density(truth)
    draws["log_likelihood"] = np.array(
        [density(truth_from({n: v[j] for n, v in draws.items()}, truth, model, layout)) for j in range(spec.kept)]
    )
    ranks = {name: int(ranks_of([truths[name]], draws[name][None])[0]) for name in draws}
    exits = np.bincount(trial.code, minlength=1 + len(model.events)).tolist()
    return {"refused": refused, "exits": exits, **judged(tree, refit, everything), "ranks": ranks}


def main(arguments: list[str] | None = None) -> int:
    """Run the study from the command line; a study that was stopped goes on where it was."""
    parser = study_parser("joint_calibration", __doc__, seed=4)
    parser.set_defaults(log=None)  # one for each variant
    parser.add_argument("variant", choices=tuple(FOLDERS))
    parser.add_argument("--fits", type=int, default=200)
    chosen = parser.parse_args(arguments)
    spec = JointCalibrationSpec(chosen.variant, chosen.seed)
    log = chosen.log or Path(f"runs/studies/joint-calibration-{chosen.variant}.jsonl")
    records = run_study(rank_truths, spec, chosen.fits, log, workers=chosen.workers, scheduler=chosen.scheduler)
    refused = sum(record["refused"] for record in records)
    done = DONE[chosen.variant] + DATA.format(refused=refused, drawn=refused + len(records))
    about = About(
        f"Simulation-based calibration of JointEventModel, {chosen.variant}",
        f"python -m validation.calibration.joint_event {chosen.variant}",
        FOLDERS[chosen.variant],
        done.replace("\n", " "),
    )
    sys.stdout.write(write_report(records, spec, chosen.out, chosen.fits, about) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
