"""`fit`: build, sample, and everything a report needs, in one self-describing posterior."""

from __future__ import annotations

import json
import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import xarray as xr

from bayesmodels.analyses.event_groups import event_groups
from bayesmodels.errors import BadInput, expect
from bayesmodels.files import made_folder
from bayesmodels.fitting.prior import prior_draws
from bayesmodels.fitting.progress import progress_wanted
from bayesmodels.fitting.samplers import default_target_accept
from bayesmodels.fitting.sampling import Phase, no_phases, sample
from bayesmodels.fitting.settings import PRIOR_STREAM, SUMMARY_STREAM, NutsSettings, resolved, stream_seed
from bayesmodels.models.doubtful_data import all_warnings
from bayesmodels.persons.log_likelihood import person_log_likelihood
from bayesmodels.persons.summaries.any_data import summaries
from bayesmodels.posterior.archive import SCHEMA
from bayesmodels.posterior.convergence import convergence

if TYPE_CHECKING:
    import pymc as pm
    from nutpie.compile_pymc import CompiledPyMCModel

PACKAGES = ("bayesmodels", "pymc", "pytensor", "nutpie", "numba", "arviz-stats", "xarray", "numpy", "scipy", "pandas")


class Model(Protocol):
    """A model: any object with a method `build` that makes a `pm.Model` from data."""

    def build(self, data: Any) -> pm.Model:
        """Return the PyMC model of the data.

        Parameters
        ----------
        data : Study, MeansTable, TrialTable or ClusterTable
            The kind that the model is for.

        Returns
        -------
        pymc.Model
            With the published variables as deterministics, over the vocabulary's dims.
        """
        ...


def fit(
    model: Model,
    data: Any,
    settings: NutsSettings | None = None,
    *,
    chain_dir: Path | None = None,
    compiled: CompiledPyMCModel | None = None,
    on_phase: Phase = no_phases,
) -> xr.DataTree:
    """Fit a model to data.

    Parameters
    ----------
    model : Model
        A frozen value with a method ``build(data) -> pm.Model``.
    data : Study, MeansTable or what the model takes
    settings : NutsSettings, optional
    chain_dir : Path, optional
        Finished chains are written here and found again (`sample`).
    compiled : CompiledPyMCModel, optional
        Of the same model and data (`compile_model`): spares compiling.
    on_phase : callable
        Told the name of each phase as it begins.

    Returns
    -------
    xr.DataTree
        Groups `posterior`, `sample_stats`, `prior` (published variables, 1,000 draws), and where the model has them
        `log_likelihood` [person], `observed_summary`, `predictive_summary`; of a model with events also `event_curves`,
        `event_data`, `dynamic_prediction`. Root attributes describe model, data, warnings about them, settings,
        versions, seconds and convergence; nested ones are JSON.

    Raises
    ------
    BadInput
        The model is not one for these data, or an argument of another kind.
    BayesmodelsError
        See `sample`.
    """
    from bayesmodels.persons.prepared import has_events

    settings = NutsSettings() if settings is None else settings
    expect(settings, NutsSettings, "settings", "write NutsSettings(draws=1000, seed=1)")
    _expect_model(model)
    expect(chain_dir, (str, Path, NoneType), "chain_dir", "give the folder that the chains go to")
    if chain_dir is not None:
        chain_dir = made_folder(Path(chain_dir))
    began = time.monotonic()
    on_phase("build")
    pm_model = model.build(data)
    settings = resolved(settings, default_target_accept(pm_model))
    seed = settings.seed or 0
    tree = sample(pm_model, settings, chain_dir, compiled=compiled, on_phase=on_phase)
    draws = tree["posterior"].to_dataset()
    groups: dict[str, xr.Dataset] = {}
    on_phase("prior")
    groups["prior"] = prior_draws(pm_model, stream_seed(seed, PRIOR_STREAM))
    on_phase("log-likelihood and predictive summaries")
    with progress_wanted(settings.progress):
        groups["log_likelihood"] = person_log_likelihood(pm_model, draws)
        groups |= summaries(model, pm_model, data, draws, stream_seed(seed, SUMMARY_STREAM))
        if has_events(model):
            on_phase("survival, incidence and prediction")
            groups |= event_groups(model, data, tree)
    for name, group in groups.items():
        if group.data_vars:
            tree[name] = xr.DataTree(group)
    on_phase("convergence")
    tree.attrs |= {
        "schema": SCHEMA,
        "model": json.dumps(model_spec(model)),
        "model_type": str(model_spec(model)["type"]),
        "data": json.dumps(describe_data(data)),
        "warnings": json.dumps([line.without_person for line in all_warnings(model, data)]),
        "versions": json.dumps(versions()),
        "convergence": json.dumps(convergence(tree).summary()),
    }
    seconds = {"wall": round(time.monotonic() - began, 2), "cpu": cpu_seconds()} | json.loads(tree.attrs["seconds"])
    tree.attrs["seconds"] = json.dumps(seconds)
    return tree


def _expect_model(model: object) -> None:
    """Refuse what builds no model; a class is no model either."""
    if not callable(getattr(model, "build", None)) or isinstance(model, type):
        came = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        raise BadInput(f"model: expected one with a method build, got {came}; write fit(model, data)")


def model_spec(model: Any) -> dict[str, Any]:
    """Return a model as a JSON-able dict with its `type`, a known name or ``package.module:Class``."""
    spec = model.model_dump(mode="json") if hasattr(model, "model_dump") else {}
    return {"type": f"{type(model).__module__}:{type(model).__qualname__}"} | spec


def describe_data(data: Any) -> dict[str, Any]:
    """Return what a posterior says of its data: kind, name, digest and counts, never identifiers.

    Parameters
    ----------
    data : Study, MeansTable or other
        Data of another kind is named by its type only.

    Returns
    -------
    dict
        kind, name, digest, counts, controlled_week, reference_group, and drug_start_week, the median week of each start
        group (None: never); of a table of trials also its unused rows with the reason.
    """
    described = {
        "kind": type(data).__name__,
        "name": str(getattr(data, "name", "")),
        "digest": str(getattr(data, "digest", "")),
        "counts": getattr(data, "counts", {}),
        "controlled_week": getattr(data, "controlled_week", None),
        "reference_group": getattr(data, "reference_group", None),
        "drug_start_week": {str(group): _plain(week) for group, week in _switch_weeks(data).items()},
    }
    if hasattr(data, "unused"):
        described["unused"] = data.unused.to_dict("records")
    return json.loads(json.dumps(described, default=_plain))


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that the draws depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def cpu_seconds() -> float:
    """Return user and system seconds of this process and its finished children since it started."""
    times = os.times()
    return round(times.user + times.system + times.children_user + times.children_system, 2)


def _switch_weeks(data: Any) -> dict[Any, Any]:
    """Median week at which each start group begins the drug."""
    if hasattr(data, "persons"):
        return data.persons.groupby("start_group", sort=False)["drug_start_week"].median().to_dict()
    return dict(getattr(data, "drug_start_week", {}))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, int | np.integer):
        return int(value)
    number = float(value)
    return number if np.isfinite(number) else None
