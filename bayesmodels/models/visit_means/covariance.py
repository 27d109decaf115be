"""Covariance over nominal visits: standard deviations, and correlations from partial autocorrelations.

The partial autocorrelation of visits s < t is their correlation given the visits between them. Unstructured: each has
its own; Toeplitz: one for each lag; AR(1): one at lag 1, zero beyond; compound symmetry with correlation r:
r / (1 + (k - 1) r) at lag k. Visits count by order, not by weeks between them.

Several outcomes: correlation of visits times correlation of outcomes (Kronecker), each outcome and visit with its SD,
or one matrix without structure over outcomes and visits.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atanh
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesmodels.kernels.multivariate_normal.partial_autocorrelation import CorrelationFromPartial, pairs
from bayesmodels.models.visit_means.along_visits import half_normal_along_visits
from bayesmodels.models.visit_means.design import VisitLayout
from bayesmodels.parts.sampling_scale import half_normal

FIRST_LAG = (0.7, 0.5)
"""Prior mean and SD of atanh of a partial autocorrelation at lag 1: correlation .60, 95 % -.27 to .93."""

HIGHER_LAG = (0.0, 0.3)
"""The same at higher lags, and between outcomes in a matrix without structure."""

OUTCOME_SHAPE = 2.0
"""LKJ shape of the correlations of outcomes in a Kronecker product."""

BY_VISIT_SD = ("unstructured", "toeplitz_heterogeneous", "ar1_heterogeneous", "compound_symmetry_heterogeneous")
"""Structures with an SD for each visit."""


@dataclass(frozen=True)
class VisitCovariance:
    """Covariance matrices as tensors, one a block: a single one, or one for each start group.

    Parameters
    ----------
    matrix, correlation : (block, slot, slot)
    sd : (block, slot)
    """

    matrix: Any
    correlation: Any
    sd: Any


def visit_covariance(model: Any, layout: VisitLayout) -> VisitCovariance:
    """Random variables of the covariance in the current PyMC model."""
    blocks = len(layout.groups) if model.covariance_of == "start_group" else 1
    priors = np.array([k.level_sd_prior.sd for k in model.outcomes])
    if model.covariance in BY_VISIT_SD:
        scale = np.broadcast_to(priors[layout.outcome_of], (blocks, layout.slots))
        sd = half_normal_along_visits("slot_sd", layout, scale)
    else:
        sd = pt.dot(half_normal("outcome_sd", priors, (blocks, len(priors))), layout.of_outcome())
    if model.outcomes_jointly == "full" and len(model.outcomes) > 1:
        correlation = _full(layout, blocks)
    else:
        correlation = _visits(model.covariance, len(layout.weeks), blocks)
        if len(model.outcomes) > 1:
            v, k = layout.visit_of, layout.outcome_of
            correlation = correlation[:, v][:, :, v] * _outcomes(len(model.outcomes), blocks)[:, k][:, :, k]
    return VisitCovariance(correlation * sd[:, :, None] * sd[:, None, :], correlation, sd)


def _visits(structure: str, size: int, blocks: int) -> Any:
    """Correlation of the visits (block, visit, visit)."""
    first, second = pairs(size)
    lag = second - first
    kind = structure.removesuffix("_heterogeneous")
    if size == 1:
        return pt.ones((blocks, 1, 1))
    if kind == "unstructured":
        mean, sd = _prior(lag)
        partial = pt.tanh(pm.Normal("partial_atanh", mean, sd, shape=(blocks, len(lag))))
    elif kind == "toeplitz":
        mean, sd = _prior(np.arange(1, size))
        partial = pt.tanh(pm.Normal("partial_atanh", mean, sd, shape=(blocks, size - 1)))[:, lag - 1]
    elif kind == "ar1":
        partial = pt.tanh(pm.Normal("partial_atanh", *FIRST_LAG, shape=(blocks, 1))) * (lag == 1).astype(float)
    else:
        lower = -np.inf if size == 2 else atanh(-1 / (size - 1))
        r = pt.tanh(pm.TruncatedNormal("partial_atanh", *FIRST_LAG, lower=lower, shape=(blocks, 1)))
        partial = r / (1 + (lag - 1) * r)
    return CorrelationFromPartial(size)(partial)


def _prior(lag: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Prior means and SDs of atanh of partial autocorrelations, by lag."""
    return np.where(lag == 1, FIRST_LAG[0], HIGHER_LAG[0]), np.where(lag == 1, FIRST_LAG[1], HIGHER_LAG[1])


def _outcomes(size: int, blocks: int) -> Any:
    """Correlation of the outcomes (block, outcome, outcome), LKJ (Lewandowski, Kurowicka and Joe 2009, section 2.4)."""
    first, second = pairs(size)
    shape = np.broadcast_to(OUTCOME_SHAPE + (size - 1 - (second - first)) / 2, (blocks, len(first)))
    return CorrelationFromPartial(size)(2.0 * pm.Beta("outcome_partial", shape, shape) - 1.0)


def _full(layout: VisitLayout, blocks: int) -> Any:
    """Correlation of all outcomes and visits (block, slot, slot), outcome by outcome."""
    first, second = pairs(layout.slots)
    same = layout.outcome_of[first] == layout.outcome_of[second]
    mean, sd = _prior(np.where(same, second - first, 0))
    partial = pt.tanh(pm.Normal("partial_atanh", mean, sd, shape=(blocks, len(first))))
    return CorrelationFromPartial(layout.slots)(partial)
