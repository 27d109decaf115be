"""The command line. Every command imports its own floor, so that `--help` is quick.

With `--json` stdout is one JSON document, however a command ends; what else would be printed there goes to stderr.
"""

from __future__ import annotations

import json
import re
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from bayesmodels.errors import BadInput, BayesmodelsError, RunExists, shown
from bayesmodels.study.measures import Measure

if TYPE_CHECKING:
    from bayesmodels.run.job import RunResult

OK, FAILED, BAD_INPUT, NOT_CONVERGED, INTERRUPTED = 0, 1, 2, 3, 130


GOES_ON = "interrupted; the run goes on with --resume"


class Good(StrEnum):
    """Sign of an effect that favours the active treatment."""

    up = "up"
    down = "down"


_UsageError: Any = typer.BadParameter.__base__  # unknown options and commands, missing arguments, values of wrong types


class _Commands(TyperGroup):
    """The commands; with `--json` wrong usage, too, ends in one JSON document."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and exit."""
        given = list(sys.argv[1:] if args is None else args)
        if "--json" not in given:
            return super().main(given, prog_name, complete_var, standalone_mode, windows_expand_args, **extra)
        try:
            code = super().main(given, prog_name, complete_var, False, windows_expand_args, **extra)
        except _UsageError as error:
            error.show()
            code = int(error.exit_code)
            print(json.dumps(_error("usage", [str(error.format_message())], code)))
        sys.exit(code or OK)


app = typer.Typer(
    cls=_Commands,
    help="Bayesian longitudinal models of biomarkers and clinical outcomes in delayed-start trials.",
    epilog="Exit codes: 0 good (short chains too), 1 an error of ours, 2 bad input, 3 the chains did not converge, "
    "130 interrupted.",
    no_args_is_help=True,
    rich_markup_mode=None,  # or [report] in a help text is taken for markup and left out
    add_completion=False,
    pretty_exceptions_enable=False,
)

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print folder, verdict, reasons and warnings as JSON on stdout.")]
JsonTrials = Annotated[bool, typer.Option("--json", help="Print folder, number of trials and seed as JSON on stdout.")]
JsonStudy = Annotated[bool, typer.Option("--json", help="Print folder, status, fits and rules as JSON on stdout.")]
JsonDesign = Annotated[bool, typer.Option("--json", help="Print folder, status, cells and sizes as JSON on stdout.")]
JsonPersons = Annotated[bool, typer.Option("--json", help="Print folder, verdicts and seed as JSON on stdout.")]
JsonTables = Annotated[bool, typer.Option("--json", help="Print folder, counts and warnings as JSON on stdout.")]
JsonDossier = Annotated[bool, typer.Option("--json", help="Print folder, success and what is missing as JSON.")]
JsonProblems = Annotated[bool, typer.Option("--json", help="Print source, problems and warnings as JSON on stdout.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run.")]
Again = Annotated[bool, typer.Option("--again", help="Replace a run that is there.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of the runs.")]


@app.command()
def demo(out: Out = Path("runs"), quiet: Quiet = False, as_json: Json = False) -> None:
    """Fit VALOR's published means and one simulated trial; leaves runs/demo/report.html."""
    with _answering(quiet, as_json) as answer:
        from bayesmodels.demo.job import run_demo

        answer.of_run(run_demo(out, quiet))


