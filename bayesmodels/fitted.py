"""`fit`: build, sample, and everything a report needs, in one self-describing posterior."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Sequence
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import xarray as xr

from bayesmodels.analyses.analysis import (
    Analysis,
    Fit,
    analysis_problems,
    computed,
    event_parts,
    expect_analyses,
    title,
)
from bayesmodels.analyses.event_groups import DynamicPrediction, EventGroups
from bayesmodels.errors import BadInput, expect
from bayesmodels.files import made_folder
from bayesmodels.fitting.compiled_model import compile_model
from bayesmodels.fitting.prior import prior_draws
from bayesmodels.fitting.progress import progress_wanted
from bayesmodels.fitting.samplers import default_target_accept
from bayesmodels.fitting.sampling import Phase, no_phases, sample
from bayesmodels.fitting.settings import NutsSettings, resolved
from bayesmodels.models.doubtful_data import all_warnings
from bayesmodels.models.prior_table import prior_table
from bayesmodels.models.visit_means.model import VisitModel
from bayesmodels.persons.log_likelihood import likelihood_groups
from bayesmodels.persons.summaries.means import means_summaries
from bayesmodels.persons.summaries.nominal_visits import nominal_visit_summaries
from bayesmodels.persons.summaries.trials import trial_summaries
from bayesmodels.persons.summaries.visits import visit_summaries
from bayesmodels.posterior.archive import SCHEMA
from bayesmodels.posterior.convergence import convergence
from bayesmodels.processes import usable_cores
from bayesmodels.study import MeansTable, Study, TrialTable

if TYPE_CHECKING:
    import pymc as pm

EVERY: tuple[Analysis, ...] = (EventGroups(), DynamicPrediction())
"""Analyses of every fit; their groups are left out where they do not apply."""

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
    analyses: Sequence[Analysis] = (),
    *,
    chain_dir: Path | None = None,
    pm_model: pm.Model | None = None,
    on_phase: Phase = no_phases,
) -> xr.DataTree:
    """Fit a model to data, and compute the analyses asked for.

    Parameters
    ----------
    model : Model
        A frozen value with a method ``build(data) -> pm.Model``.
    data : Study, MeansTable or what the model takes
    settings : NutsSettings, optional
    analyses : sequence of Analysis
        Such as ``(Dropout(outcome="alsfrs_r", week=52),)``: checked before sampling, computed after it, each with a
        random stream of its own; their groups join the posterior.
    chain_dir : Path, optional
        Finished chains are written here and found again (`sample`), also where an analysis fails.
    pm_model : pm.Model, optional
        What ``model.build(data)`` returned to a caller who has checked the analyses: spares building and checking.
    on_phase : callable
        Told the name of each phase as it begins.

    Returns
    -------
    xr.DataTree
        Groups `posterior`, `sample_stats`, `prior` (published variables, 1,000 draws), and where the model has them
        `log_likelihood` [person] (of more than 2,000 persons `person_elpd`), `observed_summary`, `predictive_summary`;
        of a model with events also `event_curves`, `event_data`, `dynamic_prediction`; then those of the analyses. Root
        attributes describe model, its priors, data, warnings about them, settings, versions, machine, seconds and
        convergence; nested ones are JSON.

    Raises
    ------
    BadInput
        The model is not one for these data, an analysis cannot be answered by them, or an argument of another kind.
    BayesmodelsError
        See `sample`.
    """
    settings = NutsSettings() if settings is None else settings
    expect(settings, NutsSettings, "settings", "write NutsSettings(draws=1000, seed=1)")
    _expect_model(model)
    if getattr(data, "new_persons", False):
        raise BadInput(
            "data: expected a study to fit, got one of new persons, whose tables are checked less strictly; leave out "
            "new_persons=True to fit it, or give it to predict(...)"
        )
    analyses = checked_analyses(analyses)
    expect(chain_dir, (str, Path, NoneType), "chain_dir", "give the folder that the chains go to")
    if chain_dir is not None:
        chain_dir = made_folder(Path(chain_dir))
    began = time.monotonic()
    on_phase("build")
    if pm_model is None:
        pm_model = model.build(data)
        problems = analysis_problems(model, data, analyses)
        if problems:
            raise BadInput(problems)
    settings = resolved(settings, default_target_accept(pm_model))
    compile_once = cache(partial(compile_model, pm_model))
    tree = sample(pm_model, settings, chain_dir, compiled=compile_once, on_phase=on_phase)
    on_phase("convergence")
    tree.attrs |= {
        "schema": SCHEMA,
        "model": json.dumps(model_spec(model)),
        "model_type": str(model_spec(model)["type"]),
        "data": json.dumps(describe_data(data)),
        "warnings": json.dumps(
            [line.without_person for line in all_warnings(model, data, event_parts(model, analyses))]
        ),
        "priors": json.dumps(stated_priors(model, data)),
        "versions": json.dumps(versions()),
        "machine": json.dumps(machine()),
        "convergence": json.dumps(convergence(tree).summary()),
    }
    fitted = Fit(model, pm_model, data, tree, compile_once, on_phase)
    with progress_wanted(settings.progress):
        for name, group in _groups_of_every_fit(fitted).items():
            if group.data_vars:
                tree[name] = xr.DataTree(group)
        for analysis in (*EVERY, *analyses):
            try:
                found = computed(analysis, fitted)
            except Exception as error:
                error.add_note(f"{title(analysis)} failed after sampling; {_kept(chain_dir)}")
                raise
            for name, group in found.items():
                tree[name] = xr.DataTree(group)
    seconds = {"wall": round(time.monotonic() - began, 2), "cpu": cpu_seconds()} | json.loads(tree.attrs["seconds"])
    tree.attrs["seconds"] = json.dumps(seconds)
    return tree


def checked_analyses(analyses: Any) -> tuple[Analysis, ...]:
    """Refuse what is no analysis, and analyses whose groups would replace one another's (`expect_analyses`)."""
    return expect_analyses(analyses, [group for each in EVERY for group in each.groups])


