"""VALOR's published means: fitted to week 28, then compared with what was published later.

Every comparison is made under four models of function (proportional slowing or no effect, untreated course linear or
decelerating), so that no effect size is shown without the model that needs none. The trap at week 148 is shown on
purpose: fitted with a linear untreated course, the last means "find" a large slowing that a decelerating course
explains without the drug.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.demo.fits import Job
from bayesmodels.models.presets import replaced
from bayesmodels.models.published_means.courses import Values, courses_of
from bayesmodels.models.published_means.covariance import row_covariance
from bayesmodels.models.published_means.layout import arms_of, cells_of, rows_of
from bayesmodels.models.published_means.model import PublishedMeansModel
from bayesmodels.models.published_means.outcome import MeansOutcome
from bayesmodels.models.published_means.prediction import MeansPrediction, parameter_draws, predictive_draws
from bayesmodels.models.published_means.valor import FunctionEffect, valor_alsfrs_r, valor_means_model, valor_nfl
from bayesmodels.posterior.convergence import Convergence, convergence
from bayesmodels.study import MeansTable
from bayesmodels.study.evidence import means_table

BOTH = ("nfl_plasma", "alsfrs_r")
FUNCTION = ("alsfrs_r",)
MAIN = "slowing, decelerating"
VARIANTS: dict[str, tuple[FunctionEffect, Literal["linear", "decelerating"]]] = {
    MAIN: ("proportional_slowing", "decelerating"),
    "slowing, linear": ("proportional_slowing", "linear"),
    "no effect, decelerating": ("none", "decelerating"),
    "no effect, linear": ("none", "linear"),
}
"""Models of function: effect of the drug, and the untreated course."""

LINK = "rate follows NfL, decelerating"
"""The model in which the whole effect on function goes through NfL (`RatioPower`): for its magnitude only."""

LAST_FITTED_WEEK = 28
START_WEEKS = (30.0, 28.0)
"""Week from which the delayed group counts as on the drug: the main analysis, and the nominal switch."""

CURVE_WEEKS = tuple(float(week) for week in range(0, 149, 2))


@dataclass(frozen=True)
class MeansFit:
    """A model, the means it was fitted to, and its posterior."""

    label: str
    model: PublishedMeansModel
    data: MeansTable
    posterior: xr.DataTree


@dataclass(frozen=True)
class ValorResults:
    """What the fits say, as tables.

    Attributes
    ----------
    fits : dict of str to MeansFit
        The four models fitted to week 28; the main one holds NfL too.
    strata : DataFrame
        Later means by stratum: one row per model and mean, with interval and `inside`.
    whole : DataFrame
        Weeks 52 and 148 of all randomised, the same columns.
    difference : DataFrame
        Early minus delayed at week 52 by model.
    starts : DataFrame
        Means inside their interval, by model, outcome and the delayed group's start.
    trap : DataFrame
        Fits to week 76 and week 148: slowing and highest log-likelihood by model.
    fall_priors : DataFrame
        Fall of NfL by stratum (ln; median, lower, upper) by prior of the fall.
    link : MeansFit
        NfL and ALSFRS-R to week 28, the rate of function tied to NfL.
    not_converged : tuple of str
        One sentence per fit whose chains did not converge.
    short : tuple of str
        One sentence per fit whose chains are short.
    """

    fits: dict[str, MeansFit]
    strata: pd.DataFrame
    whole: pd.DataFrame
    difference: pd.DataFrame
    starts: pd.DataFrame
    trap: pd.DataFrame
    fall_priors: pd.DataFrame
    link: MeansFit
    not_converged: tuple[str, ...]
    short: tuple[str, ...] = ()


def fitted_means(outcomes: tuple[str, ...], start_week: float = START_WEEKS[0]) -> MeansTable:
    """Visit-level means to week 28, both strata."""
    return means_table("valor_2021", until_week=LAST_FITTED_WEEK, outcomes=outcomes, delayed_start_week=start_week)


def later_means() -> MeansTable:
    """Means of the strata at weeks 40 to 76."""
    return means_table({"ole_2021": (40, 76)}, outcomes=BOTH)


def function_model(variant: str) -> PublishedMeansModel:
    """ALSFRS-R alone under one of `VARIANTS`."""
    effect, course = VARIANTS[variant]
    return PublishedMeansModel(outcomes=(valor_alsfrs_r(effect, course),))


FALLS, TRAP = "fall of NfL, {}", "week 148, {}"


def valor_jobs() -> dict[str, Job]:
    """The eleven fits: to week 28 under every model of function, NfL under other priors, the trap at week 148."""
    main = valor_means_model(*VARIANTS[MAIN], curve_weeks=CURVE_WEEKS)
    jobs = {MAIN: Job("VALOR: NfL and ALSFRS-R to week 28", main, fitted_means(BOTH), described=True)}
    linked = valor_means_model("ratio_power", curve_weeks=(0.0, 28.0))
    jobs[LINK] = Job(f"VALOR: NfL and ALSFRS-R to week 28, {LINK}", linked, fitted_means(BOTH), described=True)
    for variant in VARIANTS:
        if variant != MAIN:
            told = f"VALOR: ALSFRS-R to week 28, {variant}"
            jobs[variant] = Job(told, function_model(variant), fitted_means(FUNCTION))
    for label, nfl in other_fall_priors().items():
        model, data = PublishedMeansModel(outcomes=(nfl,)), fitted_means(("nfl_plasma",))
        jobs[FALLS.format(label)] = Job(f"VALOR: NfL to week 28, {label}", model, data)
    for variant in VARIANTS:
        told = f"VALOR: the trap at week 148, {variant}"
        jobs[TRAP.format(variant)] = Job(told, function_model(variant), to_week_148(), longer=4)
    return jobs


def valor_results(posteriors: Mapping[str, xr.DataTree], seed: int) -> ValorResults:
    """Predict what was published later, and show the trap at week 148.

    Parameters
    ----------
    posteriors : mapping of str to DataTree
        Of `valor_jobs`, by their names.
    seed : int
        Of the predictions.
    """
    jobs = valor_jobs()

    def made(name: str, label: str) -> MeansFit:
        return MeansFit(label, jobs[name].model, jobs[name].data, posteriors[name])

    fits = {variant: made(variant, variant) for variant in VARIANTS}
    others = [made(FALLS.format(label), label) for label in other_fall_priors()]
    falls = [dataclasses.replace(fits[MAIN], label="as stated"), *others]
    trapped = [made(TRAP.format(variant), variant) for variant in VARIANTS]
    linked = made(LINK, LINK)
    every = (*fits.values(), linked, *others, *trapped)
    whole = {fitted.label: _whole(fitted, seed) for fitted in fits.values()}
    return ValorResults(
        fits=fits,
        strata=_by_model({label: predict(fitted, later_means(), seed) for label, fitted in fits.items()}),
        whole=pd.concat([_by_model({k: parts[i] for k, parts in whole.items()}) for i in (0, 1)], ignore_index=True),
        difference=pd.DataFrame([_difference(label, parts[0]) for label, parts in whole.items()]),
        starts=_starts(fits, seed),
        trap=pd.DataFrame([_trap_row(fitted) for fitted in trapped]),
        fall_priors=pd.concat([_falls(fitted) for fitted in falls], ignore_index=True),
        link=linked,
        not_converged=tuple(line for fitted in every for line in not_converged(fitted)),
        short=tuple(line for fitted in every for line in short(fitted)),
    )


def other_fall_priors() -> dict[str, MeansOutcome]:
    """NfL under other priors of its fall, since the preset's was informed by the trial that is fitted."""
    nfl = valor_nfl()
    plateau: Any = nfl.effect
    changes = {
        "prior SD of the fall doubled": lambda prior: {"sd": 2 * prior.sd},
        "prior of the fall centred at 0": lambda _: {"mean": 0.0},
    }
    found = {}
    for label, change in changes.items():
        priors = {stratum: replaced(prior, change(prior)) for stratum, prior in plateau.size.items()}
        found[label] = replaced(nfl, {"effect": replaced(plateau, {"size": priors})})
    return found


