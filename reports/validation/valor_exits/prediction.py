"""Published means to come, of everyone and of those still observed, by simulating VALOR's arms with exits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import qmc

from bayesmodels.demo.valor import MeansFit
from bayesmodels.models.published_means.courses import Values
from bayesmodels.models.published_means.prediction import parameter_draws
from validation.valor_exits.hazards import (
    PER_10_POINTS,
    PER_DECLINE,
    Counts,
    Levels,
    accrued,
    draw_levels,
    relative_hazard,
)
from validation.valor_exits.persons import (
    MONTHS,
    WEEKS,
    ArmCourse,
    PersonModel,
    arm_courses,
    brownian,
    by_stratum,
    own_slopes,
)

Array = npt.NDArray[np.float64]

LATER_WEEKS = (52.0, 148.0)
SCORE = "alsfrs_r"
SCORE_RANGE = (0.0, 48.0)
BASELINE_RANGE = (15.0, 48.0)
POPULATION = 1024
"""Quasi-random persons of an arm, from whom levels are calibrated."""

WHO = ("everyone, no limits", "everyone", "still observed")


@dataclass(frozen=True)
class ExitsSettings:
    """What a prediction depends on.

    Parameters
    ----------
    draws : int
        Of the posterior, evenly spaced.
    replicates : int
        Simulated trials a draw.
    seed : int
    """

    draws: int = 500
    replicates: int = 4
    seed: int = 1


@dataclass(frozen=True)
class ExitsPrediction:
    """Predictive draws.

    Parameters
    ----------
    start_groups : tuple of str
    outcomes : tuple of str
    means : dict of (outcome, who) to array (draw, start group, week)
        Means with sampling and reading error; draws are posterior draws by replicates.
    observed : (draw, start group, week)
        Share still observed.
    levels : dict of str to list of Levels
        By start group, one a posterior draw.
    replicates : int
        Simulated trials a posterior draw; they follow one another.
    """

    start_groups: tuple[str, ...]
    outcomes: tuple[str, ...]
    means: Mapping[tuple[str, str], Array]
    observed: Array
    levels: Mapping[str, list[Levels]]
    replicates: int


@dataclass(frozen=True)
class Population:
    """Quasi-random persons: standard normal slopes, baseline scores in SDs, standard Brownian paths."""

    deviates: Array
    baseline: Array
    paths: Array

    @classmethod
    def of(cls, size: int, seed: int) -> Population:
        """Scrambled Sobol points through the normal quantile."""
        points = qmc.Sobol(2 + len(MONTHS) - 1, rng=np.random.default_rng(seed)).random(size)
        normals = ndtri(np.clip(points, 1e-9, 1 - 1e-9))
        return cls(normals[:, 0], normals[:, 1], brownian(normals[:, 2:]))


def predict_with_exits(
    fitted: MeansFit, person_model: PersonModel, strength: float, counts: Mapping[str, Counts], settings: ExitsSettings
) -> ExitsPrediction:
    """Simulate the arms of a fit to early means, with exits whose levels fit the published counts.

    Parameters
    ----------
    fitted : MeansFit
        Holds ALSFRS-R, on which hazards depend; other outcomes are taken to be independent of it within an arm, as in
        the model.
    person_model : str
    strength : float
        Multiplies both associations.
    counts : mapping of start group to Counts
    settings : ExitsSettings
        Two strengths with one seed share persons and courses.
    """
    values = _thinned(parameter_draws(fitted.model, fitted.posterior), settings.draws)
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(settings.seed).spawn(5)]
    arm_rng, association_rng, level_rng, person_rng, exit_rng = streams
    courses = {
        outcome.name: arm_courses(outcome, fitted.data, values, person_model, fitted.model.mixture, arm_rng)
        for outcome in fitted.model.outcomes
    }
    reading = {outcome.name: outcome.spread.reading_error for outcome in fitted.model.outcomes}
    shares = {outcome.name: outcome.spread.baseline_share for outcome in fitted.model.outcomes}
    groups = tuple(dict.fromkeys(arm.start_group for arm in courses[SCORE]))
    population = Population.of(POPULATION, settings.seed)
    draws = len(courses[SCORE][0].slope)
    per_10, per_decline = (
        strength * np.maximum(mean + sd * association_rng.standard_normal(draws), 0.0)
        for mean, sd in (PER_10_POINTS, PER_DECLINE)
    )
    means: dict[tuple[str, str], list[Array]] = {(name, who): [] for name in courses for who in WHO}
    observed, levels = [], {group: [] for group in groups}
    for d in range(draws):
        for group in groups:
            arms = [arm for arm in courses[SCORE] if arm.start_group == group]
            cumulative, weights = population_hazard(arms, d, population, per_10[d], per_decline[d])
            levels[group].append(draw_levels(cumulative, weights, counts[group], level_rng))
        for _ in range(settings.replicates):
            trial = {g: (levels[g][-1], per_10[d], per_decline[d]) for g in groups}
            found, seen = _trial(courses, d, trial, shares, reading, person_rng, exit_rng)
            observed.append(seen)
            for key, value in found.items():
                means[key].append(value)
    return ExitsPrediction(
        groups,
        tuple(courses),
        {key: np.array(value) for key, value in means.items()},
        np.array(observed),
        levels,
        settings.replicates,
    )


def population_hazard(
    arms: Sequence[ArmCourse], draw: int, population: Population, per_10_points: float, per_decline: float
) -> tuple[Array, Array]:
    """Relative informative hazard integrated to `MONTHS` (person, time), and weights, over the strata of a group."""
    total = sum(arm.persons for arm in arms)
    parts, weights = [], []
    for arm in arms:
        own = own_slopes(population.deviates, float(arm.skew[draw]))
        change, rate = arm.changes(draw, own, population.paths)
        score = np.clip(baseline_scores(arm.stratum, population.baseline)[:, None] + change, *SCORE_RANGE)
        parts.append(accrued(relative_hazard(score, -rate, per_10_points, per_decline)))
        weights.append(np.full(len(own), arm.persons / total / len(own)))
    return np.concatenate(parts), np.concatenate(weights)


def baseline_scores(stratum: str, deviates: Array) -> Array:
    """Baseline ALSFRS-R (person,) from standard normals; rows `y0` and `s_y0` of the simulator's truth, assumed."""
    return np.clip(by_stratum("y0")[stratum] + by_stratum("s_y0")[stratum] * deviates, *BASELINE_RANGE)


