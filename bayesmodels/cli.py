"""The command line. Every command imports its own floor, so that `--help` is quick."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bayesmodels.errors import BadInput, BayesmodelsError, RunExists

if TYPE_CHECKING:
    from bayesmodels.run import RunResult

OK, FAILED, BAD_INPUT, NOT_CONVERGED, INTERRUPTED = 0, 1, 2, 3, 130


class Good(StrEnum):
    """Sign of an effect that favours the active treatment."""

    up = "up"
    down = "down"


app = typer.Typer(
    help="Bayesian longitudinal models of biomarkers and clinical outcomes in delayed-start trials.",
    epilog="Exit codes: 0 good (short chains too), 1 an error of ours, 2 bad input, 3 the chains did not converge, "
    "130 interrupted.",
    no_args_is_help=True,
    rich_markup_mode=None,  # or [report] in a help text is taken for markup and left out
    add_completion=False,
    pretty_exceptions_enable=False,
)

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print folder and verdict as JSON on stdout.")]
JsonTrials = Annotated[bool, typer.Option("--json", help="Print folder, number of trials and seed as JSON on stdout.")]
JsonProblems = Annotated[bool, typer.Option("--json", help="Print source and problems as JSON on stdout.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run.")]
Again = Annotated[bool, typer.Option("--again", help="Replace a run that is there.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of the runs.")]


@app.command()
def demo(out: Out = Path("runs"), quiet: Quiet = False, as_json: Json = False) -> None:
    """Fit VALOR's published means and one simulated trial; leaves runs/demo/report.html."""
    with _plain_errors():
        from bayesmodels.demo import run_demo

        _end(run_demo(out, quiet), quiet, as_json)


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
    with _plain_errors():
        from bayesmodels.run import run, to_stderr

        result = run(config, out, resume=resume, again=again, tell=_silent if quiet else to_stderr)
        _end(result, quiet, as_json)


@app.command(name="trial-level")
def trial_level(
    table: Annotated[str, typer.Argument(help="Table of trials (.csv or .parquet), or als for the packaged one.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of this run.")],
    surrogate_scale: Annotated[float | None, typer.Option(help="Typical spread of true surrogate effects.")] = None,
    outcome_scale: Annotated[float | None, typer.Option(help="Typical spread of true outcome effects.")] = None,
    surrogate_good: Annotated[Good | None, typer.Option(help="Sign of a good effect; no default.")] = None,
    outcome_good: Annotated[Good | None, typer.Option(help="Sign of a good effect; no default.")] = None,
    margin: Annotated[float | None, typer.Option(help="Minimal important difference of the outcome effect.")] = None,
    within_correlation: Annotated[
        float, typer.Option(min=-0.99, max=0.99, help="Of a trial's two estimates, where it is not reported.")
    ] = 0.0,
    one_sided: Annotated[bool, typer.Option("--one-sided", help="Use rows with one of the two effects.")] = False,
    needed: Annotated[bool, typer.Option("--needed", help="Foretell what more programmes would say.")] = False,
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
    with _plain_errors():
        from bayesmodels.run import to_stderr
        from bayesmodels.run_trial_level import TrialLevelJob, run_trial_level

        good = {"surrogate_good": surrogate_good, "outcome_good": outcome_good}
        job = TrialLevelJob(
            table=table,
            surrogate_scale=surrogate_scale,
            outcome_scale=outcome_scale,
            **{name: None if value is None else value.value for name, value in good.items()},
            margin=margin,
            within_correlation=within_correlation,
            one_sided=one_sided,
            needed=needed,
            draws=draws,
            tune=tune,
            chains=chains,
            seed=seed,
        )
        tell = _silent if quiet else to_stderr
        _end(run_trial_level(job, out, resume=resume, again=again, tell=tell), quiet, as_json)


@app.command()
def report(
    source: Annotated[Path, typer.Argument(help="Run folder, or the .nc file of a posterior.")],
    out: Annotated[Path | None, typer.Option("--out", help="Where the report goes; default the run folder.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file whose [report] is used.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Make the report of a posterior again, without fitting."""
    with _plain_errors():
        from bayesmodels.run import report_again

        _end(report_again(source, out, config), quiet, as_json)


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
    with _plain_errors():
        from bayesmodels.fitting.settings import draw_seed
        from bayesmodels.simulation import simulate as simulate_trials

        used = draw_seed() if seed is None else seed
        simulate_trials(out, n_early=n_early, n_delayed=n_delayed, trials=trials, seed=used)
        if as_json:
            print(json.dumps({"out": str(out), "trials": trials, "seed": used}))
        elif not quiet:
            print(f"{trials} simulated trial{'s' if trials > 1 else ''} in {out}, seed {used}")


@app.command()
def check(
    source: Annotated[Path, typer.Argument(help="A folder with persons, visits and events, or a TOML file.")],
    quiet: Quiet = False,
    as_json: JsonProblems = False,
) -> None:
    """List every problem of a study's tables, or of a configuration and its tables, at once."""
    with _plain_errors():
        from bayesmodels.run_data import check as problems_of

        found = [str(problem) for problem in problems_of(source)]
        if as_json:
            print(json.dumps({"source": str(source), "problems": found}))
        if found:
            raise BadInput(found)
        if not quiet and not as_json:
            print(f"{source}: no problems found")


def main() -> None:
    """Run the command line."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _end(result: RunResult, quiet: bool, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"run": str(result.folder), "verdict": result.verdict}))
    elif not quiet:
        print(result.sentence())
    if result.verdict == "not_converged":
        raise typer.Exit(NOT_CONVERGED)


def _silent(_: str) -> None:
    pass


def _one_of(resume: bool, again: bool) -> None:
    if resume and again:
        raise typer.BadParameter("give --resume to go on or --again to start afresh, not both")


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn our own errors into plain lines on stderr and an exit code."""
    try:
        yield
    except (BadInput, RunExists) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(BAD_INPUT) from None
    except BayesmodelsError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        print("interrupted; a run goes on with --resume", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


if __name__ == "__main__":
    main()
