"""Limits of the values that an outcome can take, which the checks apply to every table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from bayesmodels.study.checks.labels import label_key

INFINITY = float("inf")


class Limits(NamedTuple):
    """Values an outcome can take.

    Parameters
    ----------
    low, high : float
        Lowest and highest possible value, inclusive, in the unit of the visits table.
    positive : bool
        Whether a value must be above 0, because the models work on its logarithm.
    """

    low: float = -INFINITY
    high: float = INFINITY
    positive: bool = False


LIMITS: dict[str, Limits] = {
    "nfl_plasma": Limits(positive=True),
    "sod1_csf": Limits(positive=True),
    "alsfrs_r": Limits(0.0, 48.0),
    "svc": Limits(0.0, 200.0),
    "hhd": Limits(),
    "alsaq5": Limits(0.0, 100.0),
    "eq5d5l": Limits(-1.0, 1.0),
}
"""Limits of the preset outcomes, by name; they hold for every label that is a spelling of it (`limits_of`).

NfL and SOD1 are concentrations. ALSFRS-R is a sum of twelve items of 0 to 4. `svc` is a percentage of the predicted
value, and above 200 is taken for a slip. `alsaq5` is scaled to 0 to 100. An EQ-5D-5L index is 1 in full health and, in
every published value set, above -1. `hhd` is in z units and unbounded.
"""


def limits_of(outcomes: Iterable[str], extra: Mapping[str, Limits]) -> dict[str, Limits]:
    """Limits of a table's outcomes, where there are any: those given, else those of the preset of that name.

    Parameters
    ----------
    outcomes : iterable of str
        Labels of the visits table.
    extra : mapping
        Label to limits, which go before the presets'.
    """
    presets = {label_key(name): limits for name, limits in LIMITS.items()}
    found = {}
    for outcome in outcomes:
        limits = extra.get(outcome, presets.get(label_key(outcome)))
        if limits is not None:
            found[outcome] = limits
    return found