def _falls(fitted: MeansFit) -> pd.DataFrame:
    """Fall of NfL by stratum; an effect that lowers NfL is a positive fall."""
    fall = -fitted.posterior["posterior"]["drug_effect"].sel(outcome="nfl_plasma")
    rows = []
    for stratum in ("faster", "slower"):
        lower, median, upper = np.quantile(fall.sel(stratum=stratum), [0.025, 0.5, 0.975])
        rows.append({"prior": fitted.label, "stratum": stratum, "median": median, "lower": lower, "upper": upper})
    return pd.DataFrame(rows)


def not_converged(fitted: MeansFit) -> list[str]:
    """One sentence if the chains did not converge."""
    found = _graded(fitted)
    return [f"{_name(fitted)}: {'; '.join(found.reasons)}."] if found.verdict == "not_converged" else []


def short(fitted: MeansFit) -> list[str]:
    """One sentence if the chains are short."""
    found = _graded(fitted)
    return [f"{_name(fitted)}. {found.short_sentence()}"] if found.verdict == "short" else []


def _name(fitted: MeansFit) -> str:
    return f"{fitted.data.name}, {fitted.label}"


def _graded(fitted: MeansFit) -> Convergence:
    names = [p.name for p in courses_of(fitted.model.outcomes)]
    free = {"posterior": fitted.posterior["posterior"].to_dataset()[names]}
    return convergence(xr.DataTree.from_dict(free | {"sample_stats": fitted.posterior["sample_stats"].to_dataset()}))


