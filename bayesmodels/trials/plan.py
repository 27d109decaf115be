"""A plan of many fits: where trials come from, how each is fitted, what is kept; and one fit of it."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
import xarray as xr

from bayesmodels.errors import BadInput
from bayesmodels.fitted import versions
from bayesmodels.fitting import NutsSettings
from bayesmodels.parts.lookup import modules_beside
from bayesmodels.study.problem import plain
from bayesmodels.trials.kept import Kept, Rule, cells, described, every, fit_rows, variables_of
from bayesmodels.trials.loop import Record

TRIAL, VALUES, CHAINS = 0, 1, 2
"""Random streams of a fit: of its trial, of values drawn from a model, of the sampler."""

_ONE_AT_A_TIME = Lock()
"""Threads of a process share what was compiled, and the data in it: one fit after the other."""

LONGEST_WHY = 300
"""Characters of a failed fit's reason that are kept."""


class Source(Protocol):
    """Where trials come from."""

    def trial(self, seed: np.random.SeedSequence) -> Any:
        """Return the data of one trial."""
        ...

    def truths(self, variables: tuple[str, ...]) -> Mapping[str, float]:
        """Return true values that are the same in every trial, by name of the quantity (`kept.cells`)."""
        ...


class Fits(Protocol):
    """How a trial is fitted."""

    def labels(self, data: Any) -> xr.Dataset:
        """Return the kept variables over one draw, with labels; values do not matter."""
        ...

    def prepare(self, template: Callable[[], Any]) -> None:
        """Compile on the data that ``template()`` returns, once a process."""
        ...

    def fit(self, data: Any, settings: NutsSettings) -> tuple[xr.Dataset, dict[str, Any]]:
        """Return draws (draw, ...) of the kept variables, and what is said of convergence."""
        ...


