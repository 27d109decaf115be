"""Three NUTS samplers with one interface: each yields chains as they finish, one sampler per chain."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayesmodels.errors import BayesmodelsError
from bayesmodels.fitting.chains import Chain, tidy_statistics
from bayesmodels.fitting.compiled_model import POINT, CompiledModel, kept_variables
from bayesmodels.fitting.evaluate import labelled
from bayesmodels.fitting.progress import Progress, State, chain_state
from bayesmodels.fitting.settings import TARGET_ACCEPT, TARGET_ACCEPT_OF_PERSONS, NutsSettings

if TYPE_CHECKING:
    import pymc as pm

POLL = 0.05
"""Seconds between two looks at the running chains."""


def default_target_accept(pm_model: pm.Model) -> float:
    """Mean acceptance probability for settings that leave it open.

    Parameters
    ----------
    pm_model : pymc.Model
    """
    return TARGET_ACCEPT_OF_PERSONS if "person" in pm_model.coords else TARGET_ACCEPT


def nutpie_chains(
    pm_model: pm.Model,
    settings: NutsSettings,
    seeds: Mapping[int, int],
    progress: Progress,
    compiled: CompiledModel,
) -> Iterator[Chain]:
    """Sample chains with nutpie, up to `settings.cores` at once.

    Parameters
    ----------
    pm_model : pm.Model
    settings : NutsSettings
        With `cores` set.
    seeds : mapping of int to int
        Chain numbers to sample, with their seeds.
    progress : Progress
    compiled : CompiledModel
        From `compile_model`.

    Yields
    ------
    Chain
        In the order in which they finish.
    """
    waiting = list(seeds)
    running: dict[int, Any] = {}
    states: dict[int, State] = {}
    try:
        while waiting or running:
            while waiting and len(running) < (settings.cores or 1):
                number = waiting.pop(0)
                running[number] = _start(compiled, settings, number, seeds[number], states)
            for number in [n for n, sampler in running.items() if _finished(n, sampler)]:
                tree = running.pop(number).wait()
                progress.update(_complete(number, settings, tree))
                drawn = compiled.variables(tree["posterior"][POINT].to_numpy())
                yield _chain(pm_model, settings, number, drawn, tree["sample_stats"])
            for number in running:
                if number in states:
                    progress.update(states[number])
            time.sleep(POLL)
    finally:
        for sampler in running.values():
            sampler.cancel()


def _finished(number: int, sampler: Any) -> bool:
    try:
        return bool(sampler.is_finished)
    except TimeoutError:  # what nutpie 0.16 raises while the chain is running
        return False
    except RuntimeError as error:
        why = "; ".join(line.strip() for line in str(error).split("Stack backtrace")[0].splitlines() if line.strip())
        raise BayesmodelsError(f"chain {number}: nutpie stopped: {why}") from error


def _start(compiled: CompiledModel, settings: NutsSettings, number: int, seed: int, states: dict[int, State]) -> Any:
    import nutpie

    def remember(progress: list[Any]) -> None:
        state = progress[0]
        states[number] = chain_state(number, state.finished_draws, settings.tune, settings.draws, state.divergences)

    return nutpie.sample(
        compiled.for_nutpie(),
        draws=settings.draws,
        tune=settings.tune,
        chains=1,
        cores=1,
        seed=seed,
        target_accept=settings.target_accept,
        maxdepth=settings.max_treedepth,
        save_warmup=False,
        progress_bar=False,
        progress_callback=remember,
        progress_rate=250,
        blocking=False,
    )


def pymc_chains(
    pm_model: pm.Model, settings: NutsSettings, seeds: Mapping[int, int], progress: Progress
) -> Iterator[Chain]:
    """Sample chains with PyMC's own NUTS, one after the other; the arguments are those of `nutpie_chains`.

    Parameters
    ----------
    pm_model, settings, seeds, progress
        As of `nutpie_chains`.

    Yields
    ------
    Chain
        Each when it is finished.
    """
    import pymc as pm

    for number, seed in seeds.items():
        divergent = 0

        def show(trace: Any, draw: Any, number: int = number) -> None:
            nonlocal divergent
            divergent += int(not draw.tuning and bool(draw.stats[0]["diverging"]))
            if draw.draw_idx % 50 == 49:
                progress.update(chain_state(number, draw.draw_idx + 1, settings.tune, settings.draws, divergent))

        with pm_model:
            tree = pm.sample(
                draws=settings.draws,
                tune=settings.tune,
                chains=1,
                cores=1,
                random_seed=seed,
                step=None,
                init="jitter+adapt_diag",
                target_accept=settings.target_accept,
                nuts={"max_treedepth": settings.max_treedepth},
                nuts_sampler="pymc",
                var_names=kept_variables(pm_model),
                callback=show,
                progressbar=False,
                quiet=True,
                compute_convergence_checks=False,
            )
        if tree["posterior"].sizes["draw"] < settings.draws:
            raise KeyboardInterrupt  # PyMC returns what it has instead
        yield _chain(pm_model, settings, number, _free(pm_model, tree["posterior"]), tree["sample_stats"])


def numpyro_chains(
    pm_model: pm.Model, settings: NutsSettings, seeds: Mapping[int, int], progress: Progress
) -> Iterator[Chain]:
    """Sample chains with numpyro through JAX, one after the other; the arguments are those of `nutpie_chains`.

    Parameters
    ----------
    pm_model, settings, seeds, progress
        As of `nutpie_chains`.

    Yields
    ------
    Chain
        Each when it is finished.

    Raises
    ------
    BayesmodelsError
        numpyro or JAX is missing, or the model has an operation that only numba knows.
    """
    missing = [name for name in ("numpyro", "jax") if find_spec(name) is None]
    if missing:
        raise BayesmodelsError(
            f"sampler = 'numpyro' needs {' and '.join(missing)}: "
            "pip install 'bayesmodels[numpyro]' (or choose sampler = 'nutpie')"
        )
    from pymc.sampling.jax import sample_numpyro_nuts

    for number, seed in seeds.items():
        try:
            tree = sample_numpyro_nuts(
                draws=settings.draws,
                tune=settings.tune,
                chains=1,
                target_accept=settings.target_accept,
                random_seed=seed,
                model=pm_model,
                var_names=kept_variables(pm_model),
                progressbar=False,
                compute_convergence_checks=False,
                nuts_kwargs={"max_tree_depth": settings.max_treedepth},
            )
        except NotImplementedError as error:
            raise BayesmodelsError(
                "this model cannot be sampled by numpyro: it has an operation without a JAX form "
                f"({str(error).splitlines()[0].split('{')[0]}); use sampler = 'nutpie' or 'pymc'"
            ) from error
        progress.update(_complete(number, settings, tree))
        yield _chain(pm_model, settings, number, _free(pm_model, tree["posterior"]), tree["sample_stats"])


def _complete(number: int, settings: NutsSettings, tree: Any) -> State:
    finished, divergences = settings.tune + settings.draws, int(tree["sample_stats"]["diverging"].sum())
    return chain_state(number, finished, settings.tune, settings.draws, divergences)


def _free(pm_model: pm.Model, posterior: Any) -> dict[str, np.ndarray]:
    """Free variables (chain, draw, ...) of a sampler's own posterior."""
    return {name: posterior[name].to_numpy() for name in kept_variables(pm_model)}


def _chain(
    pm_model: pm.Model, settings: NutsSettings, number: int, free: Mapping[str, np.ndarray], stats: Any
) -> Chain:
    """Give a sampler's output the model's dims and coordinates, and ArviZ's names."""
    raw = {name: stats[name].to_numpy()[0] for name in stats.data_vars if stats[name].ndim == 2}
    statistics = {
        name: xr.DataArray(value[None], dims=("chain", "draw"))
        for name, value in tidy_statistics(raw, settings.max_treedepth).items()
    }
    place = {"chain": np.array([number])}
    draws = labelled(pm_model, free, pm_model.named_vars_to_dims).assign_coords(place)
    kept = xr.Dataset(statistics).assign_coords(place | {"draw": draws["draw"]})
    return Chain(number, draws, kept)
