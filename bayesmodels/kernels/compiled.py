"""How kernels are compiled, and called by address, so that the functions that call one do not compile it again.

Numba links the code of every compiled function into those that call it and optimises the whole once more, at each of
the layers between a kernel and a sampler. Called by address, a kernel is compiled once and kept on disk; what calls it
compiles in a fraction of the time, each time anew (numba keeps no code on disk that holds an address).
"""

from __future__ import annotations

from functools import cache
from typing import Any

from numba import types
from numba.experimental.function_type import _get_wrapper_address

COMPILE = {"cache": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "arcp", "nsz"}}
"""How every kernel of the likelihood is compiled."""


@cache
def by_address(kernel: Any, arguments: tuple[Any, ...]) -> Any:
    """A compiled function for given argument types, to be called from other compiled functions.

    Parameters
    ----------
    kernel : numba dispatcher
        Raises nothing: errors do not pass through an address.
    arguments : tuple of numba types
    """
    kernel.compile(arguments)
    signature = kernel.overloads[arguments].signature

    class Address(types.WrapperAddressProtocol):
        def __wrapper_address__(self):
            return _get_wrapper_address(kernel, signature)

        def signature(self):
            return signature

    return Address()


def array(ndim: int, kind: Any = types.float64) -> Any:
    """Type of a contiguous array."""
    return types.Array(kind, ndim, "C")


def as_it_is(function: Any) -> Any:
    """No compilation, in the place of numba's: for evaluations called from Python."""
    return function
