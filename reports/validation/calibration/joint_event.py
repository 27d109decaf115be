"""Calibration of `JointEventModel`: truths from its prior, trials in NumPy, and the quantities that are ranked.

`piecewise`: one outcome, death (piecewise constant, current value, start group, covariate) and withdrawal (piecewise
constant, current rate). `weibull`: a marker and a score in two strata, death (Weibull, area of the score so far,
persons' own marker terms, stratum, being on the drug) and withdrawal (Weibull, current marker, start group).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from math import inf
from typing import Any, Literal

import numpy as np

from bayesmodels.fitting.refit import Refit, arrays_of, refit_of
from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.models.visits.event import Event
from bayesmodels.parts.associations import Association
from bayesmodels.parts.effects import Plateau, SlopeChange
from bayesmodels.parts.hazards import PiecewiseConstant, Weibull
from bayesmodels.parts.priors import HalfNormal, LogNormal, Normal
from validation.calibration.case import Arrays, Calibrated, Case
from validation.simulated.joint_density import log_likelihood
from validation.simulated.joint_labels import joint_published, labelled_draws, labelled_truth, truth_from
from validation.simulated.joint_trials import JointTrial, draw_truth, simulate_trial, study_of
from validation.simulated.joint_truth import JointTruth
from validation.simulated.layout import Layout

Variant = Literal["piecewise", "weibull"]

ORDER = {"piecewise": 7, "weibull": 3}
"""Quadrature nodes in each random effect for the ranked log-likelihood; any fixed rule leaves its ranks uniform."""

LAYOUT = Layout(
    persons=((20,), (20,)),
    groups=("early", "delayed"),
    start_weeks=(0.0, 28.0),
    weeks=(0.0, 8.0, 16.0, 28.0, 40.0, 52.0, 76.0),
    shortest_weeks=60.0,
    longest_weeks=90.0,
    missed=0.05,
    covariate="age",
)
LAYOUTS = {
    "piecewise": LAYOUT,
    "weibull": replace(
        LAYOUT, persons=((10, 10), (10, 10)), weeks=(0.0, 4.0, 12.0, 28.0, 40.0, 52.0, 76.0),
        strata=("faster", "slower"), covariate="",
    ),
}  # fmt: skip


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
        three = PiecewiseConstant(knot_weeks=(26.0, 52.0), until_week=90.0, level=Normal(mean=-3.9, sd=0.7))
        two = PiecewiseConstant(knot_weeks=(40.0,), until_week=90.0, level=Normal(mean=-4.0, sd=0.7))
        return JointEventModel(
            outcomes=(score,),
            person_sd="common",
            residual_sd="common",
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
        person_sd="common",
        residual_sd="common",
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
    """The model compiled, once per process."""
    model, layout = the_model(variant), LAYOUTS[variant]
    _, trial, _ = draw_trial(variant, np.random.default_rng(0))
    return refit_of(model, study_of(trial, model, layout), joint_published(model))


def draw(variant: Variant, rng: np.random.Generator) -> Case:
    """A truth from the whole prior and a trial, with counts of its exits by code and of the draws refused before it.

    Compared are all parameters, baseline hazards, differences of mean courses, and the log-likelihood of the trial.
    """
    model, layout = the_model(variant), LAYOUTS[variant]
    truth, trial, refused = draw_trial(variant, rng)

    def density(one: JointTruth) -> float:
        return float(log_likelihood(one, trial, layout, ORDER[variant], cells=8).sum())

    def compare(refit: Refit, free: Arrays, drawn: Arrays) -> tuple[Mapping[str, Any], Arrays]:
        truths = labelled_truth(truth, model, layout)
        draws = labelled_draws(drawn, refit.pm_model.coords, truths)
        truths["log_likelihood"] = density(truth)
        each = [{name: values[j] for name, values in draws.items()} for j in range(len(draws[next(iter(draws))]))]
        draws["log_likelihood"] = np.array([density(truth_from(one, truth, model, layout)) for one in each])
        return truths, draws

    exits = np.bincount(trial.code, minlength=1 + len(model.events)).tolist()
    return Case(arrays_of(model, study_of(trial, model, layout)), compare, {"refused": refused, "exits": exits})


PIECEWISE, WEIBULL = (Calibrated(draw, the_refit, {form: inf}) for form in LAYOUTS)
