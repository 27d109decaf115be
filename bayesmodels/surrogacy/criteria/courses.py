"""Persons' courses as a longitudinal posterior knows them: means and covariances of true values at the visits.

A person's true value of outcome k at a visit is its mean plus ``sum over terms of basis x (the person's term)``
(`person_basis`), with the terms' covariance D from `person_sd` and `person_correlation`. Everything here is a linear
functional of the terms, so no person is needed. With strata, covariances are those within strata, weighted by the
strata's persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from bayesmodels.errors import BadInput, in_full
from bayesmodels.posterior.archive import require
from bayesmodels.posterior.context import Contrast, FitContext
from bayesmodels.posterior.observed import ObservedPersons
from bayesmodels.surrogacy.criteria.arms import Arms
from bayesmodels.vocabulary import ALL, months

VARIABLES = ("visit_mean", "person_basis", "person_sd", "person_correlation", "residual_sd")
"""What a posterior must publish."""

RANDOM_WALK, WALK_CORRELATION, WALK_MONTHS = "random_walk_sd", "walk_correlation", "random_walk_time_constant"
"""Of outcomes' Brownian paths, where the model has them: SD after a month, correlation, months in which steps shrink;
NaN for outcomes without."""

SLOWING, DECELERATION = "proportional_slowing", "deceleration"
"""Published where a drug removes a share of an outcome's decline, and where that decelerates."""

MOST_DRAWS = 2000
"""Draws used, evenly spaced: enough for the 2.5 and 97.5 % points of what is reported."""