@dataclass(frozen=True)
class Plan:
    """Everything that the rows of a study of many fits depend on, besides the number of a fit.

    Attributes
    ----------
    source : Source
    fits : Fits
    keep : tuple of Kept
    rules : tuple of Rule
    settings : NutsSettings
        Of every fit, chains one after the other; its seed is the fit's own.
    seed : int
        Of the whole study.
    interval : float
        Level of the equal-tailed intervals.
    drawn : bool
        Whether values and truths are drawn from the model that is fitted (``fits.fit_drawn``).
    said : mapping
        The plan as JSON, for digest and manifest.
    truth : mapping of str to float
        From ``source.truths``.
    """

    source: Any
    fits: Any
    keep: tuple[Kept, ...]
    rules: tuple[Rule, ...]
    settings: NutsSettings
    seed: int = 1
    interval: float = 0.95
    drawn: bool = False
    said: Mapping[str, Any] = field(default_factory=dict)
    truth: Mapping[str, float] = field(default_factory=dict)

    @property
    def variables(self) -> tuple[str, ...]:
        """Published variables that are kept."""
        return variables_of(self.keep, self.rules)

    @property
    def digest(self) -> str:
        """8 hex digits of everything but the number of fits."""
        own = {
            "keep": described(self.keep), "rules": described(self.rules), "seed": self.seed, "interval": self.interval,
            "settings": self.settings.model_dump(mode="json", exclude={"cores", "progress"}), "said": dict(self.said),
        }  # fmt: skip
        return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:8]

    def stream(self, number: int, which: int) -> np.random.SeedSequence:
        """Return the seed of one of a fit's random streams: it belongs to the fit, not to the worker.

        Parameters
        ----------
        number : int
            Of the fit, from 0.
        which : int
            `TRIAL`, `VALUES` or `CHAINS`.
        """
        return np.random.SeedSequence(self.seed, spawn_key=(number, which))

    def seed_of(self, number: int, which: int = CHAINS) -> int:
        """Return that seed as one whole number.

        Parameters
        ----------
        number, which : int
            As of `stream`.
        """
        return int(self.stream(number, which).generate_state(1)[0] >> 1)

    def trial(self, number: int) -> Any:
        """Return the data of one fit's trial.

        Parameters
        ----------
        number : int
        """
        return self.source.trial(self.stream(number, TRIAL))

    def check(self) -> None:
        """Refuse labels and variables that the fits will not have.

        Raises
        ------
        BadInput
            Every problem, a line each.
        """
        labels = self.fits.labels(self.trial(0))
        problems: list[str] = []
        listed: dict[str, Sequence[Kept | Rule]] = {"keep": self.keep, "decide": self.rules}
        for word, items in listed.items():
            for place, item in enumerate(items):
                try:
                    for cell, _ in cells(item, labels[item.variable]):
                        if isinstance(item, Rule):
                            item.sign(cell)
                except BadInput as error:
                    problems += [f"[{word}] no. {place + 1}, {problem}" for problem in error.problems]
        if problems:
            raise BadInput(problems)

    def fit(self, number: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Rows of one fit, and what is said of its convergence.

        Parameters
        ----------
        number : int
        """
        settings = self.settings.model_copy(update={"seed": self.seed_of(number), "cores": 1, "progress": False})
        began = time.process_time()
        self.fits.prepare(
            lambda: self.trial(0)
        )  # the same in every process, so that rows do not depend on who is first
        facts: dict[str, Any] = {"compile_seconds": round(time.process_time() - began, 2)}
        data, truth = self.trial(number), dict(self.truth)
        if self.drawn:
            draws, judged, true = self.fits.fit_drawn(data, settings, self.seed_of(number, VALUES))
            named = [pair for item in every(self.keep, self.rules) for pair in cells(item, true[item.variable])]
            truth |= {cell["quantity"]: float(value[0]) for cell, value in named}
        else:
            draws, judged = self.fits.fit(data, settings)
        return fit_rows(draws, self.keep, self.rules, truth, self.interval), facts | judged


@dataclass(frozen=True, repr=False)
class Packed:
    """A plan on its way to other processes and machines.

    Attributes
    ----------
    digest : str
        Of the plan; what a log is known by.
    content : bytes
        From `packed`.
    folder : str or None
        Where classes of one's own are looked for; it has to be visible to every machine.
    """

    digest: str
    content: bytes
    folder: str | None = None

    def __repr__(self) -> str:
        """Digest only."""
        return f"Plan({self.digest})"


class Fitted(Protocol):
    """What the loop of many fits asks of a plan: `Plan`, or one that is made of several."""

    @property
    def digest(self) -> str:
        """Of everything that its rows depend on."""
        ...

    def seed_of(self, number: int) -> int:
        """Return the seed of a fit's chains."""
        ...

    def fit(self, number: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Return the rows of a fit, and what is said of its convergence."""
        ...


def packed(plan: Fitted, folder: Path | None = None) -> Packed:
    """A plan as bytes; classes written in a notebook travel with it.

    Parameters
    ----------
    plan : Plan or another with its `digest`, `seed_of` and `fit`
    folder : Path, optional
        Of a configuration that names classes of one's own.
    """
    import cloudpickle

    return Packed(plan.digest, cloudpickle.dumps(plan), None if folder is None else str(folder.resolve()))


@lru_cache(maxsize=2)
def _plan_of(sent: Packed) -> Fitted:
    """The plan in this process, with what was compiled for it."""
    import cloudpickle

    with nullcontext() if sent.folder is None else modules_beside(Path(sent.folder)):
        return cloudpickle.loads(sent.content)


@cache
def _versions() -> str:
    return json.dumps(versions())


def run_fit(sent: Packed, number: int) -> Record:
    """The record of one fit; one that fails says why.

    Parameters
    ----------
    sent : Packed
    number : int

    Returns
    -------
    dict
        JSON-able: `fit`, `status` (ok, failed), `why`, `seed`, `seconds`, `host`, `versions`, convergence, and `rows`.
    """
    with _ONE_AT_A_TIME:
        return _fitted(sent, number)


def _fitted(sent: Packed, number: int) -> Record:
    began, cpu = time.monotonic(), time.process_time()
    record: Record = {"fit": number, "host": socket.gethostname(), "versions": _versions()}
    try:
        plan = _plan_of(sent)
        record["seed"] = plan.seed_of(number)
        rows, facts = plan.fit(number)
        record |= {"status": "ok", "why": None, **facts, "rows": rows}
    except Exception as error:  # whatever a model or a sampler does: the other fits go on
        record |= {"status": "failed", "why": reason(error), "rows": []}
    spent = {"seconds": time.monotonic() - began, "cpu_seconds": time.process_time() - cpu}
    return record | {name: round(value, 2) for name, value in spent.items()}


def reason(error: Exception) -> str:
    """Why a fit failed, as it is kept.

    Parameters
    ----------
    error : Exception
    """
    return plain(f"{type(error).__name__}: {error}", LONGEST_WHY)


def lost_fit(sent: Packed, number: int) -> Record:
    """The record of a fit under which process after process ended.

    Parameters
    ----------
    sent : Packed
    number : int
    """
    why = "its process ended three times without an answer: out of memory, or killed"
    return {
        "trial": number, "fit": number, "host": None, "versions": _versions(), "status": "failed",
        "why": why, "seed": _plan_of(sent).seed_of(number), "rows": [],
    }  # fmt: skip
