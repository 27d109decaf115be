"""The batch job from a configuration to a run folder; it can be killed at any moment and resumed."""

from __future__ import annotations

import json
import re
import sys
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayesmodels.errors import BadInput, BayesmodelsError, DamagedFile, DiskFull, RunExists, shown
from bayesmodels.files import lack_of_room, made_folder
from bayesmodels.listed_folder import SCHEMA
from bayesmodels.posterior.archive import load, save
from bayesmodels.run.check import checked_model, data_warnings
from bayesmodels.run.config import Config, config_hash, read_config, read_report_settings, slug
from bayesmodels.run.folder import CONFIG, FILES, LOG, POSTERIOR, RunFolder, Stopwatch, check_new
from bayesmodels.run.interrupt import heeded_interrupts

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

Tell = Callable[[str], None]

MASKED = "(...)"
"""Stands for a number that is, or may be, the label of a person."""

_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?!\w|\.\d)")


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
    warnings : tuple of str
        What is doubtful about the data.
    """

    folder: Path
    convergence: dict[str, Any]
    warnings: tuple[str, ...] = ()

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
                    "marks numbers in its tables that this leaves uncertain"
                )
            case "not_converged":
                return f"{page}: the chains did NOT converge ({reasons}); every page says so"
        return f"{page}: divergences were not recorded, so whether the chains converged is not known"


def run(
    config: str | Path | Config,
    out: str | Path = "runs",
    *,
    in_place: bool = False,
    resume: bool = False,
    again: bool = False,
    tell: Tell = to_stderr,
) -> RunResult:
    """Fit what a configuration describes and report it, in ``<out>/<slug of the name>-<8 hex>/``.

    Parameters
    ----------
    config : str, Path or Config
        TOML file, or what was read from one.
    out : str or Path
        Folder of the runs.
    in_place : bool
        `out` is the folder of this run itself.
    resume : bool
        Go on with an unfinished run: finished chains and a finished posterior are kept; the draws are those of an
        uninterrupted run on the same machine.
    again : bool
        Replace whatever is there.
    tell : callable
        Told one line per phase.

    Returns
    -------
    RunResult

    Raises
    ------
    BadConfig, BadInput
        Every problem of the configuration, or of the tables.
    RunExists
        The folder holds a finished run, an unfinished one, or another process works in it; also where an unfinished run
        there is of another model, of other settings of the sampler or of other data. Another `[report]` is taken.
    BayesmodelsError
        The sampler stopped; the folder can be resumed.
    """
    config = config if isinstance(config, Config) else read_config(config)
    data = config.read()
    built = _built(config, data)
    name = f"{slug(config.name)}-{config_hash(config, [data.digest])}"
    folder = RunFolder(Path(out) if in_place else Path(out) / name)
    check_new(folder, resume, again)
    what = _identity(config, data)
    with folder.locked():
        earlier = folder.manifest()  # another process may have begun or finished meanwhile
        folder.check_free(FILES)  # before anything is deleted, sampled or made
        if again or earlier is None or earlier["status"] == "replacing":
            if earlier is not None:
                folder.empty()
            _begin(folder, config, name, what)
        else:
            check_new(folder, resume, again, locked=True)
            if {key: earlier[key] for key in what} != what:
                raise RunExists(f"{folder.path}: the run there has other settings or data; give --again to replace it")
            folder.sweep()
            folder.note(status="running")
            folder.write(CONFIG, config.text.encode())
            folder.enter([LOG])
        with heeded_interrupts() as heed_interrupt:
            return _Work(folder, config, tell, heed_interrupt).go(data, built)


def _built(config: Config, data: Any) -> pm.Model | None:
    """Refuse what cannot be answered; None where a model of one's own cannot be built: the fit logs why."""
    try:
        return checked_model(config, data)
    except BayesmodelsError:
        raise
    except Exception:
        return None


