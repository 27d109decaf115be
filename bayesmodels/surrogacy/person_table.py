"""One surrogate and one outcome value a person, two arms: exact posterior draws, and the classical closed forms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from bayesmodels.errors import BadInput
from bayesmodels.surrogacy.arms import Arms
from bayesmodels.surrogacy.relative_effect import RatioSet, delta_limits, fieller


@dataclass(frozen=True)
class PersonTable:
    """Surrogate and outcome of the persons of a two-arm trial.

    Parameters
    ----------
    values : (person, endpoint)
        Surrogate, outcome.
    active : (person,) bool
    dropped : int
        Persons left out because a value was missing.
    """

    values: np.ndarray
    active: np.ndarray
    dropped: int = 0

    @property
    def counts(self) -> tuple[int, int]:
        """Persons in control and active."""
        return int((~self.active).sum()), int(self.active.sum())


def person_table(
    frame: pd.DataFrame,
    *,
    surrogate: str,
    outcome: str,
    arm: str,
    active: object,
    control: object,
    complete_cases: bool = False,
) -> PersonTable:
    """Read a table with one row a person.

    Parameters
    ----------
    frame : DataFrame
    surrogate, outcome, arm : str
        Columns.
    active, control : object
        Values of the arm's column.
    complete_cases : bool
        Leave out persons with a missing value, counted in `dropped`; otherwise they are refused.

    Raises
    ------
    BadInput
        A column that is not there, another arm, missing values, fewer than four persons in an arm.
    """
    absent = [name for name in (surrogate, outcome, arm) if name not in frame]
    if absent:
        raise BadInput(f"persons: expected a column {name!r}, found {', '.join(map(str, frame))}" for name in absent)
    problems = [
        f"persons, row {row}: column {arm!r}: expected {control!r} or {active!r}, got {value!r}"
        for row, value in enumerate(frame[arm], start=1)
        if value not in (active, control)
    ]
    values = frame[[surrogate, outcome]].to_numpy(float)
    complete = np.isfinite(values).all(axis=1)
    if not complete_cases:
        problems += [
            f"persons, row {row}: expected numbers in {surrogate!r} and {outcome!r}; fill in, drop the row, or ask for "
            "complete_cases"
            for row in np.flatnonzero(~complete) + 1
        ]
    is_active = frame[arm].to_numpy() == active
    table = PersonTable(values[complete], is_active[complete], int((~complete).sum()))
    problems += [
        f"persons: expected four persons or more in the {name} arm, found {n}"
        for name, n in zip(("control", "active"), table.counts, strict=True)
        if n < 4
    ]
    if problems:
        raise BadInput(problems)
    return table


def posterior_arms(
    table: PersonTable,
    *,
    draws: int,
    seed: int,
    covariance: Literal["by_arm", "common"] = "by_arm",
    good: tuple[float, float] = (1.0, 1.0),
) -> Arms:
    """Exact draws under the independence Jeffreys prior p(mean, Sigma) ~ |Sigma|^(-3/2).

    Sigma | data ~ inverse Wishart(n - q, scatter about the arms' means) with q means, and mean | Sigma ~ Normal(sample
    mean, Sigma / n) (Gelman et al., Bayesian Data Analysis, 3.6). The values are as observed, with measurement error.

    Parameters
    ----------
    table : PersonTable
    draws, seed : int
    covariance : {"by_arm", "common"}
    good : (surrogate, outcome)
        +1 where up is good, -1 where down is good.
    """
    rng = np.random.default_rng(seed)
    groups = [table.values[~table.active], table.values[table.active]]
    n = np.array(table.counts)
    centre = np.array([group.mean(axis=0) for group in groups])
    scatter = [(g - c).T @ (g - c) for g, c in zip(groups, centre, strict=True)]
    if covariance == "common":
        common = _inverse_wishart(n.sum() - 2, scatter[0] + scatter[1], draws, rng)
        sigma = np.stack([common, common], axis=1)
    else:
        sigma = np.stack([_inverse_wishart(k - 1, s, draws, rng) for k, s in zip(n, scatter, strict=True)], axis=1)
    noise = rng.standard_normal((draws, 2, 2))
    mean = centre + np.einsum("daij,daj->dai", np.linalg.cholesky(sigma / n[:, None, None]), noise)
    return Arms(mean, sigma, n / n.sum(), np.array(good, float))


def _inverse_wishart(freedom: int, scatter: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    return np.linalg.inv(stats.wishart(freedom, np.linalg.inv(scatter)).rvs(draws, random_state=rng))


@dataclass(frozen=True)
class LeastSquares:
    """Closed forms of a single trial; effects are active minus control.

    Parameters
    ----------
    alpha, alpha_se, beta, beta_se : float
        Effects with standard errors.
    gamma, gamma_given_arm : float
        Slope of the outcome on the surrogate, ignoring the arm (Prentice's third criterion) and given it.
    residual_effect, residual_p : float
        Effect on the outcome given the surrogate, and its two-sided p (the fourth criterion as a test).
    relative_effect : float
    delta_interval : (float, float)
    fieller_set : RatioSet
    adjusted_association : float
        rho_Z, within arms.
    proportion_explained : float
        1 - residual_effect / beta.
    likelihood_reduction : float
        1 - exp(-G2 / n), maximum likelihood with and without the surrogate.
    arm_association : (float, float)
        Correlation in control and active.
    arm_variance : (arm, endpoint)
    """

    alpha: float
    alpha_se: float
    beta: float
    beta_se: float
    gamma: float
    gamma_given_arm: float
    residual_effect: float
    residual_p: float
    relative_effect: float
    delta_interval: tuple[float, float]
    fieller_set: RatioSet
    adjusted_association: float
    proportion_explained: float
    likelihood_reduction: float
    arm_association: tuple[float, float]
    arm_variance: np.ndarray


def least_squares(table: PersonTable, level: float = 0.95) -> LeastSquares:
    """The classical single-trial criteria (Prentice 1989; Freedman 1992; Buyse and Molenberghs 1998).

    Parameters
    ----------
    table : PersonTable
    level : float
        Confidence level of the relative effect's limits: the delta method and Fieller's set, normal quantiles.
    """
    s, t = table.values.T
    arm = table.active.astype(float)
    one = np.ones_like(arm)
    (_, alpha), residual_s, _ = _regression(s, one, arm)
    (_, beta), residual_t, spread = _regression(t, one, arm)
    (_, gamma), _, _ = _regression(t, one, s)
    (_, given, slope), residual_ts, inverse = _regression(t, one, arm, s)
    n = len(s)
    sigma = np.cov(residual_s, residual_t, ddof=0) * n / (n - 2)
    variance = sigma * spread[1, 1]  # of (alpha, beta)
    given_se = math.sqrt(residual_ts @ residual_ts / (n - 3) * inverse[1, 1])
    return LeastSquares(
        alpha=alpha,
        alpha_se=math.sqrt(variance[0, 0]),
        beta=beta,
        beta_se=math.sqrt(variance[1, 1]),
        gamma=gamma,
        gamma_given_arm=slope,
        residual_effect=given,
        residual_p=float(2 * stats.t.sf(abs(given / given_se), n - 3)),
        relative_effect=beta / alpha,
        delta_interval=delta_limits(alpha, beta, variance, level),
        fieller_set=fieller(alpha, beta, variance, level),
        adjusted_association=float(sigma[0, 1] / math.sqrt(sigma[0, 0] * sigma[1, 1])),
        proportion_explained=1 - given / beta,
        likelihood_reduction=1 - math.exp(-_deviance(residual_t, residual_ts) / n),
        arm_association=(_correlation(table, False), _correlation(table, True)),
        arm_variance=np.array([table.values[table.active == z].var(axis=0, ddof=1) for z in (False, True)]),
    )


def _correlation(table: PersonTable, active: bool) -> float:
    return float(np.corrcoef(table.values[table.active == active].T)[0, 1])


def _regression(y: np.ndarray, *columns: np.ndarray) -> tuple[list[float], np.ndarray, np.ndarray]:
    """Least-squares coefficients, residuals, and the inverse of X'X."""
    x = np.column_stack(columns)
    inverse = np.linalg.inv(x.T @ x)
    found = inverse @ (x.T @ y)
    return found.tolist(), y - x @ found, inverse


def _deviance(without: np.ndarray, with_surrogate: np.ndarray) -> float:
    """G2, twice the gain in the maximised normal log-likelihood."""
    return len(without) * math.log((without @ without) / (with_surrogate @ with_surrogate))
