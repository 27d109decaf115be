"""Likelihood of trial-level effects, collapsed over the trials' true effects.

A row's two estimates are Normal(mean, D + V): D of true effects between trials, V of the estimates within the trial.
With t random effects D / g takes the place of D, g ~ Gamma(nu / 2, rate nu / 2), and the mixture over g is summed by
the trapezoidal rule in log g: the row's density keeps no latent variable.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from scipy import stats

from bayesmodels.study import TrialTable

KINDS = ("estimate", "left", "right", "none")
"""What is known of an effect, by code: its estimate, that the estimate is below or above a bound, or nothing."""

NODES = 32
"""Points of the mixture over g, equally spaced in log g: the rule converges exponentially, and outliers, which live at
small g, are as well served as the bulk (tested against adaptive quadrature)."""

TAIL = 1e-9
"""Probability of the mixture's g left out at either end."""

SIGNATURE = "(e),(e),(),(e),(),(e)->(e)"


def trial_arrays(table: TrialTable, within_correlation: float) -> dict[str, np.ndarray]:
    """The data of a compiled model, by name: what ``compiled.with_data(...)`` takes for another table.

    Parameters
    ----------
    table : TrialTable
    within_correlation : float
        Of the estimates of rows whose own is blank; 0 where the model has a prior for it.

    Returns
    -------
    dict of str to array
        effect, se, kind (trial, endpoint); correlation (trial,), known of a row's two estimates; blank (trial,), 1
        where it is not known; class_index (trial,). Effects that were not reported are 0 with standard error 1.
    """
    frame = table.rows
    kind = np.stack([[KINDS.index(k) for k in frame[f"{end}_kind"]] for end in ("surrogate", "outcome")], axis=1)
    known = kind < 3
    effect = frame[["surrogate_effect", "outcome_effect"]].to_numpy(float)
    se = frame[["surrogate_se", "outcome_se"]].to_numpy(float)
    own = frame["within_correlation"].to_numpy(float)
    labels = frame["treatment_class"].replace("", "unclassified")
    return {
        "effect": np.where(known, effect, 0.0),
        "se": np.where(known, se, 1.0),
        "kind": kind.astype(float),
        "correlation": np.where(np.isnan(own), within_correlation, own),
        "blank": np.isnan(own).astype(float),
        "class_index": np.array([table.classes.index(label) for label in labels], dtype=np.int64),
    }


def trial_effects(
    name: str,
    observed: Any,
    parameters: tuple[Any, Any, Any, Any, Any, Any],
    *,
    degrees_of_freedom: float | None,
    censored: bool,
    dims: tuple[str, str],
) -> Any:
    """Observed random variable of the estimates; its log density has one number a row.

    Parameters
    ----------
    name : str
    observed : tensor (trial, endpoint)
    parameters : tuple of tensor
        mean (endpoint,) or (trial, endpoint), spread between trials, the same, their correlation () or (trial,),
        standard error (trial, endpoint), correlation within the trial (trial,), kind (trial, endpoint).
    degrees_of_freedom : float, optional
        Of t random effects; None for normal ones.
    censored : bool
        Whether any effect is a bound; spares the graph if not.
    dims : tuple of str
    """
    nodes = None if degrees_of_freedom is None else scale_nodes(degrees_of_freedom)

    def logp(value: Any, *parameters: Any) -> Any:
        if nodes is None:
            return _log_density(value, *parameters, censored=censored)
        at, log_weight = nodes
        mean, spread, se, kind = (parameters[place][..., None, :] for place in (0, 1, 3, 5))
        correlation, within = (parameters[place][..., None] for place in (2, 4))
        scaled = spread / np.sqrt(at)[:, None]
        density = _log_density(value[..., None, :], mean, scaled, correlation, se, within, kind, censored=censored)
        return pt.logsumexp(density + log_weight, axis=-1)

    def random(*parameters: np.ndarray, rng: np.random.Generator, size: Any = None) -> np.ndarray:
        mean, spread, correlation, se, within, _ = parameters
        shape = np.broadcast_shapes(mean.shape, se.shape) if size is None else (*size, se.shape[-1])
        g = 1.0 if degrees_of_freedom is None else rng.gamma(degrees_of_freedom / 2, 2 / degrees_of_freedom, shape[:-1])
        true = _pair(rng, shape, correlation) * spread / np.sqrt(np.asarray(g))[..., None]
        return mean + true + _pair(rng, shape, within) * se

    return pm.CustomDist(
        name, *parameters, logp=logp, random=random, signature=SIGNATURE, observed=observed, dims=dims,
        class_name="TrialEffects",
    )  # fmt: skip


def scale_nodes(degrees_of_freedom: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes g and log weights of Gamma(nu / 2, rate nu / 2), the scale mixture whose marginal is t."""
    gamma = stats.gamma(degrees_of_freedom / 2, scale=2 / degrees_of_freedom)
    at = np.exp(np.linspace(np.log(gamma.ppf(TAIL)), np.log(gamma.isf(TAIL)), NODES))
    weight = at * gamma.pdf(at)  # density of log g
    return at, np.log(weight / weight.sum())


def _log_density(
    value: Any, mean: Any, spread: Any, correlation: Any, se: Any, within: Any, kind: Any, *, censored: bool
) -> Any:
    """Log density of a row: of the endpoint that was estimated, then of the other given it."""
    variance = pt.sqr(spread) + pt.sqr(se)
    covariance = correlation * spread[..., 0] * spread[..., 1] + within * se[..., 0] * se[..., 1]
    error = value - mean
    swap = pt.neq(kind[..., 0], 0)  # the surrogate was not estimated: begin with the outcome
    first, second = (pt.switch(swap, error[..., b], error[..., a]) for a, b in ((0, 1), (1, 0)))
    v1, v2 = (pt.switch(swap, variance[..., b], variance[..., a]) for a, b in ((0, 1), (1, 0)))
    k1, k2 = (pt.switch(swap, kind[..., b], kind[..., a]) for a, b in ((0, 1), (1, 0)))
    slope = pt.switch(pt.eq(k1, 0), covariance / v1, 0.0)
    return _one(first, v1, k1, censored) + _one(second - slope * first, v2 - slope * covariance, k2, censored)


def _one(error: Any, variance: Any, kind: Any, censored: bool) -> Any:
    density = -0.5 * (np.log(2 * np.pi) + pt.log(variance) + pt.sqr(error) / variance)
    known = pt.switch(pt.eq(kind, 0), density, 0.0)
    if not censored:
        return known
    # The estimate is below the bound (left): P(estimate < bound), the bound stands where the estimate would.
    sign = pt.switch(pt.eq(kind, 2), -1.0, 1.0)
    z = sign * error / pt.sqrt(variance)
    low = pt.minimum(z, 0.0)
    tail = pt.log(0.5 * pt.erfcx(-low / np.sqrt(2))) - 0.5 * pt.sqr(low)  # keeps its digits far out
    bulk = pt.log1p(-0.5 * pt.erfc(pt.maximum(z, 0.0) / np.sqrt(2)))
    bound = pt.switch(pt.lt(z, 0), tail, bulk)
    return known + pt.switch(pt.eq(kind, 1) | pt.eq(kind, 2), bound, 0.0)


def _pair(rng: np.random.Generator, shape: tuple[int, ...], correlation: Any) -> np.ndarray:
    """Standard normal pairs (..., endpoint) with a correlation."""
    z = rng.standard_normal(shape)
    r = np.asarray(correlation)[..., None]
    return np.concatenate([z[..., :1], r * z[..., :1] + np.sqrt(1 - r**2) * z[..., 1:]], axis=-1)
