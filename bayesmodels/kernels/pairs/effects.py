"""Log density of pairs of estimates with error about correlated true values, and its gradient, pair by pair.

Pair j: value ~ Normal(mean, D + V), D from the spreads of the true values and their correlation, V from the standard
errors and the correlation within the pair. The true values may be a scale mixture of normals: D / g with weights over a
few g. Either value may be unknown, one may be a bound of the value that would have been found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from bayesmodels.kernels.compiled import VERSION, kernel

KNOWN, BELOW, ABOVE, UNKNOWN = 0, 1, 2, 3
"""Codes of what a value is: itself, a bound that it lies below or above, nothing."""

LOG_TWO_PI = math.log(2 * math.pi)
FAR = -30.0
"""Below this many SDs the normal tail is taken from its asymptotic series, exact there to ten digits."""


@kernel(False)
def _log_tail(z):
    """Logarithm of the standard normal CDF, and its derivative."""
    if z > FAR:
        probability = 0.5 * math.erfc(-z / math.sqrt(2.0))
        return math.log(probability), math.exp(-0.5 * (z * z + LOG_TWO_PI)) / probability
    series = 1.0 - 1.0 / z**2 + 3.0 / z**4 - 15.0 / z**6
    return -0.5 * (z * z + LOG_TWO_PI) - math.log(-z) + math.log(series), -z / series


@kernel(False)
def _pair(e, v, c, kind, out):
    """Log density of one pair; `out` gets the derivatives by mean 1, mean 2, variance 1, variance 2, covariance.

    e, v (2,): errors about the mean and total variances; c: total covariance.
    """
    out[:] = 0.0
    if kind[0] == KNOWN and kind[1] == KNOWN:
        det = v[0] * v[1] - c * c
        a, b = (v[1] * e[0] - c * e[1]) / det, (v[0] * e[1] - c * e[0]) / det
        out[0], out[1] = a, b
        out[2], out[3], out[4] = 0.5 * (a * a - v[1] / det), 0.5 * (b * b - v[0] / det), a * b + c / det
        return -LOG_TWO_PI - 0.5 * math.log(det) - 0.5 * (e[0] * a + e[1] * b)
    first = 0 if kind[0] == KNOWN else 1
    second = 1 - first
    density, slope, residual, rest = 0.0, 0.0, e[second], v[second]
    given = kind[first] == KNOWN
    if given:
        density = -0.5 * (LOG_TWO_PI + math.log(v[first]) + e[first] ** 2 / v[first])
        out[first] = e[first] / v[first]
        out[2 + first] = 0.5 * (e[first] ** 2 / v[first] - 1.0) / v[first]
        slope = c / v[first]
        residual, rest = e[second] - slope * e[first], v[second] - slope * c
    for end in range(2):  # a bound, given the other value if that is known
        if kind[end] != BELOW and kind[end] != ABOVE:
            continue
        if not given:
            residual, rest = e[end], v[end]
        sign = 1.0 if kind[end] == BELOW else -1.0
        z = sign * residual / math.sqrt(rest)
        log_tail, mills = _log_tail(z)
        density += log_tail
        by_residual, by_rest = mills * sign / math.sqrt(rest), -0.5 * mills * z / rest
        out[end] -= by_residual
        out[2 + end] += by_rest
        if given:
            out[first] += slope * by_residual
            out[2 + first] += slope / v[first] * e[first] * by_residual + slope * slope * by_rest
            out[4] -= e[first] / v[first] * by_residual + 2.0 * slope * by_rest
    return density


@kernel(False)
def _evaluate(value, mean, spread, correlation, se, within, kind, g, log_weight):
    """Log density (pair,) and its derivatives by mean, spread (pair, 2), correlation and within (pair,)."""
    n, nodes = value.shape[0], len(g)
    density = np.empty(n)
    by_mean, by_spread = np.zeros((n, 2)), np.zeros((n, 2))
    by_correlation, by_within = np.zeros(n), np.zeros(n)
    log_density, derivatives = np.empty(nodes), np.empty((nodes, 5))
    e, v = np.empty(2), np.empty(2)
    for j in range(n):
        m, s = min(j, mean.shape[0] - 1), min(j, spread.shape[0] - 1)
        r, w = correlation[min(j, len(correlation) - 1)], within[j]
        product, errors = spread[s, 0] * spread[s, 1], se[j, 0] * se[j, 1]
        e[0], e[1] = value[j, 0] - mean[m, 0], value[j, 1] - mean[m, 1]
        for k in range(nodes):
            v[0], v[1] = spread[s, 0] ** 2 / g[k] + se[j, 0] ** 2, spread[s, 1] ** 2 / g[k] + se[j, 1] ** 2
            covariance = r * product / g[k] + w * errors
            log_density[k] = log_weight[k] + _pair(e, v, covariance, kind[j], derivatives[k])
        top = log_density.max()
        total = 0.0
        for k in range(nodes):
            total += math.exp(log_density[k] - top)
        density[j] = top + math.log(total)
        for k in range(nodes):
            d, share = derivatives[k], math.exp(log_density[k] - density[j])
            for end in range(2):
                by_mean[j, end] += share * d[end]
                cross = r * spread[s, 1 - end] * d[4]
                by_spread[j, end] += share * (2.0 * spread[s, end] * d[2 + end] + cross) / g[k]
            by_correlation[j] += share * product * d[4] / g[k]
            by_within[j] += share * errors * d[4]
    return density, by_mean, by_spread, by_correlation, by_within


@kernel(False)
def _density(value, mean, spread, correlation, se, within, kind, g, log_weight):
    return _evaluate(value, mean, spread, correlation, se, within, kind, g, log_weight)[0]


@kernel(False)
def _weighted(weight, value, mean, spread, correlation, se, within, kind, g, log_weight):
    """Derivatives of the weighted sum of densities, in the shapes of mean, spread, correlation and within."""
    _, m, s, r, w = _evaluate(value, mean, spread, correlation, se, within, kind, g, log_weight)
    by_mean, by_spread = np.zeros(mean.shape), np.zeros(spread.shape)
    by_correlation, by_within = np.zeros(correlation.shape), np.empty(len(w))
    for j in range(len(w)):
        for end in range(2):
            by_mean[min(j, len(by_mean) - 1), end] += weight[j] * m[j, end]
            by_spread[min(j, len(by_spread) - 1), end] += weight[j] * s[j, end]
        by_correlation[min(j, len(by_correlation) - 1)] += weight[j] * r[j]
        by_within[j] = weight[j] * w[j]
    return by_mean, by_spread, by_correlation, by_within


class EffectPairs(Op):
    """Log density (pair,) of value (pair, 2).

    Inputs: value, mean (1 or pair, 2), spread (1 or pair, 2), correlation (1 or pair,), se (pair, 2), within (pair,),
    kind (pair, 2), the mixture's g and log weight (node,).
    """

    __props__ = ()
    gufunc_signature = "(n,e),(m,e),(s,e),(r),(n,e),(n),(n,e),(g),(g)->(n)"

    def make_node(self, *inputs: Any) -> Apply:
        """Floats all."""
        return Apply(self, [pt.as_tensor_variable(x) for x in inputs], [pt.vector(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Evaluate in Python, over the same kernel."""
        output_storage[0][0] = _density(*(np.ascontiguousarray(x, float) for x in inputs))

    def infer_shape(self, node: Apply, input_shapes: Sequence[Any]) -> list[Any]:
        """One number per pair."""
        return [(input_shapes[0][0],)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Mean, spread, correlation and the correlation within carry a gradient."""
        return [[place in (1, 2, 3, 5)] for place in range(len(node.inputs))]

    def pullback(self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        """By the kernel's own derivatives."""
        by = EffectPairsGradient()(cotangents[0], *inputs)
        none = DisconnectedType()
        return [none(), by[0], by[1], by[2], none(), by[3], none(), none(), none()]


class EffectPairsGradient(Op):
    """Derivatives of a weighted sum of densities by mean, spread, correlation and within. No gradient."""

    __props__ = ()
    gufunc_signature = "(n),(n,e),(m,e),(s,e),(r),(n,e),(n),(n,e),(g),(g)->(m,e),(s,e),(r),(n)"

    def make_node(self, *inputs: Any) -> Apply:
        """The weight (pair,), then the inputs of `EffectPairs`."""
        outputs = [pt.matrix(dtype="float64"), pt.matrix(dtype="float64"), pt.vector(dtype="float64")]
        return Apply(self, [pt.as_tensor_variable(x) for x in inputs], [*outputs, pt.vector(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Evaluate in Python, over the same kernel."""
        for storage, value in zip(
            output_storage, _weighted(*(np.ascontiguousarray(x, float) for x in inputs)), strict=True
        ):
            storage[0] = value

    def infer_shape(self, node: Apply, input_shapes: Sequence[Any]) -> list[Any]:
        """As the parameters."""
        return [input_shapes[2], input_shapes[3], input_shapes[4], input_shapes[6]]


@register_funcify_default_op_cache_key(EffectPairs)
def _compile_density(op: Any, node: Apply, **_: Any) -> Any:
    @numba_njit
    def density(value, mean, spread, correlation, se, within, kind, g, log_weight):
        return _density(
            np.ascontiguousarray(value), np.ascontiguousarray(mean), np.ascontiguousarray(spread),
            np.ascontiguousarray(correlation), np.ascontiguousarray(se), np.ascontiguousarray(within),
            np.ascontiguousarray(kind), np.ascontiguousarray(g), np.ascontiguousarray(log_weight),
        )  # fmt: skip

    return density, VERSION


@register_funcify_default_op_cache_key(EffectPairsGradient)
def _compile_gradient(op: Any, node: Apply, **_: Any) -> Any:
    @numba_njit
    def weighted(weight, value, mean, spread, correlation, se, within, kind, g, log_weight):
        return _weighted(
            np.ascontiguousarray(weight), np.ascontiguousarray(value), np.ascontiguousarray(mean),
            np.ascontiguousarray(spread), np.ascontiguousarray(correlation), np.ascontiguousarray(se),
            np.ascontiguousarray(within), np.ascontiguousarray(kind), np.ascontiguousarray(g),
            np.ascontiguousarray(log_weight),
        )  # fmt: skip

    return weighted, VERSION


effect_pairs = EffectPairs()
