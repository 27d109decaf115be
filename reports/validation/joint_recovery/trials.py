"""Recovery with informative death: `JointEventModel` and `LongitudinalModel` on the same simulated visits.

    python -m validation.joint_recovery parallel --out reports/validation/joint_recovery
    python -m validation.joint_recovery delayed --out FOLDER    (not among the committed results)

The hazard of death depends on a score's current value and rate, strongly, while visits are noisy and sparse: fast
decliners die before their visits show how fast they decline. One truth throughout; the model and both estimands (mean
course as if everyone were alive, mean among the living) are those of the generator (`joint_trials`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Literal

import numpy as np

from bayesmodels.fitting.refit import Refit, arrays_of, judged, refit_of, stacked
from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.visits.event import Event
from bayesmodels.parts.associations import Association
from bayesmodels.parts.effects import SlopeChange
from bayesmodels.parts.hazards import PiecewiseConstant
from bayesmodels.parts.priors import HalfNormal, Normal
from bayesmodels.trials.specification import FitsSpec, TrialsSpec
from bayesmodels.vocabulary import months
from validation.recovery.coverage import LEVELS
from validation.simulated.joint_density import living_means
from validation.simulated.joint_labels import PUBLISHED, joint_published, labelled_draws, labelled_truth, truth_from
from validation.simulated.joint_trials import JointTrial, simulate_trial, study_of
from validation.simulated.joint_truth import Array, EventTruth, JointTruth, Link, OutcomeTruth
from validation.simulated.layout import Layout

Design = Literal["parallel", "delayed"]
Fitted = Literal["joint", "ignoring"]
FITTED: tuple[Fitted, ...] = ("joint", "ignoring")

LAST_WEEK = 148.0
LIVING_DRAWS = 100
"""Posterior draws, evenly spaced, from which means among the living are computed."""

PARALLEL = Layout(
    persons=((54,), (54,)),
    groups=("early", "never"),
    start_weeks=(0.0, np.inf),
    weeks=(0.0, 12.0, 28.0, 52.0, 76.0, 100.0, 124.0, LAST_WEEK),
    shortest_weeks=LAST_WEEK,
    longest_weeks=LAST_WEEK + 4.0,
)
LAYOUTS = {
    "parallel": PARALLEL,
    "delayed": replace(PARALLEL, persons=((72,), (36,)), groups=("early", "delayed"), start_weeks=(0.0, 28.0)),
}
KNOTS = (52.0, 100.0)

TRUTH = JointTruth(
    outcomes=(
        OutcomeTruth(
            level=np.array([37.0]),
            rate=np.array([-1.2]),
            on_covariate=np.zeros(2),
            effect=np.array([[0.5, 0.5]]),
            shape="slope_change",
            lag=0.0,
            time_constant=0.0,
            residual_sd=4.0,
        ),
    ),
    events=(
        EventTruth(
            name="death",
            knots=tuple(months(week) for week in KNOTS),
            log_hazard=np.full(3, np.log(0.008)),
            log_shape=None,
            covariate=0.0,
            on_drug=0.0,
            start_group=np.zeros(2),
            stratum=np.zeros(1),
            links=(Link(0, "value", -0.1, 37.0), Link(0, "rate", -2.0, -1.0)),
            terms=np.zeros(2),
        ),
    ),
    person_sd=np.array([6.0, 1.0]),
    correlation=np.eye(2),
    effect_sd=np.zeros(0),
)


SCORE = {
    "name": "score",
    "unit": "points",
    "good_direction": "up",
    "level": Normal(mean=37.0, sd=10.0),
    "rate": Normal(mean=-1.0, sd=2.0),
    "level_sd": HalfNormal(sd=10.0),
    "rate_sd": HalfNormal(sd=2.0),
    "residual_sd": HalfNormal(sd=8.0),
    "effect": SlopeChange(),
    "effect_on_rate_prior": Normal(mean=0.0, sd=2.0),
}
"""The outcome that both models have; wide priors, so that the one truth is judged fairly."""


@cache
def joint_model() -> JointEventModel:
    """The model with the event."""
    links = (
        Association(outcome="score", form="value", prior=Normal(mean=0.0, sd=0.5)),
        Association(outcome="score", form="rate", prior=Normal(mean=0.0, sd=5.0)),
    )
    death = Event(
        name="death",
        terminal=True,
        baseline=PiecewiseConstant(knot_weeks=KNOTS, level=Normal(mean=float(np.log(0.01)), sd=2.0)),
        associations=links,
    )
    return JointEventModel(outcomes=(SCORE,), events=(death,), pooling="complete", correlation_shape=1.0)


@cache
def the_model(fitted: Fitted) -> JointEventModel | LongitudinalModel:
    """The joint model, or the same outcome without the event."""
    if fitted == "joint":
        return joint_model()
    return LongitudinalModel(outcomes=(SCORE,), pooling="complete", correlation_shape=1.0)


@cache
def the_refit(design: Design, fitted: Fitted) -> Refit:
    """A model compiled, once per process, with the published variables that are compared with the truth."""
    trial = simulate_trial(TRUTH, LAYOUTS[design], np.random.default_rng(0))
    of_events = ("association", "baseline_hazard", "hazard_effect")
    both = [name for name in PUBLISHED if name not in of_events]
    names = joint_published(joint_model()) if fitted == "joint" else both
    return refit_of(the_model(fitted), study_of(trial, joint_model(), LAYOUTS[design]), (*names, "curve"))


@cache
def truths(design: Design) -> dict[str, float]:
    """True values by label: parameters, mean courses as if alive and among the living, and shares alive."""
    layout = LAYOUTS[design]
    found = labelled_truth(TRUTH, joint_model(), layout)
    score = TRUTH.outcomes[0]
    t = months(LAST_WEEK)
    for group, start in zip(layout.groups, layout.starts, strict=True):
        found[f"curve[score, {group}, week 148]"] = float(
            score.level[0] + score.rate[0] * t + score.effect[0, 0] * max(t - start, 0.0)
        )
    return found | {name: float(v) for name, v in living(TRUTH, layout).items()}


def living(truth: JointTruth, layout: Layout) -> dict[str, float]:
    """Means among the living at week 148 by start group, their difference, and shares alive."""
    means, alive = living_means(truth, truth.events, layout.starts, np.array([LAST_WEEK]), order=11, cells=20)
    first, last = layout.groups
    found = {f"living[score, {group}, week 148]": means[0, g, 0] for g, group in enumerate(layout.groups)}
    found[f"living_difference[score, {first} - {last}, week 148]"] = means[0, 0, 0] - means[0, 1, 0]
    return found | {f"alive[{group}, week 148]": alive[g, 0] for g, group in enumerate(layout.groups)}


def draw_trial(spec: TrialsSpec, number: int) -> tuple[JointTrial, np.random.Generator]:
    """A trial of the study, and the generator of what comes after it."""
    rng = spec.stream(number)
    return simulate_trial(TRUTH, LAYOUTS[spec.variant], rng), rng


def recover(spec: FitsSpec, number: int) -> dict[str, Any]:
    """Simulate one trial and fit both models.

    Returns
    -------
    dict
        By model, `joint` and `ignoring`: convergence and `parameters`, label to the quantiles `LEVELS`. What ignores
        death has one mean course, compared with both truths. `dead`: share by start group.
    """
    layout = LAYOUTS[spec.variant]
    trial, rng = draw_trial(spec, number)
    study = study_of(trial, joint_model(), layout)
    dead = [float((trial.code[trial.people.group == g] > 0).mean()) for g in range(len(layout.groups))]
    found: dict[str, Any] = {"dead": dead, "visits": int(trial.took_place.sum())}
    for fitted in FITTED:
        settings = spec.settings(rng)
        refit, arrays = the_refit(spec.variant, fitted), arrays_of(the_model(fitted), study)
        tree = refit.sample(arrays, settings)
        refit.use(arrays)
        everything = refit.published(stacked(tree["posterior"].to_dataset(), refit.names))
        draws = _draws(fitted, everything, refit, spec.variant)
        quantiles = {n: [float(f"{q:.5g}") for q in np.quantile(v, LEVELS)] for n, v in draws.items()}
        found[fitted] = {**judged(tree, refit, everything), "parameters": quantiles}
    return found


def _draws(fitted: Fitted, published: Mapping[str, Array], refit: Refit, design: Design) -> dict[str, Array]:
    """Posterior draws of everything that has a truth."""
    layout = LAYOUTS[design]
    of_events = ("association", "baseline_hazard", "alive", "living")
    wanted = [name for name in truths(design) if not name.startswith(of_events if fitted == "ignoring" else "alive")]
    own = [name for name in wanted if not name.startswith("living")]
    draws = labelled_draws(published, refit.pm_model.coords, own)
    first, last = layout.groups
    if fitted == "ignoring":  # one mean course, whatever it is the mean of
        for group in layout.groups:
            draws[f"living[score, {group}, week 148]"] = draws[f"curve[score, {group}, week 148]"]
        gap = draws[f"difference[score, {first} - {last}, week 148]"]
        return draws | {f"living_difference[score, {first} - {last}, week 148]": gap}
    every = np.linspace(0, len(draws[own[0]]), LIVING_DRAWS, endpoint=False).astype(int)
    rows = [
        living(truth_from({n: v[j] for n, v in draws.items()}, TRUTH, joint_model(), layout), layout) for j in every
    ]
    return draws | {name: np.array([row[name] for row in rows]) for name in rows[0]}


def main_quantities(design: Design) -> list[str]:
    """What the study is about: slope difference, difference at week 148 and mean courses, alive and as if alive."""
    first, last = LAYOUTS[design].groups
    return [
        "population_rate[score]",
        "drug_effect[score]",
        f"curve[score, {first}, week 148]",
        f"curve[score, {last}, week 148]",
        f"difference[score, {first} - {last}, week 148]",
        f"living[score, {first}, week 148]",
        f"living[score, {last}, week 148]",
        f"living_difference[score, {first} - {last}, week 148]",
    ]


def ignoring_in_large_samples(design: Design, persons: int = 40_000, seed: int = 9) -> dict[str, float]:
    """Bias of the mean level, rate and effect when death is ignored and the true variances are known.

    Generalised least squares on the visits of `persons` simulated persons: what any number of persons does not cure.
    """
    layout, batch = LAYOUTS[design], 20
    layout = replace(layout, persons=tuple((row[0] * batch,) for row in layout.persons))
    rng = np.random.default_rng(seed)
    precision, weighted = np.zeros((3, 3)), np.zeros(3)
    for _ in range(-(-persons // sum(row[0] for row in layout.persons))):
        trial = simulate_trial(TRUTH, layout, rng)
        t = months(np.array(layout.weeks))
        for i, there in enumerate(trial.took_place):
            x = np.stack([np.ones(there.sum()), t[there], np.maximum(t[there] - trial.people.start[i], 0.0)], axis=1)
            covariance = x[:, :2] @ TRUTH.covariance @ x[:, :2].T
            scaled = np.linalg.solve(covariance + TRUTH.outcomes[0].residual_sd ** 2 * np.eye(len(x)), x)
            precision += x.T @ scaled
            weighted += scaled.T @ trial.values[i, there, 0]
    score = TRUTH.outcomes[0]
    bias = np.linalg.solve(precision, weighted) - [score.level[0], score.rate[0], score.effect[0, 0]]
    return dict(zip(("level", "rate", "effect"), map(float, bias), strict=True))
