"""A run: configuration to run folder. It can be killed at any moment and resumed; nothing finished is done twice."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayesmodels.config import Config, TrialsSection, config_hash, read_config, read_report_settings, slug
from bayesmodels.errors import BayesmodelsError, RunExists
from bayesmodels.run_analyses import check_analyses, declared_analyses
from bayesmodels.run_data import load_data
from bayesmodels.run_folder import DRAFTS, RunFolder, Stopwatch, check_new
from bayesmodels.run_interrupt import heeded_interrupts
from bayesmodels.run_log import without_persons

if TYPE_CHECKING:
    import xarray as xr

    from bayesmodels.reporting.settings import ReportSettings

Tell = Callable[[str], None]


def to_stderr(line: str) -> None:
    """Print a line on stderr, with the time."""
    print(f"{datetime.now().strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class RunResult:
    """What a run left.

    Attributes
    ----------
    folder : Path
    convergence : dict
        Grade of the draws by the report's limits, reasons and numbers (`Report.convergence`).
    """

    folder: Path
    convergence: dict[str, Any]

    @property
    def verdict(self) -> str:
        """`ok`, `short` or `not_converged`; `not recorded` where divergences were not."""
        return str(self.convergence["verdict"] or "not recorded")

    def sentence(self) -> str:
        """Say where the report is and whether the chains converged."""
        page, reasons = self.folder / "report.html", "; ".join(self.convergence["reasons"])
        match self.verdict:
            case "ok":
                return f"{page}: the chains converged"
            case "short":
                return (
                    f"{page}: the chains are short ({reasons}); the page says how many draws would do, and "
                    "marks the numbers that this leaves uncertain"
                )
            case "not_converged":
                return f"{page}: the chains did NOT converge ({reasons}); every page says so"
        return f"{page}: divergences were not recorded, so whether the chains converged is not known"


def run(
    config_path: str | Path,
    out: str | Path = "runs",
    *,
    resume: bool = False,
    again: bool = False,
    tell: Tell = to_stderr,
) -> RunResult:
    """Fit what a configuration describes and report it, in ``<out>/<slug of the name>-<8 hex>/``.

    Parameters
    ----------
    config_path : str or Path
        TOML file.
    out : str or Path
        Folder of the runs.
    resume : bool
        Go on with an unfinished run: finished chains and a finished posterior are kept; the draws are those of an
        uninterrupted run on the same machine.
    again : bool
        Replace whatever is there.
    tell : callable
        Told one line a phase.

    Returns
    -------
    RunResult

    Raises
    ------
    BadConfig, BadInput
        Every problem of the configuration, or of the tables.
    RunExists
        The folder holds a finished run, an unfinished one, or another process works in it.
    BayesmodelsError
        The sampler stopped; the folder can be resumed.
    """
    config = read_config(config_path)
    data = load_data(config)
    _check(config, data)
    name = f"{slug(config.name)}-{config_hash(config, [data.digest])}"
    return run_in(RunFolder(Path(out) / name), config, data, name, resume=resume, again=again, tell=tell)


def _check(config: Config, data: Any) -> None:
    """Refuse what cannot be answered; a model of one's own that cannot be built fails in the fit, which logs it."""
    try:
        check_analyses(config, data)
    except Exception as error:
        if isinstance(error, BayesmodelsError):
            raise


def run_in(
    folder: RunFolder, config: Config, data: Any, name: str, *, resume: bool, again: bool, tell: Tell
) -> RunResult:
    """Fit and report in a folder of the caller's choice; otherwise as `run`.

    Raises
    ------
    RunExists
        As `run`; also where an unfinished run there is of another configuration or other data.
    """
    check_new(folder, resume, again)
    with folder.locked():
        check_new(folder, resume, again)  # another process may have finished meanwhile
        earlier = folder.manifest()
        if again or earlier is None:
            _begin(folder, config, name)
        elif earlier["run"] != name:
            raise RunExists(f"{folder.path}: the run there has other settings or data; give --again to replace it")
        folder.sweep()
        with heeded_interrupts() as heed_interrupt:
            return _Work(folder, config, tell, heed_interrupt).go(data)


def report_again(source: str | Path, out: str | Path | None = None, config: str | Path | None = None) -> RunResult:
    """Make the report of a run folder, or of a posterior's file, without fitting.

    Parameters
    ----------
    source : str or Path
        A run folder or a ``.nc`` file.
    out : str or Path, optional
        Where the report goes; default the run folder, or ``<name>-report`` beside the file.
    config : str or Path, optional
        A TOML file whose `[report]` is used; default the run folder's own.

    Raises
    ------
    BadInput
        There is no posterior, or it cannot be read.
    """
    from bayesmodels.posterior import load

    source = Path(source)
    posterior = source / "posterior.nc" if source.is_dir() else source
    tree = load(posterior)
    own = source / "config.toml" if source.is_dir() else None
    chosen = Path(config) if config is not None else own if own is not None and own.exists() else None
    target = Path(out) if out is not None else source if source.is_dir() else source.with_name(f"{source.stem}-report")
    folder = RunFolder(target)
    with folder.locked():
        folder.sweep()
        found = write_report(folder, tree, read_report_settings(chosen) if chosen else None, None)
    return RunResult(target, found)


