"""Verdicts of the individual level where R2 of the changes within an arm is 0, .3 and .6, beside the prior's answers.

    python -m validation.individual_level --out reports/validation/individual_level

Trials of 72 / 36 persons from the two-outcome model itself, with correlated random walks, at values like those
published of VALOR. Only the link between persons' changes of NfL and ALSFRS-R differs between the kinds: one number r
is, but for the sign, the correlation of the response of NfL with the rate of ALSFRS-R and that of the two walks, such
that R2 of the changes from week 0 to week 28 is what the kind says.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
from scipy.optimize import brentq
from scipy.stats import binomtest

from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.fitting.refit import Refit, judged, refit_of, stacked
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.visits.design import as_data
from bayesmodels.surrogacy.identifiability import individual_verdict
from bayesmodels.surrogacy.settings import CutOffs
from bayesmodels.surrogacy.verdict import ANSWERS
from bayesmodels.trials.results import Results
from bayesmodels.trials.specification import FitsSpec
from bayesmodels.trials.study import TrialsStudy, Variant
from bayesmodels.vocabulary import months
from validation.simulated.layout import Array
from validation.simulated.model_trials import OUTCOMES, START_WEEKS, TERMS, Truth, nfl_bases, score_bases
from validation.simulated.model_visits import VALOR_LAYOUT, simulate_visits, template_study

KINDS = (0.0, 0.3, 0.6)
"""R2 of the changes within an arm."""

WEEK = 28.0
PRIOR_DRAWS = 4000
LINKED = ((2, 4),)
"""Terms whose correlation is -r: the response of NfL and the rate of ALSFRS-R."""


@cache
def the_model() -> LongitudinalModel:
    """NfL and ALSFRS-R by their presets, with correlated random walks."""
    return LongitudinalModel(outcomes=OUTCOMES, walk_correlation=1.0)


@cache
def the_refit() -> Refit:
    """The model compiled, once per process."""
    return refit_of(the_model(), template_study(VALOR_LAYOUT))


def association(p: Any) -> Array:
    """Correlation of true changes from week 0 to `WEEK`, pooled over start groups; + where the better go together.

    Parameters
    ----------
    p : Truth, or an object with draws of its fields, each (draw, ...)
    """
    t = np.array(months(WEEK))
    sd, correlation, walk = p.person_sd, p.correlation, p.random_walk_sd
    groups = np.array(VALOR_LAYOUT.persons).sum(axis=1)
    pooled = np.zeros((3, *np.shape(p.walk_correlation)))
    for share, start in zip(groups / groups.sum(), START_WEEKS, strict=True):
        drift, reached = nfl_bases(p, t, np.array(months(start)))
        along, _ = score_bases(p, t, np.array(months(start)))
        nfl = np.stack(np.broadcast_arrays(drift * sd[..., 1], reached * sd[..., 2]), axis=-1)
        score = along * sd[..., 4]
        own = np.einsum("...a,...ab,...b->...", nfl, correlation[..., 1:3, 1:3], nfl) + walk[..., 0] ** 2 * t
        across = score * np.einsum("...a,...a->...", nfl, correlation[..., 1:3, 4])
        across = across + p.walk_correlation * walk[..., 0] * walk[..., 1] * t
        pooled += share * np.array([own, across, score**2 + walk[..., 1] ** 2 * t])
    return -pooled[1] / np.sqrt(pooled[0] * pooled[2])


def truth_of(r: float) -> Truth:
    """Values like those published of VALOR; a better response of NfL goes with a slower decline."""
    correlation = np.eye(len(TERMS))
    for a, b in LINKED:
        correlation[a, b] = correlation[b, a] = -r
    effect = np.array([[-0.6, -0.5], [0.4, 0.1]])
    return Truth(
        level=np.array([[4.6, 3.9], [36.0, 38.0]]),
        rate=np.array([[0.03, 0.01], [-1.3, -0.4]]),
        effect=np.repeat(effect[..., None], 2, axis=-1),
        effect_sd=np.zeros(2),
        nfl_lag=1.0,
        time_constant=2.5,
        function_lag=4.0,
        deceleration=0.03,
        nfl_deceleration=the_model().outcomes[0].trajectory.rho,
        person_sd=np.array([0.5, 0.02, 0.3, 5.0, 0.8]),
        correlation=correlation,
        residual_sd=np.array([0.12, 1.1]),
        random_walk_sd=np.array([0.14, 1.2]),
        walk_correlation=-r,
    )


@cache
def truth_with(r2: float) -> Truth:
    """The truth whose changes have this R2 within arms."""
    if r2 == 0:
        return truth_of(0.0)
    return truth_of(float(brentq(lambda r: association(truth_of(r)) ** 2 - r2, 0.0, 0.9999)))


def _drawn(found: Mapping[str, Array]) -> SimpleNamespace:
    """Published variables (draw, ...) as the fields that `association` reads."""
    return SimpleNamespace(
        person_sd=found["person_sd"][..., 0],
        correlation=found["person_correlation"],
        random_walk_sd=found["random_walk_sd"][..., 0],
        walk_correlation=found["walk_correlation"][..., 0, 1],
        nfl_lag=found["effect_lag"][..., 0],
        time_constant=found["effect_time_constant"][..., 0],
        nfl_deceleration=found["deceleration"][..., 0],
        function_lag=found["effect_lag"][..., 1],
        deceleration=found["deceleration"][..., 1],
    )


@cache
def prior_association() -> Array:
    """The same correlation at draws of the prior, (draw,)."""
    refit = the_refit()
    with refit.pm_model:
        free = [refit.pm_model[name] for name in refit.names]
        values = pm.draw(free, PRIOR_DRAWS, random_seed=1, mode=python_mode())
    return association(_drawn(refit.published(dict(zip(refit.names, values, strict=True)))))


def judge(spec: FitsSpec, number: int) -> dict[str, Any]:
    """Simulate one trial of kind k % 3, refit, and give the verdict."""
    rng, kind = spec.stream(number), KINDS[number % len(KINDS)]
    refit = the_refit()
    arrays = as_data(simulate_visits(truth_with(kind), VALOR_LAYOUT, rng), OUTCOMES)
    tree = refit.sample(arrays, spec.settings(rng))
    found = refit.published(stacked(tree["posterior"].to_dataset(), refit.names))
    draws = association(_drawn(found))
    given = individual_verdict(
        draws, CutOffs(), surrogate="NfL", outcome="ALSFRS-R", where="week 28", level=0.95, prior=prior_association()
    )
    lower, median, upper = np.quantile(draws**2, [0.025, 0.5, 0.975])
    return {
        "r2": kind,
        "answer": given.answer,
        "r2_median": round(float(median), 4),
        "r2_lower": round(float(lower), 4),
        "r2_upper": round(float(upper), 4),
        **{f"probability_{name}": value for name, value in regions(draws).items()},
        **{f"prior_{name}": value for name, value in regions(prior_association()).items()},
        "prior_below": round(float(np.mean(prior_association() ** 2 < CutOffs().individual_refuted)), 4),
        **judged(tree, refit, found),
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
    """Shares of every answer, the simulations, and the prior's probabilities."""
    simulations = pd.DataFrame(records).drop(columns="process")
    inside = (simulations["r2_lower"] <= simulations["r2"]) & (simulations["r2"] <= simulations["r2_upper"])
    counts = {
        "simulations": len(simulations),
        "inside": inside[simulations["r2"] > 0].groupby(simulations["r2"]).mean().round(4).to_dict(),
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
    }


STUDY = TrialsStudy(
    "validation.individual_level",
    __doc__,
    (Variant("Individual level", "reports/validation/individual_level", FitsSpec(), 300, least=len(KINDS)),),
    judge,
    results,
    Path(__file__).with_name("page.md.j2"),
    context,
)
