"""PyTensor Ops over the linear mixed model kernel: log-likelihood by person, and its gradient."""

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
from bayesmodels.kernels.linear_mixed.likelihood import marginal
from bayesmodels.kernels.linear_mixed.packing import (
    LANES,
    by_slot,
    by_visits,
    in_order_of_time,
    most_visits,
    pack,
    pack_in_order,
    unpack,
)
from bayesmodels.kernels.value_from_gradient import share_value


@dataclass(frozen=True)
class Layout:
    """What is fixed about a linear mixed model: which basis carries which term into which outcome.

    Parameters
    ----------
    outcome_of, term_of : tuple of int, one per loading, sorted by outcome
    random_terms : tuple of int, terms that vary between persons, in the order of the person SDs
    shifting_terms : tuple of int, terms whose mean differs between start groups, in the order of `shift`
    varying : tuple of bool, one per loading: the basis depends on parameters
    n_terms : int
    random_walks : tuple of int, outcomes with a Brownian path about each person's course
    correlated_walks : bool, whether the paths of a person's outcomes are correlated
    skewed : {-1, 0, 1}, direction of the first random term's long tail; 0: it is normal
    """

    outcome_of: tuple[int, ...]
    term_of: tuple[int, ...]
    random_terms: tuple[int, ...]
    shifting_terms: tuple[int, ...]
    varying: tuple[bool, ...]
    n_terms: int
    random_walks: tuple[int, ...] = ()
    correlated_walks: bool = False
    skewed: int = 0

    def __post_init__(self) -> None:
        pairs = list(zip(self.outcome_of, self.term_of, strict=True))
        if list(self.outcome_of) != sorted(self.outcome_of) or len(set(pairs)) != len(pairs):
            raise ValueError("loadings are sorted by outcome and carry a term into an outcome once")
        if set(self.outcome_of) != set(range(max(self.outcome_of) + 1)):
            raise ValueError("every outcome has a loading")
        if self.skewed and not self.random_terms:
            raise ValueError("a skewed term is the first of the random terms")

    @property
    def shifting(self) -> tuple[int, ...]:
        """Row of `shift` for every term, or -1."""
        return tuple(self.shifting_terms.index(p) if p in self.shifting_terms else -1 for p in range(self.n_terms))

    @property
    def n_outcomes(self) -> int:
        """Outcomes, numbered from 0."""
        return max(self.outcome_of) + 1

    @property
    def varying_of(self) -> tuple[int, ...]:
        """Place of every loading among those that depend on parameters, or -1."""
        return tuple(sum(self.varying[:m]) if v else -1 for m, v in enumerate(self.varying))


class Inputs(NamedTuple):
    """Inputs of the likelihood besides y and the bases, in the order the Ops take them.

    elapsed (person, slot), months since the visit before or since randomisation; count (person, outcome),
    stratum (person,), group (person,): int; covariates (person, covariate); mean (term, stratum); shift (shifting term,
    group); slope (covariate, term); sd (stratum or 1, random term); partial (q (q - 1) / 2,); sigma, random_walk
    (stratum or 1, outcome); walk_partial (w (w - 1) / 2,), partial correlations of the w outcomes with a random walk;
    decay (outcome,), 1 / the months in which a walk's steps shrink to 1 / e, 0 for steps of one size; skew (1,), of the
    first random term.
    """

    elapsed: Any
    count: Any
    stratum: Any
    group: Any
    covariates: Any
    mean: Any
    shift: Any
    slope: Any
    sd: Any
    partial: Any
    sigma: Any
    random_walk: Any
    walk_partial: Any
    decay: Any
    skew: Any


NDIM = Inputs(2, 2, 1, 1, 2, 2, 2, 2, 2, 1, 2, 2, 1, 1, 1)
PARAMETERS = slice(5, None)
"""Of `Inputs`: those with a gradient."""
N_PARAMETERS = len(NDIM[PARAMETERS])


