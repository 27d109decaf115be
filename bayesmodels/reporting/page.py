"""One self-contained HTML page from titled sections of paragraphs, tables and figures.

The page needs no network: style and figures are inline. Any analysis can use it; nothing here knows about models.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader
from matplotlib.figure import Figure

from bayesmodels.html_tables import NUMBER
from bayesmodels.posterior.wording import cell, chance_of, estimate
from bayesmodels.reporting.drawing import svg_bytes
from bayesmodels.surrogacy.verdict import Verdict


@dataclass(frozen=True)
class Picture:
    """A figure with the words a reader needs who cannot see it (`alt`) and those who can (`caption`).

    `figure` is a Matplotlib figure, the bytes of a PNG or SVG file, or a function that gives one of these.
    """

    figure: Figure | bytes | Callable[[], Figure | bytes]
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """A titled part of a page.

    Parameters
    ----------
    title : str
    paragraphs : sequence of str
        Plain text; markup is escaped.
    tables : mapping of str to DataFrame
        Caption to table. The index is not shown. The first column heads its row. Numbers are rounded for reading
        (`cell`); give strings to choose the digits. A column that is "" in every row is left out.
    figures : sequence of Picture
    note : str
        Small print below: estimand, units, source.
    collapsed : bool
        Shown closed, opened by the reader; printed open.
    """

    title: str
    paragraphs: Sequence[str] = ()
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    figures: Sequence[Picture] = ()
    note: str = ""
    collapsed: bool = False

    def __post_init__(self) -> None:
        """Leave out columns without a word in them."""
        kept = {caption: table.iloc[:, _said(table)] for caption, table in self.tables.items()}
        object.__setattr__(self, "tables", kept)


@dataclass(frozen=True)
class Lead:
    """The first screen: what this is, how far a surrogate's evidence goes, what is identified, and what is not.

    Parameters
    ----------
    paragraphs, identified, not_identified : sequence of str
    verdicts : sequence of Verdict
        Of a declared surrogate.
    warnings : sequence of str
        What is doubtful in the data.
    cautions : sequence of str
        What must be known before any number, e.g. that chains are short.
    why, to_try : sequence of str
        Of a fit that did not converge: why not, and what to try. Then nothing is identified.
    """

    paragraphs: Sequence[str] = ()
    identified: Sequence[str] = ()
    not_identified: Sequence[str] = ()
    verdicts: Sequence[Verdict] = ()
    warnings: Sequence[str] = ()
    cautions: Sequence[str] = ()
    why: Sequence[str] = ()
    to_try: Sequence[str] = ()

    @property
    def lists(self) -> tuple[tuple[str, Sequence[str], str], ...]:
        """The lists of the first screen: heading, lines, and what stands there where there are none."""
        if self.why:
            return (
                ("Nothing is identified: the chains did not converge", self.why, ""),
                ("What to try", self.to_try, "Longer chains."),
            )
        return (
            ("Identified by these data", self.identified, "None of the effects asked about."),
            ("Not identified", self.not_identified, "None of the effects asked about is left open by these data."),
        )


@dataclass(frozen=True)
class Block:
    """Sections that belong to one posterior, with its own lead and, if it did not converge, its own stamp."""

    title: str
    sections: Sequence[Section]
    lead: Lead | None = None
    stamp: str | None = None


def compose(
    title: str, lead: Lead | Sequence[str], sections: Sequence[Section | Block], stamp: str | None = None
) -> str:
    """The page as one HTML string.

    Parameters
    ----------
    title : str
    lead : Lead or sequence of str
        First screen; a sequence is taken as its paragraphs.
    sections : sequence of Section or Block
        Blocks keep their own stamp; loose sections carry the page's.
    stamp : str, optional
        A warning on top of the page and on each loose section and figure, e.g. "This fit did not converge".
    """
    if not isinstance(lead, Lead):
        lead = Lead(paragraphs=(lead,) if isinstance(lead, str) else tuple(lead))
    template = _environment().get_template("page.html.j2")
    return template.render(title=title, lead=lead, blocks=_blocks(sections, stamp), stamp=stamp)


def chance_or_why(row: Mapping[str, Any]) -> str:
    """The probability of a row, or that it is withheld; the reason is in the section's text and in the CSV."""
    if row["withheld"].startswith("withheld"):
        return "withheld"
    return row["withheld"] or chance_of(row["probability_favours"], row["direction"])


def limits_cell(row: Mapping[str, Any], prefix: str = "") -> str:
    """Median with its interval, from columns `<prefix>median`, `lower` and `upper`; "–" where there is none."""
    numbers = [row[f"{prefix}{edge}"] for edge in ("median", "lower", "upper")]
    return "–" if any(math.isnan(value) for value in numbers) else estimate(*numbers)


def _blocks(sections: Sequence[Section | Block], stamp: str | None) -> list[Block]:
    """Loose sections gathered, in order, into untitled blocks that carry the page's stamp."""
    blocks: list[Block] = []
    loose: list[Section] = []
    for part in sections:
        if isinstance(part, Section):
            loose.append(part)
            continue
        if loose:
            blocks.append(Block("", tuple(loose), stamp=stamp))
            loose = []
        blocks.append(part)
    if loose:
        blocks.append(Block("", tuple(loose), stamp=stamp))
    return blocks


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("bayesmodels.reporting", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": cell, "inline": _inline, "anchor": _anchor, "numeric": _numeric_columns}
    return environment


def _said(table: pd.DataFrame) -> list[int]:
    """Places of the columns that say something in some row; all of them where there are no rows, or none does."""
    blank = [all(isinstance(value, str) and value == "" for value in table.iloc[:, k]) for k in range(table.shape[1])]
    return (
        [k for k, nothing in enumerate(blank) if not nothing] if len(table) and not all(blank) else [*range(len(blank))]
    )


def _inline(picture: Picture) -> str:
    figure = picture.figure() if callable(picture.figure) else picture.figure
    content = svg_bytes(figure) if isinstance(figure, Figure) else figure
    kind = "png" if content.startswith(b"\x89PNG") else "svg+xml"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _numeric_columns(frame: pd.DataFrame) -> list[bool]:
    """Which columns align right: numbers, and text that stands for one."""
    return [
        all(not isinstance(value, str) or NUMBER.match(value) is not None for value in frame[name])
        for name in frame.columns
    ]
