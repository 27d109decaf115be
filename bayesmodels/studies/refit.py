"""Compile a model once, hand it data set after data set; run a study over processes, and resume it.

A study is a function of a frozen specification and a trial's number. What is compiled is kept per process and
specification, so the same functions run in this process, in worker processes, or on a Dask cluster.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayesmodels.fitting import NutsSettings, compile_model
from bayesmodels.fitting.diagnostics import convergence
from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.models.trial_level import TrialLevelModel

Record = dict[str, Any]
Task = Callable[[Any, int], Record]

PUBLISHED = (
    "population_level",
    "population_rate",
    "drug_effect",
    "group_drug_effect",
    "group_effect_sd",
    "effect_lag",
    "effect_time_constant",
    "deceleration",
    "person_sd",
    "person_correlation",
    "residual_sd",
    "curve",
    "difference",
)
"""Published variables of a longitudinal model evaluated after a refit."""

TRIAL_LEVEL = (
    "trial_mean",
    "trial_sd",
    "trial_correlation",
    "trial_r2",
    "trial_slope",
    "trial_intercept",
    "trial_conditional_sd",
)
"""Those of a trial-level model."""


@dataclass(frozen=True)
class Refit:
    """A compiled model that takes new data.

    Attributes
    ----------
    names : tuple of str
        Free variables.
    data : tuple of str
        Data that the posterior depends on.
    compiled
        nutpie's compiled model.
    publish : callable
        Free variables (draw, ...) in the order of `names` to the values of `published_names`.
    log_likelihood : callable
        Free variables of one draw to the log-likelihood of the data last handed to `use`.
    pm_model : pm.Model
    published_names : tuple of str
        Published variables evaluated after a refit.
    """

    names: tuple[str, ...]
    data: tuple[str, ...]
    compiled: Any
    publish: Callable[..., list[np.ndarray]]
    log_likelihood: Callable[..., np.ndarray]
    pm_model: Any
    published_names: tuple[str, ...] = PUBLISHED

    def sample(self, arrays: Mapping[str, np.ndarray], settings: NutsSettings) -> xr.DataTree:
        """Posterior and sampler statistics for new data, one chain after the other in this process."""
        import nutpie

        return nutpie.sample(
            self.compiled.with_data(**{name: arrays[name] for name in self.data}),
            draws=settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            cores=1,
            seed=settings.seed,
            target_accept=settings.target_accept,
            maxdepth=settings.max_treedepth,
            save_warmup=False,
            progress_bar=False,
        )

    def raw_draws(self, arrays: Mapping[str, np.ndarray], settings: NutsSettings) -> tuple[dict[str, np.ndarray], int]:
        """Free variables (chain, draw, ...) and the number of divergent draws, without the cost of labels."""
        import nutpie
        import pyarrow as pa

        batches, statistics = nutpie.sample(
            self.compiled.with_data(**{name: arrays[name] for name in self.data}),
            draws=settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            cores=1,
            seed=settings.seed,
            target_accept=settings.target_accept,
            maxdepth=settings.max_treedepth,
            progress_bar=False,
            return_raw_trace=True,
        ).get_arrow_trace()
        kept = [~_column(pa, batch, "tuning").astype(bool) for batch in statistics]
        free = {
            name: np.stack([_column(pa, batch, name)[keep] for batch, keep in zip(batches, kept, strict=True)])
            for name in self.names
        }
        divergent = sum(
            int(_column(pa, batch, "diverging")[keep].sum()) for batch, keep in zip(statistics, kept, strict=True)
        )
        return free, divergent

    def published(self, free: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Published variables (draw, ...) of free variables (draw, ...)."""
        values = self.publish(*(np.ascontiguousarray(free[name], float) for name in self.names))
        return dict(zip(self.published_names, values, strict=True))

    def use(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Hand new data to `log_likelihood`."""
        for name in self.data:
            held = self.pm_model[name]
            held.set_value(arrays[name].astype(held.dtype))

    def log_likelihoods(self, free: Mapping[str, np.ndarray]) -> np.ndarray:
        """Log-likelihood (draw,) of the data last used, at free variables (draw, ...)."""
        columns = [np.asarray(free[name], float) for name in self.names]
        return np.array([float(self.log_likelihood(*row)) for row in zip(*columns, strict=True)])


def refit_of(model: Any, data: Any, published: tuple[str, ...] | None = None) -> Refit:
    """Compile a model for refits; a study fixes start groups, strata and weeks of curves, a table its classes.

    Parameters
    ----------
    model : Model
        With a method ``build(data)`` and one observed variable: LongitudinalModel, TrialLevelModel, OneStageModel.
    data : Study, TrialTable or ClusterTable
        Its persons and visits, rows or patients do not matter: refits may have others, and another number of them
        (``refit.sample(model.arrays(table), settings)`` for a table of trials or patients).
    published : tuple of str, optional
        Published variables evaluated after a refit; default `TRIAL_LEVEL` for a trial-level model, else `PUBLISHED`.
    """
    import pymc as pm
    import pytensor
    from pytensor.graph.replace import vectorize_graph
    from pytensor.graph.traversal import ancestors
    from pytensor.tensor import TensorType

    names = published or (TRIAL_LEVEL if isinstance(model, TrialLevelModel) else PUBLISHED)
    pm_model = model.build(data)
    free = pm_model.free_RVs
    batched = [TensorType(rv.type.dtype, shape=(None, *rv.type.shape))(name=rv.name) for rv in free]
    vectors = vectorize_graph([pm_model[name] for name in names], replace=dict(zip(free, batched, strict=True)))
    (observed,) = pm_model.observed_RVs
    used = set(ancestors([pm_model.logp()]))
    density = pm.logp(observed, pm_model.rvs_to_values[observed], warn_rvs=False).sum()
    return Refit(
        names=tuple(rv.name for rv in free),
        data=tuple(v.name for v in pm_model.data_vars if v in used),
        compiled=compile_model(pm_model),
        publish=pytensor.function(batched, vectors, mode=python_mode(), on_unused_input="ignore"),
        log_likelihood=pytensor.function(free, density, mode=python_mode(), on_unused_input="ignore"),
        pm_model=pm_model,
        published_names=names,
    )


def _column(pa: Any, batch: Any, name: str) -> np.ndarray:
    """A column of an Arrow batch as an array (row, ...)."""
    column = pa.array(batch.column(name))
    rows = len(column)
    while pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        column = column.flatten()
    values = column.to_numpy(zero_copy_only=False)
    return values if len(values) == rows else values.reshape(rows, -1)


def judged(tree: xr.DataTree, refit: Refit, published: Mapping[str, np.ndarray]) -> Record:
    """Convergence of a refit, over free and published population-level variables, by the package's verdict.

    A single chain is judged as two, its halves.
    """
    sizes = tree["posterior"].sizes
    halves = 2 if sizes["chain"] == 1 else 1
    shape = (sizes["chain"] * halves, sizes["draw"] // halves)
    arrays = {}
    for name, values in {**stacked(tree["posterior"].to_dataset(), refit.names), **published}.items():
        if name not in ("curve", "difference"):
            own = tuple(f"{name}_{j}" for j in range(values.ndim - 1))
            arrays[name] = xr.DataArray(
                values[: shape[0] * shape[1]].reshape((*shape, *values.shape[1:])), dims=("chain", "draw", *own)
            )
    drawn = xr.Dataset(arrays)
    statistics = tree["sample_stats"].to_dataset()
    found = convergence(xr.DataTree.from_dict({"posterior": drawn, "sample_stats": statistics}))
    return {
        "max_rhat": round(found.max_rhat, 4),
        "min_ess_bulk": round(found.min_ess_bulk, 1),
        "min_ess_tail": round(found.min_ess_tail, 1),
        "divergences": found.divergences,
        "min_ebfmi": found.min_ebfmi,
    }


def stacked(posterior: xr.Dataset, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Free variables (chain x draw, ...)."""
    arrays = {name: posterior[name].transpose("chain", "draw", ...).to_numpy() for name in names}
    return {name: array.reshape((-1, *array.shape[2:])) for name, array in arrays.items()}


def run_study(
    task: Task,
    spec: Any,
    trials: int,
    log: Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
) -> list[Record]:
    """Records of trials 0 to `trials - 1`, in order; those already in `log` are not run again.

    Parameters
    ----------
    task : callable
        ``task(spec, number)``, a module's function; its record is JSON-able.
    spec : frozen dataclass
        Everything the records depend on besides the number.
    trials : int
    log : Path
        JSON lines, the first one names the specification; a record is appended as soon as it is there.
    workers : int
        Processes on this machine; 1 runs in this one.
    scheduler : str, optional
        Address of a Dask scheduler, used instead of processes.

    Raises
    ------
    ValueError
        The log is of another specification.
    """
    records = _resume(log, spec)
    waiting = [number for number in range(trials) if number not in records]
    with log.open("a", encoding="utf-8") as file, _progress(trials, len(records)) as advance:
        for record in _records(task, spec, waiting, workers, scheduler):
            records[record["trial"]] = record
            file.write(json.dumps(record) + "\n")
            file.flush()
            advance()
    return [records[number] for number in range(trials)]


def _resume(log: Path, spec: Any) -> dict[int, Record]:
    """Records of the log by trial; a last line cut short by a kill is dropped from the file."""
    head = json.dumps({"spec": repr(spec)})
    if not log.exists() or not log.read_text(encoding="utf-8").strip():
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(head + "\n", encoding="utf-8")
        return {}
    text = log.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    lines = whole.splitlines()
    if not lines or lines[0] != head:
        raise ValueError(f"{log} belongs to a study with other settings; remove it or give another place")
    if whole != text:
        log.write_text(whole, encoding="utf-8")
    return {record["trial"]: record for record in map(json.loads, lines[1:])}


def _records(task: Task, spec: Any, numbers: Sequence[int], workers: int, scheduler: str | None):
    """Records as they are finished."""
    timed = partial(_timed, task, spec)
    if workers == 1 and scheduler is None:
        yield from map(timed, numbers)
        return
    with _executor(workers, scheduler) as executor:
        for future in as_completed([executor.submit(timed, number) for number in numbers]):
            yield future.result()


def _timed(task: Task, spec: Any, number: int) -> Record:
    """The task's record with its number and CPU seconds (compilation falls on the first trial of each process)."""
    began = time.process_time()
    record = task(spec, number)
    return {"trial": number, "cpu_seconds": round(time.process_time() - began, 2), "process": os.getpid(), **record}


@contextmanager
def _executor(workers: int, scheduler: str | None):
    executor: Executor
    if scheduler is not None:
        from distributed import Client

        with Client(scheduler) as client:
            yield client.get_executor()
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
        yield executor


@contextmanager
def _progress(total: int, done: int):
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("trials", total=total, completed=done)
        yield lambda: progress.advance(bar)
