"""Dropout sensitivity from a model of means by visit: the Bayesian answer, and the information-anchored one beside it.

The information-anchored interval is that of multiple imputation: values at the week are drawn by each strategy, one
posterior draw an imputation; every completed table is analysed by least squares at the week, adjusted for the value at
week 0, strata and covariates. That is the maximum-likelihood estimate of the model itself on complete data, with an
unstructured covariance and slopes by visit: other visits say no more of a visit that everybody has. Results are
combined by Rubin's rules.

References
----------
Cro, Carpenter and Kenward (2019), Journal of the Royal Statistical Society A 182, 623-645, doi:10.1111/rssa.12423.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy import stats

from bayesmodels.analyses.dropout.tables import Totals, sensitivity_dataset
from bayesmodels.fitting.progress import counted
from bayesmodels.models.visit_means.design import VisitDesign, visit_design
from bayesmodels.models.visit_means.model import VisitModel
from bayesmodels.persons.collapsed import thinned
from bayesmodels.persons.normal_vectors import normal_vectors
from bayesmodels.persons.reference_based import IN_WORDS, MISSING_AT_RANDOM, STRATEGIES, Later
from bayesmodels.persons.visit_strategies import Moments, Patterns, later_values
from bayesmodels.statistics.pooling import rubin
from bayesmodels.study import Study
from bayesmodels.vocabulary import months

if TYPE_CHECKING:
    from bayesmodels.analyses.dropout.request import DropoutRequest

POOLED = (
    "multiple imputation by each strategy, one posterior draw an imputation; every completed table analysed by least "
    "squares at the week, adjusted for the value at week 0 where there is one, strata and covariates; Rubin's rules. "
    "The interval is information-anchored: it keeps the share of information lost to those who left about as it is "
    "under missing at random"
)


@dataclass(frozen=True)
class _Asked:
    """Where the question stands in persons' vectors.

    Parameters
    ----------
    slot, start : int
        Of the outcome at the week, and at week 0 (-1: no such visit in the vector).
    past : (person, slot) bool
        Visits of all outcomes up to the exit.
    last : (person,) int
        Slot of the last visit with the outcome up to the week, `slot` where there is none.
    """

    slot: int
    start: int
    past: np.ndarray
    last: np.ndarray


def visit_dropout_sensitivity(
    model: VisitModel, posterior: xr.DataTree, study: Study, request: DropoutRequest, interval: float, seed: int,
    draws: int,
) -> xr.Dataset:  # fmt: skip
    """The dataset of `dropout_sensitivity`, with `pooled_difference`, `pooled_se`, `pooled_lower`, `pooled_upper`.

    The latter are [strategy, contrast], over all persons.
    """
    left, rule, cells = request.left, request.rule, request.cells
    design, pm_model = visit_design(model, study), model.build(study)
    chosen = thinned(posterior["posterior"].to_dataset(), draws)
    asked = _asked(design, request)
    y = np.where(np.isfinite(design.values), design.values, 0.0)
    shift, reference_block = _to_reference(model, design, chosen, request.reference)
    curve = chosen["curve"].isel(outcome=request.position).sel(week=float(request.week))
    curve = curve.transpose("chain", "draw", "start_group", "stratum").to_numpy()[..., : len(cells.strata)]

    shape = (chosen.sizes["chain"], chosen.sizes["draw"])
    gone = left.dead if rule.deaths == "left_out" else np.zeros(len(left.dead), bool)
    since_exit = months(request.week - left.exit_week) if request.delta_unit == "per_month" else np.ones(len(gone))
    alive = np.empty((*shape, *cells.shape))
    totals = Totals.empty(shape, len(request.deltas), cells)
    analysis = _Analysis.of(design, asked, request.position, ~gone)
    estimates, variances = (np.empty((*shape, len(STRATEGIES), len(design.layout.groups) - 1)) for _ in range(2))
    rng = np.random.default_rng(seed)
    inputs = counted(normal_vectors(pm_model, chosen), shape[0] * shape[1], "dropout sensitivity, draws")
    for chain, draw, drawn in inputs:
        at = (chain, draw)
        moments = Moments.of(drawn, shift[at][design.group, design.stratum], reference_block)
        later = later_values(moments, y, asked.past, asked.last, asked.slot)
        weights = cells.bootstrap(rng)
        at_random = later.mean[MISSING_AT_RANDOM]
        base = curve[at] - cells.total(weights * np.where(gone, at_random, 0.0))
        completed, start = _completed(design, asked, moments, later, left.missing, rng)
        for j, name in enumerate(STRATEGIES):
            change = np.where(left.missing, later.mean[name] - at_random, 0.0)
            totals.by_strategy[(*at, j)] = base + cells.total(weights * change)
            estimates[(*at, j)], variances[(*at, j)] = analysis.differences(completed[name], start)
        exposure = cells.total(weights * np.where(left.missing, since_exit, 0.0))
        totals.by_delta[at] = totals.by_strategy[(*at, 0)] - request.worse[:, None, None] * exposure
        alive[at] = 1.0 - cells.total(weights * gone)
    labels = (chosen["chain"].to_numpy(), chosen["draw"].to_numpy())
    found = sensitivity_dataset(
        cells, labels, {"": totals}, alive, left, request.deltas, interval, request.attributes(model), IN_WORDS
    )
    return _with_pooled(found, estimates, variances, analysis.freedom, interval)


def _asked(design: VisitDesign, request: DropoutRequest) -> _Asked:
    layout, k = design.layout, request.position
    week_of = np.array(layout.weeks)[layout.visit_of]
    slot = int(layout.place[k, layout.weeks.index(float(request.week))])
    own = np.flatnonzero((layout.outcome_of == k) & (week_of <= request.week))
    seen = np.isfinite(design.values)
    last = np.where(seen[:, own], own, -1).max(axis=1)
    exit_week = np.where(last >= 0, week_of[last], request.left.exit_week)
    start = int(layout.place[k, 0]) if layout.weeks[0] == 0 else -1
    return _Asked(slot, start, seen & (week_of <= exit_week[:, None]), np.where(last >= 0, last, slot))


def _to_reference(model: VisitModel, design: VisitDesign, draws: xr.Dataset, reference: str) -> tuple[np.ndarray, int]:
    """Mean under the reference less that of each start group, (chain, draw, start group, stratum, slot); its block."""
    layout, g = design.layout, design.layout.groups.index(reference)
    curve = draws["curve"].transpose("chain", "draw", "start_group", "stratum", "outcome", "week").to_numpy()
    by_slot = curve[:, :, :, : len(layout.strata), layout.outcome_of, layout.visit_of]
    return by_slot[:, :, [g]] - by_slot, g if model.covariance_of == "start_group" else 0


def _completed(
    design: VisitDesign, asked: _Asked, moments: Moments, later: Later, left: np.ndarray, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Values at the week by strategy, (person,), observed or drawn, and those at week 0 (empty where it has none).

    Missing values of those who did not leave are drawn given all their visits, missing at random; so are values at week
    0, before the later ones.
    """
    values, person = design.values.copy(), np.arange(len(design.values))
    past = asked.past.copy()
    noise = rng.standard_normal((2, len(values)))
    if asked.start >= 0:
        absent = ~np.isfinite(values[:, asked.start])
        if absent.any():
            drawn = _given_all(moments, values, asked.start)
            values[absent, asked.start] = (drawn.mean[MISSING_AT_RANDOM] + drawn.sd[MISSING_AT_RANDOM] * noise[0])[
                absent
            ]
            past[:, asked.start] = True
            later = later_values(moments, np.nan_to_num(values), past, asked.last, asked.slot)
    observed = np.isfinite(values[:, asked.slot])
    stayed = _given_all(moments, values, asked.slot)
    found = {}
    for name in STRATEGIES:
        drawn = later.mean[name] + later.sd[name] * noise[1]
        others = stayed.mean[MISSING_AT_RANDOM] + stayed.sd[MISSING_AT_RANDOM] * noise[1]
        found[name] = np.where(observed, values[person, asked.slot], np.where(left, drawn, others))
    return found, values[:, [asked.start]] if asked.start >= 0 else np.zeros((len(values), 0))


