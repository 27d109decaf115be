"""Individual causal association (Alonso et al. 2015): correlation of a person's effects Delta_S and Delta_T.

No trial shows a person under both arms, so four of the six correlations of (S0, T0, S1, T1) are not identified by any
data. They are drawn uniformly from those that make the matrix positive definite, or from a declared part of them, and
the result is a range as wide as that ignorance. A cross-world covariance from an assumption (the delayed-start bridge,
`courses`) gives one number per draw instead, and stands on that assumption.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.posterior.intervals import probability
from bayesmodels.surrogacy.criteria.arms import ACTIVE, CONTROL, OUTCOME, SURROGATE, Arms, correlation

S0T0, S1T1, S0S1, T0T1, S0T1, S1T0 = range(6)
"""Place of each correlation in the last axis of `cross_world`."""

ASSUMPTIONS: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "none": (
        "every positive-definite set of cross-world correlations",
        lambda r: np.ones(r.shape[:-1], bool),
    ),
    "ranks kept": (
        "persons who fare better than others under control do so under the drug: r(S0,S1) and r(T0,T1) not negative",
        lambda r: (r[..., S0S1] >= 0) & (r[..., T0T1] >= 0),
    ),
    "monotone": (
        "no cross-world correlation is negative, both endpoints turned so that up is good",
        lambda r: (r[..., [S0S1, T0T1, S0T1, S1T0]] >= 0).all(axis=-1),
    ),
}
"""Declared subsets of the cross-world correlations, in words and as a condition on (..., 6) correlations."""


@dataclass(frozen=True)
class CausalAssociation:
    """The association under each assumption.

    Parameters
    ----------
    table : DataFrame
        One row per assumption: `assumption`, `meaning`, `median`, `lower`, `upper` (equal-tailed over draws and
        cross-world correlations), `ignorance_lower`, `ignorance_upper` (range over cross-world correlations at the
        median draw of what is identified), `probability_r2_above_half`, `share` (of the cross-world sets allowed).
    draws : dict of str to ndarray
        Associations under each assumption, endpoints turned so that up is good.
    strata : dict of str to ndarray (sample, 2)
        g0, g1 of E(Delta_T | Delta_S = s) = g0 + g1 s, modelling units, not turned (`principal_strata`).
    """

    table: pd.DataFrame
    draws: dict[str, np.ndarray]
    strata: dict[str, np.ndarray]


def causal_association(
    arms: Arms,
    assumptions: tuple[str, ...] = ("none", "ranks kept", "monotone"),
    level: float = 0.95,
    per_draw: int = 50,
    seed: int = 0,
) -> CausalAssociation:
    """Association over draws and cross-world correlations, by assumption; with the bridge where `arms.cross` is there.

    Parameters
    ----------
    arms : Arms
    assumptions : tuple of str
        Keys of `ASSUMPTIONS`.
    level : float
    per_draw : int
        Cross-world sets for each draw.
    seed : int
    """
    good = arms.favourable
    rng = np.random.default_rng(seed)
    r = good.arm_association
    sets = cross_world(r[:, None, CONTROL], r[:, None, ACTIVE], (len(r), per_draw), rng)
    found = effect_covariance(sets, good.covariance[:, None])
    centre = cross_world(np.median(r[:, CONTROL]), np.median(r[:, ACTIVE]), (20_000,), rng)
    at_centre = correlation(effect_covariance(centre, np.median(good.covariance, axis=0)))
    rows, draws, strata = [], {}, {}
    turn = float(np.prod(arms.good))
    gap = np.broadcast_to(np.stack([arms.alpha, arms.beta], -1)[:, None], (*sets.shape[:2], 2))
    for name in assumptions:
        words, allowed = ASSUMPTIONS[name]
        kept, kept_centre = allowed(sets), allowed(centre)
        draws[name] = correlation(found[kept])
        strata[name] = regression_on_effect(found[kept], gap[kept], turn)
        rows.append(_row(name, words, draws[name], at_centre[kept_centre], float(kept.mean()), level))
    if good.cross is not None:
        name, words = "delayed-start bridge", BRIDGE
        bridged = _bridge(good)
        draws[name] = correlation(bridged)
        strata[name] = regression_on_effect(bridged, np.stack([arms.alpha, arms.beta], -1), turn)
        rows.append(_row(name, words, draws[name], np.array([]), np.nan, level))
    return CausalAssociation(pd.DataFrame(rows), draws, strata)


def principal_strata(association: CausalAssociation, arms: Arms, level: float = 0.95) -> pd.DataFrame:
    """Principal-stratum regression E(T1 - T0 | S1 - S0 = s) = g0 + g1 s under each assumption.

    A surrogate that carries the whole effect has g0 = 0 (no effect on the outcome in those whose surrogate the drug
    does not move: average causal necessity) and g1 in the good direction (average causal sufficiency). Like the causal
    association it rests on cross-world correlations that no data show (Conlon, Taylor and Elliott 2014).

    Columns: `assumption`, `g0_median`, `g0_lower`, `g0_upper` (outcome unit: effect in those whose surrogate is not
    moved), `g0_favours` (probability that it favours the drug), `g1_median`, `g1_lower`, `g1_upper` (outcome unit per
    surrogate unit), `g1_right_sign`.
    """
    tail = (1 - level) / 2
    toward = arms.good[SURROGATE] * arms.good[OUTCOME]
    rows = []
    for name, lines in association.strata.items():
        known = lines[np.isfinite(lines).all(axis=1)]
        row: dict[str, object] = {"assumption": name}
        for j, term in enumerate(("g0", "g1")):
            limits = np.quantile(known[:, j], [0.5, tail, 1 - tail]) if len(known) else [np.nan] * 3
            row |= {f"{term}_{edge}": float(v) for edge, v in zip(("median", "lower", "upper"), limits, strict=True)}
        row["g0_favours"] = probability(arms.good[OUTCOME] * known[:, 0] > 0) if len(known) else np.nan
        row["g1_right_sign"] = probability(toward * known[:, 1] > 0) if len(known) else np.nan
        rows.append(row)
    return pd.DataFrame(rows)


BRIDGE = (
    "assumption: a person's untreated course and response to the drug are the same whenever the drug starts, so that "
    "those who start late show both"
)


def cross_world(r0: Any, r1: Any, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Correlations of (S0, T0, S1, T1), uniform over the positive-definite sets given r(S0,T0) and r(S1,T1).

    Along the vine T0 - S0 - S1 - T1 a uniform correlation matrix has independent partial correlations
    2 Beta(a, a) - 1 with a = 2, 3/2, 1 by depth (Lewandowski, Kurowicka and Joe 2009), so that fixing two of the first
    level leaves the others as they are.

    Parameters
    ----------
    r0, r1 : array-like, broadcast to `shape`
    shape : tuple of int
    rng : Generator

    Returns
    -------
    ndarray (*shape, 6)
        S0T0, S1T1, S0S1, T0T1, S0T1, S1T0.
    """
    r0, r1 = np.broadcast_to(r0, shape), np.broadcast_to(r1, shape)
    s0s1 = 2 * rng.beta(2.0, 2.0, shape) - 1
    t0s1_s0, s0t1_s1 = (2 * rng.beta(1.5, 1.5, shape) - 1 for _ in range(2))
    t0t1_s0s1 = rng.uniform(-1.0, 1.0, shape)
    s1t0 = r0 * s0s1 + t0s1_s0 * np.sqrt((1 - r0**2) * (1 - s0s1**2))
    s0t1 = r1 * s0s1 + s0t1_s1 * np.sqrt((1 - r1**2) * (1 - s0s1**2))
    det = 1 - s0s1**2
    explained = (r0 * s0t1 + s1t0 * r1 - s0s1 * (r0 * r1 + s1t0 * s0t1)) / det
    left0 = 1 - (r0**2 + s1t0**2 - 2 * r0 * s1t0 * s0s1) / det
    left1 = 1 - (s0t1**2 + r1**2 - 2 * s0t1 * r1 * s0s1) / det
    t0t1 = explained + t0t1_s0s1 * np.sqrt(np.maximum(left0, 0) * np.maximum(left1, 0))
    return np.stack([r0, r1, s0s1, t0t1, s0t1, s1t0], axis=-1)


