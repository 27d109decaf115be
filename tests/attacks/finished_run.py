"""A finished run of the toy model, made once, and copies of it to damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

CONFIG = """
[study]
name = "Toy trial"
persons = "persons.csv"
visits = "visits.csv"
reference_group = "delayed"
curve_weeks = [0, 4, 8]

[model]
type = "toy_model:Toy"

[sampling]
draws = 800
tune = 200
chains = 2
cores = 1
seed = 3
"""


def write_trial(place: Path) -> Path:
    """The toy trial's tables and configuration."""
    from toy_model import tables

    place.mkdir(parents=True, exist_ok=True)
    for name, frame in tables().items():
        frame.to_csv(place / f"{name}.csv", index=False)
    (place / "trial.toml").write_text(CONFIG, encoding="utf-8")
    return place / "trial.toml"


def copied(folder: Path, place: Path) -> Path:
    """A copy of a run folder."""
    return Path(shutil.copytree(folder, place))


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """The bytes with one kind of damage: bits flipped, a stretch overwritten, cut short, cut out, or put in twice."""
    data = bytearray(content)
    at = int(rng.integers(len(data)))
    match rng.choice(["bits", "zeros", "noise", "short", "hole", "twice"]):
        case "bits":
            for place in rng.integers(len(data), size=int(rng.integers(1, 9))):
                data[place] ^= 1 << int(rng.integers(8))
        case "zeros":
            data[at : at + int(rng.integers(1, 4000))] = bytes(min(int(rng.integers(1, 4000)), len(data) - at))
        case "noise":
            stretch = rng.bytes(min(int(rng.integers(1, 400)), len(data) - at))
            data[at : at + len(stretch)] = stretch
        case "short":
            del data[at:]
        case "hole":
            del data[at : at + int(rng.integers(1, 2000))]
        case "twice":
            data[at:at] = data[at : at + int(rng.integers(1, 2000))]
    return bytes(data)
