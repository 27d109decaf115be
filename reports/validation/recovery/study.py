"""Recovery: does `LongitudinalModel` find what simulated trials of 72 / 36 were made from?

    python -m validation.recovery model --out reports/validation/recovery/LongitudinalModel
    python -m validation.recovery generator --out reports/validation/recovery/generator
    python -m validation.recovery no_effect --out reports/validation/recovery/no_effect

`model`: trials from the model itself, truths from its prior restricted to plausible courses. `generator`: trials from
`bayesmodels.simulation`, which is not the model; the truths are its parameters and its true contrasts.
`no_effect`: the same of a drug that does nothing. `wide_share`: as `generator`, with a wider prior. Other truths of the
generator: `twice` the log slowing of function; `slower_disease`, half the decline; `gamma` and `two_classes`, other
shapes of the decline between persons; `late_weaker`, half the log slowing in those who start late. `large`: as
`generator`, trials of 3,600 / 1,800, in which prior and chance matter little; `large_random_exits`: the same where
people die and leave whatever their course, and more scores are at the floor. `default_settings`: as `generator`, few
trials with the package's default sampler settings, for their convergence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bayesmodels.fitting import NutsSettings
from bayesmodels.fitting.refit import Refit, judged, refit_of, stacked
from bayesmodels.fitting.settings import TARGET_ACCEPT_OF_PERSONS
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.presets import alsfrs_r, nfl_plasma, replaced
from bayesmodels.models.visits.design import as_data, design_of
from bayesmodels.parts.priors import Normal
from bayesmodels.simulation import (
    population_truth,
    published_truth,
    simulate_trial,
    trial_seed,
    valor_design,
    without_drug_effect,
)
from bayesmodels.simulation.persons import draw_persons
from bayesmodels.simulation.truth import Truth as GeneratorTruth
from bayesmodels.study import Study
from bayesmodels.trials.specification import FitsSpec
from bayesmodels.trials.study import TrialsStudy, Variant
from validation.recovery.coverage import LEVELS, context, results
from validation.simulated.labelled import scalars
from validation.simulated.model_trials import (
    CONTRAST_WEEKS,
    OUTCOMES,
    STRATA,
    TERMS,
    Truth,
    draw_truth,
    mean_curves,
    plausible,
    published,
)
from validation.simulated.model_visits import VALOR_LAYOUT, simulate_visits, template_study, the_model, the_refit

EXTENSION_WEEKS = (37.0, 87.0)
"""Visits of the open-label extension: months 8.5 to 20 of the generator."""

DEFAULT = NutsSettings()
"""The package's default sampler settings."""

LARGE = 200_000
"""Simulated persons a stratum from which means, SDs and correlations of the generator's persons are computed."""


LARGE_TRIAL = (3_600, 1_800)
"""Early and delayed starters of a trial of `large`: fifty times VALOR's."""


def plausible_truth(rng: np.random.Generator) -> tuple[Truth, int]:
    """A prior draw whose mean courses are plausible (`plausible`), and how many were refused before it."""
    for refused in range(10_000):
        truth = draw_truth(the_model(), rng)
        if plausible(mean_curves(truth, np.array(VALOR_LAYOUT.weeks), VALOR_LAYOUT.shares)):
            return truth, refused
    raise RuntimeError("no plausible truth in 10,000 prior draws")


def recover(spec: FitsSpec, number: int) -> dict[str, Any]:
    """Simulate one trial, refit, and compare every parameter with its truth.

    Returns
    -------
    dict
        `parameters`: label to [truth, five quantiles `LEVELS`], and in trials of the model itself the same five of the
        draws whose mean courses are plausible; and the refit's convergence.
    """
    rng = spec.stream(number)
    if spec.variant == "model":
        truth, refused = plausible_truth(rng)
        arrays = as_data(simulate_visits(truth, VALOR_LAYOUT, rng), OUTCOMES)
        values = published(truth, VALOR_LAYOUT.weeks, VALOR_LAYOUT.shares)
        truths = {name: float(v) for name, v in scalars({**values, "week": VALOR_LAYOUT.weeks}).items()}
    else:
        refused = 0
        arrays, truths = generator_arrays(spec.variant, spec.seed, number), dict(generator_truths(spec.variant))
    refit = the_refit() if spec.variant == "model" else the_valor_refit(spec.variant == "wide_share")
    tree = refit.sample(arrays, spec.settings(rng))
    free = stacked(tree["posterior"].to_dataset(), refit.names)
    found = refit.published(free)
    inside = plausible(np.where(np.isnan(found["latent_curve"]), found["curve"], found["latent_curve"]))
    draws = scalars({**found, "week": VALOR_LAYOUT.weeks})
    parameters = {}
    for name, truth_value in truths.items():
        own = draws[name]
        row = [truth_value, *np.quantile(own, LEVELS)]
        if spec.variant == "model":
            row += [*np.quantile(own[inside] if inside.any() else own, LEVELS)]
        parameters[name] = [float(f"{value:.5g}") for value in row]
    return {
        "refused": refused,
        "plausible_draws": float(inside.mean()),
        **judged(tree, refit, found),
        "parameters": parameters,
    }


