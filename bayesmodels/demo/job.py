"""The demo: VALOR's published means, predicted and published later; then one simulated trial of persons.

Leaves ``<out>/demo/report.html``, the tables behind it, both posteriors, and the simulated trial with its own report.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from bayesmodels.demo.fits import Job, Tell, fitted
from bayesmodels.demo.valor import MAIN, ValorResults, valor_jobs, valor_results
from bayesmodels.demo.valor_lead import nfl_response, valor_lead
from bayesmodels.demo.valor_magnitude import magnitude_sections, magnitude_tables
from bayesmodels.demo.valor_page import valor_sections
from bayesmodels.errors import BadInput
from bayesmodels.files import made_folder
from bayesmodels.fitting import NutsSettings
from bayesmodels.listed_folder import ListedFolder
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.presets import alsfrs_r, nfl_plasma
from bayesmodels.posterior.archive import save
from bayesmodels.reporting import Block, ReportSettings, compose, report
from bayesmodels.run.job import RunResult
from bayesmodels.safe_labels import table_csv
from bayesmodels.simulation import simulate_trial, valor_design
from bayesmodels.simulation.truth import published_truth
from bayesmodels.study import Study

SEED = 20211017
TITLE = "VALOR's published means: fitted to week 28, compared with what came later"
SIMULATED = "A simulated trial of persons (not data)"
CURVE_WEEKS = (0, 4, 8, 12, 16, 20, 24, 28, 40, 52, 64, 76, 88, 100, 112, 124, 136, 148)


def run_demo(out: Path, quiet: bool = False, settings: NutsSettings | None = None) -> RunResult:
    """Run the demo.

    Parameters
    ----------
    out : Path
        The page goes to ``<out>/demo/report.html``; what is there is replaced.
    quiet : bool
        No line per phase on stderr.
    settings : NutsSettings, optional
        By default 4 chains of 1,000 draws after 1,000 of tuning, with a fixed seed.

    Returns
    -------
    RunResult
        The folder of the page, and whether the chains of every fit converged.
    """
    tell: Tell = _silent if quiet else _to_stderr
    settings = settings or NutsSettings(seed=SEED, progress=False)
    folder = ListedFolder(Path(out) / "demo")
    _check(folder)
    with folder.locked():
        if folder.manifest() is not None:
            folder.empty()
        folder.begin("demo", None)
        with folder.ending():
            jobs = {SIMULATED: _simulated_job(settings.seed or 0), **valor_jobs()}
            posteriors = fitted(jobs, settings, tell)
            tell("predictions of what was published later")
            results = valor_results(posteriors, settings.seed or 0)
            folder.write_all(
                {f"tables/{name}.csv": partial(table_csv, table) for name, table in _tables(results).items()}
            )
            _save(folder, "valor_posterior.nc", results.fits[MAIN].posterior)
            tell("reports")
            block, simulated = _simulated(folder, posteriors[SIMULATED])
            stamp = None
            if results.not_converged:
                said = " ".join(results.not_converged)
                stamp = f"Chains that did not converge: {said} Do not act on the numbers they give."
            page = compose(
                TITLE, valor_lead(results), [*valor_sections(results), *magnitude_sections(results), block], stamp
            )
            folder.write("report.html", page.encode())
    lines = [f"simulated trial: {reason}" for reason in simulated["reasons"]]
    failed = [*results.not_converged, *(lines if simulated["verdict"] == "not_converged" else ())]
    short = [*results.short, *(lines if simulated["verdict"] == "short" else ())]
    verdict = "not_converged" if failed else "short" if short else "ok"
    return RunResult(folder.path, {"verdict": verdict, "reasons": failed or short})


def simulated_study(seed: int) -> Study:
    """One trial of 72 early and 36 delayed starters from the truth calibrated to VALOR: simulated, not data."""
    trial = simulate_trial(valor_design(), published_truth(), seed)
    return Study.from_frames(
        trial.persons,
        trial.visits,
        trial.events,
        name="simulated trial (not data)",
        reference_group="delayed",
        curve_weeks=CURVE_WEEKS,
    )


def _check(folder: ListedFolder) -> None:
    """Refuse a folder of anything but an earlier demo."""
    earlier = folder.manifest()
    ours = folder.is_new if earlier is None else earlier.get("kind") == "demo"
    if not ours:
        raise BadInput(f"{folder.path}: holds files that are not of a demo of this version; choose another --out")


def _save(folder: ListedFolder, name: str, posterior: xr.DataTree) -> None:
    folder.enter([name])
    made_folder(folder.place(name).parent)
    save(posterior, folder.place(name))
    folder.confirm([name])


def _simulated_job(seed: int) -> Job:
    model = LongitudinalModel(outcomes=(nfl_plasma(), alsfrs_r()))
    return Job("simulated trial of 108 persons: NfL and ALSFRS-R", model, simulated_study(seed), described=True)


def _simulated(folder: ListedFolder, posterior: xr.DataTree) -> tuple[Block, dict[str, Any]]:
    _save(folder, "simulated/posterior.nc", posterior)
    made = report(posterior, settings=ReportSettings(surrogate="nfl_plasma", outcome="alsfrs_r"))
    folder.write_all({f"simulated/{name}": content for name, content in made.files().items()})
    lead = replace(
        made.lead,
        paragraphs=[
            "Simulated, not data: 72 early and 36 delayed starters drawn from a generator calibrated to VALOR's "
            "published means. It shows what the patient-level model reports from tables of persons and visits; it "
            "says nothing about the drug. The generator is not the model: slowing follows a person's NfL response, NfL "
            "shifts in the extension, scores are rounded, and persons leave by death.",
            *made.lead.paragraphs,
        ],
    )
    return Block(SIMULATED, made.sections, lead, made.stamp), made.convergence


def _tables(results: ValorResults) -> dict[str, pd.DataFrame]:
    """Tables of VALOR's published means, by name of their file."""
    return {
        "nfl_response": nfl_response(results.fits[MAIN]).drop(columns=["shown", "percent"]),
        "later_by_stratum": results.strata,
        "weeks_52_and_148": results.whole,
        "difference_week_52": results.difference,
        "inside_by_start": results.starts,
        "trap_week_148": results.trap,
        "nfl_fall_by_prior": results.fall_priors,
        **magnitude_tables(results),
    }


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _silent(_: str) -> None:
    return None
