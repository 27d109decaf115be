"""`sample`: the posterior of any `pm.Model`, in ArviZ's schema."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayesmodels.errors import BadInput, DamagedFile, expect
from bayesmodels.fitting.chains import Chain, read_chain, write_chain
from bayesmodels.fitting.compiled_model import CompiledModel, compile_model, kept_variables
from bayesmodels.fitting.coordinates import with_descriptions
from bayesmodels.fitting.evaluate import evaluate, labelled, python_mode
from bayesmodels.fitting.progress import Progress, State, progress_display
from bayesmodels.fitting.samplers import (
    default_target_accept,
    numpyro_chains,
    nutpie_chains,
    pymc_chains,
)
from bayesmodels.fitting.settings import NutsSettings, affects_draws, chain_seeds, resolved

if TYPE_CHECKING:
    import pymc as pm

COMPILE = "compile, or load what was compiled before"
"""Name of the phase: about a minute the first time that a machine meets a kind of model, a second or two later."""

Phase = Callable[[str], None]
"""Told the name of each phase as it begins."""


def no_phases(_: str) -> None:
    """Ignore a phase: the default of `on_phase`."""


def sample(
    pm_model: pm.Model,
    settings: NutsSettings,
    chain_dir: Path | None = None,
    *,
    compiled: CompiledModel | Callable[[], CompiledModel] | None = None,
    on_phase: Phase = no_phases,
) -> xr.DataTree:
    """Draw from a model's posterior with NUTS.

    The sampler is asked for the free variables only; deterministic variables are evaluated afterwards, at all draws,
    without compiling them. Every chain has its own sampler and seed, so the draws do not depend on `settings.cores`
    nor on an interruption.

    Parameters
    ----------
    pm_model : pm.Model
        Any model whose free variables are continuous.
    settings : NutsSettings
    chain_dir : Path, optional
        Each chain is written here, as ``<k>.nc``, when it is finished; chains found here are kept.
    compiled : CompiledModel or callable, optional
        From `compile_model`, with the same data as `pm_model`: spares compiling again (nutpie only). Or a function that
        gives it, called only where a chain is to be sampled.
    on_phase : callable
        Told `COMPILE`, "sample", "chain <k>: <n> of <m> finished" and "published variables".

    Returns
    -------
    xr.DataTree
        Groups `posterior` and `sample_stats`, dims (chain, draw, ...); root attributes `seed`,
        `free_variables`, `settings` and `seconds` (JSON: compile, sample).

    Raises
    ------
    BadInput
        An argument of another kind.
    BayesmodelsError
        The sampler stopped, is not installed, or `chain_dir` belongs to another fit.
    """
    if not hasattr(pm_model, "free_RVs"):
        raise BadInput(f"pm_model: expected a PyMC model, got {type(pm_model).__name__}; give what build(data) returns")
    expect(settings, NutsSettings, "settings", "write NutsSettings(draws=1000, seed=1)")
    settings = resolved(settings, default_target_accept(pm_model))
    seeds = chain_seeds(settings)
    identity: dict[str, Any] = {}
    chains: dict[int, Chain] = {}
    clock = _Clock()
    if chain_dir is not None:
        identity = {"settings": affects_draws(settings), "log_density": log_density_at_start(pm_model)}
        chains = _kept_chains(chain_dir, settings.chains, identity, on_phase)
    wanted = {number: seed for number, seed in enumerate(seeds) if number not in chains}
    found = len(chains)
    if wanted:
        if settings.sampler == "nutpie":
            compiled = _compiled(pm_model, compiled, on_phase, settings.progress)
        clock.lap("compile")
        on_phase("sample")
        with progress_display(settings.progress) as progress:
            for chain in _sampler(pm_model, settings, wanted, progress, compiled):
                if chain_dir is not None:
                    write_chain(chain_dir, chain, identity)
                chains[chain.number] = chain
                on_phase(f"chain {chain.number}: {len(chains)} of {settings.chains} finished")
        clock.lap("sample")
    ordered = [chains[number] for number in range(settings.chains)]
    posterior = xr.concat([chain.posterior for chain in ordered], "chain")
    on_phase("published variables")
    tree = xr.DataTree.from_dict(
        {
            "posterior": with_descriptions(pm_model, posterior.merge(deterministics(pm_model, posterior))),
            "sample_stats": xr.concat([chain.statistics for chain in ordered], "chain"),
        }
    )
    ran = {"sampler": f"{settings.sampler} {version(settings.sampler)}", "chains_sampled": len(wanted)}
    tree.attrs = {
        "seed": str(settings.seed),
        "free_variables": json.dumps(kept_variables(pm_model)),
        "settings": json.dumps(settings.model_dump() | {"ran": ran | {"chains_found": found}}),
        "seconds": json.dumps(clock.laps),
    }
    return tree


def deterministics(pm_model: pm.Model, draws: xr.Dataset) -> xr.Dataset:
    """Evaluate a model's deterministic variables at draws of its free ones.

    Parameters
    ----------
    pm_model : pm.Model
    draws : xr.Dataset
        Free variables, dims (chain, draw, ...).

    Returns
    -------
    xr.Dataset
        One variable a `pm.Deterministic`, dims (chain, draw, ...).
    """
    graphs = {variable.name: variable for variable in pm_model.deterministics}
    return labelled(pm_model, evaluate(pm_model, graphs, draws), pm_model.named_vars_to_dims)


def _compiled(pm_model: pm.Model, compiled: Any, on_phase: Phase, wanted: bool | None) -> CompiledModel:
    """The compiled model as given, or as the function that was given gives it; else compiled now."""
    if compiled is not None and not callable(compiled):
        return compiled
    on_phase(COMPILE)
    with progress_display(wanted) as progress:
        progress.update(State("compile", 0, 1, "about a minute the first time, then kept on disk"))
        made = compile_model(pm_model) if compiled is None else compiled()
        progress.update(State("compile", 1, 1))
    if not made.kept_on_disk:
        on_phase("compiled; an operation of this model cannot be kept on disk, so every process compiles it anew")
    return made


def _kept_chains(folder: Path, chains: int, identity: Mapping[str, Any], on_phase: Phase) -> dict[int, Chain]:
    """Chains that are finished and whole, by number; a damaged one is told of and sampled again."""
    kept = {}
    for number in range(chains):
        try:
            chain = read_chain(folder, number, identity)
        except DamagedFile:
            on_phase(f"file of chain {number} is damaged, so it is sampled again")
            continue
        if chain is not None:
            kept[number] = chain
    return kept


class _Clock:
    """Wall seconds by phase."""

    def __init__(self) -> None:
        self.laps = {"compile": 0.0, "sample": 0.0}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = round(now - self._last, 2)
        self._last = now


def log_density_at_start(pm_model: pm.Model) -> dict[str, float]:
    """Evaluate every variable's log-density at the model's initial point: tells models and data apart.

    Parameters
    ----------
    pm_model : pymc.Model

    Returns
    -------
    dict of str to float
        By name of the variable or potential.
    """
    start = pm_model.initial_point(random_seed=0)
    density = pm_model.compile_fn(pm_model.logp(sum=False), mode=python_mode(), on_unused_input="ignore")(start)
    variables = pm_model.basic_RVs + pm_model.potentials
    return {rv.name: float(f"{np.sum(term):.9g}") for rv, term in zip(variables, density, strict=True)}


def _sampler(
    pm_model: pm.Model, settings: NutsSettings, seeds: Mapping[int, int], progress: Progress, compiled: Any
) -> Iterator[Chain]:
    match settings.sampler:
        case "nutpie":
            return nutpie_chains(pm_model, settings, seeds, progress, compiled)
        case "pymc":
            return pymc_chains(pm_model, settings, seeds, progress)
        case "numpyro":
            return numpyro_chains(pm_model, settings, seeds, progress)
