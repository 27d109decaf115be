"""From a posterior to tables, figures, a summary for machines and one HTML page; needs no model and no PyMC.

Nothing heavy is imported until a name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayesmodels.lazy import lazy_names

if TYPE_CHECKING:
    from .ard import AnalysisResults as AnalysisResults
    from .chapter import Chapter as Chapter
    from .chapter import LeadLines as LeadLines
    from .chapter import Needs as Needs
    from .chapter import Reading as Reading
    from .chapters.effects import EffectTable as EffectTable
    from .document import CHAPTERS as CHAPTERS
    from .document import Report as Report
    from .document import analysis_results as analysis_results
    from .document import report as report
    from .layout import Layout as Layout
    from .layout import Statistic as Statistic
    from .page import Block as Block
    from .page import Lead as Lead
    from .page import Picture as Picture
    from .page import Section as Section
    from .page import compose as compose
    from .settings import ReportSettings as ReportSettings

_HOME = {
    "CHAPTERS": "document",
    "AnalysisResults": "ard",
    "Block": "page",
    "Chapter": "chapter",
    "EffectTable": "chapters.effects",
    "Layout": "layout",
    "Lead": "page",
    "LeadLines": "chapter",
    "Needs": "chapter",
    "Picture": "page",
    "Reading": "chapter",
    "Report": "document",
    "ReportSettings": "settings",
    "Section": "page",
    "Statistic": "layout",
    "analysis_results": "document",
    "compose": "page",
    "report": "document",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOME)
