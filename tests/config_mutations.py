"""Configurations spoilt at random: wrong types, unknown keys, absurd numbers and nesting at random places, by seed."""

from __future__ import annotations

import copy
import json
import math
from datetime import date, datetime, time
from typing import Any

import numpy as np

JOINT = {
    "study": {
        "persons": "simulated-trial/persons.csv",
        "visits": "simulated-trial/visits.csv",
        "events": "simulated-trial/events.csv",
        "reference_group": "delayed",
    },
    "model": {
        "type": "joint_event",
        "covariates": {"level": [], "rate": [], "effect": []},
        "outcomes": [
            {"preset": "alsfrs_r", "trajectory": {"type": "linear"}, "effect": {"type": "slope_change", "lag": 1.0}},
            {
                "name": "nfl_plasma", "scale": "log", "good_direction": "down", "unit": "pg/mL",
                "typical": {"level": 60.0, "spread": 0.5, "rate": 0.02}, "random_walk_sd": {"sd": 0.1},
            },
        ],
        "events": [
            {
                "name": "death", "of": ["death"], "terminal": True, "baseline": {"type": "weibull"},
                "associations": [{"outcome": "alsfrs_r", "form": "value"}],
            }
        ],
    },
    "sampling": {"draws": 10, "chains": 2, "seed": 1},
    "archive": {"persons": False},
}  # fmt: skip
MEANS = {
    "data": {"table": "valor_visits", "series": ["nfl_plasma"], "until_week": 28},
    "model": {"type": "published_means", "outcomes": [{"preset": "valor_nfl_plasma"}]},
    "sampling": {"draws": 10, "target_accept": 0.9},
}
TRIALS = {
    "data": {"table": "als_trials", "one_sided": "used"},
    "model": {"type": "trial_level", "surrogate_scale": 0.5, "outcome_scale": 1.0},
    "report": {"margin": 1.0, "trials_needed": False, "trial_verdict": {}},
}


def wrong_values() -> list[Any]:
    """Values that a key seldom takes: other types, the ends of numbers, text that breaks lines, formats and paths."""
    deep: Any = "x"
    for _ in range(60):
        deep = [deep]
    return [
        [], {}, [[]], [{}], {"a": {"b": {"c": [1, {"d": 2}]}}}, True, 3, -1, 0, 1.5, 2**63 - 1, -(2**63), math.inf,
        -math.inf, math.nan, 1e308, -1e308, 5e-324, "", " ", "x" * 20_000, "a\nb\tc\u2028d\x1b[31m", "{0.x}{first}",
        "%s", "a/b", "../../x", ".", "CON", "no:where", "nowhere:Thing", "..:x", ":", "json:loads", "math", "\u0000",
        "É" * 50, ["a", 1, None], [1, 2, 3], ["x"] * 500, date(2024, 1, 1), datetime(2024, 1, 1, 3), time(1, 2), deep,
        {"type": "linear"}, {"type": []}, {"type": {}}, {"type": "nowhere:Thing"}, {"sd": -1}, {"mean": 0, "sd": 1},
    ]  # fmt: skip


def places(value: Any, above: tuple = ()) -> list[tuple]:
    """Every place of a nested configuration, as keys and numbers from the top."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [above] * bool(above) + [place for key, below in inner for place in places(below, (*above, key))]


def spoilt(config: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """The configuration with one to three random changes."""
    made = copy.deepcopy(config)
    values = wrong_values()
    for _ in range(rng.integers(1, 4)):
        known = places(made)
        if not known:
            break
        *above, last = known[rng.integers(len(known))]
        inside: Any = made
        for key in above:
            inside = inside[key]
        value = copy.deepcopy(values[rng.integers(len(values))])
        what = rng.integers(4)
        if what == 0 and isinstance(inside, dict):
            inside[str(rng.choice(["x", "tpye", "a b", "", "é", "name", "type", "k" * 3000, "{first}"]))] = value
        elif what == 1:
            del inside[last]
        else:
            inside[last] = value
    return made


def as_toml(config: dict[str, Any]) -> str:
    """A configuration as TOML text, one line a key at the top."""
    return "".join(f"{_text(key)} = {_written(value)}\n" for key, value in config.items())


def _text(text: str) -> str:
    return json.dumps(text).replace("\x7f", "\\u007f")


def _written(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{_text(key)} = {_written(inner)}" for key, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(_written(inner) for inner in value if inner is not None) + "]"
        case str():
            return _text(value)
        case bool():
            return str(value).lower()
        case date() | time():  # a datetime is a date
            return value.isoformat()
        case float():
            return repr(value)
    return str(value)
