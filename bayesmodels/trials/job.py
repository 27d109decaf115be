"""Studies of many fits: in Python, as a folder on one machine or many, and collected from the jobs of an array."""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from types import NoneType
from typing import Any

import pandas as pd

from bayesmodels.errors import BadInput, BayesmodelsError, expect, expect_whole
from bayesmodels.files import made_folder, write_whole
from bayesmodels.fitted import versions
from bayesmodels.fitting import NutsSettings
from bayesmodels.safe_labels import table_csv
from bayesmodels.trials.config import FITS, plan_of, read_trials_config
from bayesmodels.trials.kept import Kept, Rule, described, dims_of
from bayesmodels.trials.loop import run_study
from bayesmodels.trials.operating import OperatingCharacteristics, rows_table
from bayesmodels.trials.page import page
from bayesmodels.trials.plan import Fitted, Plan, lost_fit, packed, run_fit
from bayesmodels.trials.truths import AnyTruth, Design, GeneratorTruth, PriorTruth, Reading

MANIFEST, CONFIG, ROWS, REPORT, LOG = "manifest.json", "config.toml", "rows.parquet", "report.html", "log.jsonl"
PARTS = "rows"
KIND = "trials"

MEASURED = 2
"""Fits that a dry run makes: the first compiles, the others say what a fit costs."""


@dataclass(frozen=True)
class TrialsRun:
    """What a study's command left.

    Attributes
    ----------
    folder : Path
    found : OperatingCharacteristics
    part : str
        Of an array, such as "3/10"; blank for a whole study.
    missing : int
        Fits of the study, or of the part, that are not done.
    """

    folder: Path
    found: OperatingCharacteristics
    part: str = ""
    missing: int = 0

    @property
    def status(self) -> str:
        """Whether all fits of the study, or of the part, are done."""
        return "unfinished" if self.missing else "finished"

    def sentence(self) -> str:
        """Say where the result is, what it says, and how to go on."""
        where = self.folder / (f"{PARTS}/{part_name(self.part)}" if self.part else REPORT)
        going_on = f"; {self.missing:,} fits are missing: give the same command again to go on" if self.missing else ""
        if self.part:
            counts = self.found.computation
            return f"{where}: {self.status}, {counts['fits']:,} fits, {counts['failed']:,} failed{going_on}"
        return f"{where}: {self.status}{going_on}\n{self.found.sentence()}"

    def document(self) -> dict[str, Any]:
        """The same for machines."""
        counts = self.found.computation
        return {
            "out": str(self.folder), "status": self.status, "fits": counts["fits"], "failed": counts["failed"],
            "missing": self.missing, "rules": json.loads(self.found.table.to_json(orient="records")), "exit": 0,
        }  # fmt: skip


@dataclass(frozen=True)
class DryRun:
    """What a study would cost.

    Attributes
    ----------
    fits : int
        Still to be run.
    compile_seconds : float
        CPU seconds of compiling, once in every process.
    seconds : float
        CPU seconds of a fit, the median of those measured now.
    failed : tuple of str
        Why measured fits failed.
    """

    fits: int
    compile_seconds: float
    seconds: float
    failed: tuple[str, ...] = ()

    @property
    def core_hours(self) -> float:
        """Of all the fits, compiling once included."""
        return (self.fits * self.seconds + self.compile_seconds) / 3600

    def sentence(self) -> str:
        """Say the three numbers."""
        failed = "".join(f"\na measured fit failed: {why}" for why in self.failed)
        return (
            f"{self.fits:,} fits to run, {self.seconds:.1f} CPU seconds a fit (measured now), "
            f"{self.compile_seconds:.1f} to compile in each process: {self.core_hours:.2f} core-hours; nothing was "
            f"written{failed}"
        )

    def document(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "fits": self.fits, "seconds_a_fit": self.seconds, "compile_seconds": self.compile_seconds,
            "core_hours": round(self.core_hours, 4), "failed": list(self.failed), "exit": 0,
        }  # fmt: skip


