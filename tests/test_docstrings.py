"""Docstrings of everything public hold to numpydoc: what the package exports, and what the pages name."""

import inspect
import pkgutil
import re
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from numpydoc.validate import validate

import bayesmodels

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXPORTING = ("bayesmodels.statistics", "bayesmodels.study", "bayesmodels.study.evidence", "bayesmodels.fitting")
CODES = {
    "GL08": "no docstring",
    "PR01": "a parameter is not documented",
    "PR02": "a documented parameter is not there",
    "RT03": "what is returned is not described",
    "YD01": "what is yielded is not described",
}


def own(value):
    """Whether a value is a class or function of the package."""
    return (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__.startswith("bayesmodels.")


def path_of(value):
    return f"{value.__module__}.{value.__qualname__}"


@cache
def everywhere():
    """Public classes and functions of the package, with the paths of those that share a name."""
    found = {}
    for module in pkgutil.walk_packages(bayesmodels.__path__, "bayesmodels."):
        for name, value in vars(import_module(module.name)).items():
            if not name.startswith("_") and own(value):
                found.setdefault(value.__name__, set()).add(path_of(value))
    return found


def named(page):
    """Paths of what a page names in backticks, and of what its code blocks import.

    A bare word in small letters may be a command or a column: it counts where the package exports it.
    """
    text = page.read_text(encoding="utf-8")
    for module, names in re.findall(r"^from (bayesmodels[\w.]*) import (.+)$", text, flags=re.M):
        values = (getattr(import_module(module), name.strip()) for name in names.split(","))
        yield from (path_of(value) for value in values if own(value))
    prose = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    for name in re.findall(r"`([A-Za-z_][\w.]*)(?:\([^`]*\))?`", prose):
        first = name.removeprefix("bayesmodels.").split(".")[0]
        if first in bayesmodels.__all__:
            yield path_of(getattr(bayesmodels, first))
        elif first[0].isupper():
            yield from everywhere().get(first, ())
        elif name.startswith("bayesmodels."):
            value = pkgutil.resolve_name(name)
            yield from [path_of(value)] if own(value) else ()


def paths():
    modules = [bayesmodels, *map(import_module, EXPORTING)]
    values = [getattr(module, name) for module in modules for name in module.__all__]
    exported = {path_of(value) for value in values if own(value)}
    return sorted(exported.union(*(named(page) for page in PAGES)))


def members(path):
    """A function, or a class with its public methods and properties."""
    module, _, name = path.rpartition(".")
    value = getattr(import_module(module), name)
    own = vars(value) if inspect.isclass(value) else {}
    kinds = (classmethod, staticmethod, property)
    methods = [key for key, member in own.items() if inspect.isfunction(member) or isinstance(member, kinds)]
    return [path, *(f"{path}.{key}" for key in methods if not key.startswith("_"))]


def failings(path):
    """What numpydoc finds; a protocol takes no arguments, though its signature says `*args, **kwargs`."""
    codes = set(CODES)
    if getattr(pkgutil.resolve_name(path), "_is_protocol", False):
        codes -= {"PR01"}
    return [f"{path}: {code} {text}" for code, text in validate(path)["errors"] if code in codes]


def test_exported_and_named_objects_are_found():
    found = paths()
    assert len(found) > len(bayesmodels.__all__)
    assert "bayesmodels.posterior.convergence_limits.ConvergenceLimits" in found  # a class named by its path
    assert "bayesmodels.study.evidence.published.load" in found  # a function
    assert "bayesmodels.parts.effects.ProportionalSlowing" in found  # a class named alone
    assert "bayesmodels.parts.curve.Term" in found  # an import


@pytest.mark.parametrize("path", paths())
def test_docstring_describes_every_parameter_and_what_comes_back(path):
    assert [line for member in members(path) for line in failings(member)] == []


def test_a_docstring_that_says_too_little_is_told():
    assert any("PR01" in line for line in failings(f"{__name__}.says_too_little"))


def says_too_little(week):
    """A function that keeps its parameter to itself."""
    return week
