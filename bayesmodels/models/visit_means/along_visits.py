"""Random variables by visit, independent a priori, sampled on scales on which their posterior hardly correlates.

Data say nearly the same of neighbouring visits: means of visits whose values have correlation .95 have a posterior
correlation of .95. The free variable is therefore x of ``mean + root x``, root the
Cholesky factor of a correlation that falls with the lag; its prior is the one that makes the variables themselves
independent with the stated distributions. No part of the model depends on root.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesmodels.models.visit_means.design import VisitLayout

SAMPLED_AS = 0.9
"""Posterior correlation of neighbouring visits' means for which x is uncorrelated."""

LOG_2PI = float(np.log(2 * np.pi))


def normal_along_visits(name: str, layout: VisitLayout, slots: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> Any:
    """Independent Normal(mean, sd) variables (..., slot); the free variable is `<name>_x`.

    Parameters
    ----------
    name : str
    layout : VisitLayout
    slots : (slot,) int
        Which slots the variables are of.
    mean, sd : (..., slot)
    """

    def log_density(off: Any, sd: Any) -> Any:
        return -0.5 * (off / sd) ** 2 - pt.log(sd) - 0.5 * LOG_2PI

    def random(sd: np.ndarray, z: np.ndarray) -> np.ndarray:
        return sd * z

    return mean + _along(name, visit_root(layout, slots, SAMPLED_AS), sd, log_density, random)


def half_normal_along_visits(name: str, layout: VisitLayout, scale: np.ndarray) -> Any:
    """Independent HalfNormal(scale) variables (..., slot); the free variable `<name>_x` is of their logarithms.

    Log SDs of two visits have the squared correlation of the visits.

    Parameters
    ----------
    name : str
    layout : VisitLayout
    scale : (..., slot)
    """

    def log_density(log_ratio: Any, _: Any) -> Any:
        return np.log(2) - 0.5 * LOG_2PI - 0.5 * pt.exp(2 * log_ratio) + log_ratio

    def random(_: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.log(np.abs(z))

    root = visit_root(layout, np.arange(layout.slots), SAMPLED_AS**2)
    return scale * pt.exp(_along(name, root, scale, log_density, random))


def visit_root(layout: VisitLayout, slots: np.ndarray, correlation: float) -> np.ndarray:
    """Cholesky factor of a correlation to the power of the lag between an outcome's visits; outcomes apart."""
    visit, outcome = layout.visit_of[slots], layout.outcome_of[slots]
    lag = np.abs(visit[:, None] - visit)
    return np.linalg.cholesky(np.where(outcome[:, None] == outcome, correlation**lag, 0.0))


def _along(
    name: str, root: np.ndarray, sd: np.ndarray, log_density: Callable[[Any, Any], Any], random: Callable[..., Any]
) -> Any:
    """Variables v = root x (..., slot) whose entries are independent with a log density of v and sd, x being free."""
    log_volume = float(np.log(np.diag(root)).sum())

    def logp(value: Any, sd: Any) -> Any:
        return log_density(pt.dot(value, root.T), sd).sum(axis=-1) + log_volume

    def draw(sd: np.ndarray, rng: np.random.Generator, size: Any = None) -> np.ndarray:
        shape = np.shape(sd) if size is None else (*size, np.shape(sd)[-1])
        drawn = random(sd, rng.standard_normal(shape))
        return np.linalg.solve(root, drawn[..., None])[..., 0]

    free = pm.CustomDist(
        f"{name}_x", sd, logp=logp, random=draw, signature="(s)->(s)", class_name="AlongVisits",
        support_point=lambda rv, size, sd: pt.zeros_like(sd),
    )  # fmt: skip
    return pt.dot(free, root.T)
