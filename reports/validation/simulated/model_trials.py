"""Trials simulated from `LongitudinalModel` itself, with NumPy.

The model is that of NfL and ALSFRS-R by their presets, two strata, partial pooling of the drug effect over two start
groups. Priors are read from the presets; the courses, the pooling, the skewed rates, the means of bounded scores and
the correlations are written out here, the visits in `model_visits`, without the model's parts or kernels, so that a
refit checks those.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import lognorm, norm

from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.presets import alsfrs_r, nfl_plasma
from bayesmodels.vocabulary import months
from validation.simulated.layout import Array, Layout

OUTCOMES = ("nfl_plasma", "alsfrs_r")
STRATA = ("faster", "slower")
START_GROUPS = ("early", "delayed")
START_WEEKS = (0.0, 30.0)
TERMS = ("alsfrs_r:rate", "nfl_plasma:level", "nfl_plasma:rate", "nfl_plasma:effect", "alsfrs_r:level")
"""Terms that vary between persons, in the order of the model's person SDs: the skewed one first."""
OWN = ((1, 2, 3), (4, 0))
"""Places in `TERMS` of an outcome's level, rate and effect."""
LATE_AFTER = 12.0
"""Months on the drug after which NfL has a further slope."""
EXTENSION = (37.0, 87.0)
"""First and last week at which NfL may be shifted, in both start groups."""
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
    effect, share : (stratum, start group)
        On NfL; the share of the decline of ALSFRS-R that the drug removes.
    effect_sd : float
        Of the effect on NfL, between start groups.
    late_slope : (stratum,)
        Of NfL, ln a month.
    nfl_lag, time_constant, function_lag : float
        Months.
    deceleration : float
        Of ALSFRS-R, per month.
    nfl_deceleration : float
        Per month; known to the model.
    skewness : float
        Log SD of the rates of ALSFRS-R.
    person_sd : (stratum, term)
    correlation : (term, term)
        Of the normal variables that the terms are made from.
    residual_sd, random_walk_sd : (outcome, stratum)
        The second of the Brownian path, per square root of a month.
    walk_time_constant : float
        Months in which the steps of NfL's path shrink to 1 / e.
    walk_correlation : float
        Between the outcomes' paths at any moment; 0 where the model has none.
    added_rate : float
        Change of the rate of ALSFRS-R on the drug, points a month, beside the share; fades as the decline does.
    drift_stops : bool
        Whether the drift of NfL stops on the drug.
    extension_shift : float
        Of NfL at the weeks `EXTENSION`, ln.
    """

    level: Array
    rate: Array
    effect: Array
    share: Array
    effect_sd: float
    late_slope: Array
    nfl_lag: float
    time_constant: float
    function_lag: float
    deceleration: float
    nfl_deceleration: float
    skewness: float
    person_sd: Array
    correlation: Array
    residual_sd: Array
    random_walk_sd: Array
    walk_time_constant: float
    walk_correlation: float = 0.0
    added_rate: float = 0.0
    drift_stops: bool = True
    extension_shift: float = 0.0


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

    def spreads(priors):
        return np.abs(rng.normal(0.0, [[prior.sd] * len(STRATA) for prior in priors]))

    effect_sd = abs(rng.normal(0.0, nfl.effect_on_level.sd / 2))
    drug = score.effect
    common = rng.normal(0.0, drug.share.sd * np.sqrt(drug.correlation))
    share = drug.share.mean + common + rng.normal(0.0, drug.share.sd * np.sqrt(1 - drug.correlation), 2)
    person_sd = spreads(
        (score.rate_sd_prior, nfl.level_sd_prior, nfl.rate_sd_prior, nfl.effect.person_sd, score.level_sd_prior)
    )
    return Truth(
        level=means((nfl.level_prior, score.level_prior)),
        rate=means((nfl.rate_prior, score.rate_prior)),
        effect=means((nfl.effect_on_level,), (1, 2))[0][:, None] + effect_sd * rng.standard_normal((2, 2)),
        share=share[:, None] + drug.group_sd * rng.standard_normal((2, 2)),
        effect_sd=effect_sd,
        late_slope=rng.normal(nfl.effect.late_slope.mean, nfl.effect.late_slope.sd, 2),
        nfl_lag=positive(nfl.effect.lag, rng),
        time_constant=positive(nfl.effect.time_constant, rng),
        function_lag=positive(drug.lag, rng),
        deceleration=positive(score.trajectory.rho, rng),
        nfl_deceleration=nfl.trajectory.rho,
        skewness=_skewness(score.rate_skewness, rng),
        person_sd=person_sd.T,
        correlation=lkj_onion(len(TERMS), model.correlation_shape, rng),
        residual_sd=spreads([k.residual_sd_prior for k in model.outcomes]),
        random_walk_sd=spreads([k.random_walk_sd for k in model.outcomes]),
        walk_time_constant=positive(nfl.random_walk_time_constant, rng),
        walk_correlation=_walk_correlation(model, rng),
    )


def _skewness(prior: Any, rng: np.random.Generator) -> float:
    """A draw of a half-normal prior, or a value that the model knows."""
    return float(prior) if isinstance(prior, int | float) else abs(rng.normal(0.0, prior.sd))


def _walk_correlation(model: LongitudinalModel, rng: np.random.Generator) -> float:
    """A draw of the correlation of two paths under LKJ, which is 2 Beta(a, a) - 1; 0 where the model has none."""
    shape = model.walk_correlation
    return 0.0 if isinstance(shape, str) else 2.0 * rng.beta(shape, shape) - 1.0


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
    drifting = np.minimum(t, start + truth.nfl_lag) + truth.time_constant * reached if truth.drift_stops else t
    return faded(truth.nfl_deceleration, drifting), reached


def score_bases(truth: Truth, t: Array, start: Array) -> tuple[Array, Array]:
    """What one unit of rate adds to ALSFRS-R at months t, and what a share of 1 removes of it, from a drug start."""
    since = np.maximum(t - start - truth.function_lag, 0.0)
    untreated = faded(truth.deceleration, t)
    return untreated, untreated - faded(truth.deceleration, t - since)


def faded(rho: float, t: Array) -> Array:
    """Integral of exp(-rho t) from 0 to months t."""
    return -np.expm1(-rho * t) / rho if rho else t


def late(t: Array, start: Array) -> Array:
    """Months beyond a year on the drug."""
    return np.maximum(t - start - LATE_AFTER, 0.0)


def skewed(truth: Truth, z: Array) -> Array:
    """Deviations, in SDs, of rates that are a shifted log-normal of standard normal z, the long tail below."""
    k = truth.skewness
    if k == 0.0:
        return z
    return -(np.exp(-k * z) - np.exp(k**2 / 2)) / np.sqrt(np.exp(k**2) * (np.exp(k**2) - 1.0))


def path_months(truth: Truth, k: int, t: Array) -> Array:
    """Variance of a path of SD 1 per square root of a month at months t: the integral of exp(-2 t / tau)."""
    return faded(2.0 / truth.walk_time_constant, t) if k == 0 else t


def step_correlations(truth: Truth, t: Array) -> Array:
    """Correlations of the two paths' steps between months t, the first from 0; 0 where no time has passed.

    The covariance of two steps is the integral of the product of the paths' SDs, exp(-t / tau) here, so that steps of
    paths that do not shrink alike are less correlated than the paths are at any moment.
    """
    both = np.diff(faded(1.0 / truth.walk_time_constant, t), prepend=0.0)
    own = [np.diff(path_months(truth, k, t), prepend=0.0) for k in range(2)]
    whole = np.sqrt(own[0] * own[1])
    return truth.walk_correlation * np.divide(both, whole, out=np.zeros(len(t)), where=whole > 0)


def person_courses(truth: Truth, k: int, f: Array, g: Array, own: Array, t: Array) -> Array:
    """True values (person, visit) of outcome k without paths, for deviations `own` (person, term) and months t."""
    start = months(np.array(START_WEEKS))[g][:, None]
    level = (truth.level[k, f] + own[:, OWN[k][0]])[:, None]
    rate = (truth.rate[k, f] + own[:, OWN[k][1]])[:, None]
    if k == 0:
        drift, reached = nfl_bases(truth, t, start)
        response = (truth.effect[f, g] + own[:, OWN[0][2]])[:, None]
        shift = truth.extension_shift * ((t >= months(EXTENSION[0])) & (t <= months(EXTENSION[1])))
        return level + rate * drift + response * reached + truth.late_slope[f][:, None] * late(t, start) + shift
    untreated, removed = score_bases(truth, t, start)
    return level + rate * untreated + (truth.added_rate - rate * truth.share[f, g][:, None]) * removed


def mean_curves(truth: Truth, weeks: Array, shares: Array) -> Array:
    """Mean courses (outcome, start group, stratum and the mixture, week) that know no limits."""
    f, g = (v.ravel() for v in np.indices((2, 2)))
    t = np.broadcast_to(months(np.asarray(weeks, float)), (4, len(weeks)))
    found = np.stack([person_courses(truth, k, f, g, np.zeros((4, len(TERMS))), t) for k in range(2)])
    curves = np.moveaxis(found.reshape(2, 2, 2, len(weeks)), 1, 2)
    return np.concatenate([curves, np.einsum("kgfw,f->kgw", curves, shares)[:, :, None]], axis=2)


def bounded_scores(truth: Truth, weeks: Array, shares: Array) -> Array:
    """Mean true ALSFRS-R within its limits (start group, stratum and the mixture, week).

    Of every rate on a fine grid, the mean over level and path of a normal variable cut at the limits.
    """
    z = np.linspace(-7.0, 7.0, 701)
    weight = norm.pdf(z) / norm.pdf(z).sum()
    low, high = WIDEST_SCORE
    t = months(np.asarray(weeks, float))
    out = np.empty((2, 2, len(t)))
    for g, f in np.ndindex(2, 2):
        own = np.zeros((len(z), len(TERMS)))
        own[:, 0] = truth.person_sd[f, 0] * skewed(truth, z)
        own[:, 4] = truth.person_sd[f, 4] * truth.correlation[0, 4] * z
        at = np.full(len(z), f), np.full(len(z), g)
        mean = person_courses(truth, 1, *at, own, np.broadcast_to(t, (len(z), len(t))))
        level = truth.person_sd[f, 4] ** 2 * (1.0 - truth.correlation[0, 4] ** 2)
        sd = np.sqrt(level + truth.random_walk_sd[1, f] ** 2 * t)
        a, b = (low - mean) / sd, (high - mean) / sd
        within = mean * (norm.cdf(b) - norm.cdf(a)) + sd * (norm.pdf(a) - norm.pdf(b))
        out[g, f] = weight @ (within + low * norm.cdf(a) + high * norm.sf(b))
    return np.concatenate([out, np.einsum("gfw,f->gw", out, shares)[:, None]], axis=1)


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
    latent = mean_curves(truth, np.array(weeks), shares)
    curves = np.stack([latent[0], bounded_scores(truth, np.array(weeks), shares)])
    latent[0] = np.nan
    effect = np.stack([truth.effect, truth.share])
    slowing = np.stack([np.full(2, np.nan), truth.share.mean(axis=1)])
    k = truth.skewness
    pearson = truth.correlation.copy()
    pearson[0, 1:] *= k / np.sqrt(np.expm1(k**2)) if k else 1.0
    pearson[1:, 0] = pearson[0, 1:]
    rho = truth.walk_correlation
    walks = {"walk_correlation": np.array([[1.0, rho], [rho, 1.0]])} if rho else {}
    return walks | {
        "population_level": np.hstack([truth.level, nothing]),
        "population_rate": np.hstack([truth.rate, nothing]),
        "drug_effect": np.hstack([effect.mean(axis=2), nothing]),
        "proportional_slowing": np.hstack([slowing, nothing]),
        "group_drug_effect": np.concatenate([effect, np.full((2, 1, 2), np.nan)], axis=1),
        "group_effect_sd": np.array([truth.effect_sd, np.nan]),
        "effect_lag": np.array([truth.nfl_lag, truth.function_lag]),
        "effect_time_constant": np.array([truth.time_constant, np.nan]),
        "deceleration": np.array([truth.nfl_deceleration, truth.deceleration]),
        "rate_skewness": np.array([np.nan, truth.skewness]),
        "person_sd": np.column_stack([*truth.person_sd, np.full(len(TERMS), np.nan)]),
        "person_correlation": pearson,
        "residual_sd": np.hstack([truth.residual_sd, nothing]),
        "random_walk_sd": np.hstack([truth.random_walk_sd, nothing]),
        "random_walk_time_constant": np.array([truth.walk_time_constant, np.nan]),
        "curve": curves,
        "latent_curve": latent,
        "difference": curves[:, :1] - curves[:, 1:],
        "latent_difference": latent[:, :1] - latent[:, 1:],
    }


def sampled_rate(mean: Array, sd: Array, skewness: float) -> tuple[Array, Array]:
    """Median of a falling skewed rate, and the slope of its quantiles there: what is sampled for mean and SD."""
    variable = lognorm(s=skewness)
    return mean + sd * (variable.mean() - 1.0) / variable.std(), sd * skewness / variable.std()


def partial_correlations(correlation: Array) -> Array:
    """Partial correlations of a correlation matrix, row by row below its diagonal, given the terms before."""
    factor = np.linalg.cholesky(correlation)
    found = [factor[i, j] / np.sqrt(1.0 - (factor[i, :j] ** 2).sum()) for i in range(len(factor)) for j in range(i)]
    return np.array(found)


def simple_variables(truth: Truth) -> dict[str, Array]:
    """Free random variables that are one field of the truth each; those too that only other forms of the model have."""
    return {
        "error_sd": truth.residual_sd.T,
        "path_sd": truth.random_walk_sd.T,
        "walk_partial_correlation": np.array([(truth.walk_correlation + 1.0) / 2.0]),
        "nfl_plasma_effect_lag": np.array(truth.nfl_lag),
        "nfl_plasma_effect_time_constant": np.array(truth.time_constant),
        "alsfrs_r_effect_lag": np.array(truth.function_lag),
        "alsfrs_r_deceleration": np.array(truth.deceleration),
        "alsfrs_r_rate_skewness": np.array(truth.skewness),
        "nfl_plasma_path_months": np.array(truth.walk_time_constant),
    }


def free_variables(truth: Truth) -> dict[str, Array]:
    """The truth as free random variables, for its log-likelihood; those too that only other forms of the model have."""
    drug = alsfrs_r().effect
    between, common = drug.group_sd**2, drug.share.sd**2 * drug.correlation
    own = drug.share.sd**2 * (1 - drug.correlation) + between / 2
    share = np.linalg.solve(np.linalg.cholesky(own * np.eye(2) + common), truth.share.mean(axis=1) - drug.share.mean)
    mean = np.stack(
        [truth.level[0], truth.rate[0], truth.effect.mean(axis=1), truth.late_slope, truth.level[1], truth.rate[1]]
    )
    person_sd = truth.person_sd.copy()
    if truth.skewness > 0:
        mean[5], person_sd[:, 0] = sampled_rate(mean[5], person_sd[:, 0], truth.skewness)
    known = nfl_plasma().effect_on_level.sd / 2 / 4  # of the scale of effect_sd, the part that the sampler states
    return {
        "term_median": mean,
        "effect_group_sd": np.array([truth.effect_sd]),
        "scaled_effect_contrast": (
            np.diff(truth.effect[:, ::-1]) / np.sqrt(2.0) * np.hypot(1 / known, 1 / truth.effect_sd)
        )[None],
        "term_sd_at_median": person_sd,
        "partial_correlation": (partial_correlations(truth.correlation) + 1.0) / 2.0,
        **simple_variables(truth),
        "alsfrs_r_share": share,
        "alsfrs_r_share_contrast": np.diff(truth.share[:, ::-1]) / np.sqrt(2.0 * between),
    }
