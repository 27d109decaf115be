"""C functions that nutpie calls in its own threads, without the interpreter: log-density with gradient, held numbers.

Each is a few lines of numba that find what they work on through a pointer: the address of a model's compiled function
and its data. So they depend on the types of the data alone, hold no part of the model, and are kept on disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.typing import signature
from numba.extending import intrinsic
from pytensor.link.numba.cache import compile_numba_function_src

_FLOATS, _PLACES = types.CPointer(types.double), types.CPointer(types.uint64)


@intrinsic
def pointer(typing_context, address):
    """An address as a pointer to anything."""

    def generate(context, builder, _, values):
        return builder.inttoptr(values[0], cgutils.voidptr_t)

    return types.voidptr(address), generate


@cache
def calling(arguments: tuple[Any, ...], returned: Any) -> Any:
    """Function of an address and arguments to (whether no exception was raised, what the function there returns)."""

    @intrinsic
    def call(typing_context, address, *given):
        def generate(context, builder, _, values):
            at, packed = values
            rest = [
                context.cast(builder, value, one, other)
                for value, one, other in zip(cgutils.unpack_tuple(builder, packed), given, arguments, strict=True)
            ]
            form = context.call_conv.get_function_type(returned, arguments)
            callee = builder.inttoptr(at, form.as_pointer())
            status, found = context.call_conv.call_function(builder, callee, returned, arguments, rest)
            return context.make_tuple(builder, types.Tuple((types.boolean, returned)), (status.is_ok, found))

        return signature(types.Tuple((types.boolean, returned)), address, types.StarArgTuple(given)), generate

    return call


def places_of(dispatcher: Any, data: Sequence[np.ndarray], held: np.ndarray) -> np.ndarray:
    """What the C functions find their model by: one array of addresses, lengths and indices.

    Where the indices of held numbers begin, the function's address, each array's address and lengths, the indices.

    Parameters
    ----------
    dispatcher : numba dispatcher
        Compiled for a vector and the data, and for nothing else; it takes them one by one or, where it is kept on
        disk, as one tuple.
    data : sequence of array
        Contiguous, and kept alive by the caller.
    held : array of int
        Indices of the numbers of a vector that a trace holds.
    """
    (compiled,) = dispatcher.overloads.values()
    address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
    places = [address, *(number for array in data for number in (array.ctypes.data, *array.shape))]
    return np.array([1 + len(places), *places, *held], np.uint64)


def log_density(dispatcher: Any, data: Sequence[np.ndarray]) -> Any:
    """C function of (length, vector, gradient, value, places) for a model's types of data.

    Its result is 0, or says why the point is not one to go to: 1 an exception, 3 the gradient, 4 the value not finite.

    Parameters
    ----------
    dispatcher : numba dispatcher
        Function of a vector and the data to value and gradient, compiled.
    data : sequence of array
    """
    (compiled,) = dispatcher.overloads.values()
    types_of_data = tuple((numba.from_dtype(array.dtype), array.ndim) for array in data)
    return _log_density(types_of_data, compiled.signature.args, compiled.signature.return_type)


@cache
def _log_density(data: tuple[tuple[Any, int], ...], arguments: tuple[Any, ...], returned: Any) -> Any:
    arrays, at = [], 2
    for number, (_, ndim) in enumerate(data):
        lengths = "".join(f"np.int64(places[{at + 1 + axis}]), " for axis in range(ndim))
        arrays.append(f"carray(pointer(places[{at}]), ({lengths}), dtype_{number})")
        at += 1 + ndim
    given = ", ".join(["carray(vector, (size,))", *arrays])
    if isinstance(arguments[0], types.BaseTuple):
        given = f"({given},)"
    source = f"""
def log_density(size, vector, gradient, value, held):
    places = carray(held, ({at},))
    ok, found = call(places[1], {given})
    if not ok:
        return 1
    result = found[0]{"[()]" if isinstance(returned[0], types.Array) else ""}
    for j in range(size):
        if not np.isfinite(found[1][j]):
            return 3
        gradient[j] = found[1][j]
    if not np.isfinite(result):
        return 4
    value[0] = result
    return 0
"""
    scope = {"np": np, "carray": numba.carray, "pointer": pointer, "call": calling(arguments, returned)}
    scope |= {f"dtype_{number}": dtype for number, (dtype, _) in enumerate(data)}
    form = types.int64(types.uint64, _FLOATS, _FLOATS, _FLOATS, _PLACES)
    return _c_function(source, "log_density", scope, form, f"{arguments} {returned}")


@cache
def held_numbers() -> Any:
    """C function of (length, number of held numbers, vector, out, places): the numbers that a trace holds."""
    source = """
def held_numbers(size, held, vector, out, places):
    for j in range(held):
        out[j] = vector[places[places[0] + j]]
    return 0
"""
    form = types.int64(types.uint64, types.uint64, _FLOATS, _FLOATS, _PLACES)
    return _c_function(source, "held_numbers", {}, form, "")


def _c_function(source: str, name: str, scope: dict[str, Any], form: Any, key: str) -> Any:
    digest = sha256(Path(__file__).read_bytes() + f"{name} {key}".encode()).hexdigest()  # kept on disk by it
    scope = {"__name__": __name__} | scope
    function = compile_numba_function_src(source, name, scope, scope, cache_key=digest)
    return numba.cfunc(form, cache=True)(function)
