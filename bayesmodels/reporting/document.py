"""`report`: a posterior to tables, figures, a summary for machines and one HTML page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from html import escape
from itertools import chain
from pathlib import Path
from types import NoneType
from typing import Any

import pandas as pd
import xarray as xr

from bayesmodels.errors import expect
from bayesmodels.listed_folder import ListedFolder
from bayesmodels.posterior.archive import FROM_FIT, load, needs
from bayesmodels.reporting.ard import AnalysisResults, results_of
from bayesmodels.reporting.chapter import Chapter, Needs, Reading, fill, read
from bayesmodels.reporting.chapters.borrowing import Borrowing
from bayesmodels.reporting.chapters.convergence import Convergence
from bayesmodels.reporting.chapters.curves import Curves
from bayesmodels.reporting.chapters.disease_rate import DiseaseRates
from bayesmodels.reporting.chapters.dropout import Dropout
from bayesmodels.reporting.chapters.effects import Effects
from bayesmodels.reporting.chapters.events.associations import Associations
from bayesmodels.reporting.chapters.events.estimands import Estimands
from bayesmodels.reporting.chapters.events.hazards import Hazards
from bayesmodels.reporting.chapters.events.prediction import Prediction
from bayesmodels.reporting.chapters.events.survival import Survival
from bayesmodels.reporting.chapters.from_posterior import FromPosterior
from bayesmodels.reporting.chapters.magnitude.chapter import Magnitudes
from bayesmodels.reporting.chapters.model_sensitivity import ModelSensitivity
from bayesmodels.reporting.chapters.parameters import Parameters
from bayesmodels.reporting.chapters.period_rates import PeriodRates
from bayesmodels.reporting.chapters.predictive_checks import PredictiveChecks
from bayesmodels.reporting.chapters.ranks import Ranks
from bayesmodels.reporting.chapters.ratio_to_baseline import RatioToBaseline
from bayesmodels.reporting.chapters.share_priors import SharePriors
from bayesmodels.reporting.chapters.start_groups.chapter import StartGroups
from bayesmodels.reporting.chapters.surrogate.checklist import Checklist, ChecklistItems, single_checklist
from bayesmodels.reporting.chapters.surrogate.criteria import Criteria
from bayesmodels.reporting.chapters.surrogate.earliness import Earliness
from bayesmodels.reporting.chapters.surrogate.mediation import Mediation
from bayesmodels.reporting.chapters.surrogate.persons import Persons
from bayesmodels.reporting.chapters.surrogate.two_effects import TwoEffects
from bayesmodels.reporting.chapters.surrogate.verdicts import Verdicts
from bayesmodels.reporting.chapters.trial_level.chapter import TrialLevel
from bayesmodels.reporting.drawing import LazyFigures, pdf_bytes, png_bytes
from bayesmodels.reporting.first_screen import first_screen
from bayesmodels.reporting.page import Block, Lead, Section, compose
from bayesmodels.reporting.rtf import require_rtflite, rtf_files
from bayesmodels.reporting.settings import ReportSettings
from bayesmodels.reporting.summary import checked_json, summary
from bayesmodels.safe_labels import file_names, table_csv
from bayesmodels.vocabulary import REPORTS

CHAPTERS: tuple[Chapter, ...] = (
    TrialLevel(),
    Verdicts(),
    Persons(),
    Criteria(),
    TwoEffects(),
    Mediation(),
    Earliness(),
    Magnitudes(),
    ChecklistItems(),
    DiseaseRates(),
    Borrowing(),
    Effects(),
    Curves(),
    StartGroups(),
    SharePriors(),
    ModelSensitivity(),
    RatioToBaseline(),
    PeriodRates(),
    Survival(),
    Estimands(),
    Associations(),
    Hazards(),
    Dropout(),
    Ranks(),
    Prediction(),
    FromPosterior(),
    PredictiveChecks(),
    Convergence(),
    Parameters(),
)
"""Chapters of a report, in the order of its page."""


class Tables(dict[str, pd.DataFrame]):
    """Tables by name; an unknown name is answered with those that there are."""

    def __missing__(self, name: str) -> pd.DataFrame:
        """Refuse a name that is not there."""
        raise KeyError(f"no table {name!r}; there are {', '.join(self) or 'none'}")


@dataclass(frozen=True, repr=False)
class Report:
    """What a posterior says.

    Parameters
    ----------
    title : str
    lead : Lead
        What is identified and what is not.
    sections : tuple of Section
    tables : dict of str to DataFrame
        Numbers unrounded, units in a column.
    figures : mapping of str to Figure
        Made when asked for.
    summary : dict
        Content of ``summary.json``.
    stamp : str or None
        The warning of a fit that did not converge.
    convergence : dict
        Grade of the draws by the report's limits, reasons and numbers.
    checklist : Checklist or None
        Of a report on a surrogate, where one is declared.
    run : str or None
        Name of the run that made the posterior; None where none did.
    results : AnalysisResults
        Every number of the tables, one row a statistic: `ard.parquet` and `ard.json`.
    """

    title: str
    lead: Lead
    sections: tuple[Section, ...]
    tables: dict[str, pd.DataFrame]
    figures: LazyFigures
    summary: dict[str, Any]
    stamp: str | None
    convergence: dict[str, Any]
    checklist: Checklist | None = None
    run: str | None = None
    results: AnalysisResults = field(default_factory=lambda: AnalysisResults(pd.DataFrame()))

    @property
    def ard(self) -> pd.DataFrame:
        """Analysis results data: the table of `results`."""
        return self.results.table

    @property
    def block(self) -> Block:
        """The whole report as one titled block, to be set on a page beside others."""
        return Block(self.title, self.sections, self.lead, self.stamp)

    @property
    def html(self) -> str:
        """The page."""
        return compose(self.title, self.lead, self.sections, self.stamp)

    def sentence(self) -> str:
        """The first screen as plain text."""
        lines = [*([self.stamp] if self.stamp else []), *self.lead.cautions]
        lines += [verdict.line for verdict in self.lead.verdicts]
        if self.lead.warnings:
            lines += ["Warnings about the data:", *(f"  {line}" for line in self.lead.warnings), ""]
        lines += self.lead.paragraphs
        for heading, found, none in self.lead.lists:
            lines += ["", f"{heading}:", *(f"  {line}" for line in found or [none])]
        return "\n".join(lines)

    def save(self, folder: str | Path, *, submission: bool = False) -> Path:
        """Write page, ``summary.json``, ``ard.parquet``, ``ard.json``, ``curves.csv``, ``tables/``, ``figures/``.

        With a declared surrogate also ``checklist.json``. The folder is made if it is not there, and gets a
        ``manifest.json`` with the list of these files. Every file is written under a temporary name, flushed to disk,
        then renamed; nothing is deleted, and only files that the manifest lists are replaced. Names of tables and
        figures that hold labels of the user's become names that every system takes (`safe_labels`).

        Parameters
        ----------
        folder : str or Path
        submission : bool
            Also ``rtf/*.rtf``, the tables that the page shows open, and ``figures/*.pdf``; needs the extra
            `submission`.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        BadInput
            Files of these names are there that the package did not write, or the folder holds another run; or the
            extra is not installed.
        BayesmodelsError
            The summary breaks its schema.
        """
        expect(folder, (str, Path), "folder", "give the folder to write the report to")
        ListedFolder(Path(folder)).write_report(self.files(submission=submission), self.run)
        return Path(folder)

    def files(
        self, seconds: Callable[[], dict[str, float]] | None = None, *, submission: bool = False
    ) -> dict[str, Callable[[], bytes]]:
        """Return the files of the report by name, each with what makes its content; the page last.

        Parameters
        ----------
        seconds : callable, optional
            Gives the seconds that ``summary.json`` says were spent; by default what the posterior says.
        submission : bool
            Also tables as RTF and figures as PDF.

        Raises
        ------
        BadInput
            `submission`, without its extra.
        """
        files: dict[str, Callable[[], bytes]] = {}
        if self.checklist is not None:
            files["checklist.json"] = self.checklist.as_json
        files["curves.csv"] = partial(table_csv, self.tables["curves"])
        for name, file in file_names(self.tables).items():
            files[f"tables/{file}.csv"] = partial(table_csv, self.tables[name])
        for name, file in file_names(self.figures).items():
            files[f"figures/{file}.png"] = partial(self._png, name)
            files[f"figures/{file}.svg"] = partial(self.figures.svg, name)
        if submission:
            require_rtflite()
            files |= {
                f"figures/{file}.pdf": partial(self._pdf, name) for name, file in file_names(self.figures).items()
            }
            files |= rtf_files(self.title, self.sections, self.results.about, self.stamp)
        files["ard.parquet"] = self.results.as_parquet
        files["ard.json"] = self.results.as_json
        files["summary.json"] = partial(self._summary_json, seconds)
        files["report.html"] = lambda: self.html.encode()
        return files

    def _png(self, name: str) -> bytes:
        return png_bytes(self.figures[name])

    def _pdf(self, name: str) -> bytes:
        return pdf_bytes(self.figures[name])

    def _summary_json(self, seconds: Callable[[], dict[str, float]] | None) -> bytes:
        spent = {} if seconds is None else seconds()
        return checked_json(self.summary | {"seconds": self.summary["seconds"] | spent})

    def __repr__(self) -> str:
        """Return the first screen."""
        return self.sentence()

    def _repr_html_(self) -> str:
        def listed(heading: str, lines: Sequence[str]) -> str:
            return f"<h4>{escape(heading)}</h4><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"

        stamp = f"<p><strong>{escape(self.stamp)}</strong></p>" if self.stamp else ""
        cautions = "".join(f"<p><em>{escape(text)}</em></p>" for text in self.lead.cautions)
        paragraphs = "".join(f"<p>{escape(text)}</p>" for text in self.lead.paragraphs)
        lists = "".join(listed(heading, found or [none]) for heading, found, none in self.lead.lists)
        verdicts = "".join(verdict._repr_html_() for verdict in self.lead.verdicts)
        doubts = listed("Warnings about the data", self.lead.warnings) if self.lead.warnings else ""
        return (
            f"<h3>{escape(self.title)}</h3>{stamp}{cautions}{verdicts}{doubts}{paragraphs}{lists}"
            f"<p>Tables: {escape(', '.join(self.tables))}. Figures: {escape(', '.join(self.figures))}.</p>"
        )


def report(
    posterior: xr.DataTree | str | Path,
    out: str | Path | None = None,
    settings: ReportSettings | None = None,
    chapters: Sequence[Chapter] = CHAPTERS,
) -> Report:
    """Turn a posterior into a report.

    Parameters
    ----------
    posterior : xr.DataTree or path
        A posterior, or its NetCDF file.
    out : str or Path, optional
        Folder to write the report to (`Report.save`).
    settings : ReportSettings, optional
    chapters : sequence of Chapter
        In the order of the page; your own beside the package's: ``(*CHAPTERS, Mine())``. What a posterior has not the
        variables or groups for is left out, and the page says so.

    Returns
    -------
    Report
        Page, tables, figures and summary; printed, the first screen.

    Raises
    ------
    BadInput
        The file cannot be read, a setting names an outcome or week that the posterior does not have, or two chapters
        have the same name, or make a table or figure of the same name.
    MissingVariable
        The posterior has no group `posterior`.
    """
    expect(posterior, (xr.DataTree, str, Path), "posterior", FROM_FIT)
    expect(settings, (ReportSettings, NoneType), "settings", "write ReportSettings(interval=0.95)")
    expect(out, (str, Path, NoneType), "out", "give the folder that the report goes to")
    tree = posterior if isinstance(posterior, xr.DataTree) else load(posterior)
    reading = read(tree, settings)
    shown = fill(reading, chapters)
    summaries = {chapter.name: content for chapter in shown if (content := chapter.summary(reading))}
    leads = [chapter.lead(reading) for chapter in shown]
    verdicts = tuple(chain.from_iterable(lead.verdicts for lead in leads))
    result = Report(
        title=f"{reading.context.data.get('name') or 'Unnamed data'}: {reading.context.model_type} model",
        lead=first_screen(reading, leads),
        sections=(
            *chain.from_iterable(_sections(chapter, reading) for chapter in shown),
            *_left_out(reading, chapters),
        ),
        tables=Tables({"curves": pd.DataFrame(), **reading.tables}),
        figures=reading.figures,
        summary=summary(reading, summaries),
        stamp=reading.context.stamp,
        convergence=reading.context.convergence,
        checklist=single_checklist(reading),
        run=tree.attrs.get("run"),
        results=results_of(reading, [chapter for chapter in chapters if chapter.needs.met(tree)], verdicts),
    )
    if out is not None:
        result.save(out)
    return result


def analysis_results(
    posterior: xr.DataTree | str | Path,
    settings: ReportSettings | None = None,
    chapters: Sequence[Chapter] = CHAPTERS,
) -> AnalysisResults:
    """Turn a posterior into analysis results data (ARD): every number of its report as one row.

    Parameters
    ----------
    posterior : xr.DataTree or path
        A posterior, or its NetCDF file.
    settings : ReportSettings, optional
    chapters : sequence of Chapter
        As of `report`.

    Returns
    -------
    AnalysisResults
        Its `table` has a row for each statistic: groups, variable, context, name, number, format, interval, direction.

    Raises
    ------
    BadInput, MissingVariable
        As of `report`.
    """
    return report(posterior, settings=settings, chapters=chapters).results


def _sections(chapter: Chapter, reading: Reading) -> Iterable[Section]:
    found = chapter.section(reading)
    return (found,) if isinstance(found, Section) else found


def _left_out(reading: Reading, chapters: Sequence[Chapter]) -> Iterator[Section]:
    """What this posterior could not show, and the line or call that would.

    The package's own chapters are not listed for a table of trials, which has none of the outcomes that they are about.
    """
    context = reading.context
    listed: dict[str, Needs] = {
        chapter.name: chapter.needs for chapter in chapters if reading.trials is None or chapter not in CHAPTERS
    }
    if reading.trials is None:  # what is read of a posterior elsewhere
        for report, lists in REPORTS.items():
            if lists and report not in listed:
                variables, groups = needs(report)
                listed[report] = Needs(tuple(variables), tuple(groups))
    rows = [
        {"Report": name, "Needs": ", ".join((*read.variables, *read.groups)), "Config": read.remedy}
        for name, read in listed.items()
        if not read.met(reading.tree)
    ]
    if reading.trials is None and reading.surrogate is None and len(context.outcomes) > 1:
        # which is which is not guessed
        first, second, *_ = context.outcomes
        line = f'[report] surrogate = "{first}"  outcome = "{second}"'
        rows.append({"Report": "surrogate", "Needs": "which biomarker, for which outcome", "Config": line})
    if rows:
        yield Section(
            "Not made from this posterior",
            tables={"Reports whose variables or groups are missing": pd.DataFrame(rows)},
            collapsed=True,
        )