def write_report(
    folder: RunFolder, tree: xr.DataTree, settings: ReportSettings | None, stopwatch: Stopwatch | None
) -> dict[str, Any]:
    """Write page, `summary.json`, tables and figures, each whole; `summary.json` gets the time spent until then.

    Returns
    -------
    dict
        The report's grade of the draws, with reasons and numbers.
    """
    from bayesmodels.reporting import report
    from bayesmodels.reporting.settings import ReportSettings

    drafts = folder.path / DRAFTS / "report"
    drafts.mkdir(parents=True)
    made = report(tree, settings=settings or ReportSettings())
    made.save(drafts)
    if stopwatch is not None:
        path = drafts / "summary.json"
        summary = json.loads(path.read_text(encoding="utf-8"))
        summary["seconds"] |= stopwatch.seconds()
        path.write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    folder.publish(drafts)
    folder.sweep()
    return made.convergence


def _begin(folder: RunFolder, config: Config, name: str) -> None:
    from bayesmodels.fitting.fitted import versions
    from bayesmodels.fitting.settings import resolved

    folder.empty()
    folder.write("config.toml", config.text)
    folder.write_manifest(
        {
            "schema": 1,
            "run": name,
            "status": "running",
            "phase": "begin",
            "seed": resolved(config.sections.sampling).seed,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": versions(),
            "seconds": {"wall": 0.0, "cpu": 0.0},
            "convergence": None,
            "error": None,
        }
    )


class _Work:
    """The steps of one run, with manifest and log kept up to date."""

    def __init__(self, folder: RunFolder, config: Config, tell: Tell, heed_interrupt: Callable[[], None]) -> None:
        self.folder, self.config, self.tell, self.heed_interrupt = folder, config, tell, heed_interrupt
        self.needed = config.sections.report.trials_needed
        self.manifest = folder.manifest() or {}
        self.stopwatch = Stopwatch(self.manifest["seconds"])

    def go(self, data: Any) -> RunResult:
        """Fit, save, report."""
        from bayesmodels.fitting.progress import progress_wanted

        try:
            with progress_wanted(self.config.sections.sampling.progress):
                tree = self._posterior(data)
            self.phase("report")
            verdict = write_report(self.folder, tree, self.config.sections.report, self.stopwatch)
            self.note(status="finished", phase="finished", convergence=verdict, error=None)
            self.folder.log(f"finished: {verdict['verdict']}")
            return RunResult(self.folder.path, verdict)
        except KeyboardInterrupt:
            self.note(phase=f"interrupted during {self.manifest['phase']}")
            self.folder.log("interrupted; --resume goes on from here")
            raise
        except Exception as error:
            self.note(status="failed", error=type(error).__name__)
            self.folder.log(f"failed during {self.manifest['phase']}\n{without_persons(error, data)}")
            if isinstance(error, BayesmodelsError):
                raise
            raise BayesmodelsError(
                f"{type(error).__name__}: {error} (where it happened is in {self.folder.path / 'log.txt'})"
            ) from error

    def phase(self, name: str) -> None:
        """Begin a phase, unless Ctrl-C was pressed in the one before; what is told is on disk already."""
        self.heed_interrupt()
        self.folder.log(name)
        self.note(phase=name)
        self.tell(name)

    def note(self, **changes: Any) -> None:
        """Change the manifest, and bring its seconds up to date."""
        self.manifest |= changes | {"seconds": self.stopwatch.seconds()}
        self.folder.write_manifest(self.manifest)

    def _posterior(self, data: Any) -> xr.DataTree:
        """Load the posterior if it is there; otherwise fit, keeping the chains that are there, and save it."""
        import xarray as xr

        from bayesmodels.fitting.fitted import fit
        from bayesmodels.posterior import load, save

        refit = None

        if self.folder.posterior.exists():
            self.phase("posterior found")
            return load(self.folder.posterior)
        asked = self.config.sections.sampling
        settings = asked.model_validate(asked.model_dump() | {"seed": self.manifest["seed"]})
        if isinstance(self.config.sections.data, TrialsSection):
            from bayesmodels.studies.refit import refit_of

            self.phase("compile")
            refit = refit_of(self.config.model, data)
        tree = fit(
            self.config.model,
            data,
            settings,
            chain_dir=self.folder.chains,
            compiled=refit.compiled if refit else None,
            on_phase=self.phase,
        )
        tree.attrs["seconds"] = json.dumps(json.loads(tree.attrs["seconds"]) | self.stopwatch.seconds())
        if refit is not None:
            from bayesmodels.studies.trial_refits import add_refits

            self.phase("refits without each programme")
            add_refits(tree, self.config.model, data, refit, needed=self.needed)
        for name, group in declared_analyses(self.config, tree, data, self.phase).items():
            tree[name] = xr.DataTree(group)
        if self.config.sections.archive.persons:
            from bayesmodels.fitting.person_archive import person_groups

            self.phase("person terms and visit rows")
            for name, group in person_groups(self.config.model, tree, data).items():
                tree[name] = xr.DataTree(group)
        self.phase("save the posterior")
        save(tree, self.folder.posterior)
        return tree
