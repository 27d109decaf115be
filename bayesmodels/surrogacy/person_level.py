"""Single-trial criteria from one surrogate and one outcome value per person, by exact posterior draws."""

from __future__ import annotations

from dataclasses import replace
from types import NoneType
from typing import Literal

import numpy as np
from scipy import stats

from bayesmodels.errors import BadInput, expect, expect_whole
from bayesmodels.statistics.followup import check_level
from bayesmodels.study import ClusterTable
from bayesmodels.surrogacy.criteria.arms import Arms
from bayesmodels.surrogacy.identifiability import SINGLE_TRIAL
from bayesmodels.surrogacy.settings import SurrogacySettings
from bayesmodels.surrogacy.single_trial import SingleTrial, trial_criteria

FEWEST_PERSONS = 4
"""Persons of an arm below which the posterior of its covariance has no mean."""

NO_SCATTER = 1e-10
"""Share of a variance left over below which one endpoint is a straight line of the other, up to rounding."""


def single_trial(
    table: ClusterTable,
    settings: SurrogacySettings | None = None,
    *,
    important_difference: float | None = None,
    draws: int = 4000,
    level: float = 0.95,
) -> SingleTrial:
    """Judge a surrogate by the persons of one randomised trial.

    Prentice's criteria, relative effect, proportion explained, adjusted association, likelihood reduction factor,
    individual causal association and principal strata, each with its posterior uncertainty. One trial has one pair of
    effects: no trial-level R2 comes of it, and the third verdict says so.

    Parameters
    ----------
    table : ClusterTable
        Persons of one trial, good directions stated; clusters are ignored
        (``ClusterTable.from_frame(frame, active="drug", clustered=False, surrogate=Endpoint("NfL", "ln", "down"),
        outcome=Endpoint("ALSFRS-R", "points", "up"))``).
    settings : SurrogacySettings, optional
        Regions, cut-offs, assumptions, and the seed of all draws.
    important_difference : float, optional
        Smallest important effect on the outcome, in its unit: the region inside which an effect left over counts as
        none is a share of it, where the settings declare none.
    draws : int
        Independent draws from the posterior; no chains, nothing to converge.
    level : float
        Probability of the equal-tailed intervals.

    Returns
    -------
    SingleTrial
        `verdicts` are those of response, individual and trial.

    Raises
    ------
    BadInput
        A good direction is not stated, the important difference is not above 0, an arm has fewer than four persons, or
        the values of an arm do not vary.
    """
    expect(table, ClusterTable, "table", "make one with ClusterTable.from_frame or read_clusters")
    expect(settings, (SurrogacySettings, NoneType), "settings", "write SurrogacySettings(seed=1)")
    expect(important_difference, (int, float, NoneType), "important_difference", "give it in the outcome's unit")
    expect(level, float, "level", "write 0.95 for 95 %")
    expect_whole(draws, "draws", 100)
    check_level(level)
    if important_difference is not None and not 0 < important_difference < np.inf:
        raise BadInput(f"important_difference: expected a finite number above 0, got {important_difference:g}")
    unstated = [name for name in ("surrogate", "outcome") if getattr(table, name).good is None]
    if unstated:
        raise BadInput(
            f'{table.name}: expected the good direction of the {name}, "up" or "down", got none; write {name} = '
            f'Endpoint("{getattr(table, name).label}", good="up")'
            for name in unstated
        )
    settings = settings or SurrogacySettings()
    seed = np.random.SeedSequence(settings.seed, spawn_key=(0,))  # not the stream of the cross-world correlations
    found = trial_criteria(
        posterior_arms(table, draws=draws, seed=seed),
        settings,
        regions=settings.regions(important_difference),
        level=level,
        labels={
            "surrogate": table.surrogate.label,
            "outcome": table.outcome.label,
            "unit": table.surrogate.unit or "units",
            "where": f"in {table.name}, {table.active} against {table.control}",
        },
    )
    return replace(found, verdicts=(*found.verdicts, SINGLE_TRIAL))


def posterior_arms(
    table: ClusterTable,
    *,
    draws: int,
    seed: int | np.random.SeedSequence,
    covariance: Literal["by_arm", "common"] = "by_arm",
) -> Arms:
    """Exact draws under the independence Jeffreys prior p(mean, Sigma) ~ |Sigma|^(-3/2).

    Sigma | data ~ inverse Wishart(n - q, scatter about the arms' means) with q means, and mean | Sigma ~ Normal(sample
    mean, Sigma / n) (Gelman et al., Bayesian Data Analysis, 3.6). The values are as observed, with measurement error.

    Parameters
    ----------
    table : ClusterTable
        Clusters are ignored. Where no good direction is stated, up is taken for good.
    draws : int
    seed : int or SeedSequence
    covariance : {"by_arm", "common"}

    Raises
    ------
    BadInput
        An arm has fewer than four persons, or one of its two values does not vary or is a straight line of the other.
    """
    active = table.rows["active"].to_numpy()
    groups = [table.values[~active], table.values[active]]
    n = np.array([len(group) for group in groups])
    names = (table.control, table.active)
    few = [
        f"{table.name}: expected four persons or more in the arm {name}, found {k}"
        for name, k in zip(names, n, strict=True)
        if k < FEWEST_PERSONS
    ]
    if few:
        raise BadInput(few)
    centre = np.array([group.mean(axis=0) for group in groups])
    scatter = [(g - c).T @ (g - c) for g, c in zip(groups, centre, strict=True)]
    flat = [
        f"{table.name}: in the arm {name} the {_flat(group, s)}; check the columns: the criteria need both to vary"
        for name, group, s in zip(names, groups, scatter, strict=True)
        if _flat(group, s)
    ]
    if flat:
        raise BadInput(flat)
    rng = np.random.default_rng(seed)
    if covariance == "common":
        common = _inverse_wishart(n.sum() - 2, scatter[0] + scatter[1], draws, rng)
        sigma = np.stack([common, common], axis=1)
    else:
        sigma = np.stack([_inverse_wishart(k - 1, s, draws, rng) for k, s in zip(n, scatter, strict=True)], axis=1)
    noise = rng.standard_normal((draws, 2, 2))
    mean = centre + np.einsum("daij,daj->dai", np.linalg.cholesky(sigma / n[:, None, None]), noise)
    good = np.array([-1.0 if end.good == "down" else 1.0 for end in (table.surrogate, table.outcome)])
    return Arms(mean, sigma, n / n.sum(), good)


def _flat(group: np.ndarray, scatter: np.ndarray) -> str:
    """What keeps an arm's two values from having a covariance; blank where nothing does."""
    for k, name in enumerate(("surrogate", "outcome")):
        if np.ptp(group[:, k]) == 0:  # the scatter of equal values is rounding, and rarely 0
            return f"{name} is the same for everyone"
    left = 1 - scatter[0, 1] ** 2 / (scatter[0, 0] * scatter[1, 1])
    return "outcome is a straight line of the surrogate" if left < NO_SCATTER else ""


def _inverse_wishart(freedom: int, scatter: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    return np.linalg.inv(stats.wishart(freedom, np.linalg.inv(scatter)).rvs(draws, random_state=rng))
