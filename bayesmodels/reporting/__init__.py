"""From a posterior to tables, figures, a summary for machines and one HTML page; needs no model and no PyMC."""

from bayesmodels.reporting.chapter import Chapter, LeadLines, Needs, Reading
from bayesmodels.reporting.chapters.effects import EffectTable
from bayesmodels.reporting.document import CHAPTERS, Report, report
from bayesmodels.reporting.page import Block, Lead, Picture, Section, compose
from bayesmodels.reporting.settings import ReportSettings

__all__ = [
    "CHAPTERS",
    "Block",
    "Chapter",
    "EffectTable",
    "Lead",
    "LeadLines",
    "Needs",
    "Picture",
    "Reading",
    "Report",
    "ReportSettings",
    "Section",
    "compose",
    "report",
]