def report_again(
    source: str | Path, out: str | Path | None = None, config: str | Path | None = None, *, submission: bool = False
) -> RunResult:
    """Make the report of a run folder, or of a posterior's file, without fitting.

    Parameters
    ----------
    source : str or Path
        A run folder or a ``.nc`` file.
    out : str or Path, optional
        Where the report goes; default the run folder, or ``<name>-report`` beside a file or beside a folder that has no
        list of its files (an earlier version's).
    config : str or Path, optional
        A TOML file whose `[report]` is used; default the run folder's own.
    submission : bool
        Also tables as RTF and figures as PDF.

    Raises
    ------
    BadInput
        There is no posterior, it cannot be read, or it is not the one that the run wrote; `out` has files of the same
        names that the package did not write there; the extra `submission` is asked for and not installed.
    """
    from bayesmodels.reporting import report
    from bayesmodels.reporting.rtf import require_rtflite
    from bayesmodels.reporting.settings import ReportSettings

    if submission:
        require_rtflite()

    source = Path(source)
    folder = RunFolder(source)
    manifest = folder.manifest() if source.is_dir() else None
    listed = manifest is not None and manifest["schema"] == SCHEMA
    if manifest is not None and listed and manifest["kind"] != "run":
        raise BadInput(f"{source}: holds a {manifest['kind']}, not a run; give the posterior's file")
    tree = load_own(folder) if listed else load(folder.posterior if source.is_dir() else source)
    if manifest is not None and not listed and tree.attrs.get("seed") != str(manifest.get("seed")):
        raise BadInput(f"{folder.posterior}: has another seed than the run in its folder; report it from elsewhere")
    own = source / CONFIG if source.is_dir() else None
    chosen = Path(config) if config is not None else own if own is not None and own.exists() else None
    settings = read_report_settings(chosen) if chosen else ReportSettings()
    beside = source.resolve().with_name(f"{source.resolve().name if source.is_dir() else source.stem}-report")
    target = Path(out) if out is not None else source if listed else beside
    made_folder(target)  # said before the report is made, not after
    made = report(tree, settings=settings)
    made.save(target, submission=submission)
    return RunResult(target, made.convergence, _warnings(tree))


def load_own(folder: RunFolder) -> xr.DataTree:
    """Load the posterior that a run wrote into its folder.

    Raises
    ------
    BadInput
        There is none yet, or the file there belongs to another run.
    DamagedFile
        It is not what was written; says what makes it again.
    """
    manifest = folder.manifest() or {}
    mend = "give the run's own command with --resume to make it again from its finished chains"
    apart = f"move it elsewhere and report it from there, then {mend}"
    if not folder.posterior.is_file():
        raise BadInput(f"{folder.path}: this run has no posterior yet ({manifest['status']}); {mend}")
    written = folder.is_as_written(POSTERIOR)
    try:
        tree = load(folder.place(POSTERIOR), verify=not written)
    except DamagedFile as error:
        raise DamagedFile(f"{error}; {mend}") from error
    if written is False:
        raise BadInput(
            f"{folder.posterior}: a whole file, but not the one that this run wrote: changed since, or of another run "
            f"({tree.attrs.get('run', 'none is named in it')}); {apart}"
        )
    digest = json.loads(tree.attrs.get("data", "{}")).get("digest")
    if (tree.attrs.get("run"), digest) != (manifest["run"], manifest["data"]):
        raise BadInput(
            f"{folder.posterior}: belongs to another run ({tree.attrs.get('run', 'not named in it')}), not to "
            f"{manifest['run']}; {apart}"
        )
    return tree


def _warnings(tree: xr.DataTree) -> tuple[str, ...]:
    """Return what a posterior says is doubtful in its data."""
    return tuple(json.loads(tree.attrs.get("warnings", "[]")))


def _identity(config: Config, data: Any) -> dict[str, Any]:
    """What a run that is resumed must have in common with the run that began: data, model, sampling and analyses."""
    sections = config.sections.model_copy(update={"report": type(config.report)()})
    return {"data": data.digest, "fit": config_hash(replace(config, sections=sections), [data.digest])}


def _begin(folder: RunFolder, config: Config, name: str, what: dict[str, Any]) -> None:
    from bayesmodels.fitted import versions
    from bayesmodels.fitting.settings import resolved

    folder.begin(
        "run",
        name,
        **what,
        phase="begin",
        seed=resolved(config.settings).seed,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(),
        seconds={"wall": 0.0, "cpu": 0.0},
        convergence=None,
        error=None,
    )
    folder.write(CONFIG, config.text.encode())
    folder.enter([LOG])