_INT, _BOOL, _ONE, _TWO = array(1, types.int64), array(1, types.boolean), array(1), array(2)
MARGINAL = (
    _INT, array(3), array(4), array(3), array(4), _INT, array(2, types.int64), _INT, _INT, _TWO, _TWO, _TWO, _TWO, _TWO,
    _ONE, _TWO, _TWO, _ONE, _ONE, _ONE, _INT, _INT, _INT, _INT, _BOOL, _INT, types.float64, _ONE, _TWO, _TWO,
    types.boolean, types.boolean,
)  # fmt: skip
"""Argument types of `marginal`."""


def evaluation(layout: Layout, with_gradient: bool, jit: Any = as_it_is, *, drawing: bool = False) -> Any:
    """Function of (y, weight, z, by_terms, *Inputs, basis_0 ...) to the order of persons in the kernel and its results.

    `z` and `by_terms` as in `marginal`, without columns unless `drawing`.

    Written out with one argument per basis, since in compiled code data and computed bases differ in type. Arguments
    are copied, so that the kernel is compiled for one set of types.
    """
    n_loadings = len(layout.outcome_of)
    integers = ("count", "stratum", "group")
    copied = ", ".join(
        f"{name}.astype(np.int64)" if name in integers else f"{name}.copy()" for name in Inputs._fields[1:]
    )
    names = ", ".join(f"basis_{m}" for m in range(n_loadings))
    source = f"""
def evaluate(y, weight, z, by_terms, {", ".join(Inputs._fields)}, {names}):
    blocks = max(1, -(-y.shape[0] // LANES))
    first_slot, widest = np.zeros(n_outcomes + 1, np.int64), 0
    {"; ".join(f"first_slot[{k + 1}] = basis_{m}.shape[0]" for m, k in enumerate(layout.outcome_of))}
    for k in range(n_outcomes):
        widest = max(widest, first_slot[k + 1])
        first_slot[k + 1] += first_slot[k]
    packed_y = np.zeros((blocks, 1, y.shape[1], LANES))
    visits = count.astype(np.int64)
    order = by_visits(visits)
    packed_elapsed = np.zeros((blocks, 1, y.shape[1], LANES))
    {_packed_in_order(layout) if layout.correlated_walks else _packed_by_outcome(layout)}
    results = marginal(
        order, packed_y.reshape((blocks, y.shape[1], LANES)), packed,
        packed_elapsed.reshape((blocks, y.shape[1], LANES)), seen, first_slot, {copied},
        outcome_of.copy(), term_of.copy(), random_terms.copy(), shifting.copy(), random_walks.copy(), varying_of.copy(),
        sign, weight.copy(), z.copy(), by_terms.copy(), {with_gradient}, {drawing},
    )
    {_gradient_by_slot(layout) if layout.correlated_walks and with_gradient else "pass"}
    return order, results
"""
    scope = {
        "np": np,
        "pack": pack,
        "in_order_of_time": in_order_of_time,
        "pack_in_order": pack_in_order,
        "by_slot": by_slot,
        "by_visits": by_visits,
        "most_visits": most_visits,
        "marginal": marginal if jit is as_it_is else by_name(marginal, MARGINAL),
        "LANES": LANES,
        "n_outcomes": layout.n_outcomes,
        "outcome_of": np.array(layout.outcome_of),
        "term_of": np.array(layout.term_of),
        "random_terms": np.array(layout.random_terms, np.int64),
        "shifting": np.array(layout.shifting),
        "random_walks": np.isin(np.arange(layout.n_outcomes), layout.random_walks),
        "varying_of": np.array(layout.varying_of),
        "sign": float(layout.skewed),
    }
    exec(source, scope)
    return jit(scope["evaluate"])


