"""Mean over persons of a true value cut at its limits: normal, or skewed in one direction. No gradient.

With Y ~ Normal(m, s^2), a = (low - m) / s and b = (high - m) / s,

    E[clip(Y, low, high)] = m (Phi(b) - Phi(a)) + s (phi(a) - phi(b)) + low Phi(a) + high (1 - Phi(b))

Where one random effect is a function of a standard normal z (`linear_mixed/skewed.py`), Y is normal given z, and the
mean is integrated over z; where persons have covariates, it is averaged over persons.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.tensor.blockwise import Blockwise

from bayesmodels.kernels.compiled import kernel
from bayesmodels.kernels.linear_mixed.skewed import skewed

NODES = np.linspace(-6.0, 6.0, 49)
"""Of z; the trapezium rule."""
SHARES = np.exp(-0.5 * NODES**2) / np.exp(-0.5 * NODES**2).sum()
_ROOT_2, _PHI = math.sqrt(2.0), 1.0 / math.sqrt(2.0 * math.pi)


@kernel(False)
def clipped_mean(m, s, low, high):
    """Mean of a Normal(m, s^2) cut at `low` and `high`, either of which may be infinite."""
    if s <= 0.0:
        return min(max(m, low), high)
    value = m
    if low > -np.inf:
        a = (low - m) / s
        value += s * _PHI * math.exp(-0.5 * a * a) + (low - m) * 0.5 * math.erfc(-a / _ROOT_2)
    if high < np.inf:
        b = (high - m) / s
        value -= s * _PHI * math.exp(-0.5 * b * b) - (high - m) * 0.5 * math.erfc(b / _ROOT_2)
    return value


@kernel(False)
def _means(latent, along_g, along_z, spread, skew, sign, low, high, nodes, shares, out):
    """E[clip] at every (group, stratum or person, week); `spread` the SD given z."""
    groups, cells, weeks = latent.shape
    g = np.empty(nodes.shape[0])
    for j in range(nodes.shape[0]):
        g[j] = skewed(nodes[j], skew, sign)[0]
    for a in range(groups):
        for i in range(cells):
            for w in range(weeks):
                if sign == 0.0:
                    out[a, i, w] = clipped_mean(latent[a, i, w], spread[a, i, w], low, high)
                    continue
                total = 0.0
                for j in range(nodes.shape[0]):
                    at = latent[a, i, w] + along_g[a, i, w] * g[j] + along_z[a, i, w] * nodes[j]
                    total += shares[j] * clipped_mean(at, spread[a, i, w], low, high)
                out[a, i, w] = total


class BoundedMean(Op):
    """Means (group, stratum, week) of the true value cut at its limits.

    Inputs: `latent` mean (group, stratum, week); loadings of the outcome's random terms (term, group, stratum, week),
    the skewed one first; their SDs (stratum, term) and correlations (term, term), of the skewed one's z; variance of
    the random walk (stratum, week); skewness; what covariates add, (group, person, week), without persons where there
    are none; strata of the persons (person,); what they add to the share that a drug removes, (person,), and what a
    share of 1 removes of the loadings, (term, group, week).
    """

    __props__ = ("limits", "sign")

    def __init__(self, limits: tuple[float, float], sign: int) -> None:
        self.limits = limits
        self.sign = sign
        self.gufunc_signature = "(g,s,w),(q,g,s,w),(s,q),(q,q),(s,w),(),(g,n,w),(n),(n),(q,g,w)->(g,s,w)"

    def make_node(self, *inputs: Any) -> Apply:
        """Tensors as of the class."""
        return Apply(self, [pt.as_tensor_variable(v) for v in inputs], [pt.tensor3(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Evaluate in Python."""
        latent, loadings, sd, correlation, walk, skew, offsets, strata, more, removed = (np.asarray(v) for v in inputs)
        n_strata, by_person = latent.shape[1], offsets.shape[1] > 0
        if by_person:
            latent, sd, walk = latent[:, strata] + offsets, sd[strata], walk[strata]
            loadings = loadings[:, :, strata] - removed[:, :, None] * more[:, None]
        scaled = loadings * sd.T[:, None, :, None]
        variance = walk[None] + np.zeros_like(latent)
        along_g = along_z = np.zeros_like(latent)
        if self.sign:
            onto = correlation[1:, 0]
            along_g, along_z = scaled[0], np.einsum("q,qgsw->gsw", onto, scaled[1:])
            scaled, correlation = scaled[1:], correlation[1:, 1:] - np.outer(onto, onto)
        variance += np.einsum("pgsw,pq,qgsw->gsw", scaled, correlation, scaled)
        out = np.empty(latent.shape)
        _means(
            np.ascontiguousarray(latent), np.ascontiguousarray(along_g), along_z, np.sqrt(np.maximum(variance, 0.0)),
            float(skew), float(self.sign), *self.limits, NODES, SHARES, out,
        )  # fmt: skip
        if by_person:
            out = np.stack([out[:, strata == s].mean(axis=1) for s in range(n_strata)], axis=1)
        output_storage[0][0] = out


def bounded_mean(*inputs: Any, limits: tuple[float, float], sign: int) -> Any:
    """Means (..., group, stratum, week) of true values cut at their limits; inputs of `BoundedMean`, batched or not."""
    return Blockwise(BoundedMean(limits, sign))(*(pt.as_tensor_variable(v) for v in inputs))
