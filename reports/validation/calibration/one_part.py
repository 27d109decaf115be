"""Calibration of `LongitudinalModel` with one part of the default model switched on at a time: NfL and ALSFRS-R.

Without any of the parts both courses are linear, the drug lets NfL fall to a plateau and changes the slope of ALSFRS-R,
rates are normal, and both outcomes have a random walk of their own with steps that do not shrink. One stratum, one
effect for both start groups. Parameters and trials come from NumPy (`simulated.model_trials`); true mean courses are
the model's own, which a test compares with those of NumPy. `stopping_drift`, `late_slope`, `shrinking_steps`,
`proportional_slowing` and `skewed_rates` are parts of the default model; `extension_shift`, `decelerating_slope` and
`correlated_walks` are options.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from bayesmodels.fitting.refit import Refit, refit_of
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.outcome import Outcome
from bayesmodels.models.presets import alsfrs_r, nfl_plasma, replaced
from bayesmodels.models.visits.design import as_data
from bayesmodels.parts.effects import DeceleratingSlope, Plateau, ProportionalSlowing, SlopeChange
from bayesmodels.parts.priors import HalfNormal, Normal
from bayesmodels.parts.trajectories import Decelerating, Linear
from validation.calibration.case import Arrays, Calibrated, Case, compared_with
from validation.simulated.layout import Layout
from validation.simulated.model_trials import (
    EXTENSION,
    START_GROUPS,
    START_WEEKS,
    TERMS,
    Truth,
    lkj_onion,
    partial_correlations,
    positive,
    sampled_rate,
    simple_variables,
)
from validation.simulated.model_visits import simulate_visits, template_study

LAYOUT = Layout(
    persons=((36,), (18,)), groups=START_GROUPS, start_weeks=START_WEEKS,
    weeks=(0.0, 4.0, 12.0, 28.0, 40.0, 52.0, 100.0, 148.0), shortest_weeks=60.0, longest_weeks=200.0, missed=0.03,
    dropout=0.015,
)  # fmt: skip

DIFFERENCES = (28.0, 40.0, 52.0, 100.0)
"""Weeks at which differences are ranked. Before, no effect may have begun, and by week 148 both start groups may have
all of NfL's, to rounding, in truth and draws: ranks would be tied."""

CHANGES: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]] = {
    "none": ({}, {}, {}),
    "stopping_drift": (
        {"trajectory": nfl_plasma().trajectory, "effect": Plateau(drift_on_drug="stops")}, {}, {},
    ),
    "late_slope": ({"effect": Plateau(late_slope=nfl_plasma().effect.late_slope)}, {}, {}),
    "extension_shift": (
        {"effect": Plateau(extension_shift=Normal(mean=0.0, sd=0.2), extension_weeks=EXTENSION)}, {}, {},
    ),
    "shrinking_steps": ({"random_walk_time_constant": nfl_plasma().random_walk_time_constant}, {}, {}),
    "decelerating_slope": ({}, {"trajectory": alsfrs_r().trajectory, "effect": DeceleratingSlope(lag=2.0)}, {}),
    "proportional_slowing": ({}, {"effect": ProportionalSlowing()}, {}),
    "skewed_rates": ({}, {"rate_skewness": alsfrs_r().rate_skewness}, {}),
    "correlated_walks": ({}, {}, {"walk_correlation": 1.0}),
}  # fmt: skip
"""Fields of NfL, of ALSFRS-R and of the model by the part that they switch on."""

RANKED = (
    "population_level", "population_rate", "drug_effect", "effect_lag", "effect_time_constant", "deceleration",
    "rate_skewness", "random_walk_time_constant", "person_sd", "person_correlation", "residual_sd", "random_walk_sd",
    "walk_correlation", "curve", "difference",
)  # fmt: skip


@cache
def the_model(form: str) -> LongitudinalModel:
    """The model with one part switched on, by the part's name in `CHANGES`."""
    of_nfl, of_score, of_model = CHANGES[form]
    plain_nfl = {"trajectory": Linear(), "effect": Plateau(), "random_walk_time_constant": None}
    plain_score = {"trajectory": Linear(), "effect": SlopeChange(lag=2.0), "rate_skewness": None}
    plain_model = {"pooling": "complete", "walk_correlation": "independent"}
    outcomes = (replaced(nfl_plasma(), plain_nfl | of_nfl), replaced(alsfrs_r(), plain_score | of_score))
    return LongitudinalModel.model_validate({"outcomes": outcomes} | plain_model | of_model)


@cache
def the_refit(form: str) -> Refit:
    """That model compiled, once per process."""
    study = template_study(LAYOUT)
    model = the_model(form)
    pm_model = model.build(study)
    return refit_of(model, study, tuple(name for name in RANKED if name in pm_model.named_vars), pm_model=pm_model)


