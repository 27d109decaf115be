"""Likelihood of trial-level effects, collapsed over the trials' true effects.

A row's two estimates are Normal(mean, D + V): D of true effects between trials, V of the estimates within the trial.
With t random effects D / g takes the place of D, g ~ Gamma(nu / 2, rate nu / 2), and the mixture over g is summed by
the trapezoidal rule in log g: the row's density keeps no latent variable.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
from scipy import stats

from bayesmodels.kernels.pairs.effects import effect_pairs
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
    dims: tuple[str, str],
) -> Any:
    """Observed random variable of the estimates; its log density has one number per row.

    Parameters
    ----------
    name : str
    observed : tensor (trial, endpoint)
    parameters : tuple of tensor
        mean (endpoint,) or (trial, endpoint), spread between trials, the same, their correlation () or (trial,),
        standard error (trial, endpoint), correlation within the trial (trial,), kind (trial, endpoint).
    degrees_of_freedom : float, optional
        Of t random effects; None for normal ones.
    dims : tuple of str
    """
    g, log_weight = scale_nodes(degrees_of_freedom)

    def logp(value: Any, mean: Any, spread: Any, correlation: Any, se: Any, within: Any, kind: Any) -> Any:
        mean, spread = (x[None] if x.ndim == 1 else x for x in (mean, spread))
        correlation = correlation[None] if correlation.ndim == 0 else correlation
        return effect_pairs(value, mean, spread, correlation, se, within, kind, g, log_weight)

    def random(*parameters: np.ndarray, rng: np.random.Generator, size: Any = None) -> np.ndarray:
        mean, spread, correlation, se, within, _ = parameters
        shape = np.broadcast_shapes(mean.shape, se.shape) if size is None else (*size, se.shape[-1])
        scale = (
            1.0 if degrees_of_freedom is None else rng.gamma(degrees_of_freedom / 2, 2 / degrees_of_freedom, shape[:-1])
        )
        true = _pair(rng, shape, correlation) * spread / np.sqrt(np.asarray(scale))[..., None]
        return mean + true + _pair(rng, shape, within) * se

    return pm.CustomDist(
        name, *parameters, logp=logp, random=random, signature=SIGNATURE, observed=observed, dims=dims,
        class_name="TrialEffects",
    )  # fmt: skip


def scale_nodes(degrees_of_freedom: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Nodes g and log weights of Gamma(nu / 2, rate nu / 2), the scale mixture whose marginal is t; None: g = 1."""
    if degrees_of_freedom is None:
        return np.ones(1), np.zeros(1)
    gamma = stats.gamma(degrees_of_freedom / 2, scale=2 / degrees_of_freedom)
    at = np.exp(np.linspace(np.log(gamma.ppf(TAIL)), np.log(gamma.isf(TAIL)), NODES))
    weight = at * gamma.pdf(at)  # density of log g
    return at, np.log(weight / weight.sum())


def _pair(rng: np.random.Generator, shape: tuple[int, ...], correlation: Any) -> np.ndarray:
    """Standard normal pairs (..., endpoint) with a correlation."""
    z = rng.standard_normal(shape)
    r = np.asarray(correlation)[..., None]
    return np.concatenate([z[..., :1], r * z[..., :1] + np.sqrt(1 - r**2) * z[..., 1:]], axis=-1)
