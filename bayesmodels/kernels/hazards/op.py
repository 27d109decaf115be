"""PyTensor Ops over the kernel of exits: log-likelihood by person, and its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt
from numba import types
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from bayesmodels.kernels.compiled import VERSION, array, as_it_is, by_name
from bayesmodels.kernels.hazards.likelihood import exits
from bayesmodels.kernels.value_from_gradient import share_value


@dataclass(frozen=True)
class HazardLayout:
    """What is fixed about the hazards of competing events.

    Parameters
    ----------
    columns : tuple of tuple of bool, (event, column): columns of the baseline's design that the event's hazard has
    uses : tuple of tuple of bool, (event, predictor): predictors that act on the event's hazard
    predictor_of, term_of : tuple of int, one per loading: which basis carries which person term into which predictor
    varying : tuple of bool, one per loading: the basis depends on parameters
    """

    columns: tuple[tuple[bool, ...], ...]
    uses: tuple[tuple[bool, ...], ...]
    predictor_of: tuple[int, ...]
    term_of: tuple[int, ...]
    varying: tuple[bool, ...]

    @property
    def varying_of(self) -> tuple[int, ...]:
        """Place of every loading among those that depend on parameters, or -1."""
        return tuple(sum(self.varying[:m]) if v else -1 for m, v in enumerate(self.varying))


class Exits(NamedTuple):
    """Inputs of the exits' likelihood besides the bases, in the order the Ops take them; shapes as in `exits`."""

    code: Any
    first: Any
    weight: Any
    design: Any
    offset: Any
    covariates: Any
    terms: Any
    coefficient: Any
    gamma: Any
    alpha: Any


_PARAMETERS = slice(6, None)  # of Exits: those with a gradient
_N_PARAMETERS = len(Exits._fields[_PARAMETERS])


_INT = array(1, types.int64)
EXITS = (
    _INT, _INT, array(1), *(array(2) for _ in range(8)), array(2, types.boolean), array(2, types.boolean), _INT, _INT,
    _INT, array(1), types.boolean,
)  # fmt: skip
"""Argument types of `exits`."""


@cache
def evaluation(layout: HazardLayout, with_gradient: bool, jit: Any = as_it_is) -> Any:
    """Function of (by_person, *Exits, basis_0, basis_1 ...) to the kernel's results."""
    n_loadings, n_events = len(layout.predictor_of), len(layout.columns)
    names = ", ".join(f"basis_{m}" for m in range(n_loadings))
    source = f"""
def evaluate(by_person, {", ".join(Exits._fields)}{", " if names else ""}{names}):
    bases = np.zeros(({n_loadings}, weight.shape[0]))
    {"; ".join(f"bases[{m}] = basis_{m}" for m in range(n_loadings)) or "pass"}
    return exits(
        code.astype(np.int64), first.astype(np.int64),
        {", ".join(f"np.ascontiguousarray({name})" for name in Exits._fields[2:])}, bases, columns.copy(), uses.copy(),
        predictor_of.copy(), term_of.copy(), varying_of.copy(), np.ascontiguousarray(by_person), {with_gradient},
    )
"""
    scope = {
        "np": np,
        "exits": exits if jit is as_it_is else by_name(exits, EXITS),
        "columns": np.array(layout.columns, bool).reshape(n_events, -1),
        "uses": np.array(layout.uses, bool).reshape(n_events, -1),
        "predictor_of": np.array(layout.predictor_of, np.int64),
        "term_of": np.array(layout.term_of, np.int64),
        "varying_of": np.array(layout.varying_of, np.int64),
    }
    exec(source, scope)
    return jit(scope["evaluate"])