def _slower_disease(truth: GeneratorTruth) -> Mapping[str, Any]:
    """Half the decline of VALOR's persons: mean, SD and shift."""
    return {
        name: {stratum: getattr(getattr(truth, name), stratum) / 2 for stratum in STRATA}
        for name in ("rate_mean", "rate_sd", "rate_shift")
    }


OF_COURSE = (
    "hazard_per_10_points", "hazard_per_decline", "hazard_per_nfl", "withdrawal_per_10_points",
    "withdrawal_per_decline",
)  # fmt: skip
"""What ties death, ventilation and withdrawal to a person's course, log hazard ratios."""

CHANGES: Mapping[str, Callable[[GeneratorTruth], Mapping[str, Any]]] = {
    "twice": lambda truth: {"elasticity": 2 * truth.elasticity},
    "slower_disease": _slower_disease,
    "gamma": lambda truth: {"rate_distribution": "gamma"},
    "two_classes": lambda truth: {"rate_distribution": "two_classes"},
    "late_weaker": lambda truth: {"late_start_share": 0.5},
    "large_random_exits": lambda truth: dict.fromkeys(OF_COURSE, 0.0),
}
"""Fields of the generator's truth by variant that changes them."""


def truth_of(variant: str) -> GeneratorTruth:
    """The generator's truth: as calibrated to VALOR, or with the variant's changes."""
    truth = published_truth()
    if variant == "no_effect":
        return without_drug_effect(truth)
    return published_truth(CHANGES[variant](truth)) if variant in CHANGES else truth


def generator_arrays(variant: str, seed: int, number: int) -> Mapping[str, np.ndarray]:
    """Data of one trial of the generator, as a user's study would give them."""
    design = valor_design(*LARGE_TRIAL) if variant.startswith("large") else valor_design()
    trial = simulate_trial(design, truth_of(variant), trial_seed(seed, number + 1))
    study = Study.from_frames(
        trial.persons, trial.visits, trial.events, name="simulated", reference_group="delayed", strata=True
    )
    return as_data(design_of(study, the_model().outcomes, ()), OUTCOMES)


@cache
def valor_model(wide_share: bool = False) -> LongitudinalModel:
    """The presets with the window of the extension declared, as an analyst of such a trial would: weeks 37 to 87.

    `wide_share`: with twice the prior SD of the share of the decline that the drug removes.
    """
    nfl = nfl_plasma()
    shift = Normal(mean=0.0, sd=0.2, source="as of the model of published means")
    effect = replaced(nfl.effect, {"extension_shift": shift, "extension_weeks": EXTENSION_WEEKS})
    score = alsfrs_r()
    if wide_share:
        share = Normal(mean=0.0, sd=2 * score.effect.share.sd, source="twice the preset's")
        score = replaced(score, {"effect": replaced(score.effect, {"share": share})})
    return LongitudinalModel(outcomes=(replaced(nfl, {"effect": effect}), score))


@cache
def the_valor_refit(wide_share: bool = False) -> Refit:
    """That model compiled, once per process."""
    return refit_of(valor_model(wide_share), template_study(VALOR_LAYOUT))