def simulate_trials(
    model: Any,
    *,
    keep: Sequence[Kept] = (),
    rules: Sequence[Rule] = (),
    design: Design | None = None,
    truth: AnyTruth | None = None,
    reading: Reading | None = None,
    fits: int = FITS,
    seed: int = 1,
    settings: NutsSettings | None = None,
    interval: float = 0.95,
    log: Path | str | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    executor: Executor | None = None,
    max_seconds: float | None = None,
) -> OperatingCharacteristics:
    """Simulate many trials, fit a model to each, and count: bias, coverage, power, type I error, cost.

    Seeds belong to fits: rows do not depend on `workers`, `scheduler` or `executor`, but for seconds, host and process.

    Parameters
    ----------
    model : Model
        With a method ``build(study)``; compiled once in every process.
    keep : sequence of Kept
        Published variables of which every posterior is summarised.
    rules : sequence of Rule
        Decisions at the end of every fit.
    design : Design, optional
        Default VALOR's.
    truth : GeneratorTruth, PriorTruth or PosteriorTruth, optional
        Default the generator calibrated to VALOR.
    reading : Reading, optional
        How each trial's tables are read.
    fits : int
    seed : int
        Of the whole study.
    settings : NutsSettings, optional
        Without a seed; default two chains of 500 + 500 draws, one after the other.
    interval : float
        Level of the equal-tailed intervals.
    log : Path, optional
        Fits are appended here as they are done; the same call again goes on, also with more `fits`.
    workers : int
        Processes on this machine; more than one takes a script under ``if __name__ == "__main__":``, or a notebook.
    scheduler : str, optional
        Address of a Dask scheduler.
    executor : concurrent.futures.Executor, optional
        Any; it is not shut down.
    max_seconds : float, optional
        After which no fit is begun.

    Returns
    -------
    OperatingCharacteristics
        `rows`, `table` (rules), `quantities`, `fits`, `sentence()`.

    Raises
    ------
    BadInput
        The model does not have what is kept, or the log is of another study.
    """
    settings = NutsSettings(chains=2, tune=500, draws=500) if settings is None else settings
    design, truth, reading = design or Design(), truth or GeneratorTruth(), reading or Reading()
    _check_call(model, keep, rules, design, truth, reading, settings, interval, log, executor, max_seconds)
    expect_whole(fits, "fits", 1)
    expect_whole(seed, "seed")
    expect_whole(workers, "workers", 1)
    if settings.seed is not None:
        raise BadInput(
            "settings: expected none of a seed, since every fit has its own; give simulate_trials(..., seed=)"
        )
    plan = plan_of(
        model, design=design, truth=truth, reading=reading, keep=keep, rules=rules, settings=settings, seed=seed,
        interval=interval,
    )  # fmt: skip
    doors: dict[str, Any] = {"workers": workers, "scheduler": scheduler, "executor": executor}
    return characteristics(plan, fits, log, max_seconds=max_seconds, **doors)


def _check_call(
    model: Any, keep: Any, rules: Any, design: Any, truth: Any, reading: Any, settings: Any, interval: Any, log: Any,
    executor: Any, max_seconds: Any,
) -> None:  # fmt: skip
    """Refuse arguments of other kinds than `simulate_trials` takes."""
    if not callable(getattr(model, "build", None)) or isinstance(model, type):
        raise BadInput(
            f"model: expected one with a method build, got {type(model).__name__}; write LongitudinalModel(...)"
        )
    listed: tuple[tuple[str, Any, type], ...] = (("keep", keep, Kept), ("rules", rules, Rule))
    for name, items, kind in listed:
        if not isinstance(items, Sequence) or not all(isinstance(item, kind) for item in items):
            raise BadInput(f"{name}: expected a list of {kind.__name__}(...), got {type(items).__name__}")
    if not keep and not rules:
        raise BadInput("keep, rules: expected one at least, found none; write keep=[Kept(variable=...)]")
    expect(design, Design, "design", "write Design(n_early=72, n_delayed=36)")
    expect(truth, (GeneratorTruth, PriorTruth), "truth", "write GeneratorTruth(changes={...})")
    expect(reading, Reading, "reading", "write Reading(strata=True)")
    expect(settings, NutsSettings, "settings", "write NutsSettings(draws=500)")
    check_how(log, executor, max_seconds, interval)


def check_how(log: Any, executor: Any, max_seconds: Any, interval: Any) -> None:
    """Refuse arguments of another kind on where trials are logged, how they are run, and the level of intervals.

    Parameters
    ----------
    log, executor, max_seconds, interval
        As of `simulate_trials`.

    Raises
    ------
    BadInput
    """
    expect(log, (str, Path, NoneType), "log", "give the path of a file")
    expect(max_seconds, (int, float, NoneType), "max_seconds", "give seconds")
    if not isinstance(interval, float) or not 0.5 <= interval <= 0.999:
        raise BadInput(f"interval: expected a number from .5 to .999, got {interval!r:.60}")
    if log is not None and Path(log).is_dir():
        raise BadInput(f"log: expected a file or nothing of that name, found the folder {log}; choose another name")
    if executor is not None:
        expect(executor, Executor, "executor", "give a concurrent.futures.Executor")