@dataclass(frozen=True)
class Courses:
    """Draws of the joint distribution of persons' courses.

    Parameters
    ----------
    outcomes, groups, terms : tuple of str
    weeks : (visit,)
        Week 0 first.
    mean : (draw, outcome, group, visit)
    basis : (draw, outcome, term, group, visit)
    covariance : (draw, term, term)
        D, between persons. Where an outcome has a random walk, its increments between visits follow the terms, as
        further ones without a name: true values include the walk, the same under both arms. Increments of two outcomes
        over the same step are correlated where the model's walks are.
    correlation : (draw, term, term)
        Of persons' terms, common to the strata; paths left out.
    residual : (draw, outcome)
        Variance of a visit about the person's own course.
    share : mapping of str to float
        Share of the persons in each start group.
    good : mapping of str to float
        +1 where up is good, -1 where down is good, by outcome.
    untreated : mapping of str to (draw, visit)
        Months at the initial rate that an untreated course has covered, of outcomes whose course the drug slows.
    """

    outcomes: tuple[str, ...]
    groups: tuple[str, ...]
    terms: tuple[str, ...]
    weeks: np.ndarray
    mean: np.ndarray
    basis: np.ndarray
    covariance: np.ndarray
    correlation: np.ndarray
    residual: np.ndarray
    share: Mapping[str, float]
    good: Mapping[str, float]
    untreated: Mapping[str, np.ndarray] = field(default_factory=dict)

    def visit(self, week: float) -> int:
        """Place of a visit.

        Raises
        ------
        BadInput
            No visit at that week.
        """
        at = np.flatnonzero(self.weeks == week)
        if not len(at):
            known = ", ".join(in_full(w) for w in self.weeks)
            raise BadInput(f"[report.surrogacy]: expected a week of a visit ({known}), got {in_full(week)}")
        return int(at[0])

    def change(self, outcome: str, week: float) -> np.ndarray:
        """Weights of the terms in the change of an outcome from week 0 to a week, (draw, group, term)."""
        basis = self.basis[:, self.outcomes.index(outcome)]
        return np.moveaxis(basis[..., self.visit(week)] - basis[..., 0], 1, 2)

    def mean_change(self, outcome: str, week: float) -> np.ndarray:
        """Mean change from week 0, (draw, group)."""
        mean = self.mean[:, self.outcomes.index(outcome)]
        return mean[..., self.visit(week)] - mean[..., 0]

    def level(self, outcome: str) -> np.ndarray:
        """Weights of the terms in the value at week 0, (draw, group, term)."""
        return np.moveaxis(self.basis[:, self.outcomes.index(outcome), :, :, 0], 1, 2)

    def between(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Covariance of two functionals of the terms, weights (draw, ..., term)."""
        return np.einsum("d...p,dpq,d...q->d...", first, self.covariance, second)

    def arms(
        self,
        surrogate: str,
        outcome: str,
        surrogate_week: float,
        outcome_week: float,
        contrast: Contrast,
        observed: bool = False,
    ) -> Arms:
        """Changes of surrogate and outcome from week 0 in two start groups.

        Parameters
        ----------
        surrogate, outcome : str
        surrogate_week, outcome_week : float
        contrast : Contrast
            Its earlier start is the active arm, its later start control.
        observed : bool
            Add the residual variance of both visits; else true values, with the cross-world covariance that the model
            implies: the delayed-start bridge. Residuals of two outcomes are independent.
        """
        places = [self.groups.index(contrast.late), self.groups.index(contrast.early)]
        weights = [
            self.change(name, week)[:, places] for name, week in ((surrogate, surrogate_week), (outcome, outcome_week))
        ]
        covariance = np.empty((len(self.mean), 2, 2, 2))
        cross = np.empty((len(self.mean), 2, 2))
        for i, first in enumerate(weights):
            for j, second in enumerate(weights):
                covariance[:, :, i, j] = self.between(first, second)
                cross[:, i, j] = self.between(first[:, 0], second[:, 1])
        if observed:
            for i, (name, week) in enumerate(((surrogate, surrogate_week), (outcome, outcome_week))):
                covariance[:, :, i, i] += 2 * self.residual[:, [self.outcomes.index(name)]] * (week > 0)
        means = [
            self.mean_change(name, week)[:, places]
            for name, week in ((surrogate, surrogate_week), (outcome, outcome_week))
        ]
        share = np.array([self.share[contrast.late], self.share[contrast.early]])
        return Arms(
            np.stack(means, axis=-1),
            covariance,
            share / share.sum(),
            np.array([self.good[surrogate], self.good[outcome]]),
            None if observed else cross,
            "observed" if observed else "latent",
        )

    def at_visits(self, outcome: str, weeks: np.ndarray) -> np.ndarray:
        """Weights of the terms in the values at some visits, (draw, group, visit, term)."""
        places = [self.visit(week) for week in weeks]
        return np.moveaxis(self.basis[:, self.outcomes.index(outcome)][..., places], 1, 3)


def read_courses(
    tree: xr.DataTree, context: FitContext, observed: ObservedPersons, group: str = "posterior"
) -> Courses:
    """Read the courses of the posterior, or of the prior.

    Parameters
    ----------
    tree : DataTree
    context : FitContext
    observed : ObservedPersons
        For the shares of strata and start groups; equal where the archive does not count persons.
    group : {"posterior", "prior"}

    Raises
    ------
    MissingVariable
        The model does not publish persons' courses.
    """
    require(tree, variables=VARIABLES, groups=[group])
    found = tree[group].to_dataset().reset_coords(drop=True)
    further = {RANDOM_WALK, WALK_CORRELATION, WALK_MONTHS, SLOWING, DECELERATION} & set(found.data_vars)
    draws = found[[*VARIABLES, *further]]
    total = draws.sizes["chain"] * draws.sizes["draw"]
    draws = draws.isel(draw=slice(None, None, max(1, -(-total // MOST_DRAWS))))
    outcomes, groups = context.outcomes, context.start_groups
    labels = [str(label) for label in draws["stratum"].values]
    strata = [label for label in labels if label != ALL] or labels
    first = next(iter(outcomes))
    counted = np.array([_persons(observed, first, groups, stratum) for stratum in strata])
    weight = counted / counted.sum() if counted.sum() else np.full(len(strata), 1 / len(strata))
    sd = _flat(draws["person_sd"].sel(stratum=strata), "stratum", "term")
    residual = _flat(draws["residual_sd"].sel(stratum=strata), "stratum", "outcome") ** 2
    correlation = _flat(draws["person_correlation"], "term", "term_other")
    whole = ALL if ALL in labels else strata[0]
    by_stratum = _flat(
        draws["person_basis"].sel(stratum=strata), "stratum", "outcome", "term", "start_group", "visit_week"
    )
    weeks = draws["visit_week"].to_numpy().astype(float)
    basis, covariance = _within_strata(by_stratum, sd, correlation, weight)
    if RANDOM_WALK in draws:
        basis, covariance = _with_paths(basis, covariance, _walk_steps(draws, strata, weight, in_months(weeks)))
    share = {g: _persons(observed, first, (g,), ALL) or 1.0 for g in groups}
    return Courses(
        outcomes=tuple(outcomes),
        groups=groups,
        terms=tuple(str(term) for term in draws["term"].values),
        weeks=weeks,
        mean=_flat(draws["visit_mean"].sel(stratum=whole), "outcome", "start_group", "visit_week"),
        basis=basis,
        covariance=covariance,
        correlation=correlation,
        residual=np.einsum("f,dfk->dk", weight, residual),
        share={g: n / sum(share.values()) for g, n in share.items()},
        good={name: outcome.sign for name, outcome in outcomes.items()},
        untreated=_untreated(draws, tuple(outcomes), in_months(weeks)),
    )


def _untreated(draws: xr.Dataset, outcomes: tuple[str, ...], t: np.ndarray) -> dict[str, np.ndarray]:
    """`Courses.untreated`: of a decelerating course, or a straight one where the posterior says of no deceleration."""
    found = {}
    for name in outcomes if SLOWING in draws else ():
        if not draws[SLOWING].sel(outcome=name).notnull().any():
            continue
        rho = np.full((draws.sizes["chain"] * draws.sizes["draw"], 1), np.nan)
        if DECELERATION in draws:
            rho = _flat(draws[DECELERATION].sel(outcome=name))[:, None]
        found[name] = np.where(
            np.isnan(rho), t, -np.expm1(-np.nan_to_num(rho, nan=1.0) * t) / np.nan_to_num(rho, nan=1.0)
        )
    return found


def _within_strata(
    basis: np.ndarray, sd: np.ndarray, correlation: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the terms (draw, outcome, term, group, visit), and their covariance, averaged over strata.

    Where a share of the decline removed differs between strata, so do weights: then every stratum has terms of its own,
    the first stratum's in front, with the covariance times the stratum's weight, so that variances are averages.
    """
    if (basis == basis[:, :1]).all():
        return basis[:, 0], np.einsum("f,dfp,dfq->dpq", weight, sd, sd) * correlation
    draws, strata, terms = sd.shape
    each = np.moveaxis(basis, 1, 2).reshape(draws, basis.shape[2], strata * terms, *basis.shape[4:])
    covariance = np.zeros((draws, strata * terms, strata * terms))
    for f in range(strata):
        own = slice(f * terms, (f + 1) * terms)
        covariance[:, own, own] = weight[f] * sd[:, f, :, None] * sd[:, f, None, :] * correlation
    return each, covariance


def _walk_steps(draws: xr.Dataset, strata: list[str], weight: np.ndarray, months: np.ndarray) -> np.ndarray:
    """Covariance of the outcomes' paths over every step between visits, (draw, step, outcome, outcome)."""
    sd = np.nan_to_num(_flat(draws[RANDOM_WALK].sel(stratum=strata), "stratum", "outcome"))
    correlation = np.eye(sd.shape[2])
    if WALK_CORRELATION in draws:
        found = _flat(draws[WALK_CORRELATION], "outcome", "outcome_other")
        correlation = np.where(np.isnan(found), correlation, found)
    decay = np.zeros((1, sd.shape[2]))
    if WALK_MONTHS in draws:
        decay = np.nan_to_num(1.0 / _flat(draws[WALK_MONTHS], "outcome"))
    both = (decay[:, :, None] + decay[:, None, :])[:, None]
    run = months[:, None, None]
    area = np.diff(np.where(both > 0, -np.expm1(-both * run) / np.where(both > 0, both, 1.0), run), axis=1)
    rate = correlation * np.einsum("f,dfk,dfl->dkl", weight, sd, sd)
    return rate[:, None] * area


def _with_paths(basis: np.ndarray, covariance: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Append the increments of every outcome's path, with their covariance `steps` (draw, step, outcome, outcome)."""
    draws, outcomes, terms, groups, visits = basis.shape
    number = steps.shape[1]
    n = outcomes * number
    longer = np.zeros((draws, outcomes, terms + n, groups, visits))
    longer[:, :, :terms] = basis
    wider = np.zeros((draws, terms + n, terms + n))
    wider[:, :terms, :terms] = covariance
    after = np.tri(visits, visits - 1, -1).T  # an increment counts at the visits after it
    place = terms + np.arange(n).reshape(outcomes, number)
    for k in range(outcomes):
        longer[:, k, place[k]] = after[:, None, :]
        for other in range(outcomes):
            wider[:, place[k], place[other]] = steps[:, :, k, other]
    return longer, wider


def in_months(weeks: np.ndarray) -> np.ndarray:
    """Months since randomisation."""
    return months(np.asarray(weeks, float))


def _flat(array: xr.DataArray, *dims: str) -> np.ndarray:
    values = array.transpose("chain", "draw", *dims).to_numpy()
    return values.reshape((-1, *values.shape[2:]))


def _persons(observed: ObservedPersons, outcome: str, groups: tuple[str, ...], stratum: str) -> float:
    found = np.array([observed.at_start(outcome, group, stratum) for group in groups])
    return float(np.nansum(found))
