"""`report`: a posterior to tables, figures, a summary for machines and one HTML page."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from pathlib import Path
from types import NoneType
from typing import Any

import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from bayesmodels.errors import expect, shown
from bayesmodels.listed_folder import ListedFolder
from bayesmodels.posterior.archive import FROM_FIT, load
from bayesmodels.posterior.context import FitContext
from bayesmodels.posterior.monte_carlo import ERROR
from bayesmodels.reporting.chapters.disease_rate import disease_rate_section
from bayesmodels.reporting.chapters.dropout import dropout_figures
from bayesmodels.reporting.chapters.event_figures import event_figures
from bayesmodels.reporting.chapters.event_sections import follow_up_sections
from bayesmodels.reporting.chapters.figures import (
    check_figure,
    curve_figure,
    curve_variable,
    difference_figure,
    effect_figure,
)
from bayesmodels.reporting.chapters.prediction import prediction_figures
from bayesmodels.reporting.chapters.ranks import rank_figures
from bayesmodels.reporting.chapters.sections import (
    absent_section,
    check_section,
    convergence_section,
    curve_section,
    effect_section,
    extra_section,
    parameter_section,
    ratio_section,
)
from bayesmodels.reporting.chapters.surrogate_checklist import Checklist
from bayesmodels.reporting.chapters.surrogate_figures import single_figures
from bayesmodels.reporting.chapters.surrogate_sections import single_sections
from bayesmodels.reporting.chapters.switch_sections import difference_section, period_section, persistence_section
from bayesmodels.reporting.chapters.trial_figures import trial_figures
from bayesmodels.reporting.chapters.trial_lead import trial_lead
from bayesmodels.reporting.chapters.trial_sections import trial_sections
from bayesmodels.reporting.drawing import LazyFigures, png_bytes
from bayesmodels.reporting.findings import Findings, find
from bayesmodels.reporting.first_screen import first_screen
from bayesmodels.reporting.not_converged import to_try, why
from bayesmodels.reporting.page import Block, Lead, Section, compose
from bayesmodels.reporting.settings import ReportSettings
from bayesmodels.reporting.summary import checked_json, summary
from bayesmodels.safe_labels import file_names, table_csv
from bayesmodels.surrogacy.evidence import as_json
from bayesmodels.surrogacy.trial_level.evidence import as_json as trial_as_json
from bayesmodels.vocabulary import ALL


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

    def save(self, folder: str | Path) -> Path:
        """Write ``summary.json``, ``curves.csv``, ``report.html``, ``tables/*.csv`` and ``figures/*.png|svg``.

        With a declared surrogate also ``checklist.json``. The folder is made if it is not there, and gets a
        ``manifest.json`` with the list of these files. Every file is written under a temporary name, flushed to disk,
        then renamed; nothing is deleted, and only files that the manifest lists are replaced. Names of tables and
        figures that hold labels of the user's become names that every system takes (`safe_labels`).

        Parameters
        ----------
        folder : str or Path

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        BadInput
            Files of these names are there that the package did not write, or the folder holds another run.
        BayesmodelsError
            The summary breaks its schema.
        """
        expect(folder, (str, Path), "folder", "give the folder to write the report to")
        ListedFolder(Path(folder)).write_report(self.files(), self.run)
        return Path(folder)

    def files(self, seconds: Callable[[], dict[str, float]] | None = None) -> dict[str, Callable[[], bytes]]:
        """Return the files of the report by name, each with what makes its content; the page last.

        Parameters
        ----------
        seconds : callable, optional
            Gives the seconds that ``summary.json`` says were spent; by default what the posterior says.
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
        files["summary.json"] = partial(self._summary_json, seconds)
        files["report.html"] = lambda: self.html.encode()
        return files

    def _png(self, name: str) -> bytes:
        return png_bytes(self.figures[name])

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
) -> Report:
    """Turn a posterior into a report.

    Parameters
    ----------
    posterior : xr.DataTree or path
        A posterior, or its NetCDF file.
    out : str or Path, optional
        Folder to write the report to (`Report.save`).
    settings : ReportSettings, optional

    Returns
    -------
    Report
        Page, tables, figures and summary; printed, the first screen.

    Raises
    ------
    BadInput
        The file cannot be read, or a setting names an outcome or week that the posterior does not have.
    MissingVariable
        The posterior has no group `posterior`.
    """
    expect(posterior, (xr.DataTree, str, Path), "posterior", FROM_FIT)
    expect(settings, (ReportSettings, NoneType), "settings", "write ReportSettings(interval=0.95)")
    expect(out, (str, Path, NoneType), "out", "give the folder that the report goes to")
    tree = posterior if isinstance(posterior, xr.DataTree) else load(posterior)
    findings = find(tree, settings or ReportSettings())
    figures = _figures(findings)
    empty = pd.DataFrame()
    trials = findings.trials
    lead = first_screen(findings) if trials is None else _trial_lead(findings)
    made = Report(
        title=_title(findings.context),
        lead=replace(lead, warnings=shown(findings.context.warnings, "warning")),
        sections=tuple(_sections(findings, figures)),
        tables={"curves": empty, **findings.tables},
        figures=figures,
        summary=summary(
            findings.context,
            findings.settings.interval,
            findings.tables.get("parameters", empty),
            findings.tables.get("differences", empty),
            findings.tables.get("effects", empty),
            _surrogacy_json(findings),
        ),
        stamp=findings.context.stamp,
        convergence=findings.context.convergence,
        checklist=findings.checklist,
        run=tree.attrs.get("run"),
    )
    if out is not None:
        made.save(out)
    return made


def _title(context: FitContext) -> str:
    return f"{context.data.get('name') or 'Unnamed data'}: {context.model_type} model"


def _surrogacy_json(findings: Findings) -> dict[str, Any] | None:
    """Every rung there is evidence on; None without any."""
    found = as_json(findings.surrogate, findings.settings)
    if findings.trials is None:
        return found
    return (found or {}) | {"trial": trial_as_json(findings.trials, findings.settings.interval)}


def _trial_lead(findings: Findings) -> Lead:
    assert findings.trials is not None
    context, settings = findings.context, findings.settings
    notes = (*context.notes, *settings.notes)
    lead = trial_lead(findings.trials, settings.interval_label, settings.interval, notes, _r2_error(findings))
    if context.unconverged:
        return Lead(lead.paragraphs, cautions=context.cautions, why=why(context), to_try=to_try(findings.tree, context))
    return replace(lead, cautions=context.cautions)


def _r2_error(findings: Findings) -> float:
    """Monte-Carlo error of R2 over trials; NaN where the chains are long enough."""
    table = findings.tables["parameters"].set_index("name")[ERROR]
    return float(table.get("trial_r2", math.nan))


def _sections(findings: Findings, figures: LazyFigures) -> Iterator[Section]:
    tables = findings.tables
    if findings.trials is not None:
        settings = findings.settings
        yield from trial_sections(findings.trials, figures, settings.interval_label, settings.interval)
    if findings.surrogate is not None and findings.checklist is not None:
        settings = findings.settings
        yield from single_sections(
            findings.surrogate, settings.surrogacy, findings.checklist, figures, settings.interval_label
        )
    if "disease_rates" in tables:
        yield disease_rate_section(tables["disease_rates"], findings.settings.interval_label)
    if "effects" in tables:
        yield effect_section(findings, figures)
    if any(name.startswith("curve_") for name in figures):
        yield curve_section(findings, figures)
    if "deltas" in tables:
        yield difference_section(findings, figures)
        yield persistence_section(findings)
    if "ratio_to_baseline" in tables:
        yield ratio_section(findings, _shown_weeks(findings))
    if "period_rates" in tables:
        yield period_section(findings)
    yield from follow_up_sections(findings, figures)
    for content in findings.context.extra_sections:
        yield extra_section(content)
    if "predictive_coverage" in tables:
        yield check_section(findings, figures)
    yield convergence_section(findings)
    if "parameters" in tables:
        yield parameter_section(findings)
    if findings.trials is None and (findings.absent or findings.undeclared_surrogate):
        yield absent_section(findings)


def _shown_weeks(findings: Findings) -> list[float]:
    """Weeks of the differences on the page; without differences about five of the curve weeks."""
    if "deltas" in findings.tables:
        return sorted(set(findings.tables["deltas"]["week"]))
    weeks = sorted(set(findings.tables["ratio_to_baseline"]["week"]))
    return weeks[:: max(1, len(weeks) // 5)]


def _figures(findings: Findings) -> LazyFigures:
    """Every figure this posterior has the variables for, by name: ``<kind>_<outcome>_<stratum>``."""
    tree, context, observed = findings.tree, findings.context, findings.observed
    prob, tables = findings.settings.interval, findings.tables
    makers: dict[str, Callable[[], Figure]] = {}
    if findings.trials is not None:
        makers |= trial_figures(findings.trials, prob)
    if findings.surrogate is not None:
        makers |= single_figures(findings.surrogate)
    deltas = list(tables["deltas"].itertuples()) if "deltas" in tables else []
    curves = tables.get("curves", pd.DataFrame(columns=["name", "outcome", "stratum"]))
    for outcome in context.outcomes.values():
        if "effects" in tables and (tables["effects"]["outcome"] == outcome.name).any() and outcome.effect_unit:
            makers[f"effect_{outcome.name}"] = partial(effect_figure, tables["effects"], outcome)
        own = curves[(curves["name"] == curve_variable(tree)) & (curves["outcome"] == outcome.name)]
        for stratum in sorted(own["stratum"].unique(), key=lambda label: label != ALL):
            makers[f"curve_{outcome.name}_{stratum}"] = partial(
                curve_figure, tree, context, outcome, stratum, prob, observed
            )
        for cell in sorted(deltas, key=lambda row: row.stratum != ALL):
            if cell.outcome != outcome.name:
                continue
            contrast = next(c for c in context.contrasts if c.label == cell.contrast)
            name = f"difference_{outcome.name}_{cell.stratum}"
            if len(context.contrasts) > 1:
                name += f"_{contrast.group}"
            makers[name] = partial(difference_figure, tree, context, outcome, contrast, cell.stratum, prob, observed)
        checks = tables.get("predictive_checks", pd.DataFrame(columns=["outcome", "stratum"]))
        for stratum in checks.loc[checks["outcome"] == outcome.name, "stratum"].unique():
            makers[f"check_{outcome.name}_{stratum}"] = partial(check_figure, tree, context, outcome, stratum, prob)
    makers |= event_figures(tree, context, prob) | dropout_figures(tree, context, prob, observed)
    makers |= rank_figures(tree, context)
    return LazyFigures(makers | prediction_figures(tree, context, tables, prob))