def characteristics(
    plan: Plan, fits: int, log: Path | str | None = None, folder: Path | None = None, **doors: Any
) -> OperatingCharacteristics:
    """Run a plan, of whatever source and way of fitting.

    Parameters
    ----------
    plan : Plan
    fits : int
    log : Path, optional
        Default: a temporary file.
    folder : Path, optional
        Where classes of one's own are looked for.
    **doors
        `workers`, `scheduler`, `executor`, `max_seconds`, as of `simulate_trials`.
    """
    expect_whole(fits, "fits", 1)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / LOG if log is None else Path(log)
        rows = _rows(plan, range(fits), path, folder, **doors)
    return OperatingCharacteristics(rows, plan.rules, fits, plan.interval)


def _rows(plan: Plan, numbers: Sequence[int], log: Path, folder: Path | None, **doors: Any) -> pd.DataFrame:
    return rows_table(records_of(plan, numbers, log, folder, **doors), dims_of(plan.keep, plan.rules))


def records_of(
    plan: Fitted, numbers: Sequence[int], log: Path, folder: Path | None, **doors: Any
) -> list[dict[str, Any]]:
    """Records of simulated trials, those in the log too.

    Parameters
    ----------
    plan : Fitted
    numbers : sequence of int
        Of the trials.
    log : Path
    folder : Path or None
        Where classes of one's own are looked for.
    **doors
        `workers`, `scheduler`, `executor`, `max_seconds`, as of `simulate_trials`.

    Raises
    ------
    BadInput
        The log is of another study.
    """
    sent = packed(plan, folder)
    try:
        return run_study(run_fit, sent, len(numbers), log, numbers=numbers, lost=partial(lost_fit, sent), **doors)
    except ValueError as error:
        if "belongs to a study with other settings" not in str(error):
            raise
        raise BadInput(str(error)) from error


def waiting(folder: Path, planned: int, array: str | None) -> tuple[pd.DataFrame | None, list[int], Path]:
    """Rows that a study's folder has, numbers of the trials still to be run, and their log.

    Parameters
    ----------
    folder : Path
    planned : int
        Trials of the whole study.
    array : str or None
        "K/N": the part whose trials are asked for, every N-th; None for all.
    """
    known = known_rows(folder)
    if array is None:
        mine, log = range(planned), folder / LOG
    else:
        part = part_of(array)
        mine = range(part[0] - 1, planned, part[1])
        log = folder / PARTS / f"{part_name(array).removesuffix('.parquet')}.jsonl"
    there = numbers_of(known)
    return known, [number for number in mine if number not in there], log


def part_written(folder: Path, array: str, new: pd.DataFrame) -> pd.DataFrame:
    """Rows of a part of an array, those that its file had and new ones, written.

    Parameters
    ----------
    folder : Path
    array : str
        "K/N".
    new : DataFrame
    """
    path = folder / PARTS / part_name(array)
    rows = rows_together([pd.read_parquet(path) if path.is_file() else None, new])
    write_whole(path, parquet_bytes(rows))
    return rows


def run_trials(
    config: Path,
    out: Path,
    *,
    fits: int | None = None,
    array: str | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    max_seconds: float | None = None,
) -> TrialsRun:
    """Run a study of many trials into a folder; fits that are there already are not run again.

    Parameters
    ----------
    config : Path
    out : Path
        Holds ``rows.parquet``, ``report.html``, tables and manifest; or with `array` a file of ``rows/``.
    fits : int, optional
        Instead of the configuration's.
    array : str, optional
        "K/N": the K-th of N parts, from 1; every N-th fit.
    workers, scheduler, max_seconds
        As of `simulate_trials`.

    Raises
    ------
    BadConfig
        Every problem of the configuration.
    BadInput
        The folder holds something else, or another study.
    BayesmodelsError
        Every fit failed.
    """
    if array is not None:
        part_of(array)  # refused before anything is read
    read = read_trials_config(config)
    plan, planned = read.plan, read.sections.trials.fits if fits is None else fits
    header = _header(plan, read.name, planned)
    folder = claimed(out, read.path.name, read.text, header)
    doors: dict[str, Any] = {"workers": workers, "scheduler": scheduler, "max_seconds": max_seconds}
    known, numbers, log = waiting(folder, planned, array)
    new = _rows(plan, numbers, log, read.path.parent, **doors)
    missing = len(numbers) - new["fit"].nunique()
    if array is None:
        run = _written(folder, header, rows_together([known, new]))
        fits_there = run.found.fits
        if len(fits_there) and (fits_there["status"] == "failed").all():
            raise BayesmodelsError(f"{folder}: every fit failed; the first: {fits_there['why'].iloc[0]}")
        return run
    rows = part_written(folder, array, new)
    return TrialsRun(folder, OperatingCharacteristics(rows, plan.rules, planned, plan.interval), array, missing)


