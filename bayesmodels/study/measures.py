"""Effect measures of trials: the scale on which an effect is given, its unit, and the ratio that it is the log of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bayesmodels.errors import BadInput
from bayesmodels.study.problem import plain, quoted

Measure = Literal[
    "mean_difference", "standardised_mean_difference", "log_ratio", "log_odds_ratio", "log_hazard_ratio"
]  # fmt: skip


@dataclass(frozen=True)
class EffectMeasure:
    """What an effect measure is.

    Parameters
    ----------
    words : str
        For readers.
    unit : str
        Of the effect; blank: that of the endpoint itself.
    ratio : str
        Short name of the ratio whose natural logarithm the effect is; blank where it is none.
    """

    words: str
    unit: str = ""
    ratio: str = ""


DEFAULT: Measure = "mean_difference"

MEASURES: dict[str, EffectMeasure] = {
    DEFAULT: EffectMeasure("mean difference"),
    "standardised_mean_difference": EffectMeasure("standardised mean difference", "SD"),
    "log_ratio": EffectMeasure("log ratio of geometric means", "ln ratio", "ratio"),
    "log_odds_ratio": EffectMeasure("log odds ratio", "ln OR", "OR"),
    "log_hazard_ratio": EffectMeasure("log hazard ratio", "ln HR", "HR"),
}
"""Effect measures by name. Logarithms are natural; effects are of the active treatment against control."""

RATIOS = tuple(name for name, measure in MEASURES.items() if measure.ratio)
"""Measures that are logarithms of ratios."""


def expect_measure(measure: object, label: str) -> EffectMeasure:
    """The effect measure of that name.

    Parameters
    ----------
    measure : str
    label : str
        Of the endpoint, for the message.

    Raises
    ------
    BadInput
        No such measure.
    """
    if not isinstance(measure, str) or measure not in MEASURES:
        raise BadInput(f'{label}: expected an effect measure ({quoted(MEASURES)}), got "{plain(measure)}"')
    return MEASURES[measure]
