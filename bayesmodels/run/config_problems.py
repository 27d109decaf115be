"""Problems of a configuration as plain lines: file, key, what was expected, what came, the nearest known key."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from bayesmodels.study.problem import plain

LONGEST = 400
"""Characters of a message that are kept."""

LARGEST = 1e12
"""Cells per litre reach 1e10, seconds in a century 3e9; the square of 1e12 and its inverse are far from overflow."""

# Keys whose value is a part, chosen by its `type`.
_PARTS = ("trajectory", "course", "effect", "baseline")
# Keys that stand for several fields and are not fields themselves.
_SHORTHANDS = {"outcomes": ("preset",)}


# What pydantic says in words of Python.
_EXPECTED = {
    "dict_type": "expected a table of keys",
    "list_type": "expected a list",
    "model_type": "expected a table of keys",
    "tuple_type": "expected a list",
    "string_type": "expected text in quotes",
}


def config_problems(
    error: ValidationError, file: str, root: type[BaseModel], raw: Any = None, prefix: Sequence[str] = ()
) -> list[str]:
    """Turn a pydantic error into plain lines.

    Parameters
    ----------
    error : ValidationError
    file : str
        Name of the TOML file.
    root : type of BaseModel
        What was validated: its fields are the known keys.
    raw : mapping, optional
        What it was validated from: the `type` of a part says which keys are known.
    prefix : sequence of str
        Keys above it, such as ``("model",)``.
    """
    found = error.errors(include_url=False)
    places = [tuple(item["loc"]) for item in found]
    lines = []
    for item, place in zip(found, places, strict=True):
        if item["type"] == "too_short" and any(other[: len(place)] == place != other for other in places):
            continue  # a list whose items were refused counts as empty: the items have lines of their own
        key = _key([*prefix, *place])
        if item["type"] == "extra_forbidden":
            *above, name = place
            lines.append(f"{file}: {key}: unknown key; {_nearest(str(name), _known(root, above, raw))}")
        elif item["type"] == "missing":
            lines.append(f"{file}: {key}: expected a value, found none")
        else:
            message = _EXPECTED.get(item["type"]) or item["msg"].removeprefix("Value error, ")
            came = "" if isinstance(item["input"], Mapping | BaseModel) else f"; got {plain(repr(item['input']))}"
            told = f"{message[:1].lower()}{message[1:]}".splitlines() or ["cannot be used"]
            where = f"{file}: {key}" if key else file  # of the whole file: the message names its sections
            lines += [f"{where}: {plain(line, LONGEST)}{came}" for line in told]
    return lines


def number_problems(value: Any, file: str, place: Sequence[int | str] = ()) -> Iterator[str]:
    """Numbers that no quantity of a trial has, at any place of the file, a line each.

    These are nan, infinity (but for a drug that is never started), and sizes beyond `LARGEST` or, without being 0,
    below its inverse.

    Parameters
    ----------
    value : nested mappings and lists
        As read from TOML.
    file : str
        Name of the TOML file.
    place : sequence of str and int
        Keys above it.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from number_problems(inner, file, (*place, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from number_problems(inner, file, (*place, number))
    elif isinstance(value, int | float) and not isinstance(value, bool) and place[-1] != "seed":
        never = value == math.inf and "drug_start_week" in place
        if not never and value != 0 and not 1 / LARGEST <= abs(value) <= LARGEST:
            sizes = f"to {LARGEST:g}, and no nearer to 0 than {1 / LARGEST:g}"
            yield f"{file}: {_key(place)}: expected a number of an ordinary size ({sizes}), got {plain(repr(value))}"


def _key(parts: Sequence[int | str]) -> str:
    """Write a place in the file: [sampling] draws; [model] outcomes, no. 2, trajectory, rho."""
    words = [f"no. {part + 1}" if isinstance(part, int) else plain(part) or '""' for part in parts]
    if not words:
        return ""
    return words[0] if len(words) == 1 else plain(f"[{words[0]}] {', '.join(words[1:])}", 160)


def _known(root: type[BaseModel], place: Sequence[int | str], raw: Any) -> tuple[str, ...]:
    """Keys that are known at a place of the file."""
    current: type[BaseModel] | None = root
    shorthands: tuple[str, ...] = ()
    for part in place:
        raw = _below(raw, part)
        if isinstance(part, int):
            continue
        shorthands = _SHORTHANDS.get(part, ())
        fields = current.model_fields if current is not None else {}
        current = _part_class(part, raw) if part in _PARTS else None
        if current is None and part in fields:
            current = next(_models_in(fields[part].annotation), None)
    return (*shorthands, *current.model_fields) if current is not None else ()


def _below(raw: Any, part: int | str) -> Any:
    try:
        return raw[part]
    except (KeyError, IndexError, TypeError):
        return None


def _part_class(key: str, raw: Any) -> type[BaseModel] | None:
    from bayesmodels.models.published_means.outcome import MEANS_EFFECTS
    from bayesmodels.parts.hazards import HAZARDS
    from bayesmodels.parts.lookup import class_of
    from bayesmodels.parts.trajectories import TRAJECTORIES

    kinds = {"course": TRAJECTORIES, "trajectory": TRAJECTORIES, "effect": MEANS_EFFECTS, "baseline": HAZARDS}
    known, method = kinds[key], "baseline" if key == "baseline" else "curve"
    try:
        return class_of(key, known, raw.get("type") if isinstance(raw, Mapping) else None, method)
    except ValueError:
        return None


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Classes of models inside an annotation such as ``tuple[Annotated[Outcome, ...], ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation is not BaseModel:
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _nearest(key: str, known: tuple[str, ...]) -> str:
    if not known:
        return "delete it, or check its spelling"
    close = get_close_matches(key, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
