"""`compile_model`: a model's log-density and gradient as machine code kept on disk, and what nutpie needs of it.

nutpie's own compiler wraps a model's numba function in C callbacks, and numba compiles the whole model anew with them
in every process. Here the function itself is called, from Python: its code is found on disk by every later process, and
it gives the interpreter's lock back while it works, so that chains run side by side.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesmodels.errors import BadInput
from bayesmodels.fitting.evaluate import over_draws, python_mode

if TYPE_CHECKING:
    import pymc as pm
    from nutpie.compiled_pyfunc import PyFuncModel

POINT = "free"
"""What nutpie's trace calls the free vector."""


class NotEvaluated(Exception):
    """The log-density could not be evaluated at a point: the draw diverges, and the chain goes on."""

    is_recoverable = True  # nutpie looks for this


@dataclass(frozen=True)
class CompiledModel:
    """Log-density and gradient of a model at a vector of its free variables, on their unconstrained scale.

    Parameters
    ----------
    evaluate : callable
        Free vector (n,) and data to log-density and gradient (n,).
    data : dict of str to array
        What `evaluate` takes after the vector, in order; arrays without a name have numbers for names.
    size : int
        Length n of the vector.
    start : callable
        Seed to a starting vector.
    held : array of bool (n,)
        Numbers that a trace holds: those of the variables that a posterior holds (`kept_variables`).
    names : tuple of str
        The variables that a posterior holds.
    constrain : callable
        Held numbers (draw, ...) to the values of `names`, (draw, ...) each.
    kept_on_disk : bool
        Whether a later process finds the machine code; if not, the model holds an operation that numba cannot keep.
    """

    evaluate: Callable[..., tuple[Any, np.ndarray]]
    data: dict[str, np.ndarray]
    size: int
    start: Callable[[int], np.ndarray]
    held: np.ndarray
    names: tuple[str, ...]
    constrain: Callable[[np.ndarray], list[np.ndarray]]
    kept_on_disk: bool

    def with_data(self, **arrays: Any) -> CompiledModel:
        """Return the model with other data, without compiling again.

        Parameters
        ----------
        **arrays : array
            By the name of their ``pm.Data``; as many axes as the data they replace, of any length.

        Raises
        ------
        BadInput
            No data of that name, or another number of axes.
        """
        data = dict(self.data)
        for name, array in arrays.items():
            if name not in data:
                raise BadInput(f"with_data: the model has no data {name!r}; it has {', '.join(self.data)}")
            given = _contiguous(array, data[name].dtype)
            if given.ndim != data[name].ndim:
                raise BadInput(f"with_data: {name} has {data[name].ndim} axes, got {given.ndim}")
            data[name] = given
        return replace(self, data=data)

    def variables(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """Return the variables that a posterior holds, on their own scale, from a trace.

        Parameters
        ----------
        points : array (..., held)
            ``trace[POINT]``.

        Returns
        -------
        dict of str to array (..., *shape of the variable)
        """
        leading = points.shape[:-1]
        values = self.constrain(np.ascontiguousarray(points.reshape((-1, points.shape[-1])), float))
        return {
            name: value.reshape((*leading, *value.shape[1:])) for name, value in zip(self.names, values, strict=True)
        }

    def for_nutpie(self) -> PyFuncModel:
        """Return the model as ``nutpie.sample`` takes it; its trace holds the free vector, `POINT`."""
        from nutpie.compiled_pyfunc import from_pyfunc

        evaluate, data, held = self.evaluate, tuple(self.data.values()), self.held
        everything = bool(held.all())

        def log_density() -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
            def at(point: np.ndarray) -> tuple[float, np.ndarray]:
                try:
                    value, gradient = evaluate(point, *data)
                except Exception as error:
                    raise NotEvaluated(str(error)) from error
                return float(value), gradient

            return at

        def hold(*_: Any) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
            return lambda point: {POINT: point.copy() if everything else point[held]}

        return from_pyfunc(
            self.size,
            log_density,
            hold,
            expanded_dtypes=[np.dtype(np.float64)],
            expanded_shapes=[(int(held.sum()),)],
            expanded_names=[POINT],
            make_initial_point_fn=self.start,
        )


def compile_model(pm_model: pm.Model) -> CompiledModel:
    """Compile a model's log-density and gradient, or find them on disk.

    Chains start at jittered initial points. Where some variables are not kept, only those are jittered: parameters that
    are far off, with numbers by person to match, can leave a chain where it started. The others start a little off
    their prior's centre: there the density of one that the data do not inform is flat, which nutpie refuses.

    The result takes new data without compiling again: ``compiled.with_data(name=array)``.

    Parameters
    ----------
    pm_model : pymc.Model
        Any model whose free variables are continuous.

    Returns
    -------
    CompiledModel
        ``nutpie.sample(compiled.for_nutpie())`` samples it.
    """
    from pymc.pytensorf import compile as compile_function
    from pytensor.graph.replace import clone_replace

    kept = kept_variables(pm_model)
    start = _starts(pm_model, kept)
    layout = _Layout.of(pm_model)
    vector, pieces = layout.split()
    density, gradient = clone_replace(list(_density_and_gradient(pm_model)), pieces)
    with pm_model:
        function = compile_function([vector], [density, gradient], mode="NUMBA", trust_input=True)
    evaluate, kept_on_disk = _without_lock(function)
    data = _data(function)
    evaluate(start(0), *data.values())  # compiles, or loads
    held, constrain = _held(pm_model, kept, layout)
    return CompiledModel(evaluate, data, layout.size, start, held, tuple(kept), constrain, kept_on_disk)


def kept_variables(pm_model: pm.Model) -> list[str]:
    """Names of the free variables that a posterior holds: not those that begin with an underscore.

    Such variables are numbers by person that only serve the sampler (`models.joint_event.PERSON_DRAWS`).

    Parameters
    ----------
    pm_model : pymc.Model
    """
    return [rv.name for rv in pm_model.free_RVs if not rv.name.startswith("_")]


@dataclass(frozen=True)
class _Layout:
    """Where each free variable, on its unconstrained scale, lies in the free vector."""

    values: tuple[Any, ...]
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, pm_model: pm.Model) -> _Layout:
        at = pm_model.initial_point(random_seed=0)
        return cls(tuple(pm_model.value_vars), tuple(np.shape(at[value.name]) for value in pm_model.value_vars))

    @property
    def slices(self) -> list[slice]:
        ends = np.cumsum([0, *(math.prod(shape) for shape in self.shapes)])
        return [slice(int(a), int(b)) for a, b in itertools.pairwise(ends)]

    @property
    def size(self) -> int:
        return sum(math.prod(shape) for shape in self.shapes)

    def split(self) -> tuple[Any, dict[Any, Any]]:
        """A symbolic free vector, and each value variable as a piece of it."""
        from pytensor.tensor import TensorType

        vector = TensorType("float64", shape=(self.size,))(name="free_vector")
        places = zip(self.values, self.slices, self.shapes, strict=True)
        return vector, {value: vector[at].reshape(shape).astype(value.dtype) for value, at, shape in places}