def draw_truth(model: LongitudinalModel, rng: np.random.Generator) -> Truth:
    """A draw of every parameter from the model's prior; a part that is off has the value that does nothing."""
    nfl, score = model.outcomes
    plateau, drug = nfl.effect, score.effect

    def normal(prior: Normal | None) -> float:
        return 0.0 if prior is None else rng.normal(prior.mean, prior.sd)

    def half(prior: HalfNormal) -> float:
        return abs(rng.normal(0.0, prior.sd))

    def fading(outcome: Outcome) -> float:
        if not isinstance(outcome.trajectory, Decelerating):
            return 0.0
        rho = outcome.trajectory.rho
        return rho if isinstance(rho, float) else positive(rho, rng)

    skewness = score.rate_skewness
    spreads = (score.rate_sd_prior, nfl.level_sd_prior, nfl.rate_sd_prior, plateau.person_sd, score.level_sd_prior)
    shape, share = model.walk_correlation, getattr(drug, "share", None)
    return Truth(
        level=np.array([[normal(nfl.level_prior)], [normal(score.level_prior)]]),
        rate=np.array([[normal(nfl.rate_prior)], [normal(score.rate_prior)]]),
        effect=np.full((1, 2), normal(nfl.effect_on_level)),
        share=np.full((1, 2), normal(share)),
        effect_sd=0.0,
        late_slope=np.array([normal(plateau.late_slope)]),
        nfl_lag=positive(plateau.lag, rng),
        time_constant=positive(plateau.time_constant, rng),
        function_lag=drug.lag if isinstance(drug.lag, float) else positive(drug.lag, rng),
        deceleration=fading(score),
        nfl_deceleration=fading(nfl),
        skewness=half(skewness) if isinstance(skewness, HalfNormal) else 0.0,
        person_sd=np.array([[0.0 if prior is None else half(prior) for prior in spreads]]),
        correlation=_with_constant_response(lkj_onion(len(TERMS) - 1, model.correlation_shape, rng)),
        residual_sd=np.array([[half(k.residual_sd_prior)] for k in model.outcomes]),
        random_walk_sd=np.array([[half(k.random_walk_sd)] for k in model.outcomes]),
        walk_time_constant=positive(nfl.random_walk_time_constant, rng) if nfl.random_walk_time_constant else np.inf,
        walk_correlation=0.0 if isinstance(shape, str) else 2.0 * rng.beta(shape, shape) - 1.0,
        added_rate=0.0 if share else normal(score.effect_on_rate),
        drift_stops=plateau.drift_on_drug == "stops",
        extension_shift=normal(plateau.extension_shift),
    )  # fmt: skip


def _with_constant_response(correlation: np.ndarray) -> np.ndarray:
    """Correlations of `TERMS` from those of all but the effect on NfL, which does not vary between persons here."""
    varying = [place for place, term in enumerate(TERMS) if term != "nfl_plasma:effect"]
    whole = np.eye(len(TERMS))
    whole[np.ix_(varying, varying)] = correlation
    return whole


def free_variables(model: LongitudinalModel, truth: Truth) -> dict[str, np.ndarray]:
    """The truth as free random variables, for its log-likelihood; those too that only other forms of the model have."""
    score = model.outcomes[1]
    skewed = truth.skewness > 0
    share = getattr(score.effect, "share", None)
    later = [value for value, prior in (
        (truth.late_slope[0], model.outcomes[0].effect.late_slope),
        (truth.extension_shift, model.outcomes[0].effect.extension_shift),
    ) if prior is not None]  # fmt: skip
    added = [] if share else [truth.added_rate]
    mean = [
        truth.level[0, 0],
        truth.rate[0, 0],
        truth.effect[0, 0],
        *later,
        truth.level[1, 0],
        truth.rate[1, 0],
        *added,
    ]
    order = [0, 1, 2, 4] if skewed else [1, 2, 4, 0]  # the skewed term comes first
    sd = truth.person_sd[:, order].copy()
    if skewed:
        median, sd[:, 0] = sampled_rate(truth.rate[1], sd[:, 0], truth.skewness)
        mean[-1 - len(added)] = median[0]
    z = (truth.share[0, 0] - share.mean) / share.sd if share else 0.0
    return {
        "term_median" if skewed else "term_mean": np.array(mean)[:, None],
        "term_sd_at_median" if skewed else "term_sd": sd,
        "partial_correlation": (partial_correlations(truth.correlation[np.ix_(order, order)]) + 1.0) / 2.0,
        **simple_variables(truth),
        "alsfrs_r_share": np.array([z]),
    }


def draw(form: str, rng: np.random.Generator) -> Case:
    """A truth from the whole prior and a trial.

    Compared are published population parameters, each correlation once, mean courses, their differences at
    `DIFFERENCES`, and the log-likelihood of the trial.
    """
    model = the_model(form)
    truth = draw_truth(model, rng)
    arrays: Arrays = as_data(simulate_visits(truth, LAYOUT, rng), [k.name for k in model.outcomes])
    every = compared_with(free_variables(model, truth))

    def compare(refit: Refit, free: Arrays, published: Arrays) -> tuple[Mapping[str, Any], Arrays]:
        once = dict(published)
        for name in {"person_correlation", "walk_correlation"} & set(once):
            terms = once[name].shape[-1]
            once[name] = np.where(np.tri(terms, k=-1, dtype=bool), once[name], np.nan)
        if "difference" in once:
            once["difference"] = np.where(np.isin(LAYOUT.weeks, DIFFERENCES), once["difference"], np.nan)
        return every(refit, free, once)

    return Case(arrays, compare)


FITS = 100
"""Of each part."""

CALIBRATED = Calibrated(draw, the_refit, dict.fromkeys(CHANGES, FITS))
