"""How kernels are compiled, and called by name, so that the functions that call one do not compile it again.

Numba links the code of every compiled function into those that call it and optimises the whole once more, at each of
the layers between a kernel and a sampler. Called by name, as a C function of a library would be, a kernel is compiled
once; what calls it compiles in a fraction of the time and, since its code holds no address, is kept on disk too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.typing import signature
from numba.experimental.function_type import _get_wrapper_address
from numba.extending import intrinsic

from bayesmodels.compiler_process import compiled_elsewhere

_SOURCES = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py")))
VERSION = int(sha256(_SOURCES).hexdigest()[:15], 16)
"""Digest of the sources of all kernels and their Ops. PyTensor keeps the code of Ops, and so of models, under it: when
a kernel changes, code that calls it by its old arguments is not found again."""

FAST = {"reassoc", "contract", "arcp", "nsz"}
"""What the compiler may do with sums and products in kernels of the likelihood."""


def kernel(fastmath: set[str] | bool) -> Callable[[Callable[..., Any]], Any]:
    """Decorator: compile with numba, and keep the code on disk until any kernel's source changes.

    Numba by itself compiles a function anew when the file that it stands in has changed, not when a function that it
    calls has, in another file: that would be kept as it was, inside the caller.

    Parameters
    ----------
    fastmath : set of str or bool
        As of `numba.njit`.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        dispatcher = njit(cache=True, error_model="numpy", fastmath=fastmath)(function)
        dispatcher._cache._cache_file._source_stamp = VERSION
        return dispatcher

    return compiled


@cache
def by_name(kernel: Any, arguments: tuple[Any, ...]) -> Any:
    """A compiled function for given argument types, to be called from other compiled functions.

    Parameters
    ----------
    kernel : numba dispatcher
        Raises nothing: errors do not pass through a name.
    arguments : tuple of numba types
    """
    name = f"{kernel.py_func.__module__}.{kernel.py_func.__name__}.{sha256(str(arguments).encode()).hexdigest()[:16]}"
    compiled_elsewhere(kernel, _compiled, f"{kernel.py_func.__module__}:{kernel.py_func.__name__}", arguments)
    kernel.compile(arguments)
    compiled = kernel.overloads[arguments].signature
    llvmlite.binding.add_symbol(name, _get_wrapper_address(kernel, compiled))

    @intrinsic
    def call(typing_context, *given):
        def generate(context, builder, sign, values):
            values = cgutils.unpack_tuple(builder, values[0])
            values = [
                context.cast(builder, value, one, other)
                for value, one, other in zip(values, given, arguments, strict=True)
            ]
            returned = context.get_value_type(compiled.return_type)
            form = ir.FunctionType(returned, [context.get_value_type(one) for one in arguments])
            return builder.call(cgutils.get_or_insert_function(builder.module, form, name), values)

        return signature(compiled.return_type, types.StarArgTuple(given)), generate

    return call


def _compiled(place: str, arguments: tuple[Any, ...]) -> None:
    """Compile a kernel, in the process that compiles; a kernel sent there would not be the one of its module."""
    resolve_name(place).compile(arguments)


def array(ndim: int, kind: Any = types.float64) -> Any:
    """Type of a contiguous array."""
    return types.Array(kind, ndim, "C")


def as_it_is(function: Any) -> Any:
    """No compilation, in the place of numba's: for evaluations called from Python."""
    return function