class ExitsLogp(Op):
    """Log-likelihood of each person's exit, (person,), from `Exits` and bases (point,)."""

    __props__ = ("layout",)

    def __init__(self, layout: HazardLayout) -> None:
        self.layout = layout

    def make_node(self, *inputs: Any) -> Apply:
        """Inputs in the order *Exits, *bases."""
        tensors = [pt.as_tensor_variable(v) for v in inputs]
        return Apply(self, tensors, [pt.vector(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Evaluate in Python, over the same kernel."""
        output_storage[0][0] = evaluation(self.layout, False)(np.ones(len(inputs[0])), *inputs)[0]

    def infer_shape(self, node: Apply, input_shapes: Sequence[Any]) -> list[Any]:
        """One number per person."""
        return [(input_shapes[0][0],)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Data carry no gradient."""
        return [[False]] * _PARAMETERS.start + [[True]] * _N_PARAMETERS + [[v] for v in self.layout.varying]

    def pullback(self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        """Gradient by every parameter and varying basis."""
        _, *gradients = ExitsGradient(self.layout)(*inputs, cotangents[0])
        by_basis = iter(gradients[_N_PARAMETERS:])
        data = [DisconnectedType()() for _ in range(_PARAMETERS.start)]
        varying = (next(by_basis) if v else DisconnectedType()() for v in self.layout.varying)
        return [*data, *gradients[:_N_PARAMETERS], *varying]


class ExitsGradient(Op):
    """The same log-likelihood, then the gradient of its sum weighted by the last input (person,)."""

    __props__ = ("layout",)

    def __init__(self, layout: HazardLayout) -> None:
        self.layout = layout

    def make_node(self, *inputs: Any) -> Apply:
        """Inputs as of `ExitsLogp`, then the weights."""
        tensors = [pt.as_tensor_variable(v) for v in inputs]
        outputs = [pt.vector(dtype="float64")]
        outputs += [pt.matrix(dtype="float64") for _ in range(_N_PARAMETERS)]
        outputs += [pt.vector(dtype="float64") for v in self.layout.varying if v]
        return Apply(self, tensors, outputs)

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Evaluate in Python, over the same kernel."""
        *given, by_person = inputs
        *found, by_basis = evaluation(self.layout, True)(by_person, *given)
        for storage, value in zip(output_storage, [*found, *by_basis], strict=True):
            storage[0] = value

    def infer_shape(self, node: Apply, input_shapes: Sequence[Any]) -> list[Any]:
        """As the inputs they are gradients of."""
        bases = [s for s, v in zip(input_shapes[len(Exits._fields) : -1], self.layout.varying, strict=True) if v]
        return [(input_shapes[0][0],), *input_shapes[_PARAMETERS.start : len(Exits._fields)], *bases]


def _names(layout: HazardLayout) -> str:
    return ", ".join([*Exits._fields, *(f"basis_{m}" for m in range(len(layout.varying)))])


@register_funcify_default_op_cache_key(ExitsLogp)
def _compile_logp(op: Any, node: Apply, **_: Any) -> Any:
    names = _names(op.layout)
    source = f"def logp({names}):\n    return evaluate(np.ones(code.shape[0]), {names})[0]"
    scope = {"evaluate": evaluation(op.layout, False, numba_njit), "np": np}
    exec(source, scope)
    return numba_njit(scope["logp"]), VERSION


@register_funcify_default_op_cache_key(ExitsGradient)
def _compile_gradient(op: Any, node: Apply, **_: Any) -> Any:
    names = _names(op.layout)
    out = [f"found[{r}]" for r in range(1 + _N_PARAMETERS)]
    out += [f"found[{1 + _N_PARAMETERS}][{at}].copy()" for at in op.layout.varying_of if at >= 0]
    source = f"def gradient({names}, weights):\n    found = evaluate(weights, {names})\n    return ({', '.join(out)})"
    scope = {"evaluate": evaluation(op.layout, True, numba_njit)}
    exec(source, scope)
    return numba_njit(scope["gradient"]), VERSION


share_value("exits_value_from_gradient", ExitsLogp, ExitsGradient)