def predict(fitted: MeansFit, later: MeansTable, seed: int, start_week: float | None = None) -> MeansPrediction:
    """Predict later means; `start_week` sets another drug start of the delayed group (the fit to week 28 has none)."""
    data = fitted.data
    if start_week is not None:
        data = dataclasses.replace(data, drug_start_week=data.drug_start_week | {"delayed": start_week})
    return predictive_draws(fitted.model, fitted.posterior, data, later, seed=seed)


def _trap_row(fitted: MeansFit) -> dict[str, object]:
    """Slowing (median, lower, upper; NaN without an effect) and the highest log-likelihood over the draws."""
    values = parameter_draws(fitted.model, fitted.posterior)
    slowing = values.get("alsfrs_r_slowing", np.array([np.nan]))
    lower, median, upper = np.quantile(slowing, [0.025, 0.5, 0.975])
    highest = means_log_likelihood(fitted.model, fitted.data)(values).max()
    return {"model": fitted.label, "slowing": median, "lower": lower, "upper": upper, "log_likelihood": highest}


def means_log_likelihood(model: PublishedMeansModel, data: MeansTable) -> Callable[[Values], np.ndarray]:
    """Log-likelihood of a table of means, summed over outcomes.

    Parameters
    ----------
    model : PublishedMeansModel
    data : MeansTable

    Returns
    -------
    callable
        Free parameters by name, arrays (draw, 1) or (draw, stratum), to an array (draw,).
    """
    arms, frame, courses = arms_of(data), data.frame, courses_of(model.outcomes)
    parts = []
    for outcome in model.outcomes:
        own = frame[frame["outcome"] == outcome.name]
        rows = rows_of(own, arms, model.mixture)
        covariance, _ = row_covariance(outcome.spread, rows)
        mean = courses.function(outcome.name, cells_of(rows, arms, arms.started))
        parts.append((mean, rows.weights, own["estimate"].to_numpy(dtype=float), np.linalg.cholesky(covariance)))

    def log_likelihood(values: Values) -> np.ndarray:
        total = np.zeros(len(next(iter(values.values()))))
        for mean, weights, estimate, factor in parts:
            white = np.linalg.solve(factor, (estimate - mean(values) @ weights.T).T)
            constant = len(estimate) / 2 * np.log(2 * np.pi) + np.log(np.diag(factor)).sum()
            total = total - constant - 0.5 * (white**2).sum(axis=0)
        return total

    return log_likelihood


def to_week_148() -> MeansTable:
    """Means of the strata to week 76 with week 148 of all randomised: the only place where both stand together.

    `MeansTable.from_frame` refuses strata beside all of the same people. Here the weeks differ, and the model knows
    what the rows share: a mean of all randomised is a weighted sum of its strata's.
    """
    strata = means_table({"valor_2021": (2, 28), "ole_2021": (40, 76)}, outcomes=FUNCTION)
    last = means_table("final_2025", outcomes=FUNCTION)
    return dataclasses.replace(
        strata, name="VALOR to week 148", rows=pd.concat([strata.rows, last.rows], ignore_index=True)
    )


def _whole(fitted: MeansFit, seed: int) -> tuple[MeansPrediction, MeansPrediction]:
    """Weeks 52 and 148 of all randomised, common weights of the strata."""
    week_52 = means_table({"integrated_2022": (52, 52)}, outcomes=FUNCTION)
    names = tuple(outcome.name for outcome in fitted.model.outcomes)
    return predict(fitted, week_52, seed), predict(fitted, means_table("final_2025", outcomes=names), seed)


def _by_model(predictions: dict[str, MeansPrediction]) -> pd.DataFrame:
    return pd.concat([part.table().assign(model=label) for label, part in predictions.items()], ignore_index=True)


def _difference(label: str, week_52: MeansPrediction) -> dict[str, object]:
    draws = week_52.difference({"start_group": "early"}, {"start_group": "delayed"})
    lower, median, upper = np.quantile(draws, [0.025, 0.5, 0.975])
    published = week_52.rows.set_index("start_group")["published"]
    gap = float(published["early"] - published["delayed"])
    inside = lower <= gap <= upper
    return {"model": label, "published": gap, "median": median, "lower": lower, "upper": upper, "inside": inside}


def _starts(fits: dict[str, MeansFit], seed: int) -> pd.DataFrame:
    """Means inside their interval, of 10 for each outcome; NfL is the main fit's under every model of function."""
    later, rows = later_means(), []
    for start_week in START_WEEKS:
        main = predict(fits[MAIN], later, seed, start_week).table()
        nfl = int(main.loc[main["outcome"] == "nfl_plasma", "inside"].sum())
        for label, fitted in fits.items():
            table = predict(fitted, later, seed, start_week).table()
            function = int(table.loc[table["outcome"] == "alsfrs_r", "inside"].sum())
            total = {"alsfrs_r": function, "nfl_plasma": nfl, "inside": function + nfl}
            rows.append({"delayed_start_week": start_week, "model": label} | total | {"of": 20})
    return pd.DataFrame(rows)
