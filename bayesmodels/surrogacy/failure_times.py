"""Individual-level association of two times to an event: Kendall's tau of a Clayton copula, in two stages.

With survival functions u = P(S > s | z) and v = P(T > t | z) of the surrogate's and the outcome's event times,

    P(S > s, T > t | z) = (u^-theta + v^-theta - 1)^(-1 / theta),    tau = theta / (theta + 2)

Stage 1 fits the margins: Weibull proportional hazards, in every trial (cluster) a shape, and a rate for each arm.
Stage 2 maximises the likelihood of theta with the margins held fixed, censored times included: one theta for all
trials, and one for each. Intervals are percentiles over bootstrap samples of persons within trial and arm, both stages
refitted.

The copula is symmetric and its association positive: tau at 0 may stand for a negative one. Where the surrogate's event
can never come after the outcome's (progression-free survival and survival) it is violated, and tau is partly built in.

Source: Burzykowski, Molenberghs, Buyse, Geys and Renard (2001), doi:10.1111/1467-9876.00244; two stages after Shih and
Louis (1995), Inferences on the association parameter in copula models for bivariate survival data, Biometrics
51:1384-1399.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize

from bayesmodels.errors import BadInput, expect, expect_whole
from bayesmodels.html_tables import html_table
from bayesmodels.posterior.wording import estimate as with_limits
from bayesmodels.statistics.followup import check_level
from bayesmodels.study.checks.cells import labels, numbers
from bayesmodels.study.files import from_frame
from bayesmodels.study.problem import Problem, in_order, quoted
from bayesmodels.vocabulary import ALL

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

POOLED = "all, pooled"
"""Label of the row of all persons."""

ENDS = ("surrogate", "outcome")
LOG_THETA = (-7.0, 5.0)
"""Range of log theta that is searched: tau from .0005 to .987."""

NEWTON_STEPS = 40

LEAST_FINITE = 0.5
"""Part of the bootstrap samples with events in both arms that a standard error needs."""


@dataclass(frozen=True)
class Times:
    """Times to two events of persons in arms of clusters.

    Parameters
    ----------
    time : array (2, person)
        Of the surrogate's event and of the outcome's, or of censoring; above 0.
    event : array of bool (2, person)
        Whether the event was seen.
    active : array of int (person,)
    cluster : array of int (person,)
    """

    time: Array
    event: npt.NDArray[np.bool_]
    active: Places
    cluster: Places

    @property
    def cell(self) -> Places:
        """Arm of a cluster, (person,)."""
        return 2 * self.cluster + self.active

    def at(self, persons: Places) -> Times:
        """These persons, in this order."""
        return Times(self.time[:, persons], self.event[:, persons], self.active[persons], self.cluster[persons])


@dataclass(frozen=True)
class CopulaAssociation:
    """Kendall's tau of two times to an event within arms.

    Parameters
    ----------
    table : DataFrame
        A row per cluster, then all persons pooled (with several clusters): cluster, persons, surrogate_events,
        outcome_events, theta, tau, lower, upper.
    effects : DataFrame
        Stage 1 as a table of trials (`TrialTable.from_frame` with the measure log_hazard_ratio): trial,
        surrogate_effect, surrogate_se, outcome_effect, outcome_se (log hazard ratios, active against control) and
        within_correlation. Standard errors and correlation over the bootstrap samples with events in both arms; effect
        and standard error are NaN where an arm had none in the data, or in more than half of the samples.
    prob : float
        Level of the intervals.
    samples : int
        Bootstrap samples.
    ordered : bool
        Whether the surrogate's time is never the later one.
    """

    table: pd.DataFrame
    effects: pd.DataFrame
    prob: float
    samples: int
    ordered: bool

    @property
    def pooled(self) -> pd.Series:
        """The row of all persons."""
        return self.table.iloc[-1]

    def sentence(self) -> str:
        """The pooled tau with its interval, and what it rests on."""
        row = self.pooled
        text = (
            f"Kendall's tau of the two times within arms (Clayton copula, Weibull margins): "
            f"{with_limits(row['tau'], row['lower'], row['upper'])} ({100 * self.prob:g} %, {self.samples} bootstrap "
            f"samples), {row['persons']:,} persons, {row['surrogate_events']:,} and {row['outcome_events']:,} events."
        )
        if self.ordered:
            text += (
                " The surrogate's time is never the later one, which a symmetric copula does not know: part of tau is "
                "built into the definition of the two times."
            )
        return f"{text} It is of persons, not of effects over trials; no cut-off for it is in use here."

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.sentence())}</p>{html_table(self.table, '{:.3f}')}"


def copula_association(
    frame: pd.DataFrame,
    *,
    active: object,
    columns: dict[str, str] | None = None,
    samples: int = 200,
    seed: int = 1,
    prob: float = 0.95,
) -> CopulaAssociation:
    """Estimate how closely two times to an event go together within arms, by trial and pooled.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row per person: treatment (two labels), surrogate_time and outcome_time (above 0, in one unit),
        surrogate_event and outcome_event (1: seen, 0: censored then), optional cluster (the trial).
    active : str or int
        Label of the active arm.
    columns : dict of str to str, optional
        Of these roles to the column's name in the frame, for those that have another name.
    samples : int
        Bootstrap samples, at least 20.
    seed : int
    prob : float
        Level of the intervals.

    Returns
    -------
    CopulaAssociation
        Kendall's tau by cluster and pooled, with intervals, and the clusters' log hazard ratios.

    Raises
    ------
    BadInput
        Every problem of the table.
    """
    expect(prob, float, "prob", "write 0.95 for 95 %")
    check_level(prob)
    expect_whole(samples, "samples", 20)
    expect_whole(seed, "seed")
    names, data = _read(frame, str(active), columns or {})
    estimates, effects = _both_stages(data, len(names))
    rng = np.random.default_rng(seed)
    by_cell = [np.flatnonzero(data.cell == cell) for cell in np.unique(data.cell)]
    found = []
    for _ in range(samples):
        persons = np.concatenate([rng.choice(members, len(members)) for members in by_cell])
        found.append(_both_stages(data.at(persons), len(names)))
    taus = np.array([[theta / (theta + 2) for theta in each] for each, _ in found])
    with np.errstate(invalid="ignore"):
        lower, upper = np.nanquantile(taus, [(1 - prob) / 2, (1 + prob) / 2], axis=0)
    rows = []
    for k, name in enumerate([*names, POOLED]):
        here = slice(None) if k == len(names) else data.cluster == k
        theta = estimates[k]
        rows.append(
            {
                "cluster": name, "persons": int(data.event[0, here].size),
                "surrogate_events": int(data.event[0, here].sum()),
                "outcome_events": int(data.event[1, here].sum()), "theta": theta, "tau": theta / (theta + 2),
                "lower": lower[k], "upper": upper[k],
            }
        )  # fmt: skip
    if len(names) == 1:
        rows = rows[:1]
    ordered = bool((data.time[0] <= data.time[1]).all())
    return CopulaAssociation(
        pd.DataFrame(rows), _effects(names, effects, np.array([each for _, each in found])), prob, samples, ordered
    )


def weibull_hazards(time: Array, event: npt.NDArray[np.bool_], cell: Places) -> tuple[Array, Array]:
    """Cumulative hazards at the persons' times, and rates of the cells, of Weibull margins by maximum likelihood.

    A cluster (two cells) has one shape, a cell its own rate: H(t) = rate t^shape.

    Parameters
    ----------
    time : array (person,)
    event : array of bool (person,)
    cell : array of int (person,)
        Twice the cluster, plus the arm.

    Returns
    -------
    hazard : array (person,)
    rate : array (cell,)
        0 in a cell without events.
    """
    cells = 2 * (int(cell.max()) // 2 + 1)
    cluster = cell // 2
    events = np.bincount(cell, event, minlength=cells)
    total = events.reshape(-1, 2).sum(axis=1)
    logs = np.log(time)
    centre = np.bincount(cluster, logs) / np.maximum(np.bincount(cluster), 1)
    logs = logs - centre[cluster]
    of_events = np.bincount(cluster, event * logs, minlength=len(total))
    shape = np.ones(len(total))
    for _ in range(NEWTON_STEPS):
        power = np.exp(shape[cluster] * logs)
        sums = [np.bincount(cell, power * logs**k, minlength=cells) for k in (0, 1, 2)]
        first, second = (np.divide(each, sums[0], out=np.zeros(cells), where=sums[0] > 0) for each in sums[1:])
        drift = (events * first).reshape(-1, 2).sum(axis=1)
        curve = (events * (second - first**2)).reshape(-1, 2).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            move = (total / shape + of_events - drift) / (total / shape**2 + curve)
        move = np.where(np.isfinite(move), move, 0.0)
        shape = np.clip(shape + move, shape / 3, shape * 3)
        if np.abs(move).max() < 1e-9:
            break
    power = np.exp(shape[cluster] * logs)
    exposure = np.bincount(cell, power, minlength=cells)
    scaled = np.divide(events, exposure, out=np.zeros(cells), where=exposure > 0)
    # Times were divided by their geometric mean within the cluster, which is the same for both arms.
    return scaled[cell] * power, scaled * np.exp(-np.repeat(shape * centre, 2))


def log_likelihood(theta: float, hazard: Array, event: npt.NDArray[np.bool_]) -> Array:
    """Log-likelihood of the Clayton copula given the margins, (person,), up to the margins' own densities.

    Parameters
    ----------
    theta : float
        Above 0.
    hazard : array (2, person)
        Cumulative hazards of the margins, -log u and -log v.
    event : array of bool (2, person)
    """
    x, y = theta * hazard
    high = np.maximum(x, y)
    log_a = high + np.log(np.exp(x - high) + np.exp(y - high) - np.exp(-high))
    seen = event.sum(axis=0)
    of_events = (theta + 1) * (event * hazard).sum(axis=0)
    return np.asarray(np.where(seen == 2, np.log1p(theta), 0.0) + of_events - (seen + 1 / theta) * log_a)


def _both_stages(data: Times, clusters: int) -> tuple[Array, Array]:
    """Theta of every cluster and pooled, (cluster + 1,); log hazard ratios, (cluster, 2)."""
    margins = [weibull_hazards(data.time[k], data.event[k], data.cell) for k in (0, 1)]
    hazard = np.array([each for each, _ in margins])
    with np.errstate(divide="ignore", invalid="ignore"):
        effects = np.stack([np.diff(np.log(rate.reshape(-1, 2)), axis=1)[:, 0] for _, rate in margins], axis=1)
    thetas = [
        _theta(hazard[:, data.cluster == k], data.event[:, data.cluster == k]) for k in range(clusters)
    ] if clusters > 1 else []  # fmt: skip
    pooled = _theta(hazard, data.event)
    return np.array([*(thetas or [pooled]), pooled]), effects


def _theta(hazard: Array, event: npt.NDArray[np.bool_]) -> float:
    """The maximum-likelihood theta; NaN where either endpoint has no event."""
    if not event.any(axis=1).all():
        return float("nan")
    found = optimize.minimize_scalar(
        lambda log: -log_likelihood(np.exp(log), hazard, event).sum(), bounds=LOG_THETA, method="bounded",
        options={"xatol": 1e-5},
    )  # fmt: skip
    return float(np.exp(found.x))


def _effects(names: list[str], effects: Array, sampled: Array) -> pd.DataFrame:
    """Stage 1 as a table of trials, (cluster) rows; `sampled` (sample, cluster, 2)."""
    finite = np.isfinite(sampled)
    known = np.isfinite(effects) & (finite.mean(axis=0) >= LEAST_FINITE)
    se = np.full(known.shape, np.nan)
    se[known] = np.nanstd(np.where(finite, sampled, np.nan)[:, known], axis=0, ddof=1)
    effects = np.where(known, effects, np.nan)
    within = [
        float(np.asarray(np.corrcoef(sampled[finite[:, k].all(axis=1), k].T))[0, 1])
        if known[k].all() and (se[k] > 0).all()
        else np.nan
        for k in range(len(names))
    ]
    return pd.DataFrame(
        {
            "trial": names, "surrogate_effect": effects[:, 0], "surrogate_se": se[:, 0],
            "outcome_effect": effects[:, 1], "outcome_se": se[:, 1], "within_correlation": within,
        }
    )  # fmt: skip


def _read(frame: pd.DataFrame, active: str, columns: dict[str, str]) -> tuple[list[str], Times]:
    """Labels of the clusters and the checked times."""
    expect(columns, dict, "columns", 'give names of columns by role, such as {"cluster": "trial"}')
    raw = from_frame(frame, "persons")
    roles = ["treatment", *(f"{end}_{what}" for end in ENDS for what in ("time", "event")), "cluster"]
    found = list(raw.problems)
    found += [
        Problem(raw.file, f"columns names a role {quoted([role])}; expected {quoted(roles)}")
        for role in columns
        if role not in roles
    ]
    named = {role: columns.get(role, role) for role in roles}
    if "cluster" not in columns and "cluster" not in raw.cells:
        del named["cluster"]
    for role, column in named.items():
        if column not in raw.cells and not raw.problems:
            text = f"expected a column {quoted([column])} with the {role}; say columns = {{...}} if it has another name"
            found.append(Problem(raw.file, text))
    if found:
        raise BadInput(in_order(found))
    texts = {
        role: labels(raw.file, raw.cells[column], found)
        for role, column in named.items()
        if role in ("treatment", "cluster")
    }
    values = {role: numbers(raw.file, raw.cells[column], found) for role, column in named.items() if role not in texts}
    for role, cells in values.items():
        column = pd.Series(np.asarray(cells, float), index=raw.cells.index)
        wrong = ~(column > 0) if role.endswith("time") else ~column.isin([0, 1])
        wanted = "a time above 0" if role.endswith("time") else "0 (censored) or 1 (seen)"
        for row in column.index[wrong.to_numpy() & column.notna().to_numpy()]:
            text = f"expected {named[role]} to be {wanted}, got {column[row]:g}; correct it"
            found.append(Problem(raw.file, text, row=row, kind=role))
    arm = np.asarray(texts["treatment"], str)
    arms = sorted(set(arm.tolist()))
    if len(arms) != 2 or active not in arms:
        text = f"expected two treatments, one of them the active arm {quoted([active])}, got {quoted(arms) or 'none'}"
        found.append(Problem(raw.file, f"{text}; keep the rows of two arms and name the active one"))
    if found:
        raise BadInput(in_order(found))
    time, event = (np.array([np.asarray(values[f"{end}_{what}"], float) for end in ENDS]) for what in ("time", "event"))
    if not event.any(axis=1).all():
        raise BadInput(f"{raw.file}: expected events of both endpoints, got none of one; nothing can be estimated")
    given = np.asarray(texts["cluster"], str) if "cluster" in texts else np.full(len(arm), ALL)
    names, cluster = np.unique(given, return_inverse=True)
    return names.tolist(), Times(time, event.astype(bool), (arm == active).astype(np.int64), cluster.astype(np.int64))