def _trial(
    courses: Mapping[str, list[ArmCourse]],
    draw: int,
    hazards: Mapping[str, tuple[Levels, float, float]],
    baseline_shares: Mapping[str, float],
    reading: Mapping[str, float],
    person_rng: np.random.Generator,
    exit_rng: np.random.Generator,
) -> tuple[dict[tuple[str, str], Array], Array]:
    """Means (start group, week) of one simulated trial by outcome and who, and shares observed (start group, week).

    Persons of a stratum weigh the same in both groups: a stratum has its share of the trial, as in the model.
    """
    at = [int(np.flatnonzero(week == WEEKS)[0]) for week in LATER_WEEKS]
    groups = tuple(hazards)
    strata = tuple(dict.fromkeys(arm.stratum for arm in courses[SCORE]))
    total = sum(arm.persons for arm in courses[SCORE])
    share = {f: sum(arm.persons for arm in courses[SCORE] if arm.stratum == f) / total for f in strata}
    shocks = {(name, f): person_rng.standard_normal(len(at)) for name in courses for f in strata}
    stays: dict[tuple[str, str], Array] = {}
    sums: dict[tuple[str, str], Array] = {
        (name, who): np.zeros((len(groups), len(at))) for name in courses for who in WHO
    }
    weight, seen = np.zeros((len(groups), len(at))), np.zeros((len(groups), len(at)))
    for name in (SCORE, *(other for other in courses if other != SCORE)):
        for arm in courses[name]:
            g, n = groups.index(arm.start_group), arm.persons
            key = (arm.start_group, arm.stratum)
            own = own_slopes(person_rng.standard_normal(n), float(arm.skew[draw]))
            paths = brownian(person_rng.standard_normal((n, len(MONTHS) - 1)))
            change, rate = arm.changes(draw, own - own.mean(), paths - paths.mean(axis=0))
            limited = change
            if name == SCORE:
                baseline = baseline_scores(arm.stratum, person_rng.standard_normal(n))[:, None]
                score = np.clip(baseline + change, *SCORE_RANGE)
                limited = score - baseline
                stays[key] = _stays(score, rate, *hazards[arm.start_group], exit_rng)[:, at]
            error = _errors(arm, n, len(at), baseline_shares[name], person_rng)
            error = error + arm.spread.visit_shock_sd * shocks[name, arm.stratum]
            per_person = share[arm.stratum] / n
            sums[name, WHO[0]][g] += per_person * (change[:, at] + error).sum(axis=0)
            sums[name, WHO[1]][g] += per_person * (limited[:, at] + error).sum(axis=0)
            sums[name, WHO[2]][g] += per_person * (stays[key] * (limited[:, at] + error)).sum(axis=0)
            if name == SCORE:
                weight[g] += per_person * stays[key].sum(axis=0)
                seen[g] += stays[key].sum(axis=0)
    randomised = np.array([[sum(arm.persons for arm in courses[SCORE] if arm.start_group == g)] for g in groups])
    for name in courses:
        noise = reading[name] * person_rng.standard_normal((len(groups), len(at)))
        with np.errstate(invalid="ignore"):
            sums[name, WHO[2]] /= weight
        for who in WHO:
            sums[name, who] += noise
    return sums, seen / randomised


def _stays(
    score: Array, rate: Array, levels: Levels, per_10_points: float, per_decline: float, rng: np.random.Generator
) -> Array:
    """Whether each person is still in the trial at every time, (person, time)."""
    informative = levels.informative * accrued(relative_hazard(score, -rate, per_10_points, per_decline))
    return (informative + levels.other * MONTHS < rng.standard_exponential((len(score), 1))).astype(float)


def _errors(arm: ArmCourse, persons: int, visits: int, baseline_share: float, rng: np.random.Generator) -> Array:
    """Residuals of a change from baseline, (person, visit); the baseline's own is shared by the visits."""
    own = rng.standard_normal((persons, visits)) + np.sqrt(baseline_share) * rng.standard_normal((persons, 1))
    return arm.spread.residual_sd * own


def _thinned(values: Values, draws: int) -> Values:
    available = max(len(value) for value in values.values())
    chosen = np.linspace(0, available - 1, min(draws, available)).round().astype(int)
    return {name: value[chosen] for name, value in values.items()}