def _packed_by_outcome(layout: Layout) -> str:
    """Source that packs visits and bases by outcome."""
    loadings = enumerate(layout.outcome_of)
    return f"""
    seen = np.zeros((blocks, 0, 0, LANES))
    filled = most_visits(visits, order, blocks)
    packed = np.zeros((blocks, {len(layout.outcome_of)}, widest, LANES))
    {"; ".join(f"pack(basis_{m}, order, filled[{k}], packed, {m}, 0)" for m, k in loadings)}
    for k in range(n_outcomes):
        pack(y.T, order, filled[k], packed_y, 0, first_slot[k])
        {"pack(elapsed.T, order, filled[k], packed_elapsed, 0, first_slot[k])" if layout.random_walks else "pass"}"""


def _packed_in_order(layout: Layout) -> str:
    """Source that packs visits and bases of all outcomes in order of time."""
    loadings = enumerate(layout.outcome_of)
    return f"""
    place, since = np.empty(y.shape, np.int64), np.empty((y.shape[1], y.shape[0]))
    in_order_of_time(elapsed, visits, first_slot, place, since)
    seen = np.zeros((blocks, n_outcomes, y.shape[1], LANES))
    packed = np.zeros((blocks, {len(layout.outcome_of)}, y.shape[1], LANES))
    {"; ".join(f"pack_in_order(basis_{m}, order, place, first_slot[{k}], packed, {m})" for m, k in loadings)}
    pack(since, order, np.full(blocks, y.shape[1]), packed_elapsed, 0, 0)
    for k in range(n_outcomes):
        own = y.T[first_slot[k] : first_slot[k + 1]]
        pack_in_order(own, order, place, first_slot[k], packed_y, 0)
        pack_in_order(np.ones(own.shape), order, place, first_slot[k], seen, k)"""


def _gradient_by_slot(layout: Layout) -> str:
    """Source that brings the gradient by varying bases from the order of time into the slots of their outcomes."""
    varying = [(at, k) for at, k in zip(layout.varying_of, layout.outcome_of, strict=True) if at >= 0]
    d_bases = f"results[{1 + N_PARAMETERS}]"
    lines = [f"by_slot({d_bases}, order, place, first_slot[{k}], first_slot[{k + 1}], {at})" for at, k in varying]
    return "; ".join(lines) or "pass"


@cache
def in_python(layout: Layout, with_gradient: bool, drawing: bool = False) -> Any:
    """`evaluation`, made once per layout: called at every draw of a Python-linked graph."""
    return evaluation(layout, with_gradient, drawing=drawing)


def no_terms(y: Any) -> Any:
    """`z` and `by_terms` of an evaluation that draws no terms."""
    return np.zeros((y.shape[0], 0)), np.zeros((y.shape[0], 0))


def unpacked(layout: Layout, order: Any, results: Any, bases: Sequence[Any]) -> list[np.ndarray]:
    """Gradient by each varying basis, (slot, person), from the results of an evaluation with gradient."""
    by_basis = []
    for at, basis in zip(layout.varying_of, bases, strict=True):
        if at >= 0:
            out = np.empty(basis.shape)
            unpack(results[1 + N_PARAMETERS], order, at, out)
            by_basis.append(out)
    return by_basis