@cache
def generator_truths(variant: str) -> Mapping[str, float]:
    """What the generator's truth says about the model's parameters, by label; what has no counterpart is left out.

    Contrasts by large simulation (`population_truth`): of true scores within 0 to 48. Persons' means, SDs and
    correlations over 200,000 simulated persons a stratum; a correlation is the mean of the strata's. The share of the
    decline that the drug removes is that of the median elasticity at the mean drop of NfL, 1 - exp(-theta D); its lag
    is that of a step with the same area missing before the full share, since the generator's share follows the response
    of NfL. The skewness is the mean of the strata's log SDs.
    """
    truth = truth_of(variant)
    found = {}
    table = population_truth(valor_design(), truth, weeks=(0, *CONTRAST_WEEKS))
    rows = table[(table["quantity"] == "difference") & table["week"].isin(CONTRAST_WEEKS)]
    for row in rows.itertuples():
        found[f"difference[{row.outcome}, {row.stratum}, week {row.week}]"] = float(row.value)
    terms, skewness, lags = {}, [], []
    for stratum in STRATA:
        labels = np.full(LARGE, stratum)
        people = draw_persons(labels, np.zeros(LARGE), truth, np.random.default_rng(7))
        terms[stratum] = np.stack([-people.rate, people.log_nfl, people.nfl_drift, -people.nfl_drop, people.score])
        decline, level, rate, effect, score = terms[stratum].mean(axis=1)
        strength = truth.elasticity * getattr(truth.nfl_drop_mean, stratum)
        share = -np.expm1(-strength)
        found[f"population_level[nfl_plasma, {stratum}]"] = level
        found[f"population_rate[nfl_plasma, {stratum}]"] = rate
        found[f"population_level[alsfrs_r, {stratum}]"] = score
        found[f"population_rate[alsfrs_r, {stratum}]"] = decline
        for outcome, size in (("nfl_plasma", effect), ("alsfrs_r", share)):
            if outcome != "alsfrs_r" or truth.late_start_share == 1:  # else no one share is true
                found[f"drug_effect[{outcome}, {stratum}]"] = size
            for group in ("early", "delayed"):
                of_group = size
                if outcome == "alsfrs_r" and group == "delayed":
                    of_group = -np.expm1(-strength * truth.late_start_share)
                found[f"group_drug_effect[{outcome}, {stratum}, {group}]"] = of_group
        for name, sd in zip(TERMS, terms[stratum].std(axis=1), strict=True):
            if sd > 0:
                found[f"person_sd[{name}, {stratum}]"] = sd
        if share > 0:
            u = np.linspace(0.0, 40.0 * truth.nfl_time_constant, 40_001)
            reached = -np.expm1(strength * np.expm1(-u / truth.nfl_time_constant)) / share
            lags.append(truth.nfl_lag + truth.function_lag + np.trapezoid(1.0 - reached, u))
        whole = getattr(truth.rate_mean, stratum) + getattr(truth.rate_shift, stratum)
        skewness.append(np.sqrt(np.log1p((getattr(truth.rate_sd, stratum) / whole) ** 2)))
        for outcome, prefix in (("nfl_plasma", "nfl"), ("alsfrs_r", "score")):
            found[f"residual_sd[{outcome}, {stratum}]"] = getattr(getattr(truth, f"{prefix}_residual_sd"), stratum)
            walk = getattr(getattr(truth, f"{prefix}_random_walk_sd"), stratum)
            found[f"random_walk_sd[{outcome}, {stratum}]"] = walk
    with np.errstate(invalid="ignore", divide="ignore"):  # a drug that does nothing has no response to correlate with
        correlation = np.mean([np.corrcoef(terms[s]) for s in STRATA], axis=0)
    for i, name in enumerate(TERMS):
        for j in np.flatnonzero(np.isfinite(correlation[i, :i])):
            found[f"person_correlation[{TERMS[j]}, {name}]"] = correlation[j, i]
    if lags:
        found["effect_lag[nfl_plasma]"] = truth.nfl_lag
        found["effect_time_constant[nfl_plasma]"] = truth.nfl_time_constant
        found["effect_lag[alsfrs_r]"] = np.mean(lags)
    found["deceleration[alsfrs_r]"] = truth.deceleration
    if truth.rate_distribution == "lognormal":
        found["rate_skewness[alsfrs_r]"] = np.mean(skewness)
    found["random_walk_time_constant[nfl_plasma]"] = truth.random_walk_decay_months
    found["group_effect_sd[nfl_plasma]"] = 0.0
    return {name: float(value) for name, value in found.items()}


def _variant(name: str, title: str, folder: str, trials: int = 100, **settings: Any) -> Variant:
    spec = FitsSpec(variant=name, **({"chains": 2, "tune": 400, "draws": 400, "target_accept": 0.8} | settings))
    title, folder = f"Recovery of LongitudinalModel from {title}", f"reports/validation/recovery/{folder}"
    return Variant(title, folder, spec, trials)


STUDY = TrialsStudy(
    "validation.recovery",
    __doc__,
    (
        _variant("model", "trials simulated from itself", "LongitudinalModel"),
        _variant("generator", "VALOR-like trials that are not from the model", "generator"),
        _variant("no_effect", "VALOR-like trials of a drug that does nothing", "no_effect"),
        _variant("wide_share", "VALOR-like trials, with twice the prior SD of the share removed", "wide_share"),
        _variant("twice", "VALOR-like trials with twice the effect on function", "twice"),
        _variant("slower_disease", "VALOR-like trials of a disease half as fast", "slower_disease"),
        _variant("gamma", "VALOR-like trials with gamma rates of decline", "gamma"),
        _variant("two_classes", "VALOR-like trials with two classes of decline", "two_classes"),
        _variant("late_weaker", "VALOR-like trials in which a late start does half as much", "late_weaker"),
        _variant("large", "VALOR-like trials of 5,400 persons", "large", 2),
        _variant(
            "large_random_exits", "VALOR-like trials of 5,400 persons who leave at random", "large_random_exits", 2
        ),
        _variant(
            "default_settings",
            "VALOR-like trials, with the default sampler settings",
            "default_settings",
            20,
            chains=DEFAULT.chains,
            tune=DEFAULT.tune,
            draws=DEFAULT.draws,
            target_accept=TARGET_ACCEPT_OF_PERSONS,
        ),
    ),
    recover,
    results,
    Path(__file__).with_name("page.md.j2"),
    context,
)
