"""Parts and models from their descriptions: by a known name, or by the import path of the user's own class."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from bayesmodels.study.checks.labels import label_key
from bayesmodels.study.problem import plain

LISTED = 12
"""Known names that a message lists."""

PART_KEYS = ("type", "trajectory", "course", "effect", "baseline")
"""Keys of a configuration whose value may be the name of a class."""

_beside: ContextVar[Path | None] = ContextVar("beside", default=None)


_PLAIN = (ImportError, AttributeError)  # their messages say what they are


@contextmanager
def modules_beside(folder: Path) -> Iterator[None]:
    """Within it, classes named `package.module:Class` are also looked for in a folder: a configuration's own.

    The folder is the last place of Python's search path, and taken off it afterwards; a module that needs others of the
    folder imports them at its top.
    """
    place = str(folder.resolve())
    token = _beside.set(folder.resolve())
    sys.path.append(place)
    invalidate_caches()  # or a file written a moment ago is not seen
    try:
        yield
    finally:
        _beside.reset(token)
        del sys.path[len(sys.path) - 1 - sys.path[::-1].index(place)]


def own_code(value: Any) -> list[str]:
    """Names of the user's own classes in a description of a model or part, once each: reading it imports and runs them.

    Parameters
    ----------
    value : nested mappings and lists
        As read from TOML or JSON.
    """
    found: list[str] = []
    if isinstance(value, Mapping):
        for key, inner in value.items():
            named = key in PART_KEYS and isinstance(inner, str) and ":" in inner
            found += [inner] if named else own_code(inner)
    elif isinstance(value, list | tuple):
        found = [name for inner in value for name in own_code(inner)]
    return list(dict.fromkeys(found))


def unknown(kind: str, name: Any, known: Iterable[str]) -> str:
    """That a name is not known, and the one it may stand for, or all that are.

    Parameters
    ----------
    kind : str
        What it is, for messages.
    name : str
        As given.
    known : iterable of str
    """
    options = list(known)
    close = [option for option in options if label_key(option) == label_key(str(name))]
    close = close or get_close_matches(str(name), options, n=1)
    more = f", and {len(options) - LISTED} more" if len(options) > LISTED else ""
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(options[:LISTED])}{more}"
    return f"unknown {kind} {plain(repr(name))}; {hint}"


def class_of(kind: str, known: Mapping[str, type], name: Any, method: str) -> Any:
    """The class a `type` names: a known name first, then `package.module:Class`.

    Parameters
    ----------
    kind : str
        What it is, for messages.
    known : mapping of str to type
        Known names.
    name : str
        As given.
    method : str
        That the class must have.

    Raises
    ------
    ValueError
        Saying what is known, or what the user's class lacks.
    """
    if isinstance(name, str) and name in known:
        return known[name]
    if not isinstance(name, str) or ":" not in name:
        raise ValueError(f"{unknown(kind, name, known)}; a class of your own is named package.module:Class")
    module, _, attribute = name.partition(":")
    shown = plain(repr(name))
    try:
        found: Any = import_module(module)
        _same_module(found)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:  # whatever the user's module does while it is imported
        kind_of = "" if isinstance(error, _PLAIN) else f"{type(error).__name__}: "
        raise ValueError(f"{kind} {shown} cannot be imported: {plain(f'{kind_of}{error}', 400)}") from error
    if not (isinstance(found, type) and issubclass(found, BaseModel) and callable(getattr(found, method, None))):
        raise ValueError(f"{kind} {shown} is not a pydantic model with a method {method}")
    return found


def _same_module(module: ModuleType) -> None:
    """Refuse a module of the same name as one beside the configuration, imported from elsewhere."""
    folder = _beside.get()
    if folder is None:
        return
    top = module.__name__.partition(".")[0]
    beside = [path for path in (folder / f"{top}.py", folder / top / "__init__.py") if path.is_file()]
    came = getattr(sys.modules.get(top), "__file__", None)
    if beside and (came is None or Path(came).resolve() not in [path.resolve() for path in beside]):
        raise ImportError(
            f"{beside[0].name} beside the configuration is not what Python finds under the name {top!r} "
            f"({came or 'a built-in module'}); give the file another name"
        )


def type_name(known: Mapping[str, type], value: BaseModel) -> str:
    """What to write as `type` so that `class_of` finds the class again.

    Parameters
    ----------
    known : mapping of str to type
        Known names.
    value : BaseModel
        A part.
    """
    cls = type(value)
    for name, candidate in known.items():
        if candidate is cls:
            return name
    return f"{cls.__module__}:{cls.__qualname__}"


def part_from(kind: str, known: Mapping[str, type], value: Any, method: str) -> Any:
    """A part as it is, or made from its name or from a dict with `type`.

    Parameters
    ----------
    kind : str
        What it is, for messages.
    known : mapping of str to type
        Known names.
    value : str, mapping or instance
        As given.
    method : str
        That the class must have.

    Raises
    ------
    ValueError
        Naming the part and what was expected.
    """
    if isinstance(value, str):
        value = {"type": value}
    if isinstance(value, Mapping):
        fields = dict(value)
        name = fields.pop("type", None)
        cls = class_of(kind, known, name, method)
        return cls.model_validate(fields)
    if not callable(getattr(value, method, None)) or not isinstance(value, BaseModel):
        raise ValueError(f"expected a {kind}: a pydantic model with a method {method}, got {type(value).__name__}")
    return value


def part_to(known: Mapping[str, type], value: BaseModel) -> dict[str, Any]:
    """A part as a dict with the `type` that makes it again.

    Parameters
    ----------
    known : mapping of str to type
        Known names.
    value : BaseModel
        A part.
    """
    return value.model_dump(mode="json") | {"type": type_name(known, value)}