def _given_all(moments: Moments, values: np.ndarray, slot: int) -> Later:
    """Values at a slot given all other visits, missing at random."""
    seen = np.isfinite(values)
    seen[:, slot] = False
    y = np.nan_to_num(values)
    coefficient, left = Patterns.of(seen, moments.own_block).regression(moments.own_covariance, slot)
    mean = moments.own_mean[:, slot] + (coefficient * np.where(seen, y - moments.own_mean, 0.0)).sum(axis=1)
    return Later({MISSING_AT_RANDOM: mean}, {MISSING_AT_RANDOM: np.sqrt(left)})


@dataclass(frozen=True)
class _Analysis:
    """Least squares at the week of a completed table.

    Parameters
    ----------
    design : (person, coefficient)
        Start groups but the reference first; the value at week 0 is added where there is one.
    used : (person,) bool
    groups : int
        Start groups but the reference.
    freedom : float
        Residual degrees of freedom.
    """

    design: np.ndarray
    used: np.ndarray
    groups: int
    freedom: float

    @classmethod
    def of(cls, design: VisitDesign, asked: _Asked, position: int, used: np.ndarray) -> _Analysis:
        """The analysis of a study; `position` of the outcome among the model's."""
        groups = len(design.layout.groups) - 1
        columns = [
            np.eye(groups + 1)[design.group][:, :groups],
            np.eye(len(design.layout.strata))[design.stratum],
            design.covariates,
            design.baseline[:, position : position + 1],
        ]
        found = np.concatenate(columns, axis=1)[used]
        return cls(found, used, groups, float(used.sum() - found.shape[1] - (asked.start >= 0)))

    def differences(self, values: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Differences to the reference group and their squared standard errors, (start group but the reference,)."""
        x, y = np.concatenate([self.design, start[self.used]], axis=1), values[self.used]
        q, r = np.linalg.qr(x)
        coefficient = np.linalg.solve(r, q.T @ y)
        residual = y - x @ coefficient
        inverse = np.linalg.inv(r)
        variance = (inverse**2).sum(axis=1) * (residual @ residual) / self.freedom
        return coefficient[: self.groups], variance[: self.groups]


def _with_pooled(
    found: xr.Dataset, estimates: np.ndarray, variances: np.ndarray, freedom: float, interval: float
) -> xr.Dataset:
    """Add the estimates (chain, draw, strategy, contrast) combined by Rubin's rules."""
    q, u = (v.reshape(-1, *v.shape[2:]) for v in (estimates, variances))
    pooled = np.array(
        [[rubin(q[:, j, c], u[:, j, c], freedom)[:3] for c in range(q.shape[2])] for j in range(q.shape[1])]
    )
    estimate, se, df = np.moveaxis(pooled, -1, 0)
    half = stats.t.ppf((1 + interval) / 2, df) * se
    parts: dict[str, Any] = {"difference": estimate, "se": se, "lower": estimate - half, "upper": estimate + half}
    added = {f"pooled_{name}": (("strategy", "contrast"), value) for name, value in parts.items()}
    return found.assign(added).assign_attrs(pooled_in_words=f"{POOLED} ({len(q)} imputations)")
