"""Parameters of a model of published means that make its likelihood largest."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import optimize

from bayesmodels.demo.valor import means_log_likelihood
from bayesmodels.models.published_means.layout import arms_of
from bayesmodels.models.published_means.model import PublishedMeansModel
from bayesmodels.parts.priors import LogNormal
from bayesmodels.study.means import MeansTable

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Maximum:
    """Largest log-likelihood, and where: free parameters by name, shape (1,) or (stratum,)."""

    log_likelihood: float
    parameters: dict[str, Array]


def maximum_likelihood(model: PublishedMeansModel, data: MeansTable) -> Maximum:
    """Largest log-likelihood over the free parameters, from the prior's medians (positive ones in logs)."""
    arms = arms_of(data)
    parameters = [p for outcome in model.outcomes for p in outcome.parameters()]
    logged = [isinstance(p.prior, LogNormal) for p in parameters]
    centre = [np.median(p.draws(arms.strata, 2001, np.random.default_rng(0)), axis=0).ravel() for p in parameters]
    start = [np.log(c) if log else c for c, log in zip(centre, logged, strict=True)]
    edges = np.cumsum([0, *(len(part) for part in start)])

    def unpacked(point: Array) -> dict[str, Array]:
        parts = [point[a:b] for a, b in pairwise(edges)]
        return {
            p.name: np.exp(np.clip(part, -20, 20)) if log else part
            for p, part, log in zip(parameters, parts, logged, strict=True)
        }

    def loss(point: Array) -> float:
        values = {name: part[None, :] for name, part in unpacked(point).items()}
        return -float(means_log_likelihood(model, data, values)[0])

    point = np.concatenate(start)
    for _ in range(3):  # the lag has kinks at the visits: simplex search, restarted
        found = optimize.minimize(loss, point, method="Nelder-Mead", options={"maxfev": 4000, "fatol": 1e-6})
        point = found.x
    return Maximum(-float(found.fun), unpacked(found.x))
