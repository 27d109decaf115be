"""Trials simulated from `LongitudinalModel` itself, with NumPy.

The model is that of NfL and ALSFRS-R by their presets, two strata, partial pooling of the drug effect over two start
groups. Priors are read from the presets; the courses, the pooling and the correlations are written out here, the visits
in `model_visits`, without the model's parts or kernels, so that a refit checks those.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.vocabulary import months
from validation.simulated.layout import Array, Layout

OUTCOMES = ("nfl_plasma", "alsfrs_r")
STRATA = ("faster", "slower")
START_GROUPS = ("early", "delayed")
START_WEEKS = (0.0, 30.0)
TERMS = ("nfl_plasma:level", "nfl_plasma:rate", "nfl_plasma:effect", "alsfrs_r:level", "alsfrs_r:rate")
"""Terms that vary between persons, in the order of the model's person SDs."""
CONTRAST_WEEKS = (28, 52, 148)
WIDEST_RATIO = 10.0
WIDEST_SCORE = (0.0, 48.0)


two_strata = partial(
    Layout, groups=START_GROUPS, start_weeks=START_WEEKS, strata=STRATA, shortest_weeks=104.0, longest_weeks=200.0,
    missed=0.03, dropout=0.015,
)  # fmt: skip
"""Layout of a trial of the model, from `persons` and `weeks`; weeks 28, 52 and 148 are to be among the visits."""


@dataclass(frozen=True)
class Truth:
    """One draw of the model's parameters.

    Attributes
    ----------
    level, rate : (outcome, stratum)
    effect : (outcome, stratum, start group)
    effect_sd : (outcome,)
        Between start groups.
    nfl_lag, time_constant, function_lag : float
        Months.
    deceleration : float
        Of ALSFRS-R, per month.
    nfl_deceleration : float
        Per month; known to the model.
    person_sd : (term,)
    correlation : (term, term)
    residual_sd, random_walk_sd : (outcome,)
        The second of the Brownian path, per square root of a month.
    walk_correlation : float
        Between the outcomes' paths.
    """

    level: Array
    rate: Array
    effect: Array
    effect_sd: Array
    nfl_lag: float
    time_constant: float
    function_lag: float
    deceleration: float
    nfl_deceleration: float
    person_sd: Array
    correlation: Array
    residual_sd: Array
    random_walk_sd: Array
    walk_correlation: float = 0.0


def draw_truth(model: LongitudinalModel, rng: np.random.Generator) -> Truth:
    """A draw of every parameter from the model's prior.

    The effect of a start group is Normal(m, tau) about a mean m with the effect's prior: the definition, from which the
    model's own parametrisation departs.
    """
    nfl, score = model.outcomes
    two = (2, len(STRATA))

    def means(priors, shape=two):
        centre, sd = (np.array([getattr(prior, field) for prior in priors])[:, None] for field in ("mean", "sd"))
        return rng.normal(centre, sd, shape)

    effect_priors = (nfl.effect_on_level, score.effect_on_rate)
    effect_sd = np.abs(rng.normal(0.0, [prior.sd / 2 for prior in effect_priors]))
    effect_mean = means(effect_priors)
    spreads = (nfl.level_sd_prior, nfl.rate_sd_prior, nfl.effect.person_sd, score.level_sd_prior, score.rate_sd_prior)

    return Truth(
        level=means((nfl.level_prior, score.level_prior)),
        rate=means((nfl.rate_prior, score.rate_prior)),
        effect=effect_mean[..., None] + effect_sd[:, None, None] * rng.standard_normal((*two, 2)),
        effect_sd=effect_sd,
        nfl_lag=positive(nfl.effect.lag, rng),
        time_constant=positive(nfl.effect.time_constant, rng),
        function_lag=positive(score.effect.lag, rng),
        deceleration=positive(score.trajectory.rho, rng),
        nfl_deceleration=nfl.trajectory.rho,
        person_sd=np.abs(rng.normal(0.0, [prior.sd for prior in spreads])),
        correlation=lkj_onion(len(TERMS), model.correlation_shape, rng),
        residual_sd=np.abs(rng.normal(0.0, [k.residual_sd_prior.sd for k in model.outcomes])),
        random_walk_sd=np.abs(rng.normal(0.0, [k.random_walk_sd.sd for k in model.outcomes])),
    )


def positive(prior: Any, rng: np.random.Generator) -> float:
    """A draw of a log-normal prior, which has a median and a sigma."""
    return float(prior.median * np.exp(prior.sigma * rng.standard_normal()))


def lkj_onion(size: int, shape: float, rng: np.random.Generator) -> Array:
    """Correlation matrix (term, term) from LKJ(shape), by the onion method of Lewandowski, Kurowicka and Joe (2009)."""
    beta = shape + (size - 2) / 2
    first = 2 * rng.beta(beta, beta) - 1
    found = np.array([[1.0, first], [first, 1.0]])
    for k in range(2, size):
        beta -= 0.5
        direction = rng.standard_normal(k)
        radius = np.sqrt(rng.beta(k / 2, beta))
        edge = np.linalg.cholesky(found) @ (radius * direction / np.linalg.norm(direction))
        found = np.block([[found, edge[:, None]], [edge[None, :], np.ones((1, 1))]])
    return found


