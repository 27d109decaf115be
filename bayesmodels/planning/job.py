"""Planned trials: in Python, and as a folder from a configuration, on one machine or many."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bayesmodels.errors import BadInput, BayesmodelsError, expect, expect_numbers, expect_whole
from bayesmodels.files import made_folder, write_whole
from bayesmodels.fitted import versions
from bayesmodels.fitting import NutsSettings
from bayesmodels.planning.config import TRIALS, read_design_config
from bayesmodels.planning.design_plan import DesignPlan, design_plan, with_truths
from bayesmodels.planning.effects import EffectPrior
from bayesmodels.planning.endpoint import PlannedEndpoint
from bayesmodels.planning.figures import figures_by_part
from bayesmodels.planning.grid import AXES, Grid
from bayesmodels.planning.looks import LOOK_COLUMNS, InterimLooks
from bayesmodels.planning.page import page
from bayesmodels.planning.programmes import (
    SETTINGS,
    ProgrammePlan,
    Programmes,
    ProgrammeVerdicts,
    judge_collection,
)
from bayesmodels.planning.results import TARGETS, PlannedTrial
from bayesmodels.reporting.drawing import png_bytes
from bayesmodels.safe_labels import file_names, table_csv
from bayesmodels.trials.job import (
    LOG,
    PARTS,
    REPORT,
    ROWS,
    check_how,
    claimed,
    known_rows,
    numbers_of,
    parquet_bytes,
    part_name,
    part_of,
    part_written,
    records_of,
    rows_together,
    waiting,
    write_manifest,
)
from bayesmodels.trials.loop import run_study
from bayesmodels.trials.operating import rows_table
from bayesmodels.trials.plan import packed, run_fit
from bayesmodels.trials.truths import Design, GeneratorTruth, Reading

KIND = "design"
PROGRAMMES_LOG, PROGRAMMES = "programmes.jsonl", "programmes.parquet"

DRAWN = ("drawn_nfl_ratio", "drawn_decline_removed", "drawn_again")
"""Columns of the rows of trials whose effects were drawn: the effects, and draws before that no drug can have."""

FIGURES = "figures"

DOTS = 170
"""An inch, of figures in files and on the page; drawn once for both."""

MEASURED = 40
"""Cells, spread evenly over the grid, of which a dry run makes a trial each; of a model the smallest and the largest
size of each period. One that warms up, or compiles, goes before."""


@dataclass(frozen=True)
class DesignRun:
    """What the command left.

    Attributes
    ----------
    folder : Path
    found : PlannedTrial
    part : str
        Of an array, such as "3/10"; blank for the whole.
    missing : int
        Simulated trials (of the part) and collections that are not done.
    """

    folder: Path
    found: PlannedTrial
    part: str = ""
    missing: int = 0

    @property
    def status(self) -> str:
        """Whether all trials, or those of the part, are done."""
        return "unfinished" if self.missing else "finished"

    def sentence(self) -> str:
        """Say where the result is, what it says, and how to go on."""
        going_on = f"; {self.missing:,} are missing: give the same command again to go on" if self.missing else ""
        if self.part:
            counts = self.found.computation
            return (
                f"{self.folder / PARTS / part_name(self.part)}: {self.status}, {counts['trials']:,} simulated trials, "
                f"{counts['failed']:,} failed{going_on}; the command without --array puts the parts together"
            )
        return f"{self.folder / REPORT}: {self.status}{going_on}\n{self.found.sentence()}"

    def document(self) -> dict[str, Any]:
        """The same for machines."""
        counts = self.found.computation
        return {
            "out": str(self.folder), "status": self.status, "trials": counts["trials"], "failed": counts["failed"],
            "missing": self.missing, "analysis": self.found.analysis,
            "cells": json.loads(self.found.table.to_json(orient="records")),
            "sizes": json.loads(self.found.sizes.to_json(orient="records")), "exit": 0,
        }  # fmt: skip


@dataclass(frozen=True)
class DesignCost:
    """What a design would cost.

    Attributes
    ----------
    trials : int
        Simulated trials still to be run.
    cells : int
    seconds : float
        CPU seconds a trial, measured now: mean over the cells.
    compile_seconds : float
        CPU seconds of compiling, once in every process: a model for every period, and that of collections.
    collections : int
        Collections of programmes still to be fitted.
    failed : tuple of str
        Why measured trials failed.
    collection_seconds : float
        CPU seconds a collection, measured now: mean over the numbers of programmes.
    fits_a_trial : int
        Fits of a model to a trial: of its final analysis, and one at each interim look; 0 of the fast analysis.
    """

    trials: int
    cells: int
    seconds: float
    compile_seconds: float
    collections: int = 0
    failed: tuple[str, ...] = ()
    collection_seconds: float = 0.0
    fits_a_trial: int = 0

    @property
    def core_hours(self) -> float:
        """Of all trials and collections, compiling once included."""
        own = self.trials * self.seconds + self.collections * self.collection_seconds
        return (own + self.compile_seconds) / 3600

    def sentence(self) -> str:
        """Say the numbers."""
        failed = "".join(f"\na measured trial failed: {why}" for why in self.failed)
        also = ""
        if self.collections:
            also = f", {self.collections:,} collections of programmes, {self.collection_seconds:.3g} a collection"
        fits = ""
        if self.fits_a_trial > 1:
            looks = self.fits_a_trial - 1
            fits = f"; {looks + 1} fits each: {looks} interim look{'s' * (looks > 1)} and the final analysis"
        return (
            f"{self.trials:,} simulated trials to run in {self.cells} cells, {self.seconds:.3g} CPU seconds a trial "
            f"(measured now, mean over the cells{fits}){also}, {self.compile_seconds:.1f} to compile in each process: "
            f"{self.core_hours:.2f} core-hours; nothing was written{failed}"
        )

    def document(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "trials": self.trials, "cells": self.cells, "seconds_a_trial": self.seconds,
            "compile_seconds": self.compile_seconds, "core_hours": round(self.core_hours, 4),
            "collections": self.collections, "seconds_a_collection": self.collection_seconds,
            "fits_a_trial": self.fits_a_trial, "failed": list(self.failed), "exit": 0,
        }  # fmt: skip


def plan_trial(
    *,
    grid: Grid,
    endpoints: Sequence[PlannedEndpoint],
    design: Design | None = None,
    truth: GeneratorTruth | None = None,
    assurance: EffectPrior | None = None,
    interim: InterimLooks | None = None,
    model: Any = None,
    settings: NutsSettings | None = None,
    reading: Reading | None = None,
    trials: int = TRIALS,
    seed: int = 1,
    interval: float = 0.95,
    targets: Sequence[float] = TARGETS,
    log: Path | str | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    executor: Executor | None = None,
    max_seconds: float | None = None,
) -> PlannedTrial:
    """Power, assurance and sizes of a trial over a grid of designs, by simulated trials.

    Parameters
    ----------
    grid : Grid
        Sizes, periods, effects, lag and leaving.
    endpoints : sequence of PlannedEndpoint
    design : Design, optional
        Proportions of groups and strata, visits, entry; default VALOR's.
    truth : GeneratorTruth, optional
        What the grid changes; default as calibrated to VALOR.
    assurance : EffectPrior, optional
        Prior of the effects: adds cells over which the power is averaged.
    interim : InterimLooks, optional
        A model is fitted once more at each look; its futility is by the posterior probability.
    model : Model, optional
        Fitted to every simulated trial. Default: the fast analysis, ANCOVA with a normal prior.
    settings : NutsSettings, optional
        Of a model's fits, without a seed. Default: 2 chains of 500 draws.
    reading : Reading, optional
        How a model reads each trial.
    trials : int
        Simulated trials a cell.
    seed : int
    interval : float
        Level of the equal-tailed intervals.
    targets : sequence of float
        Powers whose sizes are looked for.
    log : Path or str, optional
        Trials as they are done; the same call goes on there. Default: a temporary file.
    workers, scheduler, executor, max_seconds
        As of `simulate_trials`.

    Returns
    -------
    PlannedTrial
        `table`, `sizes`, `curves`, `looks`, `rows`, `sentence()`.

    Raises
    ------
    BadInput
        A design, an effect or a model that cannot be had; or the log is of another design.
    """
    _check_call(
        grid, endpoints, design, truth, assurance, interim, model, settings, reading, log, executor, max_seconds,
        interval,
    )  # fmt: skip
    expect_whole(trials, "trials", 1)
    expect_whole(seed, "seed")
    expect_whole(workers, "workers", 1)
    aims = expect_numbers(targets, "targets")
    if any(not 0 < aim < 1 for aim in aims):
        raise BadInput(f"targets: expected powers between 0 and 1, got {', '.join(f'{aim:g}' for aim in aims)}")
    plan, left_out = design_plan(
        grid=grid, endpoints=tuple(endpoints), design=design or Design(), truth=truth or GeneratorTruth(),
        assurance=assurance, interim=interim, model=model,
        settings=settings or NutsSettings(chains=2, tune=500, draws=500), reading=reading or Reading(), seed=seed,
        interval=interval,
    )  # fmt: skip
    doors: dict[str, Any] = {"workers": workers, "scheduler": scheduler, "executor": executor}
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / LOG if log is None else Path(log)
        numbers = range(trials * len(plan.cells))
        rows = _rows(with_truths(plan), numbers, path, None, max_seconds=max_seconds, **doors)
    return PlannedTrial(rows, plan, trials, aims, left_out)


def _check_call(
    grid: Any, endpoints: Any, design: Any, truth: Any, assurance: Any, interim: Any, model: Any, settings: Any,
    reading: Any, log: Any, executor: Any, max_seconds: Any, interval: Any,
) -> None:  # fmt: skip
    """Refuse arguments of other kinds than `plan_trial` takes."""
    expect(grid, Grid, "grid", "write Grid(persons=(60, 108, 200))")
    if not isinstance(endpoints, Sequence) or not all(isinstance(each, PlannedEndpoint) for each in endpoints):
        raise BadInput(f"endpoints: expected a list of PlannedEndpoint(...), got {type(endpoints).__name__}")
    expect(design, (Design, NoneType), "design", "write Design(n_early=72, n_delayed=36)")
    expect(truth, (GeneratorTruth, NoneType), "truth", "write GeneratorTruth(changes={...})")
    expect(assurance, (EffectPrior, NoneType), "assurance", "write EffectPrior(decline_removed=...)")
    expect(interim, (InterimLooks, NoneType), "interim", "write InterimLooks(...)")
    expect(settings, (NutsSettings, NoneType), "settings", "write NutsSettings(draws=500)")
    expect(reading, (Reading, NoneType), "reading", "write Reading(strata=True)")
    check_how(log, executor, max_seconds, interval)
    if settings is not None and settings.seed is not None:
        raise BadInput("settings: expected none of a seed, since every fit has its own; give plan_trial(..., seed=)")
    if model is not None and (not callable(getattr(model, "build", None)) or isinstance(model, type)):
        raise BadInput(
            f"model: expected one with a method build, got {type(model).__name__}; write LongitudinalModel(...), or "
            "leave it out for the fast analysis"
        )


def _rows(plan: DesignPlan, numbers: Sequence[int], log: Path, folder: Path | None, **doors: Any) -> pd.DataFrame:
    """Rows of simulated trials, with cell and coordinates."""
    records = records_of(plan, numbers, log, folder, **doors)
    rows = rows_table(records, ("outcome", "week"), (*LOOK_COLUMNS, *DRAWN))
    cells = pd.DataFrame([cell.coordinates for cell in plan.cells], columns=list(AXES))
    rows["cell"] = (rows["fit"] % len(plan.cells)).astype("Int64")
    return rows.join(cells, on="cell")


def run_design(
    config: Path,
    out: Path,
    *,
    trials: int | None = None,
    array: str | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    max_seconds: float | None = None,
) -> DesignRun:
    """Run a design into a folder; trials that are there already are not run again.

    Parameters
    ----------
    config : Path
    out : Path
        Holds ``rows.parquet``, ``report.html``, tables, figures and manifest; or with `array` a file of ``rows/``.
    trials : int, optional
        Simulated trials a cell, instead of the configuration's.
    array : str, optional
        "K/N": the K-th of N parts, from 1; the same command without it puts the parts together.
    workers, scheduler, max_seconds
        As of `simulate_trials`.

    Raises
    ------
    BadConfig
        Every problem of the configuration.
    BadInput
        The folder holds something else, or another design.
    BayesmodelsError
        Every trial failed.
    """
    if array is not None:
        part_of(array)  # refused before anything is read
    began = time.monotonic()
    read = read_design_config(config)
    sections, a_cell = read.sections, trials or read.sections.planning.trials
    planned = a_cell * len(read.plan.cells)
    asked = sections.programmes
    header = _header(read.plan, read.name, planned, asked)
    if asked is not None:
        _check_programmes(asked, read.plan.seed, out, read.path.name)
    folder = claimed(out, read.path.name, read.text, header)
    doors: dict[str, Any] = {"workers": workers, "scheduler": scheduler}
    known, numbers, log = waiting(folder, planned, array)
    plan = with_truths(read.plan) if numbers else read.plan
    new = _rows(plan, numbers, log, read.path.parent, max_seconds=_left(max_seconds, began), **doors)
    missing = len(numbers) - int(new["fit"].nunique())
    if array is not None:
        rows = part_written(folder, array, new)
        return DesignRun(folder, PlannedTrial(rows, plan, a_cell), array, missing)
    rows = rows_together([known, new])
    a_cell = max(a_cell, -(-(1 + max(numbers_of(rows), default=-1)) // len(plan.cells)))
    verdicts = None if asked is None else _verdicts(asked, plan.seed, folder, _left(max_seconds, began), doors)
    found = PlannedTrial(rows, plan, a_cell, sections.planning.targets, read.left_out, verdicts)
    fits = found.fits
    if len(fits) and (fits["status"] == "failed").all():
        raise BayesmodelsError(f"{folder}: every simulated trial failed; the first: {fits['why'].iloc[0]}")
    _write(folder, header, found, read.name)
    return DesignRun(folder, found, "", found.missing + (0 if verdicts is None else verdicts.missing))


def _check_programmes(asked: Programmes, seed: int, folder: Path, file: str) -> None:
    """Refuse, before the first trial, a folder whose collections are of other programmes; more of the same go on."""
    path = folder / PROGRAMMES_LOG
    head = path.read_text(encoding="utf-8").partition("\n")[0] if path.is_file() else ""
    if head and repr(ProgrammePlan(asked, SETTINGS, seed)) not in head:
        raise BadInput(
            f"{file}: [programmes]: expected what the collections in {folder} were simulated with (its manifest.json), "
            "found other settings; only collections may rise there; choose another --out"
        )


def _left(max_seconds: float | None, began: float) -> float | None:
    return None if max_seconds is None else max(max_seconds - (time.monotonic() - began), 0.0)


def _verdicts(
    asked: Programmes, seed: int, folder: Path, max_seconds: float | None, doors: Mapping[str, Any]
) -> ProgrammeVerdicts:
    plan = ProgrammePlan(asked, SETTINGS, seed)
    n = asked.collections * len(asked.cells)
    records = run_study(judge_collection, plan, n, folder / PROGRAMMES_LOG, max_seconds=max_seconds, **doors)
    columns = [
        "trial", "correlation", "programmes", "verdict", "abs_rho_lower", "abs_rho_upper", "converged", "max_rhat",
        "min_ess_bulk", "divergences", "cpu_seconds",
    ]  # fmt: skip
    return ProgrammeVerdicts(pd.DataFrame(records, columns=columns).rename(columns={"trial": "collection"}), asked)


def _write(folder: Path, header: Mapping[str, Any], found: PlannedTrial, name: str) -> None:
    """Write rows, tables, figures, report and manifest."""
    for place in ("tables", FIGURES):
        made_folder(folder / place)
    write_whole(folder / ROWS, parquet_bytes(found.rows))
    tables = {"cells": found.table, "curves": found.curves, "sizes": found.sizes, "trials": found.fits}
    if found.looks is not None:
        tables["looks"] = found.looks
    if found.programmes is not None:
        tables["programmes"] = found.programmes.table
        write_whole(folder / PROGRAMMES, parquet_bytes(found.programmes.rows))
    for title, table in tables.items():
        write_whole(folder / "tables" / f"{title}.csv", table_csv(table, float_format="%.6g"))
    parts = figures_by_part(found)
    drawn = {title: picture for own in parts.values() for title, picture in own.items()}
    content: dict[str, bytes] = {}
    for title, stem in file_names(drawn).items():
        figure = drawn[title].figure
        assert isinstance(figure, Figure)
        content[title] = png_bytes(figure, DOTS)
        write_whole(folder / FIGURES / f"{stem}.png", content[title])
    ready = {
        part: {title: replace(picture, figure=content[title]) for title, picture in own.items()}
        for part, own in parts.items()
    }
    write_whole(folder / REPORT, page(found, name, header, ready).encode())
    result = {
        "planned": found.planned * len(found.plan.cells), "status": found.status, "missing": found.missing,
        "left_out": list(found.left_out), **found.computation,
    }  # fmt: skip
    if found.programmes is not None:
        rows = found.programmes.rows
        result |= {
            "collections": len(rows), "collections_not_converged": int((~rows["converged"].astype(bool)).sum()),
            "collections_cpu_seconds": round(float(rows["cpu_seconds"].sum()), 1),
        }  # fmt: skip
    write_manifest(folder, {**header, **result, "versions": versions()})


def _header(plan: DesignPlan, name: str, planned: int, programmes: Programmes | None) -> dict[str, Any]:
    """What the manifest says before the first trial."""
    return {
        "kind": KIND, "name": name, "digest": plan.digest, "planned": planned, "seed": plan.seed,
        "interval": plan.interval, "cells": len(plan.cells), "engine": "fast" if plan.model is None else "model",
        "plan": dict(plan.said),
        "programmes": None if programmes is None else programmes.model_dump(mode="json"),
    }  # fmt: skip


def cost_of(config: Path, out: Path | None = None, *, trials: int | None = None) -> DesignCost:
    """Measure what a design would cost; nothing is written.

    Parameters
    ----------
    config : Path
    out : Path, optional
        Folder whose trials need not be run again.
    trials : int, optional
        Simulated trials a cell, instead of the configuration's.
    """
    read = read_design_config(config)
    planned = (trials or read.sections.planning.trials) * len(read.plan.cells)
    there = numbers_of(known_rows(out) if out is not None else None)
    sent = packed(read.plan, read.path.parent)
    cells, numbers = read.plan.cells, _measured(read.plan)
    seconds: dict[int, float] = {}
    compiling, failed = 0.0, []
    for number in (numbers[0], *numbers):  # the first warms up, or compiles, and is measured again
        began = time.process_time()
        record = run_fit(sent, number)
        seconds[number] = time.process_time() - began - record.get("compile_seconds", 0.0)
        compiling += record.get("compile_seconds", 0.0)
        if record["status"] == "failed":
            failed.append(record["why"])
    if read.plan.model is None:
        mean = sum(seconds.values()) / len(seconds)
    else:
        own = [(cells[n].period_weeks, cells[n].persons, spent) for n, spent in seconds.items()]
        mean = _mean_cost([(cell.period_weeks, cell.persons) for cell in cells], own)
    left = sum(number not in there for number in range(planned))
    asked = read.sections.programmes
    collections, each = 0, 0.0
    if asked is not None:
        collections = asked.collections * len(asked.cells) - _collections_in(out)
    if asked is not None and collections > 0:
        each, more = _cost_of_collections(asked, read.plan.seed)
        compiling += more
    fits = 0
    if read.plan.model is not None:
        fits = 1 if read.plan.interim is None else 1 + len(read.plan.interim.fractions)
    return DesignCost(
        left, len(cells), mean, round(compiling, 2), max(collections, 0), tuple(dict.fromkeys(failed)), each, fits
    )


def _measured(plan: DesignPlan) -> list[int]:
    """Trials that a dry run makes, by number: of each cell, of `MEASURED` spread evenly, or as a model's cost asks."""
    n = len(plan.cells)
    if plan.model is None:
        return sorted({round(place * (n - 1) / (min(n, MEASURED) - 1 or 1)) for place in range(min(n, MEASURED))})
    found = []
    for period in dict.fromkeys(cell.period_weeks for cell in plan.cells):
        own = sorted((cell.persons, cell.number) for cell in plan.cells if cell.period_weeks == period)
        found += [own[0][1], own[-1][1]]
    return list(dict.fromkeys(found))