def _kept(chain_dir: Path | None) -> str:
    """Say where the chains are, or how they would have been kept."""
    if chain_dir is None:
        return "with fit(..., chain_dir=FOLDER) the chains are kept for the next call"
    return f"the chains are kept in {chain_dir}"


def _groups_of_every_fit(fitted: Fit) -> dict[str, xr.Dataset]:
    draws = fitted.posterior["posterior"].to_dataset()
    fitted.on_phase("prior")
    groups = {"prior": prior_draws(fitted.pm_model, fitted.seed("prior"))}
    fitted.on_phase("log-likelihood and predictive summaries")
    groups |= likelihood_groups(fitted.pm_model, draws)
    seed = fitted.seed("predictive_summary")
    match fitted.data:
        case Study() if isinstance(fitted.model, VisitModel):
            return groups | nominal_visit_summaries(fitted.model, fitted.pm_model, fitted.data, draws, seed)
        case Study():
            return groups | visit_summaries(fitted.model, fitted.pm_model, fitted.data, draws, seed)
        case MeansTable():
            return groups | means_summaries(fitted.pm_model, fitted.data, draws, seed)
        case TrialTable():
            return groups | trial_summaries(fitted.pm_model, fitted.data, draws, seed)
    return groups


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


def stated_priors(model: Any, data: Any) -> list[dict[str, Any]]:
    """Return the rows of a model's table of priors (`prior_table`); empty where the model does not tell them.

    Parameters
    ----------
    model : Model
    data : Study, MeansTable or what the model takes
    """
    if not callable(getattr(model, "prior_rows", None)):
        return []
    try:
        table = prior_table(model, data)
    except Exception:  # whatever a model of one's own does: a table for readers costs no fit
        return []
    return json.loads(table.to_json(orient="records"))


def machine() -> dict[str, str]:
    """Return what the numbers may depend on besides versions: kind of processor, system, processors. No host's name."""
    found = {"system": f"{platform.system()} {platform.release()}", "architecture": platform.machine()}
    try:
        listed = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        listed = []
    names = [line.partition(":")[2].strip() for line in listed if line.startswith("model name")]
    processor = names[0] if names else platform.processor()
    return found | ({"processor": processor} if processor else {}) | {"processors usable": str(usable_cores())}


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