@app.command()
def fit(
    config: Annotated[Path, typer.Argument(help="TOML file that names the tables and the model.")],
    out: Out = Path("runs"),
    resume: Resume = False,
    again: Again = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Fit a model to a trial's tables and report it in a run folder."""
    _one_of(resume, again)
    with _answering(quiet, as_json) as answer:
        from bayesmodels.run.job import run, to_stderr

        answer.interrupted = GOES_ON
        answer.of_run(run(config, out, resume=resume, again=again, tell=_silent if quiet else to_stderr))


@app.command(name="trial-level")
def trial_level(
    table: Annotated[str, typer.Argument(help="Table of trials (.csv or .parquet), or als for the packaged one.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of this run.")],
    surrogate_scale: Annotated[float | None, typer.Option(help="Typical spread of true surrogate effects.")] = None,
    outcome_scale: Annotated[float | None, typer.Option(help="Typical spread of true outcome effects.")] = None,
    surrogate: Annotated[str | None, typer.Option(help="Name of the surrogate on the page.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Name of the outcome on the page.")] = None,
    surrogate_good: Annotated[Good | None, typer.Option(help="Sign of a good effect; no default.")] = None,
    outcome_good: Annotated[Good | None, typer.Option(help="Sign of a good effect; no default.")] = None,
    surrogate_measure: Annotated[Measure | None, typer.Option(help="Effect measure; default mean_difference.")] = None,
    outcome_measure: Annotated[Measure | None, typer.Option(help="Effect measure; default mean_difference.")] = None,
    margin: Annotated[float | None, typer.Option(help="Minimal important difference of the outcome effect.")] = None,
    new_effect: Annotated[
        float | None, typer.Option(help="Surrogate effect of a new trial to predict; of a ratio its natural log.")
    ] = None,
    new_se: Annotated[float | None, typer.Option(min=0, help="Standard error of that effect; 0: known.")] = None,
    within_correlation: Annotated[
        float, typer.Option(min=-0.99, max=0.99, help="Of a trial's two estimates, where it is not reported.")
    ] = 0.0,
    one_sided: Annotated[bool, typer.Option("--one-sided", help="Use rows with one of the two effects.")] = False,
    needed: Annotated[bool, typer.Option("--needed", help="Predict what more programmes would say.")] = False,
    draws: Annotated[int, typer.Option(min=4)] = 2000,
    tune: Annotated[int, typer.Option(min=1)] = 1000,
    chains: Annotated[int, typer.Option(min=1)] = 4,
    seed: Annotated[int | None, typer.Option(min=0, help="Default: drawn once and printed.")] = None,
    resume: Resume = False,
    again: Again = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """From a table of trials to the report on the trial level of a surrogate."""
    _one_of(resume, again)
    with _answering(quiet, as_json) as answer:
        from bayesmodels.run.job import to_stderr
        from bayesmodels.run.trial_level import run_trial_level

        good = {"surrogate_good": surrogate_good, "outcome_good": outcome_good}
        answer.interrupted = GOES_ON
        done = run_trial_level(
            table,
            out,
            surrogate_scale=surrogate_scale,
            outcome_scale=outcome_scale,
            surrogate=surrogate,
            outcome=outcome,
            **{name: None if value is None else value.value for name, value in good.items()},
            surrogate_measure=surrogate_measure,
            outcome_measure=outcome_measure,
            new_effect=new_effect,
            new_se=new_se,
            margin=margin,
            within_correlation=within_correlation,
            one_sided=one_sided,
            needed=needed,
            draws=draws,
            tune=tune,
            chains=chains,
            seed=seed,
            resume=resume,
            again=again,
            tell=_silent if quiet else to_stderr,
        )
        answer.of_run(done)


@app.command(name="person-level")
def person_level(
    table: Annotated[Path, typer.Argument(help="Table of persons (.csv or .parquet), a row each.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the result.")],
    method: Annotated[
        Literal["single", "two_stage", "binary"],
        typer.Option(help="Criteria of one trial, R2 from clusters in two stages, or an outcome of 0 and 1."),
    ] = "single",
    active: Annotated[str, typer.Option(help="Label of the active arm.")] = "1",
    treatment: Annotated[str, typer.Option(help="Column with the arm.")] = "treatment",
    surrogate: Annotated[str, typer.Option(help="Column with the surrogate.")] = "surrogate",
    outcome: Annotated[str, typer.Option(help="Column with the outcome.")] = "outcome",
    cluster: Annotated[str, typer.Option(help="Column with the cluster; not single.")] = "cluster",
    clusters: Annotated[
        Literal["trials", "places"], typer.Option(help="Are they trials, or places of one trial?")
    ] = "places",
    form: Annotated[
        Literal["full", "reduced"], typer.Option(help="Whether clusters have levels of their own; two_stage only.")
    ] = "reduced",
    weighted: Annotated[bool, typer.Option(help="Weight clusters by their persons; two_stage only.")] = True,
    surrogate_good: Annotated[Good | None, typer.Option(help="Sign of a good value; no default.")] = None,
    outcome_good: Annotated[Good | None, typer.Option(help="Sign of a good value; no default.")] = None,
    surrogate_unit: Annotated[str, typer.Option()] = "",
    outcome_unit: Annotated[str, typer.Option()] = "",
    important_difference: Annotated[float | None, typer.Option(help="Of the outcome; single only.")] = None,
    complete_cases: Annotated[bool, typer.Option("--complete-cases", help="Leave out rows with a blank.")] = False,
    interval: Annotated[float, typer.Option(min=0.5, max=0.999, help="Level of the intervals.")] = 0.95,
    draws: Annotated[int, typer.Option(min=100, help="Independent draws; single only.")] = 4000,
    seed: Annotated[int | None, typer.Option(min=0, help="Default: drawn once and printed.")] = None,
    again: Again = False,
    quiet: Quiet = False,
    as_json: JsonPersons = False,
) -> None:
    """From a table of persons to what it says about a surrogate: one value of each per person, two arms."""
    with _answering(quiet, as_json) as answer:
        from bayesmodels.run.person_level import read_persons, run_person_level
        from bayesmodels.study import Endpoint

        columns = {"cluster": cluster, "treatment": treatment, "surrogate": surrogate, "outcome": outcome}
        ends = {
            name: Endpoint(columns[name], unit, None if good is None else good.value)
            for name, unit, good in (
                ("surrogate", surrogate_unit, surrogate_good),
                ("outcome", outcome_unit, outcome_good),
            )
        }
        persons = read_persons(table, method, active, columns, ends, complete_cases)
        made = run_person_level(
            persons,
            out,
            method=method,
            important_difference=important_difference,
            draws=draws,
            seed=seed,
            form=form,
            clusters=clusters,
            weighted=weighted,
            interval=interval,
            again=again,
        )
        answer.text = made.sentence()
        verdicts = {verdict.rung: verdict.answer for verdict in made.found.verdicts}
        answer.document = {"out": str(made.folder), "verdicts": verdicts, "seed": made.seed, "exit": OK}


@app.command()
def report(
    source: Annotated[Path, typer.Argument(help="Run folder, or the .nc file of a posterior.")],
    out: Annotated[Path | None, typer.Option("--out", help="Where the report goes; default the run folder.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file whose [report] is used.")] = None,
    submission: Annotated[
        bool, typer.Option("--submission", help="Also tables as RTF and figures as PDF; needs the extra submission.")
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Make the report of a posterior again, without fitting."""
    with _answering(quiet, as_json) as answer:
        from bayesmodels.run.job import report_again

        answer.of_run(report_again(source, out, config, submission=submission))


@app.command()
def simulate(
    out: Annotated[Path, typer.Option("--out", help="Folder for trial-001, trial-002, ...")],
    n_early: Annotated[int, typer.Option(min=1, help="Persons who start the drug at randomisation.")] = 72,
    n_delayed: Annotated[int, typer.Option(min=0, help="Persons who start it at the switch.")] = 36,
    trials: Annotated[int, typer.Option(min=1, help="Trials to simulate.")] = 1,
    seed: Annotated[int | None, typer.Option(min=0, help="Default: drawn once and printed.")] = None,
    quiet: Quiet = False,
    as_json: JsonTrials = False,
) -> None:
    """Simulate trials like VALOR: persons, visits, events and truth, as csv. These are not data."""
    with _answering(quiet, as_json) as answer:
        from bayesmodels.fitting.settings import draw_seed
        from bayesmodels.simulation import simulate as simulate_trials

        used = draw_seed() if seed is None else seed
        simulate_trials(out, n_early=n_early, n_delayed=n_delayed, trials=trials, seed=used)
        answer.document = {"out": str(out), "trials": trials, "seed": used, "exit": OK}
        answer.text = f"{trials} simulated trial{'s' if trials > 1 else ''} in {out}, seed {used}"


@app.command()
def trials(
    config: Annotated[Path, typer.Argument(help="TOML file with a truth, a design, a model and what is kept.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the study; the same command again goes on there.")],
    fits: Annotated[int | None, typer.Option(min=1, help="Instead of the file's; more extend a study.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes on this machine.")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler, such as tcp://host:8786.")] = None,
    array: Annotated[str | None, typer.Option(help="K/N: the K-th of N parts; then `bayesmodels collect`.")] = None,
    max_time: Annotated[
        str | None, typer.Option("--max-time", help="No fit is begun after it: 90s, 45m, 12h, or 12:00:00.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Make two fits, say what all would cost, write nothing.")
    ] = False,
    quiet: Quiet = False,
    as_json: JsonStudy = False,
) -> None:
    """Simulate many trials, fit a model to each: bias, coverage, power, type I error. These are not data."""
    if scheduler is not None and workers > 1:
        raise typer.BadParameter("give --workers or --scheduler, not both")
    with _answering(quiet, as_json) as answer:
        from bayesmodels.trials import job

        answer.interrupted = f"interrupted; the same command goes on in {out}"
        seconds = None if max_time is None else job.seconds_of(max_time)
        if dry_run:
            cost = job.dry_run(config, out, fits=fits)
            answer.text, answer.document = cost.sentence(), cost.document()
            return
        made = job.run_trials(
            config, out, fits=fits, array=array, workers=workers, scheduler=scheduler, max_seconds=seconds
        )
        answer.text, answer.document = made.sentence(), made.document()


@app.command()
def design(
    config: Annotated[Path, typer.Argument(help="TOML file with [planning], a grid and endpoints.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the design; the same command again goes on there.")],
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="Simulated trials a cell, instead of the file's; more extend.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes on this machine.")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler, such as tcp://host:8786.")] = None,
    array: Annotated[
        str | None, typer.Option(help="K/N: the K-th of N parts; the command without it puts them together.")
    ] = None,
    max_time: Annotated[
        str | None, typer.Option("--max-time", help="No trial is begun after it: 90s, 45m, 12h, or 12:00:00.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Run a few trials, say what all would cost, write nothing.")
    ] = False,
    quiet: Quiet = False,
    as_json: JsonDesign = False,
) -> None:
    """Plan a trial: power, assurance, sizes and interim looks over a grid of designs. Simulated trials, not data."""
    if scheduler is not None and workers > 1:
        raise typer.BadParameter("give --workers or --scheduler, not both")
    with _answering(quiet, as_json) as answer:
        from bayesmodels.planning import job
        from bayesmodels.trials.job import seconds_of

        answer.interrupted = f"interrupted; the same command goes on in {out}"
        seconds = None if max_time is None else seconds_of(max_time)
        if dry_run:
            cost = job.cost_of(config, out, trials=trials)
            answer.text, answer.document = cost.sentence(), cost.document()
            return
        made = job.run_design(
            config, out, trials=trials, array=array, workers=workers, scheduler=scheduler, max_seconds=seconds
        )
        answer.text, answer.document = made.sentence(), made.document()


@app.command()
def collect(
    folder: Annotated[Path, typer.Argument(help="Folder of a study whose parts were run with --array.")],
    partial: Annotated[bool, typer.Option("--partial", help="Report the fits that are there.")] = False,
    quiet: Quiet = False,
    as_json: JsonStudy = False,
) -> None:
    """Put the parts of a study of many trials together, and report them; exit 2 where fits are missing."""
    with _answering(quiet, as_json) as answer:
        from bayesmodels.trials.job import collect as collected

        made = collected(folder, partial=partial)
        answer.text, answer.document = made.sentence(), made.document()


@app.command()
def adam(
    files: Annotated[
        list[Path], typer.Argument(help="A mapping (TOML); with --suggest data sets: ADSL and those by visit.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the tables; with --suggest the file of the draft.")
    ] = None,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Draft a mapping for the data sets, to stdout or --out.")
    ] = False,
    again: Again = False,
    quiet: Quiet = False,
    as_json: JsonTables = False,
) -> None:
    """From analysis data sets (CDISC ADaM) to persons, visits and events, with a list of every row left out and why."""
    if not suggest and (len(files) != 1 or out is None):
        raise typer.BadParameter("give one mapping and --out FOLDER; or --suggest with the data sets")
    with _answering(quiet, as_json) as answer:
        if suggest:
            from bayesmodels.files import write_whole
            from bayesmodels.study.adam import draft_mapping

            draft = draft_mapping(files, Path() if out is None else out.parent)
            answer.document, answer.text = {"out": None if out is None else str(out), "exit": OK}, draft
            if out is None:
                answer.document["mapping"] = draft
                return
            if out.exists() and not again:
                raise RunExists(f"{out}: is there already; choose another --out, or give --again to replace it")
            write_whole(out, draft.encode())
            answer.text = f"{out}: a draft; make its choices, then give bayesmodels adam {out} --out FOLDER"
            return
        from bayesmodels.run.adam import write_adam

        assert out is not None
        done = write_adam(files[0], out, again=again)
        answer.text, answer.document = done.sentence(), done.document()
        notes = [f"note: {line}" for line in done.made.notes] + [f"warning: {line}" for line in done.made.warnings]
        answer.lines = [] if quiet else shown(notes, "line")


@app.command()
def dossier(
    source: Annotated[Path, typer.Argument(help="TOML file, or folder with dossier.toml, that names the evidence.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the dossier; default `dossier` beside it.")
    ] = None,
    quiet: Quiet = False,
    as_json: JsonDossier = False,
) -> None:
    """Make one folder and page for regulators from a run, its sensitivity runs and studies of simulated trials."""
    with _answering(quiet, as_json) as answer:
        from bayesmodels.dossier.job import PAGE, make_dossier

        place = out if out is not None else (source if source.is_dir() else source.parent) / "dossier"
        made = make_dossier(source, place)
        answer.code = NOT_CONVERGED if made.verdict == "not_converged" else OK
        answer.text = f"{place / PAGE}\n{made.sentence()}"
        answer.document = {"out": str(place), **made.document(), "exit": answer.code}


@app.command()
def check(
    source: Annotated[Path, typer.Argument(help="A folder with persons, visits and events, or a TOML file.")],
    quiet: Quiet = False,
    as_json: JsonProblems = False,
) -> None:
    """List every problem of a study's tables, or of a configuration and its tables, at once; then what is doubtful."""
    with _answering(quiet, as_json) as answer:
        from bayesmodels.dossier.config import dossier_problems, is_of_dossier
        from bayesmodels.planning.config import design_problems, is_of_design
        from bayesmodels.run.check import checked_data
        from bayesmodels.run.config import own_code_of
        from bayesmodels.trials.config import is_of_trials, trials_problems

        for name in () if quiet else own_code_of(source):
            print(f"note: this configuration imports and runs code: {name}", file=sys.stderr)
        others = ((is_of_dossier, dossier_problems), (is_of_design, design_problems), (is_of_trials, trials_problems))
        find = next((find for is_of, find in others if is_of(source)), checked_data)
        found, doubtful, *data = find(source)
        problems, warnings = ([str(line) for line in lines] for lines in (found, doubtful))
        answer.document = {"source": str(source), "problems": problems, "warnings": warnings}
        answer.code = BAD_INPUT if problems else OK
        answer.lines = shown(problems, "problem")
        if not quiet:
            answer.lines = [*(f"warning: {line}" for line in shown(warnings, "warning")), *answer.lines]
        doubts = f", {len(warnings)} warning{'s' * (len(warnings) > 1)}" if warnings else ""
        shown_data = [str(each) for each in data if each is not None and not quiet]
        answer.text = "" if problems else "\n\n".join([*shown_data, f"{source}: no problems found{doubts}"])


def main() -> None:
    """Run the command line."""
    from bayesmodels.run.interrupt import terminate

    signal.signal(signal.SIGTERM, terminate)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


@dataclass
class _Answer:
    """How a command ends: a text or a document for stdout, lines for stderr, the exit code."""

    document: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    lines: Sequence[str] = ()
    code: int = OK
    interrupted: str = "interrupted"

    def of_run(self, result: RunResult) -> None:
        """Say where a run is and how it went."""
        self.code = NOT_CONVERGED if result.verdict == "not_converged" else OK
        self.text = result.sentence()
        self.document = {
            "run": str(result.folder),
            "verdict": result.verdict,
            "reasons": list(result.convergence.get("reasons", ())),
            "warnings": list(result.warnings),
            "exit": self.code,
        }

    def of_error(self, kind: str, problems: Sequence[str], code: int, before: str = "") -> None:
        """Say why nothing came of it."""
        self.document, self.text, self.code = _error(kind, problems, code), "", code
        self.lines = shown([before + line for line in problems[:1]] + list(problems[1:]), "problem")


def _error(kind: str, problems: Sequence[str], code: int) -> dict[str, Any]:
    return {"error": kind, "problems": list(problems), "exit": code}


def _silent(_: str) -> None:
    pass


def _one_of(resume: bool, again: bool) -> None:
    if resume and again:
        raise typer.BadParameter("give --resume to go on or --again to start afresh, not both")


@contextmanager
def _answering(quiet: bool, as_json: bool) -> Iterator[_Answer]:
    """Yield the answer that a command fills in, and give it; our own errors become plain lines and an exit code."""
    answer = _Answer()
    try:
        with redirect_stdout(sys.stderr if as_json else sys.stdout):
            yield answer
    except (BadInput, RunExists) as error:
        problems = error.problems if isinstance(error, BadInput) else (str(error),)
        answer.of_error(_kind(error), [line for problem in problems for line in problem.splitlines()], BAD_INPUT)
    except BayesmodelsError as error:
        answer.of_error(_kind(error), str(error).splitlines(), FAILED, before="error: ")
    except KeyboardInterrupt:
        answer.of_error("interrupted", [answer.interrupted], INTERRUPTED)
    except Exception as error:
        if not as_json or isinstance(error, typer.Exit | _UsageError):
            raise
        traceback.print_exc()
        answer.of_error("internal", [f"{type(error).__name__}: {error}"], FAILED)
    for line in answer.lines:
        print(line, file=sys.stderr)
    if as_json:
        print(json.dumps(answer.document))
    elif answer.text and not quiet:
        print(answer.text)
    if answer.code != OK:
        raise typer.Exit(answer.code)


def _kind(error: BayesmodelsError) -> str:
    """An error's class in small letters: bad_input, bad_config, run_exists, missing_variable."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()


if __name__ == "__main__":
    main()
