"""A study of many simulated trials as a value, with its command line: a specification, a task and a page."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from math import inf
from pathlib import Path
from typing import Any

import pandas as pd

from bayesmodels.fitted import versions
from bayesmodels.trials.loop import Record, Task, run_study
from bayesmodels.trials.results import Results, grades_said, read_results, rendered, write_results
from bayesmodels.trials.specification import TrialsSpec


@dataclass(frozen=True)
class Variant:
    """One variant of a study.

    Attributes
    ----------
    title : str
        Of its page.
    folder : str
        Where its results are kept, relative to where the command is given.
    spec : TrialsSpec
        Its specification, with the default of every option.
    trials : int
        Number of trials unless said.
    least : int
        Fewest trials that fill the page.
    most : float
        Trials that the specification has.
    """

    title: str
    folder: str
    spec: TrialsSpec
    trials: int
    least: int = 1
    most: float = inf


@dataclass(frozen=True)
class TrialsStudy:
    """A study of many simulated trials.

    Attributes
    ----------
    module : str
        ``python -m module`` runs it.
    about : str, optional
        What it does, for the command line.
    variants : sequence of Variant
        If there are several, the command line takes the name of one (`TrialsSpec.variant`).
    task : callable
        ``task(spec, number)``, a module's function; the record of one trial, JSON-able.
    results : callable
        ``results(records, spec)``; tables, figures, and what the manifest says of them.
    template : Path
        Of the page, a jinja2 template with a block `verdict`. It is given `manifest`, the tables by name, `command`,
        `variant`, `n` and `planned` (numbers of trials) and `grades_said`.
    context : callable
        ``context(files, variant)``: what else the template is given, from manifest and tables.
    """

    module: str
    about: str | None
    variants: Sequence[Variant]
    task: Task
    results: Callable[[list[Record], Any], Results]
    template: Path
    context: Callable[[Mapping[str, Any], Variant], Mapping[str, Any]] = lambda files, variant: {}

    def variant(self, name: str = "") -> Variant:
        """Return the variant of a name."""
        return next(one for one in self.variants if one.spec.variant == name)

    def command(self, variant: Variant, settings: Mapping[str, Any], trials: int) -> str:
        """Return the command line that makes a folder of results.

        Parameters
        ----------
        variant : Variant
        settings : mapping
            Values of the specification by name; the seed is said, and what differs from the default.
        trials : int
        """
        default = asdict(variant.spec)
        said = [name for name in self._options(variant.spec) if settings.get(name, default[name]) != default[name]]
        options = [f"--{name.replace('_', '-')} {settings[name]}" for name in dict.fromkeys(["seed", *said])]
        words = [self.module, variant.spec.variant, f"--trials {trials}", *options, f"--out {variant.folder}"]
        return " ".join(["python -m", *(word for word in words if word)])

    def write(self, records: list[Record], spec: TrialsSpec, out: Path, planned: int) -> str:
        """Write the results of records into a folder, and return the verdict.

        Parameters
        ----------
        records : list of dict
            From `run_study`, with `trial` and `cpu_seconds`.
        spec : TrialsSpec
        out : Path
        planned : int
            Trials of the whole study; where there are fewer records the page says so.
        """
        variant, found = self.variant(spec.variant), self.results(records, spec)
        seconds = pd.Series([record["cpu_seconds"] for record in records], dtype=float)
        manifest = {
            "study": variant.title,
            "command": self.command(variant, asdict(spec), planned),
            "settings": asdict(spec),
            "trials": len(records),
            "planned": planned,
            **found.manifest,
            "cpu_seconds": round(float(seconds.sum()), 1),
            "fits_per_cpu_hour": round(3600 / max(float(seconds.mean()), 0.01), 1),
            "median_cpu_seconds_a_fit": float(seconds.median()),
            "versions": versions(),
        }
        write_results(out, replace(found, manifest=manifest), lambda folder: self.page(folder, spec.variant))
        return rendered(self.template, self._filled(out, variant), "verdict")

    def page(self, folder: Path, variant: str = "") -> str:
        """Return the page of a folder of results, from its tables and its manifest.

        Parameters
        ----------
        folder : Path
        variant : str
            Its name.
        """
        return rendered(self.template, self._filled(folder, self.variant(variant)))

    def _filled(self, folder: Path, variant: Variant) -> dict[str, Any]:
        files = read_results(folder)
        manifest = files["manifest"]
        n = manifest.get("trials", manifest.get("fits", manifest.get("simulations", variant.trials)))
        planned = manifest.get("planned", n)
        settings = manifest.get("settings", manifest)
        common = {
            "command": self.command(variant, settings, planned), "variant": variant.spec.variant, "n": n,
            "planned": planned, "grades_said": grades_said,
        }  # fmt: skip
        return {**files, **common, **self.context(files, variant)}

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Run the study from the command line; a study that was stopped goes on where it was.

        Parameters
        ----------
        arguments : sequence of str, optional
            Default: those of the command line.

        Returns
        -------
        int
            0, the exit status.
        """
        parser = ArgumentParser(prog=f"python -m {self.module}", description=self.about)
        if len(self.variants) > 1:
            parser.add_argument("variant", choices=[one.spec.variant for one in self.variants])
        parser.add_argument("--trials", type=int, help="number of simulated trials")
        parser.add_argument("--workers", type=int, default=1, help="processes on this machine")
        parser.add_argument("--scheduler", help="address of a Dask scheduler, instead of processes")
        parser.add_argument("--log", type=Path, help="records as they come; default runs/studies/STUDY.jsonl")
        parser.add_argument("--out", type=Path, required=True)
        for name, kind in self._options(self.variants[0].spec).items():
            parser.add_argument(f"--{name.replace('_', '-')}", type=kind)
        chosen = vars(parser.parse_args(arguments))
        variant = self.variant(chosen.get("variant", ""))
        given = {name: chosen[name] for name in self._options(variant.spec) if chosen[name] is not None}
        spec = replace(variant.spec, **given)
        trials = variant.trials if chosen["trials"] is None else chosen["trials"]
        if not variant.least <= trials <= variant.most:
            parser.error(f"--trials: expected {variant.least} to {variant.most}, got {trials}")
        stem = "-".join(part for part in (self.module.rpartition(".")[2], spec.variant) if part)
        log = chosen["log"] or Path(f"runs/studies/{stem}.jsonl")
        records = run_study(self.task, spec, trials, log, workers=chosen["workers"], scheduler=chosen["scheduler"])
        sys.stdout.write(self.write(records, spec, chosen["out"], trials) + "\n")
        return 0

    @staticmethod
    def _options(spec: TrialsSpec) -> dict[str, type]:
        """Return the numbers of a specification, each an option of the command line."""
        values = {field.name: getattr(spec, field.name) for field in fields(spec)}
        return {name: type(value) for name, value in values.items() if isinstance(value, int | float)}
