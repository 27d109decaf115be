"""Tables as HTML fragments for Jupyter: numbers aligned right, text left, in the notebook's own colours."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

NUMBER = re.compile(r"^([−+<>±-]? ?\d[\d.,]*(e[+-]?\d+)?( ?%)?( \(.*\))?( \*)?|–)?$")
"""Text that stands for a number: a sign, digits, a percent sign, an interval in brackets, a mark; or nothing."""

SHORT = 32
"""Characters of the longest cell up to which a column is not broken into lines; longer ones get a width for words."""

_RULE = "1px solid rgba(128, 128, 128, 0.35)"
_CELL = "padding: 0.2em 0.8em 0.2em 0; vertical-align: top; background: none; color: inherit; max-width: 34em;"


def html_table(
    table: pd.DataFrame,
    number: str | Callable[[float], str] = "{:.4g}",
    nothing: str = "",
    most: int | None = None,
) -> str:
    """A table as HTML, labels escaped; wide ones scroll by themselves. Styles are inline, since notebooks keep those.

    Parameters
    ----------
    table : pandas.DataFrame
        Without its index.
    number : str or callable
        How floats are written: a format such as "{:.4f}", or a function of the number.
    nothing : str
        Of missing values.
    most : int, optional
        Rows shown, with the number of the others; default all.

    Returns
    -------
    str
        Markup. A column is aligned right where every cell of it is a number, or text that stands for one.
    """
    write = number.format if isinstance(number, str) else number

    def text(value: Any) -> str:
        if isinstance(value, str):
            return value
        if value is None or value != value or type(value).__name__ == "NAType":
            return nothing
        return write(value) if isinstance(value, float) else str(value)

    shown = table if most is None else table.head(most)
    values = [[text(value) for value in shown.iloc[:, k].tolist()] for k in range(table.shape[1])]
    right = [bool(column) and any(column) and all(NUMBER.match(value) for value in column) for column in values]
    styles = [f"text-align: {'right' if is_number else 'left'}; {_CELL}" for is_number in right]
    short = [max(map(len, column), default=0) <= SHORT for column in values]
    breaks = ["white-space: nowrap;" if whole else "min-width: 14em;" for whole in short]
    styles = [f"{style} {each}" for style, each in zip(styles, breaks, strict=True)]
    heads = "".join(
        f'<th style="{style} border: 0; border-bottom: {_RULE};">{escape(str(name))}</th>'
        for name, style in zip(table.columns, styles, strict=True)
    )
    rows = "".join(
        "<tr style='background: none;'>"
        + "".join(
            f'<td style="{style} border: 0;">{escape(value)}</td>' for value, style in zip(row, styles, strict=True)
        )
        + "</tr>"
        for row in zip(*values, strict=True)
    )
    left = len(table) - len(shown)
    more = f"<p>… and {left:,} more rows</p>" if left else ""
    return (
        '<div style="overflow-x: auto;"><table style="border-collapse: collapse; margin: 0.4em 0;">'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>{more}"
    )
