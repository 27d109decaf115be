"""A table of trials beside a fit of it: its rows, replicates of them, and the trials' true effects, drawn exactly.

The likelihood is collapsed over true effects, so these are drawn afterwards from their normal distribution given a
posterior draw and the row's estimates. Estimates that are missing or only bounded are drawn first; with t random
effects the row's scale comes before both, from its distribution on a grid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from scipy import special, stats

from bayesmodels.models.trial_level.likelihood import scale_nodes

if TYPE_CHECKING:
    import pymc as pm

    from bayesmodels.study import TrialTable

DIMS = ("trial", "endpoint")
TEXTS = ("programme", "treatment_class", "certainty", "source")
ESTIMATE, LEFT, RIGHT = 0, 1, 2


@dataclass(frozen=True)
class Between:
    """Distribution of the true effects, at every draw and row.

    Attributes
    ----------
    mean, spread : array (draw, row, 2)
    correlation : array (draw, row)
    """

    mean: np.ndarray
    spread: np.ndarray
    correlation: np.ndarray

    @property
    def covariance(self) -> np.ndarray:
        """Between trials, (draw, row, 2, 2)."""
        return _covariance(self.spread, self.correlation)


def trial_summaries(pm_model: pm.Model, data: TrialTable, posterior: xr.Dataset, seed: int) -> dict[str, xr.Dataset]:
    """Rows of a table, replicates of their estimates, and their true effects.

    Parameters
    ----------
    pm_model : pm.Model
        Built on `data` by a `TrialLevelModel`.
    data : TrialTable
    posterior : xr.Dataset
        Published variables, dims (chain, draw, ...).
    seed : int

    Returns
    -------
    dict of str to xr.Dataset
        `observed_summary`: estimate, se, kind (0 estimate, 1 below it, 2 above it, 3 none) by trial and endpoint;
        within_correlation as reported (NaN: it was not), programme, treatment_class, certainty, source by trial.
        `predictive_summary`: estimate of a new trial with the row's standard errors. `trial_terms`: trial_effect, the
        true effects of the row itself.
    """
    if "trials" not in pm_model.named_vars or "trial_mean" not in posterior:
        return {}
    rng = np.random.default_rng(seed)
    estimate, se, kind = (pm_model[name].get_value() for name in ("effect", "se", "kind"))
    known = pm_model["correlation"].get_value()
    blank = pm_model["blank"].get_value() if "blank" in pm_model.named_vars else np.zeros_like(known)
    between = _between(posterior, data)
    draws = between.correlation.shape[0]
    shared = _flat(posterior["within_correlation"])[:, None] if "within_correlation" in posterior else np.zeros((1, 1))
    within = np.broadcast_to(known + blank * shared, (draws, len(known)))
    errors = _covariance(np.broadcast_to(se, (draws, *se.shape)), within)
    nu = float(posterior["trial_degrees_of_freedom"].max()) if "trial_degrees_of_freedom" in posterior else np.inf
    new = between if np.isinf(nu) else _scaled(between, rng.gamma(nu / 2, 2 / nu, between.correlation.shape))
    replicates = _normal(rng, new.mean, new.covariance + errors)
    if np.isfinite(nu):
        between = _scaled(between, _scales(rng, estimate, kind, between, errors, nu))
    effects = true_effects(rng, estimate, kind, between, errors)
    shape = (posterior.sizes["chain"], posterior.sizes["draw"], *estimate.shape)
    coords = {"trial": list(data.trials), "endpoint": list(data.coords["endpoint"])}
    dims = ("chain", "draw", *DIMS)
    observed = {
        "estimate": (DIMS, np.where(kind < 3, estimate, np.nan)),
        "se": (DIMS, np.where(kind < 3, se, np.nan)),
        "kind": (DIMS, kind.astype(int)),
        "within_correlation": ("trial", data.rows["within_correlation"].to_numpy(float)),
        **{name: ("trial", data.rows[name].to_numpy(dtype=str)) for name in TEXTS},
    }
    return {
        "observed_summary": xr.Dataset(observed, coords=coords),
        "predictive_summary": xr.Dataset({"estimate": (dims, replicates.reshape(shape))}, coords=coords),
        "trial_terms": xr.Dataset({"trial_effect": (dims, effects.reshape(shape))}, coords=coords),
    }


def true_effects(
    rng: np.random.Generator, estimate: np.ndarray, kind: np.ndarray, between: Between, errors: np.ndarray
) -> np.ndarray:
    """True effects given estimates, one draw at every posterior draw.

    Parameters
    ----------
    rng : Generator
    estimate, kind : array (row, 2)
    between : Between
    errors : array (draw, row, 2, 2)
        Covariance of the estimates within the trial.

    Returns
    -------
    array (draw, row, 2)
    """
    covariance = between.covariance
    total = covariance + errors
    completed = _completed(rng, estimate, kind, between.mean, total)
    gain = covariance @ np.linalg.inv(total)
    centre = between.mean + np.einsum("djab,djb->dja", gain, completed - between.mean)
    return _normal(rng, centre, covariance - gain @ covariance)


def _completed(
    rng: np.random.Generator, estimate: np.ndarray, kind: np.ndarray, mean: np.ndarray, total: np.ndarray
) -> np.ndarray:
    """Estimates (draw, row, 2), those that are missing or bounded drawn given the other and their bound."""
    full = np.broadcast_to(estimate, mean.shape).copy()
    for end in np.argsort((kind == 3).sum(axis=0)):  # either order is exact: a row lacks one estimate, or has a bound
        other = 1 - end
        rows = np.flatnonzero(kind[:, end] != ESTIMATE)
        if not len(rows):
            continue
        given = (kind[rows, other] == ESTIMATE)[None, :]
        slope = np.where(given, total[:, rows, 0, 1] / total[:, rows, other, other], 0.0)
        centre = mean[:, rows, end] + slope * (full[:, rows, other] - mean[:, rows, other])
        sd = np.sqrt(total[:, rows, end, end] - slope * total[:, rows, 0, 1])
        bound = (estimate[rows, end] - centre) / sd
        low = np.where(kind[rows, end] == RIGHT, bound, -np.inf)
        high = np.where(kind[rows, end] == LEFT, bound, np.inf)
        full[:, rows, end] = centre + sd * stats.truncnorm.rvs(low, high, random_state=rng)
    both = np.flatnonzero((kind != ESTIMATE).all(axis=1))
    for row in both:  # one bound and nothing else: the other estimate follows the bounded one
        end = int(np.argmax(kind[row] == 3))
        other = 1 - end
        slope = total[:, row, 0, 1] / total[:, row, other, other]
        centre = mean[:, row, end] + slope * (full[:, row, other] - mean[:, row, other])
        sd = np.sqrt(total[:, row, end, end] - slope * total[:, row, 0, 1])
        full[:, row, end] = centre + sd * rng.standard_normal(len(centre))
    return full


def _scales(
    rng: np.random.Generator, estimate: np.ndarray, kind: np.ndarray, between: Between, errors: np.ndarray, nu: float
) -> np.ndarray:
    """The rows' g (draw, row) given their estimates, from the quadrature's nodes."""
    nodes, log_weight = scale_nodes(nu)
    density = np.stack([_log_density(estimate, kind, _scaled(between, g), errors) for g in nodes], axis=-1) + log_weight
    cumulative = np.cumsum(np.exp(density - special.logsumexp(density, axis=-1, keepdims=True)), axis=-1)
    chosen = (rng.random(cumulative.shape[:-1])[..., None] > cumulative).sum(axis=-1)
    return nodes[np.minimum(chosen, len(nodes) - 1)]


def _log_density(estimate: np.ndarray, kind: np.ndarray, between: Between, errors: np.ndarray) -> np.ndarray:
    """Log density of the estimates of a row that were given, (draw, row); bounds are left out."""
    total = between.covariance + errors
    error = estimate - between.mean
    one = [-0.5 * (np.log(total[..., e, e]) + error[..., e] ** 2 / total[..., e, e]) for e in (0, 1)]
    slope = total[..., 0, 1] / total[..., 0, 0]
    rest = total[..., 1, 1] - slope * total[..., 0, 1]
    second = -0.5 * (np.log(rest) + (error[..., 1] - slope * error[..., 0]) ** 2 / rest)
    given = kind == ESTIMATE
    return np.where(given.all(axis=1), one[0] + second, np.where(given[:, 0], one[0], np.where(given[:, 1], one[1], 0)))


def _between(posterior: xr.Dataset, data: TrialTable) -> Between:
    if "class_mean" not in posterior:
        mean, spread = (_flat(posterior[name])[:, None, :] for name in ("trial_mean", "trial_sd"))
        correlation = _flat(posterior["trial_correlation"])[:, None]
    else:
        labels = data.rows["treatment_class"].replace("", "unclassified")
        place = [data.classes.index(label) for label in labels]
        mean, spread = (_flat(posterior[name])[:, place] for name in ("class_mean", "class_sd"))
        correlation = _flat(posterior["class_correlation"])[:, place]
    shape = (len(mean), len(data.trials))
    return Between(
        np.broadcast_to(mean, (*shape, 2)), np.broadcast_to(spread, (*shape, 2)), np.broadcast_to(correlation, shape)
    )


def _scaled(between: Between, g: np.ndarray | float) -> Between:
    return replace(between, spread=between.spread / np.sqrt(np.asarray(g))[..., None])


def _covariance(sd: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    off = correlation * sd[..., 0] * sd[..., 1]
    return np.stack([np.stack([sd[..., 0] ** 2, off], -1), np.stack([off, sd[..., 1] ** 2], -1)], -2)


def _normal(rng: np.random.Generator, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Draws of Normal(mean, covariance), (..., 2); a covariance that is singular to rounding is taken as singular."""
    first = np.sqrt(np.maximum(covariance[..., 0, 0], 0.0))
    slope = np.divide(covariance[..., 0, 1], first, out=np.zeros_like(first), where=first > 0)
    second = np.sqrt(np.maximum(covariance[..., 1, 1] - slope**2, 0.0))
    z = rng.standard_normal(mean.shape)
    return mean + np.stack([first * z[..., 0], slope * z[..., 0] + second * z[..., 1]], axis=-1)


def _flat(variable: xr.DataArray) -> np.ndarray:
    values = variable.transpose("chain", "draw", ...).to_numpy()
    return values.reshape((-1, *values.shape[2:]))