def collect(folder: Path, *, partial: bool = False) -> TrialsRun:
    """Put the parts of an array together: ``rows.parquet``, tables and report of the whole study.

    Parameters
    ----------
    folder : Path
    partial : bool
        Whether fits may be missing.

    Raises
    ------
    BadInput
        Fits are missing, or the folder holds no study.
    """
    header = manifest_of(folder)
    rows = known_rows(folder)
    if rows is None:
        raise BadInput(f"{folder / PARTS}: expected rows of fits, found none; run `bayesmodels trials` first")
    missing = [number for number in range(header["planned"]) if number not in numbers_of(rows)]
    if missing and not partial:
        first = ", ".join(str(number) for number in missing[:10])
        more = ", ..." if len(missing) > 10 else ""
        raise BadInput(
            f"{folder}: expected {header['planned']:,} fits, found {header['planned'] - len(missing):,}; missing: "
            f"{first}{more} (numbered from 0); run those parts again, or give --partial"
        )
    return _written(folder, {name: header[name] for name in HEADER}, rows)


def dry_run(config: Path, out: Path | None = None, *, fits: int | None = None) -> DryRun:
    """Measure what a study would cost; nothing is written.

    Parameters
    ----------
    config : Path
    out : Path, optional
        Folder whose fits need not be run again.
    fits : int, optional
        Instead of the configuration's.
    """
    read = read_trials_config(config)
    planned = read.sections.trials.fits if fits is None else fits
    there = numbers_of(known_rows(out) if out is not None else None)
    seconds, compiling, failed = [], 0.0, []
    sent = packed(read.plan, read.path.parent)
    for number in range(MEASURED):
        began = time.process_time()
        record = run_fit(sent, number)
        spent = time.process_time() - began - record.get("compile_seconds", 0.0)
        seconds.append(spent)
        compiling += record.get("compile_seconds", 0.0)
        if record["status"] == "failed":
            failed.append(record["why"])
    left = sum(number not in there for number in range(planned))
    return DryRun(left, round(compiling, 2), round(seconds[-1], 2), tuple(failed))


def seconds_of(text: str) -> float:
    """Seconds of a length of time as batch systems write it.

    Parameters
    ----------
    text : str
        "90", "90s", "45m", "12h", "1d", "HH:MM:SS".

    Raises
    ------
    BadInput
        It is none of these.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if match is not None:
        return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]
    clock = re.fullmatch(r"(\d+):([0-5]\d):([0-5]\d)", text)
    if clock is None:
        raise BadInput(f"--max-time: expected a time such as 90s, 45m, 12h or 12:00:00, got {text!r}")
    return int(clock[1]) * 3600 + int(clock[2]) * 60.0 + int(clock[3])


def part_name(array: str) -> str:
    """Name of the file of a part: "part-3-of-10.parquet".

    Parameters
    ----------
    array : str
        "K/N".
    """
    k, n = part_of(array)
    return f"part-{k}-of-{n}.parquet"


def part_of(array: str) -> tuple[int, int]:
    """K and N of a part of an array.

    Parameters
    ----------
    array : str
        "K/N".

    Raises
    ------
    BadInput
        It is none.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", array)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise BadInput(f"--array: expected K/N with K from 1 to N, such as 3/10, got {array!r}")
    return int(match[1]), int(match[2])


def _header(plan: Plan, name: str, planned: int) -> dict[str, Any]:
    """What a study's manifest says of it before the first fit."""
    return {
        "kind": KIND, "name": name, "digest": plan.digest, "planned": planned, "seed": plan.seed,
        "interval": plan.interval, "keep": described(plan.keep), "rules": described(plan.rules),
        "sampling": plan.settings.model_dump(mode="json", exclude={"seed", "cores", "progress"}),
        "plan": dict(plan.said), "truths": dict(plan.truth),
    }  # fmt: skip


HEADER = (
    "kind", "name", "digest", "planned", "seed", "interval", "keep", "rules", "sampling", "plan", "truths",
)  # fmt: skip
"""Keys of `_header`."""


