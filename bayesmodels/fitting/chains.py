"""One chain: its draws of the free variables, and its file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayesmodels.errors import BayesmodelsError, DamagedFile
from bayesmodels.files import made_folder
from bayesmodels.posterior.netcdf import read_tree, write_tree

# What the samplers call it -> ArviZ's name.
STATISTICS: dict[str, str] = {
    "diverging": "diverging",
    "energy": "energy",
    "depth": "tree_depth",
    "tree_depth": "tree_depth",
    "maxdepth_reached": "reached_max_treedepth",
    "reached_max_treedepth": "reached_max_treedepth",
    "step_size": "step_size",
    "n_steps": "n_steps",
    "logp": "lp",
    "lp": "lp",
    "mean_tree_accept": "acceptance_rate",
    "acceptance_rate": "acceptance_rate",
}


@dataclass(frozen=True)
class Chain:
    """A finished chain: free variables and sampler statistics, both with dims (chain = 1, draw, ...).

    Parameters
    ----------
    number : int
        From 0.
    posterior : xr.Dataset
        Free variables.
    statistics : xr.Dataset
        Of the sampler, under ArviZ's names.
    """

    number: int
    posterior: xr.Dataset
    statistics: xr.Dataset


def tidy_statistics(raw: Mapping[str, np.ndarray], max_treedepth: int) -> dict[str, np.ndarray]:
    """Keep the statistics that ArviZ knows, under its names; arrays (draw,).

    Parameters
    ----------
    raw : mapping of str to array (draw,)
        By the sampler's own names.
    max_treedepth : int
        Of the settings.
    """
    kept = {STATISTICS[name]: np.asarray(value) for name, value in raw.items() if name in STATISTICS}
    if "reached_max_treedepth" not in kept and "tree_depth" in kept:
        kept["reached_max_treedepth"] = kept["tree_depth"] >= max_treedepth
    for name in ("tree_depth", "n_steps"):
        if name in kept:
            kept[name] = kept[name].astype(np.int64)
    return kept


def chain_path(folder: Path, number: int) -> Path:
    """Return the file of a chain, ``<folder>/<number>.nc``.

    Parameters
    ----------
    folder : Path
    number : int
        From 0.
    """
    return folder / f"{number}.nc"


def write_chain(folder: Path, chain: Chain, identity: Mapping[str, Any]) -> None:
    """Write a chain: whole or not at all, with a digest of its contents.

    A chain with numbers by person is readable by its owner only.

    Parameters
    ----------
    folder : Path
    chain : Chain
    identity : mapping
        What the draws depend on (settings, variables); compared when the chain is read again.
    """
    made_folder(folder)
    tree = xr.DataTree.from_dict({"posterior": chain.posterior, "sample_stats": chain.statistics})
    tree.attrs = {"chain": str(chain.number), "identity": json.dumps(identity, sort_keys=True)}
    write_tree(tree, chain_path(folder, chain.number), private="person" in chain.posterior.dims)


def read_chain(folder: Path, number: int, identity: Mapping[str, Any]) -> Chain | None:
    """Read a chain if its file is there.

    Parameters
    ----------
    folder : Path
    number : int
        From 0.
    identity : mapping
        What the file has to say of model, data and settings.

    Raises
    ------
    DamagedFile
        The file is not what was written, or an earlier version wrote it, without a digest.
    BayesmodelsError
        The file holds draws of another model or of other settings.
    """
    path = chain_path(folder, number)
    if not path.exists():
        return None
    tree, verified = read_tree(path)
    if not verified or tree.attrs.get("chain") != str(number):
        raise DamagedFile(f"{path}: not a chain that this version wrote here")
    if json.loads(tree.attrs["identity"]) != json.loads(json.dumps(identity)):
        raise BayesmodelsError(
            f"{path}: this chain belongs to another model or to other settings; "
            "use another folder, or delete this one to sample afresh"
        )
    return Chain(number, *(tree[group].to_dataset(inherit=False) for group in ("posterior", "sample_stats")))
