"""Packages that import a module of theirs only when one of its names is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_names(
    package: str, home: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """The `__getattr__`, `__dir__` and `__all__` of a package.

    Parameters
    ----------
    package : str
        Its `__name__`.
    home : mapping of str to str
        Public name to the module, relative to the package, that has it.

    Returns
    -------
    tuple
        In this order; `__getattr__` raises AttributeError for other names.
    """

    def attribute(name: str) -> object:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{home[name]}"), name)

    names = sorted(home)
    return attribute, lambda: list(names), names