def claimed(out: Path, file: str, text: str, header: Mapping[str, Any]) -> Path:
    """The study's folder, new or of the same study; its manifest says what it is before the first fit.

    Parameters
    ----------
    out : Path
    file, text : str
        Name and content of the configuration.
    header : mapping
        What the manifest says: `kind`, `digest`, `planned` and more.

    Raises
    ------
    BadInput
        The folder holds something else, or another study.
    """
    if out.is_dir() and any(out.iterdir()) and not (out / MANIFEST).is_file():
        raise BadInput(
            f"{out}: expected a new or empty folder, or one of this study; it holds other files; choose another --out"
        )
    made_folder(out)
    made_folder(out / PARTS)
    if (out / MANIFEST).is_file():
        found = manifest_of(out, header["kind"])
        if found["digest"] != header["digest"]:
            raise BadInput(
                f"{out}: expected the study of {file} ({header['digest']}), found another "
                f"({found['digest']}): more fits go on there, other settings do not; choose another --out"
            )
        if found["planned"] >= header["planned"]:
            return out
    write_whole(out / CONFIG, text.encode())
    write_manifest(out, {**header, "status": "unfinished"})
    return out


def manifest_of(folder: Path, kind: str = KIND) -> dict[str, Any]:
    """The manifest of a study's folder.

    Parameters
    ----------
    folder : Path
    kind : str
        Of the study: the command that makes it.

    Raises
    ------
    BadInput
        There is none of this kind.
    """
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict) or found.get("kind") != kind:
        raise BadInput(
            f"{folder}: expected the folder of `bayesmodels {kind}`, found no manifest of one; choose another"
        )
    return found


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest of a study's folder.

    Parameters
    ----------
    folder : Path
    manifest : mapping
    """
    write_whole(folder / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())


def known_rows(folder: Path) -> pd.DataFrame | None:
    """Rows of a study's folder, of whatever door, each fit once; None where there are none.

    Parameters
    ----------
    folder : Path
    """
    files = [folder / ROWS, *sorted((folder / PARTS).glob("part-*-of-*.parquet"))]
    tables = [pd.read_parquet(path) for path in files if path.is_file()]
    return rows_together(tables) if tables else None


def numbers_of(rows: pd.DataFrame | None) -> set[int]:
    """Numbers of the fits that have a row.

    Parameters
    ----------
    rows : DataFrame, optional
    """
    return set() if rows is None else set(rows["fit"].astype(int))


def rows_together(tables: Sequence[pd.DataFrame | None]) -> pd.DataFrame:
    """Rows of several tables, in order of fits, each fit from the first table that has it.

    Parameters
    ----------
    tables : sequence of DataFrame or None
    """
    given = [table for table in tables if table is not None]
    kept: list[pd.DataFrame] = []
    there: set[int] = set()
    for table in given:
        new = table[~table["fit"].isin(there)]
        there |= numbers_of(new)
        if len(new):
            kept.append(new)
    if not kept:
        return given[0]
    return pd.concat(kept, ignore_index=True).sort_values("fit", kind="stable", ignore_index=True)


def parquet_bytes(table: pd.DataFrame) -> bytes:
    """A table as the content of a Parquet file.

    Parameters
    ----------
    table : DataFrame
    """
    buffer = BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _written(folder: Path, header: Mapping[str, Any], rows: pd.DataFrame) -> TrialsRun:
    """Write rows, tables, report and manifest; a study that was larger before stays so."""
    planned = max(header["planned"], 1 + max(numbers_of(rows), default=0))
    rules = tuple(Rule.model_validate(rule) for rule in header["rules"])
    found = OperatingCharacteristics(rows, rules, planned, header["interval"])
    own = {name: header[name] for name in ("digest", "seed")}
    settings = {key: json.dumps(value) for key, value in ({"sampling": header["sampling"]} | header["plan"]).items()}
    made_folder(folder / "tables")
    write_whole(folder / ROWS, parquet_bytes(rows))
    for title, table in {"rules": found.table, "quantities": found.quantities, "fits": found.fits}.items():
        write_whole(folder / "tables" / f"{title}.csv", table_csv(table, float_format="%.6g"))
    facts = {**own, **settings, "versions": json.dumps(versions())}
    write_whole(folder / REPORT, page(found, header["name"], facts).encode())
    result = {"planned": planned, "status": found.status, "missing": len(found.missing), **found.computation}
    write_manifest(folder, {**header, **result, "versions": versions()})
    return TrialsRun(folder, found, "", len(found.missing))