def _mean_cost(wanted: Sequence[tuple[float, float]], measured: Sequence[tuple[float, float, float]]) -> float:
    """Mean seconds over (kind, size) wanted, straight between the sizes of the kind that were measured."""
    found = []
    for kind, size in wanted:
        points = sorted((s, spent) for k, s, spent in measured if k == kind)
        found.append(np.interp(size, [s for s, _ in points], [spent for _, spent in points]))
    return float(np.mean(found))


def _collections_in(folder: Path | None) -> int:
    """Collections that a folder's log has."""
    path = None if folder is None else folder / PROGRAMMES_LOG
    if path is None or not path.is_file():
        return 0
    return max(path.read_text(encoding="utf-8").count("\n") - 1, 0)


def _cost_of_collections(asked: Programmes, seed: int) -> tuple[float, float]:
    """CPU seconds a collection, mean over the cells, and of compiling its model."""
    plan = ProgrammePlan(asked, SETTINGS, seed)
    sizes = [(0.0, float(programmes)) for _, programmes in asked.cells]
    by_size = sorted((size, number) for number, (_, size) in enumerate(sizes))
    spent: list[float] = []
    numbers = (by_size[0][1], by_size[0][1], by_size[-1][1])
    for number in numbers:
        began = time.process_time()
        judge_collection(plan, number)
        spent.append(time.process_time() - began)
    measured = [(*sizes[number], seconds) for number, seconds in zip(numbers[1:], spent[1:], strict=True)]
    return _mean_cost(sizes, measured), max(spent[0] - spent[1], 0.0)
