"""Analysis data sets (CDISC ADaM) to persons, visits and events: mapping, readers of files, conversion, report.

Nothing heavy is imported until a name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayesmodels.lazy import lazy_names

if TYPE_CHECKING:
    from .conversion import convert as convert
    from .draft import draft_mapping as draft_mapping
    from .mapping import AdamMapping as AdamMapping

_HOME = {"AdamMapping": "mapping", "convert": "conversion", "draft_mapping": "draft"}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOME)
