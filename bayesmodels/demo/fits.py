"""Fits of the demo, side by side: they are independent, and most of their time goes into starting and compiling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import xarray as xr

from bayesmodels.fitted import fit
from bayesmodels.fitting import NutsSettings, sample
from bayesmodels.processes import side_by_side, usable_cores

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """A model to be fitted.

    Parameters
    ----------
    told : str
        What is said when it is done.
    model : Model
    data : Study or MeansTable
    described : bool
        Whether the posterior is archived or reported, so that it needs every group of `fit`.
    longer : int
        How many times the settings' draws, where a posterior mixes slowly.
    """

    told: str
    model: Any
    data: Any
    described: bool = False
    longer: int = 1


def fitted(jobs: Mapping[str, Job], settings: NutsSettings, tell: Tell) -> dict[str, xr.DataTree]:
    """Posterior of every job, by name.

    Parameters
    ----------
    jobs : mapping of str to Job
        Those that take longest first.
    settings : NutsSettings
        With a seed. Draws do not depend on the number of cores.
    tell : callable
        Told one line per phase.
    """
    workers = min(settings.cores or usable_cores(), len(jobs))
    one = settings.model_copy(update={"cores": 1}) if workers > 1 else settings
    names = list(jobs)
    tell(f"{len(jobs)} fits, {workers} at once: a minute or two the first time on a machine, then less")
    found = {}
    for place, tree in side_by_side(partial(_fitted, settings=one), list(jobs.values()), workers):
        found[names[place]] = tree
        tell(f"{jobs[names[place]].told}: fitted, {len(found)} of {len(jobs)}")
    return found


def _fitted(job: Job, settings: NutsSettings) -> xr.DataTree:
    settings = settings.model_copy(update={"draws": settings.draws * job.longer})
    return fit(job.model, job.data, settings) if job.described else sample(job.model.build(job.data), settings)
