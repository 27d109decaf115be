"""`compile_model`: a model's log-density and gradient as machine code kept on disk, and what nutpie needs of it.

nutpie's own compiler wraps a model's numba function in C functions, and numba compiles the whole model anew with them
in every process. Here the C functions call it by its address (`c_functions.py`), and a later process finds all of it on
disk.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesmodels.compiler_process import compiled_elsewhere, compiler_kept
from bayesmodels.errors import BadInput
from bayesmodels.fitting.evaluate import over_draws, python_mode

if TYPE_CHECKING:
    import pymc as pm
    from nutpie.compile_pymc import CompiledPyMCModel

POINT = "free"
"""What nutpie's trace calls the free vector."""


TOWARDS = 0.25
"""How far from the initial point chains start, on the way to a draw of the prior; no farther than 1.

Nearer, they do not start apart; farther, tuning is long, and a chain can be left where a lag lies beyond the trial."""

FULL_SPREAD_PERSONS = 108
"""Most persons of whom chains start as far out as `TOWARDS`; of more, nearer with the root of their number.

Their posterior is narrower by as much. At a quarter of the way one of two chains of 2,000 persons stays at a lag of 16
months and a drug that harms, where the density is e^-25 of what it is at the truth; nearer, four of four find it.
"""


@dataclass(frozen=True)
class CompiledModel:
    """Log-density and gradient of a model at a vector of its free variables, on their unconstrained scale.

    Parameters
    ----------
    evaluate : numba dispatcher
        Free vector (n,) and data to log-density and gradient (n,); compiled for their types.
    data : dict of str to array
        What `evaluate` takes after the vector, in order; arrays without a name of their own have numbers.
    size : int
        Length n of the vector.
    starting : callable
        Seed, and part of the way to a draw of the prior (`towards`), to a starting vector.
    of_persons : tuple of str
        Data with a row for each person.
    held : array of bool (n,)
        Numbers that a trace holds: those of the variables that a posterior holds (`kept_variables`).
    names : tuple of str
        The variables that a posterior holds.
    constrain : callable
        Held numbers (draw, ...) to the values of `names`, (draw, ...) each.
    kept_on_disk : bool
        Whether a later process finds the machine code; if not, the model holds an operation that numba cannot keep.
    """

    evaluate: Any
    data: dict[str, np.ndarray]
    size: int
    starting: Callable[[int, float], np.ndarray]
    of_persons: tuple[str, ...]
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

    def start(self, seed: int) -> np.ndarray:
        """Return a starting vector (size,), as far out as suits the persons in the data.

        Parameters
        ----------
        seed : int
        """
        return self.starting(seed, towards(sum(len(self.data[name]) for name in self.of_persons)))

    def variables(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """Return the variables that a posterior holds, on their own scale, from a trace.

        Parameters
        ----------
        points : array (..., held)
            ``trace[POINT]``.

        Returns
        -------
        dict of str to array
            Of shape ``(..., *shape of the variable)``, by name.
        """
        leading = points.shape[:-1]
        values = self.constrain(np.ascontiguousarray(points.reshape((math.prod(leading), points.shape[-1])), float))
        return {
            name: value.reshape((*leading, *value.shape[1:])) for name, value in zip(self.names, values, strict=True)
        }

    def for_nutpie(self) -> CompiledPyMCModel:
        """Return the model as ``nutpie.sample`` takes it; its trace holds the free vector, `POINT`."""
        from nutpie.compile_pymc import CompiledPyMCModel

        from bayesmodels.fitting.c_functions import held_numbers, log_density, places_of

        data, held = tuple(self.data.values()), np.flatnonzero(self.held)
        return CompiledPyMCModel(
            _n_dim=self.size,
            n_expanded=len(held),
            compiled_logp_func=log_density(self.evaluate, data),
            compiled_expand_func=held_numbers(),
            user_data=places_of(self.evaluate, data, held),
            initial_point_func=self.start,
            shape_info=([POINT], [slice(0, len(held))], [(len(held),)]),
            dims={},
            _coords={},
            _shapes={POINT: (len(held),)},
            shared_data={},
            shared_var_keys={},
            logp_func=(self.evaluate, data),  # kept alive: `user_data` points to them
            expand_func=None,
        )


def compile_model(pm_model: pm.Model) -> CompiledModel:
    """Compile a model's log-density and gradient, or find them on disk.

    Chains start a quarter of the way from the initial point to draws of the prior, of many persons less (`towards`), or
    at PyMC's jittered initial points if the prior cannot be drawn from. Where some variables are not kept, only those
    are jittered: parameters that are far off, with numbers by person to match, can leave a chain where it started. The
    others start a little off their prior's centre: there the density of one that the data do not inform is flat, which
    nutpie refuses.

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
    from pytensor.graph.replace import clone_replace

    kept = kept_variables(pm_model)
    starting = _starting_points(pm_model, kept)
    layout = _Layout.of(pm_model, starting(0, TOWARDS))
    vector, pieces = layout.split()
    density, gradient = clone_replace(list(_density_and_gradient(pm_model)), pieces)
    graph = _as_sent((vector, density, gradient, pm_model.check_bounds))
    with compiler_kept():
        function = _function(*graph)
        evaluate, data = function.vm.jit_fn, _data(function)
        compiled_elsewhere(evaluate, _compiled, graph)
    joined = partial(_joined, starting, threading.Lock())
    evaluate(joined(0, TOWARDS), *data.values())  # loads, or compiles
    evaluate.disable_compile()  # for other types: the C functions call the one that is there
    held, constrain = _held(pm_model, kept, layout)
    on_disk = evaluate.stats.cache_path is not None
    of_persons = _of_persons(pm_model, data)
    return CompiledModel(evaluate, data, layout.size, joined, of_persons, held, tuple(kept), constrain, on_disk)


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
    def of(cls, pm_model: pm.Model, at: Mapping[str, np.ndarray]) -> _Layout:
        """Of a model, at any point."""
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


def _function(vector: Any, density: Any, gradient: Any, check_bounds: bool) -> Any:
    """PyTensor's function of the free vector; numba has not compiled it yet."""
    import pymc as pm
    from pymc.pytensorf import compile as compile_function

    with pm.Model(check_bounds=check_bounds):
        return compile_function([vector], [density, gradient], mode="NUMBA", trust_input=True)


def _as_sent(graph: tuple[Any, ...]) -> tuple[Any, ...]:
    """A graph as the process that compiles receives it: nodes may be ordered otherwise, and code is kept by that."""
    import cloudpickle

    try:
        return cloudpickle.loads(cloudpickle.dumps(graph))
    except Exception:  # compiled here, then
        return graph


def _compiled(graph: tuple[Any, ...]) -> None:
    """Compile a graph, in the process that compiles."""
    function = _function(*graph)
    evaluate, data = function.vm.jit_fn, _data(function)
    evaluate(np.zeros(graph[0].type.shape), *data.values())


def _data(function: Any) -> dict[str, np.ndarray]:
    """Data that a function holds, by name, in the order its machine code takes them."""
    data: dict[str, np.ndarray] = {}
    for number, held in enumerate(function.get_shared()):
        name = held.name if held.name and held.name not in data else f"{held.name or 'data'} {number}"
        data[name] = _contiguous(held.get_value(), held.dtype)
    return data


def _contiguous(array: Any, dtype: Any) -> np.ndarray:
    """A copy in the one layout that is compiled for."""
    return np.array(array, dtype=dtype, order="C", copy=True)


def _of_persons(pm_model: pm.Model, data: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the data that are observed of persons, ours or external: those that say how many there are."""
    found: dict[str, None] = {}
    for rv in pm_model.observed_RVs:
        dims, value = pm_model.named_vars_to_dims.get(rv.name), pm_model.rvs_to_values[rv].name
        if dims and str(dims[0]).endswith("person") and value in data:
            found[value] = None
    return tuple(found)


def _starting_points(pm_model: pm.Model, kept: Sequence[str]) -> Callable[[int, float], dict[str, np.ndarray]]:
    """Function of a seed, and of how far out, to a starting point: values by name, in the order of the free vector."""
    from pymc.initial_point import make_initial_point_fn

    parameters = [rv for rv in pm_model.free_RVs if rv.name in kept]
    by_person = set(pm_model.free_RVs) - set(parameters)
    if by_person:
        starts = off_centre(pm_model, parameters)
        jittered = make_initial_point_fn(model=pm_model, overrides=starts, jitter_rvs=by_person)
    else:
        try:
            return _towards_draws(pm_model)
        except Exception:  # a prior that cannot be drawn from says so in many ways
            jittered = make_initial_point_fn(model=pm_model, jitter_rvs=set(pm_model.free_RVs))
    return lambda seed, part: jittered(seed)


def _towards_draws(pm_model: pm.Model) -> Callable[[int, float], dict[str, np.ndarray]]:
    """Function of a seed and a part of the way, from PyMC's initial point to a draw of the prior, to a starting point.

    On the unconstrained scale. PyMC's own jitter is of one size for every number: for one that is known to a hundredth
    it is far out.
    """
    from pymc.initial_point import make_initial_point_expression
    from pymc.pytensorf import compile as compile_function
    from pymc.pytensorf import find_rng_nodes, replace_rng_nodes, reseed_rngs
    from pytensor.compile.mode import Mode

    centres = make_initial_point_expression(
        free_rvs=pm_model.free_RVs,
        rvs_to_transforms=pm_model.rvs_to_transforms,
        initval_strategies=pm_model.rvs_to_initial_values,
        return_transformed=True,
    )
    drawn = []
    for rv in pm_model.free_RVs:
        transform = pm_model.rvs_to_transforms[rv]
        drawn.append(rv if transform is None else transform.forward(rv, *rv.owner.inputs))
    function = compile_function([], replace_rng_nodes([*centres, *drawn]), mode=Mode("py", optimizer=None))
    generators, names = find_rng_nodes(function.maker.fgraph.outputs), [value.name for value in pm_model.value_vars]

    def start(seed: int, part: float) -> dict[str, np.ndarray]:
        reseed_rngs(generators, seed)
        values, jitter = function(), np.random.default_rng(seed)
        pairs = zip(names, values[: len(names)], values[len(names) :], strict=True)
        return {name: centre + _step(np.asarray(draw) - centre, part, jitter) for name, centre, draw in pairs}

    start(0, TOWARDS)
    return start


def towards(persons: int) -> float:
    """Part of the way to a draw of the prior that chains start at.

    Parameters
    ----------
    persons : int
        In the data; 0 of a model that is not of persons.
    """
    return TOWARDS * min(1.0, (FULL_SPREAD_PERSONS / max(persons, 1)) ** 0.5)


def _step(away: np.ndarray, part: float, jitter: np.random.Generator) -> np.ndarray:
    """What is added to a centre `away` from a draw: a part of the way, no farther than 1, as far as PyMC's jitter goes.

    A draw outside the support of the free scale, as of numbers that are to be in order, is replaced by jitter.
    """
    with np.errstate(invalid="ignore"):
        step = np.clip(part * away, -1.0, 1.0)
    return np.where(np.isfinite(away), step, part * jitter.uniform(-1.0, 1.0, np.shape(away)))


def _joined(
    starting: Callable[[int, float], dict[str, np.ndarray]], lock: threading.Lock, seed: int, part: float
) -> np.ndarray:
    """Starting vector of a seed; chains ask in threads of their own."""
    with lock:
        at = starting(seed, part)
    return np.concatenate([np.ravel(value) for value in at.values()]).astype(float)


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
                np.ascontiguousarray(vector.reshape((len(points), *shape)), value.dtype)
                for vector, (value, shape, _) in zip(vectors, used, strict=True)
            ]
        )

    return held, constrain
