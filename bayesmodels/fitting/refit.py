"""Repeated fits of one compiled model to different data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayesmodels.fitting import NutsSettings, compile_model
from bayesmodels.fitting.compiled_model import POINT, CompiledModel, kept_variables
from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.posterior.convergence import convergence
from bayesmodels.study import Study
from bayesmodels.vocabulary import VARIABLES

if TYPE_CHECKING:
    import pymc as pm


@dataclass(frozen=True)
class Refit:
    """A compiled model that takes new data.

    Parameters
    ----------
    names : tuple of str
        Free variables that a posterior holds.
    data : tuple of str
        Data that the posterior depends on.
    compiled : CompiledModel
    publish : callable
        Free variables (draw, ...) in the order of `names` to the values of `published_names`.
    log_likelihood : callable
        Every free variable of one draw, in the model's order, to the log-likelihood of the data last handed to `use`.
    pm_model : pm.Model
    published_names : tuple of str
        Published variables evaluated after a refit.
    """

    names: tuple[str, ...]
    data: tuple[str, ...]
    compiled: CompiledModel
    publish: Callable[..., list[np.ndarray]]
    log_likelihood: Callable[..., np.ndarray]
    pm_model: Any
    published_names: tuple[str, ...]

    def sample(self, arrays: Mapping[str, np.ndarray], settings: NutsSettings) -> xr.DataTree:
        """Posterior and sampler statistics for new data, one chain after the other in this process.

        Parameters
        ----------
        arrays : mapping of str to array
            New data by the name of their container.
        settings : NutsSettings
        """
        tree = self._sampled(arrays, settings, raw=False)
        drawn = self.compiled.variables(tree["posterior"][POINT].to_numpy())
        posterior = {
            name: (("chain", "draw", *(f"{name}_dim_{j}" for j in range(value.ndim - 2))), value)
            for name, value in drawn.items()
        }
        return xr.DataTree.from_dict({"posterior": xr.Dataset(posterior), "sample_stats": tree["sample_stats"].ds})

    def raw_draws(self, arrays: Mapping[str, np.ndarray], settings: NutsSettings) -> tuple[dict[str, np.ndarray], int]:
        """Free variables (chain, draw, ...) and the number of divergent draws, without the cost of labels.

        Parameters
        ----------
        arrays : mapping of str to array
            New data by the name of their container.
        settings : NutsSettings
        """
        batches, statistics = self._sampled(arrays, settings, raw=True).get_arrow_trace()
        kept = [~_column(batch, "tuning").astype(bool) for batch in statistics]
        points = np.stack([_column(batch, POINT)[keep] for batch, keep in zip(batches, kept, strict=True)])
        free = self.compiled.variables(points)
        divergent = [_column(batch, "diverging")[keep].sum() for batch, keep in zip(statistics, kept, strict=True)]
        return free, int(sum(divergent))

    def _sampled(self, arrays: Mapping[str, np.ndarray], settings: NutsSettings, *, raw: bool) -> Any:
        import nutpie

        return nutpie.sample(
            self.compiled.with_data(**{name: arrays[name] for name in self.data}).for_nutpie(),
            draws=settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            cores=1,
            seed=settings.seed,
            target_accept=settings.target_accept,
            maxdepth=settings.max_treedepth,
            save_warmup=False,
            progress_bar=False,
            return_raw_trace=raw,
        )

    def published(self, free: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Published variables (draw, ...) of free variables (draw, ...).

        A baseline hazard is centred on the data that the model holds: of new data it is published after `use`.

        Parameters
        ----------
        free : mapping of str to array (draw, ...)
            Free variables.
        """
        values = self.publish(*(np.ascontiguousarray(free[name], float) for name in self.names))
        return dict(zip(self.published_names, values, strict=True))

    def use(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Set the data that `log_likelihood` and `published` use.

        Parameters
        ----------
        arrays : mapping of str to array
            New data by the name of their container.
        """
        for held in self.pm_model.data_vars:
            if held.name in arrays:
                held.set_value(arrays[held.name].astype(held.dtype))

    def log_likelihoods(self, free: Mapping[str, np.ndarray]) -> np.ndarray:
        """Log-likelihood (draw,) of the data last used, at free variables (draw, ...), those by person included.

        Parameters
        ----------
        free : mapping of str to array (draw, ...)
            Every free variable.
        """
        columns = [np.asarray(free[rv.name], float) for rv in self.pm_model.free_RVs]
        return np.array([float(self.log_likelihood(*row)) for row in zip(*columns, strict=True)])


def refit_of(
    model: Any,
    data: Any,
    published: tuple[str, ...] | None = None,
    *,
    pm_model: pm.Model | None = None,
    compiled: CompiledModel | None = None,
) -> Refit:
    """Compile a model for refits; a study fixes start groups, strata and weeks of curves, a table its classes.

    Parameters
    ----------
    model : Model
        With a method ``build(data)``: LongitudinalModel, JointEventModel, SharedRateModel, TrialLevelModel,
        OneStageModel.
    data : Study, TrialTable or ClusterTable
        Its persons and visits, rows or patients do not matter: refits may have others, and another number of them
        (``refit.sample(model.arrays(table), settings)`` for a table of trials or patients). A JointEventModel is
        refitted with ``refit.sample(arrays_of(model, study), settings)``: as many persons, and hazards whose knots do
        not depend on the data.
    published : tuple of str, optional
        Published variables evaluated after a refit; default those of the model that the vocabulary says are `refitted`.
    pm_model : pm.Model, optional
        What ``model.build(data)`` returned: spares building it again.
    compiled : CompiledModel, optional
        From `compile_model`: spares compiling it again.
    """
    import pymc as pm
    import pytensor
    from pytensor.graph.replace import vectorize_graph
    from pytensor.graph.traversal import ancestors
    from pytensor.tensor import TensorType, broadcast_to

    pm_model = model.build(data) if pm_model is None else pm_model
    refitted = tuple(name for name, row in VARIABLES.items() if row.refitted and name in pm_model.named_vars)
    names = published or refitted
    kept = kept_variables(pm_model)
    free = [rv for rv in pm_model.free_RVs if rv.name in kept]
    batched = [TensorType(rv.type.dtype, shape=(None, *rv.type.shape))(name=rv.name) for rv in free]
    vectors = vectorize_graph([pm_model[name] for name in names], replace=dict(zip(free, batched, strict=True)))
    draws = batched[0].shape[0]
    vectors = [  # one that the model fixes has no draws of its own
        vector if vector.ndim > pm_model[name].ndim else broadcast_to(vector, (draws, *vector.shape))
        for name, vector in zip(names, vectors, strict=True)
    ]
    used = set(ancestors([pm_model.logp()]))
    observed = [(rv, pm_model.rvs_to_values[rv]) for rv in pm_model.observed_RVs]
    density = sum(pm.logp(rv, value, warn_rvs=False).sum() for rv, value in observed)
    return Refit(
        names=tuple(rv.name for rv in free),
        data=tuple(v.name for v in pm_model.data_vars if v in used),
        compiled=compile_model(pm_model) if compiled is None else compiled,
        publish=pytensor.function(batched, vectors, mode=python_mode(), on_unused_input="ignore"),
        log_likelihood=pytensor.function(pm_model.free_RVs, density, mode=python_mode(), on_unused_input="ignore"),
        pm_model=pm_model,
        published_names=names,
    )


def arrays_of(model: Any, study: Study) -> dict[str, np.ndarray]:
    """Data containers of a model built on a study, by name: the arrays that a refit replaces.

    Parameters
    ----------
    model : Model
    study : Study
    """
    return {held.name: held.get_value() for held in model.build(study).data_vars}


def _column(batch: Any, name: str) -> np.ndarray:
    """A column of an Arrow batch as an array (row, ...)."""
    import pyarrow as pa

    column = pa.array(batch.column(name))
    rows = len(column)
    while pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        column = column.flatten()
    values = column.to_numpy(zero_copy_only=False)
    return values if len(values) == rows else values.reshape(rows, -1)


def judged(tree: xr.DataTree, refit: Refit, published: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Convergence of a refit, over free and published population-level variables, by the package's verdict.

    A single chain is judged as two, its halves. Short chains count as converged: their draws are right, and few.

    Parameters
    ----------
    tree : xr.DataTree
        From `Refit.sample`.
    refit : Refit
    published : mapping of str to array (draw, ...)
        From `Refit.published`.

    Returns
    -------
    dict
        `verdict`, `converged`, and the numbers behind them: R-hat, effective sample sizes, divergences, E-BFMI.
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
        "verdict": found.verdict,
        "converged": found.verdict != "not_converged",
    }


def stacked(posterior: xr.Dataset, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Free variables (chain x draw, ...).

    Parameters
    ----------
    posterior : xr.Dataset
        Dims (chain, draw, ...).
    names : sequence of str
    """
    arrays = {name: posterior[name].transpose("chain", "draw", ...).to_numpy() for name in names}
    return {name: array.reshape((-1, *array.shape[2:])) for name, array in arrays.items()}
