"""Verdicts of the individual level where R2 of the changes within an arm is 0, .3 and .6, beside the prior's answers.

    python -m validation.individual_level --out reports/validation/individual_level

Small trials of 72 / 36 persons from the default model of persons itself, with correlated random walks
(`walk_correlation = 1.0`) and one stratum, at values like those published of VALOR. Only the link between persons'
changes of NfL and ALSFRS-R differs between the kinds: one number r scales the correlations of the drift and the
response of NfL with the rate of ALSFRS-R and that of the two walks, such that R2 of the true changes from week 0 to
week 28, pooled over the start groups, is what the kind says. Verdicts are those of the draws of every fit; a page
withholds the verdict of a fit that did not converge, and many of the study's short fits have not.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.optimize import brentq
from scipy.stats import binomtest

from bayesmodels.fitting.coordinates import with_descriptions
from bayesmodels.fitting.evaluate import labelled
from bayesmodels.fitting.prior import prior_of_free_variables
from bayesmodels.fitting.refit import Refit, judged, refit_of, stacked
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.visits.design import as_data
from bayesmodels.posterior.context import Contrast, read_context
from bayesmodels.posterior.observed import ObservedPersons
from bayesmodels.surrogacy.criteria import courses
from bayesmodels.surrogacy.identifiability import individual_verdict
from bayesmodels.surrogacy.settings import CutOffs
from bayesmodels.surrogacy.verdict import ANSWERS
from bayesmodels.trials.results import Results, convergence_counts, fits_table
from bayesmodels.trials.specification import FitsSpec
from bayesmodels.trials.study import TrialsStudy, Variant
from bayesmodels.vocabulary import ALL, VARIABLES, months
from validation.simulated.layout import Array, Layout
from validation.simulated.model_trials import (
    OUTCOMES,
    START_GROUPS,
    START_WEEKS,
    TERMS,
    Truth,
    nfl_bases,
    path_months,
    score_bases,
)
from validation.simulated.model_visits import simulate_visits, template_study

KINDS = (0.0, 0.3, 0.6)
"""R2 of the changes within an arm."""

WEEK = 28.0
LAYOUT = Layout(
    persons=((72,), (36,)), groups=START_GROUPS, start_weeks=START_WEEKS, weeks=(0.0, 4.0, 12.0, 20.0, WEEK, 52.0),
    shortest_weeks=104.0, longest_weeks=200.0, missed=0.03, dropout=0.015,
)  # fmt: skip
CONTRAST = Contrast("early - delayed", *START_GROUPS, *START_GROUPS)
DRIFT_PART, RESPONSE_PART = 0.6, 0.8
"""Correlation with the rate of ALSFRS-R, as shares of r, of the drift and of the response of NfL."""

MEANS = ("visit_mean", "person_basis")
"""What the verdict reads besides the parameters by which convergence is judged."""

CURVES = ("curve", "difference", "latent_curve", "latent_difference")


@cache
def the_model() -> LongitudinalModel:
    """NfL and ALSFRS-R by their presets, with correlated random walks."""
    return LongitudinalModel(outcomes=OUTCOMES, walk_correlation=1.0)


@cache
def the_refit() -> Refit:
    """The model compiled, once per process."""
    study = template_study(LAYOUT)
    pm_model = the_model().build(study)
    refitted = [name for name, row in VARIABLES.items() if row.refitted and name in pm_model.named_vars]
    names = (*(name for name in refitted if name not in CURVES), *MEANS)
    return refit_of(the_model(), study, names, pm_model=pm_model)


def association(p: Truth) -> float:
    """Correlation of true changes from week 0 to `WEEK`, pooled over start groups; + where the better go together.

    Written out for one stratum: variances and covariance of drift, response and walk of NfL with rate and walk of
    ALSFRS-R, the rate's share that the drug removes taken out, and the correlations with a skewed rate as Pearson's.
    """
    t = np.array([months(WEEK)])
    rate, _, drift, response, _ = p.person_sd[0]
    pearson = p.skewness / np.sqrt(np.expm1(p.skewness**2))
    walk = p.random_walk_sd[:, 0]
    both = p.walk_time_constant * -np.expm1(-t[0] / p.walk_time_constant)  # of exp(-t / tau), up to the week
    of_walks = np.array([path_months(p, 0, t)[0], p.walk_correlation * both, t[0]])
    of_walks *= np.array([walk[0] ** 2, walk[0] * walk[1], walk[1] ** 2])
    pooled = np.zeros(3)  # variance of NfL, covariance, variance of ALSFRS-R
    persons = np.array(LAYOUT.persons)[:, 0]
    for g, (share, start) in enumerate(zip(persons / persons.sum(), START_WEEKS, strict=True)):
        drifted, reached = (float(basis[0]) for basis in nfl_bases(p, t, np.array(months(start))))
        untreated, removed = (float(basis[0]) for basis in score_bases(p, t, np.array(months(start))))
        nfl = np.array([drifted * drift, reached * response])
        score = (untreated - p.share[0, g] * removed) * rate
        variance = nfl @ p.correlation[2:4, 2:4] @ nfl
        pooled += share * (np.array([variance, pearson * score * (nfl @ p.correlation[2:4, 0]), score**2]) + of_walks)
    return float(-pooled[1] / np.sqrt(pooled[0] * pooled[2]))


def truth_of(r: float) -> Truth:
    """Values like those published of VALOR; a better course of NfL goes with a slower decline."""
    correlation = np.eye(len(TERMS))
    for place, part in ((2, DRIFT_PART), (3, RESPONSE_PART)):
        correlation[0, place] = correlation[place, 0] = -r * part
    return Truth(
        level=np.array([[4.2], [37.0]]),
        rate=np.array([[0.02], [-1.0]]),
        effect=np.full((1, 2), -0.8),
        share=np.full((1, 2), 0.3),
        effect_sd=0.0,
        late_slope=np.array([-0.015]),
        nfl_lag=1.36,
        time_constant=1.08,
        function_lag=4.3,
        deceleration=0.025,
        nfl_deceleration=the_model().outcomes[0].trajectory.rho,
        skewness=0.6,
        person_sd=np.array([[0.9, 0.65, 0.05, 0.3, 5.9]]),
        correlation=correlation,
        residual_sd=np.array([[0.1], [1.2]]),
        random_walk_sd=np.array([[0.11], [1.1]]),
        walk_time_constant=20.0,
        walk_correlation=-r,
    )


@cache
def truth_with(r2: float) -> Truth:
    """The truth whose changes have this R2 within arms."""
    return truth_of(float(brentq(lambda r: association(truth_of(r)) ** 2 - r2, 0.0, 0.9999)) if r2 else 0.0)


def associations(found: Mapping[str, Array]) -> Array:
    """The same correlation at draws of published variables (draw, ...), as a page reads it from a posterior."""
    pm_model = the_refit().pm_model
    dims = {name: VARIABLES[name].dims for name in found}
    draws = with_descriptions(pm_model, labelled(pm_model, {name: v[None] for name, v in found.items()}, dims))
    tree = xr.DataTree.from_dict({"posterior": draws})
    context = read_context(tree)
    counts = {
        (outcome, group, ALL): (np.zeros(1), np.array([float(persons[0])]))
        for outcome in OUTCOMES
        for group, persons in zip(LAYOUT.groups, LAYOUT.persons, strict=True)
    }
    read = courses.read_courses(tree, context, ObservedPersons(counts))
    return read.arms(*OUTCOMES, WEEK, WEEK, CONTRAST).favourable.adjusted_association


@cache
def prior_associations() -> Array:
    """The same at as many draws of the prior as a posterior holds, (draw,)."""
    refit = the_refit()
    free = prior_of_free_variables(refit.pm_model, seed=1)
    return associations(refit.published(stacked(free, refit.names)))


def judge(spec: FitsSpec, number: int) -> dict[str, Any]:
    """Simulate one trial of kind k % 3, refit, and give the verdict."""
    rng, kind = spec.stream(number), KINDS[number % len(KINDS)]
    refit, prior = the_refit(), prior_associations()
    tree = refit.sample(as_data(simulate_visits(truth_with(kind), LAYOUT, rng), OUTCOMES), spec.settings(rng))
    found = refit.published(stacked(tree["posterior"].to_dataset(), refit.names))
    convergence = judged(tree, refit, {name: v for name, v in found.items() if name not in MEANS})
    draws = associations(found)
    given = individual_verdict(
        draws, CutOffs(), surrogate="NfL", outcome="ALSFRS-R", where="week 28", level=0.95, prior=prior
    )
    lower, median, upper = np.quantile(draws**2, [0.025, 0.5, 0.975])
    return {
        "r2": kind,
        "answer": given.answer,
        "r2_median": round(float(median), 4),
        "r2_lower": round(float(lower), 4),
        "r2_upper": round(float(upper), 4),
        **{f"probability_{name}": value for name, value in regions(draws).items()},
        **{f"prior_{name}": value for name, value in regions(prior).items()},
        "prior_below": round(float(np.mean(prior**2 < CutOffs().individual_refuted)), 4),
        **convergence,
    }


def regions(draws: Array) -> dict[str, float]:
    """Probability that R2 is high with the better together, low or the other way round, or in between."""
    cut = CutOffs()
    high = float(np.mean((draws**2 >= cut.individual_supported) & (draws > 0)))
    low = float(np.mean((draws**2 < cut.individual_refuted) | (draws < 0)))
    return {"high": round(high, 4), "low": round(low, 4), "between": round(1 - high - low, 4)}


def shares(records: pd.DataFrame) -> pd.DataFrame:
    """Share of every answer by R2, with 95 % limits (Clopper-Pearson)."""
    rows = []
    for r2, cell in records.groupby("r2"):
        for answer in ANSWERS:
            count = int((cell["answer"] == answer).sum())
            limits = binomtest(count, len(cell)).proportion_ci(0.95)
            rows.append((r2, answer, count, len(cell), count / len(cell), limits.low, limits.high))
    return pd.DataFrame(rows, columns=["r2", "answer", "count", "simulations", "share", "lower", "upper"])


def results(records: list[dict[str, Any]], spec: FitsSpec) -> Results:
    """Shares of every answer, the simulations, how often the interval of R2 holds the truth, and convergence."""
    simulations = fits_table(records)
    inside = (simulations["r2_lower"] <= simulations["r2"]) & (simulations["r2"] <= simulations["r2_upper"])
    covered = inside[simulations["r2"] > 0].groupby(simulations["r2"]).mean().round(4)
    counts = {
        "simulations": len(simulations),
        "covered": {f"{r2:g}": share for r2, share in covered.items()},
        **convergence_counts(simulations),
    }
    return Results({"shares": shares(simulations), "simulations": simulations}, counts)


def context(files: Mapping[str, Any], variant: Variant) -> dict[str, Any]:
    """Shares by R2 and answer, mean posterior probabilities and the prior's."""
    simulations = files["simulations"]
    answers = ("high", "low", "between")
    first, names = simulations.iloc[0], [f"probability_{name}" for name in answers]
    return {
        "by_r2": files["shares"].pivot_table("share", "r2", "answer", sort=False),
        "answers": ANSWERS,
        "probabilities": simulations.groupby("r2")[names].mean(),
        "medians": simulations.groupby("r2")["r2_median"].median(),
        "prior": {name: first[f"prior_{name}"] for name in answers},
        "below": first["prior_below"],
        "each": files["shares"]["simulations"].max(),
        "cut_offs": CutOffs(),
    }


STUDY = TrialsStudy(
    "validation.individual_level",
    __doc__,
    (
        Variant(
            "Verdicts of the individual level", "reports/validation/individual_level",
            FitsSpec(chains=2, tune=300, draws=600, target_accept=0.8), 100 * len(KINDS), least=len(KINDS),
        ),
    ),
    judge,
    results,
    Path(__file__).with_name("page.md.j2"),
    context,
)  # fmt: skip