def _density_and_gradient(pm_model: pm.Model) -> tuple[Any, Any]:
    """Graphs of the log-density of the value variables, and of its gradient, one vector."""
    from pytensor.gradient import grad
    from pytensor.graph import rewrite_graph
    from pytensor.tensor import concatenate

    simplified = ["canonicalize", "stabilize", *([] if pm_model.check_bounds else ["local_remove_check_parameter"])]
    density = rewrite_graph(pm_model.logp(), include=simplified)
    return density, concatenate([by.ravel() for by in grad(density, pm_model.value_vars)])


def _without_lock(function: Any) -> tuple[Callable[..., Any], bool]:
    """The numba function of a PyTensor function, working without the interpreter's lock; whether it is kept on disk."""
    from pytensor.link.numba.dispatch.basic import numba_njit

    theirs = function.vm.jit_fn
    on_disk = theirs.stats.cache_path is not None
    return numba_njit(theirs.py_func, final_function=True, cache=on_disk, nogil=True), on_disk


def _data(function: Any) -> dict[str, np.ndarray]:
    """Data that a function holds, by name, in the order its machine code takes them."""
    return {
        held.name or str(number): _contiguous(held.get_value(), held.dtype)
        for number, held in enumerate(function.get_shared())
    }


def _contiguous(array: Any, dtype: Any) -> np.ndarray:
    """A copy in the one layout that is compiled for."""
    return np.array(array, dtype=dtype, order="C", copy=True)


def _starts(pm_model: pm.Model, kept: Sequence[str]) -> Callable[[int], np.ndarray]:
    """Function of a seed to a starting vector."""
    from pymc.initial_point import make_initial_point_fn

    parameters = [rv for rv in pm_model.free_RVs if rv.name in kept]
    by_person = set(pm_model.free_RVs) - set(parameters)
    point = make_initial_point_fn(
        model=pm_model,
        overrides=off_centre(pm_model, parameters) if by_person else None,
        jitter_rvs=by_person or set(pm_model.free_RVs),
    )
    names = [value.name for value in pm_model.value_vars]
    lock = threading.Lock()

    def start(seed: int) -> np.ndarray:
        with lock:
            at = point(seed)
        return np.concatenate([np.ravel(at[name]) for name in names]).astype(float)

    return start


def off_centre(pm_model: pm.Model, variables: Sequence[Any]) -> dict[Any, np.ndarray]:
    """Starts of free variables: a tenth of the way from where they would start to a draw of the prior.

    Their supports are taken to be convex, as intervals, half lines and simplices are.

    Parameters
    ----------
    pm_model : pymc.Model
    variables : sequence
        Free variables of the model.

    Returns
    -------
    dict
        Variable to its start.
    """
    import pymc as pm
    from pymc.initial_point import make_initial_point_fn

    centre = make_initial_point_fn(model=pm_model, return_transformed=False)(0)
    drawn = pm.draw(variables, random_seed=0, mode=python_mode())
    return {rv: 0.9 * centre[rv.name] + 0.1 * np.asarray(draw) for rv, draw in zip(variables, drawn, strict=True)}


def _held(
    pm_model: pm.Model, kept: Sequence[str], layout: _Layout
) -> tuple[np.ndarray, Callable[[np.ndarray], list[np.ndarray]]]:
    """Numbers of the free vector that the kept variables depend on, and the function from these to the variables."""
    from pytensor.graph.traversal import ancestors

    by_name = {variable.name: variable for variable in pm_model.unobserved_value_vars}
    wanted = [by_name[name] for name in kept]
    needed = set(ancestors(wanted))
    used = [
        (value, shape, at)
        for value, shape, at in zip(layout.values, layout.shapes, layout.slices, strict=True)
        if value in needed
    ]
    held = np.zeros(layout.size, bool)
    for _, _, at in used:
        held[at] = True

    @cache
    def function() -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
        return over_draws([value for value, _, _ in used], wanted)

    def constrain(points: np.ndarray) -> list[np.ndarray]:
        vectors = np.split(points, np.cumsum([math.prod(shape) for _, shape, _ in used])[:-1], axis=1)
        return function()(
            [
                np.ascontiguousarray(vector.reshape((-1, *shape)), value.dtype)
                for vector, (value, shape, _) in zip(vectors, used, strict=True)
            ]
        )

    return held, constrain
