"""Published numbers, each with its certainty and source.

`load(name)` gives a table, `means_table(...)` the visit-level means of VALOR ready for one likelihood,
`cnm_au8_means(...)` those of CNM-Au8 in HEALEY, `trial_table(...)` the ALS programmes' effects on NfL and function.
Nothing heavy is imported until a name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayesmodels.lazy import lazy_names

if TYPE_CHECKING:
    from .als_trials import trial_table as trial_table
    from .cnm_au8 import cnm_au8_means as cnm_au8_means
    from .published import NAMES as NAMES
    from .published import Evidence as Evidence
    from .published import load as load
    from .valor import means_table as means_table

_HOME = {
    "NAMES": "published",
    "Evidence": "published",
    "load": "published",
    "cnm_au8_means": "cnm_au8",
    "means_table": "valor",
    "trial_table": "als_trials",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOME)
