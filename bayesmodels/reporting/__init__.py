"""From a posterior to tables, figures, a summary for machines and one HTML page; needs no model and no PyMC."""

from bayesmodels.reporting.chapters.effects import EffectTable
from bayesmodels.reporting.document import Report, report
from bayesmodels.reporting.page import Block, Lead, Picture, Section, compose
from bayesmodels.reporting.settings import ReportSettings

__all__ = [
    "Block",
    "EffectTable",
    "Lead",
    "Picture",
    "Report",
    "ReportSettings",
    "Section",
    "compose",
    "report",
]
