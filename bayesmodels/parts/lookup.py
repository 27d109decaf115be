"""A part or model from its description: by known name, or by the path of the user's own class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from pydantic import BaseModel


def unknown(kind: str, name: Any, known: Iterable[str]) -> str:
    """That a name is not known, and the one it may stand for, or all that are."""
    options = list(known)
    close = get_close_matches(str(name), options, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(options)}"
    return f"unknown {kind} {name!r}; {hint}"


def class_of(kind: str, known: Mapping[str, type], name: Any, method: str) -> type:
    """The class a `type` names: a known name first, then `package.module:Class`.

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
    try:
        found: Any = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, TypeError, ValueError) as error:  # the last two: no module's name
        raise ValueError(f"{kind} {name!r} cannot be imported: {error}") from error
    if not (isinstance(found, type) and issubclass(found, BaseModel) and callable(getattr(found, method, None))):
        raise ValueError(f"{kind} {name!r} is not a pydantic model with a method {method}")
    return found


def type_name(known: Mapping[str, type], value: BaseModel) -> str:
    """What to write as `type` so that `class_of` finds the class again."""
    cls = type(value)
    for name, candidate in known.items():
        if candidate is cls:
            return name
    return f"{cls.__module__}:{cls.__qualname__}"


def part_from(kind: str, known: Mapping[str, type], value: Any, method: str) -> Any:
    """A part as it is, or made from its name or from a dict with `type`.

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
    """A part as a dict with the `type` that makes it again."""
    return value.model_dump(mode="json") | {"type": type_name(known, value)}