def nfl_bases(truth: Truth, t: Array, start: Array) -> tuple[Array, Array]:
    """What one unit of rate, and one of effect, add to ln NfL at months t for a drug start at month `start`."""
    since = np.maximum(t - start - truth.nfl_lag, 0.0)
    reached = 1.0 - np.exp(-since / truth.time_constant)
    drifting = np.minimum(t, start + truth.nfl_lag) + truth.time_constant * reached
    return (1.0 - np.exp(-truth.nfl_deceleration * drifting)) / truth.nfl_deceleration, reached


def score_bases(truth: Truth, t: Array, start: Array) -> tuple[Array, Array]:
    """What one unit of rate, and one of effect, add to ALSFRS-R at months t for a drug start at month `start`."""
    since = np.maximum(t - start - truth.function_lag, 0.0)
    rho = truth.deceleration
    return (1.0 - np.exp(-rho * t)) / rho, (1.0 - np.exp(-rho * since)) / rho


BASES = (nfl_bases, score_bases)


def mean_curves(truth: Truth, weeks: Array, shares: Array) -> Array:
    """Mean courses (outcome, start group, stratum and the mixture, week)."""
    t = months(np.asarray(weeks, float))
    curves = np.empty((2, 2, 3, len(t)))
    for k, bases in enumerate(BASES):
        for g, start in enumerate(START_WEEKS):
            rate, effect = bases(truth, t, months(start))
            for f in range(2):
                curves[k, g, f] = truth.level[k, f] + truth.rate[k, f] * rate + truth.effect[k, f, g] * effect
    curves[:, :, 2] = np.einsum("kgfw,f->kgw", curves[:, :, :2], shares)
    return curves


def plausible(curves: Array) -> npt.NDArray[np.bool_]:
    """Whether mean courses (..., outcome, start group, stratum, week) are plausible.

    Mean ALSFRS-R stays within 0 to 48, and the geometric mean of NfL within tenfold of its value at the first week, in
    every start group and stratum at every week.
    """
    ratio = np.abs(curves[..., 0, :, :, :] - curves[..., 0, :, :, :1])
    score = curves[..., 1, :, :, :]
    low, high = WIDEST_SCORE
    inside = (ratio <= np.log(WIDEST_RATIO)) & (score >= low) & (score <= high)
    return inside.all(axis=(-1, -2, -3))


def published(truth: Truth, weeks: tuple[float, ...], shares: Array) -> dict[str, Array]:
    """The truth under the names and dims of the vocabulary; NaN where undefined."""
    nothing = np.full((2, 1), np.nan)
    curves = mean_curves(truth, np.array(weeks), shares)
    return {
        "population_level": np.hstack([truth.level, nothing]),
        "population_rate": np.hstack([truth.rate, nothing]),
        "drug_effect": np.hstack([truth.effect.mean(axis=2), nothing]),
        "group_drug_effect": np.concatenate([truth.effect, np.full((2, 1, 2), np.nan)], axis=1),
        "group_effect_sd": truth.effect_sd,
        "effect_lag": np.array([truth.nfl_lag, truth.function_lag]),
        "effect_time_constant": np.array([truth.time_constant, np.nan]),
        "deceleration": np.array([truth.nfl_deceleration, truth.deceleration]),
        "person_sd": np.column_stack([truth.person_sd, truth.person_sd, np.full(5, np.nan)]),
        "person_correlation": truth.correlation,
        "residual_sd": np.column_stack([truth.residual_sd, truth.residual_sd, np.full(2, np.nan)]),
        "random_walk_sd": np.column_stack([truth.random_walk_sd, truth.random_walk_sd, np.full(2, np.nan)]),
        "curve": curves,
        "difference": curves[:, :1] - curves[:, 1:],
    }


def free_variables(truth: Truth) -> dict[str, Array]:
    """The truth as the model's free random variables, for its log-likelihood."""
    mean = np.stack(
        [truth.level[0], truth.rate[0], truth.effect[0].mean(axis=1),
         truth.level[1], truth.rate[1], truth.effect[1].mean(axis=1)]
    )  # fmt: skip
    contrast = (truth.effect[..., 0] - truth.effect[..., 1]) / np.sqrt(2.0) / truth.effect_sd[:, None]
    factor = np.linalg.cholesky(truth.correlation)
    partial = [factor[i, j] / np.sqrt(1.0 - (factor[i, :j] ** 2).sum()) for i in range(len(factor)) for j in range(i)]
    return {
        "term_mean": mean,
        "effect_group_sd": truth.effect_sd,
        "effect_contrast": contrast[..., None],
        "term_sd": truth.person_sd[None, :],
        "partial_correlation": (np.array(partial) + 1.0) / 2.0,
        "error_sd": truth.residual_sd[None, :],
        "path_sd": truth.random_walk_sd[None, :],
        "nfl_plasma_effect_lag": np.array(truth.nfl_lag),
        "nfl_plasma_effect_time_constant": np.array(truth.time_constant),
        "alsfrs_r_effect_lag": np.array(truth.function_lag),
        "alsfrs_r_deceleration": np.array(truth.deceleration),
    }
