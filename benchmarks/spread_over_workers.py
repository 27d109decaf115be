"""Persons spread over two Dask workers: the parts' log-densities and gradients add up to the whole model's.

    python benchmarks/spread_over_workers.py [--persons 2000] [--design light] [--workers 2] [--points 5] [--out FILE]

Given the parameters persons are independent, so that log-density and gradient are sums over persons, and those of the
prior. Each worker builds and compiles the model of its own persons once and keeps it; then only the vector of
parameters goes out, and one number and one vector come back. Every part counts the prior, so the prior is taken off all
parts but one; it is worked out by PyMC, without the compiled model. The sum is compared with the whole model's, in this
process.

A worker here is a process of this machine; on a cluster give `Client` its scheduler's address.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from registries import DESIGNS, model_of, study_of, tables

CLOSE = 1e-9
"""Largest relative difference between the sum of the parts and the whole."""


class Part:
    """Compiled model of some of the persons, kept by a worker."""

    def __init__(self, design: str, people: Any, visits: Any) -> None:
        from bayesmodels.fitting import compile_model

        self.compiled = compile_model(model_of(design).build(study_of(design, people, visits)))

    def evaluate(self, vector: np.ndarray) -> tuple[float, np.ndarray, float]:
        """Log-density, prior included, its gradient, and the seconds that they took."""
        began = time.perf_counter()
        value, gradient = self.compiled.evaluate(vector, *self.compiled.data.values())
        return float(value), np.array(gradient), time.perf_counter() - began


def density_of(pm_model: Any, variables: Any) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """Function of the free vector to the log-density of some of a model's variables, and its gradient; in Python."""
    import pytensor
    import pytensor.tensor as pt

    from bayesmodels.fitting.evaluate import python_mode

    values = pm_model.value_vars
    density = pm_model.logp(vars=variables)
    gradient = pt.concatenate([by.ravel() for by in pytensor.grad(density, values)])
    function = pytensor.function(values, [density, gradient], mode=python_mode(), on_unused_input="ignore")
    shapes = [pm_model.initial_point()[value.name].shape for value in values]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]

    def evaluated(vector: np.ndarray) -> tuple[float, np.ndarray]:
        pieces = np.split(vector, ends)
        value, by = function(*(piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=True)))
        return float(value), by

    return evaluated


def added_up(parts: Sequence[tuple[float, np.ndarray]], prior: tuple[float, np.ndarray]) -> tuple[float, np.ndarray]:
    """Log-density and gradient of all persons, from those of parts that each count the prior."""
    more = len(parts) - 1
    return (
        sum(value for value, _ in parts) - more * prior[0],
        np.sum([gradient for _, gradient in parts], axis=0) - more * prior[1],
    )


def shares(people: Any, visits: Any, parts: int) -> list[tuple[Any, Any]]:
    """Persons in as many blocks as there are parts, with their visits."""
    dealt = []
    for part in range(parts):
        some = people.iloc[part * len(people) // parts : (part + 1) * len(people) // parts]
        dealt.append((some, visits[visits["person"].isin(some["person"])]))
    return dealt


def difference(found: tuple[float, np.ndarray], whole: tuple[float, np.ndarray]) -> float:
    """Largest difference of value and gradient, relative to the value and to the largest gradient."""
    by = np.abs(found[1] - whole[1]).max() / np.abs(whole[1]).max()
    return float(max(abs(found[0] - whole[0]) / abs(whole[0]), by))


def measured(design: str, persons: int, workers: int, points: int) -> dict[str, Any]:
    """Parts against the whole at jittered starts, and seconds of both."""
    from distributed import Client, LocalCluster

    people, visits = tables(design, persons)
    whole, pm_model = Part(design, people, visits), model_of(design).build(study_of(design, people, visits))
    prior = density_of(pm_model, pm_model.free_RVs)
    vectors = [whole.compiled.start(seed) for seed in range(points)]
    trips, own, alone, apart = [], [], [], []
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=logging.ERROR
        ) as cluster,
        Client(cluster) as client,
    ):
        names = list(client.scheduler_info()["workers"])
        dealt = shares(people, visits, workers)
        futures = [
            client.submit(Part, design, *share, actor=True, workers=[name])
            for share, name in zip(dealt, names, strict=True)
        ]
        parts = [future.result() for future in futures]
        for vector in vectors:
            for _ in range(5):
                began = time.perf_counter()
                asked = [part.evaluate(vector) for part in parts]
                answers = [answer.result() for answer in asked]
                trips.append(time.perf_counter() - began)
                own.append(max(seconds for *_, seconds in answers))
            value, gradient, seconds = whole.evaluate(vector)
            alone.append(seconds)
            found = added_up([(value, by) for value, by, _ in answers], prior(vector))
            apart.append(difference(found, (value, gradient)))
    waiting = min(trip - most for trip, most in zip(trips, own, strict=True))
    if not max(apart) < CLOSE:
        raise SystemExit(f"expected the parts to add up to the whole to {CLOSE:g}, got {max(apart):.1e}")
    return {
        "design": design,
        "persons": persons,
        "workers": workers,
        "largest_relative_difference": max(apart),
        "whole_s": min(alone),
        "slowest_part_s": min(own),
        "round_trip_s": min(trips),
        "round_trip_without_work_s": waiting,
    }


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persons", type=int, default=2_000)
    parser.add_argument("--design", choices=DESIGNS, default="light")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--points", type=int, default=5)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = measured(given.design, given.persons, given.workers, given.points)
    for name, value in found.items():
        print(f"{name:30s} {value}")
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
