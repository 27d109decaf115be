"""Whether two descriptions of models say the same, and where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

WORDS = ("source",)
"""Keys that say where a number comes from and change nothing that is computed."""

NOTHING = "nothing"
"""What stands for a key that one of the two does not have."""


def differences(one: Any, other: Any) -> list[str]:
    """Places at which two descriptions differ: "outcomes, alsfrs_r, rate, sd: 0.5, there 1.0".

    Parameters
    ----------
    one, other : nested mappings and lists
        As a posterior's root attribute `model` and the manifest of `bayesmodels trials` have them; entries of a list
        are matched by their `name`, where they have one. Sources (`WORDS`) do not count.

    Returns
    -------
    list of str
        Empty where both say the same.
    """
    return list(_different(one, other, ()))


def _different(one: Any, other: Any, place: tuple[str, ...]) -> Iterator[str]:
    here, there = _keyed(one), _keyed(other)
    if here is None or there is None:
        if one != other:
            yield f"{', '.join(place) or 'model'}: {_short(one)}, there {_short(other)}"
        return
    for key in dict.fromkeys([*here, *there]):
        if key not in WORDS:
            yield from _different(here.get(key, NOTHING), there.get(key, NOTHING), (*place, key))


def _keyed(value: Any) -> Mapping[str, Any] | None:
    """Entries by key; None of a plain value."""
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, list | tuple):
        return None
    if value and all(isinstance(item, Mapping) and isinstance(item.get("name"), str) for item in value):
        return {item["name"]: item for item in value}
    return {f"no. {number}": item for number, item in enumerate(value, 1)}


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
