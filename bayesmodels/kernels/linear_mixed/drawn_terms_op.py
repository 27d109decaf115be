"""PyTensor Ops of a linear mixed model that also draw the random effects given y, from standard normal numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from bayesmodels.kernels.compiled import VERSION
from bayesmodels.kernels.linear_mixed.op import (
    N_PARAMETERS,
    NDIM,
    PARAMETERS,
    Inputs,
    Layout,
    evaluation,
    in_python,
    unpacked,
    unpacking_source,
)
from bayesmodels.kernels.linear_mixed.packing import unpack

_BY_Z, _TERMS = 2 + N_PARAMETERS, 3 + N_PARAMETERS  # of the kernel's results


class LinearMixedTerms(Op):
    """Log-likelihood of each person, (person,), and the person's random effects at z, (person, term + q).

    Inputs y (person, slot), z (person, q), `Inputs` and bases (slot, person). The second output holds the terms
    (means and deviations), then the deviations of the random ones. With z standard normal they are draws given y; with
    a skewed term the log-likelihood is that of y and z against standard normal z (`drawn_skewed.py`), by whose weights
    they are.
    """

    __props__ = ("layout",)

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def make_node(self, y: Any, z: Any, *inputs: Any) -> Apply:
        """Inputs in the order y, z, *Inputs, *bases."""
        tensors = [pt.as_tensor_variable(v) for v in (y, z, *inputs)]
        return Apply(self, tensors, [pt.vector(dtype="float64"), pt.matrix(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Evaluate in Python, over the same kernel."""
        y, z, *rest = inputs
        _, results = in_python(self.layout, False, True)(y, np.ones(len(y)), z, np.zeros((len(y), 0)), *rest)
        output_storage[0][0], output_storage[1][0] = results[0], results[_TERMS]

    def infer_shape(self, node: Apply, input_shapes: Sequence[Any]) -> list[Any]:
        """One number per person; one row per person."""
        y, z = input_shapes[:2]
        return [(y[0],), (y[0], self.layout.n_terms + z[1])]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Data carry no gradient."""
        data = [[False, False]] * PARAMETERS.start
        varying = [[v, v] for v in self.layout.varying]
        return [[False, False], [bool(self.layout.skewed), True], *data, *([[True, True]] * N_PARAMETERS), *varying]

    def pullback(self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        """Gradient by z, every parameter and every varying basis."""
        weight, by_terms = cotangents
        if isinstance(by_terms.type, DisconnectedType):
            by_terms = pt.zeros_like(outputs[1])
        terms_only = isinstance(weight.type, DisconnectedType)
        if terms_only:
            weight = pt.ones_like(outputs[0])
        gradients = list(LinearMixedTermsGradient(self.layout)(*inputs, weight, by_terms))
        if terms_only:  # the kernel divides by the weight, so a weight of one is used and taken off again
            own = LinearMixedTermsGradient(self.layout)(*inputs, weight, pt.zeros_like(by_terms))
            gradients = [both - one for both, one in zip(gradients, own, strict=True)]
        by_basis = iter(gradients[1 + N_PARAMETERS :])
        data = [DisconnectedType()() for _ in range(PARAMETERS.start)]
        varying = (next(by_basis) if v else DisconnectedType()() for v in self.layout.varying)
        return [DisconnectedType()(), gradients[0], *data, *gradients[1 : 1 + N_PARAMETERS], *varying]


class LinearMixedTermsGradient(Op):
    """Gradient of (log-likelihood weighted by `weight`) + (terms weighted by `by_terms`), the last two inputs.

    Outputs: by z, by every parameter, by every varying basis. A person of weight zero keeps no gradient.
    """

    __props__ = ("layout",)

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def make_node(self, *inputs: Any) -> Apply:
        """Inputs as of `LinearMixedTerms`, then weight (person,) and by_terms (person, term + q)."""
        tensors = [pt.as_tensor_variable(v) for v in inputs]
        outputs = [pt.matrix(dtype="float64")]
        outputs += [pt.tensor(dtype="float64", shape=(None,) * d) for d in NDIM[PARAMETERS]]
        outputs += [pt.matrix(dtype="float64") for v in self.layout.varying if v]
        return Apply(self, tensors, outputs)

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Evaluate in Python, over the same kernel."""
        y, z, *rest, weight, by_terms = inputs
        order, results = in_python(self.layout, True, True)(y, weight, z, by_terms, *rest)
        by_basis = unpacked(self.layout, order, results, rest[len(NDIM) :])
        found = [results[_BY_Z], *results[1 : 1 + N_PARAMETERS], *by_basis]
        for storage, value in zip(output_storage, found, strict=True):
            storage[0] = value

    def infer_shape(self, node: Apply, input_shapes: Sequence[Any]) -> list[Any]:
        """As the inputs they are gradients of."""
        z = input_shapes[1]
        parameters = input_shapes[2 + PARAMETERS.start : 2 + len(NDIM)]
        bases = [s for s, v in zip(input_shapes[2 + len(NDIM) : -2], self.layout.varying, strict=True) if v]
        return [z, *parameters, *bases]


def _names(layout: Layout) -> str:
    return ", ".join([*Inputs._fields, *(f"basis_{m}" for m in range(len(layout.varying)))])


@register_funcify_default_op_cache_key(LinearMixedTerms)
def _compile_terms(op: Any, node: Apply, **_: Any) -> Any:
    names = _names(op.layout)
    source = f"""
def terms(y, z, {names}):
    order, results = evaluate(y, np.ones(y.shape[0]), z, np.zeros((y.shape[0], 0)), {names})
    return results[0], results[{_TERMS}]
"""
    scope = {"evaluate": evaluation(op.layout, False, numba_njit, drawing=True), "np": np}
    exec(source, scope)
    return numba_njit(scope["terms"]), VERSION


@register_funcify_default_op_cache_key(LinearMixedTermsGradient)
def _compile_gradient(op: Any, node: Apply, **_: Any) -> Any:
    names = _names(op.layout)
    unpacking, out = unpacking_source(op.layout)
    source = f"""
def gradient(y, z, {names}, weight, by_terms):
    order, results = evaluate(y, weight, z, by_terms, {names})
    {unpacking}
    return ({", ".join([f"results[{_BY_Z}]", *(f"results[{r}]" for r in range(1, 1 + N_PARAMETERS)), *out])})
"""
    scope = {"evaluate": evaluation(op.layout, True, numba_njit, drawing=True), "unpack": unpack, "np": np}
    exec(source, scope)
    return numba_njit(scope["gradient"]), VERSION