class LinearMixedLogp(Op):
    """Log-likelihood of each person, shape (person,), from y (person, slot), `Inputs` and bases (slot, person)."""

    __props__ = ("layout",)

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def make_node(self, y: Any, *inputs: Any) -> Apply:
        """Inputs in the order y, *Inputs, *bases."""
        tensors = [pt.as_tensor_variable(v) for v in (y, *inputs)]
        return Apply(self, tensors, [pt.vector(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Evaluate in Python, over the same kernel."""
        y, *rest = inputs
        output_storage[0][0] = in_python(self.layout, False)(y, np.ones(len(y)), *no_terms(y), *rest)[1][0]

    def infer_shape(self, node: Apply, input_shapes: Sequence[Any]) -> list[Any]:
        """One number per person."""
        return [(input_shapes[0][0],)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Data carry no gradient."""
        data = [[False]] * (1 + PARAMETERS.start)
        return data + [[True]] * N_PARAMETERS + [[v] for v in self.layout.varying]

    def pullback(self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        """Gradient by every parameter and varying basis."""
        _, *gradients = LinearMixedGradient(self.layout)(*inputs, cotangents[0])
        parameters = gradients[:N_PARAMETERS]
        by_basis = iter(gradients[len(parameters) :])
        data = [DisconnectedType()() for _ in range(1 + PARAMETERS.start)]
        return [*data, *parameters, *(next(by_basis) if v else DisconnectedType()() for v in self.layout.varying)]


class LinearMixedGradient(Op):
    """The same log-likelihood, then the gradient of its sum weighted by the last input (person,)."""

    __props__ = ("layout",)

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def make_node(self, *inputs: Any) -> Apply:
        """Inputs as of `LinearMixedLogp`, then the weights."""
        tensors = [pt.as_tensor_variable(v) for v in inputs]
        bases = tensors[1 + len(NDIM) : -1]
        outputs = [pt.vector(dtype="float64")]
        outputs += [pt.tensor(dtype="float64", shape=(None,) * d) for d in NDIM[PARAMETERS]]
        outputs += [pt.matrix(dtype="float64") for _, v in zip(bases, self.layout.varying, strict=True) if v]
        return Apply(self, tensors, outputs)

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Evaluate in Python, over the same kernel."""
        y, *rest, weight = inputs
        order, results = in_python(self.layout, True)(y, weight, *no_terms(y), *rest)
        by_basis = unpacked(self.layout, order, results, rest[len(NDIM) :])
        for storage, value in zip(output_storage, [*results[: 1 + N_PARAMETERS], *by_basis], strict=True):
            storage[0] = value

    def infer_shape(self, node: Apply, input_shapes: Sequence[Any]) -> list[Any]:
        """As the inputs they are gradients of."""
        parameters = input_shapes[1 + PARAMETERS.start : 1 + len(NDIM)]
        bases = [s for s, v in zip(input_shapes[1 + len(NDIM) : -1], self.layout.varying, strict=True) if v]
        return [(input_shapes[0][0],), *parameters, *bases]


def unpacking_source(layout: Layout) -> tuple[str, list[str]]:
    """Source that unpacks the gradients by the varying bases out of `results`, and the names it gives them."""
    varying = {m: at for m, at in enumerate(layout.varying_of) if at >= 0}
    lines = [
        f"out_{m} = np.empty(basis_{m}.shape); unpack(results[{1 + N_PARAMETERS}], order, {at}, out_{m})"
        for m, at in varying.items()
    ]
    return "; ".join(lines) or "pass", [f"out_{m}" for m in varying]


@register_funcify_default_op_cache_key(LinearMixedLogp)
def _compile_logp(op: Any, node: Apply, **_: Any) -> Any:
    names = ", ".join([*Inputs._fields, *(f"basis_{m}" for m in range(len(op.layout.varying)))])
    none = "np.zeros((y.shape[0], 0))"
    source = f"def logp(y, {names}):\n    return evaluate(y, np.ones(y.shape[0]), {none}, {none}, {names})[1][0]"
    scope = {"evaluate": evaluation(op.layout, False, numba_njit), "np": np}
    exec(source, scope)
    return numba_njit(scope["logp"]), VERSION


@register_funcify_default_op_cache_key(LinearMixedGradient)
def _compile_gradient(op: Any, node: Apply, **_: Any) -> Any:
    names = ", ".join([*Inputs._fields, *(f"basis_{m}" for m in range(len(op.layout.varying)))])
    unpacking, out = unpacking_source(op.layout)
    source = f"""
def gradient(y, {names}, weight):
    order, results = evaluate(y, weight, np.zeros((y.shape[0], 0)), np.zeros((y.shape[0], 0)), {names})
    {unpacking}
    return ({", ".join([*(f"results[{r}]" for r in range(1 + N_PARAMETERS)), *out])})
"""
    scope = {"evaluate": evaluation(op.layout, True, numba_njit), "unpack": unpack, "np": np}
    exec(source, scope)
    return numba_njit(scope["gradient"]), VERSION


share_value("linear_mixed_value_from_gradient", LinearMixedLogp, LinearMixedGradient)
