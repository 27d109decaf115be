"""Numbers as text: estimate with interval, probability, percent."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.posterior.context import Outcome

MOST_DECIMALS = 6
"""Decimals beyond which a limit is 0 for every reader."""


def cell(value: Any) -> str:
    """A value as text: three significant digits, a true minus sign, "–" for nothing.

    >>> cell(-0.012345), cell(1234.5), cell(float("nan")), cell(3)
    ('−0.0123', '1,234', '–', '3')
    """
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NA:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    number = float(value)
    if math.isinf(number):
        return "∞" if number > 0 else "−∞"
    if number == int(number) and abs(number) < 1e15:
        text = f"{int(number):,}"
    elif abs(number) >= 100:
        text = f"{number:,.0f}"
    elif abs(number) >= 0.001:
        text = f"{number:.{2 - math.floor(math.log10(abs(number)))}f}"
    else:
        text = f"{number:.1e}"
    return text.replace("-", "−")


def estimate(median: float, lower: float, upper: float) -> str:
    """Median with its interval, with as many decimals as the interval's width deserves.

    >>> estimate(-0.8012, -0.9954, -0.6049)
    '−0.80 (−1.00 to −0.60)'
    """
    if not all(math.isfinite(value) for value in (median, lower, upper)):
        return f"{cell(median)} ({cell(lower)} to {cell(upper)})"
    return _with_decimals(median, lower, upper, _deserved(upper - lower))


def difference(median: float, lower: float, upper: float) -> str:
    """As `estimate`, of what may have either sign: limits that leave zero out are not rounded to it.

    >>> difference(-0.1, -0.196, -0.004), difference(-0.1, -0.204, 0.004)
    ('−0.100 (−0.196 to −0.004)', '−0.10 (−0.20 to 0.00)')
    """
    if not all(math.isfinite(value) for value in (median, lower, upper)) or lower <= 0 <= upper:
        return estimate(median, lower, upper)
    return _with_decimals(median, lower, upper, _decimals_off_zero(lower, upper, _deserved(upper - lower)))


def _decimals_off_zero(lower: float, upper: float, least: int) -> int:
    """Decimals with which limits of one sign are not rounded to zero."""
    decimals = least
    while lower * upper > 0 and decimals < MOST_DECIMALS and round(min(abs(lower), abs(upper)), decimals) == 0:
        decimals += 1
    return decimals


def _deserved(width: float) -> int:
    """Decimals that an interval's width deserves."""
    return 3 if width <= 1e-9 else int(np.clip(1 - math.floor(math.log10(width)), 0, 4))


def _with_decimals(median: float, lower: float, upper: float, decimals: int) -> str:
    return f"{fixed(median, decimals)} ({fixed(lower, decimals)} to {fixed(upper, decimals)})"


def fixed(value: float, decimals: int) -> str:
    """A number with so many decimals, a true minus sign, and no "−0"."""
    text = f"{value:,.{decimals}f}"
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else text.replace("-", "−")


def chance(value: float) -> str:
    """A probability to two decimals; never 0 or 1.

    >>> chance(0.9996), chance(0.5), chance(float("nan"))
    ('> 0.99', '0.50', '–')
    """
    if math.isnan(value):
        return "–"
    if value > 0.99:
        return "> 0.99"
    return "< 0.01" if value < 0.01 else f"{value:.2f}"


def as_percent(outcome: Outcome, median: float, lower: float, upper: float) -> str:
    """A difference in logs as percent lower or higher; blank for other scales.

    >>> as_percent(Outcome("nfl", scale="log"), -0.8, -1.0, -0.6)
    '55 % lower (45 to 63 % lower)'
    """
    if outcome.scale != "log" or not all(math.isfinite(value) for value in (median, lower, upper)):
        return ""
    middle, low, high = (100 * math.expm1(value) for value in (median, lower, upper))
    k = _decimals_off_zero(low, high, 0)
    if high < 0:
        return f"{-middle:.{k}f} % lower ({-high:.{k}f} to {-low:.{k}f} % lower)"
    if low > 0:
        return f"{middle:.{k}f} % higher ({low:.{k}f} to {high:.{k}f} % higher)"
    side = "lower" if middle < 0 else "higher"
    return f"{abs(middle):.0f} % {side} ({-low:.0f} % lower to {high:.0f} % higher)"


def percents(median: float, lower: float, upper: float) -> str:
    """A difference in logs as percent, for a table.

    >>> percents(-0.8, -1.0, -0.6)
    '−55 (−63 to −45)'
    """
    middle, low, high = (100 * math.expm1(value) for value in (median, lower, upper))
    return _with_decimals(middle, low, high, _decimals_off_zero(low, high, 0))


def chance_of(value: float, direction: str) -> str:
    """A probability after the sign that it is about.

    >>> chance_of(0.97, "- favours early")
    '− favours early: 0.97'
    """
    if math.isnan(value):
        return ""
    return f"{signed(direction)}: {chance(value)}"


def signed(direction: str) -> str:
    """A direction with a true minus sign."""
    return f"−{direction[1:]}" if direction.startswith("-") else direction


def places(column: pd.Series) -> pd.Series:
    """Place of each label in order of first appearance: a sorting key that keeps a table's own order."""
    return column.map({label: place for place, label in enumerate(column.unique())})


def weeks_saved(value: float) -> str:
    """Weeks, or "not reached" for -inf."""
    return "not reached" if math.isinf(value) else fixed(value, 0)