class _Work:
    """The steps of one run, with manifest and log kept up to date."""

    def __init__(self, folder: RunFolder, config: Config, tell: Tell, heed_interrupt: Callable[[], None]) -> None:
        self.folder, self.config, self.tell, self.heed_interrupt = folder, config, tell, heed_interrupt
        manifest = folder.manifest() or {}
        self.name, self.seed = manifest["run"], manifest["seed"]
        self.phase_name = manifest["phase"]
        self.stopwatch = Stopwatch(manifest["seconds"])

    def go(self, data: Any, built: pm.Model | None) -> RunResult:
        """Fit, save, report."""
        from bayesmodels.fitting.progress import progress_wanted
        from bayesmodels.reporting import report

        try:
            with progress_wanted(self.config.settings.progress):
                tree = self._posterior(data, built)
            self.phase("report")
            made = report(tree, settings=self.config.report)
            self.folder.write_all(made.files(self.stopwatch.seconds))
            verdict = made.convergence
            self.folder.log(f"finished: {verdict['verdict']}")
            self.folder.confirm([LOG])
            self.note(status="finished", phase="finished", convergence=verdict, error=None)
            return RunResult(self.folder.path, verdict, _warnings(tree))
        except KeyboardInterrupt:
            self._ended("interrupted; --resume goes on from here", "interrupted", None)
            raise
        except Exception as error:
            said = f"failed during {self.phase_name}\n{without_persons(error, data)}"
            self._ended(said, "failed", type(error).__name__)
            if lack_of_room(error) is not None:
                raise DiskFull(
                    f"{self.folder.path}: the disk is full (during {self.phase_name}); make room, then give the same "
                    "command with --resume"
                ) from error
            if isinstance(error, BayesmodelsError):
                raise
            raise BayesmodelsError(
                f"{type(error).__name__}: {error} (where it happened is in {self.folder.path / LOG})"
            ) from error

    def phase(self, name: str) -> None:
        """Begin a phase, unless Ctrl-C was pressed in the one before; what is told is on disk already."""
        self.heed_interrupt()
        self.phase_name = name
        self.folder.log(name)
        self.note(phase=name)
        self.tell(name)

    def note(self, **changes: Any) -> None:
        """Change the manifest, and bring its seconds up to date."""
        self.folder.note(**changes, seconds=self.stopwatch.seconds())

    def _ended(self, said: str, status: str, error: str | None) -> None:
        """Note how the run ended; where there is no room for that, manifest and log stay as they were."""
        for write in (
            lambda: self.note(status=status, phase=f"{status} during {self.phase_name}", error=error),
            lambda: self.folder.log(said),
        ):
            try:
                write()
            except Exception as failure:
                if lack_of_room(failure) is None:
                    raise

    def _posterior(self, data: Any, built: pm.Model | None) -> xr.DataTree:
        """Load the posterior if it is there and whole; otherwise fit, keeping whole chains, and save it."""

        from bayesmodels.fitted import fit

        if self.folder.posterior.is_file():
            try:
                tree = load_own(self.folder)
            except DamagedFile:
                self.phase("posterior found damaged, so it is made again from the chains")
            else:
                self.phase("posterior found")
                return tree
        config = self.config
        settings = config.settings.model_validate(config.settings.model_dump() | {"seed": self.seed})
        self._warn(data)
        chains = [f"chains/{number}.nc" for number in range(settings.chains)]
        self.folder.enter(chains)
        tree = fit(
            config.model,
            data,
            settings,
            config.analyses,
            chain_dir=self.folder.chains,
            pm_model=built,
            on_phase=self.phase,
        )
        self.folder.confirm(chains)
        tree.attrs["seconds"] = json.dumps(json.loads(tree.attrs["seconds"]) | self.stopwatch.seconds())
        tree.attrs["run"] = self.name
        self.phase("save the posterior")
        self.folder.enter([POSTERIOR])
        save(tree, self.folder.posterior)
        self.folder.confirm([POSTERIOR])
        return tree

    def _warn(self, data: Any) -> None:
        """Say what is doubtful in the data: without persons in the log, with them on the terminal."""
        found = data_warnings(self.config, data)
        for line in shown([warning.without_person for warning in found], "warning"):
            self.folder.log(f"warning: {line}")
        for line in shown(found, "warning"):
            self.tell(f"warning: {line}")


def without_persons(error: Exception, data: Any) -> str:
    """Write an error with its traceback, without labels of persons.

    A problem of a table has a line without its person. In other text a number that equals a label is masked, whatever
    it is a number of, and a line with a label that is no number is left out.

    Parameters
    ----------
    error : Exception
    data : Study or other
        Its `persons`, if it has any, say what the labels are.
    """
    labels = {str(label) for label in data.persons["person"]} if hasattr(data, "persons") else set()
    numbers = {float(label) for label in labels if _NUMBER.fullmatch(label)}
    words = [label for label in labels if not _NUMBER.fullmatch(label)]
    frames = "".join(traceback.format_tb(error.__traceback__))
    lines = error.problems if isinstance(error, BadInput) else (str(error),)
    told = [getattr(line, "without_person", None) or _masked(line, words, numbers) for line in lines]
    return frames + "\n".join(f"{type(error).__name__}: {line}" for line in told)


def _masked(line: str, words: Collection[str], numbers: Collection[float]) -> str:
    for word in words:
        forms = {re.escape(word), re.escape(repr(word)[1:-1])}  # as it is, and as Python quotes it
        if re.search(rf"(?<!\w)(?:{'|'.join(forms)})(?!\w)", line):
            return "(names a person: not kept)"
    return _NUMBER.sub(lambda found: MASKED if float(found[0]) in numbers else found[0], line)
