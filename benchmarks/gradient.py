"""Nanoseconds a person and gradient of the collapsed likelihood, by number of persons and of random effects.

    python benchmarks/gradient.py [--seconds 1]

"fixed" designs do not depend on parameters; in "varying" ones a third of the bases do, and has a gradient; in
"random_walks" ones every outcome has a Brownian path besides, whose steps shrink (of the first outcome) in "shrinking"
ones and are correlated between outcomes in "correlated" ones. Packing into blocks of persons included; one thread.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numba import njit
from rich.console import Console
from rich.table import Table

from bayesmodels.kernels.linear_mixed.op import Inputs, Layout, evaluation, no_terms

PERSONS = (100, 1_000, 10_000, 100_000)
DESIGNS = {"q = 4: 2 outcomes of 6 visits": (2, 6), "q = 12: 6 outcomes of 8 visits": (6, 8)}

KINDS = {
    "fixed": (False, ""),
    "varying": (True, ""),
    "random_walks": (True, "independent"),
    "shrinking": (True, "shrinking"),
    "correlated": (True, "correlated"),
    "both": (True, "correlated, shrinking"),
}


def arguments(persons: int, outcomes: int, visits: int, varying: bool, random_walks: str):
    """Random data with level, rate and a drug effect on every outcome; level and rate vary between persons."""
    rng = np.random.default_rng(0)
    t = np.cumsum(rng.uniform(0.3, 1.0, (visits, persons)), axis=0)
    three = [np.ones_like(t), t, 1 - np.exp(-t)]
    q, terms = 2 * outcomes, 3 * outcomes
    layout = Layout(
        outcome_of=tuple(k for k in range(outcomes) for _ in three),
        term_of=tuple(range(terms)),
        random_terms=tuple(p for p in range(terms) if p % 3 < 2),
        shifting_terms=(),
        varying=tuple(varying and p % 3 == 2 for p in range(terms)),
        n_terms=terms,
        random_walks=tuple(range(outcomes)) if random_walks else (),
        correlated_walks="correlated" in random_walks,
    )
    inputs = Inputs(
        elapsed=np.diff(t, axis=0, prepend=0.0).repeat(outcomes, axis=0).T,
        count=np.full((persons, outcomes), visits),
        stratum=np.zeros(persons, np.int64),
        group=np.zeros(persons, np.int64),
        covariates=np.zeros((persons, 0)),
        mean=rng.normal(size=(terms, 1)),
        shift=np.zeros((0, 1)),
        slope=np.zeros((0, terms)),
        sd=rng.uniform(0.5, 1.0, (1, q)),
        partial=rng.uniform(-0.5, 0.5, q * (q - 1) // 2),
        sigma=rng.uniform(0.5, 1.0, (1, outcomes)),
        random_walk=rng.uniform(0.1, 0.3, (1, outcomes)),
        walk_partial=np.full(outcomes * (outcomes - 1) // 2 if random_walks else 0, 0.3),
        decay=np.where(np.arange(outcomes) == 0, 0.05 * ("shrinking" in random_walks), 0.0),
        skew=np.zeros(1),
    )
    y = rng.normal(size=(persons, outcomes * visits))
    return layout, (y, np.ones(persons), *no_terms(y), *inputs, *(three * outcomes))


def nanoseconds(persons: int, outcomes: int, visits: int, varying: bool, random_walks: str, seconds: float) -> float:
    """CPU nanoseconds a person and gradient."""
    layout, given = arguments(persons, outcomes, visits, varying, random_walks)
    evaluate = evaluation(layout, True, njit)
    evaluate(*given)
    rounds, began = 0, time.process_time()
    while time.process_time() - began < seconds:
        evaluate(*given)
        rounds += 1
    return (time.process_time() - began) / rounds / persons * 1e9


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0)
    seconds = parser.parse_args().seconds
    table = Table(title="CPU nanoseconds a person and gradient")
    table.add_column("design")
    table.add_column("bases")
    for persons in PERSONS:
        table.add_column(f"{persons:,} persons", justify="right")
    for label, (outcomes, visits) in DESIGNS.items():
        for kind, (varying, random_walks) in KINDS.items():
            found = [nanoseconds(n, outcomes, visits, varying, random_walks, seconds) for n in PERSONS]
            table.add_row(label, kind, *(f"{value:,.0f}" for value in found))
    Console().print(table)


if __name__ == "__main__":
    main()