def effect_covariance(correlations: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Covariance of (Delta_S, Delta_T) = (S1 - S0, T1 - T0), (..., 2, 2).

    Parameters
    ----------
    correlations : (..., 6)
        As `cross_world`.
    covariance : (..., arm, endpoint, endpoint)
        Its variances are used.
    """
    sd = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    s0, t0 = sd[..., CONTROL, SURROGATE], sd[..., CONTROL, OUTCOME]
    s1, t1 = sd[..., ACTIVE, SURROGATE], sd[..., ACTIVE, OUTCOME]
    r = np.moveaxis(correlations, -1, 0)
    both = s0 * t0 * r[S0T0] + s1 * t1 * r[S1T1] - s0 * t1 * r[S0T1] - s1 * t0 * r[S1T0]
    of_s = s0**2 + s1**2 - 2 * s0 * s1 * r[S0S1]
    of_t = t0**2 + t1**2 - 2 * t0 * t1 * r[T0T1]
    return np.stack([np.stack([of_s, both], -1), np.stack([both, of_t], -1)], -2)


def regression_on_effect(covariance: np.ndarray, gap: np.ndarray, turn: float) -> np.ndarray:
    """g0, g1 of E(Delta_T | Delta_S = s) = g0 + g1 s, (..., 2); `gap` is (alpha, beta), `turn` undoes the turning."""
    varies = (covariance[..., 0, 0] > 0) & (covariance[..., 1, 1] > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(varies, turn * covariance[..., 0, 1] / covariance[..., 0, 0], np.nan)
    return np.stack([gap[..., 1] - slope * gap[..., 0], slope], axis=-1)


def _bridge(good: Arms) -> np.ndarray:
    assert good.cross is not None
    cross = good.cross
    found = good.covariance[:, CONTROL] + good.covariance[:, ACTIVE] - cross - np.swapaxes(cross, -1, -2)
    diagonal = np.diagonal(found, axis1=-2, axis2=-1)
    size = np.diagonal(good.covariance.sum(axis=1), axis1=-2, axis2=-1)
    fixed = diagonal <= 1e-9 * size  # an effect that is the same for everyone, up to rounding
    return np.where(fixed[..., :, None] | fixed[..., None, :], 0.0, found)


def _row(
    name: str, words: str, values: np.ndarray, at_centre: np.ndarray, share: float, level: float
) -> dict[str, object]:
    known = values[np.isfinite(values)]
    tail = (1 - level) / 2
    lower, median, upper = np.quantile(known, [tail, 0.5, 1 - tail]) if len(known) else [np.nan] * 3
    return {
        "assumption": name,
        "meaning": words,
        "median": float(median),
        "lower": float(lower),
        "upper": float(upper),
        "ignorance_lower": float(at_centre.min()) if len(at_centre) else np.nan,
        "ignorance_upper": float(at_centre.max()) if len(at_centre) else np.nan,
        "probability_r2_above_half": float(np.mean(known**2 > 0.5)) if len(known) else np.nan,
        "share": share,
    }
