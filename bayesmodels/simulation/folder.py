"""Simulated trials on disk: one folder per trial, the three tables of a study and the truth beside them."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from types import NoneType

import numpy as np
import pandas as pd

from bayesmodels.errors import BadInput, expect, expect_whole
from bayesmodels.files import made_folder, said_in_words, write_whole
from bayesmodels.safe_labels import table_csv
from bayesmodels.simulation.design import valor_design
from bayesmodels.simulation.population import parameter_table, population_truth
from bayesmodels.simulation.trial import SimulatedTrial, simulate_trial
from bayesmodels.simulation.truth import Truth, published_truth


def trial_seed(seed: int, number: int) -> np.random.SeedSequence:
    """Seed of trial ``number`` (from 1) under a seed: does not depend on how many trials are asked for.

    Parameters
    ----------
    seed : int
        Of the collection.
    number : int
        Of the trial, from 1.
    """
    return np.random.SeedSequence(seed, spawn_key=(number,))


def simulate(
    out_dir: str | os.PathLike[str],
    *,
    seed: int,
    n_early: int = 72,
    n_delayed: int = 36,
    trials: int = 1,
    truth: Truth | None = None,
) -> tuple[Path, ...]:
    """Write simulated trials as ``trial-001/{persons,visits,events,truth}.csv``, and so on.

    Simulated, not data: persons are labelled ``sim-0001`` and so on. ``truth.csv`` holds the seed, the parameters and
    the population's true means and contrasts (`population_truth`). Each folder is written under a temporary name, then
    renamed.

    Parameters
    ----------
    out_dir : path
        Made if it is not there.
    seed : int
        Trial k is the same however many trials are asked for.
    n_early, n_delayed : int
        Persons per start group, strata in VALOR's proportions (`valor_design`).
    trials : int
    truth : Truth, optional
        By default the truth calibrated to VALOR, `published_truth`.

    Returns
    -------
    tuple of Path
        The folders, in order.

    Raises
    ------
    BadInput
        Fewer than one trial, a negative seed, a group of one person, a folder that exists already or cannot be made.
    """
    expect(out_dir, (str, os.PathLike), "out_dir", "give the folder for trial-001, trial-002, ...")
    expect(truth, (Truth, NoneType), "truth", "make one with published_truth()")
    expect_whole(seed, "seed")
    for value, name, least in ((trials, "trials", 1), (n_early, "n_early", 0), (n_delayed, "n_delayed", 0)):
        expect_whole(value, name, least)
    truth = published_truth() if truth is None else truth
    design = valor_design(n_early, n_delayed)
    folders = tuple(Path(out_dir) / f"trial-{number:03d}" for number in range(1, trials + 1))
    taken = [folder for folder in folders if folder.exists() or folder.is_symlink()]
    if taken:
        raise BadInput(f"{folder}: exists already; choose another folder or remove it" for folder in taken)
    made_folder(Path(out_dir))
    population = population_truth(design, truth)
    for number, folder in enumerate(folders, start=1):
        trial = simulate_trial(design, truth, trial_seed(seed, number))
        write_trial(trial, folder, _truth_table(seed, number, truth, population))
    return folders


def write_trial(trial: SimulatedTrial, folder: Path, truth_table: pd.DataFrame) -> None:
    """Write a trial's three tables and its truth into a new folder, complete or not at all."""
    partial = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.partial")
    made_folder(partial.parent)
    with said_in_words(partial):
        partial.mkdir()
    tables = {"persons": trial.persons, "visits": trial.visits, "events": trial.events, "truth": truth_table}
    try:
        for name, table in tables.items():
            write_whole(partial / f"{name}.csv", table_csv(table))
        with said_in_words(folder):
            partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _truth_table(seed: int, number: int, truth: Truth, population: pd.DataFrame) -> pd.DataFrame:
    origin = pd.DataFrame(
        [("seed", seed, "simulated, not data"), ("trial", number, "number of the trial under this seed")],
        columns=["quantity", "value", "description"],
    )
    table = pd.concat([origin, parameter_table(truth), population], ignore_index=True)
    columns = ["quantity", "outcome", "start_group", "contrast", "stratum", "week", "value", "monte_carlo_se"]
    return table[[*columns, "unit", "description"]]
